#include "model/model_provenance.h"

#include <check.h>
#include <stdlib.h>

START_TEST(what_was_written_is_read_back)
{
    struct base_buf out = {0};
    struct model_provenance p;
    struct model_provenance_text *text;
    struct model_provenance in = {
        .centre = "C1",
        .device = "CT \"1\"",
        .received_us = INT64_C(1790000000123456),
        .quiet_seconds = 15,
        .priority = "stat",
        .single = true,
        .charset_guessed = true,
        .patient_name = "测试一",
        .original_location = "a/0/1.scp",
        .original_sha256 = "00ff",
        .original_media = "application/x-scp-ecg",
        .original_size = 70000,
    };
    model_provenance_write(&in, &out);
    base_buf_add_byte(&out, 0); /* the padding of an OB */
    ck_assert_int_eq(model_provenance_read(base_buf_bytes(&out), &p, &text), BASE_OK);
    ck_assert_str_eq(p.centre, in.centre);
    ck_assert_str_eq(p.device, in.device);
    ck_assert_int_eq(p.received_us, in.received_us);
    ck_assert_int_eq(p.quiet_seconds, 15);
    ck_assert_str_eq(p.priority, "stat");
    ck_assert(p.single && !p.own && p.charset_guessed);
    ck_assert_str_eq(p.patient_name, in.patient_name);
    ck_assert_ptr_null(p.patient_id);
    ck_assert_str_eq(p.original_location, in.original_location);
    ck_assert_str_eq(p.original_sha256, "00ff");
    ck_assert_int_eq(p.original_size, 70000);
    model_provenance_free(text);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(what_others_wrote_is_refused)
{
    static const char *const wrong[] = {
        "", "{", "[]", "{}", "{\"centre\":1}", "\"centre\"", "{\"centre\":\"C1\",\"original\":{}}"};
    struct model_provenance p;
    struct model_provenance_text *text;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(model_provenance_read(base_bytes_str(wrong[i]), &p, &text), BASE_EFORMAT);
    ck_assert_int_eq(model_provenance_read(base_bytes_of(NULL, 0), &p, &text), BASE_EFORMAT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model_provenance");
    TCase *t = tcase_create("text");
    tcase_add_test(t, what_was_written_is_read_back);
    tcase_add_test(t, what_others_wrote_is_refused);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
