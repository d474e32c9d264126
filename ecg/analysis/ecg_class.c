#include "ecg/analysis/ecg_class_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float LIKE_DOMINANT = 0.15F; /* 1 - correlation, at most */

/* ---- the classes ---- */

/* A logistic model: the score, log odds of ventricular origin, is a weighted sum of terms that
 * tests/bench/fit_ecg_class.py fits on records of the MIT-BIH database, and judges with each record
 * left out of the fit in turn (docs/ECG.md). Terms end somewhere: a beat that is quite unlike
 * the usual one is not the more ventricular the more unlike it is, and with such terms the
 * moderately unlike beats of the next patient would count for nothing. */
static const float FIXED = -4.173F;
static const float OF_TERM[ECG_CLASS_TERMS] = {-3.912F, -7.087F, -3.825F, -3.525F, -9.606F, 4.584F,
                                               -3.073F, 0.505F,  0.932F,  0.996F,  1.460F,  6.331F,
                                               3.637F,  -3.431F, 0.655F,  0.961F};
/* Log odds from which a beat is called ventricular: that of records left out of the fit 95 % are
 * found, and a false one is rather avoided. */
static const float VENTRICULAR = 0.5F;

static float within(float v, float low, float high)
{
    return v < low ? low : v > high ? high : v;
}

void ecg_class_terms(const struct ecg_traits *t, float out[ECG_CLASS_TERMS])
{
    const float *own = t->own, *group = t->group;
    float even = 1 - within(own[ECG_TRAIT_UNEVEN] * 5, 0, 1); /* else early means little */
    float early = within(group[ECG_TRAIT_BEFORE], -0.5F, 0);
    float far_t = within(group[ECG_TRAIT_FAR_T], -2, 0.2F);
    float height = within(group[ECG_TRAIT_HEIGHT], -0.6F, 0.6F);
    const float terms[ECG_CLASS_TERMS] = {within(own[ECG_TRAIT_BEFORE], -0.5F, 0),
                                          within(group[ECG_TRAIT_BEFORE], -0.25F, 0),
                                          early * even,
                                          early * (far_t + 1),
                                          early * height,
                                          within(group[ECG_TRAIT_AFTER], -0.4F, 0.4F),
                                          (own[ECG_TRAIT_P] + group[ECG_TRAIT_P]) / 2 * even,
                                          within(group[ECG_TRAIT_ODD], 0.5F, 3.3F),
                                          within(group[ECG_TRAIT_FAR_QRS], -2, 0.4F),
                                          far_t,
                                          within(group[ECG_TRAIT_AGAINST], -1, 1.2F),
                                          within(group[ECG_TRAIT_SPREAD], -0.2F, 0.4F),
                                          height,
                                          within(group[ECG_TRAIT_SIZE], -0.6F, 0.6F),
                                          own[ECG_TRAIT_OPPOSED],
                                          group[ECG_TRAIT_USUALLY_OPPOSED]};
    memcpy(out, terms, sizeof terms);
}

static float ventricular_score(const struct ecg_traits *t)
{
    float term[ECG_CLASS_TERMS];
    float score = FIXED;
    ecg_class_terms(t, term);
    for (size_t i = 0; i < ECG_CLASS_TERMS; i++)
        score += OF_TERM[i] * term[i];
    return score - VENTRICULAR;
}

/* Early by 15 %, of the dominant shape, after a beat that came on time: in an irregular
 * rhythm early beats mean nothing. */
static bool is_atrial_premature(const float *own, const float *before)
{
    return own[ECG_TRAIT_BEFORE] < -0.16F && own[ECG_TRAIT_UNLIKE] < LIKE_DOMINANT &&
           fabsf(before[ECG_TRAIT_BEFORE]) < 0.08F && before[ECG_TRAIT_UNLIKE] < LIKE_DOMINANT;
}

enum base_err ecg_class_find(const struct ecg_signal *s, const struct ecg_feature *f,
                             const size_t *at, size_t n, struct ecg_beat *beat, uint8_t *dominant)
{
    struct ecg_traits *t = calloc(n + 1, sizeof *t);
    enum base_err e = t ? ecg_class_traits(s, f, at, n, t, beat, dominant) : BASE_ENOMEM;
    for (size_t i = 0; i < n && !e; i++) {
        float score = ventricular_score(&t[i]);
        bool atrial = i > 0 && is_atrial_premature(t[i].own, t[i - 1].own);
        beat[i].code = score > 0 ? ECG_CODE_PVC
                       : atrial  ? ECG_CODE_ATRIAL_PREMATURE
                                 : ECG_CODE_NORMAL;
        beat[i].certainty = 1 / (1 + expf(-fabsf(score)));
    }
    free(t);
    return e;
}
