/*
 * The mean of a few beats of one shape in each lead: the signal that waves are measured on.
 * Noise that is not bound to the beats is so much less in it; what two halves of the beats
 * have in common tells a small wave from it.
 */
#ifndef ECG_MEAN_H
#define ECG_MEAN_H

#include "ecg/analysis/ecg_beats.h"
#include "ecg/analysis/ecg_window.h"

enum {
    ECG_MEAN_LEADS = 18,  /* twelve, right and posterior chest leads */
    ECG_MEAN_BEATS = 12,  /* of a block */
    ECG_MEAN_SPAN_S = 14, /* of a block, from its first beat to its last */
    ECG_MEAN_BOX = 10,    /* samples */
    ECG_MEAN_BOXES = ECG_WINDOW_BEFORE / ECG_MEAN_BOX
};

struct ecg_mean {
    size_t nleads;
    size_t recorded;                     /* of them, the first ones; the others are made of these */
    size_t beats;                        /* in the mean */
    size_t live;                         /* leads that are not silent, at least one */
    bool silent[ECG_MEAN_LEADS];         /* without a complex: its electrode is off */
    float x[ECG_MEAN_LEADS][ECG_WINDOW]; /* uV about the level before QRS */
    float half[2][ECG_MEAN_LEADS][ECG_WINDOW]; /* of every other beat; with beats > 1 */
    /* Of each 20 ms before the beat, the variance of its beats there; of one, its square. */
    float rest[ECG_MEAN_LEADS][ECG_MEAN_BOXES];
    int before;       /* least samples to the beat before */
    int after;        /* and to the next one */
    bool ventricular; /* of ventricular origin, most of them */
    float irregular;  /* usual change of the interval from beat to beat, over the interval */
};

/* Consecutive beats first .. first + n - 1 of a recording that are looked at together. */
struct ecg_block {
    const struct ecg_lead *const *leads;
    size_t nleads; /* up to ECG_MEAN_LEADS */
    const struct ecg_beats *beats;
    size_t first;
    size_t n;                          /* up to ECG_MEAN_BEATS */
    double fiducial_s[ECG_MEAN_BEATS]; /* aligned within each shape */
};

/* The block that begins with this beat; its n >= 1. */
void ecg_block_init(struct ecg_block *b, const struct ecg_lead *const *leads, size_t nleads,
                    const struct ecg_beats *beats, size_t first);
/* The mean of those of its beats that are members. */
void ecg_mean_take(const struct ecg_block *b, const bool *member, struct ecg_mean *out);
/* Which leads have no complex and say nothing of waves, unless none has one: done by ecg_mean_take,
 * to be done again by who adds leads to a mean. */
void ecg_mean_find_silent(struct ecg_mean *m);
/* The mean over such a box of a window. */
float ecg_mean_box(const float *x, int box);
/* The windows of its beats as they lie in means, of each lead; b->n of them. */
void ecg_block_windows(const struct ecg_block *b, float (*out)[ECG_MEAN_LEADS][ECG_WINDOW]);

#endif
