/* AV blocks of recordings whose P waves and complexes are set apart, and what resembles them. */
#include "ecg/analysis/ecg_atrial.h"
#include "ecg_synthetic.h"

enum { MOST = 120 };
static const double P_GAINS[] = {0.5, 1, 0.4, 0.5, 0.6, 0.6, 0.6, 0.5};
static const struct synthetic_wave P = {0, 0.050, 130};
static const struct synthetic_wave COMPLEX[] = {
    {-0.028, 0.012, -120}, {0, 0.020, 1200}, {0.032, 0.018, -300}, {0.280, 0.090, 350}};

static const double SHORT_S = 11;

struct course {
    double seconds;
    double p_s[MOST]; /* middle of each P wave */
    double qrs_s[MOST];
    size_t p;
    size_t qrs;
};

/* P waves at this interval, from 0.2 s to the end. */
static void steady_p(struct course *c, double pp_s, double seconds)
{
    c->seconds = seconds;
    c->p = c->qrs = 0;
    for (double at_s = 0.2; at_s < seconds - 0.1; at_s += pp_s)
        c->p_s[c->p++] = at_s;
}

/* Of so many P waves all but the last have a complex, each later than the one before. */
static void second_degree(struct course *c, size_t of, double pr_s, double more_s)
{
    steady_p(c, 0.72, SHORT_S);
    for (size_t i = 0; i < c->p; i++)
        if (i % of != of - 1)
            c->qrs_s[c->qrs++] = c->p_s[i] + pr_s + more_s * (double)(i % of);
}

static struct ecg_record *make(const struct course *c, size_t nleads, double noise_uv)
{
    struct synthetic s = synthetic_plain;
    s.wave[0].uv = 0;
    s.noise_uv = noise_uv;
    s.seconds = c->seconds;
    s.nleads = nleads;
    struct ecg_record *r = synthetic_make(&s);
    synthetic_add(r, P_GAINS, &P, 1, c->p_s, c->p);
    synthetic_add(r, synthetic_gains, COMPLEX, 4, c->qrs_s, c->qrs);
    return r;
}

/* wanted: so many beats; 0 = as may be. */
static struct ecg_atrial find_in(struct ecg_record *r, size_t wanted)
{
    struct base_error err = {0};
    struct ecg_beats beats = {0};
    struct ecg_atrial out;
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert(wanted == 0 || beats.n == wanted);
    ck_assert_int_eq(ecg_atrial_find(r, &beats, &out), BASE_OK);
    ecg_beats_deinit(&beats);
    ecg_record_free(r);
    return out;
}

/* Quiet and noisy, of all leads and of two. */
static const struct {
    size_t nleads;
    double noise_uv;
} kinds[] = {{8, 5}, {8, 25}, {2, 5}, {2, 15}};
enum { KINDS = 4 };

static struct ecg_atrial find(const struct course *c, int kind)
{
    return find_in(make(c, kinds[kind].nleads, kinds[kind].noise_uv), 0);
}

START_TEST(p_waves_apart_from_complexes_are_third_degree)
{
    struct course c;
    steady_p(&c, 0.8, SHORT_S);
    for (double at_s = 0.5; at_s < 10.7; at_s += 1.43)
        c.qrs_s[c.qrs++] = at_s;
    struct ecg_atrial a = find(&c, _i);
    ck_assert_int_eq(a.block, ECG_AV_THIRD);
    assert_near(a.atrial_bpm, 75, 2);
    assert_near(a.rr_ms, 1430, 12);
}
END_TEST

/* At nearly twice the rate of the complexes they move past them slowly; at just twice it nothing
 * tells that from 2:1. In two leads the waves may be U. */
START_TEST(p_waves_that_move_past_complexes_are_third_degree)
{
    static const double ratios[] = {2.03, 1.97, 2};
    for (size_t i = 0; i < 3; i++) {
        struct course c;
        steady_p(&c, 1.5 / ratios[i], SHORT_S);
        for (double at_s = i == 1 ? 0.55 : 0.45; at_s < 10.7; at_s += 1.5)
            c.qrs_s[c.qrs++] = at_s;
        ck_assert_int_eq(find(&c, _i).block, i < 2 ? ECG_AV_THIRD : ECG_AV_TWO_TO_ONE);
    }
}
END_TEST

/* However few: P waves are what is seen most of the time, and are no complexes for that. */
START_TEST(so_they_are_between_very_few_complexes)
{
    static const size_t nleads[] = {8, 3, 2};
    int bpm = 8 + 2 * (_i / 3);
    double seconds = bpm < 14 ? 50 : 30;
    struct course c;
    steady_p(&c, 0.8, seconds);
    for (double at_s = 0.7; at_s < seconds - 1; at_s += 60.0 / bpm + 0.05 * (double)(c.qrs % 2))
        c.qrs_s[c.qrs++] = at_s;
    struct ecg_atrial a = find_in(make(&c, nleads[_i % 3], 5), c.qrs);
    ck_assert_int_eq(a.block, ECG_AV_THIRD);
    assert_near(a.atrial_bpm, 75, 2);
}
END_TEST

/* One beat after the other has a complex, then hardly any has one for a while. */
START_TEST(complexes_are_found_when_they_become_few)
{
    struct course c;
    steady_p(&c, 0.8, 90);
    for (size_t i = 0; i < c.p; i++)
        if (c.p_s[i] < 30 || c.p_s[i] > 70)
            c.qrs_s[c.qrs++] = c.p_s[i] + 0.16;
        else if (i % 5 == 0)
            c.qrs_s[c.qrs++] = c.p_s[i] + 0.4;
    (void)find_in(make(&c, 3, 5), c.qrs);
}
END_TEST

/* What is tall and rare beside complexes is a jolt of the cable. */
START_TEST(small_complexes_beside_jolts_are_complexes)
{
    static const struct synthetic_wave SMALL[] = {
        {-0.16, 0.05, 60}, {0, 0.022, 350}, {0.032, 0.018, -100}, {0.28, 0.09, 120}};
    static const struct synthetic_wave JOLT = {0, 0.02, 3000};
    static const double jolts_s[] = {4.1, 9.3, 17.7, 22.2};
    struct course c;
    steady_p(&c, 0.8, 30);
    memcpy(c.qrs_s, c.p_s, sizeof c.p_s);
    size_t n = c.p;
    c.p = 0;
    struct ecg_record *r = make(&c, 2, 5);
    synthetic_add(r, synthetic_gains, SMALL, 4, c.qrs_s, n);
    synthetic_add(r, P_GAINS, &JOLT, 1, jolts_s, 4);
    struct base_error err = {0};
    struct ecg_beats beats = {0};
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_uint_ge(beats.n, n - 4);
    ecg_beats_deinit(&beats);
    ecg_record_free(r);
}
END_TEST

START_TEST(every_other_complex_missing_is_two_to_one)
{
    struct course c;
    second_degree(&c, 2, 0.17, 0);
    struct ecg_atrial a = find(&c, _i);
    ck_assert_int_eq(a.block, ECG_AV_TWO_TO_ONE);
    assert_near(a.pr_least_ms, 180, 25);
}
END_TEST

START_TEST(growing_pr_before_a_pause_is_type_one)
{
    struct course c;
    second_degree(&c, 4, 0.15, 0.05);
    struct ecg_atrial a = find(&c, _i);
    ck_assert_int_eq(a.block, ECG_AV_TYPE_1);
    assert_near(a.pr_before_ms - a.pr_after_ms, 100, 15);
}
END_TEST

START_TEST(steady_pr_before_a_pause_is_type_two)
{
    struct course c;
    second_degree(&c, 4, 0.15, 0);
    ck_assert_int_eq(find(&c, _i).block, ECG_AV_TYPE_2);
}
END_TEST

START_TEST(two_missing_in_a_row_are_advanced)
{
    struct course c;
    steady_p(&c, 0.62, SHORT_S);
    for (size_t i = 0; i < c.p; i += 3)
        c.qrs_s[c.qrs++] = c.p_s[i] + 0.16;
    ck_assert_int_eq(find(&c, _i).block, ECG_AV_ADVANCED);
}
END_TEST

/* ---- and what is none ---- */

START_TEST(slow_sinus_rhythm_is_no_block)
{
    struct course c;
    steady_p(&c, 1.3, SHORT_S);
    for (size_t i = 0; i < c.p; i++)
        c.qrs_s[c.qrs++] = c.p_s[i] + 0.16;
    ck_assert_int_eq(find(&c, _i).block, ECG_AV_NONE);
}
END_TEST

START_TEST(u_waves_are_no_p_waves)
{
    static const struct synthetic_wave U = {0.5, 0.07, 120};
    struct course c;
    steady_p(&c, 1.2, SHORT_S);
    for (size_t i = 0; i < c.p; i++)
        c.qrs_s[c.qrs++] = c.p_s[i] + 0.16;
    struct ecg_record *r = make(&c, 8, kinds[_i % 2].noise_uv);
    synthetic_add(r, synthetic_gains, &U, 1, c.qrs_s, c.qrs);
    ck_assert_int_eq(find_in(r, 0).block, ECG_AV_NONE);
}
END_TEST

/* In few leads one that lies half way between two P waves is as like them as they are themselves.
 */
START_TEST(nor_are_those_of_few_leads_half_way_between_two_of_them)
{
    static const struct synthetic_wave U = {0.47, 0.05, 120};
    struct course c;
    steady_p(&c, 1.26, SHORT_S);
    for (size_t i = 0; i < c.p; i++)
        c.qrs_s[c.qrs++] = c.p_s[i] + 0.16;
    struct ecg_record *r = make(&c, (size_t)_i + 1, 5);
    synthetic_add(r, P_GAINS, &U, 1, c.qrs_s, c.qrs);
    ck_assert_int_eq(find_in(r, 0).block, ECG_AV_NONE);
}
END_TEST

START_TEST(a_blocked_premature_p_wave_is_no_block)
{
    struct course c = {.seconds = SHORT_S};
    double at_s = 0.3;
    for (size_t i = 0; i < 12; i++) {
        bool is_early = i == 5;
        c.p_s[c.p++] = is_early ? at_s - 0.30 : at_s;
        if (!is_early)
            c.qrs_s[c.qrs++] = at_s + 0.16;
        at_s += is_early ? 0.55 : 0.85;
    }
    ck_assert_int_eq(find(&c, _i).block, ECG_AV_NONE);
}
END_TEST

START_TEST(complexes_without_p_waves_are_no_block)
{
    struct course c;
    steady_p(&c, 0.8, SHORT_S);
    c.p = 0;
    for (double at_s = 0.5; at_s < 10.7; at_s += 1.5)
        c.qrs_s[c.qrs++] = at_s;
    ck_assert_int_eq(find(&c, _i).block, ECG_AV_NONE);
}
END_TEST

START_TEST(fast_complexes_leave_no_room)
{
    struct course c;
    second_degree(&c, 99, 0.16, 0);
    struct ecg_atrial a = find(&c, 0);
    ck_assert_int_eq(a.block, ECG_AV_NONE);
    ck_assert_uint_eq(a.p, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_atrial");
    TCase *t = tcase_create("atrial");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, p_waves_apart_from_complexes_are_third_degree, 0, KINDS);
    tcase_add_loop_test(t, p_waves_that_move_past_complexes_are_third_degree, 0, 2);
    tcase_add_loop_test(t, so_they_are_between_very_few_complexes, 0, 27);
    tcase_add_test(t, complexes_are_found_when_they_become_few);
    tcase_add_test(t, small_complexes_beside_jolts_are_complexes);
    tcase_add_loop_test(t, every_other_complex_missing_is_two_to_one, 0, KINDS);
    tcase_add_loop_test(t, growing_pr_before_a_pause_is_type_one, 0, KINDS);
    tcase_add_loop_test(t, steady_pr_before_a_pause_is_type_two, 0, KINDS);
    tcase_add_loop_test(t, two_missing_in_a_row_are_advanced, 0, KINDS);
    tcase_add_loop_test(t, slow_sinus_rhythm_is_no_block, 0, KINDS);
    tcase_add_loop_test(t, u_waves_are_no_p_waves, 0, KINDS);
    tcase_add_loop_test(t, nor_are_those_of_few_leads_half_way_between_two_of_them, 0, 3);
    tcase_add_loop_test(t, a_blocked_premature_p_wave_is_no_block, 0, KINDS);
    tcase_add_loop_test(t, complexes_without_p_waves_are_no_block, 0, KINDS);
    tcase_add_test(t, fast_complexes_leave_no_room);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
