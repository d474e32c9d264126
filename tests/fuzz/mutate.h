/* Changes to the bytes of a file that find bugs in its reader: bits turned, values set to
 * extremes, pieces cut, moved and repeated, numbers in text made large. */
#ifndef MUTATE_H
#define MUTATE_H

#include <stdint.h>
#include <string.h>

static inline uint64_t mutate_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* A word or double word of an extreme, in either byte order. */
static inline void mutate_word(uint8_t *data, size_t n, size_t at, uint64_t random)
{
    static const uint32_t extremes[] = {0,      1,          0x7fff,     0x8000,
                                        0xffff, 0x7fffffff, 0x80000000, UINT32_MAX};
    uint32_t v = extremes[random % 8];
    size_t wide = random >> 8 & 1 ? 4 : 2;
    for (size_t k = 0; k < wide && at + k < n; k++)
        data[at + k] = (uint8_t)(v >> 8 * (random >> 9 & 1 ? k : wide - 1 - k));
}

/* The digits from here on become others. */
static inline void mutate_digits(uint8_t *data, size_t n, size_t at, uint64_t random)
{
    static const char digits[] = "9999999900000001";
    while (at < n && (data[at] < '0' || data[at] > '9'))
        at++;
    for (size_t k = random % 16; at < n && data[at] >= '0' && data[at] <= '9'; at++)
        data[at] = (uint8_t)digits[k++ % 16];
}

/* Returns the new length, which is never above n. */
static inline size_t mutate(uint8_t *data, size_t n, uint64_t *seed)
{
    static const uint8_t extremes[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff};
    size_t rounds = 1 + mutate_random(seed) % 4;
    for (size_t i = 0; i < rounds && n; i++) {
        size_t at = mutate_random(seed) % n;
        if (mutate_random(seed) % 2) /* most of what decides stands in front */
            at %= 4096;
        uint64_t random = mutate_random(seed);
        switch (mutate_random(seed) % 7) {
        case 0:
            data[at] ^= (uint8_t)(1U << random % 8);
            break;
        case 1:
            data[at] = extremes[random % sizeof extremes];
            break;
        case 2:
            n = random % 4 ? n : at;
            break;
        case 3: {
            size_t len = random % (n - at + 1);
            size_t to = mutate_random(seed) % (n - len + 1);
            memmove(data + to, data + at, len);
            break;
        }
        case 4:
            mutate_word(data, n, at, random);
            break;
        case 5:
            mutate_digits(data, n, at, random);
            break;
        default:
            for (size_t k = at; k < n && k < at + 4; k++)
                data[k] = (uint8_t)mutate_random(seed);
        }
    }
    return n;
}

#endif
