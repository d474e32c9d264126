/*
 * What an annotation says: the classes of beats, and all else that annotators
 * mark. One table for all formats: the numbers are WFDB's (annot(5)), which has
 * the most of them, and the MDC codes are those of ISO 11073-10102 that HL7 aECG
 * and DICOM use for beats.
 */
#ifndef ECG_CODE_H
#define ECG_CODE_H

#include <stdbool.h>
#include <stddef.h>

/* X(enumerator, WFDB number, WFDB mnemonic, is a beat, MDC reference id or "", meaning) */
#define ECG_CODE_MAP(X)                                                                            \
    X(NONE, 0, "", 0, "", "not stated")                                                            \
    X(NORMAL, 1, "N", 1, "MDC_ECG_BEAT_NORMAL", "normal beat")                                     \
    X(LBBB, 2, "L", 1, "MDC_ECG_BEAT_LEFT_BUNDLE_BRANCH_BLOCK_COMPLETE",                           \
      "left bundle branch block beat")                                                             \
    X(RBBB, 3, "R", 1, "MDC_ECG_BEAT_RIGHT_BUNDLE_BRANCH_BLOCK_COMPLETE",                          \
      "right bundle branch block beat")                                                            \
    X(ABERRANT, 4, "a", 1, "MDC_ECG_BEAT_ABERRANT", "aberrated atrial premature beat")             \
    X(PVC, 5, "V", 1, "MDC_ECG_BEAT_V_P_C", "premature ventricular contraction")                   \
    X(FUSION, 6, "F", 1, "MDC_ECG_BEAT_V_FUSION", "fusion of ventricular and normal beat")         \
    X(NODAL_PREMATURE, 7, "J", 1, "MDC_ECG_BEAT_JUNC_P_C", "nodal premature beat")                 \
    X(ATRIAL_PREMATURE, 8, "A", 1, "MDC_ECG_BEAT_ATR_P_C", "atrial premature contraction")         \
    X(SUPRAVENTRICULAR, 9, "S", 1, "MDC_ECG_BEAT_SV_P_C", "supraventricular premature beat")       \
    X(VENTRICULAR_ESCAPE, 10, "E", 1, "MDC_ECG_BEAT_V_ESC", "ventricular escape beat")             \
    X(NODAL_ESCAPE, 11, "j", 1, "MDC_ECG_BEAT_JUNC_ESC", "nodal escape beat")                      \
    X(PACED, 12, "/", 1, "MDC_ECG_BEAT_PACED", "paced beat")                                       \
    X(UNCLASSIFIABLE, 13, "Q", 1, "MDC_ECG_BEAT_UNKNOWN", "unclassifiable beat")                   \
    X(NOISE, 14, "~", 0, "", "change of signal quality")                                           \
    X(ARTIFACT, 16, "|", 0, "", "isolated artifact")                                               \
    X(ST_CHANGE, 18, "s", 0, "", "ST change")                                                      \
    X(T_CHANGE, 19, "T", 0, "", "T-wave change")                                                   \
    X(SYSTOLE, 20, "*", 0, "", "systole")                                                          \
    X(DIASTOLE, 21, "D", 0, "", "diastole")                                                        \
    X(COMMENT, 22, "\"", 0, "", "comment")                                                         \
    X(MEASUREMENT, 23, "=", 0, "", "measurement")                                                  \
    X(P_WAVE, 24, "p", 0, "", "P-wave peak")                                                       \
    X(BBB, 25, "B", 1, "MDC_ECG_BEAT_BUNDLE_BRANCH_BLOCK", "bundle branch block beat")             \
    X(PACE_SPIKE, 26, "^", 0, "", "pacemaker artifact")                                            \
    X(T_WAVE, 27, "t", 0, "", "T-wave peak")                                                       \
    X(RHYTHM, 28, "+", 0, "", "rhythm change")                                                     \
    X(U_WAVE, 29, "u", 0, "", "U-wave peak")                                                       \
    X(LEARN, 30, "?", 1, "", "beat not classified while learning")                                 \
    X(FLUTTER_WAVE, 31, "!", 0, "", "ventricular flutter wave")                                    \
    X(FLUTTER_ON, 32, "[", 0, "", "start of ventricular flutter or fibrillation")                  \
    X(FLUTTER_OFF, 33, "]", 0, "", "end of ventricular flutter or fibrillation")                   \
    X(ATRIAL_ESCAPE, 34, "e", 1, "MDC_ECG_BEAT_ATR_ESC", "atrial escape beat")                     \
    X(SUPRAVENTRICULAR_ESCAPE, 35, "n", 1, "MDC_ECG_BEAT_SV_ESC", "supraventricular escape beat")  \
    X(LINK, 36, "@", 0, "", "link to other data")                                                  \
    X(BLOCKED_P, 37, "x", 0, "", "blocked P wave (atrial premature)")                              \
    X(PACED_FUSION, 38, "f", 1, "MDC_ECG_BEAT_PACED_FUS", "fusion of paced and normal beat")       \
    X(WAVE_ON, 39, "(", 0, "", "start of a wave")                                                  \
    X(WAVE_OFF, 40, ")", 0, "", "end of a wave")                                                   \
    X(R_ON_T, 41, "r", 1, "MDC_ECG_BEAT_V_P_C_RonT", "R-on-T premature ventricular contraction")

/* The number of an enumerator is WFDB's. Others below ECG_CODE_COUNT are an
 * annotator's own and pass through unchanged. */
#define ECG_CODE_ENUM(name, wfdb, mnemonic, beat, mdc, meaning) ECG_CODE_##name = (wfdb),
enum ecg_code { ECG_CODE_MAP(ECG_CODE_ENUM) ECG_CODE_COUNT = 50 };
#undef ECG_CODE_ENUM

/* "N"; "" for a code that has none. */
const char *ecg_code_mnemonic(enum ecg_code code);
const char *ecg_code_meaning(enum ecg_code code);
/* Of a beat, "MDC_ECG_BEAT_NORMAL"; "" for others. */
const char *ecg_code_mdc(enum ecg_code code);
/* True of a QRS complex. */
bool ecg_code_is_beat(enum ecg_code code);
/* From "N" or "MDC_ECG_BEAT_NORMAL"; ECG_CODE_NONE if unknown. */
enum ecg_code ecg_code_by_name(const char *name, size_t n);

#endif
