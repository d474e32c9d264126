/*
 * annot(5): little-endian words of a code (6 bits) and a time since the last
 * annotation (10 bits), with pseudo codes for what does not fit.
 */
#include "ecg/ecg_wfdb_priv.h"

#include "base/utf8.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SKIP = 59, NUM = 60, SUB = 61, CHN = 62, AUX = 63, DELTA_MAX = 1023, AUX_MAX = 255 };

/* One annotation with what follows it. */
struct annotation {
    unsigned code;
    int64_t time;
    int8_t subtype;
    int8_t number;
    uint8_t channel;
    struct base_bytes aux;
};

struct reader {
    struct base_bytes b;
    size_t at;
    int64_t time;
    int8_t number; /* these two stay until they are changed */
    uint8_t channel;
    bool damaged;
};

static bool next_word(struct reader *x, unsigned *code, unsigned *value)
{
    if (x->b.n - x->at < 2)
        return false;
    unsigned w = base_load_le16(x->b.p + x->at);
    x->at += 2;
    *code = w >> 10;
    *value = w & 0x3ff;
    return true;
}

/* What modifies the annotation before it. False at the next annotation. */
static bool take_modifier(struct reader *x, struct annotation *a)
{
    unsigned code;
    unsigned value;
    size_t before = x->at;
    if (!next_word(x, &code, &value))
        return false;
    size_t padded = value + (value & 1);
    switch (code) {
    case NUM:
        a->number = x->number = (int8_t)value;
        return true;
    case SUB:
        a->subtype = (int8_t)value;
        return true;
    case CHN:
        a->channel = x->channel = (uint8_t)value;
        return true;
    case AUX:
        if (padded <= x->b.n - x->at) {
            a->aux = base_bytes_of(x->b.p + x->at, value);
            x->at += padded;
            return true;
        }
        x->damaged = true;
        break;
    default:
        break;
    }
    x->at = before;
    return false;
}

static bool next(struct reader *x, struct annotation *a)
{
    unsigned code = 0;
    unsigned value = 0;
    while (!x->damaged && next_word(x, &code, &value)) {
        if (code == 0 && value == 0)
            return false;
        if (code == SKIP) {
            if (x->b.n - x->at < 4) {
                x->damaged = true;
                return false;
            }
            /* PDP-11 order: the high word first */
            uint32_t high = base_load_le16(x->b.p + x->at);
            x->time += (int32_t)(high << 16 | base_load_le16(x->b.p + x->at + 2));
            x->at += 4;
            continue;
        }
        x->time += value;
        if (code > SKIP) { /* modifies nothing */
            x->at += code == AUX ? value + (value & 1) : 0;
            x->damaged = x->at > x->b.n;
            x->at = x->damaged ? x->b.n : x->at;
            x->time -= value;
            continue;
        }
        *a = (struct annotation){
            .code = code, .time = x->time, .number = x->number, .channel = x->channel};
        while (take_modifier(x, a))
            continue;
        return true;
    }
    return false;
}

static enum ecg_mark_kind kind_of(unsigned code)
{
    switch (code) {
    case ECG_CODE_P_WAVE:
        return ECG_MARK_P_PEAK;
    case ECG_CODE_T_WAVE:
        return ECG_MARK_T_PEAK;
    case ECG_CODE_U_WAVE:
        return ECG_MARK_U_PEAK;
    case ECG_CODE_PACE_SPIKE:
        return ECG_MARK_PACE;
    case ECG_CODE_RHYTHM:
        return ECG_MARK_RHYTHM;
    case ECG_CODE_NOISE:
    case ECG_CODE_ARTIFACT:
        return ECG_MARK_QUALITY;
    default:
        return ecg_code_is_beat((enum ecg_code)code) ? ECG_MARK_BEAT : ECG_MARK_OTHER;
    }
}

/* P, QRS, T or U by the peak beside a boundary, else by its number. */
static unsigned wave_of(const struct ecg_mark *boundary, const struct ecg_mark *peak)
{
    if (peak && peak->kind == ECG_MARK_BEAT)
        return 1;
    if (peak && (peak->kind == ECG_MARK_P_PEAK || peak->kind == ECG_MARK_T_PEAK ||
                 peak->kind == ECG_MARK_U_PEAK))
        return peak->kind == ECG_MARK_P_PEAK ? 0 : peak->kind == ECG_MARK_T_PEAK ? 2 : 3;
    return boundary->number >= 0 && boundary->number <= 3 ? (unsigned)boundary->number : 4;
}

/* "(" before and ")" after a wave are of the wave between. */
static void name_boundaries(struct ecg_mark *marks, size_t n)
{
    static const enum ecg_mark_kind on[] = {ECG_MARK_P_ON, ECG_MARK_QRS_ON, ECG_MARK_T_ON,
                                            ECG_MARK_U_ON, ECG_MARK_OTHER};
    static const enum ecg_mark_kind off[] = {ECG_MARK_P_OFF, ECG_MARK_QRS_OFF, ECG_MARK_T_OFF,
                                             ECG_MARK_U_OFF, ECG_MARK_OTHER};
    for (size_t i = 0; i < n; i++) {
        if (marks[i].code == ECG_CODE_WAVE_ON)
            marks[i].kind = on[wave_of(&marks[i], i + 1 < n ? &marks[i + 1] : NULL)];
        else if (marks[i].code == ECG_CODE_WAVE_OFF)
            marks[i].kind = off[wave_of(&marks[i], i ? &marks[i - 1] : NULL)];
    }
}

/* "## time resolution: 1000" at time 0: annotations count in these units. */
static bool is_resolution(const struct annotation *a, double *rate)
{
    static const char words[] = "## time resolution: ";
    char text[AUX_MAX + 1];
    if (a->time != 0 || a->code != ECG_CODE_COMMENT || a->aux.n < sizeof words ||
        memcmp(a->aux.p, words, sizeof words - 1) != 0)
        return false;
    size_t n = a->aux.n < AUX_MAX ? a->aux.n : AUX_MAX;
    memcpy(text, a->aux.p, n);
    text[n] = '\0';
    double v = strtod(text + sizeof words - 1, NULL);
    if (v > 0 && v < 1e9)
        *rate = v;
    return true;
}

bool ecg_wfdb_annotations(struct ecg_record *r, struct base_bytes file, const char *name,
                          double rate, int lead_id)
{
    struct reader x = {.b = file};
    struct annotation a;
    size_t first = r->nmarks;
    if (file.n < 2 || file.n % 2)
        return false;
    while (!r->marks_left_out && next(&x, &a)) {
        if (is_resolution(&a, &rate))
            continue;
        struct ecg_mark m = {.kind = kind_of(a.code),
                             .code = (enum ecg_code)a.code,
                             .lead_id = lead_id,
                             .subtype = a.subtype,
                             .number = a.number,
                             .channel = a.channel,
                             .at_s = (double)a.time / rate};
        m.from_s = m.to_s = m.at_s;
        m.text = a.aux.n ? ecg_text_undeclared(r, a.aux) : "";
        ecg_record_add_mark(r, m);
    }
    if (x.damaged)
        ecg_record_damage(r, x.at, "WFDB: %s is cut in the middle of an annotation", name);
    if (r->nmarks > first)
        name_boundaries(r->marks + first, r->nmarks - first);
    return true;
}

/* ---- writing ---- */

static void add_word(struct base_buf *out, unsigned code, unsigned value)
{
    base_buf_add_le16(out, (uint16_t)(code << 10 | (value & 0x3ff)));
}

/* What a mark without a code of its own is in WFDB. */
static unsigned code_of(const struct ecg_mark *m)
{
    if (m->code != ECG_CODE_NONE)
        return m->code;
    switch (m->kind) {
    case ECG_MARK_BEAT:
    case ECG_MARK_QRS_PEAK:
        return ECG_CODE_NORMAL;
    case ECG_MARK_PACE:
        return ECG_CODE_PACE_SPIKE;
    case ECG_MARK_P_ON:
    case ECG_MARK_QRS_ON:
    case ECG_MARK_T_ON:
    case ECG_MARK_U_ON:
        return ECG_CODE_WAVE_ON;
    case ECG_MARK_P_OFF:
    case ECG_MARK_QRS_OFF:
    case ECG_MARK_T_OFF:
    case ECG_MARK_U_OFF:
        return ECG_CODE_WAVE_OFF;
    case ECG_MARK_P_PEAK:
        return ECG_CODE_P_WAVE;
    case ECG_MARK_T_PEAK:
        return ECG_CODE_T_WAVE;
    case ECG_MARK_U_PEAK:
        return ECG_CODE_U_WAVE;
    case ECG_MARK_RHYTHM:
        return ECG_CODE_RHYTHM;
    case ECG_MARK_QUALITY:
        return ECG_CODE_NOISE;
    case ECG_MARK_OTHER:
    case ECG_MARK_COUNT:
    default:
        return ECG_CODE_COMMENT;
    }
}

static int by_time(const void *a, const void *b)
{
    const struct ecg_mark *x = *(const struct ecg_mark *const *)a;
    const struct ecg_mark *y = *(const struct ecg_mark *const *)b;
    if (x->at_s != y->at_s)
        return x->at_s < y->at_s ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void write_mark(const struct ecg_mark *m, int64_t delta, struct reader *now,
                       struct base_buf *out)
{
    while (delta > DELTA_MAX || delta < 0) { /* more than one for what is days away */
        int64_t skip = delta > INT32_MAX ? INT32_MAX : delta < INT32_MIN ? INT32_MIN : delta;
        add_word(out, SKIP, 0);
        base_buf_add_le16(out, (uint16_t)((uint32_t)skip >> 16));
        base_buf_add_le16(out, (uint16_t)skip);
        delta -= skip;
    }
    add_word(out, code_of(m), (unsigned)delta);
    if (m->subtype)
        add_word(out, SUB, (unsigned)m->subtype);
    if (m->channel != now->channel)
        add_word(out, CHN, m->channel);
    if (m->number != now->number)
        add_word(out, NUM, (unsigned)m->number);
    now->channel = m->channel;
    now->number = m->number;
    size_t n = base_utf8_cut(m->text, strlen(m->text), AUX_MAX);
    if (n) {
        add_word(out, AUX, (unsigned)n);
        base_buf_add(out, m->text, n);
        base_buf_add_fill(out, 0, n & 1);
    }
}

void ecg_wfdb_write_annotations(const struct ecg_mark *marks, size_t nmarks, double rate,
                                struct base_buf *out)
{
    const struct ecg_mark **order = malloc((nmarks + 1) * sizeof *order);
    struct reader now = {0};
    size_t n = 0;
    if (!order) {
        out->err = BASE_ENOMEM;
        return;
    }
    for (size_t i = 0; i < nmarks; i++)
        if (!marks[i].on_median && fabs(marks[i].at_s) < 1e9)
            order[n++] = &marks[i];
    qsort(order, n, sizeof *order, by_time);
    for (size_t i = 0; i < n; i++) {
        int64_t at = llround(order[i]->at_s * rate);
        write_mark(order[i], at - now.time, &now, out);
        now.time = at;
    }
    free(order);
    add_word(out, 0, 0);
}
