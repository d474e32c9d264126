/*
 * Waveforms of GE MUSE XML: rhythm and median leads, how their samples are stored,
 * and the limb leads that are not.
 */
#include "ecg/ecg_derive.h"
#include "ecg/ecg_muse_priv.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

enum { USUAL_HZ = 500 }; /* what carts have */

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

double ecg_muse_rate(double base, double exponent)
{
    double rate = base * pow(10, exponent);
    return rate > 0 && rate <= 1e6 ? rate : 0;
}

void ecg_muse_lead_begin(struct muse *m)
{
    m->per_bit = 4.88; /* what all carts have */
    m->unit_uv = 1;
    m->time_offset_ms = m->first_sample = 0;
    m->lead[0] = '\0';
    m->has_crc = m->lead_off = m->wrong_size = m->odd_scale = false;
    m->stated = 0;
    m->line = ecg_xml_line(m->x);
    base_buf_reset(&m->data);
}

void ecg_muse_waveform_begin(struct muse *m)
{
    m->median = false;
    m->base = m->exponent = 0;
    m->first_lead = SIZE_MAX;
}

/* How many µV one count has, and in what unit. What is not understood leaves what all carts have.
 */
static void amplitude_field(struct muse *m, const char *name)
{
    const char *s = ecg_xml_bytes(m->x);
    double *to = is(name, "LeadAmplitudeUnits") ? &m->unit_uv : &m->per_bit;
    double v = 0;
    bool known = to == &m->per_bit ? ecg_text_number(s, &v) && v > 0
                                   : (v = ecg_unit_uv(base_bytes_str(s))) > 0;
    if (known)
        *to = v;
    m->odd_scale |= !known && s[0];
}

void ecg_muse_lead_field(struct muse *m, const char *name)
{
    const char *s = ecg_xml_bytes(m->x);
    double v = 0;
    bool number = ecg_text_number(s, &v);
    if (is(name, "LeadAmplitudeUnits") || is(name, "LeadAmplitudeUnitsPerBit"))
        amplitude_field(m, name);
    else if (is(name, "LeadID"))
        snprintf(m->lead, sizeof m->lead, "%s", s);
    else if (is(name, "LeadOff"))
        m->lead_off = strcasecmp(s, "TRUE") == 0;
    else if (!number)
        return;
    else if (is(name, "LeadTimeOffset"))
        m->time_offset_ms = v;
    else if (is(name, "LeadOffsetFirstSample") && v >= 0 && v < 1e9)
        m->first_sample = v;
    else if (is(name, "LeadSampleCountTotal") && v >= 0 && v < 1e9)
        m->stated = (size_t)v;
    else if (is(name, "LeadSampleSize"))
        m->wrong_size = v != 2;
    else if (is(name, "LeadDataCRC32") && v > 0 && v <= UINT32_MAX) { /* 0: not computed */
        m->has_crc = true;
        m->crc = (uint32_t)v;
    }
}

static void note(struct muse *m, bool is_damage, const char *text)
{
    (is_damage ? ecg_record_damage : ecg_record_note)(
        m->r, BASE_NOPOS, "GE MUSE, line %u: lead %s%s: %s", m->line,
        m->lead[0] ? m->lead : "without a name", m->median ? " (median)" : "", text);
}

/* The checksum is CRC-32 (as of zlib) of the samples as they are stored. */
static void check_lead(struct muse *m, size_t n)
{
    if (m->lead_off)
        note(m, false, "was off, as the cart says");
    if (m->stated && n < m->stated)
        note(m, true, "has fewer samples than it states");
    if (m->odd_scale)
        note(m, true,
             "what is not understood of its scale is taken to be as carts have it, 4.88 uV "
             "per bit: amplitudes may be wrong");
    if (m->has_crc && (m->data.n > UINT32_MAX ||
                       crc32(crc32(0, NULL, 0), m->data.p, (unsigned)m->data.n) != m->crc))
        note(m, true, "its checksum (LeadDataCRC32) disagrees: samples may be wrong");
}

void ecg_muse_lead_end(struct muse *m)
{
    size_t n = m->data.n / 2;
    if (m->wrong_size) {
        note(m, true, "its samples have not 2 bytes: it is left out");
        return;
    }
    if (n == 0) {
        note(m, true, "has no samples: it is left out");
        return;
    }
    check_lead(m, n);
    if (m->first_lead == SIZE_MAX)
        m->first_lead = m->median ? m->r->nmedians : m->r->nleads;
    struct ecg_lead *lead = m->median ? ecg_record_add_median(m->r) : ecg_record_add_lead(m->r);
    enum base_err e = lead ? ecg_record_set_i16(m->r, lead, n) : BASE_OK;
    if (!lead || e) {
        ecg_record_fail(m->r, e);
        return;
    }
    bool lowest = false;
    for (size_t i = 0; i < n; i++) {
        lead->i16[i] = (int16_t)base_load_le16(m->data.p + 2 * i);
        lowest |= lead->i16[i] == INT16_MIN;
    }
    ecg_text_name_lead(m->r, base_bytes_str(m->lead), lead);
    lead->uv_per_count = m->per_bit * m->unit_uv;
    double rate = ecg_muse_rate(m->base, m->exponent);
    lead->start_s =
        m->median ? 0 : m->time_offset_ms / 1000 + m->first_sample / (rate > 0 ? rate : USUAL_HZ);
    if (lowest)
        ecg_record_fail(m->r, ecg_record_widen(m->r, lead)); /* here it is a value */
}

/* ---- leads that are not stored ---- */

/* Of the leads from `first` on, which are those of one waveform. */
static void derive(struct ecg_record *r, bool median, size_t first)
{
    for (int id = ECG_LEAD_III; id <= ECG_LEAD_AVF && !r->err; id++) {
        struct ecg_lead *leads = median ? r->medians : r->leads;
        size_t n = median ? r->nmedians : r->nleads;
        size_t at = first;
        bool there = false;
        for (size_t k = first; k < n; k++) {
            there |= leads[k].id == id;
            /* Behind the limb leads before it. */
            if (leads[k].id == ECG_LEAD_II || (id > ECG_LEAD_III && leads[k].id == id - 1))
                at = k + 1;
        }
        struct ecg_lead made;
        if (there || n == first || leads[first].samples > r->limits->samples - r->samples_used)
            continue;
        enum base_err e = ecg_derive(leads + first, n - first, id, &made);
        ecg_record_fail(r, e == BASE_ENOMEM ? e : BASE_OK);
        if (e)
            continue;
        struct ecg_lead *end = median ? ecg_record_add_median(r) : ecg_record_add_lead(r);
        if (!end) {
            free(made.i32);
            return;
        }
        r->samples_used += made.samples;
        ecg_record_narrow(r, &made);
        leads = median ? r->medians : r->leads;
        memmove(leads + at + 1, leads + at, (n - at) * sizeof *leads);
        leads[at] = made;
    }
}

/* ---- a waveform ---- */

void ecg_muse_waveform_end(struct muse *m)
{
    struct ecg_lead *leads = m->median ? m->r->medians : m->r->leads;
    size_t n = m->median ? m->r->nmedians : m->r->nleads;
    double rate = ecg_muse_rate(m->base, m->exponent);
    if (m->first_lead == SIZE_MAX)
        return;
    if (rate == 0) {
        ecg_record_damage(m->r, BASE_NOPOS,
                          "GE MUSE, line %u: a waveform without SampleBase, %d Hz assumed",
                          ecg_xml_line(m->x), USUAL_HZ);
        rate = USUAL_HZ;
    }
    for (size_t i = m->first_lead; i < n; i++)
        leads[i].rate_hz = rate;
    derive(m->r, m->median, m->first_lead);
    m->first_lead = SIZE_MAX;
}

void ecg_muse_waveform_field(struct muse *m, const char *name)
{
    struct ecg_filters *f = &m->r->filters;
    double v = 0;
    bool number = ecg_xml_number(m->x, &v);
    if (is(name, "WaveformType"))
        m->median = strcasecmp(ecg_xml_bytes(m->x), "Median") == 0;
    else if (!number)
        return;
    else if (is(name, "SampleBase"))
        m->base = v;
    else if (is(name, "SampleExponent"))
        m->exponent = v;
    else if (m->median || !(v > 0))
        return;
    else if (is(name, "HighPassFilter"))
        f->high_pass_hz = v / 100; /* in 0.01 Hz */
    else if (is(name, "LowPassFilter"))
        f->low_pass_hz = v;
    else if (is(name, "ACFilter"))
        f->notch_hz = v;
}
