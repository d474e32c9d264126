/* What is not said beside what: statements that have no meaning in a rhythm. */
#include "ecg_found.h"
#include "ecg_synthetic.h"

enum { MOST = SYNTHETIC_BEATS };

/* Ten seconds to which beats are added. */
static struct ecg_record *nothing(void)
{
    struct synthetic s = synthetic_plain;
    s.stop_s = 0.1;
    return synthetic_make(&s);
}

static void add_beats(struct ecg_record *r, const double *gains, const struct synthetic_wave *waves,
                      size_t nwaves, double from_s, double to_s, double interval_s)
{
    double at_s[MOST];
    size_t n = 0;
    for (double t = from_s; t < to_s && n < MOST; t += interval_s)
        at_s[n++] = t;
    synthetic_add(r, gains, waves, nwaves, at_s, n);
}

static void add_usual(struct ecg_record *r, double from_s, double to_s, double interval_s)
{
    add_beats(r, synthetic_gains, synthetic_plain.wave, 5, from_s, to_s, interval_s);
}

/* Of statements there are these alone. */
static void assert_all(const struct found *x, const enum ecg_finding_code *codes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(says(x, codes[i]), "%s is missing", ecg_finding_row(codes[i])->key);
    for (size_t i = 0; i < x->all.n; i++) {
        const struct ecg_finding_row *row = ecg_finding_row(x->all.of[i].code);
        bool is_one = row->kind != ECG_FINDING_STATEMENT;
        for (size_t k = 0; k < n; k++)
            is_one |= codes[k] == x->all.of[i].code;
        ck_assert_msg(is_one, "%s (%s)", row->key, x->all.of[i].figures);
    }
}

static const double right_ventricular[] = {-0.8, -1.4, 1.6, 1.9, 1, -0.5, -1.3, -1.4};
static const double left_ventricular[] = {1.3, 1.1, -1.8, -2.4, -2.1, -0.6, 1.1, 1.4};
static const struct synthetic_wave wide[] = {
    {-0.035, 0.035, 500}, {0.02, 0.04, 1600}, {0.065, 0.035, -400}, {0.23, 0.06, -400}};

START_TEST(ventricular_tachycardia_is_said_alone)
{
    static const enum ecg_finding_code only[] = {ECG_FINDING_WIDE_TACHY, ECG_FINDING_ALARM_VT};
    static struct found x;
    struct ecg_record *r = nothing();
    add_beats(r, _i % 2 ? left_ventricular : right_ventricular, wide, 4, 0.5, 9.9,
              _i < 2 ? 0.375 : 0.335);
    find(r, &x);
    assert_all(&x, only, 2);
    ck_assert(isnan(x.f.pr_ms) && isnan(x.f.p_ms) && isnan(x.f.p_axis_deg));
    ck_assert(!x.all.conducted);
}
END_TEST

START_TEST(a_slower_one_is_a_tachycardia_of_which_p_cannot_be_told)
{
    static struct found x;
    struct ecg_record *r = nothing();
    add_beats(r, left_ventricular, wide, 4, 0.5, 9.9, 0.43);
    find(r, &x);
    ck_assert(says(&x, ECG_FINDING_WIDE_TACHY));
    ck_assert(!says(&x, ECG_FINDING_SINUS_TACHY) && !says(&x, ECG_FINDING_LVH_SOKOLOW));
    ck_assert(says(&x, ECG_FINDING_ALARM_STEMI)); /* no other alarm stands for it */
}
END_TEST

/* ST that goes with QRS is no part of it. */
START_TEST(an_infarct_in_a_wide_tachycardia_is_an_alarm)
{
    static const struct synthetic_wave infarct[] = {
        {-0.03, 0.04, 1200}, {0.03, 0.04, 1200}, {0.09, 0.03, 700}, {0.16, 0.1, 900}};
    static struct found x;
    struct ecg_record *r = nothing();
    add_beats(r, synthetic_gains, infarct, 4, 0.5, 9.9, 0.387);
    find(r, &x);
    ck_assert(says(&x, ECG_FINDING_ALARM_VT));
    ck_assert(says(&x, ECG_FINDING_ALARM_STEMI));
}
END_TEST

START_TEST(slow_wide_complexes_without_p_waves_are_no_bundle_branch_block)
{
    static const enum ecg_finding_code only[] = {ECG_FINDING_NO_P};
    static const struct synthetic_wave escape[] = {{0, 0.085, 900}, {0.28, 0.09, -300}};
    static struct found x;
    struct ecg_record *r = nothing();
    add_beats(r, _i ? left_ventricular : right_ventricular, escape, 2, 0.5, 9.9, 1.3);
    find(r, &x);
    assert_all(&x, only, 1);
}
END_TEST

START_TEST(a_run_leaves_what_is_said_of_the_usual_beats)
{
    static const struct synthetic_wave early[] = {{0, 0.06, 1700}, {0.2, 0.08, -500}};
    static struct found x;
    struct ecg_record *r = nothing();
    add_usual(r, 0.5, 4.3, 0.8);
    add_beats(r, right_ventricular, early, 2, 4.35, 5.5, 0.36);
    add_usual(r, 6.4, 9.9, 0.8);
    find(r, &x);
    ck_assert(says(&x, ECG_FINDING_V_RUN));
    ck_assert(says(&x, ECG_FINDING_SINUS));
    ck_assert(!isnan(x.f.pr_ms) && x.all.conducted);
}
END_TEST

/* Three beats at 75/min, one early: 82/min, and intervals of 0.5 to 0.9 s. */
START_TEST(premature_beats_are_no_part_of_the_sinus_rhythm)
{
    static struct found x;
    struct ecg_record *r = nothing();
    for (double t = 0.5; t < 9; t += 2.92) {
        add_usual(r, t, t + 2, 0.8);
        add_usual(r, t + 2.12, t + 2.2, 1);
    }
    find(r, &x);
    const struct ecg_finding *sinus = ecg_findings_one(&x.all, ECG_FINDING_SINUS);
    ck_assert(says(&x, ECG_FINDING_PAC) && !says(&x, ECG_FINDING_SINUS_ARRHYTHMIA));
    ck_assert_msg(sinus && strstr(sinus->figures, "between sinus beats 75/min"), "%s",
                  sinus ? sinus->figures : "");
}
END_TEST

/* Waves whose rate and height change. */
static void fibrillate(struct ecg_record *r, double from_s, double to_s)
{
    for (size_t k = 0; k < r->nleads; k++) {
        const struct ecg_lead *lead = &r->leads[k];
        for (size_t i = (size_t)(from_s * lead->rate_hz); (double)i < to_s * lead->rate_hz; i++) {
            double t = (double)i / lead->rate_hz, turns = 5 * t - cos(1.7 * t) / 1.7;
            lead->i32[i] += (int32_t)(200 * synthetic_gains[k] * (0.7 + 0.3 * sin(3 * t)) *
                                      sin(2 * M_PI * turns));
        }
    }
}

START_TEST(fibrillation_of_the_ventricles_is_no_pause)
{
    static struct found x;
    struct ecg_record *r = nothing();
    add_usual(r, 0.5, 5.6, 0.8);
    fibrillate(r, 6, 9.2);
    add_usual(r, 9.3, 9.4, 1);
    find(r, &x);
    ck_assert(says(&x, ECG_FINDING_ALARM_VF) && !says(&x, ECG_FINDING_ALARM_ASYSTOLE));
    for (size_t i = 0; i < x.all.n; i++) /* but the waves that were taken for beats */
        ck_assert(ecg_finding_row(x.all.of[i].code)->kind != ECG_FINDING_STATEMENT ||
                  x.all.of[i].code == ECG_FINDING_PVC || x.all.of[i].code == ECG_FINDING_V_RUN);
}
END_TEST

/* Of a wide QRS the excess is taken off a long QT, not off a short one. */
START_TEST(a_wide_qrs_makes_no_short_qt)
{
    static const struct synthetic_wave p_qrs_t[] = {
        {-0.2, 0.05, 150}, {0, 0.08, 1200}, {0.22, 0.075, 300}};
    static struct found x;
    struct ecg_record *r = nothing();
    add_beats(r, synthetic_gains, p_qrs_t, 3, 0.5, 9.9, 0.9);
    find(r, &x);
    ck_assert(x.f.qtc_framingham_ms > 345);
    ck_assert(x.f.qtc_framingham_ms - (x.f.qrs_ms - 100) < 335);
    ck_assert(!says(&x, ECG_FINDING_QT_SHORT));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_finding_scope");
    TCase *t = tcase_create("scope");
    tcase_add_loop_test(t, ventricular_tachycardia_is_said_alone, 0, 4);
    tcase_add_test(t, a_slower_one_is_a_tachycardia_of_which_p_cannot_be_told);
    tcase_add_test(t, an_infarct_in_a_wide_tachycardia_is_an_alarm);
    tcase_add_loop_test(t, slow_wide_complexes_without_p_waves_are_no_bundle_branch_block, 0, 2);
    tcase_add_test(t, a_run_leaves_what_is_said_of_the_usual_beats);
    tcase_add_test(t, premature_beats_are_no_part_of_the_sinus_rhythm);
    tcase_add_test(t, fibrillation_of_the_ventricles_is_no_pause);
    tcase_add_test(t, a_wide_qrs_makes_no_short_qt);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
