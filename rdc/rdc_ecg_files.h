/*
 * The files of one recording, read from disk as ecg_open asks for them: siblings
 * of the one that was named, in its folder and nowhere else. And what is made of it,
 * written.
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
 * On BASE_OK the caller owns *out. f, of which the caller sets pages, is to be freed in any case.
 */
enum base_err rdc_ecg_open(const char *path, const char *annotators, struct rdc_ecg_files *f,
                           struct ecg_record **out, struct base_error *err) BASE_MUST_CHECK;
struct rdc_ecg_file {
    const char *path;
    struct base_bytes bytes; /* p = NULL: what is there goes, once the others are in place */
};
/* 0, or errno of files[*which]. Each file is replaced as a whole, its mode kept, or stays what it
 * was, and none is before all are written; what is none (a pipe, a device) is written. */
int rdc_ecg_files_save(const struct rdc_ecg_file *files, size_t n, size_t *which) BASE_MUST_CHECK;
void rdc_ecg_files_free(struct rdc_ecg_files *f);

#endif
