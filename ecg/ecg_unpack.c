#include "ecg/ecg_unpack.h"

#include "base/bytes.h"

#include <math.h>

/* The n low bits, sign extended; their most negative value is a missing sample. */
static int16_t sample(unsigned bits, unsigned n)
{
    unsigned sign = 1U << (n - 1);
    bits &= 2 * sign - 1;
    return bits == sign ? INT16_MIN : (int16_t)((int)(bits ^ sign) - (int)sign);
}

static void u212(const uint8_t *p, size_t n, int16_t *out)
{
    for (size_t i = 0; i + 1 < n; i += 2, p += 3) {
        out[i] = sample(p[0] | (unsigned)(p[1] & 15) << 8, 12);
        out[i + 1] = sample(p[2] | (unsigned)(p[1] >> 4) << 8, 12);
    }
}

static void add_to(struct ecg_tally *t, int16_t v)
{
    t->sum += v == INT16_MIN ? 0 : v;
    t->missing += v == INT16_MIN;
}

static void u212_2(const uint8_t *p, size_t n, int16_t *a, int16_t *b, struct ecg_tally *t)
{
    for (size_t i = 0; i < n; i++, p += 3) {
        a[i] = sample(p[0] | (unsigned)(p[1] & 15) << 8, 12);
        b[i] = sample(p[2] | (unsigned)(p[1] >> 4) << 8, 12);
        add_to(&t[0], a[i]);
        add_to(&t[1], b[i]);
    }
}

static void u212_3(const uint8_t *p, size_t n, int16_t *const *out, struct ecg_tally *t)
{
    for (size_t i = 0; i < 3 * n; i++) {
        const uint8_t *pair = p + i / 2 * 3;
        unsigned bits = i % 2 ? pair[2] | (unsigned)(pair[1] >> 4) << 8
                              : pair[0] | (unsigned)(pair[1] & 15) << 8;
        out[i % 3][i / 3] = sample(bits, 12);
        add_to(&t[i % 3], out[i % 3][i / 3]);
    }
}

static void u310(const uint8_t *p, size_t n, int16_t *out)
{
    for (size_t i = 0; i + 2 < n; i += 3, p += 4) {
        unsigned a = base_load_le16(p);
        unsigned b = base_load_le16(p + 2);
        out[i] = sample(a >> 1, 10);
        out[i + 1] = sample(b >> 1, 10);
        out[i + 2] = sample(a >> 11 | b >> 11 << 5, 10);
    }
}

static void u311(const uint8_t *p, size_t n, int16_t *out)
{
    for (size_t i = 0; i + 2 < n; i += 3, p += 4) {
        uint32_t v = base_load_le32(p);
        out[i] = sample(v, 10);
        out[i + 1] = sample(v >> 10, 10);
        out[i + 2] = sample(v >> 20, 10);
    }
}

static void u80(const uint8_t *p, size_t n, int16_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = sample(p[i] ^ 0x80U, 8);
}

static void u61(const uint8_t *p, size_t n, int16_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (int16_t)base_load_be16(p + 2 * i);
}

static void u160(const uint8_t *p, size_t n, int16_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (int16_t)(base_load_le16(p + 2 * i) ^ 0x8000);
}

static void u24(const uint8_t *p, size_t n, int32_t *out, struct ecg_tally *t, bool *wide)
{
    for (size_t i = 0; i < n; i++, p += 3) {
        out[i] = (int32_t)((uint32_t)p[0] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 24) >> 8;
        t->sum += out[i];
        *wide |= out[i] <= INT16_MIN || out[i] > INT16_MAX;
    }
}

static void split16(const uint8_t *p, size_t n, size_t channels, int16_t *const *out,
                    struct ecg_tally *t)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < n; i++) {
            out[c][i] = (int16_t)base_load_le16(p + 2 * (i * channels + c));
            add_to(&t[c], out[c][i]);
        }
}

static void sum16(const int16_t *p, size_t n, struct ecg_tally *t)
{
    for (size_t i = 0; i < n; i++)
        add_to(t, p[i]);
}

static void copy16(const uint8_t *p, size_t n, int16_t *out, struct ecg_tally *t)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (int16_t)base_load_le16(p + 2 * i);
        add_to(t, out[i]);
    }
}

static bool fits16(const int32_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != INT32_MIN && (p[i] <= INT16_MIN || p[i] > INT16_MAX))
            return false;
    return true;
}

/* From the front, byte by byte: in place, a sample is read before its bytes are written. */
static void narrow(const int32_t *p, size_t n, int16_t *out)
{
    for (size_t i = 0; i < n; i++) {
        int32_t v;
        memcpy(&v, (const char *)p + i * sizeof v, sizeof v);
        int16_t small = v == INT32_MIN ? INT16_MIN : (int16_t)v;
        memcpy((char *)out + i * sizeof small, &small, sizeof small);
    }
}

/* Unsigned, so that damaged data wrap instead of being undefined. */
static void integrate(int32_t *p, size_t n, unsigned order)
{
    uint32_t v = n > 0 ? (uint32_t)p[0] : 0;
    if (order == 1) {
        for (size_t i = 1; i < n; i++)
            p[i] = (int32_t)(v += (uint32_t)p[i]);
    } else if (n > 1) {
        uint32_t step = (uint32_t)p[1] - v;
        v = (uint32_t)p[1];
        for (size_t i = 2; i < n; i++) {
            step += (uint32_t)p[i];
            p[i] = (int32_t)(v += step);
        }
    }
}

static void scale16(const int16_t *p, size_t n, double uv, double zero, float *out)
{
    for (size_t i = 0; i < n; i++) {
        float v = (float)(p[i] * uv + zero);
        out[i] = p[i] == ECG_SAMPLE_NONE16 ? NAN : v;
    }
}

const struct ecg_unpack ecg_unpack_scalar = {.u212 = u212,
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
                                             .scale16 = scale16,
                                             .integrate = integrate};

static void overlay(struct ecg_unpack *to, const struct ecg_unpack *better)
{
#define ECG_UNPACK_TAKE(name)                                                                      \
    if (better->name)                                                                              \
    to->name = better->name
    ECG_UNPACK_TAKE(u212);
    ECG_UNPACK_TAKE(u310);
    ECG_UNPACK_TAKE(u311);
    ECG_UNPACK_TAKE(u80);
    ECG_UNPACK_TAKE(u61);
    ECG_UNPACK_TAKE(u160);
    ECG_UNPACK_TAKE(u24);
    ECG_UNPACK_TAKE(u212_2);
    ECG_UNPACK_TAKE(u212_3);
    ECG_UNPACK_TAKE(split16);
    ECG_UNPACK_TAKE(sum16);
    ECG_UNPACK_TAKE(copy16);
    ECG_UNPACK_TAKE(fits16);
    ECG_UNPACK_TAKE(narrow);
    ECG_UNPACK_TAKE(scale16);
    ECG_UNPACK_TAKE(integrate);
#undef ECG_UNPACK_TAKE
}

void ecg_unpack_choose(enum ecg_simd level, struct ecg_unpack *out)
{
    *out = ecg_unpack_scalar;
#if ECG_SIMD_X86
    if (level >= ECG_SIMD_SSE41)
        overlay(out, &ecg_unpack_sse41);
    if (level >= ECG_SIMD_AVX2)
        overlay(out, &ecg_unpack_avx2);
    if (level >= ECG_SIMD_AVX512)
        overlay(out, &ecg_unpack_avx512);
#else
    (void)level;
    (void)overlay;
#endif
}
