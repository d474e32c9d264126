/* EDF, EDF+ and BDF: our files byte by byte, damage, and files by others. */
#include "ecg_fixture.h"

#include <math.h>

struct channel {
    const char *label;
    const char *unit;
    const char *scale[4]; /* physical min, max, digital min, max */
    const char *prefilter;
    const char *samples; /* per data record */
};

struct header {
    const char *patient;
    const char *recording;
    const char *reserved;
    const char *records;
    const char *duration;
    bool bdf;
};

static const struct header plain = {
    .patient = "X17", .recording = "", .reserved = "", .records = "2", .duration = "1"};

static void add_field(struct base_buf *b, const char *text, size_t size)
{
    base_buf_add_str(b, text);
    base_buf_add_fill(b, ' ', size - strlen(text));
}

static void add_header(struct base_buf *b, const struct header *h, const struct channel *c,
                       size_t n)
{
    char number[16];
    if (h->bdf)
        base_buf_add_str(b, "\xff"
                            "BIOSEMI");
    else
        add_field(b, "0", 8);
    add_field(b, h->patient, 80);
    add_field(b, h->recording, 80);
    base_buf_add_str(b, "31.12.2523.59.58");
    snprintf(number, sizeof number, "%zu", 256 * (n + 1));
    add_field(b, number, 8);
    add_field(b, h->reserved, 44);
    add_field(b, h->records, 8);
    add_field(b, h->duration, 8);
    snprintf(number, sizeof number, "%zu", n);
    add_field(b, number, 4);
    for (size_t i = 0; i < n; i++)
        add_field(b, c[i].label, 16);
    base_buf_add_fill(b, ' ', 80 * n);
    for (size_t i = 0; i < n; i++)
        add_field(b, c[i].unit, 8);
    for (size_t k = 0; k < 4; k++)
        for (size_t i = 0; i < n; i++)
            add_field(b, c[i].scale[k], 8);
    for (size_t i = 0; i < n; i++)
        add_field(b, c[i].prefilter, 80);
    for (size_t i = 0; i < n; i++)
        add_field(b, c[i].samples, 8);
    base_buf_add_fill(b, ' ', 32 * n);
}

#define LEAD(label, samples)                                                                       \
    {                                                                                              \
        label, "mV", {"-5", "5", "-2000", "2000"}, "", samples                                     \
    }
#define ANNOTATIONS(samples)                                                                       \
    {                                                                                              \
        "EDF Annotations", "", {"-1", "1", "-32768", "32767"}, "", samples                         \
    }

START_TEST(channels_of_different_rates_are_read_each_at_its_own)
{
    static const struct channel channels[] = {
        {"ECG aVR", "mV", {"-5", "5", "-2000", "2000"}, "HP:0.05Hz LP:150Hz N:50Hz", "3"},
        {"Resp chest", "", {"0", "1", "0", "100"}, "", "1"},
        {"MLII", "uV", {"-3276,8", "3276,7", "-32768", "32767"}, "", "2"}};
    static const char data[] = "\x01\0\xff\xff\x02\0\x05\0\x64\0\x00\x80"
                               "\x03\0\x04\0\x05\0\x06\0\xff\x7f\xff\xff";
    static const int32_t first[] = {1, -1, 2, 3, 4, 5};
    static const int32_t second[] = {100, -32768, 32767, -1};
    struct base_buf b = {0};
    add_header(&b, &plain, channels, 3);
    base_buf_add(&b, data, sizeof data - 1);
    struct ecg_record *r = must_open(&b);
    ck_assert_str_eq(r->format, "EDF");
    ck_assert_uint_eq(r->nnotes, 0);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_uint_eq(r->nothers, 1);
    assert_samples(&r->leads[0], first, 6);
    ck_assert_int_eq(r->leads[0].id, ECG_LEAD_AVR);
    ck_assert_str_eq(r->leads[0].name, "aVR");
    ck_assert_double_eq_tol(r->leads[0].uv_per_count, 2.5, 1e-12);
    ck_assert_double_eq_tol(r->leads[0].offset_uv, 0, 1e-9);
    ck_assert_double_eq(r->leads[0].rate_hz, 3);
    assert_samples(&r->leads[1], second, 4);
    ck_assert_str_eq(r->leads[1].name, "MLII");
    ck_assert_double_eq_tol(r->leads[1].uv_per_count, 0.1, 1e-12);
    ck_assert_double_eq(r->leads[1].rate_hz, 2);
    ck_assert_str_eq(r->others[0].name, "Resp chest");
    ck_assert_double_eq_tol(r->others[0].uv_per_count, 0.01, 1e-12);
    ck_assert_int_eq(ecg_lead_sample(&r->others[0], 1), 6);
    ck_assert_double_eq(r->filters.high_pass_hz, 0.05);
    ck_assert_double_eq(r->filters.low_pass_hz, 150);
    ck_assert_double_eq(r->filters.notch_hz, 50);
    ck_assert_str_eq(r->patient.id.utf8, "X17");
    ck_assert_int_eq(r->start.date.year, 2025);
    ck_assert_int_eq(r->start.date.month, 12);
    ck_assert_int_eq(r->start.second, 58);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(channels_of_another_kind_are_read_but_are_no_leads)
{
    static const struct channel channels[] = {
        {"EEG Fpz-Cz", "uV", {"-200", "200", "-2000", "2000"}, "", "3"},
        {"ECG C3", "mV", {"-5", "5", "-2000", "2000"}, "", "3"},
        {"EMG chin", "mV", {"-5", "5", "-2000", "2000"}, "", "3"},
        {"C4", "uV", {"-200", "200", "-2000", "2000"}, "", "3"}};
    static const char data[] = "\x01\0\x02\0\x03\0\x04\0\x05\0\x06\0"
                               "\x07\0\x08\0\x09\0\x0a\0\x0b\0\x0c\0";
    struct base_buf b = {0};
    struct header h = plain;
    h.records = "1";
    add_header(&b, &h, channels, 4);
    base_buf_add(&b, data, sizeof data - 1);
    struct ecg_record *r = must_open(&b);
    ck_assert_uint_eq(r->nleads, 1);
    ck_assert_str_eq(r->leads[0].name, "C3");
    ck_assert_uint_eq(r->nothers, 3);
    ck_assert_str_eq(r->others[0].name, "EEG Fpz-Cz");
    ck_assert_str_eq(r->others[0].unit, "uV");
    ck_assert_double_eq_tol(r->others[0].uv_per_count, 0.1, 1e-12);
    assert_samples(&r->others[0], (const int32_t[]){1, 2, 3}, 3);
    ck_assert_str_eq(r->others[1].name, "EMG chin");
    ck_assert_double_eq_tol(r->others[1].uv_per_count, 2.5, 1e-12);
    ck_assert_str_eq(r->others[2].name, "C4");
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(bdf_has_samples_of_24_bits)
{
    static const struct channel channels[] = {
        {"V1", "uV", {"-8388608", "8388607", "-8388608", "8388607"}, "", "4"}, LEAD("V2", "4")};
    static const char data[] = "\x01\0\0\xff\xff\xff\0\0\x80\xff\xff\x7f"
                               "\x01\0\0\x02\0\0\x03\0\0\xff\xff\xff";
    static const int32_t wide[] = {1, -1, -8388608, 8388607};
    static const int32_t narrow[] = {1, 2, 3, -1};
    struct header h = plain;
    struct base_buf b = {0};
    h.bdf = true;
    h.records = "1";
    add_header(&b, &h, channels, 2);
    base_buf_add(&b, data, sizeof data - 1);
    struct ecg_record *r = must_open(&b);
    ck_assert_str_eq(r->format, "BDF");
    assert_samples(&r->leads[0], wide, 4);
    assert_samples(&r->leads[1], narrow, 4);
    ck_assert_ptr_nonnull(r->leads[1].i16);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

static const struct header plus = {.patient = "P-9 F 02-MAY-1951 测试_一",
                                   .recording = "Startdate 31-DEC-2025 A77 T_1 Model_X",
                                   .reserved = "EDF+C",
                                   .records = "2",
                                   .duration = "1"};

static void add_lists(struct base_buf *b, const char *text, size_t n, size_t size)
{
    base_buf_add(b, text, n);
    base_buf_add_fill(b, 0, size - n);
}

#define LISTS(b, text, size) add_lists(b, text, sizeof(text) - 1, size)

START_TEST(edf_plus_has_a_patient_and_annotations)
{
    static const struct channel channels[] = {LEAD("ECG II", "2"), ANNOTATIONS("40")};
    struct base_buf b = {0};
    add_header(&b, &plus, channels, 2);
    base_buf_add(&b, "\1\0\2\0", 4);
    LISTS(&b,
          "+0.25\x14\x14\0+0.75\x15"
          "0.5\x14premature ventricular contraction\x14后\x14\0",
          80);
    base_buf_add(&b, "\3\0\4\0", 4);
    LISTS(&b, "+1.25\x14\x14\0+2.25\x14QRS onset@@ECG II\x14\0-1\x14rhythm change: (AFIB\x14\0",
          80);
    struct ecg_record *r = must_open(&b);
    ck_assert_uint_eq(r->nnotes, 0);
    ck_assert_str_eq(r->version, "EDF+C");
    ck_assert_str_eq(r->patient.id.utf8, "P-9");
    ck_assert_str_eq(r->patient.name.utf8, "测试 一");
    ck_assert_int_eq(r->patient.sex, 'F');
    ck_assert_int_eq(r->patient.birth.month, 5);
    ck_assert_str_eq(r->accession, "A77");
    ck_assert_str_eq(r->device.technician, "T 1");
    ck_assert_str_eq(r->device.model, "Model X");
    ck_assert_int_eq(r->start.usec, 250000);
    ck_assert_double_eq(r->leads[0].start_s, 0);
    ck_assert_uint_eq(r->leads[0].samples, 4);
    ck_assert_uint_eq(r->nmarks, 4);
    ck_assert_int_eq(r->marks[0].code, ECG_CODE_PVC);
    ck_assert_int_eq(r->marks[0].kind, ECG_MARK_BEAT);
    ck_assert_double_eq_tol(r->marks[0].at_s, 0.5, 1e-9);
    ck_assert_double_eq_tol(r->marks[0].to_s, 1, 1e-9);
    ck_assert_str_eq(r->marks[1].text, "后");
    ck_assert_int_eq(r->marks[1].kind, ECG_MARK_OTHER);
    ck_assert_int_eq(r->marks[2].kind, ECG_MARK_QRS_ON);
    ck_assert_int_eq(r->marks[2].lead_id, ECG_LEAD_II);
    ck_assert_int_eq(r->marks[3].kind, ECG_MARK_RHYTHM);
    ck_assert_str_eq(r->marks[3].text, "(AFIB");
    ck_assert_double_eq_tol(r->marks[3].at_s, -1.25, 1e-9);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

/* A file of one lead, whose header is then written over at a position. */
static struct ecg_record *open_changed(const struct header *h, const char *label, size_t at,
                                       const char *text)
{
    struct channel channel = LEAD("", "2");
    struct base_buf b = {0};
    channel.label = label;
    add_header(&b, h, &channel, 1);
    base_buf_add(&b, "\1\0\2\0\3\0\4\0", 8);
    memcpy(b.p + at, text, strlen(text));
    struct ecg_record *r = must_open(&b);
    base_buf_deinit(&b);
    ck_assert_uint_eq(r->leads[0].samples, 4);
    return r;
}

/* 测试_一 in GBK; then with an underscore's byte in a hanzi: 乢. */
START_TEST(a_name_whose_character_set_is_guessed_is_marked)
{
    static const struct {
        const char *patient;
        const char *name;
        bool guessed;
    } cases[] = {{"P-9 F X \xb2\xe2\xca\xd4_\xd2\xbb", "测试 一", true},
                 {"P-9 F X \xb2\xe2\xca\xd4\x81\x5f", "测试乢", true},
                 {"P-9 F X 测试_一", "测试 一", false},
                 {"P-9 F X TEST_ONE", "TEST ONE", false}};
    static const struct channel channels[] = {LEAD("ECG II", "2"), ANNOTATIONS("4")};
    struct header h = plus;
    struct base_buf b = {0};
    h.patient = cases[_i].patient;
    add_header(&b, &h, channels, 2);
    base_buf_add_fill(&b, 0, 2 * 12);
    struct ecg_record *r = must_open(&b);
    ck_assert_str_eq(r->patient.name.utf8, cases[_i].name);
    ck_assert(r->patient.name.guessed == cases[_i].guessed);
    ck_assert_str_eq(r->patient.id.utf8, "P-9");
    ck_assert(!r->patient.id.guessed);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

/* Files that are called EDF+ and whose patient is a free text: no part of it is the name. */
START_TEST(a_patient_who_is_not_as_edf_plus_has_it_is_one_text)
{
    static const struct {
        const char *patient;
        const char *id;
        const char *name;
        char sex;
        bool told;
    } rows[] = {{"P-9 F 02-MAY-1951 TEST_ONE", "P-9", "TEST ONE", 'F', false},
                {"P-9 U 02-MAY-1951 TEST_ONE", "P-9", "TEST ONE", 0, false},
                {"P-9 F 1951 TEST_ONE", "P-9", "TEST ONE", 'F', true},
                {"P-9 U X TEST_ONE", "P-9", "TEST ONE", 0, false},
                {"Smith John M 01-JAN-1980", "Smith John M 01-JAN-1980", "", 0, true},
                {"Test, One 4711", "Test, One 4711", "", 0, true},
                {"X X X X", "", "", 0, false},
                {"", "", "", 0, false},
                {"P-9", "P-9", "", 0, false}};
    struct header h = plus;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        h.patient = rows[i].patient;
        struct ecg_record *r = open_changed(&h, "II", 0, "0       ");
        ck_assert_str_eq(r->patient.id.utf8, rows[i].id);
        ck_assert_str_eq(r->patient.name.utf8, rows[i].name);
        ck_assert_int_eq(r->patient.sex, rows[i].sex);
        ck_assert_uint_eq(r->nnotes, rows[i].told);
        ecg_record_free(r);
    }
}
END_TEST

START_TEST(headers_that_bend_the_rules_are_read)
{
    enum { DATE = 168, RECORDS = 236 };
    struct header odd = plus;
    static const struct {
        const char *recording;
        size_t at;
        const char *text;
        struct ecg_date start;
        size_t notes;
    } rows[] = {
        {"Startdate 29-FEB-2024 X X X", DATE, "29.02.yy14.05.06", {2024, 2, 29}, 0},
        {"Startdate 31-FEB-2024 X X X", DATE, "01.03.2414.05.06", {2024, 3, 1}, 1},
        {"Startdate X X X X", DATE, "1.3.24  14.5.6  ", {2024, 3, 1}, 0},
        {"Startdate X X X X", DATE, " 1. 3.24 4. 5. 6", {2024, 3, 1}, 0},
        {"Startdate X X X X", DATE, "31.02.2414.05.06", {0, 0, 0}, 0},
        {"Startdate 29-FEB-2024 X X X", RECORDS, "0       ", {2024, 2, 29}, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        odd.recording = rows[i].recording;
        struct ecg_record *r = open_changed(&odd, "II", rows[i].at, rows[i].text);
        ck_assert_int_eq(r->start.date.year, rows[i].start.year);
        ck_assert_int_eq(r->start.date.month, rows[i].start.month);
        ck_assert_int_eq(r->start.date.day, rows[i].start.day);
        ck_assert(r->start.has_time);
        ck_assert_uint_eq(r->nnotes, rows[i].notes);
        ecg_record_free(r);
    }
}
END_TEST

START_TEST(gaps_of_a_recording_that_is_called_continuous_are_told)
{
    static const struct channel channels[] = {LEAD("ECG II", "2"), ANNOTATIONS("8")};
    static const int32_t none = ECG_SAMPLE_NONE;
    struct base_buf b = {0};
    add_header(&b, &plus, channels, 2);
    base_buf_add(&b, "\1\0\2\0", 4);
    LISTS(&b, "+0\x14\x14\0", 16);
    base_buf_add(&b, "\3\0\4\0", 4);
    LISTS(&b, "+3\x14\x14\0", 16);
    struct ecg_record *r = must_open(&b);
    assert_samples(&r->leads[0], (const int32_t[]){1, 2, none, none, none, none, 3, 4}, 8);
    ck_assert_uint_eq(r->nnotes, 1);
    ck_assert(has_note(r, "is called continuous") && r->notes[0].is_damage);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(the_version_is_text_whatever_it_says)
{
    struct header h = plus;
    h.reserved = "EDF+\xff";
    struct ecg_record *r = open_changed(&h, "II", 0, "0       ");
    ck_assert_str_eq(r->version, "EDF+ÿ");
    ecg_record_free(r);
}
END_TEST

START_TEST(a_date_that_is_none_is_told)
{
    struct header h = plain;
    struct ecg_record *r = open_changed(&h, "II", 168, "dd.mm.yy");
    ck_assert_int_eq(r->start.date.year, 0);
    ck_assert(has_note(r, "the start date is no date"));
    ecg_record_free(r);
}
END_TEST

START_TEST(the_sex_may_be_a_word)
{
    static const struct {
        const char *patient;
        char sex;
    } rows[] = {{"P-9 f X T", 'F'}, {"P-9 Male X T", 'M'}, {"P-9 X X T", 0}, {"P-9 FM X T", 0}};
    struct header h = plus;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        h.patient = rows[i].patient;
        struct ecg_record *r = open_changed(&h, "II", 0, "0       ");
        ck_assert_int_eq(r->patient.sex, rows[i].sex);
        ecg_record_free(r);
    }
}
END_TEST

/* 0.57 times a million is less than 570000. */
START_TEST(the_fraction_of_the_start_is_the_nearest)
{
    static const struct channel channels[] = {LEAD("ECG II", "2"), ANNOTATIONS("8")};
    struct header h = plus;
    struct base_buf b = {0};
    h.records = "1";
    add_header(&b, &h, channels, 2);
    base_buf_add(&b, "\1\0\2\0", 4);
    LISTS(&b, "+0.57\x14\x14\0", 16);
    struct ecg_record *r = must_open(&b);
    ck_assert_int_eq(r->start.usec, 570000);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(labels_of_leads_are_read_as_they_are_written)
{
    static const struct {
        const char *label;
        int id;
    } rows[] = {{"ECG V5", ECG_LEAD_V5},   {"ECG-II", ECG_LEAD_II},
                {"ekg_V1", ECG_LEAD_V1},   {"ECG V5-Ref", ECG_LEAD_V5},
                {"III-REF", ECG_LEAD_III}, {"ECG V5-V6", ECG_LEAD_NONE},
                {"ECGII", ECG_LEAD_II},    {"MLII", ECG_LEAD_ML}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ecg_record *r = open_changed(&plain, rows[i].label, 0, "0       ");
        ck_assert_int_eq(r->leads[0].id, rows[i].id);
        ecg_record_free(r);
    }
}
END_TEST

START_TEST(fields_may_be_filled_up_with_zeros)
{
    static const struct channel channels[] = {LEAD("ECG II", "2")};
    struct base_buf b = {0};
    add_header(&b, &plus, channels, 1);
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] == ' ' && (i + 1 == b.n || b.p[i + 1] == ' ' || b.p[i + 1] == '\0'))
            b.p[i] = '\0';
    base_buf_add(&b, "\1\0\2\0\3\0\4\0", 8);
    struct ecg_record *r = must_open(&b);
    ck_assert_int_eq(r->leads[0].id, ECG_LEAD_II);
    ck_assert_double_eq(r->leads[0].uv_per_count, 2.5);
    ck_assert_str_eq(r->patient.id.utf8, "P-9");
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

/* Records of 2 samples, each with its time. */
static struct ecg_record *open_times(const char *const *times, size_t n, const char *records,
                                     size_t cut, struct base_error *err)
{
    static const struct channel channels[] = {LEAD("I", "2"), ANNOTATIONS("10")};
    struct header h = plus;
    struct base_buf b = {0};
    struct ecg_record *r = NULL;
    h.reserved = "EDF+D";
    h.records = records;
    add_header(&b, &h, channels, 2);
    for (size_t i = 0; i < n; i++) {
        base_buf_add_le16(&b, (uint16_t)(2 * i + 1));
        base_buf_add_le16(&b, (uint16_t)(i == 1 ? 0x8000 : 2 * i + 2));
        add_lists(&b, times[i], strlen(times[i]), 20);
    }
    b.n -= cut;
    if (open_bytes(base_buf_bytes(&b), NULL, &r, err) != BASE_OK)
        r = NULL;
    base_buf_deinit(&b);
    return r;
}

START_TEST(records_with_gaps_between_have_missing_samples_there)
{
    static const char *const times[] = {"+0\x14\x14", "+3\x14\x14", "+4.5\x14\x14"};
    const int32_t none = ECG_SAMPLE_NONE;
    const int32_t want[] = {1, 2, none, none, none, none, 3, -32768, none, 5, 6};
    struct base_error err = {0};
    struct ecg_record *r = open_times(times, 3, "3", 0, &err);
    ck_assert_msg(r != NULL, "%s", err.msg);
    assert_samples(&r->leads[0], want, 11);
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
    /* Without a time, or before the end of the one in front: it follows. */
    static const char *const odd[] = {"+2\x14\x14", "", "+2.5\x14\x14"};
    r = open_times(odd, 3, "3", 0, &err);
    ck_assert_uint_eq(r->leads[0].samples, 6);
    ck_assert_double_eq(r->leads[0].start_s, 2);
    ck_assert(has_note(r, "2 data records do not say when they begin"));
    ecg_record_free(r);
}
END_TEST

START_TEST(a_gap_that_is_too_long_ends_the_record_with_a_note)
{
    static const char *const times[] = {"+0\x14\x14", "+1\x14\x14", "+99999999\x14\x14"};
    struct base_error err = {0};
    struct ecg_record *r = open_times(times, 3, "3", 0, &err);
    ck_assert_uint_eq(r->leads[0].samples, 4);
    ck_assert(has_note(r, "what follows is left out"));
    ecg_record_free(r);
}
END_TEST

START_TEST(what_is_there_of_a_cut_file_is_read)
{
    static const char *const times[] = {"+0\x14\x14", "+1\x14\x14", "+2\x14\x14"};
    static const struct {
        const char *records;
        size_t cut;
        size_t samples;
        const char *note;
    } rows[] = {{"-1", 0, 6, "not stated; 3 are there"}, {"xyz", 0, 6, "not stated"},
                {"2", 0, 4, "24 bytes after"},           {"3", 22, 5, "of 3 data records 2"},
                {"4", 0, 6, "of 4 data records 3"},      {"3", 24, 4, "0 bytes of the next"},
                {"3", 45, 3, "of 3 data records 1"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct base_error err = {0};
        struct ecg_record *r = open_times(times, 3, rows[i].records, rows[i].cut, &err);
        ck_assert_msg(r != NULL, "%zu: %s", i, err.msg);
        ck_assert_uint_eq(r->leads[0].samples, rows[i].samples);
        ck_assert_msg(has_note(r, rows[i].note), "%zu: %s", i, r->nnotes ? r->notes[0].text : "");
        ecg_record_free(r);
    }
}
END_TEST

static const struct {
    size_t at;
    const char *bytes;
    const char *words;
    uint64_t pos;
} damage[] = {
    {252, "0   ", "number of channels", 252},
    {252, "9   ", "9 channels need a header of 2560 bytes", 252},
    {252, "1.5 ", "number of channels", 252},
    {244, "0       ", "data records of 0 s", 244},
    {244, "-1      ", "no number of seconds", 244},
    {256 + 216, "-2      ", "no number of samples", 256 + 216},
    {256 + 216, "0       ", "no channel has samples", 256 + 216},
};

START_TEST(impossible_headers_are_refused_with_the_position)
{
    static const struct channel channels[] = {LEAD("I", "2")};
    struct base_buf b = {0};
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    add_header(&b, &plain, channels, 1);
    base_buf_add(&b, "\1\0\2\0\3\0\4\0", 8);
    memcpy(b.p + damage[_i].at, damage[_i].bytes, strlen(damage[_i].bytes));
    ck_assert_int_eq(open_bytes(base_buf_bytes(&b), NULL, &r, &err), BASE_EFORMAT);
    ck_assert_msg(strstr(err.msg, damage[_i].words) != NULL, "%s", err.msg);
    ck_assert_uint_eq(err.pos, damage[_i].pos);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_channel_without_a_scale_is_counts_and_each_prefix_is_safe)
{
    static const struct channel channels[] = {LEAD("I", "2"),
                                              {"II", "mV", {"1", "1", "0", "9"}, "", "1"}};
    struct base_buf b = {0};
    struct base_error err = {0};
    add_header(&b, &plain, channels, 2);
    base_buf_add(&b, "\1\0\2\0\3\0\4\0\5\0\6\0", 12);
    struct ecg_record *r = must_open(&b);
    ck_assert_uint_eq(r->nothers, 1);
    ck_assert_str_eq(r->others[0].unit, "1");
    ck_assert(has_note(r, "channel 2 has no usable"));
    ecg_record_free(r);
    for (size_t n = 0; n < b.n; n++) {
        r = NULL;
        enum base_err e = open_bytes(base_bytes_of(b.p, n), NULL, &r, &err);
        ck_assert_msg((e == BASE_OK) == (n >= b.n - 12 + 2), "%zu bytes", n);
        ck_assert(e == BASE_OK || e == BASE_EFORMAT || e == BASE_EUNSUPPORTED);
        ck_assert(e != BASE_OK || r->nnotes > 0);
        ecg_record_free(r);
    }
    base_buf_deinit(&b);
}
END_TEST

/* Counted by a few lines of Python from the bytes of the files. */
static const struct {
    const char *file;
    const char *channel;
    size_t samples;
    int64_t sum;
    int64_t weighted; /* each sample times its number modulo 97 */
    double rate_hz;
    bool is_lead;
} others[] = {
    {"short_psg.edf", "EEG Fpz-Cz", 30000, 46710, 6362031, 100, false},
    {"short_psg.edf", "EEG Pz-Oz", 30000, 27829, 2192211, 100, false},
    {"short_psg.edf", "EOG horizontal", 30000, 31664, -2134834, 100, false},
    {"short_psg.edf", "Resp oro-nasal", 300, 109827, 4501932, 1, false},
    {"short_psg.edf", "EMG submental", 300, 514405, 24016012, 1, false},
    {"short_psg.edf", "Temp rectal", 300, 39030, 1818912, 1, false},
    {"short_psg.edf", "Event marker", 300, 265812, 12470381, 1, false},
    {"test_generator_datarec_generator_2.bdf", "sine 2.5Hz", 15000, -7500, 517735548, 500, true},
    {"test_generator_datarec_generator_2.bdf", "square 6.5Hz", 12000, -16788408808, -804814619482,
     400, true},
    {"test_generator_datarec_generator_2.bdf", "ramp 3.5Hz", 7500, -5240087242, -251186353108, 250,
     true},
    {"test_generator_datarec_generator_2.bdf", "pink noise", 14625, -3049480195, -137963401583,
     487.5, true},
    {"test_generator_datarec_generator_2.bdf", "white noise", 14985, -265412792, -9468545842, 499.5,
     true},
    {"test_utf8.edf", "Fp1", 89344, 56106, 4588480, 128, false},
};

static const struct ecg_lead *find(const struct ecg_record *r, const char *name)
{
    for (size_t i = 0; i < r->nleads + r->nothers; i++) {
        const struct ecg_lead *lead = i < r->nleads ? &r->leads[i] : &r->others[i - r->nleads];
        if (strcmp(lead->name, name) == 0)
            return lead;
    }
    return NULL;
}

START_TEST(files_of_other_programs_have_their_samples)
{
    char path[128];
    struct base_buf b = {0};
    snprintf(path, sizeof path, "edf/%s", others[_i].file);
    if (!load_other(path, &b))
        return;
    struct ecg_record *r = must_open(&b);
    const struct ecg_lead *lead = find(r, others[_i].channel);
    int64_t sum = 0;
    int64_t weighted = 0;
    ck_assert_msg(lead != NULL, "no channel %s", others[_i].channel);
    ck_assert((lead >= r->leads && lead < r->leads + r->nleads) == others[_i].is_lead);
    ck_assert_uint_eq(lead->samples, others[_i].samples);
    ck_assert_double_eq_tol(lead->rate_hz, others[_i].rate_hz, 1e-9);
    for (size_t i = 0; i < lead->samples; i++) {
        sum += ecg_lead_sample(lead, i);
        weighted += (int64_t)ecg_lead_sample(lead, i) * (int64_t)(i % 97);
    }
    ck_assert_int_eq(sum, others[_i].sum);
    ck_assert_int_eq(weighted, others[_i].weighted);
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_edf");
    TCase *t = tcase_create("edf");
    tcase_add_test(t, channels_of_different_rates_are_read_each_at_its_own);
    tcase_add_test(t, channels_of_another_kind_are_read_but_are_no_leads);
    tcase_add_test(t, bdf_has_samples_of_24_bits);
    tcase_add_test(t, edf_plus_has_a_patient_and_annotations);
    tcase_add_loop_test(t, a_name_whose_character_set_is_guessed_is_marked, 0, 4);
    tcase_add_test(t, a_patient_who_is_not_as_edf_plus_has_it_is_one_text);
    tcase_add_test(t, headers_that_bend_the_rules_are_read);
    tcase_add_test(t, gaps_of_a_recording_that_is_called_continuous_are_told);
    tcase_add_test(t, the_version_is_text_whatever_it_says);
    tcase_add_test(t, a_date_that_is_none_is_told);
    tcase_add_test(t, the_sex_may_be_a_word);
    tcase_add_test(t, the_fraction_of_the_start_is_the_nearest);
    tcase_add_test(t, labels_of_leads_are_read_as_they_are_written);
    tcase_add_test(t, fields_may_be_filled_up_with_zeros);
    tcase_add_test(t, records_with_gaps_between_have_missing_samples_there);
    tcase_add_test(t, a_gap_that_is_too_long_ends_the_record_with_a_note);
    tcase_add_test(t, what_is_there_of_a_cut_file_is_read);
    tcase_add_loop_test(t, impossible_headers_are_refused_with_the_position, 0,
                        sizeof damage / sizeof *damage);
    tcase_add_test(t, a_channel_without_a_scale_is_counts_and_each_prefix_is_safe);
    tcase_add_loop_test(t, files_of_other_programs_have_their_samples, 0,
                        sizeof others / sizeof *others);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
