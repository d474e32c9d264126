#include "store_test.h"

enum { SIZE = STORE_CHUNK_LARGE * 2 + 12345 };

static uint8_t *content;
static char location[STORE_LOCATION];

static void set_up_object(void)
{
    struct told t = {0};
    set_up();
    content = malloc(SIZE);
    ck_assert_ptr_nonnull(content);
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)(i * 31 >> 3);
    ck_assert_int_eq(store_put_mem(store, "dcm", LOOP_STAT, base_bytes_of(NULL, 0),
                                   base_bytes_of(content, SIZE), tell, &t),
                     BASE_OK);
    loop_run(loop);
    ck_assert_int_eq(t.err, BASE_OK);
    memcpy(location, t.object.location, sizeof location);
}

static void tear_down_object(void)
{
    free(content);
    tear_down();
}

struct reading {
    struct store_read *read;
    struct base_buf got;
    int pieces;
    int ends;
    enum base_err err;
    int close_after; /* pieces; 0 = read all */
};

static void on_piece(void *arg, enum base_err err, struct base_bytes data, bool end)
{
    struct reading *r = arg;
    r->err = err;
    r->pieces++;
    r->ends += end;
    if (data.n)
        base_buf_add(&r->got, data.p, data.n);
    if (err || end || r->pieces == r->close_after) {
        if (!err)
            ck_assert_uint_eq(store_read_size(r->read), SIZE);
        store_read_close(r->read);
    } else {
        store_read_next(r->read, on_piece, r);
    }
}

static struct reading read_from(uint64_t from, int close_after)
{
    struct reading r = {.close_after = close_after};
    ck_assert_int_eq(store_read_open(store, location, from, LOOP_ORDINARY, &r.read), BASE_OK);
    store_read_next(r.read, on_piece, &r);
    ck_assert_int_eq(r.pieces, 0);
    loop_run(loop);
    return r;
}

START_TEST(pieces_make_up_the_object)
{
    struct reading r = read_from(0, 0);
    ck_assert_int_eq(r.err, BASE_OK);
    ck_assert_int_eq(r.pieces, 3);
    ck_assert_int_eq(r.ends, 1);
    ck_assert_uint_eq(r.got.n, SIZE);
    ck_assert_mem_eq(r.got.p, content, SIZE);
    base_buf_deinit(&r.got);
}
END_TEST

START_TEST(reading_can_start_anywhere)
{
    const uint64_t starts[] = {1, 132, STORE_CHUNK_LARGE, SIZE - 1, SIZE};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct reading r = read_from(starts[i], 0);
        ck_assert_int_eq(r.err, BASE_OK);
        ck_assert_int_eq(r.ends, 1);
        ck_assert_uint_eq(r.got.n, SIZE - starts[i]);
        ck_assert(r.got.n == 0 || memcmp(r.got.p, content + starts[i], r.got.n) == 0);
        base_buf_deinit(&r.got);
    }
    struct reading r = read_from(SIZE + 1, 0);
    ck_assert_int_eq(r.err, BASE_EINVAL);
}
END_TEST

START_TEST(a_reader_may_leave_between_pieces)
{
    struct reading r = read_from(0, 1);
    ck_assert_int_eq(r.pieces, 1);
    ck_assert_uint_eq(r.got.n, STORE_CHUNK_LARGE);
    base_buf_deinit(&r.got);
}
END_TEST

START_TEST(a_reader_may_leave_before_a_piece_comes)
{
    struct reading r = {0};
    ck_assert_int_eq(store_read_open(store, location, 0, LOOP_STAT, &r.read), BASE_OK);
    store_read_next(r.read, on_piece, &r);
    store_read_close(r.read);
    loop_run(loop);
    ck_assert_int_eq(r.pieces, 0);
    ck_assert_int_eq(store_read_open(store, location, 0, LOOP_STAT, &r.read), BASE_OK);
    store_read_close(r.read);
    store_read_close(NULL);
}
END_TEST

START_TEST(a_missing_object_is_not_found)
{
    *strrchr(location, '.') = '-';
    struct reading r = read_from(0, 0);
    ck_assert_int_eq(r.err, BASE_ENOTFOUND);
    ck_assert_int_eq(r.pieces, 1);
    ck_assert_uint_eq(r.got.n, 0);
}
END_TEST

START_TEST(a_failing_disk_is_told)
{
    fail_call(FAULT_PREAD, 2, EIO);
    struct reading r = read_from(0, 0);
    ck_assert_int_eq(r.err, BASE_EIO);
    ck_assert_int_eq(r.pieces, 2);
    ck_assert_int_eq(r.ends, 0);
    base_buf_deinit(&r.got);
}
END_TEST

START_TEST(a_link_is_not_followed)
{
    struct base_buf path = {0};
    ck_assert_int_eq(store_path(store, location, &path), BASE_OK);
    ck_assert_int_eq(unlink(base_buf_cstr(&path)), 0);
    ck_assert_int_eq(symlink("/etc/hostname", base_buf_cstr(&path)), 0);
    struct reading r = read_from(0, 0);
    ck_assert_int_eq(r.err, BASE_EIO);
    base_buf_deinit(&path);
}
END_TEST

struct whole {
    int times;
    enum base_err err;
    size_t n;
    bool same;
};

static void on_whole(void *arg, enum base_err err, struct base_buf *buf)
{
    struct whole *w = arg;
    w->times++;
    w->err = err;
    w->n = buf->n;
    w->same = buf->n == SIZE && memcmp(buf->p, content, SIZE) == 0;
}

static struct whole read_whole(size_t cap)
{
    struct whole w = {0};
    ck_assert_int_eq(store_read_all(store, location, cap, LOOP_STAT, on_whole, &w), BASE_OK);
    loop_run(loop);
    ck_assert_int_eq(w.times, 1);
    return w;
}

START_TEST(a_whole_object_is_read_up_to_a_cap)
{
    ck_assert(read_whole(SIZE).same);
    struct whole w = read_whole(SIZE - 1);
    ck_assert_int_eq(w.err, BASE_ELIMIT);
    ck_assert_uint_eq(w.n, 0);
    fail_call(FAULT_PREAD, 1, EIO);
    ck_assert_int_eq(read_whole(SIZE).err, BASE_EIO);
    fail_call(FAULT_OPEN, 1, EACCES);
    ck_assert_int_eq(read_whole(SIZE).err, BASE_EDENIED);
}
END_TEST

int main(void)
{
    base_log_setup(BASE_LOG_ERROR + 1, 0, "test");
    Suite *s = suite_create("store_read");
    TCase *tc = tcase_create("read");
    tcase_add_checked_fixture(tc, set_up_object, tear_down_object);
    tcase_add_test(tc, pieces_make_up_the_object);
    tcase_add_test(tc, reading_can_start_anywhere);
    tcase_add_test(tc, a_reader_may_leave_between_pieces);
    tcase_add_test(tc, a_reader_may_leave_before_a_piece_comes);
    tcase_add_test(tc, a_missing_object_is_not_found);
    tcase_add_test(tc, a_failing_disk_is_told);
    tcase_add_test(tc, a_link_is_not_followed);
    tcase_add_test(tc, a_whole_object_is_read_up_to_a_cap);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
