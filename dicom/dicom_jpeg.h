/*
 * Which transfer syntax a JPEG stream (ISO/IEC 10918-1) is, from its markers as
 * its bytes come. Nothing is held.
 */
#ifndef DICOM_JPEG_H
#define DICOM_JPEG_H

#include "base/bytes.h"

#include <stdbool.h>

/* Zero-initialised at the beginning of a stream. */
struct dicom_jpeg {
    int state;
    uint8_t marker;
    uint32_t left;      /* bytes of the segment that are still to come */
    uint32_t at;        /* in the segment */
    uint8_t frame;      /* the SOF marker; 0 = not yet */
    uint8_t components; /* of the scan */
    uint8_t selection;  /* Ss of the first scan: the predictor, when lossless */
    bool scan;          /* its header has been read: nothing more is to be learnt */
};

void dicom_jpeg_feed(struct dicom_jpeg *j, struct base_bytes bytes);
/* May the stream be what this transfer syntax (.50, .51, .57, .70) says? */
bool dicom_jpeg_is(const struct dicom_jpeg *j, const char *syntax);
/* The narrowest that fits; NULL when it is none of these four. */
const char *dicom_jpeg_syntax(const struct dicom_jpeg *j);

#endif
