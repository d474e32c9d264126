#include "dicom/dicom_part10.h"
#include "ecg_fixture.h"

#include <zlib.h>

/* A multiplex group to be written as the test wants it. */
struct group {
    const char *label;
    const char *originality;
    unsigned channels;
    unsigned stated; /* 0: as many */
    unsigned samples;
    double rate;
    unsigned allocated;
    unsigned stored;
    const char *interpretation;
    const char *unit; /* of the sensitivity, "" = no unit */
    const char *sensitivity;
    const char *correction;
    const char *baseline;
    const char *time_skew;
    const char *scheme;        /* of the lead codes */
    const char *channel_label; /* instead of codes that are known; NULL = none */
    bool sites;                /* no leads but places on the body, of another partition of MDC */
    unsigned again;            /* a second number of channels, behind their definitions; 0 = none */
    const uint8_t *padding;
    struct base_bytes data;
};

static const struct group plain = {.label = "RHYTHM",
                                   .originality = "ORIGINAL",
                                   .channels = 2,
                                   .samples = 3,
                                   .rate = 500,
                                   .allocated = 16,
                                   .stored = 16,
                                   .interpretation = "SS",
                                   .unit = "uV",
                                   .sensitivity = "2.5",
                                   .correction = "1",
                                   .baseline = "0",
                                   .scheme = "MDC",
                                   .data = {(const uint8_t *)"\1\0\2\0\3\0\4\0\5\0\xfa\xff", 12}};

static void write_channel(struct dicom_writer *w, const struct group *g, unsigned i)
{
    char code[16];
    snprintf(code, sizeof code,
             g->channel_label                ? "X%u"
             : strcmp(g->scheme, "MDC") != 0 ? "5.6.3-9-1-%u"
             : g->sites                      ? "7:%u"
                                             : "2:%u",
             i + 1);
    dicom_write_item_open(w);
    if (g->channel_label)
        dicom_write_text(w, DICOM_TAG_ChannelLabel, g->channel_label);
    dicom_write_code(w, DICOM_TAG_ChannelSourceSequence, code, g->scheme, "1.3",
                     g->channel_label ? "" : "some lead");
    if (g->sensitivity)
        dicom_write_text(w, DICOM_TAG_ChannelSensitivity, g->sensitivity);
    if (g->unit[0])
        dicom_write_code(w, DICOM_TAG_ChannelSensitivityUnitsSequence, g->unit, "UCUM", NULL, "u");
    if (g->correction)
        dicom_write_text(w, DICOM_TAG_ChannelSensitivityCorrectionFactor, g->correction);
    if (g->baseline)
        dicom_write_text(w, DICOM_TAG_ChannelBaseline, g->baseline);
    if (g->time_skew)
        dicom_write_text(w, DICOM_TAG_ChannelTimeSkew, g->time_skew);
    dicom_write_int(w, DICOM_TAG_WaveformBitsStored, g->stored);
    dicom_write_item_close(w);
}

static void write_group(struct dicom_writer *w, const struct group *g)
{
    dicom_write_item_open(w);
    dicom_write_text(w, DICOM_TAG_WaveformOriginality, g->originality);
    dicom_write_int(w, DICOM_TAG_NumberOfWaveformChannels, g->stated ? g->stated : g->channels);
    dicom_write_int(w, DICOM_TAG_NumberOfWaveformSamples, g->samples);
    dicom_write_double(w, DICOM_TAG_SamplingFrequency, g->rate);
    dicom_write_text(w, DICOM_TAG_MultiplexGroupLabel, g->label);
    dicom_write_seq_open(w, DICOM_TAG_ChannelDefinitionSequence);
    for (unsigned i = 0; i < g->channels; i++)
        write_channel(w, g, i);
    dicom_write_seq_close(w);
    if (g->again) {
        const uint8_t second[] = {0x3a, 0, 5, 0, 'U', 'S', 2, 0, (uint8_t)g->again, 0};
        base_buf_add(w->out, second, sizeof second);
    }
    dicom_write_int(w, DICOM_TAG_WaveformBitsAllocated, g->allocated);
    dicom_write_text(w, DICOM_TAG_WaveformSampleInterpretation, g->interpretation);
    enum dicom_vr vr = g->allocated == 8 ? DICOM_VR_OB : DICOM_VR_OW;
    if (g->padding)
        dicom_write(w, DICOM_TAG_WaveformPaddingValue, vr, g->padding, g->allocated / 8);
    dicom_write(w, DICOM_TAG_WaveformData, vr, g->data.p, g->data.n);
    dicom_write_item_close(w);
}

static void write_measurement(struct dicom_writer *w, const char *code, const char *unit,
                              double value)
{
    const uint16_t all[] = {1, 0};
    dicom_write_item_open(w);
    dicom_write_code(w, DICOM_TAG_MeasurementUnitsCodeSequence, unit, "UCUM", NULL, unit);
    dicom_write_code(w, DICOM_TAG_ConceptNameCodeSequence, code, "MDC", NULL, "own name");
    dicom_write_u16(w, DICOM_TAG_ReferencedWaveformChannels, DICOM_VR_US, all, 2);
    dicom_write_double(w, DICOM_TAG_NumericValue, value);
    dicom_write_item_close(w);
}

static void write_annotations(struct dicom_writer *w)
{
    const uint16_t second[] = {1, 2};
    const uint32_t positions[] = {1, 3, 99};
    struct base_buf ul = {0};
    for (size_t i = 0; i < 3; i++)
        (w->encoding == DICOM_EXPLICIT_BE ? base_buf_add_be32 : base_buf_add_le32)(&ul,
                                                                                   positions[i]);
    dicom_write_seq_open(w, DICOM_TAG_WaveformAnnotationSequence);
    dicom_write_item_open(w);
    dicom_write_text(w, DICOM_TAG_UnformattedTextValue, "窦性心律");
    dicom_write_item_close(w);
    write_measurement(w, "2:15872", "s", 0.16);
    write_measurement(w, "2:99999", "mm", 7);
    write_measurement(w, "2:16770", "ms", 850); /* a heart rate in ms is none */
    dicom_write_item_open(w);
    dicom_write_code(w, DICOM_TAG_ConceptNameCodeSequence, "5.10.3-3", "SCPECG", NULL, "QRS onset");
    dicom_write_u16(w, DICOM_TAG_ReferencedWaveformChannels, DICOM_VR_US, second, 2);
    dicom_write_text(w, DICOM_TAG_TemporalRangeType, "MULTIPOINT");
    dicom_write(w, DICOM_TAG_ReferencedSamplePositions, DICOM_VR_UL, ul.p, ul.n);
    base_buf_deinit(&ul);
    dicom_write_item_close(w);
    dicom_write_seq_close(w);
}

/* What the object states of its time. */
static struct {
    uint32_t date_tag;
    uint32_t clock_tag;
    const char *date;
    const char *clock;
} when = {DICOM_TAG_AcquisitionDateTime, 0, "20260131080910.25+0800", NULL};

static struct {
    const char *sex;
    const char *age;
} who = {"F", "064Y"};

static void write_dataset(struct base_buf *b, enum dicom_encoding encoding, bool undefined,
                          const struct group *groups, size_t n)
{
    struct dicom_writer w;
    dicom_writer_init(&w, b, encoding);
    w.undefined_lengths = undefined;
    dicom_write_text(&w, DICOM_TAG_SpecificCharacterSet, "ISO_IR 192");
    dicom_write_text(&w, DICOM_TAG_SOPClassUID, DICOM_UID_TWELVE_LEAD_ECG);
    dicom_write_text(&w, when.date_tag, when.date);
    if (when.clock)
        dicom_write_text(&w, when.clock_tag, when.clock);
    dicom_write_text(&w, DICOM_TAG_AccessionNumber, "A1");
    dicom_write_text(&w, DICOM_TAG_Manufacturer, "maker");
    dicom_write_text(&w, DICOM_TAG_PatientName, "测试^一");
    dicom_write_text(&w, DICOM_TAG_PatientID, "P1");
    dicom_write_text(&w, DICOM_TAG_PatientBirthDate, "19610430");
    dicom_write_text(&w, DICOM_TAG_PatientSex, who.sex);
    dicom_write_text(&w, DICOM_TAG_PatientAge, who.age);
    write_annotations(&w);
    if (n) {
        dicom_write_seq_open(&w, DICOM_TAG_WaveformSequence);
        for (size_t i = 0; i < n; i++)
            write_group(&w, &groups[i]);
        dicom_write_seq_close(&w);
    }
    ck_assert_int_eq(b->err, BASE_OK);
}

static void write_file(struct base_buf *b, const struct group *groups, size_t n)
{
    dicom_part10_write_meta(b, DICOM_UID_TWELVE_LEAD_ECG, "1.2.3", DICOM_UID_EXPLICIT_LE, NULL);
    write_dataset(b, DICOM_EXPLICIT_LE, false, groups, n);
}

static struct ecg_record *open_groups(const struct group *groups, size_t n)
{
    struct base_buf b = {0};
    write_file(&b, groups, n);
    struct ecg_record *r = must_open(&b);
    base_buf_deinit(&b);
    return r;
}

static struct base_error fail_groups(const struct group *groups, size_t n, enum base_err code)
{
    struct base_buf b = {0};
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    write_file(&b, groups, n);
    ck_assert_int_eq(open_bytes(base_buf_bytes(&b), NULL, &r, &err), code);
    ck_assert_ptr_null(r);
    base_buf_deinit(&b);
    return err;
}

static void check_plain(const struct ecg_record *r)
{
    static const int32_t one[] = {1, 3, 5};
    static const int32_t two[] = {2, 4, -6};
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_str_eq(r->leads[1].name, "II");
    ck_assert_double_eq(r->leads[0].rate_hz, 500);
    ck_assert_double_eq(r->leads[0].uv_per_count, 2.5);
    assert_samples(&r->leads[0], one, sizeof one / sizeof *one);
    assert_samples(&r->leads[1], two, sizeof two / sizeof *two);
}

START_TEST(patient_time_and_findings_are_read)
{
    struct ecg_record *r = open_groups(&plain, 1);
    check_plain(r);
    ck_assert_str_eq(r->format, "DICOM");
    ck_assert_str_eq(r->patient.name.utf8, "测试^一");
    ck_assert(!r->patient.name.guessed);
    ck_assert_str_eq(r->patient.id.utf8, "P1");
    ck_assert_int_eq(r->patient.age, 64);
    ck_assert_int_eq(r->start.date.month, 1);
    ck_assert_int_eq(r->start.hour, 8);
    ck_assert_int_eq(r->start.usec, 250000);
    ck_assert_int_eq(r->start.zone_min, 480);
    ck_assert_str_eq(r->accession, "A1");
    ck_assert_uint_eq(r->nstatements, 1);
    ck_assert_str_eq(r->statements[0].text, "窦性心律");
    ck_assert_double_eq_tol(ecg_record_measurement(r, ECG_MEASURE_PR)->value, 160, 1e-9);
    ck_assert_str_eq(ecg_record_measurement(r, ECG_MEASURE_OTHER)->name, "own name");
    ck_assert_str_eq(ecg_record_measurement(r, ECG_MEASURE_OTHER)->unit, "mm");
    ck_assert_ptr_null(ecg_record_measurement(r, ECG_MEASURE_HEART_RATE));
    ck_assert_uint_eq(r->nmeasurements, 3);
    ck_assert_str_eq(r->measurements[2].unit, "ms");
    /* Positions are 1-based; the third lies outside. */
    ck_assert_uint_eq(r->nmarks, 2);
    ck_assert_int_eq(r->marks[1].kind, ECG_MARK_QRS_ON);
    ck_assert_int_eq(r->marks[1].lead_id, ECG_LEAD_II);
    ck_assert_double_eq_tol(r->marks[1].at_s, 0.004, 1e-12);
    ecg_record_free(r);
}
END_TEST

static const struct {
    uint32_t date_tag;
    uint32_t clock_tag;
    const char *date;
    const char *clock;
} moments[] = {
    {DICOM_TAG_AcquisitionDate, DICOM_TAG_AcquisitionTime, "20260131", "080910.25"},
    {DICOM_TAG_ContentDate, DICOM_TAG_ContentTime, "20260131", "080910.250000"},
    {DICOM_TAG_StudyDate, DICOM_TAG_StudyTime, "2026.01.31", "08:09:10.25"},
    {DICOM_TAG_StudyDate, DICOM_TAG_StudyTime, "20260131", "08:09:10.25"},
};

/* Ages that are not filled up with zeros, as of writers that put a number and a letter. */
START_TEST(sex_and_age_are_read_as_devices_write_them)
{
    static const struct {
        const char *sex;
        const char *age;
        char want_sex;
        int want_age;
        char unit;
    } rows[] = {{"F", "064Y", 'F', 64, 'Y'}, {"M", "64Y", 'M', 64, 'Y'}, {"m", "7m", 'M', 7, 'M'},
                {"f", "3 W", 'F', 3, 'W'},   {"O", "064", 'O', 0, 0},    {"X", "Y", 0, 0, 0},
                {"", "0064Y", 0, 0, 0},      {"F", "-64Y", 'F', 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        who.sex = rows[i].sex;
        who.age = rows[i].age;
        struct ecg_record *r = open_groups(&plain, 1);
        ck_assert_int_eq(r->patient.sex, rows[i].want_sex);
        ck_assert_int_eq(r->patient.age, rows[i].want_age);
        ck_assert_int_eq(r->patient.age_unit, rows[i].unit);
        ck_assert_uint_eq(has_note(r, "DICOM: the age is none"), !rows[i].want_age);
        ecg_record_free(r);
    }
    who.sex = "F";
    who.age = "064Y";
}
END_TEST

START_TEST(times_are_read_in_all_their_forms)
{
    when.date_tag = moments[_i].date_tag;
    when.clock_tag = moments[_i].clock_tag;
    when.date = moments[_i].date;
    when.clock = moments[_i].clock;
    struct ecg_record *r = open_groups(&plain, 1);
    ck_assert_int_eq(r->start.date.year, 2026);
    ck_assert_int_eq(r->start.date.day, 31);
    ck_assert(r->start.has_time);
    ck_assert_int_eq(r->start.hour, 8);
    ck_assert_int_eq(r->start.minute, 9);
    ck_assert_int_eq(r->start.second, 10);
    ck_assert_int_eq(r->start.usec, 250000);
    ecg_record_free(r);
}
END_TEST

/* 0 explicit, 1 implicit, 2 the same without meta group, 3 implicit without,
 * 4 undefined lengths, 5 deflated. */
static void write_form(struct base_buf *b, int form)
{
    static const char *const syntaxes[] = {DICOM_UID_EXPLICIT_LE, DICOM_UID_IMPLICIT_LE, NULL, NULL,
                                           DICOM_UID_EXPLICIT_LE, DICOM_UID_DEFLATED};
    bool implicit = form == 1 || form == 3;
    struct base_buf dataset = {0};
    if (syntaxes[form])
        dicom_part10_write_meta(b, DICOM_UID_TWELVE_LEAD_ECG, "1.2.3", syntaxes[form], NULL);
    write_dataset(&dataset, implicit ? DICOM_IMPLICIT_LE : DICOM_EXPLICIT_LE, form == 4, &plain, 1);
    if (form == 5) {
        z_stream z = {.next_in = dataset.p, .avail_in = (unsigned)dataset.n};
        ck_assert_int_eq(
            deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_out = base_buf_reserve(b, 10000);
        z.avail_out = 10000;
        ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        b->n += z.total_out;
        deflateEnd(&z);
    } else {
        base_buf_add(b, dataset.p, dataset.n);
    }
    base_buf_deinit(&dataset);
}

/* n measurements of no known name, numbered; an item that ends inside an element follows the
 * one of number `broken`. */
static void write_many(struct base_buf *b, bool undefined, size_t n, size_t broken)
{
    struct dicom_writer w;
    dicom_part10_write_meta(b, DICOM_UID_TWELVE_LEAD_ECG, "1.2.3", DICOM_UID_EXPLICIT_LE, NULL);
    dicom_writer_init(&w, b, DICOM_EXPLICIT_LE);
    w.undefined_lengths = undefined;
    dicom_write_text(&w, DICOM_TAG_SOPClassUID, DICOM_UID_TWELVE_LEAD_ECG);
    dicom_write_seq_open(&w, DICOM_TAG_WaveformAnnotationSequence);
    for (size_t i = 0; i < n; i++) {
        write_measurement(&w, "2:99999", "mm", (double)i);
        if (i == broken)
            base_buf_add(b, (const uint8_t *)"\xfe\xff\x00\xe0\x04\0\0\0\x40\0\x0a\xa3", 12);
    }
    dicom_write_seq_close(&w);
    dicom_write_seq_open(&w, DICOM_TAG_WaveformSequence);
    write_group(&w, &plain);
    dicom_write_seq_close(&w);
    ck_assert_int_eq(b->err, BASE_OK);
}

START_TEST(annotations_are_read_however_many_there_are)
{
    const size_t counts[] = {1, 255, 256, 257, 1000};
    for (size_t i = 0; i < 2 * sizeof counts / sizeof *counts; i++) {
        struct base_buf b = {0};
        size_t n = counts[i / 2];
        write_many(&b, i % 2, n, SIZE_MAX);
        struct ecg_record *r = must_open(&b);
        ck_assert_uint_eq(r->nmeasurements, n);
        for (size_t k = 0; k < n; k++)
            ck_assert_double_eq(r->measurements[k].value, (double)k);
        ck_assert_str_eq(r->measurements[n - 1].name, "own name");
        ck_assert_str_eq(r->measurements[n - 1].unit, "mm");
        ecg_record_free(r);
        base_buf_deinit(&b);
    }
}
END_TEST

START_TEST(damage_inside_an_annotation_ends_only_the_annotations)
{
    const size_t places[] = {4, 255, 256, 300};
    for (size_t i = 0; i < 2 * sizeof places / sizeof *places; i++) {
        struct base_buf b = {0};
        size_t broken = places[i / 2];
        write_many(&b, i % 2, 400, broken);
        struct ecg_record *r = must_open(&b);
        ck_assert_uint_ge(r->nmeasurements, broken + 1);
        ck_assert_uint_lt(r->nmeasurements, 400);
        ck_assert_uint_eq(r->nleads, 2);
        ecg_record_free(r);
        base_buf_deinit(&b);
    }
}
END_TEST

START_TEST(each_transfer_syntax_gives_the_same_record)
{
    struct base_buf b = {0};
    write_form(&b, _i);
    struct ecg_record *r = must_open(&b);
    check_plain(r);
    ck_assert_str_eq(r->patient.name.utf8, "测试^一");
    ck_assert_uint_eq(r->nstatements, 1);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(samples_of_a_big_endian_object_are_swapped)
{
    struct base_buf b = {0};
    struct group g = plain;
    g.data = base_bytes_of("\0\1\0\2\0\3\0\4\0\5\xff\xfa", 12);
    dicom_part10_write_meta(&b, DICOM_UID_TWELVE_LEAD_ECG, "1.2.3", DICOM_UID_EXPLICIT_BE, NULL);
    write_dataset(&b, DICOM_EXPLICIT_BE, false, &g, 1);
    struct ecg_record *r = must_open(&b);
    check_plain(r);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

static const struct {
    const char *interpretation;
    unsigned allocated;
    unsigned stored;
    const char *bytes;
    double want[2];
} kinds[] = {
    {"SB", 8, 8, "\x7f\x80", {127, -128}},
    {"UB", 8, 8, "\x7f\x80", {127, 128}},
    /* ITU-T G.711: the extremes of mu-law and A-law. */
    {"MB", 8, 8, "\x80\x00", {32124, -32124}},
    {"AB", 8, 8, "\xaa\x2a", {32256, -32256}},
    {"SS", 16, 16, "\xff\x7f\x01\x80", {32767, -32767}},
    {"SS", 16, 12, "\xff\x07\x00\x08", {2047, -2048}},
    {"US", 16, 16, "\xff\x7f\xff\xff", {32767, 65535}},
    {"US", 16, 12, "\xff\x07\xff\xff", {2047, 4095}},
    {"SL", 32, 32, "\x00\x00\x01\x00\xff\xff\xff\xff", {65536, -1}},
    {"SL", 32, 24, "\x00\x00\x01\x00\xff\xff\xff\x00", {65536, -1}},
    {"UL", 32, 32, "\x00\x00\x01\x00\xff\xff\xff\x7f", {65536, INT32_MAX}},
    {"UL", 32, 32, "\x01\x00\x00\x00\xff\xff\xff\xff", {1, UINT32_MAX}},
    {"UL", 32, 24, "\x00\x00\x01\x00\xff\xff\xff\xff", {65536, 0xffffff}},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

START_TEST(each_sample_interpretation_is_decoded)
{
    struct group g = plain;
    g.channels = 1;
    g.samples = 2;
    g.interpretation = kinds[_i].interpretation;
    g.allocated = kinds[_i].allocated;
    g.stored = kinds[_i].stored;
    g.data = base_bytes_of(kinds[_i].bytes, 2 * g.allocated / 8);
    struct ecg_record *r = open_groups(&g, 1);
    const struct ecg_lead *lead = &r->leads[0];
    for (size_t i = 0; i < 2; i++)
        ck_assert_double_eq(ecg_lead_sample(lead, i) * lead->uv_per_count + lead->offset_uv,
                            kinds[_i].want[i] * 2.5);
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
}
END_TEST

START_TEST(sensitivity_correction_baseline_and_unit_make_the_value)
{
    static const struct {
        const char *unit;
        double uv;
        double offset;
    } rows[] = {{"uV", 5, 30}, {"mV", 5000, 30000}, {"nV", 0.005, 0.03}, {"V", 5e6, 3e7}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct group g = plain;
        g.unit = rows[i].unit;
        g.sensitivity = "2.5";
        g.correction = "2";
        g.baseline = "30";
        struct ecg_record *r = open_groups(&g, 1);
        ck_assert_double_eq_tol(r->leads[0].uv_per_count, rows[i].uv, 1e-9 * rows[i].uv);
        ck_assert_double_eq_tol(r->leads[0].offset_uv, rows[i].offset, 1e-9 * rows[i].offset);
        ecg_record_free(r);
    }
}
END_TEST

static const struct {
    const char *sensitivity;
    const char *correction;
    const char *unit;
    double uv;
    const char *note;
} scales[] = {
    {NULL, NULL, "", 1, "channel 2 (II) states no sensitivity: 1 uV per count assumed"},
    {"0", "1", "mV", 1e3, "channel 2 (II) states no sensitivity"},
    {"2.5", "1", "", 2.5, "channel 2 (II) states no unit of its sensitivity: uV assumed"},
    {"2.5", "0", "uV", 2.5, "channel 2 (II) states no factor as its correction: 1 assumed"},
};

START_TEST(samples_of_arbitrary_units_are_told)
{
    struct group g = plain;
    g.sensitivity = scales[_i].sensitivity;
    g.correction = scales[_i].correction;
    g.unit = scales[_i].unit;
    struct ecg_record *r = open_groups(&g, 1);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_double_eq_tol(r->leads[1].uv_per_count, scales[_i].uv, 1e-9);
    ck_assert_uint_eq(r->nnotes, 2);
    ck_assert(r->notes[1].is_damage);
    ck_assert_ptr_nonnull(strstr(r->notes[1].text, scales[_i].note));
    ecg_record_free(r);
}
END_TEST

START_TEST(more_channels_than_stated_are_told)
{
    struct group g = plain;
    g.channels = 3;
    g.stated = 2;
    struct ecg_record *r = open_groups(&g, 1);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert(has_note(r, "group of 2 channels defines more"));
    ecg_record_free(r);
}
END_TEST

START_TEST(rhythm_and_median_groups_are_told_apart)
{
    struct group g[3] = {plain, plain, plain};
    g[1].label = "MEDIAN BEAT";
    g[1].originality = "DERIVED";
    g[2].label = "";
    g[2].originality = "DERIVED";
    struct ecg_record *r = open_groups(g, 3);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_uint_eq(r->nmedians, 4);
    ecg_record_free(r);
}
END_TEST

START_TEST(old_lead_codes_and_skew_are_understood)
{
    struct group g = plain;
    g.scheme = "SCPECG";
    g.time_skew = "0.5";
    struct ecg_record *r = open_groups(&g, 1);
    ck_assert_int_eq(r->leads[1].id, ECG_LEAD_II);
    ck_assert_double_eq_tol(r->leads[1].start_s, 0.5, 1e-12);
    ecg_record_free(r);
}
END_TEST

/* As files of other formats have it: the standard name, but for MLII. */
START_TEST(a_lead_that_only_its_label_names_has_the_name_of_the_standard)
{
    static const char *const names[][2] = {
        {"Lead II", "II"}, {"ECG v5", "V5"}, {"MLII", "MLII"}, {"my own", "my own"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct group g = plain;
        g.channels = 1;
        g.samples = 6;
        g.channel_label = names[i][0];
        struct ecg_record *r = open_groups(&g, 1);
        ck_assert_str_eq(r->leads[0].name, names[i][1]);
        ecg_record_free(r);
    }
}
END_TEST

/* A device that stores what it records from time to time. */
START_TEST(groups_of_the_same_leads_at_other_times_are_joined)
{
    struct group g[2] = {plain, plain};
    g[1].time_skew = "0.02";
    struct ecg_record *r = open_groups(g, 2);
    ck_assert_uint_eq(r->nleads, 2);
    for (size_t k = 0; k < 2; k++) {
        ck_assert_uint_eq(r->leads[k].samples, 13);
        ck_assert_uint_eq(r->leads[k].tally.missing, 7);
        for (size_t i = 0; i < 3; i++)
            ck_assert_int_eq(ecg_lead_sample(&r->leads[k], i),
                             ecg_lead_sample(&r->leads[k], 10 + i));
        ck_assert_int_eq(ecg_lead_sample(&r->leads[k], 5), ECG_SAMPLE_NONE);
    }
    ecg_record_free(r);
}
END_TEST

START_TEST(padding_is_missing_unless_it_is_zero)
{
    struct group g = plain;
    g.padding = (const uint8_t *)"\xfa\xff";
    struct ecg_record *r = open_groups(&g, 1);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[1], 2), ECG_SAMPLE_NONE);
    ecg_record_free(r);
    g.padding = (const uint8_t *)"\0\0";
    g.data = base_bytes_of("\1\0\2\0\3\0\4\0\0\0\0\0", 12);
    r = open_groups(&g, 1);
    ck_assert_int_eq(ecg_lead_sample(&r->leads[1], 2), 0);
    ecg_record_free(r);
}
END_TEST

START_TEST(channels_that_are_no_voltage_are_kept_apart_in_their_unit)
{
    struct group g[2] = {plain, plain};
    g[1].unit = "mm[Hg]";
    struct ecg_record *r = open_groups(g, 2);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_uint_eq(r->nothers, 2);
    ck_assert_str_eq(r->others[0].unit, "mm[Hg]");
    ck_assert_str_eq(r->leads[0].unit, "");
    ck_assert_uint_eq(r->others[1].samples, 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(ecg_lead_sample(&r->others[1], i), ecg_lead_sample(&r->leads[1], i));
    ck_assert_uint_eq(r->nnotes, 0);
    ecg_record_free(r);
    r = open_groups(&g[1], 1);
    ck_assert_uint_eq(r->nleads, 0);
    ck_assert_uint_eq(r->nothers, 2);
    ecg_record_free(r);
}
END_TEST

START_TEST(channels_of_other_parts_of_the_body_are_no_leads)
{
    struct group g[2] = {plain, plain};
    g[1].sites = true;
    struct ecg_record *r = open_groups(g, 2);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_uint_eq(r->nothers, 2);
    ck_assert_str_eq(r->others[0].unit, "uV");
    ck_assert_double_eq_tol(r->others[0].uv_per_count, 2.5, 1e-12);
    ck_assert_int_eq(r->others[0].id, ECG_LEAD_NONE);
    ecg_record_free(r);
    r = open_groups(&g[1], 1);
    ck_assert_uint_eq(r->nleads, 0);
    ck_assert_uint_eq(r->nothers, 2);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_group_that_cannot_be_read_leaves_the_others)
{
    struct group g[3] = {plain, plain, plain};
    if (_i < 3)
        g[_i].interpretation = "XX";
    else /* in which annotations of the first have no time */
        g[_i - 3].rate = 0;
    struct ecg_record *r = open_groups(g, 3);
    ck_assert_uint_eq(r->nleads, 4);
    ck_assert(has_note(r, "the group is left out"));
    ecg_record_free(r);
}
END_TEST

START_TEST(data_shorter_than_stated_give_what_is_there)
{
    struct group g = plain;
    g.samples = 1000000000;
    struct ecg_record *r = open_groups(&g, 1);
    ck_assert_uint_eq(r->leads[0].samples, 3);
    ck_assert(has_note(r, "1000000000 samples stated, 3 are there"));
    ecg_record_free(r);
}
END_TEST

/* As many bytes of the samples are lost as lie between their end and the next group's beginning. */
START_TEST(a_group_whose_samples_lack_bytes_does_not_become_the_next_one)
{
    struct group two[] = {plain, plain};
    struct base_buf b = {0};
    static const uint8_t data[32] = {1};
    two[0].samples = two[1].samples = 8;
    two[0].data = two[1].data = base_bytes_of(data, sizeof data);
    two[1].label = "MEDIAN BEAT";
    two[1].originality = "DERIVED";
    dicom_part10_write_meta(&b, DICOM_UID_TWELVE_LEAD_ECG, "1.2.3", DICOM_UID_EXPLICIT_LE, NULL);
    write_dataset(&b, DICOM_EXPLICIT_LE, true, two, 2);
    uint8_t *at = memmem(b.p, b.n, data, sizeof data);
    ck_assert_ptr_nonnull(at);
    size_t lost = 16; /* the end of an item, and the beginning of one */
    memmove(at, at + lost, b.n - (size_t)(at + lost - b.p));
    b.n -= lost;
    struct ecg_record *r = must_open(&b);
    ck_assert_uint_eq(r->nleads, 2);
    ck_assert_uint_eq(r->leads[0].samples, 8);
    ck_assert(r->notes[0].is_damage);
    ecg_record_free(r);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(data_longer_than_stated_are_told)
{
    struct group g = plain;
    g.samples = 1;
    struct ecg_record *r = open_groups(&g, 1);
    ck_assert_uint_eq(r->leads[0].samples, 1);
    ck_assert(has_note(r, "1 samples stated, 3 are there"));
    ck_assert(r->notes[0].is_damage);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_second_number_of_channels_is_not_believed)
{
    struct group g = plain;
    g.again = 200;
    struct ecg_record *r = open_groups(&g, 1);
    check_plain(r);
    ecg_record_free(r);
}
END_TEST

START_TEST(impossible_groups_are_errors_with_a_position)
{
    struct group g = plain;
    const char *words = "multiplex group";
    enum base_err code = BASE_EFORMAT;
    switch (_i) {
    case 0:
        g.channels = 0;
        break;
    case 1:
        g.samples = 0;
        break;
    case 2:
        g.rate = 0;
        break;
    case 3:
        g.interpretation = "XX";
        break;
    case 4:
        g.allocated = 24;
        break;
    case 5:
        g.data.n = 2;
        words = "2 bytes of data";
        break;
    default:
        g.channels = 300;
        code = BASE_ELIMIT;
        words = "300 channels";
    }
    if (_i == 3 || _i == 4) {
        code = BASE_EUNSUPPORTED;
        words = "interpretation";
    }
    struct base_error err = fail_groups(&g, 1, code);
    ck_assert_msg(strstr(err.msg, words), "%s", err.msg);
    ck_assert_uint_gt(err.pos, 132);
    ck_assert_uint_ne(err.pos, BASE_NOPOS);
}
END_TEST

START_TEST(an_object_without_waveform_is_refused_by_its_name)
{
    struct base_error err = fail_groups(NULL, 0, BASE_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "holds no waveform"));
    ck_assert_ptr_nonnull(strstr(err.msg, "ECG"));
}
END_TEST

/* What is there of the samples is read, and it is said that there were more. */
START_TEST(each_short_prefix_is_an_error_or_noted_as_damaged)
{
    struct base_buf b = {0};
    size_t read = 0;
    write_form(&b, _i);
    struct ecg_record *whole = must_open(&b);
    for (size_t n = 0; n < b.n; n++) {
        struct ecg_record *r = NULL;
        struct base_error err = {0};
        enum base_err e = open_bytes(base_bytes_of(b.p, n), NULL, &r, &err);
        ck_assert_msg(e == BASE_OK || err.msg[0], "prefix of %zu bytes of %zu", n, b.n);
        /* Only between two elements in front of the samples it looks like another object. */
        if (e == BASE_EUNSUPPORTED)
            ck_assert(strstr(err.msg, "holds no waveform") || strstr(err.msg, "not an ECG"));
        if (e)
            continue;
        ck_assert_msg(r->nnotes && r->notes[r->nnotes - 1].is_damage, "prefix of %zu bytes", n);
        ck_assert_uint_eq(r->nleads, whole->nleads);
        ck_assert_uint_le(r->leads[0].samples, whole->leads[0].samples);
        for (size_t i = 0; i < r->leads[0].samples; i++)
            ck_assert_int_eq(ecg_lead_sample(&r->leads[0], i),
                             ecg_lead_sample(&whole->leads[0], i));
        read++;
        ecg_record_free(r);
    }
    ck_assert_uint_gt(read, 0);
    ecg_record_free(whole);
    base_buf_deinit(&b);
}
END_TEST

/* Cut anywhere in the second of two groups, whatever is wrong there. */
START_TEST(a_file_cut_in_a_later_group_keeps_the_earlier_ones)
{
    struct group two[] = {plain, plain};
    struct base_buf b = {0};
    write_file(&b, two, 2);
    struct ecg_record *whole = must_open(&b);
    size_t kept = 0;
    for (size_t n = b.n - 1; n > b.n / 2; n--) {
        struct ecg_record *r = NULL;
        struct base_error err = {0};
        if (open_bytes(base_bytes_of(b.p, n), NULL, &r, &err))
            break;
        ck_assert_uint_ge(r->nleads, plain.channels);
        ck_assert_uint_le(r->nleads, 2 * plain.channels);
        ck_assert(r->notes[r->nnotes - 1].is_damage);
        kept += r->nleads == plain.channels && r->leads[0].samples == plain.samples;
        ecg_record_free(r);
    }
    ck_assert_uint_gt(kept, 100);
    ecg_record_free(whole);
    base_buf_deinit(&b);
}
END_TEST

START_TEST(a_recording_of_another_device_is_read)
{
    struct base_buf b = {0};
    if (load_other("dicom/pydicom_waveform_ecg.dcm", &b)) {
        struct ecg_record *r = must_open(&b);
        ck_assert_uint_eq(r->nleads, 12);
        ck_assert_uint_eq(r->nmedians, 12);
        ck_assert_uint_eq(r->leads[0].samples, 10000);
        ck_assert_double_eq(r->leads[0].uv_per_count, 1.25);
        ck_assert_int_eq(ecg_lead_sample(&r->leads[0], 0), 80);
        ck_assert_str_eq(r->statements[0].text, "RITMO SINUSALE");
        ck_assert_double_eq(ecg_record_measurement(r, ECG_MEASURE_RR)->value, 982);
        ecg_record_free(r);
    }
    base_buf_deinit(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_dicom");
    TCase *t = tcase_create("objects");
    tcase_add_test(t, sex_and_age_are_read_as_devices_write_them);
    tcase_add_test(t, patient_time_and_findings_are_read);
    tcase_add_loop_test(t, times_are_read_in_all_their_forms, 0, sizeof moments / sizeof *moments);
    tcase_add_test(t, annotations_are_read_however_many_there_are);
    tcase_add_test(t, damage_inside_an_annotation_ends_only_the_annotations);
    tcase_add_loop_test(t, each_transfer_syntax_gives_the_same_record, 0, 6);
    tcase_add_test(t, samples_of_a_big_endian_object_are_swapped);
    tcase_add_loop_test(t, each_sample_interpretation_is_decoded, 0, KINDS);
    tcase_add_test(t, sensitivity_correction_baseline_and_unit_make_the_value);
    tcase_add_loop_test(t, samples_of_arbitrary_units_are_told, 0, sizeof scales / sizeof *scales);
    tcase_add_test(t, more_channels_than_stated_are_told);
    tcase_add_test(t, rhythm_and_median_groups_are_told_apart);
    tcase_add_test(t, old_lead_codes_and_skew_are_understood);
    tcase_add_test(t, a_lead_that_only_its_label_names_has_the_name_of_the_standard);
    tcase_add_test(t, groups_of_the_same_leads_at_other_times_are_joined);
    tcase_add_test(t, padding_is_missing_unless_it_is_zero);
    tcase_add_test(t, channels_that_are_no_voltage_are_kept_apart_in_their_unit);
    tcase_add_test(t, channels_of_other_parts_of_the_body_are_no_leads);
    tcase_add_loop_test(t, a_group_that_cannot_be_read_leaves_the_others, 0, 6);
    suite_add_tcase(s, t);
    t = tcase_create("damage");
    tcase_add_test(t, data_shorter_than_stated_give_what_is_there);
    tcase_add_test(t, data_longer_than_stated_are_told);
    tcase_add_test(t, a_group_whose_samples_lack_bytes_does_not_become_the_next_one);
    tcase_add_test(t, a_second_number_of_channels_is_not_believed);
    tcase_add_loop_test(t, impossible_groups_are_errors_with_a_position, 0, 7);
    tcase_add_test(t, an_object_without_waveform_is_refused_by_its_name);
    tcase_add_loop_test(t, each_short_prefix_is_an_error_or_noted_as_damaged, 0, 6);
    tcase_add_test(t, a_file_cut_in_a_later_group_keeps_the_earlier_ones);
    suite_add_tcase(s, t);
    t = tcase_create("recordings by others");
    tcase_add_test(t, a_recording_of_another_device_is_read);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
