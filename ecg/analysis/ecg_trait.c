/* What a beat is like, beside the usual ones around it. */
#include "ecg/analysis/ecg_class_priv.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Complexes with the beginning of ST, where ventricular beats differ most. */
static const double WINDOW_MS = 280;
static const float LIKE_DOMINANT = 0.15F; /* 1 - correlation, at most */
static const float LIKE_GROUP = 0.8F;     /* correlation, at least */

static const float UNKNOWN_FAR = -1.2F; /* speaks neither for nor against */

enum {
    AROUND = 24,     /* beats either side that tell what is usual */
    ANEW = 8,        /* beats after which that is looked at anew */
    USUAL_LEAST = 5, /* fewer tell nothing */
    WIDEST = 256     /* samples of a window */
};

/* Where the parts of a beat lie about the middle of QRS, in samples of the grid. */
struct parts {
    int from, p_end, level, level_end, qrs, qrs_end, t, to;
    int slope; /* over so many */
};

static struct parts parts_of(const struct ecg_signal *s)
{
    struct parts p = {.from = -(int)ecg_signal_span(s, 260),
                      .p_end = -(int)ecg_signal_span(s, 100),
                      .level = -(int)ecg_signal_span(s, 130),
                      .level_end = -(int)ecg_signal_span(s, 90),
                      .qrs = -(int)ecg_signal_span(s, 110),
                      .qrs_end = (int)ecg_signal_span(s, 130),
                      .t = (int)ecg_signal_span(s, 150),
                      .to = (int)ecg_signal_span(s, 380),
                      .slope = (int)ecg_signal_span(s, 16)};
    return p;
}

/* What is measured of one beat. */
struct shape {
    float spread; /* standard deviation in time of its slopes, in samples */
    float size;   /* sum of its slopes' amounts */
    float height; /* peak to peak, in units of the signal */
    size_t at;    /* middle of QRS, as in the dominant template */
    size_t group; /* template, SIZE_MAX = none */
    float unlike; /* 1 - correlation with the dominant template */
};

/* ---- the complex ---- */

static float weight_of(const struct ecg_feature *f, size_t k, size_t at)
{
    return (float)f->weights[k * f->segments + at / f->segment] + 0.5F;
}

/* The slopes of all leads by their weights, and the mean height. */
static int add_slopes(const struct ecg_signal *s, const struct ecg_feature *f,
                      const struct parts *p, size_t at, float *slope, float *height)
{
    int n = p->qrs_end - p->qrs;
    float all = 0;
    size_t from = at > (size_t)-p->qrs ? at - (size_t)-p->qrs : 0;
    if (from + (size_t)(n + p->slope) >= s->n)
        from = s->n > (size_t)(n + p->slope) ? s->n - (size_t)(n + p->slope) : 0;
    n = from + (size_t)(n + p->slope) <= s->n ? n : 0;
    memset(slope, 0, (size_t)(n + 1) * sizeof *slope);
    *height = 0;
    for (size_t k = 0; k < s->nleads; k++) {
        const int16_t *x = s->x[k] + from;
        float w = weight_of(f, k, at);
        int16_t low = INT16_MAX, high = INT16_MIN;
        for (int i = 0; i < n; i++) {
            slope[i] += w * (float)abs(x[i + p->slope] - x[i]);
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        *height += w * (float)(high > low ? high - low : 0);
        all += w;
    }
    for (int i = 0; i < n; i++)
        slope[i] /= all;
    *height = *height / all + 1;
    return n;
}

static void measure_shape(const struct ecg_signal *s, const struct ecg_feature *f,
                          const struct parts *p, size_t at, struct shape *out)
{
    float slope[WIDEST];
    float sum = 0, first = 0, second = 0;
    int n = add_slopes(s, f, p, at, slope, &out->height);
    for (int i = 0; i < n; i++) {
        sum += slope[i];
        first += slope[i] * (float)i;
        second += slope[i] * (float)(i * i);
    }
    float mean = sum > 0 ? first / sum : 0;
    float variance = sum > 0 ? second / sum - mean * mean : 0;
    out->spread = sqrtf(variance > 1 ? variance : 1);
    out->size = sum + 1;
}

/* The most frequent shape; a narrower one that is nearly as frequent before it, as
 * normal beats are narrower than ventricular ones. */
static size_t dominant_group(const struct ecg_templates *ts, const struct shape *shape, size_t n)
{
    size_t count[ECG_TEMPLATES] = {0};
    float spread[ECG_TEMPLATES] = {0};
    size_t best = 0;
    for (size_t i = 0; i < n; i++)
        if (shape[i].group < ECG_TEMPLATES) {
            count[shape[i].group]++;
            spread[shape[i].group] += shape[i].spread;
        }
    for (size_t g = 1; g < ts->n; g++)
        if (count[g] > count[best])
            best = g;
    size_t most = best;
    for (size_t g = 0; g < ts->n; g++)
        if (count[g] * 3 > count[most] && count[best] > 0 &&
            spread[g] / (float)count[g] < 0.85F * spread[best] / (float)count[best])
            best = g;
    return best;
}

static enum base_err measure_shapes(const struct ecg_signal *s, const struct ecg_feature *f,
                                    const size_t *at, size_t n, struct shape *shape,
                                    uint8_t *dominant_shape)
{
    struct parts p = parts_of(s);
    struct ecg_templates *ts = malloc(sizeof *ts);
    if (!ts)
        return BASE_ENOMEM;
    ecg_templates_init(ts, s, f, WINDOW_MS);
    for (size_t i = 0; i < n; i++)
        (void)ecg_template_learn(ts, at[i]);
    for (size_t i = 0; i < n; i++) {
        int shift;
        float l = ecg_template_match(ts, at[i], 1, &shape[i].group, &shift);
        if (isnan(l) || l < LIKE_GROUP)
            shape[i].group = SIZE_MAX;
        measure_shape(s, f, &p, at[i], &shape[i]);
    }
    size_t dominant = dominant_group(ts, shape, n);
    for (size_t i = 0; i < n; i++) {
        int shift;
        float l = ecg_template_compare(ts, dominant, at[i], &shift);
        shape[i].unlike = isnan(l) || l > 1 ? 0 : 1 - l;
        shape[i].at = (size_t)((int64_t)at[i] + shift);
    }
    *dominant_shape = (uint8_t)dominant;
    free(ts);
    return BASE_OK;
}

/* ---- beside the usual beat ---- */

/* The mean of the usual beats around, about their level, in units of the signal. */
struct usual {
    float x[ECG_SIGNAL_LEADS][WIDEST + ECG_DOTS]; /* vectors are taken whole */
    size_t n;                                     /* beats in it, 0 = none yet */
};

static bool is_whole(const struct ecg_signal *s, const struct parts *p, size_t at)
{
    return at >= (size_t)-p->from && at + (size_t)p->to < s->n;
}

static float level_of(const int16_t *x, const struct parts *p)
{
    int32_t sum = 0;
    for (int i = p->level; i < p->level_end; i++)
        sum += x[i];
    return (float)sum / (float)(p->level_end - p->level);
}

static void take_usual(const struct ecg_signal *s, const struct parts *p, const struct shape *shape,
                       const bool *counts, size_t from, size_t to, struct usual *out)
{
    const struct ecg_dots *dots = ecg_dots_choose(ecg_simd_level());
    size_t n = 0;
    int span = p->to - p->from;
    for (size_t i = from; i < to; i++)
        n += counts[i] && is_whole(s, p, shape[i].at);
    if (n < USUAL_LEAST && out->n >= n)
        return;
    out->n = n;
    for (size_t k = 0; k < s->nleads; k++) {
        int32_t sum[WIDEST] = {0};
        for (size_t i = from; i < to; i++)
            if (counts[i] && is_whole(s, p, shape[i].at)) {
                const int16_t *x = s->x[k] + shape[i].at + p->from;
                dots->add(x, (size_t)span, sum);
            }
        float level = 0;
        for (int j = p->level; j < p->level_end; j++)
            level += (float)sum[j - p->from];
        level /= (float)(p->level_end - p->level);
        for (int j = 0; j < span; j++)
            out->x[k][j] = ((float)sum[j] - level) / (float)n;
    }
}

static float within(float v, float low, float high)
{
    return v < low ? low : v > high ? high : v;
}

/* Of a part of a beat x and of the usual one. */
struct products {
    struct ecg_dots_products s;
    float n;
};

static struct products multiply(const struct ecg_dots *dots, const int16_t *x, float level,
                                const float *r, int from, int to)
{
    struct products m = {.n = (float)(to - from)};
    assert(from < to);
    dots->multiply(x + from, level, r + from, (size_t)(to - from), &m.s);
    return m;
}

static float distance(const struct products *m)
{
    float d = (m->s.xx - 2 * m->s.xr + m->s.rr) / m->n;
    return d > 0 ? d : 0;
}

/* Areas of QRS and of ST and T over all leads, as vectors. */
struct areas {
    float qq, tt, qt;
};

static void add_area(struct areas *a, float w, float q, float t)
{
    a->qq += w * q * q;
    a->tt += w * t * t;
    a->qt += w * q * t;
}

static float opposition(const struct areas *a)
{
    static const float LITTLE = 1e4F; /* areas that are noise point anywhere */
    return -a->qt / sqrtf((a->qq + LITTLE) * (a->tt + LITTLE));
}

/* clear: samples until the next complex. */
static void compare_usual(const struct ecg_signal *s, const struct ecg_feature *f,
                          const struct parts *p, const struct usual *u, size_t at, int clear,
                          float *t)
{
    const struct ecg_dots *dots = ecg_dots_choose(ecg_simd_level());
    float all = 0, far_q = 0, far_t = 0, against = 0, p_xr = 0, p_both = 0;
    struct areas own = {0}, usual = {0};
    int t_end = clear < p->to ? clear : p->to;
    t_end = t_end < p->t + p->slope * 3 ? p->t + p->slope * 3 : t_end;
    t[ECG_TRAIT_FAR_QRS] = t[ECG_TRAIT_FAR_T] = UNKNOWN_FAR;
    if (u->n == 0 || !is_whole(s, p, at))
        return;
    for (size_t k = 0; k < s->nleads; k++) {
        const int16_t *x = s->x[k] + at;
        const float *r = u->x[k] - p->from;
        float level = level_of(x, p);
        float w = weight_of(f, k, at);
        struct products q = multiply(dots, x, level, r, p->qrs, p->qrs_end);
        struct products st = multiply(dots, x, level, r, p->t, t_end);
        struct products b = multiply(dots, x, level, r, p->from, p->p_end);
        float size = q.s.rr / q.n + 1;
        far_q += w * distance(&q) / size;
        far_t += w * distance(&st) / size;
        against += w * (q.s.r * st.s.r - q.s.x * st.s.x) / (q.n * st.n) / size;
        add_area(&own, w, q.s.x, st.s.x);
        add_area(&usual, w, q.s.r, st.s.r);
        p_xr += w * (b.s.xr - b.s.x * b.s.r / b.n) / size;
        p_both += w * (b.s.xx - b.s.x * b.s.x / b.n + b.s.rr - b.s.r * b.s.r / b.n) / size;
        all += w;
    }
    t[ECG_TRAIT_FAR_QRS] = logf(sqrtf(far_q / all) + 0.02F);
    t[ECG_TRAIT_FAR_T] = logf(sqrtf(far_t / all) + 0.02F);
    t[ECG_TRAIT_AGAINST] = within(against / all * 4, -3, 3);
    t[ECG_TRAIT_OPPOSED] = opposition(&own);
    t[ECG_TRAIT_USUALLY_OPPOSED] = opposition(&usual);
    t[ECG_TRAIT_P] = p_both > 0 ? 2 * p_xr / p_both : 0;
}

static void compare_all(const struct ecg_signal *s, const struct ecg_feature *f,
                        const struct shape *shape, const bool *counts, size_t n,
                        struct ecg_traits *out, struct usual *u)
{
    struct parts p = parts_of(s);
    size_t first = 0; /* beats that tell what is usual from the beginning on */
    for (size_t i = 0; i < n && first < (size_t)AROUND; i++)
        first += counts[i];
    u->n = 0;
    for (size_t i = 0, seen = 0; i < n && u->n == 0; i++) {
        seen += counts[i];
        if (seen == first)
            take_usual(s, &p, shape, counts, 0, i + 1, u);
    }
    for (size_t i = 0; i < n; i++) {
        size_t from = i > AROUND ? i - AROUND : 0;
        if (i % ANEW == 0)
            take_usual(s, &p, shape, counts, from, i + AROUND < n ? i + AROUND : n, u);
        size_t next = i + 1 < n ? shape[i + 1].at : s->n;
        size_t gap = next > shape[i].at ? next - shape[i].at : 0;
        int clear = gap < WIDEST * 4 ? (int)gap + p.qrs : p.to;
        compare_usual(s, f, &p, u, shape[i].at, clear, out[i].own);
    }
}

/* ---- what is usual ---- */

/* The element in the middle of n, none of which is negative: the largest number below which at
 * most half of them lie, found bit by bit, as such floats are in the order of their bits. To count
 * them so often is a matter of vectors, to sort them one of guesses. */
static float median(const float *v, size_t n)
{
    int32_t bits[2 * AROUND];
    int32_t found = 0, all = 0;
    int32_t bit = 1 << 30;
    float out;
    memcpy(bits, v, n * sizeof *bits);
    for (size_t i = 0; i < n; i++)
        all |= bits[i];
    for (size_t i = n; i < (size_t)2 * AROUND; i++)
        bits[i] = INT32_MAX; /* below nothing, so that always as many are counted */
    while (bit > all)
        bit >>= 1;
    for (; bit; bit >>= 1) {
        int32_t limit = found | bit;
        int32_t below = 0;
        for (size_t i = 0; i < (size_t)2 * AROUND; i++)
            below += bits[i] < limit;
        found = below <= (int32_t)(n / 2) ? limit : found;
    }
    memcpy(&out, &found, sizeof out);
    return out;
}

/* log(v[i] / median of those that count around i), for all i. The median is taken anew
 * every 8 beats; where fewer than 5 count, that of before stays, to begin with of all. */
static void relative(const float *v, const bool *counts, size_t n, struct ecg_traits *out,
                     enum ecg_trait trait)
{
    float near[2 * AROUND];
    float usual = 0;
    for (size_t i = 0; i < n; i++) {
        size_t m = 0;
        for (size_t k = i > AROUND ? i - AROUND : 0; i % ANEW == 0 && k < n && k < i + AROUND; k++)
            if (counts[k] || (usual <= 0 && n < AROUND))
                near[m++] = v[k];
        if (m >= USUAL_LEAST || (m > 0 && usual <= 0))
            usual = median(near, m);
        out[i].own[trait] = usual > 0 && v[i] > 0 ? logf(v[i] / usual) : 0;
    }
}

/* The usual change from one interval to the next, of those that end at usual beats. */
static void uneven(const float *v, const bool *counts, size_t n, struct ecg_traits *out)
{
    float near[2 * AROUND];
    float usual = 0.05F;
    for (size_t i = 0; i < n; i++) {
        size_t m = 0;
        for (size_t k = i > AROUND ? i - AROUND : 1; i % ANEW == 0 && k < n && k < i + AROUND; k++)
            if (k > 0 && counts[k] && counts[k - 1] && v[k] > 0 && v[k - 1] > 0)
                near[m++] = fabsf(logf(v[k] / v[k - 1]));
        if (m >= USUAL_LEAST)
            usual = median(near, m);
        out[i].own[ECG_TRAIT_UNEVEN] = usual;
    }
}

static void group_traits(const struct shape *shape, size_t n, struct ecg_traits *out)
{
    float sum[ECG_TEMPLATES][ECG_TRAIT_COUNT] = {{0}};
    float count[ECG_TEMPLATES] = {0};
    for (size_t i = 0; i < n; i++)
        if (shape[i].group < ECG_TEMPLATES) {
            count[shape[i].group] += 1;
            for (size_t t = 0; t < ECG_TRAIT_COUNT; t++)
                sum[shape[i].group][t] += out[i].own[t];
        }
    for (size_t i = 0; i < n; i++) {
        size_t g = shape[i].group;
        for (size_t t = 0; t < ECG_TRAIT_COUNT; t++)
            out[i].group[t] = g < ECG_TEMPLATES ? sum[g][t] / count[g] : out[i].own[t];
    }
}

static void take(const struct shape *shape, size_t n, size_t offset, float *v)
{
    for (size_t i = 0; i < n; i++)
        memcpy(&v[i], (const char *)&shape[i] + offset, sizeof *v);
}

static void interval_traits(const struct shape *shape, const size_t *at, size_t n, bool *counts,
                            float *v, struct ecg_traits *out)
{
    for (size_t i = 1; i < n; i++)
        v[i] = (float)(at[i] - at[i - 1]);
    v[0] = n > 1 ? v[1] : 1;
    v[n] = v[n - 1];
    for (size_t i = 0; i < n; i++)
        counts[i] =
            shape[i].unlike <= LIKE_DOMINANT && (i == 0 || shape[i - 1].unlike <= LIKE_DOMINANT);
    relative(v, counts, n, out, ECG_TRAIT_BEFORE);
    uneven(v, counts, n, out);
    for (size_t i = 0; i < n; i++) { /* over the same usual interval */
        float before = out[i].own[ECG_TRAIT_BEFORE];
        float after = v[i] > 0 ? before + logf(v[i + 1] / v[i]) : 0;
        out[i].own[ECG_TRAIT_AFTER] = within(after, -1.2F, 1.2F);
    }
    for (size_t i = 0; i < n; i++)
        out[i].own[ECG_TRAIT_BEFORE] = within(out[i].own[ECG_TRAIT_BEFORE], -1.2F, 1.2F);
}

static void shape_traits(const struct ecg_signal *s, const struct ecg_feature *f,
                         const struct shape *shape, size_t n, bool *counts, float *v,
                         struct ecg_traits *out, struct usual *u)
{
    static const struct {
        enum ecg_trait trait;
        size_t offset;
    } of[] = {{ECG_TRAIT_SPREAD, offsetof(struct shape, spread)},
              {ECG_TRAIT_SIZE, offsetof(struct shape, size)},
              {ECG_TRAIT_HEIGHT, offsetof(struct shape, height)}};
    for (size_t i = 0; i < n; i++) {
        out[i].own[ECG_TRAIT_UNLIKE] = shape[i].unlike;
        out[i].own[ECG_TRAIT_ODD] = logf(shape[i].unlike + 0.01F) + 4;
        counts[i] = shape[i].unlike <= LIKE_DOMINANT;
    }
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        take(shape, n, of[k].offset, v);
        relative(v, counts, n, out, of[k].trait);
    }
    compare_all(s, f, shape, counts, n, out, u);
}

enum base_err ecg_class_traits(const struct ecg_signal *s, const struct ecg_feature *f,
                               const size_t *at, size_t n, struct ecg_traits *out,
                               struct ecg_beat *beat, uint8_t *dominant)
{
    struct shape *shape = calloc(n + 1, sizeof *shape);
    struct usual *u = malloc(sizeof *u);
    float *v = calloc(n + 2, sizeof *v);
    bool *counts = calloc(n + 1, sizeof *counts);
    enum base_err e =
        shape && u && v && counts ? measure_shapes(s, f, at, n, shape, dominant) : BASE_ENOMEM;
    for (size_t i = 0; i < n && !e; i++)
        beat[i].shape = shape[i].group < ECG_SHAPES ? (uint8_t)shape[i].group : ECG_SHAPE_NONE;
    if (!e && n > 0) {
        interval_traits(shape, at, n, counts, v, out);
        shape_traits(s, f, shape, n, counts, v, out, u);
        group_traits(shape, n, out);
    }
    free(shape);
    free(u);
    free(v);
    free(counts);
    return e;
}
