/* Segments on a disk that fails, is full, or can do less than others. */
#include "segment_fixture.h"

START_TEST(after_a_failed_sync_nothing_more_goes_to_the_segment)
{
    char before[256];
    char after[256];
    struct told good = put_text(store, "good");
    fail_call(FAULT_FDATASYNC, 1, EIO);
    ck_assert_int_eq(put_text(store, "bad").err, BASE_EIO);
    int syncs = atomic_load(&faults.calls[FAULT_FDATASYNC]);
    struct told next = put_text(store, "next");
    ck_assert_int_eq(next.err, BASE_OK);
    ck_assert_int_eq(atomic_load(&faults.calls[FAULT_FDATASYNC]), syncs + 1);
    segment_of(good.object.location, before);
    segment_of(next.object.location, after);
    ck_assert_str_ne(before, after);
    ck_assert_int_eq(read_as(good.object.location, "good"), BASE_OK);
    ck_assert_int_eq(look().objects, 2);
}
END_TEST

START_TEST(nothing_of_a_batch_that_failed_is_acknowledged)
{
    struct told t[5] = {{0}};
    (void)put_text(store, "first");
    fail_call(FAULT_FDATASYNC, 1, EIO);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(store_put_mem(store, "bin", LOOP_ORDINARY, base_bytes_of(NULL, 0),
                                       base_bytes_str("x"), tell, &t[i]),
                         BASE_OK);
    loop_run(loop);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(t[i].err, BASE_EIO);
    ck_assert_int_eq(look().objects, 1);
}
END_TEST

START_TEST(a_write_that_fails_is_told_and_leaves_nothing)
{
    (void)put_text(store, "first");
    fail_call(FAULT_WRITE, 1, ENOSPC);
    ck_assert_int_eq(put_text(store, "bad").err, BASE_ENOSPC);
    ck_assert_int_eq(look().objects, 1);
    ck_assert_int_eq(put_text(store, "next").err, BASE_OK);
}
END_TEST

START_TEST(short_writes_are_continued)
{
    faults.short_writes = true;
    struct told t[2] = {{0}};
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(store_put_mem(store, "bin", LOOP_ORDINARY, base_bytes_of(NULL, 0),
                                       base_bytes_str("some text"), tell, &t[i]),
                         BASE_OK);
    loop_run(loop);
    faults.short_writes = false;
    ck_assert_int_eq(read_as(t[0].object.location, "some text"), BASE_OK);
    ck_assert_int_eq(read_as(t[1].object.location, "some text"), BASE_OK);
}
END_TEST

START_TEST(a_segment_that_cannot_be_made_is_told_and_leaves_nothing)
{
    static const enum fault_call calls[] = {FAULT_OPEN, FAULT_FALLOCATE, FAULT_FSYNC,
                                            FAULT_STATVFS};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct store *s = open_store(NULL);
        fail_call(calls[i], 1, EIO);
        ck_assert_int_eq(put_text(s, "x").err, BASE_EIO);
        ck_assert_int_eq(count_files("store"), 0);
        struct told t = put_text(s, "x");
        ck_assert_int_eq(t.err, BASE_OK);
        ck_assert_int_eq(remove_object(s, t.object.location), BASE_OK);
        store_close(s);
        loop_run(loop);
        ck_assert_int_eq(count_files("store"), 0);
    }
}
END_TEST

START_TEST(a_small_disk_gets_small_segments)
{
    char path[256];
    struct told t;
    faults.space = 1 << 20;
    t = put_text(store, "x");
    ck_assert_int_eq(t.err, BASE_OK);
    segment_of(t.object.location, path);
    ck_assert_uint_le(blocks_of(path), 128 << 10);
}
END_TEST

START_TEST(a_segment_never_takes_the_reserve)
{
    struct store_config config = {.reserve = 1 << 20};
    struct store *s = open_store(&config);
    faults.space = (1 << 20) + 8191;
    ck_assert_int_eq(put_text(s, "x").err, BASE_ENOSPC);
    ck_assert_int_eq(count_files("store"), 0);
    store_close(s);
    loop_run(loop);
}
END_TEST

START_TEST(a_disk_that_is_fuller_than_it_says_gets_a_smaller_segment)
{
    struct store *s = open_small(1 << 20);
    char path[256];
    fail_call(FAULT_FALLOCATE, 1, ENOSPC);
    struct told t = put_text(s, "x");
    ck_assert_int_eq(t.err, BASE_OK);
    segment_of(t.object.location, path);
    ck_assert_uint_le(blocks_of(path), 512 << 10);
    store_close(s);
    loop_run(loop);
}
END_TEST

START_TEST(without_preallocation_the_segment_grows)
{
    struct told t[3];
    fail_call(FAULT_FALLOCATE, 1, EOPNOTSUPP);
    for (int i = 0; i < 3; i++)
        t[i] = put_text(store, "grows");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(read_as(t[i].object.location, "grows"), BASE_OK);
    ck_assert_int_eq(look().objects, 3);
}
END_TEST

START_TEST(through_the_page_cache_it_is_the_same)
{
    struct store_config config = {.buffered = true};
    struct store *s = open_store(&config);
    struct told t = put_text(s, "buffered");
    ck_assert_int_eq(t.err, BASE_OK);
    ck_assert_int_eq(read_as(t.object.location, "buffered"), BASE_OK);
    store_close(s);
    loop_run(loop);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, after_a_failed_sync_nothing_more_goes_to_the_segment);
    tcase_add_test(tc, nothing_of_a_batch_that_failed_is_acknowledged);
    tcase_add_test(tc, a_write_that_fails_is_told_and_leaves_nothing);
    tcase_add_test(tc, short_writes_are_continued);
    tcase_add_test(tc, a_segment_that_cannot_be_made_is_told_and_leaves_nothing);
    tcase_add_test(tc, a_small_disk_gets_small_segments);
    tcase_add_test(tc, a_segment_never_takes_the_reserve);
    tcase_add_test(tc, a_disk_that_is_fuller_than_it_says_gets_a_smaller_segment);
    tcase_add_test(tc, without_preallocation_the_segment_grows);
    tcase_add_test(tc, through_the_page_cache_it_is_the_same);
}

int main(void)
{
    return run_segment_tests("store_segment_faults", add);
}
