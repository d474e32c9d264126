#include "base/base64.h"

#include <check.h>
#include <stdlib.h>

static bool decode(const char *s, struct base_buf *out)
{
    base_buf_reset(out);
    return base_base64_decode(s, strlen(s), out);
}

/* RFC 4648 10 */
START_TEST(the_vectors_of_the_rfc_are_read)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"Zg==", "f"},
                                             {"Zm8=", "fo"},
                                             {"Zm9v", "foo"},
                                             {"Zm9vYg==", "foob"},
                                             {"Zm9vYmE=", "fooba"},
                                             {"Zm9vYmFy", "foobar"},
                                             {" Zm 9v\r\nYg =\t= ", "foob"},
                                             {"Zm9vYmFyZm\n9vZm9vYmFyZg==", "foobarfoofoobarf"}};
    struct base_buf out = {0};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        ck_assert_msg(decode(vectors[i][0], &out), "%s", vectors[i][0]);
        ck_assert_str_eq(base_buf_cstr(&out), vectors[i][1]);
        ck_assert_uint_eq(out.n, strlen(vectors[i][1]));
    }
    base_buf_deinit(&out);
}
END_TEST

START_TEST(what_is_none_is_not_taken)
{
    static const char *const bad[] = {"Z",    "Zg",       "Zg=",  "Z===",  "====",  "Zh==",
                                      "Zm9=", "Zg==Zg==", "Zm-v", "Zm9vY", "Zg===", "=Zg="};
    struct base_buf out = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!decode(bad[i], &out), "%s", bad[i]);
    base_buf_deinit(&out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base64");
    TCase *t = tcase_create("decode");
    tcase_add_test(t, the_vectors_of_the_rfc_are_read);
    tcase_add_test(t, what_is_none_is_not_taken);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
