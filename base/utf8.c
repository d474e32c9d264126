#include "base/utf8.h"

#include <stdint.h>

size_t base_utf8_sequence(const char *s, size_t n)
{
    if (n == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
        return 0;
    uint32_t c = p[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10ffff)) ||
        (c >= 0xd800 && c <= 0xdfff))
        return 0;
    return len;
}

bool base_utf8_valid(const char *s, size_t n)
{
    while (n) {
        size_t k = base_utf8_sequence(s, n);
        if (k == 0)
            return false;
        s += k;
        n -= k;
    }
    return true;
}

size_t base_utf8_cut(const char *s, size_t n, size_t most)
{
    if (n <= most)
        return n;
    while (most && ((unsigned char)s[most] & 0xc0) == 0x80)
        most--;
    return most;
}
