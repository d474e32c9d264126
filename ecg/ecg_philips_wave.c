/*
 * Waveforms of Philips XML: chunks of XLI or plain samples of all leads, of which
 * the limb leads that follow from others are residuals; and median beats.
 */
#include "ecg/ecg_philips_priv.h"
#include "ecg/ecg_text.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { USUAL_HZ = 500, USUAL_UV = 5 }; /* what carts have */

static void BASE_PRINTF(2, 3) note(struct philips *p, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ecg_record_damage(p->r, BASE_NOPOS, "Philips XML, line %u: %s", p->line, text);
}

bool ecg_philips_numbers(struct philips *p)
{
    const char *s = base_buf_cstr(&p->encoded);
    bool is_cut = ecg_xml_is_broken(p->x);
    int least = p->is_unsigned ? 0 : INT16_MIN;
    int most = p->is_unsigned ? UINT16_MAX : INT16_MAX;
    for (;;) {
        s += strspn(s, " \t\r\n,");
        bool is_negative = *s == '-';
        size_t n = strspn(s + is_negative, "0123456789");
        const char *end = s + is_negative + n;
        int v = 0;
        for (const char *c = end - n; c < end && v <= UINT16_MAX; c++)
            v = 10 * v + (*c - '0');
        v = is_negative ? -v : v;
        if (n == 0 || v < least || v > most || (!*end && is_cut)) /* or cut itself */
            return !*s || (!*end && is_cut);
        base_buf_add_le16(&p->data, (uint16_t)v);
        s = end;
    }
}

/* The next name of the list. */
static size_t next_label(const char **labels, const char **out)
{
    *labels += strspn(*labels, " \t\r\n,");
    *out = *labels;
    size_t n = strcspn(*labels, " \t\r\n,");
    *labels += n;
    return n;
}

static bool add_samples(struct philips *p, struct ecg_lead *lead, struct base_bytes b,
                        bool is_unsigned)
{
    size_t n = b.n / 2;
    enum base_err e = lead ? ecg_record_set_i32(p->r, lead, n) : BASE_OK;
    if (!lead || e) {
        ecg_record_fail(p->r, e);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t word = base_load_le16(b.p + 2 * i);
        lead->i32[i] = is_unsigned ? word : (int16_t)word;
    }
    return true;
}

/* Chunks of u32 size, u16, i16 the first value of the differences, and XLI; of `count` samples,
 * where that is known. */
static bool next_chunk(struct philips *p, size_t *at, size_t most, size_t count,
                       struct base_buf *out)
{
    enum { HEAD = 8 };
    struct base_bytes b = base_buf_bytes(&p->data);
    base_buf_reset(out);
    if (b.n - *at < HEAD)
        return false;
    const uint8_t *h = b.p + *at;
    size_t size = base_load_le32(h);
    *at += HEAD;
    struct ecg_philips_chunk chunk = {
        .is_cut = size > b.n - *at, .first = (int16_t)base_load_le16(h + 6), .count = count};
    if (chunk.is_cut) {
        note(p, "a lead of %zu bytes, of which %zu are there", size, b.n - *at);
        size = b.n - *at;
    }
    chunk.bytes = base_bytes_of(b.p + *at, size);
    if (!ecg_philips_xli(&chunk, most, out))
        note(p, "the compressed data of a lead are damaged");
    ecg_record_fail(p->r, out->err);
    *at += size;
    return true;
}

/* Chunks that are whole. */
static size_t count_chunks(const struct philips *p)
{
    enum { HEAD = 8 };
    size_t n = 0;
    size_t at = 0;
    for (; p->data.n - at >= HEAD; n++) {
        size_t size = base_load_le32(p->data.p + at);
        if (size > p->data.n - at - HEAD)
            break;
        at += HEAD + size;
    }
    return n;
}

/* 1.03 does not say how many there are samples of: of a lead that is not valid there are, too.
 * stated: samples of each; 0 = not known. */
static size_t count_leads(const struct philips *p, size_t stated)
{
    enum { MOST = 64 };
    size_t n = p->nleads ? p->nleads : 12;
    if (p->is_counted)
        return n;
    size_t there = p->compressed                             ? count_chunks(p)
                   : stated && p->data.n % (2 * stated) == 0 ? p->data.n / 2 / stated
                                                             : n;
    return there > n && there <= MOST ? there : n;
}

/* stated: samples of each lead; 0 = not known. Of a file that is cut there are fewer of the last
 * ones. */
static bool next_plain(struct philips *p, size_t *at, size_t nleads, size_t stated,
                       struct base_buf *out)
{
    assert(nleads > 0 && *at <= p->data.n);
    size_t n = p->data.n / nleads & ~(size_t)1;
    size_t left = (p->data.n - *at) & ~(size_t)1;
    base_buf_reset(out);
    n = p->data_cut && n / 2 < stated ? 2 * stated : n;
    n = n < left ? n : left;
    if (n == 0)
        return false;
    base_buf_add(out, p->data.p + *at, n);
    *at += n;
    return true;
}

/* ---- limb leads ---- */

static struct ecg_lead *find(struct ecg_record *r, int id, struct ecg_lead *other)
{
    for (size_t i = 0; i < r->nleads; i++)
        if (r->leads[i].id == id)
            return &r->leads[i];
    return other;
}

static int32_t half(int32_t v)
{
    return (v - (v & 1)) / 2;
}

static void shorten(struct ecg_lead *lead, const struct ecg_lead *a, const struct ecg_lead *b,
                    size_t *lost)
{
    size_t n = a->samples < b->samples ? a->samples : b->samples;
    if (n >= lead->samples)
        return;
    *lost += lead->samples - n;
    lead->samples = n;
}

/* What is stored of III, aVR, aVL and aVF is how far they are from what follows from
 * the others, without which it is nothing. */
static void restore_limbs(struct philips *p)
{
    struct ecg_lead none[6] = {{.samples = 0}};
    struct ecg_lead *one = find(p->r, ECG_LEAD_I, &none[0]);
    struct ecg_lead *two = find(p->r, ECG_LEAD_II, &none[1]);
    struct ecg_lead *three = find(p->r, ECG_LEAD_III, &none[2]);
    struct ecg_lead *avr = find(p->r, ECG_LEAD_AVR, &none[3]);
    struct ecg_lead *avl = find(p->r, ECG_LEAD_AVL, &none[4]);
    struct ecg_lead *avf = find(p->r, ECG_LEAD_AVF, &none[5]);
    size_t lost = 0;
    shorten(three, one, two, &lost);
    shorten(avr, one, two, &lost);
    shorten(avl, one, three, &lost);
    shorten(avf, two, three, &lost);
    if (lost)
        note(p, "limb leads are missing or short: what follows from them of III, aVR, aVL and aVF "
                "is left out");
    assert(three->samples <= one->samples && three->samples <= two->samples);
    assert(avr->samples <= one->samples && avr->samples <= two->samples);
    assert(avl->samples <= one->samples && avl->samples <= three->samples);
    assert(avf->samples <= two->samples && avf->samples <= three->samples);
    for (size_t i = 0; i < three->samples; i++)
        three->i32[i] = two->i32[i] - one->i32[i] - three->i32[i];
    for (size_t i = 0; i < avr->samples; i++)
        avr->i32[i] = -avr->i32[i] - half(one->i32[i] + two->i32[i]);
    for (size_t i = 0; i < avl->samples; i++)
        avl->i32[i] = half(one->i32[i] - three->i32[i]) - avl->i32[i];
    for (size_t i = 0; i < avf->samples; i++)
        avf->i32[i] = half(two->i32[i] + three->i32[i]) - avf->i32[i];
}

/* ---- the tail ---- */

/* Whether two leads or more of n samples end in a pulse that is the same in all of them. */
static bool has_pulse(const struct ecg_record *r, size_t n, size_t second)
{
    const struct ecg_lead *first = NULL;
    size_t same = n, leads = 0;
    bool pulse = false;
    for (size_t k = 0; k < r->nleads; k++) {
        const struct ecg_lead *lead = &r->leads[k];
        size_t run = 0;
        if (lead->samples != n)
            continue;
        first = first ? first : lead;
        while (run < same && first->i32[n - 1 - run] == lead->i32[n - 1 - run])
            run++;
        same = run;
        leads++;
    }
    for (size_t i = n - same; i < n && leads > 1; i++)
        pulse |= first->i32[i] != first->i32[n - same];
    return pulse && same >= second / 10 && same <= second;
}

/* Carts put a second behind the recording which ends with a calibration pulse, the
 * same in all leads, as no ECG is: it would be measured as a beat. Where so few leads of a damaged
 * file are whole that it cannot be told, it is taken to be there. stated: samples; 0 = not said. */
static void cut_tail(struct philips *p, size_t nleads, size_t stated)
{
    size_t second = (size_t)p->rate;
    size_t n = 0, whole = 0;
    for (size_t k = 0; k < p->r->nleads; k++) {
        size_t samples = p->r->leads[k].samples;
        whole = samples > n ? 1 : whole + (samples == n);
        n = samples > n ? samples : n;
    }
    bool is_doubtful = whole < 2 && nleads > 1;
    n = is_doubtful && stated > n ? stated : n;
    if (n <= second || second < 100 || !(is_doubtful || has_pulse(p->r, n, second)))
        return;
    for (size_t k = 0; k < p->r->nleads; k++)
        if (p->r->leads[k].samples > n - second)
            p->r->leads[k].samples = n - second;
}

/* ---- all of it ---- */

static bool has_rate(const struct philips *p)
{
    return p->rate > 0 && p->rate <= 1e6;
}

static void settle_rate(struct philips *p)
{
    if (has_rate(p))
        return;
    note(p, "the samples have no rate, %d Hz assumed", USUAL_HZ);
    p->rate = USUAL_HZ;
}

/* What is not said, or not as it is always found. */
static void settle_kind(struct philips *p, size_t nleads)
{
    enum { BITS = 16 };
    if (!(p->resolution > 0)) {
        note(p, "the samples have no resolution, %d uV assumed: amplitudes may be wrong", USUAL_UV);
        p->resolution = USUAL_UV;
    }
    if (p->bits != BITS)
        note(p, "samples of %g bits are read as of %d, and may be wrong", p->bits, BITS);
    if (!p->compressed && !p->data_cut && p->data.n % (2 * nleads))
        note(p, "%zu bytes are not as many of each of %zu leads: samples may be in the wrong lead",
             p->data.n, nleads);
}

void ecg_philips_waves(struct philips *p)
{
    if (p->unknown[0]) {
        note(p, "samples packed as \"%s\" are not read: that is not known here", p->unknown);
        return;
    }
    static const char standard[] = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6";
    const char *labels = p->labels[0] ? p->labels : standard;
    const char *label;
    settle_rate(p);
    double stated = p->duration_ms * p->rate / 1000;
    /* What a chunk may give at most, where the document does not say. */
    size_t most = p->r->limits->samples - p->r->samples_used;
    bool is_stated = stated >= 1 && stated < (double)most;
    if (is_stated)
        most = (size_t)stated;
    size_t nleads = count_leads(p, is_stated ? most : 0);
    settle_kind(p, nleads);
    size_t at = 0;
    struct base_buf samples = {0};
    /* All leads have as many samples: as is stated, or as two of them have. */
    size_t count = 0, last = is_stated ? most : 0;
    for (size_t k = 0; k < nleads && !p->r->err; k++) {
        size_t n = next_label(&labels, &label);
        if (!(p->compressed ? next_chunk(p, &at, most, count, &samples)
                            : next_plain(p, &at, nleads, is_stated ? most : 0, &samples))) {
            note(p, "%zu leads are stated, of which %zu are there", nleads, k);
            break;
        }
        struct ecg_lead *lead = ecg_record_add_lead(p->r);
        if (!add_samples(p, lead, base_buf_bytes(&samples), p->is_unsigned && !p->compressed))
            break;
        if (count == 0 && lead->samples == last)
            count = last;
        last = is_stated ? most : lead->samples;
        if (is_stated && lead->samples < most)
            note(p, "lead %zu has %zu samples of %zu", k + 1, lead->samples, most);
        ecg_text_name_lead(p->r, base_bytes_of(label, n), lead);
        if (n == 0)
            lead->name = ecg_record_printf(p->r, "lead %zu", k + 1);
        lead->rate_hz = p->rate;
        lead->uv_per_count = p->resolution;
        lead->offset_uv = p->compressed ? 0 : -p->offset * p->resolution;
    }
    base_buf_deinit(&samples);
    if (p->r->err)
        return;
    if (p->compressed)
        restore_limbs(p);
    cut_tail(p, nleads, is_stated ? most : 0);
    for (size_t k = 0; k < p->r->nleads; k++)
        ecg_record_narrow(p->r, &p->r->leads[k]);
}

static void beat_mark(struct philips *p, int lead_id, enum ecg_mark_kind kind, double ms)
{
    double at = ms / 1000;
    if (at >= 0 && at < 60)
        ecg_record_add_mark(p->r, (struct ecg_mark){.kind = kind,
                                                    .lead_id = lead_id,
                                                    .on_median = true,
                                                    .at_s = at,
                                                    .from_s = at,
                                                    .to_s = at});
}

void ecg_philips_beat(struct philips *p)
{
    if (p->data.n < 2)
        return;
    struct ecg_lead *lead = ecg_record_add_median(p->r);
    if (!add_samples(p, lead, base_buf_bytes(&p->data), false))
        return;
    ecg_text_name_lead(p->r, base_bytes_str(p->beat_lead), lead);
    lead->rate_hz = p->beat_rate > 0 ? p->beat_rate : has_rate(p) ? p->rate : USUAL_HZ;
    lead->uv_per_count = p->beat_resolution > 0 ? p->beat_resolution
                         : p->resolution > 0    ? p->resolution
                                                : USUAL_UV;
    ecg_record_narrow(p->r, lead);
    const double *b = p->beat;
    if (!(b[2] > 0))
        return;
    beat_mark(p, lead->id, ECG_MARK_P_ON, b[2] - b[1]);
    beat_mark(p, lead->id, ECG_MARK_P_OFF, b[2] - b[1] + b[0]);
    beat_mark(p, lead->id, ECG_MARK_QRS_ON, b[2]);
    beat_mark(p, lead->id, ECG_MARK_QRS_OFF, b[2] + b[3]);
    beat_mark(p, lead->id, ECG_MARK_T_ON, b[4]);
    beat_mark(p, lead->id, ECG_MARK_T_OFF, b[2] + b[5]);
}
