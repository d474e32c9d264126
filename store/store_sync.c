/*
 * Rounds of syncs, separate for each lane. Everything that finished while one round ran makes up
 * the next one: its files are synced in parallel and each folder once. So the cost per object
 * falls as the load rises, without any timer.
 *
 * Folders are synced beside the files, not after them: both must be durable,
 * in either order, before any callback of the round.
 */
#include "store/store_priv.h"
#include "store/store_record.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void store_put_list_add(struct store_put_list *list, struct store_put *put)
{
    put->next = NULL;
    if (list->last)
        list->last->next = put;
    else
        list->first = put;
    list->last = put;
}

struct store_put *store_put_list_take(struct store_put_list *list)
{
    struct store_put *put = list->first;
    if (put) {
        list->first = put->next;
        if (!list->first)
            list->last = NULL;
        put->next = NULL;
    }
    return put;
}

void store_folder_release(struct store_folder *f)
{
    assert(f->users > 0);
    if (--f->users == 0)
        free(f);
}

static void round_start(struct store_lane *l);

static void round_end(struct store_lane *l)
{
    for (struct store_folder *f; (f = l->round_folders);) {
        l->round_folders = f->next;
        f->in_round = false;
        if (!f->err) {
            f->linked = true;
        } else if (!f->bad && f->err != BASE_ECANCELED) {
            /* Whether its earlier entries reached the disk is unknown now, and
             * another sync might say yes without writing them. */
            f->bad = true;
            BASE_LOG(ERROR, "store_folder_sync_failed", LOG_S("incarnation", l->store->incarnation),
                     LOG_U("folder", f->number), LOG_S("cause", base_err_text(f->err)));
        }
    }
    for (struct store_put *p = l->round.first; p; p = p->next) {
        if (!p->err)
            p->err = p->folder->err;
    }
    struct store_put_list done = l->round;
    l->round = (struct store_put_list){0};
    store_retain(l->store); /* which has the lane */
    round_start(l);
    for (struct store_put *p; (p = store_put_list_take(&done));)
        store_put_synced(p);
    store_release(l->store);
}

static void job_ended(struct store_lane *l)
{
    assert(l->round_left > 0);
    if (--l->round_left == 0)
        round_end(l);
}

static void folder_work(void *arg)
{
    struct store_folder *f = arg;
    const struct store *s = f->lane->store;
    char path[STORE_PATH];
    snprintf(path, sizeof path, "%s/%s/%u", s->root, s->incarnation, f->number);
    f->err = store_fs_sync_folder(s->fs, path);
    if (!f->err && !f->linked) {
        snprintf(path, sizeof path, "%s/%s", s->root, s->incarnation);
        f->err = store_fs_sync_folder(s->fs, path);
    }
}

static void folder_done(void *arg, bool cancelled)
{
    struct store_folder *f = arg;
    if (cancelled)
        f->err = BASE_ECANCELED;
    job_ended(f->lane);
}

static void file_work(void *arg)
{
    struct store_put *p = arg;
    const struct store *s = p->store;
    if (s->marks)
        p->job_err = store_mark_write(s->fs, p->fd, &p->object);
    /* fdatasync would leave the mark out (fsync(2)). */
    if (!p->job_err && !s->config.unsafe_no_sync &&
        (s->marks ? s->fs->fsync : s->fs->fdatasync)(p->fd) != 0)
        p->job_err = base_err_from_errno(errno);
    close(p->fd);
    p->fd = -1;
}

static void file_done(void *arg, bool cancelled)
{
    struct store_put *p = arg;
    p->running = false;
    p->err = cancelled ? BASE_ECANCELED : p->job_err;
    job_ended(p->folder->lane);
}

/* Before the jobs, which own the objects from then on. */
static void tell_written(const struct store_lane *l)
{
    for (struct store_put *p = l->round.first; p; p = p->next)
        if (p->written && !p->aborted)
            p->written(p->arg, BASE_OK, &p->object);
}

static void round_start(struct store_lane *l)
{
    struct store *s = l->store;
    if (l->round_left > 0 || !l->pending.first)
        return;
    assert(!l->round.first && !l->round_folders);
    l->round = l->pending;
    l->pending = (struct store_put_list){0};
    l->round_left = 1; /* what finishes in the callbacks waits for the next round */
    tell_written(l);
    l->round_left = 0;
    for (struct store_put *p = l->round.first; p; p = p->next) {
        struct store_folder *f = p->folder;
        l->round_left++;
        p->running = true;
        if (!f->in_round) {
            f->in_round = true;
            /* A folder that turned bad holds puts that began before it did. */
            f->err = f->bad ? BASE_EIO : BASE_OK;
            f->next = l->round_folders;
            l->round_folders = f;
            l->round_left += !f->bad && !s->config.unsafe_no_sync;
        }
    }
    /* All counted before the first can end. Everyone waits for the folders. */
    for (struct store_folder *f = l->round_folders; f; f = f->next) {
        if (!f->bad && !s->config.unsafe_no_sync)
            loop_work(s->loop, &f->job, LOOP_DISK, l->class, folder_work, folder_done, f);
    }
    for (struct store_put *p = l->round.first; p; p = p->next)
        loop_work(s->loop, &p->job, LOOP_DISK, p->class, file_work, file_done, p);
}

static void round_begin(void *arg)
{
    struct store_lane *l = arg;
    l->round_due = false;
    round_start(l);
    store_release(l->store);
}

void store_sync_add(struct store_put *put)
{
    struct store_lane *l = put->folder->lane;
    assert(put->finished && !put->running && !put->first && put->fd >= 0);
    put->syncing = true;
    store_put_list_add(&l->pending, put);
    if (l->round_left > 0 || l->round_due)
        return;
    /* In the next turn, so that writes that end in this one share the round. */
    l->round_due = true;
    store_retain(l->store);
    loop_post(l->store->loop, &l->round_call, round_begin, l);
}
