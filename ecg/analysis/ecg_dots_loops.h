/* The kernels of ecg_dots.h that the compiler makes vectors of by itself. */
#include "ecg/analysis/ecg_dots.h"
#include "ecg/analysis/ecg_signal.h"

#include <math.h>

static void add(const int16_t *x, size_t n, int32_t *sum)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += x[i];
}

static void sums(const int16_t *x, size_t n, int32_t *sum, int32_t *squares)
{
    int32_t s = 0, q = 0;
    for (size_t i = 0; i < n; i++) {
        s += x[i];
        q += (int32_t)x[i] * x[i];
    }
    *sum = s;
    *squares = q;
}

static float blend(int16_t *t, const int16_t *x, size_t n, int32_t share)
{
    float parts = (float)(share + 1);
    int32_t mean = 0, sum = 0;
    int32_t squares = 0; /* no more than those about 0: they fit */
    for (size_t i = 0; i < n; i++)
        mean += x[i];
    mean /= (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        int32_t v = x[i] - mean;
        v = v > ECG_SIGNAL_RANGE ? ECG_SIGNAL_RANGE : v < -ECG_SIGNAL_RANGE ? -ECG_SIGNAL_RANGE : v;
        /* As whole numbers are divided: so small ones cannot be rounded up to the next. */
        t[i] = (int16_t)((float)(t[i] * share + v) / parts);
        sum += t[i];
    }
    mean = sum / (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        t[i] = (int16_t)(t[i] - mean);
        squares += (int32_t)t[i] * t[i];
    }
    return sqrtf((float)squares);
}
