#include "ecg/analysis/ecg_gap.h"

#include <stdlib.h>

enum { LOOKS_HZ = 100, LEAST = 10 /* looks without a sample */ };

bool ecg_gap_is_whole(const struct ecg_lead *lead, double seconds)
{
    double end_s = lead->start_s + (double)lead->samples / lead->rate_hz;
    const double least_s = (double)LEAST / LOOKS_HZ;
    return lead->tally.known && lead->tally.missing == 0 && lead->start_s < least_s &&
           end_s > seconds - least_s;
}

bool ecg_gap_has_sample(const struct ecg_lead *lead, double at_s)
{
    double at = (at_s - lead->start_s) * lead->rate_hz;
    return at >= 0 && at < (double)lead->samples &&
           ecg_lead_sample(lead, (size_t)at) != ECG_SAMPLE_NONE;
}

static bool is_missing(const struct ecg_lead *const *leads, size_t n, double at_s)
{
    for (size_t i = 0; i < n; i++)
        if (ecg_gap_has_sample(leads[i], at_s))
            return false;
    return true;
}

static bool add(struct ecg_beats *b, size_t from, size_t to)
{
    bool full = (b->ngaps & (b->ngaps - 1)) == 0; /* sizes are powers of two */
    if (full) {
        struct ecg_gap *more = realloc(b->gap, (b->ngaps ? 2 * b->ngaps : 1) * sizeof *more);
        if (!more)
            return false;
        b->gap = more;
    }
    b->gap[b->ngaps++] = (struct ecg_gap){(double)from / LOOKS_HZ, (double)to / LOOKS_HZ};
    return true;
}

static void tell_beats(struct ecg_beats *b)
{
    for (size_t i = 1, k = 0; i < b->n; i++) {
        while (k < b->ngaps && b->gap[k].to_s <= b->beat[i - 1].at_s)
            k++;
        b->beat[i].after_gap = k < b->ngaps && b->gap[k].from_s < b->beat[i].at_s;
    }
}

enum base_err ecg_gap_find(const struct ecg_lead *const *leads, size_t n, struct ecg_beats *b)
{
    for (size_t i = 0; i < n; i++)
        if (ecg_gap_is_whole(leads[i], b->seconds))
            return BASE_OK;
    size_t looks = (size_t)(b->seconds * LOOKS_HZ), run = 0;
    for (size_t i = 0; i <= looks; i++) {
        bool missing = i < looks && is_missing(leads, n, (double)i / LOOKS_HZ);
        if (!missing && run >= LEAST && !add(b, i - run, i)) {
            free(b->gap);
            b->gap = NULL;
            b->ngaps = 0;
            return BASE_ENOMEM;
        }
        run = missing ? run + 1 : 0;
    }
    tell_beats(b);
    return BASE_OK;
}
