/*
 * One object on its way to the disk.
 *
 *   gathering ─finish─► records ─write and sync of a batch─► callback
 *      │ too large, or memory is short
 *      ▼
 *   streaming ─finish─► (last write) ─► pending ─round of syncs─► callback
 *      │                                   │
 *      └──── a failure or abort ───────────┴──► removing ─► callback, or none
 *
 * Of what it streams, full chunks are digested and then written. At most one
 * write of a put is on the pool. While it runs, the fields of its half belong
 * to the pool; it takes all digested chunks that wait, so that writes stay in
 * order and get larger as the disk gets slower.
 */
#include "store/store_priv.h"
#include "store/store_record.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* It has a file of its own. */
static bool streams(const struct store_put *p)
{
    return p->folder != NULL;
}

/* ---- making one ---- */

static bool ext_valid(const char *ext)
{
    size_t n = strspn(ext, "abcdefghijklmnopqrstuvwxyz0123456789");
    return n >= 1 && n <= 8 && ext[n] == 0;
}

static struct store_folder *current_folder(struct store_lane *lane)
{
    struct store *s = lane->store;
    struct store_folder *f = lane->folder;
    if (f && !f->bad && f->files < s->config.folder_files)
        return f;
    struct store_folder *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return NULL;
    if (f)
        store_folder_release(f);
    fresh->lane = lane;
    fresh->users = 1;
    fresh->number = s->folders++;
    lane->folder = fresh;
    return fresh;
}

/* Moves it to a file of its own. False when out of memory. */
static bool begin_streaming(struct store_put *p)
{
    struct store *s = p->store;
    struct store_folder *f = current_folder(&s->lanes[p->class]);
    if (!f)
        return false;
    store_digest_now(s);
    f->users++;
    f->files++;
    p->folder = f;
    snprintf(p->object.location, sizeof p->object.location, "%s/%u/%llu.%s", s->incarnation,
             f->number, (unsigned long long)++s->seq, p->ext);
    return true;
}

static void put_free(struct store_put *p)
{
    struct store *s = p->store;
    assert(!p->running && !p->syncing && !p->digesting && !p->undigested && !p->writing);
    store_chunk_put(s, p->open);
    store_chunk_put(s, p->first);
    base_sha256_free(p->sha);
    if (p->folder)
        store_folder_release(p->folder);
    free(p);
    store_release(s);
}

enum base_err store_put_new(struct store *s, const char *ext, enum loop_class class,
                            struct store_put **out)
{
    assert(!s->closing);
    if (!ext_valid(ext))
        return BASE_EINVAL;
    if (!s->begun)
        return BASE_EUNAVAILABLE;
    enum base_err err = store_space_check(s, 0);
    if (err)
        return err;
    struct store_put *p = calloc(1, sizeof *p);
    struct base_sha256 *sha = base_sha256_new();
    if (!p || !sha) {
        base_sha256_free(sha);
        free(p);
        return BASE_ENOMEM;
    }
    p->store = s;
    p->class = class;
    p->fd = -1;
    p->sha = sha;
    snprintf(p->ext, sizeof p->ext, "%s", ext);
    store_retain(s);
    *out = p;
    if (s->config.files_only && !begin_streaming(p)) {
        put_free(p);
        return BASE_ENOMEM;
    }
    return BASE_OK;
}

void store_put_header(struct store_put *put, uint64_t n)
{
    assert(!put->created && !put->open && !put->first);
    put->header = n;
}

/* ---- writing, on the pool ---- */

static enum base_err create_file(struct store_put *p)
{
    const struct store *s = p->store;
    char path[STORE_PATH];
    store_full_path(s, p->object.location, path);
    p->direct = !s->config.buffered;
    p->fd = store_fs_create(s->fs, path, &p->direct);
    if (p->fd < 0 && errno == ENOENT) {
        char folder[STORE_PATH];
        snprintf(folder, sizeof folder, "%s/%s/%u", s->root, s->incarnation, p->folder->number);
        enum base_err err = store_fs_mkdir(s->fs, folder);
        if (err)
            return err;
        p->fd = store_fs_create(s->fs, path, &p->direct);
    }
    return p->fd < 0 ? base_err_from_errno(errno) : BASE_OK;
}

/* Whole blocks directly, the last piece of a block not. */
static enum base_err write_chunk(struct store_put *p, const uint8_t *at, size_t n)
{
    while (n > 0) {
        size_t part = p->direct ? n & ~(size_t)(STORE_ALIGN - 1) : n;
        if (part == 0) {
            store_fs_leave_direct(p->fd, &p->direct);
            continue;
        }
        ssize_t done = p->store->fs->write(p->fd, at, part);
        if (done > 0) {
            at += done;
            n -= (size_t)done;
            if (p->direct && done % STORE_ALIGN != 0)
                store_fs_leave_direct(p->fd, &p->direct);
        } else if (done == 0) {
            return BASE_EIO;
        } else if (errno == EINVAL && p->direct) {
            store_fs_leave_direct(p->fd, &p->direct);
        } else if (errno != EINTR) { /* interrupted before anything was written */
            return base_err_from_errno(errno);
        }
    }
    return BASE_OK;
}

static void write_work(void *arg)
{
    struct store_put *p = arg;
    p->job_err = p->fd < 0 ? create_file(p) : BASE_OK;
    for (struct store_chunk *c = p->writing; c && !p->job_err; c = c->next) {
        p->job_err = write_chunk(p, c->data, c->n);
    }
}

/* After a failure or an abort. */
static void remove_work(void *arg)
{
    struct store_put *p = arg;
    const struct store *s = p->store;
    if (!p->created)
        return;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    enum base_err err =
        store_object_erase(s->fs, s->root, p->object.location, STORE_ERASE_TORN, false);
    if (err && err != BASE_ENOTFOUND)
        BASE_LOG(WARN, "store_debris", LOG_S("location", p->object.location),
                 LOG_S("cause", base_err_text(err)));
}

/* ---- the loop's side ---- */

/* Calls the caller back, unless it has aborted, and ends the put. */
static void put_end(struct store_put *p)
{
    struct store_object object = p->object;
    enum base_err err = p->err;
    store_put_fn *done = p->aborted ? NULL : p->done;
    void *arg = p->arg;
    struct store *s = p->store;
    store_retain(s);
    put_free(p);
    if (done)
        done(arg, err, err ? NULL : &object);
    store_release(s);
}

static void remove_done(void *arg, bool cancelled)
{
    struct store_put *p = arg;
    if (cancelled)
        remove_work(p); /* the pool is ending, but the file must still go */
    p->running = false;
    put_end(p);
}

static void put_remove(struct store_put *p)
{
    if (!p->created && p->aborted) {
        put_end(p);
        return;
    }
    p->running = true;
    loop_work(p->store->loop, &p->job, LOOP_DISK, p->class, remove_work, remove_done, p);
}

void store_put_synced(struct store_put *put)
{
    put->syncing = false;
    if (put->err)
        BASE_LOG(ERROR, "store_sync_failed", LOG_S("location", put->object.location),
                 LOG_S("cause", base_err_text(put->err)));
    if (put->err || put->aborted)
        put_remove(put);
    else
        put_end(put);
}

static void write_done(void *arg, bool cancelled);

/* Takes the full chunks that are digested. */
static struct store_chunk *take_digested(struct store_put *p)
{
    struct store_chunk *all = p->first;
    struct store_chunk *last = NULL;
    for (struct store_chunk *c = all; c && c->digested == c->n; c = c->next)
        last = c;
    if (!last)
        return NULL;
    p->first = last->next;
    last->next = NULL;
    if (!p->first)
        p->last = NULL;
    return all;
}

static void stream_advance(struct store_put *p)
{
    bool empty = p->finished && !p->created && !p->first;
    if (!p->err && p->first)
        store_digest_stream(p);
    if (!p->err && !p->running && ((p->writing = take_digested(p)) || empty)) {
        p->created = true;
        p->running = true;
        loop_work(p->store->loop, &p->job, LOOP_DISK, p->class, write_work, write_done, p);
    } else if (p->finished && !p->running && !p->first) {
        base_sha256_end(p->sha, p->object.sha256);
        store_sync_add(p);
    }
}

void store_put_advance(struct store_put *p)
{
    if (p->aborted || (p->err && p->finished)) {
        if (!p->running && !p->digesting)
            put_remove(p);
    } else if (streams(p)) {
        stream_advance(p);
    } else if (p->finished) {
        store_segment_add(p);
    }
}

void store_put_drop_chunks(struct store_put *p)
{
    if (p->digesting)
        return;
    if (p->undigested)
        store_digest_now(p->store);
    for (const struct store_chunk *c = p->first; c; c = c->next) {
        assert(p->queued >= c->n);
        p->queued -= c->n;
    }
    store_chunk_put(p->store, p->first);
    store_chunk_put(p->store, p->open);
    p->first = NULL;
    p->last = NULL;
    p->open = NULL;
}

static void write_done(void *arg, bool cancelled)
{
    struct store_put *p = arg;
    struct store *s = p->store;
    p->running = false;
    for (struct store_chunk *c = p->writing; c; c = c->next) {
        assert(p->queued >= c->n && c->digested == c->n);
        p->queued -= c->n;
        s->space -= c->n < s->space ? c->n : s->space;
    }
    store_chunk_put(s, p->writing);
    p->writing = NULL;
    if (!p->err)
        p->err = cancelled ? BASE_ECANCELED : p->job_err;
    if (p->err) {
        store_put_drop_chunks(p);
        BASE_LOG(ERROR, "store_write_failed", LOG_S("location", p->object.location),
                 LOG_S("cause", base_err_text(p->err)));
    }
    store_put_advance(p);
    /* Last, since the caller may finish or abort in it. */
    if (p->wants_room && !p->finished && !p->aborted && store_put_room(p)) {
        p->wants_room = false;
        if (p->on_room)
            p->on_room(p->room_arg);
    }
}

static void push_open(struct store_put *p)
{
    struct store_chunk *c = p->open;
    assert(!p->first == !p->last && !(p->last && p->last->next));
    p->open = NULL;
    p->queued += c->n;
    if (p->last)
        p->last->next = c;
    else
        p->first = c;
    p->last = c;
}

static bool open_chunk(struct store_put *put, size_t n)
{
    bool small = !put->created && !put->first;
    put->open = store_chunk_get(put->store, small && n < STORE_CHUNK_LARGE);
    if (!put->open)
        put->err = BASE_ENOMEM;
    return put->open != NULL;
}

static bool may_gather(const struct store_put *put)
{
    return put->object.size <= STORE_RECORD_MAX && !store_chunk_pressed(put->store);
}

enum base_err store_put_write(struct store_put *put, const void *p, size_t n)
{
    const uint8_t *from = p;
    assert(!put->finished && !put->aborted);
    while (n > 0 && !put->err) {
        if (!put->open && !open_chunk(put, n))
            break;
        struct store_chunk *c = put->open;
        size_t take = c->size - c->n < n ? c->size - c->n : n;
        if (from != c->data + c->n) /* else it is where store_put_space said */
            memcpy(c->data + c->n, from, take);
        c->n += take;
        from += take;
        n -= take;
        put->object.size += take;
        if (!streams(put))
            store_digest_later(put);
        if (c->n == c->size)
            push_open(put);
    }
    if (!streams(put) && !put->err && !may_gather(put) && !begin_streaming(put))
        put->err = BASE_ENOMEM;
    if (streams(put) && put->first && !put->err)
        store_put_advance(put);
    return put->err;
}

size_t store_put_space(struct store_put *put, uint8_t **to)
{
    assert(!put->finished && !put->aborted);
    if (put->err || (!put->open && !open_chunk(put, 0)))
        return 0;
    *to = put->open->data + put->open->n;
    return put->open->size - put->open->n;
}

struct base_bytes store_put_view(const struct store_put *put)
{
    const struct store_chunk *c = put->first ? put->first : put->open;
    return streams(put) || !c ? base_bytes_of(NULL, 0) : base_bytes_of(c->data, c->n);
}

/* A put with nothing queued always has room: when others have used up the store's
 * memory, it goes on chunk by chunk, and no put waits for another. */
bool store_put_room(struct store_put *put)
{
    bool room = put->err || put->queued == 0 || !streams(put) ||
                (put->queued < STORE_PUT_QUEUE && !store_chunk_scarce(put->store));
    if (!room)
        put->wants_room = true;
    return room;
}

void store_put_on_room(struct store_put *put, void (*fn)(void *arg), void *arg)
{
    put->on_room = fn;
    put->room_arg = arg;
}

void store_put_finish(struct store_put *put, store_put_fn *written, store_put_fn *done, void *arg)
{
    assert(!put->finished && !put->aborted);
    put->finished = true;
    put->written = written;
    put->done = done;
    put->arg = arg;
    bool bare = !streams(put) && !put->first;
    if (bare && !put->open)
        (void)open_chunk(put, 0);            /* a record has at least its header */
    if (put->open && (put->open->n || bare)) /* else it was space that nobody used */
        push_open(put);
    store_put_advance(put);
}

void store_put_abort(struct store_put *put)
{
    if (!put)
        return;
    assert(!put->aborted);
    put->aborted = true;
    if (!put->syncing) /* else a batch may be writing them */
        store_put_drop_chunks(put);
    /* A job that runs, or the round it waits in, goes on to remove it. */
    if (!put->syncing)
        store_put_advance(put);
}

enum base_err store_put_mem(struct store *s, const char *ext, enum loop_class class,
                            struct base_bytes header, struct base_bytes data, store_put_fn *fn,
                            void *arg)
{
    struct store_put *put = NULL;
    enum base_err err = store_put_new(s, ext, class, &put);
    if (err)
        return err;
    store_put_header(put, header.n);
    err = store_put_write(put, header.p, header.n);
    if (!err)
        err = store_put_write(put, data.p, data.n);
    if (err) {
        store_put_abort(put);
        return err;
    }
    store_put_finish(put, NULL, fn, arg);
    return BASE_OK;
}
