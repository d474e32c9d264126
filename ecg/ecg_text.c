#include "ecg/ecg_text.h"

#include "base/buf.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

struct base_bytes ecg_text_trim(struct base_bytes raw)
{
    enum { ESC = 0x1b }; /* begins text of ISO 2022 */
    const uint8_t *end = raw.n ? memchr(raw.p, 0, raw.n) : NULL;
    if (end)
        raw.n = (size_t)(end - raw.p);
    /* Formats with fields of one length fill them up with blanks. */
    static const uint64_t blanks = 0x2020202020202020;
    while (raw.n >= sizeof blanks &&
           memcmp(raw.p + raw.n - sizeof blanks, &blanks, sizeof blanks) == 0)
        raw.n -= sizeof blanks;
    while (raw.n && raw.p[raw.n - 1] <= ' ')
        raw.n--;
    while (raw.n && raw.p[0] <= ' ' && raw.p[0] != ESC) {
        raw.p++;
        raw.n--;
    }
    return raw;
}

/* What all character sets of a record have alike: no escape sequence, and not the two places where
 * JIS X 0201 has others; lines are kept. */
static bool is_plain(struct base_bytes b)
{
    uint8_t other = 0; /* so that compilers make vectors of it */
    for (size_t i = 0; i < b.n; i++) {
        uint8_t c = b.p[i];
        other |= (c >= ' ' && c < '~' && c != '\\') || c == '\n' ? 0 : 1;
    }
    return !other;
}

const char *ecg_text_utf8(struct ecg_record *r, struct base_bytes raw,
                          const struct dicom_charset *declared, bool *guessed)
{
    struct base_buf out;
    struct base_bytes text = ecg_text_trim(raw);
    if (is_plain(text)) { /* nearly all are */
        *guessed = false;
        return ecg_record_text(r, (const char *)text.p, text.n);
    }
    base_buf_init(&out, r->arena.limit);
    *guessed = false;
    enum base_err e = dicom_charset_to_utf8(declared, text, &out, guessed);
    for (size_t i = 0; i < out.n; i++)
        if (out.p[i] < ' ' && out.p[i] != '\n')
            out.p[i] = ' ';
    ecg_record_fail(r, e);
    const char *kept = ecg_record_text(r, base_buf_cstr(&out), out.n);
    base_buf_deinit(&out);
    return kept;
}

const char *ecg_text_undeclared(struct ecg_record *r, struct base_bytes raw)
{
    static const struct dicom_charset none;
    bool guessed;
    return ecg_text_utf8(r, raw, &none, &guessed);
}

void ecg_text_name_lead(struct ecg_record *r, struct base_bytes label, struct ecg_lead *lead)
{
    const char *name = (const char *)label.p;
    lead->id = ecg_lead_by_name(name, label.n);
    lead->name = lead->id ? ecg_lead_shown(lead->id, name, label.n) : ecg_text_undeclared(r, label);
}

struct ecg_text ecg_text_of(struct ecg_record *r, struct base_bytes raw,
                            const struct dicom_charset *declared)
{
    struct ecg_text t = {0};
    t.utf8 = ecg_text_utf8(r, raw, declared, &t.guessed);
    t.raw = ecg_record_bytes(r, raw);
    return t;
}

struct ecg_text ecg_text_of_name(struct ecg_record *r, const struct base_bytes *parts,
                                 const char *before, size_t n, const struct dicom_charset *declared)
{
    struct base_buf raw = {0};
    for (size_t i = 0; i < n; i++) {
        struct base_bytes part = ecg_text_trim(parts[i]);
        if (part.n && before[i] && (raw.n || before[i] == '^'))
            base_buf_add_byte(&raw, (uint8_t)before[i]);
        base_buf_add(&raw, part.p, part.n);
    }
    ecg_record_fail(r, raw.err);
    struct ecg_text name = ecg_text_of(r, base_buf_bytes(&raw), declared);
    base_buf_deinit(&raw);
    return name;
}

char ecg_text_sex(const char *s)
{
    if (strcasecmp(s, "M") == 0 || strcasecmp(s, "male") == 0)
        return 'M';
    return strcasecmp(s, "F") == 0 || strcasecmp(s, "female") == 0 ? 'F' : 0;
}

static const char *pass_blanks(const char *s)
{
    while (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n')
        s++;
    return s;
}

/* The digits at s, behind those of *v. */
static const char *take_digits(const char *s, double *v)
{
    /* Up to 15 digits are exact either way, and whole numbers are quicker. */
    uint64_t whole = 0;
    const char *from = s;
    for (; *s >= '0' && *s <= '9' && s - from < 15; s++)
        whole = whole * 10 + (uint64_t)(*s - '0');
    static const double power[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    *v = *v * power[s - from] + (double)whole;
    for (; *s >= '0' && *s <= '9'; s++)
        *v = *v * 10 + (*s - '0');
    return s;
}

bool ecg_text_number(const char *s, double *out)
{
    double value = 0;
    double scale = 1;
    s = pass_blanks(s);
    bool negative = *s == '-';
    s += *s == '-' || *s == '+';
    const char *from = s;
    s = take_digits(s, &value);
    bool digits = s > from;
    if (*s == '.' || *s == ',') {
        from = s + 1;
        s = take_digits(from, &value);
        digits |= s > from;
        for (; from < s; from++)
            scale *= 10;
    }
    int exponent = 0;
    if (digits && (*s == 'e' || *s == 'E')) {
        char *end;
        long e = strtol(s + 1, &end, 10);
        if (end == s + 1 || e < -300 || e > 300)
            return false;
        exponent = (int)e;
        s = end;
    }
    s = pass_blanks(s);
    value = value / scale * (exponent ? pow(10, exponent) : 1);
    if (!digits || *s || !isfinite(value))
        return false;
    *out = negative ? -value : value;
    return true;
}
