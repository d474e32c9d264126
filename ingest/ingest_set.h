/*
 * The files of one request, of which several may be one ECG recording (a WFDB header and
 * its signals, an ISHNE recording and its beats), in any order: kept until all have come,
 * then divided into recordings, each within one folder.
 */
#ifndef INGEST_SET_H
#define INGEST_SET_H

#include "base/buf.h"

#include <stdbool.h>

struct ecg_needs;

struct ingest_set_file {
    const char *path; /* as sent; borrowed */
    struct base_buf bytes;
    void *item;              /* the caller's */
    struct ecg_needs *needs; /* NULL: it does not begin a recording */
    bool used;
};

/* Zero-initialised is empty. */
struct ingest_set {
    struct ingest_set_file *files;
    size_t n;
    size_t bytes;
    bool sorted; /* needs are known */
};

enum { INGEST_SET_BYTES = 64 << 20 };

/* Takes *bytes in any case. BASE_ELIMIT: over INGEST_SET_BYTES in all. */
enum base_err ingest_set_add(struct ingest_set *s, const char *path, struct base_buf *bytes,
                             void *item);
/* Marks the files of the next recording as used, and puts their numbers into chosen (with
 * room for all), the main one first. Returns how many; 0: no recording is left. */
size_t ingest_set_next(struct ingest_set *s, size_t *chosen);
/* The name without the folder. */
const char *ingest_set_name(const struct ingest_set_file *f);
void ingest_set_deinit(struct ingest_set *s);

#endif
