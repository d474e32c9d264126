#include "ecg/analysis/ecg_figures.h"

#include "ecg/analysis/ecg_flutter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCKS = 16, /* of a long recording that are measured */
    LEVEL = 8,   /* samples before QRS that give the level */
};
static const float WAVE_UV = 20;      /* lower ones are no Q, R or S (CSE) */
static const float WAVE_MS = 6;       /* nor shorter ones */
static const float IRREGULAR = 0.1F;  /* above, the mean interval is the usual one */
static const float FLAT_WAVE_UV = 20; /* P and T waves below have no axis */

/* ---- the leads ---- */

struct leads {
    const struct ecg_lead *lead[ECG_MEAN_LEADS];
    size_t n;
    size_t one; /* index of I and II, SIZE_MAX = not there */
    size_t two;
    bool derive; /* III, aVR, aVL and aVF from them */
};

static bool is_missing(const struct ecg_lead *lead)
{
    return lead->tally.known && lead->tally.missing == lead->samples;
}

static void choose_leads(const struct ecg_record *r, const struct ecg_lead *only, struct leads *l)
{
    *l = (struct leads){.one = SIZE_MAX, .two = SIZE_MAX};
    for (size_t i = 0; i < r->nleads && l->n < ECG_MEAN_LEADS; i++)
        if (ecg_window_can(&r->leads[i]) && (!only || only == &r->leads[i])) {
            bool is_there = !is_missing(&r->leads[i]);
            l->one = is_there && r->leads[i].id == ECG_LEAD_I ? l->n : l->one;
            l->two = is_there && r->leads[i].id == ECG_LEAD_II ? l->n : l->two;
            l->lead[l->n++] = &r->leads[i];
        }
    l->derive = l->one != SIZE_MAX && l->two != SIZE_MAX && l->n + ECG_LEAD_SUMS <= ECG_MEAN_LEADS;
    for (int i = 0; i < ECG_LEAD_SUMS; i++)
        l->derive = l->derive && !ecg_record_lead(r, ECG_LEAD_III + i);
}

/* Of the means as of the leads: ecg_derive.h. */
static void derive_in(float (*x)[ECG_WINDOW], size_t n, size_t one, size_t two)
{
    for (int i = 0; i < ECG_WINDOW; i++) {
        float a = x[one][i], b = x[two][i];
        x[n][i] = b - a;
        x[n + 1][i] = -(a + b) / 2;
        x[n + 2][i] = a - b / 2;
        x[n + 3][i] = b - a / 2;
    }
}

static void derive(const struct leads *l, struct ecg_mean *m)
{
    if (!l->derive)
        return;
    derive_in(m->x, l->n, l->one, l->two);
    derive_in(m->half[0], l->n, l->one, l->two);
    derive_in(m->half[1], l->n, l->one, l->two);
    m->nleads = l->n + ECG_LEAD_SUMS;
}

static void name_leads(const struct leads *l, struct ecg_figures *f)
{
    f->nleads = f->mean.nleads;
    for (size_t i = 0; i < f->nleads; i++) {
        int derived = ECG_LEAD_III + (int)i - (int)l->n;
        f->lead[i].id = i < l->n ? l->lead[i]->id : derived;
        f->lead[i].name = i < l->n ? l->lead[i]->name : ecg_lead_name(derived);
    }
}

/* ---- one lead ---- */

static float level_before(const float *x, int at)
{
    float sum = 0;
    for (int i = at - LEVEL; i < at; i++)
        sum += x[i < 0 ? 0 : i];
    return sum / LEVEL;
}

static float at_sample(const float *x, int i)
{
    return x[i < 0 ? 0 : i < ECG_WINDOW ? i : ECG_WINDOW - 1];
}

/* The value farthest from the level. */
static float extreme(const float *x, int from, int to, float level)
{
    float most = 0;
    for (int i = from; i <= to; i++)
        if (fabsf(at_sample(x, i) - level) > fabsf(most))
            most = at_sample(x, i) - level;
    return most;
}

/* A part of the complex on one side of the level. */
struct lobe {
    float uv;
    float ms;
    int peak;
};

/* Of those that are a wave; up to max. */
static size_t find_lobes(const float *x, int on, int off, float level, struct lobe *out, size_t max)
{
    size_t n = 0;
    for (int i = on; i <= off && n < max;) {
        bool up = at_sample(x, i) > level;
        struct lobe l = {.peak = i};
        int from = i;
        for (; i <= off && (at_sample(x, i) > level) == up; i++)
            if (fabsf(at_sample(x, i) - level) > fabsf(l.uv)) {
                l.uv = at_sample(x, i) - level;
                l.peak = i;
            }
        l.ms = (float)(i - from) * 1000 / ECG_WINDOW_HZ;
        if (fabsf(l.uv) < WAVE_UV || l.ms < WAVE_MS)
            continue;
        if (n > 0 && (out[n - 1].uv > 0) == (l.uv > 0)) { /* over a dent that is no wave */
            out[n - 1].ms += l.ms;
            if (fabsf(l.uv) > fabsf(out[n - 1].uv)) {
                out[n - 1].uv = l.uv;
                out[n - 1].peak = l.peak;
            }
        } else {
            out[n++] = l;
        }
    }
    return n;
}

static void name_lobes(const struct lobe *l, size_t n, int on, struct ecg_figures_lead *f)
{
    f->q_uv = f->r_uv = f->s_uv = f->r2_uv = 0;
    f->q_ms = f->r_ms = f->s_ms = 0;
    f->r_peak_ms = NAN;
    for (size_t i = 0; i < n; i++) {
        if (l[i].uv > 0 && f->r_uv <= 0) {
            f->r_uv = l[i].uv;
            f->r_ms = l[i].ms;
            f->r_peak_ms = (float)(l[i].peak - on) * 1000 / ECG_WINDOW_HZ;
        } else if (l[i].uv > 0) {
            f->r2_uv = fmaxf(f->r2_uv, l[i].uv);
        } else if (f->r_uv <= 0 && n > 1) {
            f->q_uv = l[i].uv;
            f->q_ms = l[i].ms;
        } else if (l[i].uv < f->s_uv) { /* also of a complex that is all negative */
            f->s_uv = l[i].uv;
            f->s_ms = l[i].ms;
        }
    }
}

static void measure_lead(const float *x, const struct ecg_points *all, const struct ecg_points *own,
                         struct ecg_figures_lead *f)
{
    enum { LOBES = 8 };
    struct lobe l[LOBES];
    int on = all->at[ECG_POINT_QRS_ON], off = all->at[ECG_POINT_QRS_OFF];
    float level = level_before(x, on);
    name_lobes(l, find_lobes(x, on, off, level, l, LOBES), on, f);
    float low = 0, high = 0;
    for (int i = on; i <= off; i++) {
        low = fminf(low, at_sample(x, i) - level);
        high = fmaxf(high, at_sample(x, i) - level);
    }
    f->qrs_range_uv = high - low;
    for (int i = 0; i < ECG_FIGURES_ST; i++)
        f->st_uv[i] = at_sample(x, off + ecg_window_ms(20 * i)) - level;
    f->p_uv = NAN;
    if (own->at[ECG_POINT_P_ON] != ECG_POINT_NONE) {
        int p_on = all->at[ECG_POINT_P_ON];
        f->p_uv = extreme(x, p_on, all->at[ECG_POINT_P_OFF], level_before(x, p_on));
    }
    f->t_uv = NAN;
    if (own->at[ECG_POINT_T_OFF] != ECG_POINT_NONE)
        f->t_uv = extreme(x, own->at[ECG_POINT_T_ON] > off ? own->at[ECG_POINT_T_ON] : off,
                          own->at[ECG_POINT_T_OFF], level);
}

/* ---- axes ---- */

static float area(const float *x, int from, int to, float level)
{
    float sum = 0;
    for (int i = from; i <= to; i++)
        sum += at_sample(x, i) - level;
    return sum;
}

/* An electrode gives noise. */
static bool is_one_value(const struct ecg_figures *f, size_t lead)
{
    return f->lead[lead].qrs_range_uv < 1;
}

/* From the areas in I and aVF = II - I / 2, whose lead vector is shorter by the square root
 * of 3 over 2. */
static float axis(const struct ecg_figures *f, const struct leads *l, int from, int to,
                  int level_at, float least_uv)
{
    if (l->one == SIZE_MAX || l->two == SIZE_MAX || from == ECG_POINT_NONE ||
        to == ECG_POINT_NONE || to <= from || is_one_value(f, l->one) || is_one_value(f, l->two))
        return NAN;
    const float *one = f->mean.x[l->one], *two = f->mean.x[l->two];
    float a = area(one, from, to, level_before(one, level_at));
    float b = area(two, from, to, level_before(two, level_at));
    float x = a, y = (b - a / 2) * 2 / sqrtf(3);
    if (hypotf(x, y) < least_uv * (float)(to - from) / 4)
        return NAN;
    return atan2f(y, x) * 180 / (float)M_PI;
}

struct ecg_figures_lead ecg_figures_none(int id, const char *name)
{
    const float none = NAN;
    return (struct ecg_figures_lead){.id = id,
                                     .name = name,
                                     .p_uv = none,
                                     .q_uv = none,
                                     .r_uv = none,
                                     .s_uv = none,
                                     .r2_uv = none,
                                     .t_uv = none,
                                     .q_ms = none,
                                     .r_ms = none,
                                     .s_ms = none,
                                     .r_peak_ms = none,
                                     .st_uv = {none, none, none, none, none}};
}

static void measure_leads(const struct leads *l, struct ecg_figures *f)
{
    for (size_t k = 0; k < f->nleads; k++)
        if (k < l->n && is_missing(l->lead[k]))
            f->lead[k] = ecg_figures_none(f->lead[k].id, f->lead[k].name);
        else
            measure_lead(f->mean.x[k], &f->waves.all, &f->waves.lead[k], &f->lead[k]);
}

static void measure_axes(const struct leads *l, struct ecg_figures *f)
{
    const int *at = f->waves.all.at;
    int on = at[ECG_POINT_QRS_ON], off = at[ECG_POINT_QRS_OFF];
    f->p_axis_deg =
        axis(f, l, at[ECG_POINT_P_ON], at[ECG_POINT_P_OFF], at[ECG_POINT_P_ON], FLAT_WAVE_UV);
    f->qrs_axis_deg = axis(f, l, on, off, on, 0);
    f->t_axis_deg = axis(f, l, off, at[ECG_POINT_T_OFF], on, FLAT_WAVE_UV);
}

/* ---- intervals ---- */

struct intervals {
    size_t beats; /* that they are the means of */
    float p_ms;
    float pr_ms;
    float qrs_ms;
    float qt_ms;
};

static float between(const struct ecg_points *p, enum ecg_point from, enum ecg_point to)
{
    return p->at[from] == ECG_POINT_NONE || p->at[to] == ECG_POINT_NONE
               ? NAN
               : (float)(p->at[to] - p->at[from]) * 1000 / ECG_WINDOW_HZ;
}

static struct intervals intervals_of(const struct ecg_points *p)
{
    return (struct intervals){.p_ms = between(p, ECG_POINT_P_ON, ECG_POINT_P_OFF),
                              .pr_ms = between(p, ECG_POINT_P_ON, ECG_POINT_QRS_ON),
                              .qrs_ms = between(p, ECG_POINT_QRS_ON, ECG_POINT_QRS_OFF),
                              .qt_ms = between(p, ECG_POINT_QRS_ON, ECG_POINT_T_OFF)};
}

/* The middle of those that are there, each of which counts by its beats, or the mean of the two
 * that it lies between. NAN when too few beats have one; in an even rhythm one of two blocks is
 * enough, however short, in others a wave stands before one beat or two by chance. */
static float middle(const struct intervals *v, size_t n, size_t offset, bool is_even)
{
    struct {
        float ms;
        size_t beats;
    } there[BLOCKS];
    size_t m = 0, all = 0, with = 0;
    for (size_t i = 0; i < n; i++) {
        float ms;
        memcpy(&ms, (const char *)&v[i] + offset, sizeof ms);
        all += v[i].beats;
        if (isnan(ms))
            continue;
        size_t k = m++;
        for (; k > 0 && there[k - 1].ms > ms; k--)
            there[k] = there[k - 1];
        there[k].ms = ms;
        with += there[k].beats = v[i].beats;
    }
    if (with == 0 || (with * 3 < all && !(is_even && n == 2)))
        return NAN;
    size_t k = 0, up_to = there[0].beats;
    while (up_to * 2 < with)
        up_to += there[++k].beats;
    return up_to * 2 == with ? (there[k].ms + there[k + 1].ms) / 2 : there[k].ms;
}

/* QT for a rate of 60: Bazett 1920, Fridericia 1920, Framingham (Sagie 1992), Hodges 1983. */
static void correct_qt(struct ecg_figures *f)
{
    float rr_s = f->rr_ms / 1000;
    f->qtc_bazett_ms = f->qt_ms / sqrtf(rr_s);
    f->qtc_fridericia_ms = f->qt_ms / cbrtf(rr_s);
    f->qtc_framingham_ms = f->qt_ms + 154 * (1 - rr_s);
    f->qtc_hodges_ms = f->qt_ms + 1.75F * (60 / rr_s - 60);
}

/* ---- the recording ---- */

/* Members of the usual shape, and not early. */
static size_t usual_beats(const struct ecg_block *k, bool *member)
{
    size_t n = 0;
    for (size_t i = 0; i < k->n; i++) {
        const struct ecg_beat *beat = &k->beats->beat[k->first + i];
        member[i] = beat->shape == k->beats->dominant && beat->code != ECG_CODE_ATRIAL_PREMATURE;
        n += member[i];
    }
    return n;
}

/* The blocks of a recording, of a long one so many spread over it; the one with most usual
 * beats stays in out, *first is its first beat. */
static size_t measure_blocks(const struct leads *l, const struct ecg_beats *b,
                             struct ecg_figures *out, struct ecg_figures *scratch,
                             struct intervals *v, size_t *first)
{
    size_t n = 0;
    bool is_long = b->n > (size_t)BLOCKS * ECG_MEAN_BEATS;
    struct ecg_block k;
    for (size_t at = 0; at < b->n && n < BLOCKS; at = is_long ? n * b->n / BLOCKS : at + k.n) {
        bool member[ECG_MEAN_BEATS];
        ecg_block_init(&k, l->lead, l->n, b, at);
        v[n++] = (struct intervals){0, NAN, NAN, NAN, NAN};
        if (usual_beats(&k, member) == 0)
            continue;
        ecg_mean_take(&k, member, &scratch->mean);
        derive(l, &scratch->mean);
        ecg_mean_find_silent(&scratch->mean);
        ecg_delineate(&scratch->mean, &scratch->waves);
        v[n - 1] = intervals_of(&scratch->waves.all);
        v[n - 1].beats = scratch->mean.beats;
        if (scratch->mean.beats > out->in_mean) {
            out->mean = scratch->mean;
            out->waves = scratch->waves;
            out->in_mean = out->mean.beats;
            *first = at;
        }
    }
    return n;
}

void ecg_figures_forget_p(struct ecg_figures *f)
{
    struct ecg_points *all = &f->waves.all;
    f->p_ms = f->pr_ms = f->p_axis_deg = NAN;
    all->at[ECG_POINT_P_ON] = all->at[ECG_POINT_P_PEAK] = all->at[ECG_POINT_P_OFF] = ECG_POINT_NONE;
    for (size_t k = 0; k < f->mean.nleads; k++)
        f->waves.lead[k].at[ECG_POINT_P_ON] = f->waves.lead[k].at[ECG_POINT_P_PEAK] =
            f->waves.lead[k].at[ECG_POINT_P_OFF] = ECG_POINT_NONE;
    for (size_t k = 0; k < f->nleads; k++)
        f->lead[k].p_uv = NAN;
}

static void set_nothing(struct ecg_figures *f)
{
    f->rr_ms = f->p_ms = f->pr_ms = f->qrs_ms = f->qt_ms = NAN;
    f->p_axis_deg = f->qrs_axis_deg = f->t_axis_deg = f->p_likeness = f->flutter_bpm = NAN;
    f->flutter_likeness = NAN;
    correct_qt(f);
}

enum base_err ecg_figures_measure(const struct ecg_record *r, const struct ecg_lead *only,
                                  const struct ecg_beats *b, struct ecg_figures *out,
                                  struct base_error *err)
{
    struct leads l;
    struct intervals v[BLOCKS];
    size_t first = 0;
    choose_leads(r, only, &l);
    if (l.n == 0)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "there is no ECG lead with samples at 50 Hz to 20 kHz to measure on");
    struct ecg_figures *scratch = malloc(sizeof *scratch);
    if (!scratch)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    memset(out, 0, sizeof *out);
    enum base_err e = ecg_beats_rate(b, &out->rate);
    set_nothing(out);
    size_t n = e ? 0 : measure_blocks(&l, b, out, scratch, v, &first);
    free(scratch);
    if (e)
        return base_fail(err, e, BASE_NOPOS, "out of memory");
    if (out->in_mean == 0)
        return BASE_OK;
    name_leads(&l, out);
    out->irregular = out->mean.irregular;
    if (b->n > 1)
        out->rr_ms = (float)(out->irregular > IRREGULAR ? out->rate.rr_ms : out->rate.rr_median_ms);
    out->p_likeness = out->waves.p_likeness;
    out->p_ms = middle(v, n, offsetof(struct intervals, p_ms), out->irregular <= IRREGULAR);
    out->pr_ms = middle(v, n, offsetof(struct intervals, pr_ms), out->irregular <= IRREGULAR);
    out->qrs_ms = middle(v, n, offsetof(struct intervals, qrs_ms), out->irregular <= IRREGULAR);
    out->qt_ms = middle(v, n, offsetof(struct intervals, qt_ms), out->irregular <= IRREGULAR);
    correct_qt(out);
    if (!only)
        e = ecg_flutter_conduction(r, out, &out->flutter_conduction, &out->flutter_likeness);
    if (out->flutter_conduction)
        out->flutter_bpm = (float)(out->flutter_conduction * 60000 / out->rate.rr_median_ms);
    else if (!only && !e)
        e = ecg_flutter_find(r, b, first, out, &out->flutter_bpm);
    if (e)
        return base_fail(err, e, BASE_NOPOS, "out of memory");
    if (out->waves.flutters || !isnan(out->flutter_bpm)) {
        out->waves.flutters = true;
        ecg_figures_forget_p(out);
    }
    measure_leads(&l, out);
    measure_axes(&l, out);
    return BASE_OK;
}

const int ecg_figures_chains[ECG_FIGURES_CHAINS][8] = {
    {ECG_LEAD_V1, ECG_LEAD_V2, ECG_LEAD_V3, ECG_LEAD_V4, ECG_LEAD_V5, ECG_LEAD_V6, 0},
    {ECG_LEAD_II, ECG_LEAD_AVF, ECG_LEAD_III, 0},
    {ECG_LEAD_AVL, ECG_LEAD_I, ECG_LEAD_V5, ECG_LEAD_V6, 0}};

const struct ecg_figures_lead *ecg_figures_lead(const struct ecg_figures *f, int id)
{
    for (size_t i = 0; i < f->nleads; i++)
        if (f->lead[i].id == id)
            return &f->lead[i];
    return NULL;
}
