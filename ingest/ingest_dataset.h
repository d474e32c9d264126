/*
 * The data sets of N-services in the DICOM JSON model (PS3.18 F), as the database
 * takes them: text as UTF-8, sequences, numbers; binary values appear without their
 * content. IS and DS are written as text. Pure.
 */
#ifndef INGEST_DATASET_H
#define INGEST_DATASET_H

#include "base/buf.h"
#include "dicom/dicom_dataset.h"

enum { INGEST_DATASET_DEPTH = 16 }; /* of sequences */

/* Appends one JSON object. BASE_EFORMAT, BASE_ELIMIT (nested too deep, text too
 * long), BASE_ENOMEM; error (may be NULL) says where. */
enum base_err ingest_dataset_json(struct base_bytes dataset, enum dicom_encoding encoding,
                                  struct base_buf *out, struct base_error *error) BASE_MUST_CHECK;

#endif
