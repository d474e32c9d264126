/* Writing to segments, in what order, and removing from them. */
#include "segment_fixture.h"

#include "base/clock.h"

#include <sched.h>
#include <uv.h>

/* ---- writing ---- */

START_TEST(small_objects_share_one_file_one_write_and_one_sync)
{
    struct told t[20] = {0};
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(store_put_mem(store, "bin", LOOP_ORDINARY, base_bytes_str("H"),
                                       base_bytes_str("data"), tell, &t[i]),
                         BASE_OK);
    loop_run(loop);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(t[i].err, BASE_OK);
        ck_assert_uint_eq(t[i].object.size, 5);
        ck_assert_uint_eq(t[i].object.digested, 4);
        ck_assert_int_eq(read_as(t[i].object.location, "Hdata"), BASE_OK);
    }
    ck_assert_int_eq(count_files("store"), 1);
    ck_assert_int_eq(atomic_load(&faults.calls[FAULT_WRITE]), 1);
    ck_assert_int_eq(atomic_load(&faults.calls[FAULT_FDATASYNC]), 1);
}
END_TEST

START_TEST(objects_of_every_length_come_back)
{
    static uint8_t bytes[300000];
    static const size_t sizes[] = {0,      1,      4095,   4096,   4097,  131071,
                                   131072, 131073, 262144, 262145, 300000};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct told t = {0};
        struct content c = {0};
        uint8_t sha[BASE_SHA256];
        ck_assert_int_eq(store_put_mem(store, "bin", LOOP_ORDINARY, base_bytes_of(NULL, 0),
                                       base_bytes_of(bytes, sizes[i]), tell, &t),
                         BASE_OK);
        loop_run(loop);
        ck_assert_int_eq(t.err, BASE_OK);
        base_sha256_once(bytes, sizes[i], sha);
        ck_assert_mem_eq(sha, t.object.sha256, sizeof sha);
        ck_assert_int_eq(store_read_all(store, t.object.location, 1 << 20, LOOP_STAT, got_all, &c),
                         BASE_OK);
        loop_run(loop);
        ck_assert_int_eq(c.err, BASE_OK);
        ck_assert_uint_eq(c.buf.n, sizes[i]);
        ck_assert(sizes[i] == 0 || memcmp(c.buf.p, bytes, sizes[i]) == 0);
        base_buf_deinit(&c.buf);
    }
    ck_assert_int_eq(count_files("store"), 1);
}
END_TEST

START_TEST(a_large_object_gets_a_file_of_its_own)
{
    static const uint8_t piece[1 << 19];
    struct store_put *p = NULL;
    struct told t = {0};
    struct store_place place;
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &p), BASE_OK);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(store_put_write(p, piece, sizeof piece), BASE_OK);
    store_put_finish(p, NULL, tell, &t);
    loop_run(loop);
    ck_assert_int_eq(t.err, BASE_OK);
    ck_assert_uint_eq(t.object.size, 5 * sizeof piece);
    ck_assert(store_place_of(t.object.location, &place));
    ck_assert(!place.is_record);
    uint8_t sha[BASE_SHA256];
    struct base_sha256 *h = base_sha256_new();
    for (int i = 0; i < 5; i++)
        base_sha256_add(h, piece, sizeof piece);
    base_sha256_end(h, sha);
    base_sha256_free(h);
    ck_assert_mem_eq(t.object.sha256, sha, sizeof sha);
}
END_TEST

START_TEST(without_memory_small_objects_get_files)
{
    static const uint8_t piece[100000];
    struct store_config config = {.memory = 256 << 10};
    struct store *s = open_store(&config);
    struct store_put *puts[8] = {NULL};
    struct told t[8] = {{0}};
    int files = 0;
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(store_put_new(s, "bin", LOOP_STAT, &puts[i]), BASE_OK);
        ck_assert_int_eq(store_put_write(puts[i], piece, sizeof piece), BASE_OK);
    }
    for (int i = 0; i < 8; i++)
        store_put_finish(puts[i], NULL, tell, &t[i]);
    loop_run(loop);
    for (int i = 0; i < 8; i++) {
        struct store_place place;
        ck_assert_int_eq(t[i].err, BASE_OK);
        ck_assert_uint_eq(t[i].object.size, sizeof piece);
        ck_assert(store_place_of(t[i].object.location, &place));
        files += !place.is_record;
    }
    ck_assert_int_ge(files, 6);
    store_close(s);
    loop_run(loop);
}
END_TEST

static unsigned count_spare(const struct store *s, enum store_chunk_kind kind)
{
    unsigned n = 0;
    for (const struct store_chunk *c = s->spare[kind]; c; c = c->next)
        n++;
    return n;
}

START_TEST(of_memory_what_goes_beyond_the_limit_is_given_back)
{
    enum { TAKEN = 24 };
    struct store_config config = {.memory = (size_t)2 * STORE_KINDS * STORE_SLAB};
    struct store *s = open_store(&config);
    struct store_chunk *list = NULL;
    unsigned alone = 0;
    for (int i = 0; i < TAKEN; i++) {
        struct store_chunk *c = store_chunk_get(s, true);
        ck_assert_ptr_nonnull(c);
        ck_assert_uint_eq((uintptr_t)c->data % STORE_ALIGN, 0);
        memset(c->data - STORE_ALIGN, i, STORE_ALIGN + c->size);
        alone += c->alone;
        c->next = list;
        list = c;
    }
    ck_assert_uint_eq(alone, TAKEN - 16); /* 8 in each of two slabs */
    int i = TAKEN;
    for (const struct store_chunk *c = list; c; c = c->next) {
        i--;
        ck_assert_uint_eq(c->data[-STORE_ALIGN], (unsigned)i);
        ck_assert_uint_eq(c->data[c->size - 1], (unsigned)i);
    }
    store_chunk_put(s, list);
    ck_assert_uint_eq(s->memory, 0);
    ck_assert_uint_eq(count_spare(s, STORE_SMALL), 16);
    ck_assert_uint_eq(count_spare(s, STORE_LARGE), 0);
    store_close(s);
    loop_run(loop);
}
END_TEST

START_TEST(a_full_segment_is_followed_by_another)
{
    struct store *s = open_small(64 << 10);
    struct told t[20];
    char first[256];
    for (int i = 0; i < 20; i++) {
        t[i] = put_text(s, "x");
        ck_assert_int_eq(t[i].err, BASE_OK);
    }
    segment_of(t[0].object.location, first);
    ck_assert_int_eq(count_files("store"), 3);
    ck_assert_uint_le(blocks_of(first), 64 << 10);
    store_close(s);
    loop_run(loop);
    ck_assert_int_eq(look().objects, 20);
}
END_TEST

START_TEST(a_closed_segment_ends_with_its_last_record)
{
    struct told t[3];
    struct stat st;
    char path[256];
    leave_three(t);
    segment_of(t[0].object.location, path);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 3 * 2 * STORE_ALIGN);
}
END_TEST

static void abort_and_wait(struct store_put *p)
{
    store_put_abort(p);
    loop_run(loop);
}

START_TEST(an_aborted_put_leaves_nothing_in_the_segment)
{
    struct store_put *p = NULL;
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &p), BASE_OK);
    ck_assert_int_eq(store_put_write(p, "abc", 3), BASE_OK);
    abort_and_wait(p);
    ck_assert_int_eq(count_files("store"), 0);
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &p), BASE_OK);
    ck_assert_int_eq(store_put_write(p, "abc", 3), BASE_OK);
    store_put_finish(p, NULL, tell, NULL);
    abort_and_wait(p);
    ck_assert_int_eq(look().objects, 0);
}
END_TEST

static void abort_when_written(void *arg, enum base_err err, const struct store_object *object)
{
    (void)err;
    (void)object;
    store_put_abort(*(struct store_put **)arg);
}

START_TEST(a_put_can_be_aborted_while_its_batch_is_written)
{
    struct store_put *p = NULL;
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &p), BASE_OK);
    ck_assert_int_eq(store_put_write(p, "abc", 3), BASE_OK);
    store_put_finish(p, abort_when_written, NULL, &p);
    loop_run(loop);
    ck_assert_int_eq(look().objects, 0);
    struct told t = put_text(store, "after");
    ck_assert_int_eq(read_as(t.object.location, "after"), BASE_OK);
}
END_TEST

/* What was asked for and never filled is no piece of the record: a batch is written by so many
 * pieces, and one without a byte cannot be written alone. */
START_TEST(space_that_was_not_used_is_not_written)
{
    enum { PIECES = 64 };
    struct told few[PIECES - 1] = {0};
    struct told t = {0};
    struct store_put *p = NULL;
    uint8_t *to = NULL;
    for (size_t i = 0; i < PIECES - 1; i++)
        ck_assert_int_eq(store_put_mem(store, "bin", LOOP_ORDINARY, base_bytes_of(NULL, 0),
                                       base_bytes_str("x"), tell, &few[i]),
                         BASE_OK);
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_ORDINARY, &p), BASE_OK);
    size_t n = store_put_space(p, &to);
    ck_assert_uint_eq(n, STORE_CHUNK_SMALL);
    memset(to, 'y', n);
    ck_assert_int_eq(store_put_write(p, to, n), BASE_OK);
    ck_assert_uint_gt(store_put_space(p, &to), 0);
    store_put_finish(p, NULL, tell, &t);
    loop_run(loop);
    ck_assert_int_eq(t.err, BASE_OK);
    ck_assert_uint_eq(t.object.size, n);
    ck_assert_int_eq(few[0].err, BASE_OK);
    ck_assert_int_eq(look().objects, PIECES);
}
END_TEST

/* ---- a put that leaves before its digest was taken ---- */

static atomic_bool pool_ran;

static void note_run(void *arg)
{
    (void)arg;
    atomic_store(&pool_ran, true);
}

static void ran(void *arg, bool cancelled)
{
    (void)arg;
    (void)cancelled;
}

static void put_and_abort(void *arg)
{
    struct store_put *p = NULL;
    loop_work(loop, arg, LOOP_DISK, LOOP_STAT, note_run, ran, NULL);
    while (
        !atomic_load(&pool_ran)) /* then the job before it, which makes the segment, has failed */
        sched_yield();
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &p), BASE_OK);
    ck_assert_int_eq(store_put_write(p, "abc", 3), BASE_OK);
    store_put_finish(p, NULL, tell, NULL);
    store_put_abort(p);
}

START_TEST(a_put_that_is_aborted_as_its_segment_fails_is_let_go)
{
    struct loop_options one_thread = {.disk_threads = 1, .cpu_threads = 1};
    struct told t = {0};
    struct loop_call call = {0};
    struct loop_job job;
    store_close(store);
    loop_run(loop);
    loop_free(loop);
    ck_assert_int_eq(loop_new(&one_thread, &loop), BASE_OK);
    store = open_store(NULL);
    fail_call(FAULT_OPEN, 1, EIO);
    ck_assert_int_eq(store_put_mem(store, "bin", LOOP_ORDINARY, base_bytes_of(NULL, 0),
                                   base_bytes_str("x"), tell, &t),
                     BASE_OK);
    loop_post(loop, &call, put_and_abort, &job);
    loop_run(loop);
    ck_assert_int_eq(t.err, BASE_EIO);
    ck_assert_int_eq(count_files("store"), 0);
}
END_TEST

static char order[8];

static void note_order(void *arg, enum base_err err, const struct store_object *object)
{
    (void)object;
    ck_assert_int_eq(err, BASE_OK);
    strncat(order, arg, 1);
}

START_TEST(stat_objects_go_first)
{
    static char names[] = "abCD";
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(store_put_mem(store, "bin", i < 2 ? LOOP_ORDINARY : LOOP_STAT,
                                       base_bytes_of(NULL, 0), base_bytes_str("x"), note_order,
                                       &names[i]),
                         BASE_OK);
    loop_run(loop);
    ck_assert_str_eq(order, "CDab");
}
END_TEST

/* Whether it came about before the pause ended by itself, as it can on a busy machine. */
static bool paused_in_time(enum loop_class class, unsigned *writes)
{
    struct told t = {0};
    int before = atomic_load(&faults.calls[FAULT_WRITE]);
    int64_t began = base_clock_mono_ms();
    store_pause(store);
    ck_assert_int_eq(
        store_put_mem(store, "bin", class, base_bytes_of(NULL, 0), base_bytes_str("x"), tell, &t),
        BASE_OK);
    do
        uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    while (!t.times && base_clock_mono_ms() - began < 4);
    *writes = (unsigned)(atomic_load(&faults.calls[FAULT_WRITE]) - before);
    bool in_time = base_clock_mono_ms() - began < 8;
    store_resume(store);
    loop_run(loop);
    ck_assert_int_eq(t.times, 1);
    ck_assert_int_eq(t.err, BASE_OK);
    return in_time;
}

START_TEST(a_pause_holds_writes_back_but_not_of_stat_objects)
{
    unsigned writes;
    (void)put_text(store, "the segment is made");
    while (!paused_in_time(LOOP_ORDINARY, &writes))
        ;
    ck_assert_uint_eq(writes, 0);
    while (!paused_in_time(LOOP_STAT, &writes) || writes != 1)
        ;
}
END_TEST

START_TEST(a_pause_ends_by_itself)
{
    store_pause(store);
    struct told t = put_text(store, "x");
    ck_assert_int_eq(t.err, BASE_OK);
}
END_TEST

START_TEST(a_store_that_is_closed_in_a_pause_writes_what_it_has)
{
    struct told t = {0};
    store_pause(store);
    ck_assert_int_eq(store_put_mem(store, "bin", LOOP_ORDINARY, base_bytes_of(NULL, 0),
                                   base_bytes_str("x"), tell, &t),
                     BASE_OK);
    store_close(store);
    loop_run(loop);
    ck_assert_int_eq(t.err, BASE_OK);
    ck_assert_int_eq(t.times, 1);
    store = open_store(NULL);
}
END_TEST

/* ---- removal ---- */

START_TEST(a_removed_record_gives_its_space_back)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[1].object.location, path);
    uint64_t before = blocks_of(path);
    ck_assert_int_eq(remove_object(store, t[1].object.location), BASE_OK);
    ck_assert_uint_lt(blocks_of(path), before);
    ck_assert_int_eq(remove_object(store, t[1].object.location), BASE_ENOTFOUND);
    ck_assert_int_eq(read_as(t[1].object.location, ""), BASE_ENOTFOUND);
    ck_assert_int_eq(read_as(t[0].object.location, "one"), BASE_OK);
    ck_assert_int_eq(read_as(t[2].object.location, "three"), BASE_OK);
    ck_assert_int_eq(look().objects, 2);
}
END_TEST

START_TEST(where_there_are_no_holes_a_removed_record_is_marked)
{
    struct told t[3];
    leave_three(t);
    fail_call(FAULT_FALLOCATE, 1, EOPNOTSUPP);
    ck_assert_int_eq(remove_object(store, t[1].object.location), BASE_OK);
    ck_assert_int_eq(read_as(t[1].object.location, ""), BASE_ENOTFOUND);
    ck_assert_int_eq(read_as(t[2].object.location, "three"), BASE_OK);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 2);
    ck_assert_int_eq(seen.torn, 0);
}
END_TEST

START_TEST(only_what_a_location_names_is_removed)
{
    struct told t[3];
    char wrong[2 * STORE_LOCATION];
    struct store_place p;
    leave_three(t);
    ck_assert(store_place_of(t[0].object.location, &p));
    snprintf(wrong, sizeof wrong, "%s/%d-3.bin", p.file, STORE_ALIGN); /* inside of the first */
    ck_assert_int_eq(remove_object(store, wrong), BASE_EFORMAT);
    ck_assert_int_eq(read_as(wrong, ""), BASE_EFORMAT);
    snprintf(wrong, sizeof wrong, "%s/0-30000.bin", p.file);
    ck_assert_int_eq(remove_object(store, wrong), BASE_EFORMAT);
    snprintf(wrong, sizeof wrong, "%s/7-3.bin", p.file);
    ck_assert_int_eq(store_remove(store, wrong, NULL, NULL), BASE_EINVAL);
    ck_assert_int_eq(look().objects, 3);
}
END_TEST

START_TEST(a_full_segment_without_records_is_removed)
{
    struct store *s = open_small(16 << 10);
    struct told t[4];
    for (int i = 0; i < 4; i++)
        t[i] = put_text(s, "x");
    ck_assert_int_eq(count_files("store"), 2);
    ck_assert_int_eq(remove_object(s, t[0].object.location), BASE_OK);
    ck_assert_int_eq(count_files("store"), 2);
    ck_assert_int_eq(remove_object(s, t[1].object.location), BASE_OK);
    ck_assert_int_eq(count_files("store"), 1);
    store_close(s);
    loop_run(loop);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, small_objects_share_one_file_one_write_and_one_sync);
    tcase_add_test(tc, objects_of_every_length_come_back);
    tcase_add_test(tc, a_large_object_gets_a_file_of_its_own);
    tcase_add_test(tc, without_memory_small_objects_get_files);
    tcase_add_test(tc, of_memory_what_goes_beyond_the_limit_is_given_back);
    tcase_add_test(tc, a_full_segment_is_followed_by_another);
    tcase_add_test(tc, a_closed_segment_ends_with_its_last_record);
    tcase_add_test(tc, an_aborted_put_leaves_nothing_in_the_segment);
    tcase_add_test(tc, a_put_can_be_aborted_while_its_batch_is_written);
    tcase_add_test(tc, space_that_was_not_used_is_not_written);
    tcase_add_test(tc, a_put_that_is_aborted_as_its_segment_fails_is_let_go);
    tcase_add_test(tc, stat_objects_go_first);
    tcase_add_test(tc, a_pause_holds_writes_back_but_not_of_stat_objects);
    tcase_add_test(tc, a_pause_ends_by_itself);
    tcase_add_test(tc, a_store_that_is_closed_in_a_pause_writes_what_it_has);
    tcase_add_test(tc, a_removed_record_gives_its_space_back);
    tcase_add_test(tc, where_there_are_no_holes_a_removed_record_is_marked);
    tcase_add_test(tc, only_what_a_location_names_is_removed);
    tcase_add_test(tc, a_full_segment_without_records_is_removed);
}

int main(void)
{
    return run_segment_tests("store_segment", add);
}
