/* A store that writes segments, and a look into what it left on the disk; for the tests of
 * store/store_segment.c. */
#ifndef SEGMENT_FIXTURE_H
#define SEGMENT_FIXTURE_H

#include "store_test.h"

#include "store/store_record.h"
#include "store/store_tree.h"

static inline void set_up_segments(void)
{
    use_segments = true;
    set_up();
}

static inline struct store *open_small(uint64_t segment)
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

static inline void got_all(void *arg, enum base_err err, struct base_buf *buf)
{
    struct content *c = arg;
    c->times++;
    c->err = err;
    c->buf = *buf;
    *buf = (struct base_buf){0};
}

static inline enum base_err read_as(const char *location, const char *text)
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

static inline void segment_of(const char *location, char path[256])
{
    struct store_place place;
    ck_assert(store_place_of(location, &place));
    ck_assert(place.is_record);
    snprintf(path, 256, "%s/store/%s", data_dir, place.file);
}

static inline uint64_t offset_of(const char *location)
{
    struct store_place place;
    ck_assert(store_place_of(location, &place));
    return place.at;
}

static inline uint64_t blocks_of(const char *path)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static inline void write_at(const char *path, uint64_t at, const void *p, size_t n)
{
    int fd = open(path, O_WRONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, p, n, (off_t)at), (ssize_t)n);
    close(fd);
}

/* ---- removal ---- */

static inline void removed(void *arg, enum base_err err)
{
    *(enum base_err *)arg = err;
}

static inline enum base_err remove_object(struct store *s, const char *location)
{
    enum base_err err = BASE_EINTERNAL;
    ck_assert_int_eq(store_remove(s, location, removed, &err), BASE_OK);
    loop_run(loop);
    return err;
}

/* ---- walking ---- */

struct seen {
    int objects;
    int torn;
    int strange;
    char last[STORE_LOCATION];
};

static inline struct seen look(void)
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
static inline void leave_three(struct told out[3])
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

/* Runs the tests that add adds; the exit status. */
static inline int run_segment_tests(const char *name, void (*add)(TCase *tc))
{
    base_log_setup(BASE_LOG_ERROR + 1, 0, "test");
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, set_up_segments, tear_down);
    tcase_set_timeout(tc, 60); /* of syncs on a busy disk */
    add(tc);
    suite_add_tcase(suite, tc);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

#endif
