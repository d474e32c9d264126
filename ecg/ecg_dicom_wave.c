/* Waveform Sequence (5400,0100), PS3.3 C.10.9: multiplex groups and their samples. */
#include "ecg/ecg_dicom_priv.h"

#include "ecg/ecg_unpack.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { PLAIN_MAX = 256 }; /* channels that are parted at once */

enum sample_kind {
    KIND_NONE,
    KIND_SB,
    KIND_UB,
    KIND_MB,
    KIND_AB,
    KIND_SS,
    KIND_US,
    KIND_SL,
    KIND_UL
};

struct group {
    uint64_t pos;
    char label[17];
    bool derived;
    double offset_ms;
    size_t nchannels;
    size_t nsamples;
    double rate;
    unsigned allocated;
    enum sample_kind kind;
    bool swap; /* 16 and 32 bit samples are big-endian */
    struct base_bytes padding;
    struct base_bytes data;
    bool median;
    bool left_out; /* it cannot be read; noted */
    struct ecg_dicom_channel *channels;
};

static enum sample_kind kind_of(struct base_bytes value)
{
    static const char names[][3] = {"", "SB", "UB", "MB", "AB", "SS", "US", "SL", "UL"};
    char text[4];
    if (!dicom_value_copy(value, text, sizeof text))
        return KIND_NONE;
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0)
            return (enum sample_kind)i;
    return KIND_NONE;
}

static unsigned width_of(enum sample_kind kind)
{
    return kind >= KIND_SL ? 4 : kind >= KIND_SS ? 2 : 1;
}

static enum base_err read_channels(struct ecg_dicom_reader *d, struct dicom_cursor *c,
                                   struct group *g)
{
    struct dicom_element e;
    if (g->channels || g->nchannels == 0 || !dicom_cursor_can_enter(c))
        return BASE_OK;
    if (g->nchannels > d->rec->limits->leads)
        return base_fail(d->err, BASE_ELIMIT, g->pos, "DICOM: %zu channels, the limit is %zu",
                         g->nchannels, d->rec->limits->leads);
    g->channels = calloc(g->nchannels, sizeof *g->channels);
    if (!g->channels)
        return base_fail(d->err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    for (size_t i = 0; i < g->nchannels; i++)
        g->channels[i] = ecg_dicom_channel_default;
    dicom_cursor_enter(c);
    size_t n = 0;
    while (n < g->nchannels && dicom_cursor_next(c, &e) == DICOM_ELEMENT)
        ecg_dicom_channel_read(d, c, &g->channels[n++]);
    if (n == g->nchannels && dicom_cursor_next(c, &e) == DICOM_ELEMENT)
        ecg_record_damage(d->rec, d->offset + e.offset,
                          "DICOM: a multiplex group of %zu channels defines more: samples may be "
                          "in the wrong lead",
                          g->nchannels);
    dicom_cursor_leave(c);
    return BASE_OK;
}

static void read_group_value(struct group *g, const struct dicom_element *e)
{
    int64_t v;
    if (e->partial && e->tag != DICOM_TAG_WaveformData)
        return;
    switch (e->tag) {
    case DICOM_TAG_MultiplexGroupTimeOffset:
        ecg_dicom_number(e, &g->offset_ms);
        break;
    case DICOM_TAG_WaveformOriginality:
        g->derived = e->value.n && e->value.p[0] == 'D';
        break;
    case DICOM_TAG_NumberOfWaveformChannels:
        /* A second one, behind the channels that the first one counts, is not believed. */
        if (!g->channels)
            g->nchannels = dicom_value_int(e, 0, &v) && v > 0 ? (size_t)v : 0;
        break;
    case DICOM_TAG_NumberOfWaveformSamples:
        g->nsamples = dicom_value_int(e, 0, &v) && v > 0 ? (size_t)v : 0;
        break;
    case DICOM_TAG_SamplingFrequency:
        ecg_dicom_number(e, &g->rate);
        break;
    case DICOM_TAG_MultiplexGroupLabel:
        dicom_value_copy(e->value, g->label, sizeof g->label);
        break;
    case DICOM_TAG_WaveformBitsAllocated:
        g->allocated = dicom_value_int(e, 0, &v) && v > 0 && v <= 64 ? (unsigned)v : 0;
        break;
    case DICOM_TAG_WaveformSampleInterpretation:
        g->kind = kind_of(e->value);
        break;
    case DICOM_TAG_WaveformPaddingValue:
        g->padding = e->value;
        break;
    case DICOM_TAG_WaveformData:
        g->data = e->value;
        g->swap = e->big_endian;
        break;
    default:
        break;
    }
}

static enum base_err read_group(struct ecg_dicom_reader *d, struct dicom_cursor *c, struct group *g)
{
    struct dicom_element e;
    enum base_err error = BASE_OK;
    dicom_cursor_enter(c);
    while (!error && dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
        /* Where bytes of the data are lost, the next group may seem to be of this one. */
        if (g->data.p && e.tag <= DICOM_TAG_WaveformData) {
            ecg_record_damage(d->rec, d->offset + e.offset,
                              "DICOM: a multiplex group goes on behind its samples, which may be "
                              "wrong; what follows is lost");
            break;
        }
        if (e.tag == DICOM_TAG_ChannelDefinitionSequence)
            error = read_channels(d, c, g);
        else
            read_group_value(g, &e);
    }
    dicom_cursor_leave(c);
    return error;
}

/* What is needed to read the samples; makes nsamples what the data hold. */
static enum base_err check_group(struct ecg_dicom_reader *d, struct group *g)
{
    if (g->nchannels == 0 || g->nsamples == 0 || !g->channels || !(g->rate > 0))
        return base_fail(d->err, BASE_EFORMAT, g->pos,
                         "DICOM: a multiplex group with %zu channels of %zu samples at %g Hz",
                         g->nchannels, g->nsamples, g->rate);
    if (g->kind == KIND_NONE || g->allocated != 8 * width_of(g->kind))
        return base_fail(d->err, BASE_EUNSUPPORTED, g->pos,
                         "DICOM: waveform samples of %u bits with this interpretation are not "
                         "known (SB UB MB AB of 8, SS US of 16, SL UL of 32 are)",
                         g->allocated);
    size_t frame = g->nchannels * width_of(g->kind);
    if (g->data.n < frame)
        return base_fail(d->err, BASE_EFORMAT, g->pos,
                         "DICOM: a multiplex group of %zu channels with %zu bytes of data",
                         g->nchannels, g->data.n);
    if (g->data.n / frame < g->nsamples) {
        ecg_record_damage(d->rec, g->pos, "DICOM: %zu samples stated, %zu are there", g->nsamples,
                          g->data.n / frame);
        g->nsamples = g->data.n / frame;
    } else if (g->data.n - g->nsamples * frame > frame) { /* one byte more is padding */
        ecg_record_damage(d->rec, g->pos,
                          "DICOM: %zu samples stated, %zu are there; those stated are read",
                          g->nsamples, g->data.n / frame);
    }
    return BASE_OK;
}

static bool is_median(const struct group *g, bool first)
{
    static const char *const words[] = {"MEDIAN", "REPRESENTATIVE", "AVERAGE", "TEMPLATE"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(g->label, words[i]))
            return true;
    const double longest_beat_s = 2.5;
    return !first && g->derived && !strcasestr(g->label, "RHYTHM") &&
           (double)g->nsamples <= longest_beat_s * g->rate;
}

/* ITU-T G.711 */
static int32_t from_mu_law(uint8_t code)
{
    code = (uint8_t)~code;
    int32_t v = (((code & 15) << 3) + 132) << (code >> 4 & 7);
    return code & 0x80 ? 132 - v : v - 132;
}

static int32_t from_a_law(uint8_t code)
{
    code ^= 0x55;
    int32_t v = (code & 15) << 4 | 8;
    unsigned segment = code >> 4 & 7;
    if (segment)
        v = (v + 256) << (segment - 1);
    return code & 0x80 ? v : -v;
}

static uint32_t load(const uint8_t *p, unsigned width, bool swap)
{
    if (width == 1)
        return p[0];
    if (width == 2)
        return swap ? base_load_be16(p) : base_load_le16(p);
    return swap ? base_load_be32(p) : base_load_le32(p);
}

/* The stored bits as a number: sign extended, or the upper bits dropped. */
static int32_t value_of(uint32_t raw, enum sample_kind kind, unsigned stored)
{
    unsigned drop = 32 - stored;
    switch (kind) {
    case KIND_MB:
        return from_mu_law((uint8_t)raw);
    case KIND_AB:
        return from_a_law((uint8_t)raw);
    case KIND_SB:
    case KIND_SS:
    case KIND_SL:
        return (int32_t)(raw << drop) >> drop;
    case KIND_NONE:
    case KIND_UB:
    case KIND_US:
    case KIND_UL:
    default:
        raw = raw << drop >> drop;
        return raw > INT32_MAX ? INT32_MAX : (int32_t)raw;
    }
}

static uint32_t padding_of(const struct group *g)
{
    unsigned width = width_of(g->kind);
    return g->padding.n >= width ? load(g->padding.p, width, g->swap) : 0;
}

/* Unsigned values beyond those of int32_t: all are kept less 2^31, which the lead's offset adds. */
static bool is_high(const struct group *g, size_t channel)
{
    unsigned stored = g->channels[channel].stored;
    if (g->kind != KIND_UL || (stored > 0 && stored < 32))
        return false;
    uint32_t padding = padding_of(g);
    const uint8_t *p = g->data.p + channel * 4;
    for (size_t i = 0; i < g->nsamples; i++, p += g->nchannels * 4) {
        uint32_t raw = load(p, 4, g->swap);
        if (raw > INT32_MAX && raw != padding)
            return true;
    }
    return false;
}

/* Into the lead, of 16 bits where the values are no wider. */
static void decode(const struct group *g, size_t channel, bool high, struct ecg_lead *lead)
{
    unsigned width = width_of(g->kind);
    size_t frame = g->nchannels * width;
    unsigned stored = g->channels[channel].stored;
    if (stored == 0 || stored > 8 * width)
        stored = 8 * width;
    /* DEVIATION (PS3.3 C.10.9, (5400,100A)): some writers state 0 as padding, which is an
     * ordinary sample of an ECG. */
    uint32_t padding = padding_of(g);
    bool padded = padding != 0;
    const uint8_t *p = g->data.p + channel * width;
    assert(lead->samples == g->nsamples && g->data.n / frame >= g->nsamples);
    for (size_t i = 0; i < g->nsamples; i++, p += frame) {
        uint32_t raw = load(p, width, g->swap);
        int32_t v = value_of(raw, g->kind, stored);
        if (high)
            v = raw == 0 ? -INT32_MAX : (int32_t)(raw ^ 0x80000000);
        if (padded && raw == padding)
            v = ECG_SAMPLE_NONE;
        if (lead->i32)
            lead->i32[i] = v;
        else
            lead->i16[i] = v == ECG_SAMPLE_NONE ? ECG_SAMPLE_NONE16 : (int16_t)v;
    }
}

/* Values that 16 bits hold, and none of them the one that stands for a missing
 * sample: signed words may have -32768 as an ordinary value. */
static bool is_narrow(const struct group *g, size_t channel)
{
    unsigned width = width_of(g->kind);
    unsigned stored = g->channels[channel].stored;
    bool less = stored > 0 && stored < 16;
    if (width == 1 || (width == 2 && less))
        return true;
    if (g->kind != KIND_SS)
        return false;
    const uint8_t *p = g->data.p + channel * width;
    uint32_t padding = padding_of(g);
    for (size_t i = 0; i < g->nsamples && padding != 0x8000; i++, p += g->nchannels * width)
        if (load(p, width, g->swap) == 0x8000)
            return false;
    return true;
}

/* Signed words as nearly all recorders write them, all channels of one kind: they are parted
 * at once. */
static bool is_plain(const struct group *g)
{
    uint32_t padding = g->padding.n >= 2 ? base_load_le16(g->padding.p) : 0;
    bool plain = g->kind == KIND_SS && !g->swap && (padding == 0 || padding == 0x8000) &&
                 g->nchannels <= PLAIN_MAX;
    for (size_t i = 0; i < g->nchannels && plain; i++)
        plain = (g->channels[i].stored == 0 || g->channels[i].stored == 16) &&
                g->channels[i].other == g->channels[0].other;
    return plain;
}

static enum base_err part_plain(struct ecg_dicom_reader *d, const struct group *g,
                                struct ecg_lead *leads)
{
    struct ecg_unpack u;
    int16_t *to[PLAIN_MAX];
    struct ecg_tally tallies[PLAIN_MAX] = {0};
    bool padded = g->padding.n >= 2 && base_load_le16(g->padding.p) == 0x8000;
    ecg_unpack_choose(ecg_simd_level(), &u);
    assert(g->nchannels <= PLAIN_MAX && g->data.n / 2 / g->nchannels >= g->nsamples);
    for (size_t i = 0; i < g->nchannels; i++) {
        assert(leads[i].i16 && leads[i].samples == g->nsamples);
        to[i] = leads[i].i16;
    }
    u.split16(g->data.p, g->nsamples, g->nchannels, to, tallies);
    for (size_t i = 0; i < g->nchannels; i++) {
        leads[i].tally = tallies[i];
        leads[i].tally.known = true;
        bool least = !padded && tallies[i].missing; /* an ordinary value here */
        enum base_err e = least ? ecg_record_widen(d->rec, &leads[i]) : BASE_OK;
        if (e)
            return base_fail(d->err, e, BASE_NOPOS, "%s", base_err_text(e));
    }
    return BASE_OK;
}

static enum base_err make_lead(struct ecg_dicom_reader *d, const struct group *g, size_t channel,
                               bool plain, struct ecg_lead *lead)
{
    const struct ecg_dicom_channel *ch = &g->channels[channel];
    enum base_err e = plain || is_narrow(g, channel)
                          ? ecg_record_set_i16(d->rec, lead, g->nsamples)
                          : ecg_record_set_i32(d->rec, lead, g->nsamples);
    if (e)
        return base_fail(d->err, e, g->pos, "DICOM: a channel of %zu samples: %s", g->nsamples,
                         base_err_text(e));
    lead->id = ch->id;
    lead->name = ch->name[0] ? ch->name : ecg_record_printf(d->rec, "channel %zu", channel + 1);
    lead->is_ecg = ch->is_ecg;
    lead->unit = ch->unit;
    lead->rate_hz = g->rate;
    lead->uv_per_count = ch->sensitivity * ch->correction * ch->unit_uv;
    lead->offset_uv = ch->baseline * ch->unit_uv;
    lead->start_s = g->offset_ms / 1000 + ch->time_skew + ch->sample_skew / g->rate;
    bool high = is_high(g, channel);
    if (high)
        lead->offset_uv += 2147483648.0 * lead->uv_per_count;
    if (!plain)
        decode(g, channel, high, lead);
    return BASE_OK;
}

/* Of a kind: leads, medians, or others of either. */
enum kind { LEADS, MEDIANS, OTHERS };

static bool is_of(const struct group *g, size_t channel, enum kind kind)
{
    if (g->left_out || g->channels[channel].other)
        return !g->left_out && kind == OTHERS;
    return kind == (g->median ? MEDIANS : LEADS);
}

static size_t count_leads(struct group *const *groups, size_t n, enum kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < groups[i]->nchannels; k++)
            count += is_of(groups[i], k, kind);
    return count;
}

static void note_uncalibrated(struct ecg_dicom_reader *d, const struct group *g)
{
    for (size_t i = 0; i < g->nchannels; i++) {
        const struct ecg_dicom_channel *ch = &g->channels[i];
        const char *what = ecg_dicom_channel_lacks(ch);
        if (what)
            ecg_record_damage(d->rec, g->pos,
                              "DICOM: channel %zu (%s) states %s assumed, amplitudes may be wrong",
                              i + 1, ch->name, what);
    }
}

static enum base_err make_leads(struct ecg_dicom_reader *d, struct group *const *groups, size_t n,
                                enum kind kind)
{
    struct ecg_record *r = d->rec;
    size_t count = count_leads(groups, n, kind);
    enum base_err e = BASE_OK;
    if (count)
        e = kind == MEDIANS ? ecg_record_set_medians(r, count)
            : kind == LEADS ? ecg_record_set_leads(r, count)
                            : ecg_record_set_others(r, count);
    if (e)
        return base_fail(d->err, e, BASE_NOPOS, "DICOM: %zu channels: %s", count, base_err_text(e));
    struct ecg_lead *lead = kind == MEDIANS ? r->medians : kind == LEADS ? r->leads : r->others;
    for (size_t i = 0; i < n; i++) {
        struct ecg_lead *first = lead;
        bool plain = !groups[i]->left_out && is_plain(groups[i]);
        for (size_t k = 0; k < groups[i]->nchannels && !e; k++)
            if (is_of(groups[i], k, kind))
                e = make_lead(d, groups[i], k, plain, lead++);
        /* One that is plain has all its channels among leads of one kind. */
        assert(e || !plain || lead == first || (size_t)(lead - first) == groups[i]->nchannels);
        if (!e && plain && lead > first)
            e = part_plain(d, groups[i], first);
    }
    return e;
}

/* What the annotations need to know of a group. */
static void remember(struct ecg_dicom_reader *d, const struct group *g)
{
    int *ids = g->left_out ? NULL : base_arena_alloc(&d->rec->arena, g->nchannels * sizeof *ids);
    for (size_t i = 0; ids && i < g->nchannels; i++)
        ids[i] = g->channels[i].id;
    assert(d->ngroups < ECG_DICOM_GROUPS_MAX);
    d->groups[d->ngroups++] = (struct ecg_dicom_group){.median = g->median,
                                                       .channels = ids ? g->nchannels : 0,
                                                       .samples = g->nsamples,
                                                       .rate_hz = g->rate,
                                                       .start_s = g->offset_ms / 1000,
                                                       .lead_ids = ids};
}

static void take_filters(struct ecg_record *r, const struct group *g)
{
    const struct ecg_dicom_channel *ch = &g->channels[0];
    r->filters = (struct ecg_filters){ch->high_pass, ch->low_pass, ch->notch};
}

/* A group that cannot be read costs a note, as long as there is another. */
static enum base_err check_groups(struct ecg_dicom_reader *d, struct group *const *groups, size_t n)
{
    struct base_error *outer = d->err;
    struct base_error why = {
        .code = BASE_EFORMAT, .pos = BASE_NOPOS, .msg = "DICOM: the waveform sequence is empty"};
    size_t sound = 0;
    for (size_t i = 0; i < n; i++) {
        struct base_error inner = {.pos = BASE_NOPOS};
        d->err = &inner;
        groups[i]->left_out = check_group(d, groups[i]) != BASE_OK;
        sound += !groups[i]->left_out;
        if (groups[i]->left_out && n > 1)
            ecg_record_damage(d->rec, inner.pos, "%s; the group is left out", inner.msg);
        if (groups[i]->left_out && why.pos == BASE_NOPOS)
            why = inner;
    }
    d->err = outer;
    return sound ? BASE_OK : base_fail(d->err, why.code, why.pos, "%s", why.msg);
}

static enum base_err settle(struct ecg_dicom_reader *d, struct group **groups, size_t n)
{
    enum base_err e = check_groups(d, groups, n);
    size_t leads = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < n && !e; i++)
        if (!groups[i]->left_out) {
            leads += groups[i]->nchannels;
            bytes += groups[i]->nchannels * groups[i]->nsamples * 2; /* nearly always */
        }
    ecg_record_expect(d->rec, leads, bytes);
    for (size_t i = 0; i < n && !e; i++) {
        groups[i]->median = !groups[i]->left_out && is_median(groups[i], i == 0);
        remember(d, groups[i]);
    }
    for (enum kind kind = LEADS; kind <= OTHERS && !e; kind++)
        e = make_leads(d, groups, n, kind);
    for (size_t i = 0; i < n && !e; i++)
        if (!groups[i]->left_out)
            note_uncalibrated(d, groups[i]);
    for (size_t i = 0; i < n && !e; i++)
        if (!groups[i]->left_out) {
            take_filters(d->rec, groups[i]);
            break;
        }
    return e;
}

enum base_err ecg_dicom_waves(struct ecg_dicom_reader *d, struct dicom_cursor *c)
{
    struct group *groups[ECG_DICOM_GROUPS_MAX] = {0};
    struct dicom_element item;
    size_t n = 0;
    enum base_err e = BASE_OK;
    dicom_cursor_enter(c);
    while (!e && n < ECG_DICOM_GROUPS_MAX && dicom_cursor_next(c, &item) == DICOM_ELEMENT) {
        groups[n] = calloc(1, sizeof **groups);
        if (!groups[n]) {
            e = base_fail(d->err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
            break;
        }
        groups[n]->pos = d->offset + item.offset;
        e = read_group(d, c, groups[n++]);
    }
    dicom_cursor_leave(c);
    if (!e)
        e = settle(d, groups, n);
    for (size_t i = 0; i < n; i++) {
        free(groups[i]->channels);
        free(groups[i]);
    }
    return e;
}
