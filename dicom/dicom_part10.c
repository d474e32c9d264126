#include "dicom/dicom_part10.h"

enum { PREAMBLE = 128 };

static enum dicom_scan not_dicom(struct base_error *error)
{
    base_fail(error, BASE_EFORMAT, 0, "not a DICOM file: neither \"DICM\" nor a data set");
    return DICOM_SCAN_BAD;
}

struct meta_texts {
    char syntax[DICOM_UID_SIZE];
    char creator[DICOM_UID_SIZE]; /* of the private information */
};

static void take_meta(const struct dicom_element *e, struct dicom_part10 *out,
                      struct meta_texts *texts)
{
    switch (e->tag) {
    case DICOM_TAG_MediaStorageSOPClassUID:
        dicom_value_copy(e->value, out->sop_class, sizeof out->sop_class);
        break;
    case DICOM_TAG_MediaStorageSOPInstanceUID:
        dicom_value_copy(e->value, out->sop_instance, sizeof out->sop_instance);
        break;
    case DICOM_TAG_TransferSyntaxUID:
        dicom_value_copy(e->value, texts->syntax, sizeof texts->syntax);
        break;
    case DICOM_TAG_ImplementationClassUID:
        dicom_value_copy(e->value, out->implementation_class, sizeof out->implementation_class);
        break;
    case DICOM_TAG_PrivateInformationCreatorUID:
        dicom_value_copy(e->value, texts->creator, sizeof texts->creator);
        break;
    case DICOM_TAG_PrivateInformation:
        if (strcmp(texts->creator, DICOM_PRIVATE_INFORMATION_UID) == 0)
            out->private_information = e->value;
        break;
    default:
        break;
    }
}

/* The meta group starts at `start`; always explicit little endian. It ends where
 * another group begins: its group length is wrong too often to be believed.
 * DEVIATION (PS3.5 7.1). */
static enum dicom_scan read_meta(struct base_bytes prefix, size_t start, bool complete,
                                 struct dicom_part10 *out, struct base_error *error)
{
    struct dicom_cursor c;
    struct dicom_element e;
    struct dicom_part10 found = {.has_meta = true};
    struct meta_texts texts = {0};
    struct base_bytes meta = {prefix.p + start, prefix.n - start};
    dicom_cursor_init(&c, meta, DICOM_EXPLICIT_LE, complete);
    while (c.resume + 2 <= meta.n && base_load_le16(meta.p + c.resume) == 2) {
        enum dicom_step step = dicom_cursor_next(&c, &e);
        if (step == DICOM_MORE || (step == DICOM_ELEMENT && e.partial))
            return DICOM_SCAN_MORE;
        if (step != DICOM_ELEMENT) {
            base_fail(error, c.error.code, start + c.error.pos, "file meta group: %s", c.error.msg);
            return DICOM_SCAN_BAD;
        }
        take_meta(&e, &found, &texts);
    }
    if (c.resume + 2 > meta.n && !complete)
        return DICOM_SCAN_MORE;
    found.dataset = start + (size_t)c.resume;
    found.syntax = dicom_syntax_find(texts.syntax);
    if (!found.syntax) {
        bool named = texts.syntax[0] != 0;
        base_fail(error, named ? BASE_EUNSUPPORTED : BASE_EFORMAT, start,
                  named ? "transfer syntax %s is not known"
                        : "file meta group: no Transfer Syntax UID (0002,0010)%s",
                  texts.syntax);
        return DICOM_SCAN_BAD;
    }
    *out = found;
    return DICOM_SCAN_DONE;
}

/* A bare data set: it starts with group 0008 or, rarely, 0010. */
static const char *sniff(const uint8_t p[8])
{
    bool vr = dicom_vr_of((char)p[4], (char)p[5]) != DICOM_VR_NONE;
    if ((p[0] == 0x08 || p[0] == 0x10) && p[1] == 0) {
        if (vr)
            return DICOM_UID_EXPLICIT_LE;
        return base_load_le32(p + 4) < (1U << 24) ? DICOM_UID_IMPLICIT_LE : NULL;
    }
    if (p[0] == 0 && (p[1] == 0x08 || p[1] == 0x10) && vr)
        return DICOM_UID_EXPLICIT_BE;
    return NULL;
}

enum dicom_encoding dicom_part10_encoding(struct base_bytes prefix,
                                          const struct dicom_syntax *syntax)
{
    /* A first element that is so low has a short value: two letters of a VR, read as
     * a length, would be 16 KiB at least. */
    if (syntax->encoding == DICOM_EXPLICIT_BE || prefix.n < 8 || prefix.p[0] != 0x08 ||
        base_load_le16(prefix.p + 2) > 0x0018)
        return syntax->encoding;
    const char *uid = sniff(prefix.p);
    return uid ? dicom_syntax_find(uid)->encoding : syntax->encoding;
}

bool dicom_part10_has_preamble(struct base_bytes b)
{
    return b.n >= PREAMBLE + 4 && memcmp(b.p + PREAMBLE, "DICM", 4) == 0;
}

enum dicom_scan dicom_part10_read(struct base_bytes prefix, bool complete, struct dicom_part10 *out,
                                  struct base_error *error)
{
    if (dicom_part10_has_preamble(prefix))
        return read_meta(prefix, PREAMBLE + 4, complete, out, error);
    if (prefix.n < PREAMBLE + 4 && !complete)
        return DICOM_SCAN_MORE;
    if (prefix.n >= 4 && memcmp(prefix.p, "DICM", 4) == 0)
        return read_meta(prefix, 4, complete, out, error);
    if (prefix.n < 8)
        return not_dicom(error);
    if (base_load_le16(prefix.p) == 2 &&
        dicom_vr_of((char)prefix.p[4], (char)prefix.p[5]) != DICOM_VR_NONE)
        return read_meta(prefix, 0, complete, out, error);
    const char *uid = sniff(prefix.p);
    if (!uid)
        return not_dicom(error);
    *out = (struct dicom_part10){.syntax = dicom_syntax_find(uid)};
    return DICOM_SCAN_DONE;
}

void dicom_part10_write(struct base_buf *out, const struct dicom_part10_meta *meta)
{
    struct dicom_writer w;
    dicom_writer_init(&w, out, DICOM_EXPLICIT_LE);
    base_buf_add_fill(out, 0, PREAMBLE);
    base_buf_add_str(out, "DICM");
    dicom_write_int(&w, DICOM_TAG_FileMetaInformationGroupLength, 0);
    size_t start = out->n;
    dicom_write(&w, DICOM_TAG_FileMetaInformationVersion, DICOM_VR_OB, "\0\1", 2);
    dicom_write_text(&w, DICOM_TAG_MediaStorageSOPClassUID, meta->sop_class);
    dicom_write_text(&w, DICOM_TAG_MediaStorageSOPInstanceUID, meta->sop_instance);
    dicom_write_text(&w, DICOM_TAG_TransferSyntaxUID, meta->syntax_uid);
    dicom_write_text(&w, DICOM_TAG_ImplementationClassUID, DICOM_IMPLEMENTATION_UID);
    dicom_write_text(&w, DICOM_TAG_ImplementationVersionName, DICOM_IMPLEMENTATION_VERSION);
    if (meta->source_aet)
        dicom_write_text(&w, DICOM_TAG_SourceApplicationEntityTitle, meta->source_aet);
    if (meta->private_information.n) {
        dicom_write_text(&w, DICOM_TAG_PrivateInformationCreatorUID, DICOM_PRIVATE_INFORMATION_UID);
        dicom_write(&w, DICOM_TAG_PrivateInformation, DICOM_VR_OB, meta->private_information.p,
                    meta->private_information.n);
    }
    if (!out->err)
        base_store_le32(out->p + start - 4, (uint32_t)(out->n - start));
}

void dicom_part10_write_meta(struct base_buf *out, const char *sop_class, const char *sop_instance,
                             const char *syntax_uid, const char *source_aet)
{
    dicom_part10_write(out, &(struct dicom_part10_meta){.sop_class = sop_class,
                                                        .sop_instance = sop_instance,
                                                        .syntax_uid = syntax_uid,
                                                        .source_aet = source_aet});
}
