/* Decimals as nearly all are written: few digits, and no exponent. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

/* A decimal at the front of n bytes, such as "12", "+7." or "-0.25": how many bytes it has, as far
 * as digits and one point go; *out is then what strtod makes of these. 0 = it begins with the
 * point, has more than 15 digits, or is none: a general reader must look. */
size_t base_decimal(const uint8_t *p, size_t n, double *out);

#endif
