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
    double series_s;  /* when the series begins, after the record does */
    bool is_absolute; /* head_s is after the record's start, else after the series' */
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

/* What ISO/IEEE 11073-10101 calls a measurement that a global annotation may have. */
struct ecg_aecg_measure {
    enum ecg_measure what;
    const char *code; /* NULL ends the list */
};
extern const struct ecg_aecg_measure ecg_aecg_measures[];

/* And a wave: the kinds of mark where it begins, ends and has its peak. */
struct ecg_aecg_wave {
    enum ecg_mark_kind on;
    enum ecg_mark_kind off;
    enum ecg_mark_kind peak;
    const char *code; /* NULL ends the list */
};
extern const struct ecg_aecg_wave ecg_aecg_waves[];

#endif
