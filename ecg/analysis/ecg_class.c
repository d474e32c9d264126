#include "ecg/analysis/ecg_class_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Complexes with the beginning of ST, where ventricular beats differ most. */
static const double WINDOW_MS = 280;
static const float LIKE_DOMINANT = 0.15F; /* 1 - correlation, at most */

/* ---- what a beat looks like ---- */

struct shape {
    float spread; /* standard deviation in time of its slopes, in samples */
    float size;   /* sum of its slopes' amounts, the usual complex of the lead = 1 */
    float height; /* peak to peak, in units of the signal */
    size_t group; /* template, SIZE_MAX = none */
    float unlike; /* 1 - correlation with the dominant template */
};

/* Over ±130 ms, all leads by their weights. */
static void measure_shape(const struct ecg_signal *s, const struct ecg_feature *f, size_t at,
                          struct shape *out)
{
    size_t reach = ecg_signal_span(s, 130);
    size_t step = ecg_signal_span(s, 16);
    size_t from = at > reach ? at - reach : 0;
    size_t to = at + reach < s->n ? at + reach : s->n;
    double sum = 0, first = 0, second = 0, height = 0, all = 0;
    for (size_t k = 0; k < s->nleads; k++) {
        double w = (double)f->weights[k * f->segments + at / f->segment] + 0.5;
        int16_t low = INT16_MAX, high = INT16_MIN;
        int64_t s0 = 0, s1 = 0, s2 = 0;
        for (size_t i = from; i + step < to; i++) {
            int32_t x = s->x[k][i];
            int64_t d = abs(s->x[k][i + step] - x);
            int64_t t = (int64_t)(i - from);
            s0 += d;
            s1 += d * t;
            s2 += d * t * t;
            low = x < low ? (int16_t)x : low;
            high = x > high ? (int16_t)x : high;
        }
        sum += w * (double)s0;
        first += w * (double)s1;
        second += w * (double)s2;
        height += w * (high > low ? high - low : 0);
        all += w;
    }
    double mean = sum > 0 ? first / sum : 0;
    double variance = sum > 0 ? second / sum - mean * mean : 0;
    out->spread = (float)sqrt(variance > 1 ? variance : 1);
    out->size = (float)(sum / all + 1);
    out->height = (float)(height / all + 1);
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
    struct ecg_templates *ts = malloc(sizeof *ts);
    if (!ts)
        return BASE_ENOMEM;
    ecg_templates_init(ts, s, f, WINDOW_MS);
    for (size_t i = 0; i < n; i++)
        (void)ecg_template_learn(ts, at[i]);
    for (size_t i = 0; i < n; i++) {
        int shift;
        float l = ecg_template_match(ts, at[i], 1, &shape[i].group, &shift);
        if (isnan(l) || l < 0.8F)
            shape[i].group = SIZE_MAX;
        measure_shape(s, f, at[i], &shape[i]);
    }
    size_t dominant = dominant_group(ts, shape, n);
    for (size_t i = 0; i < n; i++) {
        float l = ecg_template_compare(ts, dominant, at[i]);
        shape[i].unlike = isnan(l) ? 0 : 1 - l;
    }
    *dominant_shape = (uint8_t)dominant;
    free(ts);
    return BASE_OK;
}

/* ---- what is usual ---- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

enum { AROUND = 24 /* beats either side */ };

static float median(float *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

/* log(v[i] / median of those that count around i), for all i. The median is taken anew
 * every 8 beats; where fewer than 5 count, that of before stays, to begin with of all. */
static void relative(const float *v, const bool *counts, size_t n, float (*out)[ECG_TRAIT_COUNT],
                     enum ecg_trait trait)
{
    float near[2 * AROUND];
    float usual = 0;
    for (size_t i = 0; i < n; i++) {
        size_t m = 0;
        for (size_t k = i > AROUND ? i - AROUND : 0; i % 8 == 0 && k < n && k < i + AROUND; k++)
            if (counts[k] || (usual <= 0 && n < AROUND))
                near[m++] = v[k];
        if (m >= 5 || (m > 0 && usual <= 0))
            usual = median(near, m);
        out[i][trait] = usual > 0 && v[i] > 0 ? logf(v[i] / usual) : 0;
    }
}

static float within(float v, float low, float high)
{
    return v < low ? low : v > high ? high : v;
}

static void group_traits(const struct shape *shape, size_t n, float (*out)[ECG_TRAIT_COUNT])
{
    static const enum ecg_trait pairs[][2] = {{ECG_TRAIT_GROUP_BEFORE, ECG_TRAIT_BEFORE},
                                              {ECG_TRAIT_GROUP_UNLIKE, ECG_TRAIT_UNLIKE},
                                              {ECG_TRAIT_GROUP_ODD, ECG_TRAIT_ODD},
                                              {ECG_TRAIT_GROUP_SPREAD, ECG_TRAIT_SPREAD},
                                              {ECG_TRAIT_GROUP_HEIGHT, ECG_TRAIT_HEIGHT}};
    float sum[ECG_TEMPLATES][sizeof pairs / sizeof *pairs] = {{0}};
    float count[ECG_TEMPLATES] = {0};
    for (size_t i = 0; i < n; i++)
        if (shape[i].group < ECG_TEMPLATES) {
            count[shape[i].group] += 1;
            for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++)
                sum[shape[i].group][p] += out[i][pairs[p][1]];
        }
    for (size_t i = 0; i < n; i++) {
        size_t g = shape[i].group;
        float members = g < ECG_TEMPLATES ? count[g] : 1;
        for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++)
            out[i][pairs[p][0]] = g < ECG_TEMPLATES ? sum[g][p] / members : out[i][pairs[p][1]];
        out[i][ECG_TRAIT_GROUP_SHARE] = within(logf(members / (float)n), -6, 0);
    }
}

enum base_err ecg_class_traits(const struct ecg_signal *s, const struct ecg_feature *f,
                               const size_t *at, size_t n, float (*out)[ECG_TRAIT_COUNT],
                               struct ecg_beat *beat, uint8_t *dominant)
{
    struct shape *shape = calloc(n + 1, sizeof *shape);
    float *v = calloc(n + 2, sizeof *v);
    bool *counts = calloc(n + 1, sizeof *counts);
    enum base_err e =
        shape && v && counts ? measure_shapes(s, f, at, n, shape, dominant) : BASE_ENOMEM;
    for (size_t i = 0; i < n && !e; i++)
        beat[i].shape = shape[i].group < ECG_SHAPES ? (uint8_t)shape[i].group : ECG_SHAPE_NONE;
    if (!e && n > 0) {
        for (size_t i = 1; i < n; i++)
            v[i] = (float)(at[i] - at[i - 1]);
        v[0] = n > 1 ? v[1] : 1;
        v[n] = v[n - 1];
        for (size_t i = 0; i < n; i++)
            counts[i] = shape[i].unlike <= LIKE_DOMINANT &&
                        (i == 0 || shape[i - 1].unlike <= LIKE_DOMINANT);
        relative(v, counts, n, out, ECG_TRAIT_BEFORE);
        for (size_t i = 0; i < n; i++) { /* over the same usual interval */
            float r = v[i] > 0 ? out[i][ECG_TRAIT_BEFORE] + logf(v[i + 1] / v[i]) : 0;
            out[i][ECG_TRAIT_AFTER] = within(r, -1.2F, 1.2F);
            out[i][ECG_TRAIT_BEFORE] = within(out[i][ECG_TRAIT_BEFORE], -1.2F, 1.2F);
            out[i][ECG_TRAIT_UNLIKE] = within(shape[i].unlike, 0, 1);
            out[i][ECG_TRAIT_ODD] = logf(out[i][ECG_TRAIT_UNLIKE] + 0.01F) + 4;
            counts[i] = shape[i].unlike <= LIKE_DOMINANT;
        }
        for (size_t i = 0; i < n; i++)
            v[i] = shape[i].spread;
        relative(v, counts, n, out, ECG_TRAIT_SPREAD);
        for (size_t i = 0; i < n; i++)
            v[i] = shape[i].size;
        relative(v, counts, n, out, ECG_TRAIT_SIZE);
        for (size_t i = 0; i < n; i++)
            v[i] = shape[i].height;
        relative(v, counts, n, out, ECG_TRAIT_HEIGHT);
        group_traits(shape, n, out);
    }
    free(shape);
    free(v);
    free(counts);
    return e;
}

/* ---- the classes ---- */

/* A logistic model (scores: log odds of ventricular origin) of the traits and of products
 * of them; fitted with ridge penalty on the beats of records of the MIT-BIH database, and
 * judged with each record left out of the fit in turn (docs/ECG.md). */
static const float FIXED = -7.979F;
static const float OF_TRAIT[ECG_TRAIT_COUNT] = {-1.780F, 1.831F, 0.248F,  0.515F, 2.437F,
                                                -0.380F, 1.761F, -2.579F, 0.731F, 0.852F,
                                                3.618F,  1.970F, 0.049F};
static const float OF_PRODUCT[] = {0.734F,  0.559F, 0.146F, 0.679F, -0.535F, -1.773F,
                                   -2.531F, 0.248F, 0.731F, 0.606F, -0.580F};
enum { PRODUCTS = sizeof OF_PRODUCT / sizeof *OF_PRODUCT };
static const float VENTRICULAR = 0.5F; /* score from which a beat is called so */

static float ventricular_score(const float t[ECG_TRAIT_COUNT])
{
    float early = t[ECG_TRAIT_BEFORE] < 0 ? t[ECG_TRAIT_BEFORE] : 0;
    float group_early = t[ECG_TRAIT_GROUP_BEFORE] < 0 ? t[ECG_TRAIT_GROUP_BEFORE] : 0;
    float late = t[ECG_TRAIT_AFTER] > 0 ? t[ECG_TRAIT_AFTER] : 0;
    float u = t[ECG_TRAIT_UNLIKE];
    float gu = t[ECG_TRAIT_GROUP_UNLIKE];
    const float product[PRODUCTS] = {early * u,
                                     group_early * gu,
                                     t[ECG_TRAIT_SPREAD] * u,
                                     t[ECG_TRAIT_GROUP_SPREAD] * gu,
                                     early * late,
                                     early,
                                     group_early,
                                     u,
                                     gu,
                                     early * t[ECG_TRAIT_ODD],
                                     group_early * t[ECG_TRAIT_GROUP_ODD]};
    float score = FIXED;
    for (size_t i = 0; i < ECG_TRAIT_COUNT; i++)
        score += OF_TRAIT[i] * t[i];
    for (size_t i = 0; i < PRODUCTS; i++)
        score += OF_PRODUCT[i] * product[i];
    return score;
}

/* Early by 15 %, of the dominant shape, after a beat that came on time: in an irregular
 * rhythm early beats mean nothing. */
static bool is_atrial_premature(const float t[ECG_TRAIT_COUNT], const float before[ECG_TRAIT_COUNT])
{
    return t[ECG_TRAIT_BEFORE] < -0.16F && t[ECG_TRAIT_UNLIKE] < LIKE_DOMINANT &&
           fabsf(before[ECG_TRAIT_BEFORE]) < 0.08F && before[ECG_TRAIT_UNLIKE] < LIKE_DOMINANT;
}

enum base_err ecg_class_find(const struct ecg_signal *s, const struct ecg_feature *f,
                             const size_t *at, size_t n, struct ecg_beat *beat, uint8_t *dominant)
{
    float(*t)[ECG_TRAIT_COUNT] = calloc(n + 1, sizeof *t);
    enum base_err e = t ? ecg_class_traits(s, f, at, n, t, beat, dominant) : BASE_ENOMEM;
    for (size_t i = 0; i < n && !e; i++) {
        float score = ventricular_score(t[i]) - VENTRICULAR;
        beat[i].code = score > 0                                      ? ECG_CODE_PVC
                       : i > 0 && is_atrial_premature(t[i], t[i - 1]) ? ECG_CODE_ATRIAL_PREMATURE
                                                                      : ECG_CODE_NORMAL;
        beat[i].certainty = 1 / (1 + expf(-fabsf(score)));
    }
    free(t);
    return e;
}
