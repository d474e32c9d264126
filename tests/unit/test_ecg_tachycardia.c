/*
 * Fast rhythms, in which T and P reach QRS: its width is that of the same complex alone, a narrow
 * tachycardia is none of the ventricles, and one of the ventricles stays one.
 */
#include "ecg_found.h"
#include "ecg_synthetic.h"

enum { PARTS = 4, LEADS = 8 };

/* Where the eight leads look at the heart from: to the left, down and back. */
static const double LOOK[LEADS][3] = {{0.6, -0.2, 0},   {0.2, 1.1, -0.1}, {-0.5, 0.2, -0.9},
                                      {0, 0.2, -1.4},   {0.9, 0.1, -1.3}, {1.2, 0.1, -0.6},
                                      {1.1, 0.1, -0.1}, {0.8, 0.1, 0.2}};

/* A wave, and where it points; uv of the wave is of a vector of length 1. */
struct part {
    struct synthetic_wave wave;
    double left, down, back;
};

struct shape {
    const char *name;
    double from_s; /* QRS, after its main wave */
    double to_s;
    struct part part[PARTS]; /* uv = 0 ends the list */
};

static const struct shape narrow[] = {
    {"usual",
     -0.040,
     0.048,
     {{{-0.026, 0.014, 1000}, -0.15, -0.05, -0.3},
      {{0, 0.024, 1000}, 1.1, 0.9, 0.35},
      {{0.029, 0.019, 1000}, -0.15, -0.2, 0.6}}},
    {"short",
     -0.034,
     0.036,
     {{{-0.020, 0.014, 1000}, -0.12, -0.05, -0.25},
      {{0, 0.020, 1000}, 1, 0.9, 0.3},
      {{0.020, 0.016, 1000}, -0.1, -0.2, 0.5}}},
    {"to the left",
     -0.040,
     0.044,
     {{{-0.024, 0.016, 1000}, -0.1, 0.35, -0.3},
      {{0, 0.024, 1000}, 1.1, -0.5, 0.35},
      {{0.026, 0.018, 1000}, 0.25, -0.7, 0.5}}},
    {"down",
     -0.038,
     0.046,
     {{{-0.022, 0.016, 1000}, -0.15, -0.15, -0.25},
      {{0, 0.022, 1000}, 0.3, 1.3, 0.35},
      {{0.028, 0.018, 1000}, -0.45, 0.1, 0.5}}},
    {"an old infarct",
     -0.046,
     0.050,
     {{{-0.024, 0.022, 1000}, -0.2, -0.6, 0.1},
      {{0.002, 0.024, 1000}, 0.9, 0.7, 0.45},
      {{0.030, 0.020, 1000}, -0.15, 0.1, 0.4}}},
};

static const struct shape broad[] = {
    {"right bundle branch",
     -0.040,
     0.100,
     {{{-0.024, 0.016, 1000}, -0.15, -0.05, -0.3},
      {{0, 0.024, 1000}, 1, 0.8, 0.35},
      {{0.058, 0.042, 1000}, -0.7, -0.1, -0.55}}},
    {"left bundle branch",
     -0.040,
     0.110,
     {{{0, 0.040, 1000}, 0.7, 0.3, 0.6},
      {{0.040, 0.040, 1000}, 0.9, 0.2, 1},
      {{0.075, 0.035, 1000}, 0.6, 0.1, 0.7}}},
    {"left ventricle",
     -0.060,
     0.110,
     {{{-0.010, 0.050, 1000}, -0.7, 0.6, -0.5},
      {{0.040, 0.050, 1000}, -1, 0.4, -0.9},
      {{0.080, 0.030, 1000}, -0.3, -0.2, -0.3}}},
    {"right ventricle",
     -0.060,
     0.100,
     {{{0, 0.060, 1000}, 0.5, 1.3, 0.8}, {{0.050, 0.050, 1000}, 0.6, 0.9, 0.9}}},
    {"left fascicle",
     -0.040,
     0.090,
     {{{-0.020, 0.020, 1000}, -0.1, 0.4, -0.5},
      {{0.010, 0.034, 1000}, 0.3, -0.9, -0.3},
      {{0.058, 0.032, 1000}, -0.6, -0.5, -0.5}}},
};
enum { NARROW = sizeof narrow / sizeof *narrow, BROAD = sizeof broad / sizeof *broad };

static void add(struct ecg_record *r, const struct part *p, const double *at_s, size_t n)
{
    double gains[LEADS];
    for (size_t k = 0; k < LEADS; k++)
        gains[k] = LOOK[k][0] * p->left + LOOK[k][1] * p->down + LOOK[k][2] * p->back;
    synthetic_add(r, gains, &p->wave, 1, at_s, n);
}

/* The complexes alone, the first of them before the recording. */
static struct ecg_record *complexes(const struct shape *s, double interval_s,
                                    double at_s[SYNTHETIC_BEATS], size_t *n)
{
    struct synthetic nothing = synthetic_plain;
    nothing.stop_s = 0.1;
    struct ecg_record *r = synthetic_make(&nothing);
    *n = 0;
    for (double at = 0.3 - interval_s; at < 10 + interval_s; at += interval_s)
        at_s[(*n)++] = at;
    for (size_t i = 0; i < PARTS && s->part[i].wave.uv != 0; i++)
        add(r, &s->part[i], at_s, *n);
    return r;
}

enum atria { NONE, SINUS, BACKWARDS, ATRIA };

/* T begins where QRS ends; it has this height in the direction of (left, down, back). */
struct st {
    double uv;
    double left, down, back;
};

/* It ends where the rate lets it (QT of 400 ms at 60/min by the cube root), at latest where the
 * next QRS begins. */
static struct ecg_record *tachycardia(const struct shape *s, double bpm, const struct st *t,
                                      enum atria atria)
{
    double at_s[SYNTHETIC_BEATS], interval_s = 60 / bpm;
    size_t n;
    struct ecg_record *r = complexes(s, interval_s, at_s, &n);
    double end_s = s->from_s + fmin(0.4 * cbrt(interval_s) + fmax(s->to_s - s->from_s - 0.1, 0),
                                    interval_s - 0.005);
    double half_s = (end_s - s->to_s) / 2;
    struct part wave = {{s->to_s + half_s, half_s, t->uv}, t->left, t->down, t->back};
    add(r, &wave, at_s, n);
    struct part p = {{s->from_s - 0.09, 0.045, 1000}, 0.1, 0.17, -0.03};
    if (atria == BACKWARDS)
        p = (struct part){{s->to_s + 0.06, 0.04, 1000}, -0.02, -0.17, 0.03};
    if (atria != NONE)
        add(r, &p, at_s, n);
    return r;
}

static const double RATES[] = {140, 160, 180, 200, 220, 240};
enum { RATES_N = sizeof RATES / sizeof *RATES };

START_TEST(a_narrow_tachycardia_is_none_of_the_ventricles)
{
    static const struct st ts[] = {
        {200, 0.8, 0.6, -0.2}, {400, 0.7, 0.6, -0.4}, {500, 0.9, 0.4, 0}, {-300, 0.8, 0.6, -0.2}};
    static struct found x;
    const struct shape *s = &narrow[_i];
    double at_s[SYNTHETIC_BEATS];
    size_t n;
    find(complexes(s, 1, at_s, &n), &x);
    float alone_ms = x.f.qrs_ms;
    for (size_t rate = 0; rate < RATES_N; rate++)
        for (size_t t = 0; t < sizeof ts / sizeof *ts; t++)
            for (enum atria atria = NONE; atria < ATRIA; atria++) {
                find(tachycardia(s, RATES[rate], &ts[t], atria), &x);
                assert_near(x.f.rate.hr_bpm, RATES[rate], 2);
                ck_assert_msg(fabsf(x.f.qrs_ms - alone_ms) <= 25,
                              "%s, %.0f/min, T %zu, P %d: %.0f ms, not %.0f", s->name, RATES[rate],
                              t, (int)atria, (double)x.f.qrs_ms, (double)alone_ms);
                ck_assert_msg(!says(&x, ECG_FINDING_ALARM_VT) && !says(&x, ECG_FINDING_ALARM_VF) &&
                                  !says(&x, ECG_FINDING_WIDE_TACHY),
                              "%s, %.0f/min, T %zu, P %d: QRS %.0f ms", s->name, RATES[rate], t,
                              (int)atria, (double)x.f.qrs_ms);
            }
}
END_TEST

/* What bends there is no P wave, but one that turns back on it is. */
START_TEST(the_end_of_t_is_no_p_wave)
{
    static const struct st ts[] = {
        {200, 0.8, 0.6, -0.2}, {400, 0.7, 0.6, -0.4}, {500, 0.9, 0.4, 0}};
    static const double rates[] = {140, 150, 160, 170};
    static struct found x;
    const struct shape *s = &narrow[_i];
    for (size_t rate = 0; rate < sizeof rates / sizeof *rates; rate++)
        for (size_t t = 0; t < sizeof ts / sizeof *ts; t++) {
            find(tachycardia(s, rates[rate], &ts[t], NONE), &x);
            ck_assert_msg(isnan(x.f.pr_ms) && !says(&x, ECG_FINDING_SINUS_TACHY),
                          "%s, %.0f/min, T %zu: PR %.0f ms", s->name, rates[rate], t,
                          (double)x.f.pr_ms);
        }
    find(tachycardia(s, rates[0], &ts[0], SINUS), &x);
    ck_assert_msg(!isnan(x.f.pr_ms) && says(&x, ECG_FINDING_SINUS_TACHY), "%s: no P", s->name);
}
END_TEST

/* T goes against QRS, as it does then. */
START_TEST(a_wide_tachycardia_stays_one)
{
    static struct found x;
    const struct shape *s = &broad[_i];
    double at_s[SYNTHETIC_BEATS];
    size_t n;
    find(complexes(s, 1, at_s, &n), &x);
    float alone_ms = x.f.qrs_ms;
    for (size_t rate = 1; rate < RATES_N; rate++)
        for (double uv = 250; uv < 600; uv += 150)
            for (enum atria atria = NONE; atria < ATRIA; atria += BACKWARDS) {
                struct st t = {.uv = -uv};
                for (size_t i = 0; i < PARTS; i++) {
                    t.left += s->part[i].left / 2;
                    t.down += s->part[i].down / 2;
                    t.back += s->part[i].back / 2;
                }
                find(tachycardia(s, RATES[rate], &t, atria), &x);
                ck_assert_msg(says(&x, ECG_FINDING_ALARM_VT) || says(&x, ECG_FINDING_ALARM_VF) ||
                                  says(&x, ECG_FINDING_ALARM_TORSADES),
                              "%s, %.0f/min, T %.0f uV, P %d: QRS %.0f ms, alone %.0f", s->name,
                              RATES[rate], uv, (int)atria, (double)x.f.qrs_ms, (double)alone_ms);
            }
}
END_TEST

/* Its complexes are a sixth of what the others have, its T waves are as theirs. */
START_TEST(a_lead_of_low_complexes_does_not_widen_qrs)
{
    static const double low[] = {0.7, 0.15, -0.6, -0.8, 0.5, 1.1, 1, 0.8};
    static const double t_gains[] = {0.7, 1.2, -0.3, 0.4, 0.5, 0.6, 0.8, 0.8};
    static const struct synthetic_wave t = {0.220, 0.080, 350};
    static struct found x;
    struct synthetic s = synthetic_plain;
    double at_s[SYNTHETIC_BEATS];
    s.gains = low;
    s.interval_s = 0.545;
    s.wave[0].uv *= 0.5;
    s.wave[4].uv = 0;
    size_t n = synthetic_beats(&s, at_s);
    find(synthetic_make(&s), &x);
    float alone_ms = x.f.qrs_ms;
    struct ecg_record *r = synthetic_make(&s);
    synthetic_add(r, t_gains, &t, 1, at_s, n);
    find(r, &x);
    assert_near(x.f.qrs_ms, alone_ms, 15);
    for (size_t k = 0; k < x.f.nleads; k++)
        ck_assert_int_lt(x.f.waves.lead[k].at[ECG_POINT_QRS_OFF], ECG_WINDOW_BEFORE + 45);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_tachycardia");
    TCase *t = tcase_create("tachycardia");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_narrow_tachycardia_is_none_of_the_ventricles, 0, NARROW);
    tcase_add_loop_test(t, the_end_of_t_is_no_p_wave, 0, NARROW);
    tcase_add_loop_test(t, a_wide_tachycardia_stays_one, 0, BROAD);
    tcase_add_test(t, a_lead_of_low_complexes_does_not_widen_qrs);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
