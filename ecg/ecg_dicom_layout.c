/* Which class of ECG object holds a record, and in which multiplex groups its leads stand. */
#include "ecg/ecg_dicom_write_priv.h"

#include "base/utf8.h"
#include "dicom/dicom_dataset.h"
#include "ecg/ecg_write.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PS3.3 A.34.3.4, A.34.4.4, A.34.5.4 and the Content Constraints of General 32-bit ECG: what an
 * object of each class holds at most. The last one leaves the sampling frequency to the conformance
 * statement; ours is any that a recording has. */
static const struct kind {
    const char *sop_class;
    size_t groups;
    size_t channels; /* of each group */
    size_t total;    /* channels of all groups */
    size_t samples;  /* of each channel */
    double rate_min; /* Hz */
    double rate_max;
    unsigned bits; /* of a sample */
    bool medians;  /* has a place for the median beat */
} kinds[] = {
    {DICOM_UID_TWELVE_LEAD_ECG, 5, 13, 13, 16384, 200, 1000, 16, false},
    {DICOM_UID_GENERAL_ECG, 4, 24, 4 * 24, SIZE_MAX, 200, 1000, 16, true},
    {DICOM_UID_AMBULATORY_ECG, 1, 12, 12, SIZE_MAX, 50, 1000, 16, false},
    {DICOM_UID_GENERAL_32BIT_ECG, 4, 24, 4 * 24, SIZE_MAX, DBL_MIN, DBL_MAX, 32, true},
};

static bool lead_has_gaps(const struct ecg_lead *lead)
{
    for (size_t i = 0; i < lead->samples; i++)
        if (ecg_lead_sample(lead, i) == ECG_SAMPLE_NONE)
            return true;
    return false;
}

/* Leads of one group that begin hours apart are padded: a small file must not make a large one. */
static enum base_err measure_group(struct ecg_dicom_multiplex *g, size_t *room,
                                   struct base_error *err)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct ecg_lead *lead = g->lead[i];
        if (!(fabs(lead->start_s) < 1e6 && fabs(lead->start_s * lead->rate_hz) < 1e15))
            return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS, "a lead starts after %g s",
                             lead->start_s);
        int64_t end = ecg_write_first(lead) + (int64_t)lead->samples;
        g->samples = end > (int64_t)g->samples ? (size_t)end : g->samples;
    }
    if (g->samples == 0)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "all samples lie before the start of the record");
    if (g->samples > *room / g->n)
        return base_fail(err, BASE_ELIMIT, BASE_NOPOS,
                         "%zu samples of each of %zu leads are too many for DICOM, from the "
                         "start of the record to the end of its last lead",
                         g->samples, g->n);
    *room -= g->samples * g->n;
    for (size_t i = 0; i < g->n; i++) {
        int64_t first = ecg_write_first(g->lead[i]);
        g->padded |= first > 0 || first + (int64_t)g->lead[i]->samples < (int64_t)g->samples ||
                     lead_has_gaps(g->lead[i]);
    }
    return BASE_OK;
}

static bool is_at(const struct ecg_lead *lead, double rate)
{
    return fabs(lead->rate_hz - rate) <= 1e-6;
}

static bool is_in(const struct ecg_dicom_layout *all, const struct ecg_lead *lead)
{
    for (size_t i = 0; i < all->n; i++)
        for (size_t k = 0; k < all->of[i].n; k++)
            if (all->of[i].lead[k] == lead)
                return true;
    return false;
}

static bool can_hold(const struct kind *kind, double rate)
{
    return rate >= kind->rate_min && rate <= kind->rate_max;
}

/* Of the leads that are in no group yet, the rate within the limits that most of them have; the
 * earlier of two. 0: there is none. */
static double commonest_rate(const struct kind *kind, const struct ecg_dicom_layout *all,
                             const struct ecg_record *r)
{
    double best = 0;
    size_t most = 0;
    for (size_t i = 0; i < r->nleads; i++) {
        const struct ecg_lead *lead = &r->leads[i];
        size_t n = 0;
        if (lead->samples == 0 || !can_hold(kind, lead->rate_hz))
            continue;
        for (size_t k = 0; k < r->nleads; k++)
            n += r->leads[k].samples && is_at(&r->leads[k], lead->rate_hz) &&
                 !is_in(all, &r->leads[k]);
        if (n > most) {
            most = n;
            best = lead->rate_hz;
        }
    }
    return best;
}

/* The leads that an object of this kind holds; a group is of one rate. A lead without samples is
 * left out: as a row of missing ones it would stand in the way of what follows from other leads. */
static enum base_err fill(const struct kind *kind, const struct ecg_record *r, size_t samples,
                          struct ecg_dicom_layout *all, struct base_error *err)
{
    *all = (struct ecg_dicom_layout){
        .sop_class = kind->sop_class, .bits = kind->bits, .room = samples};
    double rate;
    while (all->n < kind->groups && all->leads < kind->total &&
           (rate = commonest_rate(kind, all, r)) > 0) {
        struct ecg_dicom_multiplex *g = &all->of[all->n];
        g->rate = rate;
        for (size_t i = 0; i < r->nleads && g->n < kind->channels && all->leads < kind->total;
             i++) {
            const struct ecg_lead *lead = &r->leads[i];
            if (lead->samples && is_at(lead, rate) && !is_in(all, lead)) {
                g->lead[g->n++] = lead;
                all->leads++;
            }
        }
        enum base_err e = measure_group(g, &all->room, err);
        if (e)
            return e;
        if (g->samples > kind->samples) {
            all->leads = 0;
            break;
        }
        all->n++;
    }
    return BASE_OK;
}

static void add_name(struct ecg_dicom_layout *w, const struct ecg_lead *lead)
{
    size_t n = strlen(w->left_out);
    char text[96];
    snprintf(text, sizeof text, "%s%.40s (%g Hz)", n ? ", " : "", lead->name, lead->rate_hz);
    size_t m = base_utf8_cut(text, strlen(text), sizeof w->left_out - 1 - n);
    memcpy(w->left_out + n, text, m);
    w->left_out[n + m] = '\0';
}

static void add_median(const struct kind *kind, const struct ecg_record *r,
                       struct ecg_dicom_layout *all)
{
    struct ecg_dicom_multiplex g = {.n = r->nmedians, .median = true};
    if (!kind->medians || g.n == 0 || g.n > kind->channels || all->n == kind->groups)
        return;
    g.rate = r->medians[0].rate_hz;
    bool fits = can_hold(kind, g.rate);
    for (size_t i = 0; i < g.n; i++) {
        g.lead[i] = &r->medians[i];
        fits &= is_at(g.lead[i], g.rate);
    }
    all->medians = fits && !measure_group(&g, &all->room, NULL);
    if (all->medians)
        all->of[all->n++] = g;
}

/* The class that holds most of the leads; the first of several. *kind is left NULL when none holds
 * any. */
static enum base_err choose_class(const struct ecg_record *r, size_t samples,
                                  struct ecg_dicom_layout *out, const struct kind **kind,
                                  struct base_error *err)
{
    struct ecg_dicom_layout *found = malloc(sizeof *found);
    if (!found)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    enum base_err e = BASE_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        enum base_err cannot = fill(&kinds[i], r, samples, found, err);
        if (cannot) {
            e = cannot;
        } else if (found->leads > out->leads) {
            *out = *found;
            *kind = &kinds[i];
        }
    }
    free(found);
    return *kind ? BASE_OK : e;
}

enum base_err ecg_dicom_lay_out(const struct ecg_record *r, size_t samples,
                                struct ecg_dicom_layout *out, struct base_error *err)
{
    const struct kind *kind = NULL;
    *out = (struct ecg_dicom_layout){.n = 0};
    if (!ecg_record_has_leads(r))
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         r->nothers ? "none of the channels is an ECG lead"
                                    : "the record has no samples");
    enum base_err e = choose_class(r, samples, out, &kind, err);
    if (e)
        return e;
    if (!kind)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "no lead has a sampling frequency; the first one has %g Hz",
                         r->leads[0].rate_hz);
    for (size_t i = 0; i < r->nleads; i++)
        if (r->leads[i].samples && !is_in(out, &r->leads[i]))
            add_name(out, &r->leads[i]);
    add_median(kind, r, out);
    return BASE_OK;
}
