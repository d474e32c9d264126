/* XML of carts, whichever: the same recording in each, character sets, damage. */
#include "ecg_xml_fixture.h"

static void assert_expected(const struct ecg_lead *leads, size_t n, const char *group)
{
    json_error_t e;
    json_t *all = json_load_file(RDC_SOURCE_DIR "/testdata/ecg-xml/expected.json", 0, &e);
    const char *name;
    json_t *want;
    ck_assert_ptr_nonnull(all);
    ck_assert_uint_eq(n, json_object_size(json_object_get(all, group)));
    json_object_foreach(json_object_get(all, group), name, want)
    {
        const struct ecg_lead *lead = NULL;
        for (size_t i = 0; i < n; i++)
            if (strcmp(leads[i].name, name) == 0)
                lead = &leads[i];
        ck_assert_msg(lead != NULL, "no lead %s", name);
        ck_assert_uint_eq(lead->samples, json_array_size(want));
        for (size_t i = 0; i < lead->samples; i++) {
            double uv = ecg_lead_sample(lead, i) * lead->uv_per_count;
            double expected = 5 * json_real_value(json_array_get(want, i)) +
                              5 * (double)json_integer_value(json_array_get(want, i));
            /* Median beats of Philips are in 2.5 uV; derived leads were rounded. */
            double scale = lead->uv_per_count == 2.5 && strcmp(group, "medians") == 0 &&
                                   leads[0].uv_per_count == 2.5
                               ? 2
                               : 1;
            ck_assert_double_eq_tol(uv * scale, expected, lead->id > 60 ? 5.01 : 1e-6);
        }
    }
    json_decref(all);
}

static const struct {
    const char *file;
    const char *format;
    const char *name;
} own[] = {
    {"aecg-bare.xml", "HL7 aECG", "测试^一"},
    {"aecg-cart.xml", "HL7 aECG", "测试^一"},
    {"aecg-gb18030.xml", "HL7 aECG", "测试^一"},
    {"aecg-utf16.xml", "HL7 aECG", "测试^一"},
    {"muse-gbk.xml", "GE MUSE XML", "测试^一"},
    {"muse-utf8.xml", "GE MUSE XML", "测试^一"},
    {"muse-windows.xml", "GE MUSE XML", "TEST – Ž^ONE"},
    {"philips-1.03.xml", "Philips XML", "测试^一"},
    {"philips-1.04.xml", "Philips XML", "测试^一"},
};

START_TEST(each_file_has_its_samples_name_and_findings)
{
    struct ecg_record *r = open_own(own[_i].file);
    ck_assert_str_eq(r->format, own[_i].format);
    ck_assert_str_eq(r->patient.name.utf8, own[_i].name);
    ck_assert(r->patient.name.guessed == (strcmp(own[_i].file, "muse-gbk.xml") == 0));
    ck_assert_int_eq(r->patient.sex, 'F');
    ck_assert_uint_eq(r->nnotes, 0);
    ck_assert_double_eq(r->leads[0].rate_hz, 250);
    assert_expected(r->leads, r->nleads, "leads");
    assert_expected(r->medians, r->nmedians, "medians");
    ck_assert_int_eq(r->start.date.year, 2026);
    ck_assert_int_eq(r->start.hour, 8);
    ck_assert_double_eq(r->filters.low_pass_hz, 150);
    ck_assert_double_eq(ecg_record_measurement(r, ECG_MEASURE_HEART_RATE)->value, 72);
    ck_assert_ptr_nonnull(strcasestr(r->statements[0].text, "sinus rhythm"));
    ecg_record_free(r);
}
END_TEST

static const struct {
    const char *text;
    enum base_err code;
    const char *words;
} refusals[] = {
    {"<AnnotatedECG/>", BASE_EFORMAT, "no rhythm series"},
    {"<?xml version='1.0'?><a:AnnotatedECG xmlns:a='x'", BASE_EFORMAT, "line 1"},
    {"<RestingECG></RestingECG>", BASE_EFORMAT, "no rhythm waveform"},
    {"<restingecgdata></restingecgdata>", BASE_EFORMAT, "no documenttype"},
    {"<restingecgdata><documentinfo><documenttype>OtherECG</documenttype></documentinfo>"
     "</restingecgdata>",
     BASE_EUNSUPPORTED, "OtherECG"},
    {"<html><body/></html>", BASE_EUNSUPPORTED, "rdc reads"},
};

START_TEST(what_is_no_recording_is_refused_with_the_reason)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_text(refusals[_i].text, &r, &err), refusals[_i].code);
    ck_assert_msg(strstr(err.msg, refusals[_i].words) != NULL, "%s", err.msg);
}
END_TEST

START_TEST(no_entity_is_expanded_and_nesting_is_bounded)
{
    static const char bomb[] =
        "<?xml version='1.0'?><!DOCTYPE RestingECG SYSTEM 'file:///etc/passwd' [<!ENTITY a "
        "'aaaaaaaa'><!ENTITY b '&a;&a;&a;'><!ENTITY x SYSTEM 'file:///etc/passwd'>]><RestingECG>"
        "<PatientDemographics><PatientID>&b;&x;</PatientID></PatientDemographics></RestingECG>";
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_text(bomb, &r, &err), BASE_EFORMAT);
    ck_assert_ptr_null(strstr(err.msg, "root:"));
    struct base_buf deep = {0};
    base_buf_add_str(&deep, "<AnnotatedECG>");
    for (size_t i = 0; i < 1000; i++)
        base_buf_add_str(&deep, "<a>");
    ck_assert_int_eq(open_bytes(base_buf_bytes(&deep), NULL, &r, &err), BASE_EFORMAT);
    base_buf_reset(&deep);
    base_buf_add_str(&deep, "<AnnotatedECG><a b='");
    base_buf_add_fill(&deep, 'x', 1 << 20);
    base_buf_add_str(&deep, "'/></AnnotatedECG>");
    ck_assert_int_eq(open_bytes(base_buf_bytes(&deep), NULL, &r, &err), BASE_ELIMIT);
    ck_assert(strstr(err.msg, "a tag or comment") != NULL);
    base_buf_deinit(&deep);
}
END_TEST

START_TEST(every_prefix_gives_what_it_has_or_an_error)
{
    char path[128];
    struct base_buf b = {0};
    snprintf(path, sizeof path, "../ecg-xml/%s", own[_i].file);
    load_testdata(path, &b);
    size_t most = 0;
    for (size_t n = 0; n < b.n; n += b.n / 100) {
        struct ecg_record *r = NULL;
        struct base_error err = {0};
        enum base_err e = open_bytes(base_bytes_of(b.p, n), NULL, &r, &err);
        ck_assert(e == BASE_OK || err.msg[0]);
        if (!e) {
            ck_assert_uint_gt(r->nnotes, 0);
            size_t leads = r->nleads;
            ck_assert_uint_ge(leads, most);
            most = leads > 1 ? leads - 1 : 0;
            ecg_record_free(r);
        }
    }
    ck_assert_uint_gt(most, 0);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(what_a_cut_file_has_is_kept_and_the_note_says_that_it_is_cut)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    struct base_buf whole = {0};
    load_testdata("../ecg-xml/muse-utf8.xml", &whole);
    while (whole.p[whole.n - 1] != '=') /* within the samples of the last lead */
        whole.n--;
    ck_assert_int_eq(open_bytes(base_buf_bytes(&whole), NULL, &r, &err), BASE_OK);
    ck_assert_uint_gt(r->nleads, 0);
    ck_assert(has_note(r, "the file is cut"));
    ecg_record_free(r);
    base_buf_deinit(&whole);
}
END_TEST

START_TEST(a_long_name_is_whole)
{
    static const char *const files[] = {"../ecg-xml/aecg-bare.xml", "../ecg-xml/muse-utf8.xml",
                                        "../ecg-xml/philips-1.03.xml"};
    struct base_buf name = {0};
    for (int i = 0; i < 150; i++)
        base_buf_add_str(&name, "测试");
    struct ecg_record *r = open_changed(files[_i], "测试", base_buf_cstr(&name));
    base_buf_add_str(&name, "^一");
    ck_assert_str_eq(r->patient.name.utf8, base_buf_cstr(&name));
    ecg_record_free(r);
    base_buf_deinit(&name);
}
END_TEST

static const struct {
    const char *set;
    const char *family;
    const char *name;
    bool guessed;
} xml_sets[] = {
    {"windows-1251", "\xc8\xe2\xe0\xed\xee\xe2", "Иванов", false},
    {"ISO-8859-7", "\xc4\xef\xea\xe9\xec\xde", "Δοκιμή", false},
    {"ISO-8859-5", "\xb8\xd2\xd0\xdd\xde\xd2", "Иванов", false},
    {"Shift_JIS", "\x8e\x8e\x8c\xb1", "試験", false},
    {"EUC-JP", "\xbb\xee\xb8\xb3", "試験", false},
    {"EUC-KR", "\xc8\xab\xb1\xe6\xb5\xbf", "홍길동", false},
    {"Big5", "\xb4\xfa\xb8\xd5", "測試", false},
    {"GBK", "\xb2\xe2\xca\xd4", "测试", false},
    {"ISO-8859-1", "\xb2\xe2\xca\xd4", "测试", true}, /* not what it says */
    {"windows-1251", "测试", "测试", false},          /* nor this */
    {"no-such-set", "M\xfcller", "Müller", true},
};

START_TEST(a_name_is_read_in_the_set_that_xml_declares)
{
    char text[1024];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    snprintf(text, sizeof text,
             "<?xml version=\"1.0\" encoding=\"%s\"?><restingecgdata><documentinfo><documenttype>"
             "PhilipsECG</documenttype></documentinfo><generalpatientdata><lastname>%s</lastname>"
             "</generalpatientdata><parsedwaveforms numberofleads='2' resolution='5' "
             "samplespersecond='500'>AQACAAMABAAFAAYABwAIAA==</parsedwaveforms></restingecgdata>",
             xml_sets[_i].set, xml_sets[_i].family);
    ck_assert_int_eq(open_bytes(base_bytes_str(text), NULL, &r, &err), BASE_OK);
    ck_assert_str_eq(r->patient.name.utf8, xml_sets[_i].name);
    ck_assert_int_eq(r->patient.name.guessed, xml_sets[_i].guessed);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_lead_always_has_a_rate)
{
    static const struct {
        const char *file;
        const char *what;
        const char *with;
    } rows[] = {{"../ecg-xml/muse-utf8.xml", "<Waveform>", "<Wbveform>"},
                {"../ecg-xml/aecg-bare.xml", "<sequenceSet>", "<sequenceBet>"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ecg_record *r = open_changed(rows[i].file, rows[i].what, rows[i].with);
        ck_assert_double_eq(r->leads[0].rate_hz, 500);
        ck_assert(has_note(r, "has no sampling rate, 500 Hz assumed"));
        ecg_record_free(r);
    }
}
END_TEST

/* Control characters, & and HTML's entities in names, as carts write them. */
START_TEST(what_is_no_xml_within_a_text_is_left_out)
{
    static const char *const odd[] = {"&#x14;", "\x14", " & ", "&nosuch;", "&#xFFFF;", "&x "};
    struct base_buf whole = {0};
    struct base_buf b = {0};
    load_testdata("../ecg-xml/aecg-bare.xml", &whole);
    const char *at = strstr((const char *)whole.p, "<family>");
    ck_assert_ptr_nonnull(at);
    size_t n = (size_t)(at - (const char *)whole.p) + strlen("<family>");
    base_buf_add(&b, whole.p, n);
    base_buf_add_str(&b, odd[_i]);
    base_buf_add(&b, whole.p + n, whole.n - n);
    struct ecg_record *r = must_open(&b);
    ck_assert(strstr(r->patient.name.utf8, "测试") != NULL);
    ck_assert(has_note(r, "line 2: a character or reference that XML does not know"));
    assert_expected(r->leads, r->nleads, "leads");
    ecg_record_free(r);
    base_buf_deinit(&whole);
    base_buf_deinit(&b);
}
END_TEST

/* The same document with these bytes before it and in front of a name. */
static struct ecg_record *open_with(const char *before, const char *in_name)
{
    struct base_buf whole = {0};
    struct base_buf b = {0};
    load_testdata("../ecg-xml/philips-1.03.xml", &whole);
    const char *at = strstr((const char *)whole.p, "<lastname>");
    ck_assert_ptr_nonnull(at);
    size_t n = (size_t)(at - (const char *)whole.p) + strlen("<lastname>");
    base_buf_add_str(&b, before);
    base_buf_add(&b, whole.p, n);
    base_buf_add_str(&b, in_name);
    base_buf_add(&b, whole.p + n, whole.n - n);
    struct ecg_record *r = must_open(&b);
    base_buf_deinit(&whole);
    base_buf_deinit(&b);
    return r;
}

START_TEST(names_that_html_has_for_characters_are_these)
{
    struct ecg_record *r = open_with("", "&Uuml;&nbsp;&amp;&deg;");
    ck_assert_str_eq(r->patient.name.utf8, "Ü &°测试^一");
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
}
END_TEST

START_TEST(what_stands_before_the_declaration_is_passed_over)
{
    static const char *const before[] = {"\r\n  ", "\xef\xbb\xbf\n", "<!-- exported -->\n"};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        struct ecg_record *r = open_with(before[i], "");
        ck_assert_str_eq(r->patient.name.utf8, "测试^一");
        ck_assert_uint_eq(r->nnotes, 0);
        assert_expected(r->leads, r->nleads, "leads");
        ecg_record_free(r);
        r = open_with(before[i], "&amp;&Uuml;"); /* the document is still a good one */
        ck_assert_str_eq(r->patient.name.utf8, "&Ü测试^一");
        ecg_record_free(r);
    }
}
END_TEST

/* ---- recordings by others ---- */
START_TEST(one_recording_in_three_formats_is_equal)
{
    static const char *const files[] = {"aecg/ecgtoolkit_Example.xml", "scp/ecgtoolkit_Example.scp",
                                        "dicom/ecgtoolkit_Example.dcm"};
    struct ecg_record *r[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        struct base_buf b = {0};
        if (!load_other(files[i], &b))
            return;
        r[i] = must_open(&b);
        ck_assert_uint_eq(r[i]->nleads, 12);
        base_buf_deinit(&b);
    }
    for (size_t k = 0; k < 12; k++) {
        const struct ecg_lead *a = &r[0]->leads[k];
        ck_assert_uint_eq(a->samples, 5000);
        for (size_t i = 1; i < 3; i++) {
            const struct ecg_lead *b = ecg_record_lead(r[i], a->id);
            ck_assert_ptr_nonnull(b);
            assert_same_leads(a, b, 1);
        }
    }
    for (size_t i = 0; i < 3; i++)
        ecg_record_free(r[i]);
}
END_TEST

START_TEST(what_others_meant_to_be_refused_is_refused)
{
    static const char *const files[] = {"aecg/empty.xml", "philips/invalid-doc-type.xml"};
    static const char *const words[] = {"no rhythm series", "MortaraECG"};
    struct base_buf b = {0};
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    if (!load_other(files[_i], &b))
        return;
    ck_assert_int_ne(open_bytes(base_buf_bytes(&b), NULL, &r, &err), BASE_OK);
    ck_assert_msg(strstr(err.msg, words[_i]) != NULL, "%s", err.msg);
    base_buf_deinit(&b);
}
END_TEST

int main(void)
{
    enum { OWN = sizeof own / sizeof *own };
    Suite *s = suite_create("ecg_xml");
    TCase *t = tcase_create("xml");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_file_has_its_samples_name_and_findings, 0, OWN);
    tcase_add_loop_test(t, what_is_no_recording_is_refused_with_the_reason, 0,
                        sizeof refusals / sizeof *refusals);
    tcase_add_test(t, no_entity_is_expanded_and_nesting_is_bounded);
    tcase_add_loop_test(t, every_prefix_gives_what_it_has_or_an_error, 0, OWN);
    tcase_add_loop_test(t, a_long_name_is_whole, 0, 3);
    tcase_add_loop_test(t, a_name_is_read_in_the_set_that_xml_declares, 0,
                        sizeof xml_sets / sizeof *xml_sets);
    tcase_add_test(t, a_lead_always_has_a_rate);
    tcase_add_test(t, what_a_cut_file_has_is_kept_and_the_note_says_that_it_is_cut);
    tcase_add_loop_test(t, what_is_no_xml_within_a_text_is_left_out, 0, 6);
    tcase_add_test(t, names_that_html_has_for_characters_are_these);
    tcase_add_test(t, what_stands_before_the_declaration_is_passed_over);
    tcase_add_test(t, one_recording_in_three_formats_is_equal);
    tcase_add_loop_test(t, what_others_meant_to_be_refused_is_refused, 0, 2);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
