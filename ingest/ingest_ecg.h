/*
 * An ECG file that is not DICOM: the original is stored as it is, and beside it
 * a DICOM ECG object that we write from it, which is indexed like any other.
 * Its UIDs derive from the centre and the file's digest, so that the same file
 * again is the same exam.
 */
#ifndef INGEST_ECG_H
#define INGEST_ECG_H

#include "ingest/ingest_object.h"

/* err: the file could not be read or written as DICOM, or not be stored; message
 * says why, to the sender. BASE_OK: result as of ingest_object_finish. */
typedef void ingest_ecg_fn(void *arg, enum base_err err, const struct ingest_result *result,
                           const char *message);

/* Takes the content of *file, which is empty afterwards. Strings of source are
 * borrowed until fn, which runs exactly once, perhaps inside this call. */
void ingest_ecg_take(struct ingest *g, const struct ingest_source *source, const char *centre_code,
                     struct base_buf *file, ingest_ecg_fn *fn, void *arg);

#endif
