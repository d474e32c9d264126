/*
 * An arena: many small allocations that live and die together, such as all
 * that belongs to one association or one request. Dropped whole.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct base_arena_block;
struct base_arena {
    struct base_arena_block *blocks;
    size_t used;  /* bytes handed out */
    size_t limit; /* most bytes it hands out; 0 = no limit but memory */
};

void base_arena_init(struct base_arena *a, size_t limit);
void base_arena_deinit(struct base_arena *a);
/* Zeroed memory aligned for any type; NULL when out of memory or over the limit. */
void *base_arena_alloc(struct base_arena *a, size_t n);
/* A NUL-terminated copy of n bytes. */
char *base_arena_strdup(struct base_arena *a, const char *s, size_t n);

#endif
