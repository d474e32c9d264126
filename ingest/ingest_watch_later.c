/*
 * A program that writes into a watched folder may pause for longer than a file has to be still.
 * What was taken then is the beginning of a file that grows on in .done or .refused. So those are
 * looked at again after a while, and one that was written to goes back into the folder.
 */
#include "ingest/ingest_watch_priv.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LATER_MAX = 20000 /* files of a folder; of more, the last are not looked at */ };

static const int64_t later_ms[INGEST_WATCH_LATER] = {5000, 60000};

struct ingest_watch_moved {
    struct ingest_watch_moved *next;
    int64_t at_ms; /* when it was moved, or looked at the last time */
    struct ingest_watch_look look;
    const char *sub; /* the subfolder; static */
    bool explained;  /* there is a .txt beside it */
    char name[INGEST_WATCH_NAME];
};

static void append(struct ingest_watch_queue *q, struct ingest_watch_moved *m)
{
    m->next = NULL;
    m->at_ms = base_clock_mono_ms();
    if (q->last)
        q->last->next = m;
    else
        q->first = m;
    q->last = m;
}

static struct ingest_watch_moved *take_first(struct ingest_watch_queue *q)
{
    struct ingest_watch_moved *m = q->first;
    q->first = m->next;
    if (!q->first)
        q->last = NULL;
    return m;
}

void ingest_watch_later(struct ingest_watch_folder *f, const char *sub, const char *name,
                        const struct ingest_watch_look *look, bool explained)
{
    struct ingest_watch_moved *m = f->n_moved < LATER_MAX ? calloc(1, sizeof *m) : NULL;
    if (!m)
        return;
    m->look = *look;
    m->sub = sub;
    m->explained = explained;
    snprintf(m->name, sizeof m->name, "%s", name);
    f->n_moved++;
    append(&f->moved[0], m);
}

/* True: it went back. */
static bool look_again(int dir, const struct ingest_watch_moved *m)
{
    struct stat st;
    char text[INGEST_WATCH_NAME + 4];
    int sub = openat(dir, m->sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool changed = sub >= 0 && fstatat(sub, m->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                   S_ISREG(st.st_mode) && st.st_ino == m->look.inode &&
                   !ingest_watch_looks(&st, &m->look);
    bool back = changed && ingest_watch_rename(sub, m->name, dir, m->name) == 0;
    snprintf(text, sizeof text, "%s.txt", m->name);
    if (back && m->explained)
        unlinkat(sub, text, 0);
    if (sub >= 0)
        close(sub);
    return back;
}

void ingest_watch_review(struct ingest_watch_folder *f, int dir)
{
    int64_t now = base_clock_mono_ms();
    for (size_t i = 0; i < INGEST_WATCH_LATER; i++) {
        struct ingest_watch_queue *q = &f->moved[i];
        while (q->first && now - q->first->at_ms >= later_ms[i]) {
            struct ingest_watch_moved *m = take_first(q);
            bool back = look_again(dir, m);
            f->grown += back;
            if (!back && i + 1 < INGEST_WATCH_LATER) {
                append(&f->moved[i + 1], m);
                continue;
            }
            f->n_moved--;
            free(m);
        }
    }
}

void ingest_watch_drop_later(struct ingest_watch_folder *f)
{
    for (size_t i = 0; i < INGEST_WATCH_LATER; i++)
        while (f->moved[i].first)
            free(take_first(&f->moved[i]));
    f->n_moved = 0;
}
