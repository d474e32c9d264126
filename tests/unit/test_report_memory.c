/* What becomes of a report without memory: no sheet, or all of it. */
#include "report/report_pdf.h"
#include "report/report_sr.h"
#include "without_memory.h"

#include <stdio.h>

static const struct shim_reference shown[] = {
    {"2.25.100", "2.25.110", "1.2.840.10008.5.1.4.1.1.9.1.1", "2.25.111"}};
static const struct report_object object = {"2.25.300", "2.25.301", 9001, 2};
static const struct report_evidence evidence = {.shown = shown, .shown_n = 1};
static const struct report_content content = {
    .hospital_name = "宁州市第一人民医院",
    .centre_name = "青田街道社区卫生服务中心",
    .line = "ecg",
    .modality = "ECG",
    .patient_id = "P1",
    .patient_name = "测试^一",
    .patient_sex = "F",
    .patient_birth_date = "19581120",
    .study_uid = "2.25.100",
    .accession = "ECG1",
    .study_description = "静息心电图",
    .study_date = "20260131",
    .study_time = "081530",
    .exam_id = 7,
    .findings = "窦性心律，心率72次/分。\nSinus rhythm, no change since the last recording, "
                "with a line that is long enough to be wrapped on the sheet: 电轴不偏。",
    .impression = "正常心电图",
    .version = 2,
    .status = REPORT_FINAL,
    .author_name = "李明",
    .signer_name = "王建国",
    .signed_at_us = 1769846400000000,
    .utc_offset_minutes = 480,
    .damaged = true,
};

static enum base_err run_pdf(const void *arg, struct base_buf *out, struct base_error *err)
{
    return report_pdf_render(arg, out, err);
}

static enum base_err run_sr(const void *arg, struct base_buf *out, struct base_error *err)
{
    return report_sr_render(arg, &object, &evidence, out, err);
}

static enum base_err run_wrap(const void *arg, struct base_buf *out, struct base_error *err)
{
    return report_sr_wrap_pdf(arg, &object, &evidence, base_bytes_str("%PDF-1.4"), out, err);
}

START_TEST(a_sheet_is_whole_or_none)
{
    without_memory("PDF", run_pdf, &content);
}
END_TEST

START_TEST(a_structured_report_is_whole_or_none)
{
    without_memory("SR", run_sr, &content);
    without_memory("encapsulated PDF", run_wrap, &content);
}
END_TEST

int main(void)
{
    struct base_error e = {0};
    if (shim_init(&e)) {
        fprintf(stderr, "%s\n", e.msg);
        return EXIT_FAILURE;
    }
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, a_sheet_is_whole_or_none);
    tcase_add_test(tcase, a_structured_report_is_whole_or_none);
    Suite *suite = suite_create("report_memory");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n != 0;
}
