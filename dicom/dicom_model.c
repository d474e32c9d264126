#include "dicom/dicom_model.h"

#include "base/base64.h"
#include "dicom/dicom_dataset.h"
#include "dicom/dicom_model_priv.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IS_MAX = 12, DS_MAX = 16 /* PS3.5 6.2 */ };
#define DS_WHOLE INT64_C(1000000000000000) /* whole numbers below it fit, with their sign */

struct builder {
    struct dicom_writer w;
    struct dicom_model *m;
    struct base_error *error;
    struct base_buf value; /* of the element under way */
    uint32_t tag;          /* that is under way */
    uint32_t parent[DICOM_MODEL_DEPTH + 1];
    size_t item[DICOM_MODEL_DEPTH + 1];
    unsigned depth;
    /* of the top level, for the size of the pixel data; 0 = not there */
    uint64_t rows, columns, samples, bits;
    bool subsampled;
};

/* ---- errors ---- */

/* Where it is, and what: "(0008,0100) in (0040,A730)[2]: …". */
static enum base_err BASE_PRINTF(2, 3) bad(struct builder *b, const char *fmt, ...)
{
    char tag[DICOM_TAG_TEXT_SIZE];
    char parent[DICOM_TAG_TEXT_SIZE];
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    dicom_tag_text(b->tag, tag);
    if (!b->depth)
        return base_fail(b->error, BASE_EFORMAT, BASE_NOPOS, "%s: %s", tag, text);
    dicom_tag_text(b->parent[b->depth], parent);
    return base_fail(b->error, BASE_EFORMAT, BASE_NOPOS, "%s in %s[%zu]: %s", tag, parent,
                     b->item[b->depth], text);
}

static enum base_err out_of(struct builder *b, enum base_err err)
{
    return base_fail(b->error, err, BASE_NOPOS,
                     err == BASE_ELIMIT ? "its data set would be too large" : "out of memory");
}

/* ---- values of text ---- */

static bool is_single(enum dicom_vr vr)
{
    return vr == DICOM_VR_LT || vr == DICOM_VR_ST || vr == DICOM_VR_UT || vr == DICOM_VR_UR;
}

/* PS3.5 6.2: the characters of dates and times, in the forms of ACR-NEMA too. What other programs
 * mean by them, such as 1980-01-02, would be no date for any device. */
static enum base_err check_time(struct builder *b, enum dicom_vr vr, const char *s, size_t n)
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
                return bad(b, "a value of %s is not written as %s", dicom_vr_text(vr),
                           known[i].form);
        }
    }
    return BASE_OK;
}

/* PS3.5 6.1.3: of the control characters only these. A backslash would part it
 * in two (6.4). */
static enum base_err check_text(struct builder *b, enum dicom_vr vr, const char *s, size_t n)
{
    bool free_text = vr == DICOM_VR_LT || vr == DICOM_VR_ST || vr == DICOM_VR_UT;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        bool line = c == '\t' || c == '\n' || c == '\f' || c == '\r';
        if ((c < ' ' && !(free_text && line)) || c == 0x7F)
            return bad(b, "a value has a control character");
        if (c > 0x7F && !dicom_vr_has_charset(vr))
            return bad(b, "a value of %s is not ASCII", dicom_vr_text(vr));
        if (c == '\\' && !is_single(vr))
            return bad(b, "a value has a backslash in it");
    }
    return check_time(b, vr, s, n);
}

/* F.2.2: the component groups of a name. */
static enum base_err add_name(struct builder *b, const json_t *name)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
    size_t end = b->value.n;
    if (!json_is_object(name))
        return bad(b, "a value of PN is no object of names");
    for (size_t g = 0; g < 3; g++) {
        const json_t *text = json_object_get(name, groups[g]);
        const char *s = json_string_value(text);
        if (text && !s && !json_is_null(text))
            return bad(b, "%s of a name is no text", groups[g]);
        if (s && strchr(s, '='))
            return bad(b, "%s of a name has a = in it", groups[g]);
        enum base_err err = s ? check_text(b, DICOM_VR_PN, s, strlen(s)) : BASE_OK;
        if (err)
            return err;
        if (s)
            base_buf_add_str(&b->value, s);
        if (s && s[0])
            end = b->value.n;
        if (g < 2)
            base_buf_add_byte(&b->value, '=');
    }
    if (!b->value.err) /* empty groups at the end are left out */
        b->value.n = end;
    return BASE_OK;
}

/* The shortest text of at most 16 characters that reads as this number, or else
 * comes nearest. */
static void add_decimal(struct builder *b, double v)
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
    base_buf_add(&b->value, text, (size_t)n);
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
static enum base_err add_number_text(struct builder *b, enum dicom_vr vr, const char *s)
{
    size_t n = strlen(s);
    char *end;
    bool integer = vr == DICOM_VR_IS;
    const char *digits = s + strspn(s, " ");
    size_t used = strspn(digits, integer ? "+-0123456789" : "+-0123456789.eE");
    if (digits[used + strspn(digits + used, " ")])
        return bad(b, "a value of %s is no number", dicom_vr_text(vr));
    bool in_range = true;
    if (integer)
        in_range = is_in_range_of_is(strtoll(digits, &end, 10));
    else
        (void)strtod(digits, &end);
    if (n > 0 && (end == digits || end != digits + used))
        return bad(b, "a value of %s is no number", dicom_vr_text(vr));
    if (!in_range)
        return bad(b, "a value is out of the range of IS");
    if (n > (integer ? IS_MAX : DS_MAX))
        return bad(b, "a value of %s is too long", dicom_vr_text(vr));
    base_buf_add(&b->value, s, n);
    return BASE_OK;
}

static enum base_err add_number(struct builder *b, enum dicom_vr vr, const json_t *v)
{
    int64_t n;
    bool whole = integer_of(v, &n);
    if (json_is_string(v))
        return add_number_text(b, vr, json_string_value(v));
    if (!json_is_number(v) || (vr == DICOM_VR_IS && !whole))
        return bad(b, "a value of %s is no number", dicom_vr_text(vr));
    if (vr == DICOM_VR_IS && !is_in_range_of_is(n))
        return bad(b, "a value is out of the range of IS");
    if (whole && n > -DS_WHOLE && n < DS_WHOLE)
        base_buf_printf(&b->value, "%lld", (long long)n);
    else
        add_decimal(b, json_number_value(v));
    return BASE_OK;
}

static enum base_err add_string(struct builder *b, enum dicom_vr vr, const json_t *v)
{
    const char *s = json_string_value(v);
    if (!s)
        return bad(b, "a value of %s is no text", dicom_vr_text(vr));
    if (vr == DICOM_VR_UI && s[0] && !dicom_uid_usable(s))
        return bad(b, "a value of UI is no UID");
    enum base_err err = check_text(b, vr, s, json_string_length(v));
    base_buf_add(&b->value, s, json_string_length(v));
    return err;
}

static enum base_err add_texts(struct builder *b, enum dicom_vr vr, const json_t *values)
{
    size_t i;
    json_t *v;
    if (is_single(vr) && json_array_size(values) > 1)
        return bad(b, "%s has one value only", dicom_vr_text(vr));
    json_array_foreach(values, i, v)
    {
        enum base_err err = BASE_OK;
        if (i)
            base_buf_add_byte(&b->value, '\\');
        if (json_is_null(v)) /* F.2.5: an empty value among others */
            continue;
        if (vr == DICOM_VR_PN)
            err = add_name(b, v);
        else if (vr == DICOM_VR_DS || vr == DICOM_VR_IS)
            err = add_number(b, vr, v);
        else
            err = add_string(b, vr, v);
        if (err)
            return err;
    }
    return BASE_OK;
}

/* ---- values of bits ---- */

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

static void add_le(struct builder *b, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        base_buf_add_byte(&b->value, (uint8_t)(v >> 8 * i));
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

static enum base_err add_real(struct builder *b, enum dicom_vr vr, const json_t *v)
{
    double real;
    float single;
    uint64_t bits;
    uint32_t half;
    if (!real_of(v, &real))
        return bad(b, "a value of %s is no number", dicom_vr_text(vr));
    if (vr == DICOM_VR_FL && isfinite(real) && fabs(real) > (double)FLT_MAX)
        return bad(b, "a value is out of the range of FL");
    single = (float)real;
    memcpy(&bits, &real, sizeof bits);
    memcpy(&half, &single, sizeof half);
    add_le(b, vr == DICOM_VR_FL ? half : bits, vr == DICOM_VR_FL ? 4 : 8);
    return BASE_OK;
}

/* F.2.3: AT is a text of eight hexadecimal digits. */
static enum base_err add_tag(struct builder *b, const json_t *v)
{
    const char *s = json_string_value(v);
    if (!s || strlen(s) != 8 || strspn(s, "0123456789abcdefABCDEF") != 8)
        return bad(b, "a value of AT is no tag of 8 digits");
    uint32_t tag = (uint32_t)strtoul(s, NULL, 16);
    add_le(b, DICOM_GROUP(tag), 2);
    add_le(b, DICOM_ELEMENT_NUMBER(tag), 2);
    return BASE_OK;
}

static enum base_err add_binaries(struct builder *b, const struct binary *t, const json_t *values)
{
    size_t i;
    json_t *v;
    json_array_foreach(values, i, v)
    {
        int64_t n;
        uint64_t u;
        enum base_err err = BASE_OK;
        if (t->vr == DICOM_VR_AT)
            err = add_tag(b, v);
        else if (t->vr == DICOM_VR_UV && unsigned_of(v, &u))
            add_le(b, u, t->bytes);
        else if (t->vr == DICOM_VR_UV)
            err = bad(b, "a value of UV is no whole number from 0 to 2^64 - 1");
        else if (t->vr == DICOM_VR_FL || t->vr == DICOM_VR_FD)
            err = add_real(b, t->vr, v);
        else if (!integer_of(v, &n))
            err = bad(b, "a value of %s is no whole number", dicom_vr_text(t->vr));
        else if (n < t->min || n > t->max)
            err = bad(b, "a value is out of the range of %s", dicom_vr_text(t->vr));
        else
            add_le(b, (uint64_t)n, t->bytes);
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

/* F.2.7: little endian, as it stands in the data set. Older editions' example has it
 * in an array. */
static enum base_err add_inline(struct builder *b, enum dicom_vr vr, const json_t *v)
{
    const json_t *text = json_array_size(v) == 1 ? json_array_get(v, 0) : v;
    const char *s = json_string_value(text);
    if (!s || !base_base64_decode(s, json_string_length(text), &b->value))
        return bad(b, "InlineBinary is no Base64");
    if (!b->value.err && b->value.n % unit_of(vr))
        return bad(b, "InlineBinary is no multiple of %u bytes", unit_of(vr));
    return BASE_OK;
}

/* ---- elements ---- */

static enum base_err add_dataset(struct builder *b, const json_t *dataset);

static enum base_err add_items(struct builder *b, const json_t *values)
{
    size_t i;
    json_t *v;
    uint32_t tag = b->tag;
    if (b->depth == DICOM_MODEL_DEPTH)
        return bad(b, "sequences are nested more than %d deep", DICOM_MODEL_DEPTH);
    dicom_write_seq_begin(&b->w, tag);
    b->depth++;
    json_array_foreach(values, i, v)
    {
        b->parent[b->depth] = tag;
        b->item[b->depth] = i + 1;
        if (!json_is_object(v) && !json_is_null(v))
            return bad(b, "an item is no object");
        dicom_write_item_open(&b->w);
        enum base_err err = add_dataset(b, v);
        if (err)
            return err;
        dicom_write_item_close(&b->w);
    }
    b->depth--;
    b->tag = tag;
    dicom_write_seq_close(&b->w);
    return BASE_OK;
}

static bool is_text_of_charset(enum dicom_vr vr)
{
    return (dicom_vr_has_charset(vr) && vr != DICOM_VR_PN) || vr == DICOM_VR_UR;
}

static bool is_words(enum dicom_vr vr)
{
    return vr == DICOM_VR_US || vr == DICOM_VR_SS || vr == DICOM_VR_OW;
}

/* Whether an attribute of this VR may come with that one. The dictionary has one
 * where the standard lets choose between US, SS and OW, or OB and OW; and lengths
 * of texts have changed over the years. */
static bool may_be(enum dicom_vr known, enum dicom_vr given)
{
    return known == given || known == DICOM_VR_UN || given == DICOM_VR_UN ||
           (is_text_of_charset(known) && is_text_of_charset(given)) ||
           (is_words(known) && is_words(given)) || (known == DICOM_VR_OW && given == DICOM_VR_OB) ||
           (known == DICOM_VR_OB && given == DICOM_VR_OW);
}

static enum base_err read_vr(struct builder *b, const json_t *attribute, enum dicom_vr *vr)
{
    const char *text = json_string_value(json_object_get(attribute, "vr"));
    enum dicom_vr known = dicom_tag_vr(b->tag);
    if (!json_object_get(attribute, "vr") && known != DICOM_VR_UN)
        *vr = known;
    else if (!text || strlen(text) != 2 || dicom_vr_of(text[0], text[1]) == DICOM_VR_NONE)
        return bad(b, "vr is missing, or there is none such");
    else
        *vr = dicom_vr_of(text[0], text[1]);
    if (!may_be(known, *vr))
        return bad(b, "vr is %s and must be %s", dicom_vr_text(*vr), dicom_vr_text(known));
    return BASE_OK;
}

static enum base_err add_bulk(struct builder *b, enum dicom_vr vr, const json_t *uri)
{
    struct dicom_model *m = b->m;
    const char *s = json_string_value(uri);
    if (!s || !s[0])
        return bad(b, "BulkDataURI is no text");
    if (vr == DICOM_VR_SQ)
        return bad(b, "a sequence cannot be bulk data");
    if (m->n_bulks == DICOM_MODEL_BULK_MAX)
        return out_of(b, BASE_ELIMIT);
    if ((m->n_bulks & (m->n_bulks - 1)) == 0) {
        struct dicom_model_bulk *bulks =
            realloc(m->bulks, (m->n_bulks ? 2 * m->n_bulks : 1) * sizeof *bulks);
        if (!bulks)
            return out_of(b, BASE_ENOMEM);
        m->bulks = bulks;
    }
    const char *kept = base_arena_strdup(&m->arena, s, strlen(s));
    if (!kept)
        return out_of(b, BASE_ENOMEM);
    m->bulks[m->n_bulks++] = (struct dicom_model_bulk){
        .at = m->data.n, .tag = b->tag, .vr = vr, .nested = b->depth > 0, .uri = kept};
    dicom_write_gap(&b->w, b->tag);
    return BASE_OK;
}

static void copy_uid(char *to, const struct base_buf *value)
{
    if (value->n < DICOM_UID_SIZE)
        snprintf(to, DICOM_UID_SIZE, "%s", base_buf_cstr(value));
}

/* What the caller needs of the top level. */
static void note(struct builder *b, enum dicom_vr vr)
{
    uint64_t number = vr == DICOM_VR_US && b->value.n >= 2 ? base_load_le16(b->value.p)
                      : vr == DICOM_VR_IS ? strtoull(base_buf_cstr(&b->value), NULL, 10)
                                          : 0;
    switch ((int)b->tag) {
    case DICOM_TAG_SOPClassUID:
        copy_uid(b->m->sop_class, &b->value);
        break;
    case DICOM_TAG_SOPInstanceUID:
        copy_uid(b->m->sop_instance, &b->value);
        break;
    case DICOM_TAG_SamplesPerPixel:
        b->samples = number;
        break;
    case DICOM_TAG_PhotometricInterpretation:
        b->subsampled = strncmp(base_buf_cstr(&b->value), "YBR_FULL_422", 12) == 0 ||
                        strncmp(base_buf_cstr(&b->value), "YBR_PARTIAL_42", 14) == 0;
        break;
    case DICOM_TAG_NumberOfFrames:
        b->m->frames = number > 0 && number <= INT32_MAX ? number : 1;
        break;
    case DICOM_TAG_Rows:
        b->rows = number;
        break;
    case DICOM_TAG_Columns:
        b->columns = number;
        break;
    case DICOM_TAG_BitsAllocated:
        b->bits = number;
        break;
    default:
        break;
    }
}

/* PS3.5 8.1: bits over all frames, which need no padding between them. */
static void measure_pixels(struct builder *b)
{
    uint64_t line = b->rows * b->columns * b->samples * b->bits; /* 16 bits each */
    if (line == 0 || line > UINT64_MAX / 8 / b->m->frames || b->subsampled)
        return;
    b->m->pixel_bytes = (line * b->m->frames + 7) / 8;
}

/* PS3.5 8.2 and A.2: pixels of more than 8 bits are words. */
static enum dicom_vr vr_of_pixels(const struct builder *b, enum dicom_vr vr)
{
    if (b->tag != DICOM_TAG_PixelData || b->depth)
        return vr;
    return b->bits > 8 ? DICOM_VR_OW : vr == DICOM_VR_UN ? DICOM_VR_OB : vr;
}

static enum base_err write_value(struct builder *b, enum dicom_vr vr)
{
    if (b->value.err || b->m->data.err)
        return out_of(b, b->value.err ? b->value.err : b->m->data.err);
    if (!dicom_vr_wide(vr) && b->value.n > 0xFFFE)
        return bad(b, "its value is too long for %s", dicom_vr_text(vr));
    if (!b->depth)
        note(b, vr);
    if (!b->depth && b->tag == DICOM_TAG_PixelData) {
        measure_pixels(b);
        if (b->m->pixel_bytes && b->value.n &&
            b->value.n != b->m->pixel_bytes + b->m->pixel_bytes % 2 &&
            b->value.n != b->m->pixel_bytes)
            return bad(b, "%zu bytes; rows × columns … need %" PRIu64, b->value.n,
                       b->m->pixel_bytes);
    }
    dicom_write(&b->w, b->tag, vr, b->value.p, b->value.n);
    return BASE_OK;
}

static enum base_err add_attribute(struct builder *b, const json_t *attribute)
{
    const json_t *values = json_object_get(attribute, "Value");
    const json_t *binary = json_object_get(attribute, "InlineBinary");
    const json_t *uri = json_object_get(attribute, "BulkDataURI");
    const struct binary *t;
    enum dicom_vr vr = DICOM_VR_UN;
    enum base_err err = read_vr(b, attribute, &vr);
    if (err)
        return err;
    if ((values != NULL) + (binary != NULL) + (uri != NULL) > 1)
        return bad(b, "more than one of Value, InlineBinary, BulkDataURI");
    if (values && !json_is_array(values))
        return bad(b, "Value is no array");
    vr = vr_of_pixels(b, vr);
    t = binary_of(vr);
    base_buf_reset(&b->value);
    if (uri)
        return add_bulk(b, vr, uri);
    if (vr == DICOM_VR_SQ && !binary)
        return add_items(b, values);
    if (binary && (vr == DICOM_VR_SQ || dicom_vr_is_text(vr)))
        return bad(b, "%s is not written as InlineBinary", dicom_vr_text(vr));
    if (binary)
        err = add_inline(b, vr, binary);
    else if (dicom_vr_is_text(vr))
        err = add_texts(b, vr, values);
    else if (t)
        err = add_binaries(b, t, values);
    else if (json_array_size(values))
        err = bad(b, "%s needs InlineBinary or BulkDataURI", dicom_vr_text(vr));
    return err ? err : write_value(b, vr);
}

/* ---- data sets ---- */

static int compare_keys(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool read_tag(const char *key, uint32_t *tag)
{
    if (strlen(key) != 8 || strspn(key, "0123456789abcdefABCDEF") != 8)
        return false;
    *tag = (uint32_t)strtoul(key, NULL, 16);
    return true;
}

/* Made by us, or of no use in a data set. */
static bool is_left_out(const struct builder *b, uint32_t tag)
{
    return DICOM_ELEMENT_NUMBER(tag) == 0 || tag == DICOM_TAG(0xFFFC, 0xFFFC) ||
           (tag == DICOM_TAG_SpecificCharacterSet && b->depth > 0) || DICOM_GROUP(tag) == 2;
}

/* PS3.5 7.1, PS3.10 7.1: groups that no data set has. */
static bool is_misplaced(uint32_t tag)
{
    uint16_t group = DICOM_GROUP(tag);
    return group == 0 || group == 4 || group == 6 || group == 1 || group == 3 || group == 5 ||
           group == 7 || group >= 0xFFFD;
}

static json_t *find(const json_t *dataset, uint32_t tag)
{
    char upper[12];
    char lower[12];
    snprintf(upper, sizeof upper, "%08X", (unsigned)tag);
    snprintf(lower, sizeof lower, "%08x", (unsigned)tag);
    json_t *found = json_object_get(dataset, upper);
    return found ? found : json_object_get(dataset, lower);
}

static enum base_err add_tagged(struct builder *b, const json_t *dataset, uint32_t tag)
{
    const json_t *attribute = find(dataset, tag);
    b->tag = tag;
    if (tag == DICOM_TAG_SpecificCharacterSet && !b->depth) {
        dicom_write(&b->w, tag, DICOM_VR_CS, "ISO_IR 192", 10);
        return BASE_OK;
    }
    if (is_left_out(b, tag))
        return BASE_OK;
    if (is_misplaced(tag))
        return bad(b, "it does not belong in a data set");
    if (!json_is_object(attribute))
        return bad(b, "it is no object, or stands there twice");
    return add_attribute(b, attribute);
}

/* The tags in order, the character set among them at the top; NULL: out of memory,
 * or a key is none (said). */
static uint32_t *sorted_tags(struct builder *b, const json_t *dataset, size_t *n)
{
    uint32_t *tags = malloc((json_object_size(dataset) + 1) * sizeof *tags);
    const char *key;
    json_t *v;
    *n = 0;
    if (!tags) {
        (void)out_of(b, BASE_ENOMEM);
        return NULL;
    }
    json_object_foreach((json_t *)(uintptr_t)dataset, key, v)
    {
        if (!read_tag(key, &tags[*n])) {
            (void)base_fail(b->error, BASE_EFORMAT, BASE_NOPOS, "\"%.12s\" is no tag of 8 digits",
                            key);
            free(tags);
            return NULL;
        }
        *n += b->depth || tags[*n] != DICOM_TAG_SpecificCharacterSet;
    }
    if (!b->depth)
        tags[(*n)++] = DICOM_TAG_SpecificCharacterSet;
    qsort(tags, *n, sizeof *tags, compare_keys);
    return tags;
}

static enum base_err add_dataset(struct builder *b, const json_t *dataset)
{
    size_t n;
    uint32_t *tags = sorted_tags(b, dataset, &n);
    enum base_err err = tags ? BASE_OK : b->error->code;
    for (size_t i = 0; !err && i < n; i++) {
        b->tag = tags[i];
        err = i && tags[i] == tags[i - 1] ? bad(b, "it is no object, or stands there twice")
                                          : add_tagged(b, dataset, tags[i]);
    }
    free(tags);
    return err;
}

/* The UIDs are of use even when something before them is wrong. */
static void read_uids(const json_t *dataset, struct dicom_model *m)
{
    static const uint32_t tags[] = {DICOM_TAG_SOPClassUID, DICOM_TAG_SOPInstanceUID,
                                    DICOM_TAG_TransferSyntaxUID};
    char *const to[] = {m->sop_class, m->sop_instance, m->transfer_syntax};
    for (size_t i = 0; i < 3; i++) {
        const json_t *values = json_object_get(find(dataset, tags[i]), "Value");
        const char *s = json_string_value(json_array_get(values, 0));
        if (s && dicom_uid_usable(s))
            snprintf(to[i], DICOM_UID_SIZE, "%s", s);
    }
}

enum base_err dicom_model_build(const json_t *dataset, struct dicom_model *out,
                                struct base_error *error)
{
    struct builder b = {.m = out, .error = error};
    memset(out, 0, sizeof *out);
    base_buf_init(&out->data, DICOM_MODEL_DATA_MAX);
    base_arena_init(&out->arena, DICOM_MODEL_TEXT_MAX);
    base_buf_init(&b.value, DICOM_MODEL_TEXT_MAX);
    out->frames = 1;
    read_uids(dataset, out);
    dicom_writer_init(&b.w, &out->data, DICOM_EXPLICIT_LE);
    b.w.undefined_lengths = true;
    enum base_err err = add_dataset(&b, dataset);
    if (!err && out->data.err)
        err = out_of(&b, out->data.err);
    measure_pixels(&b);
    base_buf_deinit(&b.value);
    return err;
}

void dicom_model_deinit(struct dicom_model *m)
{
    base_buf_deinit(&m->data);
    base_arena_deinit(&m->arena);
    free(m->bulks);
    m->bulks = NULL;
    m->n_bulks = 0;
}
