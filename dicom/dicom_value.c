#include "dicom/dicom_dataset.h"

#include "base/decimal.h"

#include <math.h>
#include <stdlib.h>

struct base_bytes dicom_value_text(struct base_bytes value)
{
    while (value.n && (value.p[value.n - 1] == ' ' || value.p[value.n - 1] == 0))
        value.n--;
    while (value.n && value.p[0] == ' ') {
        value.p++;
        value.n--;
    }
    return value;
}

bool dicom_value_part(struct base_bytes value, unsigned i, struct base_bytes *out)
{
    value = dicom_value_text(value);
    for (;;) {
        const uint8_t *slash = value.n ? memchr(value.p, '\\', value.n) : NULL;
        size_t n = slash ? (size_t)(slash - value.p) : value.n;
        if (i == 0) {
            *out = dicom_value_text(base_bytes_of(value.p, n));
            return true;
        }
        if (!slash)
            return false;
        i--;
        value.p = slash + 1;
        value.n -= n + 1;
    }
}

/* Bytes of one value of a binary VR, 0 for text and sequences. */
static unsigned unit_of(enum dicom_vr vr)
{
    static const uint8_t unit[DICOM_VR_COUNT + 1] = {
        [DICOM_VR_US] = 2, [DICOM_VR_SS] = 2, [DICOM_VR_OW] = 2, [DICOM_VR_UL] = 4,
        [DICOM_VR_SL] = 4, [DICOM_VR_FL] = 4, [DICOM_VR_OF] = 4, [DICOM_VR_OL] = 4,
        [DICOM_VR_AT] = 4, [DICOM_VR_FD] = 8, [DICOM_VR_OD] = 8, [DICOM_VR_OV] = 8,
        [DICOM_VR_SV] = 8, [DICOM_VR_UV] = 8, [DICOM_VR_OB] = 1, [DICOM_VR_UN] = 1,
    };
    return unit[vr];
}

uint32_t dicom_value_count(const struct dicom_element *e)
{
    unsigned unit = unit_of(e->vr);
    if (unit)
        return (uint32_t)(e->value.n / unit);
    struct base_bytes text = dicom_value_text(e->value);
    if (text.n == 0 || !dicom_vr_is_text(e->vr))
        return 0;
    uint32_t n = 1;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\\';
    return n;
}

/* Value i of a binary VR as an unsigned number of its size. */
static bool load(const struct dicom_element *e, unsigned i, uint64_t *out)
{
    unsigned unit = unit_of(e->vr);
    if (unit < 2 || i >= e->value.n / unit)
        return false;
    const uint8_t *p = e->value.p + (size_t)i * unit;
    uint64_t v = 0;
    if (e->vr == DICOM_VR_AT) {
        /* PS3.5 6.2: a pair of 16-bit numbers, group first. */
        v = e->big_endian ? base_load_be32(p) : DICOM_TAG(base_load_le16(p), base_load_le16(p + 2));
    } else {
        for (unsigned k = 0; k < unit; k++)
            v |= (uint64_t)p[e->big_endian ? unit - 1 - k : k] << (8 * k);
    }
    *out = v;
    return true;
}

/* Text value i as a number. */
static bool parse(const struct dicom_element *e, unsigned i, double *out)
{
    struct base_bytes part = dicom_value_text(e->value);
    char text[32];
    if (i == 0 && part.n && base_decimal(part.p, part.n, out) == part.n)
        return true; /* as nearly all are */
    if (!dicom_value_part(e->value, i, &part) || part.n == 0 || part.n >= sizeof text)
        return false;
    memcpy(text, part.p, part.n);
    text[part.n] = 0;
    /* strtod would also take "inf", "nan" and hexadecimal. */
    if (strspn(text, "0123456789+-.eE") != part.n)
        return false;
    char *end;
    double v = strtod(text, &end);
    if (*end || !isfinite(v))
        return false;
    *out = v;
    return true;
}

bool dicom_value_int(const struct dicom_element *e, unsigned i, int64_t *out)
{
    uint64_t raw;
    double number;
    if (e->vr == DICOM_VR_IS || e->vr == DICOM_VR_DS) {
        /* Beyond 2^53 a double is no longer every integer. */
        if (!parse(e, i, &number) || number > 9e15 || number < -9e15 ||
            number != (double)(int64_t)number)
            return false;
        *out = (int64_t)number;
        return true;
    }
    bool is_float = e->vr == DICOM_VR_FL || e->vr == DICOM_VR_FD || e->vr == DICOM_VR_OF ||
                    e->vr == DICOM_VR_OD;
    if (is_float || !load(e, i, &raw))
        return false;
    if (e->vr == DICOM_VR_SS)
        *out = (int16_t)raw;
    else if (e->vr == DICOM_VR_SL)
        *out = (int32_t)raw;
    else if (raw > INT64_MAX && e->vr != DICOM_VR_SV)
        return false;
    else
        *out = (int64_t)raw;
    return true;
}

bool dicom_value_double(const struct dicom_element *e, unsigned i, double *out)
{
    uint64_t raw;
    int64_t integer;
    if (e->vr == DICOM_VR_DS)
        return parse(e, i, out);
    if (e->vr == DICOM_VR_FD || e->vr == DICOM_VR_OD) {
        if (!load(e, i, &raw))
            return false;
        memcpy(out, &raw, sizeof *out);
        return true;
    }
    if (e->vr == DICOM_VR_FL || e->vr == DICOM_VR_OF) {
        if (!load(e, i, &raw))
            return false;
        uint32_t bits = (uint32_t)raw;
        float f;
        memcpy(&f, &bits, sizeof f);
        *out = (double)f;
        return true;
    }
    if (!dicom_value_int(e, i, &integer))
        return false;
    *out = (double)integer;
    return true;
}

bool dicom_value_copy(struct base_bytes value, char *out, size_t n)
{
    struct base_bytes text = dicom_value_text(value);
    out[0] = 0;
    if (text.n >= n || (text.n && memchr(text.p, 0, text.n)))
        return false;
    if (text.n)
        memcpy(out, text.p, text.n);
    out[text.n] = 0;
    return true;
}
