#include "ecg/ecg_derive.h"

#include <math.h>
#include <stdlib.h>

static const struct ecg_lead *find(const struct ecg_lead *leads, size_t n, int id)
{
    for (size_t i = 0; i < n; i++)
        if (leads[i].id == id && leads[i].samples)
            return &leads[i];
    return NULL;
}

/* Twice the lead, as multiples of I and II. */
static bool weights(int id, int *one, int *two)
{
    static const struct {
        int id;
        int one;
        int two;
    } rows[] = {{ECG_LEAD_III, -2, 2},
                {ECG_LEAD_AVR, -1, -1},
                {ECG_LEAD_AVL, 2, -1},
                {ECG_LEAD_AVF, -1, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].id != id)
            continue;
        *one = rows[i].one;
        *two = rows[i].two;
        return true;
    }
    return false;
}

static int32_t clamp(double v)
{
    if (!(v < INT32_MAX))
        return INT32_MAX;
    return v > -INT32_MAX ? (int32_t)lround(v) : -INT32_MAX;
}

enum base_err ecg_derive(const struct ecg_lead *leads, size_t n, int id, struct ecg_lead *out)
{
    const struct ecg_lead *a = find(leads, n, ECG_LEAD_I);
    const struct ecg_lead *b = find(leads, n, ECG_LEAD_II);
    int one;
    int two;
    if (!weights(id, &one, &two) || !a || !b || a->rate_hz != b->rate_hz ||
        a->start_s != b->start_s || a->samples != b->samples || !(a->uv_per_count > 0))
        return BASE_ENOTFOUND;
    int32_t *data = malloc((a->samples ? a->samples : 1) * sizeof *data);
    if (!data)
        return BASE_ENOMEM;
    /* In units of half a count of lead I. */
    double scale = b->uv_per_count / a->uv_per_count;
    for (size_t i = 0; i < a->samples; i++) {
        int32_t x = ecg_lead_sample(a, i);
        int32_t y = ecg_lead_sample(b, i);
        bool none = x == ECG_SAMPLE_NONE || y == ECG_SAMPLE_NONE;
        data[i] = none ? ECG_SAMPLE_NONE : clamp(one * (double)x + two * (y * scale));
    }
    *out = (struct ecg_lead){.id = id,
                             .name = ecg_lead_name(id),
                             .unit = "",
                             .rate_hz = a->rate_hz,
                             .uv_per_count = a->uv_per_count / 2,
                             .offset_uv = (one * a->offset_uv + two * b->offset_uv) / 2,
                             .start_s = a->start_s,
                             .samples = a->samples,
                             .i32 = data};
    return BASE_OK;
}
