#include "ingest/ingest_watch_priv.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES_MAX = 20000 /* looked at in one scan; the rest follows when these have gone */ };

static int by_name(const void *a, const void *b)
{
    const struct ingest_watch_file *x = a;
    const struct ingest_watch_file *y = b;
    return strcmp(x->name, y->name);
}

static void free_files(struct ingest_watch_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(files[i].name);
        if (files[i].set)
            ingest_beside_deinit(files[i].set);
        free(files[i].set);
        free(files[i].set_looks);
    }
    free(files);
}

void ingest_watch_forget(struct ingest_watch_folder *f)
{
    free_files(f->files, f->n);
    f->files = NULL;
    f->n = 0;
}

bool ingest_watch_is_still(const struct ingest_watch_file *file, int64_t now_ms)
{
    return now_ms - file->since_ms >= INGEST_WATCH_STILL_MS;
}

static struct ingest_watch_look look_of(const struct stat *st)
{
    return (struct ingest_watch_look){
        .inode = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec,
    };
}

bool ingest_watch_looks(const struct stat *st, const struct ingest_watch_look *look)
{
    struct ingest_watch_look now = look_of(st);
    return S_ISREG(st->st_mode) && now.inode == look->inode && now.size == look->size &&
           now.mtime_ns == look->mtime_ns;
}

void ingest_watch_fail(struct ingest_watch_folder *f, struct ingest_watch_file *file,
                       const char *why)
{
    int64_t wait = file->tries < 5 ? INT64_C(1000) << file->tries : INGEST_WATCH_AGAIN_MS;
    file->since_ms = base_clock_mono_ms() + wait - INGEST_WATCH_STILL_MS;
    f->news += file->tries++ == 0;
    f->failed++;
    snprintf(f->why, sizeof f->why, "%s; one is inode %" PRIu64, why, file->look.inode);
}

/* The next name; NULL at the end, or when the folder cannot be read on. */
static const char *next_name(struct ingest_watch_folder *f, DIR *dir)
{
    errno = 0;
    const struct dirent *e = readdir(dir);
    f->error = e ? 0 : errno;
    return e ? e->d_name : NULL;
}

/* False: not a file to take. */
static bool look_at(const struct ingest_watch_folder *f, DIR *dir, const char *name,
                    struct ingest_watch_file *out)
{
    struct stat st;
    if (name[0] == '.' || fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) ||
        !S_ISREG(st.st_mode))
        return false;
    *out = (struct ingest_watch_file){
        .name = strdup(name),
        .look = look_of(&st),
        .ctime_ns = st.st_ctim.tv_sec * INT64_C(1000000000) + st.st_ctim.tv_nsec,
        .since_ms = base_clock_mono_ms(),
    };
    if (!out->name)
        return false;
    const struct ingest_watch_file *before =
        f->n ? bsearch(out, f->files, f->n, sizeof *f->files, by_name) : NULL;
    if (before && ingest_watch_looks(&st, &before->look) && before->ctime_ns == out->ctime_ns) {
        out->since_ms = before->since_ms;
        out->tries = before->tries;
        out->looked = before->looked;
        out->may_have_parts = before->may_have_parts;
    }
    return true;
}

void ingest_watch_scan(struct ingest_watch_folder *f)
{
    struct ingest_watch_file *files = NULL;
    size_t n = 0;
    size_t room = 0;
    DIR *dir = opendir(f->dir);
    /* A file that cannot be moved away would be taken over and over. */
    if (dir && faccessat(dirfd(dir), ".", W_OK | X_OK, AT_EACCESS)) {
        f->error = errno;
        closedir(dir);
        return;
    }
    f->error = dir ? 0 : errno;
    f->grown = 0;
    if (dir)
        ingest_watch_review(f, dirfd(dir));
    for (const char *name; dir && n < FILES_MAX && (name = next_name(f, dir)) != NULL;) {
        if (n == room) {
            size_t more = room ? 2 * room : 64;
            struct ingest_watch_file *grown = realloc(files, more * sizeof *files);
            if (!grown)
                break;
            files = grown;
            room = more;
        }
        n += look_at(f, dir, name, &files[n]);
    }
    if (dir)
        closedir(dir);
    if (n > 1)
        qsort(files, n, sizeof *files, by_name);
    ingest_watch_forget(f);
    f->files = files;
    f->n = n;
    ingest_watch_join(f);
}
