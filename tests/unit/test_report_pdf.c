#include "report/report_pdf.h"
#include "shim_fixture.h"

static struct report_content content(void)
{
    return (struct report_content){
        .hospital_name = "宁州市第一人民医院",
        .centre_name = "青田街道社区卫生服务中心",
        .line = "radiology",
        .patient_id = "P20260001",
        .patient_name = "欧阳雪莹",
        .patient_sex = "F",
        .patient_birth_date = "19581120",
        .study_uid = "2.25.329800735698586629295641978511506172918",
        .accession = "CT260131007",
        .study_description = "胸部CT平扫（低剂量）",
        .modality = "CT",
        .study_date = "20260131",
        .study_time = "081530",
        .exam_id = 1024,
        .findings = "胸廓对称，双肺纹理清晰，走行自然。右肺上叶尖段见一磨玻璃结节，大小约8mm×6mm，"
                    "边界尚清，未见明显分叶及毛刺。\n双侧肺门不大，纵隔内未见肿大淋巴结。\n"
                    "心影大小、形态正常，主动脉壁见少许钙化。双侧胸腔未见积液。",
        .impression = "1. 右肺上叶磨玻璃结节，建议3个月后复查。\n2. 主动脉粥样硬化。",
        .version = 1,
        .status = REPORT_FINAL,
        .author_name = "李明",
        .signer_name = "王建国",
        .signed_at_us = 1769846400000000, /* 2026-01-31T08:00:00Z */
        .utc_offset_minutes = 480,
        .sha256_hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    };
}

static void render(const struct report_content *c, struct base_buf *pdf)
{
    struct base_error e = {0};
    enum base_err err = report_pdf_render(c, pdf, &e);
    ck_assert_msg(err == BASE_OK, "%s", e.msg);
    ck_assert_uint_gt(pdf->n, 1000);
    ck_assert_int_eq(memcmp(pdf->p, "%PDF-", 5), 0);
}

/* What pdftotext reads from the PDF, and the number of its pages. */
static bool text_of(const struct base_buf *pdf, struct base_buf *text)
{
    char path[256], command[320];
    if (!fixture_has("pdftotext"))
        return false;
    fixture_write(fixture_path("report.pdf", path), pdf);
    snprintf(command, sizeof command, "pdftotext -layout %s -", path);
    ck_assert_int_eq(fixture_run(text, command), 0);
    return true;
}

static void expect(const struct base_buf *text, const char *needle)
{
    ck_assert_msg(strstr(base_buf_cstr(text), needle) != NULL, "'%s' is not in:\n%.2000s", needle,
                  base_buf_cstr(text));
}

START_TEST(damage_of_what_was_read_is_printed)
{
    for (int damaged = 0; damaged < 2; damaged++) {
        struct base_buf pdf = {0}, text = {0};
        struct report_content c = content();
        c.damaged = damaged;
        render(&c, &pdf);
        if (text_of(&pdf, &text) && damaged) {
            expect(&text, "送检数据有损坏或缺失");
            expect(&text, "damaged or incomplete");
            expect(&text, "胸廓对称");
        }
        ck_assert(damaged || !strstr(base_buf_cstr(&text), "损坏"));
        base_buf_deinit(&text);
        base_buf_deinit(&pdf);
    }
}
END_TEST

START_TEST(a_name_is_printed_as_people_write_it)
{
    static const char *const names[][2] = {
        {"ZHANG^SAN=张^三", "张三 ZHANG SAN"},
        {"张^三", "张三"},
        {"张三", "张三"},
        {"SMITH^JOHN^^DR^", "SMITH JOHN DR"},
        {"=张^三", "张三"},
        {"OUYANG^XUE=欧阳^雪=", "欧阳雪 OUYANG XUE"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct base_buf pdf = {0}, text = {0};
        struct report_content c = content();
        c.patient_name = names[i][0];
        render(&c, &pdf);
        if (text_of(&pdf, &text)) {
            expect(&text, names[i][1]);
            ck_assert_ptr_null(strchr(base_buf_cstr(&text), '^'));
        }
        base_buf_deinit(&pdf);
        base_buf_deinit(&text);
    }
}
END_TEST

START_TEST(chinese_text_can_be_read_back)
{
    struct base_buf pdf = {0}, text = {0};
    struct report_content c = content();
    render(&c, &pdf);
    if (text_of(&pdf, &text)) {
        static const char *const words[] = {
            "宁州市第一人民医院",
            "影像诊断报告",
            "欧阳雪莹",
            "女",
            "67岁",
            "P20260001",
            "CT260131007",
            "2026-01-31 08:15",
            "右肺上叶尖段",
            "建议3个月后复查。",
            "李明",
            "王建国",
            "2026-01-31 16:00:00",
            "第1页/共1页",
            "第 1 版 · 已审核",
        };
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            expect(&text, words[i]);
        expect(&text, c.sha256_hex);
        ck_assert_ptr_null(strstr(base_buf_cstr(&text), "危急值"));
    }
    base_buf_deinit(&text);
    base_buf_deinit(&pdf);
}
END_TEST

START_TEST(the_same_content_gives_the_same_bytes)
{
    struct base_buf a = {0}, b = {0};
    struct report_content c = content();
    render(&c, &a);
    render(&c, &b);
    ck_assert(base_bytes_equal(base_buf_bytes(&a), base_buf_bytes(&b)));
    base_buf_deinit(&a);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_long_text_flows_over_pages_without_losing_a_line)
{
    struct base_buf pdf = {0}, text = {0}, findings = {0};
    struct report_content c = content();
    for (int i = 0; i < 150; i++)
        base_buf_printf(&findings, "第%03d行所见。\n", i);
    c.findings = base_buf_cstr(&findings);
    c.status = REPORT_AMENDED;
    c.version = 2;
    render(&c, &pdf);
    if (text_of(&pdf, &text)) {
        char line[32];
        for (int i = 0; i < 150; i++) {
            snprintf(line, sizeof line, "第%03d行所见", i);
            expect(&text, line);
        }
        expect(&text, "（续页）");
        expect(&text, "修订报告");
        expect(&text, "共5页");
    }
    base_buf_deinit(&findings);
    base_buf_deinit(&text);
    base_buf_deinit(&pdf);
}
END_TEST

START_TEST(an_age_is_counted_in_what_parents_count_it_in)
{
    static const char *const cases[][3] = {
        {"20260131", "20260131", "0天"},  {"20260119", "20260131", "12天"},
        {"20260101", "20260131", "30天"}, {"20251231", "20260131", "1月"},
        {"20250201", "20260131", "11月"}, {"20250131", "20260131", "1岁"},
        {"20240229", "20250228", "11月"}, {"20251228", "20260101", "4天"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct base_buf pdf = {0}, text = {0};
        struct report_content c = content();
        c.patient_birth_date = cases[i][0];
        c.study_date = cases[i][1];
        render(&c, &pdf);
        if (text_of(&pdf, &text))
            expect(&text, cases[i][2]);
        base_buf_deinit(&pdf);
        base_buf_deinit(&text);
    }
}
END_TEST

/* The heads of the pages that follow: who it is, however long, above the line under it. */
START_TEST(a_long_name_does_not_run_into_the_text_of_the_next_page)
{
    struct base_buf pdf = {0}, text = {0}, findings = {0};
    struct report_content c = content();
    c.patient_name =
        "A阿卜杜拉阿卜杜拉阿卜杜拉阿卜杜拉阿卜杜拉阿卜杜拉阿卜杜拉阿卜杜拉阿卜杜拉阿卜杜拉";
    c.patient_id = "P123456789012345678END";
    for (int i = 0; i < 60; i++)
        base_buf_printf(&findings, "line %d of the findings\n", i);
    c.findings = base_buf_cstr(&findings);
    render(&c, &pdf);
    if (text_of(&pdf, &text)) {
        const char *next = strchr(base_buf_cstr(&text), '\f');
        ck_assert_ptr_nonnull(next);
        const char *id = strstr(next, "END");
        const char *accession = strstr(next, c.accession);
        const char *line = strstr(next, "of the findings");
        ck_assert_ptr_nonnull(id);
        ck_assert_ptr_nonnull(accession);
        ck_assert_ptr_nonnull(line);
        ck_assert(id < line && accession < line);
        ck_assert_ptr_null(strstr(next, "\xef\xbf\xbd"));
    }
    base_buf_deinit(&findings);
    base_buf_deinit(&text);
    base_buf_deinit(&pdf);
}
END_TEST

START_TEST(what_is_not_final_says_so)
{
    static const struct {
        enum report_status status;
        const char *words;
    } cases[] = {
        {REPORT_DRAFT, "不得作为诊断依据"},
        {REPORT_PRELIMINARY, "尚未审核"},
        {REPORT_RETRACTED, "本报告已撤销"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct base_buf pdf = {0}, text = {0};
        struct report_content c = content();
        c.status = cases[i].status;
        c.critical = true;
        c.line = "ecg";
        c.signer_name = NULL;
        c.signed_at_us = 0;
        c.sha256_hex = NULL;
        render(&c, &pdf);
        if (text_of(&pdf, &text)) {
            expect(&text, cases[i].words);
            expect(&text, "危急值");
            expect(&text, "心电图诊断报告");
            expect(&text, "（未审核）");
        }
        base_buf_deinit(&text);
        base_buf_deinit(&pdf);
    }
}
END_TEST

START_TEST(damaged_and_missing_text_still_renders)
{
    struct base_buf pdf = {0}, text = {0};
    struct report_content c = {.hospital_name = "医院", .version = 1, .status = REPORT_FINAL};
    c.findings = "\xff\xfe bad \x01 bytes\r\nand more";
    c.patient_age = "030M";
    render(&c, &pdf);
    if (text_of(&pdf, &text)) {
        expect(&text, "bytes");
        expect(&text, "30月");
        expect(&text, "（无）");
    }
    base_buf_deinit(&text);
    base_buf_deinit(&pdf);
}
END_TEST

START_TEST(a_report_without_hospital_or_version_is_refused)
{
    struct base_buf pdf = {0};
    struct base_error e = {0};
    struct report_content c = content();
    c.hospital_name = "";
    ck_assert_int_eq(report_pdf_render(&c, &pdf, &e), BASE_EINVAL);
    c = content();
    c.version = 0;
    ck_assert_int_eq(report_pdf_render(&c, &pdf, &e), BASE_EINVAL);
    base_buf_init(&pdf, 1000);
    c = content();
    ck_assert_int_eq(report_pdf_render(&c, &pdf, &e), BASE_ELIMIT);
    base_buf_deinit(&pdf);
    static char lines[100001];
    memset(lines, '\n', sizeof lines - 1);
    lines[sizeof lines - 2] = 'x';
    c.findings = lines;
    base_buf_init(&pdf, 0);
    ck_assert_int_eq(report_pdf_render(&c, &pdf, &e), BASE_ELIMIT);
    ck_assert_str_eq(e.msg, "PDF: the report has more than 1200 pages");
    base_buf_deinit(&pdf);
    /* 20000 characters each are the most that can be signed */
    c.findings = c.impression = lines + sizeof lines - 1 - 20000;
    ck_assert_int_eq(report_pdf_render(&c, &pdf, &e), BASE_OK);
    base_buf_deinit(&pdf);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("report_pdf");
    TCase *t = tcase_create("pdf");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, damage_of_what_was_read_is_printed);
    tcase_add_test(t, a_name_is_printed_as_people_write_it);
    tcase_add_test(t, chinese_text_can_be_read_back);
    tcase_add_test(t, the_same_content_gives_the_same_bytes);
    tcase_add_test(t, a_long_text_flows_over_pages_without_losing_a_line);
    tcase_add_test(t, an_age_is_counted_in_what_parents_count_it_in);
    tcase_add_test(t, a_long_name_does_not_run_into_the_text_of_the_next_page);
    tcase_add_test(t, what_is_not_final_says_so);
    tcase_add_test(t, damaged_and_missing_text_still_renders);
    tcase_add_test(t, a_report_without_hospital_or_version_is_refused);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failures = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failures != 0;
}
