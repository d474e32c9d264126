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
    ECG_DOTS_VECTOR = 16, /* samples that are taken at once */
    ECG_DOTS_SPAN = 64,   /* from one template to the next */
    ECG_DOTS_GROUP = 4    /* templates that are compared at once */
};

/* Sums over a part of a beat x, about its level, and of the usual one r. */
struct ecg_dots_products {
    float x, r, xx, rr, xr;
};

struct ecg_dots {
    /* Adds n samples to as many sums. */
    void (*add)(const int16_t *x, size_t n, int32_t *sum);
    /* Of n samples, and of their squares. */
    void (*sums)(const int16_t *x, size_t n, int32_t *sum, int32_t *squares);
    /* Adds factor / norm[k] of the sum of t[k][i] x[i] over n samples to likeness[k], n a multiple
     * of ECG_DOTS_VECTOR; count: of templates, for which there is room in whole groups. */
    void (*compare)(const int16_t *x, const int16_t (*t)[ECG_DOTS_SPAN], size_t count, size_t n,
                    float factor, const float *norm, float *likeness);
    /* Adds factor[d] / norm of the sum of t[i] x[d + i] to likeness[d], likewise. */
    void (*correlate)(const int16_t *x, const int16_t *t, size_t n, const float factor[ECG_DOTS],
                      float norm, float likeness[ECG_DOTS]);
    /* Makes t, of zero mean, the mean of `share` parts of it and one of x, within
     * ECG_SIGNAL_RANGE. Its norm. */
    float (*blend)(int16_t *t, const int16_t *x, size_t n, int32_t share);
    /* Of n samples; eight sums each, of every eighth sample, and these by halves. Up to seven
     * behind the end are read. */
    void (*multiply)(const int16_t *x, float level, const float *r, size_t n,
                     struct ecg_dots_products *out);
};

const struct ecg_dots *ecg_dots_choose(enum ecg_simd level);

#if ECG_SIMD_X86
extern const struct ecg_dots ecg_dots_avx2;
#endif

#endif
