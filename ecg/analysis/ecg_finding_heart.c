/*
 * Whether what was taken for beats is a heart at all, before anything is said of it: there may be
 * noise, P waves that nothing follows, or a heart at another gain.
 */
#include "ecg/analysis/ecg_finding_priv.h"

#include <math.h>
#include <stdlib.h>

static const float LEAST_UV = 150; /* of the highest complex of a resting ECG */
const float ecg_finding_sharp = 1.12F;

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
    return c->f->in_mean > 0 && c->quality->n >= ECG_RESTING_LEADS && *most < least_uv;
}

/* By how much a lead bends within 40 ms where its complex is, and its height there. */
static float bend_of(const float *x, float *height)
{
    enum { NEAR = ECG_WINDOW_HZ * 60 / 1000, REACH = ECG_WINDOW_HZ * 20 / 1000 };
    float low = INFINITY, high = -INFINITY, bend = 0;
    for (int i = ECG_WINDOW_BEFORE - NEAR; i <= ECG_WINDOW_BEFORE + NEAR; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
        bend = fmaxf(bend, fabsf(x[i - REACH] + x[i + REACH] - 2 * x[i]));
    }
    *height = high - low;
    return bend;
}

float ecg_finding_bend(const struct ecg_mean *m)
{
    float bend[ECG_MEAN_LEADS], height[ECG_MEAN_LEADS], most = 0, bends = 0, heights = 0;
    for (size_t k = 0; k < m->nleads; k++) {
        bend[k] = bend_of(m->x[k], &height[k]);
        most = fmaxf(most, height[k]);
    }
    for (size_t k = 0; k < m->nleads; k++)
        if (height[k] > most / 3) {
            bends += bend[k];
            heights += height[k];
        }
    return heights > 0 ? bends / heights : 0;
}

/* Waves no higher than P waves can be, and as broad; complexes of a pacemaker may be. */
static bool are_only_p(const struct ecg_case *c)
{
    static const float P_UV = 400;
    float most;
    return !c->is_paced && is_too_low(c, P_UV, &most) &&
           ecg_finding_bend(&c->f->mean) < ecg_finding_sharp;
}

bool ecg_finding_is_noise(const struct ecg_case *c)
{
    float most;
    return is_too_low(c, LEAST_UV, &most) || is_only_noise(c) || are_only_p(c);
}

void ecg_finding_noise(struct ecg_case *c)
{
    float most;
    bool is_resting = c->quality->n >= ECG_RESTING_LEADS;
    bool is_still = true, is_flat = true, is_low = is_too_low(c, LEAST_UV, &most),
         is_p = are_only_p(c);
    for (size_t i = 0; i < c->quality->n; i++) {
        is_still = is_still && c->quality->lead[i].is_still;
        is_flat = is_flat && c->quality->lead[i].is_flat;
    }
    bool is_told = ecg_findings_one(c->out, ECG_FINDING_RETAKE_NO_SIGNAL) ||
                   (is_still && ecg_findings_one(c->out, ECG_FINDING_RETAKE_DAMAGED));
    if (is_low && !is_told)
        ecg_finding_add(c, ECG_FINDING_RETAKE_FLAT, "QRS up to %.0f uV < %.0f", floor((double)most),
                        (double)LEAST_UV);
    else if (!is_told)
        ecg_finding_add(c, ECG_FINDING_RETAKE_FLAT, "no QRS %s",
                        is_p ? "but waves as broad as P" : "stands out of the noise");
    /* One lead that is noisy and high is an electrode, not a heart that stands still; and of what
     * is missing for most of the time nothing is known. */
    bool is_alarm = (is_resting ? !is_still : !is_flat && most < LEAST_UV) &&
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

/* Correlation of the complexes of every other beat with those of the rest, all leads as one. */
static float halves_alike(const struct ecg_figures *f)
{
    const int *at = f->waves.all.at;
    double ab = 0, aa = 1, bb = 1;
    for (size_t k = 0; k < f->nleads; k++)
        for (int i = at[ECG_POINT_QRS_ON]; i <= at[ECG_POINT_QRS_OFF]; i++) {
            double a = (double)f->mean.half[0][k][i], b = (double)f->mean.half[1][k][i];
            ab += a * b;
            aa += a * a;
            bb += b * b;
        }
    return (float)(ab / sqrt(aa * bb));
}

/* The complexes are sharper than P waves (1.0 at most) and have a T wave, and most of the beats are
 * alike; or, where the rhythm or noise makes them differ, sharp beyond doubt and the same in two
 * halves of the usual ones. No noise is so, nor are spikes of a pacemaker that excite nothing. */
static bool is_heart(const struct ecg_beats *b, const struct ecg_figures *f)
{
    enum { BEATS = 3, BEATS_OF_HALVES = 4 };
    static const float SHARP_BEYOND_DOUBT = 1.4F, LIKENESS = 0.97F, QRS_MS = 50;
    float most = 0;
    size_t alike = 0;
    for (size_t i = 0; i < b->n; i++)
        alike += b->beat[i].shape == b->dominant;
    for (size_t i = 0; i < f->nleads; i++)
        most = fmaxf(most, f->lead[i].qrs_range_uv);
    if (most < LEAST_UV || f->in_mean < BEATS || f->rate.paced || isnan(f->qt_ms) ||
        !(f->qrs_ms >= QRS_MS))
        return false;
    float bend = ecg_finding_bend(&f->mean);
    return (alike * 3 >= b->n * 2 && bend >= ecg_finding_sharp) ||
           (f->in_mean >= BEATS_OF_HALVES && bend >= SHARP_BEYOND_DOUBT &&
            halves_alike(f) >= LIKENESS);
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

static bool look_at_gain(struct ecg_case *c, double gain, struct at_gain *g)
{
    struct ecg_beats beats = {0};
    struct base_error err;
    ecg_part_take(c->record, 0, (double)INFINITY, &g->part);
    g->part.record.patient = c->record->patient;
    for (size_t i = 0; i < g->part.record.nleads; i++)
        g->part.leads[i].uv_per_count *= gain;
    enum base_err e = ecg_beats_find(&g->part.record, NULL, &beats, &err);
    e = e ? e : ecg_figures_measure(&g->part.record, NULL, &beats, &g->f, &err);
    bool ok = !e && is_heart(&beats, &g->f);
    if (ok) {
        ecg_quality_find(&g->part.record, &g->quality);
        e = ecg_findings_make(&g->part.record, &beats, &g->f, &g->quality, c->limits, &g->findings);
        ok = !e && !g->findings.no_complexes;
    }
    ecg_beats_deinit(&beats);
    c->err = e == BASE_ENOMEM ? e : c->err;
    return ok;
}

bool ecg_finding_low_gain(struct ecg_case *c)
{
    static const double USUAL_UV = 1000;
    float most;
    if (!is_too_low(c, LEAST_UV, &most) || most < 1)
        return false;
    struct at_gain *g = malloc(sizeof *g);
    if (!g)
        c->err = BASE_ENOMEM;
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
