/* A loop and connections to a database that has the migrations and the rows of one test in it. */
#ifndef MIGRATED_H
#define MIGRATED_H

#include "db/db_migrate.h"
#include "db/db_sync.h"
#include "pg_cluster.h"

#include <check.h>

static struct pg_cluster cluster;
static struct loop *loop;
static struct db *db;

static void sql(const char *text)
{
    ck_assert_msg(pg_cluster_psql(&cluster, "rdc", text), "%s", text);
}

/* The database anew, with rows, which are SQL; and what asks it as devices and queues do. */
static void migrated_open(const char *rows)
{
    struct base_error error;
    struct db_config config = {.conninfo = cluster.rdc, .unsafe = true};
    struct db_sync *admin;
    sql("drop owned by rdc; grant create on schema public to rdc");
    ck_assert_int_eq(db_sync_open(&config, &admin, &error), BASE_OK);
    ck_assert_int_eq(
        db_migrate_apply(admin, db_migrations, db_migrations_count, NULL, NULL, &error), BASE_OK);
    db_sync_close(admin);
    sql(rows);
    config.role = "rdc_ingest";
    ck_assert_int_eq(loop_new(&(struct loop_options){0}, &loop), BASE_OK);
    ck_assert_int_eq(db_open(loop, &config, &db), BASE_OK);
}

static inline void migrated_on_time(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static inline void turn_ms(unsigned ms)
{
    struct loop_timer *timer;
    ck_assert_int_eq(loop_timer_new(loop, migrated_on_time, NULL, &timer), BASE_OK);
    loop_timer_start(timer, ms, 0);
    loop_run(loop);
    loop_timer_free(timer);
}

#endif
