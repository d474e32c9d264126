/* What is found in a made-up recording: its figures and statements. */
#ifndef ECG_FOUND_H
#define ECG_FOUND_H

#include "ecg/analysis/ecg_finding.h"

#include <check.h>

struct found {
    struct ecg_findings all;
    struct ecg_figures f;
};

/* Frees r. */
static void find(struct ecg_record *r, struct found *out)
{
    struct base_error err = {0};
    struct ecg_beats beats = {0};
    struct ecg_quality quality;
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_int_eq(ecg_figures_measure(r, NULL, &beats, &out->f, &err), BASE_OK);
    ecg_quality_find(r, &quality);
    ck_assert_int_eq(ecg_findings_make(r, &beats, &out->f, &quality, NULL, &out->all), BASE_OK);
    ecg_beats_deinit(&beats);
    ecg_record_free(r);
}

static bool says(const struct found *x, enum ecg_finding_code code)
{
    return ecg_findings_one(&x->all, code) != NULL;
}

#endif
