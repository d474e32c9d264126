/*
 * Where a recording has nothing: what happened then is not known, and the time between the beats
 * on both sides is no interval.
 */
#ifndef ECG_GAP_H
#define ECG_GAP_H

#include "ecg/analysis/ecg_beats.h"

/* True of a lead that has all its samples from the start to the end of so many seconds, but for
 * less than a gap at either: it need not be looked into. */
bool ecg_gap_is_whole(const struct ecg_lead *lead, double seconds);
/* Whether one is there at this time after the record's start. */
bool ecg_gap_has_sample(const struct ecg_lead *lead, double at_s);
/* Fills b->gap: from 100 ms on, in which a complex may hide, without a sample in any of the n
 * leads; and says so of the beats behind. BASE_ENOMEM: b is as before. */
enum base_err ecg_gap_find(const struct ecg_lead *const *leads, size_t n,
                           struct ecg_beats *b) BASE_MUST_CHECK;

#endif
