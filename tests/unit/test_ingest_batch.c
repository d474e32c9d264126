/* Batches against a real server, with the migrations in it. */
#include "ingest/ingest_batch.h"

#include "migrated.h"

enum { ORDINARY = 200, BATCH = 128 }; /* more than one batch of so many */

static struct store *store; /* to which nothing is written */
static unsigned pending;
static unsigned order;
static void (*on_first)(void); /* once, when the first object has ended */

struct seen {
    enum base_err err;
    enum ingest_outcome outcome;
    unsigned order;
    struct dicom_header header;
    struct store_object object;
};

static void setup(void)
{
    migrated_open(
        "insert into organisation (code, name, kind) values ('C1', 'Test centre', 'centre');"
        "insert into device (org_id, aet) values (1, 'CART')");
    order = 0;
    ck_assert_int_eq(store_open(loop, "/tmp", 0, &(struct store_config){.held = true}, &store),
                     BASE_OK);
}

static void teardown(void)
{
    db_close(db);
    store_close(store);
    loop_free(loop);
}

static void end(void)
{
    if (--pending == 0)
        loop_stop(loop);
}

static void run(unsigned n)
{
    pending = n;
    loop_run(loop);
    ck_assert_uint_eq(pending, 0);
}

/* Until a transaction has rows, but was told neither to commit nor to roll back. */
static void wait_until_sent(void)
{
    static const char open[] =
        "do $$ begin assert exists (select from pg_stat_activity where state = 'active'"
        " and wait_event = 'ClientRead' and backend_xid is not null); end $$";
    for (unsigned i = 0; i < 500; i++) {
        turn_ms(20);
        if (pg_cluster_psql(&cluster, "postgres", open))
            return;
    }
    ck_abort_msg("the batch was not sent");
}

static void on_stored(void *arg, enum base_err err, const struct ingest_stored *stored)
{
    struct seen *s = arg;
    s->err = err;
    s->outcome = stored ? stored->outcome : INGEST_REFUSED;
    s->order = ++order;
    if (on_first) {
        void (*fn)(void) = on_first;
        on_first = NULL;
        fn();
    }
    end();
}

static struct ingest_entry *add_unsynced(struct ingest_batch *b, unsigned no, const char *priority,
                                         struct seen *seen)
{
    seen->header = (struct dicom_header){.series_number = DICOM_NO_NUMBER,
                                         .instance_number = DICOM_NO_NUMBER,
                                         .rows = DICOM_NO_NUMBER,
                                         .columns = DICOM_NO_NUMBER,
                                         .frames = DICOM_NO_NUMBER};
    seen->object = (struct store_object){.size = 1};
    struct dicom_header *h = &seen->header;
    snprintf(h->patient_id, sizeof h->patient_id, "P%u", no);
    snprintf(h->study_uid, sizeof h->study_uid, "1.2.%u", no);
    snprintf(h->series_uid, sizeof h->series_uid, "1.2.%u.1", no);
    snprintf(h->sop_instance, sizeof h->sop_instance, "1.2.%u.1.1", no);
    snprintf(h->sop_class, sizeof h->sop_class, "1.2.840.10008.5.1.4.1.1.9.1.1");
    snprintf(seen->object.location, sizeof seen->object.location, "a/1/%u.dcm", no);
    struct ingest_record record = {.centre_id = 1,
                                   .device_id = 1,
                                   .quiet_seconds = 1,
                                   .priority = priority,
                                   .single = true,
                                   .transfer_syntax = "1.2.840.10008.1.2.1",
                                   .header = &seen->header,
                                   .object = &seen->object};
    struct ingest_entry *entry;
    ck_assert_int_eq(ingest_batch_add(b, &record, on_stored, seen, &entry), BASE_OK);
    return entry;
}

static void add(struct ingest_batch *b, unsigned no, const char *priority, struct seen *seen)
{
    ingest_batch_settle(add_unsynced(b, no, priority, seen), BASE_OK);
}

START_TEST(a_stat_object_overtakes_what_waits_for_a_batch)
{
    static struct seen seen[ORDINARY + 1];
    struct ingest_batch *b;
    ck_assert_int_eq(ingest_batch_new(loop, db, store, &b), BASE_OK);
    for (unsigned i = 0; i < ORDINARY; i++)
        add(b, i, NULL, &seen[i]);
    add(b, ORDINARY, "stat", &seen[ORDINARY]);
    run(ORDINARY + 1);
    for (unsigned i = 0; i <= ORDINARY; i++) {
        ck_assert_int_eq(seen[i].err, BASE_OK);
        ck_assert_int_eq(seen[i].outcome, INGEST_STORED);
    }
    ck_assert_uint_eq(seen[ORDINARY].order, 1);
    ck_assert_uint_eq(seen[ORDINARY - 1].order, ORDINARY + 1);
    ingest_batch_free(b);
}
END_TEST

enum { ALONE = 10 };
static struct ingest_batch *parted;
static struct seen parted_stat;

static void add_stat_to_parted(void)
{
    add(parted, ALONE, "stat", &parted_stat);
}

START_TEST(a_stat_object_overtakes_what_goes_one_by_one)
{
    static struct seen seen[ALONE];
    sql("create or replace function poison() returns trigger language plpgsql as"
        " $$ begin if new.study_uid = '1.2.5' then raise 'poison'; end if; return new; end $$;"
        "create trigger poison before insert on study for each row execute function poison()");
    ck_assert_int_eq(ingest_batch_new(loop, db, store, &parted), BASE_OK);
    on_first = add_stat_to_parted;
    for (unsigned i = 0; i < ALONE; i++)
        add(parted, i, NULL, &seen[i]);
    run(ALONE + 1);
    for (unsigned i = 0; i < ALONE; i++)
        ck_assert((seen[i].err == BASE_OK) == (i != 5));
    ck_assert_int_eq(parted_stat.outcome, INGEST_STORED);
    ck_assert_uint_eq(parted_stat.order, 3); /* the second was sent before the first was told */
    ingest_batch_free(parted);
}
END_TEST

/* Both wait for their syncs while the batch is undone for a third that is durable; what is sent
 * next has the STAT object first, which the others are too many for to be all in it. */
START_TEST(what_is_taken_back_stays_behind_stat_objects)
{
    static struct seen seen[ORDINARY + 2];
    static struct ingest_entry *entry[ORDINARY + 2];
    struct ingest_batch *b;
    ck_assert_int_eq(ingest_batch_new(loop, db, store, &b), BASE_OK);
    for (unsigned i = 0; i < ORDINARY; i++)
        entry[i] = add_unsynced(b, i, NULL, &seen[i]);
    wait_until_sent();
    for (unsigned i = ORDINARY; i < ORDINARY + 2; i++)
        entry[i] = add_unsynced(b, i, "stat", &seen[i]);
    ingest_batch_settle(entry[ORDINARY + 1], BASE_OK);
    run(1);
    ck_assert_uint_eq(seen[ORDINARY + 1].order, 1);
    wait_until_sent();
    /* All of this batch that is not durable yet is the STAT object. */
    for (unsigned i = 0; i < ORDINARY; i++)
        ingest_batch_settle(entry[i], BASE_OK);
    turn_ms(100);
    ck_assert_uint_eq(order, 1);
    ingest_batch_settle(entry[ORDINARY], BASE_OK);
    run(ORDINARY + 1);
    ck_assert_uint_le(seen[ORDINARY].order, 1 + BATCH);
    ingest_batch_free(b);
}
END_TEST

START_TEST(an_exam_of_one_object_has_both_its_events)
{
    struct seen seen;
    struct ingest_batch *b;
    ck_assert_int_eq(ingest_batch_new(loop, db, store, &b), BASE_OK);
    add(b, 1, "stat", &seen);
    run(1);
    ck_assert_int_eq(seen.outcome, INGEST_STORED);
    sql("do $$ begin"
        " assert (select state = 'unrouted' and grade = 'single' and priority = 'stat' from exam);"
        " assert (select array_agg(event order by id) = '{arrive,unrouted}' from exam_event);"
        " end $$");
    ingest_batch_free(b);
}
END_TEST

/* The rows are in the database, but nobody sees them, until all of a batch is durable. */
START_TEST(nothing_is_committed_before_all_of_a_batch_is_durable)
{
    struct seen seen[2];
    struct ingest_batch *b;
    ck_assert_int_eq(ingest_batch_new(loop, db, store, &b), BASE_OK);
    struct ingest_entry *first = add_unsynced(b, 1, NULL, &seen[0]);
    struct ingest_entry *second = add_unsynced(b, 2, NULL, &seen[1]);
    wait_until_sent();
    ingest_batch_settle(first, BASE_OK);
    turn_ms(100);
    sql("do $$ begin assert not exists (select from instance); end $$");
    ck_assert_uint_eq(ingest_batch_waiting(b), 2);
    ingest_batch_settle(second, BASE_OK);
    run(2);
    ck_assert_int_eq(seen[0].outcome, INGEST_STORED);
    ck_assert_int_eq(seen[1].outcome, INGEST_STORED);
    ingest_batch_free(b);
}
END_TEST

/* sent: the batch is in the database already when the sync of one fails. */
static void one_is_not_durable(bool sent)
{
    static struct seen seen[3];
    struct ingest_entry *entry[3];
    struct ingest_batch *b;
    ck_assert_int_eq(ingest_batch_new(loop, db, store, &b), BASE_OK);
    for (unsigned i = 0; i < 3; i++)
        entry[i] = add_unsynced(b, i, NULL, &seen[i]);
    if (sent)
        wait_until_sent();
    pending = 3;
    for (unsigned i = 0; i < 3; i++)
        ingest_batch_settle(entry[i], i == 1 ? BASE_EIO : BASE_OK);
    run(pending);
    ck_assert_int_eq(seen[0].outcome, INGEST_STORED);
    ck_assert_int_eq(seen[1].err, BASE_EIO);
    ck_assert_int_eq(seen[2].outcome, INGEST_STORED);
    sql("do $$ begin assert (select array_agg(sop_uid order by 1) = '{1.2.0.1.1,1.2.2.1.1}' from "
        "instance); "
        "end $$");
    ingest_batch_free(b);
}

START_TEST(who_is_not_durable_fails_alone)
{
    one_is_not_durable(true);
}
END_TEST

START_TEST(who_is_not_durable_fails_alone_also_before_it_was_sent)
{
    one_is_not_durable(false);
}
END_TEST

START_TEST(a_durable_stat_object_does_not_wait_for_the_syncs_of_others)
{
    struct seen seen[2] = {0};
    struct ingest_batch *b;
    ck_assert_int_eq(ingest_batch_new(loop, db, store, &b), BASE_OK);
    struct ingest_entry *slow = add_unsynced(b, 1, NULL, &seen[0]);
    wait_until_sent();
    struct ingest_entry *stat = add_unsynced(b, 2, "stat", &seen[1]);
    ingest_batch_settle(stat, BASE_OK);
    run(1);
    ck_assert_uint_eq(seen[1].order, 1);
    ck_assert_int_eq(seen[1].outcome, INGEST_STORED);
    sql("do $$ begin assert (select array_agg(sop_uid) = '{1.2.2.1.1}' from instance); end $$");
    ingest_batch_settle(slow, BASE_OK);
    run(1);
    ck_assert_int_eq(seen[0].outcome, INGEST_STORED);
    ingest_batch_free(b);
}
END_TEST

START_TEST(what_is_being_synced_hears_of_the_end_after_that)
{
    struct seen seen = {.order = 0};
    struct ingest_batch *b;
    ck_assert_int_eq(ingest_batch_new(loop, db, store, &b), BASE_OK);
    struct ingest_entry *entry = add_unsynced(b, 1, NULL, &seen);
    ingest_batch_free(b);
    ck_assert_uint_eq(seen.order, 0);
    pending = 1;
    ingest_batch_settle(entry, BASE_OK);
    ck_assert_uint_eq(seen.order, 1);
    ck_assert_int_eq(seen.err, BASE_ECANCELED);
}
END_TEST

int main(void)
{
    pg_cluster_start(&cluster);
    Suite *s = suite_create("ingest_batch");
    TCase *tc = tcase_create("batch");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_stat_object_overtakes_what_waits_for_a_batch);
    tcase_add_test(tc, a_stat_object_overtakes_what_goes_one_by_one);
    tcase_add_test(tc, what_is_taken_back_stays_behind_stat_objects);
    tcase_add_test(tc, an_exam_of_one_object_has_both_its_events);
    tcase_add_test(tc, nothing_is_committed_before_all_of_a_batch_is_durable);
    tcase_add_test(tc, who_is_not_durable_fails_alone);
    tcase_add_test(tc, who_is_not_durable_fails_alone_also_before_it_was_sent);
    tcase_add_test(tc, a_durable_stat_object_does_not_wait_for_the_syncs_of_others);
    tcase_add_test(tc, what_is_being_synced_hears_of_the_end_after_that);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    pg_cluster_stop(&cluster);
    return failed ? 1 : 0;
}
