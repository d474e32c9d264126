/* Every form of the kernels against the scalar one, at guard pages. */
#include "ecg/ecg_crc.h"
#include "ecg/ecg_digits.h"
#include "ecg/ecg_unpack.h"
#include "simd_fixture.h"

#include <stdlib.h>

enum { SIZES = 150 };

struct stream_kernel {
    const char *name;
    size_t offset; /* of the function in struct ecg_unpack */
    size_t group;  /* samples */
    size_t bytes;  /* of a group */
};

static const struct stream_kernel streams[] = {
    {"212", offsetof(struct ecg_unpack, u212), 2, 3},
    {"310", offsetof(struct ecg_unpack, u310), 3, 4},
    {"311", offsetof(struct ecg_unpack, u311), 3, 4},
    {"80", offsetof(struct ecg_unpack, u80), 1, 1},
    {"61", offsetof(struct ecg_unpack, u61), 1, 2},
    {"160", offsetof(struct ecg_unpack, u160), 1, 2},
};

typedef void stream_fn(const uint8_t *p, size_t n, int16_t *out);

static stream_fn *stream_of(const struct ecg_unpack *u, const struct stream_kernel *k)
{
    stream_fn *fn;
    memcpy(&fn, (const char *)u + k->offset, sizeof fn);
    return fn;
}

START_TEST(streams_equal_the_scalar_form)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    struct ecg_unpack u;
    ecg_unpack_choose(level, &u);
    for (size_t k = 0; simd_has(level) && k < sizeof streams / sizeof *streams; k++)
        for (size_t groups = 0; groups < SIZES; groups++) {
            const struct stream_kernel *s = &streams[k];
            size_t n = groups * s->group;
            struct guarded in = guarded_new(groups * s->bytes);
            struct guarded want = guarded_new(n * sizeof(int16_t));
            struct guarded out = guarded_new(n * sizeof(int16_t));
            guarded_fill(&in, (uint32_t)(groups + 7 * k));
            stream_of(&ecg_unpack_scalar, s)(in.p, n, (int16_t *)(void *)want.p);
            stream_of(&u, s)(in.p, n, (int16_t *)(void *)out.p);
            ck_assert_msg(memcmp(want.p, out.p, want.n) == 0, "format %s, %zu samples", s->name, n);
            guarded_free(&in);
            guarded_free(&want);
            guarded_free(&out);
        }
}
END_TEST

static void split(const struct ecg_unpack *u, const struct guarded *in, size_t n, size_t channels,
                  bool packed, struct guarded *planes, struct ecg_tally *t)
{
    int16_t *out[32];
    for (size_t c = 0; c < channels; c++) {
        planes[c] = guarded_new(n * sizeof(int16_t));
        out[c] = (int16_t *)(void *)planes[c].p;
    }
    if (packed && channels == 2)
        u->u212_2(in->p, n, out[0], out[1], t);
    else if (packed)
        u->u212_3(in->p, n, out, t);
    else
        u->split16(in->p, n, channels, out, t);
}

static void compare_split(enum ecg_simd level, size_t n, size_t channels, bool packed)
{
    struct ecg_unpack u;
    struct guarded want[32];
    struct guarded got[32];
    struct ecg_tally tallies[2][32] = {0};
    struct guarded in = guarded_new(packed ? (3 * n * channels + 1) / 2 : 2 * n * channels);
    ecg_unpack_choose(level, &u);
    guarded_fill(&in, (uint32_t)(n + channels));
    split(&ecg_unpack_scalar, &in, n, channels, packed, want, tallies[0]);
    split(&u, &in, n, channels, packed, got, tallies[1]);
    ck_assert_mem_eq(tallies[0], tallies[1], sizeof *tallies);
    for (size_t c = 0; c < channels; c++) {
        ck_assert_msg(memcmp(want[c].p, got[c].p, got[c].n) == 0, "channel %zu of %zu, %zu frames",
                      c, channels, n);
        guarded_free(&want[c]);
        guarded_free(&got[c]);
    }
    guarded_free(&in);
}

START_TEST(channels_are_parted_as_by_the_scalar_form)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    for (size_t n = 0; simd_has(level) && n < SIZES; n++) {
        compare_split(level, n, 2, true);
        compare_split(level, n, 3, true);
        compare_split(level, n + 2048, 3, true);
        if (n < 70)
            for (size_t channels = 1; channels <= 18; channels++)
                compare_split(level, n, channels, false);
    }
}
END_TEST

START_TEST(samples_of_24_bits_equal_the_scalar_form)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    struct ecg_unpack u;
    ecg_unpack_choose(level, &u);
    for (size_t n = 0; simd_has(level) && n < SIZES; n++) {
        struct guarded in = guarded_new(3 * n);
        struct guarded want = guarded_new(n * sizeof(int32_t));
        struct guarded out = guarded_new(n * sizeof(int32_t));
        guarded_fill(&in, (uint32_t)n);
        bool wide[2] = {false, false};
        struct ecg_tally t[2] = {0};
        if (n % 3) /* else some are beyond 16 bits */
            for (size_t i = 0; i < n; i++)
                in.p[3 * i + 2] = in.p[3 * i + 1] & 0x80 ? 0xff : 0;
        if (n % 3 == 2) /* one place after another has what is just so, or is not */
            memcpy(in.p + 3 * (n / 2), n % 2 ? "\0\x80\xff" : "\1\x80\xff", 3);
        ecg_unpack_scalar.u24(in.p, n, (int32_t *)(void *)want.p, &t[0], &wide[0]);
        u.u24(in.p, n, (int32_t *)(void *)out.p, &t[1], &wide[1]);
        ck_assert_mem_eq(&t[0], &t[1], sizeof *t);
        ck_assert_msg(wide[0] == wide[1], "%zu samples", n);
        ck_assert_msg(memcmp(want.p, out.p, want.n) == 0, "%zu samples", n);
        guarded_free(&in);
        guarded_free(&want);
        guarded_free(&out);
    }
}
END_TEST

START_TEST(sums_equal_the_scalar_form)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    struct ecg_unpack u;
    ecg_unpack_choose(level, &u);
    for (size_t n = 0; simd_has(level) && n < SIZES; n++) {
        struct guarded in = guarded_new(2 * n);
        struct ecg_tally want = {.sum = 3, .missing = 65535};
        struct ecg_tally got = want;
        guarded_fill(&in, (uint32_t)n);
        if (n > 5)
            memcpy(in.p + 4, "\0\x80", 2);
        ecg_unpack_scalar.sum16((int16_t *)(void *)in.p, n, &want);
        u.sum16((int16_t *)(void *)in.p, n, &got);
        ck_assert_mem_eq(&want, &got, sizeof want);
        guarded_free(&in);
    }
}
END_TEST

/* Long runs of the extremes, which are the first to go beyond what a place of a vector holds. */
START_TEST(long_sums_do_not_overflow)
{
    static const int16_t extremes[] = {INT16_MIN, INT16_MIN + 1, INT16_MAX};
    enum ecg_simd level = (enum ecg_simd)_i;
    const size_t n = 700001;
    struct ecg_unpack u;
    int16_t *v[2] = {malloc(n * sizeof **v), malloc(n * sizeof **v)};
    uint8_t *packed = malloc(3 * n);
    int32_t *wide = malloc(n * sizeof *wide);
    ck_assert(v[0] && v[1] && packed && wide);
    ecg_unpack_choose(level, &u);
    for (size_t k = 0; simd_has(level) && k < 3; k++) {
        struct ecg_tally t[9] = {0};
        bool missing = extremes[k] == INT16_MIN;
        bool beyond = false;
        for (size_t i = 0; i < n; i++)
            v[0][i] = extremes[k];
        u.copy16((const uint8_t *)v[0], n, v[1], &t[0]);
        u.sum16(v[0], n, &t[1]);
        u.split16((const uint8_t *)v[0], n, 1, &v[1], &t[2]);
        for (size_t i = 0; i < 3; i++) {
            ck_assert_int_eq(t[i].sum, missing ? 0 : (int64_t)n * extremes[k]);
            ck_assert_uint_eq(t[i].missing, missing ? n : 0);
        }
        memset(packed, k == 2 ? 0xff : 0, 3 * n);
        for (size_t i = 0; i < n; i++)
            packed[3 * i + 2] = k == 2 ? 0x7f : 0x80;
        u.u24(packed, n, wide, &t[3], &beyond);
        ck_assert_int_eq(t[3].sum, (int64_t)n * (k == 2 ? 8388607 : -8388608));
        /* Of 12 bits, the most negative value is missing. */
        memcpy(packed, k == 0 ? "\0\x88" : k == 1 ? "\1\x88\1" : "\xff\x77\xff", 3);
        for (size_t i = 1; i < n; i++)
            memcpy(packed + 3 * i, packed, 3);
        u.u212_2(packed, n, v[0], v[1], &t[4]);
        u.u212_3(packed, n / 3 * 2, (int16_t *const[]){v[0], v[1], (int16_t *)wide}, &t[6]);
        for (size_t i = 4; i < 9; i++) {
            size_t frames = i < 6 ? n : n / 3 * 2;
            ck_assert_int_eq(t[i].sum, (int64_t)frames * (k == 0 ? 0 : k == 1 ? -2047 : 2047));
            ck_assert_uint_eq(t[i].missing, missing ? frames : 0);
        }
    }
    free(v[0]);
    free(v[1]);
    free(packed);
    free(wide);
}
END_TEST

START_TEST(copies_and_narrowing_equal_the_scalar_form)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    struct ecg_unpack u;
    ecg_unpack_choose(level, &u);
    for (size_t n = 0; simd_has(level) && n < SIZES; n++) {
        struct guarded in = guarded_new(4 * n);
        struct guarded want = guarded_new(2 * n);
        struct guarded out = guarded_new(2 * n);
        guarded_fill(&in, (uint32_t)n);
        struct ecg_tally t[2] = {0};
        ecg_unpack_scalar.copy16(in.p, n, (int16_t *)(void *)want.p, &t[0]);
        u.copy16(in.p, n, (int16_t *)(void *)out.p, &t[1]);
        ck_assert_mem_eq(want.p, out.p, out.n);
        ck_assert_mem_eq(&t[0], &t[1], sizeof *t);
        /* One place after another has what does not fit, in the midst of what does. */
        int32_t *v = (int32_t *)(void *)in.p;
        for (size_t i = 0; i < n; i++)
            v[i] = i % 5 == 3 ? INT32_MIN : i % 2 ? INT16_MAX - (int32_t)i : (int32_t)i - INT16_MAX;
        ck_assert(u.fits16(v, n));
        static const int32_t none[] = {INT16_MIN, INT16_MAX + 1, INT16_MIN - 1, INT32_MAX, 1 << 16};
        for (size_t i = 0; i < n; i++) {
            int32_t kept = v[i];
            v[i] = none[i % 5];
            ck_assert_msg(!u.fits16(v, n), "%d at %zu of %zu", v[i], i, n);
            v[i] = kept;
        }
        ecg_unpack_scalar.narrow(v, n, (int16_t *)(void *)want.p);
        u.narrow(v, n, (int16_t *)(void *)out.p);
        ck_assert_mem_eq(want.p, out.p, out.n);
        u.narrow(v, n, (int16_t *)(void *)in.p);
        ck_assert_mem_eq(want.p, in.p, out.n);
        guarded_free(&in);
        guarded_free(&want);
        guarded_free(&out);
    }
}
END_TEST

START_TEST(voltages_equal_the_scalar_form)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    struct ecg_unpack u;
    ecg_unpack_choose(level, &u);
    for (size_t n = 0; simd_has(level) && n < SIZES; n++) {
        struct guarded in = guarded_new(2 * n);
        struct guarded want = guarded_new(4 * n);
        struct guarded out = guarded_new(4 * n);
        int16_t *v = (int16_t *)(void *)in.p;
        guarded_fill(&in, (uint32_t)n);
        for (size_t i = n % 5; i < n; i += 5)
            v[i] = INT16_MIN;
        ecg_unpack_scalar.scale16(v, n, 4.88281, -0.3, (float *)(void *)want.p);
        u.scale16(v, n, 4.88281, -0.3, (float *)(void *)out.p);
        ck_assert_mem_eq(want.p, out.p, out.n);
        guarded_free(&in);
        guarded_free(&want);
        guarded_free(&out);
    }
}
END_TEST

START_TEST(differences_are_undone_as_by_the_scalar_form)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    struct ecg_unpack u;
    ecg_unpack_choose(level, &u);
    for (size_t n = 0; simd_has(level) && n < SIZES; n++)
        for (unsigned order = 1; order <= 2; order++) {
            struct guarded want = guarded_new(n * sizeof(int32_t));
            struct guarded got = guarded_new(n * sizeof(int32_t));
            guarded_fill(&want, (uint32_t)n + order);
            memcpy(got.p, want.p, want.n);
            ecg_unpack_scalar.integrate((int32_t *)(void *)want.p, n, order);
            u.integrate((int32_t *)(void *)got.p, n, order);
            ck_assert_msg(memcmp(want.p, got.p, want.n) == 0, "%zu samples, order %u", n, order);
            guarded_free(&want);
            guarded_free(&got);
        }
}
END_TEST

START_TEST(checksums_equal_the_scalar_form)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    for (size_t n = 0; simd_has(level) && n < 400; n++) {
        struct guarded in = guarded_new(n);
        guarded_fill(&in, (uint32_t)n);
        struct base_bytes b = base_bytes_of(in.p, n);
        ck_assert_uint_eq(ecg_crc_ccitt_at(level, b), ecg_crc_ccitt_at(ECG_SIMD_SCALAR, b));
        guarded_free(&in);
    }
}
END_TEST

/* Numbers of all lengths, white space of all kinds, and now and then what is no number. */
static size_t write_list(char *to, size_t size, uint32_t seed)
{
    static const char *const between[] = {" ", " ", " ", "\n", "  ", "\r\n\t "};
    size_t n = 0;
    uint32_t x = seed * 2654435761U + 1;
    while (n + 24 < size) {
        x = x * 1664525 + 1013904223;
        unsigned digits = 1 + (x >> 8) % (seed % 3 == 0 ? 12 : 5);
        n += (size_t)snprintf(to + n, size - n, "%s%.*s%s",
                              (x >> 12) % 3 == 0    ? "-"
                              : (x >> 12) % 40 == 1 ? "+"
                                                    : "",
                              (int)digits, &"908172635432768"[(x >> 20) % 4],
                              between[(x >> 24) % 6]);
        if (seed % 7 == 5 && (x >> 9) % 97 == 0)
            to[n++] = "x-.&"[(x >> 16) % 4];
    }
    return n;
}

START_TEST(lists_of_numbers_equal_the_scalar_form)
{
    enum ecg_simd level = (enum ecg_simd)_i;
    static char list[4096];
    for (uint32_t seed = 0; simd_has(level) && seed < 400; seed++) {
        size_t n = write_list(list, 40 + seed * 10 % (sizeof list - 40), seed);
        size_t cut = seed * 7919 % (n + 1);
        struct ecg_digits d[2] = {{0}, {0}};
        enum base_err err = BASE_OK;
        for (size_t k = 0; k < 2; k++) {
            enum ecg_simd of = k ? level : ECG_SIMD_SCALAR;
            for (size_t part = 0; part < 2; part++) {
                struct guarded g = guarded_new(part ? n - cut : cut);
                memcpy(g.p, list + (part ? cut : 0), g.n);
                ck_assert(ecg_digits_add(of, &d[k], (const char *)g.p, g.n, SIZE_MAX, &err));
                guarded_free(&g);
            }
            ecg_digits_end(&d[k]);
        }
        ck_assert_uint_eq(d[0].n, d[1].n);
        ck_assert_mem_eq(d[0].v, d[1].v, d[0].n * sizeof *d[0].v);
        ck_assert(d[0].wide == d[1].wide && d[0].bad == d[1].bad);
        ecg_digits_free(&d[0]);
        ecg_digits_free(&d[1]);
    }
}
END_TEST

START_TEST(the_scalar_form_is_what_signal_5_says)
{
    int16_t out[4];
    int16_t other[2];
    int16_t third[1];
    struct ecg_tally t[3] = {0};
    ecg_unpack_scalar.u212((const uint8_t *)"\xff\x8f\x01\x00\x08\x00", 4, out);
    ck_assert_mem_eq(out, ((const int16_t[]){-1, -2047, INT16_MIN, 0}), 8);
    ecg_unpack_scalar.u212_2((const uint8_t *)"\xff\x8f\x01\x00\x08\x00", 2, out, other, t);
    ck_assert_mem_eq(out, ((const int16_t[]){-1, INT16_MIN}), 4);
    ck_assert_mem_eq(other, ((const int16_t[]){-2047, 0}), 4);
    ck_assert(t[0].sum == -1 && t[0].missing == 1 && t[1].sum == -2047 && t[1].missing == 0);
    ecg_unpack_scalar.u212_3((const uint8_t *)"\xff\x8f\x01\x00\x08", 1,
                             (int16_t *const[]){out, other, third}, t);
    ck_assert(out[0] == -1 && other[0] == -2047 && third[0] == INT16_MIN);
    ck_assert(t[0].sum == -2 && t[1].sum == 2 * -2047 && t[2].missing == 1);
    /* s0 = 1, s1 = -1, s2 = 0x155: low five bits 10101 in w0, high ones 01010 in w1 */
    ecg_unpack_scalar.u310((const uint8_t *)"\x02\xa8\xfe\x57", 3, out);
    ck_assert_mem_eq(out, ((const int16_t[]){1, -1, 0x155}), 6);
    ecg_unpack_scalar.u311((const uint8_t *)"\x01\xfc\x0f\x20", 3, out);
    ck_assert_mem_eq(out, ((const int16_t[]){1, -1, INT16_MIN}), 6);
    ecg_unpack_scalar.u80((const uint8_t *)"\x00\x01\x80\xff", 4, out);
    ck_assert_mem_eq(out, ((const int16_t[]){INT16_MIN, -127, 0, 127}), 8);
    ecg_unpack_scalar.u61((const uint8_t *)"\x01\x02\xff\xfe", 2, out);
    ck_assert_mem_eq(out, ((const int16_t[]){0x102, -2}), 4);
    ecg_unpack_scalar.u160((const uint8_t *)"\x00\x80\xff\xff", 2, out);
    ck_assert_mem_eq(out, ((const int16_t[]){0, 32767}), 4);
    int32_t wide[3];
    bool beyond = false;
    ecg_unpack_scalar.u24((const uint8_t *)"\x01\x02\x03\xff\xff\xff\x00\x00\x80", 3, wide, t,
                          &beyond);
    ck_assert_mem_eq(wide, ((const int32_t[]){0x30201, -1, -8388608}), 12);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_unpack");
    TCase *t = tcase_create("kernels");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_scalar_form_is_what_signal_5_says);
    tcase_add_loop_test(t, streams_equal_the_scalar_form, ECG_SIMD_SSE41, ECG_SIMD_COUNT);
    tcase_add_loop_test(t, channels_are_parted_as_by_the_scalar_form, ECG_SIMD_SSE41,
                        ECG_SIMD_COUNT);
    tcase_add_loop_test(t, samples_of_24_bits_equal_the_scalar_form, ECG_SIMD_SSE41,
                        ECG_SIMD_COUNT);
    tcase_add_loop_test(t, sums_equal_the_scalar_form, ECG_SIMD_SSE41, ECG_SIMD_COUNT);
    tcase_add_loop_test(t, long_sums_do_not_overflow, ECG_SIMD_SCALAR, ECG_SIMD_COUNT);
    tcase_add_loop_test(t, copies_and_narrowing_equal_the_scalar_form, ECG_SIMD_SCALAR,
                        ECG_SIMD_COUNT);
    tcase_add_loop_test(t, voltages_equal_the_scalar_form, ECG_SIMD_SSE41, ECG_SIMD_COUNT);
    tcase_add_loop_test(t, differences_are_undone_as_by_the_scalar_form, ECG_SIMD_SSE41,
                        ECG_SIMD_COUNT);
    tcase_add_loop_test(t, checksums_equal_the_scalar_form, ECG_SIMD_SSE41, ECG_SIMD_COUNT);
    tcase_add_loop_test(t, lists_of_numbers_equal_the_scalar_form, ECG_SIMD_SSE41, ECG_SIMD_COUNT);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
