/*
 * Waves of atrial flutter between the complexes: what lies from the end of T to the next QRS comes
 * again at one steady interval, and nothing there is level. Where so much of two cycles shows that
 * they can be compared: not at 2:1, and at 3:1 where T is early. There the mean beat is looked at,
 * with T taken out of it by its direction among the leads.
 */
#ifndef ECG_FLUTTER_H
#define ECG_FLUTTER_H

#include "ecg/analysis/ecg_figures.h"

/* *bpm: waves a minute, in the 10 s from beat `first` on; NAN: there are none, or a P wave that
 * looks like one is at hand. Of f: rate, waves, p_ms and qrs_ms. */
enum base_err ecg_flutter_find(const struct ecg_record *r, const struct ecg_beats *b, size_t first,
                               const struct ecg_figures *f, float *bpm) BASE_MUST_CHECK;

/* *found: 2 or 3: the waves come again after half or a third of an even interval, across T as well;
 * 0: they do not, or it cannot be told. *likeness: of one wave and the next; NAN. Of f: rate,
 * irregular, mean and waves. */
enum base_err ecg_flutter_conduction(const struct ecg_record *r, const struct ecg_figures *f,
                                     int *found, float *likeness) BASE_MUST_CHECK;
/* The rule of thumb for what cannot be told: an even tachycardia about 150/min with narrow
 * complexes and no P waves may be flutter with 2:1 conduction. */
bool ecg_flutter_by_rule(const struct ecg_figures *f);

#endif
