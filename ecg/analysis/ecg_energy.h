/*
 * Kernels of the grid and of the feature that complexes are found by (ecg_simd.h): plain loops, of
 * which ecg_energy_loops.h has one form that the compiler makes vectors of, for each kind of
 * processor. Private to ecg/analysis.
 */
#ifndef ECG_ENERGY_H
#define ECG_ENERGY_H

#include "ecg/ecg_simd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ECG_ENERGY_SEGMENT = 640, /* samples: the grid has at most 300 Hz */
    ECG_ENERGY_WINDOW = 64,
    ECG_ENERGY_VALUES = 16 /* are looked at together */
};

/* In samples. mean, slope and window have ECG_ENERGY_WINDOW at most. */
struct ecg_energy_spans {
    size_t mean;   /* that are taken together */
    size_t slope;  /* between two such means */
    size_t window; /* over which the amounts are added up */
    size_t skip;   /* of the n that only those behind them need */
};

/* As a whole number that is far beyond any voltage at most, and far from overflow. */
static inline int32_t ecg_energy_units(float v)
{
    static const float MOST = 1 << 28;
    v = v > MOST ? MOST : v;
    return (int32_t)(v < -MOST ? -MOST : v);
}

struct ecg_energy {
    /* Sums of n pairs of samples, each less `first`, times scale. False when a sample is missing,
     * as hardly ever one is. The sums are exact. */
    bool (*pairs)(const int16_t *v, int32_t first, float scale, int32_t *out, size_t n);
    /* At each of n places, n at most ECG_ENERGY_SEGMENT + 2 ECG_ENERGY_WINDOW: the sum over the
     * window up to there of the amounts of slopes, a quarter of it, at most UINT16_MAX. x has
     * n + mean + slope samples, within ECG_SIGNAL_RANGE. out: from the place `skip` on. */
    void (*energy)(const int16_t *x, size_t n, const struct ecg_energy_spans *spans, uint16_t *out);
    /* The k-th smallest of n places, n a multiple of ECG_ENERGY_VALUES; those that hold no value
     * have UINT16_MAX, as none of the values has, of which there are more than k. */
    uint16_t (*smallest)(const uint16_t *v, size_t n, size_t k);
};

const struct ecg_energy *ecg_energy_choose(enum ecg_simd level);

#if ECG_SIMD_X86
extern const struct ecg_energy ecg_energy_avx2;
#endif

#endif
