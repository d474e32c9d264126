/*
 * Removes from the store what dead workers left there and the index does not know: at
 * once, and again every few minutes, since young files are left for later and more
 * workers may have died.
 */
#ifndef INGEST_SWEEP_H
#define INGEST_SWEEP_H

#include "db/db.h"
#include "store/store.h"

struct ingest_sweep;

/* BASE_ENOMEM. */
enum base_err ingest_sweep_start(struct loop *loop, struct store *store, struct db *db,
                                 struct ingest_sweep **out) BASE_MUST_CHECK;
/* Starts no more; a sweep under way ends with its callbacks. Takes NULL. */
void ingest_sweep_stop(struct ingest_sweep *s);

#endif
