#include "ecg/analysis/ecg_quality.h"

#include "ecg/analysis/ecg_section.h"

#include <assert.h>
#include <math.h>

enum {
    PIECE = ECG_WINDOW_HZ, /* samples: a second */
    PIECES_MAX = 60,
    MAINS = 200, /* samples: 20 periods of 50 Hz, 24 of 60 Hz */
    RESTS = 8    /* equal samples in a row at the extreme value */
};
static const float FLAT_UV = 30; /* from lowest to highest of a second and its neighbour */
static const float STILL_UV = 2; /* of a second: amplifiers have noise */
static const float FLAT_SHARE = 0.5F;
static const float SATURATED_SHARE = 0.02F;
static const float MAINS_UV = 30;   /* amplitude, half of peak to peak */
static const float MAINS_RATIO = 4; /* over what lies beside it */
static const double SHORT_S = 9.5;
static const double SHORT_STRIP_S = 6; /* of fewer leads: what a rate is counted of by hand */

struct range {
    float low;
    float high;
    bool is_missing;
};

/* 50 and 60 Hz, and what lies beside each; all at once, as each alone waits for itself. */
enum { TONES = 8, LINES = 2 };
static const double tones_hz[TONES] = {50, 60, 45, 55, 55, 65, 40, 70};

/* The amplitudes at these (Goertzel 1958), of a straight line cleared before. */
static void amplitudes(const float *x, float out[TONES])
{
    float c[TONES], a[TONES] = {0}, b[TONES] = {0};
    float slope = (x[MAINS - 1] - x[0]) / (MAINS - 1);
    for (int k = 0; k < TONES; k++)
        c[k] = 2 * (float)cos(2 * M_PI * tones_hz[k] / ECG_WINDOW_HZ);
    for (int i = 0; i < MAINS; i++) {
        float v = x[i] - x[0] - slope * (float)i;
        for (int k = 0; k < TONES; k++) {
            float next = v + c[k] * a[k] - b[k];
            b[k] = a[k];
            a[k] = next;
        }
    }
    for (int k = 0; k < TONES; k++) {
        float power = a[k] * a[k] + b[k] * b[k] - c[k] * a[k] * b[k];
        out[k] = 2 * sqrtf(power > 0 ? power : 0) / MAINS;
    }
}

/* Sorts them. */
static float lower_quartile(float *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && v[k - 1] > v[k]; k--) {
            float t = v[k];
            v[k] = v[k - 1];
            v[k - 1] = t;
        }
    return n ? v[n / 4] : 0;
}

/* From quiet pieces, which have no complex in them: the lower quartile. */
static void find_mains(const struct ecg_lead *lead, double seconds, struct ecg_quality_lead *out)
{
    enum { LOOKS = 12 };
    float at[LINES][LOOKS], beside[LINES][LOOKS];
    float x[MAINS], found[TONES];
    size_t n = 0;
    if (lead->rate_hz < 125)
        return;
    for (int i = 0; i < LOOKS; i++) {
        double from_s = lead->start_s + (seconds - 0.4) * i / LOOKS;
        if (!ecg_window_read(lead, from_s, MAINS, x))
            continue;
        amplitudes(x, found);
        for (size_t k = 0; k < LINES; k++) {
            at[k][n] = found[k];
            beside[k][n] = fmaxf(found[2 + 2 * k], found[3 + 2 * k]);
        }
        n++;
    }
    for (size_t k = 0; k < LINES && n > 0; k++) {
        float uv = lower_quartile(at[k], n);
        float rest = lower_quartile(beside[k], n);
        if (uv > out->mains_uv) {
            out->mains_uv = uv;
            out->mains_hz = (int)tones_hz[k];
            out->has_mains = uv >= MAINS_UV && uv >= MAINS_RATIO * rest;
        }
    }
}

/* None is NAN. In lanes, as each step of one waits for the one before. */
static struct range range_of(const float *x)
{
    enum { LANES = 4 };
    float low[LANES], high[LANES];
    static_assert(PIECE % LANES == 0, "whole steps");
    for (int k = 0; k < LANES; k++)
        low[k] = high[k] = x[k];
    for (int i = LANES; i < PIECE; i += LANES)
        for (int k = 0; k < LANES; k++) {
            low[k] = x[i + k] < low[k] ? x[i + k] : low[k];
            high[k] = x[i + k] > high[k] ? x[i + k] : high[k];
        }
    struct range r = {low[0], high[0], false};
    for (int k = 1; k < LANES; k++) {
        r.low = low[k] < r.low ? low[k] : r.low;
        r.high = high[k] > r.high ? high[k] : r.high;
    }
    return r;
}

/* Samples in runs of equal ones at the lead's own extremes. */
static size_t resting_samples(const float *x, float low, float high)
{
    size_t n = 0, run = 0;
    for (int i = 0; i < PIECE; i++) {
        bool at_end = x[i] <= low || x[i] >= high;
        run = at_end && (run == 0 || x[i] >= x[i - 1]) && (run == 0 || x[i] <= x[i - 1]) ? run + 1
              : at_end                                                                   ? 1
                                                                                         : 0;
        n += run == RESTS ? RESTS : run > RESTS;
    }
    return n;
}

static void look_at(const struct ecg_lead *lead, struct ecg_quality_lead *out)
{
    struct range r[PIECES_MAX];
    float x[PIECE];
    double seconds = (double)lead->samples / lead->rate_hz;
    size_t n = seconds < PIECES_MAX ? (size_t)seconds : PIECES_MAX;
    size_t flat = 0, still = 0, resting = 0;
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        bool whole = ecg_window_read(lead, lead->start_s + (double)i, PIECE, x);
        r[i] = range_of(x);
        r[i].is_missing = !whole;
        low = fminf(low, r[i].low);
        high = fmaxf(high, r[i].high);
    }
    for (size_t i = 0; i < n; i++) { /* a slow heart leaves a second empty, not two */
        size_t next = i + 1 < n ? i + 1 : i ? i - 1 : i;
        flat += r[i].is_missing ||
                (r[i].high - r[i].low < FLAT_UV && r[next].high - r[next].low < FLAT_UV);
        still += r[i].is_missing || r[i].high - r[i].low < STILL_UV;
        if (high - low < FLAT_UV || (r[i].high < high && r[i].low > low))
            continue;
        (void)ecg_window_read(lead, lead->start_s + (double)i, PIECE, x);
        resting += resting_samples(x, low, high);
    }
    out->flat_share = n ? (float)flat / (float)n : 0;
    out->saturated_share = n ? (float)resting / (float)(n * PIECE) : 0;
    out->is_flat = out->flat_share >= FLAT_SHARE;
    out->is_still = out->is_flat && 2 * still >= n;
    out->is_saturated = !out->is_flat && out->saturated_share >= SATURATED_SHARE;
    if (!out->is_flat && seconds > 1)
        find_mains(lead, fmin(seconds, PIECES_MAX), out);
}

/* Of a lead that was recorded in a part of time only, that. */
static void cut_to_span(struct ecg_lead *lead)
{
    struct ecg_section s;
    if (!ecg_section_span(lead, &s))
        return;
    size_t first = (size_t)llround((s.from_s - lead->start_s) * lead->rate_hz);
    lead->samples = (size_t)llround((s.to_s - s.from_s) * lead->rate_hz);
    lead->start_s = s.from_s;
    lead->i16 = lead->i16 ? lead->i16 + first : NULL;
    lead->i32 = lead->i32 ? lead->i32 + first : NULL;
}

void ecg_quality_find(const struct ecg_record *r, struct ecg_quality *out)
{
    *out = (struct ecg_quality){.seconds = ecg_record_seconds(r)};
    struct ecg_section s[ECG_SECTIONS_MAX];
    size_t strips, n = ecg_section_find(r, s, &strips);
    for (size_t i = 0; i < r->nleads && out->n < ECG_QUALITY_LEADS; i++)
        if (ecg_window_can(&r->leads[i])) {
            struct ecg_lead part = r->leads[i];
            if (n)
                cut_to_span(&part);
            look_at(&part, &out->lead[out->n]);
            out->lead[out->n++].lead = &r->leads[i];
        }
    double least_s = out->n >= ECG_RESTING_LEADS ? SHORT_S : SHORT_STRIP_S;
    out->is_short = out->n > 0 && out->seconds < least_s;
}

const struct ecg_quality_lead *ecg_quality_lead(const struct ecg_quality *q, int id)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->lead[i].lead->id == id)
            return &q->lead[i];
    return NULL;
}

bool ecg_quality_is_sound(const struct ecg_quality *q, int id)
{
    const struct ecg_quality_lead *l = ecg_quality_lead(q, id);
    return !l || (!l->is_flat && !l->is_saturated);
}
