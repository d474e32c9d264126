/* ISHNE recordings and their beats, from the specification; damage. */
#include "ecg/ecg_crc.h"
#include "ecg_fixture.h"

enum { HEADER = 522 };

static void put16(struct base_buf *b, size_t at, int v)
{
    base_store_le16(b->p + at, (uint16_t)v);
}

static void set_crc(struct base_buf *b, uint32_t data)
{
    put16(b, 8, ecg_crc_ccitt(base_bytes_of(b->p + 10, data - 10)));
}

/* Header with 4 bytes of text behind, 3 leads at 200 Hz. */
static void add_header(struct base_buf *b, const char *magic, uint32_t samples)
{
    static const int leads[] = {5, 12, 0};
    static const int quality[] = {1, 3, 0};
    static const int nv[] = {2500, 5000, 0};
    base_buf_add_fill(b, 0, HEADER);
    base_buf_add_str(b, "text");
    memcpy(b->p, magic, 8);
    base_store_le32(b->p + 10, 4);
    base_store_le32(b->p + 14, samples);
    base_store_le32(b->p + 18, HEADER);
    base_store_le32(b->p + 22, HEADER + 4);
    memcpy(b->p + 28, "ONE", 3);
    memcpy(b->p + 68, "测试", 6);
    memcpy(b->p + 108, "P-9", 3);
    put16(b, 128, 2);
    put16(b, 132, 2);
    put16(b, 134, 5);
    put16(b, 136, 1951);
    put16(b, 138, 31);
    put16(b, 140, 1);
    put16(b, 142, 2026);
    put16(b, 150, 8);
    put16(b, 152, 30);
    put16(b, 154, 15);
    put16(b, 156, 3);
    for (size_t i = 0; i < 12; i++) {
        put16(b, 158 + 2 * i, i < 3 ? leads[i] : -9);
        put16(b, 182 + 2 * i, i < 3 ? quality[i] : -9);
        put16(b, 206 + 2 * i, i < 3 ? nv[i] : -9);
    }
    put16(b, 230, 2);
    memcpy(b->p + 232, "digital", 7);
    put16(b, 272, 200);
    set_crc(b, HEADER + 4);
}

static void add_samples(struct base_buf *b)
{
    static const int samples[] = {1, 2, 3, -1, -2, -3, 4, -32768, 6, 7, 8, 9};
    for (size_t i = 0; i < 12; i++)
        base_buf_add_le16(b, (uint16_t)samples[i]);
}

static enum base_err open_two(const struct base_buf *first, const char *name,
                              const struct base_buf *second, const char *other,
                              struct ecg_record **out, struct base_error *err)
{
    struct ecg_needs needs;
    const struct ecg_input inputs[] = {
        {name, base_buf_bytes(first)},
        {other, second ? base_buf_bytes(second) : base_bytes_of(NULL, 0)}};
    return ecg_open(inputs, 2, NULL, &needs, out, err);
}

START_TEST(a_recording_is_read_as_the_specification_says)
{
    static const int32_t first[] = {1, -1, 4, 7};
    static const int32_t second[] = {2, -2, ECG_SAMPLE_NONE, 8}; /* -32768: the lead was off */
    static const int32_t third[] = {3, -3, 6, 9};
    struct base_buf b = {0};
    add_header(&b, "ISHNE1.0", 4);
    add_samples(&b);
    struct ecg_record *r = must_open(&b);
    ck_assert_str_eq(r->format, "ISHNE");
    ck_assert_uint_eq(r->nleads, 3);
    assert_samples(&r->leads[0], first, 4);
    assert_samples(&r->leads[1], second, 4);
    assert_samples(&r->leads[2], third, 4);
    ck_assert_int_eq(r->leads[0].id, ECG_LEAD_I);
    ck_assert_int_eq(r->leads[1].id, ECG_LEAD_V2);
    ck_assert_str_eq(r->leads[2].name, "lead 3");
    ck_assert_double_eq(r->leads[0].uv_per_count, 2.5);
    ck_assert_double_eq(r->leads[1].rate_hz, 200);
    ck_assert(has_note(r, "resolution of 0 nV"));
    ck_assert_uint_eq(r->nnotes, 1);
    ck_assert_str_eq(r->patient.name.utf8, "测试^ONE");
    ck_assert_int_eq(r->patient.sex, 'F');
    ck_assert_int_eq(r->patient.birth.year, 1951);
    ck_assert_str_eq(r->patient.history, "pacemaker, single chamber unipolar");
    ck_assert_int_eq(r->start.date.day, 31);
    ck_assert_int_eq(r->start.minute, 30);
    ck_assert_str_eq(r->comment, "text");
    ck_assert_uint_eq(r->nmarks, 1);
    ck_assert_int_eq(r->marks[0].kind, ECG_MARK_QUALITY);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

/* The given name's two bytes alone would be a Cyrillic letter in UTF-8. */
START_TEST(both_parts_of_a_name_are_of_one_character_set)
{
    struct base_buf b = {0};
    add_header(&b, "ISHNE1.0", 4);
    add_samples(&b);
    memcpy(b.p + 28, "\xd2\xbb\0", 3);
    memcpy(b.p + 68, "\xb2\xe2\xca\xd4\0", 6);
    set_crc(&b, HEADER + 4);
    struct ecg_record *r = must_open(&b);
    ck_assert_str_eq(r->patient.name.utf8, "测试^一");
    ck_assert(r->patient.name.guessed);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(checksums_and_counts_are_checked_and_reported)
{
    static const struct {
        size_t at;
        uint32_t v;
        size_t samples;
        const char *note;
    } rows[] = {{14, 12, 4, NULL},
                {14, 0, 4, NULL},
                {14, 3, 3, "3 samples of each lead stated"},
                {14, 900, 4, "900 samples stated, 4 of each"},
                {8, 0, 4, "has no checksum"},
                {8, 0x1234, 4, "is wrong (1234"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct base_buf b = {0};
        add_header(&b, "ISHNE1.0", 4);
        add_samples(&b);
        if (rows[i].at == 8) {
            put16(&b, 8, (int)rows[i].v);
        } else {
            base_store_le32(b.p + rows[i].at, rows[i].v);
            set_crc(&b, HEADER + 4);
        }
        struct ecg_record *r = must_open(&b);
        ck_assert_uint_eq(r->leads[0].samples, rows[i].samples);
        ck_assert_uint_eq(r->nnotes, rows[i].note ? 2 : 1);
        ck_assert(!rows[i].note || has_note(r, rows[i].note));
        ecg_record_free(r);
        base_buf_deinit(&b);
    }
}
END_TEST

static void add_beats(struct base_buf *b, bool bare)
{
    static const char beats[] = "N\0\x0a\0V\0\x14\0!\0\xff\xff"
                                "S\0\x05\0C\0\x01\0"
                                "q\0\x01\0";
    add_header(b, "ANN  1.0", 0);
    if (!bare)
        base_buf_add_le32(b, 100);
    base_buf_add(b, beats, sizeof beats - 1);
}

START_TEST(beats_are_found_beside_the_recording_whichever_is_named)
{
    struct base_buf b = {0};
    struct base_buf beats = {0};
    struct base_error err = {0};
    add_header(&b, "ISHNE1.0", 4);
    add_samples(&b);
    add_beats(&beats, _i == 2);
    struct ecg_record *r = NULL;
    enum base_err e = _i == 1 ? open_two(&beats, "H1.ANN", &b, "H1.ecg", &r, &err)
                              : open_two(&b, "h1.ecg", &beats, "h1.ann", &r, &err);
    ck_assert_msg(e == BASE_OK, "%s", err.msg);
    ck_assert_uint_eq(r->nmarks, 6);
    double first = _i == 2 ? 0 : 100;
    ck_assert_int_eq(r->marks[1].code, ECG_CODE_NORMAL);
    ck_assert_double_eq_tol(r->marks[1].at_s, (first + 10) / 200, 1e-9);
    ck_assert_int_eq(r->marks[2].code, ECG_CODE_PVC);
    ck_assert_int_eq(r->marks[3].code, ECG_CODE_SUPRAVENTRICULAR);
    ck_assert_double_eq_tol(r->marks[3].at_s, (first + 30 + 65535 + 5) / 200, 1e-9);
    ck_assert_str_eq(r->marks[4].text, "calibration pulse");
    ck_assert_str_eq(r->marks[5].text, "label 113");
    ck_assert(has_note(r, "count from 0") == (_i == 2));
    ecg_record_free(r);
    base_buf_deinit(&b);
    base_buf_deinit(&beats);
}
END_TEST

START_TEST(a_missing_file_is_asked_for_and_beats_alone_are_refused)
{
    struct base_buf b = {0};
    struct base_buf beats = {0};
    struct base_error err = {0};
    struct ecg_needs needs;
    struct ecg_record *r = NULL;
    add_header(&b, "ISHNE1.0", 4);
    add_samples(&b);
    add_beats(&beats, false);
    const struct ecg_input one = {"h.x.ecg", base_buf_bytes(&b)};
    ck_assert_int_eq(ecg_open(&one, 1, NULL, &needs, &r, &err), BASE_ENOTFOUND);
    ck_assert_uint_eq(needs.n, 1);
    ck_assert_str_eq(needs.name[0], "h.x.ann");
    ck_assert_int_eq(open_two(&b, "h.ecg", NULL, "h.ann", &r, &err), BASE_OK);
    ecg_record_free(r);
    r = NULL;
    ck_assert_int_eq(open_two(&beats, "h.ann", NULL, "h.ecg", &r, &err), BASE_EFORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "file of beats"));
    ck_assert_int_eq(open_bytes(base_buf_bytes(&beats), NULL, &r, &err), BASE_EFORMAT);
    base_buf_deinit(&b);
    base_buf_deinit(&beats);
}
END_TEST

static const struct {
    size_t at;
    int v;
    const char *words;
} damage[] = {{22, 100, "data begin at byte 100"},
              {22, 32000, "data begin at byte 32000"},
              {156, 0, "0 leads"},
              {156, 13, "13 leads"},
              {272, 0, "0 samples per second"},
              {272, -5, "-5 samples per second"}};

START_TEST(impossible_headers_are_refused_with_the_position)
{
    struct base_buf b = {0};
    struct base_error err = {0};
    struct ecg_record *r = NULL;
    add_header(&b, "ISHNE1.0", 4);
    add_samples(&b);
    put16(&b, damage[_i].at, damage[_i].v);
    ck_assert_int_eq(open_bytes(base_buf_bytes(&b), NULL, &r, &err), BASE_EFORMAT);
    ck_assert_msg(strstr(err.msg, damage[_i].words) != NULL, "%s", err.msg);
    ck_assert_uint_eq(err.pos, damage[_i].at);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(each_prefix_is_an_error_or_has_a_note)
{
    struct base_buf b = {0};
    struct base_error err = {0};
    add_header(&b, "ISHNE1.0", 4);
    add_samples(&b);
    for (size_t n = 0; n < b.n; n++) {
        struct ecg_record *r = NULL;
        enum base_err e = open_bytes(base_bytes_of(b.p, n), NULL, &r, &err);
        ck_assert_msg((e == BASE_OK) == (n >= HEADER + 4 + 6), "%zu bytes", n);
        ck_assert(e != BASE_OK || has_note(r, "4 samples stated"));
        ecg_record_free(r);
    }
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_year_of_two_digits_is_no_year)
{
    struct base_buf b = {0};
    add_header(&b, "ISHNE1.0", 4);
    put16(&b, 142, 26);
    set_crc(&b, HEADER + 4);
    add_samples(&b);
    struct ecg_record *r = must_open(&b);
    ck_assert_int_eq(r->start.date.year, 0);
    ck_assert(!r->start.has_time);
    ck_assert(has_note(r, "no date of day, month and year"));
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_ishne");
    TCase *t = tcase_create("ishne");
    tcase_add_test(t, a_year_of_two_digits_is_no_year);
    tcase_add_test(t, a_recording_is_read_as_the_specification_says);
    tcase_add_test(t, both_parts_of_a_name_are_of_one_character_set);
    tcase_add_test(t, checksums_and_counts_are_checked_and_reported);
    tcase_add_loop_test(t, beats_are_found_beside_the_recording_whichever_is_named, 0, 3);
    tcase_add_test(t, a_missing_file_is_asked_for_and_beats_alone_are_refused);
    tcase_add_loop_test(t, impossible_headers_are_refused_with_the_position, 0,
                        sizeof damage / sizeof *damage);
    tcase_add_test(t, each_prefix_is_an_error_or_has_a_note);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
