/* header(5): the record line, signal lines, segment lines, comments. */
#include "ecg/ecg_wfdb_priv.h"

#include "base/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

bool ecg_wfdb_next_line(struct base_bytes text, size_t *at, size_t *number, struct base_bytes *line)
{
    if (*at >= text.n)
        return false;
    const uint8_t *from = text.p + *at;
    const uint8_t *end = memchr(from, '\n', text.n - *at);
    size_t n = end ? (size_t)(end - from) : text.n - *at;
    *at += n + 1;
    ++*number;
    while (n && (from[n - 1] == '\r' || from[n - 1] == ' ' || from[n - 1] == '\t'))
        n--;
    while (n && (*from == ' ' || *from == '\t')) {
        from++;
        n--;
    }
    *line = base_bytes_of(from, n);
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

struct base_bytes ecg_wfdb_word(struct base_bytes *line)
{
    const uint8_t *p = line->p;
    const uint8_t *end = p + line->n;
    while (p < end && is_blank(*p))
        p++;
    const uint8_t *from = p;
    while (p < end && !is_blank(*p))
        p++;
    *line = base_bytes_of(p, (size_t)(end - p));
    return base_bytes_of(from, (size_t)(p - from));
}

void ecg_wfdb_copy(struct base_bytes word, char *out, size_t size)
{
    size_t n = word.n < size ? word.n : 0;
    if (n)
        memcpy(out, word.p, n);
    out[n] = '\0';
}

/* Of a byte behind digits. */
static bool goes_on(uint8_t c)
{
    return c == '.' || c == 'e' || c == 'E' || (c >= '0' && c <= '9') || c == '\0';
}

/* A number at the front of a word, which is moved past it. */
static bool take_number(struct base_bytes *word, double *out)
{
    char text[WFDB_WORD];
    char *end;
    size_t length = base_decimal(word->p, word->n, out);
    if (length && (length == word->n || !goes_on(word->p[length]))) {
        word->p += length;
        word->n -= length;
        return true;
    }
    size_t n = word->n < sizeof text - 1 ? word->n : sizeof text - 1;
    memcpy(text, word->p ? (const char *)word->p : "", n);
    text[n] = '\0';
    /* strtod also knows "nan", "inf" and "0x". */
    size_t plain = strspn(text, "+-.0123456789eE");
    text[plain] = '\0';
    double v = strtod(text, &end);
    if (end == text || !isfinite(v))
        return false;
    *out = v;
    word->p += end - text;
    word->n -= (size_t)(end - text);
    return true;
}

static bool take_char(struct base_bytes *word, char c)
{
    if (word->n == 0 || *word->p != (uint8_t)c)
        return false;
    word->p++;
    word->n--;
    return true;
}

static bool take_whole(struct base_bytes *word, double least, double most, double *out)
{
    /* All that is asked for fits 64 bits. */
    return take_number(word, out) && *out >= least && *out <= most && (double)(int64_t)*out == *out;
}

struct reader {
    const char *file;
    struct wfdb_header *h;
    struct base_error *err;
    size_t line;
    uint64_t pos;
};

static enum base_err bad(const struct reader *x, const char *what, struct base_bytes word)
{
    return base_fail(x->err, BASE_EFORMAT, x->pos,
                     "WFDB header%s%s, line %zu: %s expected, there is \"%.*s\"",
                     x->file[0] ? " " : "", x->file, x->line, what,
                     (int)(word.n < 40 ? word.n : 40), word.p ? (const char *)word.p : "");
}

/* DD/MM/YYYY, or YYYY-MM-DD or DD-Mon-YYYY as some write. */
static bool read_date(const char *text, struct ecg_date *out)
{
    enum { LEAST = 1000 /* four digits: "89" is no year */ };
    struct ecg_date d = {0};
    if (!ecg_date_of_name(text, &d) && sscanf(text, "%d/%d/%d", &d.day, &d.month, &d.year) != 3 &&
        sscanf(text, "%d-%d-%d", &d.year, &d.month, &d.day) != 3)
        return false;
    if (d.year < LEAST || !ecg_date_is_real(d.year, d.month, d.day))
        return false;
    *out = d;
    return true;
}

/* HH:MM:SS[.sss], MM:SS or SS; and not a year, which some write here. */
static bool read_clock(struct base_bytes word, struct ecg_time *t)
{
    double part[3] = {0};
    size_t n = 0;
    while (n < 3 && take_number(&word, &part[n])) {
        n++;
        if (!take_char(&word, ':'))
            break;
    }
    double s = n == 3   ? 3600 * part[0] + 60 * part[1] + part[2]
               : n == 2 ? 60 * part[0] + part[1]
                        : part[0];
    if (n == 0 || word.n || !(s >= 0 && s < (n == 1 ? 60 : 86400)))
        return false;
    (void)ecg_time_set(t, (int)s / 3600, (int)s / 60 % 60, (int)s % 60);
    t->usec = (int)lround((s - floor(s)) * 1e6) % 1000000;
    return true;
}

/* Time and date, in either order: there are headers with both. */
static void read_moment(struct base_bytes word, struct wfdb_header *h)
{
    char text[WFDB_WORD];
    ecg_wfdb_copy(word, text, sizeof text);
    if (!read_date(text, &h->start.date) && !read_clock(word, &h->start))
        h->start_odd = true;
}

/* What follows the slash of a name: a number of segments; if it is none, the name itself, after
 * the folder that it was written to. */
static enum base_err read_name(const struct reader *x, struct base_bytes name)
{
    struct wfdb_header *h = x->h;
    size_t digits = 0;
    double v;
    while (digits < name.n && name.p[name.n - 1 - digits] >= '0' &&
           name.p[name.n - 1 - digits] <= '9')
        digits++;
    if (digits < name.n && name.p[name.n - 1 - digits] == '/') {
        struct base_bytes count = {name.p + name.n - digits, digits};
        if (!take_whole(&count, 1, 1e6, &v) || count.n)
            return bad(x, "a number of segments", count);
        h->nsegments = (size_t)v;
        name.n -= digits + 1;
    }
    h->folder = name;
    while (h->folder.n && h->folder.p[h->folder.n - 1] != '/')
        h->folder.n--;
    name.p += h->folder.n;
    name.n -= h->folder.n;
    ecg_wfdb_copy(name, h->name, sizeof h->name);
    return BASE_OK;
}

/* name[/segments] signals [rate[/counter[(base)]] [samples [time [date]]]] */
static enum base_err read_record_line(const struct reader *x, struct base_bytes line)
{
    struct wfdb_header *h = x->h;
    double v;
    enum base_err e = read_name(x, ecg_wfdb_word(&line));
    if (e)
        return e;
    struct base_bytes word = ecg_wfdb_word(&line);
    if (!take_whole(&word, 0, 1e6, &v) || word.n)
        return bad(x, "a number of signals", word);
    h->nsignals = (size_t)v;
    word = ecg_wfdb_word(&line);
    h->rate = 250; /* header(5): the default */
    if (word.n && (!take_number(&word, &h->rate) || !(h->rate > 0 && h->rate < 1e9)))
        return bad(x, "a rate above 0", word);
    word = ecg_wfdb_word(&line);
    if (word.n) {
        if (!take_whole(&word, 0, 1e15, &v) || word.n)
            return bad(x, "a number of samples", word);
        h->frames = (uint64_t)v;
    }
    for (word = ecg_wfdb_word(&line); word.n; word = ecg_wfdb_word(&line))
        read_moment(word, h);
    return BASE_OK;
}

/* format[xSPF][:SKEW][+OFFSET] */
static enum base_err read_format(const struct reader *x, struct base_bytes word,
                                 struct wfdb_signal *s)
{
    static const unsigned known[] = {0, 8, 16, 24, 32, 61, 80, 160, 212, 310, 311, 508, 516, 524};
    struct base_bytes all = word;
    double v;
    bool ok = take_whole(&word, 0, 999, &v);
    bool is_known = false;
    s->format = ok ? (unsigned)v : 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        is_known |= known[i] == s->format;
    s->spf = 1;
    if (ok && take_char(&word, 'x')) {
        ok = take_whole(&word, 1, WFDB_SPF_MAX, &v);
        s->spf = ok ? (unsigned)v : 1;
    }
    if (ok && take_char(&word, ':')) {
        ok = take_whole(&word, 0, INT32_MAX, &v);
        s->skew = ok ? (uint32_t)v : 0;
    }
    if (ok && word.n && *word.p == '+') {
        ok = take_whole(&word, 0, 1e15, &v);
        s->offset = ok ? (uint64_t)v : 0;
    }
    if (!ok || word.n)
        return bad(x, "a signal format such as 212 or 16x2:1+24", all);
    if (!is_known)
        return base_fail(x->err, BASE_EUNSUPPORTED, x->pos,
                         "WFDB header %s, line %zu: signal format %u is not known", x->file,
                         x->line, s->format);
    return BASE_OK;
}

/* gain[(baseline)][/units] */
static enum base_err read_gain(const struct reader *x, struct base_bytes word,
                               struct wfdb_signal *s, bool *has_baseline)
{
    struct base_bytes all = word;
    double v;
    if (!take_number(&word, &s->gain))
        return bad(x, "a gain such as 200(0)/mV", all);
    if (take_char(&word, '(')) {
        if (!take_whole(&word, INT32_MIN, INT32_MAX, &v) || !take_char(&word, ')'))
            return bad(x, "a baseline such as (1024)", all);
        s->baseline = (int32_t)v;
        *has_baseline = true;
    }
    if (take_char(&word, '/'))
        s->unit = word;
    else if (word.n)
        return bad(x, "a gain such as 200(0)/mV", all);
    return BASE_OK;
}

/* file format [gain [resolution [zero [initial [checksum [blocksize [description]]]]]]] */
static enum base_err read_signal_line(const struct reader *x, struct base_bytes line,
                                      struct wfdb_signal *s)
{
    bool has_baseline = false;
    double zero = 0;
    double v;
    struct base_bytes folder = x->h->folder;
    s->file = ecg_wfdb_word(&line);
    if (folder.n && s->file.n > folder.n && memcmp(s->file.p, folder.p, folder.n) == 0) {
        s->file.p += folder.n;
        s->file.n -= folder.n;
    }
    s->line = x->line;
    enum base_err e = read_format(x, ecg_wfdb_word(&line), s);
    struct base_bytes word = ecg_wfdb_word(&line);
    if (!e && word.n)
        e = read_gain(x, word, s, &has_baseline);
    if (e)
        return e;
    double *const numbers[] = {NULL, &zero, &v, &v, NULL};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        word = ecg_wfdb_word(&line);
        if (word.n == 0)
            break;
        double ignored;
        if (!take_whole(&word, -4294967296.0, 4294967295.0, numbers[i] ? numbers[i] : &ignored))
            return bad(x, "a whole number", word);
        if (i == 2)
            s->first = v >= INT32_MIN && v <= INT32_MAX ? (int32_t)v : 0;
        s->has_checksum |= i == 3;
        if (i == 3)
            s->checksum = (uint16_t)(int64_t)v;
        if (i == 1 && !has_baseline && zero >= INT32_MIN && zero <= INT32_MAX)
            s->baseline = (int32_t)zero;
    }
    while (line.n && is_blank(*line.p)) {
        line.p++;
        line.n--;
    }
    s->name = line;
    return BASE_OK;
}

static enum base_err read_segment_line(const struct reader *x, struct base_bytes line,
                                       struct wfdb_segment *s)
{
    double v;
    s->name = ecg_wfdb_word(&line);
    s->line = x->line;
    struct base_bytes word = ecg_wfdb_word(&line);
    if (!take_whole(&word, 0, 1e15, &v) || word.n)
        return bad(x, "a number of samples of the segment", word);
    s->frames = (uint64_t)v;
    return BASE_OK;
}

/* Room for what the record line announces, if that many lines can follow. */
static enum base_err make_room(const struct reader *x, const struct ecg_limits *limits)
{
    enum { SHORTEST = 4 /* bytes of a line */ };
    struct wfdb_header *h = x->h;
    size_t lines = h->nsegments ? h->nsegments : h->nsignals;
    if (lines > h->text.n / SHORTEST + 1)
        return base_fail(x->err, BASE_EFORMAT, x->pos,
                         "WFDB header %s, line %zu: %zu lines announced, the file has %zu bytes",
                         x->file, x->line, lines, h->text.n);
    if (h->nsignals > limits->leads || h->nsegments > limits->items)
        return base_fail(x->err, BASE_ELIMIT, x->pos,
                         "WFDB header %s: %zu signals, %zu segments; the limits are %zu and %zu",
                         x->file, h->nsignals, h->nsegments, limits->leads, limits->items);
    h->signals = calloc(h->nsignals ? h->nsignals : 1, sizeof *h->signals);
    h->segments = calloc(h->nsegments ? h->nsegments : 1, sizeof *h->segments);
    if (!h->signals || !h->segments)
        return base_fail(x->err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    return BASE_OK;
}

static enum base_err read_lines(struct reader *x, const struct ecg_limits *limits)
{
    struct wfdb_header *h = x->h;
    struct base_bytes line;
    size_t at = 0;
    size_t done = 0;
    bool has_record = false;
    enum base_err e = BASE_OK;
    while (!e && (!has_record || done < (h->nsegments ? h->nsegments : h->nsignals))) {
        x->pos = at;
        if (!ecg_wfdb_next_line(h->text, &at, &x->line, &line)) {
            if (h->nsegments && done) {
                h->unlisted = h->nsegments - done;
                h->nsegments = done;
                return BASE_OK;
            }
            return base_fail(x->err, BASE_EFORMAT, x->pos,
                             "WFDB header %s ends after line %zu; %zu more lines were announced",
                             x->file, x->line, (h->nsegments ? h->nsegments : h->nsignals) - done);
        }
        if (line.n == 0 || *line.p == '#')
            continue;
        if (!has_record) {
            e = read_record_line(x, line);
            has_record = true;
            e = e ? e : make_room(x, limits);
        } else if (h->nsegments) {
            e = read_segment_line(x, line, &h->segments[done++]);
        } else {
            e = read_signal_line(x, line, &h->signals[done++]);
        }
    }
    while (!e && !h->more_line && ecg_wfdb_next_line(h->text, &at, &x->line, &line))
        h->more_line = line.n && *line.p != '#' ? x->line : 0;
    return e;
}

enum base_err ecg_wfdb_header_read(struct base_bytes text, const char *file,
                                   const struct ecg_limits *limits, struct wfdb_header *out,
                                   struct base_error *err)
{
    *out = (struct wfdb_header){.text = text};
    struct reader x = {.file = file, .h = out, .err = err};
    enum base_err e = read_lines(&x, limits);
    if (e)
        ecg_wfdb_header_free(out);
    return e;
}

void ecg_wfdb_header_free(struct wfdb_header *h)
{
    free(h->signals);
    free(h->segments);
    h->signals = NULL;
    h->segments = NULL;
}
