/*
 * A borrowed view of bytes, and unaligned loads and stores. A view never owns;
 * how long it is valid stands where it is handed out.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct base_bytes {
    const uint8_t *p;
    size_t n;
};

static inline struct base_bytes base_bytes_of(const void *p, size_t n)
{
    return (struct base_bytes){(const uint8_t *)p, n};
}

static inline struct base_bytes base_bytes_str(const char *s)
{
    return base_bytes_of(s, s ? strlen(s) : 0);
}

static inline bool base_bytes_equal(struct base_bytes a, struct base_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Is it this text? */
static inline bool base_bytes_are(struct base_bytes b, const char *s)
{
    return base_bytes_equal(b, base_bytes_str(s));
}

static inline uint16_t base_load_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t base_load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t base_load_le64(const uint8_t *p)
{
    return (uint64_t)base_load_le32(p) | (uint64_t)base_load_le32(p + 4) << 32;
}

static inline uint16_t base_load_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t base_load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static inline void base_store_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void base_store_le32(uint8_t *p, uint32_t v)
{
    base_store_le16(p, (uint16_t)v);
    base_store_le16(p + 2, (uint16_t)(v >> 16));
}

static inline void base_store_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void base_store_be32(uint8_t *p, uint32_t v)
{
    base_store_be16(p, (uint16_t)(v >> 16));
    base_store_be16(p + 2, (uint16_t)v);
}

#endif
