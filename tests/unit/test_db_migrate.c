/* Migrations and the blocking face of the database. */
#include "db/db_migrate.h"
#include "db/db_sync.h"

#include "pg_cluster.h"

#include <check.h>

static struct pg_cluster cluster;
static struct db_sync *s;
static struct base_error error;

static const struct db_migration two[] = {
    {1, "first", "create table a (x integer); insert into a values (1);"},
    {2, "second", "create table b (y integer);"},
};

static void setup(void)
{
    ck_assert(pg_cluster_psql(&cluster, "rdc",
                              "drop table if exists schema_migration, a, b; "
                              "drop owned by rdc; grant create on schema public to rdc"));
    struct db_config config = {.conninfo = cluster.rdc, .unsafe = true};
    ck_assert_int_eq(db_sync_open(&config, &s, &error), BASE_OK);
}

static void teardown(void)
{
    db_sync_close(s);
    s = NULL;
}

static void count_applied(void *arg, const struct db_migration *m)
{
    (void)m;
    ++*(int *)arg;
}

START_TEST(migrations_are_applied_once_and_in_order)
{
    struct db_migrate_status status;
    int applied = 0;
    ck_assert_int_eq(db_migrate_check(s, two, 2, &status, &error), BASE_OK);
    ck_assert_int_eq(status.applied, 0);
    ck_assert_int_eq(status.known, 2);
    ck_assert_int_eq(db_migrate_apply(s, two, 1, count_applied, &applied, &error), BASE_OK);
    ck_assert_int_eq(db_migrate_apply(s, two, 2, count_applied, &applied, &error), BASE_OK);
    ck_assert_int_eq(db_migrate_apply(s, two, 2, count_applied, &applied, &error), BASE_OK);
    ck_assert_int_eq(applied, 2);
    ck_assert_int_eq(db_migrate_check(s, two, 2, &status, &error), BASE_OK);
    ck_assert_int_eq(status.applied, 2);
}
END_TEST

START_TEST(a_migration_that_fails_leaves_no_trace)
{
    const struct db_migration bad[] = {two[0],
                                       {2, "second", "create table b (y integer); select 1 / 0;"}};
    struct db_migrate_status status;
    int applied = 0;
    ck_assert_int_eq(db_migrate_apply(s, bad, 2, count_applied, &applied, &error), BASE_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.msg, "002_second"));
    ck_assert_ptr_nonnull(strstr(error.msg, "division by zero"));
    ck_assert_int_eq(applied, 1);
    ck_assert_int_eq(db_migrate_check(s, two, 2, &status, &error), BASE_OK);
    ck_assert_int_eq(status.applied, 1);
    ck_assert_int_eq(db_migrate_apply(s, two, 2, NULL, NULL, &error), BASE_OK);
}
END_TEST

START_TEST(a_migration_may_not_end_its_transaction)
{
    const struct db_migration bad[] = {{1, "first", "commit;"}};
    ck_assert_int_eq(db_migrate_apply(s, bad, 1, NULL, NULL, &error), BASE_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.msg, "ends its own transaction"));
}
END_TEST

START_TEST(a_changed_migration_is_refused)
{
    const struct db_migration changed[] = {two[0], {2, "second", "create table b (z integer);"}};
    struct db_migrate_status status;
    ck_assert_int_eq(db_migrate_apply(s, two, 2, NULL, NULL, &error), BASE_OK);
    ck_assert_int_eq(db_migrate_check(s, changed, 2, &status, &error), BASE_ECONFLICT);
    ck_assert_ptr_nonnull(strstr(error.msg, "002_second"));
    ck_assert_int_eq(db_migrate_apply(s, changed, 2, NULL, NULL, &error), BASE_ECONFLICT);
}
END_TEST

START_TEST(a_database_newer_than_the_program_is_refused)
{
    struct db_migrate_status status;
    ck_assert_int_eq(db_migrate_apply(s, two, 2, NULL, NULL, &error), BASE_OK);
    ck_assert_int_eq(db_migrate_check(s, two, 1, &status, &error), BASE_ECONFLICT);
    ck_assert_ptr_nonnull(strstr(error.msg, "newer"));
}
END_TEST

START_TEST(the_migrations_of_the_program_apply_to_an_empty_database)
{
    struct db_migrate_status status;
    enum base_err err = db_migrate_apply(s, db_migrations, db_migrations_count, NULL, NULL, &error);
    ck_assert_msg(err == BASE_OK, "%s", error.msg);
    ck_assert_int_eq(db_migrate_check(s, db_migrations, db_migrations_count, &status, &error),
                     BASE_OK);
    ck_assert_int_eq(status.applied, db_migrations[db_migrations_count - 1].version);
}
END_TEST

START_TEST(a_superuser_is_refused_in_plain_words)
{
    struct db_config config = {.conninfo = cluster.postgres};
    struct db_sync *other = NULL;
    ck_assert_int_eq(db_sync_open(&config, &other, &error), BASE_EDENIED);
    ck_assert_ptr_nonnull(strstr(error.msg, "superuser"));
    ck_assert_ptr_null(other);
}
END_TEST

START_TEST(fsync_off_is_refused_in_plain_words)
{
    struct db_config config = {.conninfo = cluster.rdc};
    struct db_sync *other = NULL;
    ck_assert_int_eq(db_sync_open(&config, &other, &error), BASE_EDENIED);
    ck_assert_ptr_nonnull(strstr(error.msg, "fsync"));
}
END_TEST

START_TEST(an_unreachable_server_and_a_bad_string_are_told_apart)
{
    struct db_sync *other = NULL;
    struct db_config config = {.conninfo = "host=/nonexistent dbname=rdc"};
    ck_assert_int_eq(db_sync_open(&config, &other, &error), BASE_EUNAVAILABLE);
    config.conninfo = "colour=red";
    ck_assert_int_eq(db_sync_open(&config, &other, &error), BASE_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.msg, "colour"));
}
END_TEST

START_TEST(a_failed_transaction_does_not_say_that_it_committed)
{
    ck_assert_int_eq(db_migrate_apply(s, two, 1, NULL, NULL, &error), BASE_OK);
    struct db_param row[] = {db_int(1), db_text("again"), db_bytes("", 0)};
    ck_assert_int_eq(db_sync_begin(s, &error), BASE_OK);
    ck_assert_int_eq(db_sync_exec(s, DB_Q_MIGRATION_ADD, row, 3, NULL, &error), BASE_EINVAL);
    ck_assert_int_eq(db_sync_commit(s, &error), BASE_ECONFLICT);
    ck_assert_int_eq(db_sync_exec(s, DB_Q_MIGRATION_ADD, row, 2, NULL, &error), BASE_EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("db_migrate");
    TCase *tc = tcase_create("db_migrate");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, migrations_are_applied_once_and_in_order);
    tcase_add_test(tc, a_migration_that_fails_leaves_no_trace);
    tcase_add_test(tc, a_migration_may_not_end_its_transaction);
    tcase_add_test(tc, a_changed_migration_is_refused);
    tcase_add_test(tc, a_database_newer_than_the_program_is_refused);
    tcase_add_test(tc, the_migrations_of_the_program_apply_to_an_empty_database);
    tcase_add_test(tc, a_superuser_is_refused_in_plain_words);
    tcase_add_test(tc, fsync_off_is_refused_in_plain_words);
    tcase_add_test(tc, an_unreachable_server_and_a_bad_string_are_told_apart);
    tcase_add_test(tc, a_failed_transaction_does_not_say_that_it_committed);
    suite_add_tcase(suite, tc);
    pg_cluster_start(&cluster);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failures = srunner_ntests_failed(sr);
    srunner_free(sr);
    pg_cluster_stop(&cluster);
    return failures != 0;
}
