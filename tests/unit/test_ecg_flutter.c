/* Waves of atrial flutter at every kind of conduction that leaves two of them to see, and what
 * resembles them. */
#include "ecg/analysis/ecg_finding.h"
#include "ecg_synthetic.h"

enum { CONDUCTIONS = 4 };
static const double SECONDS = 10;
static const double T_GAINS[] = {0.6, 1, 0.2, 1.2, 1.2, 1.1, 1, 0.8};
static const double SAW_GAINS[] = {0.15, 1, 0, 0, 0.1, 0.15, 0.2, 0.25};
static const double BUMP_GAINS[] = {0, 0, 0.7, 0.3, 0, 0, 0, 0};
static const double P_GAINS[] = {0.6, 1, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5};
static const struct synthetic_wave QRS[] = {
    {-0.028, 0.012, -120}, {0, 0.020, 1200}, {0.032, 0.018, -300}};
static const struct synthetic_wave T = {0.240, 0.090, 200};

/* Slowly down, and up again in a third of the time. */
static double saw(double cycles)
{
    double part = cycles - floor(cycles);
    return part < 0.65 ? 1 - 2 * part / 0.65 : (part - 0.65) * 2 / 0.35 - 1;
}

static struct ecg_record *with_beats(const double *at_s, size_t n, size_t nleads)
{
    struct synthetic s = synthetic_plain;
    s.wave[0].uv = 0;
    s.seconds = SECONDS;
    s.nleads = nleads;
    struct ecg_record *r = synthetic_make(&s);
    synthetic_add(r, synthetic_gains, QRS, 3, at_s, n);
    synthetic_add(r, T_GAINS, &T, 1, at_s, n);
    return r;
}

/* A complex after so many waves, in turn (0 ends the list), at one place of their cycle. */
static struct ecg_record *flutter(double bpm, const int *every, double phase, size_t nleads)
{
    double at_s[SYNTHETIC_BEATS], cycle_s = 60 / bpm;
    size_t n = 0;
    for (int wave = 2, i = 0; (wave + phase) * cycle_s < SECONDS - 0.2; n++) {
        at_s[n] = (wave + phase) * cycle_s;
        wave += every[i];
        i = i + 1 < CONDUCTIONS && every[i + 1] ? i + 1 : 0;
    }
    struct ecg_record *r = with_beats(at_s, n, nleads);
    for (size_t k = 0; k < nleads; k++)
        for (size_t i = 0; i < r->leads[k].samples; i++) {
            double cycles = (double)i / r->leads[k].rate_hz / cycle_s;
            double uv = 150 * (SAW_GAINS[k] * saw(cycles) +
                               BUMP_GAINS[k] * fmax(0, sin(2 * M_PI * cycles)));
            r->leads[k].i32[i] += (int32_t)lrint(uv / r->leads[k].uv_per_count);
        }
    return r;
}

static struct ecg_record *sinus(double bpm, double p_half_s, double pr_s)
{
    double at_s[SYNTHETIC_BEATS], p_s[SYNTHETIC_BEATS];
    size_t n = 0;
    for (double at = 0.6; at < SECONDS - 0.2; at += 60 / bpm) {
        at_s[n] = at;
        p_s[n++] = at - pr_s;
    }
    struct ecg_record *r = with_beats(at_s, n, 8);
    struct synthetic_wave p = {0, p_half_s, 200};
    synthetic_add(r, P_GAINS, &p, 1, p_s, n);
    return r;
}

/* The waves a minute; NAN: nothing is said of flutter. P waves are measured just then. */
static double said_of(struct ecg_record *r)
{
    struct base_error err = {0};
    struct ecg_beats beats = {0};
    struct ecg_quality quality;
    struct ecg_findings all;
    struct ecg_figures *f = malloc(sizeof *f);
    ck_assert_int_eq(ecg_beats_find(r, NULL, &beats, &err), BASE_OK);
    ck_assert_int_eq(ecg_figures_measure(r, NULL, &beats, f, &err), BASE_OK);
    ecg_quality_find(r, &quality);
    ck_assert_int_eq(ecg_findings_make(r, &beats, f, &quality, NULL, &all), BASE_OK);
    double bpm = (double)f->flutter_bpm;
    bool is_said = false;
    for (size_t i = 0; i < all.n; i++)
        is_said |= all.of[i].code ==
                   (f->flutter_conduction == 2 ? ECG_FINDING_FLUTTER_2_TO_1 : ECG_FINDING_FLUTTER);
    ck_assert_int_eq(is_said, f->waves.flutters);
    ck_assert(!is_said || (isnan(f->pr_ms) && isnan(f->p_ms) && isnan(f->p_axis_deg)));
    ecg_beats_deinit(&beats);
    ecg_record_free(r);
    free(f);
    return bpm;
}

START_TEST(waves_are_found_between_the_complexes)
{
    static const struct {
        double bpm;
        int every[CONDUCTIONS];
    } rows[] = {{250, {3}},          {250, {4}},       {300, {4}},    {330, {4}},
                {250, {5}},          {300, {5}},       {330, {5}},    {250, {2, 4}},
                {300, {2, 4}},       {330, {2, 4}},    {280, {3, 4}}, {300, {4, 2, 3, 4}},
                {330, {3, 4, 4, 2}}, {250, {2, 3, 4}}, {300, {6}}};
    for (double phase = 0.1; phase < 1; phase += 0.25) {
        double bpm = said_of(flutter(rows[_i].bpm, rows[_i].every, phase, 8));
        ck_assert_msg(fabs(bpm - rows[_i].bpm) < 0.03 * rows[_i].bpm, "%.0f/min at %.2f: %.0f",
                      rows[_i].bpm, phase, bpm);
    }
}
END_TEST

/* Of two or three waves to a complex one lies in QRS and one under T. */
START_TEST(waves_are_found_under_t)
{
    static const struct {
        double bpm;
        int every[CONDUCTIONS];
    } rows[] = {{240, {2}}, {260, {2}}, {280, {2}}, {280, {3}}, {295, {3}}, {310, {3}}};
    for (double phase = 0.1; phase < 1; phase += 0.25) {
        double bpm = said_of(flutter(rows[_i].bpm, rows[_i].every, phase, 8));
        ck_assert_msg(fabs(bpm - rows[_i].bpm) < 0.03 * rows[_i].bpm, "%.0f/min at %.2f: %.0f",
                      rows[_i].bpm, phase, bpm);
    }
}
END_TEST

START_TEST(in_few_leads_nothing_is_said)
{
    static const int every[CONDUCTIONS] = {4};
    static const int two[CONDUCTIONS] = {2};
    ck_assert(isnan(said_of(flutter(280, every, 0.3, 2))));
    ck_assert(isnan(said_of(flutter(280, two, 0.3, 2))));
}
END_TEST

/* P waves from narrow to very wide ones, early and late. */
START_TEST(p_waves_are_no_flutter)
{
    static const double half_s[] = {0.05, 0.065, 0.08};
    for (double pr_s = 0.10; pr_s < 0.26; pr_s += 0.05)
        for (int bpm = 50; bpm <= (pr_s < 0.18 ? 166 : 110); bpm += 4)
            ck_assert_msg(isnan(said_of(sinus(bpm, half_s[_i], pr_s))), "%d/min, PR %.2f", bpm,
                          pr_s);
}
END_TEST

/* Waves of any length, 340 to 520 a minute, and complexes at any time. */
START_TEST(waves_of_fibrillation_are_none)
{
    uint32_t state = (uint32_t)_i + 1;
    double at_s[SYNTHETIC_BEATS], f_s[SYNTHETIC_BEATS * 2];
    size_t n = 0, waves = 0;
    for (double at = 0.5; at < SECONDS - 0.2; at += 0.7 + 0.25 * synthetic_random(&state))
        at_s[n++] = at;
    struct ecg_record *r = with_beats(at_s, n, 8);
    for (double at = 0; at < SECONDS; at += 0.145 + 0.03 * synthetic_random(&state))
        f_s[waves++] = at;
    struct synthetic_wave f = {0, 0.08, 120};
    synthetic_add(r, P_GAINS, &f, 1, f_s, waves);
    ck_assert(isnan(said_of(r)));
}
END_TEST

/* Its cycle fits into one of flutter a whole number of times, at 50 Hz as at 60. */
START_TEST(mains_are_no_flutter)
{
    static const double PHASE = 0.37; /* from lead to lead */
    double at_s[SYNTHETIC_BEATS];
    for (double even_s = 0.9; even_s < 1.1; even_s += 0.013) {
        size_t n = 0;
        for (double at = 0.6; at < SECONDS - 0.2; at += n % 3 ? even_s + 0.08 : even_s)
            at_s[n++] = at;
        struct ecg_record *r = with_beats(at_s, n, 8);
        for (size_t k = 0; k < r->nleads; k++)
            for (size_t i = 0; i < r->leads[k].samples; i++) {
                double t = (double)i / r->leads[k].rate_hz, hz = _i % 2 ? 60 : 50;
                double uv = (_i < 2 ? 30 : 80) * sin(2 * M_PI * hz * t + PHASE * (double)k);
                r->leads[k].i32[i] += (int32_t)lrint(uv / r->leads[k].uv_per_count);
            }
        double bpm = said_of(r);
        ck_assert_msg(isnan(bpm), "%.0f/min at %.3f s", bpm, even_s);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_flutter");
    TCase *t = tcase_create("flutter");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, waves_are_found_between_the_complexes, 0, 15);
    tcase_add_loop_test(t, waves_are_found_under_t, 0, 6);
    tcase_add_test(t, in_few_leads_nothing_is_said);
    tcase_add_loop_test(t, p_waves_are_no_flutter, 0, 3);
    tcase_add_loop_test(t, waves_of_fibrillation_are_none, 0, 8);
    tcase_add_loop_test(t, mains_are_no_flutter, 0, 4);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
