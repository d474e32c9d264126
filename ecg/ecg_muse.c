/*
 * GE MUSE XML (RestingECG): rhythm and median waveforms as Base64 of 16-bit samples,
 * of which eight leads are stored; the cart's measurements, its matrix of
 * measurements per lead, statements and the times of its beats.
 */
#include "base/base64.h"
#include "ecg/ecg_derive.h"
#include "ecg/ecg_format.h"
#include "ecg/ecg_hl7_time.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_unit.h"
#include "ecg/ecg_xml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

enum { USUAL_HZ = 500 }; /* what carts have */

struct muse {
    struct ecg_xml *x;
    struct ecg_record *r;
    struct base_buf encoded; /* Base64, of the element that is open */
    struct base_buf data;    /* the same decoded */
    bool in_data;
    bool median;     /* of the waveform */
    double base;     /* samples per second: base * 10^exponent */
    double exponent; /* of the waveform, or of the measurements */
    size_t first_lead;

    double per_bit; /* of the lead, in its unit */
    double unit_uv;
    double time_offset_ms;
    double first_sample; /* of the waveform, where the lead begins */
    unsigned line;
    char lead[24];
    bool has_crc;
    uint32_t crc;
    size_t stated; /* samples */
    bool lead_off;
    bool wrong_size;
    bool odd_scale; /* its amplitude is stated in a way that is not known */

    double onsets[5]; /* POnset, POffset, QOnset, QOffset, TOffset, in samples */
    double beat_ms;
    char beat_type[16];
    struct base_buf statement;
    bool ends_line;
    const char *last_name;
    const char *first_name;
    char date[24];
    char time[24];
};

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

static double rate_of(double base, double exponent)
{
    double rate = base * pow(10, exponent);
    return rate > 0 && rate <= 1e6 ? rate : 0;
}

/* ---- waveforms ---- */

static void begin_lead(struct muse *m)
{
    m->per_bit = 4.88; /* what all carts have */
    m->unit_uv = 1;
    m->time_offset_ms = m->first_sample = 0;
    m->lead[0] = '\0';
    m->has_crc = m->lead_off = m->wrong_size = m->odd_scale = false;
    m->stated = 0;
    m->line = ecg_xml_line(m->x);
    base_buf_reset(&m->data);
}

static void begin_waveform(struct muse *m)
{
    m->median = false;
    m->base = m->exponent = 0;
    m->first_lead = SIZE_MAX;
}

/* How many µV one count has, and in what unit. What is not understood leaves what all carts have.
 */
static void amplitude_field(struct muse *m, const char *name)
{
    const char *s = ecg_xml_bytes(m->x);
    double *to = is(name, "LeadAmplitudeUnits") ? &m->unit_uv : &m->per_bit;
    double v = 0;
    bool known = to == &m->per_bit ? ecg_text_number(s, &v) && v > 0
                                   : (v = ecg_unit_uv(base_bytes_str(s))) > 0;
    if (known)
        *to = v;
    m->odd_scale |= !known && s[0];
}

static void lead_field(struct muse *m, const char *name)
{
    const char *s = ecg_xml_bytes(m->x);
    double v = 0;
    bool number = ecg_text_number(s, &v);
    if (is(name, "LeadAmplitudeUnits") || is(name, "LeadAmplitudeUnitsPerBit"))
        amplitude_field(m, name);
    else if (is(name, "LeadID"))
        snprintf(m->lead, sizeof m->lead, "%s", s);
    else if (is(name, "LeadOff"))
        m->lead_off = strcasecmp(s, "TRUE") == 0;
    else if (!number)
        return;
    else if (is(name, "LeadTimeOffset"))
        m->time_offset_ms = v;
    else if (is(name, "LeadOffsetFirstSample") && v >= 0 && v < 1e9)
        m->first_sample = v;
    else if (is(name, "LeadSampleCountTotal") && v >= 0 && v < 1e9)
        m->stated = (size_t)v;
    else if (is(name, "LeadSampleSize"))
        m->wrong_size = v != 2;
    else if (is(name, "LeadDataCRC32") && v >= 0 && v <= UINT32_MAX) {
        m->has_crc = true;
        m->crc = (uint32_t)v;
    }
}

static void note(struct muse *m, bool is_damage, const char *text)
{
    (is_damage ? ecg_record_damage : ecg_record_note)(
        m->r, BASE_NOPOS, "GE MUSE, line %u: lead %s%s: %s", m->line,
        m->lead[0] ? m->lead : "without a name", m->median ? " (median)" : "", text);
}

/* The checksum is CRC-32 (as of zlib) of the samples as they are stored. */
static void check_lead(struct muse *m, size_t n)
{
    if (m->lead_off)
        note(m, false, "was off, as the cart says");
    if (m->stated && n < m->stated)
        note(m, true, "has fewer samples than it states");
    if (m->odd_scale)
        note(m, true,
             "what is not understood of its scale is taken to be as carts have it, 4.88 uV "
             "per bit: amplitudes may be wrong");
    if (m->has_crc && (m->data.n > UINT32_MAX ||
                       crc32(crc32(0, NULL, 0), m->data.p, (unsigned)m->data.n) != m->crc))
        note(m, true, "its checksum (LeadDataCRC32) disagrees: samples may be wrong");
}

static void end_lead(struct muse *m)
{
    size_t n = m->data.n / 2;
    if (m->wrong_size) {
        note(m, true, "its samples have not 2 bytes: it is left out");
        return;
    }
    if (n == 0) {
        note(m, true, "has no samples: it is left out");
        return;
    }
    check_lead(m, n);
    if (m->first_lead == SIZE_MAX)
        m->first_lead = m->median ? m->r->nmedians : m->r->nleads;
    struct ecg_lead *lead = m->median ? ecg_record_add_median(m->r) : ecg_record_add_lead(m->r);
    enum base_err e = lead ? ecg_record_set_i16(m->r, lead, n) : BASE_OK;
    if (!lead || e) {
        m->r->err = m->r->err ? m->r->err : e;
        return;
    }
    bool lowest = false;
    for (size_t i = 0; i < n; i++) {
        lead->i16[i] = (int16_t)base_load_le16(m->data.p + 2 * i);
        lowest |= lead->i16[i] == INT16_MIN;
    }
    ecg_text_name_lead(m->r, base_bytes_str(m->lead), lead);
    lead->uv_per_count = m->per_bit * m->unit_uv;
    double rate = rate_of(m->base, m->exponent);
    lead->start_s =
        m->median ? 0 : m->time_offset_ms / 1000 + m->first_sample / (rate > 0 ? rate : USUAL_HZ);
    if (lowest && !m->r->err)
        m->r->err = ecg_record_widen(m->r, lead); /* here it is a value */
}

static void end_waveform(struct muse *m)
{
    struct ecg_lead *leads = m->median ? m->r->medians : m->r->leads;
    size_t n = m->median ? m->r->nmedians : m->r->nleads;
    double rate = rate_of(m->base, m->exponent);
    if (m->first_lead == SIZE_MAX)
        return;
    if (rate == 0) {
        ecg_record_damage(m->r, BASE_NOPOS,
                          "GE MUSE, line %u: a waveform without SampleBase, %d Hz assumed",
                          ecg_xml_line(m->x), USUAL_HZ);
        rate = USUAL_HZ;
    }
    for (size_t i = m->first_lead; i < n; i++)
        leads[i].rate_hz = rate;
    m->first_lead = SIZE_MAX;
}

static void waveform_field(struct muse *m, const char *name)
{
    struct ecg_filters *f = &m->r->filters;
    double v = 0;
    bool number = ecg_xml_number(m->x, &v);
    if (is(name, "WaveformType"))
        m->median = strcasecmp(ecg_xml_bytes(m->x), "Median") == 0;
    else if (!number)
        return;
    else if (is(name, "SampleBase"))
        m->base = v;
    else if (is(name, "SampleExponent"))
        m->exponent = v;
    else if (m->median || !(v > 0))
        return;
    else if (is(name, "HighPassFilter"))
        f->high_pass_hz = v / 100; /* in 0.01 Hz */
    else if (is(name, "LowPassFilter"))
        f->low_pass_hz = v;
    else if (is(name, "ACFilter"))
        f->notch_hz = v;
}

/* ---- leads that are not stored ---- */

static void derive_group(struct ecg_record *r, bool median)
{
    for (int id = ECG_LEAD_III; id <= ECG_LEAD_AVF && !r->err; id++) {
        struct ecg_lead *leads = median ? r->medians : r->leads;
        size_t n = median ? r->nmedians : r->nleads;
        size_t at = 0;
        bool there = false;
        for (size_t k = 0; k < n; k++) {
            there |= leads[k].id == id;
            /* Behind the limb leads before it. */
            if (leads[k].id == ECG_LEAD_II || (id > ECG_LEAD_III && leads[k].id == id - 1))
                at = k + 1;
        }
        struct ecg_lead made;
        if (there || n == 0 || leads[0].samples > r->limits->samples - r->samples_used ||
            ecg_derive(leads, n, id, &made))
            continue;
        struct ecg_lead *end = median ? ecg_record_add_median(r) : ecg_record_add_lead(r);
        if (!end) {
            free(made.i32);
            return;
        }
        r->samples_used += made.samples;
        ecg_record_narrow(r, &made);
        leads = median ? r->medians : r->leads;
        memmove(leads + at + 1, leads + at, (n - at) * sizeof *leads);
        leads[at] = made;
    }
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
    double rate = rate_of(m->base, m->exponent);
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
    if (m->statement.n)
        ecg_record_add_statement(
            m->r, ecg_record_text(m->r, base_buf_cstr(&m->statement), m->statement.n), "");
    base_buf_reset(&m->statement);
}

static void diagnosis(struct muse *m, const char *name)
{
    if (is(name, "StmtFlag")) {
        m->ends_line |= strcasecmp(ecg_xml_bytes(m->x), "ENDSLINE") == 0;
    } else if (is(name, "StmtText")) {
        if (m->statement.n)
            base_buf_add_byte(&m->statement, ' ');
        base_buf_add_str(&m->statement, ecg_xml_text(m->x));
    } else if (is(name, "DiagnosisStatement")) {
        if (m->ends_line)
            flush_statement(m);
        m->ends_line = false;
    } else if (is(name, "Diagnosis")) {
        flush_statement(m);
    }
}

/* ---- patient and test ---- */

/* MM-DD-YYYY, or YYYY-MM-DD. */
static bool day_of(const char *text, struct ecg_time *out)
{
    char hl7[32];
    unsigned month, day, year;
    int end = 0;
    if (sscanf(text, "%2u-%2u-%4u%n", &month, &day, &year, &end) != 3 || text[end])
        return ecg_hl7_time_parse(text, out);
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

static void patient(struct muse *m, const char *name)
{
    struct ecg_patient *p = &m->r->patient;
    const char *s = ecg_xml_bytes(m->x);
    struct ecg_time t;
    double v = 0;
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
        p->age_unit = *s == 'M' ? 'M' : *s == 'W' ? 'W' : *s == 'D' ? 'D' : *s == 'H' ? 'H' : 'Y';
    else if (!ecg_text_number(s, &v) || v <= 0 || v > 1000)
        return;
    else if (is(name, "PatientAge")) {
        p->age = (int)v;
        p->age_unit = p->age_unit ? p->age_unit : 'Y';
    } else if (is(name, "HeightCM"))
        p->height_cm = v;
    else if (is(name, "HeightIN"))
        p->height_cm = v * 2.54;
    else if (is(name, "WeightKG"))
        p->weight_kg = v;
    else if (is(name, "WeightLBS"))
        p->weight_kg = v * 0.45359237;
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
        begin_waveform(m);
    else if (is(name, "LeadData"))
        begin_lead(m);
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
    if (m->encoded.err && !m->r->err)
        m->r->err = m->encoded.err;
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
    if (m->data.err && !m->r->err)
        m->r->err = m->data.err;
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
        end_lead(m);
    else if (is(name, "Waveform"))
        end_waveform(m);
    else if (is(name, "RestingECGMeasurements"))
        end_measurements(m);
    else if (is(name, "MuseVersion"))
        m->r->version = ecg_xml_text(x);
    else if (ecg_xml_in(x, "LeadData"))
        lead_field(m, name);
    else if (ecg_xml_in(x, "Waveform"))
        waveform_field(m, name);
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
    derive_group(r, false);
    derive_group(r, true);
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
    m->last_name = m->first_name = "";
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
