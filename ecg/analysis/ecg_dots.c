#include "ecg/analysis/ecg_dots.h"

/* The definition. */
static void scalar(const int16_t *x, const int16_t *t, size_t n, int32_t out[ECG_DOTS])
{
    for (size_t d = 0; d < ECG_DOTS; d++) {
        int32_t sum = 0;
        for (size_t i = 0; i < n / ECG_DOTS_VECTOR * ECG_DOTS_VECTOR; i++)
            sum += (int32_t)x[d + i] * t[i];
        out[d] = sum;
    }
}

ecg_dots_fn *ecg_dots_choose(enum ecg_simd level)
{
#if ECG_SIMD_X86
    if (level >= ECG_SIMD_AVX2)
        return ecg_dots_avx2;
#else
    (void)level;
#endif
    return scalar;
}
