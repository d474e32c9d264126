/* What somebody must look at at once. */
#include "ecg/analysis/ecg_finding_priv.h"

#include <math.h>

/* A line without any beat may be a heart that stands still, or no electrode at all. The first is
 * not to be missed: where the noise of an amplifier is there in a resting ECG, whose ten
 * electrodes seldom all come off, it is looked at at once. Of fewer leads one must have a signal.
 * So must it in a pause, if only its noise: a device that gets none writes one value. */
static bool has_signal(const struct ecg_case *c)
{
    enum { LOOK = ECG_WINDOW_HZ / 2 };
    static const float NOISE_UV = 2;
    float x[LOOK];
    const struct ecg_rhythm *y = &c->rhythm;
    double at_s = (double)y->longest_at_s + (double)y->longest_s / 2;
    for (size_t i = 0; i < c->quality->n; i++) {
        const struct ecg_quality_lead *q = &c->quality->lead[i];
        float low = INFINITY, high = -INFINITY;
        bool is_none = c->quality->n < ECG_RESTING_LEADS ? q->is_flat : q->is_still;
        if ((c->f->rate.beats == 0 && is_none) || !ecg_window_read(q->lead, at_s, LOOK, x))
            continue;
        for (int k = 0; k < LOOK; k++) {
            low = fminf(low, x[k]);
            high = fmaxf(high, x[k]);
        }
        if (high - low >= NOISE_UV)
            return true;
    }
    return false;
}

/* Polymorphic tachycardia beside beats with a long QT is torsades: AHA/ACC/HRS 2017. */
void ecg_finding_chaos(struct ecg_case *c)
{
    const struct ecg_chaos *k = &c->chaos;
    float measured_ms;
    c->err = ecg_chaos_qtc_ms(c->record, k, &measured_ms);
    double qtc_ms = (double)measured_ms;
    if (qtc_ms >= c->limits->torsades_qtc_ms && k->bpm < 320)
        ecg_finding_add(c, ECG_FINDING_ALARM_TORSADES,
                        "waves %.0f/min for %.0f s, QTc beside them %.0f ms >= %g", (double)k->bpm,
                        (double)k->seconds, qtc_ms, c->limits->torsades_qtc_ms);
    else
        ecg_finding_add(c, ECG_FINDING_ALARM_VF, "waves %.0f/min, no complexes, for %.0f s >= %g",
                        (double)k->bpm, (double)k->seconds, c->limits->vf_s);
}

static void av_alarm(struct ecg_case *c)
{
    double bpm = 60000 / (double)c->atrial.rr_ms;
    if (c->atrial.block == ECG_AV_THIRD && bpm < c->limits->av_block_bpm)
        ecg_finding_add(c, ECG_FINDING_ALARM_AVB_3, "QRS %.0f/min < %g, P %.0f/min apart from them",
                        bpm, c->limits->av_block_bpm, (double)c->atrial.atrial_bpm);
}

static const float WIDE_MS = 140; /* QRS: rather of the ventricles */

bool ecg_finding_is_fast_and_wide(const struct ecg_case *c)
{
    return c->f->rate.beats > 1 && c->f->rate.hr_bpm >= c->limits->vt_bpm &&
           c->f->qrs_ms >= WIDE_MS && !c->is_paced;
}

static void rate_alarms(struct ecg_case *c)
{
    const struct ecg_alarm_limits *l = c->limits;
    const struct ecg_rhythm *y = &c->rhythm;
    double bpm = c->f->rate.hr_bpm;
    double only_p_s = (double)ecg_finding_only_p_s(c);
    if (only_p_s > 0)
        ecg_finding_add(c, ECG_FINDING_ALARM_ASYSTOLE, "%.1f s of P waves without a complex >= %g",
                        only_p_s, l->pause_s);
    else if ((double)y->longest_s >= l->pause_s && has_signal(c))
        ecg_finding_add(c, ECG_FINDING_ALARM_ASYSTOLE, "%.1f s without a beat >= %g",
                        (double)y->longest_s, l->pause_s);
    if (c->f->rate.beats < 2)
        return;
    if (bpm < l->brady_bpm)
        ecg_finding_add(c, ECG_FINDING_ALARM_BRADY, "HR %.0f/min < %g", bpm, l->brady_bpm);
    if ((double)y->vt_bpm >= l->vt_bpm)
        ecg_finding_add(c, ECG_FINDING_ALARM_VT, "%zu ventricular beats, %.0f/min >= %g",
                        y->vt_beats, (double)y->vt_bpm, l->vt_bpm);
    else if (ecg_finding_is_fast_and_wide(c))
        ecg_finding_add(c, ECG_FINDING_ALARM_VT, "wide QRS %.0f ms, HR %.0f/min >= %g",
                        (double)c->f->qrs_ms, bpm, l->vt_bpm);
    if (y->is_af && !y->alternates && bpm >= l->af_bpm)
        ecg_finding_add(c, ECG_FINDING_ALARM_AF, "HR %.0f/min >= %g", bpm, l->af_bpm);
    else if (bpm >= l->svt_bpm && !(c->age_years < 6) && c->f->qrs_ms < WIDE_MS)
        ecg_finding_add(c, ECG_FINDING_ALARM_SVT, "HR %.0f/min >= %g, QRS %.0f ms", bpm, l->svt_bpm,
                        (double)c->f->qrs_ms);
    /* Fast, broad and irregular; one short interval alone may be noise, and short ones by turns
     * T waves. */
    if (y->is_af && !y->alternates && bpm >= 120 && (double)y->shortest_ms < l->preexcited_rr_ms &&
        c->f->qrs_ms > 120)
        ecg_finding_add(c, ECG_FINDING_ALARM_PREEXCITED_AF, "RR %.0f ms < %g, QRS %.0f ms",
                        (double)y->shortest_ms, l->preexcited_rr_ms, (double)c->f->qrs_ms);
}

static bool is_upright(const struct ecg_figures_lead *l)
{
    return fmaxf(l->r_uv, l->r2_uv) + fminf(l->q_uv, l->s_uv) > 0;
}

/* Two neighbouring leads at or over their limit at J and 40 ms later. In ventricular tachycardia ST
 * goes against QRS in any case (as in LBBB: Sgarbossa 1996), so it counts where it goes with it. */
static void st_alarm(struct ecg_case *c)
{
    bool is_vt = ecg_finding_is_vt(c);
    for (size_t k = 0; k < ECG_FIGURES_CHAINS; k++) {
        const struct ecg_figures_lead *before = NULL;
        for (const int *id = ecg_figures_chains[k]; *id; id++) {
            const struct ecg_figures_lead *l = ecg_finding_lead(c, *id);
            bool right = *id == ECG_LEAD_V1 || *id == ECG_LEAD_V2 || *id == ECG_LEAD_V3;
            double limit = right ? c->limits->st_chest_uv : c->limits->st_limb_uv;
            bool over = l && (double)l->st_uv[0] >= limit && (double)l->st_uv[2] >= limit;
            over = over && (!is_vt || is_upright(l));
            if (over && before)
                ecg_finding_add(c, ECG_FINDING_ALARM_STEMI, "J %.2f mV in %s, %.2f mV in %s",
                                (double)before->st_uv[0] / 1000, before->name,
                                (double)l->st_uv[0] / 1000, l->name);
            before = over ? l : NULL;
        }
    }
}

/* Tall T waves in two chest leads, with a wide QRS or without P waves. */
static void potassium_alarm(struct ecg_case *c)
{
    static const int chest[] = {ECG_LEAD_V2, ECG_LEAD_V3, ECG_LEAD_V4, ECG_LEAD_V5};
    size_t tall = 0;
    float most = 0;
    for (size_t i = 0; i < sizeof chest / sizeof *chest; i++) {
        const struct ecg_figures_lead *l = ecg_finding_lead(c, chest[i]);
        if (!l || !((double)l->t_uv >= c->limits->t_wave_uv) || l->t_uv < fmaxf(l->r_uv, l->r2_uv))
            continue;
        tall++;
        most = fmaxf(most, l->t_uv);
    }
    if (tall >= 2 && !c->rhythm.is_af && (c->f->qrs_ms >= 120 || !c->rhythm.has_p))
        ecg_finding_add(c, ECG_FINDING_ALARM_POTASSIUM, "T %.1f mV, QRS %.0f ms, %s",
                        (double)most / 1000, (double)c->f->qrs_ms, c->rhythm.has_p ? "P" : "no P");
}

void ecg_finding_alarms(struct ecg_case *c)
{
    enum { QT_BEATS = 3 };
    const struct ecg_rhythm *y = &c->rhythm;
    rate_alarms(c);
    av_alarm(c);
    if ((double)c->chaos.seconds >= c->limits->vf_s)
        ecg_finding_chaos(c);
    if (c->f->in_mean == 0)
        return;
    st_alarm(c);
    potassium_alarm(c);
    /* f waves hide where T ends, and so do few beats. */
    double qtc = y->is_af || c->f->in_mean < QT_BEATS ? (double)NAN : ecg_finding_qtc_ms(c);
    if (qtc >= c->limits->qtc_ms && !isnan(y->r_on_t_ms))
        ecg_finding_add(c, ECG_FINDING_ALARM_QT, "QTc %.0f ms >= %g, beat after %.0f ms", qtc,
                        c->limits->qtc_ms, (double)y->r_on_t_ms);
}
