#include "base/pages.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { LEAST = 512 << 10, LINE = 64 /* of the cache */ };
static const size_t HUGE_PAGE = (size_t)2 << 20;

/* The size to allocate for n bytes. */
static size_t whole_pages(size_t n, size_t grain)
{
    size_t page = grain ? grain : HUGE_PAGE;
    return (n + page - 1) & ~(page - 1);
}

static bool is_large(size_t n, size_t grain)
{
    return n >= (grain ? grain : LEAST) && n <= SIZE_MAX - HUGE_PAGE;
}

static void *alloc(size_t n)
{
    if (!is_large(n, 0))
        return aligned_alloc(LINE, (n + LINE) & ~(size_t)(LINE - 1));
    size_t whole = whole_pages(n, 0);
    void *p = aligned_alloc(HUGE_PAGE, whole);
    if (p)
        (void)madvise(p, whole, MADV_HUGEPAGE); /* advice only: works without it, too */
    return p;
}

static void forget(struct base_pages *pool, struct base_pages_block *block)
{
    assert(pool->n > 0 && (block->used || pool->kept >= block->size));
    pool->kept -= block->used ? 0 : block->size;
    *block = pool->block[--pool->n];
}

/* The smallest kept block that is large enough, unless most of it would lie idle. */
static struct base_pages_block *find_kept(struct base_pages *pool, size_t size)
{
    struct base_pages_block *best = NULL;
    for (size_t i = 0; i < pool->n; i++) {
        struct base_pages_block *b = &pool->block[i];
        if (!b->used && b->size >= size && b->size / 2 <= size && (!best || b->size < best->size))
            best = b;
    }
    return best;
}

/* An entry for one more block, if need be in place of a kept one; NULL when all are in use. */
static struct base_pages_block *find_entry(struct base_pages *pool)
{
    for (size_t i = 0; i < pool->n && pool->n == BASE_PAGES_BLOCKS; i++)
        if (!pool->block[i].used) {
            free(pool->block[i].p);
            forget(pool, &pool->block[i]);
        }
    return pool->n < BASE_PAGES_BLOCKS ? &pool->block[pool->n] : NULL;
}

void *base_pages_take(struct base_pages *pool, size_t n)
{
    if (!pool || !is_large(n, pool->grain))
        return alloc(n);
    size_t size = whole_pages(n, pool->grain);
    struct base_pages_block *b = find_kept(pool, size);
    if (b) {
        b->used = true;
        pool->kept -= b->size;
        return b->p;
    }
    void *p = pool->grain ? malloc(size) : alloc(n);
    b = p ? find_entry(pool) : NULL;
    if (b) {
        *b = (struct base_pages_block){.p = p, .size = size, .used = true};
        pool->n++;
    }
    return p;
}

void base_pages_give(struct base_pages *pool, void *p)
{
    struct base_pages_block *b = NULL;
    for (size_t i = 0; p && pool && i < pool->n && !b; i++)
        if (pool->block[i].p == p)
            b = &pool->block[i];
    assert(!b || b->used); /* it is given back once */
    if (b && b->size <= pool->most && pool->kept <= pool->most - b->size) {
        b->used = false;
        pool->kept += b->size;
        return;
    }
    if (b)
        forget(pool, b);
    free(p);
}

void base_pages_drop(struct base_pages *pool)
{
    for (size_t i = pool->n; i-- > 0;)
        if (!pool->block[i].used) {
            free(pool->block[i].p);
            forget(pool, &pool->block[i]);
        }
}
