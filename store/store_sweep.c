/*
 * The sweep of dead incarnations.
 *
 * One job at a time alternates between the pool and the loop: the pool locks a
 * folder and lists files until a batch is full; the loop has the batch looked
 * up; the pool moves what is unknown and lists on. Whoever holds the lock of a
 * folder knows that its owner is dead and that nobody else sweeps it.
 */
#include "store/store_priv.h"
#include "store/store_record.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct store_sweep {
    struct store *store;
    struct store_sweep_ops ops;
    struct store_sweep_result result;
    struct loop_job job;
    enum base_err err;    /* ends the sweep where no incarnation is in hand, else that one */
    enum base_err failed; /* the first of those */
    bool answered;
    bool finished;

    DIR *all;                         /* <data>/store */
    char incarnation[STORE_LOCATION]; /* the one in hand */
    char folder[STORE_LOCATION];      /* in it */
    int lock;
    DIR *incarnation_dir;
    DIR *folder_dir;
    struct store_walk walk; /* a segment in it; not open: none */
    bool unclear;           /* something stays that a later sweep must look at */

    size_t n;
    const char *locations[STORE_SWEEP_BATCH];
    bool keep[STORE_SWEEP_BATCH];
    char text[STORE_SWEEP_BATCH][STORE_LOCATION];
};

/* ---- folders, on the pool ---- */

static void path_of(const struct store_sweep *w, const char *name, char out[STORE_PATH])
{
    snprintf(out, STORE_PATH, "%s/%s/%s", w->store->root, w->incarnation, name);
}

/* The next name in dir that does not begin with a dot; NULL at the end or on
 * an error. */
static const char *next_name(struct store_sweep *w, DIR *dir)
{
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e) {
            if (errno)
                w->err = base_err_from_errno(errno);
            return NULL;
        }
        if (e->d_name[0] != '.')
            return e->d_name;
    }
}

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
    *dir = NULL;
}

static void leave_incarnation(struct store_sweep *w)
{
    store_walk_close(&w->walk);
    close_dir(&w->folder_dir);
    close_dir(&w->incarnation_dir);
    if (w->lock >= 0)
        close(w->lock);
    w->lock = -1;
}

/* What cannot be read of one incarnation keeps nothing of the others from being looked at; a
 * later sweep tries it again. */
static void pass_over(struct store_sweep *w)
{
    if (!w->failed)
        w->failed = w->err;
    BASE_LOG(WARN, "store_not_swept", LOG_S("incarnation", w->incarnation),
             LOG_S("error", base_err_text(w->err)));
    w->err = BASE_OK;
    w->n = 0;
    leave_incarnation(w);
}

/* Takes the lock; false when its owner lives, or the folder has just gone. */
static bool lock_incarnation(struct store_sweep *w)
{
    char path[STORE_PATH];
    struct stat st;
    path_of(w, ".lock", path);
    w->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (w->lock < 0)
        return false;
    if (flock(w->lock, LOCK_EX | LOCK_NB) == 0 && fstat(w->lock, &st) == 0 && st.st_nlink > 0)
        return true;
    close(w->lock);
    w->lock = -1;
    return false;
}

static bool is_incarnation(const char *name)
{
    size_t n = strlen(name);
    return n < STORE_INCARNATION && n > 33 && name[8] == 'T' && name[15] == '-' && name[32] == '-';
}

/* False when there is no further incarnation. */
static bool enter_incarnation(struct store_sweep *w)
{
    for (const char *name; (name = next_name(w, w->all));) {
        char path[STORE_PATH];
        struct stat st;
        if (!is_incarnation(name))
            continue;
        snprintf(w->incarnation, sizeof w->incarnation, "%s", name);
        path_of(w, ".swept", path);
        if (lstat(path, &st) == 0)
            continue;
        if (!lock_incarnation(w)) {
            w->result.busy++;
            continue;
        }
        path_of(w, "", path);
        w->incarnation_dir = store_fs_open_folder(path);
        if (!w->incarnation_dir)
            w->err = base_err_from_errno(errno);
        w->unclear = false;
        w->result.folders++;
        return true;
    }
    return false;
}

/* A segment without records; others are cut to what they hold. */
static bool remove_empty(struct store_sweep *w, const char *name)
{
    char file[STORE_PATH];
    bool gone = false;
    if (!store_is_segment(name))
        return false;
    snprintf(file, sizeof file, "%s/%s", w->incarnation, name);
    enum base_err err = store_segment_trim(w->store->fs, w->store->root, file, &gone);
    if (err && !w->err)
        w->err = err;
    return gone;
}

/* Everything in it has been looked up: removes what is empty, marks the rest. */
static void finish_incarnation(struct store_sweep *w)
{
    char path[STORE_PATH];
    bool empty = true;
    rewinddir(w->incarnation_dir);
    for (const char *name; (name = next_name(w, w->incarnation_dir));) {
        path_of(w, name, path);
        if (!remove_empty(w, name) && rmdir(path) != 0)
            empty = false;
    }
    if (!w->err && empty) {
        path_of(w, ".lock", path);
        w->store->fs->unlink(path);
        path_of(w, "", path);
        rmdir(path);
    } else if (!w->err && !w->unclear) {
        path_of(w, ".swept", path);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0)
            close(fd);
    }
    if (w->err)
        pass_over(w);
    else
        leave_incarnation(w);
}

/* ---- files, on the pool ---- */

static bool is_file(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static void add_location(struct store_sweep *w, const char *location)
{
    memcpy(w->text[w->n], location, strlen(location) + 1);
    w->locations[w->n] = w->text[w->n];
    w->n++;
}

static void add_file(struct store_sweep *w, const char *name)
{
    char location[3 * NAME_MAX];
    char path[STORE_PATH];
    snprintf(location, sizeof location, "%s/%s/%s", w->incarnation, w->folder, name);
    store_full_path(w->store, location, path);
    if (!store_location_valid(location) || !is_file(path)) {
        w->unclear = true; /* not ours: stays */
        return;
    }
    add_location(w, location);
}

static void add_record(struct store_sweep *w)
{
    struct store_record r;
    bool found;
    enum base_err err = store_walk_next(&w->walk, &r, &found);
    if (err)
        w->err = err;
    else if (found)
        add_location(w, r.location);
    if (err || !found)
        store_walk_close(&w->walk);
}

static void enter_segment(struct store_sweep *w, const char *name)
{
    char file[STORE_PATH];
    snprintf(file, sizeof file, "%s/%s", w->incarnation, name);
    enum base_err err = store_walk_open(w->store->fs, w->store->root, file, &w->walk);
    if (err && err != BASE_ENOTFOUND)
        w->err = err;
}

/* Adds the next file, or opens the next folder. False when there is none. */
static bool next_file(struct store_sweep *w)
{
    if (w->walk.fd >= 0) {
        add_record(w);
        return true;
    }
    if (w->folder_dir) {
        const char *name = next_name(w, w->folder_dir);
        if (name)
            add_file(w, name);
        else
            close_dir(&w->folder_dir);
        return true;
    }
    const char *name = next_name(w, w->incarnation_dir);
    if (!name)
        return false;
    if (store_is_segment(name)) {
        enter_segment(w, name);
        return true;
    }
    char path[STORE_PATH];
    path_of(w, name, path);
    w->folder_dir = strlen(name) < 16 ? store_fs_open_folder(path) : NULL;
    if (w->folder_dir)
        snprintf(w->folder, sizeof w->folder, "%s", name);
    else
        w->unclear = true;
    return true;
}

static void move_to_lost(struct store_sweep *w, const char *location)
{
    const struct store *s = w->store;
    if (store_object_age(s->fs, s->root, location) < (int64_t)w->ops.grace_s) {
        w->result.young++;
        w->unclear = true;
        return;
    }
    enum base_err err = store_object_lose(s->fs, s->data, location);
    if (err) {
        w->err = err;
        return;
    }
    w->result.lost++;
    BASE_LOG(WARN, "store_lost", LOG_S("location", location));
}

static void apply_answer(struct store_sweep *w)
{
    for (size_t i = 0; i < w->n && !w->err; i++) {
        if (w->keep[i])
            w->result.kept++;
        else
            move_to_lost(w, w->locations[i]);
    }
    w->n = 0;
    w->answered = false;
}

static void sweep_work(void *arg)
{
    struct store_sweep *w = arg;
    if (w->err)
        return;
    if (w->answered)
        apply_answer(w);
    while (!w->finished && w->n < STORE_SWEEP_BATCH) {
        if (w->err && w->lock < 0)
            return;
        if (w->err)
            pass_over(w);
        else if (!w->all && !(w->all = store_fs_open_folder(w->store->root)))
            w->err = base_err_from_errno(errno);
        else if (!w->incarnation_dir)
            w->finished = !enter_incarnation(w);
        else if (next_file(w) || w->err)
            continue;
        else if (w->n > 0)
            break; /* the last batch of this folder must be answered first */
        else
            finish_incarnation(w);
    }
}

/* ---- the loop's side ---- */

static void sweep_end(struct store_sweep *w)
{
    struct store *s = w->store;
    struct store_sweep_ops ops = w->ops;
    struct store_sweep_result result = w->result;
    enum base_err err = w->err ? w->err : w->failed;
    leave_incarnation(w);
    close_dir(&w->all);
    free(w);
    s->sweep = NULL;
    ops.done(ops.arg, err, &result);
    store_release(s);
}

static void sweep_done(void *arg, bool cancelled)
{
    struct store_sweep *w = arg;
    if (cancelled || w->store->closing)
        w->err = w->err ? w->err : BASE_ECANCELED;
    if (w->err || w->finished)
        sweep_end(w);
    else
        w->ops.check(w->ops.arg, w, w->locations, w->n);
}

static void sweep_step(struct store_sweep *w)
{
    loop_work(w->store->loop, &w->job, LOOP_DISK, LOOP_ORDINARY, sweep_work, sweep_done, w);
}

enum base_err store_sweep(struct store *s, const struct store_sweep_ops *ops)
{
    assert(!s->closing);
    if (s->sweep)
        return BASE_ECONFLICT;
    struct store_sweep *w = calloc(1, sizeof *w);
    if (!w)
        return BASE_ENOMEM;
    w->store = s;
    w->ops = *ops;
    w->lock = -1;
    w->walk.fd = -1;
    s->sweep = w;
    store_retain(s);
    sweep_step(w);
    return BASE_OK;
}

void store_sweep_answer(struct store_sweep *sweep, const bool *keep)
{
    if (keep) {
        memcpy(sweep->keep, keep, sweep->n * sizeof *keep);
        sweep->answered = true;
    } else {
        sweep->err = BASE_EUNAVAILABLE;
    }
    /* With an error the step does nothing but end the sweep, in a later turn. */
    sweep_step(sweep);
}
