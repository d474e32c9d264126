/* CSV as rdc writes it, read back, and refused. */
#include "ecg/ecg_write.h"
#include "ecg_fixture.h"

static enum base_err open_text(const char *text, struct ecg_record **r, struct base_error *err)
{
    return open_bytes(base_bytes_str(text), NULL, r, err);
}

START_TEST(what_is_written_reads_back_equal)
{
    static const char *const files[] = {"2-raw.scp", "4-own-tables.scp", "5-subtracted.scp"};
    static const struct ecg_write_options options = {.stem = "out"};
    struct ecg_record *r = open_testdata(files[_i]);
    struct ecg_outputs out;
    struct base_error err = {0};
    ck_assert_int_eq(ecg_write(r, ECG_FORMAT_CSV, &options, &out, &err), BASE_OK);
    struct ecg_record *again = must_open(&out.file[0].bytes);
    ck_assert_str_eq(again->format, "CSV");
    ck_assert_uint_eq(again->nleads, r->nleads);
    assert_same_leads(r->leads, again->leads, r->nleads);
    ecg_outputs_deinit(&out);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

START_TEST(names_missing_samples_steps_and_a_later_start_are_read)
{
    static const int32_t one[] = {1, -2, ECG_SAMPLE_NONE};
    static const int32_t two[] = {ECG_SAMPLE_NONE, 1, 1234567890};
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_text("\xef\xbb\xbfsample (250 Hz),avr,\"a \"\"b\"\", c\"\r\n"
                               "10,2.44140625,\r\n11,-4.8828125,1e-5\r\n12,,12345.6789\r\n",
                               &r, &err),
                     BASE_OK);
    ck_assert_uint_eq(r->nnotes, 0);
    ck_assert_str_eq(r->leads[0].name, "aVR");
    ck_assert_str_eq(r->leads[1].name, "a \"b\", c");
    ck_assert_double_eq_tol(r->leads[0].start_s, 0.04, 1e-12);
    ck_assert_double_eq(r->leads[0].rate_hz, 250);
    assert_samples(&r->leads[0], one, 3);
    ck_assert_double_eq_tol(r->leads[0].uv_per_count, 2.44140625, 1e-12);
    assert_samples(&r->leads[1], two, 3);
    ck_assert_double_eq_tol(r->leads[1].uv_per_count, 1e-5, 1e-12);
    ecg_record_free(r);
}
END_TEST

/* Its last number may be cut. */
START_TEST(a_last_line_without_an_end_is_left_out_with_a_note)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_text("sample (500 Hz),I\n0,1\n1,2\n2,3", &r, &err), BASE_OK);
    ck_assert_uint_eq(r->leads[0].samples, 2);
    ck_assert(has_note(r, "line, 4, does not end"));
    ecg_record_free(r);
}
END_TEST

START_TEST(a_line_out_of_sequence_ends_the_record_with_a_note)
{
    static const char *const tails[] = {"4,5\n", "2,x\n", "2,5,6\n", "2\n", "\n2,7\n", "2,\"7\n"};
    char text[128];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    snprintf(text, sizeof text, "sample (500 Hz),I\n0,1\n1,2\n%s", tails[_i]);
    ck_assert_int_eq(open_text(text, &r, &err), BASE_OK);
    ck_assert_uint_eq(r->leads[0].samples, 2);
    ck_assert(has_note(r, "line 4 is not number 2"));
    ck_assert_uint_eq(r->notes[0].pos, 26);
    ecg_record_free(r);
}
END_TEST

/* A name in another character set is longer in UTF-8 when it is written again. */
START_TEST(a_long_name_is_cut_with_a_note)
{
    enum { LONG = 300 };
    char name[LONG + 1] = "", text[LONG + 64];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    for (size_t i = 0; i + 3 <= LONG - 1; i += 3)
        strcat(name, _i ? "\xe5\xbf\x83" : "abc"); /* 心 */
    snprintf(text, sizeof text, "sample (500 Hz),x%s,II\n0,1,2\n", name);
    ck_assert_int_eq(open_text(text, &r, &err), BASE_OK);
    ck_assert(has_note(r, "a name of 298 bytes: cut to"));
    ck_assert_uint_ge(strlen(r->leads[0].name), 250);
    ck_assert(strncmp(r->leads[0].name + 1, name, strlen(r->leads[0].name + 1)) == 0);
    ck_assert_str_eq(r->leads[1].name, "II");
    ecg_record_free(r);
}
END_TEST

static const struct {
    const char *text;
    const char *words;
} refused[] = {
    {"sample (x Hz),I\n0,1\n", "sampling rate"},   {"sample (500 Hz)\n0\n", "no lead"},
    {"sample (-5 Hz),I\n0,1\n", "sampling rate"},  {"sample (500),I\n0,1\n", "sampling rate"},
    {"sample (500 Hz),I\n", "no sample"},          {"sample (500 Hz),I\na,b\n", "line 2"},
    {"sample (500 Hz),\"I\n0,1\n", "does not end"}};

START_TEST(what_is_no_table_of_samples_is_refused)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_text(refused[_i].text, &r, &err), BASE_EFORMAT);
    ck_assert_msg(strstr(err.msg, refused[_i].words) != NULL, "%s", err.msg);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_csv_read");
    TCase *t = tcase_create("csv");
    tcase_add_loop_test(t, what_is_written_reads_back_equal, 0, 3);
    tcase_add_test(t, names_missing_samples_steps_and_a_later_start_are_read);
    tcase_add_test(t, a_last_line_without_an_end_is_left_out_with_a_note);
    tcase_add_loop_test(t, a_line_out_of_sequence_ends_the_record_with_a_note, 0, 6);
    tcase_add_loop_test(t, a_long_name_is_cut_with_a_note, 0, 2);
    tcase_add_loop_test(t, what_is_no_table_of_samples_is_refused, 0,
                        sizeof refused / sizeof *refused);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
