/*
 * From signals to QRS complexes, in steps: a feature per lead (energy in the band of
 * QRS complexes), one fused feature, weighted by how well complexes stand out in each
 * lead at that time, its peaks as candidates, and the choice of those that together
 * make the likeliest sequence of beats.
 */
#ifndef ECG_DETECT_PRIV_H
#define ECG_DETECT_PRIV_H

#include "ecg/analysis/ecg_signal.h"

/* One unit of the fused feature: the usual complex around that time has it. */
enum { ECG_FUSED_ONE = 1024 };

struct ecg_feature {
    struct base_pages *pages; /* of the signal, from which `fused` is */
    uint16_t *fused;          /* a value per sample of the grid */
    size_t segment;           /* samples for which levels and weights hold */
    size_t segments;
    uint16_t *noise;  /* per segment: what the fused feature has between complexes */
    uint8_t *weights; /* per lead and segment, 0..64: [lead * segments + segment] */
};

/* On BASE_OK the caller owns *out (ecg_feature_deinit). */
enum base_err ecg_feature_init(const struct ecg_signal *s, struct ecg_feature *out) BASE_MUST_CHECK;
void ecg_feature_deinit(struct ecg_feature *f);

struct ecg_candidate {
    size_t at;      /* peak of the fused feature, on the grid */
    float height;   /* of the fused feature; 1 = as usual */
    float likeness; /* correlation with the nearest template, -1..1; NAN = not known */
    bool is_beat;
};

struct ecg_candidates {
    struct ecg_candidate *c;
    size_t n;
};

/* Peaks of the fused feature; is_beat: those above half of the usual. *out is owned by
 * the caller (free c). */
enum base_err ecg_candidates_find(const struct ecg_signal *s, const struct ecg_feature *f,
                                  struct ecg_candidates *out) BASE_MUST_CHECK;
/* Sets is_beat of the likeliest sequence, from what is_beat says before: the usual
 * interval, and what usually follows a beat. */
enum base_err ecg_candidates_choose(const struct ecg_signal *s, const struct ecg_feature *f,
                                    struct ecg_candidates *c) BASE_MUST_CHECK;

#endif
