/*
 * Memory for arrays that are filled at once. New memory costs as much as what is done with it, page
 * by page: large arrays ask for huge pages, of which there are 500 times fewer.
 */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <stddef.h>

/* n bytes of any content, to be given to free(); NULL when out of memory. From 512 KiB on it takes
 * whole huge pages (2 MiB) where the kernel gives them on request. */
void *base_pages_alloc(size_t n);

#endif
