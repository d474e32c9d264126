/* One file of a watched folder: taken, then put where it belongs. */
#include "ingest/ingest_watch_priv.h"

#include "base/log.h"
#include "ingest/ingest_local.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct taking {
    struct ingest_watch_folder *f;
    void (*done)(struct ingest_watch_folder *f);
    struct ingest_watch_file *file;
    struct ingest_beside *set;       /* what is taken with it; NULL = nothing */
    struct ingest_watch_look *looks; /* of those, as the scan saw them */
    int fd;
    bool refused;
    bool explained; /* by a .txt beside it */
    bool too_long;
    struct base_buf why; /* for the .txt */
    int error;
    char target[INGEST_WATCH_NAME]; /* what it is called there */
    struct loop_job job;
};

static void end(struct taking *t)
{
    struct ingest_watch_folder *f = t->f;
    void (*done)(struct ingest_watch_folder * f) = t->done;
    if (t->fd >= 0)
        close(t->fd);
    base_buf_deinit(&t->why);
    if (t->set) {
        assert(f->sets > 0);
        f->sets--;
        ingest_beside_deinit(t->set);
    }
    free(t->set);
    free(t->looks);
    free(t);
    f->g->objects--;
    done(f);
}

/* ---- where it belongs ---- */

static const char *subfolder(const struct taking *t)
{
    return t->refused ? ".refused" : ".done";
}

/* On the pool. If a power cut undoes a rename, the file is just taken again. The main file of a
 * recording moves first: if a power cut leaves others behind, they are no recording. */
static void move_work(void *arg)
{
    struct taking *t = arg;
    const char *sub = subfolder(t);
    int dir = open(t->f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    t->error = dir < 0 ? errno : 0;
    if (!t->error)
        t->error = ingest_watch_move(dir, sub, t->file->name, &t->file->look,
                                     t->explained ? &t->why : NULL, t->target);
    for (size_t i = 1; t->set && i < t->set->n && dir >= 0; i++) {
        char target[INGEST_WATCH_NAME];
        int error = ingest_watch_move(dir, sub, t->set->names[i], &t->looks[i], NULL, target);
        t->error = t->error ? t->error : error;
    }
    if (dir >= 0)
        close(dir);
}

static void on_moved(void *arg, bool cancelled)
{
    struct taking *t = arg;
    /* Gone, or replaced while it was read: then the new one is taken like any other. */
    if (!cancelled && t->error && t->error != ENOENT && t->error != ESTALE)
        ingest_watch_fail(t->f, t->file, strerror(t->error));
    else if (!cancelled && !t->error && !t->set)
        ingest_watch_later(t->f, subfolder(t), t->target, &t->file->look, t->explained);
    end(t);
}

/* ---- what became of it ---- */

static void on_answer(void *arg, struct ingest_answer *answer)
{
    struct taking *t = arg;
    const char *detail = answer->detail ? answer->detail : "";
    if (answer->status >= 500 || answer->again) {
        ingest_watch_fail(t->f, t->file,
                          answer->again ? "some files of an archive could not be stored" : detail);
        end(t);
        return;
    }
    t->refused = answer->status != 201;
    t->explained = t->refused || answer->damaged;
    if (answer->status < 300)
        base_buf_add(&t->why, answer->json.p, answer->json.n);
    else
        base_buf_printf(&t->why, "%s\n%s\n", answer->title ? answer->title : "refused", detail);
    ingest_watch_note(t->f, t->refused ? MODEL_CAUSE_FILE_REFUSED : MODEL_CAUSE_NONE, detail);
    if (t->refused)
        BASE_LOG(WARN, "watched_file_refused", LOG_I("device", t->f->device_id),
                 LOG_S("cause", detail));
    loop_work(t->f->g->config->loop, &t->job, LOOP_FOLDER, LOOP_ORDINARY, move_work, on_moved, t);
}

/* An archive of all, in memory. */
static int open_set(struct taking *t)
{
    struct base_buf zip = {0};
    errno = 0;
    enum base_err e = ingest_beside_archive(t->set, &zip);
    int fd = e ? -1 : memfd_create("recording", MFD_CLOEXEC);
    for (size_t at = 0; fd >= 0 && at < zip.n;) {
        ssize_t n = write(fd, zip.p + at, zip.n - at);
        if (n < 0 && errno != EINTR) {
            close(fd);
            fd = -1;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    base_buf_deinit(&zip);
    t->too_long = e == BASE_ELIMIT;
    errno = errno ? errno : EIO;
    return fd;
}

static void open_work(void *arg)
{
    struct taking *t = arg;
    struct stat st;
    int dir = open(t->f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->set)
        t->fd = open_set(t);
    else
        t->fd = openat(dir, t->file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    t->error = t->fd < 0 ? errno : 0;
    bool same =
        t->fd < 0 || t->set || (fstat(t->fd, &st) == 0 && ingest_watch_looks(&st, &t->file->look));
    for (size_t i = 0; t->set && i < t->set->n && same; i++)
        same = fstatat(dir, t->set->names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
               ingest_watch_looks(&st, &t->looks[i]);
    if (dir >= 0)
        close(dir);
    if (!same && t->fd >= 0) {
        close(t->fd);
        t->fd = -1;
        t->error = ESTALE;
    }
}

static void on_open(void *arg, bool cancelled)
{
    struct taking *t = arg;
    struct ingest_watch_folder *f = t->f;
    if (!cancelled && t->too_long) {
        struct ingest_answer answer = {
            .status = 413,
            .title = "the recording is too long",
            .detail =
                "its files have more than 64 MiB together; convert it to one file with rdc ecg "
                "convert"};
        t->error = 0;
        on_answer(t, &answer);
        return;
    }
    if (cancelled || t->fd < 0) {
        if (!cancelled && t->error != ENOENT && t->error != ESTALE)
            ingest_watch_fail(f, t->file, strerror(t->error));
        end(t);
        return;
    }
    struct ingest_local local = {
        .fd = t->fd,
        .pool = LOOP_FOLDER,
        .options = {.source = {.centre_id = f->centre_id,
                               .centre_code = f->centre_code,
                               .device_id = f->device_id,
                               .quiet_seconds = f->quiet_seconds,
                               .aet = f->aet}},
    };
    ingest_local_take(f->g, &local, on_answer, t);
}

bool ingest_watch_take(struct ingest_watch_folder *f, struct ingest_watch_file *file,
                       void (*done)(struct ingest_watch_folder *f))
{
    struct taking *t = calloc(1, sizeof *t);
    if (!t)
        return false;
    t->f = f;
    t->done = done;
    t->fd = -1;
    t->file = file;
    t->set = file->set;
    t->looks = file->set_looks;
    file->set = NULL;
    file->set_looks = NULL;
    f->sets += t->set != NULL;
    f->g->objects++;
    loop_work(f->g->config->loop, &t->job, LOOP_FOLDER, LOOP_ORDINARY, open_work, on_open, t);
    return true;
}
