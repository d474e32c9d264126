#include "report/report_pdf.h"
#include "report/report_sr.h"
#include "shim_fixture.h"

static const struct shim_reference shown[] = {
    {"2.25.100", "2.25.110", "1.2.840.10008.5.1.4.1.1.9.1.1", "2.25.111"}};
static const struct report_object object = {"2.25.300", "2.25.301", 9001, 2};
static const struct report_evidence evidence = {.shown = shown, .shown_n = 1};

static struct report_content content(void)
{
    return (struct report_content){
        .hospital_name = "宁州市第一人民医院",
        .line = "ecg",
        .modality = "ECG",
        .patient_id = "P1",
        .patient_name = "张三",
        .study_uid = "2.25.100",
        .study_date = "20260131",
        .findings = "窦性心律，心率72次/分。",
        .impression = "正常心电图",
        .version = 1,
        .status = REPORT_FINAL,
        .author_name = "李明",
        .signer_name = "王建国",
        .signed_at_us = 1769846400000000,
        .utc_offset_minutes = 480,
    };
}

static void metadata(const struct base_buf *file, struct base_buf *json)
{
    struct shim_source src = {.bytes = base_buf_bytes(file)};
    struct base_error e = {0};
    enum base_err err = shim_metadata_json(&src, json, NULL, &e);
    ck_assert_msg(err == BASE_OK, "%s", e.msg);
}

static void expect(const struct base_buf *text, const char *needle)
{
    ck_assert_msg(strstr(base_buf_cstr(text), needle) != NULL, "'%s' is not in:\n%s", needle,
                  base_buf_cstr(text));
}

START_TEST(a_signed_report_becomes_a_verified_sr)
{
    struct base_buf file = {0}, json = {0};
    struct report_content c = content();
    ck_assert_int_eq(report_sr_render(&c, &object, &evidence, &file, NULL), BASE_OK);
    metadata(&file, &json);
    expect(&json, "11524-6");
    expect(&json, "\"VERIFIED\"");
    expect(&json, "\"FINAL\"");
    expect(&json, "王建国");
    expect(&json, "窦性心律，心率72次/分。");
    expect(&json, "2.25.111");
    base_buf_deinit(&json);
    base_buf_deinit(&file);
}
END_TEST

START_TEST(damage_of_what_was_read_stands_before_the_findings)
{
    struct base_buf file = {0}, json = {0};
    struct report_content c = content();
    c.damaged = true;
    ck_assert_int_eq(report_sr_render(&c, &object, &evidence, &file, NULL), BASE_OK);
    metadata(&file, &json);
    expect(&json, report_sr_damage(&c));
    ck_assert(strstr(base_buf_cstr(&json), report_sr_damage(&c)) <
              strstr(base_buf_cstr(&json), c.findings));
    base_buf_reset(&file);
    c.findings = NULL;
    ck_assert_int_eq(report_sr_render(&c, &object, &evidence, &file, NULL), BASE_OK);
    metadata(&file, &json);
    expect(&json, report_sr_damage(&c));
    base_buf_reset(&file);
    base_buf_reset(&json);
    c.damaged = false;
    ck_assert_int_eq(report_sr_render(&c, &object, &evidence, &file, NULL), BASE_OK);
    metadata(&file, &json);
    ck_assert_ptr_null(strstr(base_buf_cstr(&json), "损坏"));
    base_buf_deinit(&json);
    base_buf_deinit(&file);
}
END_TEST

START_TEST(an_unsigned_report_is_preliminary_and_unverified)
{
    struct base_buf file = {0}, json = {0};
    struct report_content c = content();
    c.status = REPORT_PRELIMINARY;
    c.signer_name = NULL;
    c.line = "radiology";
    c.modality = "DX";
    ck_assert_int_eq(report_sr_render(&c, &object, &evidence, &file, NULL), BASE_OK);
    metadata(&file, &json);
    expect(&json, "\"UNVERIFIED\"");
    expect(&json, "\"PRELIMINARY\"");
    expect(&json, "43468-8");
    base_buf_deinit(&json);
    base_buf_deinit(&file);
}
END_TEST

START_TEST(the_pdf_travels_in_an_object_of_its_own)
{
    char path[256], command[320];
    struct base_buf pdf = {0}, file = {0}, out = {0};
    struct report_content c = content();
    ck_assert_int_eq(report_pdf_render(&c, &pdf, NULL), BASE_OK);
    ck_assert_int_eq(report_sr_wrap_pdf(&c, &object, &evidence, base_buf_bytes(&pdf), &file, NULL),
                     BASE_OK);
    ck_assert_ptr_nonnull(memmem(file.p, file.n, pdf.p, pdf.n));
    fixture_write(fixture_path("report.dcm", path), &file);
    ck_assert_int_eq(shim_is_valid_file(path, NULL), BASE_OK);
    if (fixture_has("dciodvfy")) {
        snprintf(command, sizeof command, "dciodvfy %s 2>&1", path);
        fixture_run(&out, command);
        ck_assert_msg(strstr(base_buf_cstr(&out), "Error") == NULL, "%s", base_buf_cstr(&out));
    }
    base_buf_deinit(&out);
    base_buf_deinit(&file);
    base_buf_deinit(&pdf);
}
END_TEST

START_TEST(the_title_follows_the_line)
{
    ck_assert_str_eq(report_sr_title("ecg"), "心电图诊断报告");
    ck_assert_str_eq(report_sr_title("radiology"), "影像诊断报告");
    ck_assert_str_eq(report_sr_title(NULL), "影像诊断报告");
}
END_TEST

int main(void)
{
    struct base_error e;
    if (shim_init(&e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    Suite *s = suite_create("report_sr");
    TCase *t = tcase_create("objects");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_signed_report_becomes_a_verified_sr);
    tcase_add_test(t, damage_of_what_was_read_stands_before_the_findings);
    tcase_add_test(t, an_unsigned_report_is_preliminary_and_unverified);
    tcase_add_test(t, the_pdf_travels_in_an_object_of_its_own);
    tcase_add_test(t, the_title_follows_the_line);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failures = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failures != 0;
}
