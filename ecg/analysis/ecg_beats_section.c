/*
 * Beats of leads that were stored one group after the other, with nothing beside: each section is
 * searched by itself, and what there is to be said of all of them is said afterwards.
 */
#include "ecg/analysis/ecg_beats_priv.h"

#include "ecg/analysis/ecg_gap.h"
#include "ecg/analysis/ecg_window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Those of a section, after those of the ones before; what the end of one cuts may be in both. */
static bool append(struct ecg_beats *all, const struct ecg_beats *of, const struct ecg_section *s)
{
    static const double SAME_S = 0.25;
    struct ecg_beat *beat = realloc(all->beat, (all->n + of->n + 1) * sizeof *beat);
    if (!beat)
        return false;
    all->beat = beat;
    for (size_t i = 0; i < of->n; i++) {
        struct ecg_beat b = of->beat[i];
        b.at_s += s->from_s;
        /* The leads of each section have shapes of their own: what stays is which are as usual. */
        b.shape = b.shape != of->dominant;
        if (b.code == ECG_CODE_ATRIAL_PREMATURE) /* few intervals say what is early */
            b.code = ECG_CODE_NORMAL;
        if (all->n == 0 || b.at_s - all->beat[all->n - 1].at_s >= SAME_S)
            all->beat[all->n++] = b;
    }
    all->leads += of->leads;
    return true;
}

/* Where one section ends and the next begins is a gap, however short: a beat that is cut there may
 * be in none, and places in other leads are other ones. False: out of memory. */
static bool part_sections(struct ecg_beats *b, const struct ecg_section *s, size_t n)
{
    struct ecg_gap *gap = realloc(b->gap, (b->ngaps + n) * sizeof *gap);
    if (!gap)
        return false;
    b->gap = gap;
    for (size_t k = 1; k < n; k++) {
        size_t at = b->ngaps;
        while (at > 0 && gap[at - 1].from_s > s[k].from_s)
            at--;
        if (at > 0 && gap[at - 1].to_s >= s[k].from_s - 0.01)
            continue;
        memmove(gap + at + 1, gap + at, (b->ngaps - at) * sizeof *gap);
        gap[at] = (struct ecg_gap){s[k].from_s, s[k].from_s};
        b->ngaps++;
    }
    for (size_t i = 1, k = 1; i < b->n; i++) {
        while (k < n && s[k].from_s <= b->beat[i - 1].at_s)
            k++;
        b->beat[i].after_gap |= k < n && s[k].from_s <= b->beat[i].at_s;
    }
    return true;
}

static double interval_s(const struct ecg_beats *b, size_t i)
{
    return b->beat[i].at_s - b->beat[i - 1].at_s;
}

/* The middle one of the intervals within sections; 0 where half of them differ from it by more than
 * 6 %: in an irregular rhythm early beats mean nothing. */
static enum base_err even_interval(const struct ecg_beats *b, double *usual_s)
{
    static const double EVEN = 0.06;
    double *v = calloc(b->n + 1, sizeof *v);
    size_t n = 0;
    if (!v)
        return BASE_ENOMEM;
    for (size_t i = 1; i < b->n; i++)
        if (!b->beat[i].after_gap)
            v[n++] = interval_s(b, i);
    qsort(v, n, sizeof *v, ecg_beats_by_length);
    *usual_s = v[n / 2]; /* 0 without any */
    for (size_t i = 0; i < n; i++)
        v[i] = fabs(v[i] - *usual_s);
    qsort(v, n, sizeof *v, ecg_beats_by_length);
    if (v[n / 2] >= EVEN * *usual_s)
        *usual_s = 0;
    free(v);
    return BASE_OK;
}

/* Of one section: what comes early after a beat that did not is of the atria when it is like the
 * others. */
static void find_early_in(struct ecg_beat *beat, size_t n, double usual_s)
{
    static const double EARLY = 0.85;
    size_t alike = 0;
    bool was_early = false;
    for (size_t i = 0; i < n; i++)
        alike += beat[i].shape == 0;
    for (size_t i = 1; i < n; i++) {
        bool is_early = beat[i].at_s - beat[i - 1].at_s < EARLY * usual_s;
        if (is_early && !was_early && alike > 1 && beat[i].shape == 0 &&
            beat[i].code == ECG_CODE_NORMAL)
            beat[i].code = ECG_CODE_ATRIAL_PREMATURE;
        was_early = is_early;
    }
    for (size_t i = 0; i < n; i++)
        beat[i].shape = beat[i].code == ECG_CODE_PVC;
}

static enum base_err find_early(struct ecg_beats *b)
{
    double usual_s;
    enum base_err e = even_interval(b, &usual_s);
    for (size_t from = 0, to; from < b->n && !e; from = to) {
        for (to = from + 1; to < b->n && !b->beat[to].after_gap; to++)
            ;
        find_early_in(b->beat + from, to - from, usual_s);
    }
    return e;
}

enum base_err ecg_beats_find_in_sections(const struct ecg_record *r, const struct ecg_section *s,
                                         size_t n, struct ecg_beats *out, struct base_error *err)
{
    struct ecg_beats all = {.seconds = ecg_record_seconds(r), .in_sections = true};
    enum base_err e = BASE_OK;
    for (size_t i = 0; i < n && !e; i++) {
        struct ecg_part part;
        struct ecg_beats of = {0};
        ecg_section_take(r, &s[i], &part);
        e = ecg_beats_find_in(&part.record, NULL, true, &of, err);
        if (!e && !append(&all, &of, &s[i]))
            e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
        ecg_beats_deinit(&of);
    }
    const struct ecg_lead *leads[ECG_WINDOW_LEADS];
    size_t nleads = 0;
    for (size_t i = 0; i < r->nleads && nleads < ECG_WINDOW_LEADS; i++)
        if (ecg_window_can(&r->leads[i]))
            leads[nleads++] = &r->leads[i];
    if (!e && (ecg_gap_find(leads, nleads, &all) || !part_sections(&all, s, n) || find_early(&all)))
        e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    for (size_t m = 0; m < r->nmarks && !e; m++)
        if (r->marks[m].kind == ECG_MARK_PACE && !r->marks[m].on_median)
            ecg_beats_mark_after(&all, r->marks[m].at_s);
    if (e) {
        ecg_beats_deinit(&all);
        return e;
    }
    *out = all;
    return BASE_OK;
}
