#include "dicom/dicom_json.h"

#include "base/json.h"
#include "dicom/dicom_charset.h"
#include "dicom/dicom_extent.h"

#include <math.h>
#include <stdio.h>

enum {
    MAX_BINARY = 1024,
    MAX_NUMBERS = 65536,
    MAX_DEPTH = 15, /* of sequences: deeper than any real object has */
    NUMBER_MAX = 76,
};

struct walk {
    struct dicom_cursor c;
    struct base_json json;
    struct base_buf text; /* one value, converted */
    bool other;           /* met something that is DCMTK's part */
};

/* ---- values ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A DS or IS as a JSON number: no plus sign, no leading zeros, digits on both
 * sides of the point. False when it is no number. */
struct number {
    const char *s;
    size_t n;
    size_t i;
    size_t k;
    char out[NUMBER_MAX + 4];
};

static size_t digits(struct number *x)
{
    size_t from = x->i;
    while (x->i < x->n && is_digit(x->s[x->i]))
        x->out[x->k++] = x->s[x->i++];
    return x->i - from;
}

static bool mantissa(struct number *x)
{
    if (x->s[0] == '-')
        x->out[x->k++] = '-';
    x->i = x->s[0] == '-' || x->s[0] == '+';
    while (x->i + 1 < x->n && x->s[x->i] == '0' && is_digit(x->s[x->i + 1]))
        x->i++;
    bool whole = digits(x) > 0;
    bool fraction = false;
    if (!whole)
        x->out[x->k++] = '0';
    if (x->i < x->n && x->s[x->i] == '.') {
        x->i++;
        x->out[x->k++] = '.';
        fraction = digits(x) > 0;
        x->k -= !fraction;
    }
    return whole || fraction;
}

/* More than three digits would overflow what readers hold. */
static bool exponent(struct number *x)
{
    if (x->i == x->n || (x->s[x->i] != 'e' && x->s[x->i] != 'E'))
        return true;
    x->out[x->k++] = x->s[x->i++];
    if (x->i < x->n && (x->s[x->i] == '-' || x->s[x->i] == '+'))
        x->out[x->k++] = x->s[x->i++];
    size_t n = digits(x);
    return n > 0 && n <= 3;
}

static bool add_number(struct base_json *json, const char *s, size_t n)
{
    struct number x = {.s = s, .n = n};
    if (n == 0 || n > NUMBER_MAX || !mantissa(&x) || !exponent(&x) || x.i != n)
        return false;
    base_json_raw(json, x.out, x.k);
    return true;
}

static void trim(const char **s, size_t *n, bool leading)
{
    while (*n && ((*s)[*n - 1] == ' ' || (*s)[*n - 1] == 0))
        (*n)--;
    while (leading && *n && **s == ' ') {
        (*s)++;
        (*n)--;
    }
}

/* The next part up to a separator; false when it was the last. */
static bool next_part(const char **s, size_t *n, char separator, const char **part, size_t *len)
{
    const char *end = *n ? memchr(*s, separator, *n) : NULL;
    *part = *s;
    *len = end ? (size_t)(end - *s) : *n;
    size_t used = *len + (end ? 1 : 0);
    *s += used;
    *n -= used;
    return end != NULL;
}

/* F.2.2: the component groups of a name. */
static void add_name(struct base_json *json, const char *s, size_t n)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
    base_json_open_object(json);
    for (unsigned g = 0; g < 3 && n > 0; g++) {
        const char *part;
        size_t len;
        next_part(&s, &n, '=', &part, &len);
        trim(&part, &len, false);
        if (len) {
            base_json_key(json, groups[g]);
            base_json_string_n(json, part, len);
        }
    }
    base_json_close_object(json);
}

static void add_one(struct base_json *json, enum dicom_vr vr, const char *s, size_t n)
{
    if (n == 0)
        base_json_null(json); /* F.2.5: an empty value among others */
    else if (vr == DICOM_VR_PN)
        add_name(json, s, n);
    else if ((vr != DICOM_VR_DS && vr != DICOM_VR_IS) || !add_number(json, s, n))
        base_json_string_n(json, s, n);
}

static bool is_single(enum dicom_vr vr)
{
    return vr == DICOM_VR_LT || vr == DICOM_VR_ST || vr == DICOM_VR_UT || vr == DICOM_VR_UR;
}

/* Nothing when there is only padding. */
static void add_texts(struct walk *w, enum dicom_vr vr, const char *s, size_t n)
{
    const char *all = s;
    size_t left = n;
    trim(&all, &left, !is_single(vr));
    if (left == 0)
        return;
    base_json_member_array(&w->json, "Value");
    for (bool more = true; more;) {
        const char *part = s;
        size_t len = n;
        more = !is_single(vr) && next_part(&s, &n, '\\', &part, &len);
        trim(&part, &len, !is_single(vr) && vr != DICOM_VR_PN);
        add_one(&w->json, vr, part, len);
    }
    base_json_close_array(&w->json);
}

static void add_text(struct walk *w, const struct dicom_element *e,
                     const struct dicom_charset *charset)
{
    bool guessed = false;
    const char *s = (const char *)e->value.p;
    if (e->tag == DICOM_TAG_SpecificCharacterSet) {
        add_texts(w, e->vr, "ISO_IR 192", 10);
    } else if (!dicom_vr_has_charset(e->vr)) {
        add_texts(w, e->vr, s, strnlen(s, e->value.n)); /* no U+0000: jsonb refuses it */
    } else {
        base_buf_reset(&w->text);
        if (dicom_charset_to_utf8(charset, e->value, &w->text, &guessed))
            w->other = true;
        else
            add_texts(w, e->vr, base_buf_cstr(&w->text), w->text.n);
    }
}

/* JSON has no NaN and no infinity: F.2.3 allows a string. */
static void add_real(struct base_json *json, enum dicom_vr vr, double v)
{
    char text[40];
    if (isfinite(v)) {
        int n = snprintf(text, sizeof text, vr == DICOM_VR_FL ? "%.9g" : "%.17g", v);
        base_json_raw(json, text, (size_t)n);
    } else {
        base_json_string(json, isnan(v) ? "NaN" : v > 0 ? "inf" : "-inf");
    }
}

static bool is_number(enum dicom_vr vr)
{
    return vr == DICOM_VR_US || vr == DICOM_VR_SS || vr == DICOM_VR_UL || vr == DICOM_VR_SL ||
           vr == DICOM_VR_FL || vr == DICOM_VR_FD || vr == DICOM_VR_AT;
}

static void add_numbers(struct walk *w, const struct dicom_element *e)
{
    uint32_t n = dicom_value_count(e);
    base_json_member_array(&w->json, "Value");
    for (unsigned i = 0; i < n; i++) {
        char text[16];
        int64_t v = 0;
        double real = 0;
        if (e->vr == DICOM_VR_FL || e->vr == DICOM_VR_FD) {
            w->other |= !dicom_value_double(e, i, &real);
            add_real(&w->json, e->vr, real);
            continue;
        }
        w->other |= !dicom_value_int(e, i, &v);
        if (e->vr == DICOM_VR_AT) {
            snprintf(text, sizeof text, "%08X", (unsigned)v);
            base_json_string(&w->json, text);
        } else {
            base_json_int(&w->json, v);
        }
    }
    base_json_close_array(&w->json);
}

/* F.2.7, little endian. */
static void add_binary(struct walk *w, const struct dicom_element *e)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = e->value.p;
    size_t n = e->value.n;
    base_buf_reset(&w->text);
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16;
        v |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
        v |= i + 2 < n ? p[i + 2] : 0;
        char four[4] = {letters[v >> 18], letters[v >> 12 & 63],
                        i + 1 < n ? letters[v >> 6 & 63] : '=', i + 2 < n ? letters[v & 63] : '='};
        base_buf_add(&w->text, four, sizeof four);
    }
    base_json_key(&w->json, "InlineBinary");
    base_json_string_n(&w->json, base_buf_cstr(&w->text), w->text.n);
}

/* ---- elements ---- */

/* Pixels, waveforms, overlays, curves and documents are bulk at any length. */
static bool is_bulk(uint32_t tag)
{
    uint16_t g = DICOM_GROUP(tag);
    return (g == 0x7fe0 && DICOM_ELEMENT_NUMBER(tag) >= 8) || tag == DICOM_TAG_WaveformData ||
           tag == DICOM_TAG_EncapsulatedDocument ||
           (((g & 0xff00) == 0x6000 || (g & 0xff00) == 0x5000) &&
            DICOM_ELEMENT_NUMBER(tag) == 0x3000);
}

static bool is_left_out(const struct dicom_element *e)
{
    uint16_t g = DICOM_GROUP(e->tag);
    if (DICOM_ELEMENT_NUMBER(e->tag) == 0 || g == 0xfffc || g == 2 || is_bulk(e->tag))
        return true;
    if (e->vr == DICOM_VR_SQ || dicom_vr_is_text(e->vr))
        return false;
    return e->value.n > (is_number(e->vr) ? MAX_NUMBERS : MAX_BINARY);
}

/* What is read the same way by everyone. */
static bool is_plain(const struct dicom_element *e)
{
    if (e->vr == DICOM_VR_SQ || is_number(e->vr) || dicom_vr_is_text(e->vr))
        return true;
    return (e->vr == DICOM_VR_OB || e->vr == DICOM_VR_OW) && e->length != DICOM_UNDEFINED;
}

static void add_items(struct walk *w, const struct dicom_charset *charset, unsigned depth);

static void add_element(struct walk *w, const struct dicom_element *e,
                        const struct dicom_charset *charset, unsigned depth)
{
    char key[12];
    if (is_left_out(e))
        return;
    if (e->partial || !is_plain(e)) {
        w->other = true;
        return;
    }
    snprintf(key, sizeof key, "%08X", (unsigned)e->tag);
    base_json_member_object(&w->json, key);
    base_json_member_string(&w->json, "vr", dicom_vr_text(e->vr));
    if (e->vr == DICOM_VR_SQ)
        add_items(w, charset, depth);
    else if (e->value.n == 0)
        ; /* only its VR */
    else if (dicom_vr_is_text(e->vr))
        add_text(w, e, charset);
    else if (is_number(e->vr))
        add_numbers(w, e);
    else
        add_binary(w, e);
    base_json_close_object(&w->json);
}

/* PS3.5 7.5.3: an item inherits the character set unless it has its own. */
static void take_charset(const struct dicom_element *e, struct dicom_charset *charset)
{
    if (e->tag == DICOM_TAG_SpecificCharacterSet && e->value.n > 0)
        dicom_charset_parse(charset, dicom_value_text(e->value));
}

static void add_item(struct walk *w, struct dicom_charset charset, unsigned depth)
{
    struct dicom_element e;
    base_json_open_object(&w->json);
    while (!w->other && dicom_cursor_next(&w->c, &e) == DICOM_ELEMENT) {
        take_charset(&e, &charset);
        add_element(w, &e, &charset, depth);
    }
    base_json_close_object(&w->json);
}

static void add_items(struct walk *w, const struct dicom_charset *charset, unsigned depth)
{
    struct dicom_element item;
    bool any = false;
    if (depth >= MAX_DEPTH || !dicom_cursor_can_enter(&w->c)) {
        w->other = true;
        return;
    }
    dicom_cursor_enter(&w->c);
    while (!w->other && dicom_cursor_next(&w->c, &item) == DICOM_ELEMENT) {
        if (!any)
            base_json_member_array(&w->json, "Value");
        any = true;
        dicom_cursor_enter(&w->c);
        add_item(w, *charset, depth + 1);
        dicom_cursor_leave(&w->c);
    }
    dicom_cursor_leave(&w->c);
    if (any)
        base_json_close_array(&w->json);
}

/* Pixel Data of its VRs, Spectroscopy Data, Pixel Data Provider URL. */
static bool is_pixels(uint32_t tag)
{
    return DICOM_GROUP(tag) == 0x7fe0 || DICOM_GROUP(tag) == 0x5600 ||
           tag == DICOM_TAG_PixelDataProviderURL;
}

/* Fewer pixels than are stated. */
static bool is_short(const struct dicom_element *e, const struct dicom_extent *extent)
{
    return e->tag == DICOM_TAG_PixelData && e->length != DICOM_UNDEFINED &&
           e->length < dicom_extent_bytes(extent);
}

/* The top level; true when it stopped at pixel data that need not be there. Where pixels are
 * missing, DCMTK is to look at it. */
static bool add_dataset(struct walk *w, bool complete)
{
    struct dicom_charset charset = {0};
    struct dicom_extent extent = {0};
    struct dicom_element e;
    bool any = false; /* pixels */
    bool stops = false;
    base_json_open_object(&w->json);
    while (!w->other && !stops && dicom_cursor_next(&w->c, &e) == DICOM_ELEMENT) {
        stops = !complete && e.tag == DICOM_TAG_PixelData && e.length != DICOM_UNDEFINED;
        take_charset(&e, &charset);
        /* A value that has not wholly arrived is not yet a reason to give up. */
        if (e.partial && !is_bulk(e.tag))
            break;
        dicom_extent_take(&extent, e.tag, e.vr, e.value);
        any |= is_pixels(e.tag);
        w->other |= is_short(&e, &extent);
        add_element(w, &e, &charset, 0);
    }
    w->other |= complete && !any && extent.rows && extent.columns;
    base_json_close_object(&w->json);
    return stops;
}

enum dicom_scan dicom_json_write(struct base_bytes prefix, bool complete,
                                 const struct dicom_syntax *syntax, struct base_buf *out,
                                 uint64_t *end)
{
    struct walk w = {.other = false};
    if (syntax->encoding != DICOM_EXPLICIT_LE || (syntax->flags & DICOM_TS_DEFLATED))
        return DICOM_SCAN_BAD;
    dicom_cursor_init(&w.c, prefix, syntax->encoding, complete);
    base_json_init(&w.json, out);
    bool stops = add_dataset(&w, complete);
    enum dicom_step state = dicom_cursor_state(&w.c);
    base_buf_deinit(&w.text);
    if (out->err || state == DICOM_BAD)
        return DICOM_SCAN_BAD;
    if (!stops && !complete && (state == DICOM_MORE || w.c.last.partial))
        return DICOM_SCAN_MORE;
    if (w.other || state == DICOM_MORE)
        return DICOM_SCAN_BAD;
    *end = stops ? w.c.resume : prefix.n;
    return stops || complete ? DICOM_SCAN_DONE : DICOM_SCAN_MORE;
}
