/*
 * Migrations: the files of db/migrations, embedded in the program, applied in
 * order, each in its own transaction.
 */
#ifndef DB_DB_MIGRATE_H
#define DB_DB_MIGRATE_H

#include "base/err.h"

#include <stddef.h>

struct db_sync;

struct db_migration {
    int version; /* 1, 2, … */
    const char *name;
    const char *sql;
};
/* The migrations of this program. */
extern const struct db_migration db_migrations[];
extern const size_t db_migrations_count;

struct db_migrate_status {
    int applied; /* newest version in the database, 0 = none */
    int known;   /* newest version of the program */
};

/* What the database has. Fails with BASE_ECONFLICT when an applied migration
 * differs from the one the program knows, or the database is newer than the
 * program; with BASE_EUNAVAILABLE and the like as db_sync_exec does. error
 * (may be NULL) says more. */
enum base_err db_migrate_check(struct db_sync *s, const struct db_migration *list, size_t n,
                               struct db_migrate_status *out,
                               struct base_error *error) BASE_MUST_CHECK;

typedef void db_migrate_fn(void *arg, const struct db_migration *applied);

/* Applies the missing ones, under an advisory lock, as the owner role. A migration that
 * fails leaves no trace; those before it stay. on_applied (may be NULL) is called for
 * each. */
enum base_err db_migrate_apply(struct db_sync *s, const struct db_migration *list, size_t n,
                               db_migrate_fn *on_applied, void *arg,
                               struct base_error *error) BASE_MUST_CHECK;

#endif
