/*
 * Memory for arrays that are filled at once. New memory costs as much as what is done with it, page
 * by page: large arrays ask for huge pages, of which there are 500 times fewer, and a program that
 * fills one array after the other keeps them in a pool.
 */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

enum { BASE_PAGES_BLOCKS = 64 };

/* Large arrays to be used again, of one thread at a time. Zero-initialised with `most` set is an
 * empty one. */
struct base_pages {
    size_t most; /* bytes that it keeps of what was given back; more goes to free() */
    /* 0, or a power of two: it has arrays from so many bytes on, in multiples of it and of the
     * heap. For tests, whose arrays are small. */
    size_t grain;
    size_t kept;
    size_t n;
    struct base_pages_block {
        void *p;
        size_t size;
        bool used;
    } block[BASE_PAGES_BLOCKS];
};

/* n bytes of any content, to be given to base_pages_give() of the same pool, which may be NULL;
 * NULL when out of memory. From 512 KiB on it takes whole huge pages (2 MiB) where the kernel
 * gives them on request. */
void *base_pages_take(struct base_pages *pool, size_t n);
/* p may be of malloc() as well, or NULL. */
void base_pages_give(struct base_pages *pool, void *p);
/* Frees what it keeps. Arrays that were not given back are still to be given to it, before it goes.
 */
void base_pages_drop(struct base_pages *pool);

#endif
