/*
 * Memory for data on its way to the disk. The first piece of an object is
 * small, so that a small object costs little, but holds most ECGs; the following ones are large.
 * When the store's limit is reached, everything is small and goes to the disk
 * at once. A few pieces are kept for reuse.
 */
#include "store/store_priv.h"

#include <stdlib.h>

static const size_t chunk_sizes[STORE_KINDS] = {STORE_CHUNK_SMALL, STORE_CHUNK_LARGE};
static const size_t spares_max[STORE_KINDS] = {64, 64};

bool store_chunk_pressed(const struct store *s)
{
    return s->memory >= s->config.memory;
}

struct store_chunk *store_chunk_get(struct store *s, bool small)
{
    enum store_chunk_kind kind = small || store_chunk_pressed(s) ? STORE_SMALL : STORE_LARGE;
    struct store_chunk *c = s->spare[kind];
    if (c) {
        s->spare[kind] = c->next;
        s->spares[kind]--;
    } else {
        c = aligned_alloc(STORE_ALIGN, 2 * STORE_ALIGN + chunk_sizes[kind]);
        if (!c)
            return NULL;
        c->size = chunk_sizes[kind];
        c->data = (uint8_t *)c + 2 * STORE_ALIGN;
    }
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
        s->memory -= c->size;
        enum store_chunk_kind kind = c->size == STORE_CHUNK_LARGE ? STORE_LARGE : STORE_SMALL;
        if (s->spares[kind] < spares_max[kind]) {
            c->next = s->spare[kind];
            s->spare[kind] = c;
            s->spares[kind]++;
        } else {
            free(c);
        }
    }
}
