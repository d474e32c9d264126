/*
 * Scores the boundaries of waves against cardiologists', for ecg_score.c.
 *
 * A wave that was marked is found when ours has its peak within 150 ms of it; ours without one
 * are false when they lie between the first and the last mark. The errors of boundaries are
 * given as count, sum and sum of squares in ms, found less marked.
 */
#include "ecg_score.h"

#include "ecg/analysis/ecg_finding.h"
#include "ecg/analysis/ecg_waves.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAVES = 3, LEADS_MAX = 12, INTERVALS = 3 };
static const double WINDOW_S = 0.15;

const enum ecg_mark_kind ecg_score_kinds[ECG_POINT_COUNT] = {
    ECG_MARK_P_ON,    ECG_MARK_P_PEAK, ECG_MARK_P_OFF,  ECG_MARK_QRS_ON, ECG_MARK_BEAT,
    ECG_MARK_QRS_OFF, ECG_MARK_T_ON,   ECG_MARK_T_PEAK, ECG_MARK_T_OFF};
static const char *const names[ECG_POINT_COUNT] = {
    "p_on", "p_peak", "p_off", "qrs_on", "qrs_peak", "qrs_off", "t_on", "t_peak", "t_off"};

struct errors {
    double n;
    double sum;
    double squares;
};

struct score {
    long found[WAVES];
    long missed[WAVES];
    long false_ones[WAVES];
    struct errors of[ECG_POINT_COUNT];
};

struct reference {
    const struct ecg_mark *m;
    size_t n;
    double first_s;
    double last_s;
};

static size_t nearest(const struct ecg_waves *w, const bool *taken, size_t n, int peak, double at_s)
{
    size_t best = SIZE_MAX;
    double least = WINDOW_S;
    for (size_t i = 0; i < n; i++) {
        double d = fabs(w[i].at_s[peak] - at_s); /* NAN is never less */
        if (!taken[i] && d <= least) {
            least = d;
            best = i;
        }
    }
    return best;
}

static void add_error(struct errors *e, double found_s, double marked_s)
{
    double ms = (found_s - marked_s) * 1000;
    if (isnan(ms))
        return;
    e->n += 1;
    e->sum += ms;
    e->squares += ms * ms;
}

static void score_wave(const struct reference *ref, const struct ecg_waves *w, size_t n, int wave,
                       bool *taken, struct score *s)
{
    int peak = 3 * wave + 1;
    memset(taken, 0, n * sizeof *taken);
    for (size_t i = 0; i < ref->n; i++) {
        const struct ecg_mark *m = &ref->m[i];
        if (m->kind != ecg_score_kinds[peak])
            continue;
        size_t k = nearest(w, taken, n, peak, m->at_s);
        if (k == SIZE_MAX) {
            s->missed[wave]++;
            continue;
        }
        taken[k] = true;
        s->found[wave]++;
        add_error(&s->of[peak], w[k].at_s[peak], m->at_s);
        if (i > 0 && m[-1].kind == ecg_score_kinds[peak - 1])
            add_error(&s->of[peak - 1], w[k].at_s[peak - 1], m[-1].at_s);
        if (i + 1 < ref->n && m[1].kind == ecg_score_kinds[peak + 1])
            add_error(&s->of[peak + 1], w[k].at_s[peak + 1], m[1].at_s);
    }
    for (size_t k = 0; k < n; k++)
        s->false_ones[wave] +=
            !taken[k] && w[k].at_s[peak] >= ref->first_s && w[k].at_s[peak] <= ref->last_s;
}

static void score_lead(const struct reference *ref, const struct ecg_waves *w, size_t n,
                       struct score *s)
{
    bool *taken = calloc(n + 1, sizeof *taken);
    for (int wave = 0; wave < WAVES && taken; wave++)
        score_wave(ref, w, n, wave, taken, s);
    free(taken);
}

/* The marks of one lead, 0 = those of all. QTDB's q1c also marks beats without their
 * boundaries, far from those that the cardiologist looked at: these are left out. */
static struct reference marks_of(const struct ecg_record *r, int lead_id, struct ecg_mark *room)
{
    struct reference ref = {.m = room, .first_s = 1e9, .last_s = -1};
    for (size_t i = 0; i < r->nmarks; i++) {
        const struct ecg_mark *m = &r->marks[i];
        bool is_bare = m->kind == ECG_MARK_BEAT && (i == 0 || m[-1].kind != ECG_MARK_QRS_ON);
        if (m->lead_id != lead_id || m->kind == ECG_MARK_OTHER || (is_bare && lead_id == 0))
            continue;
        room[ref.n++] = *m;
        ref.first_s = fmin(ref.first_s, m->at_s);
        ref.last_s = fmax(ref.last_s, m->at_s);
    }
    return ref;
}

static void print_score(const struct score *s)
{
    static const char *const waves[WAVES] = {"p", "qrs", "t"};
    for (int i = 0; i < WAVES; i++)
        printf(", \"%s\": [%ld, %ld, %ld]", waves[i], s->found[i], s->missed[i], s->false_ones[i]);
    for (int i = 0; i < ECG_POINT_COUNT; i++)
        printf(", \"%s\": [%.0f, %.1f, %.1f]", names[i], s->of[i].n, s->of[i].sum,
               s->of[i].squares);
}

/* ---- over all leads: earliest onsets, latest ends ---- */

/* The extreme of the marks of this kind near a beat; NAN unless nearly all leads have one. */
static double extreme(const struct ecg_record *r, enum ecg_mark_kind kind, double from_s,
                      double to_s, bool latest)
{
    size_t n = 0;
    double best = (double)NAN;
    for (size_t i = 0; i < r->nmarks; i++) {
        double at = r->marks[i].at_s;
        if (r->marks[i].kind != kind || at < from_s || at > to_s)
            continue;
        best = n++ == 0 || (latest ? at > best : at < best) ? at : best;
    }
    return n + 2 >= LEADS_MAX && n <= LEADS_MAX ? best : (double)NAN;
}

static void add_interval(struct errors *e, double from_s, double to_s)
{
    add_error(e, to_s, from_s);
}

/* PR, QRS and QT, means over the beats that have them in both. */
static void print_intervals(const struct ecg_record *r, const struct ecg_beats *b,
                            const struct ecg_waves *w)
{
    static const char *const intervals[INTERVALS] = {"pr", "qrs", "qt"};
    static const enum ecg_point from[INTERVALS] = {ECG_POINT_P_ON, ECG_POINT_QRS_ON,
                                                   ECG_POINT_QRS_ON};
    static const enum ecg_point to[INTERVALS] = {ECG_POINT_QRS_ON, ECG_POINT_QRS_OFF,
                                                 ECG_POINT_T_OFF};
    struct errors marked[INTERVALS] = {{0}}, found[INTERVALS] = {{0}};
    for (size_t i = 0; i < b->n; i++) {
        double at = b->beat[i].at_s;
        double before = i ? b->beat[i - 1].at_s : at - 2;
        double next = i + 1 < b->n ? b->beat[i + 1].at_s : at + 2;
        double p_on = extreme(r, ECG_MARK_P_ON, fmax(at - 0.4, before + 0.15), at, false);
        double on = extreme(r, ECG_MARK_QRS_ON, at - 0.15, at + 0.15, false);
        double off = extreme(r, ECG_MARK_QRS_OFF, at - 0.05, at + 0.2, true);
        double t_off = extreme(r, ECG_MARK_T_OFF, at + 0.1, fmin(next, at + 0.8), true);
        const double ends[INTERVALS][2] = {{p_on, on}, {on, off}, {on, t_off}};
        for (size_t k = 0; k < INTERVALS; k++)
            if (!isnan(ends[k][1] - ends[k][0] + w[i].at_s[from[k]] + w[i].at_s[to[k]])) {
                add_interval(&marked[k], ends[k][0], ends[k][1]);
                add_interval(&found[k], w[i].at_s[from[k]], w[i].at_s[to[k]]);
            }
    }
    for (size_t k = 0; k < INTERVALS; k++)
        if (marked[k].n > 0)
            printf(", \"%s_ms\": [%.1f, %.1f]", intervals[k], marked[k].sum / marked[k].n,
                   found[k].sum / found[k].n);
}

int ecg_score_waves(const char *path, const char *annotators)
{
    struct ecg_score_record x;
    struct base_error err = {0};
    struct score s = {0};
    bool per_lead = strchr(annotators, ' ') != NULL;
    if (!ecg_score_open(path, annotators, &x))
        return 1;
    struct ecg_waves *w = calloc(x.beats.n + 1, sizeof *w);
    struct ecg_mark *room = calloc(x.record->nmarks + 1, sizeof *room);
    bool ok = w && room;
    for (size_t i = 0; ok && i < (per_lead ? x.record->nleads : 1); i++) {
        const struct ecg_lead *lead = per_lead ? &x.record->leads[i] : NULL;
        struct reference ref = marks_of(x.record, lead ? lead->id : 0, room);
        ok = !ecg_waves_find(x.record, &x.beats, lead, w, &err);
        if (ok && ref.n > 0)
            score_lead(&ref, w, x.beats.n, &s);
    }
    ok = ok && !ecg_waves_find(x.record, &x.beats, NULL, w, &err);
    if (ok) {
        ecg_score_name(path);
        print_score(&s);
        if (per_lead)
            print_intervals(x.record, &x.beats, w);
        printf("}\n");
    } else {
        fprintf(stderr, "%s: %s\n", path, err.msg);
    }
    free(w);
    free(room);
    ecg_score_close(&x);
    return !ok;
}

int ecg_score_rhythm(const char *path)
{
    struct ecg_score_record x;
    struct base_error err = {0};
    struct ecg_quality quality;
    struct ecg_findings findings;
    if (!ecg_score_open(path, NULL, &x))
        return 1;
    struct ecg_figures *f = malloc(sizeof *f);
    bool ok = f && !ecg_figures_measure(x.record, NULL, &x.beats, f, &err);
    if (ok) {
        ecg_quality_find(x.record, &quality);
        ok = !ecg_findings_make(x.record, &x.beats, f, &quality, NULL, &findings);
    }
    if (ok) {
        ecg_score_name(path);
        printf(", \"findings\": [");
        for (size_t i = 0; i < findings.n; i++)
            printf("%s\"%s\"", i ? ", " : "", ecg_finding_row(findings.of[i].code)->key);
        printf("]}\n");
    }
    free(f);
    ecg_score_close(&x);
    return !ok;
}
