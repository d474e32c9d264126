/*
 * The transfer syntax of a JPEG stream (ISO/IEC 10918-1), from its markers, as its
 * bytes arrive. Buffers nothing.
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
    bool scan;          /* the scan header has been read: all is known */
};

void dicom_jpeg_feed(struct dicom_jpeg *j, struct base_bytes bytes);
/* Does the stream fit this transfer syntax (.50, .51, .57, .70)? */
bool dicom_jpeg_is(const struct dicom_jpeg *j, const char *syntax);
/* The narrowest of these four that fits; NULL when none does. */
const char *dicom_jpeg_syntax(const struct dicom_jpeg *j);

#endif
