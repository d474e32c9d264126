#include "ecg/analysis/ecg_dots.h"

#include "ecg/analysis/ecg_dots_loops.h"

#include <immintrin.h>

/* Four of the sums that a vector of eight holds a part of each, to one vector of four. */
static __m128i add_up(__m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i v = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

static __m256i load(const int16_t *p)
{
    return _mm256_loadu_si256((const void *)p);
}

static void correlate(const int16_t *x, const int16_t *t, size_t n, const float factor[ECG_DOTS],
                      float norm, float likeness[ECG_DOTS])
{
    __m256i sum[ECG_DOTS];
    for (int d = 0; d < ECG_DOTS; d++)
        sum[d] = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += ECG_DOTS_VECTOR) {
        __m256i own = load(t + i);
        for (int d = 0; d < ECG_DOTS; d++)
            sum[d] = _mm256_add_epi32(sum[d], _mm256_madd_epi16(own, load(x + i + d)));
    }
    __m256i all = _mm256_set_m128i(add_up(sum[4], sum[5], sum[6], sum[7]),
                                   add_up(sum[0], sum[1], sum[2], sum[3]));
    __m256 part = _mm256_mul_ps(_mm256_loadu_ps(factor), _mm256_cvtepi32_ps(all));
    part = _mm256_div_ps(part, _mm256_set1_ps(norm));
    _mm256_storeu_ps(likeness, _mm256_add_ps(_mm256_loadu_ps(likeness), part));
}

const struct ecg_dots ecg_dots_avx2 = {
    .add = add, .sums = sums, .dot = dot, .correlate = correlate, .blend = blend};
