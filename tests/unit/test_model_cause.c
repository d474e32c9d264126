#include "model/model_cause.h"

#include <check.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

START_TEST(each_cause_has_a_code_of_its_own_and_texts_in_both_languages)
{
    for (int i = 1; i < MODEL_CAUSE_COUNT; i++) {
        const struct model_cause_text *t = model_cause_text((enum model_cause)i);
        const char *code = model_cause_code((enum model_cause)i);
        ck_assert_int_eq(model_cause_find(code), i);
        ck_assert_msg(t->en[0] && t->remedy_en[0], "%s has no English text", code);
        bool chinese = false;
        for (const char *p = t->zh; *p; p++)
            chinese |= (unsigned char)*p >= 0x80;
        ck_assert_msg(chinese, "%s: %s", code, t->zh);
        for (const char *p = t->en; *p; p++)
            ck_assert_msg((unsigned char)*p < 0x80, "%s: %s", code, t->en);
    }
    ck_assert_int_eq(model_cause_find("no such code"), MODEL_CAUSE_SERVICE_REFUSED);
}
END_TEST

START_TEST(the_texts_are_one_json_object_by_code)
{
    struct base_buf out = {0};
    model_cause_json(&out);
    json_t *j = json_loadb((const char *)out.p, out.n, 0, NULL);
    ck_assert_ptr_nonnull(j);
    ck_assert_uint_eq(json_object_size(j), MODEL_CAUSE_COUNT);
    json_t *one = json_object_get(j, "tls_on_plain_port");
    ck_assert_str_eq(json_string_value(json_object_get(one, "remedy_zh")),
                     model_cause_text(MODEL_CAUSE_TLS_ON_PLAIN)->remedy_zh);
    json_decref(j);
    base_buf_deinit(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_cause");
    TCase *tc = tcase_create("causes");
    tcase_add_test(tc, each_cause_has_a_code_of_its_own_and_texts_in_both_languages);
    tcase_add_test(tc, the_texts_are_one_json_object_by_code);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
