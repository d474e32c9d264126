#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void base_buf_init(struct base_buf *b, size_t cap)
{
    *b = (struct base_buf){.cap = cap};
}

void base_buf_deinit(struct base_buf *b)
{
    free(b->p);
    *b = (struct base_buf){.cap = b->cap};
}

void base_buf_reset(struct base_buf *b)
{
    b->n = 0;
    b->err = BASE_OK;
    if (b->p)
        b->p[0] = 0;
}

uint8_t *base_buf_reserve(struct base_buf *b, size_t n)
{
    if (b->err)
        return NULL;
    assert(!b->cap || b->n <= b->cap);
    if (n > SIZE_MAX / 2 - b->n - 1 || (b->cap && n > b->cap - b->n)) {
        b->err = BASE_ELIMIT;
        return NULL;
    }
    size_t need = b->n + n + 1;
    if (need > b->size) {
        size_t size = b->size ? b->size : 64;
        while (size < need)
            size *= 2;
        uint8_t *p = realloc(b->p, size);
        if (!p) {
            b->err = BASE_ENOMEM;
            return NULL;
        }
        b->p = p;
        b->size = size;
    }
    return b->p + b->n;
}

void base_buf_add(struct base_buf *b, const void *p, size_t n)
{
    uint8_t *to = base_buf_reserve(b, n);
    if (!to)
        return;
    if (n)
        memcpy(to, p, n);
    to[n] = 0;
    b->n += n;
}

void base_buf_add_str(struct base_buf *b, const char *s)
{
    base_buf_add(b, s, strlen(s));
}

void base_buf_add_byte(struct base_buf *b, uint8_t c)
{
    base_buf_add(b, &c, 1);
}

void base_buf_add_fill(struct base_buf *b, uint8_t c, size_t n)
{
    uint8_t *to = base_buf_reserve(b, n);
    if (!to)
        return;
    memset(to, c, n);
    to[n] = 0;
    b->n += n;
}

void base_buf_add_le16(struct base_buf *b, uint16_t v)
{
    uint8_t t[2];
    base_store_le16(t, v);
    base_buf_add(b, t, sizeof t);
}

void base_buf_add_le32(struct base_buf *b, uint32_t v)
{
    uint8_t t[4];
    base_store_le32(t, v);
    base_buf_add(b, t, sizeof t);
}

void base_buf_add_be16(struct base_buf *b, uint16_t v)
{
    uint8_t t[2];
    base_store_be16(t, v);
    base_buf_add(b, t, sizeof t);
}

void base_buf_add_be32(struct base_buf *b, uint32_t v)
{
    uint8_t t[4];
    base_store_be32(t, v);
    base_buf_add(b, t, sizeof t);
}

void base_buf_printf(struct base_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->err = b->err ? b->err : BASE_EINVAL;
    } else {
        uint8_t *to = base_buf_reserve(b, (size_t)n);
        if (to) {
            vsnprintf((char *)to, (size_t)n + 1, fmt, again);
            b->n += (size_t)n;
        }
    }
    va_end(again);
}

void base_buf_consume(struct base_buf *b, size_t n)
{
    assert(n <= b->n);
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
    b->p[b->n] = 0;
}
