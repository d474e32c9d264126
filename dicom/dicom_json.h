/*
 * A data set as one DICOM JSON object (PS3.18 Annex F), from its bytes in
 * memory: the quick way to what shim_metadata_json() makes with DCMTK, equal
 * to it as JSON. It knows the explicit encodings only, since the whole
 * dictionary is DCMTK's, and leaves anything unusual to it.
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
 *       a caller that finds the data set to be of another size lets DCMTK do it.
 * MORE: the prefix ends before the pixel data.
 * BAD:  let DCMTK do it, or say what is wrong.
 *
 * Left out and bounded are the same values as in dicom/shim/shim.h. Unless
 * DONE, the content of out is undefined.
 */
enum dicom_scan dicom_json_write(struct base_bytes prefix, bool complete,
                                 const struct dicom_syntax *syntax, struct base_buf *out,
                                 uint64_t *end);

#endif
