/*
 * How good the signal of each lead is, whatever the heart does: what a technician can mend by
 * recording again. Of long recordings the first minute is looked at.
 */
#ifndef ECG_QUALITY_H
#define ECG_QUALITY_H

#include "ecg/analysis/ecg_window.h"

enum {
    ECG_QUALITY_LEADS = 18,
    ECG_RESTING_LEADS = 8 /* a resting ECG has as many or more: of twelve, those that are no sums */
};

struct ecg_quality_lead {
    const struct ecg_lead *lead; /* borrowed */
    bool is_flat;                /* half of it or more has no signal, or is missing */
    bool
        is_still; /* flat, and one value half of the time: a recorder writes that which gets none */
    bool is_saturated; /* it rests at its highest or lowest value */
    bool has_mains;
    float flat_share;
    float saturated_share;
    float mains_uv; /* amplitude at 50 or 60 Hz */
    int mains_hz;   /* of the two the larger */
};

struct ecg_quality {
    size_t n;
    struct ecg_quality_lead lead[ECG_QUALITY_LEADS];
    double seconds;
    bool is_short; /* for a resting ECG, or of few leads for a strip of its rhythm */
};

void ecg_quality_find(const struct ecg_record *r, struct ecg_quality *out);

/* Of the lead with this number; NULL when there is none. */
const struct ecg_quality_lead *ecg_quality_lead(const struct ecg_quality *q, int id);
/* Whether what is measured in it can be relied on: it is neither flat nor saturated. */
bool ecg_quality_is_sound(const struct ecg_quality *q, int id);

#endif
