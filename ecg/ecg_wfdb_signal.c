/* signal(5): signals in files that several may share, sample by sample. */
#include "ecg/ecg_wfdb_priv.h"

#include "base/utf8.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_unpack.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FRAME_MAX = 16384, /* samples of a frame in one file */
    BLOCK = 8192,      /* samples that stay in the first cache while they are parted and summed */
    LEADS_MAX = 256,   /* in one file */
    GROUP_LCM = 6,     /* of the samples that formats pack together */
    WHOLE_LCM = 96,    /* and of the frames that kernels take at once */
};

/* Signals first .. first + n - 1, which are in one file. */
struct group {
    struct ecg_record *r;
    const struct wfdb_signal *signals;
    struct ecg_lead *leads;
    size_t n;
    size_t frame; /* samples of all of them */
    size_t frames;
    size_t more; /* of them than the header states */
    unsigned format;
    struct base_bytes bytes;
    bool even;      /* one sample of each per frame */
    bool aligned;   /* what lies before the start is dropped */
    uint16_t *sums; /* as the header has them */
};

/* Bytes and samples that belong together, and the value of a missing sample. */
struct packing {
    unsigned format;
    unsigned bytes;
    unsigned samples;
    int32_t least;
};

static const struct packing *packing_of(unsigned format)
{
    static const struct packing rows[] = {
        {8, 1, 1, INT32_MIN}, {16, 2, 1, -32768}, {24, 3, 1, -8388608}, {32, 4, 1, INT32_MIN},
        {61, 2, 1, -32768},   {80, 1, 1, -128},   {160, 2, 1, -32768},  {212, 3, 2, -2048},
        {310, 4, 3, -512},    {311, 4, 3, -512},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].format == format)
            return &rows[i];
    return &rows[0]; /* the header's reader let no other one through */
}

/* Samples in n bytes; the last group may be cut after its first ones. */
static size_t capacity(const struct packing *p, size_t n)
{
    size_t rest = n % p->bytes;
    size_t more = 0;
    if (p->format == 212 || p->format == 310)
        more = rest >= 2;
    else if (p->format == 311)
        more = rest >= 2 ? rest - 1 : 0;
    return n / p->bytes * p->samples + more;
}

typedef void stream_fn(const uint8_t *p, size_t n, int16_t *out);

static stream_fn *stream_of(const struct ecg_unpack *u, unsigned format)
{
    switch (format) {
    case 61:
        return u->u61;
    case 80:
        return u->u80;
    case 160:
        return u->u160;
    case 212:
        return u->u212;
    case 310:
        return u->u310;
    default:
        assert(format == 311);
        return u->u311;
    }
}

/* Samples from .. from + n - 1 of the file; from is a multiple of the group. */
static void unpack_stream(const struct ecg_unpack *u, const struct group *g, size_t from, size_t n,
                          int16_t *out)
{
    const struct packing *p = packing_of(g->format);
    stream_fn *fn = stream_of(u, g->format);
    assert(from % p->samples == 0 && from + n <= capacity(p, g->bytes.n));
    size_t at = from / p->samples * p->bytes;
    size_t whole = n / p->samples;
    size_t there = (g->bytes.n - at) / p->bytes;
    whole = whole < there ? whole : there;
    fn(g->bytes.p + at, whole * p->samples, out);
    size_t done = whole * p->samples;
    if (done == n)
        return;
    uint8_t last[4] = {0};
    int16_t samples[3];
    at += whole * p->bytes;
    size_t rest = g->bytes.n - at < p->bytes ? g->bytes.n - at : p->bytes;
    memcpy(last, g->bytes.p + at, rest);
    fn(last, p->samples, samples);
    memcpy(out + done, samples, (n - done) * sizeof *out);
}

/* n frames of interleaved samples to the leads, from frame `at` on. */
static void part(const struct ecg_unpack *u, const struct group *g, const int16_t *in, size_t at,
                 size_t n, struct ecg_tally *tallies)
{
    if (g->even) {
        int16_t *out[LEADS_MAX];
        for (size_t i = 0; i < g->n; i++)
            out[i] = g->leads[i].i16 + at;
        u->split16((const uint8_t *)in, n, g->n, out, tallies);
        return;
    }
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < g->n; i++) {
            size_t spf = g->signals[i].spf;
            memcpy(g->leads[i].i16 + (at + k) * spf, in, spf * sizeof *in);
            in += spf;
        }
    for (size_t i = 0; i < g->n; i++) {
        size_t spf = g->signals[i].spf;
        u->sum16(g->leads[i].i16 + at * spf, n * spf, &tallies[i]);
    }
}

/* To the leads; and the sums of the header have missing samples as what stands for them. */
static void keep_tallies(const struct group *g, const struct ecg_tally *tallies)
{
    for (size_t i = 0; i < g->n; i++) {
        int64_t missing = (int64_t)tallies[i].missing * packing_of(g->format)->least;
        g->sums[i] = (uint16_t)(tallies[i].sum + missing);
        g->leads[i].tally = tallies[i];
        g->leads[i].tally.known = true;
    }
}

/* Block by block: what was unpacked is parted while it is in the cache. */
static enum base_err decode_16(const struct group *g)
{
    struct ecg_unpack u;
    struct ecg_tally t[LEADS_MAX] = {0};
    ecg_unpack_choose(ecg_simd_level(), &u);
    assert(g->n <= LEADS_MAX && g->frame > 0 && g->frame <= FRAME_MAX);
    assert(g->frames <= capacity(packing_of(g->format), g->bytes.n) / g->frame);
    size_t step = BLOCK / g->frame;
    step -= step % (step < WHOLE_LCM ? GROUP_LCM : WHOLE_LCM);
    step = step ? step : GROUP_LCM;
    bool words = g->format == 16 && g->even;
    bool packed = g->format == 212 && g->even;
    int16_t *block = malloc(step * g->frame * sizeof *block);
    if (!block)
        return BASE_ENOMEM;
    for (size_t at = 0; at < g->frames; at += step) {
        size_t n = g->frames - at < step ? g->frames - at : step;
        const uint8_t *p = g->bytes.p + at * g->frame * 2;
        if (words && g->n == 1) {
            u.copy16(p, n, g->leads[0].i16 + at, t);
        } else if (words) {
            part(&u, g, (const int16_t *)(const void *)p, at, n, t);
        } else if (packed && g->n == 2) {
            u.u212_2(g->bytes.p + at * 3, n, g->leads[0].i16 + at, g->leads[1].i16 + at, t);
        } else if (packed && g->n == 3) {
            int16_t *const out[] = {g->leads[0].i16 + at, g->leads[1].i16 + at,
                                    g->leads[2].i16 + at};
            u.u212_3(g->bytes.p + at / 2 * 9, n, out, t);
        } else if (g->format == 16) {
            memcpy(block, p, n * g->frame * 2);
            part(&u, g, block, at, n, t);
        } else if (g->n == 1) {
            int16_t *to = g->leads[0].i16 + at * g->frame;
            unpack_stream(&u, g, at * g->frame, n * g->frame, to);
            u.sum16(to, n * g->frame, t);
        } else {
            unpack_stream(&u, g, at * g->frame, n * g->frame, block);
            part(&u, g, block, at, n, t);
        }
    }
    free(block);
    keep_tallies(g, t);
    return BASE_OK;
}

static int32_t load_wide(unsigned format, const uint8_t *p)
{
    if (format == 32)
        return (int32_t)base_load_le32(p);
    return (int32_t)((uint32_t)p[0] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 24) >> 8;
}

/* Formats 8 (differences), 24 and 32. */
static void decode_32(const struct group *g)
{
    const struct packing *pack = packing_of(g->format);
    const uint8_t *p = g->bytes.p;
    size_t offset = 0;
    for (size_t i = 0; i < g->n; i++) {
        size_t spf = g->signals[i].spf;
        assert(spf > 0 && g->leads[i].samples == g->frames * spf);
        uint32_t x = (uint32_t)g->signals[i].first;
        int32_t *out = g->leads[i].i32;
        for (size_t k = 0; k < g->frames * spf; k++) {
            const uint8_t *at = p + (k / spf * g->frame + offset + k % spf) * pack->bytes;
            int32_t v = g->format == 8 ? (int8_t)*at : load_wide(g->format, at);
            x = (uint32_t)v + (g->format == 8 ? x : 0);
            g->sums[i] = (uint16_t)(g->sums[i] + x);
            out[k] = g->format != 8 && (int32_t)x == pack->least ? ECG_SAMPLE_NONE : (int32_t)x;
        }
        offset += spf;
    }
    for (size_t i = 0; i < g->n && g->format == 8; i++)
        ecg_record_narrow(g->r, &g->leads[i]);
}

/* "100.dat", for messages. */
static void name_of(const struct wfdb_signal *s, char out[ECG_NAME_SIZE])
{
    ecg_wfdb_copy(s->file, out, ECG_NAME_SIZE);
}

static enum base_err measure(struct ecg_record *r, struct group *g, struct base_error *err)
{
    char name[ECG_NAME_SIZE];
    name_of(&g->signals[0], name);
    g->even = true;
    for (size_t i = 0; i < g->n; i++) {
        g->frame += g->signals[i].spf;
        g->even &= g->signals[i].spf == 1;
        if (g->signals[i].format != g->format)
            return base_fail(err, BASE_EFORMAT, BASE_NOPOS,
                             "WFDB header, line %zu: signals of one file have formats %u and %u",
                             g->signals[i].line, g->format, g->signals[i].format);
    }
    if (g->frame > FRAME_MAX)
        return base_fail(err, BASE_ELIMIT, BASE_NOPOS, "WFDB: a frame of %zu samples in %s",
                         g->frame, name);
    uint64_t offset = g->signals[0].offset;
    if (offset > g->bytes.n) {
        ecg_record_damage(r, BASE_NOPOS, "WFDB: %s has %zu bytes, the samples begin at %llu", name,
                          g->bytes.n, (unsigned long long)offset);
        offset = g->bytes.n;
    }
    g->bytes.p += offset;
    g->bytes.n -= (size_t)offset;
    return BASE_OK;
}

static enum base_err read_plain(const struct wfdb_header *h, struct ecg_record *r, struct group *g,
                                struct base_error *err)
{
    const struct packing *p = packing_of(g->format);
    bool wide = g->format == 8 || g->format == 24 || g->format == 32;
    size_t there = capacity(p, g->bytes.n) / g->frame;
    g->frames = h->frames && h->frames < there ? (size_t)h->frames : there;
    g->more = there - g->frames;
    g->more = g->more * g->frame < p->samples ? 0 : g->more; /* what fills up the last bytes */
    enum base_err e = BASE_OK;
    ecg_record_expect(r, g->n, g->frames * g->frame * (wide ? 4 : 2));
    for (size_t i = 0; i < g->n && !e; i++) {
        size_t n = g->frames * g->signals[i].spf;
        e = wide ? ecg_record_set_i32(r, &g->leads[i], n) : ecg_record_set_i16(r, &g->leads[i], n);
    }
    if (!e && wide)
        decode_32(g);
    else if (!e)
        e = decode_16(g);
    return e ? base_fail(err, e, BASE_NOPOS, "WFDB: %zu frames of %zu samples: %s", g->frames,
                         g->frame, base_err_text(e))
             : BASE_OK;
}

static enum base_err read_flac(const struct wfdb_header *h, struct ecg_record *r, struct group *g,
                               struct base_error *err)
{
    enum { CHANNELS_MAX = 8 };
    struct ecg_unpack u;
    struct ecg_lead *leads[CHANNELS_MAX];
    size_t spf = g->signals[0].spf;
    bool is_even = true;
    for (size_t i = 0; i < g->n; i++)
        is_even = is_even && g->signals[i].spf == spf;
    if (g->n > CHANNELS_MAX || !is_even)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "WFDB: %zu signals in one FLAC file (up to 8, with as many samples per "
                         "frame each)",
                         g->n);
    for (size_t i = 0; i < g->n; i++)
        leads[i] = &g->leads[i];
    uint64_t most = h->frames < UINT64_MAX / spf ? h->frames * spf : UINT64_MAX;
    enum base_err e = ecg_wfdb_flac(g->bytes, g->format - 500, r, leads, g->n, most, err);
    if (e)
        return e;
    ecg_unpack_choose(ECG_SIMD_SCALAR, &u);
    g->frames = g->leads[0].samples / spf;
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->frames * spf; k++) {
            int32_t v = ecg_lead_sample(&g->leads[i], k);
            v = v == ECG_SAMPLE_NONE ? -(int32_t)(1U << (g->format - 501)) : v;
            g->sums[i] = (uint16_t)(g->sums[i] + (unsigned)v);
        }
    return BASE_OK;
}

/* The samples before the record's start are dropped, as skew says. */
static void align(struct ecg_lead *lead, const struct wfdb_signal *s)
{
    size_t drop = (size_t)s->skew * s->spf;
    drop = drop < lead->samples ? drop : lead->samples;
    if (drop == 0)
        return;
    lead->samples -= drop;
    lead->tally.known = false;
    if (lead->i16)
        memmove(lead->i16, lead->i16 + drop, lead->samples * sizeof *lead->i16);
    else
        memmove(lead->i32, lead->i32 + drop, lead->samples * sizeof *lead->i32);
}

static void check(const struct wfdb_header *h, struct ecg_record *r, const struct group *g,
                  bool summed)
{
    char name[ECG_NAME_SIZE];
    name_of(&g->signals[0], name);
    if (h->frames > g->frames)
        ecg_record_damage(r, BASE_NOPOS, "WFDB: %s has %zu of the %llu samples per signal", name,
                          g->frames, (unsigned long long)h->frames);
    if (g->more)
        ecg_record_damage(r, BASE_NOPOS,
                          "WFDB: %s has %zu samples per signal more than the %zu that the header "
                          "states; those stated are read",
                          name, g->more, g->frames);
    for (size_t i = 0; i < g->n; i++) {
        const struct wfdb_signal *s = &g->signals[i];
        if (!summed || !s->has_checksum || h->frames > g->frames || g->sums[i] == s->checksum)
            continue;
        const char *signal = ecg_text_undeclared(r, s->name);
        ecg_record_damage(r, BASE_NOPOS,
                          "WFDB: checksum of signal %.*s (header line %zu) is %d, should be %d",
                          (int)base_utf8_cut(signal, strlen(signal), 40), signal, s->line,
                          (int16_t)g->sums[i], (int16_t)s->checksum);
    }
}

static enum base_err read_group(const struct ecg_set *set, const struct wfdb_header *h,
                                struct ecg_record *r, struct group *g, bool summed,
                                struct base_error *err)
{
    char name[ECG_NAME_SIZE];
    name_of(&g->signals[0], name);
    if (ecg_set_find(set, name, &g->bytes) != ECG_FOUND) {
        ecg_record_damage(r, BASE_NOPOS, "WFDB: there is no file %s: %zu signals are left out",
                          name, g->n);
        return BASE_OK;
    }
    uint16_t sums[LEADS_MAX] = {0};
    if (g->n > sizeof sums / sizeof *sums)
        return base_fail(err, BASE_ELIMIT, BASE_NOPOS, "WFDB: %zu signals in %s", g->n, name);
    g->sums = sums;
    enum base_err e = measure(r, g, err);
    if (!e)
        e = g->format > 500 ? read_flac(h, r, g, err) : read_plain(h, r, g, err);
    if (e)
        return e;
    check(h, r, g, summed);
    for (size_t i = 0; i < g->n && g->aligned; i++)
        align(&g->leads[i], &g->signals[i]);
    return BASE_OK;
}

enum base_err ecg_wfdb_signals(const struct ecg_set *set, const struct wfdb_header *h, bool aligned,
                               struct ecg_record *r, struct ecg_lead *leads, struct base_error *err)
{
    enum base_err e = BASE_OK;
    /* Writers that do not compute checksums write 0 for all. */
    bool summed = false;
    for (size_t i = 0; i < h->nsignals; i++)
        summed |= h->signals[i].checksum != 0;
    for (size_t i = 0; i < h->nsignals && !e;) {
        size_t n = 1;
        while (i + n < h->nsignals && base_bytes_equal(h->signals[i].file, h->signals[i + n].file))
            n++;
        struct group g = {.r = r,
                          .signals = &h->signals[i],
                          .leads = &leads[i],
                          .n = n,
                          .aligned = aligned,
                          .format = h->signals[i].format};
        for (size_t k = i; k < i + n; k++)
            ecg_wfdb_describe(r, h, k, &leads[k]);
        if (g.format)
            e = read_group(set, h, r, &g, summed, err);
        i += n;
    }
    return e;
}
