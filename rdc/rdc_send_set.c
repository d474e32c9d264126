/* Recordings of several files in `rdc send`: a WFDB header with its signals and annotations, an
 * ISHNE recording with its beats. They are one exam, and one line of the table. */
#include "rdc/rdc_send.h"

#include "ingest/ingest_beside.h"
#include "ingest/ingest_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void rdc_send_file_free(struct rdc_send_file *f)
{
    if (f->parts)
        ingest_beside_deinit(f->parts);
    free(f->parts);
    free(f->path);
    free(f->cause);
    *f = (struct rdc_send_file){0};
}

bool rdc_send_file_changed(const struct rdc_send_file *f, int fd)
{
    struct stat now;
    /* An archive has the files as they were when they were read. */
    if (f->parts || fstat(fd, &now))
        return false;
    return (uint64_t)now.st_size != f->size || rdc_send_mtime_ns(&now) != f->mtime_ns;
}

FILE *rdc_send_file_open(const struct rdc_send_file *f)
{
    struct base_buf zip = {0};
    if (!f->parts)
        return fopen(f->path, "rb");
    if (ingest_beside_archive(f->parts, &zip)) {
        errno = errno ? errno : EIO;
        return NULL;
    }
    FILE *file = tmpfile();
    if (file && (fwrite(zip.p, 1, zip.n, file) != zip.n || fflush(file))) {
        fclose(file);
        file = NULL;
    }
    if (file)
        rewind(file);
    base_buf_deinit(&zip);
    return file;
}

/* ---- what belongs together ---- */

static enum base_err find_parts(const struct rdc_send_file *f, struct ingest_beside *out)
{
    const char *slash = strrchr(f->path, '/');
    const char *name = slash ? slash + 1 : f->path;
    char *folder = strndup(f->path, (size_t)(name - f->path));
    enum base_err e = folder ? ingest_beside_find(folder, name, out) : BASE_ENOMEM;
    free(folder);
    return e;
}

struct paths {
    char **path;
    size_t n;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_paths(struct paths *all, const struct ingest_beside *b)
{
    char **path = realloc(all->path, (all->n + b->n) * sizeof *path);
    if (!path)
        return false;
    all->path = path;
    for (size_t i = 1; i < b->n; i++) {
        if (asprintf(&path[all->n], "%s%s", b->folder, b->names[i]) < 0)
            return false;
        all->n++;
    }
    return true;
}

static bool is_among(const struct paths *all, const char *path)
{
    return all->n && bsearch(&path, all->path, all->n, sizeof *all->path, by_text);
}

/* Parts are sent with their recordings: removes them from the list. */
static void leave_out(struct rdc_send *s, const struct paths *parts)
{
    size_t kept = 0;
    s->bytes = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct rdc_send_file *f = &s->files[i];
        if (is_among(parts, f->path) && !f->parts) {
            rdc_send_file_free(f);
            continue;
        }
        s->bytes += f->state == RDC_SEND_WAITING ? f->size : 0;
        s->files[kept++] = *f;
    }
    s->n = kept;
    kept = 0;
    for (size_t i = 0; i < s->n_passed_over; i++)
        if (is_among(parts, s->passed_over[i]))
            free(s->passed_over[i]);
        else
            s->passed_over[kept++] = s->passed_over[i];
    s->n_passed_over = kept;
}

/* Takes *b. If all of it is too long for one request, drops what the recording can do without. */
static enum base_err take_parts(struct rdc_send *s, struct rdc_send_file *f,
                                struct ingest_beside *b, struct paths *parts)
{
    static const char *const too_long = "the files of the recording have more than 64 MiB "
                                        "together; convert it to one file with rdc "
                                        "ecg convert";
    bool alone = b->n < 2 || b->is_part;
    bool fits = b->bytes <= INGEST_SET_BYTES;
    if (alone || (!fits && b->first_bytes > INGEST_SET_BYTES))
        return BASE_OK;
    if (!add_paths(parts, b))
        return BASE_ENOMEM;
    f->parts = malloc(sizeof *f->parts);
    if (!f->parts)
        return BASE_ENOMEM;
    *f->parts = *b;
    *b = (struct ingest_beside){0};
    f->size = ingest_beside_archive_bytes(f->parts);
    f->mtime_ns = f->parts->mtime_ns;
    if (!fits)
        rdc_send_refused(s, f, too_long);
    return BASE_OK;
}

enum base_err rdc_send_join(struct rdc_send *s)
{
    struct ingest_beside *all = calloc(s->n ? s->n : 1, sizeof *all);
    struct rdc_send_file **of = calloc(s->n ? s->n : 1, sizeof(void *));
    struct paths parts = {0};
    enum base_err e = all && of ? BASE_OK : BASE_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < s->n && !e; i++) {
        if (!s->files[i].may_have_parts || s->files[i].state != RDC_SEND_WAITING)
            continue;
        e = find_parts(&s->files[i], &all[n]);
        /* A file that is gone by now is refused when its turn comes. */
        of[n] = &s->files[i];
        n += e == BASE_OK;
        e = e == BASE_ENOTFOUND ? BASE_OK : e;
    }
    if (!e)
        e = ingest_beside_settle(all, n);
    for (size_t i = 0; i < n && !e; i++)
        e = take_parts(s, of[i], &all[i], &parts);
    if (parts.n)
        qsort(parts.path, parts.n, sizeof *parts.path, by_text);
    if (!e && parts.n)
        leave_out(s, &parts);
    for (size_t i = 0; i < n; i++)
        ingest_beside_deinit(&all[i]);
    for (size_t i = 0; i < parts.n; i++)
        free(parts.path[i]);
    free(parts.path);
    free(all);
    free(of);
    return e;
}
