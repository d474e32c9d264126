#include "base/decimal.h"

#include <stdbool.h>

static size_t pass_digits(const uint8_t *p, size_t at, size_t n, uint64_t *digits)
{
    for (; at < n && p[at] >= '0' && p[at] <= '9'; at++)
        *digits = *digits * 10 + (uint64_t)(p[at] - '0');
    return at;
}

size_t base_decimal(const uint8_t *p, size_t n, double *out)
{
    /* Up to 15 digits, and powers of ten up to this, are exact doubles; so the one division rounds
     * correctly. */
    enum { EXACT = 15 };
    static const double power[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    size_t first = n && (p[0] == '-' || p[0] == '+');
    size_t most = n - first > EXACT + 2 ? first + EXACT + 2 : n;
    uint64_t digits = 0;
    size_t end = pass_digits(p, first, most, &digits);
    size_t count = end - first;
    size_t after = 0;
    if (count && end < most && p[end] == '.') {
        size_t point = end++;
        end = pass_digits(p, end, most, &digits);
        after = end - point - 1;
    }
    if (count == 0 || count + after > EXACT)
        return 0;
    double v = after ? (double)digits / power[after] : (double)digits;
    *out = p[0] == '-' ? -v : v;
    return end;
}
