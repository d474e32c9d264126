/*
 * Reads the files of one recording from disk, as ecg_open asks for them: only siblings
 * of the one that was named, in its folder. And writes files that are made of it.
 */
#ifndef RDC_ECG_FILES_H
#define RDC_ECG_FILES_H

#include "base/buf.h"
#include "ecg/ecg_write.h"

struct rdc_ecg_files {
    struct ecg_input *inputs; /* [0] is the one that was named; names are owned */
    struct base_buf *bytes;
    size_t n;
    struct base_pages *pages; /* for large arrays, of the caller, or NULL; see ecg_limits */
};

/* path: a file, "-" for standard input, or a WFDB record without its ".hea".
 * annotators: extensions of annotation files to read too ("atr q1c"), or NULL.
 * The caller sets f->pages before, frees f in any case, and on BASE_OK owns *out. */
enum base_err rdc_ecg_open(const char *path, const char *annotators, struct rdc_ecg_files *f,
                           struct ecg_record **out, struct base_error *err) BASE_MUST_CHECK;
struct rdc_ecg_file {
    const char *path;
    struct base_bytes bytes; /* p = NULL: the file is removed, once the others are in place */
};
/* 0, or errno of files[*which]. Each file is replaced as a whole, keeping its mode, or not at all,
 * and none before all are written. A pipe or device is written to directly. */
int rdc_ecg_files_save(const struct rdc_ecg_file *files, size_t n, size_t *which) BASE_MUST_CHECK;
void rdc_ecg_files_free(struct rdc_ecg_files *f);

#endif
