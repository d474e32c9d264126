#include "ecg/analysis/ecg_flutter.h"

#include <math.h>
#include <stdlib.h>

enum {
    HZ = 125,
    GROUP = ECG_WINDOW_HZ / HZ,
    LONGEST = 10 * HZ,
    LEADS = 8,
    LEADS_LEAST = 6, /* fewer agree by chance */
    GAPS = 64,
    LAG_LEAST = 168 * HZ / 1000, /* 357 a minute, */
    LAG_MOST = 288 * HZ / 1000,  /* and 208: the ends are no tops */
    PAIRS_LEAST = 80,            /* samples that are compared with those a cycle later */
    MEAN = 18 * ECG_WINDOW_HZ / 1000
};
static const float LEAST_UV = 5 * MEAN;  /* in MEAN samples, of all leads: what the mains leave */
static const float SURE_P_MS = 110;      /* waves of flutter fill their cycle; */
static const float SURE_P_EVEN_MS = 145; /* in an even rhythm T is always as far before P */
static const float EVEN = 0.045F;
static const float LIKENESS = 0.6F;

/* From the end of T to the next QRS, where nothing but the atria has a wave. */
struct gap {
    int from;
    int to;
};

struct strip {
    size_t nleads;
    int n;
    float x[LEADS][LONGEST]; /* slopes: T's tail and the baseline have little */
    struct gap gap[GAPS];
    size_t ngaps;
};

/* QT of a rate of 60 as most have at most, by Framingham's correction, and what QRS is longer. Not
 * where T was seen to end: a wave of flutter may have been taken for it. */
static double usual_qt_s(const struct ecg_figures *f)
{
    double rr_s = fmin(f->rate.rr_median_ms / 1000, 1);
    return 0.410 - 0.154 * (1 - rr_s) + fmax(0, (double)f->qrs_ms - 100) / 1000;
}

static void find_gaps(const struct ecg_beats *b, size_t first, const struct ecg_figures *f,
                      double from_s, struct strip *s)
{
    double on_s =
        (double)(f->waves.all.at[ECG_POINT_QRS_ON] - ECG_WINDOW_BEFORE) / ECG_WINDOW_HZ - from_s;
    double qt_s = usual_qt_s(f);
    s->ngaps = 0;
    for (size_t i = first + 1; i < b->n && s->ngaps < GAPS; i++) {
        struct gap g = {(int)lrint((b->beat[i - 1].at_s + on_s + qt_s) * HZ),
                        (int)lrint((b->beat[i].at_s + on_s) * HZ) - 2};
        if (g.to > s->n)
            return;
        if (g.to - g.from > LAG_LEAST)
            s->gap[s->ngaps++] = g;
    }
}

/* Of means over 18 ms, in which the mains, of 50 or 60 Hz, have hardly a tenth of their part: a
 * cycle of flutter is a whole number of their periods now and then, and then they come again as its
 * waves do. */
static void take_slopes(const struct ecg_lead *const *leads, double from_s, struct strip *s)
{
    float wide[LONGEST * GROUP + 2 * MEAN];
    for (size_t k = 0; k < s->nleads; k++) {
        (void)ecg_window_read(leads[k], from_s, (size_t)s->n * GROUP + 2 * MEAN, wide);
        for (size_t i = 0; i < (size_t)s->n; i++) {
            const float *a = wide + i * GROUP;
            float sum = 0;
            for (size_t j = 0; j < MEAN; j++)
                sum += a[j + MEAN] - a[j];
            s->x[k][i] = sum;
        }
    }
}

/* Correlation of the gaps with themselves so many samples later, all leads as one vector. */
static float likeness_at(const struct strip *s, int lag)
{
    float ab = 0, aa = 1, bb = 1;
    int pairs = 0;
    for (size_t g = 0; g < s->ngaps; g++) {
        int to = s->gap[g].to - lag;
        pairs += to > s->gap[g].from ? to - s->gap[g].from : 0;
        for (size_t k = 0; k < s->nleads; k++)
            for (int i = s->gap[g].from; i < to; i++) {
                float a = s->x[k][i], c = s->x[k][i + lag];
                ab += a * c;
                aa += a * a;
                bb += c * c;
            }
    }
    float least = LEAST_UV * LEAST_UV * (float)pairs * (float)s->nleads;
    return pairs < PAIRS_LEAST || sqrtf(aa * bb) < least ? -1 : ab / sqrtf(aa * bb);
}

/* The lag at which they are most alike, if it is a top (waves of any other kind are the more
 * alike the nearer they are) and they are not half way as well, as faster waves would be. */
static float best_lag(const struct strip *s)
{
    float likeness[LAG_MOST + 1];
    int best = LAG_LEAST;
    for (int lag = LAG_LEAST; lag <= LAG_MOST; lag++) {
        likeness[lag] = likeness_at(s, lag);
        best = likeness[lag] > likeness[best] ? lag : best;
    }
    if (best == LAG_LEAST || best == LAG_MOST || likeness[best] < LIKENESS ||
        likeness_at(s, best / 2) > likeness[best] / 2)
        return NAN;
    float before = likeness[best - 1], after = likeness[best + 1];
    float bend = 2 * likeness[best] - before - after;
    return (float)best + (bend > 0 ? (after - before) / (2 * bend) : 0);
}

enum base_err ecg_flutter_find(const struct ecg_record *r, const struct ecg_beats *b, size_t first,
                               const struct ecg_figures *f, float *bpm)
{
    const struct ecg_lead *leads[LEADS];
    *bpm = NAN;
    float sure_ms = f->irregular < EVEN ? SURE_P_EVEN_MS : SURE_P_MS;
    if (f->p_ms < sure_ms || first + 2 > b->n || !(f->qrs_ms > 0))
        return BASE_OK;
    size_t n = ecg_window_leads(r, leads, LEADS);
    if (n < LEADS_LEAST)
        return BASE_OK;
    struct strip *s = malloc(sizeof *s);
    if (!s)
        return BASE_ENOMEM;
    double from_s = b->beat[first].at_s;
    double span_s = fmin(b->seconds, b->beat[b->n - 1].at_s) - from_s;
    s->nleads = n;
    s->n = (int)(fmin(span_s, (double)LONGEST / HZ) * HZ);
    find_gaps(b, first, f, from_s, s);
    if (s->ngaps > 0) {
        take_slopes(leads, from_s, s);
        *bpm = 60 * HZ / best_lag(s);
    }
    free(s);
    return BASE_OK;
}

/* ---- waves that lie in QRS and T ---- */

enum {
    SLOPE = 4, /* samples of the mean either side */
    STEP = 2,
    MEAN_PAIRS = 280,
    MEAN_PAIRS_LEAST = 12,
    TWICE_PAIRS_LEAST = 8,
    ROUNDS = 20,
    CYCLE_LEAST_TWO = 84,   /* samples: 357 a minute, */
    CYCLE_LEAST_THREE = 90, /* 333: P and T of a sinus rhythm may lie as near, */
    CYCLE_MOST = 144        /* and 208 */
};
static const float LIKENESS_TWO = 0.75F;
static const float LIKENESS_THREE = 0.85F;
static const float LIKENESS_TWICE = 0.5F;
static const float EVEN_TWO = 0.1F; /* now and then a wave more is not conducted */
static const float SIZES = 5;       /* of the powers of the two that are compared */
static const float RULE_LEAST_BPM = 130;
static const float RULE_MOST_BPM = 170;
static const float RULE_EVEN = 0.02F;

/* Slopes of all leads at each sample from the end of a complex to the next one, and those so
 * much later. */
struct pairs {
    size_t nleads;
    size_t n;
    float a[MEAN_PAIRS][ECG_MEAN_LEADS];
    float b[MEAN_PAIRS][ECG_MEAN_LEADS];
};

/* The mean goes on with the cycle before where its window ends. */
static float slope_at(const float *x, int i, int rr)
{
    i = i + SLOPE < ECG_WINDOW ? i : i - rr;
    return x[i + SLOPE] - x[i - SLOPE];
}

static void take_pairs(const struct ecg_figures *f, int rr, int lag, struct pairs *p)
{
    enum { CLEAR = SLOPE + 2 };
    const int *at = f->waves.all.at;
    int to = at[ECG_POINT_QRS_ON] + rr - CLEAR;
    p->n = 0;
    p->nleads = f->mean.nleads;
    for (int t = at[ECG_POINT_QRS_OFF] + CLEAR; t + lag <= to && p->n < MEAN_PAIRS; t += STEP) {
        for (size_t k = 0; k < p->nleads; k++) {
            p->a[p->n][k] = slope_at(f->mean.x[k], t, rr);
            p->b[p->n][k] = slope_at(f->mean.x[k], t + lag, rr);
        }
        p->n++;
    }
}

static float along(const float *v, const float *axis, size_t n)
{
    float sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += v[k] * axis[k];
    return sum;
}

/* The direction among the leads in which the two differ most: where the atria do the same in
 * both, what is left is T, which keeps to one direction (power iteration). */
static void find_t_axis(const struct pairs *p, float axis[ECG_MEAN_LEADS])
{
    for (size_t k = 0; k < p->nleads; k++)
        axis[k] = 1 + (float)k / ECG_MEAN_LEADS;
    for (int round = 0; round < ROUNDS; round++) {
        float next[ECG_MEAN_LEADS] = {0};
        for (size_t i = 0; i < p->n; i++) {
            float d = along(p->a[i], axis, p->nleads) - along(p->b[i], axis, p->nleads);
            for (size_t k = 0; k < p->nleads; k++)
                next[k] += d * (p->a[i][k] - p->b[i][k]);
        }
        float norm = sqrtf(along(next, next, p->nleads)) + 1e-9F;
        for (size_t k = 0; k < p->nleads; k++)
            axis[k] = next[k] / norm;
    }
}

/* Correlation of the two across T's direction, all leads as one vector. */
static float likeness_across(const struct pairs *p, const float *axis, float *sizes)
{
    float ab = 0, aa = 1, bb = 1;
    for (size_t i = 0; i < p->n; i++) {
        const float *a = p->a[i], *b = p->b[i];
        float ta = along(a, axis, p->nleads), tb = along(b, axis, p->nleads);
        ab += along(a, b, p->nleads) - ta * tb;
        aa += along(a, a, p->nleads) - ta * ta;
        bb += along(b, b, p->nleads) - tb * tb;
    }
    *sizes = bb / aa;
    return ab / sqrtf(aa * bb);
}

/* Whether what lies between the complexes, T taken out, comes again after this part of the
 * interval and no other near it, nor its half; a third of it twice. */
static bool comes_again(const struct ecg_figures *f, int rr, int parts, float least,
                        struct pairs *p, float *likeness)
{
    int cycle = (rr + parts / 2) / parts;
    float axis[ECG_MEAN_LEADS], sizes, unused;
    take_pairs(f, rr, cycle, p);
    find_t_axis(p, axis);
    *likeness = likeness_across(p, axis, &sizes);
    if (p->n < MEAN_PAIRS_LEAST || *likeness < least || sizes > SIZES || sizes < 1 / SIZES)
        return false;
    const struct {
        int lag;
        float part;
    } others[] = {{cycle - cycle / 8, 1}, {cycle + cycle / 8, 1}, {cycle / 2, 0.5F}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        take_pairs(f, rr, others[i].lag, p);
        if (p->n >= MEAN_PAIRS_LEAST &&
            likeness_across(p, axis, &unused) >= others[i].part * *likeness)
            return false;
    }
    take_pairs(f, rr, 2 * cycle, p);
    return parts == 2 ||
           (p->n >= TWICE_PAIRS_LEAST && likeness_across(p, axis, &unused) >= LIKENESS_TWICE);
}

enum base_err ecg_flutter_conduction(const struct ecg_record *r, const struct ecg_figures *f,
                                     int *found, float *likeness)
{
    const struct ecg_lead *leads[LEADS];
    int rr = (int)lrint(f->rate.rr_median_ms * ECG_WINDOW_HZ / 1000);
    *found = 0;
    *likeness = NAN;
    if (ecg_window_leads(r, leads, LEADS) < LEADS_LEAST || f->mean.beats < 3 || f->mean.ventricular)
        return BASE_OK;
    bool may_two = rr >= 2 * CYCLE_LEAST_TWO && rr <= 2 * CYCLE_MOST && f->irregular < EVEN_TWO;
    bool may_three = rr >= 3 * CYCLE_LEAST_THREE && rr <= 3 * CYCLE_MOST && f->irregular < EVEN;
    if (!may_two && !may_three)
        return BASE_OK;
    struct pairs *p = malloc(sizeof *p);
    if (!p)
        return BASE_ENOMEM;
    if (may_two && comes_again(f, rr, 2, LIKENESS_TWO, p, likeness))
        *found = 2;
    else if (may_three && comes_again(f, rr, 3, LIKENESS_THREE, p, likeness))
        *found = 3;
    free(p);
    if (!*found)
        *likeness = NAN;
    return BASE_OK;
}

bool ecg_flutter_by_rule(const struct ecg_figures *f)
{
    float bpm = (float)f->rate.hr_bpm;
    return isnan(f->pr_ms) && f->qrs_ms < 120 && f->irregular < RULE_EVEN &&
           bpm >= RULE_LEAST_BPM && bpm <= RULE_MOST_BPM;
}
