#include "ecg/analysis/ecg_rhythm.h"

#include <math.h>
#include <stdlib.h>

/* A logistic model of the share of irregular intervals, of the likeness of P waves of two halves
 * of the beats, of their height and of whether they count as there; fitted on 27 records with
 * and 72 without fibrillation of CinC 2017 (docs/ECG.md). */
static const float AF_FIXED = -1.8F;
static const float AF_IRREGULAR = 7.6F;
static const float AF_LIKENESS = -0.9F;
static const float AF_HEIGHT = -3.4F;
static const float AF_NO_P = 0.4F;
static const float CERTAIN = 0.6F; /* of ventricular origin, for a run to be tachycardia */
static const float SURE_LIKENESS = 0.95F;
static const float SURE_STEADY = 0.2F; /* what is left of T, and f waves, have less for the most */
static const float AF_USUAL_P = 0.6F;  /* height, where none can be measured */

enum {
    AF_BEATS = 8,     /* fewer tell nothing, */
    AF_PAIRS = 4,     /* nor do fewer pairs of intervals between ventricular beats */
    AF_FAST_MS = 400, /* where intervals are shorter, T lies where P would be */
    AF_T_MS = 300,    /* beats that soon after another are T waves when they are many: */
    AF_T_ONE_OF = 5,
    SURE_LEADS = 6, /* P waves that are found in so many are there when single beats have them, */
    SURE_FEW = 2,   /* and in so many when two halves of the beats have the same ones */
    BIGEMINY = 6,   /* intervals that take turns */
    RUN = 3,        /* ventricular beats */
    SINUS_LEAST = 3 /* intervals, for a rate of their own */
};

static bool is_ventricular(const struct ecg_beat *b)
{
    return b->code == ECG_CODE_PVC;
}

static float interval_ms(const struct ecg_beats *b, size_t i)
{
    return (float)((b->beat[i].at_s - b->beat[i - 1].at_s) * 1000);
}

/* Since the beat before. */
static bool has_interval(const struct ecg_beats *b, size_t i)
{
    return i > 0 && !b->beat[i].after_gap;
}

static bool is_close(const struct ecg_beats *b, size_t i)
{
    return i > 0 && interval_ms(b, i) < AF_T_MS;
}

/* Of pairs of intervals without ventricular beats; without T waves that were taken for beats. */
static float irregular_share(const struct ecg_beats *b, float usual_ms, size_t *pairs)
{
    size_t n = 0, irregular = 0, close = 0, run = 0;
    for (size_t i = 1; i < b->n; i++)
        close += is_close(b, i);
    bool are_t = close * AF_T_ONE_OF > b->n;
    if (are_t)
        usual_ms *= (float)b->n / (float)(b->n - close);
    float since = 0, before = 0; /* the last one that counts, and its interval */
    for (size_t i = 0; i < b->n; i++) {
        since += i > 0 ? interval_ms(b, i) : 0;
        if (are_t && is_close(b, i))
            continue;
        if (!has_interval(b, i))
            run = 0;
        run = is_ventricular(&b->beat[i]) ? 0 : run + 1;
        if (run > 2) {
            n++;
            irregular += fabsf(since - before) > usual_ms / 16;
        }
        before = since;
        since = 0;
    }
    *pairs = n;
    return n ? (float)irregular / (float)n : 0;
}

/* Beats from .. to - 1, all of one run: at steady intervals, and of none is the class a toss-up. */
static bool is_steady(const struct ecg_beats *b, size_t from, size_t to)
{
    float least = INFINITY, most = 0, sum = 0, certainty = b->beat[from].certainty;
    for (size_t i = from + 1; i < to; i++) {
        certainty = fminf(certainty, b->beat[i].certainty);
        least = fminf(least, interval_ms(b, i));
        most = fmaxf(most, interval_ms(b, i));
        sum += interval_ms(b, i);
    }
    return certainty >= CERTAIN && most - least <= sum / (float)(to - from - 1) / 2;
}

/* How often, of so many, an interval is like the one before it, and like the one before that. */
struct turns {
    size_t n;
    size_t next;
    size_t second;
};

static struct turns turns_of(const struct ecg_beats *b)
{
    struct turns t = {0};
    for (size_t i = 3; i < b->n; i++) {
        if (!has_interval(b, i - 2) || !has_interval(b, i - 1) || !has_interval(b, i))
            continue;
        float most = interval_ms(b, i) / 8;
        t.n++;
        t.next += fabsf(interval_ms(b, i) - interval_ms(b, i - 1)) < most;
        t.second += fabsf(interval_ms(b, i) - interval_ms(b, i - 2)) < most;
    }
    return t;
}

/* Every other interval is like this one, and the next one is not: bigeminy, or T waves that were
 * taken for beats. */
static bool take_turns(const struct turns *t, size_t least)
{
    return t->n >= least && t->second * 3 > t->n * 2 && t->next * 3 < t->n;
}

/* So do the intervals, and with them beats of the usual shape and others: what is early by turns
 * comes from elsewhere, and the rest has no rhythm of its own to be uneven. */
static bool is_bigeminy(const struct ecg_beats *b, const struct turns *t)
{
    size_t changes = 0;
    for (size_t i = 1; i < b->n; i++)
        changes += (b->beat[i].shape == b->dominant) != (b->beat[i - 1].shape == b->dominant);
    return take_turns(t, BIGEMINY) && changes * 4 >= (b->n - 1) * 3;
}

static void find_runs(const struct ecg_beats *b, const struct ecg_figures *f,
                      struct ecg_rhythm *out)
{
    out->v_run_bpm = out->vt_bpm = out->r_on_t_ms = NAN;
    for (size_t i = 0, from = 0; i <= b->n; i++) {
        bool is_v = i < b->n && is_ventricular(&b->beat[i]);
        bool goes_on = is_v && (i == from || has_interval(b, i));
        if (goes_on) {
            float before = has_interval(b, i) ? interval_ms(b, i) : NAN;
            if (before < f->qt_ms && !(out->r_on_t_ms <= before))
                out->r_on_t_ms = before;
            continue;
        }
        size_t run = i - from;
        if (run >= RUN) {
            double s = b->beat[i - 1].at_s - b->beat[from].at_s;
            float bpm = (float)((double)(run - 1) * 60 / s);
            if (!(out->v_run_bpm >= bpm))
                out->v_run_bpm = bpm;
            if (!(out->vt_bpm >= bpm) && is_steady(b, from, i)) {
                out->vt_bpm = bpm;
                out->vt_beats = run;
            }
        }
        out->v_run = run > out->v_run ? run : out->v_run;
        from = is_v ? i : i + 1;
    }
}

/* From a beat or a gap to the next one. */
static void take_span(double from_s, double to_s, struct ecg_rhythm *out)
{
    float s = (float)(to_s - from_s);
    if (s > out->longest_s) {
        out->longest_s = s;
        out->longest_at_s = (float)from_s;
    }
}

static void find_extremes(const struct ecg_beats *b, struct ecg_rhythm *out)
{
    double last_s = 0;
    out->shortest_ms = NAN;
    out->longest_s = 0;
    for (size_t i = 0, k = 0; i <= b->n; i++) {
        double at_s = i < b->n ? b->beat[i].at_s : b->seconds;
        for (; k < b->ngaps && b->gap[k].from_s < at_s; k++) {
            take_span(last_s, b->gap[k].from_s, out);
            last_s = fmax(last_s, b->gap[k].to_s);
        }
        take_span(last_s, at_s, out);
        if (i > 0 && i < b->n && !(out->shortest_ms <= interval_ms(b, i)))
            out->shortest_ms = interval_ms(b, i);
        last_s = fmax(last_s, at_s);
    }
}

static int by_length(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Premature beats are no part of the rate and the arrhythmia of the sinus node. */
static enum base_err find_sinus(const struct ecg_beats *b, struct ecg_rhythm *out)
{
    float *change = calloc(b->n + 1, sizeof *change);
    if (!change)
        return BASE_ENOMEM;
    float sum = 0, last = 0;
    size_t n = 0, changes = 0;
    out->sinus_ms = out->sinus_min_ms = out->sinus_max_ms = out->sinus_irregular = NAN;
    for (size_t i = 1; i < b->n; i++) {
        bool is_one = has_interval(b, i) && b->beat[i - 1].code == ECG_CODE_NORMAL &&
                      b->beat[i].code == ECG_CODE_NORMAL;
        float ms = is_one ? interval_ms(b, i) : 0;
        if (ms > 0) {
            n++;
            sum += ms;
            out->sinus_min_ms = fminf(ms, out->sinus_min_ms); /* the one that is no NAN */
            out->sinus_max_ms = fmaxf(ms, out->sinus_max_ms);
        }
        if (ms > 0 && last > 0)
            change[changes++] = fabsf(ms - last);
        last = ms;
    }
    if (n >= SINUS_LEAST)
        out->sinus_ms = sum / (float)n;
    if (n >= SINUS_LEAST && changes > 1) {
        qsort(change, changes, sizeof *change, by_length);
        out->sinus_irregular = change[changes / 2] / out->sinus_ms;
    }
    free(change);
    return BASE_OK;
}

static float usual_height(const struct ecg_figures *f)
{
    float sum = 0;
    for (size_t i = 0; i < f->nleads; i++)
        sum += f->lead[i].qrs_range_uv;
    return f->nleads && sum > 1 ? sum / (float)f->nleads : 1;
}

enum base_err ecg_rhythm_find(const struct ecg_beats *b, const struct ecg_figures *f,
                              struct ecg_rhythm *out)
{
    *out = (struct ecg_rhythm){.has_p = !isnan(f->pr_ms), .is_flutter = f->waves.flutters};
    find_runs(b, f, out);
    find_extremes(b, out);
    if (find_sinus(b, out))
        return BASE_ENOMEM;
    struct turns turns = turns_of(b);
    out->alternates = take_turns(&turns, AF_BEATS);
    size_t pairs;
    out->irregular_share = irregular_share(b, (float)f->rate.rr_median_ms, &pairs);
    bool is_fast = f->rate.rr_median_ms < AF_FAST_MS;
    float likeness = isnan(f->p_likeness) || is_fast ? 0.5F : f->p_likeness;
    float height = is_fast ? AF_USUAL_P : log1pf(20 * f->waves.p_uv / usual_height(f));
    out->af_score = AF_FIXED + AF_IRREGULAR * out->irregular_share + AF_LIKENESS * likeness +
                    AF_HEIGHT * height + (out->has_p && !is_fast ? 0 : AF_NO_P);
    bool is_same = f->nleads >= SURE_FEW &&
                   (f->p_likeness >= SURE_LIKENESS || f->waves.p_steady >= ECG_P_STEADY);
    bool is_bound = f->nleads >= SURE_LEADS ? f->waves.p_steady >= SURE_STEADY : is_same;
    bool is_sure_p = out->has_p && !is_fast && is_bound;
    out->is_af = pairs >= AF_PAIRS && b->n >= AF_BEATS && f->in_mean > 0 && out->af_score > 0 &&
                 !is_sure_p && !out->is_flutter && !is_bigeminy(b, &turns);
    return BASE_OK;
}
