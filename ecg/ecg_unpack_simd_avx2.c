#include "ecg/ecg_unpack.h"

#include <immintrin.h>

/* As in ecg_unpack_simd_sse41.c, two lanes at a time; the rest goes to that. */

static __m128i load_half(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static __m256i load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static __m256i load_two(const void *low, const void *high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load_half(low)), load_half(high), 1);
}

static void store(int16_t *p, __m256i v)
{
    _mm256_storeu_si256((void *)p, v);
}

static __m256i mark_missing(__m256i v, int16_t least)
{
    __m256i flip = _mm256_set1_epi16((int16_t)(least ^ INT16_MIN));
    __m256i is = _mm256_cmpeq_epi16(v, _mm256_set1_epi16(least));
    return _mm256_xor_si256(v, _mm256_and_si256(is, flip));
}

static __m256i even_212(__m256i v)
{
    return mark_missing(_mm256_srai_epi16(_mm256_slli_epi16(v, 4), 4), -2048);
}

static __m256i odd_212(__m256i v)
{
    const __m256i low = _mm256_set1_epi16(0xff);
    __m256i high = _mm256_andnot_si256(low, _mm256_srai_epi16(v, 4));
    return mark_missing(_mm256_or_si256(high, _mm256_and_si256(v, low)), -2048);
}

static void u212(const uint8_t *p, size_t n, int16_t *out)
{
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, 1, 3, 4, 5, 4, 6, 7, 8, 7, 9, 10, 11, 10));
    size_t i = 0;
    for (; i + 20 <= n; i += 16, p += 24) { /* reads 28 bytes */
        __m256i v = _mm256_shuffle_epi8(load_two(p, p + 12), order);
        store(out + i, _mm256_blend_epi16(even_212(v), odd_212(v), 0xaa));
    }
    ecg_unpack_sse41.u212(p, n - i, out + i);
}

static void u212_2(const uint8_t *p, size_t n, int16_t *a, int16_t *b)
{
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 3, 4, 6, 7, 9, 10, 2, 1, 5, 4, 8, 7, 11, 10));
    size_t i = 0;
    for (; i + 18 <= n; i += 16, p += 48) { /* reads 52 bytes */
        __m256i one = _mm256_shuffle_epi8(load_two(p, p + 24), order);
        __m256i two = _mm256_shuffle_epi8(load_two(p + 12, p + 36), order);
        store(a + i, even_212(_mm256_unpacklo_epi64(one, two)));
        store(b + i, odd_212(_mm256_unpackhi_epi64(one, two)));
    }
    ecg_unpack_sse41.u212_2(p, n - i, a + i, b + i);
}

static void u80(const uint8_t *p, size_t n, int16_t *out)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_xor_si128(load_half(p + i), _mm_set1_epi8((char)0x80));
        store(out + i, mark_missing(_mm256_cvtepi8_epi16(v), -128));
    }
    ecg_unpack_sse41.u80(p + i, n - i, out + i);
}

static void u61(const uint8_t *p, size_t n, int16_t *out)
{
    const __m256i swap = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        store(out + i, _mm256_shuffle_epi8(load(p + 2 * i), swap));
    ecg_unpack_sse41.u61(p + 2 * i, n - i, out + i);
}

static void u160(const uint8_t *p, size_t n, int16_t *out)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        store(out + i, _mm256_xor_si256(load(p + 2 * i), _mm256_set1_epi16(INT16_MIN)));
    ecg_unpack_sse41.u160(p + 2 * i, n - i, out + i);
}

/* Rows of 8 words to columns, in each lane. */
static void transpose_8(__m256i r[8])
{
    __m256i a[8];
    __m256i b[8];
    for (int i = 0; i < 4; i++) {
        a[2 * i] = _mm256_unpacklo_epi16(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = _mm256_unpackhi_epi16(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        b[4 * i] = _mm256_unpacklo_epi32(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = _mm256_unpackhi_epi32(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = _mm256_unpacklo_epi32(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = _mm256_unpackhi_epi32(a[4 * i + 1], a[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        r[2 * i] = _mm256_unpacklo_epi64(b[i], b[i + 4]);
        r[2 * i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 4]);
    }
}

/* 16 frames at a time: the first 8 in the low lanes. Returns how many are done. */
static size_t split_8(const uint8_t *p, size_t n, size_t channels, size_t first,
                      int16_t *const *out)
{
    size_t wide = channels - first < 8 ? channels - first : 8;
    size_t frame = 2 * channels;
    size_t i = 0;
    for (; i + 16 <= n && (i + 15) * frame + 2 * first + 16 <= n * frame; i += 16) {
        const uint8_t *at = p + i * frame + 2 * first;
        __m256i r[8];
        for (size_t k = 0; k < 8; k++)
            r[k] = load_two(at + k * frame, at + (k + 8) * frame);
        transpose_8(r);
        for (size_t c = 0; c < wide; c++)
            store(out[first + c] + i, r[c]);
    }
    return i;
}

static size_t split_2(const uint8_t *p, size_t n, int16_t *const *out)
{
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const uint8_t *at = p + 4 * i;
        __m256i one = _mm256_shuffle_epi8(load_two(at, at + 32), order);
        __m256i two = _mm256_shuffle_epi8(load_two(at + 16, at + 48), order);
        store(out[0] + i, _mm256_unpacklo_epi64(one, two));
        store(out[1] + i, _mm256_unpackhi_epi64(one, two));
    }
    return i;
}

static void split16(const uint8_t *p, size_t n, size_t channels, int16_t *const *out)
{
    enum { MOST = 256 };
    int16_t *rest[MOST];
    size_t done = n;
    if (channels > MOST) {
        ecg_unpack_scalar.split16(p, n, channels, out);
        return;
    }
    if (channels == 2) {
        done = split_2(p, n, out);
    } else {
        size_t first = 0;
        for (; first + 8 < channels; first += 8) {
            size_t k = split_8(p, n, channels, first, out);
            done = k < done ? k : done;
        }
        size_t k = split_8(p, n, channels, channels > 8 ? channels - 8 : 0, out);
        done = k < done ? k : done;
    }
    for (size_t c = 0; c < channels; c++)
        rest[c] = out[c] + done;
    ecg_unpack_sse41.split16(p + 2 * channels * done, n - done, channels, rest);
}

static void u24(const uint8_t *p, size_t n, int32_t *out)
{
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(-1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11));
    size_t i = 0;
    for (; i + 10 <= n; i += 8) { /* reads 28 bytes */
        __m256i v = _mm256_shuffle_epi8(load_two(p + 3 * i, p + 3 * i + 12), order);
        _mm256_storeu_si256((void *)(out + i), _mm256_srai_epi32(v, 8));
    }
    ecg_unpack_sse41.u24(p + 3 * i, n - i, out + i);
}

static void sum16(const int16_t *p, size_t n, uint16_t *sum, uint16_t *missing)
{
    __m256i s = _mm256_setzero_si256();
    __m256i m = s;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i v = load(p + i);
        s = _mm256_add_epi16(s, v);
        m = _mm256_sub_epi16(m, _mm256_cmpeq_epi16(v, _mm256_set1_epi16(INT16_MIN)));
    }
    int16_t lanes[32];
    store(lanes, s);
    store(lanes + 16, m);
    unsigned a = 0;
    unsigned b = 0;
    for (int k = 0; k < 16; k++) {
        a += (uint16_t)lanes[k];
        b += (uint16_t)lanes[16 + k];
    }
    *sum = (uint16_t)(*sum + a);
    *missing = (uint16_t)(*missing + b);
    ecg_unpack_scalar.sum16(p + i, n - i, sum, missing);
}

const struct ecg_unpack ecg_unpack_avx2 = {.u212 = u212,
                                           .u80 = u80,
                                           .u61 = u61,
                                           .u160 = u160,
                                           .u24 = u24,
                                           .u212_2 = u212_2,
                                           .split16 = split16,
                                           .sum16 = sum16};
