#include "ecg/analysis/ecg_signal.h"

#include "base/base_pages.h"

#include <math.h>
#include <stdlib.h>

/* Near this rate QRS complexes keep all that tells them from other waves. */
static const double GRID_HZ = 200;
enum { BLOCK = 4096 };

size_t ecg_signal_span(const struct ecg_signal *s, double ms)
{
    double n = floor(s->rate_hz * ms / 1000 + 0.5);
    return n < 1 ? 1 : (size_t)n;
}

static bool is_usable(const struct ecg_lead *lead)
{
    return lead->samples > 0 && lead->rate_hz >= 50 && lead->rate_hz <= 20000 &&
           fabs(lead->uv_per_count) > 1e-6 && fabs(lead->uv_per_count) < 1e6 &&
           lead->start_s > -1e6 && lead->start_s < 1e6;
}

static bool is_sum_of_others(const struct ecg_record *r, const struct ecg_lead *lead)
{
    return (lead->id == ECG_LEAD_III || lead->id == ECG_LEAD_AVR || lead->id == ECG_LEAD_AVL ||
            lead->id == ECG_LEAD_AVF) &&
           ecg_record_lead(r, ECG_LEAD_I) && ecg_record_lead(r, ECG_LEAD_II);
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

static int16_t level_unit(struct leveller *l, int32_t v)
{
    int32_t y = v - (int32_t)(l->base >> 16);
    l->base += y * l->step;
    return (int16_t)(y > ECG_SIGNAL_RANGE    ? ECG_SIGNAL_RANGE
                     : y < -ECG_SIGNAL_RANGE ? -ECG_SIGNAL_RANGE
                                             : y);
}

/* Far beyond any voltage, and far from overflow. */
static int32_t to_units(float v)
{
    static const float MOST = 1 << 28;
    return (int32_t)(v > MOST ? MOST : v < -MOST ? -MOST : v);
}

/* Means of groups of k samples, less the first one of all: out[i] in units. */
static void take_means(const int32_t *v, size_t k, int32_t first, float scale, int32_t *out,
                       size_t n)
{
    float f = (float)first;
    for (size_t i = 0; i < n && k == 2; i++) /* the usual rates, without a loop within */
        out[i] = to_units(((float)v[2 * i] - f + ((float)v[2 * i + 1] - f)) * scale);
    for (size_t i = 0; i < n && k != 2; i++) {
        int64_t sum = -(int64_t)first * (int64_t)k;
        for (size_t j = 0; j < k; j++)
            sum += v[i * k + j];
        out[i] = to_units((float)sum * scale);
    }
}

/* Means of k samples; the last, short group is left out. skip: grid samples before
 * the lead's first (negative: of the lead, before the grid's first). */
static void decimate(const struct ecg_lead *lead, size_t k, long skip, int64_t step, int16_t *x,
                     size_t n)
{
    int32_t v[BLOCK], units[BLOCK];
    int32_t last = first_present(lead);
    int32_t first = last;
    size_t group = BLOCK / k;
    size_t g = skip < 0 ? (size_t)-skip : 0;
    size_t at = skip > 0 ? (size_t)skip : 0;
    float scale = (float)(lead->uv_per_count / ECG_SIGNAL_UV / (double)k);
    struct leveller l = {.step = step};
    while (at < n && g < lead->samples / k) {
        size_t count = lead->samples / k - g;
        count = count < group ? count : group;
        count = count < n - at ? count : n - at;
        ecg_lead_read(lead, g * k, count * k, v);
        bridge(v, count * k, &last);
        take_means(v, k, first, scale, units, count);
        for (size_t i = 0; i < count; i++)
            x[at + i] = level_unit(&l, units[i]);
        at += count;
        g += count;
    }
    for (size_t i = at < n ? at : n; i < n; i++)
        x[i] = i ? x[i - 1] : 0;
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
        x[i] = level_unit(&l, to_units((float)((v - first) * scale)));
    }
}

static void choose_leads(const struct ecg_record *r, const struct ecg_lead *only,
                         struct ecg_signal *out)
{
    for (size_t i = 0; i < r->nleads && out->nleads < ECG_SIGNAL_LEADS; i++) {
        const struct ecg_lead *lead = &r->leads[i];
        if (is_usable(lead) && (only ? lead == only : !is_sum_of_others(r, lead)))
            out->source[out->nleads++] = lead;
    }
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
    s.memory = base_pages_alloc((s.n * s.nleads + 1) * sizeof *s.memory);
    if (!s.memory)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    for (size_t i = 0; i < s.nleads; i++) {
        const struct ecg_lead *lead = s.source[i];
        s.x[i] = s.memory + i * s.n;
        int64_t step = (int64_t)(1.6 * 65536 / s.rate_hz);
        if (fabs(lead->rate_hz - first->rate_hz) < 1e-9 * first->rate_hz)
            decimate(lead, k, lrint(lead->start_s * s.rate_hz), step, s.x[i], s.n);
        else
            interpolate(lead, s.rate_hz, step, s.x[i], s.n);
    }
    *out = s;
    return BASE_OK;
}

void ecg_signal_deinit(struct ecg_signal *s)
{
    free(s->memory);
    *s = (struct ecg_signal){0};
}
