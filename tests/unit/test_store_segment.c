#include "store_test.h"

#include "base/clock.h"
#include "store/store_record.h"
#include "store/store_tree.h"

#include <sched.h>
#include <uv.h>

static void set_up_segments(void)
{
    use_segments = true;
    set_up();
}

static struct store *open_small(uint64_t segment)
{
    struct store_config config = {.segment = segment};
    return open_store(&config);
}

/* ---- reading back ---- */

struct content {
    int times;
    enum base_err err;
    struct base_buf buf;
};

static void got_all(void *arg, enum base_err err, struct base_buf *buf)
{
    struct content *c = arg;
    c->times++;
    c->err = err;
    c->buf = *buf;
    *buf = (struct base_buf){0};
}

static enum base_err read_as(const char *location, const char *text)
{
    struct content c = {0};
    ck_assert_int_eq(store_read_all(store, location, 1 << 20, LOOP_STAT, got_all, &c), BASE_OK);
    loop_run(loop);
    ck_assert_int_eq(c.times, 1);
    if (!c.err)
        ck_assert_str_eq(base_buf_cstr(&c.buf), text);
    base_buf_deinit(&c.buf);
    return c.err;
}

static void segment_of(const char *location, char path[256])
{
    struct store_place place;
    ck_assert(store_place_of(location, &place));
    ck_assert(place.is_record);
    snprintf(path, 256, "%s/store/%s", data_dir, place.file);
}

static uint64_t offset_of(const char *location)
{
    struct store_place place;
    ck_assert(store_place_of(location, &place));
    return place.at;
}

static uint64_t blocks_of(const char *path)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static void write_at(const char *path, uint64_t at, const void *p, size_t n)
{
    int fd = open(path, O_WRONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, p, n, (off_t)at), (ssize_t)n);
    close(fd);
}

/* ---- walking ---- */

struct seen {
    int objects;
    int torn;
    int strange;
    char last[STORE_LOCATION];
};

static struct seen look(void)
{
    struct seen seen = {0};
    struct store_tree *t;
    struct store_tree_file f;
    bool found;
    ck_assert_int_eq(store_tree_open(data_dir, &t), BASE_OK);
    for (;;) {
        ck_assert_int_eq(store_tree_next(t, &f, &found), BASE_OK);
        if (!found)
            break;
        seen.objects += !f.torn && !f.strange;
        seen.torn += f.torn;
        seen.strange += f.strange;
        memcpy(seen.last, f.location, sizeof seen.last);
    }
    store_tree_close(t);
    return seen;
}

/* A dead worker's segment with three objects. */
static void leave_three(struct told out[3])
{
    static const char *const texts[] = {"one", "two", "three"};
    struct store *s = open_store(NULL);
    for (int i = 0; i < 3; i++) {
        out[i] = put_text(s, texts[i]);
        ck_assert_int_eq(out[i].err, BASE_OK);
    }
    store_close(s);
    loop_run(loop);
}

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

static void removed(void *arg, enum base_err err)
{
    *(enum base_err *)arg = err;
}

static enum base_err remove_object(struct store *s, const char *location)
{
    enum base_err err = BASE_EINTERNAL;
    ck_assert_int_eq(store_remove(s, location, removed, &err), BASE_OK);
    loop_run(loop);
    return err;
}

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

/* ---- failures ---- */

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

/* ---- what a power cut leaves ---- */

START_TEST(a_torn_record_is_passed_over)
{
    struct told t[3];
    char path[256];
    static uint8_t junk[STORE_ALIGN];
    leave_three(t);
    segment_of(t[1].object.location, path);
    memset(junk, 0x5a, sizeof junk);
    write_at(path, offset_of(t[1].object.location), junk, sizeof junk);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 2);
    ck_assert_int_eq(seen.torn, 1);
    ck_assert_int_eq(read_as(t[1].object.location, ""), BASE_EFORMAT);
    ck_assert_int_eq(read_as(t[2].object.location, "three"), BASE_OK);
}
END_TEST

START_TEST(one_changed_bit_of_a_header_is_seen)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[1].object.location, path);
    uint64_t at = offset_of(t[1].object.location);
    for (unsigned i = 0; i < STORE_RECORD_HEAD; i += 7) {
        int fd = open(path, O_RDWR);
        uint8_t was;
        uint8_t now;
        ck_assert_int_eq(pread(fd, &was, 1, (off_t)(at + i)), 1);
        now = was ^ 1;
        ck_assert_int_eq(pwrite(fd, &now, 1, (off_t)(at + i)), 1);
        ck_assert_int_eq(read_as(t[1].object.location, ""), BASE_EFORMAT);
        ck_assert_int_eq(pwrite(fd, &was, 1, (off_t)(at + i)), 1);
        close(fd);
    }
    ck_assert_int_eq(read_as(t[1].object.location, "two"), BASE_OK);
}
END_TEST

START_TEST(a_tail_of_zeros_is_no_record)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[0].object.location, path);
    ck_assert_int_eq(truncate(path, 1 << 20), 0);
    /* Zeros that were written, too: where holes are not told, that is what is seen. */
    static const uint8_t zeros[3 * STORE_ALIGN];
    write_at(path, 512 << 10, zeros, sizeof zeros);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 3);
    ck_assert_int_eq(seen.torn, 0);
}
END_TEST

START_TEST(a_record_that_goes_beyond_the_file_is_not_read)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[2].object.location, path);
    ck_assert_int_eq(truncate(path, (off_t)offset_of(t[2].object.location) + STORE_ALIGN + 2), 0);
    ck_assert_int_eq(read_as(t[2].object.location, ""), BASE_EFORMAT);
    ck_assert_int_eq(look().objects, 3);
    /* Nor one of which only a part of the header is left. */
    ck_assert_int_eq(truncate(path, (off_t)offset_of(t[2].object.location) + 100), 0);
    ck_assert_int_eq(read_as(t[2].object.location, ""), BASE_EFORMAT);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 2);
    ck_assert_int_eq(seen.torn, 1);
}
END_TEST

static void make_later(const char *path, uint64_t at)
{
    uint8_t block[STORE_ALIGN];
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, block, sizeof block, (off_t)at), (ssize_t)sizeof block);
    block[8] = 2;
    base_sha256_once(block, STORE_RECORD_HEAD - BASE_SHA256,
                     block + STORE_RECORD_HEAD - BASE_SHA256);
    ck_assert_int_eq(pwrite(fd, block, sizeof block, (off_t)at), (ssize_t)sizeof block);
    close(fd);
}

START_TEST(what_a_later_version_wrote_is_left_alone)
{
    struct told t[3];
    char path[256];
    bool gone;
    struct store_place place;
    leave_three(t);
    ck_assert(store_place_of(t[1].object.location, &place));
    segment_of(t[1].object.location, path);
    make_later(path, place.at);
    ck_assert_int_eq(read_as(t[1].object.location, ""), BASE_EUNSUPPORTED);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 1);
    ck_assert_int_eq(seen.strange, 1);
    char root[128];
    snprintf(root, sizeof root, "%s/store", data_dir);
    ck_assert_int_eq(store_segment_trim(&store_fs_system, root, place.file, &gone), BASE_OK);
    ck_assert(!gone);
    ck_assert_int_eq(read_as(t[2].object.location, "three"), BASE_OK);
}
END_TEST

START_TEST(a_record_copied_to_another_place_is_none)
{
    struct told t[3];
    char path[256];
    uint8_t block[STORE_ALIGN];
    leave_three(t);
    segment_of(t[0].object.location, path);
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, block, sizeof block, 0), (ssize_t)sizeof block);
    ck_assert_int_eq(pwrite(fd, block, sizeof block, 6 * STORE_ALIGN), (ssize_t)sizeof block);
    close(fd);
    struct seen seen = look();
    ck_assert_int_eq(seen.objects, 3);
    ck_assert_int_eq(seen.torn, 1);
}
END_TEST

/* ---- sweeping ---- */

struct lookup {
    const char *keep; /* a location; NULL: none is known */
    struct store_sweep_result result;
    enum base_err err;
    int done;
};

static void check(void *arg, struct store_sweep *sweep, const char *const *locations, size_t n)
{
    struct lookup *l = arg;
    bool keep[STORE_SWEEP_BATCH];
    for (size_t i = 0; i < n; i++)
        keep[i] = l->keep && strcmp(locations[i], l->keep) == 0;
    store_sweep_answer(sweep, keep);
}

static void swept(void *arg, enum base_err err, const struct store_sweep_result *result)
{
    struct lookup *l = arg;
    l->done++;
    l->err = err;
    l->result = *result;
}

static struct store_sweep_result sweep(const char *keep, unsigned grace_s)
{
    struct lookup l = {.keep = keep};
    struct store_sweep_ops ops = {check, swept, &l, grace_s};
    ck_assert_int_eq(store_sweep(store, &ops), BASE_OK);
    loop_run(loop);
    ck_assert_int_eq(l.done, 1);
    ck_assert_int_eq(l.err, BASE_OK);
    return l.result;
}

static void ck_lost(const struct told *t, const char *text)
{
    char path[256];
    char name[STORE_LOCATION];
    char found[16] = "";
    snprintf(name, sizeof name, "%s", t->object.location);
    for (char *slash; (slash = strchr(name, '/'));)
        *slash = '-';
    snprintf(path, sizeof path, "%s/lost/%s", data_dir, name);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(found, 1, sizeof found - 1, f), strlen(text));
    ck_assert_str_eq(found, text);
    fclose(f);
}

START_TEST(unknown_records_of_a_dead_worker_are_moved_away)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[1].object.location, path);
    ck_assert_int_eq(truncate(path, 1 << 20), 0); /* as after a kill */
    struct store_sweep_result r = sweep(t[1].object.location, 0);
    ck_assert_uint_eq(r.kept, 1);
    ck_assert_uint_eq(r.lost, 2);
    ck_lost(&t[0], "one");
    ck_lost(&t[2], "three");
    ck_assert_int_eq(read_as(t[1].object.location, "two"), BASE_OK);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 4 * STORE_ALIGN);
    ck_assert_uint_lt(blocks_of(path), 4 * STORE_ALIGN); /* one may be of the file system */
}
END_TEST

START_TEST(a_dead_segment_without_records_is_removed)
{
    struct told t[3];
    leave_three(t);
    struct store_sweep_result r = sweep(NULL, 0);
    ck_assert_uint_eq(r.lost, 3);
    ck_assert_int_eq(count_files("store"), 0);
    ck_assert_int_eq(count_files("lost"), 3);
}
END_TEST

START_TEST(young_records_wait_for_a_later_sweep)
{
    struct told t[3];
    leave_three(t);
    struct store_sweep_result r = sweep(NULL, 3600);
    ck_assert_uint_eq(r.young, 3);
    ck_assert_int_eq(look().objects, 3);
    ck_assert_uint_eq(sweep(NULL, 0).lost, 3);
}
END_TEST

START_TEST(a_sweep_keeps_torn_bytes)
{
    struct told t[3];
    char path[256];
    leave_three(t);
    segment_of(t[0].object.location, path);
    write_at(path, offset_of(t[2].object.location), "torn", 4);
    ck_assert_uint_eq(sweep(NULL, 0).lost, 2);
    ck_assert_int_eq(look().torn, 1);
}
END_TEST

START_TEST(the_path_of_a_record_can_be_opened_by_others)
{
    struct told t = put_text(store, "plain");
    struct base_buf path = {0};
    struct store_plain plain;
    char found[16] = "";
    ck_assert_int_eq(store_path(store, t.object.location, &path), BASE_OK);
    ck_assert_int_eq(store_plain_open(base_buf_cstr(&path), &plain), BASE_OK);
    FILE *f = fopen(plain.path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(found, 1, sizeof found - 1, f), 5);
    ck_assert_str_eq(found, "plain");
    fclose(f);
    store_plain_close(&plain);
    base_buf_deinit(&path);
    ck_assert_int_eq(store_plain_open("/tmp/no@0+1", &plain), BASE_ENOTFOUND);
    ck_assert_int_eq(store_plain_open("/tmp/any name", &plain), BASE_OK);
    ck_assert_str_eq(plain.path, "/tmp/any name");
    store_plain_close(&plain);
}
END_TEST

START_TEST(what_is_no_place_in_a_segment_is_no_location)
{
    static const char *const bad[] = {
        "a/s1/0",        "a/s1/0-1",     "a/s1/x-1.bin",   "a/s1/0-x.bin",
        "a/s1/-1-2.bin", "a/s1/1-2.bin", "a/s1/0-1-2.bin", "a/s1/0-99999999999999999999.bin"};
    struct store_place p;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!store_place_of(bad[i], &p), "%s", bad[i]);
    ck_assert(store_place_of("a/s1/4096-2.bin", &p));
    ck_assert(p.is_record);
    ck_assert_uint_eq(p.at, 4096);
    ck_assert_uint_eq(p.size, 2);
    ck_assert(store_place_of("a/1/4096-2.bin", &p));
    ck_assert(!p.is_record);
}
END_TEST

static void add_writing(Suite *suite)
{
    TCase *tc = tcase_create("writing");
    tcase_add_checked_fixture(tc, set_up_segments, tear_down);
    tcase_set_timeout(tc, 60); /* of syncs on a busy disk */
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
    suite_add_tcase(suite, tc);
}

static void add_failures(Suite *suite)
{
    TCase *tc = tcase_create("failures");
    tcase_add_checked_fixture(tc, set_up_segments, tear_down);
    tcase_set_timeout(tc, 60); /* of syncs on a busy disk */
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
    suite_add_tcase(suite, tc);
}

static void add_walking(Suite *suite)
{
    TCase *tc = tcase_create("walking");
    tcase_add_checked_fixture(tc, set_up_segments, tear_down);
    tcase_set_timeout(tc, 60); /* of syncs on a busy disk */
    tcase_add_test(tc, a_torn_record_is_passed_over);
    tcase_add_test(tc, one_changed_bit_of_a_header_is_seen);
    tcase_add_test(tc, a_tail_of_zeros_is_no_record);
    tcase_add_test(tc, a_record_that_goes_beyond_the_file_is_not_read);
    tcase_add_test(tc, what_a_later_version_wrote_is_left_alone);
    tcase_add_test(tc, a_record_copied_to_another_place_is_none);
    tcase_add_test(tc, unknown_records_of_a_dead_worker_are_moved_away);
    tcase_add_test(tc, a_dead_segment_without_records_is_removed);
    tcase_add_test(tc, young_records_wait_for_a_later_sweep);
    tcase_add_test(tc, a_sweep_keeps_torn_bytes);
    tcase_add_test(tc, the_path_of_a_record_can_be_opened_by_others);
    tcase_add_test(tc, what_is_no_place_in_a_segment_is_no_location);
    suite_add_tcase(suite, tc);
}

int main(void)
{
    base_log_setup(BASE_LOG_ERROR + 1, 0, "test");
    Suite *suite = suite_create("store_segment");
    add_writing(suite);
    add_failures(suite);
    add_walking(suite);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
