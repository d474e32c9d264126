/*
 * Writes EDF+C: each lead at its own rate, in 16 bits, with its annotations. A data
 * record is as long as lets all records be full, about a second where that is so.
 */
#include "ecg/ecg_edf_priv.h"

#include "base/utf8.h"
#include "ecg/ecg_format.h"
#include "ecg/ecg_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { LIST_MAX = 512, MOST = 32767 };

/* How a lead stands in the file. */
struct signal {
    const struct ecg_lead *lead;
    size_t per_record;
    double divide; /* counts of the lead in one of the file */
    char label[17];
    char unit[9];
    char physical[2][9];
    char digital[2][12];
    size_t missing;
    size_t filling; /* the last record */
};

struct job {
    const struct ecg_record *r;
    const struct ecg_write_options *o;
    struct ecg_outputs *out;
    struct signal *s;
    size_t n;
    double duration_s;
    char duration[9];
    size_t records;
    size_t list_bytes; /* of annotations per record; even */
    struct base_buf *lists;
    size_t cut_marks; /* of which the text is cut */
};

/* A number in the eight characters of a header field; its error relative to v. */
static double print_number(double v, char out[9])
{
    char text[40];
    for (int digits = 8; digits > 0; digits--) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strlen(text) <= 8)
            break;
    }
    if (strlen(text) > 8)
        snprintf(text, sizeof text, "0");
    snprintf(out, 9, "%.8s", text);
    return v != 0 ? fabs(strtod(out, NULL) / v - 1) : fabs(strtod(out, NULL));
}

/* ---- scale ---- */

static double most_of(const struct ecg_lead *lead)
{
    double most = 0;
    for (size_t i = 0; i < lead->samples; i++) {
        int32_t v = ecg_lead_sample(lead, i);
        if (v != ECG_SAMPLE_NONE && fabs((double)v) > most)
            most = fabs((double)v);
    }
    return most;
}

static double try_range(struct signal *s, int extreme, double gain, double zero)
{
    double error = print_number(zero - extreme * gain, s->physical[0]);
    double other = print_number(zero + extreme * gain, s->physical[1]);
    snprintf(s->digital[0], sizeof s->digital[0], "%d", -extreme);
    snprintf(s->digital[1], sizeof s->digital[1], "%d", extreme);
    return error > other ? error : other;
}

/* Extremes that hold all samples and whose physical values eight characters hold
 * exactly, where there are such; else those that come nearest. False: none comes near. */
static bool choose_scale(struct job *j, struct signal *s)
{
    const struct ecg_lead *lead = s->lead;
    double most = most_of(lead);
    double best = 1;
    int chosen = MOST;
    s->divide = most > MOST ? ceil(most / MOST) : 1;
    bool millivolt = !lead->unit[0] && fabs(lead->uv_per_count * s->divide) * MOST > 9e6;
    double unit = millivolt ? 1000 : 1;
    double gain = lead->uv_per_count * s->divide / unit;
    double zero = lead->offset_uv / unit;
    snprintf(s->unit, sizeof s->unit, "%.8s",
             millivolt              ? "mV"
             : !lead->unit[0]       ? "uV"
             : lead->unit[0] == '1' ? ""
                                    : lead->unit);
    int least = (int)fmax(1, ceil(most / s->divide));
    for (int extreme = MOST; extreme >= least && best > 0; extreme--) {
        /* All below 1000 would be tried in vain for nothing but luck. */
        if (extreme != MOST && extreme % 8 && extreme % 10 && extreme % 25)
            continue;
        double error = try_range(s, extreme, gain, zero);
        if (error < best) {
            best = error;
            chosen = extreme;
        }
        if (error < 1e-13)
            break;
    }
    try_range(s, chosen, gain, zero);
    if (s->divide > 1)
        ecg_outputs_lose(j->out, "lead %s: more than 16 bits; written in steps of %g %s",
                         lead->name, gain * unit, lead->unit[0] ? lead->unit : "uV");
    if (best * chosen > 0.25) /* of a count, at the extremes */
        ecg_outputs_lose(j->out, "lead %s: its scale, but for %.1g of it", lead->name, best);
    return best < 0.01;
}

/* ---- data records ---- */

static size_t gcd(size_t a, size_t b)
{
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static size_t end_of(const struct ecg_lead *lead)
{
    int64_t end = ecg_write_first(lead) + (int64_t)lead->samples;
    return end > 0 ? (size_t)end : 0;
}

/* The number of records that fill up with all leads, if these end together, and last
 * about a second each; 0 when there is none. */
static size_t full_records(const struct job *j, double *total_s)
{
    size_t common = 0;
    size_t best = 0;
    *total_s = (double)end_of(j->s[0].lead) / j->s[0].lead->rate_hz;
    for (size_t i = 0; i < j->n; i++) {
        const struct ecg_lead *lead = j->s[i].lead;
        if (fabs((double)end_of(lead) / lead->rate_hz - *total_s) > 1e-9 * *total_s)
            return 0;
        common = gcd(end_of(lead), common);
    }
    double nearest = (double)INFINITY;
    for (size_t k = 1; k <= common && k <= 1000000; k++) {
        char text[9];
        double s = *total_s / (double)k;
        if (common % k || print_number(s, text) > 1e-12)
            continue;
        double far = fabs(log(s));
        if (far < nearest) {
            nearest = far;
            best = k;
        }
    }
    return best;
}

/* Else a duration in which every lead has a whole number of samples, the last record
 * being filled up. */
static enum base_err choose_records(struct job *j, struct base_error *err)
{
    static const double durations[] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 50, 60, 100};
    double total_s;
    j->records = full_records(j, &total_s);
    if (j->records) {
        j->duration_s = total_s / (double)j->records;
        for (size_t i = 0; i < j->n; i++)
            j->s[i].per_record = end_of(j->s[i].lead) / j->records;
        print_number(j->duration_s, j->duration);
        return BASE_OK;
    }
    double d = 0;
    for (size_t k = 0; k < sizeof durations / sizeof *durations && d <= 0; k++) {
        d = durations[k];
        for (size_t i = 0; i < j->n && d > 0; i++) {
            double samples = j->s[i].lead->rate_hz * durations[k];
            d = fabs(samples - round(samples)) < 1e-6 * samples && samples > 0.5 ? d : 0;
        }
    }
    bool alike = true;
    for (size_t i = 1; i < j->n; i++)
        alike &= j->s[i].lead->rate_hz == j->s[0].lead->rate_hz;
    if (d <= 0 && !alike)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "leads of %g and other rates do not fit in data records of EDF",
                         j->s[0].lead->rate_hz);
    if (d <= 0) { /* one rate, which is no whole number */
        d = fmax(1, round(j->s[0].lead->rate_hz)) / j->s[0].lead->rate_hz;
        if (print_number(d, j->duration) > 1e-9)
            ecg_outputs_lose(j->out, "the rate of %g Hz, but for the digits of a duration of %s s",
                             j->s[0].lead->rate_hz, j->duration);
    }
    print_number(d, j->duration);
    j->duration_s = d;
    for (size_t i = 0; i < j->n; i++) {
        struct signal *s = &j->s[i];
        s->per_record = (size_t)llround(s->lead->rate_hz * d);
        size_t records = (end_of(s->lead) + s->per_record - 1) / s->per_record;
        j->records = records > j->records ? records : j->records;
    }
    return BASE_OK;
}

/* The last record may be filled up, but not a few samples of a very high rate. */
static enum base_err check_filling(const struct job *j, struct base_error *err)
{
    enum { FREE = 1 << 20 };
    double there = 0;
    double filled = 0;
    for (size_t i = 0; i < j->n; i++) {
        there += (double)end_of(j->s[i].lead);
        filled += (double)j->records * (double)j->s[i].per_record;
    }
    if (filled > 2 * there + FREE)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "%.0f samples at %g Hz and other rates need data records of EDF with %.0f",
                         there, j->s[0].lead->rate_hz, filled);
    return BASE_OK;
}

/* ---- annotations ---- */

static void add_onset(struct base_buf *b, double s)
{
    char text[40];
    snprintf(text, sizeof text, "%+.7f", s);
    size_t n = strlen(text);
    while (text[n - 1] == '0')
        n--;
    n -= text[n - 1] == '.';
    base_buf_add(b, text, n);
}

static double fraction_of(const struct job *j)
{
    return j->r->start.has_time ? j->r->start.usec / 1e6 : 0;
}

static void add_mark(struct job *j, const struct ecg_mark *m, struct base_buf *b)
{
    struct base_buf text = {0};
    add_onset(b, m->at_s + fraction_of(j));
    if (m->to_s > m->at_s) {
        base_buf_add_byte(b, 0x15);
        char number[40];
        snprintf(number, sizeof number, "%.7g", m->to_s - m->at_s);
        base_buf_add_str(b, number);
    }
    base_buf_add_byte(b, 0x14);
    ecg_edf_mark_write(m, &text);
    size_t n = base_utf8_cut(base_buf_cstr(&text), text.n, LIST_MAX - 64);
    base_buf_add(b, base_buf_cstr(&text), n);
    j->cut_marks += n < text.n;
    base_buf_add(b, "\x14\0", 2);
    if (text.err && !b->err)
        b->err = text.err;
    base_buf_deinit(&text);
}

static bool is_written(const struct ecg_mark *m)
{
    return !m->on_median && fabs(m->at_s) < EDF_TIME_MAX && fabs(m->to_s) < EDF_TIME_MAX;
}

/* One list of each record, to which the marks are dealt out in turn: they need not be
 * in the record of their time (EDF+ 2.2.4). */
static enum base_err make_lists(struct job *j)
{
    size_t longest = 0;
    size_t at = 0;
    j->lists = calloc(j->records, sizeof *j->lists);
    if (!j->lists)
        return BASE_ENOMEM;
    for (size_t k = 0; k < j->records; k++) {
        add_onset(&j->lists[k], (double)k * j->duration_s + fraction_of(j));
        base_buf_add(&j->lists[k], "\x14\x14\0", 3);
    }
    for (size_t i = 0; i < j->r->nmarks; i++)
        if (is_written(&j->r->marks[i]))
            add_mark(j, &j->r->marks[i], &j->lists[at++ % j->records]);
    for (size_t k = 0; k < j->records; k++) {
        if (j->lists[k].err)
            return j->lists[k].err;
        longest = j->lists[k].n > longest ? j->lists[k].n : longest;
    }
    j->list_bytes = (longest + 1) / 2 * 2;
    return BASE_OK;
}

/* ---- header ---- */

/* Padded with blanks; cut between characters. */
static void add_field(struct base_buf *b, const char *text, size_t size)
{
    size_t n = base_utf8_cut(text, strlen(text), size);
    base_buf_add(b, text, n);
    base_buf_add_fill(b, ' ', size - n);
}

/* A subfield: blanks become "_", and what is not known "X". */
static void add_subfield(struct base_buf *b, const char *text)
{
    base_buf_add_str(b, b->n ? " " : "");
    if (!text[0])
        base_buf_add_byte(b, 'X');
    for (; *text; text++)
        base_buf_add_byte(b, (uint8_t)((uint8_t)*text <= ' ' ? '_' : *text));
}

static void format_date(const struct ecg_date *d, char out[16])
{
    static const char months[] = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
    bool sound = d->year > 0 && d->month >= 1 && d->month <= 12;
    out[0] = '\0';
    if (sound)
        snprintf(out, 16, "%02u-%.3s-%04u", (unsigned)d->day % 100,
                 months + 3 * ((size_t)d->month - 1), (unsigned)d->year % 10000);
}

static void add_identity(struct job *j, struct base_buf *b)
{
    const struct ecg_record *r = j->r;
    const struct ecg_write_options *o = j->o;
    const struct ecg_time *t = &r->start;
    struct base_buf field = {0};
    char sex[2] = {r->patient.sex == 'M' || r->patient.sex == 'F' ? r->patient.sex : 0, 0};
    char date[16];
    const char *id = o->patient_id ? o->patient_id : r->patient.id.utf8;
    const char *name = o->patient_name ? o->patient_name : r->patient.name.utf8;
    add_subfield(&field, id);
    add_subfield(&field, sex);
    format_date(&r->patient.birth, date);
    add_subfield(&field, date);
    add_subfield(&field, name);
    if (strchr(id, '_') || strchr(name, '_'))
        ecg_outputs_lose(j->out, "_ in the patient's id or name: readers take it for a blank");
    if (field.n > 80)
        ecg_outputs_lose(j->out, "the end of the patient's id and name: they have 80 bytes");
    add_field(b, base_buf_cstr(&field), 80);
    enum base_err lost = field.err;
    base_buf_reset(&field);
    base_buf_add_str(&field, "Startdate");
    format_date(&t->date, date);
    add_subfield(&field, date);
    add_subfield(&field, o->accession ? o->accession : r->accession);
    add_subfield(&field, r->device.technician);
    add_subfield(&field, r->device.model);
    if (field.n > 80)
        ecg_outputs_lose(j->out, "the end of the order number, the technician and the device's "
                                 "model: they have 80 bytes");
    add_field(b, base_buf_cstr(&field), 80);
    lost = lost ? lost : field.err;
    if (lost && !b->err)
        b->err = lost;
    base_buf_deinit(&field);
    if (t->date.year > 0)
        base_buf_printf(b, "%02u.%02u.%02u", (unsigned)t->date.day % 100,
                        (unsigned)t->date.month % 100, (unsigned)t->date.year % 100);
    else
        base_buf_add_str(b, "01.01.85");
    base_buf_printf(b, "%02u.%02u.%02u", (unsigned)t->hour % 24, (unsigned)t->minute % 60,
                    (unsigned)t->second % 60);
}

static void add_all(const struct job *j, struct base_buf *b, size_t offset, size_t size,
                    const char *of_lists)
{
    for (size_t i = 0; i < j->n; i++)
        add_field(b, (const char *)&j->s[i] + offset, size);
    add_field(b, of_lists, size);
}

static void write_header(struct job *j, struct base_buf *b)
{
    const struct ecg_filters *f = &j->r->filters;
    char number[24];
    char filter[81] = "";
    size_t n = j->n + 1;
    add_field(b, "0", 8);
    add_identity(j, b);
    snprintf(number, sizeof number, "%zu", EDF_HEADER * (n + 1));
    add_field(b, number, 8);
    add_field(b, "EDF+C", 44);
    snprintf(number, sizeof number, "%zu", j->records);
    add_field(b, number, 8);
    add_field(b, j->duration, 8);
    snprintf(number, sizeof number, "%zu", n);
    add_field(b, number, 4);
    add_all(j, b, offsetof(struct signal, label), 16, "EDF Annotations");
    base_buf_add_fill(b, ' ', 80 * n);
    add_all(j, b, offsetof(struct signal, unit), 8, "");
    add_all(j, b, offsetof(struct signal, physical[0]), 8, "-1");
    add_all(j, b, offsetof(struct signal, physical[1]), 8, "1");
    add_all(j, b, offsetof(struct signal, digital[0]), 8, "-32768");
    add_all(j, b, offsetof(struct signal, digital[1]), 8, "32767");
    size_t at = 0;
    if (f->high_pass_hz > 0)
        at += (size_t)snprintf(filter, sizeof filter, "HP:%.6gHz ", f->high_pass_hz);
    if (f->low_pass_hz > 0)
        at += (size_t)snprintf(filter + at, sizeof filter - at, "LP:%.6gHz ", f->low_pass_hz);
    if (f->notch_hz > 0)
        snprintf(filter + at, sizeof filter - at, "N:%.6gHz", f->notch_hz);
    for (size_t i = 0; i < j->n; i++)
        add_field(b, j->s[i].lead->unit[0] ? "" : filter, 80);
    base_buf_add_fill(b, ' ', 80);
    for (size_t i = 0; i < j->n; i++) {
        snprintf(number, sizeof number, "%zu", j->s[i].per_record);
        add_field(b, number, 8);
    }
    snprintf(number, sizeof number, "%zu", j->list_bytes / 2);
    add_field(b, number, 8);
    base_buf_add_fill(b, ' ', 32 * n);
}

/* ---- data ---- */

/* EDF has no missing samples: they get a value below all others. What only fills the last record
 * repeats the last sample: a fall to that value would be a wave where the recording ends. */
static void write_record(struct job *j, size_t record, struct base_buf *b)
{
    for (size_t i = 0; i < j->n; i++) {
        struct signal *s = &j->s[i];
        int64_t from = (int64_t)(record * s->per_record);
        int64_t end = ecg_write_first(s->lead) + (int64_t)s->lead->samples;
        bool fills = record + 1 == j->records && end > from;
        for (size_t k = 0; k < s->per_record; k++) {
            int64_t at = from + (int64_t)k;
            bool filling = fills && at >= end;
            s->filling += filling;
            int32_t v = ecg_write_sample(s->lead, filling ? end - 1 : at);
            bool none = v == ECG_SAMPLE_NONE;
            s->missing += none;
            base_buf_add_le16(b, none ? (uint16_t)atoi(s->digital[0])
                                      : (uint16_t)(int16_t)lround(v / s->divide));
        }
    }
    base_buf_add(b, j->lists[record].p, j->lists[record].n);
    base_buf_add_fill(b, 0, j->list_bytes - j->lists[record].n);
}

/* What stands before the name. A lead may have any name, also that of the annotations. */
static const char *type_of(const struct ecg_lead *lead)
{
    const char *name = lead->name;
    size_t n = strlen(name);
    if ((lead->id && ecg_lead_by_name(name, n) == lead->id) || lead->is_ecg)
        return "ECG ";
    struct base_bytes label = base_bytes_of(name, base_utf8_cut(name, n, 16));
    return ecg_edf_is_annotations(ecg_text_trim(label)) ? "lead " : "";
}

static void name_signals(struct job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        struct signal *s = &j->s[i];
        const char *name = s->lead->name;
        const char *type = type_of(s->lead);
        size_t n = base_utf8_cut(name, strlen(name), 16 - strlen(type));
        if (name[n])
            ecg_outputs_lose(j->out, "the end of the name %s: labels have 16 bytes", name);
        snprintf(s->label, sizeof s->label, "%s%.*s", type, (int)n, name);
    }
}

static enum base_err write_all(struct job *j, struct base_error *err)
{
    struct base_buf *b = ecg_outputs_add(j->out, j->o, "edf");
    enum base_err e = choose_records(j, err);
    if (!e)
        e = check_filling(j, err);
    if (e)
        return e;
    if (j->n + 1 > 9999 || j->records == 0 || j->records > 99999999)
        return base_fail(err, BASE_ELIMIT, BASE_NOPOS, "%zu channels and %zu records are too many",
                         j->n, j->records);
    for (size_t i = 0; i < j->n; i++)
        if (!choose_scale(j, &j->s[i]))
            return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                             "lead %s: steps of %g do not fit in the eight characters of EDF",
                             j->s[i].lead->name, j->s[i].lead->uv_per_count);
    name_signals(j);
    e = make_lists(j);
    if (e)
        return base_fail(err, e, BASE_NOPOS, "out of memory");
    write_header(j, b);
    for (size_t k = 0; k < j->records && !b->err; k++)
        write_record(j, k, b);
    for (size_t i = 0; i < j->n; i++)
        if (j->s[i].filling)
            ecg_outputs_lose(j->out,
                             "lead %s: that it ends within a record: %zu more samples repeat the "
                             "last one",
                             j->s[i].lead->name, j->s[i].filling);
    for (size_t i = 0; i < j->n; i++)
        if (j->s[i].missing)
            ecg_outputs_lose(j->out,
                             "lead %s: that %zu samples are missing; they have the lowest value, "
                             "%s %s",
                             j->s[i].lead->name, j->s[i].missing, j->s[i].physical[0],
                             j->s[i].unit);
    ecg_outputs_lose_all_but(
        j->out, j->r, ECG_HOLDS_MARKS | ECG_HOLDS_OTHERS | ECG_HOLDS_PATIENT | ECG_HOLDS_TIME);
    if (j->cut_marks)
        ecg_outputs_lose(j->out, "the end of the text of %zu annotations: it has %d bytes",
                         j->cut_marks, LIST_MAX - 64);
    if (j->r->start.date.year > 0 && !j->r->start.has_time)
        ecg_outputs_lose(j->out, "that the time of the start is not known: it is 00:00:00");
    return BASE_OK;
}

enum base_err ecg_edf_write_row(const struct ecg_record *r, const struct ecg_write_options *options,
                                struct ecg_outputs *out, struct base_error *err)
{
    struct job j = {.r = r, .o = options, .out = out};
    const struct ecg_lead **leads = ecg_write_channels(r, &j.n);
    j.s = calloc(j.n ? j.n : 1, sizeof *j.s);
    enum base_err e = BASE_OK;
    if (!leads || !j.s)
        e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    else if (j.n == 0)
        e = base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS, "the record has no samples");
    for (size_t i = 0; i < j.n && !e; i++)
        j.s[i].lead = leads[i];
    if (!e)
        e = write_all(&j, err);
    for (size_t k = 0; j.lists && k < j.records; k++)
        base_buf_deinit(&j.lists[k]);
    free(j.lists);
    free(j.s);
    free(leads);
    return e;
}
