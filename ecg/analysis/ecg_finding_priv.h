/* What the makers of findings share. Private to ecg_finding*.c. */
#ifndef ECG_FINDING_PRIV_H
#define ECG_FINDING_PRIV_H

#include "ecg/analysis/ecg_atrial.h"
#include "ecg/analysis/ecg_chaos.h"
#include "ecg/analysis/ecg_finding.h"
#include "ecg/analysis/ecg_rhythm.h"

struct ecg_case {
    const struct ecg_record *record;
    const struct ecg_beats *beats;
    struct ecg_figures *f;
    const struct ecg_quality *quality;
    const struct ecg_alarm_limits *limits;
    struct ecg_rhythm rhythm;
    struct ecg_chaos chaos;
    struct ecg_atrial atrial; /* not looked for in paced rhythm */
    double age_years;         /* NAN = not stated */
    bool is_paced;
    bool is_wide_tachycardia; /* of which nobody can tell where it comes from */
    enum base_err err;        /* BASE_ENOMEM: something could not be looked for */
    struct ecg_findings *out;
};

void ecg_finding_add(struct ecg_case *c, enum ecg_finding_code code, const char *fmt, ...)
    BASE_PRINTF(3, 4);

/* NULL: the lead is not there, or not to be relied on. */
const struct ecg_figures_lead *ecg_finding_lead(const struct ecg_case *c, int id);

/* QTc (Framingham) less what a wide QRS adds to it; NAN where T waves are too flat, or the
 * rhythm too fast, for it to be told. */
double ecg_finding_qtc_ms(const struct ecg_case *c);

/* ecg_finding_shape.c */
void ecg_finding_shape(struct ecg_case *c);

/* ecg_finding_alarm.c: all alarms; and that the ventricles fibrillate, where that is known. */
void ecg_finding_alarms(struct ecg_case *c);
void ecg_finding_chaos(struct ecg_case *c);

/* Wide complexes at a rate that makes them ventricular until the contrary is shown. */
bool ecg_finding_is_fast_and_wide(const struct ecg_case *c);

/* ecg_finding_scope.c. Whether the usual beats are ventricular tachycardia. */
bool ecg_finding_is_vt(const struct ecg_case *c);
/* Takes P out of the figures where it cannot be told in this rhythm; and, at
 * the end, leaves out what has no meaning beside the rest. */
void ecg_finding_scope_p(struct ecg_case *c);
void ecg_finding_scope(struct ecg_case *c);

/* ecg_finding_retake.c: all that speaks for recording again; and of that only the damage. */
void ecg_finding_retake(struct ecg_case *c);
void ecg_finding_damage(struct ecg_case *c);

/* ecg_finding_standstill.c. The longest time of P waves without complexes, from the limit of a
 * pause on; 0 = there is none. */
float ecg_finding_only_p_s(struct ecg_case *c);

/* ecg_finding_heart.c. Whether what was taken for beats is none of a heart; ecg_finding_noise
 * says so. */
bool ecg_finding_is_noise(const struct ecg_case *c);
void ecg_finding_noise(struct ecg_case *c);
/* By how much the leads that show the complexes well bend within 40 ms, over their heights there: a
 * wave of 100 ms by 0.7, a complex of 60 ms by 1.5. Complexes: from ecg_finding_sharp on, but for
 * broad ones.
 */
float ecg_finding_bend(const struct ecg_mean *m);
extern const float ecg_finding_sharp;
/* Whether complexes that are too low for any heart are those of one at another gain; then it says
 * so, and what is an alarm at any gain. */
bool ecg_finding_low_gain(struct ecg_case *c);

#endif
