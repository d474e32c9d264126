#include "ecg/ecg_digits.h"

#include <immintrin.h>

/* A bit for each of 64 characters that is white space. */
static uint64_t spaces(__m512i text)
{
    return _mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8(' ')) |
           _mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8('\n')) |
           _mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8('\t')) |
           _mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8('\r'));
}

/* Which characters of the text are at these places: a bit for each. As bytes, in order. */
static __m128i places_of(uint64_t bits)
{
    static const uint8_t numbers[64] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    return _mm512_castsi512_si128(_mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(numbers)));
}

/* The low byte of each quad word to all of it. */
static __m512i spread(__m128i bytes)
{
    const __m512i first = _mm512_set_epi64(0x0808080808080808, 0, 0x0808080808080808, 0,
                                           0x0808080808080808, 0, 0x0808080808080808, 0);
    return _mm512_shuffle_epi8(_mm512_cvtepu8_epi64(bytes), first);
}

/* Eight numbers, which end before the places `to` and have so many digits; *plain: those that have
 * 1 to 8, and nothing else. */
static __m256i numbers_before(__m512i text, __m128i to, __m128i digits, __mmask8 *plain)
{
    const __m512i eight = _mm512_set1_epi64(8);
    const __m512i back = _mm512_set1_epi64((int64_t)0xfffefdfcfbfaf9f8);
    const __m512i least = _mm512_set1_epi64(0x0102030405060708); /* digits to have this one */
    __m512i count = spread(digits);
    __m512i v = _mm512_permutexvar_epi8(_mm512_add_epi8(spread(to), back), text);
    v = _mm512_maskz_sub_epi8(_mm512_cmple_epu8_mask(least, count), v, _mm512_set1_epi8('0'));
    __m512i others = _mm512_subs_epu8(v, _mm512_set1_epi8(9));
    __m512i wrong = _mm512_sub_epi64(_mm512_cvtepu8_epi64(digits), _mm512_set1_epi64(1));
    *plain = _mm512_testn_epi64_mask(others, others) & _mm512_cmplt_epu64_mask(wrong, eight);
    /* Pairs, then fours, then all. */
    v = _mm512_maddubs_epi16(v, _mm512_set1_epi16(0x010a));
    v = _mm512_madd_epi16(v, _mm512_set1_epi32(0x00010064));
    v = _mm512_madd_epi16(v, _mm512_set1_epi64(0x0000000100002710));
    return _mm512_cvtepi64_epi32(_mm512_add_epi64(v, _mm512_srli_epi64(v, 32)));
}

/* 64 characters at a time, of which up to 16 numbers that end in them are taken, and what is left
 * comes with the next. Room for so many is there: they have two characters each. */
size_t ecg_digits_take_avx512(const char *s, size_t at, size_t n, struct ecg_digits_run *run)
{
    enum { BLOCK = 64, MOST = 16 };
    const __m512i most = _mm512_set1_epi32(INT16_MAX);
    const __m512i range = _mm512_set1_epi32(2 * INT16_MAX);
    while (n - at >= BLOCK) {
        __m512i text = _mm512_loadu_si512(s + at);
        uint64_t blank = spaces(text);
        uint64_t behind = blank << 1 | 1; /* what is taken ended with white space */
        uint64_t begins = _pdep_u64((1 << MOST) - 1, behind & ~blank);
        uint64_t ends = _pdep_u64((1 << MOST) - 1, blank & ~behind);
        if (!ends) {
            size_t first = begins ? _tzcnt_u64(begins) : BLOCK;
            if (first == 0)
                break;
            at += first;
            continue;
        }
        __mmask16 minus =
            (__mmask16)_pext_u64(_mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8('-')), begins);
        __m128i to = places_of(ends);
        __m128i digits = _mm_sub_epi8(to, places_of(begins));
        digits = _mm_mask_sub_epi8(digits, minus, digits, _mm_set1_epi8(1));
        __mmask8 plain[2];
        __m256i low = numbers_before(text, to, digits, &plain[0]);
        __m256i high =
            numbers_before(text, _mm_srli_si128(to, 8), _mm_srli_si128(digits, 8), &plain[1]);
        __m512i v = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        v = _mm512_mask_sub_epi32(v, minus, _mm512_setzero_si512(), v);
        size_t there = (size_t)_mm_popcnt_u64(ends);
        size_t taken = _tzcnt_u32(~(uint32_t)(plain[0] | plain[1] << 8));
        taken = taken < there ? taken : there;
        __mmask16 of = (__mmask16)((1U << taken) - 1);
        _mm512_storeu_si512(run->out + run->n, v);
        run->wide |= _mm512_mask_cmpgt_epu32_mask(of, _mm512_add_epi32(v, most), range) != 0;
        run->n += taken;
        if (taken < there)
            return at + _tzcnt_u64(_pdep_u64((uint64_t)1 << taken, begins));
        at += BLOCK - 1 - (size_t)__builtin_clzll(ends);
    }
    return at;
}
