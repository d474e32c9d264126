/*
 * Checks store and index against each other, for `rdc fsck`: blocking, while workers
 * may be running.
 *
 * Every row of an object is looked up in the store (present, size, SHA-256), every
 * file of the store in the index, and the index is searched for contradictions. What
 * needs no decision is repaired: files that no row names and whose worker is dead go
 * to lost/, missing jobs are queued, and the files of a report are made again.
 */
#ifndef INGEST_FSCK_H
#define INGEST_FSCK_H

#include "db/db_sync.h"

enum ingest_fsck_state {
    INGEST_FSCK_OPEN,     /* store and index do not agree */
    INGEST_FSCK_QUEUED,   /* a job was queued that will repair it */
    INGEST_FSCK_REPAIRED, /* they agree now */
    INGEST_FSCK_NOTE      /* they agree; a person may want to know */
};
const char *ingest_fsck_state_text(enum ingest_fsck_state state);

/* Borrowed for the call. No patient data but UIDs. */
struct ingest_fsck_finding {
    const char *kind;
    const char *subject;
    const char *detail;
    enum ingest_fsck_state state;
};

struct ingest_fsck_counts {
    uint64_t objects; /* rows looked at */
    uint64_t bytes;   /* of their files, read and digested */
    uint64_t files;   /* of the store */
    uint64_t objects_total;
    uint64_t bytes_total; /* as the index says */
    uint64_t alive;       /* workers that run */
    uint64_t in_flight;   /* files of theirs that are not acknowledged yet */
    uint64_t findings[INGEST_FSCK_NOTE + 1];
};

struct ingest_fsck_ops {
    void (*finding)(void *arg, const struct ingest_fsck_finding *f);
    /* Now and then. */
    void (*progress)(void *arg, const struct ingest_fsck_counts *counts);
    void *arg;
};

/* Is the store there at all? BASE_ENOTFOUND when none of the oldest and newest objects
 * of the index is, lost ones aside, as when its file system is not mounted. error says
 * what to do. */
enum base_err ingest_fsck_store(struct db_sync *db, const char *data,
                                struct base_error *error) BASE_MUST_CHECK;

/* data: the folder of the store; db: as the owner. BASE_OK: it came to the end,
 * whatever it found. Else error says what went wrong. */
enum base_err ingest_fsck(struct db_sync *db, const char *data, const struct ingest_fsck_ops *ops,
                          struct ingest_fsck_counts *counts,
                          struct base_error *error) BASE_MUST_CHECK;

#endif
