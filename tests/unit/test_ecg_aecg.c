/* HL7 aECG: series, digits, annotations, and what carts add. */
#include "ecg/ecg_digits.h"
#include "ecg_xml_fixture.h"

START_TEST(annotations_of_aecg_become_marks_in_seconds)
{
    struct ecg_record *r = open_own("aecg-bare.xml");
    static const struct {
        enum ecg_mark_kind kind;
        double at;
        int lead;
    } want[] = {{ECG_MARK_P_ON, 0.1, 0},
                {ECG_MARK_P_OFF, 0.19, 0},
                {ECG_MARK_QRS_ON, 0.26, ECG_LEAD_II},
                {ECG_MARK_QRS_OFF, 0.35, ECG_LEAD_II},
                {ECG_MARK_BEAT, 0.26, 0}};
    ck_assert_uint_eq(r->nmarks, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(r->marks[i].kind, want[i].kind);
        ck_assert_int_eq(r->marks[i].lead_id, want[i].lead);
        ck_assert_double_eq_tol(r->marks[i].at_s, want[i].at, 1e-9);
    }
    ck_assert_int_eq(r->marks[4].code, ECG_CODE_PVC);
    ck_assert_double_eq_tol(ecg_record_measurement(r, ECG_MEASURE_QT)->value, 400, 1e-9);
    ck_assert_int_eq(r->start.usec, 500000); /* of the sequence, not the series */
    ck_assert_double_eq(r->leads[0].start_s, 0);
    ecg_record_free(r);
}
END_TEST

#define SERIES(time, set)                                                                          \
    "<component><series><code code='RHYTHM'/>" time "<component><sequenceSet><component>"          \
    "<sequence><code code='TIME_RELATIVE'/><value><head value='0' unit='s'/>"                      \
    "<increment value='0.01' unit='s'/></value></sequence></component><component>"                 \
    "<sequence><code code='MDC_ECG_LEAD_II'/><value><origin value='0' unit='uV'/>"                 \
    "<scale value='5' unit='uV'/><digits>" set "</digits></value></sequence></component>"          \
    "</sequenceSet></component></series></component>"
#define LOW(time) "<effectiveTime><low value='" time "'/></effectiveTime>"

/* Their times are relative to their own series: two recordings are not one at the same time. */
START_TEST(a_further_series_is_where_its_time_says)
{
    static const struct {
        const char *text;
        size_t leads;
        size_t samples;
    } cases[] = {
        {"<AnnotatedECG>" SERIES(LOW("20260105093000"), "1 2 3")
             SERIES(LOW("20260105093000.050"), "4 5") "</AnnotatedECG>",
         1, 7},
        {"<AnnotatedECG>" SERIES(LOW("20260105093000"), "1 2 3")
             SERIES("", "4 5") "</AnnotatedECG>",
         2, 3},
        {"<AnnotatedECG>" SERIES(LOW("20260105093000"), "1 2 3")
             SERIES(LOW("20250105093000"), "4 5") "</AnnotatedECG>",
         2, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ecg_record *r = NULL;
        struct base_error err = {0};
        struct base_bytes bytes = base_bytes_str(cases[i].text);
        ck_assert_int_eq(open_bytes(bytes, NULL, &r, &err), BASE_OK);
        ck_assert_uint_eq(r->nleads, cases[i].leads);
        ck_assert_uint_eq(r->leads[0].samples, cases[i].samples);
        ck_assert_double_eq(r->leads[0].start_s, 0);
        if (cases[i].leads == 1) {
            ck_assert_int_eq(ecg_lead_sample(&r->leads[0], 3), ECG_SAMPLE_NONE);
            ck_assert_int_eq(ecg_lead_sample(&r->leads[0], 5), 4);
        }
        ecg_record_free(r);
    }
}
END_TEST

static double measured(const struct ecg_record *r, enum ecg_measure what, int lead)
{
    for (size_t i = 0; i < r->nmeasurements; i++)
        if (r->measurements[i].what == what && r->measurements[i].lead_id == lead)
            return r->measurements[i].value;
    return -1;
}

START_TEST(what_a_cart_adds_to_aecg_is_read)
{
    struct ecg_record *r = open_own("aecg-cart.xml");
    ck_assert_str_eq(r->patient.id.utf8, "X0001");
    ck_assert_int_eq(r->patient.age, 65);
    ck_assert_int_eq(r->patient.age_unit, 'Y');
    ck_assert_str_eq(r->device.serial, "SN-7");
    /* 0 of the standard's QTc and PR says that they were not measured. */
    ck_assert_double_eq(measured(r, ECG_MEASURE_QTC, 0), 413);
    ck_assert_double_eq(measured(r, ECG_MEASURE_PR, 0), -1);
    ck_assert_double_eq(measured(r, ECG_MEASURE_QRS_AXIS, 0), 64);
    ck_assert_double_eq(measured(r, ECG_MEASURE_R_AMPLITUDE, ECG_LEAD_I), 500);
    ck_assert_double_eq(measured(r, ECG_MEASURE_Q_DURATION, ECG_LEAD_I), 0);
    ck_assert_double_eq(measured(r, ECG_MEASURE_OTHER, ECG_LEAD_V6), 234);
    ck_assert_uint_eq(r->nmeasurements, 6);
    ck_assert_uint_eq(r->nstatements, 1);
    ecg_record_free(r);
}
END_TEST

/* As carts have it whose electrodes were off, or that found no P wave. */
START_TEST(a_rate_or_interval_of_aecg_of_0_was_not_measured)
{
#define ANNOTATION(code, value)                                                                    \
    "<component><annotation><code code='" code "'/><value value='" value "'/></annotation>"        \
    "</component>"
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(
        open_text("<AnnotatedECG>" SERIES("", "1 2 3") "<component><annotationSet>" ANNOTATION(
                      "MDC_ECG_HEART_RATE", "0") ANNOTATION("MDC_ECG_TIME_PD_PR", "0")
                      ANNOTATION("MDC_ECG_ANGLE_P_FRONT", "0")
                          ANNOTATION("MDC_ECG_TIME_PD_QT",
                                     "400") "</annotationSet></component></AnnotatedECG>",
                  &r, &err),
        BASE_OK);
    ck_assert_uint_eq(r->nmeasurements, 2);
    ck_assert_double_eq(measured(r, ECG_MEASURE_P_AXIS, 0), 0);
    ck_assert_double_eq(measured(r, ECG_MEASURE_QT, 0), 400);
    ecg_record_free(r);
}
END_TEST

static const char sequence[] =
    "<AnnotatedECG><component><series><component><sequenceSet>"
    "<component><sequence><code code='TIME_RELATIVE'/><value><head value='0' unit='s'/>"
    "<increment value='2' unit='ms'/></value></sequence></component>"
    "<component><sequence><code code='MDC_ECG_LEAD_II'/><value><origin value='1' unit='mV'/>"
    "<scale value='0.001' unit='mV'/><digits>%s</digits></value></sequence></component>"
    "</sequenceSet></component></series></component></AnnotatedECG>";

START_TEST(digits_are_read_until_something_else_comes)
{
    char text[2048];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    snprintf(text, sizeof text, sequence, "\n1 -2\t+3\r\n-32768 40000 7 8 9 10 11 12");
    ck_assert_int_eq(open_text(text, &r, &err), BASE_OK);
    assert_samples(&r->leads[0], (int32_t[]){1, -2, 3, -32768, 40000, 7, 8, 9, 10, 11, 12}, 11);
    ck_assert_double_eq(r->leads[0].rate_hz, 500);
    ck_assert_double_eq_tol(r->leads[0].uv_per_count, 1, 1e-9);
    ck_assert_double_eq_tol(r->leads[0].offset_uv, 1000, 1e-9);
    ecg_record_free(r);
    snprintf(text, sizeof text, sequence, "1 2 3.5 4 5");
    ck_assert_int_eq(open_text(text, &r, &err), BASE_OK);
    assert_samples(&r->leads[0], (int32_t[]){1, 2}, 2);
    ck_assert(has_note(r, "something else than whole numbers"));
    ecg_record_free(r);
    snprintf(text, sizeof text, sequence, "3.5 4 5");
    ck_assert_int_eq(open_text(text, &r, &err), BASE_EFORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "begins with something else than a whole number"));
    snprintf(text, sizeof text, sequence, "1<!-- parts no number -->2 3");
    ck_assert_int_eq(open_text(text, &r, &err), BASE_OK);
    assert_samples(&r->leads[0], (int32_t[]){12, 3}, 2);
    ecg_record_free(r);
    snprintf(text, sizeof text, sequence, "1 2 99999999999 4");
    ck_assert_int_eq(open_text(text, &r, &err), BASE_OK);
    ck_assert_uint_eq(r->leads[0].samples, 2);
    ecg_record_free(r);
}
END_TEST

static const struct {
    const char *code;
    const char *name;
    bool is_lead;
} codes[] = {{"MDC_ECG_LEAD_II", "II", true},
             {"MDC_ECG_LEAD_CUSTOM ", "CUSTOM", true},
             {" ECG ", "ECG", true},
             {"MDC_EEG_CHANNEL", "MDC_EEG_CHANNEL", false},
             {"MDC_ECG_LEAD_Pulse", "Pulse", true}};

START_TEST(sequences_have_a_name_without_blanks_and_are_leads_unless_it_says_otherwise)
{
    char text[2048];
    char with[2048];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    snprintf(text, sizeof text, sequence, "1 2 3");
    char *at = strstr(text, "MDC_ECG_LEAD_II");
    snprintf(with, sizeof with, "%.*s%s%s", (int)(at - text), text, codes[_i].code,
             at + strlen("MDC_ECG_LEAD_II"));
    ck_assert_int_eq(open_text(with, &r, &err), BASE_OK);
    ck_assert_uint_eq(r->nleads, codes[_i].is_lead);
    ck_assert_uint_eq(r->nothers, !codes[_i].is_lead);
    const struct ecg_lead *lead = codes[_i].is_lead ? r->leads : r->others;
    ck_assert_str_eq(lead->name, codes[_i].name);
    assert_samples(lead, (const int32_t[]){1, 2, 3}, 3);
    ck_assert_double_eq(lead->rate_hz, 500);
    ecg_record_free(r);
}
END_TEST

/* What may stand within a list, from one end of it to the other. */
static const struct {
    const char *put; /* at every space between two numbers */
    bool bad;        /* what follows is lost */
} within_lists[] = {
    {" <!-- 7 8 -->", false},
    {" <![CDATA[]]> ", false},
    {"<![CDATA[ ]]>", false},
    {"&#32;", false},
    {"\r\n", false},
    {" <?pi 9?>", false},
    {" x ", true},
    {" \xe4\xbd\xa0 ", true},
    {" &amp; ", true},
};

START_TEST(what_stands_within_a_list_is_read_as_xml)
{
    enum { NUMBERS = 40 };
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    for (size_t place = 0; place < NUMBERS; place++) {
        struct base_buf list = {0};
        int32_t want[NUMBERS];
        for (size_t i = 0; i < NUMBERS; i++) {
            want[i] = (int32_t)(i * 37) - 200;
            base_buf_printf(&list, "%d%s", want[i], i == place ? within_lists[_i].put : " ");
        }
        struct base_buf text = {0};
        base_buf_printf(&text, sequence, base_buf_cstr(&list));
        ck_assert_int_eq(open_bytes(base_buf_bytes(&text), NULL, &r, &err), BASE_OK);
        assert_samples(&r->leads[0], want, within_lists[_i].bad ? place + 1 : NUMBERS);
        ecg_record_free(r);
        base_buf_deinit(&list);
        base_buf_deinit(&text);
    }
}
END_TEST

START_TEST(lines_and_bytes_are_counted_within_lists)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    struct base_buf text = {0};
    base_buf_printf(&text, sequence, "1 2\n3\r\n4\n5 6 7 8 9 10 11 12 13 14\n\n</digit>");
    const char *damage = strstr(base_buf_cstr(&text), "</digit>");
    uint64_t at = (uint64_t)(damage - (const char *)text.p);
    ck_assert_int_eq(open_bytes(base_buf_bytes(&text), NULL, &r, &err), BASE_OK);
    ck_assert_msg(has_note(r, "line 6"), "%s", r->notes[0].text);
    ck_assert_uint_ge(r->notes[0].pos, at);
    ck_assert_uint_le(r->notes[0].pos, at + strlen("</digit>"));
    ecg_record_free(r);
    base_buf_deinit(&text);
}
END_TEST

START_TEST(numbers_parted_anywhere_are_the_same)
{
    static const char list[] =
        "12 -345 6 78901 -2 0 000123456 7 -8 9 10 11 -12345 14 15 16 17 18 19 20";
    static const int32_t want[] = {12, -345, 6,      78901, -2, 0,  123456, 7,  -8, 9,
                                   10, 11,   -12345, 14,    15, 16, 17,     18, 19, 20};
    enum base_err err = BASE_OK;
    for (size_t cut = 0; cut < sizeof list; cut++) {
        struct ecg_digits d = {0};
        ck_assert(ecg_digits_add(ecg_simd_level(), &d, list, cut, 100, &err));
        ck_assert(
            ecg_digits_add(ecg_simd_level(), &d, list + cut, sizeof list - 1 - cut, 100, &err));
        ecg_digits_end(&d);
        ck_assert_uint_eq(d.n, sizeof want / sizeof *want);
        for (size_t i = 0; i < d.n; i++)
            ck_assert_int_eq(d.v[i], want[i]);
        ecg_digits_free(&d);
    }
    struct ecg_digits d = {0};
    ck_assert(!ecg_digits_add(ECG_SIMD_SCALAR, &d, list, sizeof list - 1, 5, &err));
    ck_assert_int_eq(err, BASE_ELIMIT);
    ecg_digits_free(&d);
}
END_TEST

START_TEST(dates_of_aecg_may_be_as_in_iso_8601)
{
    struct ecg_record *r = open_changed("../ecg-xml/aecg-bare.xml", "<birthTime value=\"19600102\"",
                                        "<birthTime value=\"1960-01-02\"");
    ck_assert_int_eq(r->patient.birth.day, 2);
    ecg_record_free(r);
    r = open_changed("../ecg-xml/aecg-bare.xml", "20260131080000", "2026-01-31T08:00:00");
    ck_assert_int_eq(r->start.date.day, 31);
    ck_assert_int_eq(r->start.hour, 8);
    ck_assert_int_eq(r->start.usec, 500000);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_subject_of_aecg_may_be_known_by_a_root_alone)
{
    static const struct {
        const char *ids;
        const char *id;
    } rows[] = {{"<id root='1.2.3.4'/>", "1.2.3.4"},
                {"<id root='1.2.3.4'/><id root='1.2' extension='X7'/>", "X7"},
                {"<id root='1.2' extension='X7'/><id root='1.2.3.4'/>", "X7"},
                {"<id nullFlavor='UNK'/>", ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct base_buf whole = {0};
        struct base_buf b = {0};
        load_testdata("../ecg-xml/aecg-bare.xml", &whole);
        const char *text = base_buf_cstr(&whole);
        const char *at = strstr(text, "<id root=\"1.2.3\" extension=\"X0001\"/>");
        ck_assert_ptr_nonnull(at);
        base_buf_add(&b, text, (size_t)(at - text));
        base_buf_add_str(&b, rows[i].ids);
        base_buf_add_str(&b, strchr(at, '>') + 1);
        struct ecg_record *r = must_open(&b);
        ck_assert_str_eq(r->patient.id.utf8, rows[i].id);
        ecg_record_free(r);
        base_buf_deinit(&whole);
        base_buf_deinit(&b);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_aecg");
    TCase *t = tcase_create("xml");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_further_series_is_where_its_time_says);
    tcase_add_test(t, annotations_of_aecg_become_marks_in_seconds);
    tcase_add_test(t, what_a_cart_adds_to_aecg_is_read);
    tcase_add_test(t, a_rate_or_interval_of_aecg_of_0_was_not_measured);
    tcase_add_test(t, digits_are_read_until_something_else_comes);
    tcase_add_loop_test(t,
                        sequences_have_a_name_without_blanks_and_are_leads_unless_it_says_otherwise,
                        0, sizeof codes / sizeof *codes);
    tcase_add_loop_test(t, what_stands_within_a_list_is_read_as_xml, 0,
                        sizeof within_lists / sizeof *within_lists);
    tcase_add_test(t, lines_and_bytes_are_counted_within_lists);
    tcase_add_test(t, numbers_parted_anywhere_are_the_same);
    tcase_add_test(t, dates_of_aecg_may_be_as_in_iso_8601);
    tcase_add_test(t, a_subject_of_aecg_may_be_known_by_a_root_alone);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
