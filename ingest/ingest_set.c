#include "ingest/ingest_set.h"

#include "ecg/ecg_open.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { RECORDINGS_MAX = 64 /* the needs of each are looked up among all files */ };

enum base_err ingest_set_add(struct ingest_set *s, const char *path, struct base_buf *bytes,
                             void *item)
{
    assert(!s->sorted && s->bytes <= INGEST_SET_BYTES);
    enum base_err e = bytes->n > INGEST_SET_BYTES - s->bytes ? BASE_ELIMIT : BASE_OK;
    if (!e && (s->n & (s->n - 1)) == 0) {
        struct ingest_set_file *p = realloc(s->files, (s->n ? 2 * s->n : 1) * sizeof *p);
        e = p ? BASE_OK : BASE_ENOMEM;
        s->files = p ? p : s->files;
    }
    if (e) {
        base_buf_deinit(bytes);
        return e;
    }
    s->files[s->n++] = (struct ingest_set_file){.path = path, .bytes = *bytes, .item = item};
    s->bytes += bytes->n;
    *bytes = (struct base_buf){0};
    return BASE_OK;
}

const char *ingest_set_name(const struct ingest_set_file *f)
{
    const char *slash = strrchr(f->path, '/');
    return slash ? slash + 1 : f->path;
}

static bool same_folder(const struct ingest_set_file *a, const struct ingest_set_file *b)
{
    size_t n = (size_t)(ingest_set_name(a) - a->path);
    return n == (size_t)(ingest_set_name(b) - b->path) && memcmp(a->path, b->path, n) == 0;
}

static bool asks_for(const struct ingest_set_file *f, const struct ingest_set_file *other)
{
    const char *name = ingest_set_name(other);
    for (size_t i = 0; f->needs && i < f->needs->n; i++)
        if (strcasecmp(f->needs->name[i], name) == 0)
            return same_folder(f, other);
    return false;
}

/* "100.atr" of "100.hea": an annotation file that nobody names. */
static bool has_stem_of(const struct ingest_set_file *f, const struct ingest_set_file *other)
{
    const char *name = ingest_set_name(f);
    const char *dot = strrchr(name, '.');
    size_t n = dot ? (size_t)(dot - name) : strlen(name);
    const char *own = ingest_set_name(other);
    return n && strncasecmp(name, own, n) == 0 && own[n] == '.' && same_folder(f, other);
}

static void find_needs(struct ingest_set *s)
{
    size_t found = 0;
    for (size_t i = 0; i < s->n && found < RECORDINGS_MAX; i++) {
        struct ingest_set_file *f = &s->files[i];
        struct ecg_input input = {ingest_set_name(f), base_buf_bytes(&f->bytes)};
        if (!ecg_format_has_files(ecg_detect(input.bytes)))
            continue;
        f->needs = calloc(1, sizeof *f->needs);
        if (f->needs)
            ecg_find_needs(&input, f->needs);
        found++;
    }
    s->sorted = true;
}

/* Does a recording begin here? No other file asks for this one, unless it asks for that as well. */
static bool is_first(const struct ingest_set *s, size_t i)
{
    for (size_t k = 0; k < s->n; k++)
        if (k != i && !s->files[k].used && asks_for(&s->files[k], &s->files[i]) &&
            !asks_for(&s->files[i], &s->files[k]))
            return false;
    return true;
}

static size_t find_first(const struct ingest_set *s)
{
    size_t any = s->n;
    for (size_t i = 0; i < s->n; i++) {
        if (s->files[i].used || !s->files[i].needs)
            continue;
        if (is_first(s, i))
            return i;
        any = any == s->n ? i : any;
    }
    return any;
}

size_t ingest_set_next(struct ingest_set *s, size_t *chosen)
{
    if (!s->sorted)
        find_needs(s);
    size_t first = find_first(s);
    if (first == s->n)
        return 0;
    size_t n = 0;
    chosen[n++] = first;
    s->files[first].used = true;
    /* Files asked for may ask for more: the segments of a series have their own signals. */
    for (size_t c = 0; c < n; c++)
        for (size_t k = 0; k < s->n; k++) {
            struct ingest_set_file *f = &s->files[k];
            bool beside = c == 0 && !f->needs && has_stem_of(&s->files[first], f);
            if (f->used || !(beside || asks_for(&s->files[chosen[c]], f)))
                continue;
            f->used = true;
            chosen[n++] = k;
        }
    assert(n <= s->n); /* each file is used once */
    return n;
}

void ingest_set_deinit(struct ingest_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        base_buf_deinit(&s->files[i].bytes);
        free(s->files[i].needs);
    }
    free(s->files);
    *s = (struct ingest_set){0};
}
