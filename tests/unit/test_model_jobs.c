/* Attempts of jobs against a real server, with the migrations in it. */
#include "model/model_jobs.h"

#include "migrated.h"

static struct model_jobs *jobs;
static struct base_counters counters;
static struct model_job *begun;

static bool holds(const char *condition)
{
    char text[256];
    snprintf(text, sizeof text, "do $$ begin assert (select %s from job); end $$", condition);
    return pg_cluster_psql(&cluster, "rdc", text);
}

static void wait_until(const char *condition)
{
    for (unsigned i = 0; i < 500; i++) {
        turn_ms(20);
        if (holds(condition))
            return;
    }
    ck_abort_msg("it never was: %s", condition);
}

static void begin(void *arg, struct model_job *job)
{
    (void)arg;
    begun = job;
    loop_stop(loop);
}

static void setup(void)
{
    migrated_open("insert into job (kind, subject_id) values ('check', 1)");
    struct model_jobs_config made = {.loop = loop,
                                     .db = db,
                                     .counters = &counters,
                                     .kind = "check",
                                     .parallel = 2,
                                     .most_seconds = 600,
                                     .poll_ms = 100,
                                     .run = begin};
    ck_assert_int_eq(model_jobs_start(&made, &jobs), BASE_OK);
    begun = NULL;
    loop_run(loop);
    ck_assert_ptr_nonnull(begun);
    ck_assert(holds("state = 'running' and attempts = 0"));
}

static void teardown(void)
{
    model_jobs_stop(jobs);
    db_close(db);
    model_jobs_free(jobs);
    loop_free(loop);
}

START_TEST(an_attempt_that_failed_counts)
{
    model_job_excuse(begun, BASE_EINVAL);
    model_job_failed(begun, "it is bad");
    wait_until("state = 'queued' and attempts = 1 and last_error = 'it is bad'");
}
END_TEST

START_TEST(an_attempt_that_the_database_broke_off_does_not_count_when_that_is_back)
{
    sql("alter function job_put_back rename to away");
    model_job_excuse(begun, BASE_EUNAVAILABLE);
    model_job_failed(begun, "the database is away");
    turn_ms(300);
    ck_assert(holds("state = 'running'"));
    ck_assert_uint_ge(model_jobs_running(jobs), 1);
    sql("alter function away rename to job_put_back");
    wait_until("state = 'queued' and attempts = 0 and run_at > now()");
}
END_TEST

START_TEST(an_attempt_that_the_end_of_its_worker_broke_off_does_not_count)
{
    model_jobs_stop(jobs);
    model_jobs_let_go(jobs);
    wait_until("state = 'queued' and attempts = 0 and run_at <= now()");
    model_job_done(begun);
}
END_TEST

static void put_back_again(void)
{
    sql("update job set run_at = now()");
    begun = NULL;
    loop_run(loop);
    ck_assert_ptr_nonnull(begun);
    model_job_excuse(begun, BASE_EUNAVAILABLE);
    model_job_failed(begun, "a deadlock");
    wait_until("state = 'queued'");
}

START_TEST(what_is_put_back_over_and_over_waits_longer_each_time_and_is_shown)
{
    model_job_excuse(begun, BASE_EUNAVAILABLE);
    model_job_failed(begun, "a deadlock");
    wait_until(
        "state = 'queued' and run_at between now() + interval '5s' and now() + interval '10s'");
    for (int i = 0; i < 4; i++)
        put_back_again();
    ck_assert(holds("attempts = 0 and last_error = 'a deadlock' and "
                    "run_at between now() + interval '2min' and now() + interval '3min'"));
    sql("do $$ begin assert status_report() ->> 'warnings' like '%put back again%a deadlock%'; end "
        "$$");
    sql("do $$ begin assert exists (select from integrity_findings() where kind = 'job_put_back'); "
        "end $$");
    sql("update job set put_back = 50");
    put_back_again();
    ck_assert(holds("run_at between now() + interval '9min' and now() + interval '10min'"));
}
END_TEST

static bool busy;

static bool is_busy(void *arg)
{
    (void)arg;
    return busy;
}

/* Not what setup began; its kind is polled once, at the start. */
START_TEST(what_goes_first_is_waited_for_but_not_by_stat)
{
    struct model_jobs *rare = NULL;
    struct model_jobs_config config = {.loop = loop,
                                       .db = db,
                                       .counters = &counters,
                                       .kind = "measure",
                                       .parallel = 2,
                                       .most_seconds = 600,
                                       .poll_ms = 600000,
                                       .run = begin,
                                       .busy = is_busy};
    busy = true;
    model_job_done(begun);
    begun = NULL;
    ck_assert_int_eq(model_jobs_start(&config, &rare), BASE_OK);
    turn_ms(200);
    sql("delete from job; insert into job (kind, subject_id) values ('measure', 2)");
    model_jobs_resume(rare); /* nobody asked meanwhile */
    model_jobs_poke(rare, LOOP_ORDINARY);
    model_jobs_resume(rare);
    turn_ms(200);
    ck_assert_ptr_null(begun);
    busy = false;
    model_jobs_resume(rare);
    loop_run(loop);
    ck_assert_ptr_nonnull(begun);
    ck_assert_int_eq(begun->subject, 2);
    struct model_job *first = begun;
    busy = true;
    begun = NULL;
    sql("insert into job (kind, subject_id, priority) values ('measure', 3, 'stat')");
    model_jobs_poke(rare, LOOP_STAT);
    loop_run(loop);
    ck_assert_ptr_nonnull(begun);
    ck_assert_int_eq(begun->class, LOOP_STAT);
    model_jobs_stop(rare);
    model_job_done(first);
    model_job_done(begun);
    ck_assert_uint_eq(model_jobs_running(rare), 0);
    model_jobs_free(rare);
}
END_TEST

enum { FULL = 4 };

static struct model_job *full[2 * FULL];
static size_t begun_n;

static void begin_all(void *arg, struct model_job *job)
{
    (void)arg;
    full[begun_n++] = job;
    if (begun_n >= FULL)
        loop_stop(loop);
}

START_TEST(a_place_that_comes_free_is_for_stat_at_once)
{
    struct model_jobs *all = NULL;
    struct model_jobs_config config = {.loop = loop,
                                       .db = db,
                                       .counters = &counters,
                                       .kind = "measure",
                                       .parallel = FULL,
                                       .most_seconds = 600,
                                       .poll_ms = 600000,
                                       .run = begin_all};
    begun_n = 0;
    model_job_done(begun);
    sql("delete from job; insert into job (kind, subject_id) select 'measure', g from "
        "generate_series(2, 7) g");
    ck_assert_int_eq(model_jobs_start(&config, &all), BASE_OK);
    loop_run(loop);
    model_job_done(full[0]); /* others wait until half of the places are free */
    turn_ms(200);
    ck_assert_uint_eq(begun_n, FULL);
    model_jobs_poke(all, LOOP_ORDINARY);
    loop_run(loop);
    ck_assert_uint_eq(begun_n, FULL + 1);
    full[0] = full[FULL];
    begun_n = FULL;
    sql("insert into job (kind, subject_id, priority) values ('measure', 9, 'stat')");
    model_jobs_poke(all, LOOP_STAT);
    turn_ms(200);
    ck_assert_uint_eq(begun_n, FULL);
    model_job_done(full[0]);
    loop_run(loop);
    ck_assert_uint_eq(begun_n, FULL + 1);
    ck_assert_int_eq(full[FULL]->class, LOOP_STAT);
    model_jobs_stop(all);
    for (size_t i = 1; i <= FULL; i++)
        model_job_done(full[i]);
    model_jobs_free(all);
}
END_TEST

/* The first ends at once, as one does that cannot begin; the others last. */
static void end_first(void *arg, struct model_job *job)
{
    bool *ended = arg;
    if (*ended)
        full[begun_n++] = job;
    else
        model_job_done(job);
    *ended = true;
}

START_TEST(no_more_run_than_may_when_one_ends_as_it_begins)
{
    struct model_jobs *all = NULL;
    bool ended = false;
    struct model_jobs_config config = {.loop = loop,
                                       .db = db,
                                       .counters = &counters,
                                       .kind = "measure",
                                       .parallel = FULL,
                                       .most_seconds = 600,
                                       .poll_ms = 600000,
                                       .run = end_first,
                                       .arg = &ended};
    begun_n = 0;
    model_job_done(begun);
    sql("delete from job");
    ck_assert_int_eq(model_jobs_start(&config, &all), BASE_OK);
    turn_ms(200); /* its first claim finds nothing */
    sql("insert into job (kind, subject_id, priority) select 'measure', g, 'stat' from "
        "generate_series(2, 9) g");
    model_jobs_poke(all, LOOP_ORDINARY);
    model_jobs_poke(all, LOOP_STAT);
    for (int i = 0; i < 200 && begun_n < FULL; i++)
        turn_ms(20);
    turn_ms(200);
    ck_assert_uint_eq(begun_n, FULL);
    model_jobs_stop(all);
    while (begun_n)
        model_job_done(full[--begun_n]);
    turn_ms(50);
    model_jobs_free(all);
}
END_TEST

START_TEST(what_was_poked_while_there_was_no_place_begins_when_one_comes_free)
{
    struct model_jobs *one = NULL;
    struct model_jobs_config config = {.loop = loop,
                                       .db = db,
                                       .counters = &counters,
                                       .kind = "measure",
                                       .parallel = 1,
                                       .most_seconds = 600,
                                       .poll_ms = 600000,
                                       .run = begin};
    model_job_done(begun);
    ck_assert_int_eq(model_jobs_start(&config, &one), BASE_OK);
    turn_ms(200); /* its first claim finds nothing */
    json_t *row = json_pack("{s:i, s:i, s:i}", "id", 1000, "subject", 1, "attempt", 1);
    model_jobs_take(one, row);
    json_decref(row);
    struct model_job *taken = begun;
    begun = NULL;
    sql("delete from job; insert into job (kind, subject_id) values ('measure', 2)");
    model_jobs_poke(one, LOOP_ORDINARY);
    model_job_done(taken);
    for (int i = 0; i < 200 && !begun; i++)
        turn_ms(20);
    ck_assert_ptr_nonnull(begun);
    ck_assert_int_eq(begun->subject, 2);
    model_jobs_stop(one);
    model_job_done(begun);
    turn_ms(50);
    model_jobs_free(one);
}
END_TEST

START_TEST(a_lease_is_renewed_as_long_as_its_job_may_take)
{
    struct model_jobs *short_lived = NULL;
    struct model_jobs_config config = {.loop = loop,
                                       .db = db,
                                       .counters = &counters,
                                       .kind = "measure",
                                       .parallel = 1,
                                       .lease_seconds = 3,
                                       .most_seconds = 4,
                                       .poll_ms = 600000,
                                       .run = begin};
    model_job_done(begun);
    begun = NULL;
    sql("delete from job; insert into job (kind, subject_id) values ('measure', 2)");
    ck_assert_int_eq(model_jobs_start(&config, &short_lived), BASE_OK);
    loop_run(loop);
    ck_assert_ptr_nonnull(begun);
    sql("create table first as select lease_until from job");
    wait_until("lease_until > (select lease_until from first)");
    wait_until("lease_until < now()");
    model_jobs_stop(short_lived);
    model_job_done(begun);
    turn_ms(50);
    model_jobs_free(short_lived);
}
END_TEST

int main(void)
{
    pg_cluster_start(&cluster);
    TCase *tcase = tcase_create("jobs");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, an_attempt_that_failed_counts);
    tcase_add_test(tcase, an_attempt_that_the_database_broke_off_does_not_count_when_that_is_back);
    tcase_add_test(tcase, an_attempt_that_the_end_of_its_worker_broke_off_does_not_count);
    tcase_add_test(tcase, what_is_put_back_over_and_over_waits_longer_each_time_and_is_shown);
    tcase_add_test(tcase, what_goes_first_is_waited_for_but_not_by_stat);
    tcase_add_test(tcase, a_place_that_comes_free_is_for_stat_at_once);
    tcase_add_test(tcase, no_more_run_than_may_when_one_ends_as_it_begins);
    tcase_add_test(tcase, what_was_poked_while_there_was_no_place_begins_when_one_comes_free);
    tcase_add_test(tcase, a_lease_is_renewed_as_long_as_its_job_may_take);
    Suite *suite = suite_create("model_jobs");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    pg_cluster_stop(&cluster);
    return failed != 0;
}
