#include "store/store_tree.h"

#include "base/clock.h"
#include "store/store_priv.h"
#include "store/store_record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* One level of the walk: the store, an incarnation, a folder of it. */
struct level {
    DIR *dir;
    char name[NAME_MAX + 1];
};

struct store_tree {
    char root[STORE_PATH];
    struct level levels[3];
    unsigned depth; /* levels that are open */
    bool alive;     /* the owner of the incarnation in hand */
    unsigned alive_n;
    struct store_walk walk; /* a segment of it; not open: none */
};

/* Opens and locks <incarnation>/.lock. -1 when its owner holds it, when that cannot be
 * told, or (*held false) when there is no such file. */
static int try_lock(const char *root, const char *incarnation, bool *held)
{
    char path[STORE_PATH + NAME_MAX + 8];
    snprintf(path, sizeof path, "%s/%s/.lock", root, incarnation);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        *held = errno != ENOENT;
        return -1;
    }
    *held = flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (*held) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool owner_runs(const char *root, const char *incarnation)
{
    bool held;
    int fd = try_lock(root, incarnation, &held);
    if (fd >= 0)
        close(fd);
    return held;
}

enum base_err store_tree_open(const char *data, struct store_tree **out)
{
    struct store_tree *t = calloc(1, sizeof *t);
    if (!t)
        return BASE_ENOMEM;
    if (snprintf(t->root, sizeof t->root, "%s/store", data) >= STORE_PATH / 2) {
        free(t);
        return BASE_EINVAL;
    }
    t->walk.fd = -1;
    t->levels[0].dir = store_fs_open_folder(t->root);
    if (!t->levels[0].dir && errno != ENOENT) {
        enum base_err err = base_err_from_errno(errno);
        free(t);
        return err;
    }
    t->depth = t->levels[0].dir ? 1 : 0;
    *out = t;
    return BASE_OK;
}

enum base_err store_tree_find(const char *data, const char *incarnation)
{
    char path[STORE_PATH];
    struct stat st;
    if (!incarnation[0] || incarnation[0] == '.' || strchr(incarnation, '/'))
        return BASE_EINVAL;
    if (snprintf(path, sizeof path, "%s/store/%s", data, incarnation) >= STORE_PATH)
        return BASE_EINVAL;
    if (stat(path, &st) != 0)
        return errno == ENOTDIR ? BASE_ENOTFOUND : base_err_from_errno(errno);
    return S_ISDIR(st.st_mode) ? BASE_OK : BASE_ENOTFOUND;
}

void store_tree_close(struct store_tree *t)
{
    if (!t)
        return;
    store_walk_close(&t->walk);
    while (t->depth)
        closedir(t->levels[--t->depth].dir);
    free(t);
}

unsigned store_tree_alive(const struct store_tree *t)
{
    return t->alive_n;
}

/* The path of the entry below the store. */
static void name_of(const struct store_tree *t, const char *entry, char *out, size_t size)
{
    if (t->depth == 1)
        snprintf(out, size, "%s", entry);
    else if (t->depth == 2)
        snprintf(out, size, "%s/%s", t->levels[1].name, entry);
    else
        snprintf(out, size, "%s/%s/%s", t->levels[1].name, t->levels[2].name, entry);
}

static bool enter(struct store_tree *t, const char *path, const char *entry)
{
    struct level *l = &t->levels[t->depth];
    l->dir = store_fs_open_folder(path);
    if (!l->dir)
        return false;
    snprintf(l->name, sizeof l->name, "%s", entry);
    if (t->depth == 1) {
        t->alive = owner_runs(t->root, entry);
        t->alive_n += t->alive;
    }
    t->depth++;
    return true;
}

/* False when this entry is nothing to report. */
static bool look_at(struct store_tree *t, const char *entry, struct store_tree_file *out,
                    enum base_err *err)
{
    char name[3 * NAME_MAX + 4];
    char path[STORE_PATH + sizeof name];
    struct stat st;
    name_of(t, entry, name, sizeof name);
    snprintf(path, sizeof path, "%s/%s", t->root, name);
    if (lstat(path, &st) != 0) {
        if (errno != ENOENT)
            *err = base_err_from_errno(errno);
        return *err != BASE_OK;
    }
    if (t->depth == 2 && S_ISREG(st.st_mode) && store_is_segment(entry)) {
        *err = store_walk_open(&store_fs_system, t->root, name, &t->walk);
        if (*err == BASE_ENOTFOUND)
            *err = BASE_OK;
        return *err != BASE_OK;
    }
    if (t->depth < 3 && S_ISDIR(st.st_mode)) {
        if (!enter(t, path, entry) && errno != ENOENT)
            *err = base_err_from_errno(errno);
        return *err != BASE_OK;
    }
    int64_t now = base_clock_wall_us() / 1000000;
    *out = (struct store_tree_file){
        .strange = t->depth < 3 || !S_ISREG(st.st_mode) || !store_location_valid(name),
        .alive = t->depth > 1 && t->alive,
        .size = (uint64_t)st.st_size,
        .age_s = now - (int64_t)st.st_mtime,
    };
    snprintf(out->location, sizeof out->location, "%.*s", STORE_LOCATION - 1, name);
    return true;
}

/* The next record of the segment in hand; at its end, once, what is no record.
 * *found false: nothing more to tell. */
static enum base_err next_record(struct store_tree *t, struct store_tree_file *out, bool *found)
{
    struct store_record r;
    struct store_walk *w = &t->walk;
    enum base_err err = store_walk_next(w, &r, found);
    if (err)
        return err;
    if (*found) {
        int64_t written = r.written_us < w->changed_us ? r.written_us : w->changed_us;
        int64_t age = base_clock_wall_us() - written;
        *out = (struct store_tree_file){.alive = t->alive, .size = r.size, .age_s = age / 1000000};
        memcpy(out->location, r.location, sizeof out->location);
        return BASE_OK;
    }
    store_walk_close(w);
    /* A living owner may be writing just there. */
    *found = w->later || (w->torn && !t->alive);
    if (*found) {
        *out = (struct store_tree_file){.torn = w->torn, .strange = w->later};
        snprintf(out->location, sizeof out->location, "%s/%" PRIu64, w->file, w->torn_at);
    }
    return BASE_OK;
}

enum base_err store_tree_next(struct store_tree *t, struct store_tree_file *out, bool *found)
{
    enum base_err err = BASE_OK;
    while (t->depth) {
        if (t->walk.fd >= 0) {
            err = next_record(t, out, found);
            if (err || *found)
                return err;
        }
        errno = 0;
        const struct dirent *e = readdir(t->levels[t->depth - 1].dir);
        if (!e && errno)
            return base_err_from_errno(errno);
        if (!e) {
            closedir(t->levels[--t->depth].dir);
            continue;
        }
        /* .lock, .swept, . and .. */
        if (e->d_name[0] == '.' || !look_at(t, e->d_name, out, &err))
            continue;
        *found = err == BASE_OK;
        return err;
    }
    *found = false;
    return BASE_OK;
}

enum base_err store_tree_path(const char *data, const char *location, struct base_buf *out)
{
    struct store_place p;
    if (!store_place_of(location, &p))
        return BASE_EINVAL;
    base_buf_printf(out, "%s/store/%s", data, p.file);
    if (p.is_record)
        base_buf_printf(out, "@%" PRIu64 "+%" PRIu64, p.at + STORE_ALIGN, p.size);
    return out->err;
}

enum base_err store_tree_object_open(const char *data, const char *location,
                                     struct store_tree_object *out)
{
    char root[STORE_PATH];
    struct store_span s;
    if (snprintf(root, sizeof root, "%s/store", data) >= STORE_PATH / 2)
        return BASE_EINVAL;
    enum base_err err = store_span_open(&store_fs_system, root, location, &s);
    if (err)
        return err;
    *out = (struct store_tree_object){.fd = s.fd, .base = s.base, .size = s.size};
    out->has_sha256 = s.record.location[0] != 0;
    memcpy(out->sha256, s.record.sha256, sizeof out->sha256);
    if (!out->has_sha256) {
        struct store_object mark;
        out->has_sha256 = store_mark_read(s.fd, &mark);
        out->unacknowledged = !out->has_sha256 && store_mark_is_promised(root, location);
        if (out->has_sha256)
            memcpy(out->sha256, mark.sha256, sizeof out->sha256);
    }
    return BASE_OK;
}

/* PATH@OFFSET+SIZE; false when it does not end like this. */
static bool take_apart(const char *text, char path[STORE_PATH], uint64_t *at, uint64_t *size)
{
    const char *sign = strrchr(text, '@');
    int used = 0;
    if (!sign || sign - text >= STORE_PATH ||
        sscanf(sign, "@%" SCNu64 "+%" SCNu64 "%n", at, size, &used) != 2 || sign[used])
        return false;
    snprintf(path, STORE_PATH, "%.*s", (int)(sign - text), text);
    return true;
}

static enum base_err copy_part(int from, uint64_t at, uint64_t size, int to)
{
    uint8_t piece[16 << 10];
    enum base_err err = BASE_OK;
    while (size && !err) {
        size_t n = size < sizeof piece ? (size_t)size : sizeof piece;
        err = store_fs_read(&store_fs_system, from, piece, n, at);
        if (!err && write(to, piece, n) != (ssize_t)n)
            err = BASE_ENOMEM;
        at += n;
        size -= n;
    }
    return err;
}

enum base_err store_plain_open(const char *path, struct store_plain *out)
{
    char segment[STORE_PATH];
    uint64_t at;
    uint64_t size;
    *out = (struct store_plain){.path = path, .fd = -1};
    if (access(path, F_OK) == 0 || !take_apart(path, segment, &at, &size))
        return BASE_OK;
    int from = open(segment, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0)
        return base_err_from_errno(errno);
    int to = memfd_create("object", MFD_CLOEXEC);
    enum base_err err = to < 0 ? base_err_from_errno(errno) : copy_part(from, at, size, to);
    close(from);
    if (err && to >= 0)
        close(to);
    if (err)
        return err;
    out->fd = to;
    snprintf(out->memory, sizeof out->memory, "/proc/self/fd/%d", to);
    out->path = out->memory;
    return BASE_OK;
}

void store_plain_close(struct store_plain *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

enum base_err store_tree_lose(const char *data, const char *location)
{
    char incarnation[STORE_LOCATION];
    char root[STORE_PATH];
    bool held;
    if (!store_location_valid(location) || strlen(data) > STORE_PATH / 2)
        return BASE_EINVAL;
    snprintf(incarnation, sizeof incarnation, "%.*s", (int)strcspn(location, "/"), location);
    snprintf(root, sizeof root, "%s/store", data);
    int fd = try_lock(root, incarnation, &held);
    if (held)
        return BASE_ECONFLICT;
    enum base_err err = store_object_lose(&store_fs_system, data, location);
    if (fd >= 0)
        close(fd);
    return err;
}
