/*
 * The kernels of comparing shapes (ecg_simd.h): sums of products of a template with the signal, at
 * one place or at ECG_DOTS places in a row. All sums fit. Private to ecg/analysis.
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

struct ecg_dots {
    /* Adds n samples to as many sums. */
    void (*add)(const int16_t *x, size_t n, int32_t *sum);
    /* Of n samples, and of their squares. */
    void (*sums)(const int16_t *x, size_t n, int32_t *sum, int32_t *squares);
    /* Of t[i] x[i] over n samples, n a multiple of ECG_DOTS_VECTOR. */
    int32_t (*dot)(const int16_t *x, const int16_t *t, size_t n);
    /* Adds factor[d] / norm of the sum of t[i] x[d + i] to likeness[d], likewise. */
    void (*correlate)(const int16_t *x, const int16_t *t, size_t n, const float factor[ECG_DOTS],
                      float norm, float likeness[ECG_DOTS]);
    /* Makes t, of zero mean, the mean of `share` parts of it and one of x, within
     * ECG_SIGNAL_RANGE. Its norm. */
    float (*blend)(int16_t *t, const int16_t *x, size_t n, int32_t share);
};

const struct ecg_dots *ecg_dots_choose(enum ecg_simd level);

#if ECG_SIMD_X86
extern const struct ecg_dots ecg_dots_avx2;
#endif

#endif
