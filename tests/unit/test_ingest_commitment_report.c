#include "ingest/ingest_commitment_report.h"

#include "ingest/ingest_dataset.h"

#include <check.h>
#include <stdlib.h>

/* A report as commitment_report() describes it, encoded, and read back as JSON. */
static json_t *encoded(const char *items, enum dicom_encoding encoding, uint16_t *event)
{
    struct base_buf data = {0};
    struct base_buf out = {0};
    json_t *report = json_object();
    json_object_set_new(report, "transaction", json_string("1.2.3"));
    json_object_set_new(report, "items", json_loads(items, 0, NULL));
    ingest_commitment_encode(report, encoding, &data, event);
    ck_assert_int_eq(data.err, BASE_OK);
    ck_assert_int_eq(ingest_dataset_json(base_buf_bytes(&data), encoding, &out, NULL), BASE_OK);
    json_t *json = json_loads(base_buf_cstr(&out), 0, NULL);
    base_buf_deinit(&data);
    base_buf_deinit(&out);
    json_decref(report);
    return json;
}

static const json_t *values(const json_t *json, const char *tag)
{
    return json_object_get(json_object_get(json, tag), "Value");
}

static const char *text(const json_t *json, const char *tag)
{
    const char *s = json_string_value(json_array_get(values(json, tag), 0));
    return s ? s : "";
}

#define ITEM(uid, failure)                                                                         \
    "{\"sop_class\": \"1.2\", \"sop_uid\": \"" uid "\", \"failure\": " failure "}"

START_TEST(a_report_of_success_has_no_failed_sequence)
{
    uint16_t event = 0;
    json_t *json = encoded("[" ITEM("1.1", "null") "," ITEM("1.2", "null") "]",
                           (enum dicom_encoding)_i, &event);
    ck_assert_uint_eq(event, 1);
    ck_assert_str_eq(text(json, "00081195"), "1.2.3");
    ck_assert_uint_eq(json_array_size(values(json, "00081199")), 2);
    ck_assert_ptr_null(json_object_get(json, "00081198"));
    json_decref(json);
}
END_TEST

START_TEST(a_report_has_each_object_once_with_its_reason)
{
    uint16_t event = 0;
    json_t *json = encoded("[" ITEM("1.1", "274") "," ITEM("1.2", "null") "]",
                           (enum dicom_encoding)_i, &event);
    ck_assert_uint_eq(event, 2);
    const json_t *failed = json_array_get(values(json, "00081198"), 0);
    ck_assert_uint_eq(json_array_size(values(json, "00081198")), 1);
    ck_assert_str_eq(text(failed, "00081150"), "1.2");
    ck_assert_str_eq(text(failed, "00081155"), "1.1");
    ck_assert_int_eq(json_integer_value(json_array_get(values(failed, "00081197"), 0)), 0x0112);
    ck_assert_uint_eq(json_array_size(values(json, "00081199")), 1);
    json_decref(json);
}
END_TEST

START_TEST(a_report_where_all_fail_has_no_referenced_sequence)
{
    uint16_t event = 0;
    json_t *json = encoded("[" ITEM("1.1", "272") "]", (enum dicom_encoding)_i, &event);
    ck_assert_uint_eq(event, 2);
    ck_assert_ptr_null(json_object_get(json, "00081199"));
    json_decref(json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ingest_commitment_report");
    TCase *tc = tcase_create("encode");
    tcase_add_loop_test(tc, a_report_of_success_has_no_failed_sequence, DICOM_IMPLICIT_LE,
                        DICOM_EXPLICIT_BE + 1);
    tcase_add_loop_test(tc, a_report_has_each_object_once_with_its_reason, DICOM_IMPLICIT_LE,
                        DICOM_EXPLICIT_BE + 1);
    tcase_add_loop_test(tc, a_report_where_all_fail_has_no_referenced_sequence, DICOM_IMPLICIT_LE,
                        DICOM_EXPLICIT_BE + 1);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
