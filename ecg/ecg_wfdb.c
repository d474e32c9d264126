/*
 * WFDB records (PhysioNet): a header, signal files that it names, annotation
 * files named after it, and records that are a series of others.
 */
#include "ecg/ecg_wfdb_priv.h"

#include "ecg/ecg_text.h"
#include "ecg/ecg_unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* A record line: a name, a number of signals, and nothing that is no text. */
bool ecg_wfdb_probe(struct base_bytes file)
{
    enum { LOOK = 4096 };
    struct base_bytes head = {file.p, file.n < LOOK ? file.n : LOOK};
    struct base_bytes line;
    size_t at = 0;
    size_t number = 0;
    uint8_t binary = 0;
    for (size_t i = 0; i < head.n; i++) {
        uint8_t c = head.p[i];
        binary |= c >= ' ' || c == '\t' || c == '\r' || c == '\n' ? 0 : 1;
    }
    if (binary)
        return false;
    while (ecg_wfdb_next_line(head, &at, &number, &line)) {
        if (line.n == 0 || *line.p == '#')
            continue;
        struct base_bytes name = ecg_wfdb_word(&line);
        struct base_bytes count = ecg_wfdb_word(&line);
        struct base_bytes rate = ecg_wfdb_word(&line);
        bool plain = count.n > 0 && count.n < 6 && memchr("<{[\"'(,;:", *name.p, 9) == NULL &&
                     (rate.n == 0 || strchr("0123456789.", *rate.p));
        for (size_t i = 0; plain && i < count.n; i++)
            plain = count.p[i] >= '0' && count.p[i] <= '9';
        return plain;
    }
    return false;
}

/* header(5): without a unit it is mV. */
static double unit_in_uv(struct base_bytes unit)
{
    return unit.n ? ecg_unit_uv(unit) : 1e3;
}

void ecg_wfdb_describe(struct ecg_record *r, const struct wfdb_header *h, size_t signal,
                       struct ecg_lead *lead)
{
    const struct wfdb_signal *s = &h->signals[signal];
    double uv = unit_in_uv(s->unit);
    double gain = s->gain != 0 ? s->gain : 200; /* header(5): the default */
    if (s->name.n)
        ecg_text_name_lead(r, s->name, lead);
    else
        lead->name = ecg_record_printf(r, "signal %zu", signal + 1);
    lead->unit = uv > 0 ? "" : ecg_text_undeclared(r, s->unit);
    lead->uv_per_count = (uv > 0 ? uv : 1) / gain;
    lead->offset_uv = -(double)s->baseline * lead->uv_per_count;
    lead->rate_hz = h->rate * s->spf;
    if (s->gain == 0 && uv > 0)
        ecg_record_note(r, BASE_NOPOS, "WFDB: signal %s is not calibrated, 200 per mV assumed",
                        lead->name);
}

/* ---- which files ---- */

/* The names of the header's signal files are asked for; an error if one is no name. */
static enum base_err ask_signals(const struct ecg_set *set, const struct wfdb_header *h,
                                 struct base_error *err)
{
    char name[ECG_NAME_SIZE];
    struct base_bytes found;
    for (size_t i = 0; h->signals && i < h->nsignals; i++) {
        const struct wfdb_signal *s = &h->signals[i];
        if (s->format == 0 || (i && base_bytes_equal(s->file, h->signals[i - 1].file)))
            continue;
        ecg_wfdb_copy(s->file, name, sizeof name);
        if (ecg_set_find(set, name, &found) == ECG_FOUND_UNSAFE)
            return base_fail(err, BASE_EFORMAT, BASE_NOPOS,
                             "WFDB header, line %zu: \"%.*s\" is no name of a file beside the "
                             "header",
                             s->line, (int)(s->file.n < 60 ? s->file.n : 60),
                             (const char *)s->file.p);
    }
    return BASE_OK;
}

static enum base_err are_missing(const struct ecg_set *set, struct base_error *err)
{
    if (set->needs->n == 0)
        return BASE_OK;
    return base_fail(err, BASE_ENOTFOUND, BASE_NOPOS, "WFDB: the record has more files, such as %s",
                     set->needs->name[0]);
}

/* ---- leads of the record ---- */

static void free_leads(struct ecg_record *r, struct ecg_lead *leads, size_t n)
{
    for (size_t i = 0; leads && i < n; i++) {
        r->samples_used -= leads[i].i16 || leads[i].i32 ? leads[i].samples : 0;
        ecg_record_free_samples(r, &leads[i]);
    }
    free(leads);
}

/* Moves leads to the record: voltages, and the rest. */
static enum base_err place_leads(struct ecg_record *r, struct ecg_lead *leads, size_t n,
                                 struct base_error *err)
{
    size_t others = 0;
    size_t with_samples = 0;
    for (size_t i = 0; i < n; i++) {
        others += leads[i].unit[0] != '\0';
        with_samples += leads[i].samples > 0;
    }
    if (with_samples == 0)
        return base_fail(err, BASE_EFORMAT, BASE_NOPOS,
                         "WFDB: no signal of the record has a sample (are its files there?)");
    enum base_err e = ecg_record_set_leads(r, n - others);
    if (!e)
        e = ecg_record_set_others(r, others);
    if (e)
        return base_fail(err, e, BASE_NOPOS, "WFDB: %zu signals: %s", n, base_err_text(e));
    struct ecg_lead *voltage = r->leads;
    struct ecg_lead *other = r->others;
    for (size_t i = 0; i < n; i++) {
        *(leads[i].unit[0] ? other++ : voltage++) = leads[i];
        leads[i].i16 = NULL;
        leads[i].i32 = NULL;
    }
    return BASE_OK;
}

static struct ecg_lead *new_leads(size_t n)
{
    struct ecg_lead *leads = calloc(n ? n : 1, sizeof *leads);
    for (size_t i = 0; leads && i < n; i++)
        leads[i].name = leads[i].unit = "";
    return leads;
}

static enum base_err read_plain(const struct ecg_set *set, const struct wfdb_header *h,
                                struct ecg_record *r, struct base_error *err)
{
    struct ecg_lead *leads = new_leads(h->nsignals);
    if (!leads)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    enum base_err e = ecg_wfdb_signals(set, h, true, r, leads, err);
    if (!e)
        e = place_leads(r, leads, h->nsignals, err);
    if (e)
        free_leads(r, leads, h->nsignals);
    else
        free(leads);
    return e;
}

/* ---- records of several segments ---- */

struct segment {
    struct wfdb_header h;
    struct ecg_lead *leads; /* NULL: a gap */
    uint64_t at;            /* frame of the whole record */
};

struct segments {
    const struct ecg_set *set;
    const struct wfdb_header *h;
    struct ecg_record *r;
    struct base_error *err;
    struct segment *list;
    const struct wfdb_header *layout; /* whose signals the record has */
    bool variable;
};

static bool is_gap(const struct wfdb_segment *s)
{
    return s->name.n == 1 && *s->name.p == '~';
}

/* header(5): all segments have the rate of the record. One of another is a gap. */
static bool fits(const struct segments *x, const struct wfdb_segment *s,
                 const struct wfdb_header *h, const char *name)
{
    if (s->frames && h->frames && h->frames != s->frames)
        ecg_record_damage(x->r, BASE_NOPOS,
                          "WFDB: %s states %llu samples, the record's header %llu of it", name,
                          (unsigned long long)h->frames, (unsigned long long)s->frames);
    if (fabs(h->rate - x->h->rate) <= 1e-6 * x->h->rate)
        return true;
    ecg_record_damage(x->r, BASE_NOPOS,
                      "WFDB: %s has %g samples per second, the record %g: the segment is a gap",
                      name, h->rate, x->h->rate);
    return false;
}

static enum base_err open_segment(struct segments *x, size_t i)
{
    const struct wfdb_segment *s = &x->h->segments[i];
    char name[ECG_NAME_SIZE];
    struct base_bytes text;
    if (s->name.n + 5 > sizeof name)
        return base_fail(x->err, BASE_EFORMAT, BASE_NOPOS, "WFDB header, line %zu: a name too long",
                         s->line);
    snprintf(name, sizeof name, "%.*s.hea", (int)s->name.n, (const char *)s->name.p);
    switch (ecg_set_find(x->set, name, &text)) {
    case ECG_FOUND_UNSAFE:
        return base_fail(x->err, BASE_EFORMAT, BASE_NOPOS,
                         "WFDB header, line %zu: the name of segment %zu is no plain file name",
                         s->line, i + 1);
    case ECG_FOUND_ABSENT:
        ecg_record_damage(x->r, BASE_NOPOS, "WFDB: there is no %s: segment %zu is a gap", name,
                          i + 1);
        return BASE_OK;
    case ECG_FOUND_UNKNOWN:
        return BASE_OK;
    case ECG_FOUND:
    default:
        break;
    }
    struct segment *to = &x->list[i];
    enum base_err e = ecg_wfdb_header_read(text, name, x->r->limits, &to->h, x->err);
    if (!e && to->h.nsegments)
        e = base_fail(x->err, BASE_EFORMAT, BASE_NOPOS, "WFDB: segment %s has segments itself",
                      name);
    if (!e && !fits(x, s, &to->h, name))
        ecg_wfdb_header_free(&to->h);
    return e ? e : ask_signals(x->set, &to->h, x->err);
}

/* Headers of all segments; their files are asked for. */
static enum base_err open_segments(struct segments *x)
{
    enum base_err e = BASE_OK;
    uint64_t at = 0;
    for (size_t i = 0; i < x->h->nsegments && !e; i++) {
        const struct wfdb_segment *s = &x->h->segments[i];
        x->list[i].at = at;
        at += s->frames;
        if (!is_gap(s))
            e = open_segment(x, i);
    }
    return e ? e : are_missing(x->set, x->err);
}

static enum base_err read_segments(struct segments *x, uint64_t *frames)
{
    enum base_err e = BASE_OK;
    *frames = 0;
    for (size_t i = 0; i < x->h->nsegments && !e; i++) {
        struct segment *s = &x->list[i];
        if (!s->h.signals)
            continue;
        if (!x->layout)
            x->layout = &s->h;
        if (x->variable && i == 0)
            continue;
        s->leads = new_leads(s->h.nsignals);
        if (!s->leads)
            return base_fail(x->err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
        e = ecg_wfdb_signals(x->set, &s->h, false, x->r, s->leads, x->err);
        size_t longest = 0;
        for (size_t k = 0; k < s->h.nsignals && !e; k++) {
            size_t n = s->leads[k].samples / s->h.signals[k].spf;
            longest = n > longest ? n : longest;
        }
        *frames += longest;
    }
    return e;
}

/* The segment's signal that is this one of the record, or NULL. *skew: by how many samples
 * it is late there. */
static const struct ecg_lead *signal_in(const struct segments *x, const struct segment *s,
                                        size_t signal, uint64_t *skew)
{
    const struct wfdb_signal *want = &x->layout->signals[signal];
    if (!s->leads)
        return NULL;
    for (size_t i = 0; i < s->h.nsignals; i++) {
        bool same = x->variable ? base_bytes_equal(s->h.signals[i].name, want->name) : i == signal;
        if (same && s->h.signals[i].spf == want->spf) {
            *skew = (uint64_t)s->h.signals[i].skew * want->spf;
            return &s->leads[i];
        }
    }
    return NULL;
}

/* Samples first .. first + n - 1 of the segment. */
static void copy_segment(struct ecg_lead *to, const struct ecg_lead *from, size_t first, size_t at,
                         size_t n)
{
    bool same = from->uv_per_count == to->uv_per_count && from->offset_uv == to->offset_uv;
    if (to->i16) {
        memcpy(to->i16 + at, from->i16 + first, n * sizeof *to->i16);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        int32_t v = ecg_lead_sample(from, first + i);
        if (v != ECG_SAMPLE_NONE && !same) {
            double uv = v * from->uv_per_count + from->offset_uv - to->offset_uv;
            double counts = round(uv / to->uv_per_count);
            v = fabs(counts) < INT32_MAX ? (int32_t)counts : ECG_SAMPLE_NONE;
        }
        to->i32[at + i] = v;
    }
}

static enum base_err join(struct segments *x, size_t signal, size_t frames, struct ecg_lead *to)
{
    size_t spf = x->layout->signals[signal].spf;
    size_t total = frames * spf;
    uint64_t skew = 0;
    bool narrow = true;
    ecg_wfdb_describe(x->r, x->layout, signal, to);
    for (size_t i = 0; i < x->h->nsegments; i++) {
        const struct ecg_lead *from = signal_in(x, &x->list[i], signal, &skew);
        if (from && from->samples)
            narrow &= from->i16 && from->uv_per_count == to->uv_per_count &&
                      from->offset_uv == to->offset_uv;
    }
    enum base_err e =
        narrow ? ecg_record_set_i16(x->r, to, total) : ecg_record_set_i32(x->r, to, total);
    if (e)
        return base_fail(x->err, e, BASE_NOPOS, "WFDB: %zu samples: %s", total, base_err_text(e));
    ecg_lead_miss(to, 0, total);
    for (size_t i = 0; i < x->h->nsegments; i++) {
        const struct ecg_lead *from = signal_in(x, &x->list[i], signal, &skew);
        uint64_t stated = x->h->segments[i].frames * spf;
        if (!from || !from->samples)
            continue;
        /* A signal that is late has the end of the segment before at its beginning. */
        uint64_t at = x->list[i].at * spf;
        size_t n = from->samples < stated ? from->samples : (size_t)stated;
        size_t before = skew > at ? (size_t)(skew - at) : 0;
        if (before < n)
            copy_segment(to, from, before, (size_t)(at + before - skew), n - before);
    }
    if (!narrow)
        ecg_record_narrow(x->r, to);
    return BASE_OK;
}

/* Gaps take memory without having bytes: they may be as long as is usual, beside
 * the data. */
static enum base_err check_gaps(const struct segments *x, uint64_t there, uint64_t *total)
{
    enum { RATIO = 16, FREE = 1 << 16 };
    *total = 0;
    for (size_t i = 0; i < x->h->nsegments; i++)
        *total += x->h->segments[i].frames;
    if (*total / RATIO > there + FREE / (x->layout->nsignals + 1))
        return base_fail(x->err, BASE_ELIMIT, BASE_NOPOS,
                         "WFDB: %llu frames stated, of which the segments have %llu",
                         (unsigned long long)*total, (unsigned long long)there);
    return BASE_OK;
}

static enum base_err join_segments(struct segments *x)
{
    uint64_t there;
    uint64_t total;
    enum base_err e = read_segments(x, &there);
    if (!e && (!x->layout || there == 0))
        e = base_fail(x->err, BASE_EFORMAT, BASE_NOPOS, "WFDB: no segment of the record has data");
    if (!e)
        e = check_gaps(x, there, &total);
    if (e)
        return e;
    size_t n = x->layout->nsignals;
    struct ecg_lead *leads = new_leads(n);
    if (!leads)
        return base_fail(x->err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    for (size_t i = 0; i < n && !e; i++)
        e = join(x, i, (size_t)total, &leads[i]);
    if (!e)
        e = place_leads(x->r, leads, n, x->err);
    if (e)
        free_leads(x->r, leads, n);
    else
        free(leads);
    return e;
}

static enum base_err read_series(const struct ecg_set *set, const struct wfdb_header *h,
                                 struct ecg_record *r, struct base_error *err)
{
    struct segments x = {.set = set, .h = h, .r = r, .err = err};
    x.list = calloc(h->nsegments, sizeof *x.list);
    if (!x.list)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    /* header(5): a first segment without samples is the layout. */
    x.variable = h->segments[0].frames == 0;
    enum base_err e = open_segments(&x);
    if (!e)
        e = join_segments(&x);
    for (size_t i = 0; i < h->nsegments; i++) {
        free_leads(r, x.list[i].leads, x.list[i].h.nsignals);
        ecg_wfdb_header_free(&x.list[i].h);
    }
    free(x.list);
    return e;
}

/* ---- annotations ---- */

/* The header's name without its extension: annotation files are named after it. */
static int stem_of(const struct ecg_set *set, const struct wfdb_header *h, char *out)
{
    const char *name = set->files[0].name[0] ? set->files[0].name : h->name;
    const char *dot = strrchr(name, '.');
    bool is_header = dot && strcasecmp(dot, ".hea") == 0;
    return snprintf(out, ECG_NAME_SIZE, "%.*s", (int)(is_header ? dot - name : 250), name);
}

static void ask_annotations(const struct ecg_set *set, const struct wfdb_header *h)
{
    char name[ECG_NAME_SIZE + 8];
    char stem[ECG_NAME_SIZE];
    struct base_bytes found;
    stem_of(set, h, stem);
    snprintf(name, sizeof name, "%.240s.atr", stem);
    (void)ecg_set_find_optional(set, name, &found);
}

static bool is_signal_file(const struct wfdb_header *h, const char *name)
{
    for (size_t i = 0; i < h->nsignals; i++)
        if (h->signals[i].file.n == strlen(name) &&
            memcmp(h->signals[i].file.p, name, strlen(name)) == 0)
            return true;
    return false;
}

/* Every file "RECORD.ANNOTATOR" that was given. Some databases annotate each lead
 * in a file that is named after it. */
static void read_annotations(const struct ecg_set *set, const struct wfdb_header *h,
                             struct ecg_record *r)
{
    char stem[ECG_NAME_SIZE];
    size_t n = (size_t)stem_of(set, h, stem);
    for (size_t i = 1; i < set->n; i++) {
        const char *name = set->files[i].name;
        if (!set->files[i].bytes.p || strncasecmp(name, stem, n) != 0 || name[n] != '.' ||
            is_signal_file(h, name) || strcasecmp(name + n, ".hea") == 0)
            continue;
        int lead = ecg_lead_by_name(name + n + 1, strlen(name + n + 1));
        if (!ecg_wfdb_annotations(r, set->files[i].bytes, name, h->rate, lead))
            ecg_record_note(r, BASE_NOPOS, "WFDB: %s is no annotation file", name);
    }
}

enum base_err ecg_wfdb_parse(const struct ecg_set *set, struct ecg_record *r,
                             struct base_error *err)
{
    struct wfdb_header h;
    struct base_bytes text = set->files[0].bytes;
    enum base_err e = ecg_wfdb_header_read(text, set->files[0].name, r->limits, &h, err);
    if (e)
        return e;
    ask_annotations(set, &h);
    if (h.nsegments == 0)
        e = ask_signals(set, &h, err);
    if (!e && h.nsegments == 0)
        e = are_missing(set, err);
    if (!e)
        e = h.nsegments ? read_series(set, &h, r, err) : read_plain(set, &h, r, err);
    if (!e) {
        if (h.more_line)
            ecg_record_damage(r, BASE_NOPOS,
                              "WFDB header, line %zu: more than the record line announces is not "
                              "read",
                              h.more_line);
        if (h.unlisted)
            ecg_record_damage(r, BASE_NOPOS,
                              "WFDB header ends early: %zu segments more were announced",
                              h.unlisted);
        if (h.start_odd)
            ecg_record_note(r, BASE_NOPOS, "WFDB header: the date or time of the record is none");
        r->start = h.start;
        ecg_wfdb_comments(r, text);
        read_annotations(set, &h, r);
    }
    ecg_wfdb_header_free(&h);
    return e;
}
