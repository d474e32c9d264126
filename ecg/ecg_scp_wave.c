/*
 * SCP-ECG sections 2 to 6 (EN 1064 5.5 to 5.9): leads, beats, the reference
 * beat, and the rhythm, which may be Huffman coded, differenced, decimated
 * outside protected zones, and stored without the reference beat.
 */
#include "ecg/ecg_scp_priv.h"

#include "ecg/ecg_scp_expand.h"
#include "ecg/ecg_scp_huffman.h"
#include "ecg/ecg_unpack.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct beat {
    unsigned type;
    uint32_t start; /* subtraction zone and fiducial point, 1-based sample numbers */
    uint32_t fiducial;
    uint32_t end;
};

/* The head of section 5 or 6, and where each lead's bytes are. */
struct block {
    unsigned avm_nv;
    unsigned interval_us;
    unsigned encoding; /* 0 values, 1 first, 2 second differences */
    bool bimodal;
    size_t pos;
    struct base_bytes lead[SCP_LEADS_MAX];
};

struct waves {
    struct scp_file *f;
    struct ecg_scp_huffman *huffman; /* NULL: plain 16-bit values */
    unsigned ref_ms;
    unsigned ref_fiducial; /* 1-based sample of the reference beat */
    struct beat *beats;
    struct scp_zone *zones;
    size_t nbeats;
    size_t nzones;
    struct block rhythm;
    struct block median; /* avm_nv = 0: there is none */
    size_t factor;       /* of decimation; 1 = none */
    struct ecg_unpack unpack;
};

static const char *lead_label(const struct scp_file *f, size_t i)
{
    const char *name = ecg_lead_name(f->leads[i].id);
    return name ? name : "without a name";
}

/* Whether section 6 is what so many leads make it. */
static bool fits_rhythm(const struct scp_file *f, size_t nleads)
{
    struct base_bytes b = f->sec[6].body;
    size_t n = 6 + 2 * nleads;
    if (b.n < n)
        return false;
    for (size_t i = 0; i < nleads; i++)
        n += base_load_le16(b.p + 6 + 2 * i);
    return b.n == n || b.n == n + 1; /* filled up to an even length */
}

/* Some writers count fewer leads than they have. */
static void count_leads(struct scp_file *f)
{
    size_t there = (f->sec[3].body.n - 2) / 9;
    if (f->nleads >= there || there > SCP_LEADS_MAX || fits_rhythm(f, f->nleads) ||
        !fits_rhythm(f, there))
        return;
    ecg_record_note(f->rec, f->sec[3].pos,
                    "SCP-ECG section 3 counts %zu leads and has %zu, as section 6 does", f->nleads,
                    there);
    f->nleads = there;
}

/* u8 count, u8 flags, per lead u32 first and last sample, u8 id. */
static enum base_err read_leads(struct scp_file *f)
{
    struct scp_cursor c = {.b = f->sec[3].body};
    if (c.b.n == 0)
        return base_fail(f->err, BASE_EFORMAT, BASE_NOPOS,
                         "SCP-ECG: there is no section 3 that names the leads");
    f->nleads = scp_u8(&c);
    uint8_t flags = scp_u8(&c);
    if (f->nleads == 0 || c.short_ || f->nleads > (c.b.n - 2) / 9)
        return base_fail(f->err, BASE_EFORMAT, f->sec[3].pos,
                         "SCP-ECG section 3: %zu leads need %zu bytes, there are %zu", f->nleads,
                         2 + 9 * f->nleads, c.b.n);
    count_leads(f);
    f->subtracted = flags & 1;
    for (size_t i = 0; i < f->nleads; i++) {
        struct scp_lead *lead = &f->leads[i];
        lead->start = scp_u32(&c);
        lead->end = scp_u32(&c);
        lead->id = scp_u8(&c);
        if (lead->end < lead->start) {
            ecg_record_damage(f->rec, f->sec[3].pos + 2 + 9 * i,
                              "SCP-ECG section 3: lead %s ends before it starts", lead_label(f, i));
            continue;
        }
        lead->count = (size_t)lead->end - lead->start + 1;
        if (lead->start == 0) {
            /* A writer that counts from 0, mostly with an exclusive end. */
            lead->start = 1;
            lead->count--;
            lead->from_0 = true;
        }
    }
    return BASE_OK;
}

static void read_beat(struct scp_cursor *c, struct beat *b)
{
    b->type = scp_u16(c);
    b->start = scp_u32(c);
    b->fiducial = scp_u32(c);
    b->end = scp_u32(c);
}

/* Section 4: u16 length of the reference beat in ms, u16 fiducial sample, u16
 * beats; per beat u16 type, u32 start, fiducial, end; then, from version 1.3 on,
 * per beat u32 start and end of the protected zone. */
static enum base_err read_beats(struct waves *w)
{
    struct scp_file *f = w->f;
    struct scp_cursor c = {.b = f->sec[4].body};
    if (c.b.n < 6)
        return BASE_OK;
    w->ref_ms = scp_u16(&c);
    w->ref_fiducial = scp_u16(&c);
    size_t n = scp_u16(&c);
    if (n > (c.b.n - c.at) / 14) {
        ecg_record_damage(f->rec, f->sec[4].pos + 4, "SCP-ECG section 4: %zu beats in %zu bytes", n,
                          c.b.n - c.at);
        return BASE_OK;
    }
    if (n == 0)
        return BASE_OK;
    w->beats = calloc(n, sizeof *w->beats);
    w->zones = calloc(n, sizeof *w->zones);
    if (!w->beats || !w->zones)
        return base_fail(f->err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    w->nbeats = w->nzones = n;
    for (size_t i = 0; i < n; i++)
        read_beat(&c, &w->beats[i]);
    bool own = n <= (c.b.n - c.at) / 8;
    for (size_t i = 0; i < n; i++) {
        uint32_t from = own ? scp_u32(&c) : w->beats[i].start;
        uint32_t to = own ? scp_u32(&c) : w->beats[i].end;
        w->zones[i] = (struct scp_zone){from, to};
    }
    return BASE_OK;
}

/* u16 byte counts saturate or wrap on long plain leads. When the section is
 * large enough for what section 3 says, believe that. */
static size_t plain_length(const struct waves *w, size_t i, size_t room, size_t stated)
{
    size_t claimed = w->f->leads[i].count * 2;
    size_t wrapped = claimed & 0xffff;
    if (w->huffman || claimed <= 0xffff || (stated < 0xfffe && stated != wrapped))
        return stated;
    return room / w->f->nleads >= claimed ? claimed : stated;
}

static enum base_err read_block(struct waves *w, unsigned id, struct block *b)
{
    struct scp_file *f = w->f;
    struct scp_cursor c = {.b = f->sec[id].body};
    size_t head = 6 + 2 * f->nleads;
    if (c.b.n < head)
        return base_fail(f->err, BASE_EFORMAT, f->sec[id].pos,
                         "SCP-ECG section %u: %zu leads need %zu bytes, there are %zu", id,
                         f->nleads, head, c.b.n);
    b->pos = f->sec[id].pos;
    b->avm_nv = scp_u16(&c);
    b->interval_us = scp_u16(&c);
    b->encoding = scp_u8(&c);
    b->bimodal = scp_u8(&c) == 1;
    if (b->avm_nv == 0 || b->interval_us == 0 || b->encoding > 2)
        return base_fail(f->err, BASE_EFORMAT, b->pos,
                         "SCP-ECG section %u: %u nV per unit, %u us between samples and encoding "
                         "%u cannot be",
                         id, b->avm_nv, b->interval_us, b->encoding);
    size_t room = c.b.n - head;
    size_t at = head;
    for (size_t i = 0; i < f->nleads; i++) {
        size_t n = scp_u16(&c);
        n = id == 6 ? plain_length(w, i, room, n) : n;
        if (n > c.b.n - at) {
            ecg_record_damage(f->rec, b->pos + 6 + 2 * i,
                              "SCP-ECG section %u: lead %s has %zu bytes, only %zu are left", id,
                              lead_label(f, i), n, c.b.n - at);
            n = c.b.n - at;
        }
        b->lead[i] = base_bytes_of(c.b.p + at, n);
        at += n;
    }
    return BASE_OK;
}

/* Of values that are not coded the bytes tell whether the end was an inclusive one. */
static void settle_ends(struct waves *w)
{
    for (size_t i = 0; i < w->f->nleads && !w->huffman; i++) {
        struct scp_lead *lead = &w->f->leads[i];
        lead->count += lead->from_0 && w->rhythm.lead[i].n / 2 == lead->count + 1;
    }
}

/* 1667 us is what became of 600 Hz: the whole number that fits, if one does. */
static double rate_of(unsigned interval_us)
{
    unsigned whole = (1000000 + interval_us / 2) / interval_us;
    if (whole && (1000000 + whole / 2) / whole == interval_us)
        return whole;
    return 1e6 / interval_us;
}

/* Most samples that so many bytes can hold. */
static size_t capacity(const struct waves *w, struct base_bytes b)
{
    return w->huffman ? b.n * 8 : b.n / 2;
}

/* All leads, into streams that have room for n samples each; n becomes how many there are. */
static void decode(const struct waves *w, const struct block *b, struct ecg_scp_stream *s)
{
    size_t count = w->f->nleads;
    assert(count > 0 && count <= SCP_LEADS_MAX && b->encoding <= 2);
    for (size_t i = 0; i < count; i++)
        s[i].bytes = b->lead[i];
    if (w->huffman)
        ecg_scp_huffman_decode(w->huffman, ecg_simd_level(), s, count);
    for (size_t i = 0; i < count; i++) {
        struct base_bytes bytes = s[i].bytes;
        if (!w->huffman) {
            s[i].n = s[i].n < bytes.n / 2 ? s[i].n : bytes.n / 2;
            for (size_t k = 0; k < s[i].n; k++)
                s[i].out[k] = (int16_t)base_load_le16(bytes.p + 2 * k);
        }
        if (b->encoding)
            w->unpack.integrate(s[i].out, s[i].n, b->encoding);
    }
}

static void describe_lead(struct waves *w, size_t i, struct ecg_lead *lead, const struct block *b)
{
    const char *name = ecg_lead_name(w->f->leads[i].id);
    char own[16];
    if (!name) {
        int n = snprintf(own, sizeof own, "#%d", w->f->leads[i].id);
        name = ecg_record_text(w->f->rec, own, (size_t)n);
    } else {
        lead->id = w->f->leads[i].id;
    }
    lead->name = name;
    lead->uv_per_count = b->avm_nv / 1000.0;
    lead->rate_hz = rate_of(b->interval_us);
}

static enum base_err too_long(struct scp_file *f, enum base_err e, size_t pos, size_t n)
{
    return base_fail(f->err, e, pos, "SCP-ECG: a lead of %zu samples: %s", n, base_err_text(e));
}

static enum base_err read_medians(struct waves *w)
{
    struct scp_file *f = w->f;
    struct ecg_record *r = f->rec;
    if (w->median.avm_nv == 0 || w->ref_ms == 0)
        return BASE_OK;
    struct ecg_scp_stream s[SCP_LEADS_MAX];
    enum base_err e = ecg_record_set_medians(r, f->nleads);
    for (size_t i = 0; i < f->nleads && !e; i++) {
        size_t n = (size_t)w->ref_ms * 1000 / w->median.interval_us;
        size_t most = capacity(w, w->median.lead[i]);
        describe_lead(w, i, &r->medians[i], &w->median);
        e = ecg_record_set_i32(r, &r->medians[i], n < most ? n : most);
        s[i] = (struct ecg_scp_stream){.out = r->medians[i].i32, .n = r->medians[i].samples};
    }
    if (!e)
        decode(w, &w->median, s);
    for (size_t i = 0; i < f->nleads && !e; i++)
        r->medians[i].samples = s[i].n;
    if (e)
        return too_long(f, e, w->median.pos, 0);
    if (w->ref_fiducial)
        r->median_fiducial_s = (w->ref_fiducial - 1) / r->medians[0].rate_hz;
    return BASE_OK;
}

/* Room for one lead of the rhythm, and in *s for what is stored of it: the same where the
 * rate is the full one, else memory that finish_rhythm_lead frees. */
static enum base_err begin_rhythm_lead(struct waves *w, size_t i, struct ecg_lead *lead,
                                       struct ecg_scp_stream *s)
{
    struct scp_file *f = w->f;
    const struct scp_lead *def = &f->leads[i];
    size_t most = capacity(w, w->rhythm.lead[i]) * w->factor;
    size_t n = def->count < most ? def->count : most;
    describe_lead(w, i, lead, w->factor > 1 ? &w->median : &w->rhythm);
    lead->uv_per_count = w->rhythm.avm_nv / 1000.0;
    s->out = NULL;
    enum base_err e = ecg_record_set_i32(f->rec, lead, n);
    if (e)
        return too_long(f, e, f->sec[3].pos + 2 + 9 * i, n);
    *s = (struct ecg_scp_stream){.out = lead->i32, .n = n};
    if (w->factor == 1)
        return BASE_OK;
    s->n = ecg_scp_expand_stored(w->zones, w->rhythm.bimodal ? w->nzones : 0, w->factor, def->start,
                                 n);
    s->out = malloc((s->n ? s->n : 1) * sizeof *s->out);
    return s->out ? BASE_OK : too_long(f, BASE_ENOMEM, w->rhythm.pos, s->n);
}

/* Expands what was stored to the full rate. */
static void finish_rhythm_lead(struct waves *w, size_t i, struct ecg_lead *lead,
                               struct ecg_scp_stream *s)
{
    struct scp_file *f = w->f;
    const struct scp_lead *def = &f->leads[i];
    assert(s->n <= lead->samples || w->factor > 1);
    if (w->factor == 1)
        lead->samples = s->n;
    else
        lead->samples = ecg_scp_expand(w->zones, w->rhythm.bimodal ? w->nzones : 0, w->factor,
                                       def->start, s->out, s->n, lead->i32, lead->samples);
    if (lead->samples < def->count)
        ecg_record_damage(f->rec, (uint64_t)(w->rhythm.lead[i].p - f->all.p),
                          "SCP-ECG: lead %s has %zu of the %zu samples that section 3 states",
                          lead->name, lead->samples, def->count);
}

/* The rhythm as stored, expanded to the full rate. */
static enum base_err read_rhythm_leads(struct waves *w)
{
    struct ecg_scp_stream s[SCP_LEADS_MAX];
    struct ecg_lead *leads = w->f->rec->leads;
    enum base_err e = BASE_OK;
    size_t begun = 0;
    for (; begun < w->f->nleads && !e; begun++)
        e = begin_rhythm_lead(w, begun, &leads[begun], &s[begun]);
    if (!e)
        decode(w, &w->rhythm, s);
    for (size_t i = 0; i < begun; i++) {
        if (!e)
            finish_rhythm_lead(w, i, &leads[i], &s[i]);
        if (w->factor > 1)
            free(s[i].out);
    }
    return e;
}

/* How the two units meet: x6 × rhythm + x5 × median, in units of nv. */
struct scales {
    unsigned nv;
    unsigned rhythm;
    unsigned median;
};

static struct scales common_unit(unsigned rhythm_nv, unsigned median_nv)
{
    unsigned a = rhythm_nv;
    unsigned b = median_nv;
    while (b) {
        unsigned t = a % b;
        a = b;
        b = t;
    }
    return (struct scales){a, rhythm_nv / a, median_nv / a};
}

static int32_t saturate(int64_t v)
{
    if (v > INT32_MAX)
        return INT32_MAX;
    return v < -INT32_MAX ? -INT32_MAX : (int32_t)v;
}

/* EN 1064 5.7.4: only beats of type 0 were subtracted; sample s of the rhythm
 * lost sample s - fiducial + reference fiducial of the reference beat. */
static void add_beat(const struct waves *w, const struct beat *beat, size_t lead,
                     const struct scales *scale)
{
    struct ecg_lead *x = &w->f->rec->leads[lead];
    const struct ecg_lead *ref = &w->f->rec->medians[lead];
    int64_t first = w->f->leads[lead].start;
    int64_t shift = (int64_t)beat->fiducial - w->ref_fiducial; /* s = shift + 1 + ref index */
    int64_t from = beat->start > first ? beat->start : first;
    int64_t to = beat->end < first + (int64_t)x->samples ? (int64_t)beat->end + 1
                                                         : first + (int64_t)x->samples;
    from = from > shift + 1 ? from : shift + 1;
    to = to < shift + 1 + (int64_t)ref->samples ? to : shift + 1 + (int64_t)ref->samples;
    assert(from >= to || (from >= first && to <= first + (int64_t)x->samples));
    for (int64_t s = from; s < to; s++) {
        int32_t *sample = &x->i32[s - first];
        *sample = saturate(*sample + (int64_t)ref->i32[s - shift - 1] * scale->median);
    }
}

/* Zones that overlap could make a small file cost hours; no recorder makes any. */
static bool zones_are_sound(const struct waves *w)
{
    uint64_t sum = 0;
    uint64_t longest = 0;
    for (size_t i = 0; i < w->f->nleads; i++)
        longest = w->f->leads[i].count > longest ? w->f->leads[i].count : longest;
    for (size_t i = 0; i < w->nbeats; i++)
        if (w->beats[i].type == 0 && w->beats[i].end >= w->beats[i].start)
            sum += w->beats[i].end - w->beats[i].start + 1;
    return sum <= 2 * longest;
}

static void restore_reference(struct waves *w)
{
    struct scp_file *f = w->f;
    struct ecg_record *r = f->rec;
    if (r->nmedians == 0 || w->ref_fiducial == 0 || w->nbeats == 0 || !zones_are_sound(w) ||
        r->medians[0].rate_hz != r->leads[0].rate_hz) {
        ecg_record_damage(r, f->sec[3].pos + 1,
                          "SCP-ECG: the reference beat was subtracted, but sections 4 and 5 do not "
                          "allow to add it again: the QRS complexes are incomplete");
        return;
    }
    const struct scales scale = common_unit(w->rhythm.avm_nv, w->median.avm_nv);
    for (size_t i = 0; i < f->nleads; i++) {
        struct ecg_lead *lead = &r->leads[i];
        lead->uv_per_count = scale.nv / 1000.0;
        for (size_t k = 0; k < lead->samples && scale.rhythm != 1; k++)
            lead->i32[k] = saturate((int64_t)lead->i32[k] * scale.rhythm);
        for (size_t k = 0; k < w->nbeats; k++)
            if (w->beats[k].type == 0)
                add_beat(w, &w->beats[k], i, &scale);
    }
}

static void add_beat_marks(struct waves *w, uint32_t first, double rate)
{
    for (size_t i = 0; i < w->nbeats; i++) {
        const struct beat *b = &w->beats[i];
        if (b->fiducial < first)
            continue;
        char type[16];
        int n = snprintf(type, sizeof type, "type %u", b->type);
        struct ecg_mark mark = {.kind = ECG_MARK_BEAT, .at_s = (b->fiducial - first) / rate};
        mark.from_s = mark.to_s = mark.at_s;
        if (b->type == 0 && b->start >= first && b->end >= b->start) {
            mark.from_s = (b->start - first) / rate;
            mark.to_s = (b->end - first) / rate;
        }
        mark.text = ecg_record_text(w->f->rec, type, (size_t)n);
        ecg_record_add_mark(w->f->rec, mark);
    }
}

static enum base_err read_rhythm(struct waves *w)
{
    struct scp_file *f = w->f;
    struct ecg_record *r = f->rec;
    uint32_t first = UINT32_MAX;
    enum base_err e = ecg_record_set_leads(r, f->nleads);
    if (e)
        return too_long(f, e, f->sec[3].pos, f->nleads);
    for (size_t i = 0; i < f->nleads; i++)
        first = f->leads[i].start < first ? f->leads[i].start : first;
    e = read_rhythm_leads(w);
    if (e)
        return e;
    if (!(ecg_record_seconds(r) > 0))
        return base_fail(f->err, BASE_EFORMAT, w->rhythm.pos,
                         "SCP-ECG section 6 holds no sample of any lead");
    for (size_t i = 0; i < f->nleads; i++)
        r->leads[i].start_s = (f->leads[i].start - first) / r->leads[i].rate_hz;
    if (f->subtracted)
        restore_reference(w);
    for (size_t i = 0; i < f->nleads; i++)
        ecg_record_narrow(r, &r->leads[i]);
    for (size_t i = 0; i < r->nmedians; i++)
        ecg_record_narrow(r, &r->medians[i]);
    add_beat_marks(w, first, r->leads[0].rate_hz);
    return BASE_OK;
}

/* EN 1064 5.8, 5.9: section 5 has the full rate, section 6 the reduced one. */
static void find_factor(struct waves *w)
{
    enum { FACTOR_MAX = 16 };
    unsigned full = w->median.interval_us;
    unsigned low = w->rhythm.interval_us;
    w->factor = 1;
    if (!w->rhythm.bimodal && !w->f->subtracted)
        return;
    if (full && low > full && low % full == 0 && low / full <= FACTOR_MAX)
        w->factor = low / full;
    else if (full && low != full)
        ecg_record_damage(w->f->rec, w->rhythm.pos + 2,
                          "SCP-ECG: sample intervals of %u us in section 6 and %u us in section 5 "
                          "do not fit together",
                          low, full);
}

/* The rhythm may well be readable without it. */
static void read_reference(struct waves *w)
{
    struct scp_file *f = w->f;
    if (f->sec[5].body.n == 0)
        return;
    struct base_error *outer = f->err;
    struct base_error inner;
    f->err = &inner;
    if (read_block(w, 5, &w->median)) {
        ecg_record_damage(f->rec, inner.pos, "%s", inner.msg);
        w->median.avm_nv = 0;
        w->median.interval_us = 0;
    }
    f->err = outer;
}

static enum base_err read_all(struct waves *w)
{
    struct scp_file *f = w->f;
    enum base_err e = read_leads(f);
    if (!e && f->sec[6].body.n == 0)
        e = base_fail(f->err, BASE_EFORMAT, BASE_NOPOS,
                      f->long_term
                          ? "SCP-ECG: the rhythm is in section 12 (long-term ECG of version 3), "
                            "which is not read; export it with the rhythm in section 6"
                          : "SCP-ECG: there is no section 6 with the rhythm");
    if (!e && f->sec[2].body.n)
        e = ecg_scp_huffman_read(f->sec[2].body, f->sec[2].pos, &w->huffman, f->err);
    else if (!e && f->has_tables)
        e = base_fail(
            f->err, BASE_EFORMAT, BASE_NOPOS,
            "SCP-ECG: section 2 is lost, without which the samples cannot be decoded: the "
            "file is cut or damaged; send it again");
    if (!e)
        e = read_beats(w);
    if (!e)
        e = read_block(w, 6, &w->rhythm);
    if (e)
        return e;
    settle_ends(w);
    read_reference(w);
    find_factor(w);
    e = read_medians(w);
    return e ? e : read_rhythm(w);
}

enum base_err ecg_scp_waves(struct scp_file *f)
{
    struct waves *w = calloc(1, sizeof *w);
    if (!w)
        return base_fail(f->err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    w->f = f;
    ecg_unpack_choose(ecg_simd_level(), &w->unpack);
    enum base_err e = read_all(w);
    ecg_scp_huffman_free(w->huffman);
    free(w->beats);
    free(w->zones);
    free(w);
    return e;
}
