/* Values of the DICOM JSON Model (PS3.18 F.2) as the bytes of an element. */
#include "dicom/dicom_model_priv.h"

#include "base/base64.h"
#include "dicom/dicom_dataset.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IS_MAX = 12, DS_MAX = 16 /* PS3.5 6.2 */ };
#define DS_WHOLE INT64_C(1000000000000000) /* whole numbers below it fit, with their sign */

static enum base_err BASE_PRINTF(2, 3) bad(struct dicom_model_value *to, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(to->wrong, sizeof to->wrong, fmt, ap);
    va_end(ap);
    return BASE_EFORMAT;
}

/* ---- text ---- */

static bool is_single(enum dicom_vr vr)
{
    return vr == DICOM_VR_LT || vr == DICOM_VR_ST || vr == DICOM_VR_UT || vr == DICOM_VR_UR;
}

/* PS3.5 6.2: the characters of dates and times, in the forms of ACR-NEMA too. What other programs
 * mean by them, such as 1980-01-02, would be no date for any device. */
static enum base_err check_time(struct dicom_model_value *to, enum dicom_vr vr, const char *s,
                                size_t n)
{
    static const struct {
        enum dicom_vr vr;
        const char *characters;
        const char *form;
    } known[] = {{DICOM_VR_DA, "0123456789.", "YYYYMMDD"},
                 {DICOM_VR_TM, "0123456789.:", "HHMMSS"},
                 {DICOM_VR_DT, "0123456789.+-", "YYYYMMDDHHMMSS+ZZZZ"},
                 {DICOM_VR_AS, "0123456789DWMY", "045Y"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t signs = 0; /* one is that of the offset */
        for (size_t k = 0; k < n && vr == known[i].vr; k++) {
            signs += s[k] == '-' || s[k] == '+';
            if (signs > 1 || (s[k] != ' ' && !strchr(known[i].characters, s[k])))
                return bad(to, "a value of %s is not written as %s", dicom_vr_text(vr),
                           known[i].form);
        }
    }
    return BASE_OK;
}

/* PS3.5 6.1.3: of the control characters only these. A backslash would part it
 * in two (6.4). */
static enum base_err check_text(struct dicom_model_value *to, enum dicom_vr vr, const char *s,
                                size_t n)
{
    bool free_text = vr == DICOM_VR_LT || vr == DICOM_VR_ST || vr == DICOM_VR_UT;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        bool line = c == '\t' || c == '\n' || c == '\f' || c == '\r';
        if ((c < ' ' && !(free_text && line)) || c == 0x7F)
            return bad(to, "a value has a control character");
        if (c > 0x7F && !dicom_vr_has_charset(vr))
            return bad(to, "a value of %s is not ASCII", dicom_vr_text(vr));
        if (c == '\\' && !is_single(vr))
            return bad(to, "a value has a backslash in it");
    }
    return check_time(to, vr, s, n);
}

/* F.2.2: the component groups of a name. */
static enum base_err add_name(struct dicom_model_value *to, const json_t *name)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
    size_t end = to->bytes.n;
    if (!json_is_object(name))
        return bad(to, "a value of PN is no object of names");
    for (size_t g = 0; g < 3; g++) {
        const json_t *text = json_object_get(name, groups[g]);
        const char *s = json_string_value(text);
        if (text && !s && !json_is_null(text))
            return bad(to, "%s of a name is no text", groups[g]);
        if (s && strchr(s, '='))
            return bad(to, "%s of a name has a = in it", groups[g]);
        enum base_err err = s ? check_text(to, DICOM_VR_PN, s, strlen(s)) : BASE_OK;
        if (err)
            return err;
        if (s)
            base_buf_add_str(&to->bytes, s);
        if (s && s[0])
            end = to->bytes.n;
        if (g < 2)
            base_buf_add_byte(&to->bytes, '=');
    }
    if (!to->bytes.err) /* empty groups at the end are left out */
        to->bytes.n = end;
    return BASE_OK;
}

/* The shortest text of at most 16 characters that reads as this number, or else
 * comes nearest. */
static void add_decimal(struct dicom_model_value *to, double v)
{
    char text[40];
    int digits = 1;
    int n = 0;
    for (; digits <= 17; digits++) {
        n = snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    for (; n > DS_MAX && digits > 1; digits--)
        n = snprintf(text, sizeof text, "%.*g", digits - 1, v);
    base_buf_add(&to->bytes, text, (size_t)n);
}

static bool integer_of(const json_t *v, int64_t *out)
{
    const char *s = json_string_value(v);
    char *end;
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    if (json_is_real(v) && fabs(json_real_value(v)) < 9e15 &&
        json_real_value(v) == trunc(json_real_value(v))) {
        *out = (int64_t)json_real_value(v);
        return true;
    }
    if (!s || !s[0] || s[strspn(s, "+-0123456789")])
        return false;
    errno = 0;
    *out = strtoll(s, &end, 10);
    return *end == '\0' && !errno;
}

/* PS3.5 6.2 */
static bool is_in_range_of_is(int64_t n)
{
    return n >= INT32_MIN && n <= INT32_MAX;
}

/* The text of a DS or IS. */
static enum base_err add_number_text(struct dicom_model_value *to, enum dicom_vr vr, const char *s)
{
    size_t n = strlen(s);
    char *end;
    bool integer = vr == DICOM_VR_IS;
    const char *digits = s + strspn(s, " ");
    size_t used = strspn(digits, integer ? "+-0123456789" : "+-0123456789.eE");
    if (digits[used + strspn(digits + used, " ")])
        return bad(to, "a value of %s is no number", dicom_vr_text(vr));
    bool in_range = true;
    if (integer)
        in_range = is_in_range_of_is(strtoll(digits, &end, 10));
    else
        (void)strtod(digits, &end);
    if (n > 0 && (end == digits || end != digits + used))
        return bad(to, "a value of %s is no number", dicom_vr_text(vr));
    if (!in_range)
        return bad(to, "a value is out of the range of IS");
    if (n > (integer ? IS_MAX : DS_MAX))
        return bad(to, "a value of %s is too long", dicom_vr_text(vr));
    base_buf_add(&to->bytes, s, n);
    return BASE_OK;
}

static enum base_err add_number(struct dicom_model_value *to, enum dicom_vr vr, const json_t *v)
{
    int64_t n;
    bool whole = integer_of(v, &n);
    if (json_is_string(v))
        return add_number_text(to, vr, json_string_value(v));
    if (!json_is_number(v) || (vr == DICOM_VR_IS && !whole))
        return bad(to, "a value of %s is no number", dicom_vr_text(vr));
    if (vr == DICOM_VR_IS && !is_in_range_of_is(n))
        return bad(to, "a value is out of the range of IS");
    if (whole && n > -DS_WHOLE && n < DS_WHOLE)
        base_buf_printf(&to->bytes, "%lld", (long long)n);
    else
        add_decimal(to, json_number_value(v));
    return BASE_OK;
}

static enum base_err add_string(struct dicom_model_value *to, enum dicom_vr vr, const json_t *v)
{
    const char *s = json_string_value(v);
    if (!s)
        return bad(to, "a value of %s is no text", dicom_vr_text(vr));
    if (vr == DICOM_VR_UI && s[0] && !dicom_uid_usable(s))
        return bad(to, "a value of UI is no UID");
    enum base_err err = check_text(to, vr, s, json_string_length(v));
    base_buf_add(&to->bytes, s, json_string_length(v));
    return err;
}

static enum base_err add_texts(struct dicom_model_value *to, enum dicom_vr vr, const json_t *values)
{
    size_t i;
    json_t *v;
    if (is_single(vr) && json_array_size(values) > 1)
        return bad(to, "%s has one value only", dicom_vr_text(vr));
    json_array_foreach(values, i, v)
    {
        enum base_err err = BASE_OK;
        if (i)
            base_buf_add_byte(&to->bytes, '\\');
        if (json_is_null(v)) /* F.2.5: an empty value among others */
            continue;
        if (vr == DICOM_VR_PN)
            err = add_name(to, v);
        else if (vr == DICOM_VR_DS || vr == DICOM_VR_IS)
            err = add_number(to, vr, v);
        else
            err = add_string(to, vr, v);
        if (err)
            return err;
    }
    return BASE_OK;
}

/* ---- bits ---- */

static const struct binary {
    enum dicom_vr vr;
    unsigned bytes;
    int64_t min;
    int64_t max;
} binaries[] = {
    {DICOM_VR_US, 2, 0, UINT16_MAX}, {DICOM_VR_SS, 2, INT16_MIN, INT16_MAX},
    {DICOM_VR_UL, 4, 0, UINT32_MAX}, {DICOM_VR_SL, 4, INT32_MIN, INT32_MAX},
    {DICOM_VR_UV, 8, 0, 0},          {DICOM_VR_SV, 8, INT64_MIN, INT64_MAX},
    {DICOM_VR_AT, 4, 0, UINT32_MAX}, {DICOM_VR_FL, 4, 0, 0},
    {DICOM_VR_FD, 8, 0, 0},
};

static const struct binary *binary_of(enum dicom_vr vr)
{
    for (size_t i = 0; i < sizeof binaries / sizeof binaries[0]; i++)
        if (binaries[i].vr == vr)
            return &binaries[i];
    return NULL;
}

static void add_le(struct dicom_model_value *to, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        base_buf_add_byte(&to->bytes, (uint8_t)(v >> 8 * i));
}

/* F.2.3.1: a text where the number is larger than those of JSON's readers. */
static bool unsigned_of(const json_t *v, uint64_t *out)
{
    const char *s = json_string_value(v);
    int64_t n;
    if (!s) {
        bool whole = integer_of(v, &n) && n >= 0;
        *out = whole ? (uint64_t)n : 0;
        return whole;
    }
    if (!s[0] || s[strspn(s, "0123456789")])
        return false;
    errno = 0;
    *out = strtoull(s, NULL, 10);
    return !errno;
}

/* Numbers, and F.2.3's strings for what JSON has no number for. */
static bool real_of(const json_t *v, double *out)
{
    const char *s = json_string_value(v);
    char *end;
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    if (!s || !s[0] || strlen(s) > 40)
        return false;
    *out = strtod(s, &end);
    return *end == '\0' && !strpbrk(s, "xXpP(");
}

static enum base_err add_real(struct dicom_model_value *to, enum dicom_vr vr, const json_t *v)
{
    double real;
    float single;
    uint64_t bits;
    uint32_t half;
    if (!real_of(v, &real))
        return bad(to, "a value of %s is no number", dicom_vr_text(vr));
    if (vr == DICOM_VR_FL && isfinite(real) && fabs(real) > (double)FLT_MAX)
        return bad(to, "a value is out of the range of FL");
    single = (float)real;
    memcpy(&bits, &real, sizeof bits);
    memcpy(&half, &single, sizeof half);
    add_le(to, vr == DICOM_VR_FL ? half : bits, vr == DICOM_VR_FL ? 4 : 8);
    return BASE_OK;
}

/* F.2.3: AT is a text of eight hexadecimal digits. */
static enum base_err add_tag(struct dicom_model_value *to, const json_t *v)
{
    const char *s = json_string_value(v);
    if (!s || strlen(s) != 8 || strspn(s, "0123456789abcdefABCDEF") != 8)
        return bad(to, "a value of AT is no tag of 8 digits");
    uint32_t tag = (uint32_t)strtoul(s, NULL, 16);
    add_le(to, DICOM_GROUP(tag), 2);
    add_le(to, DICOM_ELEMENT_NUMBER(tag), 2);
    return BASE_OK;
}

static enum base_err add_binaries(struct dicom_model_value *to, const struct binary *t,
                                  const json_t *values)
{
    size_t i;
    json_t *v;
    json_array_foreach(values, i, v)
    {
        int64_t n;
        uint64_t u;
        enum base_err err = BASE_OK;
        if (t->vr == DICOM_VR_AT)
            err = add_tag(to, v);
        else if (t->vr == DICOM_VR_UV && unsigned_of(v, &u))
            add_le(to, u, t->bytes);
        else if (t->vr == DICOM_VR_UV)
            err = bad(to, "a value of UV is no whole number from 0 to 2^64 - 1");
        else if (t->vr == DICOM_VR_FL || t->vr == DICOM_VR_FD)
            err = add_real(to, t->vr, v);
        else if (!integer_of(v, &n))
            err = bad(to, "a value of %s is no whole number", dicom_vr_text(t->vr));
        else if (n < t->min || n > t->max)
            err = bad(to, "a value is out of the range of %s", dicom_vr_text(t->vr));
        else
            add_le(to, (uint64_t)n, t->bytes);
        if (err)
            return err;
    }
    return BASE_OK;
}

/* How many bytes one value has, to be checked against. */
static unsigned unit_of(enum dicom_vr vr)
{
    switch ((int)vr) {
    case DICOM_VR_OW:
        return 2;
    case DICOM_VR_OF:
    case DICOM_VR_OL:
        return 4;
    case DICOM_VR_OD:
    case DICOM_VR_OV:
        return 8;
    case DICOM_VR_OB:
    case DICOM_VR_UN:
        return 1;
    default: {
        const struct binary *t = binary_of(vr);
        return t ? t->bytes : 1;
    }
    }
}

enum base_err dicom_model_add_values(struct dicom_model_value *to, enum dicom_vr vr,
                                     const json_t *values)
{
    const struct binary *t = binary_of(vr);
    if (dicom_vr_is_text(vr))
        return add_texts(to, vr, values);
    if (t)
        return add_binaries(to, t, values);
    return json_array_size(values)
               ? bad(to, "%s needs InlineBinary or BulkDataURI", dicom_vr_text(vr))
               : BASE_OK;
}

/* F.2.7: little endian, as it stands in the data set. Older editions' example has it
 * in an array. */
enum base_err dicom_model_add_inline(struct dicom_model_value *to, enum dicom_vr vr,
                                     const json_t *v)
{
    const json_t *text = json_array_size(v) == 1 ? json_array_get(v, 0) : v;
    const char *s = json_string_value(text);
    if (vr == DICOM_VR_SQ || dicom_vr_is_text(vr))
        return bad(to, "%s is not written as InlineBinary", dicom_vr_text(vr));
    if (!s || !base_base64_decode(s, json_string_length(text), &to->bytes))
        return bad(to, "InlineBinary is no Base64");
    if (!to->bytes.err && to->bytes.n % unit_of(vr))
        return bad(to, "InlineBinary is no multiple of %u bytes", unit_of(vr));
    return BASE_OK;
}
