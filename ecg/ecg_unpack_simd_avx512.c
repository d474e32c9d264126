#include "ecg/ecg_unpack.h"

#include <immintrin.h>

/* Loads are masked, so that none goes past what was given. The permutations are
 * made from the place of each output byte. */

static __m512i mark_missing(__m512i v, int16_t least)
{
    __mmask32 is = _mm512_cmpeq_epi16_mask(v, _mm512_set1_epi16(least));
    return _mm512_mask_mov_epi16(v, is, _mm512_set1_epi16(INT16_MIN));
}

static __m512i even_212(__m512i v)
{
    return mark_missing(_mm512_srai_epi16(_mm512_slli_epi16(v, 4), 4), -2048);
}

static __m512i odd_212(__m512i v)
{
    const __m512i low = _mm512_set1_epi16(0xff);
    __m512i high = _mm512_andnot_si512(low, _mm512_srai_epi16(v, 4));
    return mark_missing(_mm512_or_si512(high, _mm512_and_si512(v, low)), -2048);
}

static void u212(const uint8_t *p, size_t n, int16_t *out)
{
    uint8_t place[64];
    for (unsigned i = 0; i < 16; i++) {
        place[4 * i] = (uint8_t)(3 * i);
        place[4 * i + 1] = place[4 * i + 3] = (uint8_t)(3 * i + 1);
        place[4 * i + 2] = (uint8_t)(3 * i + 2);
    }
    const __m512i order = _mm512_loadu_si512(place);
    size_t i = 0;
    for (; i + 32 <= n; i += 32, p += 48) {
        __m512i v = _mm512_permutexvar_epi8(order, _mm512_maskz_loadu_epi8(0xffffffffffffULL, p));
        v = _mm512_mask_mov_epi16(even_212(v), 0xaaaaaaaa, odd_212(v));
        _mm512_storeu_si512(out + i, v);
    }
    ecg_unpack_avx2.u212(p, n - i, out + i);
}

static void u212_2(const uint8_t *p, size_t n, int16_t *a, int16_t *b)
{
    uint8_t evens[64];
    uint8_t odds[64];
    for (unsigned i = 0; i < 32; i++) { /* the upper 48 bytes are numbered from 64 on */
        unsigned at = i < 16 ? 3 * i : 64 + 3 * (i - 16);
        evens[2 * i] = (uint8_t)at;
        evens[2 * i + 1] = odds[2 * i + 1] = (uint8_t)(at + 1);
        odds[2 * i] = (uint8_t)(at + 2);
    }
    const __m512i even = _mm512_loadu_si512(evens);
    const __m512i odd = _mm512_loadu_si512(odds);
    size_t i = 0;
    for (; i + 32 <= n; i += 32, p += 96) {
        __m512i low = _mm512_maskz_loadu_epi8(0xffffffffffffULL, p);
        __m512i high = _mm512_maskz_loadu_epi8(0xffffffffffffULL, p + 48);
        _mm512_storeu_si512(a + i, even_212(_mm512_permutex2var_epi8(low, even, high)));
        _mm512_storeu_si512(b + i, odd_212(_mm512_permutex2var_epi8(low, odd, high)));
    }
    ecg_unpack_avx2.u212_2(p, n - i, a + i, b + i);
}

const struct ecg_unpack ecg_unpack_avx512 = {.u212 = u212, .u212_2 = u212_2};
