/*
 * An ECG file that is not DICOM: the original is stored as it is, and beside it
 * a DICOM ECG object that we write from it, which is indexed like any other.
 * Its UIDs derive from the centre and the file's digest, so that the same file
 * again is the same exam.
 */
#ifndef INGEST_ECG_H
#define INGEST_ECG_H

#include "ingest/ingest_object.h"

/* BASE_OK: result is that of ingest_object_finish. Else the file could not be read,
 * converted or stored, and message tells the sender why. */
typedef void ingest_ecg_fn(void *arg, enum base_err err, const struct ingest_result *result,
                           const char *message);

/* Takes the content of *file, which is empty afterwards. Strings of source are
 * borrowed until fn, which runs exactly once, perhaps inside this call. */
void ingest_ecg_take(struct ingest *g, const struct ingest_source *source, const char *centre_code,
                     struct base_buf *file, ingest_ecg_fn *fn, void *arg);

/* One file of a recording that has several. */
struct ingest_ecg_part {
    const char *name; /* without a path; borrowed until fn */
    struct base_buf bytes;
};

/* The same for a recording of several files, the main one first; takes their content, and
 * keeps a ZIP archive of them as the original. */
void ingest_ecg_take_set(struct ingest *g, const struct ingest_source *source,
                         const char *centre_code, struct ingest_ecg_part *parts, size_t n,
                         ingest_ecg_fn *fn, void *arg);

#endif
