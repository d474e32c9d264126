/*
 * How many bytes the pixel data of an image should have when they are not compressed, from what
 * the top level of its data set says.
 */
#ifndef DICOM_EXTENT_H
#define DICOM_EXTENT_H

#include "base/bytes.h"
#include "dicom/dicom_tag.h"

struct dicom_extent {
    uint64_t rows, columns, samples, bits; /* Bits Allocated; 0 = not there */
    uint64_t frames;                       /* Number of Frames; 0 = not there, or none */
    bool subsampled;                       /* its chrominance has fewer samples */
};

/* An element of the top level, its value in little endian; one of no meaning here is passed over.
 */
void dicom_extent_take(struct dicom_extent *x, uint32_t tag, enum dicom_vr vr,
                       struct base_bytes value);
/* Without the padding to an even length. 0: it cannot be told. */
uint64_t dicom_extent_bytes(const struct dicom_extent *x);

#endif
