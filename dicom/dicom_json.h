/*
 * A data set as one DICOM JSON object (PS3.18 Annex F), from its bytes in memory: a
 * fast path for shim_metadata_json(), with equal output (as JSON). It reads explicit
 * encodings only, since only DCMTK has the whole dictionary, and leaves anything
 * unusual to DCMTK.
 */
#ifndef DICOM_JSON_H
#define DICOM_JSON_H

#include "dicom/dicom_part10.h"

/*
 * Reads the prefix (complete: it is the whole data set) in the syntax and
 * appends to out.
 *
 * DONE: *end is the size of the whole data set: of the prefix if it is
 *       complete, else where the pixel data end, which must be the last element;
 *       a caller that finds another size leaves the data set to DCMTK.
 * MORE: the prefix ends before the pixel data.
 * BAD:  unusual (fewer pixels than are stated, too) or malformed: leave it to DCMTK.
 *
 * Omits and bounds the same values as shim_metadata_json(). Unless DONE, the content
 * of out is undefined.
 */
enum dicom_scan dicom_json_write(struct base_bytes prefix, bool complete,
                                 const struct dicom_syntax *syntax, struct base_buf *out,
                                 uint64_t *end);

#endif
