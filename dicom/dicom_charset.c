#include "dicom/dicom_charset.h"
#include "base/utf8.h"

#include <errno.h>
#include <iconv.h>

enum kind {
    KIND_ASCII,
    KIND_SINGLE,    /* ASCII in G0, one byte per character in G1 */
    KIND_WHOLE,     /* no code extensions: UTF-8, GB18030, GBK */
    KIND_DOUBLE_G0, /* ISO 2022, two bytes of 7 bits */
    KIND_DOUBLE_G1  /* ISO 2022, two bytes of 8 bits */
};

enum set {
    SET_ASCII,
    SET_8859_1,
    SET_8859_2,
    SET_8859_3,
    SET_8859_4,
    SET_8859_5,
    SET_8859_6,
    SET_8859_7,
    SET_8859_8,
    SET_8859_9,
    SET_8859_15,
    SET_JIS_X0201,
    SET_TIS_620,
    SET_UTF_8,
    SET_GB18030,
    SET_GBK,
    SET_JIS_X0208,
    SET_JIS_X0212,
    SET_KS_X1001,
    SET_GB2312,
    SET_CP1250,
    SET_CP1251,
    SET_CP1253,
    SET_CP1254,
    SET_CP1255,
    SET_CP1256,
    SET_CP1257,
    SET_CP1258,
    SET_CP874,
    SET_KOI8_R,
    SET_SHIFT_JIS,
    SET_EUC_JP,
    SET_EUC_KR,
    SET_BIG5,
    SET_COUNT
};

/* iconv's name; the number of "ISO_IR n" and "ISO 2022 IR n", or another term. */
static const struct {
    const char *iconv;
    const char *number;
    const char *escape; /* PS3.3 Tables C.12-3 and C.12-4, after ESC */
    enum kind kind;
} sets[SET_COUNT] = {
    [SET_ASCII] = {"ASCII", "6", "(B", KIND_ASCII},
    [SET_8859_1] = {"ISO-8859-1", "100", "-A", KIND_SINGLE},
    [SET_8859_2] = {"ISO-8859-2", "101", "-B", KIND_SINGLE},
    [SET_8859_3] = {"ISO-8859-3", "109", "-C", KIND_SINGLE},
    [SET_8859_4] = {"ISO-8859-4", "110", "-D", KIND_SINGLE},
    [SET_8859_5] = {"ISO-8859-5", "144", "-L", KIND_SINGLE},
    [SET_8859_6] = {"ISO-8859-6", "127", "-G", KIND_SINGLE},
    [SET_8859_7] = {"ISO-8859-7", "126", "-F", KIND_SINGLE},
    [SET_8859_8] = {"ISO-8859-8", "138", "-H", KIND_SINGLE},
    [SET_8859_9] = {"ISO-8859-9", "148", "-M", KIND_SINGLE},
    [SET_8859_15] = {"ISO-8859-15", "203", "-b", KIND_SINGLE},
    [SET_JIS_X0201] = {"SHIFT_JIS", "13", ")I", KIND_SINGLE},
    [SET_TIS_620] = {"TIS-620", "166", "-T", KIND_SINGLE},
    [SET_UTF_8] = {"UTF-8", "192", NULL, KIND_WHOLE},
    [SET_GB18030] = {"GB18030", "GB18030", NULL, KIND_WHOLE},
    [SET_GBK] = {"GBK", "GBK", NULL, KIND_WHOLE},
    [SET_JIS_X0208] = {"EUC-JP", "87", "$B", KIND_DOUBLE_G0},
    [SET_JIS_X0212] = {"EUC-JP", "159", "$(D", KIND_DOUBLE_G0},
    [SET_KS_X1001] = {"EUC-KR", "149", "$)C", KIND_DOUBLE_G1},
    [SET_GB2312] = {"GB2312", "58", "$)A", KIND_DOUBLE_G1},
    /* None of DICOM's: of other formats, as IANA calls them. Always whole texts, never extended. */
    [SET_CP1250] = {"CP1250", "WINDOWS1250", NULL, KIND_SINGLE},
    [SET_CP1251] = {"CP1251", "WINDOWS1251", NULL, KIND_SINGLE},
    [SET_CP1253] = {"CP1253", "WINDOWS1253", NULL, KIND_SINGLE},
    [SET_CP1254] = {"CP1254", "WINDOWS1254", NULL, KIND_SINGLE},
    [SET_CP1255] = {"CP1255", "WINDOWS1255", NULL, KIND_SINGLE},
    [SET_CP1256] = {"CP1256", "WINDOWS1256", NULL, KIND_SINGLE},
    [SET_CP1257] = {"CP1257", "WINDOWS1257", NULL, KIND_SINGLE},
    [SET_CP1258] = {"CP1258", "WINDOWS1258", NULL, KIND_SINGLE},
    [SET_CP874] = {"CP874", "WINDOWS874", NULL, KIND_SINGLE},
    [SET_KOI8_R] = {"KOI8-R", "KOI8R", NULL, KIND_SINGLE},
    [SET_SHIFT_JIS] = {"CP932", "SHIFTJIS", NULL, KIND_SINGLE},
    [SET_EUC_JP] = {"EUC-JP", "EUCJP", NULL, KIND_SINGLE},
    [SET_EUC_KR] = {"CP949", "EUCKR", NULL, KIND_SINGLE},
    [SET_BIG5] = {"BIG5-HKSCS", "BIG5", NULL, KIND_SINGLE},
};

enum { ESC = 0x1B };

/* "ISO_IR 100", "ISO 2022 IR 58", and how devices misspell them: case, spaces,
 * underscores and hyphens do not count. */
static enum set find_term(struct base_bytes term)
{
    char text[24];
    size_t n = 0;
    for (size_t i = 0; i < term.n; i++) {
        char c = (char)term.p[i];
        if (c == ' ' || c == '_' || c == '-' || c == 0)
            continue;
        if (n + 1 >= sizeof text)
            return SET_COUNT;
        text[n++] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    text[n] = 0;
    const char *number = text;
    if (n == 0)
        return SET_ASCII;
    if (strcmp(text, "UTF8") == 0)
        return SET_UTF_8;
    if (strncmp(text, "ISO2022IR", 9) == 0)
        number = text + 9;
    else if (strncmp(text, "ISOIR", 5) == 0)
        number = text + 5;
    for (int i = 0; i < SET_COUNT; i++)
        if (strcmp(sets[i].number, number) == 0)
            return (enum set)i;
    return SET_COUNT;
}

void dicom_charset_parse(struct dicom_charset *cs, struct base_bytes value)
{
    *cs = (struct dicom_charset){0};
    while (value.n && cs->n < DICOM_CHARSET_TERMS) {
        const uint8_t *slash = memchr(value.p, '\\', value.n);
        size_t n = slash ? (size_t)(slash - value.p) : value.n;
        enum set set = find_term(base_bytes_of(value.p, n));
        if (set == SET_COUNT) {
            cs->unknown = true;
            set = SET_ASCII;
        }
        cs->set[cs->n++] = (uint8_t)set;
        value.p += n + (slash != NULL);
        value.n -= n + (slash != NULL);
    }
}

/* Appends the bytes converted; nothing on failure. EFORMAT: not in this set. */
static enum base_err convert(const char *to, const char *from, struct base_bytes in,
                             struct base_buf *out)
{
    size_t before = out->n;
    enum base_err err = BASE_OK;
    iconv_t cd = iconv_open(to, from);
    if (cd == (iconv_t)-1)
        return errno == ENOMEM ? BASE_ENOMEM : BASE_EUNSUPPORTED;
    char *src = (char *)(uintptr_t)in.p;
    size_t left = in.n;
    while (left && !err) {
        char chunk[512];
        char *dst = chunk;
        size_t room = sizeof chunk;
        size_t rc = iconv(cd, &src, &left, &dst, &room);
        int why = rc == (size_t)-1 ? errno : 0;
        base_buf_add(out, chunk, sizeof chunk - room);
        if (why != 0 && why != E2BIG)
            err = BASE_EFORMAT;
        else if (out->err)
            err = out->err;
    }
    iconv_close(cd);
    if (err && !out->err)
        out->n = before;
    return err;
}

static bool is_gbk_pair(uint8_t a, uint8_t b)
{
    return a >= 0x81 && a <= 0xFE && b >= 0x40 && b <= 0xFE && b != 0x7F;
}

bool dicom_charset_is_gbk(struct base_bytes v)
{
    if (base_utf8_valid((const char *)v.p, v.n))
        return false;
    bool common = false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < 0x80)
            continue;
        if (i + 1 >= v.n || !is_gbk_pair(v.p[i], v.p[i + 1]))
            return false;
        common |= v.p[i] >= 0xB0 && v.p[i] <= 0xD7 && v.p[i + 1] >= 0xA1;
        i++;
    }
    return common;
}

/* The set is not known, or what was declared does not fit. DEVIATION (PS3.5 6.1.2). */
static enum base_err guess(struct base_bytes v, struct base_buf *out)
{
    if (base_utf8_valid((const char *)v.p, v.n)) {
        base_buf_add(out, v.p, v.n);
        return out->err;
    }
    if (dicom_charset_is_gbk(v)) {
        enum base_err err = convert("UTF-8", "GB18030", v, out);
        if (err != BASE_EFORMAT)
            return err;
    }
    return convert("UTF-8", "ISO-8859-1", v, out);
}

/* -- ISO 2022 code extensions, PS3.5 6.1.2.5 -- */

struct shift {
    enum set g0; /* ASCII or a KIND_DOUBLE_G0 */
    enum set g1; /* SET_ASCII: none */
};

static struct shift initial_shift(const struct dicom_charset *cs)
{
    enum set first = cs->n ? (enum set)cs->set[0] : SET_ASCII;
    return (struct shift){SET_ASCII, sets[first].kind == KIND_SINGLE ? first : SET_ASCII};
}

/* Takes the escape sequence at v (which starts behind ESC); 0 when unknown. */
static size_t take_escape(struct base_bytes v, struct shift *s)
{
    if (v.n >= 2 && memcmp(v.p, "(J", 2) == 0) { /* JIS X 0201 romaji, read as ASCII */
        s->g0 = SET_ASCII;
        return 2;
    }
    if (v.n >= 2 && memcmp(v.p, "$@", 2) == 0) { /* JIS C 6226-1978 */
        s->g0 = SET_JIS_X0208;
        return 2;
    }
    for (int i = 0; i < SET_COUNT; i++) {
        size_t n = sets[i].escape ? strlen(sets[i].escape) : 0;
        if (n == 0 || v.n < n || memcmp(v.p, sets[i].escape, n) != 0)
            continue;
        if (sets[i].kind == KIND_ASCII || sets[i].kind == KIND_DOUBLE_G0)
            s->g0 = (enum set)i;
        else
            s->g1 = (enum set)i;
        return n;
    }
    return 0;
}

/* Two-byte characters of 7 bits, as EUC-JP has them with the high bit set. */
static enum base_err convert_g0(enum set set, struct base_bytes run, struct base_buf *out)
{
    uint8_t euc[3 * 128];
    if (run.n % 2)
        return BASE_EFORMAT;
    while (run.n) {
        size_t n = 0;
        size_t take = run.n < 256 ? run.n : 256;
        for (size_t i = 0; i < take; i += 2) {
            if (set == SET_JIS_X0212)
                euc[n++] = 0x8F;
            euc[n++] = run.p[i] | 0x80;
            euc[n++] = run.p[i + 1] | 0x80;
        }
        enum base_err err = convert("UTF-8", "EUC-JP", base_bytes_of(euc, n), out);
        if (err)
            return err;
        run.p += take;
        run.n -= take;
    }
    return BASE_OK;
}

static bool is_delimiter(uint8_t c)
{
    return c == '\\' || c == '^' || c == '=' || c == '\r' || c == '\n' || c == '\f' || c == '\t';
}

/* The length of the run at v whose bytes are all in G1, or all graphic in G0. */
static size_t run_of(struct base_bytes v)
{
    size_t n = 0;
    bool high = v.p[0] >= 0x80;
    while (n < v.n && (high ? v.p[n] >= 0x80 : v.p[n] > 0x20 && v.p[n] < 0x7F))
        n++;
    return n;
}

/* *guessed: a part has no escape of its own, and is read by that of an earlier one. */
static enum base_err convert_2022(const struct dicom_charset *cs, struct base_bytes v,
                                  struct base_buf *out, bool *guessed)
{
    struct shift s = initial_shift(cs);
    enum set last = SET_ASCII; /* in G1 */
    while (v.n) {
        size_t n = 1;
        enum base_err err = BASE_OK;
        bool double_g0 = sets[s.g0].kind == KIND_DOUBLE_G0;
        if (v.p[0] == ESC) {
            size_t taken = take_escape(base_bytes_of(v.p + 1, v.n - 1), &s);
            if (!taken)
                return BASE_EFORMAT;
            n += taken;
            last = s.g1;
        } else if (v.p[0] >= 0x80) {
            n = run_of(v);
            if (s.g1 == SET_ASCII) {
                s.g1 = last;
                *guessed = true;
            }
            if (s.g1 == SET_ASCII)
                return BASE_EFORMAT;
            err = convert("UTF-8", sets[s.g1].iconv, base_bytes_of(v.p, n), out);
        } else if (double_g0 && v.p[0] > 0x20 && v.p[0] < 0x7F) {
            n = run_of(v);
            err = convert_g0(s.g0, base_bytes_of(v.p, n), out);
        } else {
            base_buf_add_byte(out, v.p[0]);
            if (is_delimiter(v.p[0]))
                s = initial_shift(cs); /* PS3.5 6.1.2.5.3 */
        }
        if (err)
            return err;
        v.p += n;
        v.n -= n;
    }
    return out->err;
}

/* By what was declared; EFORMAT when that does not fit. */
static enum base_err convert_declared(const struct dicom_charset *cs, struct base_bytes v,
                                      struct base_buf *out, bool *guessed)
{
    enum set first = cs->n ? (enum set)cs->set[0] : SET_ASCII;
    bool escape = memchr(v.p, ESC, v.n) != NULL;
    if (escape && sets[first].kind == KIND_WHOLE) {
        size_t before = out->n;
        enum base_err err = convert_2022(cs, v, out, guessed);
        if (err != BASE_EFORMAT) {
            *guessed = true; /* the set has no escapes */
            return err;
        }
        out->n = before;
    }
    if (first == SET_UTF_8) {
        if (!base_utf8_valid((const char *)v.p, v.n))
            return BASE_EFORMAT;
        base_buf_add(out, v.p, v.n);
        return out->err;
    }
    if (sets[first].kind == KIND_WHOLE) /* GB18030 contains GBK */
        return convert("UTF-8", "GB18030", v, out);
    if (escape || cs->n > 1 || sets[first].kind > KIND_WHOLE)
        return convert_2022(cs, v, out, guessed);
    if (first == SET_ASCII)
        return BASE_EFORMAT;
    if (first == SET_8859_1 && (dicom_charset_is_gbk(v) || base_utf8_valid((const char *)v.p, v.n)))
        return BASE_EFORMAT;
    return convert("UTF-8", sets[first].iconv, v, out);
}

/* Removes control characters from what was appended since `from`. */
static void drop_controls(struct base_buf *out, size_t from)
{
    size_t to = from;
    for (size_t i = from; i < out->n; i++) {
        uint8_t c = out->p[i];
        bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r') || c == 0x7F;
        if (!control)
            out->p[to++] = c;
    }
    out->n = to;
    if (out->p)
        out->p[to] = 0;
}

static struct base_bytes trim(struct base_bytes v)
{
    while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == 0))
        v.n--;
    return v;
}

enum base_err dicom_charset_to_utf8(const struct dicom_charset *cs, struct base_bytes value,
                                    struct base_buf *out, bool *guessed)
{
    struct base_bytes v = trim(value);
    if (v.n > DICOM_CHARSET_TEXT_MAX)
        return BASE_ELIMIT;
    if (out->err || v.n == 0)
        return out->err;
    size_t before = out->n;
    bool plain = true;
    for (size_t i = 0; i < v.n && plain; i++)
        plain = v.p[i] < 0x80 && v.p[i] != ESC;
    enum base_err err = BASE_OK;
    if (plain) {
        base_buf_add(out, v.p, v.n);
        err = out->err;
    } else {
        err = convert_declared(cs, v, out, guessed);
        if (err == BASE_EFORMAT) {
            out->n = before;
            *guessed = true;
            err = guess(v, out);
        }
    }
    if (!out->err)
        drop_controls(out, before);
    return err;
}

/* Puts the escape of a two-byte G1 set before the first such byte of each part. */
static void add_escapes(struct base_bytes euc, const char *escape, struct base_buf *out)
{
    bool designated = false;
    for (size_t i = 0; i < euc.n; i++) {
        if (euc.p[i] >= 0x80 && !designated) {
            base_buf_add_byte(out, ESC);
            base_buf_add_str(out, escape);
            designated = true;
        } else if (is_delimiter(euc.p[i])) {
            designated = false;
        }
        base_buf_add_byte(out, euc.p[i]);
    }
}

static enum base_err write_extended(enum set set, struct base_bytes v, struct base_buf *out)
{
    struct base_buf euc;
    base_buf_init(&euc, DICOM_CHARSET_TEXT_MAX * 2);
    enum base_err err = convert(sets[set].iconv, "UTF-8", v, &euc);
    if (!err) {
        add_escapes(base_buf_bytes(&euc), sets[set].escape, out);
        err = out->err;
    }
    base_buf_deinit(&euc);
    return err == BASE_EFORMAT ? BASE_EUNSUPPORTED : err;
}

enum base_err dicom_charset_from_utf8(const struct dicom_charset *cs, const char *utf8, size_t n,
                                      struct base_buf *out)
{
    struct base_bytes v = base_bytes_of(utf8, n);
    if (n > DICOM_CHARSET_TEXT_MAX)
        return BASE_ELIMIT;
    if (!base_utf8_valid(utf8, n))
        return BASE_EINVAL;
    bool ascii = true;
    for (size_t i = 0; i < n && ascii; i++)
        ascii = v.p[i] < 0x80;
    enum set first = cs->n ? (enum set)cs->set[0] : SET_ASCII;
    if (ascii || first == SET_UTF_8) {
        base_buf_add(out, utf8, n);
        return out->err;
    }
    if (sets[first].kind == KIND_SINGLE || sets[first].kind == KIND_WHOLE) {
        enum base_err err = convert(sets[first].iconv, "UTF-8", v, out);
        if (err != BASE_EFORMAT || cs->n < 2)
            return err == BASE_EFORMAT ? BASE_EUNSUPPORTED : err;
    }
    for (unsigned i = 0; i < cs->n; i++)
        if (sets[cs->set[i]].kind == KIND_DOUBLE_G1)
            return write_extended((enum set)cs->set[i], v, out);
    return BASE_EUNSUPPORTED;
}
