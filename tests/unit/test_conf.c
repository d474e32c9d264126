#include "base/conf.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct base_conf c;
static struct base_error e;
static char folder[32];

static void setup(void)
{
    ck_assert_int_eq(base_conf_init(&c), BASE_OK);
    memset(&e, 0, sizeof e);
    snprintf(folder, sizeof folder, "/tmp/test_conf.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static void teardown(void)
{
    base_conf_deinit(&c);
    rmdir(folder);
}

/* From a file, of which messages have the name. */
static enum base_err load_bytes(const char *text, size_t n)
{
    FILE *file = fopen("rdc.conf", "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, n, file), n);
    fclose(file);
    enum base_err err = base_conf_load_file(&c, "rdc.conf", &e);
    unlink("rdc.conf");
    return err;
}

static enum base_err load(const char *text)
{
    return load_bytes(text, strlen(text));
}

static enum base_err set(const char *key, const char *value)
{
    char flag[200], *argv[] = {flag};
    int used;
    snprintf(flag, sizeof flag, "--%s=%s", key, value);
    return base_conf_load_flags(&c, 1, argv, &used, &e);
}

START_TEST(every_default_is_allowed_and_shown)
{
    ck_assert_str_eq(c.http_address.host, "127.0.0.1");
    ck_assert_uint_eq(c.http_address.port, 8080);
    ck_assert_str_eq(c.data, "var");
    ck_assert_str_eq(c.dicom_aet, "RDC");
    ck_assert_int_eq(c.workers, 0);
    ck_assert_uint_eq(c.disk_reserve, 512U << 20);
    ck_assert_uint_eq(c.http_header_timeout, 10000);
    ck_assert_int_eq(c.log_level, 1);
}
END_TEST

START_TEST(a_file_sets_values_and_ignores_comments_and_blanks)
{
    ck_assert_int_eq(load("# x\n\n  \t\nworkers=4\r\n data =  /srv/a b # c \n"
                          "database = host=/run dbname=rdc\nlog.format = json"),
                     BASE_OK);
    ck_assert_int_eq(c.workers, 4);
    ck_assert_str_eq(c.data, "/srv/a b # c");
    ck_assert_str_eq(c.database, "host=/run dbname=rdc");
    ck_assert_int_eq(c.log_format, 1);
}
END_TEST

START_TEST(sizes_durations_and_addresses_have_units_and_forms)
{
    ck_assert_int_eq(load("disk.reserve = 2G\nhttp.idle-timeout = 2m\nhttp.body-timeout = 250ms\n"
                          "http.address = [::1]:0\nhttp.header-timeout = 7\n"),
                     BASE_OK);
    ck_assert_uint_eq(c.disk_reserve, 2ULL << 30);
    ck_assert_uint_eq(c.http_idle_timeout, 120000);
    ck_assert_uint_eq(c.http_body_timeout, 250);
    ck_assert_uint_eq(c.http_header_timeout, 7000);
    ck_assert_str_eq(c.http_address.host, "::1");
    ck_assert(c.http_address.v6);
}
END_TEST

START_TEST(an_unknown_key_names_file_line_and_the_nearest)
{
    ck_assert_int_eq(load("workers = 1\nhttp.adress = 1.2.3.4:5\n"), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "rdc.conf line 2: unknown key \"http.adress\" (nearest: "
                            "\"http.address\"); \"rdc config\" lists the keys");
    ck_assert_uint_eq(e.pos, 2);
}
END_TEST

START_TEST(a_bad_value_says_what_is_allowed)
{
    ck_assert_int_eq(load("workers = none\n"), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "rdc.conf line 1: workers: bad value \"none\"; allowed: a number from "
                            "0 to 64");
    ck_assert_int_eq(set("log.level", "loud"), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "flag: log.level: bad value \"loud\"; allowed: debug, info, warn, "
                            "error");
    ck_assert_int_eq(set("dicom.max-pdu", "1"), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "flag: dicom.max-pdu: bad value \"1\"; allowed: a size of at least 4K "
                            "and at most 16M, in bytes or with K, M, G");
    ck_assert_int_eq(set("stop.timeout", "1 fortnight"), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "flag: stop.timeout: bad value \"1 fortnight\"; allowed: a duration of "
                            "at least 0ms and at most 10m, with ms, s, m, h");
    ck_assert_int_eq(set("dicom.aet", "12345678901234567"), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "flag: dicom.aet: bad value \"12345678901234567\"; allowed: 1 to 16 "
                            "ASCII characters, no \\");
    ck_assert_int_eq(set("dicom.aet", "测试"), BASE_EINVAL);
    ck_assert_int_eq(set("dicom.aet", "A\\B"), BASE_EINVAL);
    ck_assert_int_eq(set("dicom.aet", "MY RDC"), BASE_OK);
}
END_TEST

START_TEST(a_bad_address_is_refused)
{
    static const char *const bad[] = {
        "",      "8080",       ":8080",     "localhost:80", "127.0.0.1:", "127.0.0.1:65536",
        "1.2.3", "1.2.3.4:-1", "[::1:80",   "[1.2.3.4]:80", "::1:80",     "1.2.3.4:8x",
        "[]:1",  "[:1",        "[::1]x:80", "1.2.3.4: 80",  "]:80",       "["};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(set("http.address", bad[i]) == BASE_EINVAL, "%s", bad[i]);
    ck_assert_uint_eq(c.http_address.port, 8080);
}
END_TEST

START_TEST(a_bad_number_is_refused)
{
    static const char *const bad[] = {"",   " 1",  "1 ",  "-1",
                                      "65", "0x1", "1.5", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(set("workers", bad[i]) == BASE_EINVAL, "%s", bad[i]);
    ck_assert_int_eq(set("disk.reserve", "18446744073709551615G"), BASE_EINVAL);
    ck_assert_int_eq(set("disk.reserve", "-1"), BASE_EINVAL);
}
END_TEST

START_TEST(a_line_that_is_no_setting_is_refused)
{
    ck_assert_int_eq(load("workers 4\n"), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "rdc.conf line 1: not a setting; allowed: \"key = value\", or # and a "
                            "comment");
    ck_assert_int_eq(load_bytes("data=a\0b", 8), BASE_EINVAL);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    ck_assert_int_eq(base_conf_load_file(&c, "/nonexistent/rdc.conf", &e), BASE_ENOTFOUND);
    ck_assert_str_eq(e.msg, "/nonexistent/rdc.conf: No such file or directory");
}
END_TEST

START_TEST(the_environment_goes_before_the_file_and_flags_before_it)
{
    char *env[] = {"PATH=/bin",
                   "RDC_WORKERS=5",
                   "RDC_DICOM_MAX_PDU=64K",
                   "RDC_CONFIG=/x",
                   "RDC_TEST_X=1",
                   "RDC_ECG_DATA=/y",
                   NULL};
    char *argv[] = {"--workers", "6", "--data=/d", "--config", "f", "serve", "--workers", "9"};
    int used = 0;
    ck_assert_int_eq(load("workers = 4\n"), BASE_OK);
    ck_assert_int_eq(base_conf_load_env(&c, env, &e), BASE_OK);
    ck_assert_int_eq(c.workers, 5);
    ck_assert_uint_eq(c.dicom_max_pdu, 65536);
    ck_assert_int_eq(base_conf_load_flags(&c, 8, argv, &used, &e), BASE_OK);
    ck_assert_int_eq(used, 5);
    ck_assert_int_eq(c.workers, 6);
    ck_assert_str_eq(c.data, "/d");
}
END_TEST

START_TEST(a_bad_environment_is_named)
{
    char *unknown[] = {"RDC_WORKER=5", NULL};
    char *bad[] = {"RDC_WORKERS=x", NULL};
    ck_assert_int_eq(base_conf_load_env(&c, unknown, &e), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "environment RDC_WORKER: no such setting; \"rdc config\" lists the "
                            "keys");
    ck_assert_int_eq(base_conf_load_env(&c, bad, &e), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "environment RDC_WORKERS: workers: bad value \"x\"; allowed: a number "
                            "from 0 to 64");
}
END_TEST

START_TEST(bad_flags_are_named)
{
    char *unknown[] = {"--wrkers", "1"};
    char *missing[] = {"--workers"};
    char *none[] = {"x"};
    int used = 7;
    ck_assert_int_eq(base_conf_load_flags(&c, 2, unknown, &used, &e), BASE_EINVAL);
    ck_assert_ptr_nonnull(strstr(e.msg, "nearest: \"workers\""));
    ck_assert_int_eq(base_conf_load_flags(&c, 1, missing, &used, &e), BASE_EINVAL);
    ck_assert_str_eq(e.msg, "flag --workers: a value must follow");
    ck_assert_int_eq(used, 7);
    ck_assert_int_eq(base_conf_load_flags(&c, 1, none, &used, &e), BASE_OK);
    ck_assert_int_eq(used, 0);
}
END_TEST

START_TEST(the_example_is_valid_with_and_without_its_comment_signs)
{
    struct base_buf text = {0};
    struct base_buf settings = {0};
    base_conf_print_example(&text);
    ck_assert_int_eq(load(base_buf_cstr(&text)), BASE_OK);
    char *save = NULL;
    for (char *line = strtok_r((char *)text.p, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (line[0] == '#' && line[1] != ' ')
            base_buf_printf(&settings, "%s\n", line + 1);
    }
    ck_assert_int_eq(load(base_buf_cstr(&settings)), BASE_OK);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&settings), "workers = 0\n"));
    base_buf_deinit(&settings);
    base_buf_deinit(&text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_conf");
    TCase *tc = tcase_create("conf");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_default_is_allowed_and_shown);
    tcase_add_test(tc, a_file_sets_values_and_ignores_comments_and_blanks);
    tcase_add_test(tc, sizes_durations_and_addresses_have_units_and_forms);
    tcase_add_test(tc, an_unknown_key_names_file_line_and_the_nearest);
    tcase_add_test(tc, a_bad_value_says_what_is_allowed);
    tcase_add_test(tc, a_bad_address_is_refused);
    tcase_add_test(tc, a_bad_number_is_refused);
    tcase_add_test(tc, a_line_that_is_no_setting_is_refused);
    tcase_add_test(tc, a_missing_file_is_named);
    tcase_add_test(tc, the_environment_goes_before_the_file_and_flags_before_it);
    tcase_add_test(tc, a_bad_environment_is_named);
    tcase_add_test(tc, bad_flags_are_named);
    tcase_add_test(tc, the_example_is_valid_with_and_without_its_comment_signs);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
