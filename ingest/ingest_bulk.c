#include "ingest/ingest_bulk.h"

#include "base/arena.h"
#include "ingest/ingest_priv.h"
#include "ingest/ingest_spool.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 100000, LOCATION_MAX = 510, TEXT_MAX = 64 << 20 };

struct ingest_bulk {
    struct ingest_spool *spool;
    struct base_arena arena;         /* locations, types, and the parts themselves */
    struct ingest_bulk_part **parts; /* by location and order once flushed */
    struct ingest_bulk_part **found; /* as many as there are parts */
    size_t n;
    size_t room;
    size_t swept; /* of unused */
    uint64_t size;
    /* Found again, or a small body could make any number of large objects: at most PARTS_MAX of
     * them, and bytes for one object, and what exceeds it. */
    size_t again;
    uint64_t again_size;
    uint64_t again_max;
    bool open; /* a part was begun */
    ingest_bulk_fn *fn;
    void *arg;
};

static void on_open(void *arg, enum base_err err, struct ingest_spool *spool, uint64_t size)
{
    struct ingest_bulk *b = arg;
    (void)size;
    b->spool = spool;
    b->fn(b->arg, err);
}

enum base_err ingest_bulk_new(struct ingest *g, ingest_bulk_fn *fn, void *arg,
                              struct ingest_bulk **out)
{
    struct ingest_bulk *b = calloc(1, sizeof *b);
    if (!b)
        return BASE_ENOMEM;
    b->fn = fn;
    b->arg = arg;
    b->again_max = g->config->conf->upload_max_bytes;
    base_arena_init(&b->arena, TEXT_MAX);
    enum base_err err = ingest_spool_open_nameless(g, on_open, b);
    if (err) {
        free(b);
        return err;
    }
    *out = b;
    return BASE_OK;
}

void ingest_bulk_free(struct ingest_bulk *b)
{
    if (!b)
        return;
    ingest_spool_close(b->spool);
    base_arena_deinit(&b->arena);
    free(b->parts);
    free(b->found);
    free(b);
}

static bool grow(struct ingest_bulk *b)
{
    size_t room = b->room ? 2 * b->room : 64;
    struct ingest_bulk_part **parts = realloc(b->parts, room * sizeof *parts);
    if (!parts)
        return false;
    b->parts = parts;
    b->room = room;
    return true;
}

enum base_err ingest_bulk_begin(struct ingest_bulk *b, const char *location, const char *type)
{
    size_t n = strlen(location);
    assert(!b->found && !b->open); /* not sorted yet */
    if (b->n == PARTS_MAX || n > LOCATION_MAX)
        return BASE_ELIMIT;
    struct ingest_bulk_part *part = base_arena_alloc(&b->arena, sizeof *part);
    if (!part || (b->n == b->room && !grow(b)))
        return BASE_ENOMEM;
    part->location = base_arena_strdup(&b->arena, location, n);
    part->type = base_arena_strdup(&b->arena, type, strlen(type));
    if (!part->location || !part->type)
        return BASE_ENOMEM;
    part->order = b->n;
    part->offset = b->size;
    b->parts[b->n++] = part;
    b->open = true;
    return BASE_OK;
}

void ingest_bulk_write(struct ingest_bulk *b, struct base_bytes bytes)
{
    if (!b->open)
        return;
    struct ingest_bulk_part *part = b->parts[b->n - 1];
    dicom_jpeg_feed(&part->jpeg, bytes);
    part->size += bytes.n;
    b->size += bytes.n;
    ingest_spool_write(b->spool, bytes);
}

void ingest_bulk_end(struct ingest_bulk *b)
{
    b->open = false;
}

bool ingest_bulk_room(const struct ingest_bulk *b)
{
    return ingest_spool_room(b->spool);
}

void ingest_bulk_on_room(struct ingest_bulk *b, void (*fn)(void *arg), void *arg)
{
    ingest_spool_on_room(b->spool, fn, arg);
}

static int compare(const void *x, const void *y)
{
    const struct ingest_bulk_part *a = *(struct ingest_bulk_part *const *)x;
    const struct ingest_bulk_part *b = *(struct ingest_bulk_part *const *)y;
    int by_name = strcmp(a->location, b->location);
    return by_name ? by_name : (a->order > b->order) - (a->order < b->order);
}

static void on_flushed(void *arg, enum base_err err, struct ingest_spool *spool, uint64_t size)
{
    struct ingest_bulk *b = arg;
    (void)spool, (void)size;
    if (b->n && !b->found)
        err = err ? err : BASE_ENOMEM;
    b->fn(b->arg, err);
}

void ingest_bulk_flush(struct ingest_bulk *b, ingest_bulk_fn *fn, void *arg)
{
    b->fn = fn;
    b->arg = arg;
    if (b->n)
        qsort(b->parts, b->n, sizeof *b->parts, compare);
    b->found = b->n ? calloc(b->n, sizeof *b->found) : NULL;
    ingest_spool_sync(b->spool, on_flushed, b);
}

/* The first part that is not before this location. */
static size_t lower_bound(const struct ingest_bulk *b, const char *location)
{
    size_t low = 0;
    size_t high = b->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(b->parts[middle]->location, location) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct ingest_bulk *b, size_t i, const char *location)
{
    return i < b->n && strcmp(b->parts[i]->location, location) == 0;
}

static void use(struct ingest_bulk *b, struct ingest_bulk_part *part)
{
    b->again += part->used;
    b->again_size += part->used ? part->size : 0;
    part->used = true;
}

enum base_err ingest_bulk_find(struct ingest_bulk *b, const char *location, uint64_t frames,
                               struct ingest_bulk_part *const **parts, size_t *found)
{
    size_t n = 0;
    assert(b->found || b->n == 0); /* flushed */
    if (b->again > PARTS_MAX || b->again_size > b->again_max)
        return BASE_ELIMIT;
    for (size_t i = lower_bound(b, location); is_at(b, i, location); i++)
        b->found[n++] = b->parts[i];
    /* PS3.18 8.7.3.3.2: {BulkDataURI}/frames/{FrameNumber} */
    for (uint64_t frame = 1; b->n && (n == 0 || frame > 1) && frame <= frames && n < b->n;
         frame++) {
        char name[LOCATION_MAX + 40];
        snprintf(name, sizeof name, "%.*s/frames/%" PRIu64, LOCATION_MAX, location, frame);
        size_t i = lower_bound(b, name);
        if (!is_at(b, i, name))
            break;
        b->found[n++] = b->parts[i];
    }
    for (size_t i = 0; i < n; i++)
        use(b, b->found[i]);
    *parts = b->found;
    *found = n;
    return n ? BASE_OK : BASE_ENOTFOUND;
}

struct ingest_bulk_part *ingest_bulk_unused(struct ingest_bulk *b)
{
    while (b->swept < b->n)
        if (!b->parts[b->swept++]->used)
            return b->parts[b->swept - 1];
    return NULL;
}

int ingest_bulk_fd(const struct ingest_bulk *b)
{
    return ingest_spool_fd(b->spool);
}
