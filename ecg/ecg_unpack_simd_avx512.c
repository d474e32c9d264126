#include "ecg/ecg_unpack.h"

#include <immintrin.h>
#include <string.h>

/* Loads are masked, so that none goes past what was given. The permutations are
 * made from the place of each output byte. */

static __m512i mark_missing(__m512i v, int16_t least)
{
    __mmask32 is = _mm512_cmpeq_epi16_mask(v, _mm512_set1_epi16(least));
    return _mm512_mask_mov_epi16(v, is, _mm512_set1_epi16(INT16_MIN));
}

/* Words (b0, b1) where `left` is 4 and `low` 0: the low 12 bits; words (b2, b1) where they are 0
 * and 255: b2 and the high nibble of b1. Sign extended. */
static __m512i extend_212(__m512i v, __m512i left, __m512i low)
{
    enum { LOW_OF_A_ELSE_B = 0xe4 };
    __m512i high = _mm512_srai_epi16(_mm512_sllv_epi16(v, left), 4);
    return mark_missing(_mm512_ternarylogic_epi64(v, high, low, LOW_OF_A_ELSE_B), -2048);
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
    const __m512i left = _mm512_set1_epi32(4);
    const __m512i low = _mm512_set1_epi32(0xff0000);
    size_t i = 0;
    for (; i + 32 <= n; i += 32, p += 48) {
        __m512i v = _mm512_permutexvar_epi8(order, _mm512_maskz_loadu_epi8(0xffffffffffffULL, p));
        _mm512_storeu_si512(out + i, extend_212(v, left, low));
    }
    ecg_unpack_avx2.u212(p, n - i, out + i);
}

/* The sum of up to so many samples fits a double word. */
enum { LANES = 32, PART = 1 << 16 };

struct sums {
    __m512i sum; /* of pairs; missing ones as if they were not */
    __mmask32 missing;
};

static const struct sums no_sums = {0};

static struct sums add_words(struct sums s, __m512i v)
{
    s.sum = _mm512_add_epi32(s.sum, _mm512_madd_epi16(v, _mm512_set1_epi16(1)));
    s.missing |= _mm512_cmpeq_epi16_mask(v, _mm512_set1_epi16(INT16_MIN));
    return s;
}

/* p are the n samples, among which missing ones, being rare, are looked for only now. */
static void add_up(struct sums s, const int16_t *p, size_t n, struct ecg_tally *t)
{
    size_t missing = 0;
    for (size_t i = 0; s.missing && i < n; i++)
        missing += p[i] == INT16_MIN;
    t->sum += _mm512_reduce_add_epi32(s.sum) - (int64_t)missing * INT16_MIN;
    t->missing += missing;
}

static __mmask32 first_words(size_t n)
{
    return (1U << n) - 1;
}

static void sum16(const int16_t *p, size_t n, struct ecg_tally *t)
{
    size_t i = 0;
    while (i < n) {
        struct sums s = no_sums;
        size_t at = i;
        size_t end = n - i < PART ? n : i + PART;
        for (; i + LANES <= end; i += LANES)
            s = add_words(s, _mm512_loadu_si512(p + i));
        s = add_words(s, _mm512_maskz_loadu_epi16(first_words(end - i), p + i));
        i = end;
        add_up(s, p + at, end - at, t);
    }
}

static void copy16(const uint8_t *p, size_t n, int16_t *out, struct ecg_tally *t)
{
    size_t i = 0;
    while (i < n) {
        struct sums s = no_sums;
        size_t at = i;
        size_t end = n - i < PART ? n : i + PART;
        for (; i + LANES <= end; i += LANES) {
            __m512i v = _mm512_loadu_si512(p + 2 * i);
            _mm512_storeu_si512(out + i, v);
            s = add_words(s, v);
        }
        if (i < end) {
            __m512i last = _mm512_maskz_loadu_epi16(first_words(end - i), p + 2 * i);
            s = add_words(s, last);
            if (end >= LANES) /* a store under a mask takes longer than one over what is there */
                _mm512_storeu_si512(out + end - LANES, _mm512_loadu_si512(p + 2 * (end - LANES)));
            else
                _mm512_mask_storeu_epi16(out + i, first_words(end - i), last);
        }
        i = end;
        add_up(s, out + at, end - at, t);
    }
}

static void u212_2(const uint8_t *p, size_t n, int16_t *a, int16_t *b, struct ecg_tally *t)
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
    const __m512i none = _mm512_setzero_si512();
    const __m512i four = _mm512_set1_epi16(4);
    const __m512i byte = _mm512_set1_epi16(0xff);
    size_t i = 0;
    while (i + LANES <= n) {
        struct sums s[2] = {no_sums, no_sums};
        size_t at = i;
        for (size_t end = n - i < PART ? n : i + PART; i + LANES <= end; i += LANES, p += 96) {
            __m512i low = _mm512_maskz_loadu_epi8(0xffffffffffffULL, p);
            __m512i high = _mm512_maskz_loadu_epi8(0xffffffffffffULL, p + 48);
            __m512i first = extend_212(_mm512_permutex2var_epi8(low, even, high), four, none);
            __m512i second = extend_212(_mm512_permutex2var_epi8(low, odd, high), none, byte);
            _mm512_storeu_si512(a + i, first);
            _mm512_storeu_si512(b + i, second);
            s[0] = add_words(s[0], first);
            s[1] = add_words(s[1], second);
        }
        add_up(s[0], a + at, i - at, &t[0]);
        add_up(s[1], b + at, i - at, &t[1]);
    }
    ecg_unpack_avx2.u212_2(p, n - i, a + i, b + i, t);
}

/* 32 frames have 144 bytes: two vectors, and a third that ends with them. */
static void u212_3(const uint8_t *p, size_t n, int16_t *const *out, struct ecg_tally *t)
{
    enum { CHANNELS = 3, BYTES = 144, THIRD = BYTES - 64 };
    uint8_t places[CHANNELS][64];
    __m512i at[CHANNELS];
    __m512i later[CHANNELS];
    __mmask64 is_later[CHANNELS];
    for (unsigned c = 0; c < CHANNELS; c++) {
        for (unsigned i = 0; i < LANES; i++) {
            unsigned sample = CHANNELS * i + c;
            unsigned first = sample / 2 * 3;
            places[c][2 * i] = (uint8_t)(first + (sample % 2 ? 2 : 0));
            places[c][2 * i + 1] = (uint8_t)(first + 1);
        }
        at[c] = _mm512_loadu_si512(places[c]);
        later[c] = _mm512_sub_epi8(at[c], _mm512_set1_epi8(THIRD));
        is_later[c] = _mm512_movepi8_mask(at[c]);
    }
    const __m512i left[2] = {_mm512_set1_epi32(4), _mm512_set1_epi32(4 << 16)};
    const __m512i low[2] = {_mm512_set1_epi32(0xff << 16), _mm512_set1_epi32(0xff)};
    size_t i = 0;
    while (i + LANES <= n) {
        struct sums s[CHANNELS] = {no_sums, no_sums, no_sums};
        size_t from = i;
        for (size_t end = n - i < PART ? n : i + PART; i + LANES <= end; i += LANES, p += BYTES) {
            __m512i a = _mm512_loadu_si512(p);
            __m512i b = _mm512_loadu_si512(p + 64);
            __m512i c = _mm512_loadu_si512(p + THIRD);
            for (size_t k = 0; k < CHANNELS; k++) {
                __m512i v = _mm512_permutex2var_epi8(a, at[k], b);
                v = _mm512_mask_permutexvar_epi8(v, is_later[k], later[k], c);
                v = extend_212(v, left[k % 2], low[k % 2]);
                _mm512_storeu_si512(out[k] + i, v);
                s[k] = add_words(s[k], v);
            }
        }
        for (size_t k = 0; k < CHANNELS; k++)
            add_up(s[k], out[k] + from, i - from, &t[k]);
    }
    int16_t *const rest[CHANNELS] = {out[0] + i, out[1] + i, out[2] + i};
    ecg_unpack_avx2.u212_3(p, n - i, rest, t);
}

/* The words at `places` of so many vectors: a permutation picks by the low 5 bits, or 6 of the
 * first two. */
static inline __attribute__((always_inline)) __m512i pick(const uint8_t *p, size_t n,
                                                          __m512i places)
{
    const __m512i vectors = _mm512_srli_epi16(places, 5);
    __m512i v = _mm512_loadu_si512(p);
    v = n > 1 ? _mm512_permutex2var_epi16(v, places, _mm512_loadu_si512(p + 64))
              : _mm512_permutexvar_epi16(places, v);
    for (size_t k = 2; k < n; k++) {
        __mmask32 here = _mm512_cmpeq_epi16_mask(vectors, _mm512_set1_epi16((int16_t)k));
        v = _mm512_mask_permutexvar_epi16(v, here, places, _mm512_loadu_si512(p + 64 * k));
    }
    return v;
}

/* One channel; n is a multiple of 32, of which the frames fill a vector for each channel. */
static inline __attribute__((always_inline)) void
split_one(const uint8_t *p, size_t n, size_t channels, size_t c, int16_t *out, struct ecg_tally *t)
{
    int16_t places[LANES];
    for (size_t i = 0; i < LANES; i++)
        places[i] = (int16_t)(i * channels + c);
    const __m512i at = _mm512_loadu_si512(places);
    struct sums s = no_sums;
    for (size_t i = 0; i < n; i += LANES) {
        __m512i v = pick(p + 2 * channels * i, channels, at);
        _mm512_storeu_si512(out + i, v);
        s = add_words(s, v);
    }
    add_up(s, out, n, t);
}

static inline __attribute__((always_inline)) void
split_block(const uint8_t *p, size_t n, size_t channels, int16_t *const *out, struct ecg_tally *t)
{
    for (size_t c = 0; c < channels; c++)
        split_one(p, n, channels, c, out[c], &t[c]);
}

/* Rows of 8 words to columns, in each quarter; `half`: only the last four columns. */
static inline __attribute__((always_inline)) void columns(__m512i r[8], bool half)
{
    __m512i a[8];
    __m512i b[8];
    for (int i = 0; i < 4; i++) {
        if (!half)
            a[i] = _mm512_unpacklo_epi16(r[2 * i], r[2 * i + 1]);
        a[4 + i] = _mm512_unpackhi_epi16(r[2 * i], r[2 * i + 1]);
    }
    for (int i = half ? 2 : 0; i < 4; i++) {
        b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
    }
    for (int i = half ? 2 : 0; i < 4; i++) {
        int from = i / 2 * 4 + i % 2;
        r[2 * i] = _mm512_unpacklo_epi64(b[from], b[from + 2]);
        r[2 * i + 1] = _mm512_unpackhi_epi64(b[from], b[from + 2]);
    }
}

/* Eight channels, of which the first four are left out where `half` says so. Each quarter of a
 * vector is loaded from another frame, which takes no turns with the permutations. */
static inline __attribute__((always_inline)) void split_eight(const uint8_t *p, size_t n,
                                                              size_t channels, bool half,
                                                              int16_t *const *out,
                                                              struct ecg_tally *t)
{
    enum { QUARTERS = 4, FRAMES = LANES / QUARTERS };
    const size_t frame = 2 * channels;
    const size_t first = half ? FRAMES / 2 : 0;
    __m512i sum[FRAMES];
    __m512i least = _mm512_setzero_si512(); /* of all channels: missing ones are rare */
    for (size_t c = 0; c < FRAMES; c++)
        sum[c] = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += LANES, p += LANES * frame) {
        __m512i r[FRAMES];
        for (size_t k = 0; k < FRAMES; k++) {
            const uint8_t *at = p + k * frame;
            r[k] = _mm512_castsi128_si512(_mm_loadu_si128((const void *)at));
            for (size_t q = 1; q < QUARTERS; q++)
                r[k] = _mm512_mask_broadcast_i32x4(
                    r[k], (__mmask16)(15U << 4 * q),
                    _mm_loadu_si128((const void *)(at + q * FRAMES * frame)));
        }
        columns(r, half);
        for (size_t c = first; c < FRAMES; c++) {
            _mm512_storeu_si512(out[c] + i, r[c]);
            sum[c] = _mm512_add_epi32(sum[c], _mm512_madd_epi16(r[c], _mm512_set1_epi16(1)));
            least = _mm512_min_epi16(least, r[c]);
        }
    }
    bool any = _mm512_cmpeq_epi16_mask(least, _mm512_set1_epi16(INT16_MIN)) != 0;
    for (size_t c = first; c < FRAMES; c++)
        add_up((struct sums){sum[c], any}, out[c], n, &t[c]);
}

static void split_twelve(const uint8_t *p, size_t n, int16_t *const *out, struct ecg_tally *t)
{
    split_eight(p, n, 12, false, out, t);
    split_eight(p + 8, n, 12, true, out + 4, t + 4);
}

/* Four channels: of each 8 frames the 8 words of each at once, and those of 32 frames are put
 * together. */
static void split_four(const uint8_t *p, size_t n, int16_t *const *out, struct ecg_tally *t)
{
    int16_t places[LANES];
    int32_t pairs[LANES / 2];
    for (size_t i = 0; i < LANES; i++)
        places[i] = (int16_t)(i % 8 * 4 + i / 8);
    const __m512i at = _mm512_loadu_si512(places);
    struct sums s = no_sums; /* a quarter for each channel */
    for (size_t i = 0; i < n; i += LANES, p += 8 * LANES) {
        __m512i v[4];
        for (size_t k = 0; k < 4; k++) {
            v[k] = pick(p + 64 * k, 1, at);
            s = add_words(s, v[k]);
        }
        __m512i a = _mm512_shuffle_i64x2(v[0], v[1], 0x44);
        __m512i b = _mm512_shuffle_i64x2(v[0], v[1], 0xee);
        __m512i c = _mm512_shuffle_i64x2(v[2], v[3], 0x44);
        __m512i d = _mm512_shuffle_i64x2(v[2], v[3], 0xee);
        _mm512_storeu_si512(out[0] + i, _mm512_shuffle_i64x2(a, c, 0x88));
        _mm512_storeu_si512(out[1] + i, _mm512_shuffle_i64x2(a, c, 0xdd));
        _mm512_storeu_si512(out[2] + i, _mm512_shuffle_i64x2(b, d, 0x88));
        _mm512_storeu_si512(out[3] + i, _mm512_shuffle_i64x2(b, d, 0xdd));
    }
    _mm512_storeu_si512(pairs, s.sum);
    for (size_t c = 0; c < 4; c++) {
        struct sums own = {_mm512_setzero_si512(), s.missing >> 8 * c & 0xff};
        for (size_t k = 0; k < 4; k++)
            t[c].sum += pairs[4 * c + k];
        add_up(own, out[c], n, &t[c]);
    }
}

/* Block by block, so that what all channels are picked from stays in the first cache. The usual
 * numbers of leads are constants. */
static void split16(const uint8_t *p, size_t n, size_t channels, int16_t *const *out,
                    struct ecg_tally *t)
{
    enum { FEW = 7 /* the time grows by their square */, MOST = 12, BLOCK = 8192 /* words */ };
    int16_t *to[MOST];
    if (channels == 0 || (channels > FEW && channels != 8 && channels != 12)) {
        ecg_unpack_avx2.split16(p, n, channels, out, t);
        return;
    }
    memcpy(to, out, channels * sizeof *to);
    size_t step = BLOCK / channels / LANES * LANES;
    for (; n >= LANES; n -= step) {
        step = n < step ? n / LANES * LANES : step;
        if (channels == 3)
            split_block(p, step, 3, to, t);
        else if (channels == 4)
            split_four(p, step, to, t);
        else if (channels == 8)
            split_eight(p, step, 8, false, to, t);
        else if (channels == 12)
            split_twelve(p, step, to, t);
        else
            split_block(p, step, channels, to, t);
        p += 2 * channels * step;
        for (size_t c = 0; c < channels; c++)
            to[c] += step;
    }
    if (n)
        ecg_unpack_avx2.split16(p, n, channels, to, t);
}

static void u24(const uint8_t *p, size_t n, int32_t *out, struct ecg_tally *t, bool *wide)
{
    enum { HALF = 16, FIT = 256 * HALF /* so many sums of 24 bits fit 32 */ };
    uint8_t places[64];
    for (unsigned i = 0; i < 64; i++) /* the lowest byte goes out by the shift */
        places[i] = (uint8_t)(i / 4 * 3 + (i % 4 ? i % 4 - 1 : 0));
    const __m512i order = _mm512_loadu_si512(places);
    const __m512i most = _mm512_set1_epi32(INT16_MAX);
    const __m512i range = _mm512_set1_epi32(2 * INT16_MAX);
    __mmask16 beyond = 0;
    size_t i = 0;
    while (i + HALF <= n) {
        __m512i sum = _mm512_setzero_si512();
        for (size_t end = n - i < FIT ? n : i + FIT; i + HALF <= end; i += HALF) {
            __m512i v = _mm512_maskz_loadu_epi8(0xffffffffffffULL, p + 3 * i);
            v = _mm512_srai_epi32(_mm512_permutexvar_epi8(order, v), 8);
            _mm512_storeu_si512(out + i, v);
            beyond |= _mm512_cmpgt_epu32_mask(_mm512_add_epi32(v, most), range);
            sum = _mm512_add_epi32(sum, v);
        }
        t->sum += _mm512_reduce_add_epi64(
            _mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(sum)),
                             _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sum, 1))));
    }
    *wide |= beyond != 0;
    ecg_unpack_avx2.u24(p + 3 * i, n - i, out + i, t, wide);
}

const struct ecg_unpack ecg_unpack_avx512 = {.u212 = u212,
                                             .u24 = u24,
                                             .u212_2 = u212_2,
                                             .u212_3 = u212_3,
                                             .split16 = split16,
                                             .sum16 = sum16,
                                             .copy16 = copy16};
