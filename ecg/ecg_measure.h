/*
 * Names of the measurements that devices store: key (as in JSON), unit, and the DICOM code
 * (CID 3228, CID 3229, TID 3713) where the global form has one. What we measure ourselves is in
 * ecg/analysis/ecg_figures.h.
 */
#ifndef ECG_MEASURE_H
#define ECG_MEASURE_H

#include "base/bytes.h"

/* X(enumerator, key, unit, MDC code or "", code meaning) */
#define ECG_MEASURE_MAP(X)                                                                         \
    X(OTHER, "other", "", "", "")                                                                  \
    X(HEART_RATE, "heart_rate", "bpm", "2:16016", "Ventricular Heart Rate")                        \
    X(ATRIAL_RATE, "atrial_rate", "bpm", "2:16020", "Atrial Heart Rate")                           \
    X(RR, "rr", "ms", "2:16168", "RR interval global")                                             \
    X(PP, "pp", "ms", "2:16140", "PP interval global")                                             \
    X(P_DURATION, "p_duration", "ms", "2:16184", "P duration global")                              \
    X(PR, "pr", "ms", "2:15872", "PR interval global")                                             \
    X(QRS, "qrs", "ms", "2:16156", "QRS duration global")                                          \
    X(QT, "qt", "ms", "2:16160", "QT interval global")                                             \
    X(QTC, "qtc", "ms", "2:15876", "QTc interval global")                                          \
    X(P_AXIS, "p_axis", "deg", "2:16128", "P Axis")                                                \
    X(QRS_AXIS, "qrs_axis", "deg", "2:16132", "QRS axis")                                          \
    X(T_AXIS, "t_axis", "deg", "2:16136", "T axis")                                                \
    X(Q_DURATION, "q_duration", "ms", "", "Q duration")                                            \
    X(R_DURATION, "r_duration", "ms", "", "R duration")                                            \
    X(S_DURATION, "s_duration", "ms", "", "S duration")                                            \
    X(R2_DURATION, "r2_duration", "ms", "", "R' duration")                                         \
    X(S2_DURATION, "s2_duration", "ms", "", "S' duration")                                         \
    X(Q_AMPLITUDE, "q_amplitude", "uV", "", "Q amplitude")                                         \
    X(R_AMPLITUDE, "r_amplitude", "uV", "", "R amplitude")                                         \
    X(S_AMPLITUDE, "s_amplitude", "uV", "", "S amplitude")                                         \
    X(R2_AMPLITUDE, "r2_amplitude", "uV", "", "R' amplitude")                                      \
    X(S2_AMPLITUDE, "s2_amplitude", "uV", "", "S' amplitude")                                      \
    X(J_AMPLITUDE, "j_amplitude", "uV", "", "J point amplitude")                                   \
    X(P_MAX, "p_max", "uV", "", "P amplitude, positive")                                           \
    X(P_MIN, "p_min", "uV", "", "P amplitude, negative")                                           \
    X(T_MAX, "t_max", "uV", "", "T amplitude, positive")                                           \
    X(T_MIN, "t_min", "uV", "", "T amplitude, negative")                                           \
    X(ST_SLOPE, "st_slope", "uV/s", "", "ST slope")                                                \
    X(ISO_ON, "iso_onset", "ms", "", "Iso-electric segment at QRS onset")                          \
    X(ISO_OFF, "iso_offset", "ms", "", "Iso-electric segment at QRS offset")                       \
    X(INTRINSICOID, "intrinsicoid", "ms", "", "Intrinsicoid deflection")                           \
    X(ST20, "st20", "uV", "", "ST amplitude at J + 20 ms")                                         \
    X(ST60, "st60", "uV", "", "ST amplitude at J + 60 ms")                                         \
    X(ST80, "st80", "uV", "", "ST amplitude at J + 80 ms")                                         \
    X(ST_RR16, "st_rr16", "uV", "", "ST amplitude at J + RR/16")                                   \
    X(ST_RR8, "st_rr8", "uV", "", "ST amplitude at J + RR/8")

#define ECG_MEASURE_ENUM(name, key, unit, code, meaning) ECG_MEASURE_##name,
enum ecg_measure { ECG_MEASURE_MAP(ECG_MEASURE_ENUM) ECG_MEASURE_COUNT };
#undef ECG_MEASURE_ENUM

struct ecg_measure_row {
    const char *key;
    const char *unit;    /* as written in JSON and on the sheet */
    const char *code;    /* MDC code, "" if none */
    const char *meaning; /* DICOM code meaning, or a plain description */
};

/* Never NULL; the row of ECG_MEASURE_OTHER for a value out of range. */
const struct ecg_measure_row *ecg_measure_row(enum ecg_measure what);
/* From a DICOM concept (scheme MDC, LN or SCPECG); ECG_MEASURE_OTHER if unknown. */
enum ecg_measure ecg_measure_by_code(struct base_bytes scheme, struct base_bytes code);

#endif
