#include "base/utf8.h"

#include <check.h>
#include <stdlib.h>

START_TEST(each_length_of_a_character_is_written_as_it_is_checked)
{
    static const struct {
        uint32_t c;
        const char *utf8;
    } rows[] = {{0x24, "$"},
                {0x7f, "\x7f"},
                {0x80, "\xc2\x80"},
                {0x7ff, "\xdf\xbf"},
                {0x800, "\xe0\xa0\x80"},
                {0x6d4b, "测"},
                {0xffff, "\xef\xbf\xbf"},
                {0x10000, "\xf0\x90\x80\x80"},
                {0x10ffff, "\xf4\x8f\xbf\xbf"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[4];
        size_t n = base_utf8_put(rows[i].c, out);
        ck_assert_uint_eq(n, strlen(rows[i].utf8));
        ck_assert_mem_eq(out, rows[i].utf8, n);
        ck_assert_uint_eq(base_utf8_sequence(out, n), n);
        ck_assert_uint_eq(base_utf8_sequence(out, n - 1), 0);
    }
}
END_TEST

/* RFC 2781 2.2: what is no pair is half of one, and the next character stands for itself. */
START_TEST(a_pair_of_surrogates_is_one_character_and_half_of_one_is_none)
{
    static const uint8_t big[] = {0x6d, 0x4b, 0xd8, 0x3d, 0xde, 0x00, 0xd8, 0x3d,
                                  0,    'a',  0xde, 0,    0xdb, 0xff, 0xd8, 0x00};
    static const uint32_t want[] = {0x6d4b, 0x1f600, 0xfffd, 'a', 0xfffd, 0xfffd, 0xfffd};
    uint8_t little[sizeof big];
    for (size_t i = 0; i < sizeof big; i++)
        little[i] = big[i ^ 1];
    for (int is_big = 0; is_big < 2; is_big++) {
        struct base_bytes b = base_bytes_of(is_big ? big : little, sizeof big);
        size_t at = 0;
        for (size_t i = 0; i < sizeof want / sizeof *want; i++)
            ck_assert_uint_eq(base_utf16_next(b, is_big, &at), want[i]);
        ck_assert_uint_eq(at, b.n);
    }
}
END_TEST

START_TEST(a_cut_keeps_whole_characters)
{
    ck_assert_uint_eq(base_utf8_cut("a测b", 5, 5), 5);
    ck_assert_uint_eq(base_utf8_cut("a测b", 5, 4), 4);
    ck_assert_uint_eq(base_utf8_cut("a测b", 5, 3), 1);
    ck_assert_uint_eq(base_utf8_cut("测", 3, 2), 0);
}
END_TEST

START_TEST(what_is_no_utf8_becomes_question_marks)
{
    char s[] = "a\xb2\xe2测\xe6\xb5";
    base_utf8_clean(s);
    ck_assert_str_eq(s, "a??测??");
    char sound[] = "测试一";
    base_utf8_clean(sound);
    ck_assert_str_eq(sound, "测试一");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("utf8");
    TCase *t = tcase_create("utf8");
    tcase_add_test(t, each_length_of_a_character_is_written_as_it_is_checked);
    tcase_add_test(t, a_pair_of_surrogates_is_one_character_and_half_of_one_is_none);
    tcase_add_test(t, a_cut_keeps_whole_characters);
    tcase_add_test(t, what_is_no_utf8_becomes_question_marks);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
