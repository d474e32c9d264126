/*
 * The terms of each boundary and where cardiologists have marked it, for fit_ecg_edge.py.
 *
 * Prints a JSON array per boundary of each mean beat and lead: its number, that of the mean in the
 * record, the record's name, how many ms later than by the rules it was marked in each of its
 * beats, its terms, and those of each of the beats beside the mean. Annotators of one lead each, in
 * the order of the leads.
 *
 * Then the same of parts of it, without those of beats: of every other beat, and of some of the
 * leads. A reader would mark them so as well, but the rules have them elsewhere.
 */
#include "ecg_score.h"

#include "ecg/analysis/ecg_edge_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double WINDOW_S = 0.15;

struct work {
    struct ecg_mean mean;
    struct ecg_waves_of_mean waves;
    struct ecg_edge_scene scene;
    float window[ECG_MEAN_BEATS][ECG_MEAN_LEADS][ECG_WINDOW];
    int16_t beat[ECG_MEAN_BEATS][ECG_EDGE_COUNT][ECG_MEAN_LEADS][ECG_EDGE_TERMS];
    int16_t term[ECG_EDGE_COUNT][ECG_MEAN_LEADS][ECG_EDGE_TERMS];
};

/* The mark of this boundary whose peak is nearest to this time; NAN = there is none. */
static double marked(const struct ecg_record *r, int lead_id, enum ecg_point point, double peak_s)
{
    bool is_on = point % 3 == 0;
    double best = (double)NAN, least = WINDOW_S;
    for (size_t i = 1; i + 1 < r->nmarks; i++) {
        const struct ecg_mark *peak = &r->marks[i], *m = is_on ? peak - 1 : peak + 1;
        if (peak->lead_id != lead_id ||
            peak->kind != ecg_score_kinds[is_on ? point + 1 : point - 1] ||
            fabs(peak->at_s - peak_s) > least)
            continue;
        least = fabs(peak->at_s - peak_s);
        best = m->kind == ecg_score_kinds[point] && m->lead_id == lead_id ? m->at_s : (double)NAN;
    }
    return best;
}

static double at_s(double fiducial_s, int at)
{
    return fiducial_s + (double)(at - ECG_WINDOW_BEFORE) / ECG_WINDOW_HZ;
}

static void print_terms(const int16_t *term, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%s%d", i ? ", " : "[", term[i]);
    printf("]");
}

static void print_edge(const struct ecg_record *r, const struct ecg_block *k, const bool *member,
                       size_t lead, enum ecg_edge which, const struct work *w, const char *name,
                       bool is_part)
{
    enum ecg_point point = ecg_edge_point(which);
    enum ecg_point peak = point % 3 == 0 ? point + 1 : point - 1;
    const int *at = w->waves.lead[lead].at;
    size_t beat[ECG_MEAN_BEATS], n = 0;
    for (size_t i = 0; i < k->n && at[point] != ECG_POINT_NONE; i++) {
        double fiducial_s = k->fiducial_s[i];
        double mark_s = member[i] ? marked(r, k->leads[lead]->id, point, at_s(fiducial_s, at[peak]))
                                  : (double)NAN;
        if (isnan(mark_s))
            continue;
        if (n == 0)
            printf("[%d, %zu, \"%s\", [", (int)which, k->first, name);
        printf("%s%.1f", n ? ", " : "", 1000 * (mark_s - at_s(fiducial_s, at[point])));
        beat[n++] = i;
    }
    if (n == 0)
        return;
    printf("], ");
    print_terms(w->term[which][lead], ECG_EDGE_TERMS);
    printf(", [");
    for (size_t i = 0; i < n && !is_part; i++) {
        int16_t term[ECG_EDGE_BEAT_TERMS];
        ecg_edge_beat_terms(w->beat[beat[i]][which][lead], w->term[which][lead], term);
        printf("%s", i ? ", " : "");
        print_terms(term, ECG_EDGE_BEAT_TERMS);
    }
    printf("]]\n");
}

static void take(const struct ecg_block *k, const bool *member, struct work *w)
{
    ecg_mean_take(k, member, &w->mean);
    ecg_delineate_by_rules(&w->mean, &w->waves);
    ecg_edge_scene_init(&w->scene, &w->mean, &w->waves);
    for (enum ecg_edge which = ECG_EDGE_P_ON; which < ECG_EDGE_COUNT; which++)
        if (w->waves.all.at[ecg_edge_point(which)] != ECG_POINT_NONE)
            ecg_edge_terms(&w->scene, which, w->term[which]);
}

static void print_edges(const struct ecg_record *r, const struct ecg_block *k, const bool *member,
                        const struct work *w, const char *name, bool is_part)
{
    for (enum ecg_edge which = ECG_EDGE_P_ON; which < ECG_EDGE_COUNT; which++)
        for (size_t lead = 0; lead < k->nleads; lead++)
            print_edge(r, k, member, lead, which, w, name, is_part);
}

static void print_mean(const struct ecg_record *r, const struct ecg_block *k, const bool *member,
                       struct work *w, const char *name)
{
    take(k, member, w);
    for (size_t i = 0; i < k->n; i++) {
        for (size_t lead = 0; lead < k->nleads; lead++)
            ecg_edge_scene_put(&w->scene, lead, w->window[i][lead]);
        for (enum ecg_edge which = ECG_EDGE_P_ON; which < ECG_EDGE_COUNT && member[i]; which++)
            if (w->waves.all.at[ecg_edge_point(which)] != ECG_POINT_NONE)
                ecg_edge_terms(&w->scene, which, w->beat[i][which]);
    }
    print_edges(r, k, member, w, name, false);
}

static void print_half(const struct ecg_record *r, const struct ecg_block *k, const bool *member,
                       struct work *w, const char *name, bool second)
{
    enum { LEAST = 4 };
    bool half[ECG_MEAN_BEATS] = {false};
    size_t n = 0;
    for (size_t i = 0; i < k->n; i++)
        if (member[i])
            half[i] = n++ % 2 == second;
    if (n < LEAST)
        return;
    take(k, half, w);
    print_edges(r, k, half, w, name, true);
}

static void print_some_leads(const struct ecg_record *r, const struct ecg_block *k,
                             const bool *member, struct work *w, const char *name, unsigned which)
{
    const struct ecg_lead *leads[ECG_MEAN_LEADS];
    struct ecg_block part = *k;
    part.leads = leads;
    part.nleads = 0;
    for (size_t i = 0; i < k->nleads; i++)
        if (which & 1U << i)
            leads[part.nleads++] = k->leads[i];
    if (part.nleads == 0)
        return;
    take(&part, member, w);
    print_edges(r, &part, member, w, name, true);
}

/* Of the twelve: those of the limbs, of the chest, every other one, and II, V1 and V5. */
static const unsigned some_leads[] = {0x03f, 0xfc0, 0xaaa, 0x555, 0x442};

static void print_parts(const struct ecg_record *r, const struct ecg_block *k, const bool *member,
                        struct work *w, const char *name)
{
    print_half(r, k, member, w, name, false);
    print_half(r, k, member, w, name, true);
    for (size_t i = 0; i < sizeof some_leads / sizeof *some_leads; i++)
        print_some_leads(r, k, member, w, name, some_leads[i]);
}

int ecg_score_edges(const char *path, const char *annotators)
{
    struct ecg_score_record x;
    const struct ecg_lead *leads[ECG_MEAN_LEADS];
    char name[64];
    size_t n = 0;
    if (!ecg_score_open(path, annotators, &x))
        return 1;
    const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(file, ".\"\\"), file);
    for (size_t i = 0; i < x.record->nleads && n < ECG_MEAN_LEADS; i++)
        if (ecg_window_can(&x.record->leads[i]))
            leads[n++] = &x.record->leads[i];
    struct work *w = malloc(sizeof *w);
    struct ecg_block k;
    for (size_t at = 0; w && at < x.beats.n; at += k.n) {
        bool done[ECG_MEAN_BEATS] = {false};
        ecg_block_init(&k, leads, n, &x.beats, at);
        ecg_block_windows(&k, w->window);
        const struct ecg_beat *beat = x.beats.beat + k.first;
        for (size_t i = 0; i < k.n; i++) { /* as in ecg_waves.c */
            bool member[ECG_MEAN_BEATS] = {false};
            for (size_t j = i; j < k.n; j++)
                member[j] =
                    !done[j] && !done[i] &&
                    (j == i || (beat[j].shape == beat[i].shape && beat[i].shape != ECG_SHAPE_NONE));
            if (!done[i]) {
                print_mean(x.record, &k, member, w, name);
                print_parts(x.record, &k, member, w, name);
            }
            for (size_t j = i; j < k.n; j++)
                done[j] |= member[j];
        }
    }
    free(w);
    ecg_score_close(&x);
    return !w;
}
