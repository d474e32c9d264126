/*
 * The STAT orders that objects may still come for, as each worker knows them: read from
 * the database once a second, in the background, so that an object is known to be urgent
 * from its header, before the database sees it. While the database does not answer, the
 * last list stays valid.
 *
 * Everything runs on the loop thread.
 */
#ifndef INGEST_URGENT_H
#define INGEST_URGENT_H

#include "base/counters.h"
#include "db/db.h"

#include <stdbool.h>

struct ingest_urgent;

/* db as rdc_ingest. BASE_ENOMEM. */
enum base_err ingest_urgent_start(struct loop *loop, struct db *db, struct base_counters *counters,
                                  struct ingest_urgent **out) BASE_MUST_CHECK;
/* Asks no more. */
void ingest_urgent_stop(struct ingest_urgent *u);
/* Once the database is closed. Takes NULL. */
void ingest_urgent_free(struct ingest_urgent *u);

/* Is this the accession number, or the Study Instance UID, of a STAT order of the centre?
 * NULL and "" are of none. */
bool ingest_urgent_has(const struct ingest_urgent *u, int64_t centre_id, const char *accession,
                       const char *study_uid);

/* LOOP_STAT for "stat"; NULL and all others are ordinary. */
enum loop_class ingest_urgent_class(const char *priority);

#endif
