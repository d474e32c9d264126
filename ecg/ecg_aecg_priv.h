/* What the files of the HL7 aECG parser and writer share. Private to ecg_aecg*.c.
 * References are to the HL7 aECG Implementation Guide, 2005 (PORT_MT020001). */
#ifndef ECG_AECG_PRIV_H
#define ECG_AECG_PRIV_H

#include "ecg/ecg_digits.h"
#include "ecg/ecg_hl7_time.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_unit.h"
#include "ecg/ecg_xml.h"

enum { AECG_CODE = 64, AECG_NESTED = 8 };

/* An annotation that is open. */
struct aecg_annotation {
    char code[AECG_CODE];
    char value_code[AECG_CODE]; /* value of type CE */
    const char *value_text;     /* its displayName, or a value of type ST */
    double value;               /* of type PQ; NAN without */
    char unit[16];
    char lead[AECG_CODE]; /* boundary */
    double at_s;          /* boundary of one point; NAN without */
    double from_s;
    double to_s;
    double qrs_s; /* of waves within: where the QRS begins */
    double peak_s;
};

struct aecg {
    struct ecg_xml *x;
    struct ecg_record *r;
    bool derived; /* in a derived series that is a representative beat */
    bool passed_over;
    bool beat_series; /* so is the series around it */
    double start_s;   /* of the record, since 1970; NAN while not known */

    /* The sequence set: what its leads wait for. */
    size_t first_lead;
    double head_s;
    double increment_s;

    /* The sequence. */
    char code[AECG_CODE];
    bool is_mlii; /* the code of a lead, ML, is shown as MLII */
    double origin;
    double scale;
    char origin_unit[16];
    char scale_unit[16];
    bool has_digits;
    bool in_digits;
    unsigned digits_line;
    enum ecg_simd level;
    struct ecg_digits digits;

    char filter[AECG_CODE]; /* the control variable in which one is nested */
    char control[AECG_CODE];
    size_t depth;
    struct aecg_annotation nested[AECG_NESTED];
    const char *family;
    const char *given;
};

/* An element within an annotation begins. */
void ecg_aecg_annotation_start(struct aecg *a, const char *name);
void ecg_aecg_annotation_end(struct aecg *a, const char *name);
/* "ms", "s" to seconds; 0 for what is no time. */
double ecg_aecg_unit_in_s(const char *unit);
/* Seconds after the record's start of a value with a unit, or an HL7 time. NAN if
 * it is neither. */
double ecg_aecg_time(const struct aecg *a, const char *value, const char *unit);

/* X(measure, MDC reference id): those that a global annotation may have. */
#define ECG_AECG_MEASURE_MAP(X)                                                                    \
    X(HEART_RATE, "MDC_ECG_HEART_RATE")                                                            \
    X(ATRIAL_RATE, "MDC_ECG_ATRIAL_RATE")                                                          \
    X(RR, "MDC_ECG_TIME_PD_RR_GL")                                                                 \
    X(PP, "MDC_ECG_TIME_PD_PP_GL")                                                                 \
    X(P_DURATION, "MDC_ECG_TIME_PD_P")                                                             \
    X(PR, "MDC_ECG_TIME_PD_PR")                                                                    \
    X(QRS, "MDC_ECG_TIME_PD_QRS")                                                                  \
    X(QT, "MDC_ECG_TIME_PD_QT")                                                                    \
    X(QTC, "MDC_ECG_TIME_PD_QTc")                                                                  \
    X(P_AXIS, "MDC_ECG_ANGLE_P_FRONT")                                                             \
    X(QRS_AXIS, "MDC_ECG_ANGLE_QRS_FRONT")                                                         \
    X(T_AXIS, "MDC_ECG_ANGLE_T_FRONT")                                                             \
    X(Q_DURATION, "MDC_ECG_TIME_PD_Q")                                                             \
    X(R_DURATION, "MDC_ECG_TIME_PD_R")                                                             \
    X(S_DURATION, "MDC_ECG_TIME_PD_S")                                                             \
    X(Q_AMPLITUDE, "MDC_ECG_AMPL_Q")                                                               \
    X(R_AMPLITUDE, "MDC_ECG_AMPL_R")                                                               \
    X(S_AMPLITUDE, "MDC_ECG_AMPL_S")                                                               \
    X(J_AMPLITUDE, "MDC_ECG_AMPL_J")                                                               \
    X(P_MAX, "MDC_ECG_AMPL_P_MAX")                                                                 \
    X(P_MIN, "MDC_ECG_AMPL_P_MIN")                                                                 \
    X(T_MAX, "MDC_ECG_AMPL_T_MAX")                                                                 \
    X(T_MIN, "MDC_ECG_AMPL_T_MIN")                                                                 \
    X(ST20, "MDC_ECG_AMPL_ST_20")                                                                  \
    X(ST60, "MDC_ECG_AMPL_ST_60")                                                                  \
    X(ST80, "MDC_ECG_AMPL_ST_80")

/* X(kind of its beginning, of its end, of its peak, MDC reference id) */
#define ECG_AECG_WAVE_MAP(X)                                                                       \
    X(P_ON, P_OFF, P_PEAK, "MDC_ECG_WAVC_PWAVE")                                                   \
    X(QRS_ON, QRS_OFF, QRS_PEAK, "MDC_ECG_WAVC_QRSWAVE")                                           \
    X(QRS_ON, T_OFF, OTHER, "MDC_ECG_WAVC_QRSTWAVE")                                               \
    X(T_ON, T_OFF, T_PEAK, "MDC_ECG_WAVC_TWAVE")                                                   \
    X(U_ON, U_OFF, U_PEAK, "MDC_ECG_WAVC_UWAVE")                                                   \
    X(OTHER, OTHER, QRS_PEAK, "MDC_ECG_WAVC_RWAVE")

#endif
