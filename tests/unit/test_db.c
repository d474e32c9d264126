/* The pool and its pipelines against a real server. schema_migration serves as
 * the table: it comes with db/ itself. */
#include "db/db.h"
#include "db/db_migrate.h"
#include "db/db_sync.h"

#include "base/clock.h"
#include "pg_cluster.h"

#include <arpa/inet.h>
#include <check.h>
#include <sys/socket.h>

static struct pg_cluster cluster;
static struct loop *loop;
static struct db *db;
static struct db_sync *admin; /* a second session, of rdc */
static unsigned pending;

/* What a callback saw. */
struct seen {
    unsigned calls;
    enum base_err err;
    char sqlstate[6];
    char constraint[64];
    char text[64]; /* first field of the first statement */
    size_t rows;
    size_t failed;
    int http;
    unsigned order;
};
static unsigned order;

static void note(struct seen *s, const struct db_outcome *o)
{
    s->calls++;
    s->err = o->err;
    snprintf(s->sqlstate, sizeof s->sqlstate, "%s", o->sqlstate);
    snprintf(s->constraint, sizeof s->constraint, "%s", o->constraint);
    snprintf(s->text, sizeof s->text, "%s", db_rows_text(db_outcome_rows(o, 0), 0, 0));
    s->rows = db_rows_count(db_outcome_rows(o, 0));
    s->failed = o->failed;
    s->http = db_http_status(o);
    s->order = ++order;
    ck_assert_ptr_nonnull(o->message);
}

static void on_done(void *arg, const struct db_outcome *o)
{
    note(arg, o);
    if (--pending == 0)
        loop_stop(loop);
}

static void run(unsigned n)
{
    pending = n;
    loop_run(loop);
    ck_assert_uint_eq(pending, 0);
}

static void sql(const char *text)
{
    ck_assert_msg(pg_cluster_psql(&cluster, "rdc", text), "%s", text);
}

static void open_db(unsigned connections, unsigned waiting)
{
    struct db_config config = {
        .conninfo = cluster.rdc, .connections = connections, .waiting = waiting, .unsafe = true};
    ck_assert_int_eq(db_open(loop, &config, &db), BASE_OK);
}

static void setup(void)
{
    struct base_error error;
    char conninfo[200];
    snprintf(conninfo, sizeof conninfo, "%s application_name=admin", cluster.rdc);
    struct db_config config = {.conninfo = conninfo, .unsafe = true};
    order = 0;
    sql("drop owned by rdc; grant create on schema public to rdc");
    ck_assert_int_eq(db_sync_open(&config, &admin, &error), BASE_OK);
    ck_assert_int_eq(db_migrate_apply(admin, NULL, 0, NULL, NULL, &error), BASE_OK);
    ck_assert_int_eq(loop_new(&(struct loop_options){0}, &loop), BASE_OK);
}

static void teardown(void)
{
    db_close(db);
    db_sync_close(admin);
    loop_free(loop);
    db = NULL;
    base_clock_reset();
}

static void add_row(struct db_tx *tx, int64_t version)
{
    static const uint8_t digest[32];
    db_tx_add(
        tx, DB_Q_MIGRATION_ADD,
        (struct db_param[]){db_int(version), db_text("a\"b\\c é"), db_bytes(digest, sizeof digest)},
        3);
}

static size_t rows_in_table(void)
{
    struct base_error error;
    const struct db_rows *rows;
    ck_assert_int_eq(db_sync_exec(admin, DB_Q_MIGRATION_LIST, NULL, 0, &rows, &error), BASE_OK);
    return db_rows_count(rows);
}

static void take_lock(int64_t key)
{
    struct base_error error;
    struct db_param p = db_int(key);
    ck_assert_int_eq(db_sync_exec(admin, DB_Q_DB_LOCK, &p, 1, NULL, &error), BASE_OK);
}

static void give_lock(int64_t key)
{
    struct base_error error;
    struct db_param p = db_int(key);
    ck_assert_int_eq(db_sync_exec(admin, DB_Q_DB_UNLOCK, &p, 1, NULL, &error), BASE_OK);
}

static void add_lock(struct db_tx *tx, int64_t key)
{
    struct db_param p = db_int(key);
    db_tx_add(tx, DB_Q_DB_LOCK, &p, 1);
}

#define KILL_OTHERS                                                                                \
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rdc'"

START_TEST(many_transactions_of_many_statements_all_commit)
{
    struct seen seen[50] = {{0}};
    open_db(3, 0);
    for (int i = 0; i < 50; i++) {
        struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
        for (int k = 0; k < 20; k++)
            add_row(tx, i * 20 + k);
        ck_assert_int_eq(db_tx_submit(tx, on_done, &seen[i]), BASE_OK);
    }
    run(50);
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(seen[i].err, BASE_OK);
        ck_assert_uint_eq(seen[i].calls, 1);
    }
    ck_assert_uint_eq(rows_in_table(), 1000);
    struct db_stats stats;
    db_stats(db, &stats);
    ck_assert_uint_eq(stats.done, 50);
    ck_assert_uint_eq(stats.waiting, 0);
}
END_TEST

START_TEST(an_error_in_the_middle_rolls_all_back_and_the_connection_lives_on)
{
    struct seen bad = {0};
    struct seen good = {0};
    open_db(1, 0);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 1);
    add_row(tx, 2);
    add_row(tx, 1);
    add_row(tx, 3);
    ck_assert_int_eq(db_tx_submit(tx, on_done, &bad), BASE_OK);
    tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 7);
    ck_assert_int_eq(db_tx_submit(tx, on_done, &good), BASE_OK);
    run(2);
    ck_assert_int_eq(bad.err, BASE_EEXISTS);
    ck_assert_str_eq(bad.sqlstate, "23505");
    ck_assert_str_eq(bad.constraint, "schema_migration_pkey");
    ck_assert_uint_eq(bad.failed, 2);
    ck_assert_int_eq(bad.http, 409);
    ck_assert_int_eq(good.err, BASE_OK);
    ck_assert_uint_eq(rows_in_table(), 1);
    struct db_stats stats;
    db_stats(db, &stats);
    ck_assert_uint_eq(stats.reconnects, 0);
}
END_TEST

START_TEST(an_error_of_ours_carries_its_http_status)
{
    struct seen seen = {0};
    sql("create function refuse() returns trigger language plpgsql as $$ begin "
        "raise exception 'lease lost' using errcode = 'RD409'; end $$; "
        "create trigger t before insert on schema_migration execute function refuse(); "
        "alter table schema_migration owner to rdc");
    open_db(1, 0);
    struct db_tx *tx = db_tx_new(db, LOOP_STAT);
    add_row(tx, 1);
    ck_assert_int_eq(db_tx_submit(tx, on_done, &seen), BASE_OK);
    run(1);
    ck_assert_int_eq(seen.err, BASE_ECONFLICT);
    ck_assert_int_eq(seen.http, 409);
    sql("drop function refuse cascade");
}
END_TEST

START_TEST(an_error_at_the_commit_itself_is_reported)
{
    struct seen seen = {0};
    struct seen next = {0};
    sql("create function refuse() returns trigger language plpgsql as $$ begin "
        "raise exception 'too late' using errcode = 'RD422'; end $$; "
        "create constraint trigger t after insert on schema_migration deferrable initially "
        "deferred for each row execute function refuse()");
    open_db(1, 0);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 1);
    ck_assert_int_eq(db_tx_submit(tx, on_done, &seen), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &next), BASE_OK);
    run(2);
    ck_assert_int_eq(seen.err, BASE_EINVAL);
    ck_assert_str_eq(seen.sqlstate, "RD422");
    ck_assert_int_eq(next.err, BASE_OK);
    ck_assert_uint_eq(rows_in_table(), 0);
    sql("drop function refuse cascade");
}
END_TEST

START_TEST(a_statement_that_cannot_be_prepared_fails_alone)
{
    struct seen bad = {0};
    struct seen good = {0};
    sql("drop table schema_migration");
    open_db(1, 0);
    ck_assert_int_eq(db_call(db, DB_Q_MIGRATION_LIST, NULL, 0, on_done, &bad), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &good), BASE_OK);
    run(2);
    ck_assert_int_eq(bad.err, BASE_EINTERNAL);
    ck_assert_str_eq(bad.sqlstate, "42P01");
    ck_assert_int_eq(bad.http, 500);
    ck_assert_int_eq(good.err, BASE_OK);
    ck_assert_str_eq(good.text, "1");
    /* When the table is there again, so is the statement. */
    struct base_error error;
    ck_assert_int_eq(db_migrate_apply(admin, NULL, 0, NULL, NULL, &error), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_MIGRATION_LIST, NULL, 0, on_done, &bad), BASE_OK);
    run(1);
    ck_assert_int_eq(bad.err, BASE_OK);
}
END_TEST

START_TEST(settings_last_for_one_transaction)
{
    struct seen seen = {0};
    open_db(1, 0);
    struct db_param p[] = {db_text("rdc.person"), db_int(42)};
    ck_assert_int_eq(db_call(db, DB_Q_DB_SETTING, p, 2, on_done, &seen), BASE_OK);
    run(1);
    ck_assert_str_eq(seen.text, "42");
}
END_TEST

START_TEST(idle_connections_that_were_killed_come_back)
{
    struct seen seen = {0};
    open_db(2, 0);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &seen), BASE_OK);
    run(1);
    /* The statement waits in the queue until a connection is up again, or goes
     * out on a dead one and may be tried again. */
    sql(KILL_OTHERS);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &seen), BASE_OK);
        run(1);
        if (seen.err == BASE_OK)
            break;
        ck_assert(seen.err == BASE_EUNAVAILABLE || seen.err == BASE_EUNKNOWN);
    }
    ck_assert_int_eq(seen.err, BASE_OK);
}
END_TEST

START_TEST(a_session_killed_before_commit_was_sent_may_be_tried_again)
{
    struct seen done = {0};
    struct seen ready = {0};
    struct seen ping = {0};
    open_db(1, 0);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 1);
    ck_assert_int_eq(db_tx_submit_held(tx, on_done, &ready), BASE_OK);
    run(1);
    ck_assert_int_eq(ready.err, BASE_OK);
    sql(KILL_OTHERS);
    /* Runs on the only connection, so only after the first was lost. */
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &ping), BASE_OK);
    run(1);
    ck_assert_int_eq(ping.err, BASE_OK);
    db_tx_commit(tx, on_done, &done);
    ck_assert_uint_eq(done.calls, 0);
    run(1);
    ck_assert_int_eq(done.err, BASE_EUNAVAILABLE);
    ck_assert_int_eq(done.http, 503);
    ck_assert_uint_eq(ready.calls, 1);
    ck_assert_uint_eq(rows_in_table(), 0);
}
END_TEST

/* Ends the session that waits for a lock, as soon as there is one. */
static pid_t kill_who_waits(void)
{
    pid_t killer = fork();
    if (killer == 0)
        _exit(!pg_cluster_psql(&cluster, "rdc",
                               "do $$ begin loop "
                               "perform pg_terminate_backend(pid) from pg_locks "
                               "where locktype = 'advisory' and not granted; "
                               "exit when found; end loop; end $$"));
    return killer;
}

START_TEST(a_session_killed_during_commit_has_an_unknown_outcome)
{
    struct seen seen = {0};
    sql("create function dawdle() returns trigger language plpgsql as $$ begin "
        "perform pg_advisory_xact_lock(5); return null; end $$; "
        "create constraint trigger t after insert on schema_migration deferrable initially "
        "deferred for each row execute function dawdle()");
    open_db(1, 0);
    take_lock(5);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 1);
    ck_assert_int_eq(db_tx_submit(tx, on_done, &seen), BASE_OK);
    pid_t killer = kill_who_waits();
    run(1);
    waitpid(killer, NULL, 0);
    ck_assert_int_eq(seen.err, BASE_EUNKNOWN);
    ck_assert_int_eq(seen.http, 503);
    give_lock(5);
    sql("drop function dawdle cascade");
}
END_TEST

START_TEST(a_session_killed_in_a_statement_is_known_not_to_have_committed)
{
    struct seen seen = {0};
    open_db(1, 0);
    take_lock(5);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 1);
    add_lock(tx, 5);
    ck_assert_int_eq(db_tx_submit(tx, on_done, &seen), BASE_OK);
    pid_t killer = kill_who_waits();
    run(1);
    waitpid(killer, NULL, 0);
    ck_assert_int_eq(seen.err, BASE_EUNAVAILABLE);
    ck_assert_str_eq(seen.sqlstate, "57P01");
    ck_assert_uint_eq(rows_in_table(), 0);
    give_lock(5);
}
END_TEST

START_TEST(a_held_transaction_is_invisible_until_it_is_committed)
{
    struct seen ready = {0};
    struct seen done = {0};
    open_db(1, 0);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    db_tx_add(tx, DB_Q_PING, NULL, 0);
    add_row(tx, 1);
    pending = 1;
    ck_assert_int_eq(db_tx_submit_held(tx, on_done, &ready), BASE_OK);
    run(1);
    ck_assert_int_eq(ready.err, BASE_OK);
    ck_assert_str_eq(ready.text, "1");
    ck_assert_uint_eq(rows_in_table(), 0);
    db_tx_commit(tx, on_done, &done);
    run(1);
    ck_assert_int_eq(done.err, BASE_OK);
    ck_assert_uint_eq(rows_in_table(), 1);
}
END_TEST

START_TEST(a_held_transaction_may_be_committed_before_it_is_ready_or_sent)
{
    struct seen ready = {0};
    struct seen done = {0};
    open_db(1, 0);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 1);
    ck_assert_int_eq(db_tx_submit_held(tx, on_done, &ready), BASE_OK);
    db_tx_commit(tx, on_done, &done);
    run(1);
    ck_assert_uint_eq(ready.calls, 0);
    ck_assert_int_eq(done.err, BASE_OK);
    ck_assert_uint_eq(rows_in_table(), 1);
}
END_TEST

START_TEST(a_held_transaction_that_failed_says_so_at_ready_and_at_commit)
{
    struct seen ready = {0};
    struct seen done = {0};
    struct seen ping = {0};
    open_db(1, 0);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 1);
    add_row(tx, 1);
    add_row(tx, 2);
    ck_assert_int_eq(db_tx_submit_held(tx, on_done, &ready), BASE_OK);
    run(1);
    ck_assert_int_eq(ready.err, BASE_EEXISTS);
    ck_assert_uint_eq(ready.failed, 1);
    db_tx_commit(tx, on_done, &done);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &ping), BASE_OK);
    run(2);
    ck_assert_int_eq(done.err, BASE_EEXISTS);
    ck_assert_int_eq(ping.err, BASE_OK);
    ck_assert_uint_eq(rows_in_table(), 0);
}
END_TEST

START_TEST(a_held_transaction_can_be_rolled_back_at_any_time)
{
    struct seen ready = {0};
    struct seen ping = {0};
    open_db(1, 0);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 1);
    ck_assert_int_eq(db_tx_submit_held(tx, on_done, &ready), BASE_OK);
    db_tx_rollback(tx); /* still in the queue: the connection is not up */
    tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 1);
    ck_assert_int_eq(db_tx_submit_held(tx, on_done, &ready), BASE_OK);
    run(1);
    ck_assert_uint_eq(ready.calls, 1);
    db_tx_rollback(tx);
    tx = db_tx_new(db, LOOP_ORDINARY); /* one that fails */
    add_row(tx, 1);
    add_row(tx, 1);
    ck_assert_int_eq(db_tx_submit_held(tx, on_done, &ready), BASE_OK);
    run(1);
    ck_assert_int_eq(ready.err, BASE_EEXISTS);
    db_tx_rollback(tx);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &ping), BASE_OK);
    run(1);
    ck_assert_int_eq(ping.err, BASE_OK);
    ck_assert_uint_eq(rows_in_table(), 0);
}
END_TEST

START_TEST(a_full_queue_refuses_and_stat_goes_first)
{
    struct seen first = {0};
    struct seen ordinary = {0};
    struct seen stat = {0};
    struct seen refused = {0};
    open_db(1, 3);
    /* Nothing is connected yet, so all of them wait. */
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &first), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &ordinary), BASE_OK);
    struct db_tx *tx = db_tx_new(db, LOOP_STAT);
    db_tx_add(tx, DB_Q_PING, NULL, 0);
    ck_assert_int_eq(db_tx_submit(tx, on_done, &stat), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &refused), BASE_ELIMIT);
    ck_assert_int_eq(db_http_status_err(BASE_ELIMIT), 503);
    run(3);
    ck_assert_uint_eq(stat.order, 1);
    ck_assert_uint_eq(first.order, 2);
    ck_assert_uint_eq(ordinary.order, 3);
    ck_assert_uint_eq(refused.calls, 0);
}
END_TEST

START_TEST(what_waits_for_too_long_times_out)
{
    struct seen seen = {0};
    base_clock_set(0, 1000);
    struct db_config config = {.conninfo = "host=/nonexistent dbname=rdc", .unsafe = true};
    ck_assert_int_eq(db_open(loop, &config, &db), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &seen), BASE_OK);
    base_clock_set(0, 1000 + 10000);
    run(1);
    ck_assert_int_eq(seen.err, BASE_ETIMEOUT);
    ck_assert_int_eq(seen.http, 503);
}
END_TEST

static void move_clock(void *arg)
{
    (void)arg;
    base_clock_set(0, 1000 + 1000 * 3600);
}

START_TEST(a_server_that_does_not_answer_is_given_up)
{
    struct seen seen = {0};
    struct loop_timer *t;
    base_clock_set(0, 1000);
    open_db(1, 0);
    take_lock(6);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    add_lock(tx, 6);
    ck_assert_int_eq(db_tx_submit_held(tx, on_done, &seen), BASE_OK);
    struct db_stats stats = {0};
    while (stats.running == 0) {
        /* One turn of the loop at a time, until the statement is out. */
        struct loop_call c;
        loop_post(loop, &c, (loop_call_fn *)(uintptr_t)loop_stop, loop);
        loop_run(loop);
        db_stats(db, &stats);
    }
    ck_assert_int_eq(loop_timer_new(loop, move_clock, NULL, &t), BASE_OK);
    loop_timer_start(t, 0, 0);
    run(1);
    ck_assert_int_eq(seen.err, BASE_ETIMEOUT);
    db_tx_rollback(tx);
    loop_timer_free(t);
    give_lock(6);
}
END_TEST

static void on_done_close(void *arg, const struct db_outcome *o)
{
    note(arg, o);
    db_close(db);
    db = NULL;
    pending--;
    loop_stop(loop);
}

START_TEST(closing_from_a_callback_ends_what_waits)
{
    struct seen seen = {0};
    struct seen waiting = {0};
    open_db(1, 0);
    struct db_tx *held = db_tx_new(db, LOOP_ORDINARY);
    struct db_tx *unsent = db_tx_new(db, LOOP_ORDINARY);
    db_tx_add(held, DB_Q_PING, NULL, 0);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done_close, &seen), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &waiting), BASE_OK);
    ck_assert_int_eq(db_tx_submit_held(held, NULL, NULL), BASE_OK);
    run(2);
    ck_assert_int_eq(seen.err, BASE_OK);
    ck_assert_int_eq(waiting.err, BASE_ECANCELED);
    db_tx_free(unsent);
    db_tx_commit(held, on_done, &waiting);
    run(1);
    ck_assert_int_eq(waiting.err, BASE_ECANCELED);
}
END_TEST

START_TEST(bad_parameters_are_refused_at_submit)
{
    struct seen seen = {0};
    open_db(1, 0);
    struct db_param p[] = {db_text_n("rdc.\0x", 6), db_null()};
    ck_assert_int_eq(db_call(db, DB_Q_DB_SETTING, p, 2, on_done, &seen), BASE_EINVAL);
    ck_assert_int_eq(db_call(db, DB_Q_DB_SETTING, p, 1, on_done, &seen), BASE_EINVAL);
    ck_assert_int_eq(db_tx_submit(db_tx_new(db, LOOP_STAT), on_done, &seen), BASE_EINVAL);
    ck_assert_int_eq(db_tx_submit(NULL, on_done, &seen), BASE_ENOMEM);
    struct db_config config = {.conninfo = "colour=red"};
    struct db *other;
    ck_assert_int_eq(db_open(loop, &config, &other), BASE_EINVAL);
}
END_TEST

START_TEST(sessions_take_the_role_and_the_settings_they_should)
{
    struct base_error error;
    struct db_sync *s;
    const struct db_rows *rows;
    sql("do $$ begin create role rdc_reader nologin; exception when duplicate_object then end $$;"
        "grant rdc_reader to rdc");
    struct db_config config = {.conninfo = cluster.rdc, .role = "rdc_reader", .unsafe = true};
    ck_assert_int_eq(db_sync_open(&config, &s, &error), BASE_OK);
    struct db_param p[] = {db_text("role"), db_text("none")};
    /* The role has no right to the table that rdc owns. */
    ck_assert_int_eq(db_sync_exec(s, DB_Q_MIGRATION_LIST, NULL, 0, &rows, &error), BASE_EDENIED);
    ck_assert_int_eq(db_sync_exec(s, DB_Q_DB_SETTING, p, 2, &rows, &error), BASE_OK);
    db_sync_close(s);
}
END_TEST

START_TEST(values_survive_the_way_there_and_back)
{
    struct base_error error;
    const struct db_rows *rows;
    struct base_buf scratch = {0};
    const char *items[] = {"plain", "qu\"ote \\ {,}", NULL, "", "中文"};
    struct db_param p[] = {db_text("rdc.x"), db_text_array(&scratch, items, 5)};
    ck_assert_str_eq(base_buf_cstr(&scratch),
                     "{\"plain\",\"qu\\\"ote \\\\ {,}\",null,\"\",\"中文\"}");
    ck_assert_int_eq(db_sync_exec(admin, DB_Q_DB_SETTING, p, 2, &rows, &error), BASE_OK);
    ck_assert_str_eq(db_rows_text(rows, 0, 0), base_buf_cstr(&scratch));
    base_buf_reset(&scratch);
    p[1] = db_int_array(&scratch, (int64_t[]){1, -2, INT64_MIN}, 3);
    ck_assert_str_eq(base_buf_cstr(&scratch), "{1,-2,-9223372036854775808}");
    base_buf_reset(&scratch);

    ck_assert(db_rows_null(rows, 1, 0));
    ck_assert(db_rows_null(rows, 0, 9));
    ck_assert_int_eq(db_rows_int(NULL, 0, 0), 0);
    base_buf_deinit(&scratch);
}
END_TEST

START_TEST(a_connection_to_an_unsafe_server_is_not_used)
{
    struct seen seen = {0};
    base_clock_set(0, 1000);
    struct db_config config = {.conninfo = cluster.rdc, .connections = 1};
    ck_assert_int_eq(db_open(loop, &config, &db), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &seen), BASE_OK);
    struct loop_timer *t;
    ck_assert_int_eq(loop_timer_new(loop, move_clock, NULL, &t), BASE_OK);
    loop_timer_start(t, 300, 0);
    run(1);
    loop_timer_free(t);
    ck_assert_int_eq(seen.err, BASE_ETIMEOUT);
}
END_TEST

/* The timer is stopped when there was a wait to cancel. */
static void cancel_the_wait(void *arg)
{
    struct loop_timer **t = arg;
    if (pg_cluster_psql(&cluster, "rdc",
                        "do $$ begin perform pg_cancel_backend(pid) from pg_stat_activity "
                        "where wait_event = 'SyncRep'; if not found then raise 'nobody'; end if; "
                        "end $$"))
        loop_timer_stop(*t);
}

START_TEST(a_commit_that_no_standby_has_seen_has_an_unknown_outcome)
{
    struct seen seen = {0};
    struct loop_timer *t;
    sql("alter system set synchronous_standby_names = 'nobody'");
    sql("select pg_reload_conf()");
    open_db(1, 0);
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    add_row(tx, 1);
    ck_assert_int_eq(db_tx_submit(tx, on_done, &seen), BASE_OK);
    ck_assert_int_eq(loop_timer_new(loop, cancel_the_wait, &t, &t), BASE_OK);
    loop_timer_start(t, 20, 20);
    run(1);
    loop_timer_free(t);
    sql("alter system reset synchronous_standby_names");
    sql("select pg_reload_conf()");
    ck_assert_int_eq(seen.err, BASE_EUNKNOWN);
    ck_assert_int_eq(seen.http, 503);
    /* It is there nevertheless, and the connection lives on. */
    ck_assert_uint_eq(rows_in_table(), 1);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &seen), BASE_OK);
    run(1);
    ck_assert_int_eq(seen.err, BASE_OK);
}
END_TEST

START_TEST(a_server_that_was_left_behind_is_not_used_any_more)
{
    struct seen seen = {0};
    char path[100];
    unsigned long long system = 0;
    snprintf(path, sizeof path, "%s/timeline", cluster.dir);
    base_clock_set(0, 1000);
    struct db_config config = {
        .conninfo = cluster.rdc, .connections = 1, .unsafe = true, .fence = path};
    ck_assert_int_eq(chmod(cluster.dir, 0777), 0);
    ck_assert_int_eq(db_open(loop, &config, &db), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &seen), BASE_OK);
    run(1);
    ck_assert_int_eq(seen.err, BASE_OK);
    /* Another worker meets a server that was promoted. */
    FILE *f = fopen(path, "r+");
    ck_assert(f && fscanf(f, "system %llu timeline 1", &system) == 1 && system);
    rewind(f);
    ck_assert(fprintf(f, "system %llu timeline 2\n", system) > 0 && fclose(f) == 0);
    struct loop_timer *t;
    ck_assert_int_eq(loop_timer_new(loop, (loop_timer_fn *)(uintptr_t)loop_stop, loop, &t),
                     BASE_OK);
    loop_timer_start(t, 600, 0); /* longer than the pool's tick */
    loop_run(loop);
    loop_timer_free(t);
    struct db_stats stats;
    db_stats(db, &stats);
    ck_assert_uint_eq(stats.connections, 0);
    ck_assert_uint_ge(stats.reconnects, 1);
    /* Nor by the command line. */
    struct db_sync *s;
    struct base_error error;
    ck_assert_int_eq(db_sync_open(&config, &s, &error), BASE_EDENIED);
    ck_assert_ptr_nonnull(strstr(error.msg, "left behind"));
    unlink(path);
}
END_TEST

START_TEST(a_host_that_takes_connections_and_is_silent_is_passed_over)
{
    struct seen seen = {0};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    char conninfo[200];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert(bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 8) == 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1,%s port=%d,5432 user=rdc dbname=rdc",
             cluster.dir, ntohs(at.sin_port));
    base_clock_set(0, 1000);
    struct db_config config = {
        .conninfo = conninfo, .connections = 2, .unsafe = true, .wait_ms = 4000000};
    ck_assert_int_eq(db_open(loop, &config, &db), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &seen), BASE_OK);
    struct loop_timer *t;
    ck_assert_int_eq(loop_timer_new(loop, move_clock, NULL, &t), BASE_OK);
    loop_timer_start(t, 300, 0);
    run(1);
    loop_timer_free(t);
    close(fd);
    ck_assert_int_eq(seen.err, BASE_OK);
}
END_TEST

static void close_socket(void *arg)
{
    close(*(int *)arg);
}

START_TEST(a_host_that_refuses_after_a_while_is_passed_over)
{
    struct seen seen = {0};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    char conninfo[200];
    int fill[4];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert(bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 0) == 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    /* Its queue is full: the next one's SYN stays unanswered, until nobody listens. */
    for (size_t i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fill[i], (struct sockaddr *)&at, n);
    }
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1,%s port=%d,5432 user=rdc dbname=rdc",
             cluster.dir, ntohs(at.sin_port));
    struct db_config config = {.conninfo = conninfo, .connections = 1, .unsafe = true};
    ck_assert_int_eq(db_open(loop, &config, &db), BASE_OK);
    ck_assert_int_eq(db_call(db, DB_Q_PING, NULL, 0, on_done, &seen), BASE_OK);
    struct loop_timer *t;
    ck_assert_int_eq(loop_timer_new(loop, close_socket, &fd, &t), BASE_OK);
    loop_timer_start(t, 100, 0);
    run(1);
    loop_timer_free(t);
    ck_assert_int_eq(seen.err, BASE_OK);
    struct db_stats stats;
    db_stats(db, &stats);
    ck_assert_uint_eq(stats.connections, 1);
    for (size_t i = 0; i < 4; i++)
        close(fill[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("db");
    TCase *tc = tcase_create("db");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, many_transactions_of_many_statements_all_commit);
    tcase_add_test(tc, an_error_in_the_middle_rolls_all_back_and_the_connection_lives_on);
    tcase_add_test(tc, an_error_of_ours_carries_its_http_status);
    tcase_add_test(tc, an_error_at_the_commit_itself_is_reported);
    tcase_add_test(tc, a_statement_that_cannot_be_prepared_fails_alone);
    tcase_add_test(tc, settings_last_for_one_transaction);
    tcase_add_test(tc, idle_connections_that_were_killed_come_back);
    tcase_add_test(tc, a_session_killed_before_commit_was_sent_may_be_tried_again);
    tcase_add_test(tc, a_session_killed_during_commit_has_an_unknown_outcome);
    tcase_add_test(tc, a_session_killed_in_a_statement_is_known_not_to_have_committed);
    tcase_add_test(tc, a_held_transaction_is_invisible_until_it_is_committed);
    tcase_add_test(tc, a_held_transaction_may_be_committed_before_it_is_ready_or_sent);
    tcase_add_test(tc, a_held_transaction_that_failed_says_so_at_ready_and_at_commit);
    tcase_add_test(tc, a_held_transaction_can_be_rolled_back_at_any_time);
    tcase_add_test(tc, a_full_queue_refuses_and_stat_goes_first);
    tcase_add_test(tc, what_waits_for_too_long_times_out);
    tcase_add_test(tc, a_server_that_does_not_answer_is_given_up);
    tcase_add_test(tc, closing_from_a_callback_ends_what_waits);
    tcase_add_test(tc, bad_parameters_are_refused_at_submit);
    tcase_add_test(tc, sessions_take_the_role_and_the_settings_they_should);
    tcase_add_test(tc, values_survive_the_way_there_and_back);
    tcase_add_test(tc, a_connection_to_an_unsafe_server_is_not_used);
    tcase_add_test(tc, a_commit_that_no_standby_has_seen_has_an_unknown_outcome);
    tcase_add_test(tc, a_server_that_was_left_behind_is_not_used_any_more);
    tcase_add_test(tc, a_host_that_takes_connections_and_is_silent_is_passed_over);
    tcase_add_test(tc, a_host_that_refuses_after_a_while_is_passed_over);
    suite_add_tcase(suite, tc);
    pg_cluster_start(&cluster);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failures = srunner_ntests_failed(sr);
    srunner_free(sr);
    pg_cluster_stop(&cluster);
    return failures != 0;
}
