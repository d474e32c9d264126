/* The feature of each lead, and their fusion. */
#include "ecg/analysis/ecg_detect_priv.h"

#include "base/base_pages.h"

#include <stdlib.h>
#include <string.h>

/* What complexes and the rest reach is taken from the 14 s around, in steps of 2 s. */
enum {
    BIN_MS = 100,
    BINS = 20, /* per step */
    REACH = 3, /* steps either side */
    AROUND = (2 * REACH + 1) * BINS,
    BEAT_BINS = 14, /* 1.4 s have a complex, or there is a pause */
    WEIGHT_ONE = 64,
    LEAST_BEAT = 8,   /* lower ones are the noise of the digits */
    SEGMENT_MAX = 640 /* samples: the grid has at most 300 Hz */
};

static size_t ecg_feature_segment(const struct ecg_signal *s)
{
    return ecg_signal_span(s, BIN_MS) * BINS;
}

/* Sum over 90 ms of the slope's amount, in the band of QRS complexes: the slope over 16 ms of a
 * mean over 22 ms. The amount and not its square: a complex of half the height is to have half.
 * Of the samples from .. to - 1, to f; twice where it is needed is cheaper than the memory to
 * keep it in. */
static void lead_feature(const struct ecg_signal *s, const int16_t *x, size_t from, size_t to,
                         uint16_t *f)
{
    enum { WINDOW_MAX = 64 };
    size_t mean = ecg_signal_span(s, 22);
    size_t slope = ecg_signal_span(s, 16);
    size_t window = ecg_signal_span(s, 90);
    window = window < WINDOW_MAX ? window : WINDOW_MAX;
    size_t history = mean + slope;
    size_t shift = (history + window) / 2; /* so that peaks stand where complexes are */
    size_t first = from + shift > history + window ? from + shift - window : history;
    size_t end = to + shift < s->n ? to + shift : s->n;
    uint32_t ring[WINDOW_MAX] = {0};
    uint32_t total = 0;
    int32_t d = 0;
    size_t turn = 0;
    memset(f, 0, (to - from) * sizeof *f);
    for (size_t i = first - history; i + history < first + mean && end > first; i++)
        d += x[i + slope] - x[i];
    for (size_t i = first; i < end; i++) {
        uint32_t amount = (uint32_t)(d < 0 ? -d : d);
        total += amount - ring[turn];
        ring[turn] = amount;
        turn = turn + 1 == window ? 0 : turn + 1;
        uint32_t v = total >> 2;
        if (i >= from + shift)
            f[i - shift - from] = (uint16_t)(v > UINT16_MAX ? UINT16_MAX : v);
        d += x[i] - x[i - mean] - x[i - slope] + x[i - slope - mean];
    }
}

struct level {
    uint16_t beat;  /* what complexes reach */
    uint16_t noise; /* what the rest reaches */
};

/* The k-th smallest of n > k values: the largest number below which at most k of them lie, found
 * bit by bit. To count all of them 16 times is a matter of vectors, to part them one of guesses. */
static uint16_t smallest(const uint16_t *v, size_t n, size_t k)
{
    uint16_t found = 0;
    for (unsigned bit = 0x8000; bit; bit >>= 1) {
        uint16_t limit = (uint16_t)(found | bit);
        uint16_t below = 0;
        for (size_t i = 0; i < n; i++)
            below = (uint16_t)(below + (v[i] < limit));
        found = below <= k ? limit : found;
    }
    return found;
}

/* 0..WEIGHT_ONE from how far complexes stand out: nothing below 1.6 times the rest, all from 4. */
static uint8_t weight_of(struct level l)
{
    if (l.beat < LEAST_BEAT)
        return 0;
    uint32_t tenths = l.noise ? (uint32_t)l.beat * 10 / l.noise : 40;
    tenths = tenths > 40 ? 40 : tenths;
    return tenths <= 16 ? 0 : (uint8_t)((tenths - 16) * (tenths - 16) * WEIGHT_ONE / (24 * 24));
}

static struct level level_of(const uint16_t *bins, size_t n)
{
    uint16_t tops[AROUND / BEAT_BINS + 1];
    size_t ntops = 0;
    struct level l = {0};
    if (n == 0)
        return l;
    for (size_t i = 0; i < n && (i == 0 || i + BEAT_BINS <= n); i += BEAT_BINS) {
        uint16_t top = 0;
        for (size_t k = i; k < i + BEAT_BINS && k < n; k++)
            top = bins[k] > top ? bins[k] : top;
        tops[ntops++] = top;
    }
    l.beat = smallest(tops, ntops, ntops * 2 / 5);
    l.noise = smallest(bins, n, n / 4);
    /* Nothing stands out: either there is nothing, or there are long pauses. */
    if (weight_of(l) == 0)
        l.beat = smallest(tops, ntops, ntops * 4 / 5);
    return l;
}

/* The highest of each 100 ms of a segment. */
static void fill_bins(const struct ecg_signal *s, const uint16_t *f, size_t from, size_t to,
                      uint16_t *bins)
{
    size_t bin = ecg_signal_span(s, BIN_MS);
    for (size_t b = from / bin; b * bin < to; b++) {
        size_t end = (b + 1) * bin < to ? (b + 1) * bin : to;
        uint16_t top = 0;
        for (size_t i = b * bin; i < end; i++)
            top = f[i - from] > top ? f[i - from] : top;
        bins[b] = top;
    }
}

/* One level per segment. */
static void find_levels(const struct ecg_signal *s, const uint16_t *bins, struct level *levels,
                        size_t segments)
{
    size_t bin = ecg_signal_span(s, BIN_MS);
    size_t nbins = (s->n + bin - 1) / bin;
    for (size_t g = 0; g < segments; g++) {
        /* Always as many bins, where there are: at the ends those nearest to it. */
        size_t from = g > REACH ? (g - REACH) * BINS : 0;
        from = from + AROUND <= nbins ? from : nbins > AROUND ? nbins - AROUND : 0;
        levels[g] = level_of(bins + from, nbins - from < AROUND ? nbins - from : AROUND);
    }
}

struct part {
    size_t from;
    size_t to;
};

static struct part segment_at(const struct ecg_signal *s, size_t g)
{
    size_t segment = ecg_feature_segment(s);
    size_t from = g * segment < s->n ? g * segment : s->n;
    return (struct part){from, from + segment < s->n ? from + segment : s->n};
}

/* Leads of one segment, added up so that the usual complex gives ECG_FUSED_ONE. */
static void fuse_segment(const struct ecg_signal *s, const struct level *levels, uint8_t *weights,
                         size_t segments, size_t g, uint16_t *out)
{
    struct part p = segment_at(s, g);
    size_t n = p.to - p.from;
    uint16_t v[SEGMENT_MAX];
    uint32_t sum[SEGMENT_MAX] = {0};
    uint32_t whole = 0;
    for (size_t k = 0; k < s->nleads; k++) {
        weights[k * segments + g] = weight_of(levels[k * segments + g]);
        whole += weights[k * segments + g];
    }
    for (size_t k = 0; k < s->nleads; k++) {
        uint32_t beat = levels[k * segments + g].beat;
        uint32_t share = whole ? weights[k * segments + g] : 1;
        uint32_t shares = whole ? whole : (uint32_t)s->nleads;
        if (beat < LEAST_BEAT || share == 0)
            continue;
        /* At most 16 times the usual, so that the product fits. */
        uint32_t most = beat < UINT16_MAX / 16 ? beat * 16 : UINT16_MAX;
        uint32_t factor = (uint32_t)(((uint64_t)ECG_FUSED_ONE << 16) * share / shares / beat);
        lead_feature(s, s->x[k], p.from, p.to, v);
        for (size_t i = 0; i < n; i++)
            sum[i] += (v[i] < most ? v[i] : most) * factor;
    }
    for (size_t i = 0; i < n; i++)
        out[p.from + i] = (uint16_t)(sum[i] >> 16);
}

void ecg_feature_deinit(struct ecg_feature *f)
{
    free(f->fused);
    free(f->noise);
    free(f->weights);
    *f = (struct ecg_feature){0};
}

enum base_err ecg_feature_init(const struct ecg_signal *s, struct ecg_feature *out)
{
    struct ecg_feature r = {.segment = ecg_feature_segment(s)};
    r.segments = s->n / r.segment + 1;
    uint16_t *bins = calloc(r.segments * BINS + 1, sizeof *bins);
    struct level *levels = calloc(r.segments * (s->nleads + 1), sizeof *levels);
    r.fused = base_pages_alloc((s->n + 1) * sizeof *r.fused);
    r.noise = calloc(r.segments, sizeof *r.noise);
    r.weights = calloc(r.segments * s->nleads, sizeof *r.weights);
    enum base_err e = r.segment > SEGMENT_MAX                             ? BASE_EINTERNAL
                      : bins && levels && r.fused && r.noise && r.weights ? BASE_OK
                                                                          : BASE_ENOMEM;
    for (size_t k = 0; k < s->nleads && !e; k++) {
        for (size_t g = 0; g < r.segments; g++) {
            uint16_t f[SEGMENT_MAX];
            struct part p = segment_at(s, g);
            lead_feature(s, s->x[k], p.from, p.to, f);
            fill_bins(s, f, p.from, p.to, bins);
        }
        find_levels(s, bins, levels + k * r.segments, r.segments);
    }
    for (size_t g = 0; g < r.segments && !e; g++)
        fuse_segment(s, levels, r.weights, r.segments, g, r.fused);
    if (!e) {
        fill_bins(s, r.fused, 0, s->n, bins);
        find_levels(s, bins, levels, r.segments);
        for (size_t g = 0; g < r.segments; g++)
            r.noise[g] = levels[g].noise;
        *out = r;
    } else {
        ecg_feature_deinit(&r);
    }
    free(bins);
    free(levels);
    return e;
}
