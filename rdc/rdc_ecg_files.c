#include "rdc/rdc_ecg_files.h"

#include "base/base_pages.h"

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

/* A file at once, what else it is (standard input, a pipe) in pieces. */
static int read_all(int fd, struct base_pages *pages, struct base_buf *out)
{
    enum { PIECE = 1 << 16 };
    struct stat st;
    base_buf_init(out, ecg_limits_default.bytes + 1);
    bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
                   (size_t)st.st_size <= ecg_limits_default.bytes;
    if (is_file && (out->p = base_pages_take(pages, (size_t)st.st_size + 1)) != NULL) {
        out->size = (size_t)st.st_size + 1;
        out->p[0] = 0;
    }
    for (ssize_t n = 1; n > 0;) {
        size_t step = is_file ? (size_t)st.st_size - out->n : PIECE;
        uint8_t *to = base_buf_reserve(out, step);
        n = to ? read(fd, to, step) : 0;
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            return errno;
        else
            out->n += (size_t)n;
        if (is_file && out->n >= (size_t)st.st_size)
            break;
    }
    return 0;
}

/* Adds the file at path (NULL: there is none) under this name. */
static enum base_err add(struct rdc_ecg_files *f, const char *path, const char *name,
                         struct base_error *err)
{
    struct ecg_input *inputs = realloc(f->inputs, (f->n + 1) * sizeof *inputs);
    if (inputs)
        f->inputs = inputs;
    struct base_buf *bytes = realloc(f->bytes, (f->n + 1) * sizeof *bytes);
    if (bytes)
        f->bytes = bytes;
    char *copy = strdup(name);
    if (!inputs || !bytes || !copy) {
        free(copy);
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    }
    struct base_buf *b = &bytes[f->n];
    *b = (struct base_buf){0};
    inputs[f->n] = (struct ecg_input){.name = copy};
    f->n++;
    if (!path)
        return BASE_OK;
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return base_fail(err, base_err_from_errno(errno), BASE_NOPOS, "%s: %s", name,
                         strerror(errno));
    int failed = read_all(fd, f->pages, b);
    if (!is_stdin)
        close(fd);
    if (failed)
        return base_fail(err, base_err_from_errno(failed), BASE_NOPOS, "%s: %s", name,
                         strerror(failed));
    if (b->err)
        return base_fail(err, b->err, BASE_NOPOS, "%s (at most %zu MiB)", base_err_text(b->err),
                         ecg_limits_default.bytes >> 20);
    inputs[f->n - 1].bytes = base_bytes_of(base_buf_cstr(b), b->n);
    return BASE_OK;
}

/* The path of a sibling, case aside where there is none in this case; owned by
 * the caller, NULL when there is none. `optional`: most recordings have none, and to read a
 * folder of thousands costs more than the recording: only the extension is tried in capitals. */
static char *find_sibling(const char *first, const char *name, bool optional)
{
    struct stat st;
    char *path = NULL;
    char *found = NULL;
    int folder = (int)(base_name(first) - first);
    if (asprintf(&path, "%.*s%s", folder, first, name) < 0)
        return NULL;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
        return path;
    if (optional) {
        for (char *c = strrchr(path + folder, '.'); c && *c; c++)
            *c = (char)toupper((unsigned char)*c);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            return path;
        free(path);
        return NULL;
    }
    path[folder] = '\0';
    DIR *dir = opendir(folder ? path : ".");
    for (struct dirent *e; dir && !found && (e = readdir(dir)) != NULL;)
        if (strcasecmp(e->d_name, name) == 0 &&
            asprintf(&found, "%.*s%s", folder, first, e->d_name) < 0)
            found = NULL;
    if (dir)
        closedir(dir);
    free(path);
    return found;
}

static enum base_err add_sibling(struct rdc_ecg_files *f, const char *first, const char *name,
                                 bool optional, struct base_error *err)
{
    /* What comes from standard input has no folder. */
    char *path = strcmp(first, "-") == 0 ? NULL : find_sibling(first, name, optional);
    enum base_err e = add(f, path, name, err);
    free(path);
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

enum base_err rdc_ecg_open(const char *path, const char *annotators, struct rdc_ecg_files *f,
                           struct ecg_record **out, struct base_error *err)
{
    struct ecg_needs needs = {0};
    struct ecg_limits limits = ecg_limits_default;
    struct stat st;
    char *header = NULL;
    bool is_stdin = strcmp(path, "-") == 0;
    limits.pages = f->pages;
    /* WFDB names a record without the extension of its header. */
    if (!is_stdin && (stat(path, &st) || S_ISDIR(st.st_mode)) &&
        asprintf(&header, "%s.hea", path) > 0 && stat(header, &st) == 0)
        path = header;
    enum base_err e = add(f, path, is_stdin ? "" : base_name(path), err);
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
