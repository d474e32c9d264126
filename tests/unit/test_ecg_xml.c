/* XML of carts: HL7 aECG, GE MUSE, Philips; our files, those by others, damage. */
#include "ecg/ecg_digits.h"
#include "ecg_fixture.h"

#include <math.h>

static struct ecg_record *open_own(const char *name)
{
    char path[128];
    struct base_buf b = {0};
    snprintf(path, sizeof path, "../ecg-xml/%s", name);
    load_testdata(path, &b);
    struct ecg_record *r = must_open(&b);
    base_buf_deinit(&b);
    return r;
}

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

static struct ecg_record *open_philips(const char *attributes, const char *samples,
                                       const char *rest)
{
    char text[1024];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    snprintf(text, sizeof text,
             "<restingecgdata><documentinfo><documenttype>PhilipsECG</documenttype></documentinfo>"
             "<waveforms><parsedwaveforms numberofleads='2' leadlabels='V1 V2' resolution='5' "
             "samplespersecond='500' durationperchannel='8' %s>%s%s",
             attributes, samples, rest);
    ck_assert_int_eq(open_bytes(base_bytes_str(text), NULL, &r, &err), BASE_OK);
    return r;
}

static const char philips_end[] = "</parsedwaveforms></waveforms></restingecgdata>";

START_TEST(samples_of_philips_may_be_numbers)
{
    static const struct {
        const char *samples;
        bool is_cut;
        size_t n[2];
        const char *note;
    } cases[] = {
        {"1 -2 3 4\n-5,6 7 -32768 ", false, {4, 4}, NULL},
        {"1 -2 3 4 -5 6 ", true, {4, 2}, "2 samples of 4"},
        {"1 -2 3 4 -5 6", true, {4, 1}, "1 samples of 4"}, /* 6 may go on */
        {"1 -2 3 4 -5 6.5 7 8", false, {4, 2}, "plain data are damaged"},
        {"1 -2 3 4 -5 60000 7 8", false, {4, 1}, "plain data are damaged"},
    };
    static const int32_t want[] = {1, -2, 3, 4, -5, 6, 7, -32768};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ecg_record *r = open_philips("dataencoding='Plain' compression='XLI'",
                                            cases[i].samples, cases[i].is_cut ? "" : philips_end);
        ck_assert_uint_eq(r->nleads, 2);
        for (size_t k = 0; k < 2; k++) {
            ck_assert_uint_eq(r->leads[k].samples, cases[i].n[k]);
            for (size_t j = 0; j < r->leads[k].samples; j++)
                ck_assert_int_eq(ecg_lead_sample(&r->leads[k], j), want[4 * k + j]);
        }
        ck_assert(cases[i].note ? has_note(r, cases[i].note) : r->nnotes == 0);
        ecg_record_free(r);
    }
}
END_TEST

/* The leads stand one after the other: what is lost is of the last ones. */
START_TEST(of_philips_samples_that_are_cut_each_stays_in_its_lead)
{
    static const char base64[] = "AQACAAMABAAFAAYABwAIAA=="; /* 1 to 8 */
    struct ecg_record *r = open_philips("dataencoding='Base64'", base64, philips_end);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[1], 3), 8);
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
    r = open_philips("dataencoding='Base64'", "AQACAAMABAAFAAYA", "");
    ck_assert_uint_eq(r->leads[0].samples, 4);
    ck_assert_uint_eq(r->leads[1].samples, 2);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[0], 3), 4);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[1], 0), 5);
    ecg_record_free(r);
}
END_TEST

/* Attributes of two leads of four samples, what is told of them, and the second lead. */
static const struct {
    const char *attributes;
    const char *words; /* NULL: nothing */
    const char *name;
    double uv;
} philips_kinds[] = {
    {"leadlabels='V1 V2' resolution='4.88' compression='None' bitspersample='16'", NULL, "V2",
     4.88},
    {"leadlabels='V1 V2'", "no resolution, 5 uV assumed", "V2", 5},
    {"leadlabels='V1 V2' resolution='4,88'", NULL, "V2", 4.88},
    {"leadlabels='V1 V2' resolution='0'", "no resolution, 5 uV assumed", "V2", 5},
    {"leadlabels='V1 V2' resolution='5' nbitspersample='8'", "samples of 8 bits", "V2", 5},
    {"leadlabels='V1' resolution='5'", NULL, "lead 2", 5},
};

static enum base_err open_philips_document(const char *start, const char *attributes,
                                           struct ecg_record **r, struct base_error *err)
{
    char text[1024];
    snprintf(text, sizeof text,
             "<restingecgdata><documentinfo><documenttype>PhilipsECG</documenttype></documentinfo>"
             "%s<waveforms><parsedwaveforms numberofleads='2' samplespersecond='500' %s>"
             "AQACAAMABAAFAAYABwAIAA==%s",
             start, attributes, philips_end);
    return open_bytes(base_bytes_str(text), NULL, r, err);
}

START_TEST(what_philips_does_not_say_is_told)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_philips_document("", philips_kinds[_i].attributes, &r, &err), BASE_OK);
    ck_assert_str_eq(r->leads[1].name, philips_kinds[_i].name);
    ck_assert_double_eq_tol(r->leads[1].uv_per_count, philips_kinds[_i].uv, 1e-9);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[1], 0), 5);
    ck_assert(philips_kinds[_i].words ? has_note(r, philips_kinds[_i].words) : r->nnotes == 0);
    ecg_record_free(r);
}
END_TEST

START_TEST(samples_of_philips_that_do_not_part_evenly_are_told)
{
    struct ecg_record *r = open_philips("", "AQACAAMABAAFAAYABwA=", philips_end); /* 7 of 8 */
    ck_assert(has_note(r, "14 bytes are not as many of each of 2 leads"));
    ecg_record_free(r);
}
END_TEST

START_TEST(what_philips_packs_in_an_unknown_way_is_refused)
{
    static const char *const attributes[] = {"compression='LZW'", "compressmethod='ZIP'",
                                             "dataencoding='Hex'"};
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        struct ecg_record *r = NULL;
        struct base_error err = {0};
        ck_assert_int_eq(open_philips_document("", attributes[i], &r, &err), BASE_EFORMAT);
        ck_assert_msg(strstr(err.msg, "are not read: that is not known here"), "%s", err.msg);
    }
}
END_TEST

START_TEST(a_time_of_philips_is_read_or_told)
{
    static const struct {
        const char *date;
        const char *time;
        int day;
        int hour; /* -1: none */
        bool is_told;
    } rows[] = {{"2011-12-01", "07:27:34", 1, 7, false},    {"2011-12-01", "", 1, -1, false},
                {"2011-12-01", "07:27:34 PM", 1, -1, true}, {"2011-12-01", "7:27", 1, -1, true},
                {"01/12/2011", "07:27:34", 0, -1, true},    {"", "", 0, -1, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char start[200];
        struct ecg_record *r = NULL;
        struct base_error err = {0};
        snprintf(start, sizeof start, "<dataacquisition date='%s' time='%s'></dataacquisition>",
                 rows[i].date, rows[i].time);
        ck_assert_int_eq(open_philips_document(start, "resolution='5'", &r, &err), BASE_OK);
        ck_assert_int_eq(r->start.date.day, rows[i].day);
        ck_assert_int_eq(r->start.has_time ? r->start.hour : -1, rows[i].hour);
        ck_assert_int_eq(has_note(r, "the acquisition has no date"), rows[i].is_told);
        ecg_record_free(r);
    }
}
END_TEST

START_TEST(a_lead_of_muse_begins_where_it_says)
{
    static const char lead[] = "<LeadData><LeadID>%s</LeadID><LeadOffsetFirstSample>%d"
                               "</LeadOffsetFirstSample><WaveFormData>AQACAAMA</WaveFormData>"
                               "</LeadData>";
    char one[256], two[256], text[1024];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    snprintf(one, sizeof one, lead, "V1", 0);
    snprintf(two, sizeof two, lead, "V2", 500);
    snprintf(text, sizeof text,
             "<RestingECG><MuseInfo/><Waveform><WaveformType>Rhythm</WaveformType><SampleBase>250"
             "</SampleBase>%s%s</Waveform></RestingECG>",
             one, two);
    ck_assert_int_eq(open_bytes(base_bytes_str(text), NULL, &r, &err), BASE_OK);
    ck_assert_double_eq(r->leads[0].start_s, 0);
    ck_assert_double_eq(r->leads[1].start_s, 2);
    ecg_record_free(r);
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

START_TEST(muse_has_its_matrix_its_beats_and_its_onsets)
{
    struct ecg_record *r = open_own("muse-utf8.xml");
    bool r_wave = false;
    bool s_wave = false;
    for (size_t i = 0; i < r->nmeasurements; i++) {
        const struct ecg_measurement *m = &r->measurements[i];
        r_wave |=
            m->what == ECG_MEASURE_R_AMPLITUDE && m->lead_id == ECG_LEAD_I && m->value == 1000;
        s_wave |=
            m->what == ECG_MEASURE_S_AMPLITUDE && m->lead_id == ECG_LEAD_II && m->value == -200;
    }
    ck_assert(r_wave && s_wave);
    ck_assert_str_eq(r->statements[0].text, "Sinus rhythm with nothing else");
    ck_assert_double_eq_tol(r->marks[0].at_s, 62 / 250.0, 1e-9);
    ck_assert(r->marks[0].on_median);
    ck_assert_double_eq_tol(r->marks[2].at_s, 0.348, 1e-9);
    ck_assert_double_eq(r->filters.high_pass_hz, 0.16);
    ck_assert_int_eq(r->confirmed, ECG_CONFIRMED_NO);
    ecg_record_free(r);
}
END_TEST

static enum base_err open_text(const char *text, struct ecg_record **r, struct base_error *err)
{
    return open_bytes(base_bytes_str(text), NULL, r, err);
}

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

START_TEST(a_wrong_checksum_of_muse_is_noted)
{
    struct base_buf b = {0};
    load_testdata("../ecg-xml/muse-utf8.xml", &b);
    char *crc = strstr((char *)b.p, "<LeadDataCRC32>");
    ck_assert_ptr_nonnull(crc);
    crc[15] = crc[15] == '1' ? '2' : '1';
    struct ecg_record *r = must_open(&b);
    ck_assert(has_note(r, "LeadDataCRC32"));
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

/* One of testdata, with `with` in place of each `what`. */
static struct ecg_record *open_changed(const char *file, const char *what, const char *with)
{
    struct base_buf whole = {0}, b = {0};
    load_testdata(file, &whole);
    const char *from = base_buf_cstr(&whole), *at;
    ck_assert_ptr_nonnull(strstr(from, what));
    for (; (at = strstr(from, what)); from = at + strlen(what)) {
        base_buf_add(&b, from, (size_t)(at - from));
        base_buf_add_str(&b, with);
    }
    base_buf_add_str(&b, from);
    struct ecg_record *r = must_open(&b);
    base_buf_deinit(&whole);
    base_buf_deinit(&b);
    return r;
}

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

START_TEST(the_unit_of_muse_may_stand_before_the_steps)
{
    struct ecg_record *r =
        open_changed("../ecg-xml/muse-utf8.xml",
                     "<LeadAmplitudeUnitsPerBit>5</LeadAmplitudeUnitsPerBit>"
                     "<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>",
                     "<LeadAmplitudeUnits>MILLIVOLTS</LeadAmplitudeUnits>"
                     "<LeadAmplitudeUnitsPerBit>0.005</LeadAmplitudeUnitsPerBit>");
    ck_assert_double_eq_tol(r->leads[0].uv_per_count, 5, 1e-9);
    ecg_record_free(r);
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

static const struct {
    const char *date;
    const char *time;
    bool is_dated;
    bool is_timed;
} muse_times[] = {
    {"01-31-2026", "08:00:00", true, true},     {"1-31-2026", "08:00", true, true},
    {"2026-01-31", "08:00:00", true, true},     {"31-01-2026", "08:00:00", false, false},
    {"01-31-26", "08:00:00", false, false},     {"31-JAN-2026", "08:00:00", false, false},
    {"01-31-2026", "08:00:00 PM", true, false}, {"01-31-2026", "", true, false},
};

START_TEST(a_long_type_of_a_beat_is_text)
{
    struct ecg_record *r =
        open_changed("../ecg-xml/muse-utf8.xml", "<Type>0</Type>", "<Type>a测试测试测试</Type>");
    ck_assert_uint_gt(r->nmarks, 0);
    for (size_t i = 0; i < r->nmarks; i++)
        ck_assert(base_utf8_valid(r->marks[i].text, strlen(r->marks[i].text)));
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

START_TEST(a_time_of_muse_is_read_or_told)
{
    char with[200];
    snprintf(with, sizeof with,
             "<AcquisitionDate>%s</AcquisitionDate><AcquisitionTime>%s</AcquisitionTime>",
             muse_times[_i].date, muse_times[_i].time);
    struct ecg_record *r = open_changed(
        "../ecg-xml/muse-utf8.xml",
        "<AcquisitionDate>01-31-2026</AcquisitionDate><AcquisitionTime>08:00:00</AcquisitionTime>",
        with);
    ck_assert_int_eq(r->start.date.month, muse_times[_i].is_dated ? 1 : 0);
    ck_assert_int_eq(r->start.date.day, muse_times[_i].is_dated ? 31 : 0);
    ck_assert_int_eq(r->start.has_time, muse_times[_i].is_timed);
    ck_assert_int_eq(r->start.hour, muse_times[_i].is_timed ? 8 : 0);
    bool is_read = muse_times[_i].is_dated && (muse_times[_i].is_timed || !muse_times[_i].time[0]);
    ck_assert_int_eq(has_note(r, "the acquisition has no date"), !is_read);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_birth_date_of_muse_that_is_none_is_told)
{
    struct ecg_record *r =
        open_changed("../ecg-xml/muse-utf8.xml", "01-02-1960</DateofBirth><Gender>FEMALE",
                     "01-02-60</DateofBirth><Gender>f");
    ck_assert_int_eq(r->patient.birth.year, 0);
    ck_assert_int_eq(r->patient.sex, 'F');
    ck_assert(has_note(r, "the birth date is no date"));
    ecg_record_free(r);
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

static const struct {
    const char *steps;
    const char *unit;
    double uv;
    bool is_told;
} muse_scales[] = {
    {"2.44", "microvolts", 2.44, false},
    {"0.005", "mV", 5, false},
    {"5", "FURLONGS", 5, true},
    {"2,44", "MICROVOLTS", 2.44, false},
    {"x", "MICROVOLTS", 4.88, true},
    {"0", "MICROVOLTS", 4.88, true},
    {"5", "", 5, false},
};

START_TEST(a_scale_of_muse_that_is_not_understood_is_told)
{
    char with[200];
    snprintf(with, sizeof with,
             "<LeadAmplitudeUnitsPerBit>%s</LeadAmplitudeUnitsPerBit>"
             "<LeadAmplitudeUnits>%s</LeadAmplitudeUnits>",
             muse_scales[_i].steps, muse_scales[_i].unit);
    struct ecg_record *r = open_changed("../ecg-xml/muse-utf8.xml",
                                        "<LeadAmplitudeUnitsPerBit>5</LeadAmplitudeUnitsPerBit>"
                                        "<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>",
                                        with);
    ck_assert_double_eq_tol(r->leads[0].uv_per_count, muse_scales[_i].uv, 1e-9);
    ck_assert_int_eq(has_note(r, "amplitudes may be wrong"), muse_scales[_i].is_told);
    ecg_record_free(r);
}
END_TEST

START_TEST(figures_that_nobody_has_are_none_and_told)
{
    static const struct {
        const char *start;
        const char *note;
    } rows[] = {
        {"<dataacquisition><signalbandwidth>0.0--150</signalbandwidth></dataacquisition>",
         "the low-pass filter is none"},
        {"<reportbandwidth><notchfiltersetting>-50</notchfiltersetting></reportbandwidth>",
         "the notch filter is none"},
        {"<reportbandwidth><notchfiltersetting>1e300</notchfiltersetting></reportbandwidth>",
         "the notch filter is none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ecg_record *r = NULL;
        struct base_error err = {0};
        ck_assert_int_eq(open_philips_document(rows[i].start, "resolution='5'", &r, &err), BASE_OK);
        ck_assert(has_note(r, rows[i].note));
        ck_assert_double_eq(r->filters.low_pass_hz + r->filters.notch_hz, 0);
        ecg_record_free(r);
    }
}
END_TEST

/* Of both versions: an element, and an attribute. */
START_TEST(a_rate_that_cannot_be_is_none)
{
    struct base_buf whole = {0};
    struct base_buf b = {0};
    load_testdata("../ecg-xml/philips-1.03.xml", &whole);
    char *rate = strstr((char *)whole.p, "<samplingrate>250");
    const char *waves = strstr((const char *)whole.p, "<parsedwaveforms ");
    ck_assert(rate && waves);
    if (_i == 0)
        memcpy(rate + strlen("<samplingrate>"), "000", 3);
    size_t n = (size_t)(waves - (const char *)whole.p) + strlen("<parsedwaveforms ");
    base_buf_add(&b, whole.p, n);
    base_buf_add_str(&b, _i ? "samplespersecond=\"-500\" resolution=\"0\" " : "");
    base_buf_add(&b, whole.p + n, whole.n - n);
    struct ecg_record *r = must_open(&b);
    ck_assert_double_eq(r->leads[0].rate_hz, _i ? 250 : 500);
    ck_assert_double_eq(r->leads[0].uv_per_count, 5);
    ck_assert(has_note(r, "no rate, 500 Hz assumed") == (_i == 0));
    ecg_record_free(r);
    base_buf_deinit(&whole);
    base_buf_deinit(&b);
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

START_TEST(einthoven_holds_on_philips)
{
    static const char *const files[] = {"philips/129DYPRG.XML",
                                        "philips/3191723_ZZDEMOPTONLY_1-04_orig.xml"};
    struct base_buf b = {0};
    if (!load_other(files[_i], &b))
        return;
    struct ecg_record *r = must_open(&b);
    static const int ids[] = {ECG_LEAD_I,   ECG_LEAD_II,  ECG_LEAD_III,
                              ECG_LEAD_AVR, ECG_LEAD_AVL, ECG_LEAD_AVF};
    const struct ecg_lead *l[6];
    for (size_t k = 0; k < 6; k++) {
        l[k] = ecg_record_lead(r, ids[k]);
        ck_assert_uint_eq(l[k]->samples, 5000); /* the calibration pulse is cut off */
    }
    for (size_t i = 0; i < 5000; i++) {
        int v[6];
        for (size_t k = 0; k < 6; k++)
            v[k] = ecg_lead_sample(l[k], i);
        ck_assert_int_le(abs(v[1] - v[0] - v[2]), 2);
        ck_assert_int_le(abs(v[3] + v[4] + v[5]), 3);
    }
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(muse_by_others_agrees_with_its_checksums)
{
    static const char *const files[] = {"muse/braveheart_example1.xml",
                                        "muse/braveheart_example3.xml"};
    struct base_buf b = {0};
    if (!load_other(files[_i], &b))
        return;
    struct ecg_record *r = must_open(&b);
    ck_assert_uint_eq(r->nleads, 12);
    ck_assert_uint_eq(r->nmedians, 12);
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
    base_buf_deinit(&b);
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
    tcase_add_test(t, samples_of_philips_may_be_numbers);
    tcase_add_test(t, of_philips_samples_that_are_cut_each_stays_in_its_lead);
    tcase_add_loop_test(t, what_philips_does_not_say_is_told, 0,
                        sizeof philips_kinds / sizeof *philips_kinds);
    tcase_add_test(t, samples_of_philips_that_do_not_part_evenly_are_told);
    tcase_add_test(t, what_philips_packs_in_an_unknown_way_is_refused);
    tcase_add_test(t, a_time_of_philips_is_read_or_told);
    tcase_add_test(t, a_lead_of_muse_begins_where_it_says);
    tcase_add_test(t, a_further_series_is_where_its_time_says);
    tcase_add_test(t, annotations_of_aecg_become_marks_in_seconds);
    tcase_add_test(t, what_a_cart_adds_to_aecg_is_read);
    tcase_add_test(t, muse_has_its_matrix_its_beats_and_its_onsets);
    tcase_add_loop_test(t, what_is_no_recording_is_refused_with_the_reason, 0,
                        sizeof refusals / sizeof *refusals);
    tcase_add_test(t, digits_are_read_until_something_else_comes);
    tcase_add_loop_test(t,
                        sequences_have_a_name_without_blanks_and_are_leads_unless_it_says_otherwise,
                        0, sizeof codes / sizeof *codes);
    tcase_add_loop_test(t, what_stands_within_a_list_is_read_as_xml, 0,
                        sizeof within_lists / sizeof *within_lists);
    tcase_add_test(t, lines_and_bytes_are_counted_within_lists);
    tcase_add_test(t, numbers_parted_anywhere_are_the_same);
    tcase_add_test(t, no_entity_is_expanded_and_nesting_is_bounded);
    tcase_add_loop_test(t, every_prefix_gives_what_it_has_or_an_error, 0, OWN);
    tcase_add_test(t, figures_that_nobody_has_are_none_and_told);
    tcase_add_loop_test(t, a_rate_that_cannot_be_is_none, 0, 2);
    tcase_add_loop_test(t, a_long_name_is_whole, 0, 3);
    tcase_add_test(t, the_unit_of_muse_may_stand_before_the_steps);
    tcase_add_loop_test(t, a_name_is_read_in_the_set_that_xml_declares, 0,
                        sizeof xml_sets / sizeof *xml_sets);
    tcase_add_test(t, a_long_type_of_a_beat_is_text);
    tcase_add_test(t, a_lead_always_has_a_rate);
    tcase_add_loop_test(t, a_time_of_muse_is_read_or_told, 0,
                        sizeof muse_times / sizeof *muse_times);
    tcase_add_test(t, a_birth_date_of_muse_that_is_none_is_told);
    tcase_add_test(t, dates_of_aecg_may_be_as_in_iso_8601);
    tcase_add_loop_test(t, a_scale_of_muse_that_is_not_understood_is_told, 0,
                        sizeof muse_scales / sizeof *muse_scales);
    tcase_add_test(t, what_a_cut_file_has_is_kept_and_the_note_says_that_it_is_cut);
    tcase_add_test(t, a_wrong_checksum_of_muse_is_noted);
    tcase_add_loop_test(t, what_is_no_xml_within_a_text_is_left_out, 0, 6);
    tcase_add_test(t, a_subject_of_aecg_may_be_known_by_a_root_alone);
    tcase_add_test(t, names_that_html_has_for_characters_are_these);
    tcase_add_test(t, what_stands_before_the_declaration_is_passed_over);
    tcase_add_test(t, one_recording_in_three_formats_is_equal);
    tcase_add_loop_test(t, einthoven_holds_on_philips, 0, 2);
    tcase_add_loop_test(t, muse_by_others_agrees_with_its_checksums, 0, 2);
    tcase_add_loop_test(t, what_others_meant_to_be_refused_is_refused, 0, 2);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
