/*
 * MFER (ISO 22077-1): definitions of tag, length and value, in force from where they
 * stand on, for all channels or in a group (tag 3F) for one; then frames of samples.
 */
#include "ecg/ecg_mfer_priv.h"

#include "ecg/ecg_format.h"

#include <math.h>
#include <stdlib.h>

uint64_t ecg_mfer_uint(struct base_bytes b, bool big_endian)
{
    uint64_t v = 0;
    for (size_t i = 0; i < b.n && i < 8; i++)
        v = v << 8 | b.p[big_endian ? i : (b.n < 8 ? b.n : 8) - 1 - i];
    return v;
}

int64_t ecg_mfer_int(struct base_bytes b, bool big_endian)
{
    uint64_t v = ecg_mfer_uint(b, big_endian);
    size_t bits = 8 * (b.n < 8 ? b.n : 8);
    if (bits && bits < 64 && v >> (bits - 1) & 1)
        v |= ~(uint64_t)0 << bits;
    return (int64_t)v;
}

/* ---- tag, length, value ---- */

struct tlv {
    unsigned tag;
    uint64_t channel; /* of ATT */
    struct base_bytes value;
    bool open; /* of indefinite length */
    bool cut;  /* more was stated than is there */
};

/* Tag and length at *at, which is moved to the value. False: damaged. */
static bool read_head(struct base_bytes b, size_t *at, struct tlv *t, uint64_t *length)
{
    *t = (struct tlv){.tag = b.p[(*at)++]};
    if (t->tag == MFER_TAG_ATT) {
        bool more = true;
        for (size_t i = 0; more; i++) {
            if (*at >= b.n || i == 5)
                return false;
            t->channel = t->channel << 7 | (b.p[*at] & 0x7f);
            more = b.p[(*at)++] & 0x80;
        }
    }
    if (*at >= b.n)
        return false;
    unsigned first = b.p[(*at)++];
    t->open = first == 0x80;
    *length = first & 0x7f;
    if (first <= 0x80)
        return true;
    size_t n = first & 0x7f;
    if (n > 4 || n > b.n - *at)
        return false;
    *length = ecg_mfer_uint(base_bytes_of(b.p + *at, n), true);
    *at += n;
    return true;
}

/* ISO 22077-1 4.3: two zero bytes end a value of indefinite length, in which others
 * may lie. Where they are; b.n when nowhere. */
static size_t find_end(struct base_bytes b, size_t at)
{
    size_t depth = 1;
    while (at + 1 < b.n) {
        struct tlv t;
        uint64_t length;
        if (b.p[at] == MFER_TAG_ZRO && b.p[at + 1] == 0) {
            if (--depth == 0)
                return at;
            at += 2;
        } else if (b.p[at] == MFER_TAG_ZRO) {
            at++;
        } else {
            if (!read_head(b, &at, &t, &length))
                return b.n;
            depth += t.open;
            if (!t.open)
                at = length < b.n - at ? at + (size_t)length : b.n;
        }
    }
    return b.n;
}

/* The next definition; *at is moved past it. False at the end, with *bad when it is
 * none by damage. */
static bool next(struct base_bytes b, size_t *at, struct tlv *t, bool *bad)
{
    uint64_t length;
    *bad = false;
    while (*at < b.n && b.p[*at] == MFER_TAG_ZRO)
        ++*at;
    if (*at >= b.n || b.p[*at] == MFER_TAG_END)
        return false;
    if (!read_head(b, at, t, &length)) {
        *bad = true;
        return false;
    }
    if (t->open) {
        size_t end = find_end(b, *at);
        t->cut = end == b.n;
        t->value = base_bytes_of(b.p + *at, end - *at);
        *at = end == b.n ? end : end + 2;
        return true;
    }
    t->cut = length > b.n - *at;
    t->value = base_bytes_of(b.p + *at, t->cut ? b.n - *at : (size_t)length);
    *at += t->value.n;
    return true;
}

/* ---- definitions of the samples ---- */

static void refuse(struct mfer_file *f, enum base_err e, const uint8_t *at, const char *what)
{
    if (!f->failed)
        f->failed = base_fail(f->err, e, (uint64_t)(at - f->all.p), "MFER: %s", what);
}

/* u8 unit, i8 exponent, mantissa. Without a value: as if not stated. */
static void read_number(struct mfer_file *f, struct base_bytes v, struct mfer_number *out)
{
    *out = (struct mfer_number){0};
    if (v.n < 3)
        return;
    out->set = true;
    out->unit = v.p[0];
    int64_t mantissa = ecg_mfer_int(base_bytes_of(v.p + 2, v.n - 2), f->big_endian);
    int exponent = (int8_t)v.p[1];
    /* By a power of ten that is exact: 25 times 10^-4 is 0.0025. */
    out->value =
        exponent < 0 ? (double)mantissa / pow(10, -exponent) : (double)mantissa * pow(10, exponent);
}

static void read_raw(struct base_bytes v, struct mfer_raw *out)
{
    out->n = (uint8_t)(v.n <= MFER_RAW ? v.n : 0);
    if (out->n)
        memcpy(out->bytes, v.p, out->n);
}

static void read_type(struct mfer_file *f, struct base_bytes v, struct mfer_defs *d)
{
    d->has_type = v.n > 0;
    if (v.n == 0)
        return;
    d->type = v.p[0];
    if (d->type == MFER_AHA8)
        refuse(
            f, BASE_EUNSUPPORTED, v.p,
            "samples in the 8-bit differences of the AHA are not read; export the recording with "
            "samples of 16 bits");
    else if (d->type >= MFER_TYPES)
        refuse(f, BASE_EUNSUPPORTED, v.p, "a type of samples that ISO 22077-1 does not have");
}

/* False when it is none of these. */
static bool read_definition(struct mfer_file *f, const struct tlv *t, struct mfer_defs *d)
{
    struct base_bytes v = t->value;
    uint64_t number = ecg_mfer_uint(v, f->big_endian);
    switch (t->tag) {
    case MFER_TAG_BLK:
        d->block = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
        if (v.n && number == 0)
            refuse(f, BASE_EFORMAT, v.p, "a block of 0 samples");
        return true;
    case MFER_TAG_SEQ:
        d->sequences = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
        return true;
    case MFER_TAG_DTP:
        read_type(f, v, d);
        return true;
    case MFER_TAG_WFM:
        d->has_waveform = v.n > 0;
        d->waveform = (uint16_t)ecg_mfer_uint(base_bytes_of(v.p, v.n < 2 ? v.n : 2), f->big_endian);
        return true;
    case MFER_TAG_LDN:
        d->has_lead = v.n > 0;
        d->lead = (uint16_t)ecg_mfer_uint(base_bytes_of(v.p, v.n < 2 ? v.n : 2), f->big_endian);
        d->label =
            v.n > 2 ? ecg_mfer_string(f->rec, &f->text, base_bytes_of(v.p + 2, v.n - 2)) : NULL;
        return true;
    case MFER_TAG_IVL:
        read_number(f, v, &d->interval);
        return true;
    case MFER_TAG_SEN:
        read_number(f, v, &d->sensitivity);
        return true;
    case MFER_TAG_OFF:
        read_raw(v, &d->offset);
        return true;
    case MFER_TAG_NUL:
        read_raw(v, &d->missing);
        return true;
    default:
        return false;
    }
}

static void set_channels(struct mfer_file *f, struct base_bytes v)
{
    uint64_t n = v.n ? ecg_mfer_uint(v, f->big_endian) : 1;
    if (n == 0 || n > f->rec->limits->leads) {
        if (!f->failed)
            f->failed =
                base_fail(f->err, n ? BASE_ELIMIT : BASE_EFORMAT, (uint64_t)(v.p - f->all.p),
                          "MFER: %llu channels; there may be 1 to %zu", (unsigned long long)n,
                          f->rec->limits->leads);
        return;
    }
    struct mfer_defs *made = calloc((size_t)n, sizeof *made);
    if (!made) {
        f->failed = BASE_ENOMEM;
        return;
    }
    free(f->channels);
    f->channels = made;
    f->nchannels = (size_t)n;
}

/* ---- frames ---- */

static struct mfer_defs effective(const struct mfer_file *f, size_t channel)
{
    struct mfer_defs d = f->common;
    if (channel > 0) { /* a lead that is named for all is of the first */
        d.has_lead = false;
        d.label = NULL;
    }
    if (!f->channels)
        return d;
    const struct mfer_defs *own = &f->channels[channel];
    d.block = own->block ? own->block : d.block;
    d.block = d.block ? d.block : 1;
    d.sequences = own->sequences ? own->sequences : d.sequences;
    if (own->has_type) {
        d.has_type = true;
        d.type = own->type;
    }
    if (own->has_waveform)
        d.waveform = own->waveform;
    if (own->has_lead) {
        d.has_lead = true;
        d.lead = own->lead;
        d.label = own->label;
    }
    d.interval = own->interval.set ? own->interval : d.interval;
    d.sensitivity = own->sensitivity.set ? own->sensitivity : d.sensitivity;
    d.offset = own->offset.n ? own->offset : d.offset;
    d.missing = own->missing.n ? own->missing : d.missing;
    return d;
}

static bool same_raw(const struct mfer_raw *a, const struct mfer_raw *b)
{
    return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

static bool same(const struct mfer_defs *a, const struct mfer_defs *b)
{
    return a->block == b->block && a->sequences == b->sequences && a->type == b->type &&
           a->has_lead == b->has_lead && a->lead == b->lead &&
           a->interval.unit == b->interval.unit && a->interval.value == b->interval.value &&
           a->sensitivity.unit == b->sensitivity.unit &&
           a->sensitivity.value == b->sensitivity.value && same_raw(&a->offset, &b->offset) &&
           same_raw(&a->missing, &b->missing);
}

/* The group that this frame continues or begins; NULL when it is another. */
static struct mfer_group *group_of(struct mfer_file *f)
{
    bool beat = f->common.has_waveform && f->common.waveform == MFER_DOMINANT_BEAT;
    struct mfer_group *g = beat ? &f->beat : &f->rhythm;
    size_t n = f->nchannels;
    if (g->nchannels == 0) {
        g->channels = calloc(n, sizeof *g->channels);
        if (!g->channels) {
            f->failed = BASE_ENOMEM;
            return NULL;
        }
        g->nchannels = n;
        g->big_endian = f->big_endian;
        for (size_t i = 0; i < n; i++)
            g->channels[i] = effective(f, i);
        return g;
    }
    bool equal = g->nchannels == n && g->big_endian == f->big_endian;
    for (size_t i = 0; i < n && equal; i++) {
        struct mfer_defs d = effective(f, i);
        equal = same(&g->channels[i], &d);
    }
    return equal ? g : NULL;
}

static void add_frame(struct mfer_file *f, const struct tlv *t)
{
    if (t->value.n == 0)
        return;
    if (!f->channels)
        set_channels(f, base_bytes_of(NULL, 0));
    struct mfer_group *g = f->failed ? NULL : group_of(f);
    if (!g) {
        if (!f->failed && !f->left_out)
            ecg_record_damage(
                f->rec, (uint64_t)(t->value.p - f->all.p),
                "MFER: from here on samples have other channels, intervals or units than "
                "the first: they are left out");
        f->left_out = true;
        return;
    }
    if ((g->nframes & (g->nframes - 1)) == 0) {
        struct base_bytes *p =
            realloc(g->frames, (g->nframes ? 2 * g->nframes : 1) * sizeof *g->frames);
        if (!p) {
            f->failed = BASE_ENOMEM;
            return;
        }
        g->frames = p;
    }
    g->frames[g->nframes++] = t->value;
}

/* ---- the whole ---- */

static void walk(struct mfer_file *f, struct base_bytes b, int channel, unsigned depth);

static void take(struct mfer_file *f, const struct tlv *t, int channel, unsigned depth)
{
    struct mfer_defs *defs = channel < 0 ? &f->common : &f->channels[channel];
    switch (t->tag) {
    case MFER_TAG_BLE:
        f->big_endian = t->value.n == 0 || t->value.p[0] == 0;
        return;
    case MFER_TAG_TXC:
        ecg_mfer_charset(f, t->value);
        return;
    case MFER_TAG_CMP:
        if (ecg_mfer_uint(base_bytes_of(t->value.p, t->value.n < 2 ? t->value.n : 2),
                          f->big_endian))
            refuse(
                f, BASE_EUNSUPPORTED, t->value.p,
                "the samples are compressed (MWF_CMP); export the recording without compression");
        return;
    case MFER_TAG_CHN:
        if (channel < 0)
            set_channels(f, t->value);
        return;
    case MFER_TAG_WAV:
        add_frame(f, t);
        return;
    case MFER_TAG_SET:
        walk(f, t->value, channel, depth + 1);
        return;
    case MFER_TAG_ATT:
        if (!f->channels)
            set_channels(f, base_bytes_of(NULL, 0));
        if (!f->failed && t->channel < f->nchannels)
            walk(f, t->value, (int)t->channel, depth + 1);
        else if (!f->failed)
            ecg_record_note(f->rec, (uint64_t)(t->value.p - f->all.p),
                            "MFER: channel %llu is defined, there are %zu",
                            (unsigned long long)t->channel + 1, f->nchannels);
        return;
    default:
        if (!read_definition(f, t, defs))
            ecg_mfer_header(f, t->tag, t->value, channel);
    }
}

static void walk(struct mfer_file *f, struct base_bytes b, int channel, unsigned depth)
{
    enum { DEPTH_MAX = 8 };
    size_t at = 0;
    bool bad = false;
    struct tlv t;
    if (depth > DEPTH_MAX) {
        refuse(f, BASE_ELIMIT, b.p, "groups within groups, deeper than any recorder writes");
        return;
    }
    while (!f->failed && !f->rec->err && !f->ended && next(b, &at, &t, &bad)) {
        if (t.cut)
            ecg_record_damage(f->rec, (uint64_t)(t.value.p - f->all.p),
                              "MFER: the file is cut within tag %02X, of which %zu bytes are there",
                              t.tag, t.value.n);
        f->ended = t.cut && t.tag != MFER_TAG_WAV && t.tag != MFER_TAG_ATT && t.tag != MFER_TAG_SET;
        if (!f->ended)
            take(f, &t, channel, depth);
        f->ended |= t.cut;
    }
    if (bad && !f->ended) {
        ecg_record_damage(
            f->rec, (uint64_t)(b.p - f->all.p) + at,
            "MFER: here is no definition of tag and length; what follows is not read");
        f->ended = true;
    }
}

/* A preamble; else some definitions in a row that could be nothing else. */
bool ecg_mfer_probe(struct base_bytes file)
{
    enum { LOOK = 4096, ENOUGH = 4 };
    struct base_bytes b = {file.p, file.n < LOOK ? file.n : LOOK};
    size_t at = 0;
    unsigned sound = 0;
    bool sampling = false;
    if (b.n >= 6 && b.p[0] == MFER_TAG_PRE && memcmp(b.p + 2, "MFR ", 4) == 0)
        return true;
    while (at < b.n && sound < 64) {
        struct tlv t;
        uint64_t length;
        if (!read_head(b, &at, &t, &length))
            break;
        bool small = length <= 4 && !t.open;
        bool known =
            t.tag == MFER_TAG_BLE   ? length == 1 && at < b.n && b.p[at] <= 1
            : t.tag == MFER_TAG_IVL ? length >= 3 && length <= 6
            : t.tag == MFER_TAG_BLK || t.tag == MFER_TAG_CHN || t.tag == MFER_TAG_SEQ ||
                    t.tag == MFER_TAG_WFM
                ? length > 0 && small
                : t.tag == MFER_TAG_SEN || t.tag == MFER_TAG_DTP || t.tag == MFER_TAG_ATT ||
                      t.tag == MFER_TAG_WAV || t.tag == MFER_TAG_MAN || t.tag == MFER_TAG_TXC ||
                      t.tag == MFER_TAG_TIM || t.tag == MFER_TAG_PNM || t.tag == MFER_TAG_PID ||
                      t.tag == MFER_TAG_LDN || t.tag == MFER_TAG_AGE || t.tag == MFER_TAG_SEX;
        if (!known)
            return false;
        sound++;
        sampling |= t.tag == MFER_TAG_IVL || t.tag == MFER_TAG_ATT;
        if (t.tag == MFER_TAG_WAV || t.open || length > b.n - at)
            break;
        at += (size_t)length;
    }
    return sampling && sound >= ENOUGH;
}

enum base_err ecg_mfer_parse(struct base_bytes file, struct ecg_record *r, struct base_error *err)
{
    struct mfer_file *f = calloc(1, sizeof *f);
    if (!f)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    f->all = file;
    f->rec = r;
    f->err = err;
    f->big_endian = true;
    err->code = BASE_OK;
    walk(f, file, -1, 0);
    enum base_err e = f->failed;
    if (e == BASE_ENOMEM)
        base_fail(err, e, BASE_NOPOS, "out of memory");
    if (!e)
        e = ecg_mfer_waves(f);
    free(f->rhythm.channels);
    free(f->rhythm.frames);
    free(f->beat.channels);
    free(f->beat.frames);
    free(f->channels);
    free(f->events);
    free(f);
    return e;
}
