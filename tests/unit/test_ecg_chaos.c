/* Fibrillation, flutter and torsades of the ventricles, and what resembles them. */
#include "ecg/analysis/ecg_chaos.h"
#include "ecg_synthetic.h"

/* What is added to each lead at this time. */
typedef double wave_fn(double t, size_t lead);

static struct ecg_record *silent(size_t nleads)
{
    struct synthetic s = synthetic_plain;
    s.wave[0].uv = 0;
    s.nleads = nleads;
    return synthetic_make(&s);
}

static void add(struct ecg_record *r, size_t lead, wave_fn *fn)
{
    struct ecg_lead *l = &r->leads[lead];
    for (size_t i = 0; i < l->samples; i++)
        l->i32[i] += (int32_t)lrint(fn((double)i / l->rate_hz, lead) / l->uv_per_count);
}

static void add_all(struct ecg_record *r, wave_fn *fn)
{
    for (size_t k = 0; k < r->nleads; k++)
        add(r, k, fn);
}

static struct ecg_chaos find(struct ecg_record *r)
{
    struct ecg_chaos c;
    ecg_chaos_find(r, &c);
    ecg_record_free(r);
    return c;
}

static double sine(double t, double hz, double phase)
{
    return sin(2 * M_PI * hz * t + phase);
}

static double flutter(double t, size_t lead)
{
    return 700 * synthetic_gains[lead] * sine(t, 4.5, 0);
}

/* Three waves that come and go, of other phases in each lead. */
static double fibrillation(double t, size_t lead)
{
    double k = (double)lead;
    return 180 * synthetic_gains[lead] *
           ((1.2 + sine(t, 0.4, k)) * sine(t, 4.3, k) + sine(t, 5.2, 2 * k) +
            (1 + sine(t, 0.7, 1)) * sine(t, 6.3, 3 * k));
}

/* Spindles, from 5 s on. */
static double torsades(double t, size_t lead)
{
    return t < 5
               ? 0
               : 900 * synthetic_gains[lead] * sine(t, 0.45, 0.5 * (double)lead) * sine(t, 3.9, 0);
}

static double noise(double t, size_t lead)
{
    static uint32_t state = 3;
    (void)t;
    (void)lead;
    return 300 * synthetic_random(&state);
}

static double muscle(double t, size_t lead)
{
    return noise(t, lead) / 6;
}

static double mains(double t, size_t lead)
{
    (void)lead;
    return 400 * sine(t, 50, 0);
}

static double wander(double t, size_t lead)
{
    return 1500 * sine(t, 0.4, (double)lead);
}

static double tremor(double t, size_t lead)
{
    return 150 * sine(t, 5, (double)lead);
}

static double atrial_flutter(double t, size_t lead)
{
    return 200 * synthetic_gains[lead] * sine(t, 4.6, 0);
}

START_TEST(flutter_and_fibrillation_are_found)
{
    static wave_fn *const fns[] = {flutter, fibrillation};
    static const size_t leads[] = {8, 2, 1};
    struct ecg_record *r = silent(leads[_i / 2 % 3]);
    add_all(r, fns[_i % 2]);
    if (_i >= 6)
        add_all(r, muscle);
    struct ecg_chaos c = find(r);
    ck_assert(c.seconds >= 8);
    assert_near(c.from_s, 0, 1.5);
    assert_near(c.bpm, _i % 2 ? 300 : 270, 60);
}
END_TEST

START_TEST(torsades_lie_beside_long_qt)
{
    struct synthetic s = synthetic_plain;
    s.interval_s = 1;
    s.stop_s = 4.6;
    s.wave[4] = (struct synthetic_wave){0.42, 0.12, 350};
    struct ecg_record *r = synthetic_make(&s);
    struct ecg_chaos c;
    add_all(r, torsades);
    ecg_chaos_find(r, &c);
    ck_assert(c.seconds >= 3);
    assert_near(c.from_s, 5, 1.5);
    float qtc_ms;
    ck_assert_int_eq(ecg_chaos_qtc_ms(r, &c, &qtc_ms), BASE_OK);
    ck_assert(qtc_ms > 500);
    ecg_record_free(r);
    r = synthetic_make(&synthetic_plain);
    c = (struct ecg_chaos){.from_s = 5, .seconds = 5};
    ck_assert_int_eq(ecg_chaos_qtc_ms(r, &c, &qtc_ms), BASE_OK);
    ck_assert(qtc_ms < 450);
    ecg_record_free(r);
}
END_TEST

START_TEST(complexes_speak_against_it)
{
    static wave_fn *const fns[] = {wander, tremor, atrial_flutter, mains, NULL, NULL, NULL};
    struct synthetic s = synthetic_plain;
    s.interval_s = _i == 4 ? 0.31 : _i == 5 ? 0.4 : 0.8;
    if (_i >= 4)
        s.wave[0] = (struct synthetic_wave){0.17, 0.05, 150};
    s.jitter_s = _i == 6 ? 0.3 : 0;
    struct ecg_record *r = synthetic_make(&s);
    if (fns[_i])
        add_all(r, fns[_i]);
    struct ecg_chaos c = find(r);
    ck_assert(c.seconds <= 0);
}
END_TEST

/* As low as they are in one lead across the heart, between flutter waves that are higher. */
START_TEST(low_complexes_between_tall_waves_speak_against_it)
{
    struct synthetic s = synthetic_plain;
    memset(s.wave, 0, sizeof s.wave);
    s.nleads = 1;
    s.interval_s = 0.55;
    s.jitter_s = 0.1;
    s.wave[0] = (struct synthetic_wave){0, 0.012, 130};
    s.wave[1] = (struct synthetic_wave){0.016, 0.012, -130};
    struct ecg_record *r = synthetic_make(&s);
    add_all(r, atrial_flutter);
    struct ecg_chaos c = find(r);
    ck_assert(c.seconds <= 0);
}
END_TEST

START_TEST(noise_is_none)
{
    static wave_fn *const fns[] = {noise, mains, wander, NULL};
    struct ecg_record *r = silent(8);
    if (fns[_i])
        add_all(r, fns[_i]);
    struct ecg_chaos c = find(r);
    ck_assert(c.seconds <= 0);
}
END_TEST

START_TEST(one_lead_that_is_moved_is_none)
{
    struct ecg_record *r = synthetic_make(&synthetic_plain);
    memset(r->leads[1].i32, 0, r->leads[1].samples * sizeof *r->leads[1].i32);
    add(r, 1, flutter);
    struct ecg_chaos c = find(r);
    ck_assert(c.seconds <= 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_chaos");
    TCase *t = tcase_create("chaos");
    tcase_add_loop_test(t, flutter_and_fibrillation_are_found, 0, 12);
    tcase_add_test(t, torsades_lie_beside_long_qt);
    tcase_add_loop_test(t, complexes_speak_against_it, 0, 7);
    tcase_add_test(t, low_complexes_between_tall_waves_speak_against_it);
    tcase_add_loop_test(t, noise_is_none, 0, 4);
    tcase_add_test(t, one_lead_that_is_moved_is_none);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
