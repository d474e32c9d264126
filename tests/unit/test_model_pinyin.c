#include "model/model_pinyin.h"

#include <check.h>
#include <string.h>

static void check(enum base_err (*fn)(const char *, size_t, struct base_buf *), const char *s,
                  const char *expected)
{
    struct base_buf out = {0};
    ck_assert_int_eq(fn(s, strlen(s), &out), BASE_OK);
    ck_assert_str_eq(base_buf_cstr(&out), expected);
    base_buf_deinit(&out);
}

START_TEST(a_name_becomes_family_and_given_name)
{
    check(model_pinyin_name, "测试一", "CE^SHIYI");
    check(model_pinyin_name, "欧阳修", "OUYANG^XIU");
    check(model_pinyin_name, "曾^国藩", "ZENG^GUOFAN");
    check(model_pinyin_name, "单雄信", "SHAN^XIONGXIN");
    check(model_pinyin_name, "Ceshi^Yi=测试^一", "CESHI^YI");
    check(model_pinyin_name, "Ceshi^Yi", "CESHI^YI");
    check(model_pinyin_name, "=测试一=", "CE^SHIYI");
    check(model_pinyin_name, "Müller^Jörg", "MULLER^JORG");
    check(model_pinyin_name, "一", "YI");
    check(model_pinyin_name, "", "");
}
END_TEST

START_TEST(a_text_keeps_its_words)
{
    check(model_pinyin_text, "CT chest", "CT chest");
    check(model_pinyin_text, "胸部", "XIONG BU");
    check(model_pinyin_text, "a\xE2\x98\x83", "A?");
}
END_TEST

START_TEST(what_is_not_utf8_is_refused)
{
    struct base_buf out = {0};
    ck_assert_int_eq(model_pinyin_text("\xB2\xE2", 2, &out), BASE_EINVAL);
    ck_assert_int_eq(model_pinyin_name("\xB2\xE2", 2, &out), BASE_EINVAL);
    base_buf_deinit(&out);
}
END_TEST

START_TEST(a_long_text_is_cut_off)
{
    struct base_buf in = {0};
    struct base_buf out = {0};
    for (int i = 0; i < 3000; i++)
        base_buf_add_str(&in, "窗");
    ck_assert_int_eq(model_pinyin_text((const char *)in.p, in.n, &out), BASE_OK);
    ck_assert_uint_le(out.n, 8 * MODEL_PINYIN_MAX);
    base_buf_deinit(&in);
    base_buf_deinit(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_pinyin");
    TCase *tc = tcase_create("pinyin");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_name_becomes_family_and_given_name);
    tcase_add_test(tc, a_text_keeps_its_words);
    tcase_add_test(tc, what_is_not_utf8_is_refused);
    tcase_add_test(tc, a_long_text_is_cut_off);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
