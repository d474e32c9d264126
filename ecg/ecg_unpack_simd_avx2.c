#include "ecg/ecg_unpack.h"

#include <immintrin.h>
#include <math.h>

typedef __m256i vector;
enum { LANES = 16 };
#define WORDS(op) _mm256_##op
#define BITS(op)  _mm256_##op##_si256
#define REST      ecg_unpack_sse41

static __m128i load_half(const void *p)
{
    return _mm_loadu_si128((const void *)p);
}

static vector load_16(const uint8_t *p, size_t step)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load_half(p)), load_half(p + step), 1);
}

static vector spread(__m128i v)
{
    return _mm256_broadcastsi128_si256(v);
}

/* It packs in each half: the quarters are put in order. */
static vector pack(vector a, vector b)
{
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
}

static vector add_32(vector a, vector b)
{
    return _mm256_add_epi32(a, b);
}

static vector sums_from(vector v, vector before)
{
    v = add_32(v, _mm256_slli_si256(v, 4));
    v = add_32(v, _mm256_slli_si256(v, 8));
    /* The last of the lower half to all of the upper one. */
    vector low = _mm256_permute2x128_si256(v, v, 0x08);
    v = add_32(v, _mm256_shuffle_epi32(low, 0xff));
    return add_32(v, before);
}

static vector spread_last(vector v)
{
    return _mm256_permutevar8x32_epi32(v, _mm256_set1_epi32(7));
}

#include "ecg/ecg_unpack_simd_loops.h"

static __m128 scale_four(__m128i v, __m256d uv, __m256d zero)
{
    return _mm256_cvtpd_ps(_mm256_add_pd(_mm256_mul_pd(_mm256_cvtepi32_pd(v), uv), zero));
}

static void scale16(const int16_t *p, size_t n, double uv, double zero, float *out)
{
    __m256d by = _mm256_set1_pd(uv), plus = _mm256_set1_pd(zero);
    __m256i none = _mm256_set1_epi32(INT16_MIN);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = _mm256_cvtepi16_epi32(_mm_loadu_si128((const void *)(p + i)));
        __m128 low = scale_four(_mm256_castsi256_si128(v), by, plus);
        __m128 high = scale_four(_mm256_extracti128_si256(v, 1), by, plus);
        __m256 is_none = _mm256_castsi256_ps(_mm256_cmpeq_epi32(v, none));
        _mm256_storeu_ps(
            out + i, _mm256_blendv_ps(_mm256_set_m128(high, low), _mm256_set1_ps(NAN), is_none));
    }
    ecg_unpack_scalar.scale16(p + i, n - i, uv, zero, out + i);
}

const struct ecg_unpack ecg_unpack_avx2 = {.u212 = u212,
                                           .u80 = u80,
                                           .u61 = u61,
                                           .u160 = u160,
                                           .u24 = u24,
                                           .u212_2 = u212_2,
                                           .u212_3 = u212_3,
                                           .split16 = split16,
                                           .sum16 = sum16,
                                           .copy16 = copy16,
                                           .fits16 = fits16,
                                           .narrow = narrow,
                                           .scale16 = scale16,
                                           .integrate = integrate};
