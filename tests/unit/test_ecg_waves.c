/* The boundaries of waves in recordings whose waves are known. */
#include "ecg/analysis/ecg_waves.h"
#include "ecg_order.h"
#include "ecg_synthetic.h"

/* Where the waves of ecg_synthetic.h really begin and end, in s after R. */
static const double truth_s[ECG_POINT_COUNT] = {-0.200, -0.150, -0.100, -0.040, 0,
                                                0.050,  0.180,  0.260,  0.340};

static const struct ecg_lead *no_lead(const struct ecg_record *r)
{
    (void)r;
    return NULL;
}

static const struct ecg_lead *first_lead(const struct ecg_record *r)
{
    return &r->leads[0];
}

static const struct ecg_lead *second_lead(const struct ecg_record *r)
{
    return &r->leads[1];
}

struct found {
    struct ecg_beats beats;
    struct ecg_waves w[SYNTHETIC_BEATS];
    double at_s[SYNTHETIC_BEATS];
    size_t n;
};

static void find(const struct synthetic *s,
                 const struct ecg_lead *(*choose)(const struct ecg_record *), struct found *out)
{
    struct base_error err = {0};
    struct ecg_record *r = synthetic_make(s);
    out->n = synthetic_beats(s, out->at_s);
    ck_assert_int_eq(ecg_beats_find(r, NULL, &out->beats, &err), BASE_OK);
    ck_assert_uint_eq(out->beats.n, out->n);
    ck_assert_msg(ecg_waves_find(r, &out->beats, choose(r), out->w, &err) == BASE_OK, "%s",
                  err.msg);
    ecg_record_free(r);
}

/* A wave with soft ends is found a little inside of them. */
static void assert_waves(const struct synthetic *s,
                         const struct ecg_lead *(*choose)(const struct ecg_record *),
                         double tolerance_s)
{
    struct found f;
    find(s, choose, &f);
    for (size_t i = 0; i < f.n; i++)
        for (size_t k = 0; k < ECG_POINT_COUNT; k++) {
            double at_s = f.at_s[i] + truth_s[k];
            if (k == ECG_POINT_T_ON) /* rises too softly to have a place */
                continue;
            ck_assert_msg(fabs(f.w[i].at_s[k] - at_s) < tolerance_s,
                          "beat %zu point %zu: %.3f, not %.3f", i, k, f.w[i].at_s[k], at_s);
        }
    ecg_beats_deinit(&f.beats);
}

START_TEST(every_wave_is_found_where_it_is)
{
    assert_waves(&synthetic_plain, no_lead, 0.025);
}
END_TEST

START_TEST(a_lead_has_its_own_waves)
{
    assert_waves(&synthetic_plain, second_lead, 0.025);
}
END_TEST

START_TEST(rate_does_not_matter)
{
    static const double rates_hz[] = {250, 257, 360, 1000, 2000};
    struct synthetic s = synthetic_plain;
    s.rate_hz = rates_hz[_i];
    assert_waves(&s, no_lead, 0.03);
}
END_TEST

START_TEST(gain_does_not_matter)
{
    static const double factors[] = {0.4, 3};
    struct synthetic s = synthetic_plain;
    double gains[SYNTHETIC_LEADS];
    for (size_t i = 0; i < s.nleads; i++)
        gains[i] = synthetic_gains[i] * factors[_i];
    s.gains = gains;
    s.noise_uv *= factors[_i];
    assert_waves(&s, no_lead, 0.025);
}
END_TEST

START_TEST(one_lead_is_enough)
{
    struct synthetic s = synthetic_plain;
    s.nleads = 1;
    assert_waves(&s, no_lead, 0.025);
}
END_TEST

START_TEST(electrodes_that_are_off_move_nothing)
{
    static const double gains[] = {0, 1, 0, -0.8, 0, 1.1, 0, 0.8};
    struct synthetic s = synthetic_plain;
    s.gains = gains;
    assert_waves(&s, no_lead, 0.025);
    assert_waves(&s, first_lead, 0.025); /* where the others have them */
}
END_TEST

START_TEST(a_baseline_that_breathes_moves_nothing)
{
    static const struct synthetic_wave breath[] = {{0, 1.5, 1500}}; /* 3 s of every 4 s */
    static const double at_s[] = {0, 4, 8, 12};
    struct base_error err = {0};
    struct synthetic s = synthetic_plain;
    s.interval_s = 0.9;
    s.wave[0].uv = 40;
    struct ecg_record *r = synthetic_make(&s);
    struct ecg_beats beats;
    double beat_s[SYNTHETIC_BEATS];
    struct ecg_waves w[SYNTHETIC_BEATS];
    size_t n = synthetic_beats(&s, beat_s);
    synthetic_add(r, synthetic_gains, breath, 1, at_s, 4);
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_uint_eq(beats.n, n);
    ck_assert_int_eq(ecg_waves_find(r, &beats, NULL, w, &err), BASE_OK);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < ECG_POINT_COUNT; k++)
            if (k != ECG_POINT_T_ON)
                assert_near(w[i].at_s[k], beat_s[i] + truth_s[k], 0.025);
    ecg_beats_deinit(&beats);
    ecg_record_free(r);
}
END_TEST

/* Of two leads one has complexes without P and T waves, and noise that is as slow as those. */
START_TEST(a_lead_without_t_waves_moves_nothing)
{
    static const double gains[] = {1, 1};
    uint32_t state = (uint32_t)_i * 77 + 3;
    struct base_error err = {0};
    struct ecg_beats beats = {0};
    struct ecg_waves w[SYNTHETIC_BEATS];
    struct synthetic s = synthetic_plain;
    s.nleads = 2;
    s.gains = gains;
    struct ecg_record *r = synthetic_make(&s);
    double at_s[SYNTHETIC_BEATS], noise_s[SYNTHETIC_BEATS];
    size_t n = synthetic_beats(&s, at_s);
    static const double second[] = {0, -1};
    synthetic_add(r, second, &s.wave[0], 1, at_s, n);
    synthetic_add(r, second, &s.wave[4], 1, at_s, n);
    for (int k = 0; k < 12; k++) {
        struct synthetic_wave f = {0, 0.06, k % 2 ? 60 : -60};
        size_t m = 0;
        for (double t = 0.1 * synthetic_random(&state); t < s.seconds && m < SYNTHETIC_BEATS; m++)
            noise_s[m] = t += 0.25 + 0.2 * synthetic_random(&state);
        synthetic_add(r, second, &f, 1, noise_s, m);
    }
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_uint_eq(beats.n, n);
    ck_assert_int_eq(ecg_waves_find(r, &beats, NULL, w, &err), BASE_OK);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs(w[i].at_s[ECG_POINT_T_OFF] - at_s[i] - truth_s[ECG_POINT_T_OFF]) < 0.055,
                      "beat %zu: %.3f s late", i,
                      w[i].at_s[ECG_POINT_T_OFF] - at_s[i] - truth_s[ECG_POINT_T_OFF]);
    ecg_beats_deinit(&beats);
    ecg_record_free(r);
}
END_TEST

/* Beats so uneven that P falls on T and T on the next complex. */
START_TEST(waves_of_uneven_beats_follow_one_another)
{
    struct base_error err = {0};
    struct synthetic s = synthetic_plain;
    s.interval_s = 0.55;
    s.jitter_s = 0.2;
    s.seconds = 20;
    s.noise_uv = 5.0 * _i;
    struct ecg_record *r = synthetic_make(&s);
    struct ecg_beats beats;
    struct ecg_waves w[SYNTHETIC_BEATS];
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_uint_gt(beats.n, 25);
    ck_assert_uint_lt(beats.n, SYNTHETIC_BEATS);
    for (size_t k = 0; k <= r->nleads; k++) {
        const struct ecg_lead *only = k ? &r->leads[k - 1] : NULL;
        ck_assert_int_eq(ecg_waves_find(r, &beats, only, w, &err), BASE_OK);
        size_t at = ecg_out_of_order(w, beats.n);
        ck_assert_msg(at == beats.n, "lead %zu, beat %zu", k, at);
    }
    ecg_beats_deinit(&beats);
    ecg_record_free(r);
}
END_TEST

START_TEST(no_p_wave_is_invented)
{
    struct found f;
    struct synthetic s = synthetic_plain;
    s.wave[0] = s.wave[4]; /* T in its place */
    s.wave[4].uv = 0;
    s.jitter_s = 0.2;
    find(&s, no_lead, &f);
    for (size_t i = 0; i < f.n; i++) {
        ck_assert(isnan(f.w[i].at_s[ECG_POINT_P_ON]));
        ck_assert(!isnan(f.w[i].at_s[ECG_POINT_QRS_ON]));
        ck_assert(!isnan(f.w[i].at_s[ECG_POINT_T_OFF]));
    }
    ecg_beats_deinit(&f.beats);
}
END_TEST

START_TEST(a_spike_is_no_part_of_qrs)
{
    static const struct synthetic_wave spike[] = {{-0.074, 0.002, 1500}, {-0.064, 0.012, 900}};
    struct base_error err = {0};
    struct found f;
    struct ecg_record *r = synthetic_make(&synthetic_plain);
    f.n = synthetic_beats(&synthetic_plain, f.at_s);
    synthetic_add(r, synthetic_gains, spike, 2, f.at_s, f.n);
    ck_assert_int_eq(ecg_beats_find(r, NULL, &f.beats, &err), BASE_OK);
    ck_assert_uint_eq(f.beats.n, f.n);
    ck_assert_int_eq(ecg_waves_find(r, &f.beats, NULL, f.w, &err), BASE_OK);
    for (size_t i = 1; i < f.n; i++) {
        ck_assert_int_eq(f.beats.beat[i].code, ECG_CODE_PACED);
        assert_near(f.w[i].at_s[ECG_POINT_QRS_ON], f.at_s[i] + truth_s[ECG_POINT_QRS_ON], 0.012);
    }
    ecg_beats_deinit(&f.beats);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_lead_without_samples_is_refused)
{
    struct base_error err = {0};
    struct ecg_waves w;
    struct ecg_beat beat = {.at_s = 1};
    struct ecg_beats beats = {.beat = &beat, .n = 1, .seconds = 2};
    struct ecg_record *r = ecg_record_new(NULL);
    ck_assert_int_eq(ecg_record_set_leads(r, 1), BASE_OK);
    ck_assert_int_eq(ecg_waves_find(r, &beats, NULL, &w, &err), BASE_EUNSUPPORTED);
    ck_assert_int_eq(ecg_waves_find(r, &beats, &r->leads[0], &w, &err), BASE_EUNSUPPORTED);
    ecg_record_free(r);
}
END_TEST

/* Beats that were made up, in records that hold nothing there. */
START_TEST(beats_at_the_ends_are_no_harm)
{
    static const double at_s[] = {0, 0.001, 0.3, 0.9, 0.999};
    struct base_error err = {0};
    struct ecg_beat beat[5] = {{0}};
    struct ecg_waves w[5];
    struct ecg_beats beats = {.beat = beat, .n = 5, .seconds = 1};
    struct synthetic s = synthetic_plain;
    s.seconds = 1;
    s.noise_uv = _i ? 5 : 0;
    struct ecg_record *r = synthetic_make(&s);
    for (size_t i = 0; i < 5; i++)
        beat[i].at_s = at_s[i];
    for (size_t i = 0; i < r->leads[0].samples; i++)
        r->leads[_i].i32[i] = ECG_SAMPLE_NONE;
    ck_assert_int_eq(ecg_waves_find(r, &beats, NULL, w, &err), BASE_OK);
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < ECG_POINT_COUNT; k++)
            ck_assert(isnan(w[i].at_s[k]) || (w[i].at_s[k] >= 0 && w[i].at_s[k] < 1));
    ecg_record_free(r);
}
END_TEST

START_TEST(windows_are_the_lead_at_500_hz)
{
    static const double rates_hz[] = {50, 128, 250, 500, 1000, 2000, 20000};
    struct ecg_record *r = ecg_record_new(NULL);
    float out[600];
    double rate = rates_hz[_i];
    size_t n = (size_t)rate;
    ck_assert_int_eq(ecg_record_set_leads(r, 1), BASE_OK);
    ck_assert_int_eq(ecg_record_set_i32(r, &r->leads[0], n), BASE_OK);
    r->leads[0].rate_hz = rate;
    r->leads[0].uv_per_count = 2;
    for (size_t i = 0; i < n; i++) /* 1 s from 0 to 20000 uV */
        r->leads[0].i32[i] = (int32_t)lrint(10000 * (double)i / rate);
    ck_assert(ecg_window_read(&r->leads[0], 0.1, 400, out));
    for (size_t i = 0; i < 400; i++)
        assert_near(out[i], 20000 * (0.1F + (float)i / 500), 45);
    ck_assert(!ecg_window_read(&r->leads[0], 0.5, 600, out)); /* 0.7 s of it are not there */
    ck_assert(!ecg_window_read(&r->leads[0], -1e6, 600, out));
    ck_assert(!ecg_window_read(&r->leads[0], 1e6, 600, out));
    ecg_record_free(r);
}
END_TEST

START_TEST(a_beat_whose_t_wave_is_later_ends_later)
{
    enum { LATER = 5 };
    static const struct synthetic_wave instead[] = {{0.260, 0.080, -350}, {0.290, 0.080, 350}};
    struct base_error err = {0};
    struct ecg_beats b;
    struct ecg_waves w[SYNTHETIC_BEATS];
    double at_s[SYNTHETIC_BEATS];
    struct synthetic s = synthetic_plain;
    s.seconds = _i ? 40 : 10; /* in the longer one QT is steadied over half a minute */
    size_t n = synthetic_beats(&s, at_s);
    struct ecg_record *r = synthetic_make(&s);
    synthetic_add(r, synthetic_gains, instead, 2, &at_s[LATER], 1);
    ck_assert_int_eq(ecg_beats_find(r, NULL, &b, &err), BASE_OK);
    ck_assert_uint_eq(b.n, n);
    for (int one = 0; one < 2; one++) { /* over all leads, and in one */
        ck_assert_int_eq(ecg_waves_find(r, &b, one ? &r->leads[1] : NULL, w, &err), BASE_OK);
        double later_s = w[LATER].at_s[ECG_POINT_T_OFF] - at_s[LATER];
        double before_s = w[LATER - 1].at_s[ECG_POINT_T_OFF] - at_s[LATER - 1];
        double after_s = w[LATER + 1].at_s[ECG_POINT_T_OFF] - at_s[LATER + 1];
        ck_assert_msg(later_s > before_s + 0.004 && later_s > after_s + 0.004,
                      "%.3f beside %.3f and %.3f", later_s, before_s, after_s);
    }
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_waves");
    TCase *t = tcase_create("waves");
    tcase_add_test(t, every_wave_is_found_where_it_is);
    tcase_add_test(t, a_lead_has_its_own_waves);
    tcase_add_loop_test(t, rate_does_not_matter, 0, 5);
    tcase_add_loop_test(t, gain_does_not_matter, 0, 2);
    tcase_add_test(t, one_lead_is_enough);
    tcase_add_test(t, electrodes_that_are_off_move_nothing);
    tcase_add_test(t, a_baseline_that_breathes_moves_nothing);
    tcase_add_loop_test(t, a_lead_without_t_waves_moves_nothing, 0, 16);
    tcase_add_loop_test(t, waves_of_uneven_beats_follow_one_another, 0, 4);
    tcase_add_test(t, no_p_wave_is_invented);
    tcase_add_test(t, a_spike_is_no_part_of_qrs);
    tcase_add_loop_test(t, a_beat_whose_t_wave_is_later_ends_later, 0, 2);
    tcase_add_test(t, a_lead_without_samples_is_refused);
    tcase_add_loop_test(t, beats_at_the_ends_are_no_harm, 0, 2);
    tcase_add_loop_test(t, windows_are_the_lead_at_500_hz, 0, 7);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
