#include "viewer-export/viewer_helper.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A stand-in for the program: /bin/sh script whose $6 … are our arguments. */
static char program[64];

static void make_program(void)
{
    snprintf(program, sizeof program, "/tmp/rdc-helper-XXXXXX");
    int fd = mkstemp(program);
    FILE *f = fdopen(fd, "w");
    ck_assert_ptr_nonnull(f);
    fputs("#!/bin/sh\n"
          "shift 5\n"
          "case \"$1\" in\n"
          "say) printf %s \"$2\" ;;\n"
          "refuse) echo '{\"error\":\"x\",\"message\":\"no pixels\"}'; exit $2 ;;\n"
          "crash) kill -SEGV $$ ;;\n"
          "odd) exit 9 ;;\n"
          "hang) exec sleep 600 ;;\n"
          "flood) exec cat /dev/zero ;;\n"
          "esac\n",
          f);
    fclose(f);
    ck_assert_int_eq(chmod(program, 0700), 0);
}

static void remove_program(void)
{
    unlink(program);
}

struct result {
    int calls;
    int order; /* of this among all results */
    enum base_err err;
    char message[256], text[64];
};
static int finished;

static void on_result(void *arg, enum base_err err, const char *message, struct base_bytes bytes)
{
    struct result *r = arg;
    r->calls++;
    r->order = finished++;
    r->err = err;
    snprintf(r->message, sizeof r->message, "%s", message);
    snprintf(r->text, sizeof r->text, "%.*s", (int)bytes.n, (const char *)bytes.p);
}

static struct loop *loop;

static struct viewer_helper *helper(struct viewer_helper_config config)
{
    struct viewer_helper *h = NULL;
    static const struct loop_options options = {.disk_threads = 1, .cpu_threads = 1};
    ck_assert_int_eq(loop_new(&options, &loop), BASE_OK);
    config.loop = loop;
    config.program = config.program ? config.program : program;
    ck_assert_int_eq(viewer_helper_new(&config, &h), BASE_OK);
    finished = 0;
    return h;
}

static void end(struct viewer_helper *h)
{
    viewer_helper_free(h);
    loop_run(loop);
    loop_free(loop);
}

static void ask(struct viewer_helper *h, enum loop_class class, const char *what, const char *value,
                struct result *r)
{
    const char *args[] = {what, value, NULL};
    ck_assert_int_eq(viewer_helper_run(h, class, args, on_result, r), BASE_OK);
    ck_assert_int_eq(r->calls, 0);
}

static struct result ask_once(struct viewer_helper_config config, const char *what,
                              const char *value)
{
    struct result r = {0};
    struct viewer_helper *h = helper(config);
    ask(h, LOOP_ORDINARY, what, value, &r);
    loop_run(loop);
    ck_assert_int_eq(r.calls, 1);
    end(h);
    return r;
}

START_TEST(what_the_helper_prints_is_the_result)
{
    struct result r = ask_once((struct viewer_helper_config){0}, "say", "a picture");
    ck_assert_int_eq(r.err, BASE_OK);
    ck_assert_str_eq(r.text, "a picture");
}
END_TEST

START_TEST(a_refusal_keeps_its_code_and_words)
{
    char status[16];
    snprintf(status, sizeof status, "%d", VIEWER_HELPER_FAILED + BASE_EUNSUPPORTED);
    struct result r = ask_once((struct viewer_helper_config){0}, "refuse", status);
    ck_assert_int_eq(r.err, BASE_EUNSUPPORTED);
    ck_assert_str_eq(r.message, "no pixels");
}
END_TEST

START_TEST(a_crash_is_an_internal_error)
{
    ck_assert_int_eq(ask_once((struct viewer_helper_config){0}, "crash", "").err, BASE_EINTERNAL);
    ck_assert_int_eq(ask_once((struct viewer_helper_config){0}, "odd", "").err, BASE_EINTERNAL);
}
END_TEST

START_TEST(a_helper_that_hangs_is_ended)
{
    struct result r = ask_once((struct viewer_helper_config){.timeout_ms = 50}, "hang", "");
    ck_assert_int_eq(r.err, BASE_ETIMEOUT);
}
END_TEST

START_TEST(a_helper_that_prints_too_much_is_ended)
{
    struct result r = ask_once((struct viewer_helper_config){.output_max = 100000}, "flood", "");
    ck_assert_int_eq(r.err, BASE_ELIMIT);
}
END_TEST

START_TEST(a_missing_program_is_told_later)
{
    struct result r =
        ask_once((struct viewer_helper_config){.program = "/nonexistent/rdc"}, "say", "x");
    ck_assert_int_eq(r.err, BASE_ENOTFOUND);
}
END_TEST

START_TEST(requests_wait_and_urgent_ones_go_first)
{
    struct result r[4] = {0};
    struct viewer_helper *h = helper((struct viewer_helper_config){.parallel = 1});
    ask(h, LOOP_ORDINARY, "say", "0", &r[0]);
    ask(h, LOOP_ORDINARY, "say", "1", &r[1]);
    ask(h, LOOP_ORDINARY, "say", "2", &r[2]);
    ask(h, LOOP_STAT, "say", "3", &r[3]);
    ck_assert_uint_eq(viewer_helper_running(h), 1);
    ck_assert_uint_eq(viewer_helper_waiting(h), 3);
    loop_run(loop);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(r[i].calls, 1);
        ck_assert_int_eq(r[i].err, BASE_OK);
    }
    ck_assert_int_eq(r[3].order, 1);
    ck_assert_int_eq(r[1].order, 2);
    ck_assert_int_eq(r[2].order, 3);
    end(h);
}
END_TEST

START_TEST(a_full_queue_is_refused_at_once)
{
    struct result r[2] = {0}, none = {0};
    const char *args[] = {"say", "x", NULL};
    struct viewer_helper *h = helper((struct viewer_helper_config){.parallel = 1, .waiting = 1});
    ask(h, LOOP_ORDINARY, "say", "a", &r[0]);
    ask(h, LOOP_ORDINARY, "say", "b", &r[1]);
    ck_assert_int_eq(viewer_helper_run(h, LOOP_ORDINARY, args, on_result, &none),
                     BASE_EUNAVAILABLE);
    loop_run(loop);
    ck_assert_int_eq(none.calls, 0);
    ck_assert_int_eq(r[1].err, BASE_OK);
    end(h);
}
END_TEST

START_TEST(stopping_answers_everybody)
{
    struct result r[3] = {0};
    struct viewer_helper *h = helper((struct viewer_helper_config){.parallel = 1});
    for (int i = 0; i < 3; i++)
        ask(h, LOOP_ORDINARY, "hang", "", &r[i]);
    end(h);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(r[i].calls, 1);
        ck_assert_int_eq(r[i].err, BASE_ECANCELED);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("viewer_helper");
    TCase *t = tcase_create("helper");
    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, make_program, remove_program);
    tcase_add_test(t, what_the_helper_prints_is_the_result);
    tcase_add_test(t, a_refusal_keeps_its_code_and_words);
    tcase_add_test(t, a_crash_is_an_internal_error);
    tcase_add_test(t, a_helper_that_hangs_is_ended);
    tcase_add_test(t, a_helper_that_prints_too_much_is_ended);
    tcase_add_test(t, a_missing_program_is_told_later);
    tcase_add_test(t, requests_wait_and_urgent_ones_go_first);
    tcase_add_test(t, a_full_queue_is_refused_at_once);
    tcase_add_test(t, stopping_answers_everybody);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failures = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failures != 0;
}
