#include "ecg/ecg_number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS = 9 };

/* So many digits, the last one before end. */
static void put_digits(uint8_t *end, uint32_t v, size_t n)
{
    while (n-- > 0) {
        *--end = (uint8_t)('0' + v % 10);
        v /= 10;
    }
}

static size_t digits_of(uint32_t v)
{
    size_t n = 1;
    for (; v >= 10; v /= 10)
        n++;
    return n;
}

size_t ecg_number_whole(int64_t v, uint8_t *to)
{
    static const uint64_t part = 1000000000;
    uint64_t amount = v < 0 ? -(uint64_t)v : (uint64_t)v;
    size_t n = v < 0;
    if (n)
        *to = '-';
    if (amount >= part) {
        n += ecg_number_whole((int64_t)(amount / part), to + n);
        put_digits(to + n + DIGITS, (uint32_t)(amount % part), DIGITS);
        return n + DIGITS;
    }
    size_t digits = digits_of((uint32_t)amount);
    put_digits(to + n + digits, (uint32_t)amount, digits);
    return n + digits;
}

static size_t by_printf(double v, uint8_t *to)
{
    char text[ECG_NUMBER_TEXT];
    int n = snprintf(text, sizeof text, "%.9g", v);
    memcpy(to, text, (size_t)n);
    return (size_t)n;
}

/* Nine digits of it are a whole number once it is multiplied by a power of ten, which is exact to
 * a ten millionth of the last digit. What is as near as that to the middle between two, and what
 * has an exponent, is printf's. */
size_t ecg_number_decimal(double v, uint8_t *to)
{
    static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11};
    double amount = fabs(v);
    size_t before = 1; /* digits before the point */
    size_t after = DIGITS - 1;
    if (!(amount >= 1e-3) || !(amount < 1e9))
        return by_printf(v, to);
    for (; amount >= tens[before] && after > 0; before++)
        after--;
    for (double least = 1; amount < least; least /= 10)
        after++;
    double scaled = amount * tens[after];
    uint32_t all = (uint32_t)llrint(scaled);
    if (fabs(scaled - all) > 0.4999 || all >= 1000000000)
        return by_printf(v, to);
    uint32_t unit = after < DIGITS + 1 ? (uint32_t)tens[after] : 0;
    uint32_t whole = unit ? all / unit : 0;
    uint32_t rest = all - whole * unit;
    size_t n = v < 0;
    if (n)
        *to = '-';
    n += ecg_number_whole(whole, to + n);
    if (rest == 0)
        return n;
    for (; after > 4 && rest % 10000 == 0; after -= 4)
        rest /= 10000;
    for (; rest % 10 == 0; after--)
        rest /= 10;
    to[n] = '.';
    put_digits(to + n + 1 + after, rest, after);
    return n + 1 + after;
}
