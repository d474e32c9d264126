#include "dicom/shim/shim.h"
#include "shim_fixture.h"

#include <string.h>

static char folder[] = "/tmp/rdc-same-XXXXXX";

/* A small image; with pad, bytes stand behind its data set. */
static void write_file(const char *name, unsigned rows, const char *text, bool pad)
{
    static const uint8_t pixels[4] = {1, 2, 3, 4};
    struct base_buf b = {0};
    char path[64];
    fixture_begin(&b, FIXTURE_EXPLICIT_LE);
    fixture_text(&b, 8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.7");
    fixture_text(&b, 8, 0x18, "UI", "2.25.1");
    fixture_text(&b, 8, 0x2111, "ST", text);
    fixture_us(&b, 0x28, 0x10, rows);
    fixture_bytes(&b, 0x7FE0, 0x10, "OB", pixels, 4);
    if (pad)
        fixture_bytes(&b, 0xFFFC, 0xFFFC, "OB", pixels, 4);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(b.p, 1, b.n, f), b.n);
    fclose(f);
    base_buf_deinit(&b);
}

static bool same(const char *a, const char *b)
{
    char first[64];
    char second[64];
    bool answer = false;
    struct base_error e = {0};
    snprintf(first, sizeof first, "%s/%s", folder, a);
    snprintf(second, sizeof second, "%s/%s", folder, b);
    ck_assert_msg(shim_same_object(first, second, &answer, &e) == BASE_OK, "%s", e.msg);
    return answer;
}

START_TEST(equal_attributes_and_pixels_are_the_same_object)
{
    write_file("a", 2, "x", false);
    write_file("b", 2, "x", false);
    ck_assert(same("a", "b"));
}
END_TEST

START_TEST(another_attribute_is_another_object)
{
    write_file("a", 2, "x", false);
    write_file("b", 3, "x", false);
    ck_assert(!same("a", "b"));
    write_file("b", 2, "y", false);
    ck_assert(!same("a", "b"));
}
END_TEST

START_TEST(padding_behind_the_data_set_makes_no_difference)
{
    write_file("a", 2, "x", false);
    write_file("b", 2, "x", true);
    ck_assert(same("a", "b"));
}
END_TEST

START_TEST(a_file_that_is_gone_cannot_be_compared)
{
    bool answer = true;
    struct base_error e = {0};
    ck_assert_int_ne(shim_same_object("/nonexistent/a", "/nonexistent/b", &answer, &e), BASE_OK);
    ck_assert(answer);
    ck_assert(e.msg[0] != 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shim_same");
    TCase *tc = tcase_create("same");
    struct base_error e = {0};
    char command[64];
    if (shim_init(&e) || !mkdtemp(folder)) {
        fprintf(stderr, "test_shim_same: %s\n", e.msg);
        return 1;
    }
    tcase_add_test(tc, equal_attributes_and_pixels_are_the_same_object);
    tcase_add_test(tc, another_attribute_is_another_object);
    tcase_add_test(tc, padding_behind_the_data_set_makes_no_difference);
    tcase_add_test(tc, a_file_that_is_gone_cannot_be_compared);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) != 0 || failed != 0;
}
