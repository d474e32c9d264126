/*
 * The kernel of comparing shapes (ecg_simd.h): sums of products of a template with the signal at
 * ECG_DOTS places in a row. Private to ecg/analysis.
 */
#ifndef ECG_DOTS_H
#define ECG_DOTS_H

#include "ecg/ecg_simd.h"

#include <stddef.h>
#include <stdint.h>

enum {
    ECG_DOTS = 8,
    ECG_DOTS_VECTOR = 16 /* samples that are taken at once */
};

/* out[d] = sum of t[i] x[d + i] over n samples, n a multiple of ECG_DOTS_VECTOR; the sums fit. */
typedef void ecg_dots_fn(const int16_t *x, const int16_t *t, size_t n, int32_t out[ECG_DOTS]);

ecg_dots_fn *ecg_dots_choose(enum ecg_simd level);

#if ECG_SIMD_X86
void ecg_dots_avx2(const int16_t *x, const int16_t *t, size_t n, int32_t out[ECG_DOTS]);
#endif

#endif
