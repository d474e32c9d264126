/*
 * Philips XML (SierraECG, PhilipsECG) of versions 1.03 and 1.04: the document, its
 * patient, device and time. Waveforms are in ecg_philips_wave.c.
 */
#include "base/base64.h"
#include "ecg/ecg_format.h"
#include "ecg/ecg_hl7_time.h"
#include "ecg/ecg_philips_priv.h"
#include "ecg/ecg_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

bool ecg_philips_probe(struct base_bytes file)
{
    char root[40];
    ecg_xml_root(file, root, sizeof root);
    return strcmp(root, "restingecgdata") == 0;
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* "2011-12-01" and "07:27:34", which may be empty. False when one is none of these: *out has the
 * day, if that is one. */
static bool time_of(const char *date, const char *time, struct ecg_time *out)
{
    char whole[64];
    struct ecg_time t;
    if (!ecg_hl7_time_parse(date, &t))
        return false;
    *out = t;
    if (!time[0])
        return true;
    snprintf(whole, sizeof whole, "%sT%s", date, time);
    if (!ecg_hl7_time_parse(whole, &t) || !t.has_time)
        return false;
    *out = t;
    return true;
}

/* Of a rate, a resolution, a length or a number of leads: above 0. */
static bool number_attribute(struct philips *p, const char *name, double *out)
{
    char value[32];
    double v;
    if (!ecg_xml_attribute(p->x, name, value, sizeof value) || !ecg_text_number(value, &v) ||
        !(v > 0))
        return false;
    *out = v;
    return true;
}

/* How the samples are packed. In a way that is not known they would be read as a noise. */
static void read_packing(struct philips *p)
{
    char encoding[24];
    char method[24];
    char flag[8];
    if (!ecg_xml_attribute(p->x, "compression", method, sizeof method))
        ecg_xml_attribute(p->x, "compressmethod", method, sizeof method);
    ecg_xml_attribute(p->x, "compressflag", flag, sizeof flag);
    ecg_xml_attribute(p->x, "dataencoding", encoding, sizeof encoding);
    bool is_xli = strcasecmp(method, "XLI") == 0;
    bool has_method = method[0] && strcasecmp(method, "None") != 0;
    bool is_compressed = has_method || strcasecmp(flag, "True") == 0;
    is_compressed = is_compressed && strcasecmp(flag, "False") != 0;
    p->plain = strcasecmp(encoding, "Plain") == 0;
    p->compressed = is_compressed && !p->plain;
    if (encoding[0] && !p->plain && strcasecmp(encoding, "Base64") != 0)
        memcpy(p->unknown, encoding, sizeof encoding);
    else if (p->compressed && has_method && !is_xli)
        memcpy(p->unknown, method, sizeof method);
}

/* "60 120": the mains, and what goes with it. */
static void read_notch(struct philips *p, const char *filtered, const char *hz)
{
    char first[16];
    p->is_notched |= strcasecmp(filtered, "True") == 0;
    snprintf(first, sizeof first, "%.*s", (int)strcspn(hz, " "), hz);
    (void)ecg_text_number(first, &p->notch_hz);
}

/* What became of the samples since they were taken. */
static void read_processing(struct philips *p)
{
    char filtered[8];
    char hz[24];
    char is_signed[8];
    char offset[24];
    (void)number_attribute(p, "hipass", &p->r->filters.high_pass_hz);
    (void)number_attribute(p, "lowpass", &p->r->filters.low_pass_hz);
    ecg_xml_attribute(p->x, "notchfiltered", filtered, sizeof filtered);
    ecg_xml_attribute(p->x, "notchfilterfreqs", hz, sizeof hz);
    read_notch(p, filtered, hz);
    if (ecg_xml_attribute(p->x, "signalsigned", is_signed, sizeof is_signed))
        p->is_unsigned = strcasecmp(is_signed, "False") == 0;
    if (ecg_xml_attribute(p->x, "signaloffset", offset, sizeof offset))
        (void)ecg_text_number(offset, &p->offset);
}

/* 1.03 and 1.04 name the attributes differently. */
static void begin_waves(struct philips *p)
{
    double v;
    read_processing(p);
    (void)number_attribute(p, "samplespersecond", &p->rate);
    (void)number_attribute(p, "resolution", &p->resolution);
    (void)number_attribute(p, "durationperchannel", &p->duration_ms);
    p->is_counted = number_attribute(p, "numberofleads", &v) && v >= 1 && v <= 64;
    if (p->is_counted)
        p->nleads = (size_t)v;
    const char *labels = ecg_xml_attribute_text(p->x, "leadlabels");
    if (labels[0])
        p->labels = labels;
    p->bits = 16;
    (void)(number_attribute(p, "bitspersample", &p->bits) ||
           number_attribute(p, "nbitspersample", &p->bits));
    read_packing(p);
}

static void begin_data(struct philips *p)
{
    p->in_data = true;
    p->line = ecg_xml_line(p->x);
    base_buf_reset(&p->encoded);
}

static void begin_beat(struct philips *p)
{
    ecg_xml_attribute(p->x, "leadname", p->beat_lead, sizeof p->beat_lead);
    for (size_t i = 0; i < 6; i++)
        p->beat[i] = (double)NAN;
    /* 1.03 has the samples here, 1.04 in an element of their own. */
    begin_data(p);
}

static void begin_acquisition(struct philips *p)
{
    char date[24];
    char time[24];
    ecg_xml_attribute(p->x, "date", date, sizeof date);
    ecg_xml_attribute(p->x, "time", time, sizeof time);
    if (!time_of(date, time, &p->r->start) && (date[0] || time[0]))
        ecg_record_note(p->r, BASE_NOPOS,
                        "Philips XML, line %u: the acquisition has no date YYYY-MM-DD and time "
                        "HH:MM:SS",
                        ecg_xml_line(p->x));
}

static void on_start(void *arg, struct ecg_xml *x, const char *name)
{
    struct philips *p = arg;
    char label[24];
    p->x = x;
    p->in_data = false;
    if (is(name, "dataacquisition")) {
        begin_acquisition(p);
    } else if (is(name, "machine")) {
        p->r->device.serial = ecg_xml_attribute_text(x, "machineid");
        p->r->device.software = ecg_xml_attribute_text(x, "detaildescription");
    } else if (is(name, "parsedwaveforms")) {
        begin_waves(p);
        begin_data(p);
    } else if (is(name, "repbeats")) {
        p->beat_rate = p->beat_resolution = 0;
        (void)(number_attribute(p, "samplespersec", &p->beat_rate) ||
               number_attribute(p, "samplespersecond", &p->beat_rate));
        (void)number_attribute(p, "resolution", &p->beat_resolution);
    } else if (is(name, "repbeat")) {
        begin_beat(p);
    } else if (is(name, "waveform") && ecg_xml_in(x, "repbeat")) {
        begin_data(p);
    } else if (is(name, "leadmeasurement")) {
        ecg_xml_attribute(x, "leadname", label, sizeof label);
        p->lead_id = ecg_lead_by_name(label, strlen(label));
    } else if (is(name, "interpretation")) {
        ecg_philips_interpretation(p);
    } else if (is(name, "severity") && !ecg_philips_is_elsewhere(p)) {
        p->code = ecg_xml_attribute_text(x, "code");
    }
}

static bool on_text(void *arg, struct ecg_xml *x, const char *s, size_t n)
{
    struct philips *p = arg;
    (void)x;
    if (!p->in_data)
        return false;
    base_buf_add(&p->encoded, s, n);
    ecg_record_fail(p->r, p->encoded.err);
    return true;
}

/* ---- ends ---- */

static void end_data(struct philips *p, const char *name)
{
    p->in_data = false;
    base_buf_reset(&p->data);
    bool numbers = p->plain && is(name, "parsedwaveforms");
    bool ok = numbers ? ecg_philips_numbers(p)
                      : base_base64_decode(base_buf_cstr(&p->encoded), p->encoded.n, &p->data);
    if (!ok)
        ecg_record_damage(p->r, BASE_NOPOS,
                          "Philips XML, line %u: %s data are damaged, the rest of them is lost",
                          p->line, numbers ? "plain" : "Base64");
    p->data_cut = !ok || ecg_xml_is_broken(p->x);
    ecg_record_fail(p->r, p->data.err);
    base_buf_reset(&p->encoded);
}

static void beat_field(struct philips *p, const char *name)
{
    static const char *const names[] = {"pdur", "print", "qonset", "qrsdur", "tonset", "qtint"};
    for (size_t i = 0; i < 6; i++)
        if (is(name, names[i]) && !ecg_xml_number(p->x, &p->beat[i]))
            p->beat[i] = (double)NAN;
}

static void signal_field(struct philips *p, const char *name)
{
    struct ecg_filters *f = &p->r->filters;
    double v;
    if (is(name, "notchfiltered"))
        read_notch(p, ecg_xml_bytes(p->x), "");
    else if (is(name, "notchfilterfreqs"))
        read_notch(p, "", ecg_xml_bytes(p->x));
    else if (is(name, "signalsigned"))
        p->is_unsigned = strcasecmp(ecg_xml_bytes(p->x), "False") == 0;
    else if (is(name, "signaloffset"))
        (void)ecg_xml_number(p->x, &p->offset);
    if (!ecg_xml_number(p->x, &v) || !(v > 0))
        return;
    if (is(name, "samplingrate"))
        p->rate = v;
    else if (is(name, "resolution") || is(name, "signalresolution"))
        p->resolution = v;
    else if (is(name, "numberchannelsvalid") && v <= 64)
        p->nleads = (size_t)v;
    else if (is(name, "hipass"))
        f->high_pass_hz = v;
    else if (is(name, "lowpass"))
        f->low_pass_hz = v;
    else if (is(name, "acsetting"))
        p->mains_hz = v;
}

/* "0.05-150", of 1.03 */
static void bandwidth(struct philips *p)
{
    char low[24];
    double from;
    double to;
    const char *s = ecg_xml_bytes(p->x);
    const char *dash = strchr(s, '-');
    if (!dash || (size_t)(dash - s) >= sizeof low)
        return;
    snprintf(low, sizeof low, "%.*s", (int)(dash - s), s);
    if (ecg_text_number(low, &from) && ecg_text_number(dash + 1, &to)) {
        p->r->filters.high_pass_hz = from;
        p->r->filters.low_pass_hz = to;
    }
}

static void patient(struct philips *p, const char *name)
{
    struct ecg_patient *who = &p->r->patient;
    static const char *const names[] = {"lastname", "firstname", "middlename"};
    const char *s = ecg_xml_bytes(p->x);
    struct ecg_time t;
    double v = 0;
    for (size_t i = 0; i < 3; i++)
        if (is(name, names[i]))
            p->names[i] = ecg_xml_text_of_name(p->x, &who->name.guessed);
    static const struct {
        const char *name;
        char unit;
    } ages[] = {{"years", 'Y'}, {"months", 'M'}, {"weeks", 'W'}, {"days", 'D'}, {"hours", 'H'}};
    bool number = ecg_text_number(s, &v) && v > 0 && v < 1000;
    for (size_t i = 0; i < sizeof ages / sizeof *ages; i++)
        if (number && is(name, ages[i].name)) {
            who->age = (int)v;
            who->age_unit = ages[i].unit;
        }
    if (is(name, "patientid"))
        who->id = ecg_xml_text_raw(p->x);
    else if (is(name, "sex"))
        who->sex = ecg_text_sex(s);
    else if (is(name, "dateofbirth") && time_of(s, "", &t))
        who->birth = t.date;
    else if (is(name, "dateofbirth") && s[0])
        ecg_record_note(p->r, BASE_NOPOS, "Philips XML, line %u: the birth date is no date",
                        ecg_xml_line(p->x));
    else if (!number)
        return;
    else if (is(name, "cm"))
        who->height_cm = v;
    else if (is(name, "inch"))
        who->height_cm = v * 2.54;
    else if (is(name, "kg"))
        who->weight_kg = v;
    else if (is(name, "lb"))
        who->weight_kg = v * 0.45359237;
}

static void acquisition(struct philips *p, const char *name)
{
    struct ecg_device *d = &p->r->device;
    if (is(name, "machine"))
        d->model = ecg_xml_text(p->x);
    else if (is(name, "institutionname"))
        d->institution = ecg_xml_text(p->x);
    else if (is(name, "departmentname") || (is(name, "departmentid") && !d->department[0]))
        d->department = ecg_xml_text(p->x);
    else if (is(name, "operatorid"))
        d->technician = ecg_xml_text(p->x);
    else if (is(name, "signalbandwidth"))
        bandwidth(p);
    else
        signal_field(p, name);
}

static void document(struct philips *p, const char *name)
{
    if (is(name, "documenttype")) {
        snprintf(p->type, sizeof p->type, "%s", ecg_xml_bytes(p->x));
        p->known = is(p->type, "SierraECG") || is(p->type, "PhilipsECG");
    } else if (is(name, "documentversion")) {
        p->r->version = ecg_xml_text(p->x);
    }
}

static void on_end(void *arg, struct ecg_xml *x, const char *name)
{
    struct philips *p = arg;
    p->x = x;
    if (p->in_data) {
        end_data(p, name);
        if (is(name, "parsedwaveforms") && p->r->nleads == 0)
            ecg_philips_waves(p);
        else if (!is(name, "parsedwaveforms"))
            ecg_philips_beat(p);
    } else if (ecg_xml_in(x, "documentinfo")) {
        document(p, name);
    } else if (ecg_xml_in(x, "repbeat")) {
        beat_field(p, name);
    } else if (ecg_xml_in(x, "generalpatientdata")) {
        patient(p, name);
    } else if (ecg_xml_in(x, "dataacquisition")) {
        acquisition(p, name);
    } else if (ecg_xml_in(x, "reportbandwidth") && is(name, "notchfiltersetting")) {
        (void)ecg_xml_number(x, &p->r->filters.notch_hz);
    } else if (is(name, "ordernumber")) {
        p->r->accession = ecg_xml_text(x);
    } else {
        ecg_philips_finding(p, name);
    }
}

static void finish(struct philips *p)
{
    ecg_philips_findings_end(p);
    if (p->is_notched)
        p->r->filters.notch_hz = p->notch_hz > 0 ? p->notch_hz : p->mains_hz;
    size_t last = p->names[2][0] ? 3 : p->names[1][0] ? 2 : p->names[0][0] ? 1 : 0;
    if (last)
        p->r->patient.name.utf8 =
            ecg_record_printf(p->r, "%s%s%s%s%s", p->names[0], last > 1 ? "^" : "",
                              last > 1 ? p->names[1] : "", last > 2 ? "^" : "", p->names[2]);
    p->r->device.manufacturer = "Philips";
}

static enum base_err refuse(const struct philips *p, struct base_error *err)
{
    if (!p->type[0])
        return base_fail(err, BASE_EFORMAT, BASE_NOPOS,
                         "Philips XML: the document has no documenttype");
    return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                     "Philips XML: documenttype is \"%.40s\", not SierraECG or PhilipsECG; export "
                     "the recording as Philips XML 1.03 or 1.04",
                     p->type);
}

enum base_err ecg_philips_parse(struct base_bytes file, struct ecg_record *r,
                                struct base_error *err)
{
    static const struct ecg_xml_handler handler = {
        .start = on_start, .end = on_end, .text = on_text};
    struct philips *p = calloc(1, sizeof *p);
    if (!p)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "Philips XML: out of memory");
    p->r = r;
    p->labels = p->code = p->left = p->right = "";
    p->names[0] = p->names[1] = p->names[2] = "";
    for (unsigned i = 0; i < ECG_MEASURE_COUNT; i++)
        p->measured[i] = (double)NAN;
    r->format = "Philips XML";
    r->median_fiducial_s = -1;
    enum base_err e = ecg_xml_read(file, "Philips XML", &handler, p, r, err);
    if (!e && !p->known)
        e = refuse(p, err);
    if (!e)
        finish(p);
    if (!e && r->err)
        e = base_fail(err, r->err, BASE_NOPOS, "Philips XML: %s", base_err_text(r->err));
    if (!e && r->nleads == 0)
        e = base_fail(err, BASE_EFORMAT, BASE_NOPOS,
                      "Philips XML: the document has no parsedwaveforms; export the recording "
                      "with its waveforms");
    base_buf_deinit(&p->encoded);
    base_buf_deinit(&p->data);
    free(p);
    return e;
}
