/* Media types of bulk data, and the transfer syntaxes they stand for (PS3.18
 * Tables 8.7.3-2 to 8.7.3-5). Pure. */
#ifndef INGEST_MEDIA_H
#define INGEST_MEDIA_H

#include "dicom/dicom_jpeg.h"
#include "dicom/dicom_uid.h"

enum ingest_media {
    INGEST_MEDIA_OCTETS,  /* not compressed, or no pixels */
    INGEST_MEDIA_FRAME,   /* a compressed frame */
    INGEST_MEDIA_VIDEO,   /* all frames in one stream */
    INGEST_MEDIA_UNKNOWN, /* not a type for pixels */
    INGEST_MEDIA_MISMATCH /* the transfer syntax does not fit the type, or the stream */
};

/*
 * What a part of this Content-Type holds. For compressed data *syntax is its transfer
 * syntax: the parameter transfer-syntax; else `hint`, that of the metadata ("" = none);
 * else, for JPEG, what the stream itself is; else the default of the type.
 */
enum ingest_media ingest_media_of(const char *content_type, const char *hint,
                                  const struct dicom_jpeg *jpeg,
                                  const struct dicom_syntax **syntax);

#endif
