/* The fence, on a file of its own. */
#include "db/db_fence.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static void setup(void)
{
    snprintf(path, sizeof path, "/tmp/rdc-fence-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    unlink(path);
}

static void teardown(void)
{
    unlink(path);
}

static struct db_fence fence_new(void)
{
    struct db_fence f;
    ck_assert_int_eq(db_fence_init(&f, path), BASE_OK);
    return f;
}

START_TEST(the_highest_timeline_is_kept_for_the_next_process)
{
    struct db_fence f = fence_new();
    ck_assert(db_fence_pass(&f, 77, 1, true));
    ck_assert(db_fence_pass(&f, 77, 3, true));
    ck_assert(!db_fence_pass(&f, 77, 2, true));
    ck_assert(!db_fence_holds(&f, 77, 1));
    db_fence_deinit(&f);
    f = fence_new();
    ck_assert(!db_fence_pass(&f, 77, 2, true));
    ck_assert(db_fence_pass(&f, 77, 3, true));
    db_fence_deinit(&f);
}
END_TEST

START_TEST(what_one_worker_sees_the_others_hear)
{
    struct db_fence a = fence_new();
    struct db_fence b = fence_new();
    ck_assert(db_fence_pass(&a, 77, 1, true));
    ck_assert(db_fence_pass(&b, 77, 1, true));
    ck_assert(db_fence_pass(&b, 77, 2, true));
    ck_assert(db_fence_look(&a));
    ck_assert(!db_fence_look(&a));
    ck_assert(!db_fence_holds(&a, 77, 1));
    ck_assert(!db_fence_pass(&a, 77, 1, true));
    db_fence_deinit(&a);
    db_fence_deinit(&b);
}
END_TEST

START_TEST(another_cluster_passes_only_at_the_start)
{
    struct db_fence f = fence_new();
    ck_assert(db_fence_pass(&f, 77, 5, true));
    ck_assert(!db_fence_pass(&f, 78, 9, true));
    db_fence_deinit(&f);
    f = fence_new();
    ck_assert(db_fence_pass(&f, 78, 1, true));
    ck_assert(!db_fence_pass(&f, 77, 5, true));
    db_fence_deinit(&f);
}
END_TEST

START_TEST(a_reader_writes_nothing)
{
    struct db_fence f = fence_new();
    ck_assert(db_fence_pass(&f, 77, 5, false));
    ck_assert_int_ne(access(path, F_OK), 0);
    db_fence_deinit(&f);
}
END_TEST

START_TEST(a_file_that_is_none_or_cannot_be_written_bounds_this_process_only)
{
    FILE *file = fopen(path, "w");
    ck_assert(file && fputs("system of a down", file) >= 0 && fclose(file) == 0);
    struct db_fence f = fence_new();
    ck_assert(db_fence_pass(&f, 77, 2, true));
    db_fence_deinit(&f);
    f = fence_new();
    ck_assert(!db_fence_pass(&f, 77, 1, true));
    db_fence_deinit(&f);
    ck_assert_int_eq(db_fence_init(&f, "/nonexistent/timeline"), BASE_OK);
    ck_assert(db_fence_pass(&f, 77, 2, true));
    ck_assert(!db_fence_pass(&f, 77, 1, true));
    db_fence_deinit(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("db_fence");
    TCase *tc = tcase_create("db_fence");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_highest_timeline_is_kept_for_the_next_process);
    tcase_add_test(tc, what_one_worker_sees_the_others_hear);
    tcase_add_test(tc, another_cluster_passes_only_at_the_start);
    tcase_add_test(tc, a_reader_writes_nothing);
    tcase_add_test(tc, a_file_that_is_none_or_cannot_be_written_bounds_this_process_only);
    suite_add_tcase(suite, tc);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failures = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failures != 0;
}
