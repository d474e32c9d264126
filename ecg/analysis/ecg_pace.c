#include "ecg/analysis/ecg_pace.h"

#include "ecg/analysis/ecg_window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEADS = 16,
    LEADS_LEAST = 3,
    SPIKES_LEAST = 3,
    BLOCK = 4096,
    QUIET = 4 /* times 2 ms before a spike */
};
static const float JUMP_UV = 100;
static const double REFRACTORY_S = 0.05; /* of biventricular pacing there are two in this time */

struct leads {
    const struct ecg_lead *lead[LEADS];
    size_t n;
    size_t step; /* samples in 2 ms */
    size_t samples;
};

static bool choose_leads(const struct ecg_record *r, struct leads *l)
{
    *l = (struct leads){0};
    for (size_t i = 0; i < r->nleads && l->n < LEADS; i++) {
        const struct ecg_lead *lead = &r->leads[i];
        if (!ecg_window_can(lead))
            continue;
        if (l->n && (fabs(lead->rate_hz - l->lead[0]->rate_hz) > 1e-6 ||
                     fabs(lead->start_s - l->lead[0]->start_s) > 1e-6))
            return false;
        l->samples = l->n && l->samples < lead->samples ? l->samples : lead->samples;
        l->lead[l->n++] = lead;
    }
    if (l->n < LEADS_LEAST || l->lead[0]->rate_hz < 499)
        return false;
    l->step = (size_t)lrint(l->lead[0]->rate_hz / 500);
    return true;
}

/* Adds one for each lead in which the signal goes far enough from this sample to the next. */
static void count_jumps(const struct leads *l, size_t from, size_t n, uint8_t *votes)
{
    memset(votes, 0, n);
    for (size_t k = 0; k < l->n; k++) {
        const struct ecg_lead *lead = l->lead[k];
        float least = JUMP_UV / fabsf((float)lead->uv_per_count);
        if (lead->i16) {
            const int16_t *x = lead->i16 + from, *y = x + l->step;
            int32_t counts = least < 65536 ? (int32_t)least : 65536;
            for (size_t i = 0; i < n; i++) {
                int32_t d = y[i] - x[i];
                votes[i] = (uint8_t)(votes[i] + (d > counts || d < -counts));
            }
        } else {
            const int32_t *x = lead->i32 + from, *y = x + l->step;
            for (size_t i = 0; i < n; i++)
                votes[i] = (uint8_t)(votes[i] + (fabsf((float)y[i] - (float)x[i]) > least));
        }
    }
}

/* The line is quiet before the jump, and does not go on that way after it, as a complex does. */
static bool jumps(const struct ecg_lead *lead, size_t step, size_t at)
{
    enum { MOST = 256 };
    float x[MOST];
    size_t before = QUIET * step, n = before + 2 * step + 1;
    if (n > MOST || at < before || at + 2 * step >= lead->samples)
        return false;
    ecg_lead_read_uv(lead, at - before, n, x);
    float low = x[0], high = x[0];
    for (size_t i = 1; i <= before; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    float jump = x[before + step] - x[before];
    float onward = (x[before + 2 * step] - x[before + step]) * (jump < 0 ? -1 : 1);
    return fabsf(jump) >= JUMP_UV && high - low <= fabsf(jump) / 6 && onward <= fabsf(jump) * 0.4F;
}

static bool is_spike(const struct leads *l, size_t at)
{
    size_t n = 0;
    for (size_t k = 0; k < l->n; k++)
        n += jumps(l->lead[k], l->step, at);
    return n * 2 >= l->n;
}

static size_t find_jumps(const struct leads *l, double *at_s, size_t max)
{
    uint8_t votes[BLOCK];
    size_t n = 0;
    size_t apart = (size_t)(REFRACTORY_S * l->lead[0]->rate_hz), next = 0;
    for (size_t from = 0; from + l->step < l->samples; from += BLOCK) {
        size_t count = l->samples - l->step - from;
        count = count < BLOCK ? count : BLOCK;
        count_jumps(l, from, count, votes);
        for (size_t i = 0; i < count && n < max; i++) {
            if (votes[i] * 2U < l->n || from + i < next || !is_spike(l, from + i))
                continue;
            at_s[n++] = l->lead[0]->start_s + (double)(from + i) / l->lead[0]->rate_hz;
            next = from + i + apart;
        }
    }
    return n < SPIKES_LEAST ? 0 : n;
}

/* ---- what a filter leaves of them ---- */

/* In steps of 2 ms. */
enum {
    AHEAD = 75,  /* of the beat, at most, */
    CLOSE = 2,   /* and at least */
    HALF = 2,    /* samples either side that a spike is over in */
    BEFORE = 25, /* of it, in which nothing is as sharp */
    REST = 3 * HALF,
    STRETCH = AHEAD + BEFORE + REST + 1,
    FIRST_BEATS = 6
};
static const float SHARP_UV = 60;
static const float SHARP_REST = 0.8F; /* of what it stands out by further out: it is over there */
static const float SHARP_BEFORE = 3;  /* times what is before it */
static const double SAME_S = 0.006;   /* of the usual distance from the beat */

/* How much a sample stands out from those h before and after. */
static float sharpness(const float *x, size_t h)
{
    return fabsf(2 * x[0] - x[-(ptrdiff_t)h] - x[h]);
}

static bool is_short(const float *x)
{
    float uv = sharpness(x, HALF), before = 0;
    if (uv < SHARP_UV || uv < SHARP_REST * sharpness(x, REST))
        return false;
    for (int i = BEFORE; i > 2 * HALF; i--)
        before = fmaxf(before, sharpness(x - i, HALF));
    return uv >= SHARP_BEFORE * before;
}

/* Steps from the short wave that most leads show to this beat; 0 = half of them show none. */
static size_t ahead_of(const struct leads *l, double beat_s)
{
    float wide[STRETCH], uv[AHEAD] = {0};
    size_t shown[AHEAD] = {0}, best = 0;
    double at = (beat_s - l->lead[0]->start_s) * l->lead[0]->rate_hz / (double)l->step;
    if (at < AHEAD + BEFORE + REST || (at + REST) * (double)l->step >= (double)l->samples)
        return 0;
    size_t from = (size_t)at - AHEAD - BEFORE - HALF;
    for (size_t k = 0; k < l->n; k++) {
        for (size_t i = 0; i < STRETCH; i += l->step == 1 ? STRETCH : 1)
            ecg_lead_read_uv(l->lead[k], (from + i) * l->step, l->step == 1 ? STRETCH : 1,
                             wide + i);
        for (size_t i = 0; i + CLOSE < AHEAD; i++) {
            const float *x = wide + BEFORE + HALF + i;
            bool is = is_short(x);
            shown[i] += is;
            uv[i] += is ? sharpness(x, HALF) : 0;
        }
    }
    for (size_t i = 1; i + CLOSE < AHEAD; i++)
        if (shown[i] > shown[best] || (shown[i] == shown[best] && uv[i] > uv[best]))
            best = i;
    return shown[best] * 2 >= l->n ? AHEAD - best : 0;
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Before two beats of three, and as long before each; a few beats tell most recordings. */
static size_t find_short(const struct leads *l, const struct ecg_beats *b, double *at_s, size_t max)
{
    size_t n = 0, same = 0;
    double step_s = (double)l->step / l->lead[0]->rate_hz;
    for (size_t i = 0; i < b->n && n < max; i++) {
        size_t ahead = ahead_of(l, b->beat[i].at_s);
        if (ahead)
            at_s[n++] = (double)ahead * step_s;
        if (i == FIRST_BEATS && n < SPIKES_LEAST)
            return 0;
    }
    if (n < SPIKES_LEAST || n * 3 < b->n * 2)
        return 0;
    qsort(at_s, n, sizeof *at_s, by_time);
    double usual_s = at_s[n / 2];
    for (size_t i = 0; i < n; i++)
        same += fabs(at_s[i] - usual_s) <= SAME_S;
    if (same < SPIKES_LEAST || same * 3 < b->n * 2)
        return 0;
    n = 0;
    for (size_t i = 0; i < b->n && n < max; i++) {
        size_t ahead = ahead_of(l, b->beat[i].at_s);
        if (ahead && fabs((double)ahead * step_s - usual_s) <= SAME_S)
            at_s[n++] = b->beat[i].at_s - (double)ahead * step_s;
    }
    return n;
}

size_t ecg_pace_find(const struct ecg_record *r, const struct ecg_beats *b, double *at_s,
                     size_t max)
{
    struct leads l;
    if (!choose_leads(r, &l))
        return 0;
    size_t n = find_jumps(&l, at_s, max);
    return n ? n : find_short(&l, b, at_s, max);
}
