#include "ecg/analysis/ecg_section.h"

#include <math.h>

static const double SAME_S = 1;       /* equal samples: no electrode gives them */
static const double LEAST_S = 1.5;    /* a section holds a beat or two */
static const double NEAR_S = 0.25;    /* leads of one group begin and end so near to each other */
static const double MOST_SHARE = 0.6; /* a lead that is there for more is no part of a group */

/* Samples at an end of the lead that are missing, or all the same for long: formats that know no
 * missing ones have some value there. */
static size_t padding(const struct ecg_lead *lead, bool at_end)
{
    size_t n = 0, last = lead->samples ? lead->samples - 1 : 0;
    while (n < lead->samples &&
           ecg_lead_sample(lead, at_end ? last - n : n) == ecg_lead_sample(lead, at_end ? last : 0))
        n++;
    bool is_missing = n && ecg_lead_sample(lead, at_end ? last : 0) == ECG_SAMPLE_NONE;
    return is_missing || (double)n >= SAME_S * lead->rate_hz ? n : 0;
}

bool ecg_section_span(const struct ecg_lead *lead, struct ecg_section *out)
{
    size_t first = padding(lead, false), missing = 0;
    size_t end = first < lead->samples ? lead->samples - padding(lead, true) : first;
    bool is_full = lead->tally.known && lead->tally.missing == 0;
    for (size_t i = first; i < end && !is_full; i++)
        missing += ecg_lead_sample(lead, i) == ECG_SAMPLE_NONE;
    out->from_s = lead->start_s + (double)first / lead->rate_hz;
    out->to_s = lead->start_s + (double)end / lead->rate_hz;
    return end > first && missing * 10 < end - first;
}

static bool are_near(const struct ecg_section *a, const struct ecg_section *b)
{
    return fabs(a->from_s - b->from_s) < NEAR_S && fabs(a->to_s - b->to_s) < NEAR_S;
}

/* Adds it in order of time, unless it is there; false: no room. */
static bool add(struct ecg_section *all, size_t *n, const struct ecg_section *s)
{
    size_t k = *n;
    for (size_t i = 0; i < *n; i++)
        if (are_near(&all[i], s)) {
            all[i].from_s = fmax(all[i].from_s, s->from_s); /* what all leads of it have */
            all[i].to_s = fmin(all[i].to_s, s->to_s);
            return true;
        }
    if (*n == ECG_SECTIONS_MAX)
        return false;
    for (; k > 0 && all[k - 1].from_s > s->from_s; k--)
        all[k] = all[k - 1];
    all[k] = *s;
    (*n)++;
    return true;
}

static bool is_strip(const struct ecg_lead *lead, double seconds)
{
    struct ecg_section s;
    return ecg_section_span(lead, &s) && s.to_s - s.from_s > MOST_SHARE * seconds;
}

size_t ecg_section_find(const struct ecg_record *r, struct ecg_section out[ECG_SECTIONS_MAX],
                        size_t *strips)
{
    double seconds = ecg_record_seconds(r);
    size_t n = 0;
    *strips = 0;
    for (size_t i = 0; i < r->nleads; i++) {
        struct ecg_section s;
        if (!ecg_window_can(&r->leads[i]))
            continue;
        if (is_strip(&r->leads[i], seconds))
            (*strips)++;
        else if (!ecg_section_span(&r->leads[i], &s) && s.to_s <= s.from_s)
            continue; /* not recorded at all */
        else if (!ecg_section_span(&r->leads[i], &s) || s.to_s - s.from_s < LEAST_S ||
                 !add(out, &n, &s))
            return 0;
    }
    double all_s = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && out[i].from_s < out[i - 1].to_s - NEAR_S)
            return 0;
        all_s += out[i].to_s - out[i].from_s;
    }
    return n > 1 && all_s * 2 > seconds ? n : 0; /* whatever their starts say, they fill the time */
}

void ecg_section_take(const struct ecg_record *r, const struct ecg_section *s, struct ecg_part *out)
{
    size_t n = 0;
    double middle_s = (s->to_s - s->from_s) / 2;
    ecg_part_take(r, s->from_s, s->to_s, out);
    for (size_t i = 0; i < out->record.nleads; i++) {
        struct ecg_section own;
        if (ecg_section_span(&out->leads[i], &own) && own.from_s < middle_s && own.to_s > middle_s)
            out->leads[n++] = out->leads[i];
    }
    out->record.nleads = n;
}

void ecg_section_take_strips(const struct ecg_record *r, struct ecg_part *out)
{
    double seconds = ecg_record_seconds(r);
    out->record = *r;
    out->record.leads = out->leads;
    out->record.nleads = 0;
    for (size_t i = 0; i < r->nleads && out->record.nleads < ECG_WINDOW_LEADS; i++)
        if (ecg_window_can(&r->leads[i]) && is_strip(&r->leads[i], seconds))
            out->leads[out->record.nleads++] = r->leads[i];
}
