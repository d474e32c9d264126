#include "dicom/dicom_dataset.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

void dicom_writer_init(struct dicom_writer *w, struct base_buf *out, enum dicom_encoding encoding)
{
    *w = (struct dicom_writer){.out = out, .encoding = encoding};
}

static bool big(const struct dicom_writer *w)
{
    return w->encoding == DICOM_EXPLICIT_BE;
}

static void put16(struct dicom_writer *w, uint16_t v)
{
    if (big(w))
        base_buf_add_be16(w->out, v);
    else
        base_buf_add_le16(w->out, v);
}

static void put32(struct dicom_writer *w, uint32_t v)
{
    if (big(w))
        base_buf_add_be32(w->out, v);
    else
        base_buf_add_le32(w->out, v);
}

static void put_tag(struct dicom_writer *w, uint32_t tag)
{
    put16(w, DICOM_GROUP(tag));
    put16(w, DICOM_ELEMENT_NUMBER(tag));
}

static void set_error(struct dicom_writer *w, enum base_err err)
{
    if (!w->out->err)
        w->out->err = err;
}

/* Tag, VR and length. */
static void put_header(struct dicom_writer *w, uint32_t tag, enum dicom_vr vr, uint64_t length)
{
    assert(!w->level[w->depth].sequence && tag >= w->level[w->depth].least);
    w->level[w->depth].least = (uint64_t)tag + 1;
    bool wide = w->encoding == DICOM_IMPLICIT_LE || dicom_vr_wide(vr);
    if (length > (wide ? UINT32_MAX : UINT16_MAX) || (length == UINT32_MAX && vr != DICOM_VR_SQ)) {
        set_error(w, BASE_ELIMIT);
        return;
    }
    put_tag(w, tag);
    if (w->encoding != DICOM_IMPLICIT_LE) {
        base_buf_add(w->out, dicom_vr_text(vr), 2);
        if (!wide) {
            put16(w, (uint16_t)length);
            return;
        }
        put16(w, 0);
    }
    put32(w, (uint32_t)length);
}

void dicom_write(struct dicom_writer *w, uint32_t tag, enum dicom_vr vr, const void *p, size_t n)
{
    assert(vr < DICOM_VR_COUNT && vr != DICOM_VR_SQ);
    put_header(w, tag, vr, (uint64_t)n + n % 2);
    base_buf_add(w->out, p, n);
    if (n % 2) /* PS3.5 6.2: UI and bytes are padded with NUL, text with a space */
        base_buf_add_byte(w->out, dicom_vr_is_text(vr) && vr != DICOM_VR_UI ? ' ' : 0);
}

static enum dicom_vr known_vr(uint32_t tag)
{
    const struct dicom_tag_entry *entry = dicom_tag_find(tag);
    assert(entry);
    return entry ? entry->vr : DICOM_VR_UN;
}

void dicom_write_text(struct dicom_writer *w, uint32_t tag, const char *s)
{
    enum dicom_vr vr = known_vr(tag);
    assert(dicom_vr_is_text(vr));
    dicom_write(w, tag, vr, s, s ? strlen(s) : 0);
}

void dicom_write_u16(struct dicom_writer *w, uint32_t tag, enum dicom_vr vr, const uint16_t *v,
                     size_t n)
{
    put_header(w, tag, vr, (uint64_t)n * 2);
    for (size_t i = 0; i < n && !w->out->err; i++)
        put16(w, v[i]);
}

static void put_u32(struct dicom_writer *w, uint32_t tag, enum dicom_vr vr, uint32_t v)
{
    put_header(w, tag, vr, 4);
    put32(w, v);
}

void dicom_write_tag(struct dicom_writer *w, uint32_t tag, uint32_t value)
{
    put_header(w, tag, DICOM_VR_AT, 4);
    put_tag(w, value);
}

static void put_u64(struct dicom_writer *w, uint32_t tag, enum dicom_vr vr, uint64_t v)
{
    put_header(w, tag, vr, 8);
    put32(w, (uint32_t)(big(w) ? v >> 32 : v));
    put32(w, (uint32_t)(big(w) ? v : v >> 32));
}

void dicom_write_int(struct dicom_writer *w, uint32_t tag, int64_t v)
{
    enum dicom_vr vr = known_vr(tag);
    uint16_t v16 = (uint16_t)v;
    char text[24];
    if (vr == DICOM_VR_US || vr == DICOM_VR_SS) {
        assert(vr == DICOM_VR_US ? v >= 0 && v <= UINT16_MAX : v >= INT16_MIN && v <= INT16_MAX);
        dicom_write_u16(w, tag, vr, &v16, 1);
    } else if (vr == DICOM_VR_UL || vr == DICOM_VR_SL) {
        assert(vr == DICOM_VR_UL ? v >= 0 && v <= UINT32_MAX : v >= INT32_MIN && v <= INT32_MAX);
        put_u32(w, tag, vr, (uint32_t)v);
    } else if (vr == DICOM_VR_UV || vr == DICOM_VR_SV) {
        put_u64(w, tag, vr, (uint64_t)v);
    } else {
        assert(vr == DICOM_VR_IS || vr == DICOM_VR_DS);
        int n = snprintf(text, sizeof text, "%" PRId64, v);
        dicom_write(w, tag, vr, text, (size_t)n);
    }
}

void dicom_write_double(struct dicom_writer *w, uint32_t tag, double v)
{
    enum dicom_vr vr = known_vr(tag);
    if (vr == DICOM_VR_FD) {
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        put_u64(w, tag, vr, bits);
    } else if (vr == DICOM_VR_FL) {
        float f = (float)v;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        put_u32(w, tag, vr, bits);
    } else {
        assert(vr == DICOM_VR_DS);
        char text[40];
        int n = 17;
        /* PS3.5 6.2: DS has at most 16 characters. */
        for (int digits = 15; n > 16 && digits > 0; digits--)
            n = snprintf(text, sizeof text, "%.*g", digits, v);
        dicom_write(w, tag, vr, text, (size_t)n);
    }
}

/* Goes one level down; the length is written now, or at close. */
static void open_level(struct dicom_writer *w, bool sequence)
{
    assert(w->depth < DICOM_DEPTH_MAX);
    w->depth++;
    w->level[w->depth].least = 0;
    w->level[w->depth].sequence = sequence;
    w->level[w->depth].length_at = w->out->n - 4;
}

static void close_level(struct dicom_writer *w, bool sequence)
{
    assert(w->depth > 0 && w->level[w->depth].sequence == sequence);
    size_t at = w->level[w->depth].length_at;
    w->depth--;
    if (w->out->err)
        return;
    if (w->undefined_lengths) {
        put_tag(w, sequence ? DICOM_TAG_SEQ_END : DICOM_TAG_ITEM_END);
        put32(w, 0);
        return;
    }
    size_t n = w->out->n - at - 4;
    if (n >= UINT32_MAX)
        set_error(w, BASE_ELIMIT);
    else if (big(w))
        base_store_be32(w->out->p + at, (uint32_t)n);
    else
        base_store_le32(w->out->p + at, (uint32_t)n);
}

void dicom_write_gap(struct dicom_writer *w, uint32_t tag)
{
    assert(!w->level[w->depth].sequence && tag >= w->level[w->depth].least);
    w->level[w->depth].least = (uint64_t)tag + 1;
}

void dicom_write_seq_open(struct dicom_writer *w, uint32_t tag)
{
    assert(known_vr(tag) == DICOM_VR_SQ);
    dicom_write_seq_begin(w, tag);
}

void dicom_write_seq_begin(struct dicom_writer *w, uint32_t tag)
{
    put_header(w, tag, DICOM_VR_SQ, w->undefined_lengths ? DICOM_UNDEFINED : 0);
    open_level(w, true);
}

void dicom_write_item_open(struct dicom_writer *w)
{
    assert(w->level[w->depth].sequence);
    put_tag(w, DICOM_TAG_ITEM);
    put32(w, w->undefined_lengths ? DICOM_UNDEFINED : 0);
    open_level(w, false);
}

void dicom_write_item_close(struct dicom_writer *w)
{
    close_level(w, false);
}

void dicom_write_seq_close(struct dicom_writer *w)
{
    close_level(w, true);
}

void dicom_write_code(struct dicom_writer *w, uint32_t tag, const char *value, const char *scheme,
                      const char *version, const char *meaning)
{
    dicom_write_seq_open(w, tag);
    dicom_write_item_open(w);
    dicom_write_text(w, DICOM_TAG_CodeValue, value);
    dicom_write_text(w, DICOM_TAG_CodingSchemeDesignator, scheme);
    if (version)
        dicom_write_text(w, DICOM_TAG_CodingSchemeVersion, version);
    dicom_write_text(w, DICOM_TAG_CodeMeaning, meaning);
    dicom_write_item_close(w);
    dicom_write_seq_close(w);
}
