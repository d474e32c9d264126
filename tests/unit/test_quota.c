#include "base/quota.h"

#include "base/clock.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 4 };

static struct base_quota *q;

static void open_table(void)
{
    q = mmap(NULL, sizeof *q, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(q, MAP_FAILED);
    ck_assert_int_eq(base_quota_init(q, SLOTS), BASE_OK);
}

static void close_table(void)
{
    base_clock_reset();
    munmap(q, sizeof *q);
}

static bool seat(struct base_quota_row *row, unsigned slot, int64_t limit)
{
    return base_quota_take(q, row, slot, BASE_QUOTA_SEATS, 1, limit);
}

static int64_t seated(const struct base_quota_row *row)
{
    return base_quota_held(q, row, BASE_QUOTA_SEATS);
}

/* Runs fn in another process, which then is killed as it stands. */
static void in_a_killed_worker(void (*fn)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        raise(SIGKILL);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
}

START_TEST(a_limit_holds_over_all_slots)
{
    struct base_quota_row *row = base_quota_join(q, 0, BASE_QUOTA_DEVICE, 7);
    ck_assert_ptr_eq(base_quota_join(q, 3, BASE_QUOTA_DEVICE, 7), row);
    ck_assert(seat(row, 0, 3));
    ck_assert(seat(row, 3, 3));
    ck_assert(seat(row, 3, 3));
    ck_assert(!seat(row, 0, 3));
    ck_assert(!seat(row, 1, 3));
    ck_assert_int_eq(seated(row), 3);
    base_quota_give(row, 3, BASE_QUOTA_SEATS, 1);
    ck_assert(seat(row, 1, 3));
    ck_assert(seat(row, 1, 0)); /* no limit */
}
END_TEST

START_TEST(kinds_and_ids_do_not_share_a_row)
{
    struct base_quota_row *a = base_quota_join(q, 0, BASE_QUOTA_DEVICE, 1);
    ck_assert_ptr_ne(base_quota_join(q, 0, BASE_QUOTA_DEVICE, 2), a);
    ck_assert_ptr_ne(base_quota_join(q, 0, BASE_QUOTA_SESSION, 1), a);
    ck_assert_ptr_ne(base_quota_join(q, 0, BASE_QUOTA_SESSION, -1),
                     base_quota_join(q, 0, BASE_QUOTA_ORGANISATION, -1));
}
END_TEST

static void hold_some(void)
{
    struct base_quota_row *row = base_quota_join(q, 1, BASE_QUOTA_DEVICE, 7);
    bool got =
        seat(row, 1, 3) && seat(row, 1, 3) && base_quota_take(q, row, 1, BASE_QUOTA_BYTES, 1000, 0);
    if (!got)
        _exit(1);
}

START_TEST(what_a_killed_worker_held_is_given_back_and_nothing_else)
{
    struct base_quota_row *row = base_quota_join(q, 0, BASE_QUOTA_DEVICE, 7);
    ck_assert(seat(row, 0, 3));
    in_a_killed_worker(hold_some);
    ck_assert_int_eq(seated(row), 3);
    ck_assert_int_eq(base_quota_held(q, row, BASE_QUOTA_BYTES), 1000);
    ck_assert(!seat(row, 0, 3));
    base_quota_give_back(q, 1);
    ck_assert_int_eq(seated(row), 1);
    ck_assert_int_eq(base_quota_held(q, row, BASE_QUOTA_BYTES), 0);
    ck_assert(seat(row, 1, 3));
}
END_TEST

static void die_in_the_lock(void)
{
    pthread_mutex_lock(&q->lock);
}

START_TEST(a_worker_killed_inside_the_lock_stops_nobody)
{
    in_a_killed_worker(die_in_the_lock);
    struct base_quota_row *row = base_quota_join(q, 0, BASE_QUOTA_DEVICE, 7);
    ck_assert(seat(row, 0, 1));
    base_quota_leave(row, 0);
    ck_assert_ptr_eq(base_quota_join(q, 2, BASE_QUOTA_DEVICE, 7), row);
}
END_TEST

START_TEST(rows_without_users_are_used_again_and_those_beyond_share_one)
{
    base_clock_set(0, 1000);
    struct base_quota_row *rows[BASE_QUOTA_ROWS];
    for (int i = 1; i < BASE_QUOTA_ROWS; i++)
        rows[i] = base_quota_join(q, 0, BASE_QUOTA_SESSION, i);
    struct base_quota_row *rest = base_quota_join(q, 0, BASE_QUOTA_SESSION, 100000);
    ck_assert_ptr_eq(base_quota_join(q, 1, BASE_QUOTA_DEVICE, 100000), rest);
    ck_assert_ptr_ne(rest, rows[1]);
    /* Who has gone, but still owes time, is remembered. */
    ck_assert_int_eq(base_quota_reserve(rows[5], 1, 1000 * 1000, 0), 0);
    base_quota_leave(rows[5], 0);
    ck_assert_ptr_eq(base_quota_join(q, 1, BASE_QUOTA_DEVICE, 100001), rest);
    base_clock_set(0, 2000);
    ck_assert_ptr_eq(base_quota_join(q, 1, BASE_QUOTA_DEVICE, 100001), rows[5]);
    ck_assert_int_eq(base_quota_reserve(rows[5], 1, 2000 * 1000, 0), 0);
    ck_assert_ptr_eq(base_quota_join(q, 0, BASE_QUOTA_SESSION, 6), rows[6]);
}
END_TEST

START_TEST(a_second_may_be_used_at_once_and_then_each_waits_its_turn)
{
    struct base_quota_row *row = base_quota_join(q, 0, BASE_QUOTA_DEVICE, 7);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(base_quota_reserve(row, 10, 5000000, 0), 0);
    ck_assert_int_eq(base_quota_reserve(row, 10, 5000000, 0), -1);
    ck_assert_int_eq(base_quota_reserve(row, 10, 5000000, 1000000), 100000);
    ck_assert_int_eq(base_quota_reserve(row, 10, 5000000, 1000000), 200000);
    ck_assert_int_eq(base_quota_reserve(row, 10, 5300000, 1000000), 0);
    ck_assert_int_eq(base_quota_reserve(row, 10, 9000000, 0), 0);
    ck_assert_int_eq(base_quota_reserve(row, 0, 9000000, 0), 0);
}
END_TEST

START_TEST(two_processes_never_take_more_than_the_limit)
{
    enum { ROUNDS = 20000, LIMIT = 1 };
    struct base_quota_row *row = base_quota_join(q, 0, BASE_QUOTA_DEVICE, 7);
    struct base_quota_row *inside = base_quota_join(q, 0, BASE_QUOTA_DEVICE, 8);
    pid_t pid = fork();
    unsigned slot = pid == 0 ? 1 : 0;
    int wrong = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (!seat(row, slot, LIMIT))
            continue;
        wrong += !seat(inside, slot, LIMIT);
        wrong += seated(inside) > LIMIT;
        base_quota_give_back(q, SLOTS - 1); /* of a slot beside them */
        if (atomic_load(&inside->held[BASE_QUOTA_SEATS][slot]))
            base_quota_give(inside, slot, BASE_QUOTA_SEATS, 1);
        base_quota_give(row, slot, BASE_QUOTA_SEATS, 1);
    }
    if (pid == 0)
        _exit(wrong != 0);
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(seated(row), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base_quota");
    TCase *tc = tcase_create("quota");
    tcase_add_checked_fixture(tc, open_table, close_table);
    tcase_add_test(tc, a_limit_holds_over_all_slots);
    tcase_add_test(tc, kinds_and_ids_do_not_share_a_row);
    tcase_add_test(tc, what_a_killed_worker_held_is_given_back_and_nothing_else);
    tcase_add_test(tc, a_worker_killed_inside_the_lock_stops_nobody);
    tcase_add_test(tc, rows_without_users_are_used_again_and_those_beyond_share_one);
    tcase_add_test(tc, a_second_may_be_used_at_once_and_then_each_waits_its_turn);
    tcase_add_test(tc, two_processes_never_take_more_than_the_limit);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
