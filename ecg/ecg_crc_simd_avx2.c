#include "ecg/ecg_crc.h"

#include <immintrin.h>

/* The message as a polynomial: its first byte has the highest powers. */
static __m128i load(const uint8_t *p)
{
    const __m128i reverse = _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm_shuffle_epi8(_mm_loadu_si128((const void *)p), reverse);
}

/* v moved up by the powers that the halves of k stand for, modulo the polynomial. */
static __m128i fold(__m128i v, __m128i k)
{
    return _mm_xor_si128(_mm_clmulepi64_si128(v, k, 0x00), _mm_clmulepi64_si128(v, k, 0x11));
}

size_t ecg_crc_fold_avx2(const uint8_t *p, size_t n, uint8_t out[16])
{
    /* x^512 and x^576, x^128 and x^192, modulo x^16 + x^12 + x^5 + 1. */
    const __m128i by_64 = _mm_set_epi64x(0x8832, 0x13fc);
    const __m128i by_16 = _mm_set_epi64x(0x650b, 0xaefc);
    __m128i v[4];
    for (size_t k = 0; k < 4; k++)
        v[k] = load(p + 16 * k);
    v[0] = _mm_xor_si128(v[0], _mm_set_epi64x((long long)0xffff000000000000, 0));
    size_t at = 64;
    for (; n - at >= 64; at += 64)
        for (size_t k = 0; k < 4; k++)
            v[k] = _mm_xor_si128(fold(v[k], by_64), load(p + at + 16 * k));
    for (size_t k = 0; k < 3; k++)
        v[k + 1] = _mm_xor_si128(v[k + 1], fold(v[k], by_16));
    _mm_storeu_si128((void *)out, v[3]);
    for (size_t k = 0; k < 8; k++) {
        uint8_t low = out[k];
        out[k] = out[15 - k];
        out[15 - k] = low;
    }
    return at;
}
