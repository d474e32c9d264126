#include "model/model_pinyin.h"

#include "base/utf8.h"

#include <string.h>
#include <unicode/ustring.h>
#include <unicode/utrans.h>

enum { UNITS_MAX = 8 * MODEL_PINYIN_MAX };

static const char *const name_rules = "Han-Latin/Names; Any-Latin; Latin-ASCII; Upper";
static const char *const text_rules = "Han-Latin; Any-Latin; Latin-ASCII; Upper";

/* UTF-8 to ASCII capitals, NUL-terminated, syllables parted by blanks. */
static enum base_err transliterate(const char *rules, const char *s, size_t n,
                                   char out[UNITS_MAX + 1])
{
    UErrorCode e = U_ZERO_ERROR;
    UChar id[64];
    UChar text[UNITS_MAX];
    int32_t units = 0;
    if (n > INT32_MAX)
        return BASE_EINVAL;
    u_uastrcpy(id, rules);
    u_strFromUTF8(text, MODEL_PINYIN_MAX, &units, s, (int32_t)n, &e);
    if (e == U_BUFFER_OVERFLOW_ERROR) {
        e = U_ZERO_ERROR;
        units = MODEL_PINYIN_MAX;
    }
    if (U_FAILURE(e))
        return BASE_EINVAL;
    UTransliterator *t = utrans_openU(id, -1, UTRANS_FORWARD, NULL, 0, NULL, &e);
    if (!t)
        return BASE_ENOMEM;
    int32_t limit = units;
    utrans_transUChars(t, text, &units, UNITS_MAX, 0, &limit, &e);
    utrans_close(t);
    if (U_FAILURE(e))
        return BASE_EINVAL;
    for (int32_t i = 0; i < units; i++)
        out[i] = text[i] >= ' ' && text[i] < 127 ? (char)text[i] : '?';
    out[units] = 0;
    return BASE_OK;
}

static bool is_ascii(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] >= 0x80)
            return false;
    return true;
}

/* CJK ideographs: U+3400 to U+9FFF, U+F900 to U+FAFF, U+20000 and above. */
static bool has_han(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        const unsigned char *c = (const unsigned char *)s + i;
        size_t length = base_utf8_sequence(s + i, n - i);
        if (length == 3) {
            unsigned point = (c[0] & 0x0Fu) << 12 | (c[1] & 0x3Fu) << 6 | (c[2] & 0x3Fu);
            if ((point >= 0x3400 && point <= 0x9FFF) || (point >= 0xF900 && point <= 0xFAFF))
                return true;
        } else if (length == 4 && ((c[0] & 7u) << 18 | (c[1] & 0x3Fu) << 12) >= 0x20000) {
            return true;
        }
        i += length ? length : 1;
    }
    return false;
}

void model_pinyin_warm(void)
{
    struct base_buf out = {0};
    static const char *const one = "\xE4\xB8\x80"; /* 一 */
    if (model_pinyin_name(one, 3, &out) == BASE_OK)
        (void)!model_pinyin_text(one, 3, &out);
    base_buf_deinit(&out);
}

static void add_upper(const char *s, size_t n, struct base_buf *out)
{
    for (size_t i = 0; i < n; i++)
        base_buf_add_byte(out, (uint8_t)(s[i] >= 'a' && s[i] <= 'z' ? s[i] - 'a' + 'A' : s[i]));
}

/* How many characters the family name has. */
static unsigned family_length(const char *s, size_t n)
{
    static const char *const compound[] = {"欧阳", "司马", "诸葛", "上官", "司徒", "东方", "独孤",
                                           "南宫", "夏侯", "皇甫", "尉迟", "公孙", "慕容", "长孙",
                                           "宇文", "令狐", "轩辕", "端木", "百里", "呼延"};
    for (size_t i = 0; i < sizeof compound / sizeof compound[0]; i++)
        if (n > strlen(compound[i]) && memcmp(s, compound[i], strlen(compound[i])) == 0)
            return 2;
    return 1;
}

/* A component of a name: its syllables run together; an undivided name gets the
 * delimiter behind its family name. */
static enum base_err add_component(const char *s, size_t n, bool whole, struct base_buf *out)
{
    char ascii[UNITS_MAX + 1];
    if (is_ascii(s, n)) {
        add_upper(s, n, out);
        return out->err;
    }
    enum base_err err = transliterate(name_rules, s, n, ascii);
    if (err)
        return err;
    unsigned family = whole && has_han(s, n) ? family_length(s, n) : 0;
    unsigned syllable = 0;
    for (const char *p = ascii; *p; p++) {
        if (*p != ' ')
            base_buf_add_byte(out, (uint8_t)*p);
        else if (++syllable == family && p[1])
            base_buf_add_byte(out, '^');
    }
    return out->err;
}

enum base_err model_pinyin_name(const char *name, size_t n, struct base_buf *out)
{
    const char *end = name + n;
    const char *group = name;
    const char *first_end = memchr(name, '=', n);
    size_t size = first_end ? (size_t)(first_end - name) : n;
    for (const char *p = name; p < end;) {
        const char *stop = memchr(p, '=', (size_t)(end - p));
        stop = stop ? stop : end;
        if (has_han(p, (size_t)(stop - p))) {
            group = p;
            size = (size_t)(stop - p);
            break;
        }
        p = stop + 1;
    }
    bool whole = !memchr(group, '^', size);
    for (const char *p = group; p <= group + size;) {
        const char *stop = memchr(p, '^', (size_t)(group + size - p));
        stop = stop ? stop : group + size;
        enum base_err err = add_component(p, (size_t)(stop - p), whole, out);
        if (err)
            return err;
        if (stop < group + size)
            base_buf_add_byte(out, '^');
        p = stop + 1;
    }
    return out->err;
}

enum base_err model_pinyin_text(const char *text, size_t n, struct base_buf *out)
{
    char ascii[UNITS_MAX + 1];
    if (is_ascii(text, n)) {
        base_buf_add(out, text, n);
        return out->err;
    }
    enum base_err err = transliterate(text_rules, text, n, ascii);
    if (err)
        return err;
    base_buf_add(out, ascii, strlen(ascii));
    return out->err;
}
