/*
 * EDF, EDF+ and BDF: a header in ASCII, a header per channel, then data records
 * of the same length in which each channel has its own number of samples.
 */
#include "ecg/ecg_edf_priv.h"

#include "base/decimal.h"
#include "ecg/ecg_format.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_unit.h"
#include "ecg/ecg_unpack.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* Fields of the header: bytes from the start, length. */
#define EDF_FIELD(header, at, size) base_bytes_of((header) + (at), (size))

static bool is_bdf(const uint8_t *p)
{
    return p[0] == 0xff && memcmp(p + 1, "BIOSEMI", 7) == 0;
}

/* A number of a header field. */
static bool number(struct base_bytes field, double *out)
{
    char text[16];
    /* Nearly all are followed by blanks only. */
    size_t end = base_decimal(field.p, field.n, out);
    while (end && end < field.n && field.p[end] == ' ')
        end++;
    if (end && (end == field.n || field.p[end] == 0))
        return true;
    struct base_bytes b = ecg_text_trim(field);
    if (b.n == 0 || b.n >= sizeof text)
        return false;
    if (base_decimal(b.p, b.n, out) == b.n)
        return true;
    /* DEVIATION (EDF 2.1.3): a comma is taken for the decimal point. */
    memcpy(text, b.p, b.n);
    text[b.n] = '\0';
    return ecg_text_number(text, out);
}

/* "0" in 8 bytes, which some writers fill up with zeros. */
static bool is_version_0(const uint8_t *p)
{
    bool filled = p[0] == '0';
    for (size_t i = 1; i < 8; i++)
        filled = filled && (p[i] == ' ' || p[i] == 0);
    return filled;
}

bool ecg_edf_probe(struct base_bytes file)
{
    double bytes;
    double channels;
    if (file.n < EDF_HEADER || !(is_bdf(file.p) || is_version_0(file.p)))
        return false;
    return number(EDF_FIELD(file.p, 184, 8), &bytes) &&
           number(EDF_FIELD(file.p, 252, 4), &channels) && bytes >= EDF_HEADER && channels >= 0;
}

/* ---- header ---- */

static enum base_err fail(struct base_error *err, uint64_t pos, const char *what)
{
    return base_fail(err, BASE_EFORMAT, pos, "EDF header: %s", what);
}

/* The fields lie channel by channel, all labels first: 16 bytes each, and so on. */
static struct base_bytes channel_field(const uint8_t *p, size_t n, size_t i, size_t before,
                                       size_t size)
{
    return base_bytes_of(p + EDF_HEADER + n * before + i * size, size);
}

/* Nearly all channels are as the one before, whose numbers need not be read again. */
static bool is_repeated(const uint8_t *p, size_t n, size_t i, size_t before)
{
    enum { SIZE = 8 };
    const uint8_t *field = channel_field(p, n, i, before, SIZE).p;
    return i > 0 && memcmp(field, field - SIZE, SIZE) == 0;
}

static void read_scale(struct edf_file *f, const uint8_t *p, size_t i, struct edf_channel *c)
{
    double physical[2];
    double digital[2];
    size_t n = f->nchannels;
    if (is_repeated(p, n, i, 104) && is_repeated(p, n, i, 112) && is_repeated(p, n, i, 120) &&
        is_repeated(p, n, i, 128)) {
        c->scaled = c[-1].scaled;
        c->gain = c[-1].gain;
        c->zero = c[-1].zero;
        return;
    }
    c->scaled = number(channel_field(p, n, i, 104, 8), &physical[0]) &&
                number(channel_field(p, n, i, 112, 8), &physical[1]) &&
                number(channel_field(p, n, i, 120, 8), &digital[0]) &&
                number(channel_field(p, n, i, 128, 8), &digital[1]) && digital[0] != digital[1] &&
                physical[0] != physical[1];
    c->gain = c->scaled ? (physical[1] - physical[0]) / (digital[1] - digital[0]) : 1;
    c->zero = c->scaled ? physical[0] - digital[0] * c->gain : 0;
}

bool ecg_edf_is_annotations(struct base_bytes label)
{
    return base_bytes_equal(label, base_bytes_str("EDF Annotations")) ||
           base_bytes_equal(label, base_bytes_str("BDF Annotations"));
}

static enum base_err read_channels(struct edf_file *f, const uint8_t *p, struct base_error *err)
{
    size_t n = f->nchannels;
    for (size_t i = 0; i < n; i++) {
        struct edf_channel *c = &f->channels[i];
        double samples = 0;
        struct base_bytes field = channel_field(p, n, i, 216, 8);
        c->label = ecg_text_trim(channel_field(p, n, i, 0, 16));
        bool same_unit = is_repeated(p, n, i, 96);
        c->unit = same_unit ? c[-1].unit : ecg_text_trim(channel_field(p, n, i, 96, 8));
        c->uv = same_unit ? c[-1].uv : ecg_unit_uv(c->unit);
        c->prefilter = channel_field(p, n, i, 136, 80);
        c->annotations = ecg_edf_is_annotations(c->label);
        if (is_repeated(p, n, i, 216))
            samples = (double)c[-1].per_record;
        else if (!number(field, &samples) || samples < 0 || samples > 1e8 ||
                 samples != floor(samples))
            return base_fail(err, BASE_EFORMAT, (uint64_t)(field.p - p),
                             "EDF header: channel %zu has no number of samples per data record",
                             i + 1);
        c->per_record = (size_t)samples;
        c->offset = f->record_bytes;
        f->record_bytes += c->per_record * f->width;
        read_scale(f, p, i, c);
        if (!c->scaled && !c->annotations)
            ecg_record_damage(f->rec, EDF_HEADER + n * 104 + i * 8,
                              "EDF: channel %zu has no usable physical and digital extremes: its "
                              "values are counts without a unit",
                              i + 1);
    }
    if (f->record_bytes == 0)
        return fail(err, EDF_HEADER + n * 216, "no channel has samples");
    return BASE_OK;
}

/* How many data records there are, whatever the header says. */
static void count_records(struct edf_file *f, const uint8_t *p)
{
    double stated;
    size_t there = f->data.n / f->record_bytes;
    f->records = there;
    f->rest = f->data.n % f->record_bytes;
    if (!number(EDF_FIELD(p, 236, 8), &stated) || stated < 0 || (stated == 0 && there)) {
        ecg_record_note(f->rec, 236, "EDF: the number of data records is not stated; %zu are there",
                        there);
        return;
    }
    if (stated <= (double)there) {
        f->records = (size_t)stated;
        f->rest = 0;
        size_t used = f->records * f->record_bytes;
        if (f->data.n > used)
            (f->records < there ? ecg_record_damage : ecg_record_note)(
                f->rec, f->pos + used, "EDF: %zu bytes after the last data record",
                f->data.n - used);
        return;
    }
    ecg_record_damage(f->rec, f->pos + there * f->record_bytes,
                      "EDF: the file is cut: of %.0f data records %zu are there, and %zu bytes of "
                      "the next",
                      stated, there, f->rest);
}

static enum base_err read_header(struct edf_file *f, struct base_bytes file, struct base_error *err)
{
    const uint8_t *p = file.p;
    double channels;
    double stated;
    f->width = is_bdf(p) ? 3 : 2;
    f->plus = memcmp(p + 192, "EDF+", 4) == 0 || memcmp(p + 192, "BDF+", 4) == 0;
    f->discontinuous = f->plus && p[196] == 'D';
    if (!number(EDF_FIELD(p, 252, 4), &channels) || channels < 1 || channels > 9999 ||
        channels != floor(channels))
        return fail(err, 252, "the number of channels must be 1 at least");
    f->nchannels = (size_t)channels;
    if (f->nchannels > (file.n - EDF_HEADER) / EDF_HEADER)
        return base_fail(
            err, BASE_EFORMAT, 252,
            "EDF header: %zu channels need a header of %zu bytes, the file has %zu: it "
            "is cut or damaged",
            f->nchannels, (f->nchannels + 1) * EDF_HEADER, file.n);
    f->pos = (f->nchannels + 1) * EDF_HEADER;
    f->data = base_bytes_of(p + f->pos, file.n - f->pos);
    if (!number(EDF_FIELD(p, 184, 8), &stated) || stated != (double)f->pos)
        ecg_record_note(f->rec, 184, "EDF: a header of %zu channels has %llu bytes, not %.8s",
                        f->nchannels, (unsigned long long)f->pos, (const char *)p + 184);
    if (!number(EDF_FIELD(p, 244, 8), &f->duration_s) || f->duration_s < 0 ||
        (f->duration_s > 0 && f->duration_s < 1e-6) || f->duration_s > EDF_TIME_MAX)
        return fail(err, 244, "the duration of a data record is no number of seconds");
    f->channels = calloc(f->nchannels, sizeof *f->channels);
    if (!f->channels)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    enum base_err e = read_channels(f, p, err);
    if (!e)
        count_records(f, p);
    return e;
}

/* ---- times of the records ---- */

/* Gaps take memory without having bytes: they may be as long as is usual, beside the
 * data. What comes after a longer one is left out. */
static void leave_out_after_gap(struct edf_file *f)
{
    enum { RATIO = 16, FREE = 1 << 16 };
    double always_s = FREE / ((double)(f->record_bytes / f->width) / f->duration_s);
    for (size_t k = 1; k < f->records + (f->rest > 0); k++) {
        double there = (double)k * f->duration_s;
        if (f->times[k] <= RATIO * there + always_s)
            continue;
        ecg_record_damage(
            f->rec, f->pos + k * f->record_bytes,
            "EDF: after %g s of recording there is a gap up to second %g, which is too "
            "long: what follows is left out",
            there, f->times[k]);
        f->records = k;
        f->rest = 0;
    }
}

/* EDF+C says that there are no gaps, in files in which some writers left some. */
static bool has_gaps_for_all_that(const struct edf_file *f)
{
    double last;
    if (!f->plus || f->records < 2 || !ecg_edf_record_time(f, f->records - 1, &last))
        return false;
    double want = f->first_s + (double)(f->records - 1) * f->duration_s;
    if (!(last - want > fmax(1, f->duration_s))) /* clocks drift */
        return false;
    ecg_record_damage(f->rec, f->pos + (f->records - 1) * f->record_bytes,
                      "EDF: the recording is called continuous, but its last data record begins at "
                      "second %g, not %g: its gaps are where the times of the records say",
                      last, want);
    return true;
}

/* EDF+D: data records have times of their own. */
static enum base_err read_times(struct edf_file *f, struct base_error *err)
{
    size_t n = f->records + (f->rest > 0);
    bool known = ecg_edf_record_time(f, 0, &f->first_s);
    if (!known)
        f->first_s = 0;
    if (n == 0 || f->duration_s <= 0 || !(f->discontinuous || (known && has_gaps_for_all_that(f))))
        return BASE_OK;
    f->times = calloc(n, sizeof *f->times);
    if (!f->times)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    size_t odd = 0;
    for (size_t k = 1; k < n; k++) {
        double t;
        double next = f->times[k - 1] + f->duration_s;
        bool has = ecg_edf_record_time(f, k, &t) && t - f->first_s > next - 1e-6;
        f->times[k] = has ? t - f->first_s : next;
        odd += !has;
    }
    if (odd || !known)
        ecg_record_damage(
            f->rec, f->pos,
            "EDF: %zu data records do not say when they begin, or begin before the one "
            "in front ends: they are read as following it",
            odd + !known);
    leave_out_after_gap(f);
    return BASE_OK;
}

/* ---- samples ---- */

/* Sample number of the first one of a record. Records never overlap. */
static size_t sample_of(const struct edf_file *f, const struct edf_channel *c, size_t record,
                        size_t next)
{
    if (!f->times)
        return record * c->per_record;
    double at = f->times[record] / f->duration_s * (double)c->per_record;
    return at > (double)next ? (size_t)llround(at) : next;
}

/* Of the record that is cut off. */
static size_t rest_of(const struct edf_file *f, const struct edf_channel *c)
{
    size_t n = f->rest > c->offset ? (f->rest - c->offset) / f->width : 0;
    return n < c->per_record ? n : c->per_record;
}

static size_t samples_of(const struct edf_file *f, const struct edf_channel *c)
{
    size_t next = 0;
    size_t rest = rest_of(f, c);
    if (!f->times)
        return f->records * c->per_record + rest;
    for (size_t k = 0; k < f->records; k++)
        next = sample_of(f, c, k, next) + c->per_record;
    return rest ? sample_of(f, c, f->records, next) + rest : next;
}

/* The samples of a data record to their place. */
static void copy_samples(const struct edf_file *f, struct edf_channel *c,
                         const struct ecg_unpack *u, size_t record)
{
    struct ecg_lead *lead = c->lead;
    const uint8_t *p = f->data.p + record * f->record_bytes + c->offset;
    size_t n = record < f->records ? c->per_record : rest_of(f, c);
    if (n == 0)
        return;
    size_t at = sample_of(f, c, record, c->next);
    assert(at >= c->next && at <= lead->samples && n <= lead->samples - at);
    assert(p + n * f->width <= f->data.p + f->data.n);
    if (f->width == 3)
        u->u24(p, n, lead->i32 + at, &lead->tally, &c->odd);
    else
        u->copy16(p, n, lead->i16 + at, &lead->tally);
    c->next = at + n;
}

static void fill_gaps(const struct edf_file *f, const struct edf_channel *c, struct ecg_lead *lead)
{
    size_t next = 0;
    for (size_t k = 0; f->times && k < f->records + (f->rest > 0); k++) {
        size_t n = k < f->records ? c->per_record : rest_of(f, c);
        if (n == 0)
            continue;
        size_t at = sample_of(f, c, k, next);
        ecg_lead_miss(lead, next, at);
        lead->tally.missing += at - next;
        next = at + n;
    }
}

/* In 16 bits if they fit, and with the gaps. */
static enum base_err settle_samples(const struct edf_file *f, const struct edf_channel *c)
{
    struct ecg_lead *lead = c->lead;
    enum base_err e = BASE_OK;
    lead->tally.known = true;
    if (f->width == 2 && lead->tally.missing) /* an ordinary value here */
        e = ecg_record_widen(f->rec, lead);
    if (!e)
        fill_gaps(f, c, lead);
    if (!e && f->width == 3 && !c->odd)
        ecg_record_narrow(f->rec, lead);
    return e;
}

static bool is_voltage(const struct edf_channel *c)
{
    return c->scaled && c->uv > 0;
}

/* EDF+ 2.1.3: "ECG V1" is the type of signal and the lead; some write "ECG-V1" or "ECG V1-Ref". */
static void name_lead(struct ecg_record *r, struct base_bytes label, size_t i,
                      struct ecg_lead *lead)
{
    enum { TYPE = 4 };
    struct base_bytes own = label;
    const char *s = (const char *)label.p;
    if (own.n > TYPE && (strncasecmp(s, "ECG", 3) == 0 || strncasecmp(s, "EKG", 3) == 0) &&
        strchr(" -_:", s[3])) {
        own = ecg_text_trim(base_bytes_of(own.p + TYPE, own.n - TYPE));
        lead->is_ecg = true;
    }
    size_t length = own.n;
    if (length > TYPE && strncasecmp((const char *)own.p + length - TYPE, "-Ref", TYPE) == 0)
        length -= TYPE;
    ecg_text_name_lead(r, base_bytes_of(own.p, length), lead);
    if (!lead->name[0])
        lead->name = ecg_record_printf(r, "channel %zu", i + 1);
}

static enum base_err make_lead(const struct edf_file *f, size_t i)
{
    const struct edf_channel *c = &f->channels[i];
    struct ecg_record *r = f->rec;
    double uv = is_voltage(c) ? c->uv : 0;
    struct ecg_lead *lead = uv > 0 ? ecg_record_add_lead(r) : ecg_record_add_other(r);
    if (!lead)
        return r->err;
    name_lead(r, c->label, i, lead);
    if (uv <= 0)
        lead->unit = c->scaled && c->unit.n ? ecg_text_undeclared(r, c->unit) : "1";
    lead->uv_per_count = c->gain * (uv > 0 ? uv : 1);
    lead->offset_uv = c->zero * (uv > 0 ? uv : 1);
    lead->rate_hz = (double)c->per_record / f->duration_s;
    size_t n = samples_of(f, c);
    return f->width == 3 ? ecg_record_set_i32(r, lead, n) : ecg_record_set_i16(r, lead, n);
}

/* "HP:0.1Hz LP:75Hz N:50Hz" */
static void read_filters(struct ecg_record *r, struct base_bytes text)
{
    const struct {
        const char *key;
        double *to;
    } rows[] = {{"HP:", &r->filters.high_pass_hz},
                {"LP:", &r->filters.low_pass_hz},
                {"N:", &r->filters.notch_hz}};
    char s[81];
    memcpy(s, text.p, text.n);
    s[text.n] = '\0';
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *at = strstr(s, rows[i].key);
        char value[16];
        double hz;
        if (!at)
            continue;
        at += strlen(rows[i].key);
        size_t n = strspn(at, "0123456789.");
        snprintf(value, sizeof value, "%.*s", (int)(n < 15 ? n : 15), at);
        if (strncasecmp(at + n, "Hz", 2) == 0 && ecg_text_number(value, &hz))
            *rows[i].to = hz;
    }
}

static bool has_lead(const struct edf_channel *c)
{
    return !c->annotations && c->per_record > 0;
}

/* By number: lists of leads move while they grow. */
static void point_to_leads(struct edf_file *f)
{
    size_t lead = 0;
    size_t other = 0;
    for (size_t i = 0; i < f->nchannels; i++) {
        struct edf_channel *c = &f->channels[i];
        if (has_lead(c))
            c->lead = is_voltage(c) ? &f->rec->leads[lead++] : &f->rec->others[other++];
    }
}

/* Says how much memory the samples will take. */
static void expect_samples(const struct edf_file *f)
{
    size_t leads = 0;
    size_t samples = 0;
    for (size_t i = 0; i < f->nchannels; i++)
        if (has_lead(&f->channels[i])) {
            leads++;
            samples += f->records * f->channels[i].per_record + rest_of(f, &f->channels[i]);
        }
    if (!f->times) /* and no gaps */
        ecg_record_expect(f->rec, leads, samples * (f->width == 3 ? 4 : 2));
}

/* Record by record, as they lie in the file. */
static enum base_err read_records(struct edf_file *f, struct base_error *err)
{
    struct ecg_unpack u;
    bool later = f->first_s > 0 && f->first_s < 1;
    struct edf_marker marker = {.f = f, .zero_s = later ? f->first_s : 0};
    ecg_unpack_choose(ecg_simd_level(), &u);
    point_to_leads(f);
    for (size_t k = 0; k < f->records + (f->rest > 0); k++)
        for (size_t i = 0; i < f->nchannels; i++)
            if (f->channels[i].lead)
                copy_samples(f, &f->channels[i], &u, k);
            else if (f->channels[i].annotations)
                ecg_edf_annotations(&marker, &f->channels[i], k);
    for (size_t i = 0; i < f->nchannels; i++) {
        enum base_err e = f->channels[i].lead ? settle_samples(f, &f->channels[i]) : BASE_OK;
        if (e)
            return base_fail(err, e, f->pos, "EDF: channel %zu: %s", i + 1, base_err_text(e));
    }
    return BASE_OK;
}

static enum base_err read_all(struct edf_file *f, struct base_error *err)
{
    struct ecg_record *r = f->rec;
    bool filters = false;
    size_t samples = 0;
    expect_samples(f);
    for (size_t i = 0; i < f->nchannels; i++) {
        const struct edf_channel *c = &f->channels[i];
        if (!has_lead(c))
            continue;
        if (f->duration_s <= 0)
            return fail(err, 244, "data records of 0 s cannot have samples");
        samples += samples_of(f, c);
        enum base_err e = make_lead(f, i);
        if (e)
            return base_fail(err, e, f->pos, "EDF: channel %zu: %s", i + 1, base_err_text(e));
        struct base_bytes prefilter = base_bytes_of(NULL, 0);
        if (!filters && c->uv > 0)
            prefilter = ecg_text_trim(c->prefilter);
        if (prefilter.n) {
            read_filters(r, prefilter);
            filters = true;
        }
    }
    if (samples == 0)
        return base_fail(err, BASE_EFORMAT, f->pos, "EDF: no channel has a sample");
    return read_records(f, err);
}

/* EDF+ 2.2.4: the first record says by which fraction of a second it is later. */
static void settle_start(const struct edf_file *f)
{
    struct ecg_record *r = f->rec;
    if (f->first_s > 0 && f->first_s < 1)
        r->start.usec = (int)fmin(round(f->first_s * 1e6), 999999);
    else
        for (size_t i = 0; i < r->nleads + r->nothers; i++)
            (i < r->nleads ? &r->leads[i] : &r->others[i - r->nleads])->start_s = f->first_s;
}

enum base_err ecg_edf_parse(struct base_bytes file, struct ecg_record *r, struct base_error *err)
{
    struct edf_file f = {.rec = r};
    enum base_err e = read_header(&f, file, err);
    if (!e) {
        r->format = f.width == 3 ? "BDF" : "EDF";
        r->version = f.plus ? ecg_text_undeclared(r, base_bytes_of(file.p + 192, 5)) : "";
        ecg_edf_identity(r, file.p, f.plus);
        e = read_times(&f, err);
    }
    if (!e)
        e = read_all(&f, err);
    if (!e)
        settle_start(&f);
    free(f.times);
    free(f.channels);
    return e;
}
