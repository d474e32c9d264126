/* Whether the waves of a recording follow one another, so that their annotations are pairs. */
#ifndef ECG_ORDER_H
#define ECG_ORDER_H

#include "ecg/analysis/ecg_waves.h"

#include <float.h>
#include <math.h>

/* The beat of n whose first point out of order that is; n = none. */
static inline size_t ecg_out_of_order(const struct ecg_waves *w, size_t n)
{
    double last_s = -DBL_MAX;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < ECG_POINT_COUNT; k++) {
            if (w[i].at_s[k] < last_s)
                return i;
            last_s = fmax(last_s, w[i].at_s[k]); /* of what is not there, NAN, the other */
        }
    return n;
}

/* The same of the waves of a mean. */
static inline bool ecg_points_in_order(const struct ecg_points *p)
{
    int last = 0;
    for (size_t k = 0; k < ECG_POINT_COUNT; k++) {
        if (p->at[k] == ECG_POINT_NONE)
            continue;
        if (p->at[k] < last || p->at[k] >= ECG_WINDOW)
            return false;
        last = p->at[k];
    }
    return true;
}

#endif
