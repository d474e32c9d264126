/*
 * Small objects, gathered in memory, appended to the segment of this worker: all
 * that finished while one write and its sync ran make up the next one. So an
 * object costs no file, no folder and, under load, a part of a sync only.
 *
 *   records ─► batch ─written─► (write, sync) ─► callback
 *      └── no room ─► (new segment) ──┘
 *
 * One job at a time. Space is allocated ahead, so that an append changes neither
 * the size of the file nor, mostly, its extents. After a failed write or sync
 * nobody knows what of the segment is on the disk: nothing more goes there, and
 * nothing of that batch is acknowledged.
 */
#include "store/store_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/store_record.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    PIECES = 64,   /* of one pwritev */
    DISK_PART = 8, /* a segment takes at most this part of what is free */
    PAUSE_MS = 8,  /* at most: the sync of a disk that is no quick one */
};

/* ---- a new segment, on the pool ---- */

static void segment_path(const struct store *s, unsigned number, char out[STORE_PATH])
{
    snprintf(out, STORE_PATH, "%s/%s/s%u", s->root, s->incarnation, number);
}

void store_segment_seal(struct store *s)
{
    struct store_segment *g = &s->segment;
    char path[STORE_PATH];
    if (g->fd < 0)
        return;
    segment_path(s, g->number, path);
    if (ftruncate(g->fd, (off_t)g->end) != 0)
        BASE_LOG(WARN, "segment_not_cut", LOG_S("incarnation", s->incarnation),
                 LOG_U("segment", g->number), LOG_S("cause", strerrorname_np(errno)));
    if (lseek(g->fd, 0, SEEK_DATA) < 0 && errno == ENXIO)
        s->fs->unlink(path);
    close(g->fd);
    g->fd = -1;
}

/* As large as was asked for, if the disk has plenty; never into the reserve. */
static enum base_err choose_size(const struct store *s, uint64_t need, uint64_t *size)
{
    struct statvfs v;
    if (s->fs->statvfs(s->root, &v) != 0)
        return base_err_from_errno(errno);
    uint64_t space = (uint64_t)v.f_bavail * v.f_frsize;
    space = space > s->config.reserve ? space - s->config.reserve : 0;
    if (space < need)
        return BASE_ENOSPC;
    uint64_t most = space / DISK_PART < s->config.segment ? space / DISK_PART : s->config.segment;
    most = most / STORE_ALIGN * STORE_ALIGN;
    *size = most < need ? need : most;
    return BASE_OK;
}

/* Smaller where the disk does not have it after all. */
static enum base_err allocate(const struct store *s, int fd, uint64_t need, uint64_t *size)
{
    while (s->fs->fallocate(fd, 0, 0, (off_t)*size) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            return BASE_OK; /* it grows as it is written */
        if (errno == EINTR)
            continue;
        if (errno != ENOSPC || *size == need)
            return base_err_from_errno(errno);
        *size = *size / 2 / STORE_ALIGN * STORE_ALIGN;
        if (*size < need)
            *size = need;
    }
    return BASE_OK;
}

/* Its name, and that it is so long, are durable before anything is in it. */
static enum base_err make_durable(const struct store *s, int fd)
{
    char path[STORE_PATH];
    if (s->config.unsafe_no_sync)
        return BASE_OK;
    if (s->fs->fsync(fd) != 0)
        return base_err_from_errno(errno);
    snprintf(path, sizeof path, "%s/%s", s->root, s->incarnation);
    return store_fs_sync_folder(s->fs, path);
}

static void new_work(void *arg)
{
    struct store *s = arg;
    struct store_segment *g = &s->fresh;
    char path[STORE_PATH];
    store_segment_seal(s);
    segment_path(s, g->number, path);
    s->segment_err = choose_size(s, s->segment_need, &g->size);
    if (s->segment_err)
        return;
    g->direct = !s->config.buffered;
    g->fd = store_fs_create(s->fs, path, &g->direct);
    if (g->fd < 0) {
        s->segment_err = base_err_from_errno(errno);
        return;
    }
    s->segment_err = allocate(s, g->fd, s->segment_need, &g->size);
    if (!s->segment_err)
        s->segment_err = make_durable(s, g->fd);
    if (s->segment_err) {
        close(g->fd);
        s->fs->unlink(path);
    }
}

/* ---- writing, on the pool ---- */

static enum base_err write_pieces(const struct store *s, struct store_segment *g, struct iovec *iov,
                                  int n, uint64_t at)
{
    while (n > 0) {
        ssize_t done = s->fs->pwritev(g->fd, iov, n, (off_t)at);
        if (done == 0)
            return BASE_EIO;
        if (done < 0 && errno == EINVAL && g->direct)
            store_fs_leave_direct(g->fd, &g->direct);
        else if (done < 0 && errno != EINTR)
            return base_err_from_errno(errno);
        if (done < 0)
            continue;
        if (g->direct && done % STORE_ALIGN != 0)
            store_fs_leave_direct(g->fd, &g->direct);
        at += (uint64_t)done;
        for (; n > 0 && (size_t)done >= iov->iov_len; n--)
            done -= (ssize_t)(iov++)->iov_len;
        if (n > 0) {
            iov->iov_base = (uint8_t *)iov->iov_base + done;
            iov->iov_len -= (size_t)done;
        }
    }
    return BASE_OK;
}

static uint64_t record_at(const struct store_put *p)
{
    struct store_place place = {0};
    (void)store_place_of(p->object.location, &place);
    return place.at;
}

static void write_header(const struct store_put *p)
{
    struct store_record r = {
        .size = p->object.size,
        .digested = p->object.digested,
        .written_us = base_clock_wall_us(),
    };
    memcpy(r.sha256, p->object.sha256, sizeof r.sha256);
    memcpy(r.location, p->object.location, sizeof r.location);
    store_record_write(&r, p->first->data - STORE_ALIGN);
}

/* Chunks are full but for the last, and full ones are whole blocks. */
static struct iovec piece_of(const struct store_put *p, struct store_chunk *c)
{
    size_t n = (c->n + STORE_ALIGN - 1) / STORE_ALIGN * STORE_ALIGN;
    assert(n == c->n || !c->next);
    memset(c->data + c->n, 0, n - c->n);
    size_t head = c == p->first ? STORE_ALIGN : 0;
    return (struct iovec){c->data - head, n + head};
}

static enum base_err write_batch(struct store *s)
{
    struct iovec iov[PIECES];
    struct store_segment *g = &s->segment;
    uint64_t at = record_at(s->batch.first);
    uint64_t next = at;
    int n = 0;
    for (const struct store_put *p = s->batch.first; p; p = p->next) {
        assert(record_at(p) == next); /* one behind the other, as take_batch placed them */
        write_header(p);
        for (struct store_chunk *c = p->first; c; c = c->next) {
            if (n == PIECES) {
                enum base_err err = write_pieces(s, g, iov, n, at);
                if (err)
                    return err;
                n = 0;
                at = next;
            }
            iov[n] = piece_of(p, c);
            next += iov[n++].iov_len;
        }
    }
    return write_pieces(s, g, iov, n, at);
}

static void batch_work(void *arg)
{
    struct store *s = arg;
    s->segment_err = write_batch(s);
    if (!s->segment_err && !s->config.unsafe_no_sync && s->fs->fdatasync(s->segment.fd) != 0)
        s->segment_err = base_err_from_errno(errno);
}

/* ---- the loop's side ---- */

static void lane_start(struct store *s);

/* Nothing could be written: all that wait are told. */
static void fail_waiting(struct store *s, enum base_err err)
{
    struct store_put_list list = s->records;
    s->records = (struct store_put_list){0};
    store_digest_now(s); /* who was aborted goes at once */
    for (struct store_put *p; (p = store_put_list_take(&list));) {
        p->err = err;
        store_put_synced(p);
    }
}

static void new_done(void *arg, bool cancelled)
{
    struct store *s = arg;
    enum base_err err = cancelled ? BASE_ECANCELED : s->segment_err;
    s->segment_busy = false;
    store_retain(s);
    if (err) {
        BASE_LOG(ERROR, "segment_not_made", LOG_S("incarnation", s->incarnation),
                 LOG_S("cause", base_err_text(err)));
        fail_waiting(s, err);
    } else {
        s->segment = s->fresh;
    }
    lane_start(s);
    store_release(s);
}

/* Not sealed, which would write to it: the sweep after our end cuts it. */
static void drop_segment(struct store *s)
{
    BASE_LOG(ERROR, "segment_failed", LOG_S("incarnation", s->incarnation),
             LOG_U("segment", s->segment.number), LOG_S("cause", base_err_text(s->segment_err)));
    close(s->segment.fd);
    s->segment.fd = -1;
}

static void batch_done(void *arg, bool cancelled)
{
    struct store *s = arg;
    enum base_err err = cancelled ? BASE_ECANCELED : s->segment_err;
    assert(s->segment_busy && s->batch.first);
    if (!cancelled && err)
        drop_segment(s);
    for (struct store_put *p = s->batch.first; p; p = p->next) {
        p->err = err;
        s->space -= p->object.size < s->space ? p->object.size : s->space;
    }
    struct store_put_list done = s->batch;
    s->batch = (struct store_put_list){0};
    /* First those who wait: the commit that they begin pauses the next write. */
    store_retain(s);
    for (struct store_put *p; (p = store_put_list_take(&done));)
        store_put_synced(p);
    s->segment_busy = false;
    lane_start(s);
    store_release(s);
}

/* No number is used twice, whatever becomes of it. */
static void new_segment(struct store *s)
{
    assert(s->segment_busy && !s->batch.first);
    s->fresh = (struct store_segment){.fd = -1, .number = s->segments++};
    loop_work(s->loop, &s->segment_job, LOOP_DISK, LOOP_STAT, new_work, new_done, s);
}

/* False: the segment has no room for it. */
static bool place_record(struct store *s, struct store_put *p)
{
    struct store_segment *g = &s->segment;
    uint64_t n = store_record_room(p->object.size);
    assert(n % STORE_ALIGN == 0 && g->end % STORE_ALIGN == 0);
    assert(g->fd < 0 || g->end <= g->size);
    s->segment_need = n;
    if (g->fd < 0 || g->size - g->end < n)
        return false;
    snprintf(p->object.location, sizeof p->object.location, "%s/s%u/%llu-%llu.%s", s->incarnation,
             g->number, (unsigned long long)g->end, (unsigned long long)p->object.size, p->ext);
    g->end += n;
    p->created = true;
    return true;
}

/* As many of those that wait as have room; who was aborted meanwhile leaves. */
static void take_batch(struct store *s)
{
    while (s->records.first) {
        struct store_put *p = s->records.first;
        if (!p->aborted && !place_record(s, p))
            break;
        (void)store_put_list_take(&s->records);
        if (p->aborted) {
            store_put_synced(p);
            continue;
        }
        base_sha256_end(p->sha, p->object.sha256);
        store_put_list_add(&s->batch, p);
    }
}

static void lane_start(struct store *s)
{
    if (s->segment_busy || !s->records.first)
        return;
    if (s->paused && s->records.first->class != LOOP_STAT)
        return;
    assert(!s->batch.first);
    s->segment_busy = true; /* what finishes in the callbacks waits for the next batch */
    store_digest_now(s);
    take_batch(s);
    for (struct store_put *p = s->batch.first; p; p = p->next)
        if (p->written && !p->aborted)
            p->written(p->arg, BASE_OK, &p->object);
    if (s->batch.first)
        loop_work(s->loop, &s->segment_job, LOOP_DISK, LOOP_STAT, batch_work, batch_done, s);
    else if (s->records.first)
        new_segment(s);
    else
        s->segment_busy = false;
}

static void lane_begin(void *arg)
{
    struct store *s = arg;
    s->segment_due = false;
    lane_start(s);
    store_release(s);
}

/* STAT before ordinary; in each, as they came. */
static void enqueue(struct store *s, struct store_put *put)
{
    struct store_put *after = NULL;
    for (struct store_put *p = s->records.first; p && p->class == LOOP_STAT; p = p->next)
        after = p;
    if (put->class != LOOP_STAT || !s->records.first || after == s->records.last) {
        store_put_list_add(&s->records, put);
    } else if (after) {
        put->next = after->next;
        after->next = put;
    } else {
        put->next = s->records.first;
        s->records.first = put;
    }
}

void store_segment_add(struct store_put *put)
{
    struct store *s = put->store;
    assert(put->finished && !put->folder && put->first);
    put->syncing = true;
    enqueue(s, put);
    if (s->segment_busy || s->segment_due)
        return;
    /* In the next turn, so that what ends in this one shares the write. */
    s->segment_due = true;
    store_retain(s);
    loop_post(s->loop, &s->segment_call, lane_begin, s);
}

/* ---- pauses ---- */

void store_pause(struct store *s)
{
    s->paused = true;
    loop_timer_start(s->pause_timer, PAUSE_MS, 0);
}

void store_resume(struct store *s)
{
    s->paused = false;
    loop_timer_stop(s->pause_timer);
    lane_start(s);
}

static void on_pause_timer(void *arg)
{
    store_resume(arg);
}

enum base_err store_segment_init(struct store *s)
{
    return loop_timer_new(s->loop, on_pause_timer, s, &s->pause_timer);
}
