/* One file of a watched folder: taken, then put where it belongs. */
#include "ingest/ingest_watch_priv.h"

#include "base/log.h"
#include "ingest/ingest_local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 256, TARGET = INGEST_WATCH_PATH + NAME_SIZE + 32, TRIES = 1000 };

struct taking {
    struct ingest_watch_folder *f;
    void (*done)(struct ingest_watch_folder *f);
    char name[NAME_SIZE];
    struct ingest_beside *set; /* what is taken with it; NULL = nothing */
    int fd;
    bool refused;
    bool too_long;
    struct base_buf why; /* for the .txt */
    int error;
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
        f->sets--;
        ingest_beside_deinit(t->set);
    }
    free(t->set);
    free(t);
    f->g->objects--;
    done(f);
}

/* ---- where it belongs ---- */

static void write_why(struct taking *t, const char *path)
{
    FILE *out = fopen(path, "we");
    if (!out || fwrite(base_buf_cstr(&t->why), 1, t->why.n, out) != t->why.n)
        t->error = errno;
    if (out && fclose(out))
        t->error = errno;
}

/* A name that is free there, with room for a .txt; a file of the same name may have come before. */
static bool find_target(const char *name, const char *folder, bool explained, char *to)
{
    for (unsigned i = 0; i < TRIES; i++) {
        char number[16] = "";
        size_t most = NAME_SIZE - 1 - (explained ? strlen(".txt") : 0);
        if (i)
            snprintf(number, sizeof number, ".%u", i);
        snprintf(to, TARGET, "%s/%.*s%s", folder, (int)(most - strlen(number)), name, number);
        if (access(to, F_OK) && errno == ENOENT)
            return true;
    }
    return false;
}

static void move_one(struct taking *t, const char *folder, const char *name, bool explained)
{
    char from[TARGET];
    char to[TARGET];
    char text[TARGET + 4];
    snprintf(from, sizeof from, "%s/%s", t->f->dir, name);
    if (!find_target(name, folder, explained, to)) {
        t->error = EEXIST;
        return;
    }
    if (explained) {
        snprintf(text, sizeof text, "%s.txt", to);
        write_why(t, text);
    }
    if (rename(from, to))
        t->error = errno;
}

/* On the disk pool. A rename that a power cut undoes only means that the file
 * is taken again. Of a recording of several the first goes first: what a power cut leaves behind
 * of the others is none by itself. */
static void move_work(void *arg)
{
    struct taking *t = arg;
    char folder[INGEST_WATCH_PATH + 16];
    snprintf(folder, sizeof folder, "%s/%s", t->f->dir, t->refused ? ".refused" : ".done");
    if (mkdir(folder, 0755) && errno != EEXIST) {
        t->error = errno;
        return;
    }
    move_one(t, folder, t->name, t->refused);
    for (size_t i = 1; t->set && i < t->set->n; i++)
        move_one(t, folder, t->set->names[i], false);
}

static void on_moved(void *arg, bool cancelled)
{
    struct taking *t = arg;
    if (t->error && !cancelled && ingest_watch_tell(t->f, t->name))
        BASE_LOG(WARN, "watched_file_not_moved", LOG_I("device", t->f->device_id),
                 LOG_S("error", strerror(t->error)),
                 LOG_S("remedy", "rdc must be allowed to write into the folder"));
    end(t);
}

/* ---- what became of it ---- */

static void on_answer(void *arg, struct ingest_answer *answer)
{
    struct taking *t = arg;
    if (answer->status >= 500) {
        BASE_LOG(WARN, "watched_file_waits", LOG_I("device", t->f->device_id),
                 LOG_S("cause", answer->detail ? answer->detail : ""));
        end(t);
        return;
    }
    t->refused = answer->status != 201;
    if (answer->status < 300)
        base_buf_add(&t->why, answer->json.p, answer->json.n);
    else
        base_buf_printf(&t->why, "%s\n%s\n", answer->title ? answer->title : "refused",
                        answer->detail ? answer->detail : "");
    if (t->refused)
        BASE_LOG(WARN, "watched_file_refused", LOG_I("device", t->f->device_id),
                 LOG_S("cause", answer->detail ? answer->detail : ""));
    loop_work(t->f->g->config->loop, &t->job, LOOP_DISK, LOOP_ORDINARY, move_work, on_moved, t);
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
    char path[TARGET];
    if (t->set) {
        t->fd = open_set(t);
        t->error = t->fd < 0 ? errno : 0;
        return;
    }
    snprintf(path, sizeof path, "%s/%s", t->f->dir, t->name);
    t->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    t->error = t->fd < 0 ? errno : 0;
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
        if (!cancelled && t->error != ENOENT && ingest_watch_tell(f, t->name))
            BASE_LOG(WARN, "watched_file_unreadable", LOG_I("device", f->device_id),
                     LOG_S("error", strerror(t->error)));
        end(t);
        return;
    }
    struct ingest_local local = {
        .fd = t->fd,
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
    snprintf(t->name, sizeof t->name, "%s", file->name);
    t->set = file->set;
    file->set = NULL;
    f->sets += t->set != NULL;
    f->g->objects++;
    loop_work(f->g->config->loop, &t->job, LOOP_DISK, LOOP_ORDINARY, open_work, on_open, t);
    return true;
}
