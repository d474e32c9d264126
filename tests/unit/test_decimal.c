#include "base/decimal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t read_text(const char *s, double *out)
{
    return base_decimal((const uint8_t *)s, strlen(s), out);
}

START_TEST(decimals_are_what_strtod_makes_of_them)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "7.",
                                       "+12",
                                       "-0.25",
                                       "0.1",
                                       "2.5",
                                       "1e9",
                                       "12.5\x14",
                                       "5\\6",
                                       "10.3945312",
                                       "0.00000000000001",
                                       "0.30000",
                                       "1..2",
                                       "-1-2",
                                       "00000000012",
                                       "123456789012345",
                                       "12345678901234.5",
                                       "4.88\0 7",
                                       "+7.x9",
                                       "3 ",
                                       "99999999999999.9"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        double v = -1;
        size_t n = read_text(good[i], &v);
        char text[32] = "";
        ck_assert_msg(n > 0, "%s", good[i]);
        memcpy(text, good[i], n);
        double want = strtod(text, NULL);
        ck_assert_msg(memcmp(&v, &want, sizeof v) == 0, "%s: %.17g, not %.17g", text, v, want);
        ck_assert_msg(strspn(good[i] + n, "0123456789") == 0, "%s: %zu bytes", good[i], n);
    }
}
END_TEST

START_TEST(all_of_a_thousandth_are_exact)
{
    for (int i = -200000; i <= 200000; i += 7) {
        char text[32];
        double v = 0;
        int n = snprintf(text, sizeof text, "%.3f", i / 1000.0);
        double want = strtod(text, NULL);
        ck_assert_uint_eq(read_text(text, &v), (size_t)n);
        ck_assert_msg(memcmp(&v, &want, sizeof v) == 0, "%s: %.17g", text, v);
    }
}
END_TEST

START_TEST(what_needs_a_general_reader_is_left_to_it)
{
    static const char *const none[] = {"",
                                       "-",
                                       "+",
                                       ".5",
                                       "-.5",
                                       " 1",
                                       "x",
                                       "--1",
                                       "nan",
                                       "1234567890123456",
                                       "inf",
                                       "12345678901234.56",
                                       "+e1",
                                       "123456789012345.6",
                                       "\x14",
                                       "1234567890123456789012345678901",
                                       "\\1",
                                       "0.0000000000000001",
                                       "0000000000000000"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        double v = 42;
        ck_assert_msg(read_text(none[i], &v) == 0, "%s", none[i]);
        ck_assert(v == 42);
    }
}
END_TEST

START_TEST(nothing_past_the_end_is_read)
{
    static const char digits[] = "-123.4567";
    for (size_t n = 0; n < sizeof digits; n++) {
        double v = 0;
        uint8_t *own = malloc(n ? n : 1); /* so that a sanitizer sees it */
        ck_assert_ptr_nonnull(own);
        memcpy(own, digits, n);
        size_t end = base_decimal(own, n, &v);
        ck_assert_uint_eq(end, n < 2 ? 0 : n == sizeof digits ? n - 1 : n);
        free(own);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decimal");
    TCase *t = tcase_create("decimals");
    tcase_add_test(t, decimals_are_what_strtod_makes_of_them);
    tcase_add_test(t, all_of_a_thousandth_are_exact);
    tcase_add_test(t, what_needs_a_general_reader_is_left_to_it);
    tcase_add_test(t, nothing_past_the_end_is_read);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
