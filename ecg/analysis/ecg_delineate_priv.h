/* What the files that delineate a mean share. Private to ecg_delineate.c and ecg_p_wave.c. */
#ifndef ECG_DELINEATE_PRIV_H
#define ECG_DELINEATE_PRIV_H

#include "ecg/analysis/ecg_delineate.h"

/* Samples: either side of P's peak that are compared, and how far P is smoothed. */
enum { ECG_P_HALF = 30, ECG_P_SMOOTH = 5 };

static inline int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

/* Of the samples from .. to - 1. */
static inline float mean_of(const float *x, int from, int to)
{
    float sum = 0;
    for (int i = from; i < to; i++)
        sum += x[i];
    return sum / (float)(to - from);
}

/* x between from and to, held at the ends, smoothed over 2 h + 1 samples twice: QRS is not to reach
 * in. */
void ecg_delineate_cut(const float *x, int from, int to, int h, float *out);

/* Whether a P wave is at p, or what stands out there by chance or comes again, of a mean height
 * in uV over the leads that are not silent. s: the leads, smoothed. q_on: where QRS begins. Fills
 * p_uv, p_steady, p_likeness and flutters of *out. */
bool ecg_p_is_there(const struct ecg_mean *m, float (*s)[ECG_WINDOW], int p, int q_on, float height,
                    struct ecg_waves_of_mean *out);
bool ecg_p_is_fast_uneven(const struct ecg_mean *m);

#endif
