#include "dicom/dicom_json.h"
#include "dicom/dicom_uid.h"
#include "dicom/shim/shim.h"
#include "shim_fixture.h"

#include <jansson.h>

/* What the quick writer makes of it, if it does, must be the same. */
static void expect_from_quick_writer(const struct base_buf *file, json_t *want)
{
    struct dicom_part10 part10;
    struct base_buf out = {0};
    struct base_error e = {0};
    uint64_t end = 0;
    if (dicom_part10_read(base_buf_bytes(file), true, &part10, &e) != DICOM_SCAN_DONE)
        return;
    struct base_bytes dataset = base_bytes_of(file->p + part10.dataset, file->n - part10.dataset);
    if (dicom_json_write(dataset, true, part10.syntax, &out, &end) == DICOM_SCAN_DONE) {
        json_t *got = json_loads(base_buf_cstr(&out), JSON_REJECT_DUPLICATES, NULL);
        ck_assert_msg(json_equal(got, want), "%s", base_buf_cstr(&out));
        ck_assert_uint_eq(end, dataset.n);
        json_decref(got);
    }
    base_buf_deinit(&out);
}

/* The metadata of a data set whose elements the caller appended after a header. */
static json_t *metadata(const struct base_buf *file, bool *guessed)
{
    struct base_buf out = {0};
    struct base_error e = {0};
    struct shim_source src = {.bytes = base_buf_bytes(file)};
    json_error_t where;
    enum base_err err = shim_metadata_json(&src, &out, guessed, &e);
    ck_assert_msg(err == BASE_OK, "%s", e.msg);
    json_t *j = json_loads(base_buf_cstr(&out), JSON_REJECT_DUPLICATES, &where);
    ck_assert_msg(j != NULL, "%s at %d: %s", where.text, where.position, base_buf_cstr(&out));
    base_buf_deinit(&out);
    expect_from_quick_writer(file, j);
    return j;
}

static void expect(json_t *j, const char *tag, const char *want)
{
    json_t *el = json_object_get(j, tag);
    char *got = el ? json_dumps(el, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    ck_assert_msg(got != NULL, "%s is missing", tag);
    ck_assert_str_eq(got, want);
    free(got);
}

static void header(struct base_buf *b, const char *charset)
{
    fixture_begin(b, FIXTURE_EXPLICIT_LE);
    if (charset)
        fixture_text(b, 8, 5, "CS", charset);
    fixture_sop(b);
}

START_TEST(each_kind_of_value_has_its_json_form)
{
    struct base_buf b = {0};
    static const uint8_t two[4] = {1, 0, 2, 0};
    static const uint8_t at[4] = {0x28, 0, 0x10, 0};
    static const uint8_t real[8] = {0, 0, 0, 0, 0, 0, 0xf8, 0x3f};
    static const uint8_t nan_[8] = {0, 0, 0, 0, 0, 0, 0xf8, 0x7f};
    header(&b, "ISO_IR 192");
    fixture_text(&b, 8, 8, "CS", "ORIGINAL\\PRIMARY\\\\AXIAL ");
    fixture_text(&b, 8, 0x1030, "LO", "胸部 ");
    fixture_text(&b, 0x10, 0x10, "PN", "Zhang^San=张^三=");
    fixture_text(&b, 0x10, 0x30, "DA", "");
    fixture_text(&b, 0x10, 0x4000, "LT", " a\\b ");
    fixture_bytes(&b, 0x18, 0x1310, "US", two, 4);
    fixture_text(&b, 0x20, 0x13, "IS", "+007");
    fixture_text(&b, 0x20, 0x32, "DS", "-1.50\\.5\\1.\\1E3\\junk\\1e9999");
    fixture_bytes(&b, 0x28, 9, "AT", at, 4);
    fixture_bytes(&b, 0x28, 0x9090, "FD", real, 8);
    fixture_bytes(&b, 0x28, 0x9503, "FD", nan_, 8);
    fixture_bytes(&b, 0x29, 0x10, "LO", "RDC TEST", 8);
    fixture_bytes(&b, 0x29, 0x1001, "UN", "abcd", 4);
    json_t *j = metadata(&b, NULL);
    expect(j, "00080005", "{\"Value\":[\"ISO_IR 192\"],\"vr\":\"CS\"}");
    expect(j, "00080008", "{\"Value\":[\"ORIGINAL\",\"PRIMARY\",null,\"AXIAL\"],\"vr\":\"CS\"}");
    expect(j, "00081030", "{\"Value\":[\"胸部\"],\"vr\":\"LO\"}");
    expect(j, "00100010",
           "{\"Value\":[{\"Alphabetic\":\"Zhang^San\",\"Ideographic\":\"张^三\"}],\"vr\":\"PN\"}");
    expect(j, "00100030", "{\"vr\":\"DA\"}");
    expect(j, "00104000", "{\"Value\":[\" a\\\\b\"],\"vr\":\"LT\"}");
    expect(j, "00181310", "{\"Value\":[1,2],\"vr\":\"US\"}");
    expect(j, "00200013", "{\"Value\":[7],\"vr\":\"IS\"}");
    expect(j, "00200032", "{\"Value\":[-1.5,0.5,1,1000.0,\"junk\",\"1e9999\"],\"vr\":\"DS\"}");
    expect(j, "00280009", "{\"Value\":[\"00280010\"],\"vr\":\"AT\"}");
    expect(j, "00289090", "{\"Value\":[1.5],\"vr\":\"FD\"}");
    expect(j, "00289503", "{\"Value\":[\"NaN\"],\"vr\":\"FD\"}");
    expect(j, "00291001", "{\"InlineBinary\":\"YWJjZA==\",\"vr\":\"UN\"}");
    ck_assert_ptr_null(json_object_get(j, "00020010"));
    json_decref(j);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(bulk_is_left_out)
{
    struct base_buf b = {0};
    static uint8_t zeros[4096];
    header(&b, NULL);
    fixture_bytes(&b, 0x28, 0x1201, "OW", zeros, 512);
    fixture_bytes(&b, 0x28, 0x1202, "OW", zeros, sizeof zeros);
    fixture_bytes(&b, 0x7fe0, 0x10, "OW", zeros, 16);
    json_t *j = metadata(&b, NULL);
    ck_assert_ptr_nonnull(json_object_get(j, "00281201"));
    ck_assert_ptr_null(json_object_get(j, "00281202"));
    ck_assert_ptr_null(json_object_get(j, "7FE00010"));
    json_decref(j);
    base_buf_deinit(&b);
}
END_TEST

/* 张三 in GBK, GB18030 and UTF-8 under several declarations. */
START_TEST(text_becomes_utf8_and_a_guess_is_told)
{
    static const struct {
        const char *declared, *bytes;
        bool guessed;
    } cases[] = {
        {"GB18030", "\xd5\xc5\xc8\xfd", false},
        {"GBK", "\xd5\xc5\xc8\xfd", false},
        {"ISO_IR 192", "张三", false},
        {"ISO_IR 100", "\xd5\xc5\xc8\xfd", true},
        {NULL, "\xd5\xc5\xc8\xfd", true},
        {"\\ISO 2022 IR 58", "\x1b$)A\xd5\xc5\xc8\xfd", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct base_buf b = {0};
        bool guessed = !cases[i].guessed;
        header(&b, cases[i].declared);
        fixture_text(&b, 0x10, 0x10, "PN", cases[i].bytes);
        json_t *j = metadata(&b, &guessed);
        expect(j, "00100010", "{\"Value\":[{\"Alphabetic\":\"张三\"}],\"vr\":\"PN\"}");
        ck_assert_int_eq(guessed, cases[i].guessed);
        json_decref(j);
        base_buf_deinit(&b);
    }
}
END_TEST

START_TEST(a_second_byte_that_looks_like_a_backslash_does_not_split)
{
    struct base_buf b = {0};
    header(&b, "GBK");
    fixture_text(&b, 8, 0x1030, "LO", "\x95\x5c"); /* U+661E */
    json_t *j = metadata(&b, NULL);
    expect(j, "00081030", "{\"Value\":[\"昞\"],\"vr\":\"LO\"}");
    json_decref(j);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(items_may_have_their_own_character_set)
{
    struct base_buf b = {0}, item = {0}, seq = {0};
    header(&b, "GB18030");
    fixture_text(&item, 8, 5, "CS", "ISO_IR 192");
    fixture_text(&item, 8, 0x104, "LO", "胸部");
    base_buf_add_le16(&seq, 0xfffe);
    base_buf_add_le16(&seq, 0xe000);
    base_buf_add_le32(&seq, (uint32_t)item.n);
    base_buf_add(&seq, item.p, item.n);
    fixture_bytes(&b, 8, 0x1032, "SQ", seq.p, seq.n);
    fixture_text(&b, 8, 0x1090, "LO", "\xd5\xc5");
    json_t *j = metadata(&b, NULL);
    expect(j, "00081032",
           "{\"Value\":[{\"00080005\":{\"Value\":[\"ISO_IR 192\"],\"vr\":\"CS\"},"
           "\"00080104\":{\"Value\":[\"胸部\"],\"vr\":\"LO\"}}],\"vr\":\"SQ\"}");
    expect(j, "00081090", "{\"Value\":[\"张\"],\"vr\":\"LO\"}");
    json_decref(j);
    base_buf_deinit(&seq);
    base_buf_deinit(&item);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(sequences_nested_too_deep_are_refused)
{
    struct base_buf b = {0}, in = {0}, out = {0};
    struct base_error e;
    for (int depth = 0; depth < 30; depth++) {
        struct base_buf item = {0}, seq = {0};
        base_buf_add_le16(&item, 0xfffe);
        base_buf_add_le16(&item, 0xe000);
        base_buf_add_le32(&item, (uint32_t)in.n);
        base_buf_add(&item, in.p, in.n);
        fixture_bytes(&seq, 0x40, 0xa730, "SQ", item.p, item.n);
        base_buf_deinit(&item);
        base_buf_deinit(&in);
        in = seq;
    }
    header(&b, NULL);
    base_buf_add(&b, in.p, in.n);
    struct shim_source src = {.bytes = base_buf_bytes(&b)};
    ck_assert_int_eq(shim_metadata_json(&src, &out, NULL, &e), BASE_ELIMIT);
    base_buf_deinit(&in);
    base_buf_deinit(&out);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(every_transfer_syntax_that_we_store_has_metadata)
{
    static const char pixels[] = "\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff"
                                 "\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\4\0\0\0\1\2\3\4"
                                 "\xfe\xff\xdd\xe0\0\0\0";
    char path[256];
    size_t n, seen = 0;
    const struct dicom_syntax *all = dicom_syntax_all(&n);
    for (size_t i = 0; i < n; i++) {
        struct base_buf b = {0}, out = {0};
        struct base_error e = {0};
        if (all[i].encoding != DICOM_EXPLICIT_LE || !(all[i].flags & DICOM_TS_STORED) ||
            (all[i].flags & DICOM_TS_DEFLATED))
            continue;
        fixture_begin(&b, all[i].uid);
        fixture_sop(&b);
        fixture_text(&b, 0x10, 0x20, "LO", "ID1");
        if (all[i].flags & DICOM_TS_ENCAPSULATED)
            base_buf_add(&b, pixels, sizeof pixels);
        fixture_write(fixture_path("syntax.dcm", path), &b);
        struct shim_source src = {.path = path};
        ck_assert_msg(shim_metadata_json(&src, &out, NULL, &e) == BASE_OK, "%s: %s", all[i].uid,
                      e.msg);
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&out), "\"ID1\""));
        base_buf_deinit(&out);
        base_buf_deinit(&b);
        seen++;
    }
    ck_assert_uint_gt(seen, 30);
}
END_TEST

/* A parser that recurses without a limit would die of each of these. */
START_TEST(what_would_overflow_the_stack_is_refused_before_parsing)
{
    static const char open_item[] = "\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff"
                                    "\xfe\xff\x00\xe0\xff\xff\xff\xff";
    char path[256];
    struct base_error e;
    for (int broken = 0; broken < 2; broken++) {
        struct base_buf b = {0}, out = {0};
        header(&b, NULL);
        if (broken) /* our cursor stops here; DCMTK might go on */
            base_buf_add(&b, "\x08\x00\x90\x10\x01\x02\xff\x7f", 8);
        for (int i = 0; i < 100000; i++)
            base_buf_add(&b, open_item, sizeof open_item - 1);
        struct shim_source src = {.bytes = base_buf_bytes(&b)};
        enum base_err want = broken ? BASE_EFORMAT : BASE_ELIMIT;
        ck_assert_int_eq(shim_metadata_json(&src, &out, NULL, &e), want);
        fixture_write(fixture_path("deep.dcm", path), &b);
        ck_assert_int_eq(shim_is_valid_file(path, &e), want);
        base_buf_deinit(&out);
        base_buf_deinit(&b);
    }
}
END_TEST

START_TEST(a_cut_file_is_refused_at_any_length)
{
    struct base_buf b = {0};
    header(&b, NULL);
    fixture_text(&b, 0x10, 0x10, "PN", "A^B");
    size_t whole = b.n;
    for (size_t n = 0; n < whole; n++) {
        struct base_buf out = {0};
        uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees any overread */
        memcpy(exact, b.p, n);
        struct shim_source src = {.bytes = base_bytes_of(exact, n)};
        struct base_error e = {0};
        enum base_err err = shim_metadata_json(&src, &out, NULL, &e);
        /* Cut between two elements it is a shorter but whole file. */
        ck_assert_msg(err == BASE_OK || err == BASE_EFORMAT, "%zu: %s", n, e.msg);
        if (n < 132)
            ck_assert_int_eq(err, BASE_EFORMAT);
        free(exact);
        base_buf_deinit(&out);
    }
    base_buf_deinit(&b);
}
END_TEST

int main(void)
{
    struct base_error e;
    if (shim_init(&e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    Suite *s = suite_create("shim_json");
    TCase *t = tcase_create("json");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_kind_of_value_has_its_json_form);
    tcase_add_test(t, bulk_is_left_out);
    tcase_add_test(t, text_becomes_utf8_and_a_guess_is_told);
    tcase_add_test(t, a_second_byte_that_looks_like_a_backslash_does_not_split);
    tcase_add_test(t, items_may_have_their_own_character_set);
    tcase_add_test(t, sequences_nested_too_deep_are_refused);
    tcase_add_test(t, every_transfer_syntax_that_we_store_has_metadata);
    tcase_add_test(t, what_would_overflow_the_stack_is_refused_before_parsing);
    tcase_add_test(t, a_cut_file_is_refused_at_any_length);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failures = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failures != 0;
}
