#include "ecg/analysis/ecg_dots.h"

#include "ecg/analysis/ecg_dots_loops.h"

/* The definition. */
static void correlate(const int16_t *x, const int16_t *t, size_t n, const float factor[ECG_DOTS],
                      float norm, float likeness[ECG_DOTS])
{
    for (size_t d = 0; d < ECG_DOTS; d++)
        likeness[d] += factor[d] * (float)dot(x + d, t, n) / norm;
}

static const struct ecg_dots scalar = {
    .add = add, .sums = sums, .dot = dot, .correlate = correlate, .blend = blend};

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
