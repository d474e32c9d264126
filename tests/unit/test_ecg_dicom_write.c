#include "ecg/ecg_dicom_write.h"
#include "dicom/dicom_uid.h"
#include "ecg_fixture.h"

#include <unistd.h>

/* n leads of samples at rate; the values count up. */
static struct ecg_record *make_record(size_t n, size_t samples, double rate)
{
    static const int ids[] = {1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8};
    struct ecg_record *r = ecg_record_new(NULL);
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(ecg_record_set_leads(r, n), BASE_OK);
    for (size_t i = 0; i < n; i++) {
        struct ecg_lead *lead = &r->leads[i];
        int32_t *data = must_have_samples(r, lead, samples);
        lead->id = i < 12 ? ids[i] : 0;
        lead->name = i < 12 ? ecg_lead_name(ids[i]) : "own";
        lead->rate_hz = rate;
        lead->uv_per_count = 1.25;
        for (size_t k = 0; k < samples; k++)
            data[k] = (int32_t)((k * 7 + i * 13) % 4000) - 2000;
    }
    return r;
}

static struct ecg_record *write_and_read(const struct ecg_record *r,
                                         const struct ecg_dicom_options *o,
                                         struct ecg_dicom_written *written)
{
    struct base_buf out = {0};
    struct base_error err = {0};
    ck_assert_msg(ecg_dicom_write(r, o, &out, written, &err) == BASE_OK, "%s", err.msg);
    struct ecg_record *again = must_open(&out);
    base_buf_deinit(&out);
    return again;
}

static void must_refuse(const struct ecg_record *r, const struct ecg_dicom_options *o,
                        enum base_err code, const char *words)
{
    struct base_buf out = {0};
    struct base_error err = {0};
    ck_assert_int_eq(ecg_dicom_write(r, o, &out, NULL, &err), code);
    ck_assert_msg(strstr(err.msg, words), "%s", err.msg);
    ck_assert_uint_eq(out.n, 0);
    base_buf_deinit(&out);
}

/* Errors that dciodvfy, where it is installed, finds in the object. It does not know General 32-bit
 * ECG, but General, which differs in what is passed over here. */
static int dciodvfy_errors(const struct base_buf *b)
{
    static const char general_32bit[] = DICOM_UID_GENERAL_32BIT_ECG;
    const uint8_t *uid = b->p;
    bool is_long = false;
    char path[] = "/tmp/test_ecg_dicom_write.XXXXXX";
    char command[128];
    char line[512];
    int errors = 0;
    if (system("command -v dciodvfy >/dev/null") != 0) {
        printf("skipped: dciodvfy is not installed\n");
        return 0;
    }
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, b->p, b->n), (ssize_t)b->n);
    size_t n = sizeof general_32bit - 1;
    while ((uid = memmem(uid, b->n - (size_t)(uid - b->p), general_32bit, n))) {
        ck_assert_int_eq(pwrite(fd, DICOM_UID_GENERAL_ECG, n, uid - b->p), (ssize_t)n);
        is_long = true;
        uid += n;
    }
    close(fd);
    snprintf(command, sizeof command, "dciodvfy %s 2>&1", path);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "Error", 5) != 0 ||
            (is_long && (strstr(line, "Bits Allocated") || strstr(line, "Sample Interpretation"))))
            continue;
        printf("%s", line);
        errors++;
    }
    pclose(f);
    unlink(path);
    return errors;
}

START_TEST(what_is_written_reads_back_equal)
{
    static const char *const files[] = {"1-second-differences.scp", "5-subtracted.scp",
                                        "7-gbk.scp"};
    struct ecg_record *r = open_testdata(files[_i]);
    struct ecg_record *again = write_and_read(r, NULL, NULL);
    ck_assert_uint_eq(again->nleads, r->nleads);
    assert_same_leads(r->leads, again->leads, r->nleads);
    ck_assert_str_eq(again->patient.name.utf8, r->patient.name.utf8);
    ck_assert_str_eq(again->patient.id.utf8, r->patient.id.utf8);
    ck_assert_int_eq(again->patient.birth.year, 1961);
    ck_assert_int_eq(again->start.minute, 30);
    ck_assert_int_eq(again->start.zone_min, 480);
    ck_assert_str_eq(again->device.serial, r->device.serial);
    ck_assert_double_eq_tol(again->filters.high_pass_hz, 0.05, 1e-9);
    ck_assert_uint_eq(again->nstatements, r->nstatements);
    for (int what = ECG_MEASURE_HEART_RATE; what <= ECG_MEASURE_T_AXIS; what++) {
        const struct ecg_measurement *a = ecg_record_measurement(r, (enum ecg_measure)what);
        const struct ecg_measurement *b = ecg_record_measurement(again, (enum ecg_measure)what);
        ck_assert_int_eq(a != NULL, b != NULL);
        if (a)
            ck_assert_double_eq(a->value, b->value);
    }
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

static const struct {
    size_t leads;
    size_t samples;
    double rate;
    const char *sop_class;
} classes[] = {
    {12, 5000, 500, DICOM_UID_TWELVE_LEAD_ECG},  {1, 16384, 1000, DICOM_UID_TWELVE_LEAD_ECG},
    {13, 100, 200, DICOM_UID_TWELVE_LEAD_ECG},   {12, 16385, 1000, DICOM_UID_GENERAL_ECG},
    {14, 100, 500, DICOM_UID_GENERAL_ECG},       {24, 100, 500, DICOM_UID_GENERAL_ECG},
    {12, 100, 199, DICOM_UID_AMBULATORY_ECG},    {3, 20000, 125, DICOM_UID_AMBULATORY_ECG},
    {1, 100, 50, DICOM_UID_AMBULATORY_ECG},      {12, 100, 200, DICOM_UID_TWELVE_LEAD_ECG},
    {12, 100, 257.5, DICOM_UID_TWELVE_LEAD_ECG}, {12, 100, 1e3 / 3, DICOM_UID_TWELVE_LEAD_ECG},
};

/* Rates that the other classes do not have. */
static const struct {
    size_t leads;
    double rate;
} any_rate[] = {
    {12, 1000.5}, {12, 1024},       {12, 2000}, {24, 4000},
    {1, 8000},    {3, 32000.0 / 3}, {2, 49.9},  {1, 1},
};

START_TEST(the_class_is_12_lead_where_the_standard_allows_and_dciodvfy_agrees)
{
    struct ecg_record *r = make_record(classes[_i].leads, classes[_i].samples, classes[_i].rate);
    struct ecg_dicom_options o = {.seed = "x",
                                  .study_id = "1",
                                  .patient_name = "测试^一",
                                  .now_us = INT64_C(1767225600000000)};
    struct ecg_dicom_written written;
    struct base_buf out = {0};
    struct base_error err = {0};
    ck_assert_msg(ecg_dicom_write(r, &o, &out, &written, &err) == BASE_OK, "%s", err.msg);
    ck_assert_str_eq(written.sop_class, classes[_i].sop_class);
    ck_assert_int_eq(dciodvfy_errors(&out), 0);
    struct ecg_record *again = must_open(&out);
    assert_same_leads(r->leads, again->leads, classes[_i].leads < 12 ? classes[_i].leads : 12);
    ecg_record_free(again);
    ecg_record_free(r);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(any_other_rate_is_written_as_general_32_bit_without_a_loss)
{
    struct ecg_record *r = make_record(any_rate[_i].leads, 16385, any_rate[_i].rate);
    const int32_t wide[] = {INT32_MAX, INT32_MIN + 1, 40000, ECG_SAMPLE_NONE, -1, 0};
    memcpy(r->leads[0].i32, wide, sizeof wide);
    ck_assert_int_eq(ecg_record_set_medians(r, 1), BASE_OK);
    must_have_samples(r, &r->medians[0], 300);
    r->medians[0].name = "I";
    r->medians[0].id = ECG_LEAD_I;
    r->medians[0].rate_hz = any_rate[_i].rate;
    r->medians[0].uv_per_count = 5;
    struct ecg_dicom_options o = {.study_id = "1", .patient_id = "P"};
    struct ecg_dicom_written written;
    struct base_buf out = {0};
    struct base_error err = {0};
    ck_assert_msg(ecg_dicom_write(r, &o, &out, &written, &err) == BASE_OK, "%s", err.msg);
    ck_assert_int_eq(dciodvfy_errors(&out), 0);
    struct ecg_record *again = must_open(&out);
    base_buf_deinit(&out);
    ck_assert_str_eq(written.sop_class, DICOM_UID_GENERAL_32BIT_ECG);
    ck_assert_str_eq(written.left_out, "");
    ck_assert_uint_eq(written.coarse, 0);
    ck_assert(written.medians);
    ck_assert_uint_eq(again->nleads, r->nleads);
    ck_assert_uint_eq(again->nnotes, 0);
    ck_assert_double_eq_tol(again->leads[0].rate_hz / any_rate[_i].rate, 1, 1e-12);
    for (size_t i = 0; i < r->nleads; i++)
        again->leads[i].rate_hz = any_rate[_i].rate;
    assert_same_leads(r->leads, again->leads, r->nleads);
    ck_assert_uint_eq(again->nmedians, 1);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

/* PS3.3 C.10.9: of 32 bits the interpretation is SL. The tag in Little Endian, VR and length before
 * the value. */
START_TEST(general_32_bit_says_that_its_samples_are_signed_long)
{
    static const char interpretation[] = "\x00\x54\x06\x10"
                                         "CS\x02\x00"
                                         "SL";
    static const char allocated[] = "\x00\x54\x04\x10"
                                    "US\x02\x00\x20\x00";
    static const char padding[] = "\x00\x54\x0a\x10"
                                  "OW\0\0\x04\0\0\0\0\0\0\x80";
    static const char data[] = "\x00\x54\x10\x10"
                               "OW\0\0\x08\0\0\0\xfe\xff\xff\xff\0\0\0\x80";
    struct ecg_record *r = make_record(1, 2, 2000);
    struct base_buf out = {0};
    r->leads[0].i32[0] = -2;
    r->leads[0].i32[1] = ECG_SAMPLE_NONE;
    ck_assert_int_eq(ecg_dicom_write(r, NULL, &out, NULL, NULL), BASE_OK);
    ck_assert_ptr_nonnull(memmem(out.p, out.n, interpretation, sizeof interpretation - 1));
    ck_assert_ptr_nonnull(memmem(out.p, out.n, allocated, sizeof allocated - 1));
    ck_assert_ptr_nonnull(memmem(out.p, out.n, padding, sizeof padding - 1));
    ck_assert_ptr_nonnull(memmem(out.p, out.n, data, sizeof data - 1));
    ecg_record_free(r);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(dciodvfy_finds_no_error_in_findings_or_medians)
{
    struct base_buf out = {0};
    struct base_error err = {0};
    struct ecg_record *r = open_testdata("5-subtracted.scp");
    /* Long enough to be a General ECG, which carries the median too. */
    must_have_samples(r, &r->leads[0], 20000);
    ck_assert_int_eq(ecg_dicom_write(r, NULL, &out, NULL, &err), BASE_OK);
    ck_assert_int_eq(dciodvfy_errors(&out), 0);
    struct ecg_record *again = must_open(&out);
    ck_assert_uint_eq(again->nmedians, r->nmedians);
    assert_same_leads(r->medians, again->medians, r->nmedians);
    /* The shorter leads are padded, and the padding is known as such. */
    ck_assert_int_eq(ecg_lead_sample(&again->leads[1], 19999), ECG_SAMPLE_NONE);
    ecg_record_free(again);
    ecg_record_free(r);
    base_buf_reset(&out);
    r = open_testdata("1-second-differences.scp");
    ck_assert_int_eq(ecg_dicom_write(r, NULL, &out, NULL, &err), BASE_OK);
    ck_assert_int_eq(dciodvfy_errors(&out), 0);
    ecg_record_free(r);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(values_over_16_bits_are_written_in_a_coarser_unit)
{
    struct ecg_record *r = make_record(2, 4, 500);
    const int32_t large[] = {100000, -100000, 3, ECG_SAMPLE_NONE};
    memcpy(r->leads[0].i32, large, sizeof large);
    struct ecg_record *again = write_and_read(r, NULL, NULL);
    const struct ecg_lead *a = &again->leads[0];
    ck_assert_double_gt(a->uv_per_count, 1.25);
    ck_assert_double_eq_tol(ecg_lead_sample(a, 0) * a->uv_per_count, 125000, a->uv_per_count);
    ck_assert_double_eq_tol(ecg_lead_sample(a, 1) * a->uv_per_count, -125000, a->uv_per_count);
    ck_assert_int_eq(ecg_lead_sample(a, 3), ECG_SAMPLE_NONE);
    ck_assert_double_eq(again->leads[1].uv_per_count, 1.25);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

START_TEST(the_extremes_of_16_bits_survive)
{
    struct ecg_record *r = make_record(1, 3, 500);
    const int32_t extremes[] = {32767, -32768, 0};
    memcpy(r->leads[0].i32, extremes, sizeof extremes);
    struct ecg_record *again = write_and_read(r, NULL, NULL);
    assert_same_leads(r->leads, again->leads, 1);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

START_TEST(leads_that_start_later_are_padded_in_front)
{
    struct ecg_record *r = make_record(2, 100, 500);
    r->leads[1].start_s = 0.1;
    struct ecg_record *again = write_and_read(r, NULL, NULL);
    ck_assert_uint_eq(again->leads[1].samples, 150);
    ck_assert_int_eq(ecg_lead_sample(&again->leads[1], 49), ECG_SAMPLE_NONE);
    ck_assert_int_eq(ecg_lead_sample(&again->leads[1], 50), ecg_lead_sample(&r->leads[1], 0));
    ck_assert_int_eq(ecg_lead_sample(&again->leads[0], 100), ECG_SAMPLE_NONE);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

START_TEST(leads_that_start_earlier_lose_what_lies_before_the_record)
{
    struct ecg_record *r = make_record(2, 100, 500);
    r->leads[1].start_s = -0.02;
    struct ecg_record *again = write_and_read(r, NULL, NULL);
    ck_assert_uint_eq(again->leads[1].samples, 100);
    ck_assert_int_eq(ecg_lead_sample(&again->leads[1], 0), ecg_lead_sample(&r->leads[1], 10));
    ck_assert_int_eq(ecg_lead_sample(&again->leads[1], 90), ECG_SAMPLE_NONE);
    ecg_record_free(again);
    r->leads[0].start_s = r->leads[1].start_s = -1;
    must_refuse(r, NULL, BASE_EUNSUPPORTED, "before the start");
    ecg_record_free(r);
}
END_TEST

START_TEST(what_no_ecg_object_can_hold_is_an_error_that_says_why)
{
    static const double rates[] = {0, (double)NAN, (double)INFINITY};
    struct ecg_record *r = make_record(2, 100, rates[_i]);
    must_refuse(r, NULL, BASE_EUNSUPPORTED, "no lead has a sampling frequency");
    ecg_record_free(r);
    r = make_record(1, 100, 1e300);
    r->leads[0].start_s = -1;
    must_refuse(r, NULL, BASE_EUNSUPPORTED, "a lead starts after -1 s");
    ecg_record_free(r);
    r = ecg_record_new(NULL);
    must_refuse(r, NULL, BASE_EUNSUPPORTED, "no samples");
    ecg_record_free(r);
}
END_TEST

/* PS3.3 A.34.3.4, A.34.4.4, A.34.5.4: up to 5 groups of 13 channels in all, up to 4 of 24 each,
 * one of 12; General 32-bit as General. */
START_TEST(leads_of_each_rate_are_a_group_as_far_as_the_class_allows)
{
    static const struct {
        size_t n;
        size_t samples;
        double rate[5]; /* of lead 0, 1, 2 and so on, again and again */
        size_t rates;
        const char *class;
        size_t kept;
        const char *left_out;
    } rows[] = {
        {12, 5000, {500, 250}, 2, DICOM_UID_TWELVE_LEAD_ECG, 12, ""},
        {12, 20000, {500, 250, 1000, 200}, 4, DICOM_UID_GENERAL_ECG, 12, ""},
        {25, 100, {500}, 1, DICOM_UID_GENERAL_ECG, 25, ""},
        {97, 100, {500}, 1, DICOM_UID_GENERAL_ECG, 96, "own (500 Hz)"},
        {3, 100, {500, 500, 100}, 3, DICOM_UID_GENERAL_32BIT_ECG, 3, ""},
        {3, 100, {128, 500, 128}, 3, DICOM_UID_GENERAL_32BIT_ECG, 3, ""},
        {13, 100, {199}, 1, DICOM_UID_GENERAL_32BIT_ECG, 13, ""},
        {12, 5000, {500, 500, 500, 2000}, 4, DICOM_UID_GENERAL_32BIT_ECG, 12, ""},
        {12, 5000, {8000, 257.5, 1000, 20}, 4, DICOM_UID_GENERAL_32BIT_ECG, 12, ""},
        {12, 100, {500, 250, 1000, 200, 300}, 5, DICOM_UID_TWELVE_LEAD_ECG, 12, ""},
        {6, 100, {500, 250, 1000, 20, 2000}, 5, DICOM_UID_GENERAL_32BIT_ECG, 5, "aVL (2000 Hz)"},
        {97, 100, {2000}, 1, DICOM_UID_GENERAL_32BIT_ECG, 96, "own (2000 Hz)"},
    };
    struct ecg_record *r = make_record(rows[_i].n, rows[_i].samples, 0);
    struct ecg_dicom_written written;
    for (size_t i = 0; i < r->nleads; i++)
        r->leads[i].rate_hz = rows[_i].rate[i % rows[_i].rates];
    struct ecg_record *again = write_and_read(r, NULL, &written);
    ck_assert_str_eq(written.sop_class, rows[_i].class);
    ck_assert_str_eq(written.left_out, rows[_i].left_out);
    ck_assert_uint_eq(again->nleads, rows[_i].kept);
    ck_assert_uint_eq(again->nnotes, rows[_i].left_out[0] != '\0');
    for (size_t i = 0; i < again->nleads; i++) {
        const struct ecg_lead *lead = &again->leads[i], *was = ecg_record_lead(r, lead->id);
        if (lead->id == 0)
            continue;
        ck_assert_double_eq(lead->rate_hz, was->rate_hz);
        assert_same_leads(was, lead, 1);
    }
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

/* The class that would hold one lead more cannot: the others are kept. */
START_TEST(a_lead_of_another_rate_that_ends_before_the_start_does_not_refuse_the_rest)
{
    struct ecg_record *r = make_record(3, 100, 500);
    r->leads[2].rate_hz = 2000;
    r->leads[2].start_s = -5;
    struct ecg_dicom_written written;
    struct ecg_record *again = write_and_read(r, NULL, &written);
    ck_assert_str_eq(written.left_out, "III (2000 Hz)");
    ck_assert_uint_eq(again->nleads, 2);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_lead_without_samples_is_left_out)
{
    struct ecg_record *r = make_record(2, 100, 500);
    r->leads[0].samples = 0;
    r->leads[0].rate_hz = 0;
    struct ecg_record *again = write_and_read(r, NULL, NULL);
    ck_assert_uint_eq(again->nleads, 1);
    ck_assert_str_eq(again->leads[0].name, "II");
    ck_assert_uint_eq(again->nnotes, 0);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

START_TEST(what_could_not_be_read_of_a_file_is_told_by_the_object_made_of_it)
{
    struct ecg_record *r = make_record(2, 100, 500);
    struct base_buf out = {0};
    ecg_record_note(r, 8, "birth date is no date");
    ecg_record_damage(r, 310, "导联 V1\nis cut");
    for (int i = 0; i < 90; i++)
        ecg_record_damage(r, BASE_NOPOS, "damage number %d of ninety, in so many words", i);
    ck_assert_int_eq(ecg_dicom_write(r, NULL, &out, NULL, NULL), BASE_OK);
    ck_assert_int_eq(dciodvfy_errors(&out), 0);
    struct ecg_record *again = must_open(&out);
    ck_assert_uint_eq(again->nnotes, 65);
    ck_assert(again->notes[0].is_damage && again->notes[0].pos == BASE_NOPOS);
    ck_assert_str_eq(again->notes[0].text, "byte 310: 导联 V1 is cut");
    ck_assert_str_eq(again->notes[63].text, "damage number 62 of ninety, in so many words");
    ck_assert_str_eq(again->notes[64].text, "28 more were found");
    ck_assert(!again->notes[64].is_damage);
    struct ecg_record *third = write_and_read(again, NULL, NULL);
    ck_assert_uint_eq(third->nnotes, 65);
    ck_assert_str_eq(third->notes[0].text, again->notes[0].text);
    ecg_record_free(third);
    ecg_record_free(again);
    ecg_record_free(r);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_object_and_options_override)
{
    struct ecg_record *r = make_record(2, 100, 500);
    struct ecg_dicom_options o = {.seed = "digest",
                                  .patient_id = "ID9",
                                  .patient_name = "王^五",
                                  .accession = "ACC9",
                                  .institution = "青河"};
    struct ecg_dicom_written a;
    struct ecg_dicom_written b;
    struct ecg_record *one = write_and_read(r, &o, &a);
    struct ecg_record *two = write_and_read(r, &o, &b);
    ck_assert_str_eq(a.instance_uid, b.instance_uid);
    ck_assert_str_eq(a.study_uid, one->study_uid);
    ck_assert(dicom_uid_valid(a.series_uid));
    ck_assert_str_ne(a.series_uid, a.study_uid);
    ck_assert_str_eq(one->patient.id.utf8, "ID9");
    ck_assert_str_eq(one->patient.name.utf8, "王^五");
    ck_assert_str_eq(one->accession, "ACC9");
    ck_assert_str_eq(one->device.institution, "青河");
    ecg_record_free(two);
    o.seed = "another";
    two = write_and_read(r, &o, &b);
    ck_assert_str_ne(a.instance_uid, b.instance_uid);
    ecg_record_free(two);
    o.study_uid = "1.2.3";
    two = write_and_read(r, &o, &b);
    ck_assert_str_eq(two->study_uid, "1.2.3");
    ecg_record_free(two);
    ecg_record_free(one);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_time_of_an_hour_and_a_file_without_a_preamble_are_read)
{
    struct ecg_record *r = make_record(2, 10, 500);
    struct base_buf out = {0};
    r->start = (struct ecg_time){
        .date = {2024, 2, 29}, .has_time = true, .hour = 14, .minute = 5, .second = 6};
    ck_assert_int_eq(ecg_dicom_write(r, NULL, &out, NULL, NULL), BASE_OK);
    uint8_t *at = memmem(out.p, out.n, "20240229140506", 14);
    ck_assert_ptr_nonnull(at);
    memcpy(at + 10, "    ", 4);
    struct base_bytes rest = base_bytes_of(out.p + 128, out.n - 128);
    struct ecg_record *again = NULL;
    struct base_error err = {0};
    ck_assert_msg(open_bytes(rest, NULL, &again, &err) == BASE_OK, "%s", err.msg);
    ck_assert(again->start.has_time && again->start.hour == 14 && again->start.minute == 0);
    ck_assert_uint_eq(again->nleads, 2);
    ecg_record_free(again);
    ecg_record_free(r);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(options_that_dicom_cannot_hold_are_refused)
{
    struct ecg_record *r = make_record(1, 10, 500);
    must_refuse(r, &(struct ecg_dicom_options){.accession = "12345678901234567"}, BASE_EINVAL,
                "accession number");
    must_refuse(r, &(struct ecg_dicom_options){.study_uid = "1..2"}, BASE_EINVAL, "is no UID");
    ecg_record_free(r);
}
END_TEST

/* The second lead begins late: in one group with the first it pads it, in one of its own it is left
 * out where it is too much. */
START_TEST(what_is_padded_counts_in_all_groups_together)
{
    struct ecg_record *r = make_record(2, 1000, 500);
    struct ecg_dicom_written written;
    struct base_buf out = {0};
    struct base_error err = {0};
    struct ecg_dicom_options o = {.now_us = 1, .samples = 2 * (50000 + 1000)};
    r->leads[1].start_s = 100;
    ck_assert_int_eq(ecg_dicom_write(r, &o, &out, &written, &err), BASE_OK);
    o.samples--;
    must_refuse(r, &o, BASE_ELIMIT, "too many for DICOM");
    r->leads[1].rate_hz = 250;
    o.samples = 1000 + 25000 + 1000;
    ck_assert_int_eq(ecg_dicom_write(r, &o, &out, &written, &err), BASE_OK);
    ck_assert_str_eq(written.left_out, "");
    o.samples--;
    ck_assert_int_eq(ecg_dicom_write(r, &o, &out, &written, &err), BASE_OK);
    ck_assert_ptr_nonnull(strstr(written.left_out, "250 Hz"));
    base_buf_deinit(&out);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_full_buffer_is_an_error)
{
    struct ecg_record *r = make_record(2, 1000, 500);
    for (size_t cap = 1; cap < 5000; cap += 97) {
        struct base_buf out;
        struct base_error err = {0};
        base_buf_init(&out, cap);
        ck_assert_int_eq(ecg_dicom_write(r, NULL, &out, NULL, &err), BASE_ELIMIT);
        base_buf_deinit(&out);
    }
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_dicom_write");
    TCase *t = tcase_create("writer");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, what_is_written_reads_back_equal, 0, 3);
    tcase_add_loop_test(t, the_class_is_12_lead_where_the_standard_allows_and_dciodvfy_agrees, 0,
                        (int)(sizeof classes / sizeof *classes));
    tcase_add_loop_test(t, any_other_rate_is_written_as_general_32_bit_without_a_loss, 0,
                        (int)(sizeof any_rate / sizeof *any_rate));
    tcase_add_test(t, general_32_bit_says_that_its_samples_are_signed_long);
    tcase_add_test(t, dciodvfy_finds_no_error_in_findings_or_medians);
    tcase_add_test(t, values_over_16_bits_are_written_in_a_coarser_unit);
    tcase_add_test(t, the_extremes_of_16_bits_survive);
    tcase_add_test(t, leads_that_start_earlier_lose_what_lies_before_the_record);
    tcase_add_test(t, leads_that_start_later_are_padded_in_front);
    tcase_add_loop_test(t, what_no_ecg_object_can_hold_is_an_error_that_says_why, 0, 3);
    tcase_add_loop_test(t, leads_of_each_rate_are_a_group_as_far_as_the_class_allows, 0, 12);
    tcase_add_test(t, a_lead_of_another_rate_that_ends_before_the_start_does_not_refuse_the_rest);
    tcase_add_test(t, a_lead_without_samples_is_left_out);
    tcase_add_test(t, what_could_not_be_read_of_a_file_is_told_by_the_object_made_of_it);
    tcase_add_test(t, the_same_seed_gives_the_same_object_and_options_override);
    tcase_add_test(t, a_time_of_an_hour_and_a_file_without_a_preamble_are_read);
    tcase_add_test(t, options_that_dicom_cannot_hold_are_refused);
    tcase_add_test(t, what_is_padded_counts_in_all_groups_together);
    tcase_add_test(t, a_full_buffer_is_an_error);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
