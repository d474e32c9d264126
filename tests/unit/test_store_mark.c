#include "store_test.h"

#include "store/store_record.h"
#include "store/store_tree.h"

static void path_of(const char *location, char path[STORE_PATH])
{
    snprintf(path, STORE_PATH, "%s/store/%s", data_dir, location);
}

static struct store_tree_object look(const char *location)
{
    struct store_tree_object o;
    ck_assert_int_eq(store_tree_object_open(data_dir, location, &o), BASE_OK);
    close(o.fd);
    return o;
}

/* False, with the reason: the file system of the tests has no attributes. */
static bool with_attributes(void)
{
    faults.attributes = true;
    bool can = setxattr(data_dir, "user.rdc.test", "1", 1, 0) == 0;
    if (!can)
        printf("skipped: /tmp has no extended attributes (%s)\n", strerror(errno));
    return can;
}

START_TEST(a_file_says_what_it_is_before_it_is_synced)
{
    if (!with_attributes())
        return;
    struct store *s = open_store(NULL);
    struct told t = put_text(s, "the data set");
    ck_assert_int_eq(t.err, BASE_OK);
    struct store_tree_object o = look(t.object.location);
    ck_assert(o.has_sha256 && !o.unacknowledged);
    ck_assert_mem_eq(o.sha256, t.object.sha256, sizeof o.sha256);
    /* Which leaves out what fdatasync would leave out. */
    ck_assert_int_eq(atomic_load(&faults.calls[FAULT_FDATASYNC]), 0);
    fail_call(FAULT_FSYNC, 1, EIO);
    ck_assert_int_eq(put_text(s, "x").err, BASE_EIO);
    store_close(s);
}
END_TEST

START_TEST(a_mark_is_read_as_it_was_written)
{
    struct store_object in = {.size = 1ULL << 40, .digested = 12345, .sha256 = {1, 2, 3}};
    struct store_object out = {0};
    char path[STORE_PATH];
    if (!with_attributes())
        return;
    snprintf(path, sizeof path, "%s/file", data_dir);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    ck_assert(!store_mark_read(fd, &out));
    ck_assert_int_eq(store_mark_write(&fault_fs, fd, &in), BASE_OK);
    ck_assert(store_mark_read(fd, &out));
    ck_assert_mem_eq(&out, &in, sizeof in);
    ck_assert_int_eq(fsetxattr(fd, "user.rdc.object", "short", 5, 0), 0);
    ck_assert(!store_mark_read(fd, &out));
    close(fd);
}
END_TEST

START_TEST(without_its_mark_a_file_was_never_acknowledged)
{
    char path[STORE_PATH];
    if (!with_attributes())
        return;
    struct store *s = open_store(NULL);
    struct told t = put_text(s, "x");
    path_of(t.object.location, path);
    ck_assert_int_eq(removexattr(path, "user.rdc.object"), 0);
    struct store_tree_object o = look(t.object.location);
    ck_assert(!o.has_sha256 && o.unacknowledged);
    /* In a copy that has lost the folder's mark too, nobody can tell. */
    path_of(s->incarnation, path);
    ck_assert_int_eq(removexattr(path, "user.rdc.marks"), 0);
    o = look(t.object.location);
    ck_assert(!o.has_sha256 && !o.unacknowledged);
    store_close(s);
}
END_TEST

START_TEST(a_file_system_without_attributes_does_as_well)
{
    struct told t = put_text(store, "x");
    ck_assert_int_eq(t.err, BASE_OK);
    struct store_tree_object o = look(t.object.location);
    ck_assert(!o.has_sha256 && !o.unacknowledged);
}
END_TEST

START_TEST(what_could_not_be_marked_is_not_stored)
{
    if (!with_attributes())
        return;
    struct store *s = open_store(NULL);
    fail_call(FAULT_XATTR, 1, ENOSPC);
    ck_assert_int_eq(put_text(s, "x").err, BASE_ENOSPC);
    ck_assert_int_eq(count_files("store"), 0);
    ck_assert_int_eq(put_text(s, "x").err, BASE_OK);
    store_close(s);
}
END_TEST

START_TEST(a_folder_that_cannot_be_marked_is_not_opened)
{
    struct store_config config = {.fs = &fault_fs};
    struct store *s = NULL;
    if (!with_attributes())
        return;
    fail_call(FAULT_XATTR, 1, EIO);
    ck_assert_int_eq(store_open(loop, data_dir, 0, &config, &s), BASE_EIO);
}
END_TEST

START_TEST(a_record_needs_no_mark)
{
    if (!with_attributes())
        return;
    use_segments = true;
    struct store *s = open_store(NULL);
    struct told t = put_text(s, "x");
    ck_assert_int_eq(t.err, BASE_OK);
    struct store_tree_object o = look(t.object.location);
    ck_assert(o.has_sha256 && !o.unacknowledged);
    ck_assert_int_eq(atomic_load(&faults.calls[FAULT_XATTR]), 1); /* the folder's */
    store_close(s);
}
END_TEST

int main(void)
{
    base_log_setup(BASE_LOG_ERROR + 1, 0, "test");
    Suite *s = suite_create("store_mark");
    TCase *tc = tcase_create("store_mark");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_file_says_what_it_is_before_it_is_synced);
    tcase_add_test(tc, a_mark_is_read_as_it_was_written);
    tcase_add_test(tc, without_its_mark_a_file_was_never_acknowledged);
    tcase_add_test(tc, a_file_system_without_attributes_does_as_well);
    tcase_add_test(tc, what_could_not_be_marked_is_not_stored);
    tcase_add_test(tc, a_folder_that_cannot_be_marked_is_not_opened);
    tcase_add_test(tc, a_record_needs_no_mark);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
