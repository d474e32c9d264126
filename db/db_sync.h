/*
 * Blocking access to the database, for the command line and for start-up, never for
 * the loop of a worker. Queries and results are those of db.h.
 */
#ifndef DB_DB_SYNC_H
#define DB_DB_SYNC_H

#include "db/db.h"

struct db_sync;

/* Connects. Of the configuration only conninfo, role, run_ms (0 = no limit),
 * fence (which is only read) and unsafe count. Unless unsafe, it fails with BASE_EDENIED where rdc
 * refuses to serve: with a login that bypasses row-level security; with fsync, full_page_writes or
 * synchronous_commit off. error (may be NULL) says what was wrong. */
enum base_err db_sync_open(const struct db_config *config, struct db_sync **out,
                           struct base_error *error) BASE_MUST_CHECK;
void db_sync_close(struct db_sync *s);

/* Runs one statement, in the transaction that was begun or in its own. rows
 * (may be NULL) are borrowed until the next call on s. Errors are those of
 * struct db_outcome. */
enum base_err db_sync_exec(struct db_sync *s, enum db_query query, const struct db_param *params,
                           size_t n, const struct db_rows **rows,
                           struct base_error *error) BASE_MUST_CHECK;

/* The constraint that the last statement violated; "" when none. Borrowed like rows. */
const char *db_sync_constraint(const struct db_sync *s);

enum base_err db_sync_begin(struct db_sync *s, struct base_error *error) BASE_MUST_CHECK;
/* BASE_ECONFLICT when the transaction had failed and was rolled back. */
enum base_err db_sync_commit(struct db_sync *s, struct base_error *error) BASE_MUST_CHECK;
/* Undoes the transaction, if there is one. */
void db_sync_rollback(struct db_sync *s);

#endif
