#include "base/base_pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

void *base_pages_alloc(size_t n)
{
    enum { LEAST = 512 << 10 };
    static const size_t HUGE_PAGE = (size_t)2 << 20;
    if (n < LEAST || n > SIZE_MAX - HUGE_PAGE)
        return malloc(n ? n : 1);
    size_t whole = (n + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    void *p = aligned_alloc(HUGE_PAGE, whole);
    if (p)
        (void)madvise(p, whole, MADV_HUGEPAGE); /* only advice: without it all works as well */
    return p;
}
