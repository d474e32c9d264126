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
    INGEST_MEDIA_UNKNOWN, /* no type that pixels are sent in */
    INGEST_MEDIA_MISMATCH /* of a type and a transfer syntax that do not fit, or the stream is
                             another */
};

/*
 * What a part of this Content-Type holds. Of compressed ones *syntax is its transfer
 * syntax: by the parameter transfer-syntax; else by `hint`, what the metadata say
 * ("" = nothing); else, of JPEG, what the stream is; else the type's default.
 */
enum ingest_media ingest_media_of(const char *content_type, const char *hint,
                                  const struct dicom_jpeg *jpeg,
                                  const struct dicom_syntax **syntax);

#endif
