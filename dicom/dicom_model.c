#include "dicom/dicom_model.h"

#include "dicom/dicom_dataset.h"
#include "dicom/dicom_extent.h"
#include "dicom/dicom_model_priv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct builder {
    struct dicom_writer w;
    struct dicom_model *m;
    struct base_error *error;
    struct dicom_model_value value; /* of the element under way */
    uint32_t tag;                   /* that is under way */
    uint32_t parent[DICOM_MODEL_DEPTH + 1];
    size_t item[DICOM_MODEL_DEPTH + 1];
    unsigned depth;
    /* of the top level, for the size of the pixel data; 0 = not there */
    struct dicom_extent extent;
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
    const struct base_buf *value = &b->value.bytes;
    if (b->tag == DICOM_TAG_SOPClassUID)
        copy_uid(b->m->sop_class, value);
    else if (b->tag == DICOM_TAG_SOPInstanceUID)
        copy_uid(b->m->sop_instance, value);
    else
        dicom_extent_take(&b->extent, b->tag, vr, base_bytes_of(value->p, value->n));
}

/* PS3.5 8.2 and A.2: pixels of more than 8 bits are words. */
static enum dicom_vr vr_of_pixels(const struct builder *b, enum dicom_vr vr)
{
    if (b->tag != DICOM_TAG_PixelData || b->depth)
        return vr;
    return b->extent.bits > 8 ? DICOM_VR_OW : vr == DICOM_VR_UN ? DICOM_VR_OB : vr;
}

static enum base_err write_value(struct builder *b, enum dicom_vr vr)
{
    const struct base_buf *value = &b->value.bytes;
    if (value->err || b->m->data.err)
        return out_of(b, value->err ? value->err : b->m->data.err);
    if (!dicom_vr_wide(vr) && value->n > 0xFFFE)
        return bad(b, "its value is too long for %s", dicom_vr_text(vr));
    if (!b->depth)
        note(b, vr);
    if (!b->depth && b->tag == DICOM_TAG_PixelData) {
        b->m->pixel_bytes = dicom_extent_bytes(&b->extent);
        if (b->m->pixel_bytes && value->n &&
            value->n != b->m->pixel_bytes + b->m->pixel_bytes % 2 && value->n != b->m->pixel_bytes)
            return bad(b, "%zu bytes; rows × columns … need %" PRIu64, value->n, b->m->pixel_bytes);
    }
    dicom_write(&b->w, b->tag, vr, value->p, value->n);
    return BASE_OK;
}

static enum base_err add_attribute(struct builder *b, const json_t *attribute)
{
    const json_t *values = json_object_get(attribute, "Value");
    const json_t *binary = json_object_get(attribute, "InlineBinary");
    const json_t *uri = json_object_get(attribute, "BulkDataURI");
    enum dicom_vr vr = DICOM_VR_UN;
    enum base_err err = read_vr(b, attribute, &vr);
    if (err)
        return err;
    if ((values != NULL) + (binary != NULL) + (uri != NULL) > 1)
        return bad(b, "more than one of Value, InlineBinary, BulkDataURI");
    if (values && !json_is_array(values))
        return bad(b, "Value is no array");
    vr = vr_of_pixels(b, vr);
    base_buf_reset(&b->value.bytes);
    if (uri)
        return add_bulk(b, vr, uri);
    if (vr == DICOM_VR_SQ && !binary)
        return add_items(b, values);
    err = binary ? dicom_model_add_inline(&b->value, vr, binary)
                 : dicom_model_add_values(&b->value, vr, values);
    return err ? bad(b, "%s", b->value.wrong) : write_value(b, vr);
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
    base_buf_init(&b.value.bytes, DICOM_MODEL_TEXT_MAX);
    read_uids(dataset, out);
    dicom_writer_init(&b.w, &out->data, DICOM_EXPLICIT_LE);
    b.w.undefined_lengths = true;
    enum base_err err = add_dataset(&b, dataset);
    if (!err && out->data.err)
        err = out_of(&b, out->data.err);
    out->frames = b.extent.frames ? b.extent.frames : 1;
    out->pixel_bytes = dicom_extent_bytes(&b.extent);
    base_buf_deinit(&b.value.bytes);
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
