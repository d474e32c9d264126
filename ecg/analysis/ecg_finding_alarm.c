/* What somebody must look at at once, and what is better recorded again. */
#include "ecg/analysis/ecg_finding_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- alarms ---- */

/* A line without any beat may be a heart that stands still, or no electrode at all: without any
 * beat one lead must have a signal. So must it in a pause, if only its noise: a device that
 * gets none writes one value. */
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
        if ((c->f->rate.beats == 0 && q->is_flat) || !ecg_window_read(q->lead, at_s, LOOK, x))
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

enum { MANY_LEADS = 8 };
static const float LEAST_UV = 150; /* of the highest complex of that many leads */

/* Nothing as steep as a complex for most of the time, and of what was taken for beats hardly one is
 * like another. */
static bool is_only_noise(const struct ecg_case *c)
{
    static const float MOST = 2.0F / 3;
    const struct ecg_beats *b = c->beats;
    size_t alike = 0;
    for (size_t i = 0; i < b->n; i++)
        alike += b->beat[i].shape == b->dominant;
    return b->n > 0 && c->chaos.without >= MOST && (alike <= 1 || alike * 8 < b->n);
}

/* On twelve leads the complexes of any heart are higher in one of them; what is lower are P waves
 * that are not conducted, or noise. */
static bool is_too_low(const struct ecg_case *c, float least_uv, float *most)
{
    *most = 0;
    for (size_t i = 0; i < c->f->nleads; i++)
        *most = fmaxf(*most, c->f->lead[i].qrs_range_uv);
    return c->f->in_mean > 0 && c->quality->n >= MANY_LEADS && *most < least_uv;
}

/* By how much a mean bends within 40 ms where its complex is, over its height there: a wave of 100
 * ms by 0.7 at most, a complex of 60 ms by 1.5. */
static float bend_of(const float *x)
{
    enum { NEAR = ECG_WINDOW_HZ * 60 / 1000, REACH = ECG_WINDOW_HZ * 20 / 1000 };
    float low = INFINITY, high = -INFINITY, bend = 0;
    for (int i = ECG_WINDOW_BEFORE - NEAR; i <= ECG_WINDOW_BEFORE + NEAR; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
        bend = fmaxf(bend, fabsf(x[i - REACH] + x[i + REACH] - 2 * x[i]));
    }
    return high > low ? bend / (high - low) : 0;
}

/* Waves no higher than P waves can be, and as broad in every lead that shows them well; complexes
 * of a pacemaker may be. */
static bool are_only_p(const struct ecg_case *c)
{
    static const float P_UV = 400, P_BEND = 0.9F;
    float most;
    if (c->is_paced || !is_too_low(c, P_UV, &most))
        return false;
    for (size_t i = 0; i < c->f->nleads; i++)
        if (c->f->lead[i].qrs_range_uv > most / 3 && bend_of(c->f->mean.x[i]) >= P_BEND)
            return false;
    return true;
}

bool ecg_finding_is_noise(const struct ecg_case *c)
{
    float most;
    return is_too_low(c, LEAST_UV, &most) || is_only_noise(c) || are_only_p(c);
}

void ecg_finding_noise(struct ecg_case *c)
{
    float most;
    bool is_flat = true, is_low = is_too_low(c, LEAST_UV, &most), is_p = are_only_p(c);
    for (size_t i = 0; i < c->quality->n; i++)
        is_flat = is_flat && c->quality->lead[i].is_flat;
    if (is_low)
        ecg_finding_add(c, ECG_FINDING_RETAKE_FLAT, "QRS up to %.0f uV < %.0f", floor((double)most),
                        (double)LEAST_UV);
    else
        ecg_finding_add(c, ECG_FINDING_RETAKE_FLAT, "no QRS %s",
                        is_p ? "but waves as broad as P" : "stands out of the noise");
    /* One lead that is noisy and high is an electrode, not a heart that stands still. */
    bool is_alarm = !is_flat && (c->quality->n >= MANY_LEADS || most < LEAST_UV) &&
                    c->beats->seconds >= c->limits->pause_s;
    if ((double)c->chaos.seconds >= c->limits->vf_s)
        ecg_finding_chaos(c);
    else if (is_alarm && is_low)
        ecg_finding_add(c, ECG_FINDING_ALARM_ASYSTOLE, "%.1f s without a complex >= %.0f uV",
                        c->beats->seconds, (double)LEAST_UV);
    else if (is_alarm)
        ecg_finding_add(c, ECG_FINDING_ALARM_ASYSTOLE, "%.1f s of %s without a complex",
                        c->beats->seconds, is_p ? "waves as broad as P" : "noise");
}

/* ---- gain ---- */

/* Most of the leads that show the complexes well show them sharp, as no P wave is (1.0 at most),
 * most of the beats are alike, and they have a T wave: no noise is so, nor are spikes of a
 * pacemaker that excite nothing. */
static bool is_heart(const struct ecg_beats *b, const struct ecg_figures *f)
{
    enum { BEATS = 3 };
    static const float SHARP = 1.2F, QRS_MS = 50;
    float most = 0;
    size_t alike = 0, tall = 0, sharp = 0;
    for (size_t i = 0; i < b->n; i++)
        alike += b->beat[i].shape == b->dominant;
    for (size_t i = 0; i < f->nleads; i++)
        most = fmaxf(most, f->lead[i].qrs_range_uv);
    for (size_t i = 0; i < f->nleads; i++)
        if (f->lead[i].qrs_range_uv > most / 3) {
            tall++;
            sharp += bend_of(f->mean.x[i]) >= SHARP;
        }
    return most >= LEAST_UV && f->in_mean >= BEATS && f->rate.paced == 0 && alike * 3 >= b->n * 2 &&
           sharp * 2 > tall && f->qrs_ms >= QRS_MS && !isnan(f->qt_ms);
}

static bool is_by_amplitude(enum ecg_finding_code code)
{
    return code == ECG_FINDING_ALARM_STEMI || code == ECG_FINDING_ALARM_POTASSIUM;
}

/* What is found at another gain. */
struct at_gain {
    struct ecg_part part;
    struct ecg_quality quality;
    struct ecg_figures f;
    struct ecg_findings findings;
};

static bool look_at_gain(const struct ecg_case *c, double gain, struct at_gain *g)
{
    struct ecg_beats beats = {0};
    struct base_error err;
    ecg_part_take(c->record, 0, (double)INFINITY, &g->part);
    g->part.record.patient = c->record->patient;
    for (size_t i = 0; i < g->part.record.nleads; i++)
        g->part.leads[i].uv_per_count *= gain;
    bool ok = !ecg_beats_find(&g->part.record, NULL, &beats, &err) &&
              !ecg_figures_measure(&g->part.record, NULL, &beats, &g->f, &err) &&
              is_heart(&beats, &g->f);
    if (ok) {
        ecg_quality_find(&g->part.record, &g->quality);
        ecg_findings_make(&g->part.record, &beats, &g->f, &g->quality, c->limits, &g->findings);
        ok = !g->findings.no_complexes;
    }
    ecg_beats_deinit(&beats);
    return ok;
}

bool ecg_finding_low_gain(struct ecg_case *c)
{
    static const double USUAL_UV = 1000;
    float most;
    if (!is_too_low(c, LEAST_UV, &most) || most < 1)
        return false;
    struct at_gain *g = malloc(sizeof *g);
    bool is_gain = g && look_at_gain(c, USUAL_UV / (double)most, g);
    for (size_t i = 0; is_gain && i < g->findings.n; i++) {
        const struct ecg_finding *f = &g->findings.of[i];
        if (ecg_finding_row(f->code)->kind != ECG_FINDING_STATEMENT && !is_by_amplitude(f->code))
            ecg_finding_add(c, f->code, "%s", f->figures);
    }
    if (is_gain)
        ecg_finding_add(c, ECG_FINDING_RETAKE_GAIN, "QRS up to %.0f uV < %.0f, HR %.0f/min",
                        floor((double)most), (double)LEAST_UV, g->f.rate.hr_bpm);
    free(g);
    return is_gain;
}

/* Complexes of half of the leads are higher than those of any heart. */
static void high_gain(struct ecg_case *c)
{
    static const float MOST_UV = 5000;
    size_t high = 0;
    for (size_t i = 0; i < c->f->nleads; i++)
        high += c->f->lead[i].qrs_range_uv >= MOST_UV;
    if (high * 2 >= c->f->nleads)
        ecg_finding_add(c, ECG_FINDING_RETAKE_GAIN, "QRS >= %.0f mV in %zu of %zu leads",
                        (double)MOST_UV / 1000, high, c->f->nleads);
}

bool ecg_finding_is_false(const struct ecg_case *c)
{
    return ecg_finding_has(c, ECG_FINDING_RETAKE_ARMS) ||
           ecg_finding_has(c, ECG_FINDING_RETAKE_LEG) ||
           ecg_finding_has(c, ECG_FINDING_RETAKE_GAIN);
}

/* Polymorphic tachycardia beside beats with a long QT is torsades: AHA/ACC/HRS 2017. */
void ecg_finding_chaos(struct ecg_case *c)
{
    const struct ecg_chaos *k = &c->chaos;
    double qtc_ms = (double)ecg_chaos_qtc_ms(c->record, k);
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

static void rate_alarms(struct ecg_case *c)
{
    const struct ecg_alarm_limits *l = c->limits;
    const struct ecg_rhythm *y = &c->rhythm;
    double bpm = c->f->rate.hr_bpm;
    if ((double)y->longest_s >= l->pause_s && has_signal(c))
        ecg_finding_add(c, ECG_FINDING_ALARM_ASYSTOLE, "%.1f s without a beat >= %g",
                        (double)y->longest_s, l->pause_s);
    if (c->f->rate.beats < 2)
        return;
    if (bpm < l->brady_bpm)
        ecg_finding_add(c, ECG_FINDING_ALARM_BRADY, "HR %.0f/min < %g", bpm, l->brady_bpm);
    if ((double)y->vt_bpm >= l->vt_bpm)
        ecg_finding_add(c, ECG_FINDING_ALARM_VT, "%zu ventricular beats, %.0f/min >= %g",
                        y->vt_beats, (double)y->vt_bpm, l->vt_bpm);
    else if (bpm >= l->vt_bpm && c->f->qrs_ms >= 140 && !c->is_paced)
        ecg_finding_add(c, ECG_FINDING_ALARM_VT, "wide QRS %.0f ms, HR %.0f/min >= %g",
                        (double)c->f->qrs_ms, bpm, l->vt_bpm);
    if (y->is_af && !y->alternates && bpm >= l->af_bpm)
        ecg_finding_add(c, ECG_FINDING_ALARM_AF, "HR %.0f/min >= %g", bpm, l->af_bpm);
    else if (bpm >= l->svt_bpm && !(c->age_years < 6) && c->f->qrs_ms < 120)
        ecg_finding_add(c, ECG_FINDING_ALARM_SVT, "HR %.0f/min >= %g, QRS %.0f ms", bpm, l->svt_bpm,
                        (double)c->f->qrs_ms);
    /* Fast, broad and irregular; one short interval alone may be noise, and short ones by turns
     * T waves. */
    if (y->is_af && !y->alternates && bpm >= 120 && (double)y->shortest_ms < l->preexcited_rr_ms &&
        c->f->qrs_ms > 120)
        ecg_finding_add(c, ECG_FINDING_ALARM_PREEXCITED_AF, "RR %.0f ms < %g, QRS %.0f ms",
                        (double)y->shortest_ms, l->preexcited_rr_ms, (double)c->f->qrs_ms);
}

/* Two neighbouring leads at or over their limit at J and 40 ms later. */
static void st_alarm(struct ecg_case *c)
{
    static const int chains[][8] = {
        {ECG_LEAD_V1, ECG_LEAD_V2, ECG_LEAD_V3, ECG_LEAD_V4, ECG_LEAD_V5, ECG_LEAD_V6, 0},
        {ECG_LEAD_II, ECG_LEAD_AVF, ECG_LEAD_III, 0},
        {ECG_LEAD_AVL, ECG_LEAD_I, ECG_LEAD_V5, ECG_LEAD_V6, 0}};
    for (size_t k = 0; k < sizeof chains / sizeof *chains; k++) {
        const struct ecg_figures_lead *before = NULL;
        for (const int *id = chains[k]; *id; id++) {
            const struct ecg_figures_lead *l = ecg_finding_lead(c, *id);
            bool right = *id == ECG_LEAD_V1 || *id == ECG_LEAD_V2 || *id == ECG_LEAD_V3;
            double limit = right ? c->limits->st_chest_uv : c->limits->st_limb_uv;
            bool over = l && (double)l->st_uv[0] >= limit && (double)l->st_uv[2] >= limit;
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
    if (c->f->in_mean == 0 || c->is_paced || ecg_finding_is_false(c))
        return;
    if (!c->is_lbbb)
        st_alarm(c);
    potassium_alarm(c);
    /* f waves hide where T ends, and so do few beats. */
    double qtc = y->is_af || c->f->in_mean < QT_BEATS ? (double)NAN : ecg_finding_qtc_ms(c);
    if (qtc >= c->limits->qtc_ms && !isnan(y->r_on_t_ms))
        ecg_finding_add(c, ECG_FINDING_ALARM_QT, "QTc %.0f ms >= %g, beat after %.0f ms", qtc,
                        c->limits->qtc_ms, (double)y->r_on_t_ms);
}

/* ---- recording again ---- */

enum { NAMES = 64 };

static void add_name(char names[NAMES], const char *name)
{
    size_t n = strlen(names);
    snprintf(names + n, NAMES - n, "%s%s", n ? " " : "", name);
}

/* Half of the lead or more went with damage of the file: no electrode is to be checked. */
static bool is_lost(const struct ecg_case *c, const struct ecg_lead *lead)
{
    double all = ecg_record_seconds(c->record) * lead->rate_hz;
    size_t missing = lead->tally.known ? lead->tally.missing : 0;
    return ecg_finding_has(c, ECG_FINDING_RETAKE_DAMAGED) &&
           2 * (double)(lead->samples - missing) <= all;
}

static void quality(struct ecg_case *c)
{
    char flat[NAMES] = "", saturated[NAMES] = "", mains[NAMES] = "";
    double uv = 0;
    int hz = 0;
    for (size_t i = 0; i < c->quality->n; i++) {
        const struct ecg_quality_lead *l = &c->quality->lead[i];
        if (l->is_flat && !is_lost(c, l->lead))
            add_name(flat, l->lead->name);
        if (l->is_saturated)
            add_name(saturated, l->lead->name);
        if (l->has_mains)
            add_name(mains, l->lead->name);
        if (l->has_mains && (double)l->mains_uv > uv) {
            uv = (double)l->mains_uv;
            hz = l->mains_hz;
        }
    }
    if (flat[0])
        ecg_finding_add(c, ECG_FINDING_RETAKE_FLAT, "%s", flat);
    if (saturated[0])
        ecg_finding_add(c, ECG_FINDING_RETAKE_SATURATED, "%s", saturated);
    if (mains[0])
        ecg_finding_add(c, ECG_FINDING_RETAKE_MAINS, "%d Hz, %.0f uV: %s", hz, uv, mains);
    if (c->quality->is_short)
        ecg_finding_add(c, ECG_FINDING_RETAKE_SHORT, "%.1f s", c->quality->seconds);
}

static float net(const struct ecg_figures_lead *l)
{
    return fmaxf(l->r_uv, l->r2_uv) + fminf(l->q_uv, l->s_uv);
}

/* P and QRS are negative in I and positive in aVR, while V6 is as it should be (in
 * dextrocardia it is not): AHA/ACCF/HRS part I; Heden 1996. */
static void arms(struct ecg_case *c)
{
    const struct ecg_figures_lead *one = ecg_figures_lead(c->f, ECG_LEAD_I);
    const struct ecg_figures_lead *avr = ecg_figures_lead(c->f, ECG_LEAD_AVR);
    const struct ecg_figures_lead *v6 = ecg_figures_lead(c->f, ECG_LEAD_V6);
    const struct ecg_figures_lead *v5 = ecg_figures_lead(c->f, ECG_LEAD_V5);
    if (!one || !avr || !v5 || !v6 || !(one->p_uv < -25) || !(avr->p_uv > -25))
        return;
    if (net(one) < -100 && net(v6) > 100 && net(v5) > 100)
        ecg_finding_add(c, ECG_FINDING_RETAKE_ARMS,
                        "P %.0f and QRS %.0f uV in I, QRS %.0f uV in V6", (double)one->p_uv,
                        (double)net(one), (double)net(v6));
}

/* One of I, II, III without a signal while the other two have one: it lies between two leg
 * electrodes. */
static void leg(struct ecg_case *c)
{
    static const int ids[] = {ECG_LEAD_I, ECG_LEAD_II, ECG_LEAD_III};
    const struct ecg_figures_lead *l[3];
    for (size_t i = 0; i < 3; i++)
        if (!(l[i] = ecg_figures_lead(c->f, ids[i])))
            return;
    for (size_t i = 0; i < 3; i++) {
        const struct ecg_figures_lead *a = l[(i + 1) % 3], *b = l[(i + 2) % 3];
        bool is_there =
            l[i]->qrs_range_uv >= 1; /* electrodes give noise, what is missing does not */
        if (is_there && l[i]->qrs_range_uv < 120 && a->qrs_range_uv > 400 && b->qrs_range_uv > 400)
            ecg_finding_add(c, ECG_FINDING_RETAKE_LEG,
                            "QRS %.0f uV in %s, %.0f and %.0f in the others",
                            (double)l[i]->qrs_range_uv, l[i]->name, (double)a->qrs_range_uv,
                            (double)b->qrs_range_uv);
    }
}

enum { CHEST = 6 };

/* Correlation of two chest leads over QRS and T. */
static float likeness(const struct ecg_figures *f, size_t a, size_t b)
{
    int from = f->waves.all.at[ECG_POINT_QRS_ON];
    int to = f->waves.all.at[ECG_POINT_T_OFF];
    float ab = 0, aa = 1, bb = 1;
    for (int i = from; i < to && i < ECG_WINDOW; i += 2) {
        ab += f->mean.x[a][i] * f->mean.x[b][i];
        aa += f->mean.x[a][i] * f->mean.x[a][i];
        bb += f->mean.x[b][i] * f->mean.x[b][i];
    }
    return ab / sqrtf(aa * bb);
}

/* Neighbours resemble each other. Two leads are in the wrong order when the chain from V1 to V6
 * hangs together much better with them exchanged. */
static void chest(struct ecg_case *c)
{
    static const float BETTER = 0.5F;
    size_t at[CHEST];
    float best = 0, now = 0;
    size_t worst = 0;
    for (size_t i = 0; i < CHEST; i++) {
        const struct ecg_figures_lead *l = ecg_finding_lead(c, ECG_LEAD_V1 + (int)i);
        if (!l || l->qrs_range_uv < 100)
            return;
        at[i] = (size_t)(l - c->f->lead);
    }
    for (size_t i = 0; i + 1 < CHEST; i++)
        now += likeness(c->f, at[i], at[i + 1]);
    for (size_t i = 0; i + 1 < CHEST; i++) {
        size_t order[CHEST];
        float sum = 0;
        memcpy(order, at, sizeof at);
        order[i] = at[i + 1];
        order[i + 1] = at[i];
        for (size_t k = 0; k + 1 < CHEST; k++)
            sum += likeness(c->f, order[k], order[k + 1]);
        if (sum - now > best) {
            best = sum - now;
            worst = i;
        }
    }
    if (best > BETTER)
        ecg_finding_add(c, ECG_FINDING_RETAKE_CHEST, "V%zu and V%zu exchanged fit better by %.2f",
                        worst + 1, worst + 2, (double)best);
}

/* What its parser could not read. */
void ecg_finding_damage(struct ecg_case *c)
{
    const struct ecg_record *r = c->record;
    const char *first = "";
    size_t n = 0;
    for (size_t i = 0; i < r->nnotes; i++)
        if (r->notes[i].is_damage && n++ == 0)
            first = r->notes[i].text;
    if (n > 1)
        ecg_finding_add(c, ECG_FINDING_RETAKE_DAMAGED, "%zu: %s", n, first);
    else if (n)
        ecg_finding_add(c, ECG_FINDING_RETAKE_DAMAGED, "%s", first);
}

void ecg_finding_retake(struct ecg_case *c)
{
    ecg_finding_damage(c);
    quality(c);
    if (c->f->in_mean == 0 || c->is_paced || c->quality->n < MANY_LEADS || c->out->no_complexes)
        return;
    high_gain(c);
    arms(c);
    leg(c);
    if (c->f->waves.all.at[ECG_POINT_T_OFF] != ECG_POINT_NONE)
        chest(c);
}
