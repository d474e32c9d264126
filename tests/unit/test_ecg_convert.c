/* Any format in, any format out: samples equal within a count of the target. */
#include "ecg/ecg_write.h"
#include "ecg_fixture.h"

#include <math.h>

static const enum ecg_format targets[] = {ECG_FORMAT_EDF,  ECG_FORMAT_AECG, ECG_FORMAT_SCP,
                                          ECG_FORMAT_WFDB, ECG_FORMAT_CSV,  ECG_FORMAT_DICOM};

enum { TARGETS = sizeof targets / sizeof *targets };

/* Ours, then those of others; a record that needs two files has them both. */
static const struct {
    const char *name[3];
    bool other;
} sources[] = {
    {{"1-second-differences.scp"}, false},
    {{"5-subtracted.scp"}, false},
    {{"7-gbk.scp"}, false},
    {{"../ecg-xml/aecg-bare.xml"}, false},
    {{"../ecg-xml/muse-utf8.xml"}, false},
    {{"../ecg-xml/philips-1.04.xml"}, false},
    {{"scp/ecgtoolkit_Example.scp"}, true},
    {{"scp/contec_demo.scp"}, true},
    {{"scp/wfdb_test.scp"}, true},
    {{"dicom/pydicom_waveform_ecg.dcm"}, true},
    {{"aecg/subject1_0.xml"}, true},
    {{"muse/braveheart_example1.xml"}, true},
    {{"philips/129DYPRG.XML"}, true},
    {{"edf/test_generator_datarec_generator_2.bdf"}, true},
    {{"edf/test_utf8.edf"}, true},
    {{"edf/short_psg.edf"}, true},
    {{"mfer/monk_test-file.MWF"}, true},
    {{"wfdb/cinc2017/A00001.hea", "wfdb/cinc2017/A00001.mat"}, true},
    {{"wfdb/ludb/1.hea", "wfdb/ludb/1.dat"}, true},
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static struct ecg_record *open_files(const struct ecg_input *files, size_t n)
{
    struct ecg_input inputs[8] = {0};
    struct ecg_needs needs = {0};
    char asked[4][ECG_NAME_SIZE];
    struct ecg_record *r = NULL;
    struct base_error err = {0};
    size_t more = 0;
    memcpy(inputs, files, n * sizeof *files);
    enum base_err e = ecg_open(inputs, n, NULL, &needs, &r, &err);
    for (size_t i = 0; e == BASE_ENOTFOUND && i < needs.n && more < 4; i++, more++) {
        memcpy(asked[more], needs.name[i], ECG_NAME_SIZE);
        inputs[n + more] = (struct ecg_input){.name = asked[more]};
    }
    if (more)
        e = ecg_open(inputs, n + more, NULL, &needs, &r, &err);
    ck_assert_msg(e == BASE_OK, "%s: %s", files[0].name, err.msg);
    return r;
}

/* NULL, having said so, when the files are not here. */
static struct ecg_record *open_source(size_t i)
{
    struct base_buf b[3] = {{0}};
    struct ecg_input inputs[3];
    struct ecg_record *r = NULL;
    size_t n = 0;
    for (; n < 3 && sources[i].name[n]; n++) {
        if (!sources[i].other)
            load_testdata(sources[i].name[n], &b[n]);
        else if (!load_other(sources[i].name[n], &b[n]))
            break;
        inputs[n] = (struct ecg_input){base_name(sources[i].name[n]), base_buf_bytes(&b[n])};
    }
    if (n == 3 || !sources[i].name[n])
        r = open_files(inputs, n);
    for (size_t k = 0; k < 3; k++)
        base_buf_deinit(&b[k]);
    return r;
}

static double value_at(const struct ecg_lead *lead, int64_t number)
{
    int32_t v = ecg_write_sample(lead, number);
    return v == ECG_SAMPLE_NONE ? (double)NAN : v * lead->uv_per_count + lead->offset_uv;
}

/* Where the source has a sample, the copy has it within a count of its own. */
static void assert_near(const struct ecg_lead *from, const struct ecg_lead *to, int64_t shift,
                        const char *where)
{
    double tolerance = fabs(to->uv_per_count) * 1.001;
    ck_assert_msg(fabs(from->rate_hz / to->rate_hz - 1) < 1e-6, "%s: %g Hz", where, to->rate_hz);
    ck_assert_uint_ge(to->samples, from->samples);
    int64_t first = ecg_write_first(from);
    for (int64_t i = first; i < first + (int64_t)from->samples; i++) {
        double want = value_at(from, i);
        double got = value_at(to, i - shift);
        /* CSV has nine digits. */
        if (!isnan(want) && !(fabs(want - got) <= tolerance + 1e-8 * fabs(want)))
            ck_abort_msg("%s: sample %lld is %g, not %g", where, (long long)i, got, want);
    }
}

/* Each with its name, its unit and its samples; the other way round there may be none more. */
static void compare_others(const struct ecg_record *r, const struct ecg_record *again,
                           const char *where)
{
    ck_assert_uint_eq(again->nothers, r->nothers);
    for (size_t i = 0; i < r->nothers; i++) {
        const struct ecg_lead *other = &r->others[i];
        const struct ecg_lead *same = NULL;
        for (size_t k = 0; k < again->nothers; k++)
            if (strcmp(again->others[k].name, other->name) == 0)
                same = &again->others[k];
        ck_assert_msg(same != NULL, "%s: no channel %s", where, other->name);
        ck_assert_str_eq(same->unit, other->unit);
        assert_near(other, same, 0, where);
    }
}

static void compare(const struct ecg_record *r, const struct ecg_record *again, const char *where)
{
    size_t n = 0;
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < r->nleads; i++)
        if (r->leads[i].samples && ecg_write_first(&r->leads[i]) < first)
            first = ecg_write_first(&r->leads[i]);
    bool shifted = strcmp(again->format, "SCP-ECG") == 0;
    for (size_t i = 0; i < r->nleads; i++) {
        const struct ecg_lead *lead = &r->leads[i];
        if (lead->samples == 0)
            continue;
        ck_assert_uint_lt(n, again->nleads);
        if (lead->id && lead->id <= 255)
            ck_assert_msg(again->leads[n].id == lead->id, "%s: %s", where, again->leads[n].name);
        assert_near(lead, &again->leads[n++], shifted ? first : 0, where);
    }
    ck_assert_uint_eq(again->nleads, n);
    if (strcmp(again->format, "EDF") == 0 || strcmp(again->format, "WFDB") == 0)
        compare_others(r, again, where);
    if (strcmp(again->format, "CSV") == 0)
        return;
    if (r->start.date.year || strcmp(again->format, "DICOM") != 0) { /* which must have a date */
        ck_assert_int_eq(again->start.date.day, r->start.date.day);
        ck_assert_int_eq(again->start.minute, r->start.minute);
    }
    if (strcmp(again->format, "WFDB") == 0)
        return;
    ck_assert_str_eq(again->patient.id.utf8, r->patient.id.utf8);
    ck_assert_int_eq(again->patient.sex, r->patient.sex);
}

static void convert_and_compare(const struct ecg_record *r, const char *source,
                                enum ecg_format target)
{
    static const struct ecg_write_options options = {.stem = "out", .seed = "1"};
    struct ecg_outputs out;
    struct base_error err = {0};
    char where[128];
    snprintf(where, sizeof where, "%s to %s", source, ecg_format_name(target));
    enum base_err e = ecg_write(r, target, &options, &out, &err);
    if (e) {
        /* Only where the target cannot: other rates in one object, too long. */
        ck_assert_msg(e == BASE_EUNSUPPORTED && err.msg[0], "%s: %s", where, err.msg);
        bool mixed = strstr(err.msg, " and ") && strstr(err.msg, "Hz");
        bool limit = strstr(err.msg, "SCP-ECG holds") != NULL;
        bool no_lead = strstr(err.msg, "is an ECG lead") && r->nleads == 0;
        ck_assert_msg(mixed || limit || no_lead, "%s: %s", where, err.msg);
        return;
    }
    struct ecg_input inputs[ECG_OUTPUTS_MAX];
    for (size_t i = 0; i < out.n; i++)
        inputs[i] = (struct ecg_input){out.file[i].name, base_buf_bytes(&out.file[i].bytes)};
    struct ecg_record *again = open_files(inputs, out.n);
    ck_assert_str_eq(again->format, ecg_format_name(target));
    for (size_t i = 0; i < again->nnotes; i++)
        ck_abort_msg("%s: %s", where, again->notes[i].text);
    compare(r, again, where);
    ecg_outputs_deinit(&out);
    ecg_record_free(again);
}

START_TEST(samples_are_equal_within_a_count_of_every_target)
{
    struct ecg_record *r = open_source((size_t)_i);
    for (size_t t = 0; r && t < TARGETS; t++)
        convert_and_compare(r, sources[_i].name[0], targets[t]);
    ecg_record_free(r);
}
END_TEST

static struct ecg_record *write_and_read(const struct ecg_record *r, enum ecg_format target,
                                         struct base_buf *lost)
{
    static const struct ecg_write_options options = {.stem = "out", .seed = "1"};
    struct ecg_outputs out;
    struct base_error err = {0};
    ck_assert_msg(ecg_write(r, target, &options, &out, &err) == BASE_OK, "%s", err.msg);
    struct ecg_input inputs[ECG_OUTPUTS_MAX];
    for (size_t i = 0; i < out.n; i++)
        inputs[i] = (struct ecg_input){out.file[i].name, base_buf_bytes(&out.file[i].bytes)};
    struct ecg_record *again = open_files(inputs, out.n);
    base_buf_add(lost, out.lost.p, out.lost.n);
    ecg_outputs_deinit(&out);
    return again;
}

static void assert_same_findings(const struct ecg_record *r, const struct ecg_record *again,
                                 enum ecg_measure last)
{
    ck_assert_uint_eq(again->nstatements, r->nstatements);
    for (size_t i = 0; i < r->nstatements; i++)
        ck_assert_str_eq(again->statements[i].text, r->statements[i].text);
    for (enum ecg_measure m = ECG_MEASURE_HEART_RATE; m <= last; m++) {
        const struct ecg_measurement *a = ecg_record_measurement(r, m);
        const struct ecg_measurement *b = ecg_record_measurement(again, m);
        ck_assert_msg((a == NULL) == (b == NULL), "%s", ecg_measure_row(m)->key);
        if (a)
            ck_assert_double_eq_tol(a->value, b->value, 0.51);
    }
}

START_TEST(findings_and_the_median_beat_go_to_aecg_and_scp)
{
    static const enum ecg_format to[] = {ECG_FORMAT_AECG, ECG_FORMAT_SCP};
    struct ecg_record *r = open_testdata("5-subtracted.scp");
    struct base_buf lost = {0};
    struct ecg_record *again = write_and_read(r, to[_i], &lost);
    assert_same_findings(r, again, ECG_MEASURE_T_AXIS);
    ck_assert_uint_eq(again->nmedians, r->nmedians);
    assert_same_leads(r->medians, again->medians, r->nmedians);
    ck_assert_str_eq(again->patient.name.utf8, r->patient.name.utf8);
    ck_assert_str_eq(again->device.manufacturer, r->device.manufacturer);
    ck_assert_double_eq(again->filters.low_pass_hz, r->filters.low_pass_hz);
    ck_assert_int_eq(again->start.zone_min, r->start.zone_min);
    if (to[_i] == ECG_FORMAT_AECG) {
        ck_assert_uint_eq(again->nmarks, r->nmarks);
        ck_assert_uint_eq(again->nmeasurements,
                          r->nmeasurements - (size_t)strtol(base_buf_cstr(&lost), NULL, 10));
    } else {
        ck_assert((strstr(base_buf_cstr(&lost), "measurements of the device") != NULL) ==
                  (again->nmeasurements < r->nmeasurements));
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&lost), "annotations"));
    }
    base_buf_deinit(&lost);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

/* One lead at 250 Hz. */
static struct ecg_record *one_lead(const int32_t *samples, size_t n, double uv, double offset)
{
    struct ecg_record *r = ecg_record_new(NULL);
    ck_assert_ptr_nonnull(r);
    struct ecg_lead *lead = ecg_record_add_lead(r);
    memcpy(must_have_samples(r, lead, n), samples, n * sizeof *samples);
    lead->id = ECG_LEAD_II;
    lead->name = "II";
    lead->rate_hz = 250;
    lead->uv_per_count = uv;
    lead->offset_uv = offset;
    return r;
}

START_TEST(odd_scales_large_values_and_gaps_survive_or_are_listed)
{
    static const int32_t samples[] = {0, 1, -1, 32767, -32767, ECG_SAMPLE_NONE, 5, 7};
    static const int32_t large[] = {0, 8388607, -8388608, 3};
    static const struct {
        double uv;
        double offset;
    } rows[] = {{2.5, 0}, {4.8828125, 0}, {1 / 3.0, -17.25}, {-0.5, 100}, {1e-3, 0}, {30, 0}};
    for (size_t t = 0; t < TARGETS; t++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct base_buf lost = {0};
            struct ecg_record *r = one_lead(samples, 8, rows[i].uv, rows[i].offset);
            struct ecg_record *again = write_and_read(r, targets[t], &lost);
            assert_near(&r->leads[0], &again->leads[0], 0, ecg_format_name(targets[t]));
            ck_assert_ptr_null(strstr(base_buf_cstr(&lost), "its scale"));
            bool holds_gaps = targets[t] >= ECG_FORMAT_WFDB || targets[t] == ECG_FORMAT_DICOM;
            ck_assert(holds_gaps || strstr(base_buf_cstr(&lost), "samples are missing"));
            ck_assert(!holds_gaps || ecg_lead_sample(&again->leads[0], 5) == ECG_SAMPLE_NONE);
            base_buf_deinit(&lost);
            ecg_record_free(again);
            ecg_record_free(r);
        }
        struct base_buf lost = {0};
        struct ecg_record *r = one_lead(large, 4, 0.25, 0);
        struct ecg_record *again = write_and_read(r, targets[t], &lost);
        assert_near(&r->leads[0], &again->leads[0], 0, ecg_format_name(targets[t]));
        base_buf_deinit(&lost);
        ecg_record_free(again);
        ecg_record_free(r);
    }
}
END_TEST

static const char *lost_of(const struct ecg_record *r, enum ecg_format target,
                           struct ecg_record **again, struct base_buf *lost)
{
    base_buf_reset(lost);
    if (*again)
        ecg_record_free(*again);
    *again = write_and_read(r, target, lost);
    return base_buf_cstr(lost);
}

/* A field of a record, what its loss is called, and what it says in the test. */
enum field_kind { TEXT, NUMBER, SEX, BIRTH, AGE, CONFIRMED };
#define FIELD(what, kind, member, ...)                                                             \
    {                                                                                              \
        what, kind, offsetof(struct ecg_record, member), __VA_ARGS__                               \
    }
static const struct {
    const char *what;
    enum field_kind kind;
    size_t at;
    const char *text;
    double number;
} fields[] = {
    FIELD("device's maker", TEXT, device.manufacturer, "maker", 0),
    FIELD("device's model", TEXT, device.model, "m1", 0),
    FIELD("serial number", TEXT, device.serial, "s1", 0),
    FIELD("software", TEXT, device.software, "v1", 0),
    FIELD("institution", TEXT, device.institution, "centre", 0),
    FIELD("department", TEXT, device.department, "ward", 0),
    FIELD("technician", TEXT, device.technician, "tech", 0),
    FIELD("physician", TEXT, device.referring, "doctor", 0),
    FIELD("order number", TEXT, accession, "A7", 0),
    FIELD("comment", TEXT, comment, "said", 0),
    FIELD("history", TEXT, patient.history, "past", 0),
    FIELD("height", NUMBER, patient.height_cm, NULL, 171),
    FIELD("weight", NUMBER, patient.weight_kg, NULL, 64),
    FIELD("sex", SEX, patient.sex, NULL, 'F'),
    FIELD("birth", BIRTH, patient.birth, NULL, 0),
    FIELD("age", AGE, patient.age, NULL, 0),
    FIELD("high-pass", NUMBER, filters.high_pass_hz, NULL, 0.05),
    FIELD("low-pass", NUMBER, filters.low_pass_hz, NULL, 150),
    FIELD("notch", NUMBER, filters.notch_hz, NULL, 50),
    FIELD("confirmed", CONFIRMED, confirmed, NULL, 0),
};
#undef FIELD

static void set_field(struct ecg_record *r, size_t i)
{
    void *at = (char *)r + fields[i].at;
    if (fields[i].kind == TEXT)
        memcpy(at, &fields[i].text, sizeof fields[i].text);
    else if (fields[i].kind == NUMBER)
        memcpy(at, &fields[i].number, sizeof fields[i].number);
    else if (fields[i].kind == SEX)
        r->patient.sex = 'F';
    else if (fields[i].kind == BIRTH)
        r->patient.birth = (struct ecg_date){1961, 4, 30};
    if (fields[i].kind == CONFIRMED) {
        r->confirmed = ECG_CONFIRMED_YES;
        ecg_record_add_statement(r, "sinus rhythm", "");
    }
    if (fields[i].kind == AGE) {
        r->patient.age = 64;
        r->patient.age_unit = 'Y';
    }
}

static bool has_field(const struct ecg_record *r, size_t i)
{
    const char *text = NULL;
    double number = (double)NAN;
    const void *at = (const char *)r + fields[i].at;
    if (fields[i].kind == TEXT)
        memcpy(&text, at, sizeof text);
    if (fields[i].kind == NUMBER)
        memcpy(&number, at, sizeof number);
    switch (fields[i].kind) {
    case TEXT:
        return strcmp(text, fields[i].text) == 0;
    case NUMBER:
        return fabs(number - fields[i].number) < 1e-6 * fields[i].number;
    case SEX:
        return r->patient.sex == 'F';
    case BIRTH:
        return r->patient.birth.year == 1961 && r->patient.birth.day == 30;
    case AGE:
        return r->patient.age == 64 && r->patient.age_unit == 'Y';
    case CONFIRMED:
        return r->confirmed == ECG_CONFIRMED_YES;
    default:
        return false;
    }
}

START_TEST(each_field_is_in_the_output_or_listed)
{
    static const int32_t samples[] = {0, 1, -1, 3};
    struct base_buf lost = {0};
    struct ecg_record *again = NULL;
    size_t wrong = 0;
    for (size_t t = 0; t < TARGETS; t++)
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            struct ecg_record *r = one_lead(samples, 4, 5, 0);
            r->start = (struct ecg_time){.date = {2026, 1, 31}, .has_time = true, .hour = 7};
            set_field(r, i);
            const char *words = lost_of(r, targets[t], &again, &lost);
            bool listed = strstr(words, fields[i].what) != NULL;
            bool kept = has_field(again, i);
            wrong += listed == kept;
            if (listed == kept)
                printf("%s, %s: %s\n", ecg_format_name(targets[t]), fields[i].what,
                       kept ? "kept, and listed as lost" : "lost, and not listed");
            ecg_record_free(r);
        }
    ck_assert_uint_eq(wrong, 0);
    ecg_record_free(again);
    base_buf_deinit(&lost);
}
END_TEST

/* Longer than any field of a fixed size has room for. */
START_TEST(a_long_text_is_whole_or_its_end_is_listed)
{
    static const int32_t samples[] = {0, 1, -1, 3};
    static const char *const listed[] = {"the end of", "longer than", "has more than"};
    char longer[301];
    struct base_buf lost = {0};
    struct ecg_record *again = NULL;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    for (size_t t = 0; t < TARGETS; t++)
        for (size_t i = 0; i < sizeof fields / sizeof *fields && fields[i].kind == TEXT; i++) {
            struct ecg_record *r = one_lead(samples, 4, 5, 0);
            const char *text = longer;
            memcpy((char *)r + fields[i].at, &text, sizeof text);
            const char *words = lost_of(r, targets[t], &again, &lost);
            bool is_listed = strstr(words, fields[i].what) != NULL;
            for (size_t k = 0; k < sizeof listed / sizeof *listed; k++)
                is_listed |= strstr(words, listed[k]) != NULL;
            memcpy(&text, (char *)again + fields[i].at, sizeof text);
            ck_assert_msg(is_listed == (strcmp(text, longer) != 0), "%s, %s: %s",
                          ecg_format_name(targets[t]), fields[i].what, words);
            ecg_record_free(r);
        }
    ecg_record_free(again);
    base_buf_deinit(&lost);
}
END_TEST

/* The beginning of a number may be the number of another patient, or of another order. */
START_TEST(what_identifies_is_never_cut_short)
{
    static const int32_t samples[2000] = {0, 1, -1, 3};
    static const char id[] = "0123456789012345678901234567890123456789012345678901234567890123456";
    static const enum ecg_format formats[] = {ECG_FORMAT_DICOM, ECG_FORMAT_SCP};
    struct base_buf lost = {0};
    struct ecg_record *again = NULL;
    struct ecg_record *r = one_lead(samples, 2000, 5, 0);
    for (size_t t = 0; t < sizeof formats / sizeof *formats; t++) {
        r->patient.id.utf8 = id;
        r->accession = "12345678901234567";
        ck_assert_ptr_nonnull(
            strstr(lost_of(r, formats[t], &again, &lost), t ? "id" : "PatientID"));
        ck_assert_str_eq(again->patient.id.utf8, "");
        ck_assert_str_eq(again->accession, "");
        r->patient.id.utf8 = id + 3;
        r->accession = "1234567890123456";
        (void)lost_of(r, formats[t], &again, &lost);
        ck_assert_str_eq(again->patient.id.utf8, id + 3);
        ck_assert_str_eq(again->accession, t ? "" : "1234567890123456");
    }
    ecg_record_free(r);
    ecg_record_free(again);
    base_buf_deinit(&lost);
}
END_TEST

START_TEST(a_start_is_right_to_the_microsecond_or_its_loss_is_listed)
{
    static const int32_t samples[2000] = {0, 1, -1, 3};
    struct base_buf lost = {0};
    struct ecg_record *again = NULL;
    for (size_t t = 0; t < TARGETS; t++) {
        struct ecg_record *r = one_lead(samples, 2000, 5, 0);
        r->start =
            (struct ecg_time){.date = {2026, 1, 31}, .has_time = true, .hour = 7, .usec = 570001};
        const char *words = lost_of(r, targets[t], &again, &lost);
        bool is_listed = strstr(words, "fraction") || strstr(words, "time of the start");
        ck_assert_int_eq(again->start.usec, is_listed ? 0 : r->start.usec);
        ecg_record_free(r);
    }
    ecg_record_free(again);
    base_buf_deinit(&lost);
}
END_TEST

START_TEST(what_an_output_says_otherwise_is_listed)
{
    static const int32_t samples[] = {0, 1, -1, 3};
    struct base_buf lost = {0};
    struct ecg_record *again = NULL;
    struct ecg_record *r = one_lead(samples, 4, 5, 0);
    const char *words = lost_of(r, ECG_FORMAT_DICOM, &again, &lost);
    ck_assert_ptr_nonnull(strstr(words, "it is that of writing"));
    words = lost_of(r, ECG_FORMAT_EDF, &again, &lost);
    ck_assert_ptr_null(strstr(words, "_"));
    r->patient.id.utf8 = "TEST_1";
    words = lost_of(r, ECG_FORMAT_EDF, &again, &lost);
    ck_assert_ptr_nonnull(strstr(words, "_ in the patient's id or name"));
    r->start = (struct ecg_time){.date = {2026, 1, 31}, .has_time = true, .hour = 7};
    words = lost_of(r, ECG_FORMAT_DICOM, &again, &lost);
    ck_assert_str_eq(words, "");
    ecg_record_free(again);
    ecg_record_free(r);
    base_buf_deinit(&lost);
}
END_TEST

START_TEST(a_date_without_a_time_and_a_zone_are_kept_or_listed)
{
    static const int32_t samples[] = {0, 1, -1, 3};
    static const struct {
        enum ecg_format target;
        bool date;
        bool zone;
    } rows[] = {{ECG_FORMAT_DICOM, true, true},  {ECG_FORMAT_AECG, true, true},
                {ECG_FORMAT_SCP, true, true},    {ECG_FORMAT_EDF, false, false},
                {ECG_FORMAT_WFDB, false, false}, {ECG_FORMAT_CSV, false, false}};
    struct base_buf lost = {0};
    struct ecg_record *again = NULL;
    struct ecg_record *r = one_lead(samples, 4, 5, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        r->start = (struct ecg_time){.date = {1968, 2, 29}};
        const char *words = lost_of(r, rows[i].target, &again, &lost);
        const char *where = ecg_format_name(rows[i].target);
        bool listed = strstr(words, "start") != NULL;
        ck_assert_msg(listed == !rows[i].date, "%s: %s", where, words);
        ck_assert(!rows[i].date || (again->start.date.day == 29 && !again->start.has_time));
        r->start = (struct ecg_time){
            .date = {1968, 2, 29}, .has_time = true, .hour = 7, .has_zone = true, .zone_min = 480};
        words = lost_of(r, rows[i].target, &again, &lost);
        listed = strstr(words, "of the start") != NULL;
        ck_assert_msg(listed == !rows[i].zone, "%s: %s", where, words);
        ck_assert(!rows[i].zone || (again->start.has_zone && again->start.zone_min == 480));
        ck_assert(rows[i].target == ECG_FORMAT_CSV || again->start.hour == 7);
    }
    ecg_record_free(again);
    ecg_record_free(r);
    base_buf_deinit(&lost);
}
END_TEST

START_TEST(all_given_names_go_to_aecg_and_back)
{
    static const char *const names[] = {"TEST^ONE", "TEST^ONE^TWO", "TEST", "TEST^"};
    static const int32_t samples[] = {0, 1, -1, 3};
    struct base_buf lost = {0};
    struct ecg_record *again = NULL;
    struct ecg_record *r = one_lead(samples, 4, 5, 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        r->patient.name.utf8 = names[i];
        (void)lost_of(r, ECG_FORMAT_AECG, &again, &lost);
        ck_assert_str_eq(again->patient.name.utf8, names[i]);
    }
    ecg_record_free(again);
    ecg_record_free(r);
    base_buf_deinit(&lost);
}
END_TEST

/* DICOM, aECG and SCP-ECG know ML; what the first two show beside says what it was called. */
START_TEST(a_modified_lead_two_keeps_its_name)
{
    static const int32_t samples[2000] = {1, 2, 3};
    static const enum ecg_format kept[] = {ECG_FORMAT_DICOM, ECG_FORMAT_WFDB, ECG_FORMAT_EDF,
                                           ECG_FORMAT_AECG};
    struct ecg_record *r = one_lead(samples, 2000, 5, 0);
    r->leads[0].id = ECG_LEAD_ML;
    r->leads[0].name = "MLII";
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        struct base_buf lost = {0};
        struct ecg_record *again = write_and_read(r, kept[i], &lost);
        ck_assert_str_eq(again->leads[0].name, "MLII");
        ecg_record_free(again);
        base_buf_deinit(&lost);
    }
    struct base_buf lost = {0};
    struct ecg_record *again = write_and_read(r, ECG_FORMAT_SCP, &lost);
    ck_assert_str_eq(again->leads[0].name, "ML");
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&lost), "the name of lead MLII, which is ML there"));
    ecg_record_free(again);
    base_buf_deinit(&lost);
    ecg_record_free(r);
}
END_TEST

START_TEST(what_dicom_cannot_hold_of_a_lead_is_listed)
{
    static const int32_t large[] = {0, 8388607, -8388608, 3};
    struct base_buf lost = {0};
    struct ecg_record *again = NULL;
    struct ecg_record *r = one_lead(large, 4, 0.25, 0);
    r->start = (struct ecg_time){.date = {2024, 2, 29}, .has_time = true, .usec = 250000};
    r->leads[0].id = ECG_LEAD_NONE;
    r->leads[0].name = "\xe5\xaf\xbc\xe8\x81\x94";
    ecg_record_add_measurement(r, ECG_MEASURE_QT, 0, 400, NULL, NULL);
    ecg_record_add_measurement(r, ECG_MEASURE_R_AMPLITUDE, ECG_LEAD_II, 900, NULL, NULL);
    const char *words = lost_of(r, ECG_FORMAT_DICOM, &again, &lost);
    ck_assert_msg(strstr(words, "1 leads: more than 16 bits"), "%s", words);
    ck_assert_msg(strstr(words, "1 measurements of the device"), "%s", words);
    ck_assert_uint_eq(again->nmeasurements, 1);
    ck_assert_str_eq(again->leads[0].name, r->leads[0].name);
    ck_assert_int_eq(again->start.usec, 250000);
    ecg_record_free(again);
    ecg_record_free(r);
    base_buf_deinit(&lost);
}
END_TEST

START_TEST(what_would_grow_out_of_measure_is_refused)
{
    static const int32_t samples[] = {1, 2};
    static const struct {
        double start_s;
        double rate_hz;
        double uv;
        enum base_err code;
    } rows[] = {{9e5, 1000, 1, BASE_ELIMIT},
                {2e6, 250, 1, BASE_EUNSUPPORTED},
                {0, 250, (double)INFINITY, BASE_EUNSUPPORTED},
                {0, 0, 1, BASE_EUNSUPPORTED},
                {0, (double)INFINITY, 1, BASE_EUNSUPPORTED}};
    static const struct ecg_write_options options = {.stem = "out"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t t = 0; t < TARGETS; t++) {
            struct ecg_record *r = one_lead(samples, 2, rows[i].uv, 0);
            struct ecg_outputs out;
            struct base_error err = {0};
            r->leads[0].start_s = rows[i].start_s;
            r->leads[0].rate_hz = rows[i].rate_hz;
            ck_assert_int_eq(ecg_write(r, targets[t], &options, &out, &err), rows[i].code);
            ck_assert_str_ne(err.msg, "");
            ecg_record_free(r);
        }
}
END_TEST

START_TEST(a_few_samples_of_a_very_high_rate_do_not_fill_a_second_of_edf)
{
    static const int32_t samples[981];
    static const struct ecg_write_options options = {.stem = "out"};
    struct ecg_record *r = one_lead(samples, 981, 1, 0);
    struct ecg_outputs out;
    struct base_error err = {0};
    r->leads[0].rate_hz = 44e6 / 3;
    enum base_err e = ecg_write(r, ECG_FORMAT_EDF, &options, &out, &err);
    ck_assert_msg(e == BASE_OK || e == BASE_EUNSUPPORTED, "%s", err.msg);
    if (e == BASE_OK) {
        ck_assert_uint_lt(out.file[0].bytes.n, 4 << 20);
        ecg_outputs_deinit(&out);
    }
    ecg_record_free(r);
}
END_TEST

/* At 360 Hz no record that eight characters tell the length of holds 367 samples. */
START_TEST(what_fills_the_last_record_of_edf_is_no_wave)
{
    int32_t samples[367];
    struct base_buf lost = {0};
    for (size_t i = 0; i < 367; i++)
        samples[i] = 300 - (int32_t)i;
    struct ecg_record *r = one_lead(samples, 367, 2.5, 0);
    r->leads[0].rate_hz = 360;
    struct ecg_record *again = write_and_read(r, ECG_FORMAT_EDF, &lost);
    ck_assert_uint_eq(again->leads[0].samples, 720);
    for (size_t i = 0; i < 720; i++)
        ck_assert_int_eq(ecg_lead_sample(&again->leads[0], i), samples[i < 367 ? i : 366]);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&lost), "353 more samples repeat the last one"));
    ck_assert_ptr_null(strstr(base_buf_cstr(&lost), "missing"));
    base_buf_deinit(&lost);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_lead_called_as_annotations_are_stays_a_lead)
{
    static const int32_t samples[1000] = {1, 2, 3};
    static const char *const names[] = {"EDF Annotations", "BDF Annotations ",
                                        "EDF Annotations  2"};
    struct base_buf lost = {0};
    struct ecg_record *r = one_lead(samples, 1000, 5, 0);
    r->leads[0].id = 0;
    r->leads[0].name = names[_i];
    struct ecg_record *again = write_and_read(r, ECG_FORMAT_EDF, &lost);
    ck_assert_uint_eq(again->nleads + again->nothers, 1);
    ck_assert_uint_eq(again->nnotes, 0);
    base_buf_deinit(&lost);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_table_without_samples_is_refused)
{
    static const struct ecg_write_options options = {.stem = "out"};
    static const int32_t none[1];
    struct base_error err = {0};
    struct ecg_outputs out;
    struct ecg_record *r = one_lead(none, 0, 5, 0);
    ck_assert_int_eq(ecg_write(r, ECG_FORMAT_CSV, &options, &out, &err), BASE_EUNSUPPORTED);
    ck_assert_str_eq(err.msg, "there is no lead with samples");
    ecg_record_free(r);
}
END_TEST

START_TEST(annotations_go_to_edf_and_back)
{
    static const int32_t samples[1000];
    struct base_buf lost = {0};
    struct ecg_record *r = one_lead(samples, 1000, 5, 0);
    r->start = (struct ecg_time){.date = {2026, 1, 31}, .has_time = true, .usec = 250000};
    static const struct ecg_mark marks[] = {
        {.kind = ECG_MARK_BEAT, .code = ECG_CODE_PVC, .at_s = 0.5, .text = ""},
        {.kind = ECG_MARK_BEAT, .code = ECG_CODE_NORMAL, .at_s = 1.5, .text = "note: 后"},
        {.kind = ECG_MARK_T_OFF, .at_s = 2, .lead_id = ECG_LEAD_II, .text = ""},
        {.kind = ECG_MARK_RHYTHM, .at_s = 3, .text = "(AFIB"},
        {.kind = ECG_MARK_OTHER, .at_s = 3.5, .text = "moved"},
    };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        struct ecg_mark m = marks[i];
        m.from_s = m.at_s;
        m.to_s = i == 4 ? m.at_s + 0.25 : m.at_s;
        ecg_record_add_mark(r, m);
    }
    struct ecg_record *again = write_and_read(r, ECG_FORMAT_EDF, &lost);
    ck_assert_uint_eq(lost.n, 0);
    ck_assert_int_eq(again->start.usec, 250000);
    ck_assert_uint_eq(again->nmarks, r->nmarks);
    for (size_t i = 0; i < r->nmarks; i++) {
        const struct ecg_mark *a = &r->marks[i];
        const struct ecg_mark *b = NULL;
        for (size_t k = 0; k < again->nmarks; k++)
            if (fabs(again->marks[k].at_s - a->at_s) < 1e-6)
                b = &again->marks[k];
        ck_assert_ptr_nonnull(b);
        ck_assert_int_eq(a->kind, b->kind);
        ck_assert_int_eq(a->code, b->code);
        ck_assert_int_eq(a->lead_id, b->lead_id);
        ck_assert_str_eq(a->text, b->text);
        ck_assert_double_eq_tol(a->to_s, b->to_s, 1e-6);
    }
    base_buf_deinit(&lost);
    ecg_record_free(again);
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ecg_convert");
    TCase *t = tcase_create("convert");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, samples_are_equal_within_a_count_of_every_target, 0,
                        sizeof sources / sizeof *sources);
    tcase_add_loop_test(t, findings_and_the_median_beat_go_to_aecg_and_scp, 0, 2);
    tcase_add_test(t, odd_scales_large_values_and_gaps_survive_or_are_listed);
    tcase_add_test(t, each_field_is_in_the_output_or_listed);
    tcase_add_test(t, a_long_text_is_whole_or_its_end_is_listed);
    tcase_add_test(t, what_identifies_is_never_cut_short);
    tcase_add_test(t, a_start_is_right_to_the_microsecond_or_its_loss_is_listed);
    tcase_add_test(t, what_an_output_says_otherwise_is_listed);
    tcase_add_test(t, a_date_without_a_time_and_a_zone_are_kept_or_listed);
    tcase_add_test(t, all_given_names_go_to_aecg_and_back);
    tcase_add_test(t, a_modified_lead_two_keeps_its_name);
    tcase_add_test(t, what_dicom_cannot_hold_of_a_lead_is_listed);
    tcase_add_test(t, what_would_grow_out_of_measure_is_refused);
    tcase_add_test(t, a_few_samples_of_a_very_high_rate_do_not_fill_a_second_of_edf);
    tcase_add_test(t, what_fills_the_last_record_of_edf_is_no_wave);
    tcase_add_loop_test(t, a_lead_called_as_annotations_are_stays_a_lead, 0, 3);
    tcase_add_test(t, a_table_without_samples_is_refused);
    tcase_add_test(t, annotations_go_to_edf_and_back);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
