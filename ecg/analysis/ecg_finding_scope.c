/*
 * Which statements have a meaning in which rhythm. Criteria of bundle branches, fascicles,
 * hypertrophy, infarct and of displaced ST segments are for ventricles that are excited from the
 * atria by the usual way (AHA/ACCF/HRS parts III, V and VI); premature atrial beats are for a
 * rhythm of which one can be early. Each rule leaves out what it says nothing of; alarms only
 * where another one has the recording looked at at once, or guidelines name the rule.
 */
#include "ecg/analysis/ecg_finding_priv.h"

#include <math.h>

enum {
    RHYTHM = 1 << 0,
    PREMATURE = 1 << 1, /* of the atria */
    PAUSE = 1 << 2,
    CONDUCTION = 1 << 3, /* bundle branches, fascicles, the axis */
    PREEXCITED = 1 << 4,
    VOLTAGE = 1 << 5,
    ATRIA = 1 << 6,
    ST_UP = 1 << 7,
    ST_DOWN = 1 << 8,
    OLD_Q = 1 << 9,
    QT = 1 << 10,
    ST_ALARM = 1 << 11,
    OTHER_ALARM = 1 << 12,                           /* of shape */
    BY_WAY = CONDUCTION | VOLTAGE | OLD_Q | ST_DOWN, /* of how the ventricles are excited */
    SHAPE = BY_WAY | PREEXCITED | ATRIA | ST_UP | QT
};

static const unsigned parts[ECG_FINDING_COUNT] = {
    [ECG_FINDING_SINUS] = RHYTHM,
    [ECG_FINDING_SINUS_BRADY] = RHYTHM,
    [ECG_FINDING_SINUS_TACHY] = RHYTHM,
    [ECG_FINDING_SINUS_ARRHYTHMIA] = RHYTHM,
    [ECG_FINDING_AF] = RHYTHM,
    [ECG_FINDING_FLUTTER] = RHYTHM,
    [ECG_FINDING_FLUTTER_2_TO_1] = RHYTHM,
    [ECG_FINDING_NO_P] = RHYTHM,
    [ECG_FINDING_WIDE_TACHY] = RHYTHM,
    [ECG_FINDING_AVB_1] = RHYTHM,
    [ECG_FINDING_PAC] = PREMATURE,
    [ECG_FINDING_PAUSE] = PAUSE,
    [ECG_FINDING_PREEXCITATION] = PREEXCITED,
    [ECG_FINDING_RBBB] = CONDUCTION,
    [ECG_FINDING_IRBBB] = CONDUCTION,
    [ECG_FINDING_LBBB] = CONDUCTION,
    [ECG_FINDING_IVCD] = CONDUCTION,
    [ECG_FINDING_LAFB] = CONDUCTION,
    [ECG_FINDING_LPFB] = CONDUCTION,
    [ECG_FINDING_AXIS_LEFT] = CONDUCTION,
    [ECG_FINDING_AXIS_RIGHT] = CONDUCTION,
    [ECG_FINDING_LVH_SOKOLOW] = VOLTAGE,
    [ECG_FINDING_LVH_CORNELL] = VOLTAGE,
    [ECG_FINDING_RVH] = VOLTAGE,
    [ECG_FINDING_LOW_VOLTAGE] = VOLTAGE,
    [ECG_FINDING_LEFT_ATRIUM] = ATRIA,
    [ECG_FINDING_RIGHT_ATRIUM] = ATRIA,
    [ECG_FINDING_ST_ANTERIOR] = ST_UP,
    [ECG_FINDING_ST_INFERIOR] = ST_UP,
    [ECG_FINDING_ST_LATERAL] = ST_UP,
    [ECG_FINDING_ST_DEPRESSION] = ST_DOWN,
    [ECG_FINDING_Q_ANTERIOR] = OLD_Q,
    [ECG_FINDING_Q_INFERIOR] = OLD_Q,
    [ECG_FINDING_Q_LATERAL] = OLD_Q,
    [ECG_FINDING_QT_LONG] = QT,
    [ECG_FINDING_QT_SHORT] = QT,
    [ECG_FINDING_ALARM_STEMI] = ST_ALARM,
    [ECG_FINDING_ALARM_POTASSIUM] = OTHER_ALARM,
    [ECG_FINDING_ALARM_QT] = OTHER_ALARM,
};

static bool says(const struct ecg_case *c, enum ecg_finding_code code)
{
    return ecg_findings_one(c->out, code) != NULL;
}

/* ---- the rhythms ---- */

/* Of a tenth of the time or more: else the usual beats are those of another rhythm. */
static bool fibrillates(const struct ecg_case *c)
{
    double s = (double)c->chaos.seconds;
    return s >= c->limits->vf_s && s * 10 >= c->beats->seconds;
}

static bool is_displaced(const struct ecg_case *c)
{
    return !ecg_findings_leave_shape(c->out);
}

static bool is_paced(const struct ecg_case *c)
{
    return c->is_paced;
}

bool ecg_finding_is_vt(const struct ecg_case *c)
{
    const struct ecg_rhythm *y = &c->rhythm;
    bool is_run = (double)y->vt_bpm >= c->limits->vt_bpm && y->vt_beats * 2 > c->beats->n;
    return is_run || (ecg_finding_is_fast_and_wide(c) && !c->rhythm.is_af);
}

static bool is_preexcited_fibrillation(const struct ecg_case *c)
{
    return says(c, ECG_FINDING_ALARM_PREEXCITED_AF);
}

/* No P waves, or T goes on where they would begin: ventricular, or conducted with a bundle branch
 * block. Slower or narrower, P waves on T are usual. */
static bool is_wide_tachycardia(const struct ecg_case *c)
{
    static const float WIDE_MS = 140;
    static const double FAST_BPM = 120;
    const struct ecg_figures *f = c->f;
    float p_on_ms = (float)f->rate.rr_median_ms - f->pr_ms;
    return !c->is_paced && !c->rhythm.is_af && !c->rhythm.is_flutter && isnan(f->flutter_bpm) &&
           !c->atrial.block && f->qrs_ms >= WIDE_MS && f->rate.hr_bpm >= FAST_BPM &&
           !(p_on_ms > f->qt_ms);
}

static bool is_wide(const struct ecg_case *c)
{
    return c->is_wide_tachycardia;
}

/* From where, nobody can tell. */
static bool is_escape(const struct ecg_case *c)
{
    bool is_apart = says(c, ECG_FINDING_NO_P) || says(c, ECG_FINDING_AVB_3);
    return is_apart && c->f->qrs_ms >= 120;
}

static bool is_preexcited(const struct ecg_case *c)
{
    return says(c, ECG_FINDING_PREEXCITATION);
}

static bool is_lbbb(const struct ecg_case *c)
{
    return says(c, ECG_FINDING_LBBB);
}

/* f waves hide where T ends, and intervals are of any length. */
static bool is_fibrillation(const struct ecg_case *c)
{
    return c->rhythm.is_af;
}

/* Told by its waves between the complexes, which are conducted now and then. */
static bool is_flutter(const struct ecg_case *c)
{
    return !isnan(c->f->flutter_bpm);
}

static const struct {
    bool (*holds)(const struct ecg_case *c);
    unsigned without;
} rules[] = {
    {fibrillates, SHAPE | RHYTHM | PREMATURE | PAUSE},
    {is_displaced, SHAPE | ST_ALARM | OTHER_ALARM},
    {is_paced, SHAPE | ST_ALARM | OTHER_ALARM},
    {ecg_finding_is_vt, SHAPE | PREMATURE},
    {is_wide, BY_WAY | PREEXCITED | ATRIA},
    {is_preexcited_fibrillation, BY_WAY},
    {is_escape, BY_WAY},
    {is_preexcited, BY_WAY},
    {is_lbbb, VOLTAGE | OLD_Q | ST_UP | ST_DOWN | ST_ALARM},
    {is_fibrillation, PREMATURE},
    {is_flutter, PREMATURE},
};

/* ---- what is left out ---- */

/* Faster, T lies where P would be; in the very young it is a sinus rhythm. */
static bool is_too_fast_for_p(const struct ecg_case *c)
{
    static const double FAST_BPM = 180;
    return c->f->rate.hr_bpm >= FAST_BPM && !(c->age_years < 6);
}

void ecg_finding_scope_p(struct ecg_case *c)
{
    c->is_wide_tachycardia = is_wide_tachycardia(c);
    if (c->is_wide_tachycardia || c->rhythm.is_af || ecg_finding_is_vt(c) || is_too_fast_for_p(c) ||
        c->atrial.block == ECG_AV_THIRD)
        ecg_figures_forget_p(c->f);
}

void ecg_finding_scope(struct ecg_case *c)
{
    unsigned without = 0;
    size_t n = 0;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        without |= rules[i].holds(c) ? rules[i].without : 0;
    for (size_t i = 0; i < c->out->n; i++)
        if (!(parts[c->out->of[i].code] & without))
            c->out->of[n++] = c->out->of[i];
    c->out->n = n;
    c->out->conducted = !(without & ST_DOWN);
}
