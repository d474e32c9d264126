#include "ecg/ecg_record.h"

#include "base/utf8.h"
#include "ecg/ecg_unpack.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const struct ecg_limits ecg_limits_default = {
    .bytes = (size_t)1 << 30,
    .leads = 256,
    .samples = (size_t)256 << 20,
    .text = (size_t)256 << 10,
    .items = 4096,
};

bool ecg_date_is_real(long year, long month, long day)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days[month - 1] + leap;
}

/* Up to `most` digits at *s, which is moved past them; false when there is none. */
static bool take_digits(const char **s, int most, int *out)
{
    const char *from = *s;
    *out = 0;
    for (; *s - from < most && **s >= '0' && **s <= '9'; ++*s)
        *out = 10 * *out + **s - '0';
    return *s > from;
}

bool ecg_date_of_name(const char *s, struct ecg_date *out)
{
    static const char months[] = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
    enum { LETTERS = 3 };
    struct ecg_date d = {0};
    if (!take_digits(&s, 2, &d.day) || *s != '-' || strnlen(++s, LETTERS + 1) <= LETTERS)
        return false;
    for (int i = 0; i < 12; i++)
        if (strncasecmp(s, months + LETTERS * (size_t)i, LETTERS) == 0)
            d.month = i + 1;
    s += LETTERS;
    if (*s++ != '-' || !take_digits(&s, 4, &d.year) || !ecg_date_is_real(d.year, d.month, d.day))
        return false;
    *out = d;
    return true;
}

bool ecg_time_set(struct ecg_time *t, long hour, long minute, long second)
{
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    t->has_time = true;
    t->hour = (int)hour;
    t->minute = (int)minute;
    t->second = second < 60 ? (int)second : 59;
    t->usec = 0;
    return true;
}

bool ecg_time_set_zone(struct ecg_time *t, int minutes)
{
    enum { MOST = 14 * 60 };
    if (minutes < -MOST || minutes > MOST)
        return false;
    t->has_zone = true;
    t->zone_min = minutes;
    return true;
}

static void set_no_text(struct ecg_record *r)
{
    r->format = r->version = "";
    r->accession = r->study_uid = r->comment = "";
    r->patient.name.utf8 = r->patient.id.utf8 = r->patient.history = "";
    r->device = (struct ecg_device){"", "", "", "", "", "", "", ""};
}

struct ecg_record *ecg_record_new(const struct ecg_limits *limits)
{
    struct ecg_record *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->limits = limits ? limits : &ecg_limits_default;
    r->pages = r->limits->pages;
    base_arena_init(&r->arena, r->limits->text);
    set_no_text(r);
    r->median_fiducial_s = -1;
    return r;
}

static bool is_in_block(const struct ecg_record *r, const void *p)
{
    uintptr_t from = (uintptr_t)r->block.p;
    return (uintptr_t)p >= from && (uintptr_t)p < from + r->block.used;
}

void ecg_record_free_samples(struct ecg_record *r, struct ecg_lead *lead)
{
    void *p = lead->i16 ? (void *)lead->i16 : lead->i32;
    if (p && !is_in_block(r, p))
        base_pages_give(r->pages, p);
    lead->i16 = NULL;
    lead->i32 = NULL;
}

static void free_leads(struct ecg_record *r, struct ecg_lead *leads, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ecg_record_free_samples(r, &leads[i]);
    free(leads);
}

void ecg_record_free(struct ecg_record *r)
{
    if (!r)
        return;
    free_leads(r, r->leads, r->nleads);
    free_leads(r, r->others, r->nothers);
    free_leads(r, r->medians, r->nmedians);
    base_pages_give(r->pages, r->block.p);
    free(r->statements);
    free(r->measurements);
    free(r->marks);
    free(r->notes);
    base_arena_deinit(&r->arena);
    free(r);
}

const struct ecg_lead *ecg_record_lead(const struct ecg_record *r, int id)
{
    for (size_t i = 0; i < r->nleads; i++)
        if (r->leads[i].id == id && r->leads[i].samples)
            return &r->leads[i];
    return NULL;
}

const struct ecg_measurement *ecg_record_measurement(const struct ecg_record *r,
                                                     enum ecg_measure what)
{
    for (size_t i = 0; i < r->nmeasurements; i++)
        if (r->measurements[i].what == what && r->measurements[i].lead_id == 0)
            return &r->measurements[i];
    return NULL;
}

bool ecg_record_has_leads(const struct ecg_record *r)
{
    for (size_t i = 0; i < r->nleads; i++)
        if (r->leads[i].samples)
            return true;
    return false;
}

double ecg_record_seconds(const struct ecg_record *r)
{
    double longest = 0;
    bool has_leads = ecg_record_has_leads(r);
    const struct ecg_lead *leads = has_leads ? r->leads : r->others;
    for (size_t i = 0; i < (has_leads ? r->nleads : r->nothers); i++) {
        const struct ecg_lead *lead = &leads[i];
        if (!lead->samples)
            continue;
        double end = lead->start_s + (double)lead->samples / lead->rate_hz;
        longest = end > longest ? end : longest;
    }
    return longest;
}

static enum base_err set_group(struct ecg_record *r, size_t n, struct ecg_lead **leads,
                               size_t *count)
{
    if (n > r->limits->leads)
        return BASE_ELIMIT;
    struct ecg_lead *made = calloc(n ? n : 1, sizeof *made);
    if (!made)
        return BASE_ENOMEM;
    for (size_t i = 0; i < n; i++)
        made[i].name = made[i].unit = "";
    free_leads(r, *leads, *count);
    *leads = made;
    *count = n;
    return BASE_OK;
}

enum base_err ecg_record_set_leads(struct ecg_record *r, size_t n)
{
    return set_group(r, n, &r->leads, &r->nleads);
}

enum base_err ecg_record_set_others(struct ecg_record *r, size_t n)
{
    return set_group(r, n, &r->others, &r->nothers);
}

enum base_err ecg_record_set_medians(struct ecg_record *r, size_t n)
{
    return set_group(r, n, &r->medians, &r->nmedians);
}

enum {
    LARGE = 1 << 20, /* below a mebibyte a huge page would be too much for samples */
    LINE = 64        /* of the cache: what crosses none is written and copied faster */
};

static size_t whole_lines(size_t n)
{
    return (n + LINE - 1) & ~(size_t)(LINE - 1);
}

void ecg_record_expect(struct ecg_record *r, size_t leads, size_t bytes)
{
#ifndef __SANITIZE_ADDRESS__ /* which sees where an array of its own ends */
    size_t size = bytes < LARGE && leads < LARGE / LINE ? whole_lines(bytes) + leads * LINE : LARGE;
    if (size < LARGE && !r->block.p && !(r->pages && r->pages->grain))
        r->block = (struct ecg_room){.p = aligned_alloc(LINE, size), .size = size};
#else
    (void)r, (void)leads, (void)bytes;
#endif
}

static void *take_samples(struct ecg_record *r, size_t n)
{
    bool pooled = r->pages && r->pages->grain;
    struct ecg_room *b = &r->block;
    if (b->p && n && whole_lines(n) <= b->size - b->used) {
        void *p = b->p + b->used;
        b->used += whole_lines(n);
        return p;
    }
    return n < LARGE && !pooled ? malloc(n ? n : 1) : base_pages_take(r->pages, n);
}

static enum base_err set_samples(struct ecg_record *r, struct ecg_lead *lead, size_t n, size_t size,
                                 void **out)
{
    assert(r->samples_used <= r->limits->samples); /* its own limits: it is still being made */
    if (n > r->limits->samples - r->samples_used)
        return BASE_ELIMIT;
    void *data = take_samples(r, n * size);
    if (!data)
        return BASE_ENOMEM;
    ecg_record_free_samples(r, lead);
    lead->samples = n;
    r->samples_used += n;
    r->arena.limit += n;
    *out = data;
    return BASE_OK;
}

enum base_err ecg_record_set_i16(struct ecg_record *r, struct ecg_lead *lead, size_t n)
{
    void *data;
    enum base_err e = set_samples(r, lead, n, sizeof *lead->i16, &data);
    if (!e)
        lead->i16 = data;
    return e;
}

enum base_err ecg_record_set_i32(struct ecg_record *r, struct ecg_lead *lead, size_t n)
{
    void *data;
    enum base_err e = set_samples(r, lead, n, sizeof *lead->i32, &data);
    if (!e)
        lead->i32 = data;
    return e;
}

void ecg_record_narrow(struct ecg_record *r, struct ecg_lead *lead)
{
    struct ecg_unpack u;
    assert(lead->samples == 0 || (lead->i32 && !lead->i16));
    ecg_unpack_choose(ecg_simd_level(), &u);
    if (!u.fits16(lead->i32, lead->samples))
        return;
    u.narrow(lead->i32, lead->samples, (int16_t *)(void *)lead->i32);
    size_t size = (lead->samples ? lead->samples : 1) * sizeof *lead->i16;
    /* What may be of a pool, or is of a block, stays as it is. */
    bool stays = r->pages || is_in_block(r, lead->i32);
    int16_t *smaller = stays ? NULL : realloc(lead->i32, size);
    lead->i16 = smaller ? smaller : (int16_t *)lead->i32;
    lead->i32 = NULL;
}

enum base_err ecg_record_widen(struct ecg_record *r, struct ecg_lead *lead)
{
    assert(lead->samples == 0 || (lead->i16 && !lead->i32));
    int32_t *data = take_samples(r, lead->samples * sizeof *data);
    if (!data)
        return BASE_ENOMEM;
    for (size_t i = 0; i < lead->samples; i++)
        data[i] = lead->i16[i];
    ecg_record_free_samples(r, lead);
    lead->i32 = data;
    lead->tally.sum += (int64_t)lead->tally.missing * INT16_MIN;
    lead->tally.missing = 0;
    return BASE_OK;
}

void ecg_record_count(struct ecg_lead *lead)
{
    struct ecg_unpack u;
    if (lead->tally.known)
        return;
    ecg_unpack_choose(ecg_simd_level(), &u);
    lead->tally = (struct ecg_tally){.known = true};
    if (lead->i16)
        u.sum16(lead->i16, lead->samples, &lead->tally);
    for (size_t i = 0; !lead->i16 && i < lead->samples; i++)
        if (lead->i32[i] == ECG_SAMPLE_NONE)
            lead->tally.missing++;
        else
            lead->tally.sum += lead->i32[i];
}

void ecg_lead_miss(struct ecg_lead *lead, size_t from, size_t past)
{
    assert(from >= past || past <= lead->samples);
    for (size_t i = from; i < past; i++)
        if (lead->i16)
            lead->i16[i] = ECG_SAMPLE_NONE16;
        else
            lead->i32[i] = ECG_SAMPLE_NONE;
}

void ecg_lead_read(const struct ecg_lead *lead, size_t from, size_t n, int32_t *out)
{
    assert(from <= lead->samples && n <= lead->samples - from);
    if (lead->i32 && n)
        memcpy(out, lead->i32 + from, n * sizeof *out);
    const int16_t *in = lead->i16 ? lead->i16 + from : NULL;
    for (size_t i = 0; in && i < n; i++)
        out[i] = in[i] == ECG_SAMPLE_NONE16 ? ECG_SAMPLE_NONE : in[i];
}

void ecg_lead_read_uv(const struct ecg_lead *lead, size_t from, size_t n, float *out)
{
    assert(from <= lead->samples && n <= lead->samples - from);
    const double uv = lead->uv_per_count, zero = lead->offset_uv;
    const int32_t *wide = lead->i16 ? NULL : lead->i32 + from;
    if (lead->i16) {
        struct ecg_unpack kernels;
        ecg_unpack_choose(n < 16 ? ECG_SIMD_SCALAR : ecg_simd_level(), &kernels);
        kernels.scale16(lead->i16 + from, n, uv, zero, out);
    }
    for (size_t i = 0; i < n && wide; i++) {
        float v = (float)(wide[i] * uv + zero);
        out[i] = wide[i] == ECG_SAMPLE_NONE ? NAN : v;
    }
}

void ecg_record_fail(struct ecg_record *r, enum base_err err)
{
    if (!r->err)
        r->err = err;
}

const char *ecg_record_text(struct ecg_record *r, const char *s, size_t n)
{
    if (n == 0)
        return "";
    char *copy = base_arena_strdup(&r->arena, s, n);
    if (copy)
        return copy;
    enum { ROUNDING = 2 * 16 }; /* the arena's, of the text and its NUL */
    bool full = n + ROUNDING > r->arena.limit - r->arena.used;
    ecg_record_fail(r, full ? BASE_ELIMIT : BASE_ENOMEM);
    return "";
}

const char *ecg_record_printf(struct ecg_record *r, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, fmt, again);
    else
        ecg_record_fail(r, BASE_ENOMEM);
    va_end(again);
    const char *kept = text ? ecg_record_text(r, text, (size_t)n) : "";
    free(text);
    return kept;
}

struct base_bytes ecg_record_bytes(struct ecg_record *r, struct base_bytes b)
{
    return base_bytes_of(ecg_record_text(r, (const char *)b.p, b.n), r->err ? 0 : b.n);
}

/* Room for one more element; sizes are LEAST and powers of two above it, so none is stored. */
static void *grow_to(struct ecg_record *r, void *list, size_t n, size_t size, size_t most)
{
    enum { LEAST = 16 /* as many as the usual recording has leads */ };
    if (n >= most) {
        ecg_record_fail(r, BASE_ELIMIT);
        return NULL;
    }
    if (n && (n < LEAST || (n & (n - 1))))
        return list;
    void *p = realloc(list, (n ? 2 * n : LEAST) * size);
    if (!p)
        ecg_record_fail(r, BASE_ENOMEM);
    return p;
}

static void *grow(struct ecg_record *r, void *list, size_t n, size_t size)
{
    return grow_to(r, list, n, size, r->limits->items);
}

static struct ecg_lead *add_lead(struct ecg_record *r, struct ecg_lead **leads, size_t *n)
{
    struct ecg_lead *p = grow_to(r, *leads, *n, sizeof *p, r->limits->leads);
    if (!p)
        return NULL;
    *leads = p;
    p[*n] = (struct ecg_lead){.name = "", .unit = ""};
    return &p[(*n)++];
}

struct ecg_lead *ecg_record_add_lead(struct ecg_record *r)
{
    return add_lead(r, &r->leads, &r->nleads);
}

struct ecg_lead *ecg_record_add_other(struct ecg_record *r)
{
    return add_lead(r, &r->others, &r->nothers);
}

struct ecg_lead *ecg_record_add_median(struct ecg_record *r)
{
    return add_lead(r, &r->medians, &r->nmedians);
}

void ecg_record_add_statement(struct ecg_record *r, const char *text, const char *code)
{
    assert(text && code);
    struct ecg_statement *p = grow(r, r->statements, r->nstatements, sizeof *p);
    if (!p)
        return;
    r->statements = p;
    p[r->nstatements++] = (struct ecg_statement){.text = text, .code = code};
}

void ecg_record_add_measurement(struct ecg_record *r, enum ecg_measure what, int lead_id,
                                double value, const char *name, const char *unit)
{
    const struct ecg_measure_row *row = ecg_measure_row(what);
    assert(row && isfinite(value));
    bool is_time = strcmp(row->unit, "ms") == 0 || strcmp(row->unit, "bpm") == 0;
    if (is_time && lead_id == ECG_LEAD_NONE && value == 0)
        return;
    struct ecg_measurement *p = grow(r, r->measurements, r->nmeasurements, sizeof *p);
    if (!p)
        return;
    r->measurements = p;
    p[r->nmeasurements++] = (struct ecg_measurement){.what = what,
                                                     .lead_id = lead_id,
                                                     .value = value,
                                                     .name = name ? name : row->key,
                                                     .unit = unit ? unit : row->unit};
}

void ecg_record_add_mark(struct ecg_record *r, struct ecg_mark mark)
{
    size_t most = r->limits->items + r->samples_used / 8;
    if (r->nmarks >= most) {
        if (!r->marks_left_out)
            ecg_record_note(r, BASE_NOPOS, "more than %zu annotations: the others are left out",
                            most);
        r->marks_left_out = true;
        return;
    }
    struct ecg_mark *p = grow_to(r, r->marks, r->nmarks, sizeof *p, most);
    if (!p)
        return;
    assert(mark.kind < ECG_MARK_COUNT);
    if (!mark.text)
        mark.text = "";
    if (mark.to_s < mark.from_s) /* as damaged files say it */
        mark.to_s = mark.from_s;
    r->marks = p;
    p[r->nmarks++] = mark;
}

static void BASE_PRINTF(4, 0)
    add_note(struct ecg_record *r, bool is_damage, uint64_t pos, const char *fmt, va_list ap)
{
    enum { MOST = 255 };
    char text[MOST + 5]; /* so that one cut within a character is seen to be too long */
    if (r->nnotes >= r->limits->items)
        return;
    vsnprintf(text, sizeof text, fmt, ap);
    struct ecg_note *p = grow(r, r->notes, r->nnotes, sizeof *p);
    if (!p)
        return;
    size_t n = base_utf8_cut(text, strlen(text), MOST);
    text[n] = '\0';
    base_utf8_clean(text);
    r->notes = p;
    p[r->nnotes++] =
        (struct ecg_note){.pos = pos, .text = ecg_record_text(r, text, n), .is_damage = is_damage};
}

void ecg_record_note(struct ecg_record *r, uint64_t pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_note(r, false, pos, fmt, ap);
    va_end(ap);
}

void ecg_record_damage(struct ecg_record *r, uint64_t pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_note(r, true, pos, fmt, ap);
    va_end(ap);
}
