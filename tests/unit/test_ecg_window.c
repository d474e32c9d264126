/* Windows of a lead, inside it, across its ends and beyond them, at its rate and at others. */
#include "ecg/analysis/ecg_window.h"
#include "ecg_fixture.h"

#include <math.h>

enum { N = 300, CANARY = 8 };
static const float UNTOUCHED = -12345;

/* Sample i is i counts of 2 uV, i = 3 is missing. */
static struct ecg_record *ramp(double rate_hz, size_t samples)
{
    struct ecg_record *r = ecg_record_new(NULL);
    ck_assert_int_eq(ecg_record_set_leads(r, 1), BASE_OK);
    struct ecg_lead *lead = &r->leads[0];
    ck_assert_int_eq(ecg_record_set_i16(r, lead, samples), BASE_OK);
    for (size_t i = 0; i < samples; i++)
        lead->i16[i] = (int16_t)i;
    lead->i16[3] = ECG_SAMPLE_NONE16;
    lead->rate_hz = rate_hz;
    lead->uv_per_count = 2;
    return r;
}

/* False where more than a tenth is missing. What lies behind the window stays what it was. */
static bool read_window(const struct ecg_record *r, double from_s, float *out)
{
    for (size_t i = 0; i < N + CANARY; i++)
        out[i] = UNTOUCHED;
    bool whole = ecg_window_read(&r->leads[0], from_s, N, out);
    for (size_t i = N; i < N + CANARY; i++)
        ck_assert(out[i] == UNTOUCHED);
    for (size_t i = 0; i < N; i++)
        ck_assert(isfinite(out[i]));
    return whole;
}

static const double rates[] = {500, 300, 1000, 4000, 128};

START_TEST(a_window_has_the_samples_of_its_time)
{
    float x[N + CANARY];
    double rate = rates[_i], step = 2 * rate / ECG_WINDOW_HZ;
    struct ecg_record *r = ramp(rate, (size_t)(rate * 4));
    ck_assert(read_window(r, 1, x));
    double first = 2 * rate + (rate >= 750 ? rate / ECG_WINDOW_HZ - 1 : 0); /* means of groups */
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol((double)x[i], first + step * (double)i, step + 1e-3);
    ecg_record_free(r);
}
END_TEST

START_TEST(what_is_missing_is_held)
{
    float x[N + CANARY];
    struct ecg_record *r = ramp(500, 1000);
    ck_assert(read_window(r, 0, x));
    static const float wanted[] = {0, 2, 4, 4, 8};
    for (size_t i = 0; i < 5; i++)
        ck_assert(x[i] == wanted[i]);
    ck_assert(read_window(r, 3.0 / 500, x)); /* begins with it */
    ck_assert(x[0] == 8 && x[1] == 8);
    ecg_record_free(r);
}
END_TEST

START_TEST(beyond_the_ends_the_nearest_sample_is_repeated)
{
    float x[N + CANARY];
    double rate = rates[_i], seconds = 4;
    size_t samples = (size_t)(rate * seconds);
    struct ecg_record *r = ramp(rate, samples);
    ck_assert(!read_window(r, -0.3, x));
    ck_assert_double_eq_tol((double)x[0], 0, 2 * rate / ECG_WINDOW_HZ);
    ck_assert(!read_window(r, seconds - 0.3, x));
    ck_assert_double_eq_tol((double)x[N - 1], 2 * (double)(samples - 1), 2 * rate / ECG_WINDOW_HZ);
    static const double outside_s[] = {-1000, -0.61, 4.01, 4.5, 1000};
    for (size_t i = 0; i < sizeof outside_s / sizeof *outside_s; i++)
        ck_assert(!read_window(r, outside_s[i], x));
    ecg_record_free(r);
}
END_TEST

int main(void)
{
    enum { RATES = sizeof rates / sizeof *rates };
    Suite *suite = suite_create("ecg_window");
    TCase *t = tcase_create("window");
    tcase_add_loop_test(t, a_window_has_the_samples_of_its_time, 0, RATES);
    tcase_add_test(t, what_is_missing_is_held);
    tcase_add_loop_test(t, beyond_the_ends_the_nearest_sample_is_repeated, 0, RATES);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
