/*
 * ISHNE Holter files (Badilini 1998): a header of 522 bytes, text, then frames of
 * 16-bit samples; and files of beats, with the same header and another magic.
 */
#include "ecg/ecg_crc.h"
#include "ecg/ecg_format.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_unpack.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { HEADER = 522, LEADS_MAX = 12, CRC_FROM = 10 };

struct ishne {
    struct base_bytes all;
    struct ecg_record *r;
    struct base_error *err;
    const char *what; /* "ISHNE", or its file of beats */
    uint32_t offset;  /* of the data */
    size_t nleads;
    double rate_hz;
};

static bool has_magic(struct base_bytes file, const char *magic)
{
    return file.n >= HEADER && memcmp(file.p, magic, 8) == 0;
}

static bool is_recording(struct base_bytes file)
{
    return has_magic(file, "ISHNE1.0");
}

static bool is_beats(struct base_bytes file)
{
    return has_magic(file, "ANN  1.0");
}

bool ecg_ishne_probe(struct base_bytes file)
{
    return is_recording(file) || is_beats(file);
}

static int16_t i16(const struct ishne *x, size_t at)
{
    return (int16_t)base_load_le16(x->all.p + at);
}

/* ---- header ---- */

static void check_crc(struct ishne *x)
{
    uint16_t stated = base_load_le16(x->all.p + 8);
    uint16_t crc = ecg_crc_ccitt(base_bytes_of(x->all.p + CRC_FROM, x->offset - CRC_FROM));
    if (stated == 0 && crc != 0)
        ecg_record_note(x->r, 8, "%s: the header has no checksum", x->what);
    else if (stated != crc)
        ecg_record_damage(x->r, 8, "%s: checksum of the header is wrong (%04x, should be %04x)",
                          x->what, stated, crc);
}

static enum base_err read_layout(struct ishne *x)
{
    x->offset = base_load_le32(x->all.p + 22);
    if (x->offset < HEADER || x->offset > x->all.n)
        return base_fail(x->err, BASE_EFORMAT, 22,
                         "%s: the data begin at byte %u of a file of %zu bytes", x->what, x->offset,
                         x->all.n);
    int n = i16(x, 156);
    if (n < 1 || n > LEADS_MAX)
        return base_fail(x->err, BASE_EFORMAT, 156, "%s: %d leads; there may be 1 to %d", x->what,
                         n, LEADS_MAX);
    x->nleads = (size_t)n;
    x->rate_hz = i16(x, 272);
    if (x->rate_hz <= 0)
        return base_fail(x->err, BASE_EFORMAT, 272, "%s: %d samples per second", x->what,
                         i16(x, 272));
    check_crc(x);
    return BASE_OK;
}

static const char *text_at(struct ishne *x, size_t at, size_t n)
{
    return ecg_text_undeclared(x->r, base_bytes_of(x->all.p + at, n));
}

/* i16 day, month, year. */
static struct ecg_date date_at(const struct ishne *x, size_t at)
{
    enum { EARLIEST = 1800 }; /* a year of two digits may be of any century */
    struct ecg_date d = {.year = i16(x, at + 4), .month = i16(x, at + 2), .day = i16(x, at)};
    if (d.year >= EARLIEST && ecg_date_is_real(d.year, d.month, d.day))
        return d;
    if (d.year > 0 && d.day > 0)
        ecg_record_note(x->r, at, "ISHNE: here is no date of day, month and year");
    return (struct ecg_date){0};
}

static void read_patient(struct ishne *x)
{
    static const char *const pacemakers[] = {
        "",
        "pacemaker, type not known",
        "pacemaker, single chamber unipolar",
        "pacemaker, dual chamber unipolar",
        "pacemaker, single chamber bipolar",
        "pacemaker, dual chamber bipolar",
    };
    static const struct dicom_charset none;
    struct ecg_patient *p = &x->r->patient;
    /* Decoded together: one hanzi says too little of its character set. */
    const struct base_bytes parts[] = {base_bytes_of(x->all.p + 68, 40),
                                       base_bytes_of(x->all.p + 28, 40)};
    p->name = ecg_text_of_name(x->r, parts, "\0^", 2, &none);
    p->id = ecg_text_of(x->r, base_bytes_of(x->all.p + 108, 20), &none);
    p->sex = i16(x, 128) == 1 ? 'M' : i16(x, 128) == 2 ? 'F' : 0;
    p->birth = date_at(x, 132);
    int pacemaker = i16(x, 230);
    if (pacemaker > 0 && pacemaker <= 5)
        p->history = pacemakers[pacemaker];
}

static void read_recording(struct ishne *x)
{
    struct ecg_time *t = &x->r->start;
    uint32_t from = base_load_le32(x->all.p + 18);
    uint32_t size = base_load_le32(x->all.p + 10);
    t->date = date_at(x, 138);
    if (t->date.year)
        (void)ecg_time_set(t, i16(x, 150), i16(x, 152), i16(x, 154));
    x->r->device.model = text_at(x, 232, 40);
    if (from >= HEADER && from <= x->offset && size <= x->offset - from)
        x->r->comment = text_at(x, from, size);
}

/* ---- samples ---- */

static int lead_id(int spec)
{
    static const uint8_t limb[] = {ECG_LEAD_I,   ECG_LEAD_II,  ECG_LEAD_III,
                                   ECG_LEAD_AVR, ECG_LEAD_AVL, ECG_LEAD_AVF};
    if (spec >= 2 && spec <= 4)
        return 16 + spec - 2; /* X, Y, Z */
    if (spec >= 5 && spec <= 10)
        return limb[spec - 5];
    if (spec >= 11 && spec <= 16)
        return ECG_LEAD_V1 + spec - 11;
    return spec >= 17 && spec <= 19 ? 131 + spec - 17 : ECG_LEAD_NONE; /* EASI */
}

static void name_lead(struct ishne *x, size_t i, struct ecg_lead *lead)
{
    static const char *const quality[] = {
        "noise, under 10 % of the time", "noise, over 10 % of the time",
        "lead off, under 10 % of the time", "lead off, over 10 % of the time"};
    char text[24];
    int n = snprintf(text, sizeof text, "lead %zu", i + 1);
    lead->id = lead_id(i16(x, 158 + 2 * i));
    lead->name = lead->id ? ecg_lead_name(lead->id) : ecg_record_text(x->r, text, (size_t)n);
    lead->rate_hz = x->rate_hz;
    int q = i16(x, 182 + 2 * i);
    if (q >= 2 && q <= 5) {
        struct ecg_mark m = {.kind = ECG_MARK_QUALITY, .lead_id = lead->id, .text = quality[q - 2]};
        m.to_s = (double)lead->samples / x->rate_hz;
        ecg_record_add_mark(x->r, m);
    }
}

/* The number of samples is of each lead, or of all together: writers differ. */
static size_t count_frames(struct ishne *x)
{
    size_t there = (x->all.n - x->offset) / (2 * x->nleads);
    int32_t stated = (int32_t)base_load_le32(x->all.p + 14);
    if (stated <= 0 || (size_t)stated == there || (size_t)stated == there * x->nleads)
        return there;
    if ((size_t)stated < there) {
        ecg_record_damage(x->r, 14,
                          "ISHNE: %d samples of each lead stated, %zu are there; those "
                          "stated are read",
                          stated, there);
        return (size_t)stated;
    }
    ecg_record_damage(x->r, 14, "ISHNE: %d samples stated, %zu of each lead are there", stated,
                      there);
    return there;
}

/* -32768 is no amplitude: writers put it where a lead has no sample, as we keep it. */
static enum base_err read_samples(struct ishne *x)
{
    struct ecg_unpack u;
    int16_t *planes[LEADS_MAX];
    struct ecg_tally tallies[LEADS_MAX] = {0};
    struct ecg_record *r = x->r;
    size_t n = count_frames(x);
    if (n == 0)
        return base_fail(x->err, BASE_EFORMAT, x->offset, "ISHNE: there is no sample");
    enum base_err e = ecg_record_set_leads(r, x->nleads);
    for (size_t i = 0; i < x->nleads && !e; i++) {
        e = ecg_record_set_i16(r, &r->leads[i], n);
        planes[i] = r->leads[i].i16;
    }
    if (e)
        return base_fail(x->err, e, x->offset, "ISHNE: %zu samples of %zu leads: %s", n, x->nleads,
                         base_err_text(e));
    ecg_unpack_choose(ecg_simd_level(), &u);
    assert(n <= (x->all.n - x->offset) / 2 / x->nleads);
    u.split16(x->all.p + x->offset, n, x->nleads, planes, tallies);
    for (size_t i = 0; i < x->nleads; i++) {
        struct ecg_lead *lead = &r->leads[i];
        int16_t nv = i16(x, 206 + 2 * i);
        lead->tally = tallies[i];
        lead->tally.known = true;
        name_lead(x, i, lead);
        lead->uv_per_count = nv > 0 ? nv / 1000.0 : 1;
        if (nv <= 0)
            ecg_record_damage(r, 206 + 2 * i,
                              "ISHNE: lead %s has a resolution of %d nV; 1 uV assumed", lead->name,
                              nv);
    }
    return BASE_OK;
}

/* ---- beats ---- */

static bool label_of(uint8_t label, enum ecg_mark_kind *kind, enum ecg_code *code)
{
    static const struct {
        char label;
        enum ecg_mark_kind kind;
        enum ecg_code code;
    } rows[] = {{'N', ECG_MARK_BEAT, ECG_CODE_NORMAL},
                {'V', ECG_MARK_BEAT, ECG_CODE_PVC},
                {'S', ECG_MARK_BEAT, ECG_CODE_SUPRAVENTRICULAR},
                {'B', ECG_MARK_BEAT, ECG_CODE_BBB},
                {'P', ECG_MARK_BEAT, ECG_CODE_PACED},
                {'F', ECG_MARK_BEAT, ECG_CODE_FUSION},
                {'U', ECG_MARK_BEAT, ECG_CODE_UNCLASSIFIABLE},
                {'X', ECG_MARK_QUALITY, ECG_CODE_ARTIFACT},
                {'C', ECG_MARK_OTHER, ECG_CODE_NONE},
                {'!', ECG_MARK_OTHER, ECG_CODE_NONE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((uint8_t)rows[i].label == label) {
            *kind = rows[i].kind;
            *code = rows[i].code;
            return true;
        }
    return false;
}

static void add_beat(struct ishne *x, const uint8_t *p, uint64_t sample)
{
    struct ecg_mark m = {.at_s = (double)sample / x->rate_hz, .text = ""};
    char text[24];
    if (p[0] == '!') /* only time that passes: more than 65535 samples without a beat */
        return;
    m.from_s = m.to_s = m.at_s;
    if (!label_of(p[0], &m.kind, &m.code)) {
        int n = snprintf(text, sizeof text, "label %u", p[0]);
        m.text = ecg_record_text(x->r, text, (size_t)n);
    } else if (p[0] == 'C') {
        m.text = "calibration pulse";
    }
    ecg_record_add_mark(x->r, m);
}

/* u32 sample of the first beat; per beat u8 label, u8 for the writer, u16 samples since
 * the one before. */
static void read_beats(const struct ishne *recording, struct base_bytes file)
{
    struct ishne x = {.all = file, .r = recording->r, .what = "ISHNE beats"};
    struct base_error why;
    enum ecg_mark_kind kind;
    enum ecg_code code;
    x.err = &why;
    if (!is_beats(file) || read_layout(&x)) {
        ecg_record_damage(x.r, BASE_NOPOS, "ISHNE: the file of beats is none, or damaged");
        return;
    }
    if (x.rate_hz != recording->rate_hz)
        ecg_record_damage(x.r, BASE_NOPOS, "ISHNE: beats count %g per second, samples %g",
                          x.rate_hz, recording->rate_hz);
    const uint8_t *p = file.p + x.offset;
    size_t left = file.n - x.offset;
    uint64_t sample = 0;
    /* Some writers leave the first sample out. */
    bool bare = left >= 4 && label_of(p[0], &kind, &code) && base_load_le16(p + 2) > 0;
    if (bare)
        ecg_record_note(x.r, BASE_NOPOS,
                        "ISHNE: the beats have no number of the first sample in "
                        "front of them; they count from 0");
    if (!bare && left >= 4) {
        sample = base_load_le32(p);
        p += 4;
        left -= 4;
    }
    for (; left >= 4 && !x.r->err && !x.r->marks_left_out; p += 4, left -= 4) {
        sample += base_load_le16(p + 2);
        add_beat(&x, p, sample);
    }
    if (left && left < 4)
        ecg_record_damage(x.r, BASE_NOPOS, "ISHNE: the file of beats is cut within a beat");
}

/* ---- which files ---- */

/* The name of the other file of the two: "x.ann" of "x.ecg". False without a name. */
static bool other_name(const char *name, const char *ending, char out[ECG_NAME_SIZE])
{
    const char *dot = strrchr(name, '.');
    int n = (int)(dot ? dot - name : (ptrdiff_t)strlen(name));
    if (!name[0] || n + 5 > ECG_NAME_SIZE || (dot && strcasecmp(dot + 1, ending) == 0))
        return false;
    snprintf(out, ECG_NAME_SIZE, "%.*s.%s", n, name, ending);
    return true;
}

static enum base_err missing(struct base_error *err, const char *name)
{
    return base_fail(err, BASE_ENOTFOUND, BASE_NOPOS, "ISHNE: the recording has another file, %s",
                     name);
}

enum base_err ecg_ishne_parse(const struct ecg_set *set, struct ecg_record *r,
                              struct base_error *err)
{
    char name[ECG_NAME_SIZE] = "";
    struct base_bytes recording = set->files[0].bytes;
    struct base_bytes beats = {0};
    bool only_beats = is_beats(recording);
    bool has_name = other_name(set->files[0].name, only_beats ? "ecg" : "ann", name);
    enum ecg_found found = ECG_FOUND_ABSENT;
    if (has_name)
        found =
            only_beats ? ecg_set_find(set, name, &beats) : ecg_set_find_optional(set, name, &beats);
    if (found == ECG_FOUND_UNKNOWN)
        return missing(err, name);
    if (only_beats) {
        if (found != ECG_FOUND || !is_recording(beats))
            return base_fail(err, BASE_EFORMAT, 0,
                             "ISHNE: this is the file of beats of a recording, without samples; "
                             "open the recording (.ecg) that lies beside it");
        recording = beats;
        beats = set->files[0].bytes;
    }
    struct ishne x = {.all = recording, .r = r, .err = err, .what = "ISHNE"};
    enum base_err e = read_layout(&x);
    if (!e)
        e = read_samples(&x);
    if (e)
        return e;
    read_patient(&x);
    read_recording(&x);
    if (found == ECG_FOUND && beats.p)
        read_beats(&x, beats);
    return BASE_OK;
}
