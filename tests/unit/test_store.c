#include "store_test.h"

/* ---- locations ---- */

START_TEST(the_path_of_a_location_is_below_the_store)
{
    struct told t = put_text(store, "x");
    struct base_buf path = {0};
    struct stat st;
    ck_assert_int_eq(store_path(store, t.object.location, &path), BASE_OK);
    ck_assert_int_eq(strncmp(base_buf_cstr(&path), data_dir, strlen(data_dir)), 0);
    ck_assert_int_eq(stat(base_buf_cstr(&path), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    base_buf_deinit(&path);
}
END_TEST

static void not_removed(void *arg, enum base_err err)
{
    (void)arg;
    (void)err;
    ck_abort_msg("a callback of a refused call");
}

static void not_read(void *arg, enum base_err err, struct base_buf *buf)
{
    (void)buf;
    not_removed(arg, err);
}

START_TEST(what_could_leave_the_store_is_not_a_location)
{
    char longest[STORE_LOCATION + 1];
    memset(longest, 'a', STORE_LOCATION);
    memcpy(longest, "a/b/", 4);
    longest[STORE_LOCATION] = 0;
    const char *bad[] = {
        "",          "/",       "a",           "a/b",     "a/b/",       "/a/b",         "//a",
        "a//b",      "a/b/c/d", "/etc/passwd", "../a/b",  "a/../b",     "a/b/..",       "a/./b",
        "a/b/.lock", "a/b/c\n", "a/b/c d",     "a\\b\\c", "a/b/%2e%2e", "a/b/\xc3\xa4", "a/b/c/",
        longest,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct base_buf path = {0};
        struct store_read *r = NULL;
        ck_assert_msg(store_path(store, bad[i], &path) == BASE_EINVAL, "%s", bad[i]);
        ck_assert_uint_eq(path.n, 0);
        ck_assert_int_eq(store_remove(store, bad[i], not_removed, NULL), BASE_EINVAL);
        ck_assert_int_eq(store_read_open(store, bad[i], 0, LOOP_STAT, &r), BASE_EINVAL);
        ck_assert_int_eq(store_read_all(store, bad[i], 1, LOOP_STAT, not_read, NULL), BASE_EINVAL);
    }
    longest[STORE_LOCATION - 1] = 0;
    struct base_buf path = {0};
    ck_assert_int_eq(store_path(store, longest, &path), BASE_OK);
    base_buf_deinit(&path);
}
END_TEST

/* ---- removal ---- */

struct removed {
    int times;
    enum base_err err;
};

static void removed(void *arg, enum base_err err)
{
    struct removed *r = arg;
    r->times++;
    r->err = err;
}

START_TEST(a_removed_object_is_gone)
{
    struct told t = put_text(store, "x");
    struct removed r = {0};
    ck_assert_int_eq(store_remove(store, t.object.location, removed, &r), BASE_OK);
    ck_assert_int_eq(r.times, 0);
    loop_run(loop);
    ck_assert_int_eq(r.times, 1);
    ck_assert_int_eq(r.err, BASE_OK);
    ck_assert_int_eq(count_files("store"), 0);
    ck_assert_int_eq(store_remove(store, t.object.location, removed, &r), BASE_OK);
    loop_run(loop);
    ck_assert_int_eq(r.err, BASE_ENOTFOUND);
    ck_assert_int_eq(store_remove(store, t.object.location, NULL, NULL), BASE_OK);
    loop_run(loop);
}
END_TEST

START_TEST(a_removal_that_fails_is_told)
{
    struct told t = put_text(store, "x");
    struct removed r = {0};
    fail_call(FAULT_UNLINK, 1, EROFS);
    ck_assert_int_eq(store_remove(store, t.object.location, removed, &r), BASE_OK);
    loop_run(loop);
    ck_assert_int_eq(r.err, BASE_EDENIED);
    ck_assert_int_eq(count_files("store"), 1);
}
END_TEST

/* ---- two stores on one folder ---- */

START_TEST(two_stores_never_write_the_same_file)
{
    struct store *other = open_store(NULL);
    struct told a = put_text(store, "a");
    struct told b = put_text(other, "b");
    ck_assert_int_eq(a.err, BASE_OK);
    ck_assert_int_eq(b.err, BASE_OK);
    ck_assert_str_ne(a.object.location, b.object.location);
    ck_assert_int_eq(count_files("store"), 2);
    store_close(other);
}
END_TEST

int main(void)
{
    base_log_setup(BASE_LOG_ERROR + 1, 0, "test");
    Suite *s = suite_create("store");
    TCase *tc = tcase_create("store");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, the_path_of_a_location_is_below_the_store);
    tcase_add_test(tc, what_could_leave_the_store_is_not_a_location);
    tcase_add_test(tc, a_removed_object_is_gone);
    tcase_add_test(tc, a_removal_that_fails_is_told);
    tcase_add_test(tc, two_stores_never_write_the_same_file);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
