#include "store/store.h"

#include "base/clock.h"
#include "store/store_priv.h"
#include "store/store_record.h"
#include "store/store_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
    MEMORY = 64 << 20,
    FOLDER_FILES = 1000,
    SEGMENT = 256 << 20,
    NAME_TRIES = 5,
    SPACE_MS = 1000,
};

/* ---- locations ---- */

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
}

bool store_location_valid(const char *location)
{
    int parts = 1;
    char before = '/';
    size_t n = 0;
    for (; location[n]; n++) {
        char c = location[n];
        bool first = before == '/';
        if (n + 1 >= STORE_LOCATION || (first && (c == '.' || c == '/')))
            return false;
        if (c == '/')
            parts++;
        else if (!name_char(c))
            return false;
        before = c;
    }
    return parts == 3 && before != '/';
}

void store_full_path(const struct store *s, const char *location, char *out)
{
    snprintf(out, STORE_PATH, "%s/%s", s->root, location);
}

enum base_err store_path(const struct store *s, const char *location, struct base_buf *out)
{
    return store_tree_path(s->data, location, out);
}

/* ---- the incarnation folder ---- */

static void make_name(unsigned slot, char out[STORE_INCARNATION])
{
    uint8_t random[8];
    char hex[2 * sizeof random + 1];
    char start[20];
    time_t now = (time_t)(base_clock_wall_us() / 1000000);
    struct tm tm;
    base_random(random, sizeof random);
    base_hex(random, sizeof random, hex);
    gmtime_r(&now, &tm);
    strftime(start, sizeof start, "%Y%m%dT%H%M%S", &tm);
    snprintf(out, STORE_INCARNATION, "%s-%s-%u", start, hex, slot);
}

/* Makes and locks <folder>/.lock. BASE_ECONFLICT when the sweep of another worker came
 * first: it may have locked or removed the new folder. */
static enum base_err take_lock(struct store *s, const char *folder)
{
    char path[STORE_PATH];
    struct stat st;
    if (snprintf(path, sizeof path, "%s/.lock", folder) >= (int)sizeof path)
        return BASE_ELIMIT;
    int fd = s->fs->open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == ENOENT ? BASE_ECONFLICT : base_err_from_errno(errno);
    enum base_err err = BASE_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        err = errno == EWOULDBLOCK ? BASE_ECONFLICT : base_err_from_errno(errno);
    else if (fstat(fd, &st) != 0 || st.st_nlink == 0)
        err = BASE_ECONFLICT;
    if (err) {
        if (err != BASE_ECONFLICT)
            s->fs->unlink(path);
        close(fd);
        return err;
    }
    s->lock = fd;
    return BASE_OK;
}

static void incarnation_path(const struct store *s, char out[STORE_PATH])
{
    snprintf(out, STORE_PATH, "%s/%s", s->root, s->incarnation);
}

static enum base_err make_incarnation(struct store *s)
{
    char path[STORE_PATH];
    enum base_err err = BASE_ECONFLICT;
    for (int i = 0; i < NAME_TRIES && err == BASE_ECONFLICT; i++) {
        make_name(s->slot, s->incarnation);
        incarnation_path(s, path);
        err = store_fs_mkdir(s->fs, path);
        if (!err)
            err = take_lock(s, path);
        if (err && err != BASE_ECONFLICT)
            rmdir(path);
    }
    return err == BASE_ECONFLICT ? BASE_EIO : err;
}

/* Finds out whether its files can have marks, and makes the path to it durable. */
static enum base_err settle_incarnation(struct store *s)
{
    char path[STORE_PATH];
    incarnation_path(s, path);
    enum base_err err = store_mark_folder(s->fs, path, &s->marks);
    if (!err && !s->config.unsafe_no_sync) {
        err = store_fs_sync_folder(s->fs, s->root);
        if (!err)
            err = store_fs_sync_folder(s->fs, s->data);
    }
    return err;
}

/* Removes the folder, if nothing was written. */
static void unmake_incarnation(struct store *s)
{
    char path[STORE_PATH];
    char lock[STORE_PATH + 8];
    incarnation_path(s, path);
    snprintf(lock, sizeof lock, "%s/.lock", path);
    s->fs->unlink(lock);
    rmdir(path);
}

/* ---- open and close ---- */

static void store_free(struct store *s)
{
    store_segment_seal(s);
    store_chunk_drop_slabs(s);
    if (s->lock >= 0)
        close(s->lock);
    loop_timer_free(s->pause_timer);
    free(s->data);
    free(s->root);
    free(s);
}

static struct store *store_alloc(struct loop *l, const char *data,
                                 const struct store_config *config)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->loop = l;
    s->lock = -1;
    s->segment.fd = -1;
    s->users = 1;
    if (config)
        s->config = *config;
    s->fs = s->config.fs ? s->config.fs : &store_fs_system;
    if (!s->config.memory)
        s->config.memory = MEMORY;
    for (int i = 0; i < STORE_KINDS; i++)
        s->slabs_left[i] = s->config.memory / STORE_KINDS / STORE_SLAB;
    for (int i = 0; i < LOOP_CLASS_COUNT; i++)
        s->lanes[i] = (struct store_lane){.store = s, .class = (enum loop_class)i};
    if (!s->config.folder_files)
        s->config.folder_files = FOLDER_FILES;
    if (!s->config.segment)
        s->config.segment = SEGMENT;
    size_t size = strlen(data) + sizeof "/store";
    s->data = strdup(data);
    s->root = malloc(size);
    if (!s->data || !s->root || store_segment_init(s)) {
        store_free(s);
        return NULL;
    }
    snprintf(s->root, size, "%s/store", data);
    return s;
}

enum base_err store_begin(struct store *s)
{
    enum base_err err = store_fs_mkdir(s->fs, s->root);
    if (!err)
        err = make_incarnation(s);
    if (!err) {
        err = settle_incarnation(s);
        if (err)
            unmake_incarnation(s);
    }
    s->begun = !err;
    return err;
}

enum base_err store_open(struct loop *l, const char *data, unsigned slot,
                         const struct store_config *config, struct store **out)
{
    if (strlen(data) > STORE_PATH / 2)
        return BASE_EINVAL;
    struct store *s = store_alloc(l, data, config);
    if (!s)
        return BASE_ENOMEM;
    s->slot = slot;
    enum base_err err = s->config.held ? BASE_OK : store_begin(s);
    if (err) {
        store_free(s);
        return err;
    }
    *out = s;
    return BASE_OK;
}

void store_retain(struct store *s)
{
    s->users++;
}

void store_release(struct store *s)
{
    if (--s->users == 0)
        store_free(s);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    s->closing = true;
    store_resume(s);
    loop_timer_free(s->pause_timer);
    s->pause_timer = NULL;
    for (int i = 0; i < LOOP_CLASS_COUNT; i++) {
        if (s->lanes[i].folder)
            store_folder_release(s->lanes[i].folder);
        s->lanes[i].folder = NULL;
    }
    store_release(s);
}

/* ---- disk reserve ---- */

enum base_err store_space_check(struct store *s, uint64_t n)
{
    if (!s->config.reserve)
        return BASE_OK;
    int64_t now = base_clock_mono_ms();
    if (!s->space_ms || now - s->space_ms >= SPACE_MS) {
        struct statvfs v;
        if (s->fs->statvfs(s->root, &v) != 0)
            return base_err_from_errno(errno);
        s->space = (uint64_t)v.f_bavail * v.f_frsize;
        s->space_ms = now;
    }
    return s->space < n || s->space - n < s->config.reserve ? BASE_ENOSPC : BASE_OK;
}

/* ---- removal ---- */

struct removal {
    struct store *store;
    struct loop_job job;
    bool sealed;
    enum base_err err;
    store_done_fn *fn;
    void *arg;
    char location[STORE_LOCATION];
};

static void remove_work(void *arg)
{
    struct removal *r = arg;
    r->err =
        store_object_erase(r->store->fs, r->store->root, r->location, STORE_ERASE_KNOWN, r->sealed);
}

/* Of our own segments, all but the last; of other workers' we do not know. */
static bool is_sealed(const struct store *s, const char *location)
{
    size_t n = strlen(s->incarnation);
    return strncmp(location, s->incarnation, n) == 0 && location[n] == '/' &&
           location[n + 1] == 's' && strtoul(location + n + 2, NULL, 10) < s->segment.number;
}

static void remove_done(void *arg, bool cancelled)
{
    struct removal *r = arg;
    struct store *s = r->store;
    if (cancelled)
        r->err = BASE_ECANCELED;
    if (r->fn)
        r->fn(r->arg, r->err);
    free(r);
    store_release(s);
}

enum base_err store_remove(struct store *s, const char *location, store_done_fn *fn, void *arg)
{
    struct store_place place;
    if (!store_place_of(location, &place))
        return BASE_EINVAL;
    struct removal *r = calloc(1, sizeof *r);
    if (!r)
        return BASE_ENOMEM;
    r->store = s;
    r->fn = fn;
    r->arg = arg;
    r->sealed = is_sealed(s, location);
    snprintf(r->location, sizeof r->location, "%s", location);
    store_retain(s);
    loop_work(s->loop, &r->job, LOOP_DISK, LOOP_ORDINARY, remove_work, remove_done, r);
    return BASE_OK;
}
