#include "base/sha256_simd.h"

#if defined(__x86_64__)

#include <assert.h>
#include <immintrin.h>

#define FOR_AVX512 __attribute__((target("avx512f,avx512bw")))
#define INLINE     FOR_AVX512 static inline __attribute__((always_inline))

enum { LANES = BASE_SHA256_LANES, WORDS = 16, BLOCK = 64 };

bool base_sha256_lanes_can(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

/* Rows become columns: 16 x 16 words. */
INLINE void transpose(__m512i m[WORDS])
{
    __m512i t[WORDS];
    for (int i = 0; i < WORDS; i += 2) {
        t[i] = _mm512_unpacklo_epi32(m[i], m[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(m[i], m[i + 1]);
    }
    for (int i = 0; i < WORDS; i += 4)
        for (int j = 0; j < 2; j++) {
            m[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + 2 + j]);
            m[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + 2 + j]);
        }
    /* m[4 k + j] holds of rows 4 k to 4 k + 3 the words j, 4 + j, 8 + j, 12 + j, one in each
     * quarter. */
    for (int j = 0; j < 4; j++) {
        t[j] = _mm512_shuffle_i32x4(m[j], m[4 + j], 0x88);
        t[4 + j] = _mm512_shuffle_i32x4(m[j], m[4 + j], 0xdd);
        t[8 + j] = _mm512_shuffle_i32x4(m[8 + j], m[12 + j], 0x88);
        t[12 + j] = _mm512_shuffle_i32x4(m[8 + j], m[12 + j], 0xdd);
    }
    for (int j = 0; j < 4; j++) {
        m[j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0x88);
        m[8 + j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0xdd);
        m[4 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0x88);
        m[12 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0xdd);
    }
}

INLINE __m512i xor3(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}

#define ROR(x, n) _mm512_ror_epi32(x, n)
#define ADD(a, b) _mm512_add_epi32(a, b)

/* One round; the caller names the variables one further with each, so nothing is moved. */
#define ROUND(a, b, c, d, e, f, g, h, w, k)                                                        \
    do {                                                                                           \
        __m512i t1 = ADD(ADD(h, ADD(w, _mm512_set1_epi32((int)(k)))),                              \
                         ADD(xor3(ROR(e, 6), ROR(e, 11), ROR(e, 25)),                              \
                             _mm512_ternarylogic_epi32(e, f, g, 0xca)));                           \
        d = ADD(d, t1);                                                                            \
        h = ADD(t1, ADD(xor3(ROR(a, 2), ROR(a, 13), ROR(a, 22)),                                   \
                        _mm512_ternarylogic_epi32(a, b, c, 0xe8)));                                \
    } while (0)

/* FIPS 180-4 6.2.2: the word of 16 rounds later takes the place of w[i]. */
INLINE void extend(__m512i w[WORDS], int i)
{
    __m512i w1 = w[(i + 1) & 15];
    __m512i w14 = w[(i + 14) & 15];
    __m512i s0 = xor3(ROR(w1, 7), ROR(w1, 18), _mm512_srli_epi32(w1, 3));
    __m512i s1 = xor3(ROR(w14, 17), ROR(w14, 19), _mm512_srli_epi32(w14, 10));
    w[i] = ADD(ADD(w[i], s0), ADD(w[(i + 9) & 15], s1));
}

INLINE void load_words(const uint8_t *const *p, size_t at, __m512i w[WORDS])
{
    const __m512i big_endian =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
    for (int i = 0; i < LANES; i++)
        w[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(p[i] + at), big_endian);
    transpose(w);
}

/* The words of the states, one register each; lanes without a stream have no state. */
INLINE void load_states(uint32_t *const *state, size_t n, __m512i s[WORDS])
{
    for (size_t i = 0; i < LANES; i++)
        s[i] = i < n ? _mm512_castsi256_si512(_mm256_loadu_si256((const void *)state[i]))
                     : _mm512_setzero_si512();
    transpose(s);
}

INLINE void store_states(__m512i s[WORDS], uint32_t *const *state, size_t n)
{
    transpose(s);
    for (size_t i = 0; i < n; i++)
        _mm256_storeu_si256((void *)state[i], _mm512_castsi512_si256(s[i]));
}

FOR_AVX512 void base_sha256_lanes(uint32_t *const *state, const uint8_t *const *bytes, size_t n,
                                  size_t blocks)
{
    const uint32_t *k = base_sha256_constants;
    const uint8_t *p[LANES];
    __m512i s[WORDS];
    assert(n > 0 && n <= LANES);
    for (size_t i = 0; i < LANES; i++)
        p[i] = bytes[i < n ? i : 0];
    load_states(state, n, s);
    for (size_t at = 0; at < blocks * BLOCK; at += BLOCK) {
        __m512i w[WORDS];
        __m512i a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
        load_words(p, at, w);
#define EIGHT(t, i)                                                                                \
    ROUND(a, b, c, d, e, f, g, h, w[(i) + 0], k[(t) + (i) + 0]);                                   \
    ROUND(h, a, b, c, d, e, f, g, w[(i) + 1], k[(t) + (i) + 1]);                                   \
    ROUND(g, h, a, b, c, d, e, f, w[(i) + 2], k[(t) + (i) + 2]);                                   \
    ROUND(f, g, h, a, b, c, d, e, w[(i) + 3], k[(t) + (i) + 3]);                                   \
    ROUND(e, f, g, h, a, b, c, d, w[(i) + 4], k[(t) + (i) + 4]);                                   \
    ROUND(d, e, f, g, h, a, b, c, w[(i) + 5], k[(t) + (i) + 5]);                                   \
    ROUND(c, d, e, f, g, h, a, b, w[(i) + 6], k[(t) + (i) + 6]);                                   \
    ROUND(b, c, d, e, f, g, h, a, w[(i) + 7], k[(t) + (i) + 7])
        EIGHT(0, 0);
        EIGHT(0, 8);
        for (int t = 16; t < 64; t += 16) {
            for (int i = 0; i < WORDS; i++)
                extend(w, i);
            EIGHT(t, 0);
            EIGHT(t, 8);
        }
#undef EIGHT
        s[0] = ADD(s[0], a), s[1] = ADD(s[1], b), s[2] = ADD(s[2], c), s[3] = ADD(s[3], d);
        s[4] = ADD(s[4], e), s[5] = ADD(s[5], f), s[6] = ADD(s[6], g), s[7] = ADD(s[7], h);
    }
    store_states(s, state, n);
}

#else

bool base_sha256_lanes_can(void)
{
    return false;
}

void base_sha256_lanes(uint32_t *const *state, const uint8_t *const *bytes, size_t n, size_t blocks)
{
    (void)state, (void)bytes, (void)n, (void)blocks;
}

#endif
