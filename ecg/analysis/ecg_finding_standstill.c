/*
 * Ventricles that stand still for a part of the recording while the atria go on: where there is no
 * complex for long, P waves are taken for beats, and the pause would be told of nobody.
 */
#include "ecg/analysis/ecg_finding_priv.h"

#include <math.h>
#include <stdlib.h>

static const float LOW = 0.35F; /* of the height of usual beats: complexes vary by less */

/* Beats that follow each other, and the time from the one before to the one after them. */
struct run {
    size_t first;
    size_t n;
    double from_s;
    double to_s;
};

struct leads {
    const struct ecg_lead *of[ECG_WINDOW_LEADS];
    size_t n;
};

/* Of all leads together, highest less lowest about a beat. */
static float height_at(const struct leads *l, double at_s)
{
    enum { NEAR = ECG_WINDOW_HZ * 60 / 1000 };
    float x[2 * NEAR + 1], sum = 0;
    for (size_t k = 0; k < l->n; k++) {
        float low = INFINITY, high = -INFINITY;
        if (!ecg_window_read(l->of[k], at_s - (double)NEAR / ECG_WINDOW_HZ, 2 * NEAR + 1, x))
            continue;
        for (int i = 0; i <= 2 * NEAR; i++) {
            low = fminf(low, x[i]);
            high = fmaxf(high, x[i]);
        }
        sum += high - low;
    }
    return sum;
}

static int by_height(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* That a quarter of the beats have; `sorted` is room for them. */
static float usual_height(const float *height, size_t n, float *sorted)
{
    memcpy(sorted, height, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_height);
    return sorted[n * 3 / 4];
}

/* The longest time in which all beats are lower than that; a gap ends it. */
static struct run longest_low(const struct ecg_beats *b, const float *height, float low)
{
    struct run best = {0}, now = {0};
    for (size_t i = 0; i < b->n; i++) {
        double before_s = i ? b->beat[i - 1].at_s : 0;
        bool ends = i + 1 == b->n || b->beat[i + 1].after_gap;
        if (!(height[i] < low))
            continue;
        if (now.n == 0 || now.first + now.n != i || b->beat[i].after_gap)
            now = (struct run){i, 0, b->beat[i].after_gap ? b->beat[i].at_s : before_s, 0};
        now.n++;
        now.to_s = !ends ? b->beat[i + 1].at_s : i + 1 == b->n ? b->seconds : b->beat[i].at_s;
        if (now.to_s - now.from_s > best.to_s - best.from_s)
            best = now;
    }
    return best;
}

/* The most common shape of its first beats. */
static uint8_t shape_of(const struct ecg_beats *b, const struct run *r)
{
    size_t most = 0;
    uint8_t shape = ECG_SHAPE_NONE;
    for (size_t i = r->first; i < r->first + r->n; i++) {
        size_t alike = 0;
        for (size_t k = r->first; k < r->first + r->n; k++)
            alike += b->beat[k].shape == b->beat[i].shape;
        if (b->beat[i].shape != ECG_SHAPE_NONE && alike > most) {
            most = alike;
            shape = b->beat[i].shape;
        }
    }
    return shape;
}

/* As broad as P waves in the mean of those that are alike. */
static bool are_broad(struct ecg_case *c, const struct leads *l, const struct run *r)
{
    bool member[ECG_MEAN_BEATS] = {false};
    uint8_t shape = shape_of(c->beats, r);
    struct ecg_block k;
    struct ecg_mean *m = malloc(sizeof *m);
    size_t first = r->first;
    while (c->beats->beat[first].shape != shape && first + 1 < r->first + r->n)
        first++;
    ecg_block_init(&k, l->of, l->n, c->beats, first);
    for (size_t i = 0; i < k.n && first + i < r->first + r->n; i++)
        member[i] = i == 0 || c->beats->beat[first + i].shape == shape;
    bool are = m != NULL;
    if (!m) {
        c->err = BASE_ENOMEM;
    } else {
        ecg_mean_take(&k, member, m);
        are = ecg_finding_bend(m) < ecg_finding_sharp;
    }
    free(m);
    return are;
}

float ecg_finding_only_p_s(struct ecg_case *c)
{
    const struct ecg_beats *b = c->beats;
    struct leads l = {.n = ecg_window_leads(c->record, l.of, ECG_WINDOW_LEADS)};
    if (!b->n || c->quality->n < ECG_RESTING_LEADS)
        return 0;
    float *height = malloc(2 * b->n * sizeof *height); /* and sorted, behind it */
    if (!height) {
        c->err = BASE_ENOMEM;
        return 0;
    }
    for (size_t i = 0; i < b->n; i++)
        height[i] = height_at(&l, b->beat[i].at_s);
    struct run r = longest_low(b, height, LOW * usual_height(height, b->n, height + b->n));
    free(height);
    double s = r.to_s - r.from_s;
    return s >= c->limits->pause_s && are_broad(c, &l, &r) ? (float)s : 0;
}
