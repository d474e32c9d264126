#include "ingest/ingest_dataset.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>

static void write_step(struct base_buf *b, enum dicom_encoding encoding)
{
    struct dicom_writer w;
    static const uint8_t bytes[16];
    dicom_writer_init(&w, b, encoding);
    dicom_write_text(&w, DICOM_TAG_SpecificCharacterSet, "GB18030");
    dicom_write_text(&w, DICOM_TAG_PatientName, "Ceshi^Yi=\xB2\xE2\xCA\xD4^\xD2\xBB");
    dicom_write_text(&w, DICOM_TAG_PatientSex, NULL);
    dicom_write_text(&w, DICOM_TAG_PatientComments, " a\\b ");
    dicom_write_int(&w, DICOM_TAG_Rows, 512);
    dicom_write_text(&w, DICOM_TAG_PerformedProcedureStepStatus, "IN PROGRESS ");
    dicom_write_seq_open(&w, DICOM_TAG_ScheduledStepAttributesSequence);
    dicom_write_item_open(&w);
    dicom_write_text(&w, DICOM_TAG_StudyInstanceUID, "1.2.3");
    dicom_write_text(&w, DICOM_TAG_RequestedProcedureDescription, "\xD0\xD8\xB2\xBF\\x");
    dicom_write_item_close(&w);
    dicom_write_item_open(&w);
    dicom_write_item_close(&w);
    dicom_write_seq_close(&w);
    dicom_write_seq_open(&w, DICOM_TAG_PerformedSeriesSequence);
    dicom_write_seq_close(&w);
    dicom_write(&w, DICOM_TAG(0x7777, 0x1001), DICOM_VR_OB, bytes, sizeof bytes);
    ck_assert_int_eq(b->err, BASE_OK);
}

static json_t *to_json(const struct base_buf *b, enum dicom_encoding encoding)
{
    struct base_buf out = {0};
    struct base_error error = {.msg = ""};
    ck_assert_msg(ingest_dataset_json(base_buf_bytes(b), encoding, &out, &error) == BASE_OK, "%s",
                  error.msg);
    json_t *json = json_loads(base_buf_cstr(&out), 0, NULL);
    ck_assert_ptr_nonnull(json);
    base_buf_deinit(&out);
    return json;
}

/* The n-th value of a tag. */
static const json_t *value(const json_t *json, const char *tag, size_t n)
{
    return json_array_get(json_object_get(json_object_get(json, tag), "Value"), n);
}

START_TEST(a_data_set_is_json_with_text_as_utf8)
{
    enum dicom_encoding encoding = (enum dicom_encoding)_i;
    struct base_buf b = {0};
    write_step(&b, encoding);
    json_t *json = to_json(&b, encoding);
    const json_t *name = value(json, "00100010", 0);
    ck_assert_str_eq(json_string_value(json_object_get(name, "Alphabetic")), "Ceshi^Yi");
    ck_assert_str_eq(json_string_value(json_object_get(name, "Ideographic")), "测试^一");
    ck_assert_ptr_nonnull(json_object_get(json, "00100040"));
    ck_assert_ptr_null(value(json, "00100040", 0));
    ck_assert_str_eq(json_string_value(value(json, "00104000", 0)), " a\\b");
    ck_assert_str_eq(json_string_value(value(json, "00400252", 0)), "IN PROGRESS");
    ck_assert_int_eq(json_integer_value(value(json, "00280010", 0)), 512);
    const json_t *item = value(json, "00400270", 0);
    ck_assert_str_eq(json_string_value(value(item, "0020000D", 0)), "1.2.3");
    /* in the character set of the data set around it */
    ck_assert_str_eq(json_string_value(value(item, "00321060", 0)), "胸部");
    ck_assert_str_eq(json_string_value(value(item, "00321060", 1)), "x");
    ck_assert_uint_eq(json_object_size(value(json, "00400270", 1)), 0);
    ck_assert_ptr_null(value(json, "00400340", 0));
    ck_assert_ptr_nonnull(json_object_get(json, "77771001"));
    json_decref(json);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_cut_data_set_is_refused_or_ends_at_an_element)
{
    struct base_buf b = {0};
    unsigned refused = 0;
    write_step(&b, DICOM_EXPLICIT_LE);
    for (size_t n = 0; n < b.n; n++) {
        struct base_buf out = {0};
        struct base_error error = {.msg = ""};
        enum base_err err =
            ingest_dataset_json(base_bytes_of(b.p, n), DICOM_EXPLICIT_LE, &out, &error);
        refused += err == BASE_EFORMAT && error.msg[0] && error.pos <= n;
        ck_assert(err == BASE_OK || err == BASE_EFORMAT);
        base_buf_deinit(&out);
    }
    ck_assert_uint_gt(refused, b.n / 2);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(sequences_nested_too_deep_are_refused)
{
    struct base_buf b = {0};
    struct base_buf out = {0};
    struct base_error error = {.msg = ""};
    struct dicom_writer w;
    dicom_writer_init(&w, &b, DICOM_IMPLICIT_LE);
    for (unsigned i = 0; i <= INGEST_DATASET_DEPTH; i++) {
        dicom_write_seq_open(&w, DICOM_TAG_ReferencedSOPSequence);
        dicom_write_item_open(&w);
    }
    for (unsigned i = 0; i <= INGEST_DATASET_DEPTH; i++) {
        dicom_write_item_close(&w);
        dicom_write_seq_close(&w);
    }
    ck_assert_int_eq(ingest_dataset_json(base_buf_bytes(&b), DICOM_IMPLICIT_LE, &out, &error),
                     BASE_ELIMIT);
    base_buf_deinit(&b);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(an_output_that_is_full_is_an_error)
{
    struct base_buf b = {0};
    struct base_buf out = {.cap = 100};
    write_step(&b, DICOM_EXPLICIT_LE);
    ck_assert_int_ne(ingest_dataset_json(base_buf_bytes(&b), DICOM_EXPLICIT_LE, &out, NULL),
                     BASE_OK);
    base_buf_deinit(&b);
    base_buf_deinit(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ingest_dataset");
    TCase *tc = tcase_create("json");
    tcase_add_loop_test(tc, a_data_set_is_json_with_text_as_utf8, DICOM_IMPLICIT_LE,
                        DICOM_EXPLICIT_BE + 1);
    tcase_add_test(tc, a_cut_data_set_is_refused_or_ends_at_an_element);
    tcase_add_test(tc, sequences_nested_too_deep_are_refused);
    tcase_add_test(tc, an_output_that_is_full_is_an_error);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
