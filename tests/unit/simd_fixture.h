/*
 * What the tests of SIMD kernels share: memory that ends at a page which nobody
 * may touch, so that one byte read or written too far ends the test, and the
 * levels that this machine has.
 */
#ifndef SIMD_FIXTURE_H
#define SIMD_FIXTURE_H

#include "ecg/ecg_simd.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded {
    uint8_t *map;
    size_t size;
    uint8_t *p; /* n bytes, of which the last lies before the guard page */
    size_t n;
};

static inline struct guarded guarded_new(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guarded g = {.size = (n + page - 1) / page * page + page, .n = n};
    g.map = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(g.map, MAP_FAILED);
    ck_assert_int_eq(mprotect(g.map + g.size - page, page, PROT_NONE), 0);
    g.p = g.map + g.size - page - n;
    return g;
}

static inline void guarded_free(struct guarded *g)
{
    munmap(g->map, g->size);
}

/* The same bytes for the same seed, of all values, with runs of extremes. */
static inline void guarded_fill(struct guarded *g, uint32_t seed)
{
    uint32_t x = seed * 2654435761U + 1;
    for (size_t i = 0; i < g->n; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        unsigned kind = (unsigned)(i / 48 + seed) % 8;
        g->p[i] = kind == 6 ? 0x80 : kind == 7 ? 0xff : (uint8_t)(x >> 11);
    }
}

/* False, having said so once, when this machine lacks it. */
static inline bool simd_has(enum ecg_simd level)
{
    if (level <= ecg_simd_level())
        return true;
    printf("skipped: this processor lacks SIMD level %d\n", (int)level);
    return false;
}

#endif
