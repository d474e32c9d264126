/*
 * Each lead is measured for itself, and then drawn towards what all leads say together: the
 * median of their places, each with a weight by how steep it is there. A boundary of a wave
 * that is flat in a lead so falls back to where the other leads have it. Constants in samples
 * of 2 ms; how they were found stands in docs/ECG.md.
 */
#include "ecg/analysis/ecg_delineate.h"

#include "ecg/analysis/ecg_delineate_priv.h"
#include "ecg/analysis/ecg_edge_priv.h"

#include <math.h>

enum { W = ECG_WINDOW, F = ECG_WINDOW_BEFORE, LEADS = ECG_MEAN_LEADS };

/* How far a lead's place is followed away from the common one. */
struct drawing {
    float part;
    int reach;
};

/* ---- tools ---- */

/* Means of 2 * h + 1 samples, twice. */
static void smooth(const float *x, int h, float *out)
{
    float once[W];
    for (int pass = 0; pass < 2; pass++) {
        const float *in = pass ? once : x;
        float *to = pass ? out : once;
        float sum = 0;
        for (int i = -h; i <= h; i++)
            sum += in[i < 0 ? 0 : i];
        for (int i = 0; i < W; i++) {
            to[i] = sum / (float)(2 * h + 1);
            sum += in[i + h + 1 < W ? i + h + 1 : W - 1] - in[i - h > 0 ? i - h : 0];
        }
    }
}

/* Difference over 2 * h samples. */
static void slope_of(const float *x, int h, float *out)
{
    for (int i = 0; i < W; i++)
        out[i] = x[i + h < W ? i + h : W - 1] - x[i - h > 0 ? i - h : 0];
}

/* The steepest place of [from, to]. */
static int steepest(const float *d, int from, int to)
{
    int best = clamp(from, 0, W - 1);
    for (int i = best; i <= to && i < W; i++)
        if (fabsf(d[i]) > fabsf(d[best]))
            best = i;
    return best;
}

/* From a steep place on in steps of `way` as long as the slope is of its sign and more than
 * this part of it; not beyond the limit. */
static int follow(const float *d, int from, int way, float part, int limit)
{
    float level = part * fabsf(d[from]);
    int i = from;
    while (i != limit && (d[i] > 0) == (d[from] > 0) && fabsf(d[i]) > level)
        i += way;
    return i;
}

/* What a lead says, with the weight it has. */
struct opinion {
    int at;
    float weight;
};

struct opinions {
    size_t n;
    struct opinion of[LEADS];
};

/* The place before which this part of the weight lies; of two, which have no middle, the
 * weighted mean. */
static int quantile(const struct opinions *o, float part)
{
    struct opinion v[LEADS] = {{0}};
    float sum = 0, all = 0;
    for (size_t i = 0; i < o->n; i++) {
        size_t k = i;
        for (; k > 0 && v[k - 1].at > o->of[i].at; k--)
            v[k] = v[k - 1];
        v[k] = o->of[i];
        all += o->of[i].weight;
    }
    if (o->n == 2 && all > 0)
        return (int)lrintf(((float)v[0].at * v[0].weight + (float)v[1].at * v[1].weight) / all);
    for (size_t i = 0; i < o->n; i++) {
        sum += v[i].weight;
        if (sum >= part * all)
            return v[i].at;
    }
    return o->n ? v[o->n - 1].at : 0;
}

static int draw(int at, int common, struct drawing how)
{
    return common + (int)lrintf(how.part * (float)clamp(at - common, -how.reach, how.reach));
}

/* Each lead's point, and that over all leads: the quantile of what is not too far out. A silent
 * lead has the common one. */
static void settle(const struct ecg_mean *m, struct opinions *o, enum ecg_point point,
                   struct drawing own, struct drawing all, float part,
                   struct ecg_waves_of_mean *out)
{
    for (size_t k = 0; k < o->n; k++)
        o->of[k].weight = m->silent[k] ? 0 : o->of[k].weight;
    struct opinions drawn = *o;
    int common = quantile(o, 0.5F);
    for (size_t k = 0; k < o->n; k++) {
        o->of[k].at = m->silent[k] ? common : o->of[k].at;
        out->lead[k].at[point] = draw(o->of[k].at, common, own);
        drawn.of[k].at = draw(o->of[k].at, common, all);
    }
    out->all.at[point] = quantile(&drawn, part);
}

/* Of the steepness in the other lead: from here on a lead shows a wave as well. */
static const float OUTER_SHARE = 0.3F;

/* Of two leads, half way from what both say to the one further out: a reader of two sees a P or T
 * wave rather where it shows first, and last. Less where that lead hardly shows it. */
static int outer(const struct opinions *o, int at, int way)
{
    bool second = (o->of[1].at - o->of[0].at) * way > 0;
    float share = o->of[second].weight / fmaxf(o->of[!second].weight, 1e-3F);
    float part = fminf(1, share / OUTER_SHARE) / 2;
    return (int)floorf((float)at + part * (float)(o->of[second].at - at));
}

/* Samples from .. to. */
struct range {
    int from;
    int to;
};

/* ---- QRS ---- */

enum {
    QRS_FIRST = 90, /* before the beat */
    QRS_LAST = 110, /* and after it */
    QRS_SLOPE = 5,
    QRS_QUIET = 3, /* samples without a slope end it */
    QRS_FAR = 11,  /* what is compared with lies so far out, */
    QRS_FAR_END = 21,
    QRS_EARLIER = 3, /* what the smoothing takes away */
    QRS_LATER = 2,
    QRS_BEND = 5,
    QRS_STRAIGHT = 8, /* samples that all leads go straight on end it in all of them, */
    QRS_SHARE = 5,    /* from this part of the interval on, where P and T may be */
};
static const float QRS_BENT = 0.1F;       /* of the most that all leads bend by: straight */
static const float QRS_STEEP_ON = 0.35F;  /* of the steepest slope: certainly QRS */
static const float QRS_STEEP_OFF = 0.15F; /* the end of QRS is less steep */
static const float QRS_LEVEL_ON = 0.04F;  /* of the steepest slope: not QRS any more */
static const float QRS_LEVEL_OFF = 0.05F;
static const float QRS_NOISE = 3; /* times the slope where it is quietest: neither */

/* The mean amount of the slope where it is least for 24 ms. */
static float quietest(const float *d, int from, int to)
{
    enum { LENGTH = 12, STEP = 4 };
    float best = INFINITY;
    for (int i = from; i + LENGTH <= to; i += STEP) {
        float sum = 0;
        for (int k = i; k < i + LENGTH; k++)
            sum += fabsf(d[k]);
        best = fminf(best, sum);
    }
    return best / LENGTH;
}

/* From a place of QRS outwards, to where the slope is little, or, not alone, hardly another than
 * further out: a P or T wave that goes on there has a slope of its own. */
static int edge_of(const float *d, int from, int way, float level, int limit, bool alone)
{
    int quiet = 0, i = from;
    for (; i != limit && quiet < QRS_QUIET; i += way) {
        int a = i + way * QRS_FAR, b = i + way * QRS_FAR_END;
        float beyond = mean_of(d, a < b ? a : b, a < b ? b : a);
        bool is_quiet = fabsf(d[i]) < level || (!alone && fabsf(d[i] - beyond) < level);
        quiet = is_quiet ? quiet + 1 : 0;
    }
    return i - way * (quiet + 1);
}

static int largest(const float *x, int from, int to)
{
    int best = from;
    for (int i = from; i <= to; i++)
        if (fabsf(x[i] - x[from]) > fabsf(x[best] - x[from]))
            best = i;
    return best;
}

/* How much all leads bend, and the most of it about the beat. */
static float bends_of(const struct ecg_mean *m, float (*s)[W], float out[W])
{
    float top = 0;
    for (int i = 0; i < W; i++)
        out[i] = 0;
    for (size_t k = 0; k < m->nleads; k++)
        for (int i = F - QRS_FIRST; i < F + QRS_LAST && !m->silent[k]; i++)
            out[i] += fabsf(s[k][i + QRS_BEND] - 2 * s[k][i] + s[k][i - QRS_BEND]);
    for (int i = F - 40; i < F + 50; i++)
        top = fmaxf(top, out[i]);
    return top;
}

/* As far as QRS can reach. In a lead of low complexes T is as steep as they are, and where T
 * follows at once, or P lies before, no lead has a slope that ends. But T and P bend little beside
 * QRS: what comes after all leads went straight on is none of it. While the ventricles are being
 * excited they hardly do so all at once; and near the beat, as slow rhythms have no T there, each
 * lead is taken at its word. */
static struct range complex_span(const struct ecg_mean *m, float (*s)[W])
{
    float bend[W];
    float level = QRS_BENT * bends_of(m, s, bend);
    struct range r = {F - QRS_FIRST, F + QRS_LAST};
    int straight = 0;
    for (int i = F; i > r.from; i--) {
        straight = bend[i] < level ? straight + 1 : 0;
        if (straight >= QRS_STRAIGHT && F - i >= m->before / QRS_SHARE)
            r.from = i;
    }
    straight = 0;
    for (int i = F; i < r.to; i++) {
        straight = bend[i] < level ? straight + 1 : 0;
        if (straight >= QRS_STRAIGHT && i - F >= m->after / QRS_SHARE)
            r.to = i;
    }
    return r;
}

/* One of ventricular origin begins slowly, and no P wave lies before it. s: the lead, smoothed. */
static void find_complex(const float *s, bool ventricular, struct range span, struct opinion *on,
                         struct opinion *off)
{
    float d[W];
    slope_of(s, QRS_SLOPE, d);
    float top = fmaxf(fabsf(d[steepest(d, F - 40, F + 49)]), 1);
    float noise = fminf(quietest(d, F - 130, F - 20), quietest(d, F + 50, F + 150));
    int first = clamp(F - 65, span.from, F), last = clamp(F + 80, F, span.to);
    while (first < F && fabsf(d[first]) < fmaxf(QRS_STEEP_ON * top, 4 * noise))
        first++;
    while (last > F && fabsf(d[last]) < fmaxf(QRS_STEEP_OFF * top, 4 * noise))
        last--;
    /* the steeper, the surer */
    float weight = top * sqrtf(sqrtf(top));
    float level = fmaxf(QRS_LEVEL_ON * top, QRS_NOISE * noise);
    *on = (struct opinion){edge_of(d, first, -1, level, span.from, ventricular) - QRS_EARLIER,
                           weight};
    level = fmaxf(QRS_LEVEL_OFF * top, QRS_NOISE * noise);
    *off = (struct opinion){edge_of(d, last, 1, level, span.to, false) + QRS_LATER, weight};
}

static void find_complexes(const struct ecg_mean *m, struct ecg_waves_of_mean *out)
{
    struct opinions on = {.n = m->nleads}, off = {.n = m->nleads};
    float s[LEADS][W];
    for (size_t k = 0; k < m->nleads; k++) {
        const float *x = m->x[k];
        for (int i = 0; i < W; i++)
            s[k][i] = (x[i > 1 ? i - 1 : 0] + x[i] + x[i + 1 < W ? i + 1 : W - 1]) / 3;
    }
    struct range span = complex_span(m, s);
    for (size_t k = 0; k < m->nleads; k++)
        find_complex(s[k], m->ventricular, span, &on.of[k], &off.of[k]);
    struct drawing own = {0.4F, 17};
    settle(m, &on, ECG_POINT_QRS_ON, own, (struct drawing){1, 11}, 0.14F, out);
    settle(m, &off, ECG_POINT_QRS_OFF, own, (struct drawing){1, 16}, 0.99F, out);
    /* within what all leads leave of it: a lead of low complexes may have gone on into T */
    for (size_t k = 0; k < m->nleads; k++) {
        int *at = out->lead[k].at;
        at[ECG_POINT_QRS_PEAK] =
            m->silent[k] ? F : largest(m->x[k], at[ECG_POINT_QRS_ON], at[ECG_POINT_QRS_OFF]);
    }
    out->all.at[ECG_POINT_QRS_PEAK] = F;
}

/* ---- where P and T are ---- */

void ecg_delineate_cut(const float *x, int from, int to, int h, float *out)
{
    float v[W];
    for (int i = 0; i < W; i++)
        v[i] = x[clamp(i, from, to)];
    smooth(v, h, out);
}

/* How much a sample stands out from those `h` before and after. */
static float bump(const float *x, int i, int h)
{
    return fabsf(2 * x[i] - x[clamp(i - h, 0, W - 1)] - x[clamp(i + h, 0, W - 1)]);
}

/* 1 up to `near` samples away, then falling by `loss` over `length`. */
struct prior {
    int at;
    float near;
    float length;
    float loss;
};

static float weight_at(const struct prior *p, int i)
{
    float beyond = fabsf((float)(i - p->at)) - p->near;
    return beyond > 0 ? 1 - p->loss * fminf(1, beyond / p->length) : 1;
}

/* The place in the range that stands out most of all leads together, of those that stand out
 * from their neighbours; ECG_POINT_NONE when there is none. Its height is a mean. */
static int find_bump(float (*x)[W], size_t n, struct range r, int h, const struct prior *prior,
                     float *height)
{
    float sum[W] = {0};
    int best = ECG_POINT_NONE;
    for (int i = r.from - 1; i <= r.to + 1; i++) {
        for (size_t k = 0; k < n; k++)
            sum[i] += bump(x[k], i, h);
        sum[i] *= weight_at(prior, i);
    }
    *height = 0;
    for (int i = r.from; i <= r.to; i++)
        if (sum[i] > *height && sum[i] >= sum[i - 1] && sum[i] >= sum[i + 1]) {
            *height = sum[i];
            best = i;
        }
    *height /= 2 * (float)n;
    return best;
}

/* Where a lead stands out, near the common place. */
static int own_bump(const float *x, int about, int reach, struct range r, int h)
{
    int best = clamp(about, r.from, r.to);
    float most = 0;
    for (int i = clamp(about - reach, r.from, r.to); i <= clamp(about + reach, r.from, r.to); i++) {
        float far = fabsf((float)(i - about)) / (float)reach;
        float v = bump(x, i, h) * (1 - 0.5F * far);
        if (v > most) {
            most = v;
            best = i;
        }
    }
    return best;
}

/* ---- T ---- */

enum {
    T_SMOOTH = 4,
    T_SLOPE = 5,
    T_BUMP = 15,
    T_AFTER_QRS = 20,
    T_LATEST = 280, /* after the beat */
    T_ALIKE = 40,   /* the last slopes of the leads lie within */
    T_LATER = 3,
};
static const float T_SLOPE_END = 0.3F;   /* of the steepest slope */
static const float T_SLOPE_ON = 0.25F;   /* likewise */
static const float T_TANGENT = 1.0F / 3; /* share of the tangent's end */
static const float T_LATE_LOBE = 0.6F;   /* of the steepest slope: one of other sign that counts */

/* The end by the slope, drawn to where the tangent meets the level after it. */
static int t_end(const float *x, const float *d, int at, int limit)
{
    int end = follow(d, at, 1, T_SLOPE_END, limit);
    float slope = d[at] / (2 * T_SLOPE);
    float fall = x[clamp(end + 5, 0, limit)] - x[at];
    float meets = fabsf(slope) > 1e-3F ? (float)at + fall / slope : (float)end;
    meets = fminf(fmaxf(meets, (float)at), (float)limit);
    return (int)lrintf((1 - T_TANGENT) * (float)end + T_TANGENT * meets);
}

/* Of one lead whose last slope lies about `common`. */
static struct opinion t_end_near(const float *x, const float *d, int peak, int common, int limit)
{
    int at = steepest(d, clamp(common - T_ALIKE, peak, limit), clamp(common + T_ALIKE, 0, limit));
    int end = t_end(x, d, at, limit);
    int late = steepest(d, end, clamp(at + 50, end, limit));
    if (late > end && late < limit - 2 && fabsf(d[late]) > T_LATE_LOBE * fabsf(d[at])) {
        at = late;
        end = t_end(x, d, at, limit);
    }
    return (struct opinion){end + T_LATER, fabsf(d[at])};
}

/* limit: the last sample that may be T's. */
static void find_t(const struct ecg_mean *m, int limit, struct ecg_waves_of_mean *out)
{
    float s[LEADS][W], d[LEADS][W], height;
    struct opinions slope = {.n = m->nleads}, end = {.n = m->nleads};
    int peak[LEADS];
    int off = out->all.at[ECG_POINT_QRS_OFF];
    limit = clamp(limit, off + 50, W - 2);
    for (size_t k = 0; k < m->nleads; k++)
        ecg_delineate_cut(m->x[k], off, limit, T_SMOOTH, s[k]);
    struct range r = {off + T_AFTER_QRS, clamp(F + 2 * m->after / 5 + 60, off + 30,
                                               clamp(F + T_LATEST, off + 30, limit))};
    float root = sqrtf((float)clamp(m->after, 150, 1000) / ECG_WINDOW_HZ);
    struct prior prior = {F, 160 * root, 47 * root, 0.535F}; /* later: rather a U wave */
    int t = find_bump(s, m->nleads, r, T_BUMP, &prior, &height);
    if (t == ECG_POINT_NONE)
        return;
    for (size_t k = 0; k < m->nleads; k++) {
        slope_of(s[k], T_SLOPE, d[k]);
        peak[k] = own_bump(s[k], t, 40, (struct range){r.from, limit}, 30);
        int at = steepest(d[k], peak[k], clamp(peak[k] + 80, 0, limit));
        slope.of[k] = (struct opinion){at, fabsf(d[k][at])};
    }
    int common = quantile(&slope, 0.5F);
    for (size_t k = 0; k < m->nleads; k++) {
        end.of[k] = t_end_near(s[k], d[k], peak[k], common, limit);
        int up = steepest(d[k], clamp(peak[k] - 90, off, peak[k]), peak[k]);
        out->lead[k].at[ECG_POINT_T_ON] = m->silent[k] ? t : follow(d[k], up, -1, T_SLOPE_ON, off);
        out->lead[k].at[ECG_POINT_T_PEAK] = m->silent[k] ? t : peak[k];
    }
    settle(m, &end, ECG_POINT_T_OFF, (struct drawing){0.67F, 15}, (struct drawing){1, 32}, 0.99F,
           out);
    if (m->nleads == 2)
        out->all.at[ECG_POINT_T_OFF] = outer(&end, out->all.at[ECG_POINT_T_OFF], 1);
    out->all.at[ECG_POINT_T_PEAK] = t;
    out->all.at[ECG_POINT_T_ON] = W;
    for (size_t k = 0; k < m->nleads; k++)
        if (out->lead[k].at[ECG_POINT_T_ON] < out->all.at[ECG_POINT_T_ON])
            out->all.at[ECG_POINT_T_ON] = out->lead[k].at[ECG_POINT_T_ON];
}

/* ---- P ---- */

enum {
    P_SLOPE = 5,
    P_BUMP = 31,
    P_REACH = 43,
    P_EARLIEST = 190, /* before QRS */
    P_LATEST = 10,
    P_FIRST = 1,
};
static const float P_SLOPE_ON = 0.415F; /* of the steepest slope */
static const float P_SLOPE_OFF = 0.46F;
static const float P_LOBE = 0.4F; /* of the steepest slope: one of other sign that counts */

/* The farthest lobe of other sign that counts, else the one there. */
static int beyond(const float *d, int at, int way, int limit, float least)
{
    enum { REACH = 21 };
    int to = way > 0 ? clamp(at + REACH, 0, limit) : clamp(at - REACH, limit, W - 1);
    int best = at;
    for (int i = at; i != to; i += way)
        if ((d[i] > 0) != (d[at] > 0) && fabsf(d[i]) > (best == at ? least : fabsf(d[best])))
            best = i;
    return best;
}

static void p_edges(const float *x, int peak, struct range r, struct opinion *on,
                    struct opinion *off)
{
    float d[W];
    slope_of(x, P_SLOPE, d);
    int a = steepest(d, clamp(peak - P_REACH, r.from, W), peak);
    int b = steepest(d, peak, clamp(peak + P_REACH, 0, r.to));
    float top = fmaxf(fabsf(d[a]), fabsf(d[b]));
    a = beyond(d, a, -1, r.from, P_LOBE * top);
    b = beyond(d, b, 1, r.to, P_LOBE * top);
    *on = (struct opinion){follow(d, a, -1, P_SLOPE_ON, r.from) - 1, top};
    *off = (struct opinion){follow(d, b, 1, P_SLOPE_OFF, r.to) - 3, top};
}

/* The first sample of the atria's wave, whether it is a P wave or one of flutter;
 * ECG_POINT_NONE when there is none. */
static int find_p(const struct ecg_mean *m, struct ecg_waves_of_mean *out)
{
    float s[LEADS][W], height;
    struct opinions on = {.n = m->nleads}, off = {.n = m->nleads};
    int q_on = out->all.at[ECG_POINT_QRS_ON];
    int t_off = out->all.at[ECG_POINT_T_OFF];
    int from = t_off == ECG_POINT_NONE ? q_on - 120 : t_off - m->before + 5;
    from = clamp(clamp(from, q_on - P_EARLIEST, q_on - 50), 15, W);
    struct range r = {from, q_on - P_LATEST};
    struct prior prior = {q_on, 100, 90, 0.6F};
    for (size_t k = 0; k < m->nleads; k++)
        ecg_delineate_cut(m->x[k], 0, q_on - 2, ECG_P_SMOOTH, s[k]);
    int p = find_bump(s, m->nleads, r, P_BUMP, &prior, &height);
    if (p == ECG_POINT_NONE)
        return ECG_POINT_NONE;
    height *= (float)m->nleads / (float)m->live;
    if (!ecg_p_is_there(m, s, p, q_on, height, out))
        return ecg_p_is_fast_uneven(m) ? p - ECG_P_HALF : ECG_POINT_NONE;
    out->all.at[ECG_POINT_P_PEAK] = p;
    for (size_t k = 0; k < m->nleads; k++) {
        int peak = m->silent[k] ? p : own_bump(s[k], p, 61, r, 20);
        p_edges(s[k], peak, (struct range){clamp(from - 15, 0, W), q_on - 2}, &on.of[k],
                &off.of[k]);
        out->lead[k].at[ECG_POINT_P_PEAK] = peak;
    }
    struct drawing own = {0.8F, 21}, all = {1, 16};
    settle(m, &on, ECG_POINT_P_ON, own, all, 0.07F, out);
    settle(m, &off, ECG_POINT_P_OFF, own, all, 0.75F, out);
    if (m->nleads == 2) {
        out->all.at[ECG_POINT_P_ON] = outer(&on, out->all.at[ECG_POINT_P_ON], -1) - P_FIRST;
        out->all.at[ECG_POINT_P_OFF] = outer(&off, out->all.at[ECG_POINT_P_OFF], 1);
    }
    return out->all.at[ECG_POINT_P_ON];
}

void ecg_delineate_by_rules(const struct ecg_mean *m, struct ecg_waves_of_mean *out)
{
    for (int i = 0; i < ECG_POINT_COUNT; i++) {
        out->all.at[i] = ECG_POINT_NONE;
        for (size_t k = 0; k < LEADS; k++)
            out->lead[k].at[i] = ECG_POINT_NONE;
    }
    out->p_likeness = NAN;
    out->p_uv = out->p_steady = 0;
    out->flutters = false;
    find_complexes(m, out);
    find_t(m, F + m->after - 50, out);
    int atrial = find_p(m, out);
    if (atrial != ECG_POINT_NONE) /* the next one ends the search for T */
        find_t(m, m->after + atrial - 5, out);
}

void ecg_delineate(const struct ecg_mean *m, struct ecg_waves_of_mean *out)
{
    ecg_delineate_by_rules(m, out);
    ecg_edge_correct(m, out);
}
