/* The beats of synthetic recordings, whose true places are known. */
#include "ecg/analysis/ecg_beats.h"
#include "ecg/analysis/ecg_detect_priv.h"
#include "ecg_fixture.h"

#include <math.h>

enum { BEATS_MAX = 256 };

/* A recording of nleads leads; what deviates from the plain one is stated. */
struct plan {
    size_t nleads;
    double rate_hz;
    double seconds;
    double gain;
    double interval_s;
    bool inverted;
    bool as_i16;
    size_t pvc_every; /* 0 = none */
    double t_uv; /* of a T wave as short as a wide complex, and early, instead of the usual one */
    double noise_uv;
    double lost_from_s; /* a second of lead 0 is missing */
};

static double bump(double t, double at, double width)
{
    double z = (t - at) / width;
    return exp(-z * z);
}

/* In uV, t seconds after the R wave. */
static double normal_beat(double t)
{
    return 120 * bump(t, -0.17, 0.025) - 100 * bump(t, -0.03, 0.01) + 1100 * bump(t, 0, 0.012) -
           250 * bump(t, 0.03, 0.012) + 250 * bump(t, 0.28, 0.06);
}

/* A small complex and a T wave that is higher than it. */
static double beat_with_t(double t, double t_uv)
{
    return normal_beat(t) / 4 + t_uv * bump(t, 0.24, 0.04);
}

static double wide_beat(double t)
{
    return 1400 * bump(t, 0, 0.045) - 700 * bump(t, 0.11, 0.05) - 400 * bump(t, 0.3, 0.07);
}

struct truth {
    double at_s[BEATS_MAX];
    bool is_pvc[BEATS_MAX];
    size_t n;
};

static double random_uv(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return ((double)(*state >> 8) / 8388608 - 1);
}

static void plan_beats(const struct plan *p, struct truth *t)
{
    double at = 0.4;
    for (t->n = 0; at < p->seconds - 0.1 && t->n < BEATS_MAX; t->n++) {
        bool is_pvc = p->pvc_every && t->n % p->pvc_every == p->pvc_every - 1;
        t->at_s[t->n] = at - (is_pvc ? 0.35 * p->interval_s : 0);
        t->is_pvc[t->n] = is_pvc;
        at += p->interval_s;
    }
}

static struct ecg_record *make(const struct plan *p, struct truth *truth)
{
    struct ecg_record *r = ecg_record_new(NULL);
    size_t n = (size_t)(p->seconds * p->rate_hz);
    uint32_t state = 7;
    plan_beats(p, truth);
    ck_assert_int_eq(ecg_record_set_leads(r, p->nleads), BASE_OK);
    for (size_t k = 0; k < p->nleads; k++) {
        struct ecg_lead *lead = &r->leads[k];
        int32_t *v = must_have_samples(r, lead, n);
        lead->id = k == 0 ? ECG_LEAD_II : ECG_LEAD_V1 + (int)k - 1;
        lead->name = ecg_lead_name(lead->id);
        lead->rate_hz = p->rate_hz;
        lead->uv_per_count = 2.5;
        for (size_t b = 0; b < truth->n; b++) {
            double from = (truth->at_s[b] - 0.4) * p->rate_hz;
            double to = (truth->at_s[b] + 0.6) * p->rate_hz;
            for (size_t i = from > 0 ? (size_t)from : 0; i < n && (double)i < to; i++) {
                double t = (double)i / p->rate_hz - truth->at_s[b];
                double uv = truth->is_pvc[b] ? wide_beat(t)
                            : p->t_uv > 0    ? beat_with_t(t, p->t_uv)
                                             : normal_beat(t);
                v[i] += (int32_t)(uv * p->gain * (p->inverted ? -1 : 1) / (double)(k + 1) / 2.5);
            }
        }
        for (size_t i = 0; i < n; i++)
            v[i] += (int32_t)(random_uv(&state) * p->noise_uv / 2.5);
        for (size_t i = 0; k == 0 && p->lost_from_s > 0 && i < (size_t)p->rate_hz; i++)
            v[(size_t)(p->lost_from_s * p->rate_hz) + i] = ECG_SAMPLE_NONE;
        if (p->as_i16)
            ecg_record_narrow(r, lead);
    }
    return r;
}

static const struct plan plain = {.nleads = 2,
                                  .rate_hz = 500,
                                  .seconds = 30,
                                  .gain = 1,
                                  .interval_s = 0.8,
                                  .as_i16 = true,
                                  .noise_uv = 10};

static void assert_found(const struct ecg_beats *b, const struct truth *t, double tolerance_s)
{
    ck_assert_msg(b->n == t->n, "%zu beats found of %zu", b->n, t->n);
    for (size_t i = 0; i < b->n; i++)
        ck_assert_double_eq_tol(b->beat[i].at_s, t->at_s[i], tolerance_s);
}

static struct ecg_beats find(const struct ecg_record *r, const struct ecg_lead *only)
{
    struct ecg_beats b = {0};
    struct base_error err = {0};
    enum base_err e = ecg_beats_find(r, only, &b, &err);
    ck_assert_msg(e == BASE_OK, "%s", err.msg);
    return b;
}

static void check_plan(const struct plan *p)
{
    struct truth truth;
    struct ecg_record *r = make(p, &truth);
    struct ecg_beats b = find(r, NULL);
    assert_found(&b, &truth, 0.02);
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}

START_TEST(every_beat_is_found_at_its_r_wave)
{
    check_plan(&plain);
}
END_TEST

START_TEST(a_t_wave_higher_than_its_complex_is_no_beat)
{
    for (double t_uv = 300; t_uv <= 600; t_uv += 100) {
        struct plan p = plain;
        p.t_uv = t_uv;
        p.interval_s = 0.9;
        check_plan(&p);
    }
}
END_TEST

START_TEST(a_premature_beat_after_every_other_one_is_no_t_wave)
{
    /* 312, 325 and 358 ms after it; what comes within 300 ms is a T wave */
    static const double intervals_s[] = {0.48, 0.5, 0.55};
    struct plan p = plain;
    p.pvc_every = 2;
    p.interval_s = intervals_s[_i];
    check_plan(&p);
}
END_TEST

START_TEST(the_gain_does_not_matter)
{
    static const double gains[] = {0.2, 0.5, 2, 5};
    struct plan p = plain;
    p.gain = gains[_i];
    p.noise_uv = 10 * p.gain;
    check_plan(&p);
}
END_TEST

START_TEST(the_rate_does_not_matter)
{
    static const double rates_hz[] = {128, 200, 250, 257, 360, 1000};
    struct plan p = plain;
    p.rate_hz = rates_hz[_i];
    check_plan(&p);
}
END_TEST

START_TEST(slow_and_fast_rhythms_are_found)
{
    static const double intervals_s[] = {0.35, 0.5, 1.2, 2};
    struct plan p = plain;
    p.interval_s = intervals_s[_i];
    check_plan(&p);
}
END_TEST

/* Where most of the time has no complex, P and T waves and noise are no beats. */
START_TEST(a_heart_that_hardly_beats_is_found_too)
{
    static const double intervals_s[] = {2.5, 2.8, 3.3, 4, 5, 6.5};
    for (size_t leads = 1; leads <= 2; leads++)
        for (double seconds = 10; seconds <= 30; seconds += 10)
            for (double noise_uv = 2; noise_uv <= 10; noise_uv *= 5) {
                struct plan p = plain;
                p.nleads = leads;
                p.seconds = seconds;
                p.noise_uv = noise_uv;
                p.interval_s = intervals_s[_i];
                check_plan(&p);
            }
}
END_TEST

START_TEST(a_complex_that_is_alone_is_one_beat)
{
    for (double seconds = 1.5; seconds <= 5; seconds += 0.5) {
        struct plan p = plain;
        p.seconds = seconds;
        p.interval_s = 100;
        p.noise_uv = 5;
        check_plan(&p);
    }
}
END_TEST

START_TEST(inverted_leads_give_the_same_beats)
{
    struct plan p = plain;
    p.inverted = true;
    check_plan(&p);
}
END_TEST

START_TEST(the_order_of_leads_does_not_matter)
{
    struct truth truth;
    struct ecg_record *r = make(&plain, &truth);
    struct ecg_lead first = r->leads[0];
    r->leads[0] = r->leads[1];
    r->leads[1] = first;
    struct ecg_beats b = find(r, NULL);
    assert_found(&b, &truth, 0.02);
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}
END_TEST

START_TEST(samples_of_32_bits_give_the_same_beats)
{
    struct plan p = plain;
    p.as_i16 = false;
    check_plan(&p);
}
END_TEST

START_TEST(a_second_without_a_lead_costs_no_beat)
{
    struct plan p = plain;
    p.lost_from_s = 12.1;
    check_plan(&p);
}
END_TEST

START_TEST(a_lead_of_noise_does_not_disturb_the_other)
{
    struct truth truth;
    struct ecg_record *r = make(&plain, &truth);
    uint32_t state = 3;
    for (size_t i = 0; i < r->leads[1].samples; i++)
        r->leads[1].i16[i] = (int16_t)(random_uv(&state) * 500);
    struct ecg_beats b = find(r, NULL);
    assert_found(&b, &truth, 0.02);
    ck_assert_uint_eq(b.leads, 2);
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}
END_TEST

START_TEST(one_lead_alone_can_be_asked_for)
{
    struct truth truth;
    struct ecg_record *r = make(&plain, &truth);
    memset(r->leads[0].i16, 0, r->leads[0].samples * sizeof *r->leads[0].i16);
    struct ecg_beats b = find(r, &r->leads[1]);
    assert_found(&b, &truth, 0.02);
    ecg_beats_deinit(&b);
    b = find(r, &r->leads[0]);
    ck_assert_uint_eq(b.n, 0);
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}
END_TEST

START_TEST(early_wide_beats_are_ventricular)
{
    struct truth truth;
    struct plan p = plain;
    p.pvc_every = 7;
    p.seconds = 60;
    struct ecg_record *r = make(&p, &truth);
    struct ecg_beats b = find(r, NULL);
    struct ecg_rate rate;
    assert_found(&b, &truth, 0.05);
    for (size_t i = 0; i < b.n; i++)
        ck_assert_msg((b.beat[i].code == ECG_CODE_PVC) == truth.is_pvc[i], "beat %zu", i);
    ck_assert_int_eq(ecg_beats_rate(&b, &rate), BASE_OK);
    ck_assert_uint_eq(rate.pvc, truth.n / 7);
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}
END_TEST

START_TEST(a_beat_after_a_pacemaker_spike_is_paced)
{
    struct truth truth;
    struct ecg_record *r = make(&plain, &truth);
    ecg_record_add_mark(
        r, (struct ecg_mark){.kind = ECG_MARK_PACE, .at_s = truth.at_s[3] - 0.05, .text = ""});
    struct ecg_beats b = find(r, NULL);
    for (size_t i = 0; i < b.n; i++)
        ck_assert_int_eq(b.beat[i].code, i == 3 ? ECG_CODE_PACED : ECG_CODE_NORMAL);
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}
END_TEST

START_TEST(the_rate_is_that_of_the_intervals)
{
    struct truth truth;
    struct ecg_record *r = make(&plain, &truth);
    struct ecg_beats b = find(r, NULL);
    struct ecg_rate rate;
    ck_assert_int_eq(ecg_beats_rate(&b, &rate), BASE_OK);
    ck_assert_uint_eq(rate.beats, truth.n);
    ck_assert_double_eq_tol(rate.hr_bpm, 75, 0.2);
    ck_assert_double_eq_tol(rate.rr_median_ms, 800, 8);
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}
END_TEST

START_TEST(what_holds_no_beat_gives_none)
{
    static const size_t lengths[] = {1, 2, 7, 100, 5000};
    struct ecg_record *r = ecg_record_new(NULL);
    struct ecg_rate rate;
    ck_assert_int_eq(ecg_record_set_leads(r, 1), BASE_OK);
    must_have_samples(r, &r->leads[0], lengths[_i]);
    r->leads[0].rate_hz = 500;
    r->leads[0].uv_per_count = 1;
    struct ecg_beats b = find(r, NULL);
    ck_assert_uint_eq(b.n, 0);
    ck_assert_int_eq(ecg_beats_rate(&b, &rate), BASE_OK);
    ck_assert_double_eq(rate.hr_bpm, 0);
    ecg_beats_deinit(&b);
    ecg_record_free(r);
}
END_TEST

START_TEST(two_high_peaks_of_one_complex_are_one_beat)
{
    enum { RATE = 200, LOW = 14, APART = 60, TWIN = 24, SEGMENT = 4000, N = SEGMENT };
    static uint16_t fused[N], noise[N / SEGMENT];
    struct ecg_candidate c[LOW + 2];
    struct ecg_signal s = {.rate_hz = RATE, .n = N};
    struct ecg_feature f = {.fused = fused, .segment = SEGMENT, .segments = 1, .noise = noise};
    for (size_t i = 0; i < LOW; i++) /* so many that the first high one is out of their reach */
        c[i] = (struct ecg_candidate){.at = i * APART, .height = 0.17F, .likeness = NAN};
    c[LOW] = (struct ecg_candidate){.at = LOW * APART, .height = 1, .likeness = NAN};
    c[LOW + 1] = (struct ecg_candidate){.at = LOW * APART + TWIN, .height = 1, .likeness = NAN};
    struct ecg_candidates all = {.c = c, .n = LOW + 2};
    ck_assert_int_eq(ecg_candidates_choose(&s, &f, &all), BASE_OK);
    ck_assert_int_eq(c[LOW].is_beat + c[LOW + 1].is_beat, 1);
}
END_TEST

START_TEST(a_record_without_samples_is_refused)
{
    struct ecg_record *r = ecg_record_new(NULL);
    struct ecg_beats b = {0};
    struct base_error err = {0};
    ck_assert_int_eq(ecg_record_set_leads(r, 1), BASE_OK);
    r->leads[0].rate_hz = 500;
    r->leads[0].uv_per_count = 1;
    ck_assert_int_eq(ecg_beats_find(r, NULL, &b, &err), BASE_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "no ECG lead with samples"));
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_beats");
    TCase *t = tcase_create("beats");
    tcase_add_test(t, every_beat_is_found_at_its_r_wave);
    tcase_add_test(t, a_t_wave_higher_than_its_complex_is_no_beat);
    tcase_add_loop_test(t, a_premature_beat_after_every_other_one_is_no_t_wave, 0, 3);
    tcase_add_loop_test(t, the_gain_does_not_matter, 0, 4);
    tcase_add_loop_test(t, the_rate_does_not_matter, 0, 6);
    tcase_add_loop_test(t, slow_and_fast_rhythms_are_found, 0, 4);
    tcase_add_loop_test(t, a_heart_that_hardly_beats_is_found_too, 0, 6);
    tcase_add_test(t, a_complex_that_is_alone_is_one_beat);
    tcase_add_test(t, inverted_leads_give_the_same_beats);
    tcase_add_test(t, the_order_of_leads_does_not_matter);
    tcase_add_test(t, samples_of_32_bits_give_the_same_beats);
    tcase_add_test(t, a_second_without_a_lead_costs_no_beat);
    tcase_add_test(t, a_lead_of_noise_does_not_disturb_the_other);
    tcase_add_test(t, one_lead_alone_can_be_asked_for);
    tcase_add_test(t, early_wide_beats_are_ventricular);
    tcase_add_test(t, a_beat_after_a_pacemaker_spike_is_paced);
    tcase_add_test(t, the_rate_is_that_of_the_intervals);
    tcase_add_loop_test(t, what_holds_no_beat_gives_none, 0, 5);
    tcase_add_test(t, two_high_peaks_of_one_complex_are_one_beat);
    tcase_add_test(t, a_record_without_samples_is_refused);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
