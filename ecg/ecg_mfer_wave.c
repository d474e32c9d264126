/*
 * MFER: samples. A frame is, for each sequence, a block of samples of each channel
 * in turn; channels may have blocks of different length and so different rates.
 */
#include "ecg/ecg_mfer_priv.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_unpack.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A channel while its samples are read. */
struct channel {
    const struct mfer_defs *defs;
    enum mfer_type type;
    size_t width;
    size_t samples;
    bool whole;      /* of a float type: all are whole numbers that fit 32 bits */
    double most;     /* of a float type: the largest amount */
    double per_unit; /* counts of a unit of the file: 1 but for floats */
    bool high;       /* unsigned beyond int32_t: kept less 2^31, which the offset adds */
    bool has_missing;
    uint64_t missing; /* as the bytes of the file have it */
    struct ecg_lead *lead;
    size_t at;
    bool over;  /* one has no place among 16-bit ones */
    bool again; /* so all are read once more, to 32 bits */
};

struct frames {
    struct ecg_record *rec;
    const struct mfer_group *g;
    struct channel *c;
    struct ecg_unpack unpack;
    bool counting;
    bool again; /* only channels of which one sample was over */
};

static size_t width_of(unsigned type)
{
    static const uint8_t widths[MFER_TYPES] = {2, 2, 4, 1, 2, 1, 4, 4, 8, 0};
    return widths[type < MFER_TYPES ? type : 0];
}

/* One sample of any type as a number of the file. */
static double number_of(const struct channel *c, struct base_bytes b, bool big)
{
    uint64_t bits = ecg_mfer_uint(b, big);
    uint32_t low = (uint32_t)bits;
    float f;
    double d;
    switch (c->type) {
    case MFER_F32:
        memcpy(&f, &low, sizeof f);
        return (double)f;
    case MFER_F64:
        memcpy(&d, &bits, sizeof d);
        return d;
    case MFER_I16:
    case MFER_I32:
    case MFER_I8:
        return (double)ecg_mfer_int(b, big);
    case MFER_U16:
    case MFER_U8:
    case MFER_STATUS16:
    case MFER_U32:
    case MFER_AHA8:
    case MFER_TYPES:
    default:
        return (double)bits;
    }
}

/* Width, order and sign are known where it is called: each becomes a loop of its own. */
static inline __attribute__((always_inline)) void read_width(const struct channel *c,
                                                             const uint8_t *p, size_t n,
                                                             size_t width, bool big, bool is_signed,
                                                             int32_t *out)
{
    unsigned drop = 32 - 8 * (unsigned)width;
    /* Of so many bytes none has the value that stands for "none is missing". */
    uint64_t missing = c->has_missing ? c->missing : UINT64_MAX;
    uint32_t lowest = c->high ? UINT32_C(1) << 31 : 0;
    for (size_t i = 0; i < n; i++, p += width) {
        uint32_t raw = width == 1   ? *p
                       : width == 2 ? (big ? base_load_be16(p) : base_load_le16(p))
                                    : (big ? base_load_be32(p) : base_load_le32(p));
        int32_t v = is_signed ? (int32_t)(raw << drop) >> drop : (int32_t)(raw ^ lowest);
        v = v == INT32_MIN ? -INT32_MAX : v;
        out[i] = raw == missing ? ECG_SAMPLE_NONE : v;
    }
}

/* Samples of whole numbers of any width but 16 bits, or with a value of their own for
 * missing ones. */
static void read_whole(const struct channel *c, const uint8_t *p, size_t n, bool big, int32_t *out)
{
    bool is_signed = c->type == MFER_I16 || c->type == MFER_I32 || c->type == MFER_I8;
    if (c->width == 1 && is_signed)
        read_width(c, p, n, 1, false, true, out);
    else if (c->width == 1)
        read_width(c, p, n, 1, false, false, out);
    else if (c->width == 2 && big)
        read_width(c, p, n, 2, true, is_signed, out);
    else if (c->width == 2)
        read_width(c, p, n, 2, false, is_signed, out);
    else
        read_width(c, p, n, 4, big, is_signed, out);
}

static void measure_floats(struct channel *c, const uint8_t *p, size_t n, bool big)
{
    for (size_t i = 0; i < n; i++) {
        double v = number_of(c, base_bytes_of(p + i * c->width, c->width), big);
        if (!isfinite(v))
            continue;
        c->whole &= fabs(v) < INT32_MAX && v == round(v);
        c->most = fabs(v) > c->most ? fabs(v) : c->most;
    }
}

/* Those of the value for it become missing. True when another is not over `least`. All in bits of
 * words: so it becomes vectors. */
static bool mark_missing(const struct channel *c, int16_t least, size_t n, int16_t *v)
{
    int16_t has = c->has_missing ? -1 : 0;
    int16_t missing = (int16_t)c->missing;
    int16_t over = 0;
    for (size_t i = 0; i < n; i++) {
        int16_t none = (int16_t)(v[i] == missing ? has : 0);
        over = (int16_t)(over | ((v[i] <= least ? -1 : 0) & ~none));
        v[i] = (int16_t)((v[i] & ~none) | (ECG_SAMPLE_NONE16 & none));
    }
    return over != 0;
}

/* Of unsigned words as stored: whether one has no place among signed ones. `missing`: 0x8000, which
 * is what a missing one is there, has one. In bits of words, as above. */
static bool is_any_high(bool missing, size_t n, const int16_t *v)
{
    int16_t high = 0;
    for (size_t i = 0; i < n; i++)
        high = (int16_t)(high | ((v[i] < 0 ? -1 : 0) & v[i]));
    return missing ? (high & 0x7fff) != 0 : high != 0;
}

/* Of 16 bits, signed ones as stored; unsigned ones have a place there too nearly always. */
static void read_words(const struct frames *x, struct channel *c, const uint8_t *p, size_t n)
{
    int16_t *to = c->lead->i16 + c->at;
    bool as_stored = !c->has_missing || c->missing == 0x8000;
    bool plain = c->type == MFER_I16 && as_stored;
    if (as_stored && !x->g->big_endian) {
        x->unpack.copy16(p, n, to, &c->lead->tally);
        c->over = c->over || (!plain && is_any_high(c->has_missing, n, to));
        return;
    }
    if (x->g->big_endian)
        x->unpack.u61(p, n, to);
    else
        memcpy(to, p, n * sizeof *to);
    if (!plain)
        c->over |= mark_missing(c, c->type == MFER_I16 ? INT16_MIN : -1, n, to);
    x->unpack.sum16(to, n, &c->lead->tally);
}

static void read_samples(struct frames *x, struct channel *c, const uint8_t *p, size_t n)
{
    bool big = x->g->big_endian;
    struct ecg_lead *lead = c->lead;
    assert(lead && c->at <= lead->samples && n <= lead->samples - c->at);
    if (lead->i16) {
        read_words(x, c, p, n);
        return;
    }
    if (c->type != MFER_F32 && c->type != MFER_F64) {
        read_whole(c, p, n, big, lead->i32 + c->at);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct base_bytes b = base_bytes_of(p + i * c->width, c->width);
        double v = number_of(c, b, big) * c->per_unit;
        bool none = !isfinite(v) || (c->has_missing && ecg_mfer_uint(b, big) == c->missing);
        v = v > INT32_MAX ? INT32_MAX : v < -INT32_MAX ? -INT32_MAX : round(v);
        lead->i32[c->at + i] = none ? ECG_SAMPLE_NONE : (int32_t)v;
    }
}

static void measure_unsigned(struct channel *c, const uint8_t *p, size_t n, bool big)
{
    for (size_t i = 0; i < n; i++, p += c->width) {
        uint32_t raw = big ? base_load_be32(p) : base_load_le32(p);
        c->high |= raw > INT32_MAX && !(c->has_missing && raw == c->missing);
    }
}

static void take_block(struct frames *x, struct channel *c, const uint8_t *p, size_t n)
{
    bool floats = c->type == MFER_F32 || c->type == MFER_F64;
    if (x->counting && floats)
        measure_floats(c, p, n, x->g->big_endian);
    if (x->counting && c->type == MFER_U32)
        measure_unsigned(c, p, n, x->g->big_endian);
    if (!x->counting && x->again == c->again)
        read_samples(x, c, p, n);
    if (x->counting)
        c->samples += n;
    else
        c->at += n;
}

/* Returns how many bytes the frame's definitions do not account for; *cut: it has
 * fewer than they say. */
static size_t walk_frame(struct frames *x, struct base_bytes frame, bool *cut)
{
    size_t at = 0;
    bool any = true;
    for (uint32_t s = 0; at < frame.n && any; s++) {
        any = false;
        for (size_t i = 0; i < x->g->nchannels && at < frame.n; i++) {
            struct channel *c = &x->c[i];
            if (c->defs->sequences && s >= c->defs->sequences)
                continue;
            assert(c->width > 0 && c->defs->block > 0);
            size_t there = (frame.n - at) / c->width;
            size_t n = c->defs->block < there ? c->defs->block : there;
            *cut |= n < c->defs->block;
            take_block(x, c, frame.p + at, n);
            at = n < c->defs->block ? frame.n : at + n * c->width;
            any = true;
        }
        *cut |= any && at >= frame.n && s + 1 < x->c[0].defs->sequences;
    }
    return frame.n - at;
}

/* ---- what a channel is ---- */

static const char *unit_name(unsigned unit)
{
    static const char *const names[] = {
        "uV", "mmHg", "Pa", "cmH2O", "mmHg/s", "dyn", "N",         "%", "Cel", "/min",  "/s", "Ohm",
        "A",  "rpm",  "W",  "dB",    "kg",     "J",   "dyn.s/cm5", "L", "L/s", "L/min", "cd"};
    return unit < sizeof names / sizeof *names ? names[unit] : "1";
}

/* Samples per second; 0 when it has none. */
static double rate_of(struct ecg_record *r, const struct mfer_defs *d)
{
    if (!d->interval.set) {
        ecg_record_note(r, BASE_NOPOS,
                        "MFER: the sampling interval of a channel is not stated: 1000 Hz is the "
                        "default of the standard");
        return 1000;
    }
    double v = d->interval.value;
    if (!(v > 0) || d->interval.unit > 1)
        return 0;
    return d->interval.unit == 0 ? v : 1 / v;
}

static void name_lead(struct ecg_record *r, const struct mfer_defs *d, size_t i,
                      struct ecg_lead *lead)
{
    /* ISO 22077-1 numbers these otherwise than SCP-ECG: NASA, CB4, CB5, CB6. */
    bool own = d->lead >= 31 && d->lead <= 34;
    char text[32];
    int n = snprintf(text, sizeof text, d->has_lead ? "code %u" : "channel %u",
                     d->has_lead ? d->lead : (unsigned)i + 1);
    lead->id = d->has_lead && !own && ecg_lead_name(d->lead) ? d->lead : 0;
    static const char *const names[] = {"NASA", "CB4", "CB5", "CB6"};
    if (lead->id)
        lead->name = ecg_lead_name(lead->id);
    else if (d->label && d->label[0])
        ecg_text_name_lead(r, base_bytes_str(d->label), lead);
    else
        lead->name = d->has_lead && own ? names[d->lead - 31] : ecg_record_text(r, text, (size_t)n);
}

static bool is_voltage(const struct mfer_defs *d)
{
    return d->sensitivity.set && d->sensitivity.unit == 0 && d->type != MFER_STATUS16;
}

/* ISO 22077-1 Table 14: sound, pulse, EEG and what is calculated are no ECG; ISO 22077-3 has the
 * numbers of what monitors record beside it. */
static bool is_lead(const struct mfer_defs *d)
{
    enum { POWER = 25, TREND = 26, SOUND = 30, PULSE = 31, EEG = 40, EEG_LAST = 43, MCG = 100 };
    static const uint16_t beside[] = {143, 160, 175, 4160, 4161, 4162, 4163};
    for (size_t i = 0; d->has_lead && i < sizeof beside / sizeof *beside; i++)
        if (d->lead == beside[i])
            return false;
    unsigned w = d->waveform;
    bool other = w == POWER || w == TREND || w == SOUND || w == PULSE || w == MCG ||
                 (w >= EEG && w <= EEG_LAST);
    return is_voltage(d) && !other;
}

/* Leads of 16 bits as stored; all else in 32 bits first. */
static enum base_err make_lead(struct frames *x, size_t i, bool median)
{
    struct ecg_record *r = x->rec;
    struct channel *c = &x->c[i];
    const struct mfer_defs *d = c->defs;
    bool voltage = is_voltage(d);
    bool floats = c->type == MFER_F32 || c->type == MFER_F64;
    struct ecg_lead *lead = !is_lead(d) ? ecg_record_add_other(r)
                            : median    ? ecg_record_add_median(r)
                                        : ecg_record_add_lead(r);
    if (!lead)
        return r->err;
    /* Whole numbers as they are; others in a unit of which the largest has 30 bits. */
    c->per_unit = floats && !c->whole && c->most > 0 ? (1 << 30) / c->most : 1;
    name_lead(r, d, i, lead);
    lead->rate_hz = rate_of(r, d);
    double scale = d->sensitivity.set ? d->sensitivity.value * (voltage ? 1e6 : 1) : 1;
    if (!is_lead(d))
        lead->unit = d->sensitivity.set ? unit_name(d->sensitivity.unit) : "1";
    lead->uv_per_count = scale / c->per_unit;
    if (d->offset.n == c->width) {
        double zero =
            number_of(c, base_bytes_of(d->offset.bytes, c->width), x->g->big_endian) * scale;
        lead->offset_uv = isfinite(zero) ? zero : 0;
    }
    if (c->high)
        lead->offset_uv += 2147483648.0 * lead->uv_per_count;
    bool words = c->type == MFER_I16 || c->type == MFER_U16 || c->type == MFER_STATUS16;
    return words ? ecg_record_set_i16(r, lead, c->samples)
                 : ecg_record_set_i32(r, lead, c->samples);
}

/* By number: lists of leads move while they grow. */
static void point_to_leads(struct frames *x, bool median)
{
    struct ecg_record *r = x->rec;
    size_t first_other = r->nothers;
    for (size_t i = 0; i < x->g->nchannels; i++) {
        assert(is_lead(x->c[i].defs) || first_other > 0);
        first_other -= !is_lead(x->c[i].defs);
    }
    size_t lead = 0;
    for (size_t i = 0; i < x->g->nchannels; i++) {
        x->c[i].lead = !is_lead(x->c[i].defs) ? &r->others[first_other++]
                       : median               ? &r->medians[lead++]
                                              : &r->leads[lead++];
    }
}

static enum base_err fail(const struct mfer_file *f, enum base_err e, const char *what)
{
    return base_fail(f->err, e, BASE_NOPOS, "MFER: %s", what);
}

static enum base_err check_rates(const struct mfer_file *f, const struct frames *x)
{
    for (size_t i = 0; i < x->g->nchannels; i++) {
        double rate = x->c[i].lead->rate_hz;
        double scale = x->c[i].lead->uv_per_count;
        if (!(rate > 1e-6) || !(rate < 1e9))
            return fail(f, BASE_EUNSUPPORTED, "samples that are not taken at equal times");
        if (!isfinite(scale) || scale == 0)
            return fail(f, BASE_EFORMAT, "a sensitivity of 0, or beyond all measure");
    }
    return BASE_OK;
}

/* Words that 16 bits do not hold are read once more, to 32; what was read to 32 becomes smaller
 * where it can. */
static enum base_err settle_samples(struct frames *x)
{
    for (size_t i = 0; i < x->g->nchannels; i++) {
        struct channel *c = &x->c[i];
        struct ecg_lead *lead = c->lead;
        /* Without a value for missing ones, -32768 is one as others. */
        c->again = lead->i16 && (c->over || (!c->has_missing && lead->tally.missing));
        lead->tally.known = lead->i16 && !c->again;
        x->again |= c->again;
        c->at = 0;
        if (c->again && ecg_record_widen(x->rec, lead))
            return BASE_ENOMEM;
        if (lead->i32 && !c->again)
            ecg_record_narrow(x->rec, lead);
    }
    bool cut = false;
    for (size_t k = 0; k < x->g->nframes && x->again; k++)
        walk_frame(x, x->g->frames[k], &cut);
    return BASE_OK;
}

static enum base_err read_group(struct mfer_file *f, struct frames *x, bool median)
{
    bool cut = false;
    size_t over = 0;
    enum base_err e = BASE_OK;
    for (size_t i = 0; i < x->g->nchannels; i++) {
        const struct mfer_defs *d = &x->g->channels[i];
        size_t width = width_of(d->type);
        x->c[i] = (struct channel){
            .defs = d,
            .type = (enum mfer_type)d->type,
            .width = width,
            .whole = true,
            .has_missing = d->missing.n == width,
            .missing = ecg_mfer_uint(base_bytes_of(d->missing.bytes, width), x->g->big_endian)};
    }
    x->counting = true;
    for (size_t k = 0; k < x->g->nframes; k++)
        over += walk_frame(x, x->g->frames[k], &cut);
    for (size_t i = 0; i < x->g->nchannels && !e; i++)
        e = make_lead(x, i, median);
    if (e)
        return fail(f, e, base_err_text(e));
    point_to_leads(x, median);
    e = check_rates(f, x);
    x->counting = false;
    for (size_t k = 0; k < x->g->nframes && !e; k++)
        walk_frame(x, x->g->frames[k], &cut);
    if (!e)
        e = settle_samples(x);
    if (cut)
        ecg_record_damage(f->rec, BASE_NOPOS, "MFER: there are fewer samples than stated");
    if (over)
        ecg_record_note(f->rec, BASE_NOPOS, "MFER: %zu bytes after the samples that are stated",
                        over);
    return e;
}

static enum base_err read_frames(struct mfer_file *f, const struct mfer_group *g, bool median)
{
    struct frames x = {.rec = f->rec, .g = g};
    if (g->nframes == 0)
        return BASE_OK;
    x.c = calloc(g->nchannels, sizeof *x.c);
    if (!x.c)
        return fail(f, BASE_ENOMEM, "out of memory");
    ecg_unpack_choose(ecg_simd_level(), &x.unpack);
    enum base_err e = read_group(f, &x, median);
    free(x.c);
    return e;
}

/* ISO 22077-1, MWF_EVT: u16 code, i32 start and duration in sampling intervals of all
 * channels, text. Without a start, or both 0: of the whole recording. */
static void read_event(struct mfer_file *f, const struct mfer_event *event, double rate_hz)
{
    struct ecg_record *r = f->rec;
    struct base_bytes v = event->value;
    char own[32];
    if (v.n < 2)
        return;
    struct ecg_mark m = {.text = ""};
    int64_t start = v.n >= 6 ? ecg_mfer_int(base_bytes_of(v.p + 2, 4), event->big_endian) : 0;
    int64_t length = v.n >= 10 ? ecg_mfer_int(base_bytes_of(v.p + 6, 4), event->big_endian) : 0;
    m.at_s = m.from_s = (double)start / rate_hz;
    m.to_s = length > 0 ? m.at_s + (double)length / rate_hz : m.at_s;
    if (start == 0 && length == 0)
        m.to_s = ecg_record_seconds(r);
    if (v.n > 10)
        m.text = ecg_mfer_string(r, &event->text, base_bytes_of(v.p + 10, v.n - 10));
    int n = snprintf(own, sizeof own, "event %llu",
                     (unsigned long long)ecg_mfer_uint(base_bytes_of(v.p, 2), event->big_endian));
    if (!m.text[0])
        m.text = ecg_record_text(r, own, (size_t)n);
    if (event->channel >= 0 && (size_t)event->channel < f->rhythm.nchannels) {
        const struct mfer_defs *d = &f->rhythm.channels[event->channel];
        m.lead_id = d->has_lead && ecg_lead_name(d->lead) ? d->lead : 0;
    }
    ecg_record_add_mark(r, m);
}

static void read_events(struct mfer_file *f)
{
    enum { SPARE = 1 << 14 };
    struct ecg_record *r = f->rec;
    double rate = f->common.interval.set    ? rate_of(r, &f->common)
                  : f->rhythm.nchannels > 0 ? rate_of(r, &f->rhythm.channels[0])
                                            : 0;
    for (size_t i = 0; i < f->nevents && rate > 0 && !r->marks_left_out; i++) {
        if (4 * f->events[i].value.n + SPARE > r->arena.limit - r->arena.used) {
            ecg_record_note(
                r, (uint64_t)(f->events[i].value.p - f->all.p),
                "MFER: the events have more text than the limit allows: those from here "
                "on are left out");
            return;
        }
        read_event(f, &f->events[i], rate);
    }
}

enum base_err ecg_mfer_waves(struct mfer_file *f)
{
    struct ecg_record *r = f->rec;
    enum base_err e = read_frames(f, &f->rhythm, false);
    if (!e)
        e = read_frames(f, &f->beat, true);
    size_t samples = 0;
    for (size_t i = 0; i < r->nleads; i++)
        samples += r->leads[i].samples;
    for (size_t i = 0; i < r->nothers; i++)
        samples += r->others[i].samples;
    if (!e && samples == 0)
        e = fail(f, BASE_EFORMAT, "there is no sample of any channel");
    if (!e)
        read_events(f);
    return e;
}
