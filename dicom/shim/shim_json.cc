/* A data set as DICOM JSON (PS3.18 Annex F). DCMTK only parses: its own JSON
 * writer passes damaged numbers through and knows no undeclared GBK. */
#include "dicom/shim/shim.h"
#include "dicom/shim/shim_priv.h"

#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstring>

extern "C" {
#include "base/json.h"
#include "dicom/dicom_charset.h"
}

/* Longer values stay on disk while parsing; those left out are never read. */
static const Uint32 lazy_value = 4096;
static const Uint32 max_binary = 1024;
static const Uint32 max_numbers = 65536;
/* Deeper nesting than any real object has; base_json ends at 63 levels. */
static const unsigned max_depth = 15;

struct walk {
    struct base_json json;
    struct base_buf text; /* one value, converted */
    bool guessed;
    bool too_deep;
    enum base_err failed; /* first value that could not be converted */
};

static void add_base64(struct base_buf *out, const Uint8 *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = static_cast<uint32_t>(p[i]) << 16;
        v |= i + 1 < n ? static_cast<uint32_t>(p[i + 1]) << 8 : 0;
        v |= i + 2 < n ? p[i + 2] : 0u;
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]};
        if (i + 1 >= n)
            four[2] = '=';
        if (i + 2 >= n)
            four[3] = '=';
        base_buf_add(out, four, sizeof four);
    }
}

/* A DS or IS as a JSON number: no plus sign, no leading zeros, digits on both
 * sides of the point. False when it is no number. */
static bool add_number(struct base_json *json, const char *s, size_t n)
{
    char out[80];
    size_t k = 0, i = 0;
    if (n == 0 || n > sizeof out - 4)
        return false;
    auto digits = [&]() {
        size_t from = i;
        while (i < n && isdigit(static_cast<unsigned char>(s[i])))
            out[k++] = s[i++];
        return i - from;
    };
    if (s[i] == '-')
        out[k++] = '-';
    if (s[i] == '-' || s[i] == '+')
        i++;
    while (i + 1 < n && s[i] == '0' && isdigit(static_cast<unsigned char>(s[i + 1])))
        i++;
    bool whole = digits() > 0;
    if (!whole)
        out[k++] = '0';
    bool fraction = false;
    if (i < n && s[i] == '.') {
        i++;
        out[k++] = '.';
        fraction = digits() > 0;
        if (!fraction)
            k--;
    }
    if (!whole && !fraction)
        return false;
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        out[k++] = s[i++];
        if (i < n && (s[i] == '-' || s[i] == '+'))
            out[k++] = s[i++];
        /* More would overflow what readers, and PostgreSQL's numeric, hold. */
        size_t exponent = digits();
        if (exponent == 0 || exponent > 3)
            return false;
    }
    if (i != n)
        return false;
    base_json_raw(json, out, k);
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

/* F.2.2: the component groups of a name. */
static void add_name(struct base_json *json, const char *s, size_t n)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
    base_json_open_object(json);
    for (unsigned g = 0; g < 3 && n > 0; g++) {
        const char *end = static_cast<const char *>(memchr(s, '=', n));
        const char *part = s;
        size_t len = end ? static_cast<size_t>(end - s) : n;
        s += len + (end ? 1 : 0);
        n -= len + (end ? 1 : 0);
        trim(&part, &len, false);
        if (len) {
            base_json_key(json, groups[g]);
            base_json_string_n(json, part, len);
        }
    }
    base_json_close_object(json);
}

static void add_one(struct base_json *json, DcmEVR vr, const char *s, size_t n)
{
    if (n == 0)
        base_json_null(json); /* F.2.5: an empty value among others */
    else if (vr == EVR_PN)
        add_name(json, s, n);
    else if ((vr != EVR_DS && vr != EVR_IS) || !add_number(json, s, n))
        base_json_string_n(json, s, n);
}

static bool is_single(DcmEVR vr)
{
    return vr == EVR_LT || vr == EVR_ST || vr == EVR_UT || vr == EVR_UR;
}

/* Writes the values of converted text; nothing when there is only padding. */
static void add_values(struct walk *w, DcmEVR vr, const char *s, size_t n)
{
    const char *all = s;
    size_t left = n;
    trim(&all, &left, !is_single(vr));
    if (left == 0)
        return;
    base_json_key(&w->json, "Value");
    base_json_open_array(&w->json);
    for (bool more = true; more;) {
        const char *end = is_single(vr) ? nullptr : static_cast<const char *>(memchr(s, '\\', n));
        const char *part = s;
        size_t len = end ? static_cast<size_t>(end - s) : n;
        more = end != nullptr;
        s += len + (more ? 1 : 0);
        n -= len + (more ? 1 : 0);
        trim(&part, &len, !is_single(vr) && vr != EVR_PN);
        add_one(&w->json, vr, part, len);
    }
    base_json_close_array(&w->json);
}

static bool is_localised(DcmEVR vr)
{
    switch (vr) {
    case EVR_LO:
    case EVR_LT:
    case EVR_PN:
    case EVR_SH:
    case EVR_ST:
    case EVR_UC:
    case EVR_UT:
        return true;
    default:
        return false;
    }
}

static void add_string(struct walk *w, DcmElement &el, DcmEVR vr,
                       const struct dicom_charset *charset)
{
    char *s = nullptr;
    Uint32 n = 0;
    if (el.getTag() == DCM_SpecificCharacterSet) {
        add_values(w, vr, "ISO_IR 192", 10);
        return;
    }
    if (el.getString(s, n).bad() || !s || n == 0)
        return;
    if (!is_localised(vr)) {
        add_values(w, vr, s, strnlen(s, n)); /* no U+0000: jsonb refuses it */
        return;
    }
    bool guessed = false;
    base_buf_reset(&w->text);
    enum base_err err = dicom_charset_to_utf8(charset, base_bytes_of(s, n), &w->text, &guessed);
    w->guessed |= guessed;
    if (err == BASE_ELIMIT)
        return; /* over the converter's limit: left out */
    if (err && !w->failed)
        w->failed = err;
    add_values(w, vr, base_buf_cstr(&w->text), w->text.n);
}

/* JSON has no NaN and no infinity: F.2.3 allows a string. */
static void add_double(struct base_json *json, double v)
{
    char text[40];
    if (std::isfinite(v)) {
        int n = snprintf(text, sizeof text, "%.17g", v);
        base_json_raw(json, text, static_cast<size_t>(n));
    } else {
        base_json_string(json, std::isnan(v) ? "NaN" : v > 0 ? "inf" : "-inf");
    }
}

static void add_float(struct base_json *json, float v)
{
    char text[40];
    if (!std::isfinite(v)) {
        add_double(json, static_cast<double>(v));
        return;
    }
    int n = snprintf(text, sizeof text, "%.9g", static_cast<double>(v));
    base_json_raw(json, text, static_cast<size_t>(n));
}

/* Writes value i of a binary number or tag; null when it cannot be read. */
static void add_binary_number(struct base_json *json, DcmElement &el, DcmEVR vr, unsigned long i)
{
    Uint16 u16 = 0;
    Sint16 s16 = 0;
    Uint32 u32 = 0;
    Sint32 s32 = 0;
    Uint64 u64 = 0;
    Sint64 s64 = 0;
    Float32 f32 = 0;
    Float64 f64 = 0;
    DcmTagKey tag;
    char text[24];
    if (vr == EVR_US && el.getUint16(u16, i).good()) {
        base_json_int(json, u16);
    } else if (vr == EVR_SS && el.getSint16(s16, i).good()) {
        base_json_int(json, s16);
    } else if (vr == EVR_UL && el.getUint32(u32, i).good()) {
        base_json_int(json, u32);
    } else if (vr == EVR_SL && el.getSint32(s32, i).good()) {
        base_json_int(json, s32);
    } else if (vr == EVR_UV && el.getUint64(u64, i).good()) {
        int n = snprintf(text, sizeof text, "%llu", static_cast<unsigned long long>(u64));
        base_json_raw(json, text, static_cast<size_t>(n));
    } else if (vr == EVR_SV && el.getSint64(s64, i).good()) {
        base_json_int(json, s64);
    } else if (vr == EVR_FL && el.getFloat32(f32, i).good()) {
        add_float(json, f32);
    } else if (vr == EVR_FD && el.getFloat64(f64, i).good()) {
        add_double(json, f64);
    } else if (vr == EVR_AT && el.getTagVal(tag, i).good()) {
        snprintf(text, sizeof text, "%04X%04X", tag.getGroup(), tag.getElement());
        base_json_string(json, text);
    } else {
        base_json_null(json);
    }
}

static void add_numbers(struct walk *w, DcmElement &el, DcmEVR vr)
{
    unsigned long n = el.getNumberOfValues();
    if (n == 0)
        return;
    base_json_key(&w->json, "Value");
    base_json_open_array(&w->json);
    for (unsigned long i = 0; i < n; i++)
        add_binary_number(&w->json, el, vr, i);
    base_json_close_array(&w->json);
}

/* The bytes of a short binary value, little endian as in memory here (F.2.7). */
static const void *binary_of(DcmElement &el, DcmEVR vr)
{
    Uint8 *b = nullptr;
    Uint16 *w = nullptr;
    Uint32 *l = nullptr;
    Uint64 *v = nullptr;
    Float32 *f = nullptr;
    Float64 *d = nullptr;
    switch (vr) {
    case EVR_OW:
        return el.getUint16Array(w).good() ? w : nullptr;
    case EVR_OL:
        return el.getUint32Array(l).good() ? l : nullptr;
    case EVR_OV:
        return el.getUint64Array(v).good() ? v : nullptr;
    case EVR_OF:
        return el.getFloat32Array(f).good() ? f : nullptr;
    case EVR_OD:
        return el.getFloat64Array(d).good() ? d : nullptr;
    default:
        return el.getUint8Array(b).good() ? b : nullptr;
    }
}

static void add_binary(struct walk *w, DcmElement &el, DcmEVR vr)
{
    const void *p = el.getLength() ? binary_of(el, vr) : nullptr;
    if (!p)
        return;
    base_json_key(&w->json, "InlineBinary");
    base_buf_reset(&w->text);
    add_base64(&w->text, static_cast<const Uint8 *>(p), el.getLength());
    base_json_string_n(&w->json, base_buf_cstr(&w->text), w->text.n);
}

static bool is_string(DcmEVR vr)
{
    switch (vr) {
    case EVR_AE:
    case EVR_AS:
    case EVR_CS:
    case EVR_DA:
    case EVR_DS:
    case EVR_DT:
    case EVR_IS:
    case EVR_TM:
    case EVR_UI:
    case EVR_UR:
        return true;
    default:
        return is_localised(vr);
    }
}

static bool is_number(DcmEVR vr)
{
    return vr == EVR_US || vr == EVR_SS || vr == EVR_UL || vr == EVR_SL || vr == EVR_UV ||
           vr == EVR_SV || vr == EVR_FL || vr == EVR_FD || vr == EVR_AT;
}

/* Pixels, waveforms, overlays, curves and documents are bulk at any length. */
static bool is_bulk(const DcmTagKey &tag)
{
    Uint16 g = tag.getGroup();
    return (g == 0x7fe0 && tag.getElement() >= 8) || tag == DCM_WaveformData ||
           tag == DCM_EncapsulatedDocument ||
           ((g & 0xff00) == 0x6000 && tag.getElement() == 0x3000) ||
           ((g & 0xff00) == 0x5000 && tag.getElement() == 0x3000);
}

static bool is_left_out(DcmElement &el, DcmEVR vr)
{
    const DcmTag &tag = el.getTag();
    if (tag.getElement() == 0 || tag.getGroup() == 0xfffc || tag.getGroup() == 2 || is_bulk(tag))
        return true;
    if (vr == EVR_SQ || is_string(vr))
        return false;
    return el.getLength() > (is_number(vr) ? max_numbers : max_binary);
}

static void add_item(struct walk *w, DcmItem &item, const struct dicom_charset *charset,
                     unsigned depth);

static void add_items(struct walk *w, DcmSequenceOfItems &seq, const struct dicom_charset *charset,
                      unsigned depth)
{
    if (depth >= max_depth) {
        w->too_deep = true;
        return;
    }
    if (seq.card() == 0)
        return;
    base_json_key(&w->json, "Value");
    base_json_open_array(&w->json);
    DcmObject *item = nullptr;
    while ((item = seq.nextInContainer(item)) != nullptr)
        add_item(w, *static_cast<DcmItem *>(item), charset, depth + 1);
    base_json_close_array(&w->json);
}

static void add_element(struct walk *w, DcmElement &el, const struct dicom_charset *charset,
                        unsigned depth)
{
    DcmSequenceOfItems *seq = dynamic_cast<DcmSequenceOfItems *>(&el);
    DcmEVR vr = seq ? EVR_SQ : DcmVR(el.getVR()).getValidEVR();
    char key[12];
    if (is_left_out(el, vr))
        return;
    snprintf(key, sizeof key, "%04X%04X", el.getTag().getGroup(), el.getTag().getElement());
    base_json_key(&w->json, key);
    base_json_open_object(&w->json);
    base_json_key(&w->json, "vr");
    base_json_string(&w->json, DcmVR(vr).getValidVRName());
    if (seq)
        add_items(w, *seq, charset, depth);
    else if (is_string(vr))
        add_string(w, el, vr, charset);
    else if (is_number(vr))
        add_numbers(w, el, vr);
    else
        add_binary(w, el, vr);
    base_json_close_object(&w->json);
}

static void add_item(struct walk *w, DcmItem &item, const struct dicom_charset *charset,
                     unsigned depth)
{
    OFString own;
    struct dicom_charset parsed;
    /* PS3.5 7.5.3: an item inherits the character set unless it has its own. */
    if (item.findAndGetOFStringArray(DCM_SpecificCharacterSet, own).good() && !own.empty()) {
        dicom_charset_parse(&parsed, base_bytes_of(own.data(), own.size()));
        charset = &parsed;
    }
    base_json_open_object(&w->json);
    DcmObject *el = nullptr;
    while ((el = item.nextInContainer(el)) != nullptr)
        add_element(w, *static_cast<DcmElement *>(el), charset, depth);
    base_json_close_object(&w->json);
}

enum base_err shim_metadata_json(const struct shim_source *src, struct base_buf *out, bool *guessed,
                                 struct base_error *e)
{
    struct walk w = {};
    base_json_init(&w.json, out);
    enum base_err err = shim_guard(
        e, [&]() -> enum base_err {
            DcmFileFormat file;
            enum base_err failed = shim_load(*src, file, lazy_value, e);
            if (failed)
                return failed;
            const struct dicom_charset ascii = {};
            add_item(&w, *file.getDataset(), &ascii, 0);
            if (w.too_deep)
                return base_fail(e, BASE_ELIMIT, BASE_NOPOS, "sequences nested deeper than %u",
                                 max_depth);
            if (out->err)
                return base_fail(e, out->err, BASE_NOPOS, "%s", base_err_text(out->err));
            return BASE_OK;
        });
    base_buf_deinit(&w.text);
    if (!err && guessed)
        *guessed = w.guessed;
    return err;
}
