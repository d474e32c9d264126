/*
 * The output of `rdc ecg beats` and `rdc ecg measure`: the analysis of a recording as WFDB
 * annotations, as text, and as JSON. All of it is marked as unconfirmed.
 */
#ifndef RDC_ECG_ANALYSIS_H
#define RDC_ECG_ANALYSIS_H

#include "base/buf.h"
#include "ecg/analysis/ecg_compare.h"

struct rdc_ecg_analysis {
    const struct ecg_record *record;
    /* One of its leads, or NULL = all. Beats are then detected in it alone; but an annotation file
     * with waves has the beats of all leads and the waves of this one. */
    const struct ecg_lead *only;
    const char *limits; /* of alarms, as ecg_alarm_limits_parse reads them; NULL = default */
    const struct ecg_record *earlier; /* of the same patient, to compare with; NULL = none */
};

/* All that the analysis finds. */
struct rdc_ecg_result {
    struct ecg_beats beats;
    struct ecg_figures f;
    struct ecg_quality quality;
    struct ecg_findings findings;
};

/* On BASE_OK the caller owns *out (rdc_ecg_result_free, which takes NULL). */
enum base_err rdc_ecg_analyse(const struct rdc_ecg_analysis *a, struct rdc_ecg_result **out,
                              struct base_error *err) BASE_MUST_CHECK;
void rdc_ecg_result_free(struct rdc_ecg_result *x);
/* What changed from a->earlier, which must be set, to now, the result of a. */
enum base_err rdc_ecg_compare(const struct rdc_ecg_analysis *a, const struct rdc_ecg_result *now,
                              struct ecg_changes *out, struct base_error *err) BASE_MUST_CHECK;

/* An annotation file: beats, and with waves also "(", "p", "N", "t" and ")". */
enum base_err rdc_ecg_beats_write(const struct rdc_ecg_analysis *a, bool waves,
                                  struct base_buf *out, struct base_error *err) BASE_MUST_CHECK;
/* The JSON of a recording that cannot be measured, or (NULL) not even read, for the reason given.
 */
void rdc_ecg_unmeasured_write(const struct ecg_record *record, const struct base_error *why,
                              struct base_buf *out);
/* One JSON object, or text for people. */
enum base_err rdc_ecg_measure_write(const struct rdc_ecg_analysis *a, bool json,
                                    struct base_buf *out, struct base_error *err) BASE_MUST_CHECK;

#endif
