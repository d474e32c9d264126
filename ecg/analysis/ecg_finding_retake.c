/*
 * What is better recorded again while the patient is there: a file that lost something, leads
 * without a good signal, electrodes in each other's place, a wrong gain.
 */
#include "ecg/analysis/ecg_finding_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* ---- what cannot be measured ---- */

enum { NAMES = 64 };

static void add_name(char names[NAMES], const char *name)
{
    size_t n = strlen(names);
    snprintf(names + n, NAMES - n, "%s%s", n ? " " : "", name);
}

/* Whether there is a lead with samples, but only at frequencies that are not measured. */
static bool is_rate_unfit(const struct ecg_record *r, const struct ecg_lead **first)
{
    *first = NULL;
    for (size_t i = 0; i < r->nleads; i++) {
        const struct ecg_lead *lead = &r->leads[i];
        if (lead->samples == 0)
            continue;
        if (lead->rate_hz >= ECG_WINDOW_LEAST_HZ && lead->rate_hz <= ECG_WINDOW_MOST_HZ)
            return false;
        *first = *first ? *first : lead;
    }
    return *first != NULL;
}

static void no_lead(struct ecg_case *c)
{
    const struct ecg_record *r = c->record;
    char others[NAMES] = "";
    for (size_t i = 0; i < r->nothers; i++)
        add_name(others, r->others[i].name);
    if (r->nothers)
        ecg_finding_add(c, ECG_FINDING_RETAKE_NO_LEAD, "%zu channels that are no ECG: %s",
                        r->nothers, others);
    else
        ecg_finding_add(c, ECG_FINDING_RETAKE_NO_LEAD, "%s",
                        r->nmedians ? "only a median beat" : "no samples");
}

void ecg_findings_unmeasured(const struct ecg_record *r, const struct base_error *why,
                             struct ecg_findings *out)
{
    struct ecg_case c = {.record = r, .out = out};
    const struct ecg_lead *unfit = NULL;
    bool has_samples = false;
    *out = (struct ecg_findings){.n = 0};
    if (r)
        ecg_finding_damage(&c);
    else if (why->code == BASE_EFORMAT)
        ecg_finding_add(&c, ECG_FINDING_RETAKE_DAMAGED, "%s", why->msg);
    for (size_t i = 0; r && i < r->nleads; i++)
        has_samples = has_samples || r->leads[i].samples > 0;
    if (r && is_rate_unfit(r, &unfit))
        ecg_finding_add(&c, ECG_FINDING_RETAKE_RATE, "%s: %.6g Hz, not %d to %d", unfit->name,
                        unfit->rate_hz, ECG_WINDOW_LEAST_HZ, ECG_WINDOW_MOST_HZ);
    else if (out->n == 0 && r && !has_samples)
        no_lead(&c);
    else if (out->n == 0)
        ecg_finding_add(&c, ECG_FINDING_RETAKE_UNMEASURED, "%s", why->msg);
}

/* ---- the signal ---- */

/* Half of the lead or more went with damage of the file: no electrode is to be checked. */
static bool is_lost(const struct ecg_case *c, const struct ecg_lead *lead)
{
    double all = ecg_record_seconds(c->record) * lead->rate_hz;
    size_t missing = lead->tally.known ? lead->tally.missing : 0;
    return ecg_findings_one(c->out, ECG_FINDING_RETAKE_DAMAGED) &&
           2 * (double)(lead->samples - missing) <= all;
}

static void quality(struct ecg_case *c)
{
    char flat[NAMES] = "", saturated[NAMES] = "", mains[NAMES] = "";
    size_t nflat = 0, nstill = 0;
    double uv = 0;
    int hz = 0;
    for (size_t i = 0; i < c->quality->n; i++) {
        const struct ecg_quality_lead *l = &c->quality->lead[i];
        if (l->is_flat && !is_lost(c, l->lead)) {
            add_name(flat, l->lead->name);
            nflat++;
            nstill += l->is_still;
        }
        if (l->is_saturated)
            add_name(saturated, l->lead->name);
        if (l->has_mains)
            add_name(mains, l->lead->name);
        if (l->has_mains && (double)l->mains_uv > uv) {
            uv = (double)l->mains_uv;
            hz = l->mains_hz;
        }
    }
    if (nflat && nflat == c->quality->n)
        ecg_finding_add(c, ECG_FINDING_RETAKE_NO_SIGNAL, "%s in %zu lead%s",
                        nstill == nflat ? "one value or none" : "under 30 uV", nflat,
                        nflat == 1 ? "" : "s");
    else if (nflat)
        ecg_finding_add(c, ECG_FINDING_RETAKE_FLAT, "%s", flat);
    if (saturated[0])
        ecg_finding_add(c, ECG_FINDING_RETAKE_SATURATED, "%s", saturated);
    if (mains[0])
        ecg_finding_add(c, ECG_FINDING_RETAKE_MAINS, "%d Hz, %.0f uV: %s", hz, uv, mains);
    if (c->quality->is_short)
        ecg_finding_add(c, ECG_FINDING_RETAKE_SHORT, "%.1f s", c->quality->seconds);
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

/* ---- electrodes ---- */

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
            l[i]->qrs_range_uv >= 1; /* an electrode gives noise; none gives one value */
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

static float chain(const struct ecg_figures *f, const size_t order[CHEST])
{
    float sum = 0;
    for (size_t k = 0; k + 1 < CHEST; k++)
        sum += likeness(f, order[k], order[k + 1]);
    return sum;
}

/* Neighbours resemble each other. Two leads are in the wrong order when the chain from V1 to V6
 * hangs together much better with them exchanged. */
static void chest(struct ecg_case *c)
{
    static const float BETTER = 0.5F;
    size_t at[CHEST], one = 0, two = 0;
    float best = 0;
    for (size_t i = 0; i < CHEST; i++) {
        const struct ecg_figures_lead *l = ecg_finding_lead(c, ECG_LEAD_V1 + (int)i);
        if (!l || l->qrs_range_uv < 100)
            return;
        at[i] = (size_t)(l - c->f->lead);
    }
    float now = chain(c->f, at);
    for (size_t i = 0; i < CHEST; i++)
        for (size_t k = i + 1; k < CHEST; k++) {
            size_t order[CHEST];
            memcpy(order, at, sizeof at);
            order[i] = at[k];
            order[k] = at[i];
            float better = chain(c->f, order) - now;
            if (better > best) {
                best = better;
                one = i;
                two = k;
            }
        }
    if (best > BETTER)
        ecg_finding_add(c, ECG_FINDING_RETAKE_CHEST, "V%zu and V%zu exchanged fit better by %.2f",
                        one + 1, two + 1, (double)best);
}

void ecg_finding_retake(struct ecg_case *c)
{
    ecg_finding_damage(c);
    quality(c);
    if (c->f->in_mean == 0 || c->quality->n < ECG_RESTING_LEADS || c->out->no_complexes)
        return;
    high_gain(c);
    if (c->is_paced) /* no electrode is told by complexes that come from elsewhere */
        return;
    arms(c);
    leg(c);
    if (c->f->waves.all.at[ECG_POINT_T_OFF] != ECG_POINT_NONE)
        chest(c);
}
