#include "ingest/ingest_models_priv.h"

#include "dicom/dicom_part10.h"
#include "ingest/ingest_media.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 12 /* of an element of long length */ };

struct planner {
    const struct dicom_model *model;
    struct ingest_bulk *bulk;
    struct ingest_model_plan *plan;
    struct base_error *error;
    const struct dicom_syntax *syntax;
    bool failed; /* out of memory */
};

static enum base_err BASE_PRINTF(4, 5) fail(struct planner *p, const struct dicom_model_bulk *b,
                                            enum base_err err, const char *fmt, ...)
{
    char text[160];
    char tag[DICOM_TAG_TEXT_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return base_fail(p->error, err, BASE_NOPOS, "%s: %s", dicom_tag_text(b->tag, tag), text);
}

/* ---- pieces ---- */

static void add(struct planner *p, const void *bytes, uint64_t offset, uint64_t n)
{
    struct ingest_model_plan *plan = p->plan;
    if (n == 0 || p->failed)
        return;
    if (plan->n == plan->room) {
        size_t room = plan->room ? 2 * plan->room : 16;
        struct ingest_model_piece *pieces = realloc(plan->pieces, room * sizeof *pieces);
        p->failed = !pieces;
        if (!pieces)
            return;
        plan->pieces = pieces;
        plan->room = room;
    }
    plan->pieces[plan->n++] = (struct ingest_model_piece){.p = bytes, .offset = offset, .n = n};
}

/* Tag and length as they stand in explicit little endian; vr NONE: of an item. */
static void add_header(struct planner *p, uint32_t tag, enum dicom_vr vr, uint32_t length)
{
    uint8_t *h = base_arena_alloc(&p->plan->arena, HEADER);
    size_t n = 4;
    if (!h) {
        p->failed = true;
        return;
    }
    base_store_le16(h, DICOM_GROUP(tag));
    base_store_le16(h + 2, DICOM_ELEMENT_NUMBER(tag));
    if (vr != DICOM_VR_NONE) {
        memcpy(h + 4, dicom_vr_text(vr), 2);
        n = dicom_vr_wide(vr) ? 8 : 6;
    }
    if (n == 6)
        base_store_le16(h + n, (uint16_t)length);
    else
        base_store_le32(h + n, length);
    add(p, h, 0, n == 6 ? 8 : n + 4);
}

/* The part, made even (PS3.5 7.1.1). */
static void add_part(struct planner *p, const struct ingest_bulk_part *part, bool text)
{
    add(p, NULL, part->offset, part->size);
    if (part->size % 2)
        add(p, text ? " " : "\0", 0, 1);
}

/* ---- values ---- */

/* PS3.5 A.4: an empty offset table, a fragment for each frame, or for the stream. */
static enum base_err add_fragments(struct planner *p, const struct dicom_model_bulk *b,
                                   struct ingest_bulk_part *const *parts, size_t n, bool video)
{
    if (video && n != 1)
        return fail(p, b, BASE_EFORMAT, "%zu parts; a video is one stream", n);
    if (!video && n != p->model->frames)
        return fail(p, b, BASE_EFORMAT, "%zu parts, but Number of Frames %" PRIu64, n,
                    p->model->frames);
    add_header(p, b->tag, DICOM_VR_OB, DICOM_UNDEFINED);
    add_header(p, DICOM_TAG_ITEM, DICOM_VR_NONE, 0);
    for (size_t i = 0; i < n; i++) {
        if (parts[i]->size == 0 || parts[i]->size > UINT32_MAX - 2)
            return fail(p, b, BASE_EFORMAT, "a frame is empty, or larger than 4 GiB");
        add_header(p, DICOM_TAG_ITEM, DICOM_VR_NONE,
                   (uint32_t)(parts[i]->size + parts[i]->size % 2));
        add_part(p, parts[i], false);
    }
    add_header(p, DICOM_TAG_SEQ_END, DICOM_VR_NONE, 0);
    return BASE_OK;
}

static bool is_pixels(const struct dicom_model_bulk *b)
{
    return b->tag == DICOM_TAG_PixelData && !b->nested;
}

/* Frames that come in parts of their own follow each other (PS3.5 8.1.1). */
static enum base_err add_octets(struct planner *p, const struct dicom_model_bulk *b,
                                struct ingest_bulk_part *const *parts, size_t n)
{
    uint64_t size = 0;
    uint64_t need = is_pixels(b) ? p->model->pixel_bytes : 0;
    if (n > 1 && !is_pixels(b))
        return fail(p, b, BASE_EFORMAT, "%zu parts have its Content-Location", n);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && parts[i]->size % 2)
            return fail(p, b, BASE_EFORMAT, "frames of an odd size in parts of their own");
        size += parts[i]->size;
    }
    if (size > (dicom_vr_wide(b->vr) ? UINT32_MAX - 2 : UINT16_MAX - 1U))
        return fail(p, b, BASE_EFORMAT, "%" PRIu64 " bytes are too many for its VR", size);
    if (need && size != need && size != need + need % 2)
        return fail(p, b, BASE_EFORMAT, "%" PRIu64 " bytes, but its image has %" PRIu64, size,
                    need);
    add_header(p, b->tag, b->vr, (uint32_t)(size + size % 2));
    for (size_t i = 0; i < n; i++)
        add_part(p, parts[i], dicom_vr_is_text(b->vr) && b->vr != DICOM_VR_UI);
    return BASE_OK;
}

static enum base_err add_pixels(struct planner *p, const struct dicom_model_bulk *b,
                                struct ingest_bulk_part *const *parts, size_t n)
{
    enum ingest_media kind = INGEST_MEDIA_UNKNOWN;
    for (size_t i = 0; i < n; i++) {
        const struct dicom_syntax *syntax = NULL;
        kind = ingest_media_of(parts[i]->type, p->model->transfer_syntax, &parts[i]->jpeg, &syntax);
        if (kind == INGEST_MEDIA_UNKNOWN)
            return fail(p, b, BASE_EUNSUPPORTED, "%.32s is no media type for pixels",
                        parts[i]->type);
        if (kind == INGEST_MEDIA_MISMATCH)
            return fail(p, b, BASE_EUNSUPPORTED, "media type, transfer-syntax or stream disagree");
        if (i && syntax != p->syntax)
            return fail(p, b, BASE_EFORMAT, "its frames have different transfer syntaxes");
        p->syntax = syntax;
    }
    return kind == INGEST_MEDIA_OCTETS ? add_octets(p, b, parts, n)
                                       : add_fragments(p, b, parts, n, kind == INGEST_MEDIA_VIDEO);
}

static enum base_err add_value(struct planner *p, const struct dicom_model_bulk *b)
{
    struct ingest_bulk_part *const *parts;
    size_t n;
    enum base_err err =
        ingest_bulk_find(p->bulk, b->uri, is_pixels(b) ? p->model->frames : 0, &parts, &n);
    if (err == BASE_ELIMIT)
        return fail(p, b, err, "parts are referred to again too often; send it in another request");
    if (err)
        return fail(p, b, BASE_EFORMAT, "no part has its BulkDataURI as Content-Location");
    return is_pixels(b) ? add_pixels(p, b, parts, n) : add_octets(p, b, parts, n);
}

/* ---- the whole ---- */

static enum base_err add_all(struct planner *p)
{
    const struct dicom_model *m = p->model;
    size_t at = 0;
    /* its place is kept: the syntax is known when the pixels were looked at */
    add(p, "", 0, 1);
    for (size_t i = 0; i < m->n_bulks; i++) {
        add(p, m->data.p + at, 0, m->bulks[i].at - at);
        at = m->bulks[i].at;
        enum base_err err = add_value(p, &m->bulks[i]);
        if (err)
            return err;
    }
    add(p, m->data.p + at, 0, m->data.n - at);
    dicom_part10_write_meta(&p->plan->head, m->sop_class, m->sop_instance, p->syntax->uid, NULL);
    if (p->failed || p->plan->head.err)
        return base_fail(p->error, BASE_ENOMEM, BASE_NOPOS,
                         "the server is out of memory; send it again later");
    p->plan->pieces[0] = (struct ingest_model_piece){.p = p->plan->head.p, .n = p->plan->head.n};
    return BASE_OK;
}

enum base_err ingest_model_plan(const struct dicom_model *model, struct ingest_bulk *bulk,
                                struct ingest_model_plan *out, struct base_error *error)
{
    struct planner p = {.model = model,
                        .bulk = bulk,
                        .plan = out,
                        .error = error,
                        .syntax = dicom_syntax_find(DICOM_UID_EXPLICIT_LE)};
    memset(out, 0, sizeof *out);
    base_arena_init(&out->arena, 0);
    if (!model->sop_class[0] || !model->sop_instance[0])
        return base_fail(error, BASE_EFORMAT, BASE_NOPOS, "%s is missing or no UID",
                         model->sop_class[0] ? "(0008,0018) SOP Instance UID"
                                             : "(0008,0016) SOP Class UID");
    return add_all(&p);
}

void ingest_model_plan_deinit(struct ingest_model_plan *plan)
{
    free(plan->pieces);
    base_buf_deinit(&plan->head);
    base_arena_deinit(&plan->arena);
    memset(plan, 0, sizeof *plan);
}
