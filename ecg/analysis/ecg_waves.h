/*
 * The waves of each beat of a recording: where P, QRS and T begin, have their peak and end.
 * Ours and unconfirmed, as the beats are.
 */
#ifndef ECG_WAVES_H
#define ECG_WAVES_H

#include "ecg/analysis/ecg_delineate.h"

/* In s after the record's start; NAN = not there, or not to be told. */
struct ecg_waves {
    double at_s[ECG_POINT_COUNT];
};

/* Of b->n beats, which were found in all leads of r. only: the boundaries in this lead, NULL =
 * over all leads, earliest onset and latest end. out: b->n of them. */
enum base_err ecg_waves_find(const struct ecg_record *r, const struct ecg_beats *b,
                             const struct ecg_lead *only, struct ecg_waves *out,
                             struct base_error *err) BASE_MUST_CHECK;

#endif
