/*
 * GE MUSE XML (RestingECG): rhythm and median waveforms as Base64 of 16-bit samples,
 * of which eight leads are stored; the cart's measurements, its matrix of
 * measurements per lead, statements and the times of its beats.
 */
#include "base/base64.h"
#include "ecg/ecg_format.h"
#include "ecg/ecg_hl7_time.h"
#include "ecg/ecg_muse_priv.h"
#include "ecg/ecg_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

bool ecg_muse_probe(struct base_bytes file)
{
    char root[40];
    ecg_xml_root(file, root, sizeof root);
    return strcmp(root, "RestingECG") == 0;
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* ---- measurements ---- */

static const struct {
    const char *name;
    enum ecg_measure what;
} globals[] = {
    {"VentricularRate", ECG_MEASURE_HEART_RATE},
    {"AtrialRate", ECG_MEASURE_ATRIAL_RATE},
    {"PRInterval", ECG_MEASURE_PR},
    {"QRSDuration", ECG_MEASURE_QRS},
    {"QTInterval", ECG_MEASURE_QT},
    {"QTCorrected", ECG_MEASURE_QTC},
    {"PAxis", ECG_MEASURE_P_AXIS},
    {"RAxis", ECG_MEASURE_QRS_AXIS},
    {"TAxis", ECG_MEASURE_T_AXIS},
};

static const struct {
    const char *name;
    enum ecg_mark_kind kind;
} onsets[] = {{"POnset", ECG_MARK_P_ON},
              {"POffset", ECG_MARK_P_OFF},
              {"QOnset", ECG_MARK_QRS_ON},
              {"QOffset", ECG_MARK_QRS_OFF},
              {"TOffset", ECG_MARK_T_OFF}};

static void measurement(struct muse *m, const char *name)
{
    double v = 0;
    if (!ecg_xml_number(m->x, &v))
        return;
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (is(name, globals[i].name))
            ecg_record_add_measurement(m->r, globals[i].what, 0, v, NULL, NULL);
    for (size_t i = 0; i < sizeof onsets / sizeof *onsets; i++)
        if (is(name, onsets[i].name))
            m->onsets[i] = v;
    if (is(name, "ECGSampleBase"))
        m->base = v;
    else if (is(name, "ECGSampleExponent"))
        m->exponent = v;
    else if (is(name, "GlobalRR"))
        ecg_record_add_measurement(m->r, ECG_MEASURE_RR, 0, v, NULL, NULL);
}

/* Onsets are in samples of the median beat. */
static void end_measurements(struct muse *m)
{
    double rate = ecg_muse_rate(m->base, m->exponent);
    for (size_t i = 0; i < sizeof onsets / sizeof *onsets; i++) {
        double at = m->onsets[i] / rate;
        if (rate > 0 && m->onsets[i] > 0 && at < 60)
            ecg_record_add_mark(m->r, (struct ecg_mark){.kind = onsets[i].kind,
                                                        .on_median = true,
                                                        .at_s = at,
                                                        .from_s = at,
                                                        .to_s = at});
    }
}

/*
 * The matrix: 18 words of global values, then for each of 12 leads 53 values of 4
 * bytes: u8 lead, u8 index, i16 value in uV or ms. What the values are was told
 * from recordings: amplitudes are those of the median beat less its value at QRS
 * onset. Those of which this is certain are taken.
 */
static void end_matrix(struct muse *m)
{
    enum { GLOBAL = 36, LEADS = 12, ENTRY = 4 };
    static const int ids[LEADS] = {ECG_LEAD_I,   ECG_LEAD_II,  ECG_LEAD_V1,  ECG_LEAD_V2,
                                   ECG_LEAD_V3,  ECG_LEAD_V4,  ECG_LEAD_V5,  ECG_LEAD_V6,
                                   ECG_LEAD_III, ECG_LEAD_AVR, ECG_LEAD_AVL, ECG_LEAD_AVF};
    static const struct {
        uint8_t index;
        int8_t sign; /* depths are stored positive */
        enum ecg_measure what;
    } rows[] = {{2, 1, ECG_MEASURE_P_DURATION},   {9, -1, ECG_MEASURE_Q_AMPLITUDE},
                {10, 1, ECG_MEASURE_Q_DURATION},  {13, 1, ECG_MEASURE_R_AMPLITUDE},
                {14, 1, ECG_MEASURE_R_DURATION},  {17, -1, ECG_MEASURE_S_AMPLITUDE},
                {18, 1, ECG_MEASURE_S_DURATION},  {21, 1, ECG_MEASURE_R2_AMPLITUDE},
                {22, 1, ECG_MEASURE_R2_DURATION}, {25, -1, ECG_MEASURE_S2_AMPLITUDE},
                {26, 1, ECG_MEASURE_S2_DURATION}, {29, 1, ECG_MEASURE_J_AMPLITUDE}};
    struct base_bytes b = base_buf_bytes(&m->data);
    for (size_t i = GLOBAL; i + ENTRY <= b.n; i += ENTRY) {
        const uint8_t *p = b.p + i;
        int value = (int16_t)base_load_le16(p + 2);
        for (size_t k = 0; k < sizeof rows / sizeof *rows && p[0] < LEADS; k++)
            /* A wave of no height or length is none. */
            if (rows[k].index == p[1] && (value || rows[k].what == ECG_MEASURE_J_AMPLITUDE))
                ecg_record_add_measurement(m->r, rows[k].what, ids[p[0]], value * rows[k].sign,
                                           NULL, NULL);
    }
}

static void end_beat(struct muse *m)
{
    double at = m->beat_ms / 1000;
    if (!(at >= 0))
        return;
    /* A long one may be cut within a character. */
    const char *type = ecg_text_undeclared(m->r, base_bytes_str(m->beat_type));
    ecg_record_add_mark(
        m->r, (struct ecg_mark){
                  .kind = ECG_MARK_BEAT, .at_s = at, .from_s = at, .to_s = at, .text = type});
}

/* ---- statements ---- */

static void flush_statement(struct muse *m)
{
    ecg_record_fail(m->r, m->statement.err);
    if (m->statement.n)
        ecg_record_add_statement(
            m->r, ecg_record_text(m->r, base_buf_cstr(&m->statement), m->statement.n), "");
    base_buf_reset(&m->statement);
}

/* A part of a statement; one that a reader struck out is kept in the file, and flagged. */
static void end_part(struct muse *m)
{
    if (m->part[0] && !m->is_deleted) {
        if (m->statement.n)
            base_buf_add_byte(&m->statement, ' ');
        base_buf_add_str(&m->statement, m->part);
    }
    if (m->ends_line)
        flush_statement(m);
    m->part = "";
    m->ends_line = m->is_deleted = false;
}

static void diagnosis(struct muse *m, const char *name)
{
    if (is(name, "StmtFlag")) {
        m->ends_line |= strcasecmp(ecg_xml_bytes(m->x), "ENDSLINE") == 0;
        m->is_deleted |= strcasecmp(ecg_xml_bytes(m->x), "DELETED") == 0;
    } else if (is(name, "StmtText")) {
        m->part = ecg_xml_text(m->x);
    } else if (is(name, "DiagnosisStatement")) {
        end_part(m);
    } else if (is(name, "Diagnosis")) {
        flush_statement(m);
    }
}

/* ---- patient and test ---- */

/* MM-DD-YYYY, or YYYY-MM-DD; not all who write this have dashes. */
static bool day_of(const char *text, struct ecg_time *out)
{
    char dashed[32];
    char hl7[32];
    unsigned month, day, year;
    int end = 0;
    snprintf(dashed, sizeof dashed, "%s", text);
    for (char *c = dashed; *c && !strchr(text, '-'); c++)
        *c = *c == '/' ? '-' : *c;
    if (sscanf(dashed, "%2u-%2u-%4u%n", &month, &day, &year, &end) != 3 || dashed[end])
        return ecg_hl7_time_parse(dashed, out);
    snprintf(hl7, sizeof hl7, "%04u%02u%02u", year, month, day);
    return year >= 1000 && ecg_hl7_time_parse(hl7, out); /* of two digits it may be any century */
}

/* HH:MM[:SS] and nothing behind it, as "PM" would be. */
static bool clock_of(const char *text, struct ecg_time *out)
{
    unsigned h = 0, min = 0, s = 0;
    int end = 0;
    (void)sscanf(text, "%2u:%2u%n:%2u%n", &h, &min, &end, &s, &end);
    return end > 0 && text[end] == '\0' && ecg_time_set(out, h, min, s);
}

/* Without one, years are meant. */
static void age_unit(struct muse *m, const char *s)
{
    static const struct {
        const char *word;
        char unit;
    } rows[] = {{"Y", 'Y'}, {"MO", 'M'}, {"W", 'W'}, {"D", 'D'}, {"H", 'H'}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows && s[0]; i++)
        if (strncasecmp(s, rows[i].word, strlen(rows[i].word)) == 0) {
            m->age_unit = rows[i].unit;
            return;
        }
    m->is_age_odd = s[0] != '\0';
    if (m->is_age_odd)
        ecg_record_note(m->r, BASE_NOPOS,
                        "GE MUSE, line %u: the age is in AgeUnits that are not known, it is left "
                        "out",
                        ecg_xml_line(m->x));
}

/* Age, height and weight; of 0 as good as none. */
static void amount(struct muse *m, const char *name, const char *s)
{
    enum { MOST = 1000 };
    struct ecg_patient *p = &m->r->patient;
    double age = 0;
    const struct {
        const char *name;
        double *to;
        double factor;
    } rows[] = {{"PatientAge", &age, 1},
                {"HeightCM", &p->height_cm, 1},
                {"HeightIN", &p->height_cm, 2.54},
                {"WeightKG", &p->weight_kg, 1},
                {"WeightLBS", &p->weight_kg, 0.45359237}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double v = 0;
        if (!is(name, rows[i].name) || !s[0])
            continue;
        if (!ecg_text_number(s, &v) || v < 0 || v > MOST)
            ecg_record_note(m->r, BASE_NOPOS, "GE MUSE, line %u: %s is no number, or none of these",
                            ecg_xml_line(m->x), name);
        else if (v > 0)
            *rows[i].to = v * rows[i].factor;
    }
    p->age = age > 0 ? (int)age : p->age;
}

static void patient(struct muse *m, const char *name)
{
    struct ecg_patient *p = &m->r->patient;
    const char *s = ecg_xml_bytes(m->x);
    struct ecg_time t;
    if (is(name, "PatientID"))
        p->id = ecg_xml_text_raw(m->x);
    else if (is(name, "PatientLastName"))
        m->last_name = ecg_xml_text_of_name(m->x, &m->r->patient.name.guessed);
    else if (is(name, "PatientFirstName"))
        m->first_name = ecg_xml_text_of_name(m->x, &m->r->patient.name.guessed);
    else if (is(name, "Gender"))
        p->sex = ecg_text_sex(s);
    else if (is(name, "DateofBirth") && day_of(s, &t))
        p->birth = t.date;
    else if (is(name, "DateofBirth") && s[0])
        ecg_record_note(m->r, BASE_NOPOS, "GE MUSE, line %u: the birth date is no date",
                        ecg_xml_line(m->x));
    else if (is(name, "AgeUnits"))
        age_unit(m, s);
    else
        amount(m, name, s);
}

static void test(struct muse *m, const char *name)
{
    struct ecg_device *d = &m->r->device;
    const char *s = ecg_xml_bytes(m->x);
    const struct {
        const char *name;
        const char **to;
    } rows[] = {{"AcquisitionDevice", &d->model},
                {"CartNumber", &d->serial},
                {"AcquisitionSoftwareVersion", &d->software},
                {"SiteName", &d->institution},
                {"LocationName", &d->department},
                {"AcquisitionTechLastName", &d->technician},
                {"ReferringMDLastName", &d->referring}};
    if (is(name, "AcquisitionDate"))
        snprintf(m->date, sizeof m->date, "%s", s);
    else if (is(name, "AcquisitionTime"))
        snprintf(m->time, sizeof m->time, "%s", s);
    else if (is(name, "Status"))
        m->r->confirmed = strcasecmp(s, "CONFIRMED") == 0     ? ECG_CONFIRMED_YES
                          : strcasecmp(s, "UNCONFIRMED") == 0 ? ECG_CONFIRMED_NO
                                                              : m->r->confirmed;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (is(name, rows[i].name))
            *rows[i].to = ecg_xml_text(m->x);
}

/* ---- SAX ---- */

static void on_start(void *arg, struct ecg_xml *x, const char *name)
{
    struct muse *m = arg;
    m->x = x;
    if (is(name, "Waveform"))
        ecg_muse_waveform_begin(m);
    else if (is(name, "LeadData"))
        ecg_muse_lead_begin(m);
    else if (is(name, "WaveFormData") || is(name, "MeasurementMatrix")) {
        m->in_data = true;
        base_buf_reset(&m->encoded);
    } else if (is(name, "QRS")) {
        m->beat_ms = -1;
        m->beat_type[0] = '\0';
    }
}

static bool on_text(void *arg, struct ecg_xml *x, const char *s, size_t n)
{
    struct muse *m = arg;
    (void)x;
    if (!m->in_data)
        return false;
    base_buf_add(&m->encoded, s, n);
    ecg_record_fail(m->r, m->encoded.err);
    return true;
}

static void end_data(struct muse *m)
{
    m->in_data = false;
    base_buf_reset(&m->data);
    if (!base_base64_decode(base_buf_cstr(&m->encoded), m->encoded.n, &m->data))
        ecg_record_damage(m->r, BASE_NOPOS,
                          "GE MUSE, line %u: Base64 data are damaged, the rest of them is lost",
                          ecg_xml_line(m->x));
    ecg_record_fail(m->r, m->data.err);
}

static void beat_field(struct muse *m, const char *name)
{
    if (is(name, "Time") && !ecg_xml_number(m->x, &m->beat_ms))
        m->beat_ms = -1;
    else if (is(name, "Type"))
        snprintf(m->beat_type, sizeof m->beat_type, "%s", ecg_xml_bytes(m->x));
    else if (is(name, "QRS"))
        end_beat(m);
    else if (is(name, "GlobalRR"))
        measurement(m, name);
}

static void on_end(void *arg, struct ecg_xml *x, const char *name)
{
    struct muse *m = arg;
    m->x = x;
    if (m->in_data)
        end_data(m);
    if (is(name, "MeasurementMatrix"))
        end_matrix(m);
    else if (is(name, "LeadData"))
        ecg_muse_lead_end(m);
    else if (is(name, "Waveform"))
        ecg_muse_waveform_end(m);
    else if (is(name, "RestingECGMeasurements"))
        end_measurements(m);
    else if (is(name, "MuseVersion"))
        m->r->version = ecg_xml_text(x);
    else if (ecg_xml_in(x, "LeadData"))
        ecg_muse_lead_field(m, name);
    else if (ecg_xml_in(x, "Waveform"))
        ecg_muse_waveform_field(m, name);
    else if (ecg_xml_in(x, "RestingECGMeasurements"))
        measurement(m, name);
    else if (ecg_xml_in(x, "QRSTimesTypes"))
        beat_field(m, name);
    else if (ecg_xml_in(x, "Diagnosis"))
        diagnosis(m, name);
    else if (ecg_xml_in(x, "PatientDemographics"))
        patient(m, name);
    else if (ecg_xml_in(x, "TestDemographics"))
        test(m, name);
    else if (is(name, "OrderNumber") || is(name, "AccessionNumber"))
        m->r->accession = ecg_xml_text(x);
}

static void finish(struct muse *m)
{
    struct ecg_record *r = m->r;
    struct ecg_time t;
    flush_statement(m);
    r->patient.age = m->is_age_odd ? 0 : r->patient.age;
    if (r->patient.age)
        r->patient.age_unit = m->age_unit ? m->age_unit : 'Y';
    if (m->last_name[0] || m->first_name[0])
        r->patient.name.utf8 = ecg_record_printf(r, "%s%s%s", m->last_name,
                                                 m->first_name[0] ? "^" : "", m->first_name);
    bool is_dated = day_of(m->date, &t);
    bool is_timed = is_dated && clock_of(m->time, &t);
    if (is_dated)
        r->start = t;
    if ((m->date[0] && !is_dated) || (m->time[0] && is_dated && !is_timed))
        ecg_record_note(r, BASE_NOPOS,
                        "GE MUSE: the acquisition has no date MM-DD-YYYY and time HH:MM:SS");
    r->device.manufacturer = "GE";
}

enum base_err ecg_muse_parse(struct base_bytes file, struct ecg_record *r, struct base_error *err)
{
    static const struct ecg_xml_handler handler = {
        .start = on_start, .end = on_end, .text = on_text};
    struct muse *m = calloc(1, sizeof *m);
    if (!m)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "GE MUSE: out of memory");
    m->r = r;
    m->last_name = m->first_name = m->part = "";
    m->first_lead = SIZE_MAX;
    base_buf_init(&m->statement, r->limits->text);
    r->format = "GE MUSE XML";
    r->median_fiducial_s = -1;
    enum base_err e = ecg_xml_read(file, "GE MUSE", &handler, m, r, err);
    if (!e)
        finish(m);
    if (!e && r->err)
        e = base_fail(err, r->err, BASE_NOPOS, "GE MUSE: %s", base_err_text(r->err));
    if (!e && r->nleads == 0)
        e = base_fail(err, BASE_EFORMAT, BASE_NOPOS,
                      "GE MUSE: the document has no rhythm waveform with samples; export the test "
                      "with its waveforms");
    base_buf_deinit(&m->encoded);
    base_buf_deinit(&m->data);
    base_buf_deinit(&m->statement);
    free(m);
    return e;
}
