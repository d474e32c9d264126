#include "rdc/rdc_ecg_files.h"

#include "base/pages.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A file that is open, and what it is. */
struct opened {
    int fd; /* -1: there is none, and errno says why */
    struct stat st;
};

static struct opened open_file(const char *path, int flags)
{
    struct opened o = {.fd = open(path, O_RDONLY | O_CLOEXEC | flags)};
    if (o.fd >= 0 && fstat(o.fd, &o.st))
        o.st.st_mode = 0;
    return o;
}

static void close_file(struct opened *o)
{
    if (o->fd >= 0)
        close(o->fd);
    o->fd = -1;
}

/* Reads a file at once, anything else (standard input, a pipe) in pieces. */
static int read_all(const struct opened *o, struct base_pages *pages, struct base_buf *out)
{
    enum { PIECE = 1 << 16 };
    const struct stat *st = &o->st;
    base_buf_init(out, ecg_limits_default.bytes + 1);
    bool is_file =
        S_ISREG(st->st_mode) && st->st_size > 0 && (size_t)st->st_size <= ecg_limits_default.bytes;
    if (is_file && (out->p = base_pages_take(pages, (size_t)st->st_size + 1)) != NULL) {
        out->size = (size_t)st->st_size + 1;
        out->p[0] = 0;
    }
    for (ssize_t n = 1; n > 0;) {
        size_t step = is_file ? (size_t)st->st_size - out->n : PIECE;
        uint8_t *to = base_buf_reserve(out, step);
        n = to ? read(o->fd, to, step) : 0;
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            return errno;
        else
            out->n += (size_t)n;
        if (is_file && out->n >= (size_t)st->st_size)
            break;
    }
    return 0;
}

/* Room for one more under this name; NULL when out of memory. */
static struct base_buf *add_entry(struct rdc_ecg_files *f, const char *name)
{
    struct ecg_input *inputs = realloc(f->inputs, (f->n + 1) * sizeof *inputs);
    if (inputs)
        f->inputs = inputs;
    struct base_buf *bytes = realloc(f->bytes, (f->n + 1) * sizeof *bytes);
    if (bytes)
        f->bytes = bytes;
    char *copy = inputs && bytes ? strdup(name) : NULL;
    if (!copy)
        return NULL;
    bytes[f->n] = (struct base_buf){0};
    inputs[f->n] = (struct ecg_input){.name = copy};
    return &bytes[f->n++];
}

/* Adds the file under this name. */
static enum base_err add(struct rdc_ecg_files *f, const struct opened *o, const char *name,
                         struct base_error *err)
{
    int failed = errno;
    struct base_buf *b = add_entry(f, name);
    if (!b)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    if (o->fd >= 0)
        failed = read_all(o, f->pages, b);
    if (failed)
        return base_fail(err, base_err_from_errno(failed), BASE_NOPOS, "%s: %s", name,
                         strerror(failed));
    if (b->err)
        return base_fail(err, b->err, BASE_NOPOS, "%s (at most %zu MiB)", base_err_text(b->err),
                         ecg_limits_default.bytes >> 20);
    f->inputs[f->n - 1].bytes = base_bytes_of(base_buf_cstr(b), b->n);
    return BASE_OK;
}

/* Only a regular file: a pipe of that name might never be written to. */
static struct opened open_sibling(const char *path)
{
    struct opened o = open_file(path, O_NONBLOCK);
    if (o.fd >= 0 && !S_ISREG(o.st.st_mode))
        close_file(&o);
    return o;
}

/* A sibling; without an exact match, one whose name differs in case. `optional`: most recordings
 * have none, and listing a folder of thousands costs more than the recording, so that only the
 * extension in capitals is tried. */
static struct opened find_sibling(const char *first, const char *name, bool optional)
{
    struct opened o = {.fd = -1};
    char *path = NULL;
    int folder = (int)(base_name(first) - first);
    if (asprintf(&path, "%.*s%s", folder, first, name) < 0)
        return o;
    o = open_sibling(path);
    if (o.fd < 0 && optional) {
        for (char *c = strrchr(path + folder, '.'); c && *c; c++)
            *c = (char)toupper((unsigned char)*c);
        o = open_sibling(path);
    }
    if (o.fd >= 0 || optional) {
        free(path);
        return o;
    }
    path[folder] = '\0';
    DIR *dir = opendir(folder ? path : ".");
    for (struct dirent *e; dir && o.fd < 0 && (e = readdir(dir)) != NULL;) {
        char *found = NULL;
        if (strcasecmp(e->d_name, name) == 0 &&
            asprintf(&found, "%.*s%s", folder, first, e->d_name) >= 0) {
            o = open_sibling(found);
            free(found);
        }
    }
    if (dir)
        closedir(dir);
    free(path);
    return o;
}

static enum base_err add_sibling(struct rdc_ecg_files *f, const char *first, const char *name,
                                 bool optional, struct base_error *err)
{
    struct opened o = {.fd = -1};
    if (strcmp(first, "-") != 0) /* what comes from standard input has no folder */
        o = find_sibling(first, name, optional);
    if (o.fd < 0)
        return add_entry(f, name) ? BASE_OK
                                  : base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    enum base_err e = add(f, &o, name, err);
    close_file(&o);
    return e;
}

static enum base_err add_annotators(struct rdc_ecg_files *f, const char *first,
                                    const char *annotators, struct base_error *err)
{
    const char *name = base_name(first);
    const char *dot = strrchr(name, '.');
    int stem = (int)(dot ? (size_t)(dot - name) : strlen(name));
    enum base_err e = BASE_OK;
    for (const char *at = annotators; *at && !e; at += strspn(at, " ,")) {
        int n = (int)strcspn(at, " ,");
        char sibling[ECG_NAME_SIZE];
        snprintf(sibling, sizeof sibling, "%.*s.%.*s", stem, name, n, at);
        e = add_sibling(f, first, sibling, false, err);
        if (!e && !f->inputs[f->n - 1].bytes.p)
            e = base_fail(err, BASE_EIO, BASE_NOPOS, "there is no annotation file %s", sibling);
        at += n;
    }
    return e;
}

/* The first file; WFDB names a record without the extension of its header. Sets *path to what was
 * opened; the caller frees *header in the end. */
static struct opened open_first(const char **path, char **header)
{
    struct opened o = open_file(*path, 0);
    int why = errno;
    if (o.fd >= 0 && !S_ISDIR(o.st.st_mode))
        return o;
    struct opened other = {.fd = -1};
    if (asprintf(header, "%s.hea", *path) > 0)
        other = open_file(*header, 0);
    errno = why;
    if (other.fd < 0)
        return o;
    close_file(&o);
    *path = *header;
    return other;
}

enum base_err rdc_ecg_open(const char *path, const char *annotators, struct rdc_ecg_files *f,
                           struct ecg_record **out, struct base_error *err)
{
    struct ecg_needs needs; /* 16 KiB, of which few are used */
    struct ecg_limits limits = ecg_limits_default;
    char *header = NULL;
    bool is_stdin = strcmp(path, "-") == 0;
    struct opened first = {.fd = STDIN_FILENO};
    limits.pages = f->pages;
    needs.n = 0;
    if (!is_stdin)
        first = open_first(&path, &header);
    else if (fstat(STDIN_FILENO, &first.st))
        first.st.st_mode = 0;
    enum base_err e = add(f, &first, is_stdin ? "" : base_name(path), err);
    if (!is_stdin)
        close_file(&first);
    if (!e && annotators)
        e = add_annotators(f, path, annotators, err);
    while (!e) {
        e = ecg_open(f->inputs, f->n, &limits, &needs, out, err);
        if (e != BASE_ENOTFOUND || needs.n == 0)
            break;
        e = BASE_OK;
        for (size_t i = 0; i < needs.n && !e; i++)
            e = add_sibling(f, path, needs.name[i], needs.optional[i], err);
    }
    free(header);
    return e;
}

/* ---- what is written ---- */

static int write_all(int fd, struct base_bytes b)
{
    while (b.n) {
        ssize_t done = write(fd, b.p, b.n);
        if (done < 0 && errno != EINTR)
            return errno;
        if (done > 0)
            b = base_bytes_of(b.p + done, b.n - (size_t)done);
    }
    return 0;
}

static int write_and_close(int fd, struct base_bytes b)
{
    int failed = write_all(fd, b);
    if (close(fd) != 0 && !failed)
        failed = errno;
    return failed;
}

/* A file that is written, but not in its place yet. */
struct staged {
    char *beside; /* NULL: it goes to path itself, which is a pipe or a device */
    char *target;
};

static int write_beside(struct staged *s, mode_t mode, struct base_bytes b)
{
    const char *target = s->target;
    if (asprintf(&s->beside, "%.*s.rdc-XXXXXX", (int)(base_name(target) - target), target) < 0) {
        s->beside = NULL;
        return ENOMEM;
    }
    int fd = mkostemp(s->beside, O_CLOEXEC);
    int failed = fd < 0 ? errno : 0;
    if (failed) {
        free(s->beside);
        s->beside = NULL;
        return failed;
    }
    failed = fchmod(fd, mode) ? errno : 0;
    int written = write_and_close(fd, b);
    return failed ? failed : written;
}

/* Writes a new file in the folder of the one it will replace. */
static int stage(const char *path, struct base_bytes bytes, struct staged *out)
{
    struct stat st;
    bool exists = stat(path, &st) == 0;
    if (!bytes.p || (exists && !S_ISREG(st.st_mode)))
        return 0;
    mode_t mask = umask(0);
    umask(mask);
    /* A symbolic link stays: its target is replaced. */
    out->target = exists ? realpath(path, NULL) : strdup(path);
    return out->target ? write_beside(out, exists ? st.st_mode & 07777 : 0666 & ~mask, bytes)
                       : errno;
}

/* No pipe, device or folder. */
static int take_away(const char *path)
{
    struct stat st;
    bool is_file = lstat(path, &st) == 0 && (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode));
    return is_file && unlink(path) != 0 && errno != ENOENT ? errno : 0;
}

static int put_in_place(const char *path, struct base_bytes bytes, struct staged *s)
{
    if (!bytes.p)
        return take_away(path);
    if (!s->target) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 ? errno : write_and_close(fd, bytes);
    }
    if (rename(s->beside, s->target) != 0)
        return errno;
    free(s->beside);
    s->beside = NULL;
    return 0;
}

int rdc_ecg_files_save(const struct rdc_ecg_file *files, size_t n, size_t *which)
{
    struct staged s[ECG_OUTPUTS_MAX] = {{NULL, NULL}};
    int failed = n > ECG_OUTPUTS_MAX ? EINVAL : 0;
    size_t i = 0;
    for (; i < n && !failed; i++)
        failed = stage(files[i].path, files[i].bytes, &s[i]);
    for (i = failed ? i : 0; i < n && !failed; i++)
        failed = put_in_place(files[i].path, files[i].bytes, &s[i]);
    *which = i ? i - 1 : 0;
    for (size_t k = 0; k < n && k < ECG_OUTPUTS_MAX; k++) {
        if (s[k].beside)
            unlink(s[k].beside);
        free(s[k].beside);
        free(s[k].target);
    }
    return failed;
}

void rdc_ecg_files_free(struct rdc_ecg_files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free((char *)(uintptr_t)f->inputs[i].name);
        base_pages_give(f->pages, f->bytes[i].p);
    }
    free(f->inputs);
    free(f->bytes);
    *f = (struct rdc_ecg_files){0};
}
