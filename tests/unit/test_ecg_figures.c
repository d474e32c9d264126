/* Intervals, amplitudes and axes of recordings whose waves are known. */
#include "ecg/analysis/ecg_figures.h"
#include "ecg_synthetic.h"

static struct ecg_figures *measure_record(const struct ecg_record *r)
{
    struct base_error err = {0};
    struct ecg_beats beats = {0};
    struct ecg_figures *f = malloc(sizeof *f);
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_msg(ecg_figures_measure(r, NULL, &beats, f, &err) == BASE_OK, "%s", err.msg);
    ecg_beats_deinit(&beats);
    return f;
}

static struct ecg_figures *measure(const struct synthetic *s)
{
    struct ecg_record *r = synthetic_make(s);
    struct ecg_figures *f = measure_record(r);
    ecg_record_free(r);
    return f;
}

START_TEST(intervals_are_those_of_the_waves)
{
    struct ecg_figures *f = measure(&synthetic_plain);
    assert_near(f->rr_ms, 800, 4);
    assert_near(f->pr_ms, 160, 20);
    assert_near(f->qrs_ms, 90, 22); /* from the earliest to the latest lead */
    assert_near(f->qt_ms, 380, 30);
    assert_near(f->qtc_bazett_ms, f->qt_ms / 0.8944F, 2);
    assert_near(f->qtc_fridericia_ms, f->qt_ms / 0.9283F, 2);
    assert_near(f->qtc_framingham_ms, f->qt_ms + 154 * 0.2F, 2);
    assert_near(f->qtc_hodges_ms, f->qt_ms + 1.75F * 15, 2);
    free(f);
}
END_TEST

START_TEST(amplitudes_are_those_of_the_waves)
{
    struct ecg_figures *f = measure(&synthetic_plain);
    const struct ecg_figures_lead *two = ecg_figures_lead(f, ECG_LEAD_II);
    ck_assert_ptr_nonnull(two);
    assert_near(two->p_uv, 150, 12);
    assert_near(two->q_uv, -120, 20);
    assert_near(two->r_uv, 1200, 25);
    assert_near(two->s_uv, -300, 25);
    assert_near(two->t_uv, 350, 15);
    assert_near(two->st_uv[1], 0, 15);
    assert_near(two->r_peak_ms, 40, 14);
    const struct ecg_figures_lead *v1 = ecg_figures_lead(f, ECG_LEAD_V1); /* all the other way */
    assert_near(v1->q_uv, 0, 1);
    assert_near(v1->r_uv, 72, 15);
    assert_near(v1->s_uv, -720, 20);
    assert_near(v1->r2_uv, 180, 20);
    assert_near(v1->t_uv, -210, 15);
    free(f);
}
END_TEST

START_TEST(limb_leads_that_are_not_stored_are_derived)
{
    struct ecg_figures *f = measure(&synthetic_plain);
    ck_assert_uint_eq(f->nleads, 12);
    const struct ecg_figures_lead *three = ecg_figures_lead(f, ECG_LEAD_III);
    const struct ecg_figures_lead *avr = ecg_figures_lead(f, ECG_LEAD_AVR);
    assert_near(three->r_uv, 360, 20);
    assert_near(avr->s_uv, -1020, 25);
    free(f);
}
END_TEST

START_TEST(a_lead_without_a_sample_has_no_heights_and_no_axis)
{
    struct ecg_record *r = synthetic_make(&synthetic_plain);
    struct ecg_lead *lead = &r->leads[_i];
    for (size_t i = 0; i < lead->samples; i++)
        lead->i32[i] = ECG_SAMPLE_NONE;
    ecg_record_count(lead);
    struct ecg_figures *f = measure_record(r);
    const struct ecg_figures_lead *l = ecg_figures_lead(f, lead->id);
    ck_assert_ptr_nonnull(l);
    ck_assert(isnan(l->r_uv) && isnan(l->t_uv) && isnan(l->st_uv[0]));
    bool is_limb = lead->id == ECG_LEAD_I || lead->id == ECG_LEAD_II;
    ck_assert(isnan(f->qrs_axis_deg) == is_limb);
    ck_assert((ecg_figures_lead(f, ECG_LEAD_III) == NULL) == is_limb);
    assert_near(f->qrs_ms, 90, 22);
    free(f);
    ecg_record_free(r);
}
END_TEST

/* The electrical axis from I and II alone: II / I = cos(60° - a) / cos(a). */
START_TEST(axes_follow_from_the_limb_leads)
{
    static const double angles_deg[] = {-60, 0, 30, 90, 150, -150};
    struct synthetic s = synthetic_plain;
    double gains[SYNTHETIC_LEADS];
    double a = angles_deg[_i] * M_PI / 180;
    memcpy(gains, synthetic_gains, sizeof synthetic_gains);
    gains[0] = cos(a);
    gains[1] = cos(M_PI / 3 - a);
    s.gains = gains;
    struct ecg_figures *f = measure(&s);
    const float axes[] = {f->p_axis_deg, f->qrs_axis_deg, f->t_axis_deg};
    for (size_t i = 0; i < 3; i++)
        ck_assert_msg(fabs(remainder((double)axes[i] - angles_deg[_i], 360)) < 6, "%zu: %g not %g",
                      i, (double)axes[i], angles_deg[_i]);
    free(f);
}
END_TEST

/* One value all the time: without its electrode II would make any axis one of -30 degrees. */
START_TEST(a_limb_lead_without_a_signal_has_no_axis)
{
    double gains[SYNTHETIC_LEADS];
    struct synthetic s = synthetic_plain;
    memcpy(gains, synthetic_gains, sizeof synthetic_gains);
    gains[_i] = 0;
    s.noise_uv = 0;
    s.gains = gains;
    struct ecg_figures *f = measure(&s);
    ck_assert(isnan(f->qrs_axis_deg) && isnan(f->p_axis_deg) && isnan(f->t_axis_deg));
    free(f);
}
END_TEST

START_TEST(all_of_eighteen_leads_are_measured)
{
    enum { ALL = 18 };
    static const int ids[ALL] = {
        ECG_LEAD_I,  ECG_LEAD_II, ECG_LEAD_III, ECG_LEAD_AVR, ECG_LEAD_AVL, ECG_LEAD_AVF,
        ECG_LEAD_V1, ECG_LEAD_V2, ECG_LEAD_V3,  ECG_LEAD_V4,  ECG_LEAD_V5,  ECG_LEAD_V6,
        9,           10,          11,           12,           13,           14};
    double gains[ALL];
    struct synthetic s = synthetic_plain;
    for (size_t i = 0; i < ALL; i++)
        gains[i] = 0.5 + (double)i / 40;
    s.ids = ids;
    s.gains = gains;
    s.nleads = ALL;
    struct ecg_figures *f = measure(&s);
    ck_assert_uint_eq(f->nleads, ALL);
    assert_near(f->lead[ALL - 1].r_uv, 1200 * gains[ALL - 1], 25);
    free(f);
}
END_TEST

START_TEST(st_is_measured_from_the_end_of_qrs)
{
    struct synthetic s = synthetic_plain;
    s.wave[5] = (struct synthetic_wave){0.110, 0.110, 200}; /* full at J + 60 */
    struct ecg_figures *f = measure(&s);
    const struct ecg_figures_lead *two = ecg_figures_lead(f, ECG_LEAD_II);
    ck_assert(two->st_uv[3] > 150);
    ck_assert(ecg_figures_lead(f, ECG_LEAD_V2)->st_uv[3] < -100);
    free(f);
}
END_TEST

START_TEST(long_recordings_are_measured_all_over)
{
    struct synthetic s = synthetic_plain;
    double at_s[SYNTHETIC_BEATS];
    s.seconds = 50;
    s.nleads = 2;
    struct ecg_figures *f = measure(&s);
    ck_assert_uint_eq(f->rate.beats, synthetic_beats(&s, at_s));
    assert_near(f->pr_ms, 160, 20);
    free(f);
}
END_TEST

/* Twelve beats make a block; what only the thirteenth has is not the recording's. */
START_TEST(a_wave_before_one_irregular_beat_is_no_p_wave)
{
    enum { BLOCK = 12 };
    double at_s[SYNTHETIC_BEATS];
    struct synthetic s = synthetic_plain;
    s.wave[0] = s.wave[4];
    s.wave[4].uv = 0;
    s.interval_s = 0.75;
    s.jitter_s = 0.25;
    s.seconds = 12;
    size_t n = synthetic_beats(&s, at_s);
    ck_assert_uint_gt(n, BLOCK);
    s.seconds = at_s[BLOCK] + 0.6;
    ck_assert_uint_eq(synthetic_beats(&s, at_s), BLOCK + 1);
    struct ecg_record *r = synthetic_make(&s);
    synthetic_add(r, synthetic_gains, synthetic_plain.wave, 1, at_s + BLOCK, 1);
    struct ecg_figures *f = measure_record(r);
    ck_assert(isnan(f->pr_ms));
    ck_assert(isnan(f->p_ms));
    ecg_record_free(r);
    free(f);
}
END_TEST

START_TEST(without_beats_there_are_no_figures)
{
    struct synthetic s = synthetic_plain;
    s.wave[0].uv = 0;
    s.noise_uv = 0;
    struct ecg_figures *f = measure(&s);
    ck_assert_uint_eq(f->rate.beats, 0);
    ck_assert(isnan(f->pr_ms) && isnan(f->qrs_ms) && isnan(f->qtc_bazett_ms) &&
              isnan(f->qrs_axis_deg));
    ck_assert_uint_eq(f->nleads, 0);
    ck_assert_ptr_null(ecg_figures_lead(f, ECG_LEAD_I));
    free(f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_figures");
    TCase *t = tcase_create("figures");
    tcase_add_test(t, intervals_are_those_of_the_waves);
    tcase_add_test(t, amplitudes_are_those_of_the_waves);
    tcase_add_test(t, limb_leads_that_are_not_stored_are_derived);
    tcase_add_loop_test(t, a_lead_without_a_sample_has_no_heights_and_no_axis, 0, 3);
    tcase_add_loop_test(t, axes_follow_from_the_limb_leads, 0, 6);
    tcase_add_loop_test(t, a_limb_lead_without_a_signal_has_no_axis, 0, 2);
    tcase_add_test(t, all_of_eighteen_leads_are_measured);
    tcase_add_test(t, st_is_measured_from_the_end_of_qrs);
    tcase_add_test(t, long_recordings_are_measured_all_over);
    tcase_add_test(t, a_wave_before_one_irregular_beat_is_no_p_wave);
    tcase_add_test(t, without_beats_there_are_no_figures);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
