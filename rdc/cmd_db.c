/* rdc db migrate|status: the schema of the database. */
#include "rdc/rdc_command.h"

#include "db/db_migrate.h"
#include "db/db_sync.h"

#include <stdio.h>
#include <string.h>

static int say(const struct base_error *error)
{
    fprintf(stderr, "rdc db: %s\n", error->msg);
    return 1;
}

static void on_applied(void *arg, const struct db_migration *m)
{
    (void)arg;
    printf("applied %03d_%s\n", m->version, m->name);
    fflush(stdout);
}

static int migrate(struct db_sync *db)
{
    struct base_error error = {0};
    if (db_migrate_apply(db, db_migrations, db_migrations_count, on_applied, NULL, &error))
        return say(&error);
    printf("the database is up to date: %zu migrations\n", db_migrations_count);
    return 0;
}

/* 0 only when `rdc serve` would find what it needs. */
static int status(struct db_sync *db)
{
    struct base_error error = {0};
    struct db_migrate_status s;
    if (db_migrate_check(db, db_migrations, db_migrations_count, &s, &error))
        return say(&error);
    printf("applied %d of %d migrations\n", s.applied, s.known);
    for (size_t i = 0; i < db_migrations_count; i++) {
        const struct db_migration *m = &db_migrations[i];
        printf("  %-8s %03d_%s\n", m->version <= s.applied ? "applied" : "missing", m->version,
               m->name);
    }
    if (s.applied == s.known)
        return 0;
    fputs("rdc db: run `rdc db migrate`\n", stderr);
    return 1;
}

static int print_usage(FILE *to, int status)
{
    fputs("usage: rdc db migrate   bring the database up to date\n"
          "       rdc db status    say whether it is\n",
          to);
    return status;
}

int rdc_cmd_db(struct rdc_context *ctx, int argc, char **argv)
{
    bool wants_migrate = argc == 2 && strcmp(argv[1], "migrate") == 0;
    bool wants_status = argc == 2 && strcmp(argv[1], "status") == 0;
    if (rdc_wants_help(argc, argv))
        return print_usage(stdout, 0);
    if (!wants_migrate && !wants_status)
        return print_usage(stderr, 2);
    struct db_sync *db = rdc_open_database(ctx);
    if (!db)
        return 1;
    int result = wants_migrate ? migrate(db) : status(db);
    db_sync_close(db);
    return result;
}
