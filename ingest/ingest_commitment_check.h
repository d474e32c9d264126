/*
 * Are the objects of a commitment request in the store, whole and unchanged? Each is
 * read from the disk, and its size and SHA-256 are compared with the index.
 */
#ifndef INGEST_COMMITMENT_CHECK_H
#define INGEST_COMMITMENT_CHECK_H

#include "ingest/ingest.h"

#include <jansson.h>

/* Failure Reason (PS3.3 C.14.1.1) */
enum ingest_failure {
    INGEST_COMMITTED = 0,
    INGEST_FAILURE_PROCESSING = 0x0110, /* not there, or not as it was stored */
    INGEST_FAILURE_NO_SUCH_OBJECT = 0x0112,
    INGEST_FAILURE_CLASS_CONFLICT = 0x0119,
    INGEST_FAILURE_CLASS_UNSUPPORTED = 0x0122
};

/* failures: one per item, borrowed. NULL: stopped before the end. */
typedef void ingest_checked_fn(void *arg, const uint16_t *failures, size_t n);

/* items is an array as commitment_input() returns it; with "plain" the digest covers the
 * whole file. Borrowed until fn, which runs exactly once, never inside this call. class is
 * that of the work on both pools. BASE_ENOMEM. */
enum base_err ingest_commitment_check(const struct ingest_config *config, const json_t *items,
                                      enum loop_class class, ingest_checked_fn *fn,
                                      void *arg) BASE_MUST_CHECK;

#endif
