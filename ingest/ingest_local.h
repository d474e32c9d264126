/* A file of this machine, read piece by piece into an intake. */
#ifndef INGEST_LOCAL_H
#define INGEST_LOCAL_H

#include "ingest/ingest_intake.h"

struct ingest_local {
    int fd; /* open for reading until the callback; stays the caller's */
    struct ingest_arrival_options options;
    enum loop_pool pool;      /* where it is read */
    const char *content_type; /* of the whole, NULL = by its content */
    const char *manifest;     /* as of ingest_intake_manifest */
    bool has_sha256;          /* refused with 422 if its digest differs */
    uint8_t sha256[BASE_SHA256];
};

/* Copies *local; its strings are borrowed until fn, which runs exactly once, perhaps inside
 * this call. 5xx: try again later, also for a file that changed while it was read. */
void ingest_local_take(struct ingest *g, const struct ingest_local *local, ingest_intake_fn *fn,
                       void *arg);

#endif
