#include "ingest/ingest_spool.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "ingest/ingest_priv.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PENDING_MAX = 1 << 20, PATH_SIZE = 4096 + 64 };

struct ingest_spool {
    struct ingest *g;
    char path[PATH_SIZE];
    int fd; /* -1: none */
    uint64_t length;
    uint64_t size;
    uint64_t cut_to;
    struct base_buf pending; /* to be written next */
    struct base_buf writing; /* belongs to the job while that runs */
    struct loop_job job;
    bool busy;
    bool sync;     /* once all is written */
    bool cut;      /* to cut_to bytes, before the sync */
    bool closed;   /* by its owner, while busy */
    bool nameless; /* gone with its descriptor */
    enum base_err err;
    enum base_err write_err; /* belongs to the job while that runs */
    void (*on_room)(void *arg);
    void *on_room_arg;
    ingest_spool_fn *fn;
    void *arg;
};

void ingest_spool_new_id(char id[INGEST_SPOOL_ID])
{
    uint8_t random[(INGEST_SPOOL_ID - 1) / 2];
    base_random(random, sizeof random);
    base_hex(random, sizeof random, id);
}

bool ingest_spool_is_id(const char *id)
{
    size_t n = strspn(id, "0123456789abcdef");
    return n == INGEST_SPOOL_ID - 1 && id[n] == '\0';
}

static struct ingest_spool *spool_new(struct ingest *g, const char *id, ingest_spool_fn *fn,
                                      void *arg)
{
    struct ingest_spool *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->g = g;
    s->fd = -1;
    s->fn = fn;
    s->arg = arg;
    snprintf(s->path, sizeof s->path, "%s/uploads/%s", g->config->conf->data, id);
    g->objects++;
    return s;
}

void ingest_spool_close(struct ingest_spool *s)
{
    if (!s)
        return;
    assert(!s->sync && !s->closed);
    if (s->busy) { /* the job owns the buffer: on_written closes again */
        s->closed = true;
        return;
    }
    if (s->fd >= 0)
        close(s->fd);
    base_buf_deinit(&s->pending);
    base_buf_deinit(&s->writing);
    s->g->objects--;
    free(s);
}

static void run(struct ingest_spool *s, loop_work_fn *work, loop_done_fn *done)
{
    assert(!s->busy);
    s->busy = true;
    loop_work(s->g->config->loop, &s->job, LOOP_DISK, LOOP_ORDINARY, work, done, s);
}

/* ---- whole files ---- */

static void sync_folder(struct ingest_spool *s, const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        s->err = base_err_from_errno(errno);
    if (fd >= 0)
        close(fd);
}

/* Makes the folder, where it is not there yet. */
static void make_folder(struct ingest_spool *s, char folder[PATH_SIZE])
{
    const char *data = s->g->config->conf->data;
    snprintf(folder, PATH_SIZE, "%s/uploads", data);
    if (mkdir(folder, 0700) == 0)
        sync_folder(s, data);
    else if (errno != EEXIST)
        s->err = base_err_from_errno(errno);
}

/* BASE_ENOSPC when n more bytes would reach into the disk reserve. */
static enum base_err check_space(const struct ingest_spool *s, int rc, const struct statvfs *space,
                                 uint64_t bytes)
{
    bool little = rc == 0 && (uint64_t)space->f_bavail * space->f_frsize <
                                 bytes + s->g->config->conf->disk_reserve;
    return little ? BASE_ENOSPC : BASE_OK;
}

static void create_work(void *arg)
{
    struct ingest_spool *s = arg;
    struct statvfs space;
    char folder[PATH_SIZE];
    make_folder(s, folder);
    if (!s->err)
        s->err = check_space(s, statvfs(folder, &space), &space, s->length);
    if (s->err)
        return;
    int fd = open(s->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fsync(fd))
        s->err = base_err_from_errno(errno);
    if (fd >= 0)
        close(fd);
    if (!s->err)
        sync_folder(s, folder);
}

static void stat_work(void *arg)
{
    struct ingest_spool *s = arg;
    struct stat st;
    if (stat(s->path, &st))
        s->err = base_err_from_errno(errno);
    else
        s->size = (uint64_t)st.st_size;
}

static void remove_work(void *arg)
{
    struct ingest_spool *s = arg;
    if (unlink(s->path))
        s->err = base_err_from_errno(errno);
}

/* The end of a job that does not leave the file open. */
static void on_whole(void *arg, bool cancelled)
{
    struct ingest_spool *s = arg;
    s->busy = false;
    if (s->fn)
        s->fn(s->arg, cancelled ? BASE_ECANCELED : s->err, NULL, s->size);
    ingest_spool_close(s);
}

static enum base_err whole(struct ingest *g, const char *id, uint64_t length, loop_work_fn *work,
                           ingest_spool_fn *fn, void *arg)
{
    struct ingest_spool *s = spool_new(g, id, fn, arg);
    if (!s)
        return BASE_ENOMEM;
    s->length = length;
    run(s, work, on_whole);
    return BASE_OK;
}

enum base_err ingest_spool_create(struct ingest *g, const char *id, uint64_t length,
                                  ingest_spool_fn *fn, void *arg)
{
    return whole(g, id, length, create_work, fn, arg);
}

enum base_err ingest_spool_stat(struct ingest *g, const char *id, ingest_spool_fn *fn, void *arg)
{
    return whole(g, id, 0, stat_work, fn, arg);
}

enum base_err ingest_spool_remove(struct ingest *g, const char *id, ingest_spool_fn *fn, void *arg)
{
    return whole(g, id, 0, remove_work, fn, arg);
}

/* ---- a file that grows ---- */

static void open_work(void *arg)
{
    struct ingest_spool *s = arg;
    struct stat st;
    s->fd = open(s->path, O_RDWR | O_CLOEXEC);
    if (s->fd < 0)
        s->err = base_err_from_errno(errno);
    else if (flock(s->fd, LOCK_EX | LOCK_NB))
        s->err = errno == EWOULDBLOCK ? BASE_ECONFLICT : base_err_from_errno(errno);
    else if (fstat(s->fd, &st))
        s->err = base_err_from_errno(errno);
    else if (st.st_nlink == 0) /* removed by the holder before us */
        s->err = BASE_ENOTFOUND;
    else
        s->size = (uint64_t)st.st_size;
}

static void open_nameless_work(void *arg)
{
    struct ingest_spool *s = arg;
    char folder[PATH_SIZE];
    make_folder(s, folder);
    if (s->err)
        return;
    s->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0)
        s->err = base_err_from_errno(errno);
}

static void on_open(void *arg, bool cancelled)
{
    struct ingest_spool *s = arg;
    enum base_err err = cancelled ? BASE_ECANCELED : s->err;
    s->busy = false;
    s->fn(s->arg, err, err ? NULL : s, s->size);
    if (err)
        ingest_spool_close(s);
}

enum base_err ingest_spool_open(struct ingest *g, const char *id, ingest_spool_fn *fn, void *arg)
{
    struct ingest_spool *s = spool_new(g, id, fn, arg);
    if (!s)
        return BASE_ENOMEM;
    run(s, open_work, on_open);
    return BASE_OK;
}

enum base_err ingest_spool_open_nameless(struct ingest *g, ingest_spool_fn *fn, void *arg)
{
    struct ingest_spool *s = spool_new(g, "", fn, arg);
    if (!s)
        return BASE_ENOMEM;
    s->nameless = true;
    run(s, open_nameless_work, on_open);
    return BASE_OK;
}

static void write_work(void *arg)
{
    struct ingest_spool *s = arg;
    struct statvfs space;
    /* There was room when it began, but others may have used it. */
    s->write_err = check_space(s, fstatvfs(s->fd, &space), &space, s->writing.n);
    for (size_t at = 0; at < s->writing.n && !s->write_err;) {
        ssize_t n = pwrite(s->fd, s->writing.p + at, s->writing.n - at, (off_t)(s->size + at));
        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EINTR)
            s->write_err = n == 0 ? BASE_EIO : base_err_from_errno(errno);
    }
}

static void sync_work(void *arg)
{
    struct ingest_spool *s = arg;
    struct stat st;
    if (s->err || s->nameless)
        return;
    if (s->cut && ftruncate(s->fd, (off_t)s->cut_to) == 0)
        s->size = s->cut_to;
    if ((s->cut && s->size != s->cut_to) || fdatasync(s->fd) || fstat(s->fd, &st))
        s->err = base_err_from_errno(errno);
    else if (st.st_nlink == 0) /* removed meanwhile */
        s->err = BASE_ENOTFOUND;
}

static void go_on(struct ingest_spool *s);

static void on_written(void *arg, bool cancelled)
{
    struct ingest_spool *s = arg;
    s->busy = false;
    if (s->closed) {
        s->closed = false;
        ingest_spool_close(s);
        return;
    }
    if (!s->err)
        s->err = cancelled ? BASE_ECANCELED : s->write_err;
    if (!s->err)
        s->size += s->writing.n;
    base_buf_reset(&s->writing);
    go_on(s);
    if (s->on_room && ingest_spool_room(s))
        s->on_room(s->on_room_arg);
}

static void on_synced(void *arg, bool cancelled)
{
    struct ingest_spool *s = arg;
    s->busy = s->sync = false;
    s->fn(s->arg, cancelled ? BASE_ECANCELED : s->err, s, s->size);
}

static void go_on(struct ingest_spool *s)
{
    if (s->busy)
        return;
    if (s->pending.n && !s->err) {
        struct base_buf full = s->pending;
        assert(s->writing.n == 0);
        s->pending = s->writing;
        s->writing = full;
        run(s, write_work, on_written);
    } else if (s->sync) {
        s->on_room = NULL;
        run(s, sync_work, on_synced);
    }
}

void ingest_spool_write(struct ingest_spool *s, struct base_bytes bytes)
{
    assert(!s->sync && !s->cut && !s->closed);
    if (s->err)
        return;
    base_buf_add(&s->pending, bytes.p, bytes.n);
    if (s->pending.err)
        s->err = s->pending.err;
    go_on(s);
}

bool ingest_spool_room(const struct ingest_spool *s)
{
    return s->err || s->pending.n < PENDING_MAX;
}

void ingest_spool_on_room(struct ingest_spool *s, void (*fn)(void *arg), void *arg)
{
    s->on_room = fn;
    s->on_room_arg = arg;
}

void ingest_spool_cut(struct ingest_spool *s, uint64_t size)
{
    assert(!s->sync);
    base_buf_reset(&s->pending);
    s->cut = true;
    s->cut_to = size;
}

void ingest_spool_sync(struct ingest_spool *s, ingest_spool_fn *fn, void *arg)
{
    assert(!s->sync && !s->closed);
    s->fn = fn;
    s->arg = arg;
    s->sync = true;
    go_on(s);
}

int ingest_spool_fd(const struct ingest_spool *s)
{
    return s->fd;
}

/* ---- debris ---- */

static void sweep_one(const char *path, time_t before)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_mtime < before &&
        unlink(path) == 0)
        BASE_LOG(INFO, "upload_debris_removed", LOG_I("bytes", st.st_size));
    close(fd);
}

static void sweep_work(void *arg)
{
    struct ingest_spool *s = arg;
    char folder[PATH_SIZE];
    char path[PATH_SIZE + 64];
    snprintf(folder, sizeof folder, "%s/uploads", s->g->config->conf->data);
    DIR *dir = opendir(folder);
    time_t before = (time_t)(base_clock_wall_us() / 1000000) - (time_t)s->length;
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        if (!ingest_spool_is_id(e->d_name))
            continue;
        snprintf(path, sizeof path, "%s/%.32s", folder, e->d_name);
        sweep_one(path, before);
    }
    if (dir)
        closedir(dir);
}

enum base_err ingest_spool_sweep(struct ingest *g, unsigned seconds)
{
    return whole(g, "", seconds, sweep_work, NULL, NULL);
}
