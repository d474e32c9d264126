#include "base/base64.h"

/* The value of each digit; -1 for any other character below 128. */
static const int8_t values[128] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62,
    -1, -1, -1, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1, -1, 0,
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
    23, 24, 25, -1, -1, -1, -1, -1, -1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
    39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
};

static int value_of(char c)
{
    return (uint8_t)c < sizeof values ? values[(uint8_t)c] : -1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Fast path: fours of digits without anything in between. Returns the characters consumed. */
static size_t take_fours(const char *s, size_t n, uint8_t *out)
{
    size_t i = 0;
    for (; n - i >= 4; i += 4, out += 3) {
        int a = value_of(s[i]);
        int b = value_of(s[i + 1]);
        int c = value_of(s[i + 2]);
        int d = value_of(s[i + 3]);
        if ((a | b | c | d) < 0)
            break;
        unsigned bits = (unsigned)a << 18 | (unsigned)b << 12 | (unsigned)c << 6 | (unsigned)d;
        out[0] = (uint8_t)(bits >> 16);
        out[1] = (uint8_t)(bits >> 8);
        out[2] = (uint8_t)bits;
    }
    return i;
}

/* Digits come in fours; the last four may end in one "=" or two. */
bool base_base64_decode(const char *s, size_t n, struct base_buf *out)
{
    uint32_t bits = 0;
    unsigned digits = 0;
    unsigned padding = 0;
    size_t most = n / 4 * 3;
    bool has_room = !(out->cap && most > out->cap - out->n) && base_buf_reserve(out, most);
    if (has_room)
        out->p[out->n] = 0;
    for (size_t i = 0; i < n; i++) {
        if (has_room && digits == 0 && padding == 0) {
            size_t taken = take_fours(s + i, n - i, out->p + out->n);
            out->n += taken / 4 * 3;
            out->p[out->n] = 0;
            i += taken;
            if (i == n)
                break;
        }
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
