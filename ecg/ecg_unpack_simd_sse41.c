#include "ecg/ecg_unpack.h"

#include <immintrin.h>

typedef __m128i vector;
enum { LANES = 8 };
#define WORDS(op) _mm_##op
#define BITS(op)  _mm_##op##_si128
#define REST      ecg_unpack_scalar

static vector load_16(const void *p, size_t step)
{
    (void)step;
    return _mm_loadu_si128((const void *)p);
}

static __m128i load_half(const void *p)
{
    return _mm_loadl_epi64((const void *)p);
}

static vector spread(__m128i v)
{
    return v;
}

static vector pack(vector a, vector b)
{
    return _mm_packs_epi32(a, b);
}

static vector add_32(vector a, vector b)
{
    return _mm_add_epi32(a, b);
}

static vector sums_from(vector v, vector before)
{
    v = add_32(v, _mm_slli_si128(v, 4));
    v = add_32(v, _mm_slli_si128(v, 8));
    return add_32(v, before);
}

static vector spread_last(vector v)
{
    return _mm_shuffle_epi32(v, 0xff);
}

#include "ecg/ecg_unpack_simd_loops.h"

/* Words 0, 1 of each double word of `two` and word 0 of `one`, twelve in turn. */
static void weave_3(int16_t *out, __m128i two, __m128i one)
{
    const __m128i two_a = _mm_setr_epi8(0, 1, 2, 3, -1, -1, 4, 5, 6, 7, -1, -1, 8, 9, 10, 11);
    const __m128i one_a = _mm_setr_epi8(-1, -1, -1, -1, 0, 1, -1, -1, -1, -1, 4, 5, -1, -1, -1, -1);
    const __m128i two_b = _mm_setr_epi8(-1, -1, 12, 13, 14, 15, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i one_b = _mm_setr_epi8(8, 9, -1, -1, -1, -1, 12, 13, 0, 0, 0, 0, 0, 0, 0, 0);
    store(out, _mm_or_si128(_mm_shuffle_epi8(two, two_a), _mm_shuffle_epi8(one, one_a)));
    __m128i rest = _mm_or_si128(_mm_shuffle_epi8(two, two_b), _mm_shuffle_epi8(one, one_b));
    _mm_storel_epi64((void *)(out + 8), rest);
}

static void u310(const uint8_t *p, size_t n, int16_t *out)
{
    size_t i = 0;
    for (; i + 12 <= n; i += 12, p += 16) {
        __m128i v = load(p);
        __m128i two = _mm_srai_epi16(_mm_slli_epi16(v, 5), 6);
        __m128i low = _mm_and_si128(_mm_srli_epi32(v, 11), _mm_set1_epi32(0x1f));
        __m128i one = _mm_or_si128(_mm_slli_epi32(_mm_srai_epi32(v, 27), 5), low);
        weave_3(out + i, mark_missing(two, -512), mark_missing(one, -512));
    }
    ecg_unpack_scalar.u310(p, n - i, out + i);
}

static void u311(const uint8_t *p, size_t n, int16_t *out)
{
    size_t i = 0;
    for (; i + 12 <= n; i += 12, p += 16) {
        __m128i v = load(p);
        __m128i a = _mm_srai_epi32(_mm_slli_epi32(v, 22), 22);
        __m128i b = _mm_srai_epi32(_mm_slli_epi32(v, 12), 22);
        __m128i c = _mm_srai_epi32(_mm_slli_epi32(v, 2), 22);
        __m128i two = _mm_blend_epi16(a, _mm_slli_epi32(b, 16), 0xaa);
        weave_3(out + i, mark_missing(two, -512), mark_missing(c, -512));
    }
    ecg_unpack_scalar.u311(p, n - i, out + i);
}

const struct ecg_unpack ecg_unpack_sse41 = {.u212 = u212,
                                            .u310 = u310,
                                            .u311 = u311,
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
                                            .integrate = integrate};
