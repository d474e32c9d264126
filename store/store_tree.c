#include "store/store_tree.h"

#include "base/clock.h"
#include "store/store_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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
};

static DIR *open_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

/* Opens and locks <incarnation>/.lock. -1 when its owner holds it, or when that
 * cannot be told, or (*held false) when there is no such file. */
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
    t->levels[0].dir = open_dir(t->root);
    if (!t->levels[0].dir && errno != ENOENT) {
        enum base_err err = base_err_from_errno(errno);
        free(t);
        return err;
    }
    t->depth = t->levels[0].dir ? 1 : 0;
    *out = t;
    return BASE_OK;
}

void store_tree_close(struct store_tree *t)
{
    if (!t)
        return;
    while (t->depth)
        closedir(t->levels[--t->depth].dir);
    free(t);
}

unsigned store_tree_alive(const struct store_tree *t)
{
    return t->alive_n;
}

/* Where the entry lies below the store. */
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
    l->dir = open_dir(path);
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

/* False when there is nothing to tell of this entry. */
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

enum base_err store_tree_next(struct store_tree *t, struct store_tree_file *out, bool *found)
{
    enum base_err err = BASE_OK;
    while (t->depth) {
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
    if (!store_location_valid(location))
        return BASE_EINVAL;
    base_buf_printf(out, "%s/store/%s", data, location);
    return out->err;
}

static enum base_err move_to_lost(const char *data, const char *location)
{
    char from[STORE_PATH];
    char to[STORE_PATH];
    char name[STORE_LOCATION];
    snprintf(name, sizeof name, "%s", location);
    for (char *slash; (slash = strchr(name, '/'));)
        *slash = '-';
    snprintf(from, sizeof from, "%s/store/%s", data, location);
    snprintf(to, sizeof to, "%s/lost", data);
    enum base_err err = store_fs_mkdir(&store_fs_system, to);
    if (err)
        return err;
    snprintf(to, sizeof to, "%s/lost/%s", data, name);
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) != 0)
        return base_err_from_errno(errno);
    return BASE_OK;
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
    enum base_err err = move_to_lost(data, location);
    if (fd >= 0)
        close(fd);
    return err;
}
