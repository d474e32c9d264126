#include "ecg/ecg_scp_huffman.h"

#include "base/buf.h"
#include "simd_fixture.h"

#include <check.h>
#include <stdlib.h>

/* "1110 0" into bytes, most significant bit first, padded with zeros. */
static void add_bits(struct base_buf *b, unsigned *fill, const char *bits)
{
    for (; *bits; bits++) {
        if (*bits == ' ')
            continue;
        if (*fill % 8 == 0)
            base_buf_add_byte(b, 0);
        if (*bits == '1')
            b->p[*fill / 8] |= (uint8_t)(0x80 >> *fill % 8);
        (*fill)++;
    }
}

/* Decodes an exact copy, so that the sanitizer sees a read past the end. */
static size_t decode(const struct ecg_scp_huffman *h, const struct base_buf *b, int32_t *out,
                     size_t n)
{
    uint8_t *copy = malloc(b->n ? b->n : 1);
    ck_assert_ptr_nonnull(copy);
    if (b->n)
        memcpy(copy, b->p, b->n);
    struct ecg_scp_stream s = {.bytes = base_bytes_of(copy, b->n), .out = out, .n = n};
    ecg_scp_huffman_decode(h, ECG_SIMD_SCALAR, &s, 1);
    free(copy);
    return s.n;
}

static const struct {
    const char *bits;
    int32_t value;
} codes[] = {
    {"0", 0},
    {"100", 1},
    {"101", -1},
    {"1100", 2},
    {"1101", -2},
    {"11100", 3},
    {"11101", -3},
    {"111100", 4},
    {"111101", -4},
    {"1111100", 5},
    {"1111101", -5},
    {"11111100", 6},
    {"11111101", -6},
    {"111111100", 7},
    {"111111101", -7},
    {"1111111100", 8},
    {"1111111101", -8},
    {"1111111110 00001001", 9},
    {"1111111110 11110111", -9},
    {"1111111110 01111111", 127},
    {"1111111110 10000000", -128},
    {"1111111111 0000000010000000", 128},
    {"1111111111 0111111111111111", 32767},
    {"1111111111 1000000000000000", -32768},
};
enum { CODES = sizeof codes / sizeof *codes };

static struct ecg_scp_huffman *default_table(void)
{
    struct ecg_scp_huffman *h = NULL;
    struct base_error err;
    ck_assert_int_eq(ecg_scp_huffman_read(base_bytes_of("\x1f\x4e", 2), 0, &h, &err), BASE_OK);
    return h;
}

START_TEST(each_code_of_the_default_table_decodes)
{
    struct ecg_scp_huffman *h = default_table();
    struct base_buf b = {0};
    unsigned fill = 0;
    int32_t out[3];
    add_bits(&b, &fill, "101");
    add_bits(&b, &fill, codes[_i].bits);
    add_bits(&b, &fill, "1100");
    ck_assert_uint_eq(decode(h, &b, out, 3), 3);
    ck_assert_int_eq(out[0], -1);
    ck_assert_int_eq(out[1], codes[_i].value);
    ck_assert_int_eq(out[2], 2);
    ecg_scp_huffman_free(h);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(any_sequence_of_codes_decodes_and_stops_where_it_is_cut)
{
    enum { N = 5000 };
    struct ecg_scp_huffman *h = default_table();
    struct base_buf b = {0};
    unsigned fill = 0;
    static int32_t want[N];
    static int32_t out[N];
    uint32_t seed = 12345;
    for (size_t i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        size_t k = (seed >> 16) % CODES;
        add_bits(&b, &fill, codes[k].bits);
        want[i] = codes[k].value;
    }
    ck_assert_uint_eq(decode(h, &b, out, N), N);
    ck_assert_mem_eq(out, want, sizeof want);
    for (size_t cut = 0; cut < 60; cut++) {
        struct base_buf part = b;
        part.n = cut;
        size_t got = decode(h, &part, out, N);
        ck_assert_mem_eq(out, want, (got > 7 ? got - 7 : 0) * sizeof *out);
    }
    ecg_scp_huffman_free(h);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(no_more_is_written_than_was_asked_for)
{
    enum { N = 400, SENTINEL = 77777 };
    struct ecg_scp_huffman *h = default_table();
    struct base_buf b = {0};
    unsigned fill = 0;
    static int32_t want[N];
    uint32_t seed = 5;
    for (size_t i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        /* Several of these stand in one look at the bits, of the shortest as many as can be. */
        size_t k = i < N / 2 ? (seed >> 16) % 7 : 0;
        add_bits(&b, &fill, codes[k].bits);
        want[i] = codes[k].value;
    }
    for (size_t n = 0; n < N; n++) {
        static int32_t out[N + 1];
        for (size_t i = 0; i <= N; i++)
            out[i] = SENTINEL;
        ck_assert_uint_eq(decode(h, &b, out, n), n);
        ck_assert_mem_eq(out, want, n * sizeof *out);
        for (size_t i = n; i <= N; i++)
            ck_assert_int_eq(out[i], SENTINEL);
    }
    ecg_scp_huffman_free(h);
    base_buf_deinit(&b);
}
END_TEST

/* Any number, of any lengths, and each of them cut somewhere. */
START_TEST(several_streams_decode_together_as_one_by_one)
{
    enum { STREAMS = 5, N = 700 };
    struct ecg_scp_huffman *h = default_table();
    static int32_t want[STREAMS][N];
    enum ecg_simd level = (enum ecg_simd)_i;
    uint32_t seed = 99;
    for (unsigned round = 0; simd_has(level) && round < 60; round++) {
        struct base_buf b[STREAMS] = {0};
        struct ecg_scp_stream s[STREAMS];
        struct guarded exact[STREAMS], room[STREAMS];
        size_t got[STREAMS];
        size_t count = 1 + round % STREAMS;
        for (size_t k = 0; k < count; k++) {
            unsigned fill = 0;
            seed = seed * 1664525 + 1013904223;
            size_t n = (seed >> 12) % N;
            for (size_t i = 0; i < n; i++) {
                seed = seed * 1664525 + 1013904223;
                add_bits(&b[k], &fill, codes[(seed >> 16) % (round % 3 ? 9 : CODES)].bits);
            }
            b[k].n -= b[k].n > round % 7 ? round % 7 : 0;
            got[k] = decode(h, &b[k], want[k], n);
            exact[k] = guarded_new(b[k].n);
            if (b[k].n)
                memcpy(exact[k].p, b[k].p, b[k].n);
            room[k] = guarded_new(n * sizeof(int32_t));
            s[k] = (struct ecg_scp_stream){.bytes = base_bytes_of(exact[k].p, b[k].n),
                                           .out = (int32_t *)(void *)room[k].p,
                                           .n = n};
        }
        ecg_scp_huffman_decode(h, level, s, count);
        for (size_t k = 0; k < count; k++) {
            ck_assert_uint_eq(s[k].n, got[k]);
            ck_assert_mem_eq(room[k].p, want[k], got[k] * sizeof **want);
            base_buf_deinit(&b[k]);
            guarded_free(&exact[k]);
            guarded_free(&room[k]);
        }
    }
    ecg_scp_huffman_free(h);
}
END_TEST

static void add_code(struct base_buf *b, const char *bits, unsigned total, bool is_switch,
                     int value)
{
    uint32_t code = 0;
    unsigned n = 0;
    for (; bits[n]; n++)
        code |= (uint32_t)(bits[n] == '1') << n;
    base_buf_add_byte(b, (uint8_t)n);
    base_buf_add_byte(b, (uint8_t)total);
    base_buf_add_byte(b, !is_switch);
    base_buf_add_le16(b, (uint16_t)value);
    base_buf_add_le32(b, code);
}

START_TEST(own_tables_with_long_codes_literals_and_switches_decode)
{
    struct base_buf section = {0};
    struct base_buf data = {0};
    struct ecg_scp_huffman *h = NULL;
    struct base_error err = {0};
    unsigned fill = 0;
    int32_t out[6];
    const char *longest = "11111111111111111111111111111111"; /* 32 bits */
    base_buf_add_le16(&section, 2);
    base_buf_add_le16(&section, 4);
    add_code(&section, "0", 1, false, 100);
    add_code(&section, "10", 2 + 4, false, 1000);
    add_code(&section, "110", 3, true, 2);
    add_code(&section, longest, 32, false, -7);
    base_buf_add_le16(&section, 2);
    add_code(&section, "0", 1, false, -1);
    add_code(&section, "1", 1, true, 1);
    ck_assert_int_eq(ecg_scp_huffman_read(base_buf_bytes(&section), 0, &h, &err), BASE_OK);
    add_bits(&data, &fill, "0 10 1111 110 0 1");
    add_bits(&data, &fill, longest);
    add_bits(&data, &fill, "10 0111");
    ck_assert_uint_eq(decode(h, &data, out, 5), 5);
    static const int32_t want[] = {100, 999, -1, -7, 1007};
    ck_assert_mem_eq(out, want, sizeof want);
    ecg_scp_huffman_free(h);
    base_buf_deinit(&section);
    base_buf_deinit(&data);
}
END_TEST

START_TEST(a_code_in_no_table_ends_the_data)
{
    struct base_buf section = {0};
    struct base_buf data = {0};
    struct ecg_scp_huffman *h = NULL;
    struct base_error err = {0};
    unsigned fill = 0;
    int32_t out[4];
    base_buf_add_le16(&section, 1);
    base_buf_add_le16(&section, 1);
    add_code(&section, "0", 1, false, 5);
    ck_assert_int_eq(ecg_scp_huffman_read(base_buf_bytes(&section), 0, &h, &err), BASE_OK);
    add_bits(&data, &fill, "0010");
    ck_assert_uint_eq(decode(h, &data, out, 4), 2);
    ecg_scp_huffman_free(h);
    base_buf_deinit(&section);
    base_buf_deinit(&data);
}
END_TEST

START_TEST(each_short_section_2_is_refused)
{
    struct base_buf section = {0};
    base_buf_add_le16(&section, 1);
    base_buf_add_le16(&section, 2);
    add_code(&section, "0", 1, false, 5);
    add_code(&section, "1", 1, false, 6);
    for (size_t n = 0; n < section.n; n++) {
        struct ecg_scp_huffman *h = NULL;
        struct base_error err = {0};
        ck_assert_int_eq(ecg_scp_huffman_read(base_bytes_of(section.p, n), 100, &h, &err),
                         BASE_EFORMAT);
        ck_assert_uint_ge(err.pos, 100);
        ck_assert_ptr_null(h);
    }
    base_buf_deinit(&section);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_scp_huffman");
    TCase *t = tcase_create("huffman");
    tcase_add_loop_test(t, each_code_of_the_default_table_decodes, 0, CODES);
    tcase_add_test(t, any_sequence_of_codes_decodes_and_stops_where_it_is_cut);
    tcase_add_test(t, no_more_is_written_than_was_asked_for);
    tcase_add_loop_test(t, several_streams_decode_together_as_one_by_one, ECG_SIMD_SCALAR,
                        ECG_SIMD_COUNT);
    tcase_add_test(t, own_tables_with_long_codes_literals_and_switches_decode);
    tcase_add_test(t, a_code_in_no_table_ends_the_data);
    tcase_add_test(t, each_short_section_2_is_refused);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
