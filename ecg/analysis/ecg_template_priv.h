/*
 * Templates of complexes: the few shapes that a recording's beats have, each the
 * running mean of those that look alike. Compared lead by lead by correlation, the
 * leads weighted as for detection.
 */
#ifndef ECG_TEMPLATE_PRIV_H
#define ECG_TEMPLATE_PRIV_H

#include "ecg/analysis/ecg_beats.h"
#include "ecg/analysis/ecg_detect_priv.h"
#include "ecg/analysis/ecg_dots.h"

enum { ECG_TEMPLATE_MAX = ECG_DOTS_SPAN, ECG_TEMPLATES = ECG_SHAPES };

/* Lead by lead, so that one lead is compared with all of them at once. */
struct ecg_templates {
    const struct ecg_signal *signal;   /* borrowed */
    const struct ecg_feature *feature; /* borrowed: its weights */
    size_t span;                       /* samples of a template */
    const struct ecg_dots *dots;
    size_t n;
    int16_t t[ECG_SIGNAL_LEADS][ECG_TEMPLATES][ECG_TEMPLATE_MAX]; /* zero mean */
    float norm[ECG_SIGNAL_LEADS][ECG_TEMPLATES];                  /* 1 where all is 0 */
    size_t count[ECG_TEMPLATES];                                  /* of complexes */
    size_t last[ECG_TEMPLATES]; /* grid position of the last one */
};

/* span_ms: of the templates, about the peak of the feature. */
void ecg_templates_init(struct ecg_templates *ts, const struct ecg_signal *s,
                        const struct ecg_feature *f, double span_ms);
/* Adds the complex at this place to the template that it is alike, or to a new one.
 * Which; SIZE_MAX when too near to an end. */
size_t ecg_template_learn(struct ecg_templates *ts, size_t at);
/* The best correlation with one of the templates of at least so many complexes, -1..1,
 * NAN when there is none. shift: in samples, of where it fits best. */
float ecg_template_match(const struct ecg_templates *ts, size_t at, size_t least, size_t *which,
                         int *shift);
/* The correlation with this one, where it fits best; NAN when too near to an end. */
float ecg_template_compare(const struct ecg_templates *ts, size_t which, size_t at, int *shift);

#endif
