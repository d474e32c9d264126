/* The lead and measurement tables, derived leads, JSON and CSV. */
#include "ecg/ecg_derive.h"
#include "ecg/ecg_hl7_time.h"
#include "ecg/ecg_info.h"
#include "ecg/ecg_scp_expand.h"
#include "ecg/ecg_unit.h"
#include "ecg/ecg_write.h"
#include "ecg_fixture.h"

#include <math.h>

static struct ecg_record *two_leads(void)
{
    static const int32_t one[] = {10, 20, -30, 40};
    static const int32_t two[] = {5, ECG_SAMPLE_NONE, 7, 100};
    struct ecg_record *r = ecg_record_new(NULL);
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(ecg_record_set_leads(r, 2), BASE_OK);
    for (size_t i = 0; i < 2; i++) {
        struct ecg_lead *lead = &r->leads[i];
        memcpy(must_have_samples(r, lead, 4), i ? two : one, sizeof one);
        lead->id = i ? ECG_LEAD_II : ECG_LEAD_I;
        lead->name = ecg_lead_name(lead->id);
        lead->rate_hz = 500;
        lead->uv_per_count = 2.5;
    }
    return r;
}

START_TEST(a_time_of_day_is_one_that_every_format_has)
{
    struct ecg_time t = {.usec = 5};
    ck_assert(!ecg_time_set(&t, 24, 0, 0));
    ck_assert(!ecg_time_set(&t, 8, 60, 0));
    ck_assert(!ecg_time_set(&t, 8, 0, 61));
    ck_assert(!ecg_time_set(&t, -1, 0, 0));
    ck_assert(!t.has_time && t.usec == 5);
    ck_assert(ecg_time_set(&t, 23, 59, 60)); /* a leap second */
    ck_assert(t.has_time && t.hour == 23 && t.minute == 59 && t.second == 59 && t.usec == 0);
    ck_assert(ecg_hl7_time_parse("2026-01-31T08:00:60.25", &t));
    ck_assert(t.second == 59 && t.usec == 250000);
    ck_assert(!ecg_hl7_time_parse("2026-01-31T08:00:75", &t));
    ck_assert(!ecg_time_set_zone(&t, 14 * 60 + 1) && !ecg_time_set_zone(&t, -14 * 60 - 1));
    ck_assert(!t.has_zone);
    ck_assert(ecg_time_set_zone(&t, -14 * 60) && t.has_zone && t.zone_min == -14 * 60);
    ck_assert(!ecg_hl7_time_parse("2026-01-31T08:00:00+1499", &t));
}
END_TEST

START_TEST(leads_are_found_by_name_and_by_code)
{
    static const struct {
        const char *name;
        int id;
    } names[] = {{"I", 1},
                 {"avr", 62},
                 {"AVF", 64},
                 {"Lead V1", 3},
                 {"ECG I", 1},
                 {"EKG lead V2", 4},
                 {"v6 ", 8},
                 {"V3R", 11},
                 {"DII", 2},
                 {"Ⅱ", 2},
                 {"I导联", 1},
                 {"V 1", 3},
                 {"MDC_ECG_LEAD_AVR", 62},
                 {"dI", 31},
                 {"X", 16},
                 {"", 0},
                 {"nothing", 0},
                 {" III ", 61},
                 {"vx", 16},
                 {"vz", 18},
                 {"LeadII", 2},
                 {"Lead_aVL", 63},
                 {"ECGV1", 3},
                 {"ECG_II", 2},
                 {"ECG.III", 61},
                 {"ECG -aVR", 65},
                 {"导联II", 2},
                 {"D2", 2},
                 {"D3", 61},
                 {"MLII", ECG_LEAD_ML},
                 {"ECG1", 0},
                 {"LeadX", 0},
                 {"Leads", 0},
                 {"ECG", 0},
                 {"ECG ", 0},
                 {"Lead", 0},
                 {"Left Leg", 0}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_int_eq(ecg_lead_by_name(names[i].name, strlen(names[i].name)), names[i].id);
    ck_assert_int_eq(ecg_lead_by_code(base_bytes_str("MDC"), base_bytes_str("2:61")), 61);
    ck_assert_int_eq(ecg_lead_by_code(base_bytes_str("SCPECG"), base_bytes_str("5.6.3-9-1")), 1);
    ck_assert_int_eq(ecg_lead_by_code(base_bytes_str("SCPECG"), base_bytes_str("5.6.3-9-1-64")),
                     64);
    ck_assert_int_eq(ecg_lead_by_meaning("Lead I (Einthoven)"), 1);
    ck_assert_int_eq(ecg_lead_by_meaning("aVL, augmented voltage, left"), 63);
    ck_assert_int_eq(ecg_lead_by_meaning("Lead V3R"), 11);
    ck_assert_int_eq(ecg_lead_by_meaning("Left Leg"), 23);
    ck_assert_int_eq(ecg_lead_by_meaning("Unspecified lead"), 0);
    ck_assert_int_eq(ecg_lead_by_code(base_bytes_str("MDC"), base_bytes_str("131073")), 1);
    ck_assert_int_eq(ecg_lead_by_code(base_bytes_str("MDC"), base_bytes_str("131133")), 61);
    ck_assert_int_eq(ecg_lead_by_code(base_bytes_str("MDC"), base_bytes_str("131072")), 0);
    ck_assert_int_eq(ecg_lead_by_code(base_bytes_str("MDC"), base_bytes_str("147842")), 0);
    ck_assert_int_eq(ecg_lead_by_code(base_bytes_str("MDC"), base_bytes_str("2:0")), 0);
    ck_assert_int_eq(ecg_lead_by_code(base_bytes_str("MDC"), base_bytes_str("2:50")), 0);
    ck_assert_int_eq(ecg_lead_by_code(base_bytes_str("DCM"), base_bytes_str("2:1")), 0);
    ck_assert_ptr_null(ecg_lead_name(50));
}
END_TEST

START_TEST(units_of_voltage_are_known_as_recorders_write_them)
{
    static const struct {
        const char *unit;
        double uv;
    } rows[] = {{"uV", 1},
                {"mV", 1e3},
                {"nV", 1e-3},
                {"V", 1e6},
                {"\xc2\xb5V", 1},
                {"\xce\xbcV", 1},
                {"\xb5V", 1},
                {"\xa6\xccV", 1},
                {"\xe6V", 1},
                {"UV", 1},
                {"MV", 1e3},
                {"mVolt", 1e3},
                {"microV", 1},
                {"MICROVOLTS", 1},
                {"Millivolts", 1e3},
                {"nanovolt", 1e-3},
                {"Volts", 1e6},
                {"MILLIVOL", 1e3}, /* all that EDF has of it */
                {"", 0},
                {"m", 0},
                {"1", 0},
                {"mvol", 0},
                {"vol", 0},
                {"Vol%", 0},
                {"kV", 0},
                {"mV/s", 0},
                {"mmHg", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(ecg_unit_uv(base_bytes_str(rows[i].unit)) == rows[i].uv, "%s", rows[i].unit);
}
END_TEST

static const struct {
    const char *text;
    const char *means; /* NULL: it is none */
} times[] = {
    {"20200315", "2020-03-15"},
    {"20200315213005", "2020-03-15 21:30:05.000000"},
    {"20200315213005.25+0800", "2020-03-15 21:30:05.250000 480"},
    {"202003152130Z", "2020-03-15 21:30:00.000000 0"},
    {"20200315-0330", "2020-03-15 -210"},
    {"2020-03-15", "2020-03-15"},
    {"2020-03-15T21:30:05", "2020-03-15 21:30:05.000000"},
    {"2020-03-15 21:30:05,25-05:00", "2020-03-15 21:30:05.250000 -300"},
    {" 20200315 ", "2020-03-15"},
    {"20200315093000 PM", NULL},
    {"2020", NULL},
    {"202003", NULL},
    {"2020-03", NULL},
    {"2020/03/15", NULL},
    {"20200230", NULL},
    {"20200315x", NULL},
    {"20200315+9900", NULL},
};

START_TEST(times_of_xml_are_read_whole_or_not_at_all)
{
    struct ecg_time t;
    bool is_one = ecg_hl7_time_parse(times[_i].text, &t);
    ck_assert_msg(is_one == (times[_i].means != NULL), "%s", times[_i].text);
    if (!is_one)
        return;
    char shown[80], clock[40] = "", zone[16] = "";
    if (t.has_time)
        snprintf(clock, sizeof clock, " %02d:%02d:%02d.%06d", t.hour, t.minute, t.second, t.usec);
    if (t.has_zone)
        snprintf(zone, sizeof zone, " %d", t.zone_min);
    snprintf(shown, sizeof shown, "%04d-%02d-%02d%s%s", t.date.year, t.date.month, t.date.day,
             clock, zone);
    ck_assert_str_eq(shown, times[_i].means);
}
END_TEST

START_TEST(measurements_are_found_by_the_codes_of_devices)
{
    ck_assert_int_eq(ecg_measure_by_code(base_bytes_str("MDC"), base_bytes_str("2:16156")),
                     ECG_MEASURE_QRS);
    ck_assert_int_eq(ecg_measure_by_code(base_bytes_str("LN"), base_bytes_str("8867-4")),
                     ECG_MEASURE_HEART_RATE);
    ck_assert_int_eq(ecg_measure_by_code(base_bytes_str("SCPECG"), base_bytes_str("5.13.5-11")),
                     ECG_MEASURE_QT);
    ck_assert_int_eq(ecg_measure_by_code(base_bytes_str("MDC"), base_bytes_str("")),
                     ECG_MEASURE_OTHER);
    ck_assert_str_eq(ecg_measure_row(ECG_MEASURE_QTC)->key, "qtc");
    ck_assert_str_eq(ecg_measure_row((enum ecg_measure)999)->key, "other");
}
END_TEST

START_TEST(limb_leads_follow_from_i_and_ii_exactly)
{
    static const struct {
        int id;
        int32_t first; /* in half counts */
        int32_t last;
    } rows[] = {{ECG_LEAD_III, -10, 120},
                {ECG_LEAD_AVR, -15, -140},
                {ECG_LEAD_AVL, 15, -20},
                {ECG_LEAD_AVF, 0, 160}};
    struct ecg_record *r = two_leads();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ecg_lead made;
        ck_assert_int_eq(ecg_derive(r->leads, r->nleads, rows[i].id, &made), BASE_OK);
        ck_assert_double_eq(made.uv_per_count, 1.25);
        ck_assert_int_eq(made.i32[0], rows[i].first);
        ck_assert_int_eq(made.i32[1], ECG_SAMPLE_NONE);
        ck_assert_int_eq(made.i32[3], rows[i].last);
        free(made.i32);
    }
    struct ecg_lead made;
    ck_assert_int_eq(ecg_derive(r->leads, r->nleads, ECG_LEAD_V1, &made), BASE_ENOTFOUND);
    r->leads[1].rate_hz = 250;
    ck_assert_int_eq(ecg_derive(r->leads, r->nleads, ECG_LEAD_III, &made), BASE_ENOTFOUND);
    ecg_record_free(r);
}
END_TEST

START_TEST(json_says_what_is_there_and_null_for_what_is_not)
{
    struct ecg_record *r = open_testdata("7-gbk.scp");
    struct base_buf out = {0};
    struct base_json j;
    json_error_t e;
    ecg_record_note(r, 7, "a \"quoted\" note");
    base_json_init(&j, &out);
    ecg_info_json(r, &j);
    json_t *root = json_loadb(base_buf_cstr(&out), out.n, 0, &e);
    ck_assert_msg(root != NULL, "%s", e.text);
    ck_assert_str_eq(json_string_value(json_object_get(root, "format")), "SCP-ECG");
    ck_assert_str_eq(json_string_value(json_object_get(root, "start")),
                     "2026-01-05T09:30:15+08:00");
    json_t *patient = json_object_get(root, "patient");
    ck_assert_str_eq(json_string_value(json_object_get(patient, "name")), "测试一");
    ck_assert(json_is_true(json_object_get(patient, "text_guessed")));
    ck_assert(json_is_null(json_object_get(patient, "age")));
    json_t *lead = json_array_get(json_object_get(root, "leads"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(lead, "name")), "II");
    ck_assert_int_eq(json_integer_value(json_object_get(lead, "samples")), 1300);
    ck_assert_double_eq(json_number_value(json_object_get(lead, "rate_hz")), 500);
    ck_assert_double_eq(json_number_value(json_object_get(lead, "uv_per_count")), 2.5);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "statements")), 2);
    json_t *note = json_array_get(json_object_get(root, "notes"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(note, "position")), 7);
    json_decref(root);
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

static const struct ecg_write_options plain = {.stem = "out"};

START_TEST(csv_has_sample_numbers_microvolts_and_empty_fields)
{
    struct ecg_record *r = two_leads();
    struct ecg_outputs out;
    struct base_error err = {0};
    r->leads[1].start_s = 0.002;
    ecg_record_narrow(r, &r->leads[1]);
    ecg_record_add_mark(r, (struct ecg_mark){.kind = ECG_MARK_BEAT});
    ck_assert_int_eq(ecg_write(r, ECG_FORMAT_CSV, &plain, &out, &err), BASE_OK);
    ck_assert_uint_eq(out.n, 1);
    ck_assert_str_eq(out.file[0].name, "out.csv");
    ck_assert_str_eq(base_buf_cstr(&out.file[0].bytes), "sample (500 Hz),\"I\",\"II\"\n"
                                                        "0,25,\n"
                                                        "1,50,12.5\n"
                                                        "2,-75,\n"
                                                        "3,100,17.5\n"
                                                        "4,,250\n");
    ck_assert_str_eq(base_buf_cstr(&out.lost), "1 annotations\n");
    ecg_outputs_deinit(&out);
    r->leads[1].rate_hz = 250;
    ck_assert_int_eq(ecg_write(r, ECG_FORMAT_CSV, &plain, &out, &err), BASE_EUNSUPPORTED);
    ck_assert_int_eq(ecg_write(r, ECG_FORMAT_UNKNOWN, &plain, &out, &err), BASE_EUNSUPPORTED);
    ecg_record_free(r);
}
END_TEST

START_TEST(samples_are_narrowed_only_when_all_fit_and_read_the_same)
{
    struct ecg_record *r = two_leads();
    struct ecg_lead *lead = &r->leads[1];
    int32_t before[4];
    int32_t after[4];
    float uv[2];
    ecg_lead_read(lead, 0, 4, before);
    ecg_record_narrow(r, lead);
    ck_assert_ptr_nonnull(lead->i16);
    ck_assert_ptr_null(lead->i32);
    ck_assert_int_eq(lead->i16[1], ECG_SAMPLE_NONE16);
    ecg_lead_read(lead, 0, 4, after);
    ck_assert_mem_eq(before, after, sizeof after);
    ecg_lead_read_uv(lead, 1, 2, uv);
    ck_assert(isnan((double)uv[0]));
    ck_assert_double_eq_tol((double)uv[1], 17.5, 1e-6);
    r->leads[0].i32[2] = INT16_MIN; /* which 16 bits have for a missing sample */
    ecg_record_narrow(r, &r->leads[0]);
    ck_assert_ptr_null(r->leads[0].i16);
    lead->i16[0] = INT16_MIN;
    ck_assert_int_eq(ecg_lead_sample(lead, 0), ECG_SAMPLE_NONE);
    ck_assert_int_eq(ecg_record_widen(r, lead), BASE_OK);
    ck_assert_int_eq(ecg_lead_sample(lead, 0), INT16_MIN);
    ecg_record_free(r);
}
END_TEST

START_TEST(samples_that_are_expected_lie_side_by_side_and_may_be_more_or_changed)
{
    enum { N = 37, LEADS = 5 };
    struct ecg_record *r = ecg_record_new(NULL);
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(ecg_record_set_leads(r, LEADS), BASE_OK);
    ecg_record_expect(r, 3, 3 * N * sizeof(int32_t));
    for (int i = 0; i < LEADS; i++) { /* two more than expected */
        struct ecg_lead *lead = &r->leads[i];
        ck_assert_int_eq(ecg_record_set_i32(r, lead, N), BASE_OK);
        for (int k = 0; k < N; k++)
            lead->i32[k] = 100 * i + k;
    }
    ecg_record_narrow(r, &r->leads[0]);
    ecg_record_narrow(r, &r->leads[4]);
    ck_assert_int_eq(ecg_record_widen(r, &r->leads[0]), BASE_OK);
    ecg_record_free_samples(r, &r->leads[1]);
    r->leads[1].samples = 0;
    ck_assert_int_eq(ecg_record_set_i16(r, &r->leads[2], N),
                     BASE_OK); /* in place of those before */
    memset(r->leads[2].i16, 0, N * sizeof(int16_t));
    for (int i = 0; i < LEADS; i++)
        for (int k = 0; k < N && i != 1; k++)
            ck_assert_int_eq(ecg_lead_sample(&r->leads[i], (size_t)k), i == 2 ? 0 : 100 * i + k);
    ecg_record_free(r);
    /* Without any, and of more than there can be. */
    r = ecg_record_new(NULL);
    ck_assert_ptr_nonnull(r);
    ecg_record_expect(r, 0, 0);
    ecg_record_expect(r, SIZE_MAX, SIZE_MAX);
    ecg_record_free(r);
}
END_TEST

START_TEST(large_arrays_of_a_record_come_from_the_callers_pool_and_go_back)
{
    enum { SAMPLES = 1 << 20 };
    struct base_pages pages = {.most = (size_t)64 << 20};
    struct ecg_limits limits = ecg_limits_default;
    limits.pages = &pages;
    for (int round = 0; round < 2; round++) {
        struct ecg_record *r = ecg_record_new(&limits);
        ck_assert_ptr_nonnull(r);
        ck_assert_int_eq(ecg_record_set_leads(r, 2), BASE_OK);
        ck_assert_int_eq(ecg_record_set_i32(r, &r->leads[0], SAMPLES), BASE_OK);
        ck_assert_int_eq(ecg_record_set_i16(r, &r->leads[1], SAMPLES), BASE_OK);
        memset(r->leads[0].i32, 0, SAMPLES * sizeof *r->leads[0].i32);
        memset(r->leads[1].i16, 0x80, SAMPLES * sizeof *r->leads[1].i16);
        ecg_record_narrow(r, &r->leads[0]); /* fewer bytes, but one array that is known */
        ck_assert_int_eq(r->leads[0].i16[SAMPLES - 1], 0);
        ck_assert_int_eq(ecg_record_widen(r, &r->leads[1]), BASE_OK);
        ck_assert_int_eq(r->leads[1].i32[SAMPLES - 1], (int16_t)0x8080);
        ck_assert_uint_eq(pages.n, 3);
        ecg_record_free(r);
        ck_assert_uint_eq(pages.n, 3);
        ck_assert_uint_eq(pages.kept, ((size_t)4 + 4 + 2) << 20);
    }
    base_pages_drop(&pages);
}
END_TEST

START_TEST(a_mark_that_ends_before_it_begins_is_a_point)
{
    struct ecg_record *r = two_leads();
    ecg_record_add_mark(r, (struct ecg_mark){.kind = ECG_MARK_BEAT, .from_s = 2, .to_s = 1});
    ck_assert_double_eq(r->marks[0].to_s, 2);
    ecg_record_free(r);
}
END_TEST

START_TEST(annotations_over_the_limit_are_left_out_with_one_note)
{
    struct ecg_limits limits = ecg_limits_default;
    limits.items = 3;
    struct ecg_record *r = ecg_record_new(&limits);
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(ecg_record_set_leads(r, 1), BASE_OK);
    must_have_samples(r, &r->leads[0], 16);
    for (int i = 0; i < 20; i++)
        ecg_record_add_mark(r, (struct ecg_mark){.kind = ECG_MARK_BEAT, .at_s = i});
    ck_assert_uint_eq(r->nmarks, 5); /* 3, and one per 8 samples */
    ck_assert_uint_eq(r->nnotes, 1);
    ck_assert_int_eq(r->err, BASE_OK);
    ecg_record_free(r);
}
END_TEST

START_TEST(annotation_codes_have_names_and_are_found_by_them)
{
    ck_assert_int_eq(ecg_code_by_name("V", 1), ECG_CODE_PVC);
    ck_assert_int_eq(ecg_code_by_name("MDC_ECG_BEAT_V_P_C", 18), ECG_CODE_PVC);
    ck_assert_int_eq(ecg_code_by_name("", 0), ECG_CODE_NONE);
    ck_assert_int_eq(ecg_code_by_name("Z", 1), ECG_CODE_NONE);
    ck_assert_str_eq(ecg_code_mnemonic(ECG_CODE_R_ON_T), "r");
    ck_assert_str_eq(ecg_code_mnemonic((enum ecg_code)42), "");
    ck_assert(ecg_code_is_beat(ECG_CODE_PACED) && !ecg_code_is_beat(ECG_CODE_RHYTHM));
}
END_TEST

START_TEST(formats_are_found_by_name_and_extension)
{
    ck_assert_int_eq(ecg_format_by_name("scp-ecg"), ECG_FORMAT_SCP);
    ck_assert_int_eq(ecg_format_by_name("DCM"), ECG_FORMAT_DICOM);
    ck_assert_int_eq(ecg_format_by_name("csv"), ECG_FORMAT_CSV);
    ck_assert_int_eq(ecg_format_by_name("cs"), ECG_FORMAT_UNKNOWN);
    ck_assert_int_eq(ecg_format_by_name(""), ECG_FORMAT_UNKNOWN);
    ck_assert(ecg_format_writes(ECG_FORMAT_CSV) && !ecg_format_writes(ECG_FORMAT_UNKNOWN));
}
END_TEST

START_TEST(decimated_samples_expand_with_lines_between_and_rests_as_they_are)
{
    /* Ten samples, of which 5 to 6 are protected: a gap of 4, two, a gap of 4. */
    static const struct scp_zone zones[] = {{5, 6}};
    static const int32_t stored[] = {8, 1, 2, 40};
    static const int32_t want[] = {8, 8, 8, 8, 1, 2, 40, 40, 40, 40};
    int32_t out[16];
    ck_assert_uint_eq(ecg_scp_expand_stored(zones, 1, 4, 1, 10), 4);
    ck_assert_uint_eq(ecg_scp_expand(zones, 1, 4, 1, stored, 4, out, 10), 10);
    ck_assert_mem_eq(out, want, sizeof want);
    /* A gap of 11: two steps joined by a line, then three as they are. */
    static const int32_t line[] = {0, 8, 5, 6, 7};
    static const int32_t lined[] = {0, 0, 0, 2, 4, 6, 8, 8, 5, 6, 7};
    ck_assert_uint_eq(ecg_scp_expand_stored(NULL, 0, 4, 1, 11), 5);
    ck_assert_uint_eq(ecg_scp_expand(NULL, 0, 4, 1, line, 5, out, 11), 11);
    ck_assert_mem_eq(out, lined, sizeof lined);
    /* Input that ends early gives what it can. */
    for (size_t have = 0; have < 5; have++)
        ck_assert_uint_lt(ecg_scp_expand(NULL, 0, 4, 1, line, have, out, 11), 11);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_record");
    TCase *t = tcase_create("record");
    tcase_add_test(t, a_time_of_day_is_one_that_every_format_has);
    tcase_add_test(t, leads_are_found_by_name_and_by_code);
    tcase_add_test(t, units_of_voltage_are_known_as_recorders_write_them);
    tcase_add_loop_test(t, times_of_xml_are_read_whole_or_not_at_all, 0,
                        sizeof times / sizeof *times);
    tcase_add_test(t, measurements_are_found_by_the_codes_of_devices);
    tcase_add_test(t, limb_leads_follow_from_i_and_ii_exactly);
    tcase_add_test(t, json_says_what_is_there_and_null_for_what_is_not);
    tcase_add_test(t, csv_has_sample_numbers_microvolts_and_empty_fields);
    tcase_add_test(t, samples_are_narrowed_only_when_all_fit_and_read_the_same);
    tcase_add_test(t, samples_that_are_expected_lie_side_by_side_and_may_be_more_or_changed);
    tcase_add_test(t, large_arrays_of_a_record_come_from_the_callers_pool_and_go_back);
    tcase_add_test(t, a_mark_that_ends_before_it_begins_is_a_point);
    tcase_add_test(t, annotations_over_the_limit_are_left_out_with_one_note);
    tcase_add_test(t, annotation_codes_have_names_and_are_found_by_them);
    tcase_add_test(t, formats_are_found_by_name_and_extension);
    tcase_add_test(t, decimated_samples_expand_with_lines_between_and_rests_as_they_are);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
