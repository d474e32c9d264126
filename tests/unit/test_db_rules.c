/* The rules that live in the database: runs db/tests/, one transaction each. */
#include "db/db_migrate.h"
#include "db/db_sync.h"

#include "db_fixture.h"
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
static pid_t start_as_owner(const char *database, const char *sql)
{
    char psql[96];
    snprintf(psql, sizeof psql, "%s/psql", cluster.bin);
    return pg_cluster_spawn(&cluster, (const char *[]){psql, "-X", "-q", "-h", cluster.dir, "-U",
                                                       "rdc", "-d", database, "-c", sql, NULL});
}

static bool ended_well(pid_t pid)
{
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool run_as_owner(const char *sql)
{
    return ended_well(start_as_owner("rdc", sql));
}

static void run_rules(const char *name)
{
    char sql[80 * 1024];
    snprintf(sql, sizeof sql, "begin; %s; rollback;", read_sql(name));
    ck_assert_msg(run_as_owner(sql), "db/tests/%s.sql failed: see the log of the cluster", name);
}

/* Comments and settings of a dump differ between releases of pg_dump. */
static bool is_schema_line(const char *line)
{
    return line[0] != '\n' && strncmp(line, "--", 2) != 0 && strncmp(line, "SET ", 4) != 0 &&
           strncmp(line, "SELECT pg_catalog.", 18) != 0 && line[0] != '\\';
}

/* pg_dump of the database as the migrations made it, below cluster.dir. */
static void dump_schema(void)
{
    char dump[96];
    char file[96];
    snprintf(dump, sizeof dump, "%s/pg_dump", cluster.bin);
    snprintf(file, sizeof file, "%s/schema.sql", cluster.dir);
    pg_cluster_wait(
        pg_cluster_spawn(&cluster, (const char *[]){dump, "-h", cluster.dir, "-U", "postgres", "-d",
                                                    "rdc", "-s", "-O", "-f", file, NULL}),
        "pg_dump");
}

static bool next_schema_line(FILE *f, char *line, size_t n)
{
    while (fgets(line, (int)n, f))
        if (is_schema_line(line))
            return true;
    return false;
}

START_TEST(the_schema_in_the_repository_is_what_the_migrations_make)
{
    char made[96];
    char line[2][16384];
    snprintf(made, sizeof made, "%s/schema.sql", cluster.dir);
    const char *update = getenv("RDC_TEST_SCHEMA_OUT");
    FILE *a = fopen(made, "r");
    FILE *b = update ? fopen(update, "w") : fopen(RDC_SOURCE_DIR "/db/schema.sql", "r");
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    while (next_schema_line(a, line[0], sizeof line[0])) {
        if (update) {
            fputs(line[0], b);
            continue;
        }
        ck_assert_msg(next_schema_line(b, line[1], sizeof line[1]), "db/schema.sql ends early");
        ck_assert_msg(
            strcmp(line[0], line[1]) == 0,
            "db/schema.sql differs; write it anew with RDC_TEST_SCHEMA_OUT=db/schema.sql: "
            "%s is now %s",
            line[1], line[0]);
    }
    ck_assert_msg(update || !next_schema_line(b, line[1], sizeof line[1]),
                  "db/schema.sql has more: %s", line[1]);
    fclose(a);
    fclose(b);
}
END_TEST

static void migrate(void)
{
    struct db_config config = {.conninfo = cluster.rdc, .unsafe = true};
    struct db_sync *s = NULL;
    struct base_error error = {0};
    if (db_sync_open(&config, &s, &error) ||
        db_migrate_apply(s, db_migrations, db_migrations_count, NULL, NULL, &error)) {
        fprintf(stderr, "test_db_rules: %s\n", error.msg);
        pg_cluster_stop(&cluster);
        exit(1);
    }
    dump_schema();
    struct base_buf fixture = {0};
    fixture_sql(&fixture);
    if (!run_as_owner(base_buf_cstr(&fixture))) {
        pg_cluster_stop(&cluster);
        exit(1);
    }
    base_buf_deinit(&fixture);
    db_sync_close(s);
}

START_TEST(each_state_moves_as_the_table_says_and_a_lost_lease_writes_nothing)
{
    run_rules("states");
}
END_TEST

START_TEST(the_connection_doctor_knows_each_device_and_stranger)
{
    run_rules("doctor");
}
END_TEST

START_TEST(advice_is_given_once_counted_and_taken_back)
{
    run_rules("advice");
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

START_TEST(a_whole_object_is_shown_in_place_of_a_damaged_one)
{
    run_rules("again");
}
END_TEST

START_TEST(contradictions_are_found_and_the_index_can_be_made_again)
{
    run_rules("integrity");
}
END_TEST

START_TEST(an_upload_in_pieces_is_its_senders_alone)
{
    run_rules("uploads");
}
END_TEST

START_TEST(a_watched_folder_has_one_worker)
{
    run_rules("watch");
}
END_TEST

START_TEST(a_delivery_has_one_lease_and_is_tried_again)
{
    run_rules("delivery");
}
END_TEST

START_TEST(an_order_is_one_by_its_numbers_and_belongs_to_its_centre)
{
    run_rules("orders");
}
END_TEST

START_TEST(a_performed_step_keeps_its_rules_and_its_list_completes_the_exam)
{
    run_rules("evidence");
}
END_TEST

START_TEST(an_hl7_message_does_nothing_twice)
{
    run_rules("hl7");
}
END_TEST

/* Two sessions of a copy of the database, since what they do stays. */
static void run_race(const char *what)
{
    static const char *const calls[] = {"t_first", "t_second", "t_ended"};
    char database[32];
    char sql[3][96];
    snprintf(database, sizeof database, "race_%s", what);
    snprintf(sql[0], sizeof sql[0], "create database %s template rdc owner rdc", database);
    ck_assert(pg_cluster_psql(&cluster, "postgres", sql[0]));
    ck_assert(ended_well(start_as_owner(database, read_sql("race"))));
    for (int i = 0; i < 3; i++)
        snprintf(sql[i], sizeof sql[i], "select %s('%s')", calls[i], what);
    pid_t first = start_as_owner(database, sql[0]);
    pid_t second = start_as_owner(database, sql[1]);
    bool ok[] = {ended_well(first), ended_well(second)};
    ck_assert_msg(ok[0] && ok[1], "db/tests/race.sql failed: see the log of the cluster");
    ck_assert_msg(ended_well(start_as_owner(database, sql[2])), "%s: see the log of the cluster",
                  sql[2]);
}

START_TEST(an_exam_that_is_completed_while_a_batch_is_written_is_looked_at_again)
{
    run_race("completed");
}
END_TEST

START_TEST(a_study_that_another_worker_makes_meanwhile_takes_the_object_too)
{
    run_race("made");
}
END_TEST

START_TEST(a_message_that_is_sent_again_beside_the_first_has_its_answer)
{
    run_race("ordered");
}
END_TEST

START_TEST(an_order_for_a_patient_whose_first_object_comes_meanwhile_is_taken)
{
    run_race("named");
}
END_TEST

START_TEST(what_was_being_written_when_it_was_listed_completes_its_exam)
{
    run_race("listed");
}
END_TEST

START_TEST(a_device_is_told_of_one_commitment_at_a_time_by_all_workers)
{
    run_race("claimed");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("db_rules");
    TCase *tc = tcase_create("rules");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_schema_in_the_repository_is_what_the_migrations_make);
    tcase_add_test(tc, each_state_moves_as_the_table_says_and_a_lost_lease_writes_nothing);
    tcase_add_test(tc, the_connection_doctor_knows_each_device_and_stranger);
    tcase_add_test(tc, advice_is_given_once_counted_and_taken_back);
    tcase_add_test(tc, nobody_sees_a_study_without_a_contract_or_as_its_centre);
    tcase_add_test(tc, objects_are_stored_once_and_conflicts_are_kept);
    tcase_add_test(tc, a_whole_object_is_shown_in_place_of_a_damaged_one);
    tcase_add_test(tc, contradictions_are_found_and_the_index_can_be_made_again);
    tcase_add_test(tc, an_upload_in_pieces_is_its_senders_alone);
    tcase_add_test(tc, a_watched_folder_has_one_worker);
    tcase_add_test(tc, a_delivery_has_one_lease_and_is_tried_again);
    tcase_add_test(tc, an_order_is_one_by_its_numbers_and_belongs_to_its_centre);
    tcase_add_test(tc, a_performed_step_keeps_its_rules_and_its_list_completes_the_exam);
    tcase_add_test(tc, an_hl7_message_does_nothing_twice);
    tcase_add_test(tc, an_exam_that_is_completed_while_a_batch_is_written_is_looked_at_again);
    tcase_add_test(tc, a_study_that_another_worker_makes_meanwhile_takes_the_object_too);
    tcase_add_test(tc, a_message_that_is_sent_again_beside_the_first_has_its_answer);
    tcase_add_test(tc, an_order_for_a_patient_whose_first_object_comes_meanwhile_is_taken);
    tcase_add_test(tc, what_was_being_written_when_it_was_listed_completes_its_exam);
    tcase_add_test(tc, a_device_is_told_of_one_commitment_at_a_time_by_all_workers);
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
