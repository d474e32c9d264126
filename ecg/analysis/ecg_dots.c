#include "ecg/analysis/ecg_dots.h"

#include "ecg/analysis/ecg_dots_loops.h"

/* The definitions. */

static int32_t dot(const int16_t *x, const int16_t *t, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n / ECG_DOTS_VECTOR * ECG_DOTS_VECTOR; i++)
        sum += (int32_t)x[i] * t[i];
    return sum;
}

static void compare(const int16_t *x, const int16_t (*t)[ECG_DOTS_SPAN], size_t count, size_t n,
                    float factor, const float *norm, float *likeness)
{
    for (size_t k = 0; k < count; k++)
        likeness[k] += factor * (float)dot(x, t[k], n) / norm[k];
}

static void correlate(const int16_t *x, const int16_t *t, size_t n, const float factor[ECG_DOTS],
                      float norm, float likeness[ECG_DOTS])
{
    for (size_t d = 0; d < ECG_DOTS; d++)
        likeness[d] += factor[d] * (float)dot(x + d, t, n) / norm;
}

enum { LANES = 8 };

static float by_halves(float sum[LANES])
{
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t i = 0; i < half; i++)
            sum[i] += sum[half + i];
    return sum[0];
}

static void multiply(const int16_t *x, float level, const float *r, size_t n,
                     struct ecg_dots_products *out)
{
    float sx[LANES] = {0}, sr[LANES] = {0}, xx[LANES] = {0}, rr[LANES] = {0}, xr[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        float v = (float)x[i] - level;
        sx[i % LANES] += v;
        sr[i % LANES] += r[i];
        xx[i % LANES] += v * v;
        rr[i % LANES] += r[i] * r[i];
        xr[i % LANES] += v * r[i];
    }
    *out = (struct ecg_dots_products){.x = by_halves(sx),
                                      .r = by_halves(sr),
                                      .xx = by_halves(xx),
                                      .rr = by_halves(rr),
                                      .xr = by_halves(xr)};
}

static const struct ecg_dots scalar = {.add = add,
                                       .sums = sums,
                                       .compare = compare,
                                       .correlate = correlate,
                                       .blend = blend,
                                       .multiply = multiply};

const struct ecg_dots *ecg_dots_choose(enum ecg_simd level)
{
#if ECG_SIMD_X86
    if (level >= ECG_SIMD_AVX2)
        return &ecg_dots_avx2;
#else
    (void)level;
#endif
    return &scalar;
}
