#include "ecg/analysis/ecg_window.h"

#include <assert.h>
#include <math.h>

/* Samples of a lead that are read at a time: 20 kHz. */
enum { BLOCK = 2048 };

bool ecg_window_can(const struct ecg_lead *lead)
{
    return lead->samples > 0 && lead->rate_hz >= ECG_WINDOW_LEAST_HZ &&
           lead->rate_hz <= ECG_WINDOW_MOST_HZ && fabs(lead->uv_per_count) > 1e-9 &&
           fabs(lead->uv_per_count) < 1e6 && lead->start_s > -1e6 && lead->start_s < 1e6;
}

/* Lead samples [from, from + n), those outside NAN. */
static void read_padded(const struct ecg_lead *lead, int64_t from, size_t n, float *v)
{
    int64_t all = (int64_t)lead->samples;
    int64_t first = from < 0 ? 0 : from > all ? all : from;
    int64_t end = from + (int64_t)n;
    end = end < first ? first : end > all ? all : end;
    int64_t ahead = first > from ? first - from : 0;
    size_t before = ahead < (int64_t)n ? (size_t)ahead : n;
    size_t there = (size_t)(end - first);
    assert(before + there <= n);
    for (size_t i = 0; i < before; i++)
        v[i] = NAN;
    for (size_t i = before + there; i < n; i++)
        v[i] = NAN;
    if (there > 0)
        ecg_lead_read_uv(lead, (size_t)first, there, v + before);
}

/* Holds the last value where there is none; how many. Nearly always they are all at an end. *last:
 * of what was read before, NAN = none. */
static size_t bridge(float *v, size_t n, float *last)
{
    size_t missing = 0, first = 0, end = n;
    for (size_t i = 0; i < n; i++)
        missing += isnan(v[i]) != 0;
    while (missing && first < n && isnan(v[first]))
        first++;
    while (end > first && isnan(v[end - 1]))
        end--;
    float held = !isnan(*last) ? *last : first < n ? v[first] : 0;
    for (size_t i = 0; i < first; i++)
        v[i] = held;
    for (size_t i = first; i < end && first + n - end < missing; i++)
        v[i] = isnan(v[i]) ? v[i - 1] : v[i];
    for (size_t i = end; i < n && end > 0; i++)
        v[i] = v[end - 1];
    *last = first < n ? v[n - 1] : *last;
    return missing;
}

/* Means of k samples each, in place. */
static void take_means(float *v, size_t n, size_t k)
{
    for (size_t i = 0; i < n && k > 1; i++) {
        float sum = 0;
        for (size_t j = 0; j < k; j++)
            sum += v[i * k + j];
        v[i] = sum / (float)k;
    }
}

bool ecg_window_read(const struct ecg_lead *lead, double from_s, size_t n, float *out)
{
    float v[BLOCK], last = NAN;
    size_t k = (size_t)(lead->rate_hz / ECG_WINDOW_HZ + 0.5);
    k = k ? k : 1;
    double rate = lead->rate_hz / (double)k;
    double step = rate / ECG_WINDOW_HZ; /* lead samples (or means of them) per one of out */
    /* the middle of a group of k samples lies (k - 1) / 2 after its first */
    double at = (from_s - lead->start_s) * rate - ((double)k - 1) / 2 / (double)k;
    size_t missing = 0;
    bool same = fabs(step - 1) < 1e-6;
    if (same && k == 1) { /* as they are */
        read_padded(lead, llrint(at), n, out);
        return bridge(out, n, &last) * 10 <= n;
    }
    for (size_t done = 0; done < n;) {
        double begin = at + (double)done * step;
        int64_t from = same ? llrint(begin) : (int64_t)floor(begin);
        size_t most = (size_t)((double)(BLOCK / k - 3) / step);
        size_t count = n - done < most ? n - done : most;
        size_t need = same ? count : (size_t)((double)count * step) + 3;
        assert(count > 0 && need * k <= BLOCK);
        read_padded(lead, from * (int64_t)k, need * k, v);
        missing += bridge(v, need * k, &last) * count / (need * k);
        take_means(v, need, k);
        for (size_t i = 0; i < count && same; i++)
            out[done + i] = v[i];
        for (size_t i = 0; i < count && !same; i++) {
            double p = begin + (double)i * step - (double)from;
            size_t j = (size_t)p;
            out[done + i] = v[j] + (v[j + 1] - v[j]) * (float)(p - (double)j);
        }
        done += count;
    }
    return missing * 10 <= n;
}

size_t ecg_window_leads(const struct ecg_record *r, const struct ecg_lead **leads, size_t max)
{
    bool has_both = ecg_record_lead(r, ECG_LEAD_I) && ecg_record_lead(r, ECG_LEAD_II);
    size_t n = 0;
    for (size_t i = 0; i < r->nleads && n < max; i++) {
        bool is_sum = has_both && ecg_lead_is_sum(r->leads[i].id);
        if (!is_sum && ecg_window_can(&r->leads[i]))
            leads[n++] = &r->leads[i];
    }
    return n;
}

void ecg_part_take(const struct ecg_record *r, double from_s, double to_s, struct ecg_part *out)
{
    out->record = *r;
    out->record.leads = out->leads;
    out->record.nleads = out->record.nmarks = 0;
    for (size_t i = 0; i < r->nleads && out->record.nleads < ECG_WINDOW_LEADS; i++) {
        struct ecg_lead lead = r->leads[i];
        double from = fmax(0, (from_s - lead.start_s) * lead.rate_hz);
        double to = fmin((double)lead.samples, (to_s - lead.start_s) * lead.rate_hz);
        if (!ecg_window_can(&lead) || from + 1 > to)
            continue;
        size_t first = (size_t)from;
        lead.start_s = fmax(0, lead.start_s - from_s);
        lead.samples = (size_t)to - first;
        lead.i16 = lead.i16 ? lead.i16 + first : NULL;
        lead.i32 = lead.i32 ? lead.i32 + first : NULL;
        out->leads[out->record.nleads++] = lead;
    }
}
