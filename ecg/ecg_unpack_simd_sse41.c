#include "ecg/ecg_unpack.h"

#include <immintrin.h>

/* Each kernel does whole vectors as long as a full load stays inside what it was
 * given, and leaves the rest to the scalar form. */

static __m128i load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static void store(int16_t *p, __m128i v)
{
    _mm_storeu_si128((void *)p, v);
}

/* The most negative value of a narrow format becomes the one of 16 bits: they
 * differ in the bits of `flip`. */
static __m128i mark_missing(__m128i v, int16_t least)
{
    __m128i flip = _mm_set1_epi16((int16_t)(least ^ INT16_MIN));
    return _mm_xor_si128(v, _mm_and_si128(_mm_cmpeq_epi16(v, _mm_set1_epi16(least)), flip));
}

/* Words (b0, b1) to the low 12 bits, sign extended. */
static __m128i even_212(__m128i v)
{
    return mark_missing(_mm_srai_epi16(_mm_slli_epi16(v, 4), 4), -2048);
}

/* Words (b2, b1) to b2 and the high nibble of b1, sign extended. */
static __m128i odd_212(__m128i v)
{
    const __m128i low = _mm_set1_epi16(0xff);
    __m128i high = _mm_andnot_si128(low, _mm_srai_epi16(v, 4));
    return mark_missing(_mm_or_si128(high, _mm_and_si128(v, low)), -2048);
}

static void u212(const uint8_t *p, size_t n, int16_t *out)
{
    const __m128i order = _mm_setr_epi8(0, 1, 2, 1, 3, 4, 5, 4, 6, 7, 8, 7, 9, 10, 11, 10);
    size_t i = 0;
    for (; i + 12 <= n; i += 8, p += 12) { /* reads 16 bytes */
        __m128i v = _mm_shuffle_epi8(load(p), order);
        store(out + i, _mm_blend_epi16(even_212(v), odd_212(v), 0xaa));
    }
    ecg_unpack_scalar.u212(p, n - i, out + i);
}

static void u212_2(const uint8_t *p, size_t n, int16_t *a, int16_t *b)
{
    const __m128i order = _mm_setr_epi8(0, 1, 3, 4, 6, 7, 9, 10, 2, 1, 5, 4, 8, 7, 11, 10);
    size_t i = 0;
    for (; i + 10 <= n; i += 8, p += 24) { /* reads 28 bytes */
        __m128i one = _mm_shuffle_epi8(load(p), order);
        __m128i two = _mm_shuffle_epi8(load(p + 12), order);
        store(a + i, even_212(_mm_unpacklo_epi64(one, two)));
        store(b + i, odd_212(_mm_unpackhi_epi64(one, two)));
    }
    ecg_unpack_scalar.u212_2(p, n - i, a + i, b + i);
}

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

static void u80(const uint8_t *p, size_t n, int16_t *out)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_xor_si128(load(p + i), _mm_set1_epi8((char)0x80));
        store(out + i, mark_missing(_mm_cvtepi8_epi16(v), -128));
        store(out + i + 8, mark_missing(_mm_cvtepi8_epi16(_mm_srli_si128(v, 8)), -128));
    }
    ecg_unpack_scalar.u80(p + i, n - i, out + i);
}

static void u61(const uint8_t *p, size_t n, int16_t *out)
{
    const __m128i swap = _mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        store(out + i, _mm_shuffle_epi8(load(p + 2 * i), swap));
    ecg_unpack_scalar.u61(p + 2 * i, n - i, out + i);
}

static void u160(const uint8_t *p, size_t n, int16_t *out)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        store(out + i, _mm_xor_si128(load(p + 2 * i), _mm_set1_epi16(INT16_MIN)));
    ecg_unpack_scalar.u160(p + 2 * i, n - i, out + i);
}

static void u24(const uint8_t *p, size_t n, int32_t *out)
{
    const __m128i order = _mm_setr_epi8(-1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11);
    size_t i = 0;
    for (; i + 6 <= n; i += 4) { /* reads 16 bytes */
        __m128i v = _mm_shuffle_epi8(load(p + 3 * i), order);
        _mm_storeu_si128((void *)(out + i), _mm_srai_epi32(v, 8));
    }
    ecg_unpack_scalar.u24(p + 3 * i, n - i, out + i);
}

/* Rows of 8 words to columns. */
static void transpose_8(__m128i r[8])
{
    __m128i a[8];
    __m128i b[8];
    for (int i = 0; i < 4; i++) {
        a[2 * i] = _mm_unpacklo_epi16(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = _mm_unpackhi_epi16(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        b[4 * i] = _mm_unpacklo_epi32(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = _mm_unpackhi_epi32(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = _mm_unpacklo_epi32(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = _mm_unpackhi_epi32(a[4 * i + 1], a[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        r[2 * i] = _mm_unpacklo_epi64(b[i], b[i + 4]);
        r[2 * i + 1] = _mm_unpackhi_epi64(b[i], b[i + 4]);
    }
}

static size_t split_2(const uint8_t *p, size_t n, int16_t *const *out)
{
    const __m128i order = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i one = _mm_shuffle_epi8(load(p + 4 * i), order);
        __m128i two = _mm_shuffle_epi8(load(p + 4 * i + 16), order);
        store(out[0] + i, _mm_unpacklo_epi64(one, two));
        store(out[1] + i, _mm_unpackhi_epi64(one, two));
    }
    return i;
}

/* 8 channels from `first` on, or what there are. */
static void split_8(const uint8_t *p, size_t n, size_t channels, size_t first, int16_t *const *out)
{
    size_t wide = channels - first < 8 ? channels - first : 8;
    size_t frame = 2 * channels;
    size_t end = n * frame;
    size_t i = 0;
    for (; i + 8 <= n && (i + 7) * frame + 2 * first + 16 <= end; i += 8) {
        __m128i r[8];
        for (size_t k = 0; k < 8; k++)
            r[k] = load(p + (i + k) * frame + 2 * first);
        transpose_8(r);
        for (size_t c = 0; c < wide; c++)
            store(out[first + c] + i, r[c]);
    }
    for (size_t c = first; c < first + wide; c++)
        for (size_t k = i; k < n; k++) {
            const uint8_t *at = p + k * frame + 2 * c;
            out[c][k] = (int16_t)(at[0] | at[1] << 8);
        }
}

static void split16(const uint8_t *p, size_t n, size_t channels, int16_t *const *out)
{
    if (channels == 2) {
        size_t done = split_2(p, n, out);
        int16_t *const rest[] = {out[0] + done, out[1] + done};
        ecg_unpack_scalar.split16(p + 4 * done, n - done, 2, rest);
        return;
    }
    /* The last eight may overlap those before: they get the same values again. */
    size_t first = 0;
    for (; first + 8 < channels; first += 8)
        split_8(p, n, channels, first, out);
    split_8(p, n, channels, channels > 8 ? channels - 8 : 0, out);
}

static void sum16(const int16_t *p, size_t n, uint16_t *sum, uint16_t *missing)
{
    __m128i s = _mm_setzero_si128();
    __m128i m = s;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i v = load(p + i);
        s = _mm_add_epi16(s, v);
        m = _mm_sub_epi16(m, _mm_cmpeq_epi16(v, _mm_set1_epi16(INT16_MIN)));
    }
    int16_t lanes[16];
    store(lanes, s);
    store(lanes + 8, m);
    unsigned a = 0;
    unsigned b = 0;
    for (int k = 0; k < 8; k++) {
        a += (uint16_t)lanes[k];
        b += (uint16_t)lanes[8 + k];
    }
    *sum = (uint16_t)(*sum + a);
    *missing = (uint16_t)(*missing + b);
    ecg_unpack_scalar.sum16(p + i, n - i, sum, missing);
}

const struct ecg_unpack ecg_unpack_sse41 = {.u212 = u212,
                                            .u310 = u310,
                                            .u311 = u311,
                                            .u80 = u80,
                                            .u61 = u61,
                                            .u160 = u160,
                                            .u24 = u24,
                                            .u212_2 = u212_2,
                                            .split16 = split16,
                                            .sum16 = sum16};
