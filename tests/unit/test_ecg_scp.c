#include "ecg/ecg_crc.h"
#include "ecg_fixture.h"

static const char *const files[] = {
    "1-second-differences.scp",
    "2-raw.scp",
    "3-first-differences.scp",
    "4-own-tables.scp",
    "5-subtracted.scp",
    "6-decimated.scp",
    "7-gbk.scp",
};
enum { FILES = sizeof files / sizeof *files };

/* Where a section's header is, from section 0; 0 when absent. */
static size_t section_at(const struct base_buf *b, unsigned id)
{
    const uint8_t *entry = b->p + 6 + 16 + 10 * id;
    return base_load_le32(entry + 2) ? base_load_le32(entry + 6) - 1 : 0;
}

static struct base_error must_fail(const struct base_buf *b, enum base_err code)
{
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_bytes(base_buf_bytes(b), NULL, &r, &err), code);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(err.code, code);
    return err;
}

START_TEST(every_encoding_gives_the_samples_of_the_model)
{
    struct base_buf text = {0};
    json_error_t e;
    load_testdata("expected.json", &text);
    json_t *root = json_loadb(base_buf_cstr(&text), text.n, 0, &e);
    ck_assert_ptr_nonnull(root);
    const char *kind =
        json_string_value(json_object_get(json_object_get(root, "files"), files[_i]));
    json_t *leads = json_object_get(json_object_get(root, "samples"), kind);
    struct ecg_record *r = open_testdata(files[_i]);
    ck_assert_uint_eq(r->nleads, json_object_size(leads));
    for (size_t i = 0; i < r->nleads; i++) {
        const struct ecg_lead *lead = &r->leads[i];
        json_t *values = json_object_get(leads, lead->name);
        ck_assert_uint_eq(lead->samples, json_array_size(values));
        ck_assert_double_eq(lead->rate_hz, 500);
        ck_assert_double_eq(lead->uv_per_count, 2.5);
        for (size_t k = 0; k < lead->samples; k++)
            ck_assert_msg(ecg_lead_sample(lead, k) == json_integer_value(json_array_get(values, k)),
                          "%s: lead %s differs at sample %zu", files[_i], lead->name, k);
    }
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
    json_decref(root);
    base_buf_deinit(&text);
}
END_TEST

START_TEST(patient_time_device_and_filters_are_read)
{
    struct ecg_record *r = open_testdata("1-second-differences.scp");
    ck_assert_str_eq(r->format, "SCP-ECG");
    ck_assert_str_eq(r->version, "2.0");
    ck_assert_str_eq(r->patient.id.utf8, "SCP0001");
    ck_assert_int_eq(r->patient.sex, 'F');
    ck_assert_int_eq(r->patient.birth.year, 1961);
    ck_assert_int_eq(r->patient.birth.day, 30);
    ck_assert_int_eq(r->start.date.year, 2026);
    ck_assert_int_eq(r->start.hour, 9);
    ck_assert(r->start.has_zone);
    ck_assert_int_eq(r->start.zone_min, 480);
    ck_assert_str_eq(r->device.model, "MODEL");
    ck_assert_str_eq(r->device.serial, "SN-17");
    ck_assert_str_eq(r->device.manufacturer, "testdata");
    ck_assert_double_eq_tol(r->filters.high_pass_hz, 0.05, 1e-9);
    ck_assert_double_eq(r->filters.low_pass_hz, 150);
    ck_assert_double_eq(r->filters.notch_hz, 50);
    ecg_record_free(r);
}
END_TEST

START_TEST(an_undeclared_chinese_name_is_utf8_with_its_raw_bytes_kept)
{
    struct ecg_record *r = open_testdata("7-gbk.scp");
    ck_assert_str_eq(r->patient.name.utf8, "测试一");
    ck_assert(r->patient.name.guessed);
    ck_assert_uint_eq(r->patient.name.raw.n, 6);
    ck_assert_mem_eq(r->patient.name.raw.p, "\xb2\xe2\xca\xd4\xd2\xbb", 6);
    ecg_record_free(r);
}
END_TEST

/* The given name's two bytes alone would be a Cyrillic letter in UTF-8. */
START_TEST(an_undeclared_name_in_two_tags_is_of_one_character_set)
{
    static const uint8_t tags[] = {0, 2, 0, 0xb2, 0xe2, 1, 2, 0, 0xd2, 0xbb};
    struct base_buf b = {0};
    load_testdata("7-gbk.scp", &b);
    uint8_t *tag = b.p + section_at(&b, 1) + 16;
    ck_assert_mem_eq(tag, "\0\7\0", 3); /* the name, of as many bytes */
    memcpy(tag, tags, sizeof tags);
    struct ecg_record *r = must_open(&b);
    ck_assert_str_eq(r->patient.name.utf8, "测^一");
    ck_assert(r->patient.name.guessed);
    ck_assert_str_eq(r->patient.id.utf8, "SCP0007");
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_text_in_several_tags_is_whole)
{
    static const uint8_t tags[] = {30, 2, 0, 'a', 0, 30, 2, 0, 'b', 0};
    struct base_buf b = {0};
    load_testdata("7-gbk.scp", &b);
    memcpy(b.p + section_at(&b, 1) + 16, tags, sizeof tags);
    struct ecg_record *r = must_open(&b);
    ck_assert_str_eq(r->comment, "a\nb");
    ck_assert_str_eq(r->patient.id.utf8, "SCP0007");
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(the_devices_findings_are_kept_apart)
{
    struct ecg_record *r = open_testdata("1-second-differences.scp");
    static const struct {
        enum ecg_measure what;
        double value;
    } rows[] = {{ECG_MEASURE_HEART_RATE, 72}, {ECG_MEASURE_PR, 160},  {ECG_MEASURE_QRS, 96},
                {ECG_MEASURE_QT, 380},        {ECG_MEASURE_QTC, 416}, {ECG_MEASURE_RR, 833},
                {ECG_MEASURE_QRS_AXIS, 47}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct ecg_measurement *m = ecg_record_measurement(r, rows[i].what);
        ck_assert_ptr_nonnull(m);
        ck_assert_double_eq(m->value, rows[i].value);
    }
    ck_assert_ptr_null(ecg_record_measurement(r, ECG_MEASURE_PP));
    ck_assert_uint_eq(r->nstatements, 2);
    ck_assert_str_eq(r->statements[1].text, "Normal ECG");
    ck_assert_int_eq(r->confirmed, ECG_CONFIRMED_NO);
    size_t r_waves = 0;
    for (size_t i = 0; i < r->nmeasurements; i++)
        r_waves +=
            r->measurements[i].what == ECG_MEASURE_R_AMPLITUDE && r->measurements[i].value == 1200;
    ck_assert_uint_eq(r_waves, r->nleads);
    ecg_record_free(r);
}
END_TEST

START_TEST(the_reference_beat_is_a_median_and_its_beats_are_marks)
{
    struct ecg_record *r = open_testdata("5-subtracted.scp");
    ck_assert_uint_eq(r->nmedians, r->nleads);
    ck_assert_uint_eq(r->medians[0].samples, 310);
    ck_assert_double_eq(r->medians[0].uv_per_count, 2.5);
    ck_assert_double_eq_tol(r->median_fiducial_s, 0.2, 1e-9);
    ck_assert_uint_ge(r->nmarks, 2);
    ck_assert_int_eq(r->marks[0].kind, ECG_MARK_BEAT);
    ck_assert_double_eq_tol(r->marks[0].at_s - r->marks[0].from_s, 0.2, 1e-9);
    ck_assert_double_eq(r->marks[1].from_s, r->marks[1].to_s);
    ecg_record_free(r);
}
END_TEST

START_TEST(each_short_prefix_is_an_error_or_a_partial_record_with_notes)
{
    struct base_buf b = {0};
    load_testdata(files[_i], &b);
    /* All through the sections with structure, then in steps. */
    for (size_t n = 0; n < b.n; n += n < 1000 ? 1 : 37) {
        struct ecg_record *r = NULL;
        struct base_error err = {0};
        enum base_err e = open_bytes(base_bytes_of(b.p, n), NULL, &r, &err);
        if (e == BASE_OK)
            ck_assert_uint_gt(r->nnotes, 0);
        else
            ck_assert_msg(err.code == e && err.msg[0], "prefix of %zu bytes", n);
        ecg_record_free(r);
    }
    base_buf_deinit(&b);
}
END_TEST

START_TEST(wrong_checksums_are_noted_and_the_data_still_read)
{
    struct base_buf b = {0};
    load_testdata("2-raw.scp", &b);
    size_t six = section_at(&b, 6);
    b.p[0] ^= 1;
    b.p[six] ^= 1;
    struct ecg_record *r = must_open(&b);
    ck_assert(has_note(r, "checksum of the file"));
    ck_assert(has_note(r, "checksum of section 6"));
    ck_assert_uint_eq(r->nleads, 8);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(checksums_that_were_not_computed_are_none)
{
    struct base_buf b = {0};
    load_testdata("2-raw.scp", &b);
    size_t six = section_at(&b, 6);
    memset(b.p, 0xff, 2);
    memset(b.p + six, 0xff, 2);
    struct ecg_record *r = must_open(&b);
    ck_assert(!has_note(r, "checksum"));
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(crc_of_the_standard_test_string)
{
    ck_assert_uint_eq(ecg_crc_ccitt(base_bytes_str("123456789")), 0x29b1);
}
END_TEST

/* Each: a section, an offset from its header, the bytes put there. */
static const struct {
    const char *file;
    unsigned section;
    size_t offset;
    uint8_t bytes[4];
    size_t n;
    size_t pos; /* of the error, from the header */
    const char *words;
} damages[] = {
    {"1-second-differences.scp", 3, 16, {0}, 1, 16, "section 3: 0 leads"},
    {"1-second-differences.scp", 3, 16, {200}, 1, 16, "200 leads need"},
    {"1-second-differences.scp", 6, 16, {0, 0}, 2, 16, "0 nV per unit"},
    {"1-second-differences.scp", 6, 18, {0, 0}, 2, 16, "0 us between"},
    {"1-second-differences.scp", 6, 20, {3}, 1, 16, "encoding 3"},
    {"4-own-tables.scp", 2, 16, {0, 0}, 2, 16, "section 2: 0 tables"},
    {"4-own-tables.scp", 2, 16, {1, 4}, 2, 16, "section 2: 1025 tables"},
    {"4-own-tables.scp", 2, 18, {0xff, 0xff}, 2, 18, "a table of 65535 codes"},
    {"4-own-tables.scp", 2, 20, {0}, 1, 20, "a prefix of 0"},
    {"4-own-tables.scp", 2, 20, {33, 33}, 2, 20, "a prefix of 33"},
    {"4-own-tables.scp", 2, 20, {1, 60}, 2, 20, "a code of 60 bits"},
    {"4-own-tables.scp", 2, 20 + 5 * 9 + 3, {9}, 1, 20 + 5 * 9, "switch to table 9"},
};

START_TEST(damage_is_an_error_at_its_position)
{
    struct base_buf b = {0};
    load_testdata(damages[_i].file, &b);
    size_t at = section_at(&b, damages[_i].section);
    memcpy(b.p + at + damages[_i].offset, damages[_i].bytes, damages[_i].n);
    struct base_error err = must_fail(&b, BASE_EFORMAT);
    ck_assert_msg(strstr(err.msg, damages[_i].words), "%s", err.msg);
    ck_assert_uint_eq(err.pos, at + damages[_i].pos);
    base_buf_deinit(&b);
}
END_TEST

/* Takes a section out of the pointers. */
static void drop_section(struct base_buf *b, unsigned id)
{
    memset(b->p + 6 + 16 + 10 * id + 2, 0, 8);
}

START_TEST(without_leads_or_rhythm_there_is_no_record)
{
    static const unsigned ids[] = {3, 6};
    struct base_buf b = {0};
    load_testdata("2-raw.scp", &b);
    drop_section(&b, ids[_i]);
    struct base_error err = must_fail(&b, BASE_EFORMAT);
    ck_assert_uint_eq(err.pos, BASE_NOPOS);
    ck_assert_ptr_nonnull(strstr(err.msg, ids[_i] == 3 ? "section 3" : "section 6"));
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_section_that_is_not_where_it_should_be_is_noted)
{
    struct base_buf b = {0};
    load_testdata("1-second-differences.scp", &b);
    base_store_le32(b.p + 6 + 16 + 10 * 7 + 6, 40);
    struct ecg_record *r = must_open(&b);
    ck_assert(has_note(r, "section 7 is not at byte 40"));
    ck_assert_ptr_null(ecg_record_measurement(r, ECG_MEASURE_QRS));
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(pointers_that_count_from_zero_are_followed_with_a_note)
{
    struct base_buf b = {0};
    load_testdata("2-raw.scp", &b);
    for (unsigned id = 0; id < 12; id++) {
        uint8_t *index = b.p + 6 + 16 + 10 * id + 6;
        if (base_load_le32(index))
            base_store_le32(index, base_load_le32(index) - 1);
    }
    struct ecg_record *r = must_open(&b);
    ck_assert(has_note(r, "counts from 0"));
    ck_assert_uint_eq(r->nleads, 8);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_lead_that_ends_early_is_as_long_as_its_data)
{
    struct base_buf b = {0};
    load_testdata("2-raw.scp", &b);
    size_t three = section_at(&b, 3);
    uint32_t stated = base_load_le32(b.p + three + 18 + 4);
    base_store_le32(b.p + three + 18 + 4, 37855);
    struct ecg_record *r = must_open(&b);
    ck_assert_uint_eq(r->leads[0].samples, stated);
    ck_assert(has_note(r, "of the 37855 samples"));
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

/* A file of sections 3 and 6 only: plain values counting up from `first`. The
 * lengths in section 6 are as stated, the data as they are. */
static void make_plain(struct base_buf *b, size_t leads, uint32_t start, uint32_t end,
                       uint16_t stated, size_t samples)
{
    const size_t three = 16 + 2 + 9 * leads;
    const size_t six = 16 + 6 + leads * (2 + 2 * samples);
    const size_t first = 6 + 16 + 30;
    base_buf_add_le16(b, 0);
    base_buf_add_le32(b, (uint32_t)(first + three + six));
    const struct {
        uint16_t id;
        size_t n;
        size_t pos;
    } sections[] = {{0, 46, 6}, {3, three, first}, {6, six, first + three}};
    for (size_t i = 0; i < 3; i++) {
        base_buf_add_le16(b, 0);
        base_buf_add_le16(b, sections[i].id);
        base_buf_add_le32(b, (uint32_t)sections[i].n);
        base_buf_add_fill(b, 20, 2);
        base_buf_add(b, i == 0 ? "SCPECG" : "\0\0\0\0\0", 6);
        for (size_t k = 0; i == 0 && k < 3; k++) {
            base_buf_add_le16(b, sections[k].id);
            base_buf_add_le32(b, (uint32_t)sections[k].n);
            base_buf_add_le32(b, (uint32_t)sections[k].pos + 1);
        }
        if (i == 1) {
            base_buf_add_byte(b, (uint8_t)leads);
            base_buf_add_byte(b, 0);
        }
        for (size_t k = 0; i == 1 && k < leads; k++) {
            base_buf_add_le32(b, start);
            base_buf_add_le32(b, end);
            base_buf_add_byte(b, (uint8_t)(k + 1));
        }
    }
    base_buf_add_le16(b, 1000);
    base_buf_add_le16(b, 1000);
    base_buf_add_le16(b, 0);
    for (size_t k = 0; k < leads; k++)
        base_buf_add_le16(b, stated);
    for (size_t k = 0; k < leads * samples; k++)
        base_buf_add_le16(b, (uint16_t)k);
}

START_TEST(lengths_over_65535_bytes_are_taken_from_the_section_of_leads)
{
    /* What writers leave of 2 x 40000 bytes in 16 bits: the most, or the rest. */
    static const uint16_t stated[] = {65535, 65534, (uint16_t)80000};
    struct base_buf b = {0};
    make_plain(&b, 2, 1, 40000, stated[_i], 40000);
    struct ecg_record *r = must_open(&b);
    ck_assert_uint_eq(r->leads[1].samples, 40000);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[1], 0), (int16_t)40000);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_writer_that_counts_samples_from_zero_is_understood)
{
    struct base_buf b = {0};
    make_plain(&b, 2, 0, 1000, 2000, 1000);
    struct ecg_record *r = must_open(&b);
    ck_assert_uint_eq(r->leads[0].samples, 1000);
    ck_assert_double_eq(r->leads[0].rate_hz, 1000);
    ck_assert(!has_note(r, "samples that section 3"));
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

/* Nor does every one of them mean the sample behind the last one by the end. */
START_TEST(a_last_sample_that_is_there_is_read)
{
    struct base_buf b = {0};
    make_plain(&b, 2, 0, 999, 2000, 1000);
    struct ecg_record *r = must_open(&b);
    ck_assert_uint_eq(r->leads[0].samples, 1000);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[0], 999), 999);
    ck_assert(!has_note(r, "samples that section 3"));
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(leads_that_section_3_has_but_does_not_count_are_read)
{
    struct base_buf b = {0};
    make_plain(&b, 8, 1, 100, 200, 100);
    uint8_t *count = b.p + 6 + 46 + 16;
    ck_assert_uint_eq(*count, 8);
    *count = 3;
    struct ecg_record *r = must_open(&b);
    ck_assert_uint_eq(r->nleads, 8);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[0], 0), 0);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[7], 99), 799);
    ck_assert(has_note(r, "counts 3 leads"));
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_rhythm_without_any_sample_is_an_error)
{
    struct base_buf b = {0};
    make_plain(&b, 2, 1, 1000, 0, 0);
    struct base_error err = must_fail(&b, BASE_EFORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "no sample of any lead"));
    base_buf_deinit(&b);
}
END_TEST

START_TEST(overlapping_zones_do_not_cost_time)
{
    struct base_buf b = {0};
    load_testdata("5-subtracted.scp", &b);
    size_t four = section_at(&b, 4);
    for (size_t i = 0; i < base_load_le16(b.p + four + 20); i++) {
        base_store_le32(b.p + four + 22 + 14 * i + 2, 1);
        base_store_le32(b.p + four + 22 + 14 * i + 10, UINT32_MAX);
    }
    struct ecg_record *r = must_open(&b);
    ck_assert(has_note(r, "QRS complexes are incomplete"));
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_damaged_reference_beat_costs_a_note_not_the_record)
{
    struct base_buf b = {0};
    load_testdata("5-subtracted.scp", &b);
    b.p[section_at(&b, 5) + 20] = 9;
    struct ecg_record *r = must_open(&b);
    ck_assert(has_note(r, "section 5"));
    ck_assert(has_note(r, "QRS complexes are incomplete"));
    ck_assert_uint_eq(r->nmedians, 0);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(each_limit_is_an_error_and_leaks_nothing)
{
    struct base_buf b = {0};
    load_testdata(files[_i], &b);
    struct ecg_record *whole = must_open(&b);
    bool has_items = whole->nstatements + whole->nmeasurements > 1;
    ecg_record_free(whole);
    for (int which = 0; which < 4 + has_items; which++) {
        struct ecg_limits limits = ecg_limits_default;
        size_t *value = which == 0   ? &limits.bytes
                        : which == 1 ? &limits.leads
                        : which == 2 ? &limits.samples
                        : which == 3 ? &limits.text
                                     : &limits.items;
        bool refused = false;
        for (size_t n = 1; n < 100000; n = n * 3 / 2 + 1) {
            struct ecg_record *r = NULL;
            struct base_error err = {0};
            *value = n;
            enum base_err e = open_bytes(base_buf_bytes(&b), &limits, &r, &err);
            ck_assert(e == BASE_OK || e == BASE_ELIMIT);
            refused |= e == BASE_ELIMIT;
            ecg_record_free(r);
        }
        ck_assert_msg(refused, "limit %d was never met", which);
    }
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_rhythm_in_section_12_is_refused_as_such)
{
    struct base_buf b = {0};
    load_testdata("2-raw.scp", &b);
    b.p[6 + 16 + 10 * 6] = 12;
    struct base_error err = must_fail(&b, BASE_EFORMAT);
    ck_assert_msg(strstr(err.msg, "section 12"), "%s", err.msg);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(what_is_no_ecg_is_refused_with_the_reason)
{
    static const struct {
        const char *bytes;
        enum base_err code;
        const char *words;
    } rows[] = {
        {"", BASE_EFORMAT, "empty"},
        {"%PDF-1.7 ...................................", BASE_EUNSUPPORTED, "a PDF document"},
        {"<?xml version='1.0'?>", BASE_EUNSUPPORTED, "an XML file"},
        {"this is no ECG at all", BASE_EUNSUPPORTED, "not an ECG recording"},
        {"time,I,II\n0,1,2\n", BASE_EUNSUPPORTED, "does not say the sampling rate"},
        {"{\"leads\":[1,2]}", BASE_EUNSUPPORTED, "not an ECG recording"},
    };
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    ck_assert_int_eq(open_bytes(base_bytes_str(rows[_i].bytes), NULL, &r, &err), rows[_i].code);
    ck_assert_msg(strstr(err.msg, rows[_i].words), "%s", err.msg);
}
END_TEST

/* -- recordings by others -- */

START_TEST(the_wfdb_sample_equals_its_expected_output_where_that_is_not_smoothed)
{
    struct base_buf scp = {0};
    struct base_buf dat = {0};
    static const struct {
        int id;
        size_t column;
    } rows[] = {{1, 0}, {2, 1}, {3, 6}, {4, 7}, {5, 8}, {6, 9}, {7, 10}, {8, 11}};
    if (load_other("scp/wfdb_test.scp", &scp) && load_other("scp/wfdb_test.expected.dat", &dat)) {
        struct ecg_record *r = must_open(&scp);
        for (size_t i = 0; i < 8; i++) {
            const struct ecg_lead *lead = ecg_record_lead(r, rows[i].id);
            ck_assert_uint_eq(lead->samples, 5000);
            /* 200 units per mV on both sides. */
            ck_assert_double_eq(lead->uv_per_count, 5);
            size_t far = 0;
            for (size_t k = 0; k < 5000; k++) {
                int want = (int16_t)base_load_le16(dat.p + (12 * k + rows[i].column) * 2);
                far += abs(ecg_lead_sample(lead, k) - want) > 8;
            }
            /* The expected output is smoothed where only the residual was stored:
             * only the flanks of pacemaker spikes and other steep parts differ. */
            ck_assert_uint_le(far, 40);
        }
        /* Inside a subtraction zone, at the R wave, it is exact. */
        const struct ecg_lead *one = ecg_record_lead(r, ECG_LEAD_I);
        for (size_t k = 240; k < 270; k++)
            ck_assert_int_le(abs(ecg_lead_sample(one, k) - (int16_t)base_load_le16(dat.p + 24 * k)),
                             1);
        ck_assert_uint_eq(r->nstatements, 6);
        ecg_record_free(r);
    }
    base_buf_deinit(&scp);
    base_buf_deinit(&dat);
}
END_TEST

START_TEST(the_same_recording_is_equal_as_scp_and_as_dicom)
{
    struct base_buf scp = {0};
    struct base_buf dcm = {0};
    if (load_other("scp/ecgtoolkit_Example.scp", &scp) &&
        load_other("dicom/ecgtoolkit_Example.dcm", &dcm)) {
        struct ecg_record *a = must_open(&scp);
        struct ecg_record *b = must_open(&dcm);
        ck_assert_uint_eq(a->nleads, 12);
        ck_assert_uint_eq(b->nleads, 12);
        for (size_t i = 0; i < 12; i++) {
            ck_assert_uint_eq(a->leads[i].samples, 5000);
            assert_same_leads(&a->leads[i], ecg_record_lead(b, a->leads[i].id), 1);
        }
        ck_assert_double_eq(ecg_record_measurement(a, ECG_MEASURE_QRS)->value,
                            ecg_record_measurement(b, ECG_MEASURE_QRS)->value);
        ecg_record_free(a);
        ecg_record_free(b);
    }
    base_buf_deinit(&scp);
    base_buf_deinit(&dcm);
}
END_TEST

START_TEST(recordings_of_other_devices_are_read)
{
    static const struct {
        const char *name;
        size_t leads;
        size_t samples;
        double rate;
    } rows[] = {{"scp/contec_demo.scp", 8, 10000, 1000},
                {"scp/example_full_anon.SCP", 8, 6000, 600},
                {"scp/example_minimal_anon.SCP", 8, 6000, 600}};
    struct base_buf b = {0};
    if (load_other(rows[_i].name, &b)) {
        struct ecg_record *r = must_open(&b);
        ck_assert_uint_eq(r->nleads, rows[_i].leads);
        ck_assert_uint_eq(r->leads[0].samples, rows[_i].samples);
        ck_assert_double_eq(r->leads[0].rate_hz, rows[_i].rate);
        ecg_record_free(r);
    }
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_file_that_violates_the_standard_is_refused_with_the_position)
{
    struct base_buf b = {0};
    if (load_other("scp/62.SCP", &b)) {
        struct base_error err = must_fail(&b, BASE_EFORMAT);
        ck_assert_uint_eq(err.pos, 194);
        ck_assert_ptr_nonnull(strstr(err.msg, "section 3"));
    }
    base_buf_deinit(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_scp");
    TCase *t = tcase_create("files");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_encoding_gives_the_samples_of_the_model, 0, FILES);
    tcase_add_test(t, patient_time_device_and_filters_are_read);
    tcase_add_test(t, an_undeclared_chinese_name_is_utf8_with_its_raw_bytes_kept);
    tcase_add_test(t, an_undeclared_name_in_two_tags_is_of_one_character_set);
    tcase_add_test(t, a_text_in_several_tags_is_whole);
    tcase_add_test(t, the_devices_findings_are_kept_apart);
    tcase_add_test(t, the_reference_beat_is_a_median_and_its_beats_are_marks);
    suite_add_tcase(s, t);
    t = tcase_create("damage");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_short_prefix_is_an_error_or_a_partial_record_with_notes, 0, FILES);
    tcase_add_test(t, wrong_checksums_are_noted_and_the_data_still_read);
    tcase_add_test(t, checksums_that_were_not_computed_are_none);
    tcase_add_test(t, crc_of_the_standard_test_string);
    tcase_add_loop_test(t, damage_is_an_error_at_its_position, 0,
                        (int)(sizeof damages / sizeof *damages));
    tcase_add_loop_test(t, without_leads_or_rhythm_there_is_no_record, 0, 2);
    tcase_add_test(t, a_section_that_is_not_where_it_should_be_is_noted);
    tcase_add_test(t, pointers_that_count_from_zero_are_followed_with_a_note);
    tcase_add_test(t, a_lead_that_ends_early_is_as_long_as_its_data);
    tcase_add_loop_test(t, lengths_over_65535_bytes_are_taken_from_the_section_of_leads, 0, 3);
    tcase_add_test(t, a_writer_that_counts_samples_from_zero_is_understood);
    tcase_add_test(t, a_last_sample_that_is_there_is_read);
    tcase_add_test(t, leads_that_section_3_has_but_does_not_count_are_read);
    tcase_add_test(t, a_rhythm_without_any_sample_is_an_error);
    tcase_add_test(t, overlapping_zones_do_not_cost_time);
    tcase_add_test(t, a_damaged_reference_beat_costs_a_note_not_the_record);
    tcase_add_loop_test(t, each_limit_is_an_error_and_leaks_nothing, 0, FILES);
    tcase_add_test(t, a_rhythm_in_section_12_is_refused_as_such);
    tcase_add_loop_test(t, what_is_no_ecg_is_refused_with_the_reason, 0, 6);
    suite_add_tcase(s, t);
    t = tcase_create("recordings by others");
    tcase_add_test(t, the_wfdb_sample_equals_its_expected_output_where_that_is_not_smoothed);
    tcase_add_test(t, the_same_recording_is_equal_as_scp_and_as_dicom);
    tcase_add_loop_test(t, recordings_of_other_devices_are_read, 0, 3);
    tcase_add_test(t, a_file_that_violates_the_standard_is_refused_with_the_position);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
