#include "store_test.h"

#include "base/clock.h"

#include <fcntl.h>

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

static struct content read_back(const char *location)
{
    struct content c = {0};
    ck_assert_int_eq(store_read_all(store, location, SIZE_MAX / 4, LOOP_STAT, got_all, &c),
                     BASE_OK);
    loop_run(loop);
    ck_assert_int_eq(c.times, 1);
    return c;
}

START_TEST(an_object_is_on_disk_with_its_digest_when_the_callback_comes)
{
    struct told t = {0};
    uint8_t sha[BASE_SHA256];
    struct base_bytes header = base_bytes_str("HEADER");
    struct base_bytes data = base_bytes_str("the data set");
    ck_assert_int_eq(store_put_mem(store, "dcm", LOOP_STAT, header, data, tell, &t), BASE_OK);
    ck_assert_int_eq(t.times, 0);
    loop_run(loop);
    ck_assert_int_eq(t.times, 1);
    ck_assert_int_eq(t.err, BASE_OK);
    ck_assert_uint_eq(t.object.size, header.n + data.n);
    ck_assert_uint_eq(t.object.digested, data.n);
    base_sha256_once(data.p, data.n, sha);
    ck_assert_mem_eq(t.object.sha256, sha, sizeof sha);
    ck_assert_int_eq(atomic_load(&faults.calls[FAULT_FDATASYNC]), 1);
    struct content c = read_back(t.object.location);
    ck_assert_int_eq(c.err, BASE_OK);
    ck_assert_str_eq(base_buf_cstr(&c.buf), "HEADERthe data set");
    base_buf_deinit(&c.buf);
}
END_TEST

START_TEST(an_empty_object_is_a_file_too)
{
    struct told t = put_text(store, "");
    uint8_t sha[BASE_SHA256];
    ck_assert_int_eq(t.err, BASE_OK);
    ck_assert_uint_eq(t.object.size, 0);
    base_sha256_once("", 0, sha);
    ck_assert_mem_eq(t.object.sha256, sha, sizeof sha);
    ck_assert_int_eq(count_files("store"), 1);
}
END_TEST

START_TEST(short_writes_are_continued)
{
    faults.short_writes = true;
    struct told t = put_text(store, "0123456789");
    struct content c = read_back(t.object.location);
    ck_assert_str_eq(base_buf_cstr(&c.buf), "0123456789");
    base_buf_deinit(&c.buf);
}
END_TEST

START_TEST(an_extension_that_could_leave_the_folder_is_refused)
{
    const char *bad[] = {"", "..", "a/b", "DCM", "abcdefghi", "a.b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct store_put *p = NULL;
        ck_assert_int_eq(store_put_new(store, bad[i], LOOP_STAT, &p), BASE_EINVAL);
    }
}
END_TEST

/* ---- many ---- */

/* A whole chunk, and the rest of one, are offered; what is there already stays there. */
START_TEST(what_is_where_it_belongs_is_not_copied)
{
    static const size_t sizes[] = {1000, 300000, 3000000};
    size_t size = sizes[_i];
    struct told t = {0};
    struct store_put *put;
    struct base_sha256 *h = base_sha256_new();
    uint8_t sha[BASE_SHA256];
    uint8_t *to = NULL;
    const uint8_t *expected = NULL;
    size_t room = 0;
    ck_assert_int_eq(store_put_new(store, "dcm", LOOP_ORDINARY, &put), BASE_OK);
    for (size_t at = 0; at < size;) {
        room = store_put_space(put, &to);
        ck_assert_uint_gt(room, 0);
        if (expected)
            ck_assert_ptr_eq(to, expected);
        size_t n = size - at < 100001 ? size - at : 100001;
        n = n < room ? n : room;
        memset(to, (int)(at / 1000), n);
        base_sha256_add(h, to, n);
        ck_assert_int_eq(store_put_write(put, to, n), BASE_OK);
        expected = n < room ? to + n : NULL;
        at += n;
    }
    store_put_finish(put, NULL, tell, &t);
    loop_run(loop);
    ck_assert_int_eq(t.err, BASE_OK);
    ck_assert_uint_eq(t.object.size, size);
    base_sha256_end(h, sha);
    ck_assert_mem_eq(t.object.sha256, sha, sizeof sha);
    struct content c = read_back(t.object.location);
    base_sha256_once(c.buf.p, c.buf.n, sha);
    ck_assert_mem_eq(t.object.sha256, sha, sizeof sha);
    base_buf_deinit(&c.buf);
    base_sha256_free(h);
}
END_TEST

enum { MANY = 1000 };

START_TEST(a_thousand_small_objects_are_all_there_once)
{
    static struct told t[MANY];
    char text[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "object %d", i);
        ck_assert_int_eq(store_put_mem(store, "bin", i % 2 ? LOOP_STAT : LOOP_ORDINARY,
                                       base_bytes_of(NULL, 0), base_bytes_str(text), tell, &t[i]),
                         BASE_OK);
    }
    loop_run(loop);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(t[i].times, 1);
        ck_assert_int_eq(t[i].err, BASE_OK);
    }
    ck_assert_int_eq(count_files("store"), MANY);
    struct content c = read_back(t[777].object.location);
    ck_assert_str_eq(base_buf_cstr(&c.buf), "object 777");
    base_buf_deinit(&c.buf);
    ck_assert_uint_eq(store->memory, 0);
}
END_TEST

START_TEST(a_full_folder_is_followed_by_another)
{
    struct store_config config = {.folder_files = 2};
    struct store *s = open_store(&config);
    char last[STORE_LOCATION] = "";
    for (int i = 0; i < 5; i++) {
        struct told t = put_text(s, "x");
        ck_assert_int_eq(t.err, BASE_OK);
        memcpy(last, t.object.location, sizeof last);
    }
    ck_assert_ptr_nonnull(strstr(last, "/2/5.bin"));
    store_close(s);
}
END_TEST

/* ---- group sync ---- */

enum { GROUP = 64 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int writes;
    int file_syncs;
    int folder_syncs;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0};

static ssize_t gate_write(int fd, const void *p, size_t n)
{
    pthread_mutex_lock(&gate.lock);
    gate.writes++;
    pthread_cond_broadcast(&gate.wake);
    pthread_mutex_unlock(&gate.lock);
    return write(fd, p, n);
}

/* Holds the first round until all others have been written: by one sync of it, for more could
 * take all threads of the pool. */
static int gate_fdatasync(int fd)
{
    pthread_mutex_lock(&gate.lock);
    bool first = gate.file_syncs++ == 0;
    while (first && gate.writes < GROUP + 1)
        pthread_cond_wait(&gate.wake, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return fdatasync(fd);
}

static int gate_fsync(int fd)
{
    pthread_mutex_lock(&gate.lock);
    gate.folder_syncs++;
    pthread_mutex_unlock(&gate.lock);
    return fsync(fd);
}

struct group {
    struct store *store;
    struct told told[GROUP + 1];
    struct loop_call call;
};

static void put_group(void *arg)
{
    struct group *g = arg;
    for (int i = 0; i <= GROUP; i++)
        ck_assert_int_eq(store_put_mem(g->store, "bin", LOOP_ORDINARY, base_bytes_of(NULL, 0),
                                       base_bytes_str("x"), tell, &g->told[i]),
                         BASE_OK);
}

START_TEST(objects_that_finish_during_a_round_share_the_next)
{
    static struct group g;
    struct store_fs fs = store_fs_system;
    struct store_config config = {.fs = &fs};
    fs.write = gate_write;
    fs.fdatasync = gate_fdatasync;
    fs.fsync = gate_fsync;
    fs.fsetxattr = fault_fsetxattr;
    g.store = open_store(&config);
    gate.folder_syncs = 0;
    loop_post(loop, &g.call, put_group, &g);
    loop_run(loop);
    for (int i = 0; i <= GROUP; i++) {
        ck_assert_int_eq(g.told[i].times, 1);
        ck_assert_int_eq(g.told[i].err, BASE_OK);
    }
    /* The held round, the shared one, and at most one for those whose write had
     * not been told when the gate opened; one more call for the new folder. */
    ck_assert_int_le(gate.folder_syncs, 4);
    store_close(g.store);
    loop_run(loop);
}
END_TEST

/* ---- written, before it is durable ---- */

struct written {
    int times;
    int syncs; /* begun when it was told */
    struct store_object object;
    struct told told;
};

static void tell_written(void *arg, enum base_err err, const struct store_object *object)
{
    struct written *w = arg;
    ck_assert_int_eq(err, BASE_OK);
    ck_assert_int_eq(w->told.times, 0);
    w->times++;
    w->syncs = atomic_load(&faults.calls[FAULT_FDATASYNC]);
    w->object = *object;
}

static void tell_end(void *arg, enum base_err err, const struct store_object *object)
{
    struct written *w = arg;
    tell(&w->told, err, object);
}

static struct written put_written(const char *text)
{
    struct store_put *p = NULL;
    struct written w = {0};
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &p), BASE_OK);
    ck_assert_int_eq(store_put_write(p, text, strlen(text)), BASE_OK);
    store_put_finish(p, tell_written, tell_end, &w);
    ck_assert_int_eq(w.times, 0);
    loop_run(loop);
    ck_assert_int_eq(w.told.times, 1);
    return w;
}

START_TEST(what_an_object_is_called_is_told_before_its_sync)
{
    struct written w = put_written("abc");
    ck_assert_int_eq(w.told.err, BASE_OK);
    ck_assert_int_eq(w.times, 1);
    ck_assert_int_eq(w.syncs, 0);
    ck_assert_mem_eq(&w.object, &w.told.object, sizeof w.object);
    ck_assert_uint_eq(w.object.size, 3);
}
END_TEST

START_TEST(a_sync_may_fail_after_it_was_written)
{
    fail_call(FAULT_FDATASYNC, 1, EIO);
    struct written w = put_written("abc");
    ck_assert_int_eq(w.times, 1);
    ck_assert_int_eq(w.told.err, BASE_EIO);
}
END_TEST

START_TEST(what_could_not_be_written_is_not_called_written)
{
    fail_call(FAULT_WRITE, 1, ENOSPC);
    struct written w = put_written("abc");
    ck_assert_int_eq(w.times, 0);
    ck_assert_int_eq(w.told.err, BASE_ENOSPC);
}
END_TEST

/* ---- abort ---- */

static void not_called(void *arg, enum base_err err, const struct store_object *object)
{
    (void)arg;
    (void)err;
    (void)object;
    ck_abort_msg("a callback after abort");
}

START_TEST(an_aborted_put_leaves_no_file)
{
    static const uint8_t piece[1 << 20];
    struct store_put *p = NULL;
    for (int written = 0; written < 3; written++) {
        ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &p), BASE_OK);
        for (int i = 0; i < written; i++)
            ck_assert_int_eq(store_put_write(p, piece, sizeof piece), BASE_OK);
        if (written == 2) {
            loop_run(loop);
            ck_assert_int_eq(count_files("store"), 1);
        }
        store_put_abort(p);
        loop_run(loop);
        ck_assert_int_eq(count_files("store"), 0);
        ck_assert_uint_eq(store->memory, 0);
    }
    store_put_abort(NULL);
}
END_TEST

START_TEST(a_put_can_be_aborted_while_it_is_synced)
{
    struct store_put *p = NULL;
    struct told other = {0};
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &p), BASE_OK);
    ck_assert_int_eq(store_put_write(p, "x", 1), BASE_OK);
    store_put_finish(p, NULL, not_called, NULL);
    ck_assert_int_eq(store_put_mem(store, "bin", LOOP_STAT, base_bytes_of(NULL, 0),
                                   base_bytes_str("y"), tell, &other),
                     BASE_OK);
    store_put_abort(p);
    loop_run(loop);
    ck_assert_int_eq(other.err, BASE_OK);
    ck_assert_int_eq(count_files("store"), 1);
}
END_TEST

struct pair {
    struct store_put *other;
    int times;
};

static void abort_other(void *arg, enum base_err err, const struct store_object *object)
{
    struct pair *pair = arg;
    ck_assert_int_eq(err, BASE_OK);
    ck_assert_ptr_nonnull(object);
    pair->times++;
    store_put_abort(pair->other);
}

START_TEST(a_callback_may_abort_another_put_of_the_same_round)
{
    struct store_put *a = NULL;
    struct pair pair = {0};
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &a), BASE_OK);
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &pair.other), BASE_OK);
    ck_assert_int_eq(store_put_write(a, "a", 1), BASE_OK);
    store_put_finish(a, NULL, abort_other, &pair);
    loop_run(loop);
    ck_assert_int_eq(pair.times, 1);
    ck_assert_int_eq(count_files("store"), 1);
}
END_TEST

/* ---- the end ---- */

START_TEST(a_closed_store_still_ends_what_is_under_way)
{
    struct store *s = open_store(NULL);
    struct told t = {0};
    ck_assert_int_eq(
        store_put_mem(s, "bin", LOOP_STAT, base_bytes_of(NULL, 0), base_bytes_str("x"), tell, &t),
        BASE_OK);
    store_close(s);
    loop_run(loop);
    ck_assert_int_eq(t.times, 1);
    ck_assert_int_eq(t.err, BASE_OK);
    store_close(NULL);
}
END_TEST

START_TEST(freeing_the_loop_tells_each_put_once)
{
    static struct told t[100];
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(store_put_mem(store, "bin", LOOP_STAT, base_bytes_of(NULL, 0),
                                       base_bytes_str("x"), tell, &t[i]),
                         BASE_OK);
    store_close(store);
    store = NULL;
    loop_free(loop);
    int ok = 0;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(t[i].times, 1);
        ck_assert(t[i].err == BASE_OK || t[i].err == BASE_ECANCELED);
        ok += t[i].err == BASE_OK;
    }
    ck_assert_int_eq(count_files("store"), ok);
    struct loop_options o = {.disk_threads = 1, .cpu_threads = 1};
    ck_assert_int_eq(loop_new(&o, &loop), BASE_OK);
}
END_TEST

/* ---- failures ---- */

static struct told put_two_chunks(struct store *s)
{
    static const uint8_t piece[STORE_CHUNK_SMALL + STORE_CHUNK_LARGE];
    struct store_put *p = NULL;
    struct told t = {0};
    t.err = store_put_new(s, "bin", LOOP_STAT, &p);
    if (t.err)
        return t;
    if (store_put_write(p, piece, 1000) == BASE_OK &&
        store_put_write(p, piece, sizeof piece - 1000) == BASE_OK)
        loop_run(loop); /* a failed write is known now, and finish tells it again */
    store_put_finish(p, NULL, tell, &t);
    loop_run(loop);
    ck_assert_int_eq(t.times, 1);
    return t;
}

static void check_each_call(enum fault_call kind, int errnum, enum base_err expected)
{
    int failures = 0;
    for (int n = 1;; n++) {
        struct store *s = open_store(NULL);
        int before = count_files("store");
        fail_call(kind, n, errnum);
        struct told t = put_two_chunks(s);
        bool hit = atomic_load(&faults.at) == 0;
        fail_call(kind, 0, 0);
        if (hit) {
            failures++;
            ck_assert_int_eq(t.err, expected);
            ck_assert_int_eq(count_files("store"), before);
            ck_assert_uint_eq(s->memory, 0);
            t = put_two_chunks(s);
            before++;
        } else {
            before++;
        }
        ck_assert_int_eq(t.err, BASE_OK);
        ck_assert_int_eq(count_files("store"), before);
        store_close(s);
        if (!hit)
            break;
    }
    ck_assert_int_gt(failures, 0);
}

START_TEST(a_full_disk_is_told_and_leaves_nothing)
{
    check_each_call(FAULT_WRITE, ENOSPC, BASE_ENOSPC);
    check_each_call(FAULT_WRITE, EDQUOT, BASE_ENOSPC);
    check_each_call(FAULT_MKDIR, ENOSPC, BASE_ENOSPC);
}
END_TEST

START_TEST(a_failed_open_is_told_and_leaves_nothing)
{
    check_each_call(FAULT_OPEN, EACCES, BASE_EDENIED);
    check_each_call(FAULT_OPEN, EMFILE, BASE_EIO);
}
END_TEST

START_TEST(a_failed_sync_is_told_and_leaves_nothing)
{
    check_each_call(FAULT_FDATASYNC, EIO, BASE_EIO);
    check_each_call(FAULT_FSYNC, EIO, BASE_EIO);
}
END_TEST

START_TEST(a_file_whose_sync_failed_is_never_synced_again)
{
    fail_call(FAULT_FDATASYNC, 1, EIO);
    int before = atomic_load(&faults.calls[FAULT_FDATASYNC]);
    ck_assert_int_eq(put_text(store, "x").err, BASE_EIO);
    ck_assert_int_eq(atomic_load(&faults.calls[FAULT_FDATASYNC]), before + 1);
}
END_TEST

static atomic_bool urgent_done;

/* That of the bulk, which is empty, takes until the urgent object is done, or for
 * ten seconds. */
static int patient_fdatasync(int fd)
{
    struct stat st;
    bool bulk = fstat(fd, &st) == 0 && st.st_size == 0;
    for (int i = 0; bulk && i < 10000 && !atomic_load(&urgent_done); i++)
        usleep(1000);
    return fdatasync(fd);
}

struct two {
    struct store *s;
    struct told bulk;
    struct told urgent;
    bool urgent_first;
};

static void on_urgent(void *arg, enum base_err err, const struct store_object *object)
{
    struct two *two = arg;
    tell(&two->urgent, err, object);
    two->urgent_first = two->bulk.times == 0;
    atomic_store(&urgent_done, true);
}

static void on_bulk(void *arg, enum base_err err, const struct store_object *object)
{
    struct two *two = arg;
    tell(&two->bulk, err, object);
}

/* The round of the bulk begins. */
static void on_bulk_written(void *arg, enum base_err err, const struct store_object *object)
{
    struct two *two = arg;
    ck_assert_int_eq(err, BASE_OK);
    ck_assert_ptr_nonnull(object);
    ck_assert_int_eq(store_put_mem(two->s, "bin", LOOP_STAT, base_bytes_of(NULL, 0),
                                   base_bytes_str("urgent"), on_urgent, two),
                     BASE_OK);
}

START_TEST(a_stat_object_does_not_wait_for_a_round_of_others)
{
    struct store_fs fs = fault_fs;
    fs.fdatasync = patient_fdatasync;
    struct store_config config = {.fs = &fs};
    store_close(store);
    loop_run(loop);
    store = open_store(&config);
    struct two two = {.s = store};
    struct store_put *p = NULL;
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_ORDINARY, &p), BASE_OK);
    store_put_finish(p, on_bulk_written, on_bulk, &two);
    loop_run(loop);
    ck_assert_int_eq(two.urgent.err, BASE_OK);
    ck_assert_int_eq(two.bulk.err, BASE_OK);
    ck_assert_int_eq(two.urgent.times, 1);
    ck_assert_int_eq(two.bulk.times, 1);
    ck_assert(two.urgent_first);
}
END_TEST

START_TEST(after_a_failed_folder_sync_files_go_to_another_folder)
{
    struct store_put *began_before = NULL;
    struct told t = {0};
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_ORDINARY, &began_before), BASE_OK);
    fail_call(FAULT_FSYNC, 1, EIO);
    ck_assert_int_eq(put_text(store, "x").err, BASE_EIO);
    struct told next = put_text(store, "y");
    ck_assert_int_eq(next.err, BASE_OK);
    ck_assert_ptr_nonnull(strstr(next.object.location, "/1/"));
    store_put_finish(began_before, NULL, tell, &t);
    loop_run(loop);
    ck_assert_int_eq(t.err, BASE_EIO);
    ck_assert_int_eq(count_files("store"), 1);
}
END_TEST

START_TEST(one_bad_object_does_not_fail_its_round)
{
    struct told t[8] = {0};
    int bad = 0;
    fail_call(FAULT_FDATASYNC, 4, EIO);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(store_put_mem(store, "bin", LOOP_STAT, base_bytes_of(NULL, 0),
                                       base_bytes_str("x"), tell, &t[i]),
                         BASE_OK);
    loop_run(loop);
    for (int i = 0; i < 8; i++)
        bad += t[i].err != BASE_OK;
    ck_assert_int_eq(bad, 1);
    ck_assert_int_eq(count_files("store"), 7);
}
END_TEST

static void failed_room(void *arg)
{
    ++*(int *)arg;
}

START_TEST(who_waits_for_room_is_woken_by_a_failure)
{
    static const uint8_t piece[2 * STORE_PUT_QUEUE];
    struct store_put *p = NULL;
    int woken = 0;
    fail_call(FAULT_WRITE, 1, EIO);
    ck_assert_int_eq(store_put_new(store, "bin", LOOP_STAT, &p), BASE_OK);
    store_put_on_room(p, failed_room, &woken);
    ck_assert_int_eq(store_put_write(p, piece, sizeof piece), BASE_OK);
    ck_assert(!store_put_room(p));
    loop_run(loop);
    ck_assert_int_eq(woken, 1);
    ck_assert_int_eq(store_put_write(p, piece, 1), BASE_EIO);
    store_put_abort(p);
    loop_run(loop);
    ck_assert_int_eq(count_files("store"), 0);
}
END_TEST

START_TEST(the_reserve_of_disk_is_not_touched)
{
    struct store_config config = {.reserve = 1000};
    struct store *s = open_store(&config);
    base_clock_set(1, 5000);
    faults.space = 1004;
    ck_assert_int_eq(put_text(s, "12345").err, BASE_OK);
    /* What was written counts although the disk is not asked again so soon. */
    ck_assert_int_eq(put_text(s, "1").err, BASE_ENOSPC);
    ck_assert_int_eq(atomic_load(&faults.calls[FAULT_STATVFS]), 1);
    faults.space = 5000;
    base_clock_set(1, 6000);
    ck_assert_int_eq(put_text(s, "1").err, BASE_OK);
    fail_call(FAULT_STATVFS, 1, EIO);
    base_clock_set(1, 7000);
    ck_assert_int_eq(put_text(s, "1").err, BASE_EIO);
    ck_assert_int_eq(put_text(s, "1").err, BASE_OK);
    base_clock_reset();
    store_close(s);
}
END_TEST

START_TEST(a_store_that_cannot_open_leaves_nothing)
{
    const enum fault_call kinds[] = {FAULT_OPEN, FAULT_MKDIR, FAULT_FSYNC};
    struct store_config config = {.fs = &fault_fs};
    for (size_t k = 0; k < 3; k++) {
        for (int n = 1;; n++) {
            struct store *s = NULL;
            char path[100];
            struct stat st;
            snprintf(path, sizeof path, "%s/store", data_dir);
            ck_assert_int_eq(stat(path, &st), 0);
            nlink_t before = st.st_nlink;
            fail_call(kinds[k], n, EIO);
            enum base_err err = store_open(loop, data_dir, 0, &config, &s);
            bool hit = atomic_load(&faults.at) == 0;
            fail_call(kinds[k], 0, 0);
            ck_assert_int_eq(err, hit ? BASE_EIO : BASE_OK);
            ck_assert_int_eq(stat(path, &st), 0);
            ck_assert_uint_eq(st.st_nlink, before + !hit);
            store_close(s);
            if (!hit)
                break;
        }
    }
    struct store *s = NULL;
    ck_assert_int_eq(store_open(loop, "/nonexistent/rdc", 0, NULL, &s), BASE_ENOTFOUND);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("store_put");
    TCase *tc = tcase_create("objects");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, an_object_is_on_disk_with_its_digest_when_the_callback_comes);
    tcase_add_test(tc, an_empty_object_is_a_file_too);
    tcase_add_test(tc, short_writes_are_continued);
    tcase_add_test(tc, an_extension_that_could_leave_the_folder_is_refused);
    tcase_add_loop_test(tc, what_is_where_it_belongs_is_not_copied, 0, 3);
    tcase_add_test(tc, a_thousand_small_objects_are_all_there_once);
    tcase_add_test(tc, a_full_folder_is_followed_by_another);
    tcase_add_test(tc, objects_that_finish_during_a_round_share_the_next);
    tcase_add_test(tc, what_an_object_is_called_is_told_before_its_sync);
    tcase_add_test(tc, a_sync_may_fail_after_it_was_written);
    tcase_add_test(tc, what_could_not_be_written_is_not_called_written);
    tcase_add_test(tc, an_aborted_put_leaves_no_file);
    tcase_add_test(tc, a_put_can_be_aborted_while_it_is_synced);
    tcase_add_test(tc, a_callback_may_abort_another_put_of_the_same_round);
    tcase_add_test(tc, a_closed_store_still_ends_what_is_under_way);
    tcase_add_test(tc, freeing_the_loop_tells_each_put_once);
    suite_add_tcase(s, tc);
    tc = tcase_create("failures");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_full_disk_is_told_and_leaves_nothing);
    tcase_add_test(tc, a_failed_open_is_told_and_leaves_nothing);
    tcase_add_test(tc, a_failed_sync_is_told_and_leaves_nothing);
    tcase_add_test(tc, a_file_whose_sync_failed_is_never_synced_again);
    tcase_add_test(tc, a_stat_object_does_not_wait_for_a_round_of_others);
    tcase_add_test(tc, after_a_failed_folder_sync_files_go_to_another_folder);
    tcase_add_test(tc, one_bad_object_does_not_fail_its_round);
    tcase_add_test(tc, who_waits_for_room_is_woken_by_a_failure);
    tcase_add_test(tc, the_reserve_of_disk_is_not_touched);
    tcase_add_test(tc, a_store_that_cannot_open_leaves_nothing);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    base_log_setup(BASE_LOG_ERROR + 1, 0, "test");
    SRunner *sr = srunner_create(make_suite());
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
