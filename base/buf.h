/*
 * A growable byte buffer with a cap. Appending past the cap or out of memory
 * sets a sticky error, so that a writer checks once, at the end. The content
 * is always followed by a NUL byte that n does not count.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bytes.h"
#include "base/err.h"

struct base_buf {
    uint8_t *p;
    size_t n;
    size_t size;
    size_t cap;        /* most bytes it may hold; 0 = no limit but memory */
    enum base_err err; /* first failure; later appends do nothing */
};

/* Zero-initialised is a valid empty buffer without a cap. */
void base_buf_init(struct base_buf *b, size_t cap);
void base_buf_deinit(struct base_buf *b);
/* Empties it, keeps the memory, clears the error. */
void base_buf_reset(struct base_buf *b);

void base_buf_add(struct base_buf *b, const void *p, size_t n);
void base_buf_add_str(struct base_buf *b, const char *s);
void base_buf_add_byte(struct base_buf *b, uint8_t c);
void base_buf_add_fill(struct base_buf *b, uint8_t c, size_t n);
void base_buf_add_le16(struct base_buf *b, uint16_t v);
void base_buf_add_le32(struct base_buf *b, uint32_t v);
void base_buf_add_be16(struct base_buf *b, uint16_t v);
void base_buf_add_be32(struct base_buf *b, uint32_t v);
void base_buf_printf(struct base_buf *b, const char *fmt, ...) BASE_PRINTF(2, 3);
/* Makes room for n more bytes and returns where they go; the caller writes and
 * then adds to b->n what it wrote. NULL (error set) when there is no room. */
uint8_t *base_buf_reserve(struct base_buf *b, size_t n);
/* Drops the first n bytes. */
void base_buf_consume(struct base_buf *b, size_t n);

static inline struct base_bytes base_buf_bytes(const struct base_buf *b)
{
    return base_bytes_of(b->p, b->n);
}

/* The content as a C string ("" when empty). Borrowed until the next append. */
static inline const char *base_buf_cstr(const struct base_buf *b)
{
    return b->p ? (const char *)b->p : "";
}

#endif
