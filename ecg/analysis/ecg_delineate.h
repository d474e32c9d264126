/*
 * Where the waves of a beat begin, have their peak and end, in each lead and over all: on a
 * mean of beats, at 2 ms. Whether there is a P wave is one question for all leads: the atria
 * contract or they do not; where it shows is another one in each lead.
 */
#ifndef ECG_DELINEATE_H
#define ECG_DELINEATE_H

#include "ecg/analysis/ecg_mean.h"

enum ecg_point {
    ECG_POINT_P_ON,
    ECG_POINT_P_PEAK,
    ECG_POINT_P_OFF,
    ECG_POINT_QRS_ON,
    ECG_POINT_QRS_PEAK,
    ECG_POINT_QRS_OFF,
    ECG_POINT_T_ON,
    ECG_POINT_T_PEAK,
    ECG_POINT_T_OFF,
    ECG_POINT_COUNT
};

/* Samples of the window; NONE = not there. */
enum { ECG_POINT_NONE = -1 };
struct ecg_points {
    int at[ECG_POINT_COUNT];
};

struct ecg_waves_of_mean {
    struct ecg_points lead[ECG_MEAN_LEADS];
    struct ecg_points all; /* earliest onsets, latest ends */
    float p_likeness;      /* of the halves' P waves, -1..1; NAN with one beat */
    float p_steady;        /* how much of what single beats have there is of each of them, 0..1 */
    float p_uv;            /* height of what may be a P wave, mean over all leads */
    bool flutters;         /* it comes again before it, alike: waves of atrial flutter */
};

/* From here on what stands before QRS is a P wave, and none of fibrillation. */
static const float ECG_P_STEADY = 0.6F;

void ecg_delineate(const struct ecg_mean *m, struct ecg_waves_of_mean *out);
/* Before what cardiologists do otherwise is allowed for. */
void ecg_delineate_by_rules(const struct ecg_mean *m, struct ecg_waves_of_mean *out);

#endif
