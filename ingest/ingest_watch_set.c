/* Recordings of several files in a watched folder, taken together once all have come. */
#include "ingest/ingest_watch_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Reads the head of a file, once, when it has come to rest. */
static void look_into(struct ingest_watch_folder *f, struct ingest_watch_file *file)
{
    enum { HEAD = 4096 };
    char path[INGEST_WATCH_PATH + 256];
    uint8_t head[HEAD];
    snprintf(path, sizeof path, "%s/%s", f->dir, file->name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
    if (n < 0 && errno != ENOENT)
        ingest_watch_fail(f, file, strerror(errno));
    if (fd >= 0)
        close(fd);
    file->looked = n >= 0;
    file->may_have_parts = n > 0 && ingest_beside_may(base_bytes_of(head, (size_t)n));
}

/* Names that usually only parts of recordings have: they wait for their header. */
static bool looks_like_part(const char *name)
{
    static const char *const ends[] = {".dat", ".mat", ".atr", ".ann"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(dot, ends[i]) == 0)
            return true;
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ingest_watch_file *)a)->name,
                  ((const struct ingest_watch_file *)b)->name);
}

static struct ingest_watch_file *file_of(struct ingest_watch_folder *f, const char *name)
{
    struct ingest_watch_file key = {.name = (char *)(uintptr_t)name};
    return bsearch(&key, f->files, f->n, sizeof *f->files, by_name);
}

/* Attaches the other files to the first, so that they are not taken by themselves. */
static void join(struct ingest_watch_folder *f, struct ingest_watch_file *first,
                 struct ingest_beside *set, int64_t now_ms)
{
    bool complete = ingest_watch_is_still(first, now_ms) &&
                    (!set->missing || now_ms - first->since_ms >= INGEST_WATCH_PARTS_MS);
    struct ingest_watch_look *looks = calloc(set->n, sizeof *looks);
    if (looks)
        looks[0] = first->look;
    for (size_t i = 1; i < set->n; i++) {
        struct ingest_watch_file *part = file_of(f, set->names[i]);
        if (!part) {
            complete = false; /* it came after the scan */
            continue;
        }
        part->waits = true;
        complete &= ingest_watch_is_still(part, now_ms);
        if (looks)
            looks[i] = part->look;
    }
    first->waits = !complete;
    if (complete && set->n > 1 && looks && (first->set = malloc(sizeof *set)) != NULL) {
        *first->set = *set;
        *set = (struct ingest_beside){0};
        first->set_looks = looks;
        looks = NULL;
    }
    free(looks);
}

/* The set of a file that may have parts; false: which those are is not known now. */
static bool find_set(struct ingest_watch_folder *f, struct ingest_watch_file *file,
                     struct ingest_beside *out, int64_t now_ms)
{
    enum base_err e = ingest_beside_find(f->dir, file->name, out);
    file->waits = e != BASE_ELIMIT; /* it names more than there may be: refused by itself */
    if (e && file->waits && ingest_watch_is_still(file, now_ms))
        ingest_watch_fail(f, file,
                          e == BASE_ENOTFOUND ? "the header of a recording can no longer be read"
                                              : base_err_text(e));
    return !e || !file->waits;
}

void ingest_watch_join(struct ingest_watch_folder *f)
{
    struct ingest_beside *all = calloc(f->n ? f->n : 1, sizeof *all);
    struct ingest_watch_file **firsts = calloc(f->n ? f->n : 1, sizeof(struct ingest_watch_file *));
    bool known = all && firsts;
    size_t n = 0;
    int64_t now = base_clock_mono_ms();
    for (size_t i = 0; i < f->n; i++) {
        struct ingest_watch_file *file = &f->files[i];
        if (ingest_watch_is_still(file, now) && !file->looked)
            look_into(f, file);
        file->waits = looks_like_part(file->name) && now - file->since_ms < INGEST_WATCH_PARTS_MS;
        /* One that will be tried again later holds its parts, however long. */
        if (!file->may_have_parts)
            continue;
        file->waits = true;
        if (!all || !firsts)
            continue;
        known &= find_set(f, file, &all[n], now);
        if (all[n].n > 0)
            firsts[n++] = file;
    }
    known = known && ingest_beside_settle(all, n) == BASE_OK;
    for (size_t i = 0; i < n; i++)
        if (known && !all[i].is_part)
            join(f, firsts[i], &all[i], now);
    for (size_t i = 0; !known && i < f->n; i++)
        f->files[i].waits |= looks_like_part(f->files[i].name);
    for (size_t i = 0; i < n; i++)
        ingest_beside_deinit(&all[i]);
    free(firsts);
    free(all);
}
