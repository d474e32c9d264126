/* Looks through what dead workers left in the store, against the index. */
#ifndef INGEST_SWEEP_H
#define INGEST_SWEEP_H

#include "db/db.h"
#include "store/store.h"

/* Runs once; logs how it ended. BASE_ENOMEM, BASE_ECONFLICT. */
enum base_err ingest_sweep_start(struct store *store, struct db *db) BASE_MUST_CHECK;

#endif
