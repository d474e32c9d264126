/* Philips XML: how samples are packed, what is not said, times; files by others. */
#include "ecg_xml_fixture.h"

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

static struct ecg_record *must_open_philips(const char *start, const char *attributes)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_philips_document(start, attributes, &r, &err), BASE_OK);
    return r;
}

#define SEVERITY(code, text) "<severity code='" code "'>" text "</severity>"
#define SIGNED(text)         "<mdsignatureline>" text "</mdsignatureline>"
#define STATEMENT(text)                                                                            \
    "<statement><statementcode>X</statementcode><leftstatement>" text "</leftstatement></"         \
    "statement>"
#define INTERPRETATION(day, text)                                                                  \
    "<interpretation date='2026-01-" day "' time='08:00:00'>" text "</interpretation>"

/* The recording that it is compared with has a severity and a signature of its own. */
START_TEST(what_philips_says_of_an_earlier_recording_is_not_of_this_one)
{
    struct ecg_record *r = must_open_philips(
        "<otherECGs><otherECG>" SEVERITY(
            "DE",
            "- DEFECTIVE -") "</otherECG></otherECGs>"
                             "<interpretations>" INTERPRETATION(
                                 "31",
                                 "<serialcomparison><previousecg>" SEVERITY("AB",
                                                                            "- ABNORMAL ECG -")
                                     SIGNED("Confirmed by TEST") "</previousecg></"
                                                                 "serialcomparison>" SEVERITY(
                                                                     "NM",
                                                                     "- NORMAL ECG -")) "</"
                                                                                        "interpreta"
                                                                                        "tions>",
        "resolution='5'");
    ck_assert_uint_eq(r->nstatements, 1);
    ck_assert_str_eq(r->statements[0].text, "- NORMAL ECG -");
    ck_assert_str_eq(r->statements[0].code, "NM");
    ck_assert_int_eq(r->confirmed, ECG_CONFIRMED_UNSTATED);
    ecg_record_free(r);
}
END_TEST

/* The device's, and what a cardiologist made of it. */
START_TEST(of_several_interpretations_of_philips_the_last_one_is_told)
{
    static const char device[] = INTERPRETATION(
        "30", SIGNED("Unconfirmed Diagnosis") "<globalmeasurements><heartrate>99</heartrate><print>"
                                              "200</print></globalmeasurements>" STATEMENT(
                                                  "ACUTE INFARCT"));
    static const char reader[] = INTERPRETATION(
        "31", "<globalmeasurements><heartrate>72</heartrate></globalmeasurements>" SIGNED(
                  "Confirmed by TEST") STATEMENT("SINUS RHYTHM"));
    for (int i = 0; i < 2; i++) {
        char start[1024];
        snprintf(start, sizeof start, "<interpretations>%s%s</interpretations>",
                 i ? device : reader, i ? reader : device);
        struct ecg_record *r = must_open_philips(start, "resolution='5'");
        ck_assert_uint_eq(r->nstatements, 1);
        ck_assert_str_eq(r->statements[0].text, "SINUS RHYTHM");
        ck_assert_int_eq(r->confirmed, ECG_CONFIRMED_YES);
        ck_assert_double_eq(ecg_record_measurement(r, ECG_MEASURE_HEART_RATE)->value, 72);
        ck_assert(has_note(r, "an earlier interpretation"));
        ecg_record_free(r);
    }
}
END_TEST

START_TEST(an_age_of_philips_may_be_in_other_units)
{
    static const struct {
        const char *age;
        int n;
        char unit;
    } rows[] = {{"<years>66</years>", 66, 'Y'}, {"<months>7</months>", 7, 'M'},
                {"<weeks>5</weeks>", 5, 'W'},   {"<days>3</days>", 3, 'D'},
                {"<hours>9</hours>", 9, 'H'},   {"<years/>", 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char start[200];
        snprintf(start, sizeof start, "<generalpatientdata><age>%s</age></generalpatientdata>",
                 rows[i].age);
        struct ecg_record *r = must_open_philips(start, "resolution='5'");
        ck_assert_int_eq(r->patient.age, rows[i].n);
        ck_assert_int_eq(r->patient.age_unit, rows[i].unit);
        ecg_record_free(r);
    }
}
END_TEST

/* The mains of the place are no filter, unless the samples were filtered. */
START_TEST(the_mains_that_philips_states_is_no_filter)
{
    static const struct {
        const char *fields;
        double hz;
    } rows[] = {
        {"<acsetting>60</acsetting>", 0},
        {"<acsetting>60</acsetting><notchfiltered>False</notchfiltered><notchfilterfreqs>60"
         "</notchfilterfreqs>",
         0},
        {"<acsetting>60</acsetting><notchfiltered>True</notchfiltered><notchfilterfreqs/>", 60},
        {"<notchfiltered>True</notchfiltered><notchfilterfreqs>50 100</notchfilterfreqs>", 50}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char start[300];
        snprintf(start, sizeof start,
                 "<dataacquisition><signalcharacteristics>%s</signalcharacteristics>"
                 "</dataacquisition>",
                 rows[i].fields);
        struct ecg_record *r = must_open_philips(start, "resolution='5'");
        ck_assert_double_eq(r->filters.notch_hz, rows[i].hz);
        ecg_record_free(r);
    }
}
END_TEST

START_TEST(samples_of_philips_may_have_an_offset_and_no_sign)
{
    struct ecg_record *r = open_philips("dataencoding='Plain' signalsigned='False' "
                                        "signaloffset='32768'",
                                        "32768 0 65535 1 2 3 4 5", philips_end);
    static const double want[] = {0, -163840, 163835, -163835};
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq_tol(ecg_lead_sample(&r->leads[0], i) * r->leads[0].uv_per_count +
                                    r->leads[0].offset_uv,
                                want[i], 1e-6);
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
    r = open_philips("dataencoding='Base64' signalsigned='False'",
                     "//8CAAMABAAFAAYABwAIAA==", philips_end);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[0], 0), 65535);
    ecg_record_free(r);
}
END_TEST

/* Version 1.03 does not state how many leads there are samples of. */
START_TEST(a_lead_of_philips_that_is_not_valid_takes_no_other_away)
{
    struct ecg_record *r =
        open_changed("../ecg-xml/philips-1.03.xml", "<samplingrate>",
                     "<numberchannelsvalid>7</numberchannelsvalid><samplingrate>");
    ck_assert_uint_eq(r->nleads, 12);
    ck_assert_uint_eq(r->nnotes, 0);
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

int main(void)
{
    Suite *s = suite_create("ecg_philips");
    TCase *t = tcase_create("xml");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, samples_of_philips_may_be_numbers);
    tcase_add_test(t, of_philips_samples_that_are_cut_each_stays_in_its_lead);
    tcase_add_loop_test(t, what_philips_does_not_say_is_told, 0,
                        sizeof philips_kinds / sizeof *philips_kinds);
    tcase_add_test(t, samples_of_philips_that_do_not_part_evenly_are_told);
    tcase_add_test(t, what_philips_packs_in_an_unknown_way_is_refused);
    tcase_add_test(t, a_time_of_philips_is_read_or_told);
    tcase_add_test(t, what_philips_says_of_an_earlier_recording_is_not_of_this_one);
    tcase_add_test(t, of_several_interpretations_of_philips_the_last_one_is_told);
    tcase_add_test(t, an_age_of_philips_may_be_in_other_units);
    tcase_add_test(t, the_mains_that_philips_states_is_no_filter);
    tcase_add_test(t, samples_of_philips_may_have_an_offset_and_no_sign);
    tcase_add_test(t, a_lead_of_philips_that_is_not_valid_takes_no_other_away);
    tcase_add_test(t, figures_that_nobody_has_are_none_and_told);
    tcase_add_loop_test(t, a_rate_that_cannot_be_is_none, 0, 2);
    tcase_add_loop_test(t, einthoven_holds_on_philips, 0, 2);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
