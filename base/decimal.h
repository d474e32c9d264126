/* Fast reading of common decimals: up to 15 digits, no exponent. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

/* Reads a decimal at the front of n bytes, such as "12", "+7." or "-0.25", as far as digits and one
 * point go; returns how many bytes it has, and sets *out to what strtod makes of them. 0: none, or
 * it begins with the point or has more than 15 digits, and a general reader must look. */
size_t base_decimal(const uint8_t *p, size_t n, double *out);

#endif
