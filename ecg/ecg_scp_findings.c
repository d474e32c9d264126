/*
 * SCP-ECG sections 7, 8, 10 and 11 (EN 1064 5.10 to 5.14): what the recorder
 * measured and stated. Damage here costs a note, never the record.
 */
#include "ecg/ecg_scp_priv.h"

#include "base/buf.h"
#include "ecg/ecg_text.h"

/* 29999 not computed, 29998 lead rejected, 19999 wave not present. */
static bool is_stated(int v)
{
    return v != 29999 && v != 29998 && v != 19999;
}

static void add_if(struct scp_file *f, enum ecg_measure what, int value)
{
    if (is_stated(value) && value > 0)
        ecg_record_add_measurement(f->rec, what, 0, value, NULL, NULL);
}

static void add_axis(struct scp_file *f, enum ecg_measure what, int degrees)
{
    if (degrees >= -360 && degrees <= 360)
        ecg_record_add_measurement(f->rec, what, 0, degrees, NULL, NULL);
}

static void add_interval(struct scp_file *f, enum ecg_measure what, int from, int to)
{
    if (is_stated(from) && is_stated(to) && to > from)
        ecg_record_add_measurement(f->rec, what, 0, to - from, NULL, NULL);
}

static void add_median_mark(struct scp_file *f, enum ecg_mark_kind kind, int ms)
{
    if (!is_stated(ms) || ms == 0)
        return;
    double at = ms / 1000.0;
    ecg_record_add_mark(
        f->rec,
        (struct ecg_mark){.kind = kind, .on_median = true, .at_s = at, .from_s = at, .to_s = at});
}

/* u16 onsets and offsets of P, QRS and T in ms of the reference beat, i16 axes. */
static void read_reference(struct scp_file *f, struct scp_cursor *c)
{
    int p_on = scp_u16(c);
    int p_off = scp_u16(c);
    int qrs_on = scp_u16(c);
    int qrs_off = scp_u16(c);
    int t_off = scp_u16(c);
    bool has_p = is_stated(p_on) && is_stated(p_off) && p_off > p_on;
    if (has_p) {
        add_interval(f, ECG_MEASURE_P_DURATION, p_on, p_off);
        add_interval(f, ECG_MEASURE_PR, p_on, qrs_on);
        add_median_mark(f, ECG_MARK_P_ON, p_on);
        add_median_mark(f, ECG_MARK_P_OFF, p_off);
    }
    add_interval(f, ECG_MEASURE_QRS, qrs_on, qrs_off);
    add_interval(f, ECG_MEASURE_QT, qrs_on, t_off);
    add_median_mark(f, ECG_MARK_QRS_ON, qrs_on);
    add_median_mark(f, ECG_MARK_QRS_OFF, qrs_off);
    add_median_mark(f, ECG_MARK_T_OFF, t_off);
    add_axis(f, ECG_MEASURE_P_AXIS, (int16_t)scp_u16(c));
    add_axis(f, ECG_MEASURE_QRS_AXIS, (int16_t)scp_u16(c));
    add_axis(f, ECG_MEASURE_T_AXIS, (int16_t)scp_u16(c));
}

static void read_spikes(struct scp_file *f, struct scp_cursor *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double at = scp_u16(c) / 1000.0;
        scp_u16(c); /* amplitude */
        if (c->short_)
            return;
        ecg_record_add_mark(
            f->rec, (struct ecg_mark){.kind = ECG_MARK_PACE, .at_s = at, .from_s = at, .to_s = at});
    }
    scp_bytes(c, 6 * n); /* type, source, trigger, width of each */
}

/* What follows the beats since version 1.3: u16 count and the types of the QRS
 * complexes, u16 ventricular and atrial rate, QTc. */
static bool read_rates(struct scp_file *f, struct scp_cursor *c)
{
    enum { VERSION_1_3 = 13 };
    if (f->protocol < VERSION_1_3)
        return false;
    unsigned beats = scp_u16(c);
    if (is_stated((int)beats))
        scp_bytes(c, beats);
    int ventricular = scp_u16(c);
    int atrial = scp_u16(c);
    int qtc = scp_u16(c);
    if (c->short_)
        return false;
    add_if(f, ECG_MEASURE_HEART_RATE, ventricular);
    add_if(f, ECG_MEASURE_ATRIAL_RATE, atrial);
    add_if(f, ECG_MEASURE_QTC, qtc);
    return is_stated(ventricular) && ventricular > 0;
}

static void read_global(struct scp_file *f)
{
    struct scp_cursor c = {.b = f->sec[7].body};
    if (c.b.n < 6)
        return;
    size_t references = scp_u8(&c);
    size_t spikes = scp_u8(&c);
    int rr = scp_u16(&c);
    int pp = scp_u16(&c);
    add_if(f, ECG_MEASURE_RR, rr);
    add_if(f, ECG_MEASURE_PP, pp);
    if (references > (c.b.n - c.at) / 16) {
        ecg_record_damage(f->rec, f->sec[7].pos,
                          "SCP-ECG section 7: %zu reference beats in %zu bytes", references,
                          c.b.n - c.at);
        references = (c.b.n - c.at) / 16;
    }
    if (references) {
        read_reference(f, &c);
        scp_bytes(&c, 16 * (references - 1));
    }
    read_spikes(f, &c, spikes);
    if (!read_rates(f, &c) && is_stated(rr) && rr > 0)
        ecg_record_add_measurement(f->rec, ECG_MEASURE_HEART_RATE, 0,
                                   (double)((60000 + rr / 2) / rr), NULL, NULL);
}

/* Head of sections 8 and 11: u8 state, date, time, u8 number of statements. */
static size_t read_head(struct scp_file *f, struct scp_cursor *c)
{
    uint8_t state = scp_u8(c);
    scp_bytes(c, 7);
    size_t n = scp_u8(c);
    if (c->short_)
        return 0;
    if (n && state <= 2 && f->rec->confirmed == ECG_CONFIRMED_UNSTATED)
        f->rec->confirmed = (enum ecg_confirmed)(ECG_CONFIRMED_NO + state);
    return n;
}

static bool next_statement(struct scp_file *f, struct scp_cursor *c, unsigned section,
                           struct base_bytes *out)
{
    size_t pos = f->sec[section].pos + c->at;
    scp_u8(c); /* sequence number */
    size_t n = scp_u16(c);
    *out = scp_bytes(c, n);
    if (c->short_)
        ecg_record_damage(f->rec, pos, "SCP-ECG section %u: a statement goes past the end",
                          section);
    return !c->short_;
}

static void read_texts(struct scp_file *f)
{
    struct scp_cursor c = {.b = f->sec[8].body};
    struct base_bytes b;
    bool guessed;
    for (size_t n = read_head(f, &c); n > 0 && next_statement(f, &c, 8, &b); n--) {
        const char *text = ecg_text_utf8(f->rec, b, &f->charset, &guessed);
        if (text[0])
            ecg_record_add_statement(f->rec, text, "");
    }
}

/* Section 11: u8 type, 1 coded: strings that end with NUL, 2 plain text, 3 logic. */
static void read_codes(struct scp_file *f)
{
    struct scp_cursor c = {.b = f->sec[11].body};
    struct base_bytes b;
    for (size_t n = read_head(f, &c); n > 0 && next_statement(f, &c, 11, &b); n--) {
        if (b.n < 2 || b.p[0] == 3)
            continue;
        struct base_buf joined = {0};
        for (size_t i = 1; i < b.n; i++)
            if (b.p[i])
                base_buf_add_byte(&joined, b.p[i]);
            else if (i + 1 < b.n && b.p[i + 1])
                base_buf_add_byte(&joined, ' ');
        bool guessed;
        const char *text = ecg_text_utf8(f->rec, base_buf_bytes(&joined), &f->charset, &guessed);
        if (text[0])
            ecg_record_add_statement(f->rec, text, b.p[0] == 1 ? text : "");
        ecg_record_fail(f->rec, joined.err);
        base_buf_deinit(&joined);
    }
}

/* EN 1064 table 10, in its order; OTHER = not kept. */
static const enum ecg_measure lead_values[] = {
    ECG_MEASURE_P_DURATION,   ECG_MEASURE_PR,           ECG_MEASURE_QRS,
    ECG_MEASURE_QT,           ECG_MEASURE_Q_DURATION,   ECG_MEASURE_R_DURATION,
    ECG_MEASURE_S_DURATION,   ECG_MEASURE_R2_DURATION,  ECG_MEASURE_S2_DURATION,
    ECG_MEASURE_Q_AMPLITUDE,  ECG_MEASURE_R_AMPLITUDE,  ECG_MEASURE_S_AMPLITUDE,
    ECG_MEASURE_R2_AMPLITUDE, ECG_MEASURE_S2_AMPLITUDE, ECG_MEASURE_J_AMPLITUDE,
    ECG_MEASURE_P_MAX,        ECG_MEASURE_P_MIN,        ECG_MEASURE_T_MAX,
    ECG_MEASURE_T_MIN,        ECG_MEASURE_ST_SLOPE,     ECG_MEASURE_OTHER,
    ECG_MEASURE_OTHER,        ECG_MEASURE_ISO_ON,       ECG_MEASURE_ISO_OFF,
    ECG_MEASURE_INTRINSICOID, ECG_MEASURE_OTHER,        ECG_MEASURE_ST20,
    ECG_MEASURE_ST60,         ECG_MEASURE_ST80,         ECG_MEASURE_ST_RR16,
    ECG_MEASURE_ST_RR8,
};

static void read_lead_values(struct scp_file *f, int lead_id, struct base_bytes b)
{
    enum { WAVES_FROM = 4, WAVES_TO = 13, SINCE_1_3 = 26 };
    for (size_t i = 0; i < sizeof lead_values / sizeof *lead_values && 2 * i + 1 < b.n; i++) {
        int v = (int16_t)base_load_le16(b.p + 2 * i);
        if (!is_stated(v) || lead_values[i] == ECG_MEASURE_OTHER)
            continue;
        /* A wave of length or height 0 is none; version 1.0 pads with zeros. */
        if (v == 0 && ((i >= WAVES_FROM && i <= WAVES_TO) || i >= SINCE_1_3))
            continue;
        ecg_record_add_measurement(f->rec, lead_values[i], lead_id, v, NULL, NULL);
    }
}

static void read_per_lead(struct scp_file *f)
{
    struct scp_cursor c = {.b = f->sec[10].body};
    size_t n = scp_u16(&c);
    scp_u16(&c); /* manufacturer's own */
    for (size_t i = 0; i < n && c.at < c.b.n; i++) {
        size_t pos = f->sec[10].pos + c.at;
        int id = scp_u16(&c);
        struct base_bytes b = scp_bytes(&c, scp_u16(&c));
        if (c.short_) {
            ecg_record_damage(f->rec, pos, "SCP-ECG section 10: lead %zu goes past the end", i + 1);
            return;
        }
        if (ecg_lead_name(id))
            read_lead_values(f, id, b);
    }
}

void ecg_scp_findings(struct scp_file *f)
{
    read_global(f);
    read_texts(f);
    read_codes(f);
    read_per_lead(f);
}
