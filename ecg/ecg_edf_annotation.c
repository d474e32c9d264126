/*
 * EDF+: who was recorded and by what (2.1.3.3), and annotations (2.2): lists of
 *
 *     +onset [0x15 duration] 0x14 text 0x14 text 0x14 ... 0x00
 *
 * in the bytes of a channel of that name. The first of each data record has no text
 * and says when the record begins.
 */
#include "ecg/ecg_edf_priv.h"

#include "base/decimal.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_write.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

/* ---- identity ---- */

static bool is_blank(char c)
{
    return c == '_' || (uint8_t)c <= ' ';
}

/* The next subfield of a field in UTF-8, "" for "X"; a blank inside one is written as "_". */
static const char *subfield(struct ecg_record *r, const char **rest)
{
    const char *from = *rest + strspn(*rest, " ");
    size_t n = strcspn(from, " ");
    *rest = from + n;
    if (n == 1 && *from == 'X')
        return "";
    while (n && is_blank(from[n - 1]))
        n--;
    for (; n && is_blank(*from); n--)
        from++;
    const char *found = ecg_record_text(r, from, n);
    for (char *c = *found ? (char *)(uintptr_t)found : NULL; c && *c; c++)
        *c = (char)(*c == '_' ? ' ' : *c);
    return found;
}

/* What of a field whose character set was guessed is plain was not. */
static struct ecg_text part_of(const struct ecg_text *field, const char *part)
{
    bool is_plain = true;
    for (const char *c = part; *c; c++)
        is_plain = is_plain && (uint8_t)*c < 0x80;
    return (struct ecg_text){
        .utf8 = part, .raw = field->raw, .guessed = field->guessed && !is_plain};
}

static void read_patient(struct ecg_record *r, const struct ecg_text *text)
{
    struct ecg_patient *p = &r->patient;
    const char *rest = text->utf8;
    const char *id = subfield(r, &rest);
    const char *sex = subfield(r, &rest);
    const char *birth = subfield(r, &rest);
    const char *name = subfield(r, &rest);
    bool is_born = !birth[0] || ecg_date_of_name(birth, &p->birth);
    p->sex = ecg_text_sex(sex);
    if (sex[0] && !p->sex && (!is_born || !name[0])) {
        ecg_record_note(r, 8, "EDF: the patient is not as EDF+ has it, the whole text is the id");
        p->id = *text;
        return;
    }
    if (!is_born)
        ecg_record_note(r, 8, "EDF: the birth date is no date");
    p->id = part_of(text, id);
    p->name = part_of(text, name);
}

/* "Startdate 02-MAR-2002 ORDER TECHNICIAN EQUIPMENT" */
static void read_recording(struct ecg_record *r, const char *rest)
{
    const char *word = subfield(r, &rest);
    if (strcasecmp(word, "Startdate") != 0)
        return;
    const char *date = subfield(r, &rest);
    r->accession = subfield(r, &rest);
    r->device.technician = subfield(r, &rest);
    r->device.model = subfield(r, &rest);
    if (!date[0] && r->start.date.year == 1985 && !r->start.hour && !r->start.minute &&
        !r->start.second) /* a date of nothing, since the header must have one */
        r->start = (struct ecg_time){0};
    if (date[0] && !ecg_date_of_name(date, &r->start.date))
        ecg_record_note(r, 88,
                        "EDF: the start date of the recording is no date, that of the header is "
                        "taken");
}

/* Three numbers of two digits, or one, which a blank may fill up, with any sign between: 8 bytes.
 */
static bool three(const uint8_t *p, int v[3])
{
    const uint8_t *end = p + 8;
    for (int i = 0; i < 3; i++) {
        p += p < end && *p == ' ';
        const uint8_t *from = p;
        v[i] = 0;
        for (; p < end && p - from < 2 && *p >= '0' && *p <= '9'; p++)
            v[i] = 10 * v[i] + *p - '0';
        if (p == from || (i < 2 && p++ == end))
            return false;
    }
    return true;
}

void ecg_edf_identity(struct ecg_record *r, const uint8_t *header, bool plus)
{
    int v[3];
    struct base_bytes patient = ecg_text_trim(base_bytes_of(header + 8, 80));
    struct base_bytes recording = ecg_text_trim(base_bytes_of(header + 88, 80));
    /* EDF: years are 1985 to 2084, and "yy" after these. */
    if (three(header + 168, v)) {
        struct ecg_date d = {v[2] + (v[2] < 85 ? 2000 : 1900), v[1], v[0]};
        if (ecg_date_is_real(d.year, d.month, d.day))
            r->start.date = d;
    } else if (!plus) {
        ecg_record_note(r, 168, "EDF: the start date is no date");
    }
    if (!three(header + 176, v) || !ecg_time_set(&r->start, v[0], v[1], v[2]))
        ecg_record_note(r, 176, "EDF: the start time is no time");
    struct dicom_charset utf8; /* as the annotations of EDF+ are */
    dicom_charset_parse(&utf8, base_bytes_str("ISO_IR 192"));
    struct ecg_text who = ecg_text_of(r, patient, &utf8);
    if (plus || (recording.n > 10 && memcmp(recording.p, "Startdate ", 10) == 0)) {
        read_patient(r, &who);
        read_recording(r, ecg_text_undeclared(r, recording));
        return;
    }
    r->patient.id = who;
    r->comment = ecg_text_undeclared(r, recording);
}

/* ---- lists of annotations ---- */

struct tal {
    double onset;
    double duration;
    struct base_bytes texts; /* each ends with 0x14 */
};

static bool ends_number(uint8_t c)
{
    return c == 0x14 || c == 0x15;
}

/* A number of a list that ends before `size` with 0x14 or 0x15: how many bytes it has; 0 when there
 * is none. */
static size_t list_number(const uint8_t *p, size_t size, double *out)
{
    char text[32];
    size_t n = base_decimal(p, size, out);
    if (n && n < size && ends_number(p[n]))
        return n;
    for (n = 0; n < size && n + 1 < sizeof text && !ends_number(p[n]); n++)
        text[n] = (char)p[n];
    text[n] = '\0';
    return n < size && ends_number(p[n]) && ecg_text_number(text, out) ? n : 0;
}

/* Where the next byte is that is not 0, from `at` on. */
static size_t pass_zeros(struct base_bytes b, size_t at)
{
    while (at < b.n && b.p[at] == 0)
        at++;
    return at;
}

/* Where the next byte is that is no digit, from `at` on. */
static size_t pass_digits(struct base_bytes b, size_t at)
{
    static const uint64_t each = 0x0101010101010101; /* byte */
    for (; b.n - at >= 8; at += 8) {
        uint64_t v;
        memcpy(&v, b.p + at, 8);
        v ^= '0' * each;
        uint64_t others = (v | ((v & 0x7f * each) + 0x76 * each)) & 0x80 * each;
        if (others)
            return at + (size_t)__builtin_ctzll(others) / 8;
    }
    while (at < b.n && b.p[at] >= '0' && b.p[at] <= '9')
        at++;
    return at;
}

/* Whether all that is there is when the data record begins, as in nearly all: "+12.5", 0x14 0x14,
 * zeros. What this does not know, next_tal does. */
static bool only_begins(struct base_bytes b)
{
    enum { PLAIN = 10 /* bytes of a number under EDF_TIME_MAX */, MOST = 16 };
    if (b.n == 0 || b.p[0] != '+')
        return false;
    size_t n = pass_digits(b, 1);
    if (n < 2 || n > PLAIN)
        return false;
    if (n < b.n && b.p[n] == '.')
        n = pass_digits(b, n + 1);
    if (n > MOST || n + 1 >= b.n || b.p[n] != 0x14 || b.p[n + 1] != 0x14)
        return false;
    n += 2;
    /* Each is what the next one is. */
    return n == b.n || (b.p[n] == 0 && memcmp(b.p + n, b.p + n + 1, b.n - n - 1) == 0);
}

/* The list at *at, which is moved past it. False at the end of the bytes; *bad when
 * they are no list. */
static bool next_tal(struct base_bytes b, size_t *at, struct tal *t, bool *bad)
{
    *at = pass_zeros(b, *at);
    if (*at >= b.n)
        return false;
    const uint8_t *p = b.p + *at;
    const uint8_t *end = memchr(p, 0, b.n - *at);
    size_t size = end ? (size_t)(end - p) : b.n - *at;
    *at += size;
    size_t n = p[0] == '+' || p[0] == '-' ? list_number(p, size, &t->onset) : 0;
    *bad = n == 0 || !(fabs(t->onset) < EDF_TIME_MAX);
    t->duration = 0;
    if (!*bad && p[n] == 0x15) {
        size_t from = n + 1;
        size_t of = from < size ? list_number(p + from, size - from, &t->duration) : 0;
        n = from + of;
        *bad = of == 0 || p[n] != 0x14 || !(t->duration >= 0) || !(t->duration < EDF_TIME_MAX);
    }
    if (!*bad)
        t->texts = base_bytes_of(p + n + 1, size - n - 1);
    return true;
}

static struct base_bytes lists_of(const struct edf_file *f, const struct edf_channel *c,
                                  size_t record)
{
    size_t from = record * f->record_bytes + c->offset;
    size_t n = c->per_record * f->width;
    if (from >= f->data.n)
        return base_bytes_of(NULL, 0);
    return base_bytes_of(f->data.p + from, n < f->data.n - from ? n : f->data.n - from);
}

bool ecg_edf_record_time(const struct edf_file *f, size_t record, double *out)
{
    for (size_t i = 0; i < f->nchannels; i++) {
        struct tal t;
        size_t at = 0;
        bool bad;
        if (!f->channels[i].annotations)
            continue;
        if (!next_tal(lists_of(f, &f->channels[i], record), &at, &t, &bad) || bad)
            return false;
        *out = t.onset;
        return true;
    }
    return false;
}

/* ---- marks ---- */

static const struct {
    enum ecg_mark_kind kind;
    const char *text;
} kinds[] = {
    {ECG_MARK_PACE, "pacemaker spike"}, {ECG_MARK_P_ON, "P onset"},
    {ECG_MARK_P_PEAK, "P peak"},        {ECG_MARK_P_OFF, "P end"},
    {ECG_MARK_QRS_ON, "QRS onset"},     {ECG_MARK_QRS_PEAK, "QRS peak"},
    {ECG_MARK_QRS_OFF, "QRS end"},      {ECG_MARK_T_ON, "T onset"},
    {ECG_MARK_T_PEAK, "T peak"},        {ECG_MARK_T_OFF, "T end"},
    {ECG_MARK_U_ON, "U onset"},         {ECG_MARK_U_PEAK, "U peak"},
    {ECG_MARK_U_OFF, "U end"},          {ECG_MARK_BEAT, "beat"},
    {ECG_MARK_RHYTHM, "rhythm change"}, {ECG_MARK_QUALITY, "change of signal quality"},
};

static const char *kind_text(enum ecg_mark_kind kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == kind)
            return kinds[i].text;
    return "";
}

void ecg_edf_mark_write(const struct ecg_mark *m, struct base_buf *out)
{
    bool wave = m->kind != ECG_MARK_OTHER && m->kind != ECG_MARK_BEAT;
    const char *what =
        wave || m->code == ECG_CODE_NONE ? kind_text(m->kind) : ecg_code_meaning(m->code);
    ecg_write_clean(out, what); /* control characters would end the list */
    if (what[0] && m->text[0])
        base_buf_add_str(out, ": ");
    if (m->text[0])
        ecg_write_clean(out, m->text);
    else if (!what[0])
        base_buf_add_str(out, "annotation");
    /* As EDFbrowser has it, an annotation of one channel ends with its label. */
    const char *lead = m->lead_id ? ecg_lead_name(m->lead_id) : NULL;
    if (lead)
        base_buf_printf(out, "@@ECG %s", lead);
}

static bool says(struct base_bytes text, const char *what)
{
    if (text.n == 0 || (char)*text.p != what[0])
        return false;
    size_t n = strlen(what);
    return n && text.n >= n && memcmp(text.p, what, n) == 0 &&
           (text.n == n || (text.n >= n + 2 && memcmp(text.p + n, ": ", 2) == 0));
}

static const char *take_text(struct ecg_record *r, struct base_bytes text, size_t n)
{
    size_t skip = n && text.n > n ? n + 2 : n;
    return ecg_text_undeclared(r, base_bytes_of(text.p + skip, text.n - skip));
}

static void take_lead(struct base_bytes *text, struct ecg_mark *m)
{
    for (size_t i = 0; i + 2 < text->n; i++) {
        if (text->p[i] != '@' || text->p[i + 1] != '@')
            continue;
        struct base_bytes lead = base_bytes_of(text->p + i + 2, text->n - i - 2);
        if (lead.n > 4 && strncasecmp((const char *)lead.p, "ECG ", 4) == 0)
            lead = base_bytes_of(lead.p + 4, lead.n - 4);
        m->lead_id = ecg_lead_by_name((const char *)lead.p, lead.n);
        if (m->lead_id)
            text->n = i;
        return;
    }
}

/* Back from what ecg_edf_mark_write wrote. */
static void read_mark(struct ecg_record *r, struct base_bytes text, struct ecg_mark *m)
{
    take_lead(&text, m);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (says(text, kinds[i].text)) {
            m->kind = kinds[i].kind;
            m->text = take_text(r, text, strlen(kinds[i].text));
            return;
        }
    for (int code = 1; code < ECG_CODE_COUNT; code++) {
        const char *meaning = ecg_code_meaning((enum ecg_code)code);
        if (!says(text, meaning))
            continue;
        m->code = (enum ecg_code)code;
        m->kind = ecg_code_is_beat(m->code) ? ECG_MARK_BEAT : ECG_MARK_OTHER;
        m->text = take_text(r, text, strlen(meaning));
        return;
    }
    m->text = take_text(r, text, 0);
}

static void add_texts(struct edf_marker *x, const struct tal *t)
{
    enum { SPARE = 1 << 14 }; /* for what else a record says */
    struct ecg_record *r = x->f->rec;
    size_t at = 0;
    while (at < t->texts.n && !x->full) {
        const uint8_t *p = t->texts.p + at;
        const uint8_t *end = memchr(p, 0x14, t->texts.n - at);
        size_t n = end ? (size_t)(end - p) : t->texts.n - at;
        at += n + 1;
        if (n == 0)
            continue;
        x->full = r->marks_left_out || 4 * n + SPARE > r->arena.limit - r->arena.used;
        if (x->full && !r->marks_left_out)
            ecg_record_note(r, (uint64_t)(p - x->f->data.p) + x->f->pos,
                            "EDF: the annotations have more text than the limit allows: those from "
                            "here on are left out");
        if (x->full)
            return;
        struct ecg_mark m = {.at_s = t->onset - x->zero_s};
        m.from_s = m.at_s;
        m.to_s = m.at_s + t->duration;
        read_mark(r, base_bytes_of(p, n), &m);
        ecg_record_add_mark(r, m);
    }
}

void ecg_edf_annotations(struct edf_marker *x, const struct edf_channel *c, size_t record)
{
    const struct edf_file *f = x->f;
    struct base_bytes lists = lists_of(f, c, record);
    struct tal t;
    size_t at = 0;
    bool bad = false;
    if (only_begins(lists))
        return;
    while (!x->full && next_tal(lists, &at, &t, &bad)) {
        if (bad && !x->noted)
            ecg_record_damage(f->rec, (uint64_t)(lists.p - f->data.p) + f->pos,
                              "EDF: data record %zu has bytes that are no annotation", record + 1);
        x->noted |= bad;
        if (!bad)
            add_texts(x, &t);
    }
}
