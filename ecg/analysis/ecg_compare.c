#include "ecg/analysis/ecg_compare.h"

#include "ecg/ecg_locale.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is held to matter: QTc by 30 ms (ICH E14),
 * ST up by 0.1 and down by 0.05 mV, T inverted by 0.1 mV, in two neighbouring leads
 * (Thygesen 2018); the rest are our choice of more than a day's variation. */
static const float RATE_BPM = 20;
static const float PR_MS = 30;
static const float QRS_MS = 20;
static const float QTC_MS = 30;
static const float AXIS_DEG = 30;
static const float ST_UP_UV = 100;
static const float ST_DOWN_UV = 50;
static const float T_UV = 100;

#define ECG_CHANGE_ROW(name, key, en, zh) {key, en, zh},
static const struct ecg_change_row rows[] = {ECG_CHANGE_MAP(ECG_CHANGE_ROW)};
#undef ECG_CHANGE_ROW

const struct ecg_change_row *ecg_change_row(enum ecg_change_code code)
{
    return &rows[code];
}

struct pair {
    const struct ecg_measured *earlier;
    const struct ecg_measured *now;
    struct ecg_changes *out;
};

BASE_PRINTF(4, 5)
static void add(struct pair *p, enum ecg_change_code code, enum ecg_finding_code finding,
                const char *fmt, ...)
{
    va_list args;
    if (p->out->n >= ECG_CHANGES)
        return;
    struct ecg_change *c = &p->out->of[p->out->n++];
    *c = (struct ecg_change){.code = code, .finding = finding};
    locale_t callers = ecg_locale_enter();
    va_start(args, fmt);
    vsnprintf(c->figures, sizeof c->figures, fmt, args);
    va_end(args);
    ecg_locale_leave(callers);
}

static bool has(const struct ecg_measured *m, enum ecg_finding_code code)
{
    return ecg_findings_one(m->findings, code) != NULL;
}

/* ---- rhythm and statements ---- */

/* Of these a recording has one at most; the rate of sinus rhythm is no other rhythm. */
static const enum ecg_finding_code rhythms[] = {
    ECG_FINDING_SINUS, ECG_FINDING_SINUS_BRADY, ECG_FINDING_SINUS_TACHY,
    ECG_FINDING_AF,    ECG_FINDING_FLUTTER,     ECG_FINDING_FLUTTER_2_TO_1,
    ECG_FINDING_NO_P,  ECG_FINDING_PACED,       ECG_FINDING_WIDE_TACHY};
enum { RHYTHMS = sizeof rhythms / sizeof *rhythms, SINUS_RHYTHMS = 3 };

/* Index in rhythms, any kind of sinus rhythm as 0; RHYTHMS = not told. */
static size_t rhythm_of(const struct ecg_measured *m)
{
    for (size_t i = 0; i < RHYTHMS; i++)
        if (has(m, rhythms[i]))
            return i < SINUS_RHYTHMS ? 0 : i;
    return RHYTHMS;
}

static bool is_rhythm(enum ecg_finding_code code)
{
    for (size_t i = 0; i < RHYTHMS; i++)
        if (rhythms[i] == code)
            return true;
    return false;
}

static void compare_rhythm(struct pair *p)
{
    size_t before = rhythm_of(p->earlier), now = rhythm_of(p->now);
    if (before != now && before < RHYTHMS && now < RHYTHMS)
        add(p, ECG_CHANGE_RHYTHM, ECG_FINDING_COUNT, "%s to %s",
            ecg_finding_row(rhythms[before])->en, ecg_finding_row(rhythms[now])->en);
}

/* Those of a but not of b. */
static void list_others(struct pair *p, const struct ecg_measured *a, const struct ecg_measured *b,
                        enum ecg_change_code code)
{
    for (size_t i = 0; i < a->findings->n; i++) {
        const struct ecg_finding *f = &a->findings->of[i];
        if (ecg_finding_row(f->code)->kind == ECG_FINDING_STATEMENT && !is_rhythm(f->code) &&
            !has(b, f->code))
            add(p, code, f->code, "%s", f->figures);
    }
}

/* ---- figures ---- */

static void compare_figure(struct pair *p, const char *name, const char *unit, float before,
                           float now, float least, enum ecg_change_code more)
{
    float d = now - before;
    if (fabsf(d) >= least) /* false of NAN */
        add(p, d > 0 ? more : (enum ecg_change_code)(more + 1), ECG_FINDING_COUNT,
            "%s %.0f to %.0f %s", name, (double)before, (double)now, unit);
}

static float rate_of(const struct ecg_measured *m)
{
    return m->f->rate.beats < 2 ? NAN : (float)m->f->rate.hr_bpm;
}

/* NAN where it is not to be told: over 120/min. */
static float qtc_of(const struct ecg_measured *m)
{
    return m->f->rate.hr_bpm > 120 ? NAN : m->f->qtc_framingham_ms;
}

/* Two ways round the circle: the shorter. */
static void compare_axis(struct pair *p)
{
    float before = p->earlier->f->qrs_axis_deg, now = p->now->f->qrs_axis_deg;
    float d = remainderf(now - before, 360);
    if (fabsf(d) >= AXIS_DEG)
        add(p, d < 0 ? ECG_CHANGE_AXIS_LEFT : ECG_CHANGE_AXIS_RIGHT, ECG_FINDING_COUNT,
            "axis %.0f to %.0f deg", (double)before, (double)now);
}

/* ---- ST and T ---- */

/* NULL: not there, or not to be relied on. */
static const struct ecg_figures_lead *lead_of(const struct ecg_measured *m, int id)
{
    return ecg_quality_is_sound(m->quality, id) ? ecg_figures_lead(m->f, id) : NULL;
}

struct lead_pair {
    const struct ecg_figures_lead *before;
    const struct ecg_figures_lead *now;
};

/* At J and 40 ms after it. */
static bool st_differs(const struct lead_pair *l, float by)
{
    float at_j = l->now->st_uv[0] - l->before->st_uv[0];
    float later = l->now->st_uv[2] - l->before->st_uv[2];
    return by > 0 ? at_j >= by && later >= by : at_j <= by && later <= by;
}

static bool is_higher(const struct lead_pair *l)
{
    return st_differs(l, ST_UP_UV);
}

static bool is_lower(const struct lead_pair *l)
{
    return st_differs(l, -ST_DOWN_UV);
}

static bool is_inverted(const struct lead_pair *l)
{
    return l->before->t_uv > 0 && l->now->t_uv <= -T_UV;
}

static bool is_upright(const struct lead_pair *l)
{
    return l->before->t_uv <= -T_UV && l->now->t_uv > 0;
}

static bool find_lead_pair(const struct pair *p, int id, struct lead_pair *out)
{
    *out = (struct lead_pair){lead_of(p->earlier, id), lead_of(p->now, id)};
    return out->before && out->now;
}

static void add_leads(struct pair *p, enum ecg_change_code code, const struct lead_pair *a,
                      const struct lead_pair *b)
{
    bool st = code == ECG_CHANGE_ST_HIGHER || code == ECG_CHANGE_ST_LOWER;
    float from = st ? a->before->st_uv[0] : a->before->t_uv;
    float to = st ? a->now->st_uv[0] : a->now->t_uv;
    float from2 = st ? b->before->st_uv[0] : b->before->t_uv;
    float to2 = st ? b->now->st_uv[0] : b->now->t_uv;
    add(p, code, ECG_FINDING_COUNT, "%s %.2f to %.2f mV in %s, %.2f to %.2f in %s", st ? "J" : "T",
        (double)from / 1000, (double)to / 1000, a->now->name, (double)from2 / 1000,
        (double)to2 / 1000, b->now->name);
}

/* The first two neighbours in which it is so. */
static void compare_leads(struct pair *p, enum ecg_change_code code,
                          bool (*has_it)(const struct lead_pair *))
{
    for (size_t k = 0; k < ECG_FIGURES_CHAINS; k++) {
        struct lead_pair last;
        bool had = false;
        for (const int *id = ecg_figures_chains[k]; *id; id++) {
            struct lead_pair l;
            bool is_so = find_lead_pair(p, *id, &l) && has_it(&l);
            if (is_so && had) {
                add_leads(p, code, &last, &l);
                return;
            }
            had = is_so;
            last = l;
        }
    }
}

/* Of complexes of two kinds, repolarisation is not to be compared; nor is shape with electrodes
 * exchanged, or amplitudes out of range. */
static bool is_comparable(const struct pair *p)
{
    static const enum ecg_finding_code wide[] = {ECG_FINDING_PACED, ECG_FINDING_LBBB,
                                                 ECG_FINDING_RBBB, ECG_FINDING_PREEXCITATION};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (has(p->earlier, wide[i]) != has(p->now, wide[i]))
            return false;
    if (p->earlier->findings->conducted != p->now->findings->conducted)
        return false;
    return p->earlier->f->in_mean > 0 && p->now->f->in_mean > 0;
}

void ecg_compare(const struct ecg_measured *earlier, const struct ecg_measured *now,
                 struct ecg_changes *out)
{
    struct pair p = {earlier, now, out};
    const struct ecg_figures *a = earlier->f, *b = now->f;
    out->n = 0;
    compare_rhythm(&p);
    compare_figure(&p, "HR", "/min", rate_of(earlier), rate_of(now), RATE_BPM, ECG_CHANGE_FASTER);
    compare_figure(&p, "PR", "ms", a->pr_ms, b->pr_ms, PR_MS, ECG_CHANGE_PR_LONGER);
    compare_figure(&p, "QRS", "ms", a->qrs_ms, b->qrs_ms, QRS_MS, ECG_CHANGE_QRS_WIDER);
    compare_figure(&p, "QTc", "ms", qtc_of(earlier), qtc_of(now), QTC_MS, ECG_CHANGE_QTC_LONGER);
    if (ecg_findings_leave_shape(earlier->findings) && ecg_findings_leave_shape(now->findings)) {
        compare_axis(&p);
        if (is_comparable(&p)) {
            compare_leads(&p, ECG_CHANGE_ST_HIGHER, is_higher);
            compare_leads(&p, ECG_CHANGE_ST_LOWER, is_lower);
            compare_leads(&p, ECG_CHANGE_T_INVERTED, is_inverted);
            compare_leads(&p, ECG_CHANGE_T_UPRIGHT, is_upright);
        }
    }
    list_others(&p, now, earlier, ECG_CHANGE_NEW);
    list_others(&p, earlier, now, ECG_CHANGE_GONE);
}
