/*
 * PostgreSQL without blocking the loop: a pool of connections, each running
 * one transaction at a time as a libpq pipeline.
 *
 * A caller builds a transaction from named queries (db/queries/), submits it,
 * and hears once how it ended:
 *
 *     struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
 *     db_tx_add(tx, DB_Q_DB_SETTING, (struct db_param[]){db_text("rdc.person"), db_int(id)}, 2);
 *     db_tx_add(tx, DB_Q_EXAM_CLAIM, (struct db_param[]){db_int(exam)}, 1);
 *     err = db_tx_submit(tx, on_done, arg);
 *
 * BEGIN, the statements and COMMIT leave in one flight. A statement that fails
 * skips the rest and rolls back. Connections come back by themselves; a
 * transaction waits in a queue (STAT before ordinary) until one is free.
 *
 * Everything runs on the loop thread. Callbacks may call anything here. If a
 * call that takes a callback fails, the callback never runs.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "db/db_queries_gen.h"
#include "loop/loop.h"

#include <stdbool.h>

struct db;
struct db_tx;
struct db_rows;

/* ---- the pool ---- */

struct db_config {
    const char *conninfo; /* libpq connection string */
    const char *role;     /* set by each session; NULL = that of the login */
    const char *worker;   /* name of the worker, as the setting rdc.worker; NULL = none */
    unsigned connections; /* 0 = 4 */
    unsigned waiting;     /* most transactions in the queue, 0 = 1000 */
    unsigned wait_ms;     /* longest stay in the queue, 0 = 10 s */
    unsigned run_ms;      /* longest run of a transaction, 0 = 60 s */
    /* File that keeps the highest timeline seen, so that a server left behind by a
     * failover is never used again (db_fence.h). NULL: kept only while this pool
     * lives. */
    const char *fence;
    /* Every statement looks few rows up. So plans go from row to row by index: one is kept while
     * tables grow, and one that was made while they were small would go on reading them whole. */
    bool by_index;
    /* No connection is made before db_release; until then transactions wait. */
    bool held;
    /* For tests: accepts a server with fsync off, and a login that bypasses row-level
     * security. */
    bool unsafe;
};

/* Copies the configuration and starts connecting unless held; does not wait.
 * BASE_EINVAL for a connection string that cannot be parsed, BASE_ENOMEM. */
enum base_err db_open(struct loop *loop, const struct db_config *config,
                      struct db **out) BASE_MUST_CHECK;
/* Starts connecting; once, when the configuration said held. */
void db_release(struct db *db);
/* Ends all transactions: waiting ones with BASE_ECANCELED, running ones as if
 * the connection broke; their callbacks run inside this call. Held and unsent
 * transactions stay valid for db_tx_commit, _rollback and _free. Takes NULL. */
void db_close(struct db *db);

struct db_stats {
    unsigned connections; /* up now */
    unsigned running;     /* transactions on a connection */
    unsigned waiting;     /* transactions in the queue */
    uint64_t done;        /* committed since the start */
    uint64_t failed;      /* ended otherwise */
    uint64_t reconnects;  /* connections lost */
};
void db_stats(const struct db *db, struct db_stats *out);

/* ---- parameters ---- */

/* One parameter of a statement. Borrows what it points to until it is given to
 * db_tx_add, which copies. */
struct db_param {
    enum { DB_NULL, DB_TEXT, DB_BYTES, DB_NUMBER } kind;
    const void *p;
    size_t n;
    char number[28];
};

struct db_param db_null(void);
/* Text; NULL becomes SQL null. Text with a NUL byte is refused at submit with
 * BASE_EINVAL. JSON, UUIDs, inet, timestamps go as text. */
struct db_param db_text(const char *s);
struct db_param db_text_n(const char *s, size_t n);
/* The text in b; submit reports its error. */
struct db_param db_buf(const struct base_buf *b);
struct db_param db_int(int64_t v);
struct db_param db_bool(bool v);
/* For bytea; p NULL with n 0 is an empty value. */
struct db_param db_bytes(const void *p, size_t n);
/* Array literals, written into scratch (which is appended to) and borrowed from
 * it: use one scratch buffer per array. A NULL item is a null element. */
struct db_param db_text_array(struct base_buf *scratch, const char *const *items, size_t n);
struct db_param db_int_array(struct base_buf *scratch, const int64_t *items, size_t n);
/* The same for json[], in binary format, so that no byte needs escaping; an empty array is
 * null. */
struct db_param db_json_array(struct base_buf *scratch, const struct base_bytes *items, size_t n);

/* ---- results ---- */

/* Rows of one statement, in text format. All of it, and what the accessors
 * return, is borrowed until the callback that got it returns. */
size_t db_rows_count(const struct db_rows *r);
size_t db_rows_columns(const struct db_rows *r);
/* "" when there is no such column. */
const char *db_rows_name(const struct db_rows *r, size_t col);
/* A row or column that is not there counts as null. */
bool db_rows_null(const struct db_rows *r, size_t row, size_t col);
/* "" when null. NUL-terminated. */
const char *db_rows_text(const struct db_rows *r, size_t row, size_t col);
struct base_bytes db_rows_view(const struct db_rows *r, size_t row, size_t col);
/* 0 when null or not a number. */
int64_t db_rows_int(const struct db_rows *r, size_t row, size_t col);
bool db_rows_bool(const struct db_rows *r, size_t row, size_t col);

/* How a transaction ended. Borrowed until the callback returns. */
struct db_outcome {
    /* BASE_OK: committed. BASE_EUNAVAILABLE: not committed, may be tried again
     * (connection lost before COMMIT, deadlock, server stopping).
     * BASE_EUNKNOWN: the connection broke after COMMIT was sent, or the server
     * gave up waiting for its synchronous standby: look it up.
     * BASE_ETIMEOUT: too long in the queue or in a statement; not committed.
     * BASE_EEXISTS: unique violation. BASE_ECONFLICT, BASE_ENOTFOUND,
     * BASE_EDENIED, BASE_EINVAL: as the SQLSTATE says. BASE_ENOSPC: the
     * server's disk is full. Else BASE_EINTERNAL. */
    enum base_err err;
    char sqlstate[6];       /* "" unless the error came from the server */
    const char *message;    /* never NULL; may quote values: not for the log */
    const char *detail;     /* "" when none */
    const char *hint;       /* "" when none */
    const char *constraint; /* name of the violated constraint, "" when none */
    size_t failed; /* number of the statement that failed, from 0; SIZE_MAX when none did */
    const struct db_tx *tx; /* for db_outcome_rows */
};

/* Rows of the n-th statement added, NULL unless err is BASE_OK. */
const struct db_rows *db_outcome_rows(const struct db_outcome *o, size_t n);
/* HTTP status: RDnnn gives nnn; conflicts 409; data that the schema refuses
 * 422; not permitted 403; unavailable, unknown, busy or too slow 503; else
 * 500. 200 for BASE_OK. */
int db_http_status(const struct db_outcome *o);
/* The same for an error that db_tx_submit or db_call returned. */
int db_http_status_err(enum base_err err);

/* ---- transactions ---- */

typedef void db_done_fn(void *arg, const struct db_outcome *outcome);

/* A transaction to build. NULL when out of memory; the functions below take
 * NULL, and submit then says BASE_ENOMEM. Belongs to the caller until it is
 * submitted. STAT goes first in the queue. */
struct db_tx *db_tx_new(struct db *db, enum loop_class class);
/* Frees a transaction that was not submitted. Takes NULL. */
void db_tx_free(struct db_tx *tx);
/* Adds a statement; params are copied. Errors are kept for submit. The number
 * of parameters must be that of the query. */
void db_tx_add(struct db_tx *tx, enum db_query query, const struct db_param *params, size_t n);
/* Takes the transaction, also on failure. done runs once, when the commit is
 * known, never inside this call. BASE_ELIMIT: the queue is full (answer
 * "busy"); BASE_EINVAL: a bad parameter; BASE_ENOMEM; BASE_ECANCELED: closed. */
enum base_err db_tx_submit(struct db_tx *tx, db_done_fn *done, void *arg) BASE_MUST_CHECK;
/* One statement in a transaction of its own. */
enum base_err db_call(struct db *db, enum db_query query, const struct db_param *params, size_t n,
                      db_done_fn *done, void *arg) BASE_MUST_CHECK;

/* A held transaction runs its statements at once and commits on demand, for
 * instance once a file sync that runs in parallel has ended. ready (may be NULL)
 * runs when the statements have run: BASE_OK with their rows, or the failure.
 * On BASE_OK the caller holds tx and ends it with exactly one db_tx_commit or
 * db_tx_rollback, at any time, also before or inside ready, and also after a
 * failure. It occupies a connection: keep it short; after run_ms it is rolled
 * back. On failure tx is freed. */
enum base_err db_tx_submit_held(struct db_tx *tx, db_done_fn *ready, void *arg) BASE_MUST_CHECK;
/* Sends COMMIT. done runs when it is known, never inside this call, or with the
 * failure that happened before. ready does not run any more. */
void db_tx_commit(struct db_tx *tx, db_done_fn *done, void *arg);
/* Rolls back; no callback runs any more. */
void db_tx_rollback(struct db_tx *tx);

#endif
