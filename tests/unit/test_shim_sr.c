#include "dicom/shim/shim.h"
#include "shim_fixture.h"

static const struct shim_reference shown[] = {
    {"2.25.100", "2.25.110", "1.2.840.10008.5.1.4.1.1.2", "2.25.111"},
    {"2.25.100", "2.25.110", "1.2.840.10008.5.1.4.1.1.2", "2.25.112"},
    {"2.25.100", "2.25.120", "1.2.840.10008.5.1.4.1.1.2", "2.25.121"},
};
static const struct shim_reference earlier = {"2.25.100", "2.25.200", SHIM_UID_BASIC_TEXT_SR,
                                              "2.25.201"};

static struct shim_document document(void)
{
    return (struct shim_document){
        .patient_id = "P0001",
        .patient_name = "张三",
        .patient_birth_date = "19600102",
        .patient_sex = "M",
        .study_uid = "2.25.100",
        .study_date = "20260131",
        .study_time = "080000",
        .study_description = "胸部CT平扫",
        .accession = "A1",
        .institution = "市第一人民医院",
        .series_uid = "2.25.300",
        .series_description = "诊断报告",
        .series_number = 9001,
        .sop_instance_uid = "2.25.301",
        .instance_number = 1,
        .content_us = 1769846400123456, /* 2026-01-31T08:00:00.123456Z */
        .utc_offset_minutes = 480,
        .title = {"18748-4", "LN", "Diagnostic Imaging Report"},
    };
}

static struct shim_sr report(void)
{
    return (struct shim_sr){
        .doc = document(),
        .findings = "双肺纹理清晰。\n未见实变影。",
        .impression = "未见明显异常。",
        .author_name = "李医生",
        .author_org = "市第一人民医院",
        .verifier_name = "王主任",
        .verifier_org = "市第一人民医院",
        .verified_us = 1769846400123456,
        .predecessor = &earlier,
        .evidence = shown,
        .evidence_n = 3,
    };
}

static void write_sr(const struct shim_sr *in, struct base_buf *out)
{
    struct base_error e = {0};
    enum base_err err = shim_sr_write(in, out, &e);
    ck_assert_msg(err == BASE_OK, "%s", e.msg);
}

static void expect(const struct base_buf *text, const char *needle)
{
    ck_assert_msg(strstr(base_buf_cstr(text), needle) != NULL, "'%s' is not in:\n%s", needle,
                  base_buf_cstr(text));
}

static void no_dciodvfy_error(const char *path)
{
    char command[512];
    struct base_buf out = {0};
    if (!fixture_has("dciodvfy"))
        return;
    snprintf(command, sizeof command, "dciodvfy %s 2>&1", path);
    fixture_run(&out, command);
    ck_assert_msg(strstr(base_buf_cstr(&out), "Error") == NULL, "%s", base_buf_cstr(&out));
    ck_assert_uint_gt(out.n, 0);
    base_buf_deinit(&out);
}

START_TEST(an_sr_has_its_state_headings_and_evidence)
{
    char path[256];
    struct base_buf file = {0}, json = {0};
    struct shim_sr in = report();
    bool guessed = true;
    write_sr(&in, &file);
    fixture_write(fixture_path("sr.dcm", path), &file);
    struct shim_source src = {.bytes = base_buf_bytes(&file)};
    ck_assert_int_eq(shim_is_valid_file(path, NULL), BASE_OK);
    ck_assert_int_eq(shim_metadata_json(&src, &json, &guessed, NULL), BASE_OK);
    ck_assert(!guessed);
    expect(&json, "\"00080016\":{\"vr\":\"UI\",\"Value\":[\"" SHIM_UID_BASIC_TEXT_SR "\"]}");
    expect(&json, "\"00080018\":{\"vr\":\"UI\",\"Value\":[\"2.25.301\"]}");
    expect(&json, "\"00080201\":{\"vr\":\"SH\",\"Value\":[\"+0800\"]}");
    expect(&json, "\"00080033\":{\"vr\":\"TM\",\"Value\":[\"160000.123456\"]}");
    expect(&json, "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"张三\"}]}");
    expect(&json, "\"0040A030\":{\"vr\":\"DT\",\"Value\":[\"20260131160000.123456+0800\"]}");
    expect(&json, "\"0040A491\":{\"vr\":\"CS\",\"Value\":[\"COMPLETE\"]}");
    expect(&json, "\"0040A493\":{\"vr\":\"CS\",\"Value\":[\"VERIFIED\"]}");
    expect(&json, "双肺纹理清晰。\\r\\n未见实变影。");
    expect(&json, "2.25.201");
    expect(&json, "2.25.121");
    no_dciodvfy_error(path);
    base_buf_deinit(&json);
    base_buf_deinit(&file);
}
END_TEST

START_TEST(the_same_report_gives_the_same_bytes)
{
    struct base_buf a = {0}, b = {0};
    struct shim_sr in = report();
    write_sr(&in, &a);
    write_sr(&in, &b);
    ck_assert(base_bytes_equal(base_buf_bytes(&a), base_buf_bytes(&b)));
    base_buf_deinit(&a);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(the_least_possible_sr_is_valid_too)
{
    char path[256];
    struct base_buf file = {0};
    struct shim_sr in = {.doc = {.study_uid = "2.25.1",
                                 .series_uid = "2.25.2",
                                 .sop_instance_uid = "2.25.3",
                                 .title = {"18748-4", "LN", "Diagnostic Imaging Report"}},
                         .impression = "正常",
                         .author_name = "李",
                         .author_org = "医院"};
    in.doc.patient_birth_date = "1960";
    in.doc.patient_sex = "男";
    in.doc.study_date = "2026-1-3";
    write_sr(&in, &file);
    fixture_write(fixture_path("least.dcm", path), &file);
    no_dciodvfy_error(path);
    base_buf_deinit(&file);
}
END_TEST

START_TEST(dsrdump_reads_the_tree)
{
    char path[256], command[512];
    struct base_buf file = {0}, out = {0};
    struct shim_sr in = report();
    if (!fixture_has("dsrdump"))
        return;
    write_sr(&in, &file);
    fixture_write(fixture_path("dump.dcm", path), &file);
    snprintf(command, sizeof command, "dsrdump +Pc %s 2>&1", path);
    ck_assert_int_eq(fixture_run(&out, command), 0);
    expect(&out, "59776-5");
    expect(&out, "19005-8");
    expect(&out, "121071");
    expect(&out, "双肺纹理清晰");
    expect(&out, "王主任");
    expect(&out, "VERIFIED");
    base_buf_deinit(&file);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(missing_fields_are_named)
{
    struct base_buf out = {0};
    struct base_error e = {0};
    struct shim_sr in = report();
    in.doc.study_uid = "";
    ck_assert_int_eq(shim_sr_write(&in, &out, &e), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "study UID is missing");
    in = report();
    in.author_name = NULL;
    ck_assert_int_eq(shim_sr_write(&in, &out, &e), BASE_EINVAL);
    in = report();
    in.findings = in.impression = NULL;
    ck_assert_int_eq(shim_sr_write(&in, &out, &e), BASE_EINVAL);
    in = report();
    in.verifier_org = "";
    ck_assert_int_eq(shim_sr_write(&in, &out, &e), BASE_EINVAL);
    struct shim_reference broken = earlier;
    broken.series_uid = NULL;
    in = report();
    in.predecessor = &broken;
    ck_assert_int_eq(shim_sr_write(&in, &out, &e), BASE_EINVAL);
    in = report();
    in.evidence = &broken;
    in.evidence_n = 1;
    ck_assert_int_eq(shim_sr_write(&in, &out, &e), BASE_EINVAL);
    ck_assert_uint_eq(out.n, 0);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(a_full_buffer_is_an_error)
{
    struct base_buf out;
    struct shim_sr in = report();
    base_buf_init(&out, 200);
    ck_assert_int_eq(shim_sr_write(&in, &out, NULL), BASE_ELIMIT);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(an_encapsulated_pdf_keeps_its_bytes_and_true_length)
{
    static const char pdf[] = "%PDF-1.5\nodd\n%%EOF";
    char path[256];
    struct base_buf file = {0}, json = {0};
    struct shim_pdf in = {.doc = document(),
                          .document_title = "影像诊断报告",
                          .verified = true,
                          .sources = shown,
                          .sources_n = 3};
    struct base_error e = {0};
    size_t n = strlen(pdf) - 1; /* odd */
    ck_assert_uint_eq(n & 1, 1);
    enum base_err err = shim_pdf_encapsulate(&in, base_bytes_of(pdf, n), &file, &e);
    ck_assert_msg(err == BASE_OK, "%s", e.msg);
    fixture_write(fixture_path("pdf.dcm", path), &file);
    struct shim_source src = {.path = path};
    ck_assert_int_eq(shim_metadata_json(&src, &json, NULL, NULL), BASE_OK);
    expect(&json, "\"00420015\":{\"vr\":\"UL\",\"Value\":[17]}");
    expect(&json, "\"00420010\":{\"vr\":\"ST\",\"Value\":[\"影像诊断报告\"]}");
    expect(&json, "\"00280301\":{\"vr\":\"CS\",\"Value\":[\"YES\"]}");
    ck_assert_ptr_null(strstr(base_buf_cstr(&json), "00420011"));
    ck_assert_ptr_nonnull(memmem(file.p, file.n, "%PDF-1.5\nodd\n%%EO\0", 18));
    no_dciodvfy_error(path);
    ck_assert_int_eq(shim_pdf_encapsulate(&in, base_bytes_str("text"), &file, &e), BASE_EINVAL);
    base_buf_deinit(&json);
    base_buf_deinit(&file);
}
END_TEST

int main(void)
{
    struct base_error e;
    if (shim_init(&e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    Suite *s = suite_create("shim_sr");
    TCase *t = tcase_create("documents");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_sr_has_its_state_headings_and_evidence);
    tcase_add_test(t, the_same_report_gives_the_same_bytes);
    tcase_add_test(t, the_least_possible_sr_is_valid_too);
    tcase_add_test(t, dsrdump_reads_the_tree);
    tcase_add_test(t, missing_fields_are_named);
    tcase_add_test(t, a_full_buffer_is_an_error);
    tcase_add_test(t, an_encapsulated_pdf_keeps_its_bytes_and_true_length);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failures = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failures != 0;
}
