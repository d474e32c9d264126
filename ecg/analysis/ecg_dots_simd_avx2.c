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

static void compare(const int16_t *x, const int16_t (*t)[ECG_DOTS_SPAN], size_t count, size_t n,
                    float factor, const float *norm, float *likeness)
{
    for (size_t k = 0; k < count; k += ECG_DOTS_GROUP) {
        __m256i sum[ECG_DOTS_GROUP];
        for (int j = 0; j < ECG_DOTS_GROUP; j++)
            sum[j] = _mm256_setzero_si256();
        for (size_t i = 0; i < n; i += ECG_DOTS_VECTOR) {
            __m256i own = load(x + i);
            for (int j = 0; j < ECG_DOTS_GROUP; j++)
                sum[j] =
                    _mm256_add_epi32(sum[j], _mm256_madd_epi16(own, load(t[k + (size_t)j] + i)));
        }
        __m128 part = _mm_cvtepi32_ps(add_up(sum[0], sum[1], sum[2], sum[3]));
        part = _mm_div_ps(_mm_mul_ps(_mm_set1_ps(factor), part), _mm_loadu_ps(norm + k));
        _mm_storeu_ps(likeness + k, _mm_add_ps(_mm_loadu_ps(likeness + k), part));
    }
}

static float by_halves(__m256 v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* Sums as they grow. */
struct lanes {
    __m256 x, r, xx, rr, xr;
};

static inline void multiply_eight(struct lanes *s, __m256 v, __m256 r)
{
    s->x = _mm256_add_ps(s->x, v);
    s->r = _mm256_add_ps(s->r, r);
    s->xx = _mm256_add_ps(s->xx, _mm256_mul_ps(v, v));
    s->rr = _mm256_add_ps(s->rr, _mm256_mul_ps(r, r));
    s->xr = _mm256_add_ps(s->xr, _mm256_mul_ps(v, r));
}

static void multiply(const int16_t *x, float level, const float *r, size_t n,
                     struct ecg_dots_products *out)
{
    __m256 zero = _mm256_setzero_ps();
    struct lanes s = {zero, zero, zero, zero, zero};
    for (size_t i = 0; i < n; i += 8) {
        __m256i own = _mm256_cvtepi16_epi32(_mm_loadu_si128((const void *)(x + i)));
        __m256 v = _mm256_sub_ps(_mm256_cvtepi32_ps(own), _mm256_set1_ps(level));
        __m256 usual = _mm256_loadu_ps(r + i);
        if (n - i < 8) { /* what is behind the end does not count */
            __m256i place = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            __m256 in =
                _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n - i)), place));
            v = _mm256_and_ps(v, in);
            usual = _mm256_and_ps(usual, in);
        }
        multiply_eight(&s, v, usual);
    }
    *out = (struct ecg_dots_products){.x = by_halves(s.x),
                                      .r = by_halves(s.r),
                                      .xx = by_halves(s.xx),
                                      .rr = by_halves(s.rr),
                                      .xr = by_halves(s.xr)};
}

const struct ecg_dots ecg_dots_avx2 = {.add = add,
                                       .sums = sums,
                                       .compare = compare,
                                       .correlate = correlate,
                                       .blend = blend,
                                       .multiply = multiply};
