/* The rules that live in the database: runs db/tests/, one transaction each. */
#include "db/db_migrate.h"
#include "db/db_sync.h"

#include "pg_cluster.h"

#include <check.h>

static struct pg_cluster cluster;

static char *read_sql(const char *name)
{
    static char text[64 * 1024];
    char path[512];
    snprintf(path, sizeof path, RDC_SOURCE_DIR "/db/tests/%s.sql", name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    return text;
}

/* psql -c is one transaction; as the owner, who may take the other roles. */
static bool run_as_owner(const char *sql)
{
    char psql[96];
    int status;
    snprintf(psql, sizeof psql, "%s/psql", cluster.bin);
    pid_t pid =
        pg_cluster_spawn(&cluster, (const char *[]){psql, "-X", "-q", "-h", cluster.dir, "-U",
                                                    "rdc", "-d", "rdc", "-c", sql, NULL});
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void run_rules(const char *name)
{
    char sql[80 * 1024];
    snprintf(sql, sizeof sql, "begin; %s; rollback;", read_sql(name));
    ck_assert_msg(run_as_owner(sql), "db/tests/%s.sql failed: see the log of the cluster", name);
}

static void migrate(void)
{
    struct db_config config = {.conninfo = cluster.rdc, .unsafe = true};
    struct db_sync *s = NULL;
    struct base_error error = {0};
    if (db_sync_open(&config, &s, &error) ||
        db_migrate_apply(s, db_migrations, db_migrations_count, NULL, NULL, &error) ||
        !run_as_owner(read_sql("fixture"))) {
        fprintf(stderr, "test_db_rules: %s\n", error.msg);
        pg_cluster_stop(&cluster);
        exit(1);
    }
    db_sync_close(s);
}

START_TEST(each_state_moves_as_the_table_says_and_a_lost_lease_writes_nothing)
{
    run_rules("states");
}
END_TEST

START_TEST(nobody_sees_a_study_without_a_contract_or_as_its_centre)
{
    run_rules("tenants");
}
END_TEST

START_TEST(objects_are_stored_once_and_conflicts_are_kept)
{
    run_rules("ingest");
}
END_TEST

START_TEST(a_delivery_has_one_lease_and_is_tried_again)
{
    run_rules("delivery");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("db_rules");
    TCase *tc = tcase_create("rules");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, each_state_moves_as_the_table_says_and_a_lost_lease_writes_nothing);
    tcase_add_test(tc, nobody_sees_a_study_without_a_contract_or_as_its_centre);
    tcase_add_test(tc, objects_are_stored_once_and_conflicts_are_kept);
    tcase_add_test(tc, a_delivery_has_one_lease_and_is_tried_again);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    pg_cluster_start(&cluster);
    migrate();
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    pg_cluster_stop(&cluster);
    return failed != 0;
}
