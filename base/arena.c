#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 4096 };

struct base_arena_block {
    struct base_arena_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) unsigned char data[];
};

void base_arena_init(struct base_arena *a, size_t limit)
{
    *a = (struct base_arena){.limit = limit};
}

void base_arena_deinit(struct base_arena *a)
{
    while (a->blocks) {
        struct base_arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    a->used = 0;
}

void *base_arena_alloc(struct base_arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);
    if (n > SIZE_MAX / 2)
        return NULL;
    n = (n + align - 1) / align * align;
    assert(!a->limit || a->used <= a->limit);
    if (a->limit && n > a->limit - a->used)
        return NULL;
    struct base_arena_block *b = a->blocks;
    if (!b || n > b->size - b->used) {
        size_t size = n > BLOCK_SIZE ? n : BLOCK_SIZE;
        b = calloc(1, sizeof *b + size);
        if (!b)
            return NULL;
        b->size = size;
        b->next = a->blocks;
        a->blocks = b;
    }
    void *p = b->data + b->used;
    b->used += n;
    a->used += n;
    return p;
}

char *base_arena_strdup(struct base_arena *a, const char *s, size_t n)
{
    char *p = base_arena_alloc(a, n + 1);
    if (p && n)
        memcpy(p, s, n);
    return p;
}
