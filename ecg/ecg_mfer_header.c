/* MFER: texts, and the definitions that are no matter of samples: who, when, by what, events. */
#include "ecg/ecg_mfer_priv.h"

#include "base/utf8.h"
#include "ecg/ecg_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- text ---- */

/* A byte order mark knows better than the name of the set. */
static void add_utf16(struct base_buf *out, struct base_bytes b, bool big)
{
    bool is_marked = b.n >= 2 && (b.p[0] ^ b.p[1]) == 1 && (b.p[0] | b.p[1]) == 0xff;
    big = is_marked ? b.p[0] == 0xfe : big;
    for (size_t at = is_marked ? 2 : 0; at + 2 <= b.n;) {
        char utf8[4];
        uint32_t c = base_utf16_next(b, big, &at);
        if (c == 0)
            return;
        base_buf_add(out, utf8, base_utf8_put(c, utf8));
    }
}

static const char *string_of(struct ecg_record *r, const struct mfer_text *t, struct base_bytes b,
                             bool *guessed)
{
    *guessed = false;
    if (!t->utf16)
        return ecg_text_utf8(r, b, &t->charset, guessed);
    struct base_buf out;
    base_buf_init(&out, r->arena.limit);
    add_utf16(&out, b, t->utf16_big);
    const char *text = ecg_text_undeclared(r, base_buf_bytes(&out));
    ecg_record_fail(r, out.err);
    base_buf_deinit(&out);
    return text;
}

const char *ecg_mfer_string(struct ecg_record *r, const struct mfer_text *t, struct base_bytes b)
{
    bool guessed;
    return string_of(r, t, b, &guessed);
}

static bool is_sign(char c)
{
    return c == ' ' || c == '-' || c == '_';
}

/* "ISO-8859-1" is "ISO 8859-1", and "iso8859-1". */
static bool is_set(struct base_bytes name, const char *set)
{
    size_t i = 0;
    for (;; i++, set++) {
        while (i < name.n && is_sign((char)name.p[i]))
            i++;
        set += strspn(set, " -_");
        if (i == name.n || !*set)
            return i == name.n && !*set;
        if (strncasecmp((const char *)name.p + i, set, 1) != 0)
            return false;
    }
}

/* MWF_TXC: names of character sets, in words of their own. */
void ecg_mfer_charset(struct mfer_file *f, struct base_bytes value)
{
    static const struct {
        const char *name;
        const char *dicom;
    } rows[] = {{"UTF-8", "ISO_IR 192"},
                {"ISO 8859-1", "ISO_IR 100"},
                {"ISO 8859-2", "ISO_IR 101"},
                {"ISO 8859-5", "ISO_IR 144"},
                {"ISO 8859-6", "ISO_IR 127"},
                {"ISO 8859-7", "ISO_IR 126"},
                {"ISO 8859-8", "ISO_IR 138"},
                {"ISO 8859-9", "ISO_IR 148"},
                {"JIS X 0201", "ISO_IR 13"},
                {"JIS X 0208", "\\ISO 2022 IR 87"},
                {"ISO-2022-JP", "\\ISO 2022 IR 87"},
                {"RFC 1468", "\\ISO 2022 IR 87"},
                {"GB18030", "GB18030"},
                {"GBK", "GBK"}};
    struct base_bytes name = ecg_text_trim(value);
    f->text = (struct mfer_text){0};
    f->text.utf16_big = is_set(name, "UTF-16") || is_set(name, "UTF-16BE");
    f->text.utf16 = f->text.utf16_big || is_set(name, "UTF-16LE");
    dicom_charset_parse(&f->text.charset, name);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (is_set(name, rows[i].name))
            dicom_charset_parse(&f->text.charset, base_bytes_str(rows[i].dicom));
}

/* ---- who, when, by what ---- */

static const char *part(struct ecg_record *r, const char *text, size_t i)
{
    for (; i; i--) {
        text += strcspn(text, "^");
        text += *text == '^';
    }
    size_t n = strcspn(text, "^");
    return ecg_text_undeclared(r, base_bytes_of(text, n));
}

/* family^its sound^given^its sound^..., or one name without parts */
static void read_name(struct mfer_file *f, struct base_bytes value)
{
    struct ecg_record *r = f->rec;
    const char *text = string_of(r, &f->text, value, &r->patient.name.guessed);
    const char *given = part(r, text, 2);
    struct base_buf name = {0};
    base_buf_add_str(&name, part(r, text, 0));
    if (given[0])
        base_buf_printf(&name, "^%s", given);
    ecg_record_fail(r, name.err);
    r->patient.name.utf8 = ecg_record_text(r, base_buf_cstr(&name), name.n);
    r->patient.name.raw = ecg_record_bytes(r, value);
    base_buf_deinit(&name);
}

static bool set_date(struct ecg_date *to, uint64_t year, unsigned month, unsigned day)
{
    if (year > 9999 || !ecg_date_is_real((long)year, month, day))
        return false;
    *to = (struct ecg_date){(int)year, (int)month, (int)day};
    return true;
}

/* u8 years, u16 days, then the birth date; FF is unknown. */
static void read_age(struct mfer_file *f, struct base_bytes v)
{
    enum { YEAR = 366 };
    struct ecg_patient *p = &f->rec->patient;
    uint64_t days = v.n >= 3 ? ecg_mfer_uint(base_bytes_of(v.p + 1, 2), f->big_endian) : 0;
    if (v.n >= 1 && v.p[0] > 0 && v.p[0] < 0xff) {
        p->age = v.p[0];
        p->age_unit = 'Y';
    } else if (v.n >= 1 && v.p[0] == 0 && days > 0 && days <= YEAR) {
        p->age = (int)days;
        p->age_unit = 'D';
    }
    if (v.n >= 7)
        set_date(&p->birth, ecg_mfer_uint(base_bytes_of(v.p + 3, 2), f->big_endian), v.p[5],
                 v.p[6]);
}

/* u16 year, u8 month, day, hour, minute, second, u16 ms, u16 us. */
static void read_time(struct mfer_file *f, struct base_bytes v)
{
    struct ecg_time *t = &f->rec->start;
    if (v.n < 4 ||
        !set_date(&t->date, ecg_mfer_uint(base_bytes_of(v.p, 2), f->big_endian), v.p[2], v.p[3]))
        return;
    if (v.n < 7 || !ecg_time_set(t, v.p[4], v.p[5], v.p[6]))
        return;
    uint64_t us = 0;
    if (v.n >= 9)
        us = 1000 * ecg_mfer_uint(base_bytes_of(v.p + 7, 2), f->big_endian);
    if (v.n >= 11)
        us += ecg_mfer_uint(base_bytes_of(v.p + 9, 2), f->big_endian);
    t->usec = us < 1000000 ? (int)us : 0;
}

/* "HPF=0.05^text" */
static void read_filter(struct mfer_file *f, struct base_bytes value)
{
    struct ecg_filters *x = &f->rec->filters;
    const struct {
        const char *key;
        double *to;
    } rows[] = {{"HPF=", &x->high_pass_hz}, {"LPF=", &x->low_pass_hz}, {"BEF=", &x->notch_hz}};
    char text[24] = "";
    double hz;
    size_t n = value.n < sizeof text - 1 ? value.n : sizeof text - 1;
    if (n)
        memcpy(text, value.p, n);
    text[strcspn(text, "^")] = '\0';
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strncasecmp(text, rows[i].key, 4) == 0 && ecg_text_number(text + 4, &hz) && hz > 0)
            *rows[i].to = hz;
}

static void read_maker(struct mfer_file *f, struct base_bytes value)
{
    struct ecg_record *r = f->rec;
    const char *text = ecg_mfer_string(r, &f->text, value);
    r->device.manufacturer = part(r, text, 0);
    r->device.model = part(r, text, 1);
    r->device.software = part(r, text, 2);
    r->device.serial = part(r, text, 3);
}

/* u16 code, i32 point, text "value^unit". */
static void read_value(struct mfer_file *f, struct base_bytes v)
{
    struct ecg_record *r = f->rec;
    double number;
    char name[32];
    if (v.n <= 6)
        return;
    const char *text = ecg_mfer_string(r, &f->text, base_bytes_of(v.p + 6, v.n - 6));
    if (!ecg_text_number(part(r, text, 0), &number))
        return;
    int n = snprintf(name, sizeof name, "MFER value %llu",
                     (unsigned long long)ecg_mfer_uint(base_bytes_of(v.p, 2), f->big_endian));
    ecg_record_add_measurement(r, ECG_MEASURE_OTHER, 0, number, ecg_record_text(r, name, (size_t)n),
                               part(r, text, 1));
}

static void add_event(struct mfer_file *f, struct base_bytes value, int channel)
{
    if ((f->nevents & (f->nevents - 1)) == 0) {
        struct mfer_event *p =
            realloc(f->events, (f->nevents ? 2 * f->nevents : 1) * sizeof *f->events);
        if (!p) {
            f->failed = BASE_ENOMEM;
            return;
        }
        f->events = p;
    }
    f->events[f->nevents++] = (struct mfer_event){
        .value = value, .text = f->text, .big_endian = f->big_endian, .channel = channel};
}

void ecg_mfer_header(struct mfer_file *f, unsigned tag, struct base_bytes value, int channel)
{
    struct ecg_record *r = f->rec;
    switch (tag) {
    case MFER_TAG_FLT:
        read_filter(f, value);
        break;
    case MFER_TAG_NTE:
        if (!r->comment[0])
            r->comment = ecg_mfer_string(r, &f->text, value);
        break;
    case MFER_TAG_MAN:
        read_maker(f, value);
        break;
    case MFER_TAG_EVT:
        add_event(f, value, channel);
        break;
    case MFER_TAG_VAL:
        read_value(f, value);
        break;
    case MFER_TAG_PNM:
        read_name(f, value);
        break;
    case MFER_TAG_PID:
        r->patient.id.utf8 = part(r, string_of(r, &f->text, value, &r->patient.id.guessed), 0);
        r->patient.id.raw = ecg_record_bytes(r, value);
        break;
    case MFER_TAG_AGE:
        read_age(f, value);
        break;
    case MFER_TAG_SEX:
        if (value.n && (value.p[0] == 1 || value.p[0] == 2))
            r->patient.sex = value.p[0] == 1 ? 'M' : 'F';
        break;
    case MFER_TAG_TIM:
        read_time(f, value);
        break;
    default:
        break;
    }
}
