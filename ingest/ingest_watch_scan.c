#include "ingest/ingest_watch_priv.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

bool ingest_watch_tell(struct ingest_watch_folder *f, const char *name)
{
    size_t i = 0;
    while (i < f->n && strcmp(f->files[i].name, name) != 0)
        i++;
    if (i == f->n || f->files[i].told)
        return false;
    f->files[i].told = true;
    return true;
}

/* False: not a file to be taken. */
static bool look_at(const struct ingest_watch_folder *f, DIR *dir, const char *name,
                    struct ingest_watch_file *out)
{
    struct stat st;
    if (name[0] == '.' || fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) ||
        !S_ISREG(st.st_mode))
        return false;
    *out = (struct ingest_watch_file){
        .name = strdup(name),
        .size = (uint64_t)st.st_size,
        .mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec,
        .inode = st.st_ino,
        .since_ms = base_clock_mono_ms(),
    };
    if (!out->name)
        return false;
    const struct ingest_watch_file *before =
        f->n ? bsearch(out, f->files, f->n, sizeof *f->files, by_name) : NULL;
    if (before && before->size == out->size && before->mtime_ns == out->mtime_ns &&
        before->inode == out->inode) {
        out->since_ms = before->since_ms;
        out->told = before->told;
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
    f->error = dir ? 0 : errno;
    for (struct dirent *e; dir && n < FILES_MAX && (e = readdir(dir)) != NULL;) {
        if (n == room) {
            size_t more = room ? 2 * room : 64;
            struct ingest_watch_file *grown = realloc(files, more * sizeof *files);
            if (!grown)
                break;
            files = grown;
            room = more;
        }
        n += look_at(f, dir, e->d_name, &files[n]);
    }
    if (dir)
        closedir(dir);
    if (n)
        qsort(files, n, sizeof *files, by_name);
    ingest_watch_forget(f);
    f->files = files;
    f->n = n;
    ingest_watch_join(f);
}
