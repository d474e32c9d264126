/*
 * Counts what a program has allocated, in all its libraries: with sanitizers by their hooks,
 * else as malloc and the rest of its family. For one file of a program without threads.
 */
#ifndef COUNT_MEMORY_H
#define COUNT_MEMORY_H

#include <stddef.h>

static size_t memory_now;
static size_t memory_peak;

static void memory_add(size_t n)
{
    memory_now += n;
    memory_peak = memory_now > memory_peak ? memory_now : memory_peak;
}

static void memory_take(size_t n)
{
    memory_now = memory_now > n ? memory_now - n : 0;
}

#ifdef __SANITIZE_ADDRESS__
#include <stdlib.h>

/* As in sanitizer/allocator_interface.h, which only clang brings. */
extern int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *,
                                                                       size_t),
                                                     void (*on_free)(const volatile void *));
extern int __sanitizer_get_ownership(const volatile void *p);
extern size_t __sanitizer_get_allocated_size(const volatile void *p);

static void on_malloc(const volatile void *p, size_t n)
{
    (void)p;
    memory_add(n);
}

static void on_free(const volatile void *p)
{
    memory_take(p && __sanitizer_get_ownership(p) ? __sanitizer_get_allocated_size(p) : 0);
}

static void memory_count(void)
{
    if (!__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free))
        abort();
}
#else
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* glibc's own, under the names that it keeps for this. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void __libc_free(void *p);

void *malloc(size_t n)
{
    void *p = __libc_malloc(n);
    memory_add(p ? malloc_usable_size(p) : 0);
    return p;
}

void *calloc(size_t n, size_t size)
{
    void *p = __libc_calloc(n, size);
    memory_add(p ? malloc_usable_size(p) : 0);
    return p;
}

/* Old and new count together, as they may be there together. */
void *realloc(void *p, size_t n)
{
    size_t old = p ? malloc_usable_size(p) : 0;
    void *q = __libc_realloc(p, n);
    memory_add(q ? malloc_usable_size(q) : 0);
    if (q || n == 0)
        memory_take(old);
    return q;
}

void *aligned_alloc(size_t align, size_t n)
{
    void *p = __libc_memalign(align, n);
    memory_add(p ? malloc_usable_size(p) : 0);
    return p;
}

int posix_memalign(void **out, size_t align, size_t n)
{
    *out = aligned_alloc(align, n);
    return *out ? 0 : ENOMEM;
}

void free(void *p)
{
    memory_take(p ? malloc_usable_size(p) : 0);
    __libc_free(p);
}

static void memory_count(void)
{
}
#endif

#endif
