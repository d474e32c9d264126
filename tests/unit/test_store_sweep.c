#include "store_test.h"

#include "base/clock.h"

#include <fcntl.h>
#include <sys/wait.h>

/* A database for the sweep: knows the locations that end in an even number. */
struct lookup {
    struct store_sweep *asked;
    bool keep[STORE_SWEEP_BATCH];
    struct loop_call call;
    bool later;
    int fail_at; /* which check fails; 0 = none */
    int checks;
    size_t largest;
    int done;
    enum base_err err;
    struct store_sweep_result result;
};

static bool known(const char *location)
{
    const char *name = strrchr(location, '/') + 1;
    return strtoul(name, NULL, 10) % 2 == 0;
}

static void answer_later(void *arg)
{
    struct lookup *l = arg;
    store_sweep_answer(l->asked, l->checks == l->fail_at ? NULL : l->keep);
}

static void check(void *arg, struct store_sweep *sweep, const char *const *locations, size_t n)
{
    struct lookup *l = arg;
    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, STORE_SWEEP_BATCH);
    l->asked = sweep;
    l->checks++;
    l->largest = n > l->largest ? n : l->largest;
    for (size_t i = 0; i < n; i++)
        l->keep[i] = known(locations[i]);
    if (l->later)
        loop_post(loop, &l->call, answer_later, l);
    else
        answer_later(l);
}

static void swept(void *arg, enum base_err err, const struct store_sweep_result *result)
{
    struct lookup *l = arg;
    l->done++;
    l->err = err;
    l->result = *result;
}

static struct lookup sweep_with(struct lookup l, unsigned grace_s)
{
    struct store_sweep_ops ops = {check, swept, &l, grace_s};
    ck_assert_int_eq(store_sweep(store, &ops), BASE_OK);
    ck_assert_int_eq(store_sweep(store, &ops), BASE_ECONFLICT);
    ck_assert_int_eq(l.checks + l.done, 0);
    loop_run(loop);
    ck_assert_int_eq(l.done, 1);
    return l;
}

static struct lookup sweep(unsigned grace_s)
{
    return sweep_with((struct lookup){0}, grace_s);
}

/* A dead worker's folder with n files, numbered from 1. */
static void leave_incarnation(int n)
{
    struct store_config config = {.folder_files = 400, .unsafe_no_sync = true};
    struct store *s = open_store(&config);
    static struct told told;
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(store_put_mem(s, "dcm", LOOP_ORDINARY, base_bytes_of(NULL, 0),
                                       base_bytes_str("x"), tell, &told),
                         BASE_OK);
    store_close(s);
    loop_run(loop);
}

START_TEST(unknown_files_of_a_dead_incarnation_are_moved_away)
{
    leave_incarnation(7);
    struct lookup l = sweep(0);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_uint_eq(l.result.folders, 1);
    ck_assert_uint_eq(l.result.kept, 3);
    ck_assert_uint_eq(l.result.lost, 4);
    ck_assert_int_eq(count_files("store"), 3);
    ck_assert_int_eq(count_files("lost"), 4);
}
END_TEST

START_TEST(a_large_incarnation_is_asked_about_in_batches)
{
    leave_incarnation(1201);
    struct lookup l = sweep_with((struct lookup){.later = true}, 0);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_int_eq(l.checks, 3);
    ck_assert_uint_eq(l.largest, STORE_SWEEP_BATCH);
    ck_assert_uint_eq(l.result.kept, 600);
    ck_assert_uint_eq(l.result.lost, 601);
    ck_assert_int_eq(count_files("lost"), 601);
}
END_TEST

START_TEST(a_living_incarnation_is_left_alone)
{
    struct told t = put_text(store, "x");
    ck_assert_int_eq(t.err, BASE_OK);
    struct lookup l = sweep(0);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_uint_eq(l.result.busy, 1);
    ck_assert_uint_eq(l.result.folders, 0);
    ck_assert_int_eq(l.checks, 0);
    ck_assert_int_eq(count_files("store"), 1);
}
END_TEST

/* What an incarnation leaves that is killed in the middle of an object. */
static void die_writing(void)
{
    struct loop_options o = {.disk_threads = 1, .cpu_threads = 1};
    struct loop *l = NULL;
    struct store *s = NULL;
    struct store_put *p = NULL;
    struct store_config config = {.files_only = true};
    static const uint8_t piece[STORE_CHUNK_LARGE + STORE_CHUNK_SMALL];
    if (loop_new(&o, &l) || store_open(l, data_dir, 9, &config, &s) ||
        store_put_new(s, "dcm", LOOP_STAT, &p) || store_put_write(p, piece, sizeof piece))
        _exit(1);
    loop_run(l);
    kill(getpid(), SIGKILL);
}

START_TEST(a_killed_worker_leaves_its_folder_to_the_sweep)
{
    int status = 0;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        die_writing();
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ck_assert_int_eq(count_files("store"), 1);
    set_up_store();
    struct lookup l = sweep(0);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_uint_eq(l.result.lost, 1);
    ck_assert_int_eq(count_files("store"), 0);
    ck_assert_int_eq(count_files("lost"), 1);
}
END_TEST

/* Entries of <data>/store. */
static nlink_t incarnations(void)
{
    char path[100];
    struct stat st;
    snprintf(path, sizeof path, "%s/store", data_dir);
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_nlink - 2;
}

START_TEST(empty_folders_are_removed)
{
    leave_incarnation(0);
    leave_incarnation(1);
    ck_assert_uint_eq(incarnations(), 3);
    struct lookup l = sweep(0);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_uint_eq(l.result.folders, 2);
    ck_assert_uint_eq(incarnations(), 1);
}
END_TEST

START_TEST(a_clean_incarnation_is_not_looked_through_again)
{
    leave_incarnation(4);
    ck_assert_int_eq(sweep(0).checks, 1);
    struct lookup l = sweep(0);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_int_eq(l.checks, 0);
    ck_assert_uint_eq(l.result.folders, 0);
    ck_assert_int_eq(count_files("store"), 2);
}
END_TEST

START_TEST(young_files_wait_for_a_later_sweep)
{
    leave_incarnation(3);
    struct lookup l = sweep(60);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_uint_eq(l.result.young, 2);
    ck_assert_uint_eq(l.result.lost, 0);
    ck_assert_int_eq(count_files("store"), 3);
    base_clock_set(base_clock_wall_us() + 120 * INT64_C(1000000), 1);
    l = sweep(60);
    base_clock_reset();
    ck_assert_uint_eq(l.result.lost, 2);
    ck_assert_int_eq(count_files("store"), 1);
}
END_TEST

START_TEST(a_failed_lookup_leaves_everything)
{
    leave_incarnation(600);
    struct lookup l = sweep_with((struct lookup){.fail_at = 1}, 0);
    ck_assert_int_eq(l.err, BASE_EUNAVAILABLE);
    ck_assert_int_eq(count_files("store"), 600);
    l = sweep_with((struct lookup){.fail_at = 2, .later = true}, 0);
    ck_assert_int_eq(l.err, BASE_EUNAVAILABLE);
    ck_assert_int_eq(count_files("store") + count_files("lost"), 600);
    l = sweep(0);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_int_eq(count_files("store"), 300);
    ck_assert_int_eq(count_files("lost"), 300);
}
END_TEST

START_TEST(a_failed_move_ends_the_sweep_and_the_next_one_goes_on)
{
    leave_incarnation(8);
    fail_call(FAULT_RENAME, 2, EIO);
    struct lookup l = sweep(0);
    ck_assert_int_eq(l.err, BASE_EIO);
    ck_assert_uint_eq(l.result.lost, 1);
    l = sweep(0);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_int_eq(count_files("lost"), 4);
    ck_assert_int_eq(count_files("store"), 4);
}
END_TEST

START_TEST(an_incarnation_that_fails_keeps_no_other_from_being_swept)
{
    leave_incarnation(8);
    leave_incarnation(8);
    leave_incarnation(8);
    fail_call(FAULT_RENAME, 2, EIO);
    struct lookup l = sweep(0);
    ck_assert_int_eq(l.err, BASE_EIO);
    ck_assert_uint_eq(l.result.folders, 3);
    ck_assert_uint_eq(l.result.lost, 1 + 4 + 4);
    l = sweep(0);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_uint_eq(l.result.lost, 3);
}
END_TEST

START_TEST(what_is_not_ours_stays)
{
    char from[100];
    char path[160];
    leave_incarnation(0);
    snprintf(from, sizeof from, "%s/store/lost+found", data_dir);
    ck_assert_int_eq(mkdir(from, 0700), 0);
    snprintf(path, sizeof path, "%s/file", from);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    struct lookup l = sweep(0);
    ck_assert_int_eq(l.err, BASE_OK);
    ck_assert_int_eq(l.checks, 0);
    ck_assert_int_eq(count_files("store"), 1);
    snprintf(path, sizeof path, "%s/.lock", from);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_store_that_closes_ends_its_sweep)
{
    leave_incarnation(3);
    struct lookup l = {0};
    struct store_sweep_ops ops = {check, swept, &l, 0};
    ck_assert_int_eq(store_sweep(store, &ops), BASE_OK);
    store_close(store);
    loop_run(loop);
    ck_assert_int_eq(l.done, 1);
    ck_assert_int_eq(l.err, BASE_ECANCELED);
    ck_assert_int_eq(count_files("store"), 3);
    store = open_store(NULL);
}
END_TEST

int main(void)
{
    base_log_setup(BASE_LOG_ERROR + 1, 0, "test");
    Suite *s = suite_create("store_sweep");
    TCase *tc = tcase_create("sweep");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, unknown_files_of_a_dead_incarnation_are_moved_away);
    tcase_add_test(tc, a_large_incarnation_is_asked_about_in_batches);
    tcase_add_test(tc, a_living_incarnation_is_left_alone);
    tcase_add_test(tc, empty_folders_are_removed);
    tcase_add_test(tc, a_clean_incarnation_is_not_looked_through_again);
    tcase_add_test(tc, young_files_wait_for_a_later_sweep);
    tcase_add_test(tc, a_failed_lookup_leaves_everything);
    tcase_add_test(tc, a_failed_move_ends_the_sweep_and_the_next_one_goes_on);
    tcase_add_test(tc, an_incarnation_that_fails_keeps_no_other_from_being_swept);
    tcase_add_test(tc, what_is_not_ours_stays);
    tcase_add_test(tc, a_store_that_closes_ends_its_sweep);
    suite_add_tcase(s, tc);
    /* It forks, so the store with its threads comes later. */
    tc = tcase_create("killed");
    tcase_add_checked_fixture(tc, set_up_folder, tear_down);
    tcase_add_test(tc, a_killed_worker_leaves_its_folder_to_the_sweep);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
