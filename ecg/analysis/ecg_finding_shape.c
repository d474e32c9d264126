/*
 * Conduction, hypertrophy, ST, Q and QT on the mean beat, for adults. Criteria: AHA/ACCF/HRS
 * parts III to VI (2009), Thygesen 2018 (fourth universal definition of myocardial infarction).
 */
#include "ecg/analysis/ecg_finding_priv.h"

#include <math.h>
#include <stdio.h>

static const int ANTERIOR[] = {ECG_LEAD_V1, ECG_LEAD_V2, ECG_LEAD_V3, ECG_LEAD_V4, 0};
static const int INFERIOR[] = {ECG_LEAD_II, ECG_LEAD_AVF, ECG_LEAD_III, 0};
static const int LATERAL[] = {ECG_LEAD_I, ECG_LEAD_AVL, ECG_LEAD_V5, ECG_LEAD_V6, 0};
static const int LIMB[] = {
    ECG_LEAD_I, ECG_LEAD_II, ECG_LEAD_III, ECG_LEAD_AVR, ECG_LEAD_AVL, ECG_LEAD_AVF, 0};

/* 0 where there is no such lead, so that no criterion is met. */
static float r_of(const struct ecg_case *c, int id)
{
    const struct ecg_figures_lead *l = ecg_finding_lead(c, id);
    return l ? fmaxf(l->r_uv, l->r2_uv) : 0;
}

static float s_of(const struct ecg_case *c, int id)
{
    const struct ecg_figures_lead *l = ecg_finding_lead(c, id);
    return l ? -fminf(l->s_uv, l->q_uv) : 0;
}

static float t_of(const struct ecg_case *c, int id)
{
    const struct ecg_figures_lead *l = ecg_finding_lead(c, id);
    return l && !isnan(l->t_uv) ? l->t_uv : 0;
}

/* ---- conduction ---- */

/* The deepest of a lead, which is Q where an r comes last. */
static float depth(const struct ecg_figures_lead *l)
{
    return -fminf(l->s_uv, l->q_uv);
}

/* Longer than R, or than 40 ms; true of a lead that is not there. */
static bool has_broad_s(const struct ecg_figures_lead *l)
{
    return !l || (l->s_uv < 0 && (l->s_ms > 40 || l->s_ms > l->r_ms));
}

/* Part III: rsR', or a broad R, in V1, and a broad S in I and V6. */
static bool is_right(const struct ecg_case *c)
{
    const struct ecg_figures_lead *v1 = ecg_finding_lead(c, ECG_LEAD_V1);
    const struct ecg_figures_lead *v6 = ecg_finding_lead(c, ECG_LEAD_V6);
    const struct ecg_figures_lead *one = ecg_finding_lead(c, ECG_LEAD_I);
    if (!v1 || (!v6 && !one))
        return false;
    bool late_r = v1->r2_uv > 100 || (v1->r_uv > depth(v1) && v1->r_peak_ms > 50);
    return late_r && has_broad_s(v6) && has_broad_s(one);
}

/* Part III: QS or rS in V1, no q in V6 and I, R late in V5 and V6. */
static bool is_left(const struct ecg_case *c)
{
    static const float R_UV = 100, R_LATE_MS = 60;
    const struct ecg_figures_lead *v1 = ecg_finding_lead(c, ECG_LEAD_V1);
    const struct ecg_figures_lead *v5 = ecg_finding_lead(c, ECG_LEAD_V5);
    const struct ecg_figures_lead *v6 = ecg_finding_lead(c, ECG_LEAD_V6);
    const struct ecg_figures_lead *one = ecg_finding_lead(c, ECG_LEAD_I);
    bool is_early = v5 && v5->r_uv > R_UV && !(v5->r_peak_ms > R_LATE_MS);
    return v1 && v6 && one && depth(v1) > 3 * fmaxf(v1->r_uv, v1->r2_uv) && v6->q_uv > -50 &&
           one->q_uv > -50 && fmaxf(v6->r_uv, one->r_uv) > 300 && v6->r_peak_ms > R_LATE_MS &&
           !is_early;
}

static void fascicles(struct ecg_case *c)
{
    const struct ecg_figures *f = c->f;
    const struct ecg_figures_lead *avl = ecg_finding_lead(c, ECG_LEAD_AVL);
    const struct ecg_figures_lead *three = ecg_finding_lead(c, ECG_LEAD_III);
    double axis = (double)f->qrs_axis_deg;
    if (!(f->qrs_ms < 120) || isnan(axis))
        return;
    if (axis <= -45 && axis >= -90 && avl && avl->q_uv < 0 && avl->r_uv > 0 && three &&
        three->r_uv < -three->s_uv)
        ecg_finding_add(c, ECG_FINDING_LAFB, "axis %.0f, qR in aVL, QRS %.0f ms", axis,
                        (double)f->qrs_ms);
    else if (axis >= 110 && three && three->q_uv < 0 && three->r_uv > 300 &&
             s_of(c, ECG_LEAD_I) > r_of(c, ECG_LEAD_I))
        ecg_finding_add(c, ECG_FINDING_LPFB, "axis %.0f, rS in I, qR in III", axis);
    else if (axis < -30 && axis >= -90)
        ecg_finding_add(c, ECG_FINDING_AXIS_LEFT, "axis %.0f < -30", axis);
    else if (axis > 90)
        ecg_finding_add(c, ECG_FINDING_AXIS_RIGHT, "axis %.0f > 90", axis);
}

static void conduction(struct ecg_case *c)
{
    double qrs = (double)c->f->qrs_ms, pr = (double)c->f->pr_ms;
    const struct ecg_figures_lead *v1 = ecg_finding_lead(c, ECG_LEAD_V1);
    bool right = is_right(c);
    /* In V1 an r and an R' apart are a late right ventricle, not an early excited one. */
    bool preexcited =
        pr < 120 && qrs > 120 && !c->atrial.block && !(right && v1->r_uv > 0 && v1->r2_uv > 100);
    if (preexcited)
        ecg_finding_add(c, ECG_FINDING_PREEXCITATION, "PR %.0f ms < 120, QRS %.0f ms > 120", pr,
                        qrs);
    if (!preexcited && qrs >= 120 && is_left(c))
        ecg_finding_add(c, ECG_FINDING_LBBB, "QRS %.0f ms >= 120, rS or QS in V1, no q in V6", qrs);
    else if (qrs >= 120 && right)
        ecg_finding_add(c, ECG_FINDING_RBBB, "QRS %.0f ms >= 120, late R in V1, broad S", qrs);
    else if (qrs >= 110 && right)
        ecg_finding_add(c, ECG_FINDING_IRBBB, "QRS %.0f ms, late R in V1, broad S", qrs);
    else if (qrs > 130 && !preexcited)
        ecg_finding_add(c, ECG_FINDING_IVCD, "QRS %.0f ms > 130", qrs);
    fascicles(c);
}

/* ---- voltage ---- */

static void voltage(struct ecg_case *c)
{
    double sokolow =
        (double)(s_of(c, ECG_LEAD_V1) + fmaxf(r_of(c, ECG_LEAD_V5), r_of(c, ECG_LEAD_V6)));
    double cornell = (double)(r_of(c, ECG_LEAD_AVL) + s_of(c, ECG_LEAD_V3));
    double cornell_limit = c->record->patient.sex == 'F' ? 2000 : 2800;
    float most = 0;
    size_t n = 0;
    if (sokolow >= 3500 && !(c->age_years < 35))
        ecg_finding_add(c, ECG_FINDING_LVH_SOKOLOW, "SV1 + RV5/6 %.1f mV >= 3.5", sokolow / 1000);
    if (cornell > cornell_limit)
        ecg_finding_add(c, ECG_FINDING_LVH_CORNELL, "RaVL + SV3 %.1f mV > %.1f", cornell / 1000,
                        cornell_limit / 1000);
    for (const int *id = LIMB; *id; id++) {
        const struct ecg_figures_lead *l = ecg_finding_lead(c, *id);
        most = l ? fmaxf(most, l->qrs_range_uv) : most;
        n += l != NULL;
    }
    if (n == 6 && most < 500)
        ecg_finding_add(c, ECG_FINDING_LOW_VOLTAGE, "QRS up to %.2f mV < 0.5 in limb leads",
                        (double)most / 1000);
}

/* Two criteria of AHA/ACCF/HRS part V or more, one of them in V1; for adults whose QRS is not
 * wide. */
static void right_ventricle(struct ecg_case *c)
{
    double r1 = (double)r_of(c, ECG_LEAD_V1), s1 = (double)s_of(c, ECG_LEAD_V1);
    double s5 = (double)s_of(c, ECG_LEAD_V5), s6 = (double)s_of(c, ECG_LEAD_V6);
    double r6 = (double)r_of(c, ECG_LEAD_V6), axis = (double)c->f->qrs_axis_deg;
    bool is_tall = r1 > 600, is_upright = r1 > s1 && r1 > 500;
    int n =
        is_tall + is_upright + (r1 + fmax(s5, s6) > 1050) + (axis > 100) + (s6 > 300 && s6 > r6);
    if (c->age_years < 16 || !(c->f->qrs_ms < 120) || !(is_tall || is_upright) || n < 2)
        return;
    char turned[24] = ""; /* few leads have no axis */
    if (!isnan(axis))
        snprintf(turned, sizeof turned, ", axis %.0f", axis);
    ecg_finding_add(c, ECG_FINDING_RVH, "RV1 %.2f, SV1 %.2f, S %.2f mV in V5/6%s", r1 / 1000,
                    s1 / 1000, fmax(s5, s6) / 1000, turned);
}

/* ---- atria ---- */

/* Depth times duration of the last part of P in V1 where that is negative; uV * ms. Macruz and
 * Morris 1964: 40 ms * 0.1 mV. */
static float terminal_force(const struct ecg_case *c)
{
    const struct ecg_figures_lead *v1 = ecg_finding_lead(c, ECG_LEAD_V1);
    const int *at = c->f->waves.all.at;
    int on = at[ECG_POINT_P_ON], off = at[ECG_POINT_P_OFF], i = off;
    float deepest = 0;
    if (!v1 || on < 4 || off == ECG_POINT_NONE)
        return 0;
    const float *x = c->f->mean.x[v1 - c->f->lead];
    float level = (x[on - 4] + x[on - 3] + x[on - 2] + x[on - 1]) / 4;
    for (; i > on && x[i] < level; i--)
        deepest = fmaxf(deepest, level - x[i]);
    return deepest * (float)(off - i) * 1000 / ECG_WINDOW_HZ;
}

static void atria(struct ecg_case *c)
{
    double force = (double)terminal_force(c) / 1000;
    const struct ecg_figures_lead *two = ecg_finding_lead(c, ECG_LEAD_II);
    const struct ecg_figures_lead *v1 = ecg_finding_lead(c, ECG_LEAD_V1);
    if (isnan(c->f->p_ms) || c->atrial.block)
        return;
    if (two && two->p_uv > 250)
        ecg_finding_add(c, ECG_FINDING_RIGHT_ATRIUM, "P %.2f mV > 0.25 in II",
                        (double)two->p_uv / 1000);
    else if (v1 && v1->p_uv > 150)
        ecg_finding_add(c, ECG_FINDING_RIGHT_ATRIUM, "P %.2f mV > 0.15 in V1",
                        (double)v1->p_uv / 1000);
    if (force >= 4 && c->f->p_ms >= 110) /* a short one that is all negative: V1 lies high */
        ecg_finding_add(c, ECG_FINDING_LEFT_ATRIUM,
                        "P %.0f ms, terminal force in V1 %.1f mV ms >= 4", (double)c->f->p_ms,
                        force);
    else if (c->f->p_ms >= 130)
        ecg_finding_add(c, ECG_FINDING_LEFT_ATRIUM, "P %.0f ms", (double)c->f->p_ms);
}

/* ---- ST and Q ---- */

/* Thygesen 2018: at J; without age or sex the higher limit. */
static float elevation_limit(const struct ecg_case *c, int id)
{
    if (id != ECG_LEAD_V2 && id != ECG_LEAD_V3)
        return 100;
    return c->record->patient.sex == 'F' ? 150 : c->age_years >= 40 ? 200 : 250;
}

/* Two neighbours of a territory that both have it; the first is returned. */
static const struct ecg_figures_lead *two_neighbours(const struct ecg_case *c, const int *ids,
                                                     bool (*has)(const struct ecg_case *,
                                                                 const struct ecg_figures_lead *))
{
    const struct ecg_figures_lead *before = NULL;
    for (; *ids; ids++) {
        const struct ecg_figures_lead *l = ecg_finding_lead(c, *ids);
        l = l && has(c, l) ? l : NULL;
        if (l && before)
            return before;
        before = l;
    }
    return NULL;
}

static bool is_elevated(const struct ecg_case *c, const struct ecg_figures_lead *l)
{
    return l->st_uv[0] >= elevation_limit(c, l->id) && l->st_uv[2] >= elevation_limit(c, l->id);
}

static bool is_depressed(const struct ecg_case *c, const struct ecg_figures_lead *l)
{
    (void)c;
    return l->st_uv[0] <= -50 && l->st_uv[3] <= -50 && l->st_uv[3] <= l->st_uv[0] + 20;
}

static bool has_old_q(const struct ecg_case *c, const struct ecg_figures_lead *l)
{
    bool is_qs = l->r_uv <= 0 && l->s_uv < -100;
    (void)c;
    if (l->id == ECG_LEAD_V1)
        return false;
    if (l->id == ECG_LEAD_V2 || l->id == ECG_LEAD_V3)
        return is_qs || (l->q_uv < -50 && l->q_ms >= 20);
    return is_qs || (l->q_uv <= -100 && l->q_ms >= 30 && -l->q_uv > l->r_uv / 4);
}

static void segments(struct ecg_case *c)
{
    static const struct {
        const int *ids;
        enum ecg_finding_code elevated;
        enum ecg_finding_code old_q;
    } places[] = {{ANTERIOR, ECG_FINDING_ST_ANTERIOR, ECG_FINDING_Q_ANTERIOR},
                  {INFERIOR, ECG_FINDING_ST_INFERIOR, ECG_FINDING_Q_INFERIOR},
                  {LATERAL, ECG_FINDING_ST_LATERAL, ECG_FINDING_Q_LATERAL}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const struct ecg_figures_lead *l = two_neighbours(c, places[i].ids, is_elevated);
        if (l)
            ecg_finding_add(c, places[i].elevated, "J %.2f mV in %s and its neighbour",
                            (double)l->st_uv[0] / 1000, l->name);
        l = two_neighbours(c, places[i].ids, has_old_q);
        if (l)
            ecg_finding_add(c, places[i].old_q, "Q %.2f mV, %.0f ms in %s and its neighbour",
                            (double)fminf(l->q_uv, l->s_uv) / 1000,
                            (double)(l->q_uv < 0 ? l->q_ms : l->s_ms), l->name);
        l = two_neighbours(c, places[i].ids, is_depressed);
        if (l)
            ecg_finding_add(c, ECG_FINDING_ST_DEPRESSION, "J %.2f mV in %s and its neighbour",
                            (double)l->st_uv[0] / 1000, l->name);
    }
}

/* ---- QT ---- */

double ecg_finding_qtc_ms(const struct ecg_case *c)
{
    double wide = fmax(0, (double)c->f->qrs_ms - 100); /* of a wide QRS the excess is no QT */
    float most = 0;
    for (size_t i = 0; i < c->f->nleads; i++)
        most = fmaxf(most, fabsf(t_of(c, c->f->lead[i].id)));
    if (most < 100 || c->f->rate.hr_bpm > 120 || c->rhythm.is_flutter)
        return (double)NAN;
    return (double)c->f->qtc_framingham_ms - (c->f->qrs_ms >= 120 ? wide : 0);
}

static void repolarisation(struct ecg_case *c)
{
    static const double SLOW_BPM = 40; /* below, what is taken off by the formula has no end */
    double limit = c->record->patient.sex == 'F' ? 460 : 450;
    double qtc = ecg_finding_qtc_ms(c);
    double whole = (double)c->f->qtc_framingham_ms, less = whole - qtc;
    if (qtc >= limit && less > 0)
        ecg_finding_add(c, ECG_FINDING_QT_LONG,
                        "QTc %.0f ms (Framingham, less %.0f of wide QRS) >= %.0f", qtc, less,
                        limit);
    else if (qtc >= limit)
        ecg_finding_add(c, ECG_FINDING_QT_LONG, "QTc %.0f ms (Framingham) >= %.0f", qtc, limit);
    else if (qtc <= 340 && whole <= 340 && c->f->rate.hr_bpm >= SLOW_BPM)
        ecg_finding_add(c, ECG_FINDING_QT_SHORT, "QTc %.0f ms (Framingham) <= 340", whole);
}

void ecg_finding_shape(struct ecg_case *c)
{
    conduction(c);
    atria(c);
    voltage(c);
    right_ventricle(c);
    segments(c);
    repolarisation(c);
}
