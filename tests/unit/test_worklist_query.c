#include "worklist/worklist_query.h"

#include <check.h>
#include <string.h>

static struct base_buf bytes;
static struct dicom_writer w;
static struct worklist_query q;
static struct base_error error;

static void setup(void)
{
    bytes = (struct base_buf){0};
    dicom_writer_init(&w, &bytes, DICOM_EXPLICIT_LE);
}

static void teardown(void)
{
    base_buf_deinit(&bytes);
    worklist_query_deinit(&q);
}

static enum base_err parse(void)
{
    return worklist_query_parse(base_bytes_of(bytes.p, bytes.n), DICOM_EXPLICIT_LE, &q, &error);
}

static const char *match(const char *name)
{
    return json_string_value(json_object_get(q.match, name));
}

/* The value of a tag in the answer, or in the step of it; NULL when it is not there. */
static const char *value_in(struct base_bytes answer, uint32_t sequence, uint32_t tag)
{
    static char text[256];
    struct dicom_cursor c;
    struct dicom_element e;
    dicom_cursor_init(&c, answer, DICOM_EXPLICIT_LE, true);
    if (sequence) {
        if (dicom_cursor_find(&c, sequence, &e) != DICOM_ELEMENT)
            return NULL;
        dicom_cursor_enter(&c);
        if (dicom_cursor_next(&c, &e) != DICOM_ELEMENT)
            return NULL;
        dicom_cursor_enter(&c);
    }
    if (dicom_cursor_find(&c, tag, &e) != DICOM_ELEMENT)
        return NULL;
    struct base_bytes v = dicom_value_text(e.value);
    snprintf(text, sizeof text, "%.*s", (int)v.n, (const char *)v.p);
    return text;
}

static void answer(const char *charset_name, struct base_buf *out)
{
    struct worklist_charset charset;
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "patient_name", "测试一", "study_uid", "1.2.3",
                  "modality", "CT", "date", "20300131", "description", "胸部", "station", "CT1");
    worklist_charset_choose(charset_name, &q, &charset);
    ck_assert_int_eq(worklist_query_answer(&q, row, &charset, DICOM_EXPLICIT_LE, out), BASE_OK);
    json_decref(row);
}

START_TEST(keys_with_a_value_match_and_the_others_are_asked_for)
{
    dicom_write_text(&w, DICOM_TAG_SpecificCharacterSet, "ISO_IR 192");
    dicom_write_text(&w, DICOM_TAG_AccessionNumber, "A*");
    dicom_write_text(&w, DICOM_TAG_PatientName, "测试*");
    dicom_write_text(&w, DICOM_TAG_PatientID, "*");
    dicom_write_seq_open(&w, DICOM_TAG_ScheduledProcedureStepSequence);
    dicom_write_item_open(&w);
    dicom_write_text(&w, DICOM_TAG_Modality, "CT");
    dicom_write_text(&w, DICOM_TAG_ScheduledStationAETitle, "CT1");
    dicom_write_text(&w, DICOM_TAG_ScheduledProcedureStepStartDate, "20300131-");
    dicom_write_item_close(&w);
    dicom_write_seq_close(&w);
    ck_assert_int_eq(parse(), BASE_OK);
    ck_assert_uint_eq(json_object_size(q.match), 5);
    ck_assert_str_eq(match("accession"), "A*");
    ck_assert_str_eq(match("patient_name"), "测试*");
    ck_assert_str_eq(match("modality"), "CT");
    ck_assert_str_eq(match("date"), "20300131-");
    ck_assert(!q.unmatched);
}
END_TEST

/* What stands in the answer for a step that no station is named for, and that any may do. */
START_TEST(a_step_of_any_station_is_at_one_that_was_asked_for)
{
    static const char *const rows[][2] = {
        {"CT1", "CT1"},        {"*", "MINE"},         {"C*", "MINE"},
        {"CT1\\CT2", "CT1"},   {"CT1\\MINE", "MINE"}, {"C?\\CT2", "CT2"},
        {"CT1 \\ CT2", "CT1"}, {"\\CT2", "CT2"},      {"12345678901234567\\CT2", "CT2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char station[17];
        teardown();
        setup();
        dicom_write_seq_open(&w, DICOM_TAG_ScheduledProcedureStepSequence);
        dicom_write_item_open(&w);
        dicom_write_text(&w, DICOM_TAG_ScheduledStationAETitle, rows[i][0]);
        dicom_write_item_close(&w);
        dicom_write_seq_close(&w);
        ck_assert_int_eq(parse(), BASE_OK);
        worklist_query_station(&q, "MINE", station);
        ck_assert_str_eq(station, rows[i][1]);
    }
}
END_TEST

START_TEST(blanks_around_one_of_several_values_mean_nothing)
{
    dicom_write_text(&w, DICOM_TAG_AccessionNumber, "A 1 \\  A2\\ ");
    dicom_write_seq_open(&w, DICOM_TAG_ScheduledProcedureStepSequence);
    dicom_write_item_open(&w);
    dicom_write_text(&w, DICOM_TAG_Modality, "CT \\MR ");
    dicom_write_item_close(&w);
    dicom_write_seq_close(&w);
    ck_assert_int_eq(parse(), BASE_OK);
    ck_assert_str_eq(match("accession"), "A 1\\A2\\");
    ck_assert_str_eq(match("modality"), "CT\\MR");
}
END_TEST

START_TEST(names_are_read_in_the_character_set_of_the_query)
{
    dicom_write_text(&w, DICOM_TAG_SpecificCharacterSet, "GB18030");
    dicom_write_text(&w, DICOM_TAG_PatientName, "\xB2\xE2\xCA\xD4*");
    ck_assert_int_eq(parse(), BASE_OK);
    ck_assert_str_eq(match("patient_name"), "测试*");
}
END_TEST

START_TEST(each_attribute_with_the_same_value_has_to_match)
{
    dicom_write_text(&w, DICOM_TAG_RequestedProcedureDescription, "CT*");
    dicom_write_seq_open(&w, DICOM_TAG_ScheduledProcedureStepSequence);
    dicom_write_item_open(&w);
    dicom_write_text(&w, DICOM_TAG_ScheduledProcedureStepDescription, "*head");
    dicom_write_item_close(&w);
    dicom_write_seq_close(&w);
    ck_assert_int_eq(parse(), BASE_OK);
    ck_assert_str_eq(match("description"), "CT*");
    ck_assert_str_eq(match("description 2"), "*head");
}
END_TEST

static void steps_with(const char *const *modalities)
{
    dicom_write_seq_open(&w, DICOM_TAG_ScheduledProcedureStepSequence);
    for (; *modalities; modalities++) {
        dicom_write_item_open(&w);
        dicom_write_text(&w, DICOM_TAG_Modality, *modalities);
        dicom_write_item_close(&w);
    }
    dicom_write_seq_close(&w);
}

START_TEST(items_that_contradict_each_other_are_refused)
{
    steps_with((const char *const[]){"CT", "US", NULL});
    ck_assert_int_eq(parse(), BASE_ECONFLICT);
    ck_assert_ptr_nonnull(strstr(error.msg, "one item"));
    teardown();
    setup();
    steps_with((const char *const[]){"CT", "CT", "", NULL});
    ck_assert_int_eq(parse(), BASE_OK);
    ck_assert_str_eq(match("modality"), "CT");
}
END_TEST

START_TEST(an_optional_key_that_nothing_is_matched_on_is_told)
{
    dicom_write_text(&w, DICOM_TAG_MedicalAlerts, "");
    dicom_write_text(&w, DICOM_TAG_PatientState, "ill");
    ck_assert_int_eq(parse(), BASE_OK);
    ck_assert(q.unmatched);
}
END_TEST

START_TEST(an_answer_has_what_was_asked_for_and_a_study_uid)
{
    struct base_buf out = {0};
    dicom_write_text(&w, DICOM_TAG_PatientName, "");
    dicom_write_text(&w, DICOM_TAG_PatientID, "");
    dicom_write_text(&w, DICOM_TAG_MedicalAlerts, "");
    dicom_write_seq_open(&w, DICOM_TAG_ScheduledProcedureStepSequence);
    dicom_write_item_open(&w);
    dicom_write_text(&w, DICOM_TAG_Modality, "");
    dicom_write_item_close(&w);
    dicom_write_seq_close(&w);
    ck_assert_int_eq(parse(), BASE_OK);
    answer("", &out);
    struct base_bytes a = base_bytes_of(out.p, out.n);
    ck_assert_str_eq(value_in(a, 0, DICOM_TAG_SpecificCharacterSet), "ISO_IR 192");
    ck_assert_str_eq(value_in(a, 0, DICOM_TAG_PatientName), "测试一");
    ck_assert_str_eq(value_in(a, 0, DICOM_TAG_PatientID), "");
    ck_assert_str_eq(value_in(a, 0, DICOM_TAG_MedicalAlerts), "");
    ck_assert_str_eq(value_in(a, 0, DICOM_TAG_StudyInstanceUID), "1.2.3");
    ck_assert_ptr_null(value_in(a, 0, DICOM_TAG_AccessionNumber));
    ck_assert_str_eq(value_in(a, DICOM_TAG_ScheduledProcedureStepSequence, DICOM_TAG_Modality),
                     "CT");
    ck_assert_ptr_null(
        value_in(a, DICOM_TAG_ScheduledProcedureStepSequence, DICOM_TAG_ScheduledStationAETitle));
    base_buf_deinit(&out);
}
END_TEST

START_TEST(an_empty_step_asks_for_all_of_it)
{
    struct base_buf out = {0};
    dicom_write_seq_open(&w, DICOM_TAG_ScheduledProcedureStepSequence);
    dicom_write_seq_close(&w);
    ck_assert_int_eq(parse(), BASE_OK);
    answer("", &out);
    struct base_bytes a = base_bytes_of(out.p, out.n);
    const uint32_t step = DICOM_TAG_ScheduledProcedureStepSequence;
    ck_assert_str_eq(value_in(a, step, DICOM_TAG_ScheduledStationAETitle), "CT1");
    ck_assert_str_eq(value_in(a, step, DICOM_TAG_ScheduledProcedureStepStartDate), "20300131");
    base_buf_deinit(&out);
}
END_TEST

static const struct {
    const char *name;
    const char *term;
    const char *patient;
    const char *description;
} sets[] = {
    {"UTF-8", "ISO_IR 192", "测试一", "胸部"},
    {"GB18030", "GB18030", "\xB2\xE2\xCA\xD4\xD2\xBB", "\xD0\xD8\xB2\xBF"},
    {"GBK", "GBK", "\xB2\xE2\xCA\xD4\xD2\xBB", "\xD0\xD8\xB2\xBF"},
    {"ISO 2022 IR 58", "\\ISO 2022 IR 58", "\x1b$)A\xB2\xE2\xCA\xD4\xD2\xBB",
     "\x1b$)A\xD0\xD8\xB2\xBF"},
    {"ASCII", NULL, "CE^SHIYI", "XIONG BU"},
};

START_TEST(each_device_gets_the_set_that_it_reads)
{
    struct base_buf out = {0};
    dicom_write_text(&w, DICOM_TAG_PatientName, "");
    dicom_write_text(&w, DICOM_TAG_RequestedProcedureDescription, "");
    ck_assert_int_eq(parse(), BASE_OK);
    answer(sets[_i].name, &out);
    struct base_bytes a = base_bytes_of(out.p, out.n);
    if (sets[_i].term)
        ck_assert_str_eq(value_in(a, 0, DICOM_TAG_SpecificCharacterSet), sets[_i].term);
    else
        ck_assert_ptr_null(value_in(a, 0, DICOM_TAG_SpecificCharacterSet));
    ck_assert_str_eq(value_in(a, 0, DICOM_TAG_PatientName), sets[_i].patient);
    ck_assert_str_eq(value_in(a, 0, DICOM_TAG_RequestedProcedureDescription), sets[_i].description);
    base_buf_deinit(&out);
}
END_TEST

/* Declared, asked for, answered in. */
static const char *const queries[][3] = {
    {"GBK", "", "GBK"},
    {NULL, "\xB2\xE2\xCA\xD4*", "GBK"}, /* what it evidently is */
    {"ISO_IR 100", "\xB2\xE2\xCA\xD4*", "GBK"},
    {"GB18030", "\xB2\xE2\xCA\xD4*", "GB18030"},
    {NULL, "测试*", "ISO_IR 192"},
    {NULL, "TEST*", "ISO_IR 192"},
    {NULL, "M\xFCller*", "ISO_IR 192"},
    {"ISO 2022 IR 58", "", "\\ISO 2022 IR 58"}, /* without the empty value before it */
    {"ISO 2022 IR 100\\ISO 2022 IR 58", "", "\\ISO 2022 IR 58"},
    {"\\ISO 2022 IR 58", "\x1B$)A\xB2\xE2\xCA\xD4*", "\\ISO 2022 IR 58"},
};

START_TEST(a_device_without_a_set_gets_that_of_its_query)
{
    struct base_buf out = {0};
    const char *const *c = queries[_i];
    if (c[0])
        dicom_write_text(&w, DICOM_TAG_SpecificCharacterSet, c[0]);
    dicom_write_text(&w, DICOM_TAG_PatientName, c[1]);
    ck_assert_int_eq(parse(), BASE_OK);
    answer("", &out);
    ck_assert_str_eq(value_in(base_bytes_of(out.p, out.n), 0, DICOM_TAG_SpecificCharacterSet),
                     c[2]);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(a_cut_identifier_is_an_error_or_a_shorter_one)
{
    dicom_write_text(&w, DICOM_TAG_PatientName, "A");
    dicom_write_seq_open(&w, DICOM_TAG_ScheduledProcedureStepSequence);
    dicom_write_item_open(&w);
    dicom_write_text(&w, DICOM_TAG_Modality, "CT");
    dicom_write_item_close(&w);
    dicom_write_seq_close(&w);
    size_t whole = bytes.n;
    for (size_t n = 1; n < whole; n++) {
        bytes.n = n;
        /* One element of 10 bytes stands before the sequence. */
        ck_assert_int_eq(parse(), n == 10 ? BASE_OK : BASE_EFORMAT);
        worklist_query_deinit(&q);
    }
    bytes.n = whole;
    ck_assert_int_eq(parse(), BASE_OK);
}
END_TEST

START_TEST(too_many_keys_are_refused)
{
    for (uint32_t i = 0; i < WORKLIST_KEYS_MAX; i++)
        dicom_write(&w, DICOM_TAG(0x0010, 0x4000) + i, DICOM_VR_LO, NULL, 0);
    ck_assert_int_eq(parse(), BASE_ELIMIT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worklist_query");
    TCase *tc = tcase_create("query");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, keys_with_a_value_match_and_the_others_are_asked_for);
    tcase_add_test(tc, a_step_of_any_station_is_at_one_that_was_asked_for);
    tcase_add_test(tc, blanks_around_one_of_several_values_mean_nothing);
    tcase_add_test(tc, names_are_read_in_the_character_set_of_the_query);
    tcase_add_test(tc, each_attribute_with_the_same_value_has_to_match);
    tcase_add_test(tc, items_that_contradict_each_other_are_refused);
    tcase_add_test(tc, an_optional_key_that_nothing_is_matched_on_is_told);
    tcase_add_test(tc, an_answer_has_what_was_asked_for_and_a_study_uid);
    tcase_add_test(tc, an_empty_step_asks_for_all_of_it);
    tcase_add_loop_test(tc, each_device_gets_the_set_that_it_reads, 0,
                        (int)(sizeof sets / sizeof sets[0]));
    tcase_add_loop_test(tc, a_device_without_a_set_gets_that_of_its_query, 0,
                        (int)(sizeof queries / sizeof queries[0]));
    tcase_add_test(tc, a_cut_identifier_is_an_error_or_a_shorter_one);
    tcase_add_test(tc, too_many_keys_are_refused);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
