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
    ECG_TRAIT_BEFORE,  /* log of the interval before over the usual one */
    ECG_TRAIT_AFTER,   /* likewise after */
    ECG_TRAIT_UNEVEN,  /* usual change from one interval to the next around, as log */
    ECG_TRAIT_UNLIKE,  /* 1 - correlation with the dominant shape */
    ECG_TRAIT_ODD,     /* log of that */
    ECG_TRAIT_SPREAD,  /* log of the duration of its slopes over the usual one */
    ECG_TRAIT_SIZE,    /* log of the sum of its slopes over the usual one */
    ECG_TRAIT_HEIGHT,  /* log of peak to peak over the usual one */
    ECG_TRAIT_FAR_QRS, /* log of how far QRS is from the usual one, in its size */
    ECG_TRAIT_FAR_T,   /* likewise ST and T */
    ECG_TRAIT_AGAINST, /* T against QRS, more than usual */
    ECG_TRAIT_OPPOSED, /* T opposite to QRS: minus the cosine between their areas in the leads */
    ECG_TRAIT_USUALLY_OPPOSED, /* likewise of the usual beat */
    ECG_TRAIT_P,               /* likeness to the usual of what comes before QRS */
    ECG_TRAIT_COUNT
};

struct ecg_traits {
    float own[ECG_TRAIT_COUNT];
    float group[ECG_TRAIT_COUNT]; /* the means of its group */
};

/* Traits of n beats at these places of the grid; n of them. Sets their shapes, and which
 * of these the usual beats have. */
enum base_err ecg_class_traits(const struct ecg_signal *s, const struct ecg_feature *f,
                               const size_t *at, size_t n, struct ecg_traits *out,
                               struct ecg_beat *beat, uint8_t *dominant) BASE_MUST_CHECK;
/* What the score of a beat is the weighted sum of. */
enum { ECG_CLASS_TERMS = 16 };
void ecg_class_terms(const struct ecg_traits *t, float out[ECG_CLASS_TERMS]);
/* Sets code, certainty and shape of n beats, and the shape of the usual ones. */
enum base_err ecg_class_find(const struct ecg_signal *s, const struct ecg_feature *f,
                             const size_t *at, size_t n, struct ecg_beat *beat,
                             uint8_t *dominant) BASE_MUST_CHECK;
/* The terms of each beat that ecg_beats_find finds in all leads, in its order; *out is owned
 * by the caller (free) in any case. For fitting the model: tests/bench/ecg_score.c. */
enum base_err ecg_beats_terms(const struct ecg_record *r, float (**out)[ECG_CLASS_TERMS], size_t *n,
                              struct base_error *err) BASE_MUST_CHECK;

#endif
