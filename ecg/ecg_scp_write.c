/*
 * Writes SCP-ECG version 1.3 (EN 1064): samples of 16 bits as they are, without
 * Huffman codes, differences or subtraction, which every reader understands.
 */
#include "base/utf8.h"
#include "ecg/ecg_crc.h"
#include "ecg/ecg_format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SECTIONS = 12,
    SECTION_HEADER = 16,
    LEADS_MAX = 255,
    SAMPLES_MAX = 32767, /* u16 bytes of a lead */
    MOST = 32767,
    NONE = 29999, /* not computed */
    NO_AXIS = 999,
    PROTOCOL = 13
};

struct job {
    const struct ecg_record *r;
    const struct ecg_write_options *o;
    struct ecg_outputs *out;
    struct base_buf section[SECTIONS]; /* bodies; empty: not written */
    const struct ecg_lead **leads;
    size_t n;
    double rate_hz;
    unsigned interval_us;
    size_t statements;
    size_t measurements; /* that have no place */
};

/* ---- section 1 ---- */

static void add_tag(struct base_buf *b, uint8_t tag, const void *p, size_t n)
{
    n = n < UINT16_MAX ? n : UINT16_MAX;
    base_buf_add_byte(b, tag);
    base_buf_add_le16(b, (uint16_t)n);
    base_buf_add(b, p, n);
}

enum { NAME = 64, TEXT = 80 /* bytes of text, EN 1064 5.4.3 */ };

/* With its NUL, which belongs to the length; at most so many bytes of text, of what is called so.
 */
static void add_text(struct job *j, uint8_t tag, const char *s, size_t most, const char *what)
{
    char text[TEXT + 1];
    size_t n = base_utf8_cut(s, strlen(s), most);
    if (n == 0)
        return;
    if (s[n])
        ecg_outputs_lose(j->out, "the end of %s: it has %zu bytes", what, most);
    memcpy(text, s, n);
    text[n] = '\0';
    add_tag(&j->section[1], tag, text, n + 1);
}

static void add_number(struct base_buf *b, uint8_t tag, double value, uint8_t unit)
{
    uint8_t v[3];
    if (!(value > 0) || value > UINT16_MAX)
        return;
    base_store_le16(v, (uint16_t)lround(value));
    v[2] = unit;
    add_tag(b, tag, v, unit ? 3 : 2);
}

static void add_date(struct base_buf *b, uint8_t tag, const struct ecg_date *d)
{
    uint8_t v[4];
    base_store_le16(v, (uint16_t)d->year);
    v[2] = (uint8_t)d->month;
    v[3] = (uint8_t)d->day;
    if (d->year > 0)
        add_tag(b, tag, v, 4);
}

/* Tag 14, EN 1064 5.4.3.1: 35 bytes of numbers, then strings. */
static void add_machine(struct job *j, struct base_buf *b)
{
    const struct ecg_device *d = &j->r->device;
    struct base_buf m = {0};
    base_buf_add_fill(&m, 0, 8);
    char model[6] = "";
    size_t n = strlen(d->model);
    memcpy(model, d->model, n < 5 ? n : 5);
    if (n > 5)
        ecg_outputs_lose(j->out, "the end of the device's model: it has 5 characters");
    base_buf_add(&m, model, sizeof model);
    base_buf_add_byte(&m, PROTOCOL);
    base_buf_add_byte(&m, 0xa0); /* compatible with categories I and II */
    base_buf_add_byte(&m, 0x07); /* text is UTF-8 (ISO 10646) */
    base_buf_add_byte(&m, 0x40); /* acquires */
    base_buf_add_byte(&m, 0);    /* mains frequency unspecified */
    base_buf_add_fill(&m, 0, 16);
    base_buf_add_byte(&m, 1); /* length of the string of the program, with its NUL */
    base_buf_add_byte(&m, 0);
    const char *const strings[] = {d->serial, d->software, "rdc", d->manufacturer};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        base_buf_add_str(&m, strings[i]);
        base_buf_add_byte(&m, 0);
    }
    add_tag(b, 14, m.p, m.n);
    if (m.err && !b->err)
        b->err = m.err;
    base_buf_deinit(&m);
}

static void add_filters(const struct job *j, struct base_buf *b)
{
    const struct ecg_filters *f = &j->r->filters;
    uint8_t notch = f->notch_hz == 50 ? 2 : f->notch_hz == 60 ? 1 : 0;
    add_number(b, 27, f->high_pass_hz * 100, 0);
    add_number(b, 28, f->low_pass_hz, 0);
    if (notch)
        add_tag(b, 29, &notch, 1);
}

static void add_name(struct job *j)
{
    const char *name = j->o->patient_name ? j->o->patient_name : j->r->patient.name.utf8;
    const char *given = strchr(name, '^');
    struct base_buf family = {0};
    base_buf_printf(&family, "%.*s", (int)(given ? given - name : (ptrdiff_t)strlen(name)), name);
    add_text(j, 0, base_buf_cstr(&family), NAME, "the patient's family name");
    if (family.err)
        j->section[1].err = family.err;
    base_buf_deinit(&family);
    if (given)
        add_text(j, 1, given + 1, NAME, "the patient's given name");
}

/* Cut short it would be another's. */
static void add_id(struct job *j)
{
    const char *id = j->o->patient_id ? j->o->patient_id : j->r->patient.id.utf8;
    if (strlen(id) > NAME)
        ecg_outputs_lose(j->out, "the patient's id: it has more than %d bytes", NAME);
    else
        add_text(j, 2, id, NAME, "");
}

static void write_header(struct job *j)
{
    struct base_buf *b = &j->section[1];
    const struct ecg_record *r = j->r;
    const struct ecg_patient *p = &r->patient;
    const struct ecg_time *t = &r->start;
    uint8_t sex = p->sex == 'M' ? 1 : p->sex == 'F' ? 2 : 0;
    const char *unit = p->age_unit ? strchr("YMWDH", p->age_unit) : NULL;
    add_name(j);
    add_id(j);
    add_number(b, 4, unit ? p->age : 0, unit ? (uint8_t)(unit - "YMWDH" + 1) : 0);
    add_date(b, 5, &p->birth);
    add_number(b, 6, p->height_cm, 1);
    add_number(b, 7, p->weight_kg * 1000 < UINT16_MAX ? p->weight_kg * 1000 : p->weight_kg,
               p->weight_kg * 1000 < UINT16_MAX ? 2 : 1);
    add_tag(b, 8, &sex, 1);
    add_machine(j, b);
    add_text(j, 16, r->device.institution, NAME, "the institution");
    add_text(j, 18, r->device.department, NAME, "the department");
    add_text(j, 20, r->device.referring, NAME, "the referring physician");
    add_text(j, 22, r->device.technician, NAME, "the technician");
    add_date(b, 25, &t->date);
    const uint8_t clock[3] = {(uint8_t)t->hour, (uint8_t)t->minute, (uint8_t)t->second};
    if (t->has_time)
        add_tag(b, 26, clock, 3);
    add_filters(j, b);
    add_text(j, 30, r->comment, TEXT, "the comment");
    uint8_t zone[4] = {0}; /* i16 minutes, index, empty text */
    base_store_le16(zone, (uint16_t)t->zone_min);
    if (t->has_zone)
        add_tag(b, 34, zone, sizeof zone);
    add_text(j, 35, p->history, TEXT, "the patient's history");
    base_buf_add(b, "\xff\0\0", 3);
}

/* ---- sections 3, 5 and 6 ---- */

/* nV per count for all leads of a block, which has but one: the leads' own where it is
 * the same and a whole number, else as fine as 16 bits allow. */
static unsigned choose_avm(struct job *j, const struct ecg_lead *const *leads, size_t n,
                           const char *what)
{
    double nv = leads[0]->uv_per_count * 1000;
    double most_nv = 0;
    double finest = (double)INFINITY;
    bool same = true;
    for (size_t i = 0; i < n; i++) {
        const struct ecg_lead *lead = leads[i];
        double own = fabs(lead->uv_per_count) * 1000;
        same &=
            fabs(lead->uv_per_count * 1000 - nv) < 1e-9 * fabs(nv) && fabs(lead->offset_uv) < 1e-9;
        finest = own > 0 && own < finest ? own : finest;
        for (size_t k = 0; k < lead->samples; k++) {
            int32_t v = ecg_lead_sample(lead, k);
            double x = fabs(v * lead->uv_per_count + lead->offset_uv) * 1000;
            if (v != ECG_SAMPLE_NONE && x > most_nv)
                most_nv = x;
        }
    }
    double least = fmax(1, ceil(most_nv / MOST));
    if (least > UINT16_MAX)
        return 0;
    if (same && nv >= 1 && nv <= UINT16_MAX && fabs(nv - round(nv)) < 1e-6 * nv && nv >= least)
        return (unsigned)lround(nv);
    double avm = fmin(fmax(least, floor(finest / 2)), UINT16_MAX);
    ecg_outputs_lose(j->out, "the steps of %s: they are of %g uV for all leads", what, avm / 1000);
    return (unsigned)avm;
}

static void add_samples(struct job *j, struct base_buf *b, const struct ecg_lead *lead,
                        unsigned avm)
{
    size_t missing = 0;
    for (size_t i = 0; i < lead->samples; i++) {
        int32_t v = ecg_lead_sample(lead, i);
        double counts = (v * lead->uv_per_count + lead->offset_uv) * 1000 / avm;
        bool none = v == ECG_SAMPLE_NONE;
        missing += none;
        base_buf_add_le16(b, none ? 0x8000 : (uint16_t)(int16_t)lround(counts));
    }
    if (missing)
        ecg_outputs_lose(j->out,
                         "lead %s: that %zu samples are missing; they have the lowest value, %g uV",
                         lead->name, missing, -32768.0 * avm / 1000);
}

static enum base_err write_block(struct job *j, unsigned id, const struct ecg_lead *const *leads,
                                 const char *what, struct base_error *err)
{
    struct base_buf *b = &j->section[id];
    unsigned avm = choose_avm(j, leads, j->n, what);
    if (avm == 0)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "a lead of more than %g V does not fit in SCP-ECG", 65.535e-6 * MOST);
    base_buf_add_le16(b, (uint16_t)avm);
    base_buf_add_le16(b, (uint16_t)j->interval_us);
    base_buf_add(b, "\0\0", 2);
    for (size_t i = 0; i < j->n; i++)
        base_buf_add_le16(b, (uint16_t)(2 * leads[i]->samples));
    for (size_t i = 0; i < j->n; i++)
        add_samples(j, b, leads[i], avm);
    return BASE_OK;
}

static void write_leads(struct job *j)
{
    struct base_buf *b = &j->section[3];
    int64_t first = INT64_MAX;
    bool alike = true;
    for (size_t i = 0; i < j->n; i++) {
        int64_t at = ecg_write_first(j->leads[i]);
        first = at < first ? at : first;
        alike &= at == ecg_write_first(j->leads[0]) && j->leads[i]->samples == j->leads[0]->samples;
    }
    base_buf_add_byte(b, (uint8_t)j->n);
    base_buf_add_byte(b, (uint8_t)(alike ? 4 | (j->n < 31 ? j->n : 31) << 3 : 0));
    for (size_t i = 0; i < j->n; i++) {
        const struct ecg_lead *lead = j->leads[i];
        uint32_t start = (uint32_t)(ecg_write_first(lead) - first) + 1;
        bool known = lead->id > 0 && lead->id <= UINT8_MAX;
        const char *standard = known ? ecg_lead_name(lead->id) : NULL;
        base_buf_add_le32(b, start);
        base_buf_add_le32(b, start + (uint32_t)lead->samples - 1);
        base_buf_add_byte(b, known ? (uint8_t)lead->id : 0);
        if (!known)
            ecg_outputs_lose(j->out, "the name of lead %s, which has no number", lead->name);
        else if (standard && strcmp(lead->name, standard) != 0)
            ecg_outputs_lose(j->out, "the name of lead %s, which is %s there", lead->name,
                             standard);
    }
    if (first != 0)
        ecg_outputs_lose(j->out, "that the first lead starts %g s after the recording",
                         (double)first / j->rate_hz);
}

/* The medians in the order of the leads; false when there is not one of each. */
static bool order_medians(const struct job *j, const struct ecg_lead **out)
{
    const struct ecg_record *r = j->r;
    for (size_t i = 0; i < j->n; i++) {
        out[i] = NULL;
        for (size_t k = 0; k < r->nmedians && !out[i]; k++)
            if (j->leads[i]->id && r->medians[k].id == j->leads[i]->id)
                out[i] = &r->medians[k];
        if (!out[i] || out[i]->samples == 0 || out[i]->samples > SAMPLES_MAX ||
            fabs(out[i]->rate_hz - j->rate_hz) > 1e-6 * j->rate_hz ||
            out[i]->samples != out[0]->samples)
            return false;
    }
    return true;
}

static enum base_err write_medians(struct job *j, struct base_error *err)
{
    const struct ecg_record *r = j->r;
    if (r->nmedians == 0)
        return BASE_OK;
    const struct ecg_lead **medians = calloc(j->n, sizeof *medians);
    enum base_err e = BASE_OK;
    if (!medians)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    double ms =
        order_medians(j, medians) ? ceil((double)medians[0]->samples * j->interval_us / 1000) : 0;
    if (ms > 0 && ms <= UINT16_MAX) {
        struct base_buf *b = &j->section[4];
        double fiducial = r->median_fiducial_s * j->rate_hz;
        base_buf_add_le16(b, (uint16_t)ms);
        base_buf_add_le16(
            b, fiducial >= 0 && fiducial < SAMPLES_MAX ? (uint16_t)(lround(fiducial) + 1) : 0);
        base_buf_add_le16(b, 0); /* no beat was subtracted */
        e = write_block(j, 5, medians, "the median beat", err);
    } else {
        ecg_outputs_lose(j->out,
                         "the median beat: it must have all leads of the rhythm, at their rate");
    }
    free(medians);
    return e;
}

/* ---- sections 7 and 8 ---- */

static uint16_t global(const struct job *j, enum ecg_measure what, uint16_t none)
{
    const struct ecg_measurement *m = ecg_record_measurement(j->r, what);
    return m && m->value > -NO_AXIS && m->value < NONE ? (uint16_t)(int16_t)lround(m->value) : none;
}

/* In ms from the start of the median beat. */
static uint16_t on_median(const struct job *j, enum ecg_mark_kind kind)
{
    for (size_t i = 0; i < j->r->nmarks; i++) {
        const struct ecg_mark *m = &j->r->marks[i];
        if (m->on_median && m->kind == kind && m->lead_id == 0 && m->at_s > 0 && m->at_s < 29)
            return (uint16_t)lround(m->at_s * 1000);
    }
    return NONE;
}

/* Intervals follow from points of the median beat; without them they have no place. */
static void write_global(struct job *j)
{
    static const enum ecg_measure held[] = {
        ECG_MEASURE_HEART_RATE, ECG_MEASURE_ATRIAL_RATE, ECG_MEASURE_RR,       ECG_MEASURE_PP,
        ECG_MEASURE_QTC,        ECG_MEASURE_P_AXIS,      ECG_MEASURE_QRS_AXIS, ECG_MEASURE_T_AXIS};
    static const enum ecg_measure by_points[] = {ECG_MEASURE_P_DURATION, ECG_MEASURE_PR,
                                                 ECG_MEASURE_QRS, ECG_MEASURE_QT};
    struct base_buf *b = &j->section[7];
    bool points = j->section[5].n > 0 && on_median(j, ECG_MARK_QRS_ON) != NONE &&
                  on_median(j, ECG_MARK_T_OFF) != NONE;
    size_t placed = 0;
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        placed += ecg_record_measurement(j->r, held[i]) != NULL;
    for (size_t i = 0; points && i < sizeof by_points / sizeof *by_points; i++)
        placed += ecg_record_measurement(j->r, by_points[i]) != NULL;
    j->measurements = j->r->nmeasurements - placed;
    if (placed == 0 && !points)
        return;
    base_buf_add(b, "\1\0", 2);
    base_buf_add_le16(b, global(j, ECG_MEASURE_RR, NONE));
    base_buf_add_le16(b, global(j, ECG_MEASURE_PP, NONE));
    static const enum ecg_mark_kind kinds[] = {ECG_MARK_P_ON, ECG_MARK_P_OFF, ECG_MARK_QRS_ON,
                                               ECG_MARK_QRS_OFF, ECG_MARK_T_OFF};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        base_buf_add_le16(b, points ? on_median(j, kinds[i]) : NONE);
    base_buf_add_le16(b, global(j, ECG_MEASURE_P_AXIS, NO_AXIS));
    base_buf_add_le16(b, global(j, ECG_MEASURE_QRS_AXIS, NO_AXIS));
    base_buf_add_le16(b, global(j, ECG_MEASURE_T_AXIS, NO_AXIS));
    base_buf_add_le16(b, 0); /* types of QRS complexes */
    base_buf_add_le16(b, global(j, ECG_MEASURE_HEART_RATE, NONE));
    base_buf_add_le16(b, global(j, ECG_MEASURE_ATRIAL_RATE, NONE));
    base_buf_add_le16(b, global(j, ECG_MEASURE_QTC, NONE));
    base_buf_add_byte(b, 0); /* formula not stated */
    base_buf_add_le16(b, 0); /* no tagged fields */
}

static void write_statements(struct job *j)
{
    struct base_buf *b = &j->section[8];
    const struct ecg_record *r = j->r;
    size_t n = r->nstatements < UINT8_MAX ? r->nstatements : UINT8_MAX;
    if (n == 0)
        return;
    base_buf_add_byte(b, r->confirmed == ECG_CONFIRMED_OVERREAD ? 2
                         : r->confirmed == ECG_CONFIRMED_YES    ? 1
                                                                : 0);
    base_buf_add_le16(b, (uint16_t)r->start.date.year);
    const uint8_t when[] = {(uint8_t)r->start.date.month, (uint8_t)r->start.date.day,
                            (uint8_t)r->start.hour, (uint8_t)r->start.minute,
                            (uint8_t)r->start.second};
    base_buf_add(b, when, sizeof when);
    base_buf_add_byte(b, (uint8_t)n);
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(r->statements[i].text) + 1;
        size = size < UINT16_MAX ? size : UINT16_MAX;
        base_buf_add_byte(b, (uint8_t)(i + 1));
        base_buf_add_le16(b, (uint16_t)size);
        base_buf_add(b, r->statements[i].text, size);
    }
    if (n < r->nstatements)
        ecg_outputs_lose(j->out, "%zu statements of the device", r->nstatements - n);
}

/* ---- the whole ---- */

static void add_section(struct base_buf *out, unsigned id, const struct base_buf *body)
{
    size_t at = out->n;
    size_t size = SECTION_HEADER + body->n + (body->n & 1);
    base_buf_add_le16(out, 0);
    base_buf_add_le16(out, (uint16_t)id);
    base_buf_add_le32(out, (uint32_t)size);
    base_buf_add_byte(out, PROTOCOL);
    base_buf_add_byte(out, PROTOCOL);
    base_buf_add(out, id ? "\0\0\0\0\0\0" : "SCPECG", 6);
    base_buf_add(out, body->p, body->n);
    base_buf_add_fill(out, 0, body->n & 1);
    if (!out->err)
        base_store_le16(out->p + at, ecg_crc_ccitt(base_bytes_of(out->p + at + 2, size - 2)));
}

static void write_file(struct job *j, struct base_buf *out)
{
    enum { FILE_HEADER = 6, POINTERS = SECTION_HEADER + 10 * SECTIONS };
    size_t at = FILE_HEADER + POINTERS;
    for (unsigned i = 0; i < SECTIONS; i++) {
        const struct base_buf *body = &j->section[i];
        size_t size = i == 0 ? POINTERS : body->n ? SECTION_HEADER + body->n + (body->n & 1) : 0;
        base_buf_add_le16(&j->section[0], (uint16_t)i);
        base_buf_add_le32(&j->section[0], (uint32_t)size);
        base_buf_add_le32(&j->section[0], i == 0 ? FILE_HEADER + 1 : size ? (uint32_t)at + 1 : 0);
        at += i ? size : 0;
    }
    base_buf_add_le16(out, 0);
    base_buf_add_le32(out, (uint32_t)at);
    for (unsigned i = 0; i < SECTIONS; i++) {
        if (j->section[i].n)
            add_section(out, i, &j->section[i]);
        if (j->section[i].err && !out->err)
            out->err = j->section[i].err;
    }
    if (!out->err)
        base_store_le16(out->p, ecg_crc_ccitt(base_bytes_of(out->p + 2, out->n - 2)));
}

static enum base_err check_leads(struct job *j, struct base_error *err)
{
    if (j->n == 0 || j->n > LEADS_MAX)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "%zu leads with samples; SCP-ECG holds 1 to %d", j->n, LEADS_MAX);
    j->rate_hz = j->leads[0]->rate_hz;
    double interval = round(1e6 / j->rate_hz);
    if (!(interval >= 1) || interval > UINT16_MAX)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "%g samples per second; SCP-ECG holds 16 and more", j->rate_hz);
    j->interval_us = (unsigned)interval;
    for (size_t i = 0; i < j->n; i++) {
        const struct ecg_lead *lead = j->leads[i];
        if (fabs(lead->rate_hz - j->rate_hz) > 1e-6 * j->rate_hz ||
            !(fabs(lead->start_s * lead->rate_hz) < 1e9))
            return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                             "leads of %g and %g Hz cannot be in one SCP-ECG file", j->rate_hz,
                             lead->rate_hz);
        if (lead->samples > SAMPLES_MAX)
            return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                             "a lead of %zu samples; SCP-ECG holds %d: convert it to EDF",
                             lead->samples, SAMPLES_MAX);
    }
    /* The reader takes the whole rate whose interval this is, where there is one. */
    double back = round(1e6 / interval);
    if (round(1e6 / back) != interval)
        back = 1e6 / interval;
    if (fabs(back - j->rate_hz) > 1e-6 * j->rate_hz)
        ecg_outputs_lose(j->out, "the rate of %.9g Hz: an interval of %u us is %.9g Hz", j->rate_hz,
                         j->interval_us, 1e6 / interval);
    return BASE_OK;
}

static enum base_err write_all(struct job *j, struct base_error *err)
{
    enum base_err e = check_leads(j, err);
    if (e)
        return e;
    write_header(j);
    write_leads(j);
    e = write_medians(j, err);
    if (!e)
        e = write_block(j, 6, j->leads, "the leads", err);
    if (e)
        return e;
    write_global(j);
    write_statements(j);
    if (j->r->start.usec)
        ecg_outputs_lose(j->out, "the fraction of the second at which it starts");
    if (j->measurements)
        ecg_outputs_lose(j->out, "%zu measurements of the device", j->measurements);
    write_file(j, ecg_outputs_add(j->out, j->o, "scp"));
    ecg_outputs_lose_all_but(j->out, j->r,
                             ECG_HOLDS_MEDIANS | ECG_HOLDS_MEASUREMENTS | ECG_HOLDS_STATEMENTS |
                                 ECG_HOLDS_PATIENT | ECG_HOLDS_TIME | ECG_HOLDS_ZONE);
    return BASE_OK;
}

enum base_err ecg_scp_write_row(const struct ecg_record *r, const struct ecg_write_options *options,
                                struct ecg_outputs *out, struct base_error *err)
{
    struct job j = {.r = r, .o = options, .out = out};
    j.leads = calloc(r->nleads + 1, sizeof *j.leads);
    if (!j.leads)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    for (size_t i = 0; i < r->nleads; i++)
        if (r->leads[i].samples > 0 && r->leads[i].rate_hz > 0)
            j.leads[j.n++] = &r->leads[i];
    enum base_err e = write_all(&j, err);
    for (unsigned i = 0; i < SECTIONS; i++)
        base_buf_deinit(&j.section[i]);
    free(j.leads);
    return e;
}
