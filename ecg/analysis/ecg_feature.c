/* The feature of each lead, and their fusion. */
#include "ecg/analysis/ecg_detect_priv.h"

#include "base/pages.h"
#include "ecg/analysis/ecg_energy.h"
#include "ecg/analysis/ecg_gap.h"

#include <assert.h>
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
    LEAST_BEAT = 8, /* lower ones are the noise of the digits */
    SPARSE = 4,     /* complexes that are rare are higher than the rest by this much, */
    LONE = 6,       /* and one that is alone by this, in SHORT pieces or where there is no level; */
    SHORT = 3,
    ALIKE = 3,      /* the highest is that many times the lowest at most, */
    SHARP_BINS = 4, /* and they are over half of their height in so many bins at most */
    BENDS = 9,      /* tenths of the height that a complex bends by within 40 ms: a P wave of 100 ms
                     * does by 7, a complex of 60 ms by 15 */
    SEGMENT_MAX = ECG_ENERGY_SEGMENT
};

static size_t ecg_feature_segment(const struct ecg_signal *s)
{
    return ecg_signal_span(s, BIN_MS) * BINS;
}

/* Sum over 90 ms of the slope's amount, in the band of QRS complexes: the slope over 16 ms of a
 * mean over 22 ms. The amount and not its square: a complex of half the height is to have half.
 * Of the samples from .. to - 1, to f; twice where it is needed is cheaper than the memory to
 * keep it in. */
static void lead_feature(const struct ecg_signal *s, const struct ecg_energy *kernels,
                         const int16_t *x, size_t from, size_t to, uint16_t *f)
{
    size_t window = ecg_signal_span(s, 90);
    struct ecg_energy_spans spans = {
        .mean = ecg_signal_span(s, 22),
        .slope = ecg_signal_span(s, 16),
        .window = window < ECG_ENERGY_WINDOW ? window : ECG_ENERGY_WINDOW,
    };
    size_t history = spans.mean + spans.slope;
    size_t shift = (history + spans.window) / 2; /* so that peaks stand where complexes are */
    size_t first = from + shift > history + spans.window ? from + shift - spans.window : history;
    size_t end = to + shift < s->n ? to + shift : s->n;
    memset(f, 0, (to - from) * sizeof *f);
    if (end <= first)
        return;
    spans.skip = from + shift > first ? from + shift - first : 0;
    if (end - first > spans.skip)
        kernels->energy(x + first - history, end - first, &spans,
                        f + (first + spans.skip - shift - from));
}

struct level {
    uint16_t beat;  /* what complexes reach */
    uint16_t noise; /* what the rest reaches */
};

/* 0..WEIGHT_ONE from how far complexes stand out: nothing below 1.6 times the rest, all from 4. */
static uint8_t weight_of(struct level l)
{
    if (l.beat < LEAST_BEAT)
        return 0;
    uint32_t tenths = l.noise ? (uint32_t)l.beat * 10 / l.noise : 40;
    tenths = tenths > 40 ? 40 : tenths;
    return tenths <= 16 ? 0 : (uint8_t)((tenths - 16) * (tenths - 16) * WEIGHT_ONE / (24 * 24));
}

/* What a level is taken from. */
struct around {
    const uint16_t *bins; /* the highest of each */
    size_t nbins;
    const int16_t *x; /* the lead from the first bin on; NULL: they are of all leads together */
    size_t samples;
    size_t bin; /* samples of one */
};

/* Whether the wave at this bin bends as slowly as a P or T wave does. */
static bool is_broad(const struct around *a, size_t at)
{
    size_t reach = a->bin / 5, margin = reach + 1;
    size_t from = at * a->bin, to = from + a->bin + reach;
    from = from < reach + margin ? margin : from - reach;
    to = to + margin > a->samples ? a->samples - margin : to;
    int32_t low = INT32_MAX, high = INT32_MIN, bend = 0;
    for (const int16_t *x = a->x + from; x < a->x + to; x++) {
        int32_t y = x[-1] + x[0] + x[1];
        const int16_t *b = x - reach, *c = x + reach;
        int32_t d = b[-1] + b[0] + b[1] + c[-1] + c[0] + c[1] - 2 * y;
        low = y < low ? y : low;
        high = y > high ? y : high;
        bend = abs(d) > bend ? abs(d) : bend;
    }
    return from < to && bend * 10 < (high - low) * BENDS;
}

/* Whether what is highest in most pieces without a tall complex is no complex at all. */
static bool are_broad(const struct around *a, const uint16_t *tops, size_t ntops, uint16_t tall)
{
    size_t low = 0, broad = 0;
    for (size_t t = 0; t < ntops && a->x; t++) {
        size_t at = t * BEAT_BINS;
        while (tops[t] < tall && a->bins[at] < tops[t])
            at++;
        low += tops[t] < tall;
        broad += tops[t] < tall && is_broad(a, at);
    }
    return low > 0 && broad * 3 >= low * 2;
}

/* How many bins of the piece are over half of its height. */
static size_t breadth(const uint16_t *bins, size_t piece, uint16_t top)
{
    size_t over = 0;
    for (size_t k = piece * BEAT_BINS; k < (piece + 1) * BEAT_BINS; k++)
        over += bins[k] > top / 2;
    return over;
}

/* Whether some of the pieces without a tall complex have nothing else either, as those of a heart
 * that beats often never do. */
static bool has_empty(const uint16_t *tops, size_t ntops, uint16_t tall, struct level l)
{
    uint16_t least = UINT16_MAX;
    size_t low = 0, over = 0;
    for (size_t t = 0; t < ntops; t++)
        least = tops[t] < least ? tops[t] : least;
    for (size_t t = 0; t < ntops; t++) {
        low += tops[t] < tall;
        over += tops[t] < tall && tops[t] >= 2 * least;
    }
    return l.beat * 10 < (l.noise + 1) * 27 || over * 2 >= low || (ntops - low) * 5 >= ntops * 2;
}

/* In a very slow rhythm most pieces have no complex, and the level that most of them reach is that
 * of P and T waves, or of noise. What is much higher in a few pieces here and there, and no longer
 * there than a complex is, are the complexes: the lowest of them. 0 where it is otherwise: bursts
 * of noise last longer, and are in one place. */
static uint16_t sparse_level(const struct around *a, const uint16_t *tops, size_t ntops,
                             struct level l)
{
    const uint16_t *bins = a->bins;
    uint16_t highest = 0, lowest = UINT16_MAX;
    size_t places = 0, last = SIZE_MAX;
    for (size_t t = 0; t < ntops; t++)
        if (tops[t] > highest && breadth(bins, t, tops[t]) <= SHARP_BINS)
            highest = tops[t];
    if (highest < SPARSE * l.beat)
        return 0;
    for (size_t t = 0; t < ntops; t++) {
        if (tops[t] < highest / ALIKE || tops[t] < SPARSE * l.beat)
            continue;
        if (breadth(bins, t, tops[t]) > SHARP_BINS)
            return 0;
        lowest = tops[t] < lowest ? tops[t] : lowest;
        places += last == SIZE_MAX || t > last + 1;
        last = t;
    }
    bool lone = highest >= LONE * l.beat && (ntops <= SHORT || l.beat * 10 < l.noise * 22);
    bool sparse = lone || (places > 1 && has_empty(tops, ntops, lowest, l));
    return sparse || are_broad(a, tops, ntops, lowest) ? lowest : 0;
}

static struct level level_of(const struct ecg_energy *kernels, const struct around *a)
{
    enum { TOPS = ECG_ENERGY_VALUES, VALUES = (AROUND / TOPS + 1) * TOPS };
    static_assert(AROUND / BEAT_BINS + 1 <= TOPS && (int)AROUND <= (int)VALUES, "room for all");
    uint16_t tops[TOPS], values[VALUES];
    const uint16_t *bins = a->bins;
    size_t n = a->nbins;
    size_t ntops = 0;
    uint16_t most = 0;
    struct level l = {0};
    if (n == 0)
        return l;
    memset(tops, 0xff, sizeof tops);
    memset(values, 0xff, sizeof values);
    memcpy(values, bins, n * sizeof *bins);
    for (size_t i = 0; i < n && (i == 0 || i + BEAT_BINS <= n); i += BEAT_BINS) {
        uint16_t top = 0;
        for (size_t k = i; k < i + BEAT_BINS && k < n; k++)
            top = bins[k] > top ? bins[k] : top;
        tops[ntops++] = top;
        most = top > most ? top : most;
    }
    l.beat = kernels->smallest(tops, TOPS, ntops * 2 / 5);
    l.noise = kernels->smallest(values, VALUES, n / 4);
    /* Nothing stands out: either there is nothing, or there are long pauses. */
    if (weight_of(l) == 0)
        l.beat = kernels->smallest(tops, TOPS, ntops * 4 / 5);
    uint16_t sparse =
        most >= SPARSE * l.beat && n >= BEAT_BINS ? sparse_level(a, tops, ntops, l) : 0;
    l.beat = sparse ? sparse : l.beat;
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

/* Bins that the lead has samples of; false, known is as before: it has all. */
static bool find_known(const struct ecg_signal *s, const struct ecg_lead *lead, bool *known)
{
    size_t bin = ecg_signal_span(s, BIN_MS);
    if (ecg_gap_is_whole(lead, (double)s->n / s->rate_hz))
        return false;
    for (size_t b = 0; b * bin < s->n; b++)
        known[b] = ecg_gap_has_sample(lead, (double)(b * bin) / s->rate_hz) &&
                   ecg_gap_has_sample(lead, (double)((b + 1) * bin - 1) / s->rate_hz);
    return true;
}

/* Leaves what was not recorded out: it is no silence. */
static void leave_out(struct around *a, const bool *known, uint16_t *bins, int16_t *x)
{
    size_t n = 0;
    for (size_t b = 0; b < a->nbins; b++) {
        size_t from = b * a->bin;
        if (!known[b] || from + a->bin > a->samples)
            continue;
        bins[n] = a->bins[b];
        if (a->x)
            memcpy(x + n * a->bin, a->x + from, a->bin * sizeof *x);
        n++;
    }
    a->bins = bins;
    a->x = a->x ? x : NULL;
    a->nbins = n;
    a->samples = n * a->bin;
}

/* One level per segment; x: the lead, or NULL; known: bins that have samples, NULL = all. */
static void find_levels(const struct ecg_signal *s, const struct ecg_energy *kernels,
                        const int16_t *x, const uint16_t *bins, const bool *known,
                        struct level *levels, size_t segments)
{
    uint16_t own_bins[AROUND];
    int16_t own_x[AROUND * SEGMENT_MAX / BINS];
    size_t bin = ecg_signal_span(s, BIN_MS);
    size_t nbins = (s->n + bin - 1) / bin;
    for (size_t g = 0; g < segments; g++) {
        /* Always as many bins, where there are: at the ends those nearest to it. */
        size_t from = g > REACH ? (g - REACH) * BINS : 0;
        from = from + AROUND <= nbins ? from : nbins > AROUND ? nbins - AROUND : 0;
        struct around a = {.bins = bins + from,
                           .nbins = nbins - from < AROUND ? nbins - from : AROUND,
                           .x = x ? x + from * bin : NULL,
                           .bin = bin};
        a.samples = s->n - from * bin < a.nbins * bin ? s->n - from * bin : a.nbins * bin;
        if (known)
            leave_out(&a, known + from, own_bins, own_x);
        levels[g] = level_of(kernels, &a);
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
static void fuse_segment(const struct ecg_signal *s, const struct ecg_energy *kernels,
                         const struct level *levels, uint8_t *weights, size_t segments, size_t g,
                         uint16_t *out)
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
        lead_feature(s, kernels, s->x[k], p.from, p.to, v);
        for (size_t i = 0; i < n; i++)
            sum[i] += (v[i] < most ? v[i] : most) * factor;
    }
    for (size_t i = 0; i < n; i++)
        out[p.from + i] = (uint16_t)(sum[i] >> 16);
}

void ecg_feature_deinit(struct ecg_feature *f)
{
    base_pages_give(f->pages, f->fused);
    free(f->noise);
    free(f->weights);
    *f = (struct ecg_feature){0};
}

enum base_err ecg_feature_init(const struct ecg_signal *s, struct ecg_feature *out)
{
    const struct ecg_energy *kernels = ecg_energy_choose(ecg_simd_level());
    struct ecg_feature r = {.pages = s->pages, .segment = ecg_feature_segment(s)};
    r.segments = s->n / r.segment + 1;
    size_t nbins = r.segments * BINS + 1;
    uint16_t *bins = calloc(nbins, sizeof *bins);
    bool *known = calloc(nbins, sizeof *known);
    bool *any = calloc(nbins, sizeof *any);
    size_t whole = 0;
    struct level *levels = calloc(r.segments * (s->nleads + 1), sizeof *levels);
    r.fused = base_pages_take(s->pages, (s->n + 1) * sizeof *r.fused);
    r.noise = calloc(r.segments, sizeof *r.noise);
    r.weights = calloc(r.segments * s->nleads, sizeof *r.weights);
    enum base_err e = r.segment > SEGMENT_MAX ? BASE_EINTERNAL
                      : bins && known && any && levels && r.fused && r.noise && r.weights
                          ? BASE_OK
                          : BASE_ENOMEM;
    for (size_t k = 0; k < s->nleads && !e; k++) {
        for (size_t g = 0; g < r.segments; g++) {
            uint16_t f[SEGMENT_MAX];
            struct part p = segment_at(s, g);
            lead_feature(s, kernels, s->x[k], p.from, p.to, f);
            fill_bins(s, f, p.from, p.to, bins);
        }
        bool has_gaps = find_known(s, s->source[k], known);
        whole += !has_gaps;
        for (size_t b = 0; b < nbins && has_gaps; b++)
            any[b] |= known[b];
        find_levels(s, kernels, s->x[k], bins, has_gaps ? known : NULL, levels + k * r.segments,
                    r.segments);
    }
    for (size_t g = 0; g < r.segments && !e; g++)
        fuse_segment(s, kernels, levels, r.weights, r.segments, g, r.fused);
    if (!e) {
        fill_bins(s, r.fused, 0, s->n, bins);
        find_levels(s, kernels, NULL, bins, whole ? NULL : any, levels, r.segments);
        for (size_t g = 0; g < r.segments; g++)
            r.noise[g] = levels[g].noise;
        *out = r;
    } else {
        ecg_feature_deinit(&r);
    }
    free(bins);
    free(known);
    free(any);
    free(levels);
    return e;
}
