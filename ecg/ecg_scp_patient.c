/* SCP-ECG section 1 (EN 1064 5.4): tagged fields about patient and recording. */
#include "ecg/ecg_scp_priv.h"

#include "base/buf.h"
#include "ecg/ecg_text.h"

#include <stdio.h>

enum { TAGS = 36 };

struct fields {
    struct base_bytes tag[TAGS]; /* the first field of each tag; p = NULL if absent */
    size_t pos[TAGS];
};

static bool date_is_sound(unsigned year, unsigned month, unsigned day)
{
    return year >= 1800 && year <= 2200 && ecg_date_is_real(year, month, day);
}

/* Of 4 bytes: u16 year, month, day. Some writers put the year big-endian. */
static bool read_date(const uint8_t *p, struct ecg_date *out)
{
    unsigned year = base_load_le16(p);
    if (!date_is_sound(year, p[2], p[3]))
        year = base_load_be16(p);
    if (!date_is_sound(year, p[2], p[3]))
        return false;
    *out = (struct ecg_date){.year = (int)year, .month = p[2], .day = p[3]};
    return true;
}

/* The language support code of tag 14, EN 1064 annex A, as a DICOM term. "":
 * ASCII, which says nothing about bytes above 127. */
static const char *charset_of(uint8_t code)
{
    static const struct {
        uint8_t code;
        const char *term;
    } rows[] = {
        {0x01, "ISO_IR 100"},
        {0x03, "ISO_IR 101"},
        {0x0b, "ISO_IR 110"},
        {0x13, "ISO_IR 144"},
        {0x1b, "ISO_IR 127"},
        {0x23, "ISO_IR 126"},
        {0x2b, "ISO_IR 138"},
        {0x33, "ISO_IR 166"},
        {0x3b, "ISO_IR 203"},
        {0x07, "ISO_IR 192"},
        {0x0f, "ISO_IR 13"},
        {0x17, "ISO 2022 IR 13\\ISO 2022 IR 87"},
        {0x1f, "ISO 2022 IR 13\\ISO 2022 IR 159"},
        {0x27, "GB18030"},
        {0x2f, "\\ISO 2022 IR 149"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code)
            return rows[i].term;
    return "";
}

static void collect(struct scp_file *f, struct fields *fields)
{
    struct scp_cursor c = {.b = f->sec[1].body};
    while (c.at < c.b.n) {
        size_t pos = f->sec[1].pos + c.at;
        uint8_t tag = scp_u8(&c);
        if (tag == 255)
            return;
        uint16_t n = scp_u16(&c);
        if (c.short_ || n > c.b.n - c.at) {
            ecg_record_damage(f->rec, pos, "SCP-ECG section 1: tag %u goes past the end", tag);
            return;
        }
        struct base_bytes value = scp_bytes(&c, n);
        if (tag < TAGS && !fields->tag[tag].p && n > 0) {
            fields->tag[tag] = value;
            fields->pos[tag] = pos + 3;
        }
    }
}

static const char *text(struct scp_file *f, const struct fields *fields, unsigned tag)
{
    bool guessed;
    return ecg_text_utf8(f->rec, fields->tag[tag], &f->charset, &guessed);
}

/* All texts of a tag that may occur several times, as lines. */
static const char *texts(struct scp_file *f, unsigned wanted)
{
    enum { END = 255 };
    struct scp_cursor c = {.b = f->sec[1].body};
    struct base_buf lines = {0};
    bool guessed;
    while (c.at < c.b.n) {
        uint8_t tag = scp_u8(&c);
        struct base_bytes value = ecg_text_trim(scp_bytes(&c, scp_u16(&c)));
        if (tag == END || c.short_)
            break;
        if (tag != wanted || value.n == 0)
            continue;
        base_buf_add(&lines, "\n", lines.n > 0);
        base_buf_add(&lines, value.p, value.n);
    }
    ecg_record_fail(f->rec, lines.err);
    const char *text = ecg_text_utf8(f->rec, base_buf_bytes(&lines), &f->charset, &guessed);
    base_buf_deinit(&lines);
    return text;
}

/* Tags 0 last name, 1 first name, 3 second last name, as a DICOM person name. */
static void read_name(struct scp_file *f, const struct fields *fields)
{
    const struct base_bytes parts[] = {fields->tag[0], fields->tag[3], fields->tag[1]};
    f->rec->patient.name = ecg_text_of_name(f->rec, parts, "\0 ^", 3, &f->charset);
}

/* u16 value, u8 unit; the factors of units 1, 2, … */
static double amount(struct base_bytes b, const double *factors, size_t n)
{
    if (b.n < 3 || b.p[2] == 0 || b.p[2] > n)
        return 0;
    return base_load_le16(b.p) * factors[b.p[2] - 1];
}

static void read_person(struct scp_file *f, const struct fields *fields)
{
    static const double to_cm[] = {1, 2.54, 0.1};
    static const double to_kg[] = {1, 0.001, 0.45359237, 0.028349523125};
    struct ecg_patient *p = &f->rec->patient;
    read_name(f, fields);
    p->id = ecg_text_of(f->rec, fields->tag[2], &f->charset);
    p->height_cm = amount(fields->tag[6], to_cm, 3);
    p->weight_kg = amount(fields->tag[7], to_kg, 4);
    struct base_bytes birth = fields->tag[5];
    if (birth.n >= 4 && base_load_le32(birth.p) != 0 && !read_date(birth.p, &p->birth))
        ecg_record_note(f->rec, fields->pos[5], "SCP-ECG: birth date is no date");
    struct base_bytes age = fields->tag[4];
    if (age.n >= 3 && base_load_le16(age.p) && age.p[2] <= 5) {
        p->age = base_load_le16(age.p);
        p->age_unit = "YYMWDH"[age.p[2]];
    }
    struct base_bytes sex = fields->tag[8];
    if (sex.n && (sex.p[0] == 1 || sex.p[0] == 2))
        p->sex = sex.p[0] == 1 ? 'M' : 'F';
    p->history = texts(f, 35);
}

/* Tag 14 or 15: numbers, then five strings that end with NUL: program version,
 * serial number, system software, SCP software, manufacturer. The first has a
 * length byte before it. */
static void read_machine(struct scp_file *f, const struct fields *fields)
{
    enum { MODEL = 8, MODEL_SIZE = 6, PROTOCOL = 14, LANGUAGE = 16, STRINGS = 36 };
    struct base_bytes b = fields->tag[14];
    struct ecg_device *d = &f->rec->device;
    bool guessed;
    if (b.n < STRINGS)
        return;
    if (b.p[PROTOCOL])
        f->protocol = b.p[PROTOCOL];
    dicom_charset_parse(&f->charset, base_bytes_str(charset_of(b.p[LANGUAGE])));
    d->model = ecg_text_utf8(f->rec, base_bytes_of(b.p + MODEL, MODEL_SIZE), &f->charset, &guessed);
    const char **strings[] = {NULL, &d->serial, &d->software, NULL, &d->manufacturer};
    size_t at = STRINGS;
    for (size_t i = 0; i < sizeof strings / sizeof *strings && at < b.n; i++) {
        const uint8_t *end = memchr(b.p + at, 0, b.n - at);
        size_t n = end ? (size_t)(end - b.p) - at : b.n - at;
        if (strings[i])
            *strings[i] = ecg_text_utf8(f->rec, base_bytes_of(b.p + at, n), &f->charset, &guessed);
        at += n + 1;
    }
}

static void read_time(struct scp_file *f, const struct fields *fields)
{
    struct ecg_time *t = &f->rec->start;
    struct base_bytes date = fields->tag[25];
    if (date.n >= 4 && !read_date(date.p, &t->date))
        ecg_record_note(f->rec, fields->pos[25], "SCP-ECG: date of acquisition is no date");
    struct base_bytes time = fields->tag[26];
    if (time.n >= 3 && !ecg_time_set(t, time.p[0], time.p[1], time.p[2]))
        ecg_record_note(f->rec, fields->pos[26], "SCP-ECG: time of acquisition is no time");
    /* i16 minutes from UTC; 0x7FFF = not used. */
    struct base_bytes zone = fields->tag[34];
    (void)ecg_time_set_zone(t, zone.n >= 2 ? (int16_t)base_load_le16(zone.p) : INT16_MAX);
}

static void read_filters(struct scp_file *f, const struct fields *fields)
{
    enum { NOTCH_60 = 1, NOTCH_50 = 2, HIGH_PASS_MAX = 250 };
    struct ecg_filters *x = &f->rec->filters;
    struct base_bytes high = fields->tag[27];
    /* In 0.01 Hz. Old recorders write 0.001 Hz, which would be far too much. */
    if (high.n >= 2) {
        unsigned v = base_load_le16(high.p);
        x->high_pass_hz = v <= HIGH_PASS_MAX ? v / 100.0 : v / 1000.0;
    }
    struct base_bytes low = fields->tag[28];
    if (low.n >= 2)
        x->low_pass_hz = base_load_le16(low.p);
    struct base_bytes bits = fields->tag[29];
    if (bits.n && bits.p[0] & NOTCH_50)
        x->notch_hz = 50;
    else if (bits.n && bits.p[0] & NOTCH_60)
        x->notch_hz = 60;
}

void ecg_scp_patient(struct scp_file *f)
{
    struct fields fields = {0};
    collect(f, &fields);
    read_machine(f, &fields);
    char version[16];
    snprintf(version, sizeof version, "%u.%u", f->protocol / 10, f->protocol % 10);
    if (f->protocol)
        f->rec->version = ecg_record_text(f->rec, version, strlen(version));
    read_person(f, &fields);
    read_time(f, &fields);
    read_filters(f, &fields);
    struct ecg_device *d = &f->rec->device;
    d->institution = text(f, &fields, 16);
    d->department = text(f, &fields, 18);
    d->referring = text(f, &fields, 20);
    d->technician = text(f, &fields, 22);
    f->rec->comment = texts(f, 30);
}
