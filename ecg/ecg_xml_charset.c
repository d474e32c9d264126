#include "ecg/ecg_xml_charset.h"

#include "base/utf8.h"
#include "ecg/ecg_text.h"
#include "ecg/ecg_xml.h"

#include <stdio.h>
#include <strings.h>

/* ---- what kind of bytes ---- */

/* 1 or 2 bytes per character; *first: the offset of the one that has ASCII. */
static size_t width_of(struct base_bytes b, size_t *first, bool *big)
{
    *first = 0;
    *big = false;
    if (b.n < 4)
        return 1;
    if ((b.p[0] == 0xff && b.p[1] == 0xfe) || (b.p[0] && b.p[1] == 0 && b.p[2] && b.p[3] == 0))
        return 2;
    if ((b.p[0] == 0xfe && b.p[1] == 0xff) || (b.p[0] == 0 && b.p[1] && b.p[2] == 0 && b.p[3])) {
        *first = 1;
        *big = true;
        return 2;
    }
    return 1;
}

/* The first bytes, as ASCII. */
static size_t head_of(struct base_bytes b, char *out, size_t size)
{
    size_t first;
    bool big;
    size_t width = width_of(b, &first, &big);
    size_t n = 0;
    for (size_t i = 0; i + width <= b.n && n < size; i += width) {
        bool high = width == 2 && b.p[i + 1 - first] != 0;
        out[n++] = (char)(high ? 0xff : b.p[i + first]);
    }
    return n;
}

bool ecg_xml_is_wide(struct base_bytes file, bool *big)
{
    size_t first;
    return width_of(file, &first, big) == 2;
}

static size_t mark_of(struct base_bytes b)
{
    if (b.n >= 3 && memcmp(b.p, "\xef\xbb\xbf", 3) == 0)
        return 3;
    return b.n >= 2 && (memcmp(b.p, "\xff\xfe", 2) == 0 || memcmp(b.p, "\xfe\xff", 2) == 0) ? 2 : 0;
}

/* ---- the first element ---- */

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':';
}

/* Behind the mark-up at i that is no element: a comment, a declaration. */
static size_t pass_over(const char *s, size_t n, size_t i)
{
    bool comment = n - i >= 4 && memcmp(s + i, "<!--", 4) == 0;
    int brackets = 0;
    for (; i < n; i++) {
        if (comment && n - i >= 3 && memcmp(s + i, "-->", 3) == 0)
            return i + 3;
        brackets += !comment && s[i] == '[' ? 1 : 0;
        brackets -= !comment && s[i] == ']' ? 1 : 0;
        if (!comment && s[i] == '>' && brackets <= 0)
            return i + 1;
    }
    return n;
}

size_t ecg_xml_lead(struct base_bytes file)
{
    size_t mark = mark_of(file);
    const char *s = (const char *)file.p;
    size_t i = mark;
    while (i < file.n) {
        if (strchr(" \t\r\n", s[i]) && s[i])
            i++;
        else if (file.n - i >= 4 && memcmp(s + i, "<!--", 4) == 0)
            i = pass_over(s, file.n, i);
        else
            break;
    }
    return file.n - i >= 5 && memcmp(s + i, "<?xml", 5) == 0 ? i : mark;
}

/* The name of the root element; false when these characters end before it does. */
static bool find_root(const char *s, size_t n, char *out, size_t size)
{
    for (size_t i = 0; i < n;) {
        if (s[i] != '<') {
            i++;
        } else if (i + 1 < n && (s[i + 1] == '?' || s[i + 1] == '!')) {
            i = pass_over(s, n, i);
        } else {
            size_t from = ++i;
            for (; i < n && is_name(s[i]); i++)
                from = s[i] == ':' ? i + 1 : from;
            if (i < n && i - from < size)
                snprintf(out, size, "%.*s", (int)(i - from), s + from);
            return i < n;
        }
    }
    return false;
}

void ecg_xml_root(struct base_bytes file, char *out, size_t size)
{
    out[0] = '\0';
    size_t at = file.n >= 3 && memcmp(file.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    /* Most files are no XML: that shows in the first few bytes. */
    enum { PROBE = 64 * 1024 };
    char s[PROBE];
    size_t n = head_of(base_bytes_of(file.p + at, file.n - at), s, 64);
    size_t i = 0;
    while (i < n && (s[i] == '\xff' || strchr(" \t\r\n\xfe", s[i])))
        i++;
    if (i == n || s[i] != '<')
        return;
    /* Nor do most have long comments in front. */
    bool found = false;
    for (size_t head = 1024; head <= sizeof s && !found; head *= 8) {
        n = head_of(base_bytes_of(file.p + at, file.n - at), s, head);
        found = find_root(s, n, out, size) || n < head;
    }
}

/* ---- which set ---- */

/* What the declaration says: encoding="…"; "" without one. */
static void declared(struct base_bytes file, char *out, size_t size)
{
    char s[1024]; /* with what stands before it */
    size_t n = head_of(file, s, sizeof s - 1);
    s[n] = '\0';
    out[0] = '\0';
    char *end = strstr(s, "?>");
    const char *at = strstr(s, "encoding");
    if (!end || !at || at > end)
        return;
    at += strcspn(at, "\"'>");
    size_t len = *at == '>' ? 0 : strcspn(at + 1, "\"'>");
    if (len && len < size)
        snprintf(out, size, "%.*s", (int)len, at + 1);
}

static bool is_ascii(struct base_bytes b)
{
    uint64_t any = 0;
    size_t i = 0;
    for (uint64_t word; i + sizeof word <= b.n; i += sizeof word) {
        memcpy(&word, b.p + i, sizeof word);
        any |= word;
    }
    for (; i < b.n; i++)
        any |= b.p[i];
    return !(any & UINT64_C(0x8080808080808080));
}

/* GBK with a common hanzi (GB 2312 rows 16 to 55), all of it: single names are too
 * short to tell, some are UTF-8 by chance. */
static bool is_gbk(struct base_bytes b)
{
    size_t common = 0;
    for (size_t i = 0; i < b.n; i++) {
        uint8_t lead = b.p[i];
        uint8_t trail = i + 1 < b.n ? b.p[i + 1] : 0;
        if (lead < 0x80)
            continue;
        if (lead == 0x80 || lead == 0xff || trail < 0x40 || trail == 0x7f || trail == 0xff)
            return false;
        common += lead >= 0xb0 && lead <= 0xd7 && trail >= 0xa1;
        i++;
    }
    return common > 0;
}

const char *ecg_xml_charset_choose(struct ecg_xml_charset *cs, struct base_bytes file)
{
    static const struct {
        const char *name;
        const char *term; /* PS3.3 C.12.1.1.2 */
    } sets[] = {{"GB18030", "GB18030"},
                {"GBK", "GBK"},
                {"GB2312", "GBK"},
                {"CP936", "GBK"},
                {"ISO-8859-1", "ISO_IR 100"},
                {"Windows-1252", "ISO_IR 100"},
                {"CP1252", "ISO_IR 100"},
                {"ISO-8859-2", "ISO_IR 101"},
                {"ISO-8859-3", "ISO_IR 109"},
                {"ISO-8859-4", "ISO_IR 110"},
                {"ISO-8859-5", "ISO_IR 144"},
                {"ISO-8859-6", "ISO_IR 127"},
                {"ISO-8859-7", "ISO_IR 126"},
                {"ISO-8859-8", "ISO_IR 138"},
                {"ISO-8859-9", "ISO_IR 148"},
                {"ISO-8859-15", "ISO_IR 203"},
                {"TIS-620", "ISO_IR 166"},
                {"windows-31j", "Shift_JIS"},
                {"ks_c_5601-1987", "EUC-KR"}};
    char name[40];
    bool big;
    const char *term = "ISO_IR 192";
    bool wide = ecg_xml_is_wide(file, &big);
    declared(file, name, sizeof name);
    if (!wide && !is_ascii(file)) {
        bool is_utf8 = base_utf8_valid((const char *)file.p, file.n);
        dicom_charset_parse(&cs->declared, base_bytes_str(name));
        if (!is_utf8 && name[0] && !cs->declared.unknown)
            term = name; /* as dicom_charset knows it */
        cs->bytewise = !is_utf8;
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
            if (strcasecmp(sets[i].name, name) == 0) {
                term = sets[i].term;
                cs->bytewise = true;
            }
        /* These are declared also by who does not think of it. */
        bool is_usual = strcmp(term, "ISO_IR 100") == 0 || strcmp(term, "ISO_IR 192") == 0 ||
                        strcasecmp(term, "UTF-8") == 0;
        cs->guessed = is_usual && !is_utf8 && is_gbk(file);
    }
    if (cs->guessed)
        term = "GBK";
    cs->windows = cs->bytewise && strcmp(term, "ISO_IR 100") == 0;
    dicom_charset_parse(&cs->declared, base_bytes_str(term));
    return cs->bytewise ? "ISO-8859-1" : "UTF-8";
}

/* ---- texts ---- */

/* The file's bytes of a text that was fed as ISO 8859-1. Characters that were
 * written as references (&#x4F60;) are none of its bytes: *mixed. */
static struct base_bytes bytes_of(struct ecg_xml_charset *cs, struct base_bytes text, bool *mixed)
{
    *mixed = false;
    if (!cs->bytewise)
        return text;
    base_buf_reset(&cs->raw);
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c < 0x80) {
            base_buf_add_byte(&cs->raw, c);
        } else if ((c == 0xc2 || c == 0xc3) && i + 1 < text.n) {
            base_buf_add_byte(&cs->raw, (uint8_t)((c & 3) << 6 | (text.p[++i] & 0x3f)));
        } else {
            *mixed = true;
            base_buf_add_byte(&cs->raw, c);
        }
    }
    return base_buf_bytes(&cs->raw);
}

/* Windows-1252 has characters where ISO 8859-1 has control codes. */
static const char *from_windows(struct ecg_record *r, struct base_bytes raw)
{
    static const uint16_t high[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    struct base_buf out = {0};
    struct dicom_charset utf8;
    bool guessed;
    dicom_charset_parse(&utf8, base_bytes_str("ISO_IR 192"));
    for (size_t i = 0; i < raw.n; i++) {
        char c[4];
        bool special = raw.p[i] >= 0x80 && raw.p[i] < 0xa0;
        base_buf_add(&out, c, base_utf8_put(special ? high[raw.p[i] - 0x80] : raw.p[i], c));
    }
    ecg_record_fail(r, out.err);
    const char *text = ecg_text_utf8(r, base_buf_bytes(&out), &utf8, &guessed);
    base_buf_deinit(&out);
    return text;
}

const char *ecg_xml_charset_text(struct ecg_xml_charset *cs, struct ecg_record *r,
                                 struct base_bytes text, struct base_bytes *raw, bool *guessed)
{
    struct dicom_charset utf8;
    bool mixed;
    bool special = false;
    *raw = bytes_of(cs, text, &mixed);
    ecg_record_fail(r, cs->raw.err);
    if (mixed) {
        *raw = text;
        dicom_charset_parse(&utf8, base_bytes_str("ISO_IR 192"));
        return ecg_text_utf8(r, text, &utf8, guessed);
    }
    for (size_t i = 0; i < raw->n; i++)
        special |= raw->p[i] >= 0x80 && raw->p[i] < 0xa0;
    const char *out = ecg_text_utf8(r, *raw, &cs->declared, guessed);
    for (size_t i = 0; i < raw->n && cs->guessed; i++)
        *guessed |= raw->p[i] >= 0x80;
    return cs->windows && special && !*guessed ? from_windows(r, *raw) : out;
}
