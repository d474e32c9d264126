/*
 * Pacemaker spikes in the signal itself, for recordings whose device marked none: a jump within
 * 2 ms out of a quiet line, at one moment in half of the leads. Where there are none, what a filter
 * of 100 Hz or more leaves of them: short waves in half of the leads, as long before the complexes.
 */
#ifndef ECG_PACE_H
#define ECG_PACE_H

#include "ecg/analysis/ecg_beats.h"

/* Times of up to max spikes, in order; how many. 0 where the leads cannot show them: fewer than
 * three, of different rates, or of less than 500 Hz; and of fewer than three spikes, which may
 * be anything. */
size_t ecg_pace_find(const struct ecg_record *r, const struct ecg_beats *b, double *at_s,
                     size_t max);

#endif
