#include "ecg/analysis/ecg_signal.h"

#include "base/pages.h"
#include "ecg/analysis/ecg_energy.h"
#include "ecg/analysis/ecg_window.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Near this rate QRS complexes keep all that tells them from other waves. */
static const double GRID_HZ = 200;
enum { BLOCK = 4096 };

size_t ecg_signal_span(const struct ecg_signal *s, double ms)
{
    double n = floor(s->rate_hz * ms / 1000 + 0.5);
    return n < 1 ? 1 : (size_t)n;
}

/* A missing sample repeats the one before: a step would look like a complex. */
static void bridge(int32_t *v, size_t n, int32_t *last)
{
    bool is_missing = false;
    for (size_t i = 0; i < n; i++)
        is_missing |= v[i] == ECG_SAMPLE_NONE;
    for (size_t i = 0; is_missing && i < n; i++)
        v[i] = v[i] != ECG_SAMPLE_NONE ? v[i] : i ? v[i - 1] : *last;
    *last = n ? v[n - 1] : *last;
}

static int32_t first_present(const struct ecg_lead *lead)
{
    for (size_t i = 0; i < lead->samples; i++)
        if (ecg_lead_sample(lead, i) != ECG_SAMPLE_NONE)
            return ecg_lead_sample(lead, i);
    return 0;
}

/* Follows the baseline with a time constant of about 0.6 s, and cuts what is out of range.
 * In whole numbers, so that all processors find the same. */
struct leveller {
    int64_t base; /* units × 65536 */
    int64_t step; /* share of the distance, × 65536 */
};

static inline int16_t level_unit(struct leveller *l, int32_t v)
{
    int64_t level = l->base >> 16;
    int32_t y = v - (int32_t)level;
    l->base += v * l->step - level * l->step; /* the first product does not wait for the level */
    return (int16_t)(y > ECG_SIGNAL_RANGE    ? ECG_SIGNAL_RANGE
                     : y < -ECG_SIGNAL_RANGE ? -ECG_SIGNAL_RANGE
                                             : y);
}

/* Means of groups of k samples, less the first one of all: out[i] in units. */
static void take_means(const int32_t *v, size_t k, int32_t first, float scale, int32_t *out,
                       size_t n)
{
    float f = (float)first;
    for (size_t i = 0; i < n && k == 2; i++) /* the usual rates, without a loop within */
        out[i] = ecg_energy_units(((float)v[2 * i] - f + ((float)v[2 * i + 1] - f)) * scale);
    for (size_t i = 0; i < n && k != 2; i++) {
        int64_t sum = -(int64_t)first * (int64_t)k;
        for (size_t j = 0; j < k; j++)
            sum += v[i * k + j];
        out[i] = ecg_energy_units((float)sum * scale);
    }
}

/* A lead while it is brought to the grid. */
struct decimator {
    const struct ecg_energy *kernels;
    const struct ecg_lead *lead;
    size_t k;  /* samples per mean; the last, short group is left out */
    size_t g;  /* the next group, */
    size_t at; /* and its place on the grid */
    float scale;
    int32_t first;
    int32_t last;
    struct leveller l;
    int16_t *x;
};

/* skip: grid samples before the lead's first (negative: of the lead, before the grid's first). */
static struct decimator decimator_of(const struct ecg_lead *lead, size_t k, long skip, int64_t step,
                                     int16_t *x)
{
    int32_t first = first_present(lead);
    return (struct decimator){.kernels = ecg_energy_choose(ecg_simd_level()),
                              .lead = lead,
                              .k = k,
                              .g = skip < 0 ? (size_t)-skip : 0,
                              .at = skip > 0 ? (size_t)skip : 0,
                              .scale = (float)(lead->uv_per_count / ECG_SIGNAL_UV / (double)k),
                              .first = first,
                              .last = first,
                              .l = {.step = step},
                              .x = x};
}

/* Groups of the next block, up to the end of the lead and of the grid. */
static size_t block_of(const struct decimator *d, size_t n)
{
    size_t groups = d->lead->samples / d->k;
    size_t count = d->g < groups && d->at < n ? groups - d->g : 0;
    count = count < BLOCK / d->k ? count : BLOCK / d->k;
    return d->at < n && count > n - d->at ? n - d->at : count;
}

static void take_units(struct decimator *d, int32_t *units, size_t count)
{
    int32_t v[BLOCK];
    const struct ecg_lead *lead = d->lead;
    assert(count * d->k <= BLOCK && (d->g + count) * d->k <= lead->samples);
    const int16_t *words = lead->i16 && d->k == 2 ? lead->i16 + 2 * d->g : NULL;
    if (words && d->kernels->pairs(words, d->first, d->scale, units, count)) {
        d->last = words[2 * count - 1];
        return;
    }
    ecg_lead_read(lead, d->g * d->k, count * d->k, v);
    bridge(v, count * d->k, &d->last);
    take_means(v, d->k, d->first, d->scale, units, count);
}

static void advance(struct decimator *d, size_t count)
{
    d->g += count;
    d->at += count;
}

/* Two leads side by side, as long as their blocks are alike: what one's level waits for, the
 * other's does not. */
static void decimate_two(struct decimator *a, struct decimator *b, size_t n)
{
    int32_t units_a[BLOCK], units_b[BLOCK];
    for (size_t count; (count = block_of(a, n)) > 0 && count == block_of(b, n);) {
        take_units(a, units_a, count);
        take_units(b, units_b, count);
        struct leveller la = a->l, lb = b->l;
        for (size_t i = 0; i < count; i++) {
            a->x[a->at + i] = level_unit(&la, units_a[i]);
            b->x[b->at + i] = level_unit(&lb, units_b[i]);
        }
        a->l = la;
        b->l = lb;
        advance(a, count);
        advance(b, count);
    }
}

static void decimate(struct decimator *d, size_t n)
{
    int32_t units[BLOCK];
    for (size_t count; (count = block_of(d, n)) > 0; advance(d, count)) {
        take_units(d, units, count);
        for (size_t i = 0; i < count; i++)
            d->x[d->at + i] = level_unit(&d->l, units[i]);
    }
    for (size_t i = d->at < n ? d->at : n; i < n; i++)
        d->x[i] = i ? d->x[i - 1] : 0;
}

/* A lead of another rate than the grid's is drawn through its samples. */
static void interpolate(const struct ecg_lead *lead, double rate_hz, int64_t step, int16_t *x,
                        size_t n)
{
    int32_t last = first_present(lead);
    double first = last;
    double scale = lead->uv_per_count / ECG_SIGNAL_UV;
    struct leveller l = {.step = step};
    for (size_t i = 0; i < n; i++) {
        double at = ((double)i / rate_hz - lead->start_s) * lead->rate_hz;
        size_t from = at <= 0 ? 0 : at >= (double)lead->samples ? lead->samples - 1 : (size_t)at;
        int32_t a = ecg_lead_sample(lead, from);
        int32_t b = ecg_lead_sample(lead, from + 1 < lead->samples ? from + 1 : from);
        a = a == ECG_SAMPLE_NONE ? last : a;
        b = b == ECG_SAMPLE_NONE ? a : b;
        last = a;
        double part = at - (double)from;
        part = part < 0 ? 0 : part > 1 ? 1 : part;
        double v = (double)a + ((double)b - (double)a) * part;
        x[i] = level_unit(&l, ecg_energy_units((float)((v - first) * scale)));
    }
}

static void choose_leads(const struct ecg_record *r, const struct ecg_lead *only,
                         struct ecg_signal *out)
{
    if (!only) {
        out->nleads = ecg_window_leads(r, out->source, ECG_SIGNAL_LEADS);
    } else if (ecg_window_can(only)) {
        out->source[0] = only;
        out->nleads = 1;
    }
}

/* Each lead to the grid, of which a sample is the mean of k of the first lead's. */
static void fill(struct ecg_signal *s, size_t k)
{
    struct decimator d[ECG_SIGNAL_LEADS];
    size_t n = 0;
    int64_t step = (int64_t)(1.6 * 65536 / s->rate_hz);
    double rate_hz = s->source[0]->rate_hz;
    for (size_t i = 0; i < s->nleads; i++) {
        const struct ecg_lead *lead = s->source[i];
        s->x[i] = s->memory + i * s->n;
        if (fabs(lead->rate_hz - rate_hz) < 1e-9 * rate_hz)
            d[n++] = decimator_of(lead, k, lrint(lead->start_s * s->rate_hz), step, s->x[i]);
        else
            interpolate(lead, s->rate_hz, step, s->x[i], s->n);
    }
    for (size_t i = 0; i < n; i++) /* what is in front of a lead */
        memset(d[i].x, 0, (d[i].at < s->n ? d[i].at : s->n) * sizeof *d[i].x);
    for (size_t i = 0; i + 1 < n; i += 2)
        decimate_two(&d[i], &d[i + 1], s->n);
    for (size_t i = 0; i < n; i++)
        decimate(&d[i], s->n);
}

enum base_err ecg_signal_init(const struct ecg_record *r, const struct ecg_lead *only,
                              struct ecg_signal *out, struct base_error *err)
{
    struct ecg_signal s = {0};
    choose_leads(r, only, &s);
    if (s.nleads == 0)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "there is no ECG lead with samples at 50 Hz to 20 kHz to analyse");
    const struct ecg_lead *first = s.source[0];
    double factor = floor(first->rate_hz / GRID_HZ + 0.5);
    size_t k = factor < 1 ? 1 : (size_t)factor;
    s.rate_hz = first->rate_hz / (double)k;
    double end_s = 0;
    for (size_t i = 0; i < s.nleads; i++) {
        const struct ecg_lead *lead = s.source[i];
        double end = lead->start_s + (double)lead->samples / lead->rate_hz;
        end_s = end > end_s ? end : end_s;
    }
    /* No longer than what the leads hold, whatever their starts say. */
    size_t most = first->samples / k + 1;
    for (size_t i = 1; i < s.nleads; i++)
        most += (size_t)((double)s.source[i]->samples / s.source[i]->rate_hz * s.rate_hz) + 1;
    s.n = end_s > 0 ? (size_t)(end_s * s.rate_hz) : 0;
    s.n = s.n > most ? most : s.n;
    s.pages = r->pages;
    s.memory = base_pages_take(s.pages, (s.n * s.nleads + ECG_SIGNAL_BEHIND) * sizeof *s.memory);
    if (!s.memory)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    memset(s.memory + s.n * s.nleads, 0, ECG_SIGNAL_BEHIND * sizeof *s.memory);
    fill(&s, k);
    *out = s;
    return BASE_OK;
}

void ecg_signal_deinit(struct ecg_signal *s)
{
    base_pages_give(s->pages, s->memory);
    *s = (struct ecg_signal){0};
}
