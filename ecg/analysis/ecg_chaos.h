/*
 * Where the ventricles have no complexes any more, but waves: fibrillation, flutter and
 * torsades. Found in the signal itself, as there are no beats to go by.
 */
#ifndef ECG_CHAOS_H
#define ECG_CHAOS_H

#include "ecg/ecg_record.h"

struct ecg_chaos {
    double from_s; /* of the longest stretch */
    float seconds; /* how long it lasts; 0 = there is none */
    float bpm;     /* waves in a minute, mean */
    float without; /* share of all the time in which no lead has anything as steep as a complex */
};

void ecg_chaos_find(const struct ecg_record *r, struct ecg_chaos *out);
/* *qtc_ms: QTc (Framingham) of the beats in the longer part before or after it; NAN = there are
 * none to measure. Torsades come with a long one. */
enum base_err ecg_chaos_qtc_ms(const struct ecg_record *r, const struct ecg_chaos *c,
                               float *qtc_ms) BASE_MUST_CHECK;

#endif
