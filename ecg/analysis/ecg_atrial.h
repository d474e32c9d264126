/*
 * P waves apart from QRS complexes: a train of like waves at a steady interval in what is left
 * of the leads once complexes and T waves are taken out of them. How it goes with the
 * complexes tells second and third degree AV block.
 */
#ifndef ECG_ATRIAL_H
#define ECG_ATRIAL_H

#include "ecg/analysis/ecg_figures.h"

/* The order is that of their weight. */
enum ecg_av_block {
    ECG_AV_NONE,
    ECG_AV_TYPE_1,     /* second degree: PR grows before the pause (Wenckebach) */
    ECG_AV_TYPE_2,     /* PR stays the same (Mobitz) */
    ECG_AV_TWO_TO_ONE, /* every other P wave has a complex */
    ECG_AV_ADVANCED,   /* two P waves in a row without one */
    ECG_AV_THIRD       /* regular P waves, regular slow complexes, nothing between them */
};

struct ecg_atrial {
    enum ecg_av_block block;
    size_t p;           /* waves of the train, */
    size_t blocked;     /* and of them without a complex */
    float atrial_bpm;   /* its rate */
    float rr_ms;        /* median of the intervals beside it */
    float pr_before_ms; /* of the beats before and after a blocked P wave; NAN */
    float pr_after_ms;
    float pr_least_ms; /* of all beats */
    float pr_most_ms;
};

/* Only where an interval of 1 s or more leaves room for a P wave without a complex. */
enum base_err ecg_atrial_find(const struct ecg_record *r, const struct ecg_beats *b,
                              struct ecg_atrial *out) BASE_MUST_CHECK;

#endif
