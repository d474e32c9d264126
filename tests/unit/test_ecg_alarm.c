/* Alarms that several signs together make: each where all are there, and not where one is missing.
 */
#include "ecg_found.h"
#include "ecg_synthetic.h"

static const double peaked[] = {0.3, 0.5, 0.5, 1, 1, 0.9, 0.7, 0.5}; /* T, of the leads */

/* Ten seconds with these waves at each of the times. */
static struct ecg_record *beats_at(const struct synthetic_wave *waves, size_t nwaves,
                                   const double *at_s, size_t n)
{
    struct synthetic s = synthetic_plain;
    s.stop_s = 0.1;
    struct ecg_record *r = synthetic_make(&s);
    synthetic_add(r, synthetic_gains, waves, nwaves, at_s, n);
    return r;
}

static size_t every(double interval_s, double at_s[SYNTHETIC_BEATS])
{
    size_t n = 0;
    for (double t = 0.4; t < 9.6 && n < SYNTHETIC_BEATS; t += interval_s)
        at_s[n++] = t;
    return n;
}

/* QRS from half_s before R, with or without P, and T waves as high as QRS or higher. */
static void look_at_t(double half_s, bool has_p, double t_at_s, double t_uv, struct found *x)
{
    double at_s[SYNTHETIC_BEATS];
    size_t n = every(1, at_s);
    struct synthetic_wave waves[] = {
        {0, half_s, 900}, {1.6 * half_s, 0.9 * half_s, -400}, {-0.17, 0.05, 150}};
    struct synthetic_wave t = {t_at_s, 0.06, t_uv};
    struct ecg_record *r = beats_at(waves, has_p ? 3 : 2, at_s, n);
    synthetic_add(r, peaked, &t, 1, at_s, n);
    find(r, x);
    ck_assert_msg(fabs(x->f.rate.hr_bpm - 60) < 2, "HR %.0f/min", x->f.rate.hr_bpm);
}

START_TEST(tall_t_waves_with_wide_complexes_or_without_p_are_an_alarm)
{
    static const double t_at_s[] = {0.24, 0.26, 0.28};
    struct found x;
    look_at_t(0.02, false, t_at_s[_i], 1400, &x);
    ck_assert(says(&x, ECG_FINDING_ALARM_POTASSIUM));
    look_at_t(0.03, false, t_at_s[_i], 1400, &x);
    ck_assert(says(&x, ECG_FINDING_ALARM_POTASSIUM));
    look_at_t(0.03, true, t_at_s[_i], 1400, &x);
    ck_assert(says(&x, ECG_FINDING_ALARM_POTASSIUM));
    look_at_t(0.02, true, t_at_s[_i], 1400, &x);
    ck_assert(!says(&x, ECG_FINDING_ALARM_POTASSIUM));
    look_at_t(0.03, false, t_at_s[_i], 500, &x);
    ck_assert(!says(&x, ECG_FINDING_ALARM_POTASSIUM));
}
END_TEST

/* Ventricular beats so long after two of the others; 0 = none. */
static void look_at_qt(double qt_s, double after_s, struct found *x)
{
    static const double ventricular[] = {-0.5, 1, 1.2, 1, 0.9, 0.6, -0.4, -0.7};
    static const struct synthetic_wave premature[] = {
        {0, 0.05, 1500}, {0.07, 0.05, -700}, {0.3, 0.12, -400}};
    double at_s[SYNTHETIC_BEATS], early_s[2];
    size_t n = 0, nearly = 0;
    for (double t = 0.4; t < 9.6; t += 1) {
        at_s[n++] = t;
        if (after_s > 0 && (n == 4 || n == 7)) {
            early_s[nearly++] = t + after_s;
            t += 0.5;
        }
    }
    struct synthetic_wave waves[5];
    memcpy(waves, synthetic_plain.wave, sizeof waves);
    waves[4].at_s = qt_s - 0.04 - waves[4].half_s; /* from Q's onset to T's end */
    struct ecg_record *r = beats_at(waves, 5, at_s, n);
    synthetic_add(r, ventricular, premature, 3, early_s, nearly);
    find(r, x);
}

START_TEST(a_beat_on_t_of_a_very_long_qt_is_an_alarm)
{
    struct found x;
    look_at_qt(0.58, 0.52, &x);
    ck_assert(says(&x, ECG_FINDING_ALARM_QT));
    look_at_qt(0.58, 0.75, &x); /* after T */
    ck_assert(!says(&x, ECG_FINDING_ALARM_QT));
    look_at_qt(0.58, 0, &x);
    ck_assert(!says(&x, ECG_FINDING_ALARM_QT));
    look_at_qt(0.50, 0.44, &x);
    ck_assert(!says(&x, ECG_FINDING_ALARM_QT));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_alarm");
    TCase *t = tcase_create("alarm");
    tcase_add_loop_test(t, tall_t_waves_with_wide_complexes_or_without_p_are_an_alarm, 0, 3);
    tcase_add_test(t, a_beat_on_t_of_a_very_long_qt_is_an_alarm);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
