/* The kernels of ecg_energy.h, for the files that include this and make a table of them. */
#include "ecg/analysis/ecg_energy.h"
#include "ecg/ecg_record.h"

#include <string.h>

static bool pairs(const int16_t *v, int32_t first, float scale, int32_t *out, size_t n)
{
    int16_t missing = 0; /* of the width of a sample, as vectors want it */
    for (size_t i = 0; i < 2 * n; i++)
        missing = (int16_t)(missing | (v[i] == ECG_SAMPLE_NONE16));
    if (missing)
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = ecg_energy_units((float)(v[2 * i] + v[2 * i + 1] - 2 * first) * scale);
    return true;
}

/* Step by step over all places, as vectors want it. */
static void energy(const int16_t *x, size_t n, const struct ecg_energy_spans *spans, uint16_t *out)
{
    enum { MOST = ECG_ENERGY_SEGMENT + 2 * ECG_ENERGY_WINDOW };
    int32_t sum[MOST + ECG_ENERGY_WINDOW];
    uint32_t amount[MOST], total[MOST + ECG_ENERGY_WINDOW];
    for (size_t i = 0; i < n + spans->slope; i++)
        sum[i] = x[i];
    for (size_t j = 1; j < spans->mean; j++)
        for (size_t i = 0; i < n + spans->slope; i++)
            sum[i] += x[j + i];
    for (size_t i = 0; i < n; i++) {
        int32_t d = sum[i + spans->slope] - sum[i];
        amount[i] = (uint32_t)(d < 0 ? -d : d);
    }
    uint32_t all = 0;
    memset(total, 0, spans->window * sizeof *total);
    for (size_t i = 0; i < n; i++)
        total[spans->window + i] = all += amount[i];
    for (size_t i = spans->skip; i < n; i++) {
        uint32_t v = (total[spans->window + i] - total[i]) >> 2;
        out[i - spans->skip] = (uint16_t)(v > UINT16_MAX ? UINT16_MAX : v);
    }
}

/* The largest number below which at most k of them lie, found bit by bit. To count all of them so
 * often is a matter of vectors, to part them one of guesses. */
static uint16_t smallest(const uint16_t *v, size_t n, size_t k)
{
    uint16_t found = 0, all = 0;
    unsigned bit = 0x8000;
    n = n / ECG_ENERGY_VALUES * ECG_ENERGY_VALUES; /* it is: nothing is left behind vectors */
    for (size_t i = 0; i < n; i++)
        all = (uint16_t)(all | (v[i] == UINT16_MAX ? 0 : v[i]));
    while (bit > all)
        bit >>= 1;
    for (; bit; bit >>= 1) {
        uint16_t limit = (uint16_t)(found | bit);
        uint16_t below = 0;
        for (size_t i = 0; i < n; i++)
            below = (uint16_t)(below + (v[i] < limit));
        found = below <= k ? limit : found;
    }
    return found;
}
