/* MFER: every type of samples, rates, byte orders, groups, damage; a file by others. */
#include "ecg_fixture.h"

#include <math.h>

static void add(struct base_buf *b, const char *bytes, size_t n)
{
    base_buf_add(b, bytes, n);
}

#define ADD(b, bytes) add(b, bytes, sizeof(bytes) - 1)

static const char preamble[] = "\x40\x20MFR Standard 12 leads ECG       ";

/* 1 channel, 500 Hz, 5 uV: big-endian. */
static const char common[] = "\x05\x01\x01\x0b\x03\x01\xfd\x02\x0c\x03\x00\xfa\x05";

static struct ecg_record *open_ok(struct base_buf *b)
{
    struct ecg_record *r = must_open(b);
    base_buf_deinit(b);
    return r;
}

static const struct {
    const char *type; /* definitions */
    size_t ntype;
    bool little;
    const char *data;
    size_t n;
    double want[4]; /* uV */
    size_t samples;
} types[] = {
    {"\x0a\x01\x00", 3, false, "\x00\x01\xff\xff\x80\x00\x7f\xff", 8, {5, -5, -163840, 163835}, 4},
    {"\x0a\x01\x00", 3, true, "\x01\x00\xff\xff\x00\x80\xff\x7f", 8, {5, -5, -163840, 163835}, 4},
    {"\x0a\x01\x01", 3, false, "\x00\x01\xff\xff", 4, {5, 327675}, 2},
    {"\x0a\x01\x01", 3, true, "\x01\x00\xff\xff", 4, {5, 327675}, 2},
    {"\x0a\x01\x02", 3, false, "\x00\x01\x00\x00\xff\xff\xff\xff", 8, {327680, -5}, 2},
    {"\x0a\x01\x02", 3, true, "\x00\x00\x01\x00\xff\xff\xff\xff", 8, {327680, -5}, 2},
    {"\x0a\x01\x03", 3, false, "\x01\xff", 2, {5, 1275}, 2},
    {"\x0a\x01\x05", 3, false, "\x01\xff\x80", 3, {5, -5, -640}, 3},
    {"\x0a\x01\x06", 3, false, "\x00\x00\x00\x01\x7f\xff\xff\xff", 8, {5, 10737418235.0}, 2},
    {"\x0a\x01\x06",
     3,
     false,
     "\x80\x00\x00\x01\xc0\x00\x00\x00",
     8,
     {10737418245.0, 16106127360.0},
     2},
    {"\x0a\x01\x06",
     3,
     true,
     "\x00\x00\x00\x80\x02\x00\x00\x80",
     8,
     {10737418240.0, 10737418250.0},
     2},
    {"\x0a\x01\x06\x12\x04\xff\xff\xff\xff",
     9,
     false,
     "\x00\x00\x00\x07\xff\xff\xff\xff",
     8,
     {35, (double)NAN},
     2},
    {"\x0a\x01\x07", 3, false, "\x40\x40\x00\x00\xc0\x00\x00\x00", 8, {15, -10}, 2},
    {"\x0a\x01\x07", 3, true, "\x00\x00\x40\x3f\x00\x00\x00\xbf", 8, {3.75, -2.5}, 2},
    {"\x0a\x01\x08", 3, false, "\x40\x08\0\0\0\0\0\0\xbf\xe0\0\0\0\0\0\0", 16, {15, -2.5}, 2},
    /* NULL values */
    {"\x0a\x01\x00\x12\x02\x80\x00", 7, false, "\x00\x01\x80\x00", 4, {5, (double)NAN}, 2},
    {"\x0a\x01\x00\x12\x02\x00\x07", 7, false, "\x80\x00\x00\x07", 4, {-163840, (double)NAN}, 2},
    {"\x0a\x01\x00\x12\x02\x07\x00", 7, true, "\x01\x00\x07\x00", 4, {5, (double)NAN}, 2},
    {"\x0a\x01\x01\x12\x02\xff\xff", 7, false, "\x7f\xff\xff\xff", 4, {163835, (double)NAN}, 2},
    {"\x0a\x01\x01\x12\x02\xff\xff", 7, true, "\x00\x80\xff\xff", 4, {163840, (double)NAN}, 2},
    {"\x0a\x01\x01\x12\x02\x80\x00", 7, false, "\xff\xfe\x80\x00", 4, {327670, (double)NAN}, 2},
    {"\x0a\x01\x07", 3, false, "\x40\x40\x00\x00\x7f\xc0\x00\x00", 8, {15, (double)NAN}, 2},
    /* offset 16: (sample + offset) times 5 */
    {"\x0d\x02\x00\x10", 4, false, "\x00\x01\xff\xff", 4, {85, 75}, 2},
};

START_TEST(each_type_of_samples_has_its_values)
{
    struct base_buf b = {0};
    float uv[4];
    ADD(&b, preamble);
    if (types[_i].little)
        ADD(&b, "\x01\x01\x01");
    ADD(&b, common);
    base_buf_add(&b, types[_i].type, types[_i].ntype);
    base_buf_add_byte(&b, 0x1e);
    base_buf_add_byte(&b, (uint8_t)types[_i].n);
    base_buf_add(&b, types[_i].data, types[_i].n);
    struct ecg_record *r = open_ok(&b);
    ck_assert_uint_eq(r->nleads, 1);
    ck_assert_uint_eq(r->nnotes, 0);
    ck_assert_double_eq(r->leads[0].rate_hz, 500);
    ck_assert_uint_eq(r->leads[0].samples, types[_i].samples);
    ecg_lead_read_uv(&r->leads[0], 0, types[_i].samples, uv);
    for (size_t i = 0; i < types[_i].samples; i++)
        if (isnan(types[_i].want[i]))
            ck_assert(isnan(uv[i]));
        else
            ck_assert_double_eq_tol(uv[i], types[_i].want[i], 1e-6 * fabs(types[_i].want[i]));
    ecg_record_free(r);
}
END_TEST

START_TEST(channels_have_blocks_rates_units_and_names_of_their_own)
{
    static const int32_t lead[] = {1, 2, 5, 6};
    static const int32_t pressure[] = {3, 7};
    struct base_buf b = {0};
    ADD(&b, preamble);
    ADD(&b, "\x01\x01\x01\x0b\x03\x01\xfd\x02\x0c\x03\x00\xfa\x05\x05\x01\x03\x06\x01\x02");
    ADD(&b, "\x3f\x00\x07\x09\x02\x02\x00\x04\x01\x02");
    ADD(&b, "\x3f\x01\x80\x04\x01\x01\x0b\x03\x01\xfd\x04\x0c\x03\x01\xff\x02\x00\x00");
    ADD(&b, "\x3f\x02\x0f\x04\x01\x01\x0b\x03\x01\xfd\x04\x0a\x01\x04\x09\x02\x40\x10");
    ADD(&b, "\x1e\x10\x01\0\x02\0\x03\0\x04\0\x05\0\x06\0\x07\0\x08\0");
    struct ecg_record *r = open_ok(&b);
    ck_assert_uint_eq(r->nnotes, 0);
    ck_assert_uint_eq(r->nleads, 1);
    ck_assert_int_eq(r->leads[0].id, ECG_LEAD_II);
    assert_samples(&r->leads[0], lead, 4);
    ck_assert_double_eq_tol(r->leads[0].uv_per_count, 5, 1e-12);
    ck_assert_uint_eq(r->nothers, 2);
    ck_assert_str_eq(r->others[0].unit, "mmHg");
    ck_assert_double_eq_tol(r->others[0].uv_per_count, 0.2, 1e-12);
    ck_assert_double_eq_tol(r->others[0].rate_hz, 250, 1e-9);
    assert_samples(&r->others[0], pressure, 2);
    ck_assert_str_eq(r->others[1].name, "code 4160");
    ecg_record_free(r);
}
END_TEST

/* Definitions of a channel in volts, and whether it is an ECG. */
static const struct {
    const char *definition;
    size_t n;
    bool is_lead;
} kinds[] = {
    {"\x08\x01\x01", 3, true},      /* standard ECG */
    {"\x08\x01\x14", 3, true},      /* monitor */
    {"\x08\x01\x28", 3, false},     /* EEG at rest */
    {"\x08\x01\x1f", 3, false},     /* pulse wave */
    {"\x09\x02\x10\x46", 4, true},  /* ECG1 of a monitor */
    {"\x09\x02\x00\xa0", 4, false}, /* respiration by impedance */
    {"\x09\x02\x10\x43", 4, false}, /* respiration */
    {"\x09\x05\x20\x01"
     "EMG",
     7, false},
};

START_TEST(channels_of_another_kind_in_volts_are_no_leads)
{
    struct base_buf b = {0};
    ADD(&b, preamble);
    ADD(&b, common);
    base_buf_add(&b, kinds[_i].definition, kinds[_i].n);
    ADD(&b, "\x1e\x04\x00\x01\x00\x02");
    struct ecg_record *r = open_ok(&b);
    ck_assert_uint_eq(r->nleads, kinds[_i].is_lead);
    ck_assert_uint_eq(r->nothers, !kinds[_i].is_lead);
    const struct ecg_lead *lead = kinds[_i].is_lead ? r->leads : r->others;
    ck_assert_str_eq(lead->unit, kinds[_i].is_lead ? "" : "uV");
    ck_assert_double_eq_tol(lead->uv_per_count, 5, 1e-12);
    assert_samples(lead, (const int32_t[]){1, 2}, 2);
    ecg_record_free(r);
}
END_TEST

START_TEST(who_when_and_what_happened_are_read)
{
    struct base_buf b = {0};
    ADD(&b, preamble);
    ADD(&b, "\x03\x05UTF-8\x81\x12"
            "测试^^一^^^^^^^");
    ADD(&b, "\x82\x03"
            "P-9"
            "\x83\x07\x2a\xff\xff\x07\x9f\x05\x02\x84\x01\x02");
    ADD(&b, "\x85\x0b\x07\xea\x01\x1f\x08\x1e\x0f\x00\xfa\x00\x01");
    ADD(&b, "\x17\x09"
            "M^X1^2^S7"
            "\x11\x08HPF=0.05\x11\x0bLPF=150^Hum\x16\x04note");
    ADD(&b, common);
    ADD(&b, "\x03\x08UTF-16BE\x41\x0e\x00\x80\x00\x00\x00\x01\x00\x00\x00\x02\x54\x0e\x00\x42");
    ADD(&b, "\x41\x06\x00\x81\x00\x00\x00\x02\x42\x0a\x00\x07\x00\x00\x00\x00\x00\x38\x00\x32");
    ADD(&b, "\x1e\x08\x00\x01\x00\x02\x00\x03\x00\x04\x80\x00");
    struct ecg_record *r = open_ok(&b);
    ck_assert_uint_eq(r->nnotes, 0);
    ck_assert_str_eq(r->patient.name.utf8, "测试^一");
    ck_assert(!r->patient.name.guessed && !r->patient.id.guessed);
    ck_assert_str_eq(r->patient.id.utf8, "P-9");
    ck_assert_int_eq(r->patient.age, 42);
    ck_assert_int_eq(r->patient.birth.year, 1951);
    ck_assert_int_eq(r->patient.sex, 'F');
    ck_assert_int_eq(r->start.date.year, 2026);
    ck_assert_int_eq(r->start.minute, 30);
    ck_assert_int_eq(r->start.usec, 250001);
    ck_assert_str_eq(r->device.model, "X1");
    ck_assert_str_eq(r->device.serial, "S7");
    ck_assert_double_eq(r->filters.low_pass_hz, 150);
    ck_assert_str_eq(r->comment, "note");
    ck_assert_uint_eq(r->nmarks, 2);
    ck_assert_str_eq(r->marks[0].text, "后B");
    ck_assert_double_eq_tol(r->marks[0].at_s, 0.002, 1e-9);
    ck_assert_double_eq_tol(r->marks[0].to_s, 0.006, 1e-9);
    ck_assert_str_eq(r->marks[1].text, "event 129");
    ck_assert_uint_eq(r->nmeasurements, 1);
    ck_assert_double_eq(r->measurements[0].value, 82);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_name_without_a_character_set_is_guessed)
{
    struct base_buf b = {0};
    ADD(&b, preamble);
    ADD(&b, "\x81\x05"
            "\xb2\xe2\xca\xd4^"
            "\x82\x03"
            "P-9");
    ADD(&b, common);
    ADD(&b, "\x1e\x08\x00\x01\x00\x02\x00\x03\x00\x04\x80\x00");
    struct ecg_record *r = open_ok(&b);
    ck_assert_str_eq(r->patient.name.utf8, "测试");
    ck_assert(r->patient.name.guessed && !r->patient.id.guessed);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

static const struct {
    const char *set;
    const char *bytes;
    size_t n;
    const char *name;
} sets[] = {
    {"UTF-16LE", "\x4b\x6d\xd5\x8b", 4, "测试"},
    {"UTF-16BE", "\x6d\x4b\x8b\xd5", 4, "测试"},
    {"UTF-16", "\xff\xfe\x4b\x6d\xd5\x8b", 6, "测试"},
    {"utf16", "\xfe\xff\x6d\x4b\x8b\xd5", 6, "测试"},
    {"ISO-8859-1", "M\xfcller", 6, "Müller"},
    {"ISO 8859-5", "\xb8\xda\xe1", 3, "Икс"},
    {"JIS X0208", "\x1b$B;n83\x1b(B", 10, "試験"},
    {"Shift_JIS", "\x8e\x8e\x8c\xb1", 4, "試験"},
    {"ANSI X3.4", "TEST", 4, "TEST"},
};

START_TEST(a_name_is_read_in_its_character_set)
{
    struct base_buf b = {0};
    ADD(&b, preamble);
    ADD(&b, "\x03");
    base_buf_add_byte(&b, (uint8_t)strlen(sets[_i].set));
    base_buf_add_str(&b, sets[_i].set);
    ADD(&b, "\x81");
    base_buf_add_byte(&b, (uint8_t)sets[_i].n);
    base_buf_add(&b, sets[_i].bytes, sets[_i].n);
    ADD(&b, common);
    ADD(&b, "\x1e\x02\x00\x01");
    struct ecg_record *r = open_ok(&b);
    ck_assert_str_eq(r->patient.name.utf8, sets[_i].name);
    ck_assert(!r->patient.name.guessed);
    ecg_record_free(r);
}
END_TEST

START_TEST(an_infant_has_an_age_in_days)
{
    struct base_buf b = {0};
    ADD(&b, preamble);
    ADD(&b, "\x83\x03\x00\x00\x2d");
    ADD(&b, common);
    ADD(&b, "\x1e\x02\x00\x01");
    struct ecg_record *r = open_ok(&b);
    ck_assert_int_eq(r->patient.age, 45);
    ck_assert_int_eq(r->patient.age_unit, 'D');
    ecg_record_free(r);
}
END_TEST

START_TEST(a_lead_without_a_code_may_have_the_name_of_one)
{
    struct base_buf b = {0};
    ADD(&b, preamble);
    ADD(&b, common);
    ADD(&b, "\x09\x08\x00\x00"
            "ECG II");
    ADD(&b, "\x1e\x02\x00\x01");
    struct ecg_record *r = open_ok(&b);
    ck_assert_int_eq(r->leads[0].id, ECG_LEAD_II);
    ck_assert_str_eq(r->leads[0].name, "II");
    ecg_record_free(r);
}
END_TEST

START_TEST(frames_are_joined_and_a_dominant_beat_is_kept_apart)
{
    static const int32_t rhythm[] = {1, 2, 3};
    struct base_buf b = {0};
    ADD(&b, preamble);
    ADD(&b, common);
    ADD(&b, "\x1e\x04\x00\x01\x00\x02\x1e\x02\x00\x03");
    ADD(&b, "\x08\x02\x00\x09\x1e\x02\x00\x09\x08\x02\x00\x01");
    ADD(&b, "\x0b\x03\x01\xfd\x04\x1e\x02\x00\x08");
    struct ecg_record *r = open_ok(&b);
    assert_samples(&r->leads[0], rhythm, 3);
    ck_assert_uint_eq(r->nmedians, 1);
    ck_assert_int_eq(ecg_lead_sample(&r->medians[0], 0), 9);
    ck_assert(has_note(r, "they are left out"));
    ecg_record_free(r);
}
END_TEST

static const struct {
    const char *bytes;
    size_t n;
    enum base_err code;
    const char *words;
} refused[] = {
#define ROW(bytes, code, words)                                                                    \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, code, words                                                      \
    }
    ROW("\x0e\x02\x00\x01\x1e\x02\x00\x01", BASE_EUNSUPPORTED, "compressed"),
    ROW("\x0a\x01\x09\x1e\x02\x00\x01", BASE_EUNSUPPORTED, "AHA"),
    ROW("\x0a\x01\x0a\x1e\x02\x00\x01", BASE_EUNSUPPORTED, "type of samples"),
    ROW("\x05\x01\x00\x1e\x02\x00\x01", BASE_EFORMAT, "0 channels"),
    ROW("\x05\x02\xff\xff\x1e\x02\x00\x01", BASE_ELIMIT, "65535 channels"),
    ROW("\x04\x01\x00\x1e\x02\x00\x01", BASE_EFORMAT, "block of 0"),
    ROW("\x0b\x03\x02\xfd\x02\x1e\x02\x00\x01", BASE_EUNSUPPORTED, "equal times"),
    ROW("\x0c\x03\x00\xfa\x00\x1e\x02\x00\x01", BASE_EFORMAT, "sensitivity of 0"),
    ROW("\x1e\x01\x00", BASE_EFORMAT, "no sample"),
    ROW("", BASE_EFORMAT, "no sample"),
    ROW("\x67\x80\x67\x80\x67\x80\x67\x80\x67\x80\x67\x80\x67\x80\x67\x80\x67\x80\x67\x80\x16\x01x",
        BASE_ELIMIT, "groups within groups"),
#undef ROW
};

START_TEST(what_cannot_be_read_is_refused_with_the_reason)
{
    struct base_buf b = {0};
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ADD(&b, preamble);
    ADD(&b, common);
    base_buf_add(&b, refused[_i].bytes, refused[_i].n);
    ck_assert_int_eq(open_bytes(base_buf_bytes(&b), NULL, &r, &err), refused[_i].code);
    ck_assert_msg(strstr(err.msg, refused[_i].words) != NULL, "%s", err.msg);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_cut_file_gives_what_is_there_and_each_prefix_is_safe)
{
    struct base_buf b = {0};
    struct base_error err = {0};
    ADD(&b, preamble);
    ADD(&b, common);
    ADD(&b, "\x1e\x08\x00\x01\x00\x02\x00\x03\x00\x04");
    for (size_t n = 0; n < b.n; n++) {
        struct ecg_record *r = NULL;
        enum base_err e = open_bytes(base_bytes_of(b.p, n), NULL, &r, &err);
        ck_assert_msg((e == BASE_OK) == (n + 6 >= b.n), "%zu bytes", n);
        if (e == BASE_OK) {
            ck_assert_uint_eq(r->leads[0].samples, 4 - (b.n - n + 1) / 2);
            ck_assert(has_note(r, "cut within tag 1E"));
        }
        ecg_record_free(r);
    }
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_recording_of_a_monitor_is_read_in_full)
{
    /* Counted by a few lines of Python from the bytes of the file. */
    static const struct {
        size_t samples;
        int64_t sum;
        int64_t weighted;
    } want[] = {{180000, -54536320, -2621911113}, {180000, -54552302, -2622690659},
                {90000, 37607222, 1797607153},    {90000, -10878470, -530160476},
                {90000, -21158661, -1024037135},  {180000, 54493184, 2620030976}};
    struct base_buf b = {0};
    if (!load_other("mfer/monk_test-file.MWF", &b))
        return;
    struct ecg_record *r = open_ok(&b);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_uint_eq(r->nothers, 4);
    ck_assert_double_eq_tol(ecg_record_seconds(r), 720, 1e-9);
    ck_assert_str_eq(r->patient.name.utf8, "TRWRU");
    for (size_t i = 0; i < 6; i++) {
        const struct ecg_lead *lead = i < 2 ? &r->leads[i] : &r->others[i - 2];
        int64_t sum = 0;
        int64_t weighted = 0;
        ck_assert_uint_eq(lead->samples, want[i].samples);
        for (size_t k = 0; k < lead->samples; k++) {
            int64_t v = ecg_lead_sample(lead, k);
            /* MWF_NUL 8000h, also of the status words, which have no sign */
            v = v != ECG_SAMPLE_NONE ? v : i == 5 ? 0x8000 : INT16_MIN;
            sum += v;
            weighted += v * (int64_t)(k % 97);
        }
        ck_assert_int_eq(sum, want[i].sum);
        ck_assert_int_eq(weighted, want[i].weighted);
    }
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_mfer");
    TCase *t = tcase_create("mfer");
    tcase_add_loop_test(t, each_type_of_samples_has_its_values, 0, sizeof types / sizeof *types);
    tcase_add_test(t, channels_have_blocks_rates_units_and_names_of_their_own);
    tcase_add_loop_test(t, channels_of_another_kind_in_volts_are_no_leads, 0,
                        sizeof kinds / sizeof *kinds);
    tcase_add_test(t, who_when_and_what_happened_are_read);
    tcase_add_loop_test(t, a_name_is_read_in_its_character_set, 0, sizeof sets / sizeof *sets);
    tcase_add_test(t, an_infant_has_an_age_in_days);
    tcase_add_test(t, a_lead_without_a_code_may_have_the_name_of_one);
    tcase_add_test(t, a_name_without_a_character_set_is_guessed);
    tcase_add_test(t, frames_are_joined_and_a_dominant_beat_is_kept_apart);
    tcase_add_loop_test(t, what_cannot_be_read_is_refused_with_the_reason, 0,
                        sizeof refused / sizeof *refused);
    tcase_add_test(t, a_cut_file_gives_what_is_there_and_each_prefix_is_safe);
    tcase_add_test(t, a_recording_of_a_monitor_is_read_in_full);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
