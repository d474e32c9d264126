/*
 * The index made again from the store alone, for `rdc fsck --rebuild`: each
 * DICOM file says in its data set what it is and in its meta group where it
 * came from, and goes the way it went when it arrived, in that order.
 *
 * What is not in the store does not come back: people, contracts, devices,
 * orders, drafts, which of several objects people chose, the rows of reports (their SR and PDF do).
 */
#ifndef INGEST_REBUILD_H
#define INGEST_REBUILD_H

#include "ingest/ingest_fsck.h"

struct ingest_rebuild_counts {
    uint64_t files;
    uint64_t stored;     /* objects that have their rows again */
    uint64_t duplicates; /* the same object a second time */
    uint64_t skipped;    /* files that are no whole objects: each is a finding */
};

/* As ingest_fsck. BASE_ECONFLICT when the index is not empty or a worker runs. */
enum base_err ingest_rebuild(struct db_sync *db, const char *data,
                             const struct ingest_fsck_ops *ops,
                             struct ingest_rebuild_counts *counts,
                             struct base_error *error) BASE_MUST_CHECK;

#endif
