/*
 * The file of a resumable upload, <data>/uploads/<id>: its size is how far the upload
 * has come. Any worker can continue it, but only one at a time: the worker holds a lock
 * on the file, which ends with its process.
 *
 *   open ─► write* ─► sync ─► callback ─► close
 *
 * What blocks runs on the disk pool; callbacks come from the loop.
 */
#ifndef INGEST_SPOOL_H
#define INGEST_SPOOL_H

#include "base/bytes.h"
#include "base/err.h"
#include "ingest/ingest.h"

enum { INGEST_SPOOL_ID = 33 };

struct ingest_spool;

/* A new id. */
void ingest_spool_new_id(char id[INGEST_SPOOL_ID]);
/* Only such texts may be given as an id below. */
bool ingest_spool_is_id(const char *id);

/* size of the file; spool NULL unless asked to open. BASE_ENOTFOUND; BASE_ECONFLICT:
 * another holds it; BASE_ENOSPC, BASE_EIO … */
typedef void ingest_spool_fn(void *arg, enum base_err err, struct ingest_spool *spool,
                             uint64_t size);

/* Makes an empty file, durably. BASE_ENOSPC when `length` bytes would reach into the
 * disk reserve. fn runs unless this fails with BASE_ENOMEM. */
enum base_err ingest_spool_create(struct ingest *g, const char *id, uint64_t length,
                                  ingest_spool_fn *fn, void *arg) BASE_MUST_CHECK;
enum base_err ingest_spool_open(struct ingest *g, const char *id, ingest_spool_fn *fn,
                                void *arg) BASE_MUST_CHECK;
/* An unnamed file that lives as long as one request; ingest_spool_sync only waits for its
 * writes. */
enum base_err ingest_spool_open_nameless(struct ingest *g, ingest_spool_fn *fn,
                                         void *arg) BASE_MUST_CHECK;
/* The size alone, without the lock. */
enum base_err ingest_spool_stat(struct ingest *g, const char *id, ingest_spool_fn *fn,
                                void *arg) BASE_MUST_CHECK;
/* Removes the file, if it is there; fn may be NULL. */
enum base_err ingest_spool_remove(struct ingest *g, const char *id, ingest_spool_fn *fn,
                                  void *arg) BASE_MUST_CHECK;

/* Copies. Errors are reported by sync: BASE_ENOSPC when it would reach into the reserve. */
void ingest_spool_write(struct ingest_spool *s, struct base_bytes bytes);
bool ingest_spool_room(const struct ingest_spool *s);
void ingest_spool_on_room(struct ingest_spool *s, void (*fn)(void *arg), void *arg);
/* Sync will take away again what lies beyond this size. No write after it. */
void ingest_spool_cut(struct ingest_spool *s, uint64_t size);
/* fn when all that was written is durable. */
void ingest_spool_sync(struct ingest_spool *s, ingest_spool_fn *fn, void *arg);
/* For reading, between sync and close. */
int ingest_spool_fd(const struct ingest_spool *s);
/* Not while a sync is under way. Lets writes end first, then gives up the lock. Takes NULL. */
void ingest_spool_close(struct ingest_spool *s);

/* Removes files older than this that nobody has locked: debris of crashes. */
enum base_err ingest_spool_sweep(struct ingest *g, unsigned seconds) BASE_MUST_CHECK;

#endif
