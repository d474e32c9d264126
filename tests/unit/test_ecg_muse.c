/* GE MUSE XML: waveforms, findings, times, scales; files by others. */
#include "ecg_xml_fixture.h"

static struct ecg_record *open_muse(const char *text)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_text(text, &r, &err), BASE_OK);
    return r;
}

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

START_TEST(a_checksum_of_muse_of_0_is_none)
{
    struct ecg_record *r = open_muse("<RestingECG><Waveform><SampleBase>500</SampleBase><LeadData>"
                                     "<LeadID>I</LeadID><LeadDataCRC32>0</LeadDataCRC32>"
                                     "<WaveFormData>AQACAA==</WaveFormData></LeadData></Waveform>"
                                     "</RestingECG>");
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
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
    const char *date;
    const char *time;
    bool is_dated;
    bool is_timed;
} muse_times[] = {
    {"01-31-2026", "08:00:00", true, true},     {"1-31-2026", "08:00", true, true},
    {"2026-01-31", "08:00:00", true, true},     {"31-01-2026", "08:00:00", false, false},
    {"01-31-26", "08:00:00", false, false},     {"31-JAN-2026", "08:00:00", false, false},
    {"01-31-2026", "08:00:00 PM", true, false}, {"01-31-2026", "", true, false},
    {"01/31/2026", "08:00:00", true, true},     {"2026/01/31", "08:00:00", true, true},
    {"31/01/2026", "08:00:00", false, false},   {"01/31-2026", "08:00:00", false, false},
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

/* A rhythm of two samples of leads I and II that begins so many ms after the recording does. */
#define MUSE_RHYTHM(ms)                                                                            \
    "<Waveform><WaveformType>Rhythm</WaveformType><SampleBase>500</SampleBase>"                    \
    "<LeadData><LeadID>I</LeadID><LeadTimeOffset>" ms "</LeadTimeOffset><WaveFormData>AQACAA=="    \
    "</WaveFormData></LeadData><LeadData><LeadID>II</LeadID><LeadTimeOffset>" ms                   \
    "</LeadTimeOffset><WaveFormData>BAAIAA==</WaveFormData></LeadData></Waveform>"

START_TEST(each_rhythm_of_muse_has_its_limb_leads)
{
    struct ecg_record *r =
        open_muse("<RestingECG>" MUSE_RHYTHM("0") MUSE_RHYTHM("4") "</RestingECG>");
    ck_assert_uint_eq(r->nleads, 6);
    const struct ecg_lead *three = ecg_record_lead(r, ECG_LEAD_III);
    ck_assert_ptr_nonnull(three);
    assert_samples(three, (const int32_t[]){6, 12, 6, 12}, 4); /* in half counts */
    ecg_record_free(r);
}
END_TEST

/* What a reader struck out is not what the recording shows. */
START_TEST(a_statement_of_muse_that_was_deleted_is_none)
{
    struct ecg_record *r = open_changed(
        "../ecg-xml/muse-utf8.xml", "<DiagnosisStatement><StmtText>Sinus rhythm</StmtText>",
        "<DiagnosisStatement><StmtFlag>DELETED</StmtFlag><StmtFlag>ENDSLINE</StmtFlag><StmtText>"
        "Acute infarct</StmtText></DiagnosisStatement><DiagnosisStatement><StmtText>Also this"
        "</StmtText><StmtFlag>deleted</StmtFlag></DiagnosisStatement>"
        "<DiagnosisStatement><StmtFlag>USERINSERT</StmtFlag><StmtText>Sinus rhythm</StmtText>");
    ck_assert_uint_eq(r->nstatements, 1);
    ck_assert_str_eq(r->statements[0].text, "Sinus rhythm with nothing else");
    ecg_record_free(r);
}
END_TEST

static const struct {
    const char *fields;
    int age;
    char unit;
    double cm;
    const char *told; /* NULL: nothing */
} muse_persons[] = {
    {"<PatientAge>65</PatientAge>", 65, 'Y', 0, NULL},
    {"<PatientAge>65</PatientAge><AgeUnits></AgeUnits>", 65, 'Y', 0, NULL},
    {"<AgeUnits>MONTHS</AgeUnits><PatientAge>7</PatientAge>", 7, 'M', 0, NULL},
    {"<PatientAge>7</PatientAge><AgeUnits>days</AgeUnits>", 7, 'D', 0, NULL},
    {"<PatientAge>7</PatientAge><AgeUnits>MINUTES</AgeUnits>", 0, 0, 0, "AgeUnits"},
    {"<PatientAge>7</PatientAge><AgeUnits>JOURS</AgeUnits>", 0, 0, 0, "AgeUnits"},
    {"<PatientAge>about 60</PatientAge>", 0, 0, 0, "PatientAge"},
    {"<HeightIN>70</HeightIN>", 0, 0, 177.8, NULL},
    {"<HeightIN>5'10</HeightIN>", 0, 0, 0, "HeightIN"},
    {"<WeightKG>70 kg</WeightKG>", 0, 0, 0, "WeightKG"},
    {"<HeightCM>0</HeightCM><WeightKG></WeightKG><PatientAge>0</PatientAge>", 0, 0, 0, NULL},
};

START_TEST(age_height_and_weight_of_muse_are_read_or_told)
{
    char text[1024];
    snprintf(text, sizeof text,
             "<RestingECG><PatientDemographics>%s</PatientDemographics>" MUSE_RHYTHM(
                 "0") "</RestingECG>",
             muse_persons[_i].fields);
    struct ecg_record *r = open_muse(text);
    ck_assert_int_eq(r->patient.age, muse_persons[_i].age);
    if (muse_persons[_i].age)
        ck_assert_int_eq(r->patient.age_unit, muse_persons[_i].unit);
    ck_assert_double_eq_tol(r->patient.height_cm, muse_persons[_i].cm, 1e-9);
    ck_assert_double_eq(r->patient.weight_kg, 0);
    ck_assert(muse_persons[_i].told ? has_note(r, muse_persons[_i].told) : r->nnotes == 0);
    ecg_record_free(r);
}
END_TEST

/* As carts say that there is no P wave. */
START_TEST(an_interval_of_muse_of_0_was_not_measured)
{
    struct ecg_record *r = open_muse(
        "<RestingECG><RestingECGMeasurements><VentricularRate>72</VentricularRate><AtrialRate>0"
        "</AtrialRate><PRInterval>0</PRInterval><PAxis>0</PAxis></"
        "RestingECGMeasurements>" MUSE_RHYTHM("0") "</RestingECG>");
    ck_assert_uint_eq(r->nmeasurements, 2);
    ck_assert_ptr_nonnull(ecg_record_measurement(r, ECG_MEASURE_HEART_RATE));
    ck_assert_ptr_nonnull(ecg_record_measurement(r, ECG_MEASURE_P_AXIS));
    ecg_record_free(r);
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

int main(void)
{
    Suite *s = suite_create("ecg_muse");
    TCase *t = tcase_create("xml");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_lead_of_muse_begins_where_it_says);
    tcase_add_test(t, muse_has_its_matrix_its_beats_and_its_onsets);
    tcase_add_test(t, the_unit_of_muse_may_stand_before_the_steps);
    tcase_add_test(t, a_long_type_of_a_beat_is_text);
    tcase_add_loop_test(t, a_time_of_muse_is_read_or_told, 0,
                        sizeof muse_times / sizeof *muse_times);
    tcase_add_test(t, a_birth_date_of_muse_that_is_none_is_told);
    tcase_add_loop_test(t, a_scale_of_muse_that_is_not_understood_is_told, 0,
                        sizeof muse_scales / sizeof *muse_scales);
    tcase_add_test(t, a_wrong_checksum_of_muse_is_noted);
    tcase_add_test(t, a_checksum_of_muse_of_0_is_none);
    tcase_add_test(t, each_rhythm_of_muse_has_its_limb_leads);
    tcase_add_test(t, a_statement_of_muse_that_was_deleted_is_none);
    tcase_add_loop_test(t, age_height_and_weight_of_muse_are_read_or_told, 0,
                        sizeof muse_persons / sizeof *muse_persons);
    tcase_add_test(t, an_interval_of_muse_of_0_was_not_measured);
    tcase_add_loop_test(t, muse_by_others_agrees_with_its_checksums, 0, 2);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
