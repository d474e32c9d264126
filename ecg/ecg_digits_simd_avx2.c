#include "ecg/ecg_digits.h"

#include <immintrin.h>

/* A bit for each of 32 characters that is white space. */
static uint32_t spaces(const char *s)
{
    __m256i v = _mm256_loadu_si256((const void *)s);
    __m256i blank = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(' ')),
                                    _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\t')));
    __m256i end = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\n')),
                                  _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\r')));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(blank, end));
}

/* The number of n digits, 1 to 8, that ends before `end`; eight characters before that may
 * be read. False: not all are digits. */
static bool number_before(const char *end, size_t n, int32_t *out)
{
    uint64_t t;
    unsigned others = (unsigned)(64 - 8 * n);
    memcpy(&t, end - 8, sizeof t);
    t = (t ^ UINT64_C(0x3030303030303030)) >> others << others;
    if (((t + UINT64_C(0x7676767676767676)) | t) & UINT64_C(0x8080808080808080))
        return false;
    /* The first digit is in the lowest byte: pairs, then fours, then all. */
    t = (t * 10 + (t >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    t = (t * 100 + (t >> 16)) & UINT64_C(0x0000ffff0000ffff);
    *out = (int32_t)((t * 10000 + (t >> 32)) & 0xffffffff);
    return true;
}

/* 64 characters at a time: a number begins behind white space, and ends before it. */
size_t ecg_digits_take_avx2(const char *s, size_t at, size_t n, struct ecg_digits_run *run)
{
    if (at < 8)
        at = ecg_digits_take(s, at, n < 24 ? n : 24, run);
    if (at < 8)
        return at;
    int32_t *out = run->out + run->n;
    bool wide = run->wide;
    bool plain = true;
    uint64_t blank_before = 1; /* the character before the block is one */
    for (size_t block = at; plain && n - block >= 64; block += 64) {
        uint64_t blank = spaces(s + block) | (uint64_t)spaces(s + block + 32) << 32;
        uint64_t behind = blank << 1 | blank_before;
        uint64_t begins = behind & ~blank;
        uint64_t ends = blank & ~behind;
        if (blank_before) {
            at = block + _tzcnt_u64(begins); /* the next block, when there is none */
            begins = _blsr_u64(begins);
        }
        for (; ends; ends = _blsr_u64(ends)) {
            size_t end = block + _tzcnt_u64(ends);
            size_t minus = s[at] == '-';
            size_t digits = end - at - minus;
            int32_t v;
            plain = digits - 1 < 8 && number_before(s + end, digits, &v);
            if (!plain)
                break;
            v = (v ^ -(int32_t)minus) + (int32_t)minus;
            wide |= v <= INT16_MIN || v > INT16_MAX;
            *out++ = v;
            at = block + _tzcnt_u64(begins);
            begins = _blsr_u64(begins);
        }
        blank_before = blank >> 63;
    }
    run->n = (size_t)(out - run->out);
    run->wide = wide;
    return at;
}
