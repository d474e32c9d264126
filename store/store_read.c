/*
 * Reading: piece by piece at the caller's pace, or at once. The kernel reads
 * ahead, so one buffer is enough.
 */
#include "store/store_priv.h"
#include "store/store_record.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The job owns the fields from fd on while running is set. */
struct store_read {
    struct store *store;
    enum loop_class class;
    bool running;
    bool closed;
    store_read_fn *fn;
    void *arg;
    struct loop_job job;

    struct store_span span;
    enum base_err err;
    uint64_t at;
    uint8_t *buf;
    size_t buf_size;
    size_t n;
    char location[STORE_LOCATION];
};

enum base_err store_read_open(struct store *s, const char *location, uint64_t from,
                              enum loop_class class, struct store_read **out)
{
    assert(!s->closing);
    struct store_place place;
    if (!store_place_of(location, &place))
        return BASE_EINVAL;
    struct store_read *r = calloc(1, sizeof *r);
    if (!r)
        return BASE_ENOMEM;
    r->store = s;
    r->class = class;
    r->at = from;
    r->span.fd = -1;
    snprintf(r->location, sizeof r->location, "%s", location);
    store_retain(s);
    *out = r;
    return BASE_OK;
}

static enum base_err start_reading(struct store_read *r)
{
    enum base_err err = store_span_open(r->store->fs, r->store->root, r->location, &r->span);
    if (err)
        return err;
    if (r->at > r->span.size)
        return BASE_EINVAL;
    uint64_t rest = r->span.size - r->at;
    r->buf_size = rest < STORE_CHUNK_LARGE ? (size_t)rest : STORE_CHUNK_LARGE;
    r->buf = malloc(r->buf_size + 1);
    return r->buf ? BASE_OK : BASE_ENOMEM;
}

static void read_work(void *arg)
{
    struct store_read *r = arg;
    r->n = 0;
    if (r->span.fd < 0)
        r->err = start_reading(r);
    if (r->err)
        return;
    uint64_t rest = r->span.size - r->at;
    size_t n = rest < r->buf_size ? (size_t)rest : r->buf_size;
    r->err = store_fs_read(r->store->fs, r->span.fd, r->buf, n, r->span.base + r->at);
    if (r->err)
        return;
    r->n = n;
    r->at += n;
}

static void read_free(struct store_read *r)
{
    struct store *s = r->store;
    if (r->span.fd >= 0)
        close(r->span.fd);
    free(r->buf);
    free(r);
    store_release(s);
}

static void read_done(void *arg, bool cancelled)
{
    struct store_read *r = arg;
    r->running = false;
    if (r->closed) {
        read_free(r);
        return;
    }
    if (cancelled)
        r->err = BASE_ECANCELED;
    r->fn(r->arg, r->err, base_bytes_of(r->buf, r->err ? 0 : r->n),
          !r->err && r->at == r->span.size);
}

void store_read_next(struct store_read *r, store_read_fn *fn, void *arg)
{
    assert(!r->running && !r->closed && !r->err);
    r->fn = fn;
    r->arg = arg;
    r->running = true;
    loop_work(r->store->loop, &r->job, LOOP_DISK, r->class, read_work, read_done, r);
}

uint64_t store_read_size(const struct store_read *r)
{
    assert(!r->running);
    return r->span.size;
}

void store_read_close(struct store_read *r)
{
    if (!r)
        return;
    assert(!r->closed);
    r->closed = true;
    if (!r->running)
        read_free(r);
}

/* ---- at once ---- */

struct read_all {
    struct store *store;
    struct loop_job job;
    size_t cap;
    store_read_all_fn *fn;
    void *arg;
    enum base_err err;
    struct base_buf buf;
    char location[STORE_LOCATION];
};

static void read_all_work(void *arg)
{
    struct read_all *r = arg;
    struct store_span span;
    r->err = store_span_open(r->store->fs, r->store->root, r->location, &span);
    if (r->err)
        return;
    uint64_t size = span.size;
    uint8_t *to = size > r->cap ? NULL : base_buf_reserve(&r->buf, (size_t)size);
    if (!to) {
        r->err = size > r->cap ? BASE_ELIMIT : BASE_ENOMEM;
    } else {
        r->err = store_fs_read(r->store->fs, span.fd, to, (size_t)size, span.base);
        if (!r->err) {
            r->buf.n = (size_t)size;
            to[size] = 0;
        }
    }
    close(span.fd);
}

static void read_all_done(void *arg, bool cancelled)
{
    struct read_all *r = arg;
    struct store *s = r->store;
    if (cancelled)
        r->err = BASE_ECANCELED;
    r->fn(r->arg, r->err, &r->buf);
    base_buf_deinit(&r->buf);
    free(r);
    store_release(s);
}

enum base_err store_read_all(struct store *s, const char *location, size_t cap,
                             enum loop_class class, store_read_all_fn *fn, void *arg)
{
    assert(!s->closing);
    struct store_place place;
    if (!store_place_of(location, &place))
        return BASE_EINVAL;
    struct read_all *r = calloc(1, sizeof *r);
    if (!r)
        return BASE_ENOMEM;
    r->store = s;
    r->cap = cap;
    r->fn = fn;
    r->arg = arg;
    snprintf(r->location, sizeof r->location, "%s", location);
    store_retain(s);
    loop_work(s->loop, &r->job, LOOP_DISK, class, read_all_work, read_all_done, r);
    return BASE_OK;
}
