/* Applying migrations. */
#include "db/db_migrate.h"

#include "base/digest.h"
#include "db/db_priv.h"
#include "db/db_sync.h"

#include <string.h>

/* The key of the advisory lock: "rdc migr" in ASCII. */
static const int64_t LOCK_KEY = 0x726463206d696772;

static void digest_of(const struct db_migration *m, uint8_t out[BASE_SHA256])
{
    base_sha256_once(m->sql, strlen(m->sql), out);
}

/* One row of schema_migration against the migration that should be there. */
static enum base_err compare(const struct db_rows *rows, size_t i, const struct db_migration *list,
                             size_t n, struct base_error *error)
{
    int64_t version = db_rows_int(rows, i, 0);
    const char *name = db_rows_text(rows, i, 1);
    if (i >= n)
        return base_fail(error, BASE_ECONFLICT, BASE_NOPOS,
                         "the database is newer than this program: it has migration %03d_%s, "
                         "the program knows %zu",
                         (int)version, name, n);
    if (version != list[i].version)
        return base_fail(error, BASE_ECONFLICT, BASE_NOPOS,
                         "the database has migration %03d_%s where %03d_%s is expected",
                         (int)version, name, list[i].version, list[i].name);
    uint8_t digest[BASE_SHA256];
    char hex[BASE_SHA256_HEX];
    digest_of(&list[i], digest);
    base_hex(digest, sizeof digest, hex);
    if (strcmp(hex, db_rows_text(rows, i, 2)) != 0)
        return base_fail(error, BASE_ECONFLICT, BASE_NOPOS,
                         "migration %03d_%s was applied with another text than the program has",
                         list[i].version, list[i].name);
    return BASE_OK;
}

enum base_err db_migrate_check(struct db_sync *s, const struct db_migration *list, size_t n,
                               struct db_migrate_status *out, struct base_error *error)
{
    struct db_migrate_status status = {.known = n ? list[n - 1].version : 0};
    const struct db_rows *rows;
    enum base_err err = db_sync_exec(s, DB_Q_MIGRATION_TABLE_EXISTS, NULL, 0, &rows, error);
    if (err)
        return err;
    if (db_rows_bool(rows, 0, 0)) {
        err = db_sync_exec(s, DB_Q_MIGRATION_LIST, NULL, 0, &rows, error);
        for (size_t i = 0; !err && i < db_rows_count(rows); i++) {
            err = compare(rows, i, list, n, error);
            status.applied = (int)db_rows_int(rows, i, 0);
        }
    }
    if (!err)
        *out = status;
    return err;
}

static enum base_err apply_one(struct db_sync *s, const struct db_migration *m,
                               struct base_error *error)
{
    struct base_error why = {.code = BASE_OK};
    enum base_err err = db_sync_begin(s, &why);
    if (!err)
        err = db_sync_script(s, m->sql, &why);
    if (!err && !db_sync_in_transaction(s))
        err = base_fail(&why, BASE_EINVAL, BASE_NOPOS, "it ends its own transaction");
    if (!err) {
        uint8_t digest[BASE_SHA256];
        digest_of(m, digest);
        err = db_sync_exec(s, DB_Q_MIGRATION_ADD,
                           (struct db_param[]){db_int(m->version), db_text(m->name),
                                               db_bytes(digest, sizeof digest)},
                           3, NULL, &why);
    }
    if (!err)
        err = db_sync_commit(s, &why);
    if (!err)
        return BASE_OK;
    db_sync_rollback(s);
    return base_fail(error, err, BASE_NOPOS, "migration %03d_%s: %.200s", m->version, m->name,
                     why.msg);
}

static enum base_err apply_missing(struct db_sync *s, const struct db_migration *list, size_t n,
                                   db_migrate_fn *on_applied, void *arg, struct base_error *error)
{
    struct db_migrate_status status;
    enum base_err err = db_sync_exec(s, DB_Q_MIGRATION_TABLE, NULL, 0, NULL, error);
    if (!err)
        err = db_migrate_check(s, list, n, &status, error);
    for (size_t i = 0; !err && i < n; i++) {
        if (list[i].version <= status.applied)
            continue;
        err = apply_one(s, &list[i], error);
        if (!err && on_applied)
            on_applied(arg, &list[i]);
    }
    return err;
}

enum base_err db_migrate_apply(struct db_sync *s, const struct db_migration *list, size_t n,
                               db_migrate_fn *on_applied, void *arg, struct base_error *error)
{
    struct db_param key = db_int(LOCK_KEY);
    enum base_err err = db_sync_exec(s, DB_Q_DB_LOCK, &key, 1, NULL, error);
    if (err)
        return err;
    err = apply_missing(s, list, n, on_applied, arg, error);
    /* The result of the migration counts; a lost session drops the lock too. */
    enum base_err unlocked = db_sync_exec(s, DB_Q_DB_UNLOCK, &key, 1, NULL, NULL);
    (void)unlocked;
    return err;
}
