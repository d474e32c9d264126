#include "base/base64.h"

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Digits come in fours; the last four may end in one "=" or two. */
bool base_base64_decode(const char *s, size_t n, struct base_buf *out)
{
    uint32_t bits = 0;
    unsigned digits = 0;
    unsigned padding = 0;
    for (size_t i = 0; i < n; i++) {
        int value = value_of(s[i]);
        if (is_space(s[i]))
            continue;
        /* Behind the padding nothing follows, and one digit alone is not a byte. */
        if (value < 0 ? s[i] != '=' || digits < 2 : padding > 0)
            return false;
        padding += value < 0;
        bits = bits << 6 | (value < 0 ? 0 : (uint32_t)value);
        if (++digits < 4)
            continue;
        if (bits & (padding == 2 ? 0xFFFF : padding ? 0xFF : 0))
            return false;
        for (unsigned k = 0; k < 3 - padding; k++)
            base_buf_add_byte(out, (uint8_t)(bits >> (16 - 8 * k)));
        bits = digits = 0;
    }
    return digits == 0;
}
