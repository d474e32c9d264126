/* Numbers as text are what printf makes of them. */
#include "ecg/ecg_number.h"

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_decimal(double v)
{
    char want[40];
    uint8_t text[ECG_NUMBER_TEXT + 1];
    size_t n = ecg_number_decimal(v, text);
    text[n] = 0;
    snprintf(want, sizeof want, "%.9g", v);
    ck_assert_str_eq((const char *)text, want);
}

START_TEST(samples_in_microvolts_are_as_printf_has_them)
{
    static const double steps[] = {1,          2.5,          5,          4.88,  0.305,
                                   1.0 / 3,    1000.0 / 200, 0.00125,    -4.88, 1.0e-7,
                                   2500.0 / 7, 1e5,          12207.03125};
    static const double offsets[] = {0, 0.5, -1234.5, 1e-4};
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
        for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++)
            for (int v = -40000; v <= 40000; v += 7)
                assert_decimal(v * steps[s] + offsets[o]);
}
END_TEST

/* At each power of ten, halves of the last digit, and what lies beside them. */
START_TEST(so_are_edges)
{
    static const double odd[] = {0.0, -0.0, 1e300, -1e300, 5e-324, (double)NAN, (double)INFINITY};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_decimal(odd[i]);
    for (int e = -8; e <= 12; e++)
        for (int k = -30; k <= 30; k++) {
            double near = pow(10, e) + 0.5 * k * pow(10, e - 9);
            assert_decimal(near);
            assert_decimal(-near);
            assert_decimal(nextafter(near, HUGE_VAL));
            assert_decimal(nextafter(near, 0));
            assert_decimal(pow(10, e) * (1.5 + 0.5 * k * 1e-8));
        }
}
END_TEST

START_TEST(so_are_any)
{
    srand(3);
    for (int i = 0; i < 400000; i++)
        assert_decimal((rand() - RAND_MAX / 2) * pow(10, rand() % 24 - 16));
}
END_TEST

START_TEST(whole_numbers_are_too)
{
    static const int64_t values[] = {0,          9,          10,         -1,         99999999,
                                     1000000000, 9999999999, INT32_MAX,  INT32_MIN,  -1000000000,
                                     INT64_MAX,  INT64_MIN,  1000000001, 4294967296, -4294967297};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char want[40];
        uint8_t text[ECG_NUMBER_TEXT + 1];
        text[ecg_number_whole(values[i], text)] = 0;
        snprintf(want, sizeof want, "%" PRId64, values[i]);
        ck_assert_str_eq((const char *)text, want);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ecg_number");
    TCase *t = tcase_create("number");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, samples_in_microvolts_are_as_printf_has_them);
    tcase_add_test(t, so_are_edges);
    tcase_add_test(t, so_are_any);
    tcase_add_test(t, whole_numbers_are_too);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
