#include "ingest/ingest_beside.h"

#include "dicom/dicom_part10.h"
#include "ecg/ecg_open.h"
#include "ingest/ingest_pack.h"
#include "ingest/ingest_set.h"

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

enum { HEAD = 1 << 20 }; /* of a header, which names the others */

bool ingest_beside_may(struct base_bytes head)
{
    return ecg_format_has_files(ecg_detect(head));
}

/* ---- files ---- */

static bool path_of(const struct ingest_beside *b, const char *name, char **path)
{
    if (asprintf(path, "%s%s", b->folder, name) < 0)
        *path = NULL;
    return *path != NULL;
}

/* Opens a regular file, or -1 (errno); never blocks, even if it was just replaced by a pipe. */
static int open_plain(const struct ingest_beside *b, const char *name, struct stat *st)
{
    char *path;
    if (!path_of(b, name, &path))
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    free(path);
    if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode))) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

static bool read_some(int fd, size_t n, struct base_buf *out)
{
    uint8_t *to = base_buf_reserve(out, n ? n : 1);
    while (to && out->n < n) {
        ssize_t got = pread(fd, to + out->n, n - out->n, (off_t)out->n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        out->n += (size_t)got;
    }
    return to != NULL;
}

/* ---- which ones ---- */

/* The files given to ecg_open: the content of headers only, so that nothing is decoded. */
struct asking {
    struct ingest_beside *b;
    struct ecg_input *inputs;
    struct base_buf *heads;
    size_t n;
};

static bool keep_name(struct ingest_beside *b, const char *name, const struct stat *st)
{
    int64_t mtime_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
    char **names = realloc(b->names, (b->n + 1) * sizeof *names);
    if (!names)
        return false;
    b->names = names;
    names[b->n] = strdup(name);
    if (!names[b->n])
        return false;
    b->first_bytes = b->n++ ? b->first_bytes : (uint64_t)st->st_size;
    b->bytes += (uint64_t)st->st_size;
    b->mtime_ns = mtime_ns > b->mtime_ns ? mtime_ns : b->mtime_ns;
    return true;
}

/* The entry of this name, else one whose name differs in case; owned by the caller, NULL when
 * there is none. For an optional file only the extension in capitals is tried: most recordings have
 * none, and listing a folder of thousands for each would cost too much. */
static char *entry_of(const struct ingest_beside *b, const char *name, bool optional)
{
    char *found = strdup(name);
    char *path = NULL;
    struct stat st;
    bool there = found && path_of(b, found, &path) && lstat(path, &st) == 0;
    free(path);
    path = NULL;
    if (there)
        return found;
    if (optional && found) {
        for (char *c = strrchr(found, '.'); c && *c; c++)
            *c = (char)toupper((unsigned char)*c);
        there = path_of(b, found, &path) && lstat(path, &st) == 0;
        free(path);
    }
    if (there)
        return found;
    free(found);
    found = NULL;
    DIR *dir = optional ? NULL : opendir(b->folder[0] ? b->folder : ".");
    for (struct dirent *e; dir && !found && (e = readdir(dir)) != NULL;)
        if (strcasecmp(e->d_name, name) == 0)
            found = strdup(e->d_name);
    if (dir)
        closedir(dir);
    return found;
}

static enum base_err add_input(struct asking *a, const char *name)
{
    struct ecg_input *inputs = realloc(a->inputs, (a->n + 1) * sizeof *inputs);
    a->inputs = inputs ? inputs : a->inputs;
    struct base_buf *heads = realloc(a->heads, (a->n + 1) * sizeof *heads);
    a->heads = heads ? heads : a->heads;
    char *copy = strdup(name);
    if (!inputs || !heads || !copy) {
        free(copy);
        return BASE_ENOMEM;
    }
    a->heads[a->n] = (struct base_buf){0};
    a->inputs[a->n++] = (struct ecg_input){.name = copy};
    return BASE_OK;
}

/* No header may pull in an image as its signals. */
static bool is_dicom(const struct base_buf *head)
{
    return dicom_part10_has_preamble(base_bytes_of(head->p, head->n));
}

/* Adds the file, if it exists, under the name that was asked for. */
static enum base_err add_file(struct asking *a, const char *name, bool optional)
{
    struct stat st;
    char *entry = entry_of(a->b, name, optional);
    int fd = entry ? open_plain(a->b, entry, &st) : -1;
    enum base_err e = add_input(a, name);
    if (fd < 0 && !optional && !a->b->missing)
        a->b->missing = strdup(name);
    if (!e && fd >= 0) {
        struct base_buf *head = &a->heads[a->n - 1];
        size_t whole = st.st_size < HEAD ? (size_t)st.st_size : HEAD;
        bool read = read_some(fd, whole < 4096 ? whole : 4096, head);
        if (!read || (!is_dicom(head) && !keep_name(a->b, entry, &st)))
            e = BASE_ENOMEM;
        bool is_header = !e && ingest_beside_may(base_buf_bytes(head));
        if (is_header && read_some(fd, whole, head))
            a->inputs[a->n - 1].bytes = base_bytes_of(base_buf_cstr(head), head->n);
    }
    if (fd >= 0)
        close(fd);
    free(entry);
    return e;
}

static enum base_err ask(struct asking *a)
{
    struct ecg_needs *needs = calloc(1, sizeof *needs);
    enum base_err e = needs ? BASE_OK : BASE_ENOMEM;
    while (!e && a->inputs[0].bytes.p) {
        struct ecg_record *record = NULL;
        struct base_error why;
        enum base_err opened = ecg_open(a->inputs, a->n, NULL, needs, &record, &why);
        if (!opened)
            ecg_record_free(record);
        if (opened != BASE_ENOTFOUND || needs->n == 0)
            break;
        if (a->n + needs->n > ECG_INPUTS_MAX)
            e = BASE_ELIMIT;
        for (size_t i = 0; i < needs->n && !e; i++)
            e = add_file(a, needs->name[i], needs->optional[i]);
    }
    free(needs);
    return e;
}

enum base_err ingest_beside_find(const char *folder, const char *name, struct ingest_beside *out)
{
    size_t n = strlen(folder);
    *out = (struct ingest_beside){0};
    struct asking a = {.b = out};
    if (asprintf(&out->folder, "%s%s", folder, n && folder[n - 1] != '/' ? "/" : "") < 0)
        out->folder = NULL;
    enum base_err e = out->folder ? add_file(&a, name, true) : BASE_ENOMEM;
    if (!e && out->n == 0)
        e = BASE_ENOTFOUND;
    if (!e)
        e = ask(&a);
    for (size_t i = 0; i < a.n; i++) {
        free((char *)(uintptr_t)a.inputs[i].name);
        base_buf_deinit(&a.heads[i]);
    }
    free(a.inputs);
    free(a.heads);
    if (e)
        ingest_beside_deinit(out);
    return e;
}

/* ---- of several ---- */

struct first {
    const struct ingest_beside *b;
    size_t number;
};

static int by_first(const void *a, const void *b)
{
    const struct ingest_beside *x = ((const struct first *)a)->b;
    const struct ingest_beside *y = ((const struct first *)b)->b;
    int c = strcmp(x->folder, y->folder);
    return c ? c : strcmp(x->names[0], y->names[0]);
}

static bool has(const struct ingest_beside *b, const char *name)
{
    for (size_t i = 1; i < b->n; i++)
        if (strcmp(b->names[i], name) == 0)
            return true;
    return false;
}

/* SIZE_MAX: none begins with that file. */
static size_t find_first(const struct first *firsts, size_t n, const char *folder, const char *name)
{
    char *names[] = {(char *)(uintptr_t)name};
    struct ingest_beside like = {.folder = (char *)(uintptr_t)folder, .names = names, .n = 1};
    struct first key = {.b = &like};
    const struct first *found = bsearch(&key, firsts, n, sizeof *firsts, by_first);
    return found ? found->number : SIZE_MAX;
}

enum base_err ingest_beside_settle(struct ingest_beside *all, size_t n)
{
    struct first *firsts = calloc(n ? n : 1, sizeof *firsts);
    if (!firsts)
        return BASE_ENOMEM;
    for (size_t i = 0; i < n; i++)
        firsts[i] = (struct first){&all[i], i};
    qsort(firsts, n, sizeof *firsts, by_first);
    for (size_t k = 0; k < n; k++)
        for (size_t p = 1; p < all[k].n; p++) {
            size_t i = find_first(firsts, n, all[k].folder, all[k].names[p]);
            if (i == SIZE_MAX || i == k)
                continue;
            bool mutual = has(&all[i], all[k].names[0]);
            bool larger = all[k].first_bytes != all[i].first_bytes
                              ? all[k].first_bytes > all[i].first_bytes
                              : k < i;
            all[i].is_part |= !mutual || larger;
        }
    free(firsts);
    return BASE_OK;
}

/* ---- the archive ---- */

uint64_t ingest_beside_archive_bytes(const struct ingest_beside *b)
{
    uint64_t n = b->bytes + INGEST_PACK_END;
    for (size_t i = 0; i < b->n; i++)
        n += INGEST_PACK_FILE + 2 * strlen(b->names[i]);
    return n;
}

enum base_err ingest_beside_archive(const struct ingest_beside *b, struct base_buf *zip)
{
    struct ingest_pack pack = {0};
    enum base_err e = b->bytes > INGEST_SET_BYTES ? BASE_ELIMIT : BASE_OK;
    uint64_t sum = 0;
    for (size_t i = 0; i < b->n && !e; i++) {
        struct base_buf file = {0};
        struct stat st = {0};
        int fd = open_plain(b, b->names[i], &st);
        sum += (uint64_t)st.st_size;
        if (fd < 0 || sum > b->bytes || !read_some(fd, (size_t)st.st_size, &file))
            e = BASE_EIO;
        else
            ingest_pack_add(&pack, b->names[i], base_buf_bytes(&file));
        if (fd >= 0)
            close(fd);
        base_buf_deinit(&file);
    }
    ingest_pack_end(&pack);
    if (!e && pack.zip.err)
        e = pack.zip.err;
    if (!e && pack.zip.n != ingest_beside_archive_bytes(b)) {
        errno = ESTALE;
        e = BASE_EIO;
    }
    if (e)
        base_buf_deinit(&pack.zip);
    else
        *zip = pack.zip;
    return e;
}

void ingest_beside_deinit(struct ingest_beside *b)
{
    for (size_t i = 0; i < b->n; i++)
        free(b->names[i]);
    free(b->names);
    free(b->folder);
    free(b->missing);
    *b = (struct ingest_beside){0};
}
