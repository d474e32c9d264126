/* Objects that get files of their own while they arrive. */
#include "store_test.h"

enum { LARGE = 64 << 20, PIECE = 100000 };

struct feed {
    struct store_put *put;
    struct base_sha256 *sha;
    size_t sent;
    size_t memory; /* the most that the store held */
    int waits;
    struct told told;
};

static void feed_more(void *arg)
{
    static uint8_t piece[PIECE];
    struct feed *f = arg;
    while (f->sent < LARGE && store_put_room(f->put)) {
        size_t n = LARGE - f->sent < PIECE ? LARGE - f->sent : PIECE;
        memset(piece, (int)(f->sent / PIECE), n);
        ck_assert_int_eq(store_put_write(f->put, piece, n), BASE_OK);
        base_sha256_add(f->sha, piece, n);
        f->sent += n;
        if (store->memory > f->memory)
            f->memory = store->memory;
    }
    f->waits += f->sent < LARGE;
    if (f->sent == LARGE)
        store_put_finish(f->put, NULL, tell, &f->told);
}

START_TEST(a_large_object_passes_through_little_memory)
{
    struct feed f = {.sha = base_sha256_new()};
    uint8_t sha[BASE_SHA256];
    ck_assert_int_eq(store_put_new(store, "dcm", LOOP_ORDINARY, &f.put), BASE_OK);
    store_put_on_room(f.put, feed_more, &f);
    feed_more(&f);
    loop_run(loop);
    ck_assert_int_eq(f.told.times, 1);
    ck_assert_int_eq(f.told.err, BASE_OK);
    ck_assert_uint_eq(f.told.object.size, LARGE);
    base_sha256_end(f.sha, sha);
    ck_assert_mem_eq(f.told.object.sha256, sha, sizeof sha);
    ck_assert_int_gt(f.waits, 0);
    ck_assert_uint_le(f.memory, 2 << 20);
    ck_assert_uint_eq(store->memory, 0);
    base_sha256_free(f.sha);
}
END_TEST

static atomic_int odd_writes;

static ssize_t count_odd(int fd, const void *p, size_t n)
{
    atomic_fetch_add(&odd_writes, n % STORE_ALIGN != 0);
    return write(fd, p, n);
}

/* And all but the last bytes of each go around the page cache. */
START_TEST(little_memory_slows_puts_but_stops_none)
{
    struct store_fs fs = store_fs_system;
    struct store_config config = {.memory = 1, .fs = &fs};
    fs.write = count_odd;
    struct store *s = open_store(&config);
    struct store_put *puts[8];
    struct told t[8] = {0};
    static const uint8_t piece[16000];
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(store_put_new(s, "bin", LOOP_STAT, &puts[i]), BASE_OK);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 8; i++)
            ck_assert_int_eq(store_put_write(puts[i], piece, sizeof piece), BASE_OK);
        loop_run(loop);
        for (int i = 0; i < 8; i++)
            ck_assert(store_put_room(puts[i]));
        ck_assert_uint_le(s->memory, STORE_CHUNK_SMALL + 7 * STORE_CHUNK_TINY);
    }
    for (int i = 0; i < 8; i++)
        store_put_finish(puts[i], NULL, tell, &t[i]);
    loop_run(loop);
    for (int i = 0; i < 8; i++)
        ck_assert_uint_eq(t[i].object.size, 20 * sizeof piece);
    ck_assert_int_eq(odd_writes, 8);
    store_close(s);
}
END_TEST

enum { STREAMS = 12, STREAM_MAX = 4 << 20 };

struct stream {
    struct store_put *put;
    size_t size;
    size_t sent;
    size_t abort_at; /* or beyond size */
    struct base_sha256 *sha;
    bool over; /* finished or aborted */
    struct told told;
};

static uint8_t stream_bytes[STREAM_MAX];

/* In pieces of all sizes, each of other bytes. */
static void send_more(void *arg)
{
    struct stream *x = arg;
    while (!x->over && store_put_room(x->put)) {
        size_t n = (size_t)rand() % (300 << 10) + 1;
        n = x->size - x->sent < n ? x->size - x->sent : n;
        const uint8_t *from = stream_bytes + x->sent;
        if (x->sent >= x->abort_at) {
            x->over = true;
            store_put_abort(x->put);
        } else if (x->sent == x->size) {
            x->over = true;
            store_put_finish(x->put, NULL, tell, &x->told);
        } else if (store_put_write(x->put, from, n)) {
            x->over = true;
            x->told.err = BASE_EIO;
            x->abort_at = 0;
            store_put_abort(x->put);
        } else {
            base_sha256_add(x->sha, from, n);
            x->sent += n;
        }
    }
}

static void begin_streams(struct stream all[STREAMS])
{
    for (size_t i = 0; i < sizeof stream_bytes; i++)
        stream_bytes[i] = (uint8_t)(i ^ (i >> 9) * 31);
    for (int i = 0; i < STREAMS; i++) {
        struct stream *x = &all[i];
        x->size = (size_t)rand() % STREAM_MAX;
        x->abort_at = rand() % 4 ? SIZE_MAX : (size_t)rand() % STREAM_MAX;
        x->sha = base_sha256_new();
        enum loop_class class = rand() % 4 ? LOOP_ORDINARY : LOOP_STAT;
        ck_assert_int_eq(store_put_new(store, "bin", class, &x->put), BASE_OK);
        store_put_on_room(x->put, send_more, x);
    }
    for (int i = 0; i < STREAMS; i++)
        send_more(&all[i]);
}

static int end_streams(struct stream all[STREAMS])
{
    int stored = 0;
    for (int i = 0; i < STREAMS; i++) {
        uint8_t sha[BASE_SHA256];
        const struct stream *x = &all[i];
        base_sha256_end(x->sha, sha);
        base_sha256_free(x->sha);
        ck_assert_int_eq(x->told.times, x->over && x->sent == x->size && x->abort_at > x->size);
        if (!x->told.times || x->told.err)
            continue;
        ck_assert_uint_eq(x->told.object.size, x->size);
        ck_assert_mem_eq(x->told.object.sha256, sha, sizeof sha);
        stored++;
    }
    return stored;
}

START_TEST(streams_side_by_side_have_each_their_digest)
{
    struct stream all[STREAMS] = {0};
    srand((unsigned)_i);
    begin_streams(all);
    loop_run(loop);
    ck_assert_int_eq(count_files("store"), end_streams(all));
    ck_assert_uint_eq(store->memory, 0);
}
END_TEST

START_TEST(a_stream_that_fails_does_not_disturb_the_others)
{
    struct stream all[STREAMS] = {0};
    srand((unsigned)_i);
    fail_call(FAULT_WRITE, _i % 7, EIO);
    begin_streams(all);
    loop_run(loop);
    int failed = 0;
    for (int i = 0; i < STREAMS; i++)
        failed += all[i].told.err != BASE_OK;
    ck_assert_int_le(failed, 1);
    ck_assert_int_eq(count_files("store"), end_streams(all));
    ck_assert_uint_eq(store->memory, 0);
}
END_TEST

START_TEST(streams_are_told_when_the_loop_ends_under_them)
{
    struct stream all[STREAMS] = {0};
    srand((unsigned)_i);
    begin_streams(all);
    for (int i = 0; i < STREAMS; i++) {
        if (all[i].over)
            continue;
        all[i].abort_at = 0;
        all[i].over = true;
        store_put_abort(all[i].put);
    }
    store_close(store);
    store = NULL;
    loop_free(loop);
    ck_assert_int_eq(count_files("store"), end_streams(all));
    struct loop_options o = {.disk_threads = 1, .cpu_threads = 1};
    ck_assert_int_eq(loop_new(&o, &loop), BASE_OK);
}
END_TEST

int main(void)
{
    base_log_setup(BASE_LOG_ERROR + 1, 0, "test");
    Suite *s = suite_create("store_stream");
    TCase *tc = tcase_create("streams");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_large_object_passes_through_little_memory);
    tcase_add_test(tc, little_memory_slows_puts_but_stops_none);
    tcase_add_loop_test(tc, streams_side_by_side_have_each_their_digest, 0, 12);
    tcase_add_loop_test(tc, a_stream_that_fails_does_not_disturb_the_others, 0, 14);
    tcase_add_loop_test(tc, streams_are_told_when_the_loop_ends_under_them, 0, 6);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
