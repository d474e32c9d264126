/*
 * What a function does without memory: it runs as often as it allocates, and each time another
 * allocation of ours fails, alone or with all after it. The outcome is then "out of memory", or
 * what it is with memory; a sanitizer sees what would leak. Libraries that are shared have all the
 * memory that they ask for.
 */
#ifndef WITHOUT_MEMORY_H
#define WITHOUT_MEMORY_H

#include "base/buf.h"

#include <check.h>
#include <stdlib.h>

static size_t allocations_left = SIZE_MAX; /* until one fails */
static bool forever;                       /* all after it fail as well */
static bool failed;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

static bool is_refused(void)
{
    if (allocations_left == SIZE_MAX)
        return false;
    if (allocations_left > 0) {
        allocations_left--;
        return false;
    }
    failed = true;
    if (!forever)
        allocations_left = SIZE_MAX;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return is_refused() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return is_refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return is_refused() ? NULL : __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return is_refused() ? NULL : __real_aligned_alloc(align, n);
}

/* The function has ended: what follows, to see what came of it, has memory. */
static inline void memory_is_back(void)
{
    allocations_left = SIZE_MAX;
}

/* fn appends what comes of it to out. */
static inline void without_memory(const char *name,
                                  enum base_err (*fn)(const void *arg, struct base_buf *out,
                                                      struct base_error *err),
                                  const void *arg)
{
    struct base_buf whole = {0};
    struct base_error err = {0};
    ck_assert_msg(fn(arg, &whole, &err) == BASE_OK, "%s: %s", name, err.msg);
    ck_assert_uint_gt(whole.n, 0);
    failed = true;
    for (size_t n = 0; failed; n++)
        for (int k = 0; k < 2; k++) {
            struct base_buf out = {0};
            failed = false;
            forever = k == 1;
            allocations_left = n;
            enum base_err e = fn(arg, &out, &err);
            memory_is_back();
            e = e ? e : out.err;
            ck_assert_msg(e == BASE_OK || e == BASE_ENOMEM, "%s, allocation %zu: %s, %s", name, n,
                          base_err_text(e), err.msg);
            ck_assert_msg(failed || !e, "%s: %s", name, err.msg);
            ck_assert_msg(e || base_bytes_equal(base_buf_bytes(&out), base_buf_bytes(&whole)),
                          "%s, allocation %zu: something is lost, and nobody told", name, n);
            base_buf_deinit(&out);
        }
    base_buf_deinit(&whole);
}

#endif
