/*
 * Finds on disk the other files of an ECG recording (the signals and annotations of a WFDB
 * header, the beats of an ISHNE recording) by what ecg_open asks for, and packs them into
 * the archive in which they go to an intake as one. Blocks; for the disk pool and commands.
 */
#ifndef INGEST_BESIDE_H
#define INGEST_BESIDE_H

#include "base/buf.h"

#include <stdbool.h>

struct ingest_beside {
    char *folder; /* "" = the working directory; else ends with a slash */
    char **names; /* as in the folder; the first is the one asked about */
    size_t n;
    char *missing; /* a required file that is not there; NULL = none */
    uint64_t first_bytes;
    uint64_t bytes;   /* of all */
    int64_t mtime_ns; /* of the newest */
    bool is_part;     /* see ingest_beside_settle */
};

/* May a file that begins like this have others beside it? */
bool ingest_beside_may(struct base_bytes head);
/* BASE_ENOTFOUND: the file cannot be read. */
enum base_err ingest_beside_find(const char *folder, const char *name,
                                 struct ingest_beside *out) BASE_MUST_CHECK;
/* Sets is_part of those that are only a part of another: the recording of a segment is its
 * series; of two that ask for each other, the larger. */
enum base_err ingest_beside_settle(struct ingest_beside *all, size_t n) BASE_MUST_CHECK;
/* Bytes of the archive to come. */
uint64_t ingest_beside_archive_bytes(const struct ingest_beside *b);
/* BASE_ELIMIT over INGEST_SET_BYTES; BASE_EIO: one cannot be read or has changed (errno). */
enum base_err ingest_beside_archive(const struct ingest_beside *b,
                                    struct base_buf *zip) BASE_MUST_CHECK;
void ingest_beside_deinit(struct ingest_beside *b);

#endif
