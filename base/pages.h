/*
 * Memory for large arrays. The page faults of new memory can cost as much as the work done with it.
 * So large arrays ask for huge pages, which means 500 times fewer faults, and a program that fills
 * one array after another keeps them in a pool.
 */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

enum { BASE_PAGES_BLOCKS = 64 };

/* A pool of large arrays for reuse, by one thread at a time. Zero-initialised with `most` set is
 * an empty one. */
struct base_pages {
    size_t most; /* bytes that it keeps of the arrays given back; the rest goes to free() */
    /* For tests, whose arrays are small: 0, or a power of two, from which size on arrays are
     * pooled, in multiples of it, from the heap. */
    size_t grain;
    size_t kept;
    size_t n;
    struct base_pages_block {
        void *p;
        size_t size;
        bool used;
    } block[BASE_PAGES_BLOCKS];
};

/* n uninitialised bytes, to be given back to the same pool, which may be NULL. NULL when out of
 * memory. From 512 KiB on these are whole huge pages (2 MiB), where the kernel gives them on
 * request. */
void *base_pages_take(struct base_pages *pool, size_t n);
/* p may also be from malloc(), or NULL. */
void base_pages_give(struct base_pages *pool, void *p);
/* Frees what it keeps. Arrays still out are to be given back to it all the same. */
void base_pages_drop(struct base_pages *pool);

#endif
