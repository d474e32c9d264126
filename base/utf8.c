#include "base/utf8.h"

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

void base_utf8_clean(char *s)
{
    for (size_t n = strlen(s), k; n; s += k, n -= k) {
        k = base_utf8_sequence(s, n);
        if (k == 0)
            *s = '?';
        k = k ? k : 1;
    }
}

size_t base_utf8_put(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

static uint32_t utf16_unit(struct base_bytes b, bool big_endian, size_t at)
{
    return big_endian ? base_load_be16(b.p + at) : base_load_le16(b.p + at);
}

uint32_t base_utf16_next(struct base_bytes b, bool big_endian, size_t *at)
{
    uint32_t c = utf16_unit(b, big_endian, *at);
    *at += 2;
    if (c < 0xd800 || c >= 0xe000)
        return c;
    uint32_t low = *at + 2 <= b.n ? utf16_unit(b, big_endian, *at) : 0;
    if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
        return 0xfffd;
    *at += 2;
    return 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
}
