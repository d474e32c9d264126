/* Whether what a reader counted while it decoded is so of the samples that stand in memory. */
#ifndef ECG_TALLIES_H
#define ECG_TALLIES_H

#include "ecg/ecg_record.h"

static inline bool ecg_tally_holds(const struct ecg_lead *lead)
{
    int64_t sum = 0;
    size_t missing = 0;
    for (size_t k = 0; k < lead->samples; k++) {
        int32_t v = ecg_lead_sample(lead, k);
        missing += v == ECG_SAMPLE_NONE;
        sum += v == ECG_SAMPLE_NONE ? 0 : v;
    }
    return lead->tally.known && sum == lead->tally.sum && missing == lead->tally.missing;
}

static inline bool ecg_tallies_hold(const struct ecg_record *r)
{
    const struct ecg_lead *groups[] = {r->leads, r->others, r->medians};
    const size_t counts[] = {r->nleads, r->nothers, r->nmedians};
    bool hold = true;
    for (size_t g = 0; g < 3; g++)
        for (size_t i = 0; i < counts[g]; i++)
            hold &= ecg_tally_holds(&groups[g][i]);
    return hold;
}

#endif
