/*
 * Memory for data on its way to the disk. The first piece of an object is
 * small, so that a small object costs little, but holds most ECGs; the following ones are large.
 * When half of the store's memory is in use, a stream has one chunk on its way and fills one; when
 * all is, further chunks are tiny. All are written when they are full: what is no whole block goes
 * through the page cache, and all behind it.
 *
 * Chunks are cut from slabs, each a huge page, which are kept: a write around the page cache
 * looks up one page instead of 512, and the disk is given few large pieces. Beyond the limit each
 * chunk has memory of its own, and gives it back.
 */
#include "store/store_priv.h"

#include "base/pages.h"

#include <assert.h>
#include <stdlib.h>

struct store_slab {
    struct store_slab *next;
    void *bytes;
    struct store_chunk chunks[];
};

static const size_t chunk_sizes[] = {
    [STORE_SMALL] = STORE_CHUNK_SMALL,
    [STORE_LARGE] = STORE_CHUNK_LARGE,
    [STORE_TINY] = STORE_CHUNK_TINY,
};

static struct store_chunk *take_spare(struct store *s, enum store_chunk_kind kind)
{
    struct store_chunk *c = s->spare[kind];
    if (c)
        s->spare[kind] = c->next;
    return c;
}

static void cut_slab(struct store *s, enum store_chunk_kind kind)
{
    size_t room = STORE_ALIGN + chunk_sizes[kind];
    size_t n = STORE_SLAB / room;
    struct store_slab *slab = calloc(1, sizeof *slab + n * sizeof slab->chunks[0]);
    if (slab)
        slab->bytes = base_pages_take(NULL, STORE_SLAB);
    if (!slab || !slab->bytes) {
        free(slab);
        return;
    }
    for (size_t i = n; i-- > 0;) {
        struct store_chunk *c = &slab->chunks[i];
        c->data = (uint8_t *)slab->bytes + i * room + STORE_ALIGN;
        c->next = s->spare[kind];
        s->spare[kind] = c;
    }
    slab->next = s->slabs;
    s->slabs = slab;
    assert(s->slabs_left[kind] > 0);
    s->slabs_left[kind]--;
}

static struct store_chunk *make_alone(enum store_chunk_kind kind)
{
    struct store_chunk *c = calloc(1, sizeof *c);
    uint8_t *bytes = aligned_alloc(STORE_ALIGN, STORE_ALIGN + chunk_sizes[kind]);
    if (!c || !bytes) {
        free(c);
        free(bytes);
        return NULL;
    }
    c->data = bytes + STORE_ALIGN;
    c->alone = true;
    return c;
}

bool store_chunk_pressed(const struct store *s)
{
    return s->memory >= s->config.memory;
}

bool store_chunk_scarce(const struct store *s)
{
    return s->memory >= s->config.memory / 2;
}

struct store_chunk *store_chunk_get(struct store *s, bool small)
{
    enum store_chunk_kind kind = store_chunk_pressed(s) ? STORE_TINY
                                 : small                ? STORE_SMALL
                                                        : STORE_LARGE;
    if (kind != STORE_TINY && !s->spare[kind] && s->slabs_left[kind])
        cut_slab(s, kind);
    struct store_chunk *c = kind == STORE_TINY ? NULL : take_spare(s, kind);
    if (!c)
        c = make_alone(kind);
    if (!c)
        return NULL;
    c->size = chunk_sizes[kind];
    c->next = NULL;
    c->n = 0;
    c->digested = 0;
    s->memory += c->size;
    return c;
}

void store_chunk_put(struct store *s, struct store_chunk *list)
{
    while (list) {
        struct store_chunk *c = list;
        list = c->next;
        assert(s->memory >= c->size && c->digested <= c->n && c->n <= c->size);
        assert(c->alone || c->size != STORE_CHUNK_TINY);
        s->memory -= c->size;
        enum store_chunk_kind kind = c->size == STORE_CHUNK_LARGE ? STORE_LARGE : STORE_SMALL;
        if (c->alone) {
            free(c->data - STORE_ALIGN);
            free(c);
        } else {
            c->next = s->spare[kind];
            s->spare[kind] = c;
        }
    }
}

void store_chunk_drop_slabs(struct store *s)
{
    assert(s->memory == 0);
    for (struct store_slab *slab; (slab = s->slabs);) {
        s->slabs = slab->next;
        base_pages_give(NULL, slab->bytes);
        free(slab);
    }
}
