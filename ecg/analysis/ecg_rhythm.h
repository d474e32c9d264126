/* What the sequence of beats says, with the P waves of the usual ones. */
#ifndef ECG_RHYTHM_H
#define ECG_RHYTHM_H

#include "ecg/analysis/ecg_figures.h"

struct ecg_rhythm {
    float irregular_share; /* of intervals, those that differ from the one before by more than a
                            * sixteenth of the usual one */
    float af_score;        /* log odds of atrial fibrillation */
    bool is_af;
    bool is_flutter;
    bool has_p;
    bool alternates;    /* short and long intervals by turns */
    size_t v_run;       /* most ventricular beats in a row */
    float v_run_bpm;    /* rate within the fastest run of three or more; NAN = there is none */
    size_t vt_beats;    /* of the fastest run at steady intervals, and its rate; NAN as above: */
    float vt_bpm;       /* bursts of noise give intervals of any length */
    float r_on_t_ms;    /* least interval before a ventricular beat that falls on T; NAN */
    float longest_s;    /* without a beat, the ends counted too, */
    float longest_at_s; /* and where that begins */
    float shortest_ms;  /* interval */
    /* Of intervals between two beats that are neither ventricular, premature nor paced; NAN =
     * there are fewer than three, or two pairs of them. */
    float sinus_ms; /* mean */
    float sinus_min_ms;
    float sinus_max_ms;
    float sinus_irregular; /* middle change from one to the next, over the mean */
};

enum base_err ecg_rhythm_find(const struct ecg_beats *b, const struct ecg_figures *f,
                              struct ecg_rhythm *out) BASE_MUST_CHECK;

#endif
