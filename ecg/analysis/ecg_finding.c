#include "ecg/analysis/ecg_finding.h"

#include "base/utf8.h"
#include "ecg/analysis/ecg_finding_priv.h"
#include "ecg/analysis/ecg_flutter.h"
#include "ecg/ecg_locale.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ECG_FINDING_ROW(name, kind, key, en, zh) {ECG_FINDING_##kind, key, en, zh},
static const struct ecg_finding_row rows[] = {ECG_FINDING_MAP(ECG_FINDING_ROW)};
#undef ECG_FINDING_ROW

const struct ecg_finding_row *ecg_finding_row(enum ecg_finding_code code)
{
    return &rows[code];
}

/* ---- limits ---- */

#define ECG_ALARM_LIMIT_DEFAULT(name, value) .name = (value),
const struct ecg_alarm_limits ecg_alarm_limits_default = {
    ECG_ALARM_LIMIT_MAP(ECG_ALARM_LIMIT_DEFAULT)};
#undef ECG_ALARM_LIMIT_DEFAULT

static bool set_limit(struct ecg_alarm_limits *l, const char *name, size_t n, double value)
{
#define ECG_ALARM_LIMIT_ROW(name, value) {#name, &l->name},
    const struct {
        const char *name;
        double *limit;
    } limits[] = {ECG_ALARM_LIMIT_MAP(ECG_ALARM_LIMIT_ROW)};
#undef ECG_ALARM_LIMIT_ROW
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (strlen(limits[i].name) == n && strncmp(limits[i].name, name, n) == 0) {
            *limits[i].limit = value;
            return value > 0 && value < 1e6;
        }
    return false;
}

bool ecg_alarm_limits_parse(const char *text, struct ecg_alarm_limits *out)
{
    while (*text) {
        size_t n = strcspn(text, "=,");
        char *end;
        if (text[n] != '=')
            return false;
        locale_t callers = ecg_locale_enter();
        double value = strtod(text + n + 1, &end);
        ecg_locale_leave(callers);
        if (end == text + n + 1 || (*end && *end != ',') || !set_limit(out, text, n, value))
            return false;
        text = *end ? end + 1 : end;
    }
    return true;
}

/* ---- findings ---- */

const struct ecg_finding *ecg_findings_one(const struct ecg_findings *f, enum ecg_finding_code code)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->of[i].code == code)
            return &f->of[i];
    return NULL;
}

bool ecg_findings_leave_shape(const struct ecg_findings *f)
{
    return !ecg_findings_one(f, ECG_FINDING_RETAKE_ARMS) &&
           !ecg_findings_one(f, ECG_FINDING_RETAKE_LEG) &&
           !ecg_findings_one(f, ECG_FINDING_RETAKE_GAIN);
}

void ecg_finding_add(struct ecg_case *c, enum ecg_finding_code code, const char *fmt, ...)
{
    va_list args;
    if (c->out->n >= ECG_FINDING_COUNT || ecg_findings_one(c->out, code))
        return;
    struct ecg_finding *f = &c->out->of[c->out->n++];
    char text[sizeof f->figures + 4]; /* a byte too long, so that it is cut between characters */
    f->code = code;
    locale_t callers = ecg_locale_enter();
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ecg_locale_leave(callers);
    size_t n = base_utf8_cut(text, strlen(text), sizeof f->figures - 1);
    memcpy(f->figures, text, n);
    f->figures[n] = '\0';
}

const struct ecg_figures_lead *ecg_finding_lead(const struct ecg_case *c, int id)
{
    return ecg_quality_is_sound(c->quality, id) ? ecg_figures_lead(c->f, id) : NULL;
}

static double years(const struct ecg_patient *p)
{
    switch (p->age > 0 ? p->age_unit : 0) {
    case 'Y':
        return p->age;
    case 'M':
        return p->age / 12.0;
    case 'W':
        return p->age / 52.0;
    case 'D':
    case 'H':
        return 0;
    default:
        return (double)NAN;
    }
}

/* ---- rhythm ---- */

static const double SINUS_LEAST_BPM = 20; /* slower, a wave stands before QRS by chance */

static void sinus(struct ecg_case *c)
{
    const struct ecg_figures *f = c->f;
    const struct ecg_rhythm *y = &c->rhythm;
    bool has_rate = !isnan(y->sinus_ms); /* else of all beats */
    double bpm = round(has_rate ? 60000 / (double)y->sinus_ms : f->rate.hr_bpm);
    /* As it is shown: 60 is not slow. */
    const char *of = bpm == round(f->rate.hr_bpm) ? "HR" : "rate between sinus beats";
    if (bpm < 60)
        ecg_finding_add(c, ECG_FINDING_SINUS_BRADY, "%s %.0f/min < 60", of, bpm);
    else if (bpm > 100)
        ecg_finding_add(c, ECG_FINDING_SINUS_TACHY, "%s %.0f/min > 100", of, bpm);
    else
        ecg_finding_add(c, ECG_FINDING_SINUS, "%s %.0f/min, PR %.0f ms", of, bpm, (double)f->pr_ms);
    if (y->sinus_irregular > 0.08F)
        ecg_finding_add(c, ECG_FINDING_SINUS_ARRHYTHMIA, "RR %.0f to %.0f ms between sinus beats",
                        (double)y->sinus_min_ms, (double)y->sinus_max_ms);
    if (f->pr_ms > 200)
        ecg_finding_add(c, ECG_FINDING_AVB_1, "PR %.0f ms > 200", (double)f->pr_ms);
}

static void av_block(struct ecg_case *c)
{
    static const enum ecg_finding_code codes[] = {[ECG_AV_TYPE_1] = ECG_FINDING_AVB_2_1,
                                                  [ECG_AV_TYPE_2] = ECG_FINDING_AVB_2_2,
                                                  [ECG_AV_TWO_TO_ONE] = ECG_FINDING_AVB_2_TO_1,
                                                  [ECG_AV_ADVANCED] = ECG_FINDING_AVB_ADVANCED,
                                                  [ECG_AV_THIRD] = ECG_FINDING_AVB_3};
    const struct ecg_atrial *a = &c->atrial;
    double bpm = 60000 / (double)a->rr_ms;
    if (a->block == ECG_AV_TYPE_1 || a->block == ECG_AV_TYPE_2)
        ecg_finding_add(c, codes[a->block],
                        "%zu P waves without QRS, PR %.0f ms before, %.0f after", a->blocked,
                        (double)a->pr_before_ms, (double)a->pr_after_ms);
    else
        ecg_finding_add(c, codes[a->block], "P %.0f/min, QRS %.0f/min, PR %.0f to %.0f ms",
                        (double)a->atrial_bpm, bpm, (double)a->pr_least_ms, (double)a->pr_most_ms);
}

static void find_rhythm(struct ecg_case *c)
{
    const struct ecg_rate *rate = &c->f->rate;
    const struct ecg_rhythm *y = &c->rhythm;
    if (rate->beats < 2)
        return;
    if (c->is_paced)
        ecg_finding_add(c, ECG_FINDING_PACED, "%zu of %zu beats", rate->paced, rate->beats);
    else if (c->atrial.block)
        av_block(c);
    else if (c->f->flutter_conduction == 2)
        ecg_finding_add(c, ECG_FINDING_FLUTTER_2_TO_1,
                        "HR %.0f/min, waves %.0f/min, likeness %.2f across T", rate->hr_bpm,
                        (double)c->f->flutter_bpm, (double)c->f->flutter_likeness);
    else if (!isnan(c->f->flutter_bpm))
        ecg_finding_add(c, ECG_FINDING_FLUTTER, "waves %.0f/min, HR %.0f/min",
                        (double)c->f->flutter_bpm, rate->hr_bpm);
    else if (y->is_flutter)
        ecg_finding_add(c, ECG_FINDING_FLUTTER, "waves alike before P, HR %.0f/min", rate->hr_bpm);
    else if (y->is_af)
        ecg_finding_add(c, ECG_FINDING_AF,
                        "%.0f %% of intervals irregular, no steady P, HR %.0f/min",
                        (double)y->irregular_share * 100, rate->hr_bpm);
    else if (c->is_wide_tachycardia)
        ecg_finding_add(c, ECG_FINDING_WIDE_TACHY, "HR %.0f/min, QRS %.0f ms", rate->hr_bpm,
                        (double)c->f->qrs_ms);
    else if (!isnan(c->f->pr_ms) && rate->hr_bpm >= SINUS_LEAST_BPM)
        sinus(c);
    else if (ecg_flutter_by_rule(c->f))
        ecg_finding_add(c, ECG_FINDING_FLUTTER_2_TO_1,
                        "HR %.0f/min, even, QRS %.0f ms, no P wave that can be told", rate->hr_bpm,
                        (double)c->f->qrs_ms);
    else if (c->f->irregular < 0.05F && c->f->in_mean >= 3)
        ecg_finding_add(c, ECG_FINDING_NO_P, "HR %.0f/min, QRS %.0f ms", rate->hr_bpm,
                        (double)c->f->qrs_ms);
    if (rate->pvc)
        ecg_finding_add(c, ECG_FINDING_PVC, "%zu of %zu beats", rate->pvc, rate->beats);
    if (rate->atrial_premature)
        ecg_finding_add(c, ECG_FINDING_PAC, "%zu of %zu beats", rate->atrial_premature,
                        rate->beats);
    if (!isnan(y->v_run_bpm))
        ecg_finding_add(c, ECG_FINDING_V_RUN, "%zu beats, %.0f/min", y->v_run,
                        (double)y->v_run_bpm);
    if (y->longest_s >= 2)
        ecg_finding_add(c, ECG_FINDING_PAUSE, "%.1f s without a beat", (double)y->longest_s);
}

/* What lies between two beats while the ventricles fibrillate is no pause: another alarm says so.
 */
static void leave_chaos(struct ecg_case *c)
{
    struct ecg_rhythm *y = &c->rhythm;
    double from_s = fmax((double)y->longest_at_s, c->chaos.from_s);
    double to_s = fmin((double)y->longest_at_s + (double)y->longest_s,
                       c->chaos.from_s + (double)c->chaos.seconds);
    if ((double)c->chaos.seconds >= c->limits->vf_s && to_s > from_s)
        y->longest_s -= (float)(to_s - from_s);
}

/* In the order in which each narrows the next: quality, reversal, rhythm, conduction, the rest. */
enum base_err ecg_findings_make(const struct ecg_record *r, const struct ecg_beats *b,
                                struct ecg_figures *f, const struct ecg_quality *q,
                                const struct ecg_alarm_limits *limits, struct ecg_findings *out)
{
    struct ecg_case c = {.record = r,
                         .beats = b,
                         .f = f,
                         .quality = q,
                         .limits = limits ? limits : &ecg_alarm_limits_default,
                         .age_years = years(&r->patient),
                         .out = out};
    *out = (struct ecg_findings){.n = 0};
    if (ecg_rhythm_find(b, f, &c.rhythm))
        return BASE_ENOMEM;
    ecg_chaos_find(r, &c.chaos);
    leave_chaos(&c);
    c.is_paced = f->rate.paced * 2 > f->rate.beats;
    if (!c.is_paced && ecg_atrial_find(r, b, &c.atrial))
        return BASE_ENOMEM;
    if (c.atrial.block)
        c.rhythm.is_af = false;
    /* Where there are no complexes for half of the time, what was taken for beats is none. */
    bool is_chaos =
        (double)c.chaos.seconds >= c.limits->vf_s && (double)c.chaos.seconds * 2 > b->seconds;
    out->no_complexes = is_chaos || ecg_finding_is_noise(&c);
    if (out->no_complexes && !is_chaos && ecg_finding_low_gain(&c))
        return c.err;
    ecg_finding_retake(&c);
    if (is_chaos)
        ecg_finding_chaos(&c);
    else if (out->no_complexes)
        ecg_finding_noise(&c);
    if (out->no_complexes)
        return c.err;
    ecg_finding_scope_p(&c);
    find_rhythm(&c);
    if (f->in_mean > 0)
        ecg_finding_shape(&c);
    ecg_finding_alarms(&c);
    ecg_finding_scope(&c);
    return c.err;
}

void ecg_findings_of_file(const struct ecg_record *r, struct ecg_findings *out)
{
    struct ecg_case c = {.record = r, .out = out};
    *out = (struct ecg_findings){.n = 0};
    ecg_finding_damage(&c);
}
