#include "ingest/ingest_media.h"

#include "net/net_multipart.h"

#include <string.h>

enum { SYNTAXES = 6 };

/* The first is the default. The names with x- are those of before 2017. */
static const struct media {
    const char *type;
    enum ingest_media kind;
    const char *syntaxes[SYNTAXES];
} table[] = {
    {"application/octet-stream", INGEST_MEDIA_OCTETS, {DICOM_UID_EXPLICIT_LE}},
    {"image/jpeg",
     INGEST_MEDIA_FRAME,
     {DICOM_UID_JPEG_LOSSLESS, DICOM_UID_JPEG_BASELINE, DICOM_UID_JPEG_EXTENDED,
      DICOM_UID_JPEG_LOSSLESS_ANY}},
    {"image/dicom-rle", INGEST_MEDIA_FRAME, {DICOM_UID_RLE}},
    {"image/x-dicom-rle", INGEST_MEDIA_FRAME, {DICOM_UID_RLE}},
    {"image/jls", INGEST_MEDIA_FRAME, {DICOM_UID_JPEG_LS_LOSSLESS, "1.2.840.10008.1.2.4.81"}},
    {"image/x-jls", INGEST_MEDIA_FRAME, {DICOM_UID_JPEG_LS_LOSSLESS, "1.2.840.10008.1.2.4.81"}},
    {"image/jp2", INGEST_MEDIA_FRAME, {DICOM_UID_JPEG_2000_LOSSLESS, DICOM_UID_JPEG_2000}},
    {"image/jpx", INGEST_MEDIA_FRAME, {"1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93"}},
    {"image/jphc",
     INGEST_MEDIA_FRAME,
     {"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"}},
    {"video/mpeg", INGEST_MEDIA_VIDEO, {"1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101"}},
    {"video/mpeg2", INGEST_MEDIA_VIDEO, {"1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101"}},
    {"video/mp4",
     INGEST_MEDIA_VIDEO,
     {"1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.103", "1.2.840.10008.1.2.4.104",
      "1.2.840.10008.1.2.4.105", "1.2.840.10008.1.2.4.106"}},
    {"video/h265", INGEST_MEDIA_VIDEO, {"1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.108"}},
};

static bool is_of(const struct media *m, const char *syntax)
{
    for (size_t i = 0; i < SYNTAXES && m->syntaxes[i]; i++)
        if (strcmp(m->syntaxes[i], syntax) == 0)
            return true;
    return false;
}

enum ingest_media ingest_media_of(const char *content_type, const char *hint,
                                  const struct dicom_jpeg *jpeg, const struct dicom_syntax **syntax)
{
    char asked[DICOM_UID_SIZE];
    const struct media *m = NULL;
    for (size_t i = 0; i < sizeof table / sizeof table[0] && !m; i++)
        if (!content_type[0] || net_mime_is(content_type, table[i].type))
            m = &table[i];
    if (!m)
        return INGEST_MEDIA_UNKNOWN;
    bool is_asked = net_mime_param(content_type, "transfer-syntax", asked, sizeof asked);
    const char *uid = m->syntaxes[0];
    bool is_jpeg = uid == table[1].syntaxes[0];
    if (is_asked)
        uid = asked;
    else if (m->kind != INGEST_MEDIA_OCTETS && is_of(m, hint))
        uid = hint;
    else if (is_jpeg && dicom_jpeg_syntax(jpeg))
        uid = dicom_jpeg_syntax(jpeg);
    /* PS3.5 A.1: native pixels are the same bytes in both little-endian syntaxes. */
    if (m->kind == INGEST_MEDIA_OCTETS && strcmp(uid, DICOM_UID_IMPLICIT_LE) == 0)
        uid = DICOM_UID_EXPLICIT_LE;
    if (!is_of(m, uid) || (is_jpeg && !dicom_jpeg_is(jpeg, uid)))
        return INGEST_MEDIA_MISMATCH;
    *syntax = dicom_syntax_find(uid);
    return *syntax ? m->kind : INGEST_MEDIA_MISMATCH;
}
