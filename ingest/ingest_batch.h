/*
 * Group commit: the rows of all objects that come while one batch is under way
 * go together into the next one. Nothing waits for a time: a lone object's rows
 * leave in the next turn of the loop, a crowd shares. STAT objects go into the
 * next batch before others.
 *
 * Rows are sent while their objects are being synced, and committed when all of
 * the batch are durable. If one does not become durable, the batch is undone,
 * and the others come again without it; and when a STAT object is durable before
 * the others of the batch are, which come again after it.
 *
 *   added ─► waiting ─► sent, open ─all durable─► COMMIT ─► callback
 *                          └─one is not─► undone, the rest ─► waiting
 *
 * While a batch is being committed the store begins no write, behind which the sync of the
 * database's log would queue (store_pause).
 *
 * A batch whose transaction did not come about (database away, deadlock) is
 * sent again until its oldest object has waited too long. That is also right
 * when the outcome of a commit is unknown: the statement finds the object it
 * stored the first time and says so. A batch that the database refuses for good
 * is sent again one by one, so that a bad object fails alone.
 */
#ifndef INGEST_BATCH_H
#define INGEST_BATCH_H

#include "db/db.h"
#include "ingest/ingest_record.h"
#include "store/store.h"

#include <jansson.h>

struct ingest_batch;
struct ingest_entry; /* one object in it */

enum ingest_outcome {
    INGEST_STORED,
    INGEST_DUPLICATE, /* the same object is here already; the new file is not needed */
    INGEST_CONFLICT,  /* another object has this UID; both are kept */
    INGEST_REFUSED    /* the index cannot take it: see message */
};

struct ingest_stored {
    enum ingest_outcome outcome;
    int64_t exam;
    const char *study_uid; /* borrowed for the call */
    const char *message;
    const char *job; /* what is to be done next with it, if anything: its kind */
    /* Files whose place the new ones have taken, since they were damaged; NULL = none.
     * Borrowed for the call. */
    const char *replaced[2];
    const json_t
        *have; /* of a duplicate: the files that are here. NULL: none to look at. Likewise */
};

/* "stored", "duplicate", "conflict". */
const char *ingest_outcome_text(const struct ingest_stored *stored);

/* err: BASE_OK with what became of it; BASE_EUNAVAILABLE: certainly not
 * committed; BASE_EUNKNOWN: perhaps; BASE_ECANCELED; BASE_ENOMEM. */
typedef void ingest_stored_fn(void *arg, enum base_err err, const struct ingest_stored *stored);

enum base_err ingest_batch_new(struct loop *loop, struct db *db, struct store *store,
                               struct ingest_batch **out) BASE_MUST_CHECK;
/* Fails what waits with BASE_ECANCELED. Not while a batch is being committed (db_close
 * ends those). Takes NULL. */
void ingest_batch_free(struct ingest_batch *b);
/* An object that is being synced. fn runs exactly once, after ingest_batch_settle; what the record
 * points to is borrowed until then. */
enum base_err ingest_batch_add(struct ingest_batch *b, const struct ingest_record *record,
                               ingest_stored_fn *fn, void *arg,
                               struct ingest_entry **out) BASE_MUST_CHECK;
/* It is durable (BASE_OK), or will not be: then fn hears err, perhaps inside this call. Once,
 * also when the batch is gone already. */
void ingest_batch_settle(struct ingest_entry *entry, enum base_err err);
/* Objects that wait for their commit. */
unsigned ingest_batch_waiting(const struct ingest_batch *b);

#endif
