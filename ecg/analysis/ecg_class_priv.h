/*
 * Classes of beats. Beats are grouped by shape; groups and beats are described by the
 * figures below, relative to what is usual of beats of the dominant shape around them, and a
 * weighted sum of them decides for or against a ventricular origin.
 */
#ifndef ECG_CLASS_PRIV_H
#define ECG_CLASS_PRIV_H

#include "ecg/analysis/ecg_beats.h"
#include "ecg/analysis/ecg_template_priv.h"

enum ecg_trait {
    ECG_TRAIT_BEFORE,       /* log of the interval before over the usual one */
    ECG_TRAIT_AFTER,        /* likewise after */
    ECG_TRAIT_UNLIKE,       /* 1 - correlation with the dominant shape */
    ECG_TRAIT_ODD,          /* log of that */
    ECG_TRAIT_SPREAD,       /* log of the duration of its slopes over the usual one */
    ECG_TRAIT_SIZE,         /* log of the sum of its slopes over the usual one */
    ECG_TRAIT_HEIGHT,       /* log of peak to peak over the usual one */
    ECG_TRAIT_GROUP_BEFORE, /* the means of its group */
    ECG_TRAIT_GROUP_UNLIKE,
    ECG_TRAIT_GROUP_ODD,
    ECG_TRAIT_GROUP_SPREAD,
    ECG_TRAIT_GROUP_HEIGHT,
    ECG_TRAIT_GROUP_SHARE, /* log of the share of beats in its group */
    ECG_TRAIT_COUNT
};

/* Traits of n beats at these places of the grid; out: n rows. Sets their shapes, and which
 * of these the usual beats have. */
enum base_err ecg_class_traits(const struct ecg_signal *s, const struct ecg_feature *f,
                               const size_t *at, size_t n, float (*out)[ECG_TRAIT_COUNT],
                               struct ecg_beat *beat, uint8_t *dominant) BASE_MUST_CHECK;
/* Sets code, certainty and shape of n beats, and the shape of the usual ones. */
enum base_err ecg_class_find(const struct ecg_signal *s, const struct ecg_feature *f,
                             const size_t *at, size_t n, struct ecg_beat *beat,
                             uint8_t *dominant) BASE_MUST_CHECK;

#endif
