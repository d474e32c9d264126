#include "loop/loop_process.h"

#include "base/buf.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct run {
    struct loop *loop;
    struct loop_process *process;
    struct base_buf out;
    struct loop_process_exit exit;
    int exits;
};

static void on_output(void *arg, struct base_bytes b)
{
    struct run *r = arg;
    base_buf_add(&r->out, b.p, b.n);
}

static void on_exit_of(void *arg, const struct loop_process_exit *e)
{
    struct run *r = arg;
    r->exit = *e;
    r->exits++;
}

static struct loop_process_options options_of(struct run *r, const char *const *argv)
{
    struct loop_options lo = {0};
    ck_assert_int_eq(loop_new(&lo, &r->loop), BASE_OK);
    return (struct loop_process_options){
        .argv = argv, .on_output = on_output, .on_exit = on_exit_of, .arg = r};
}

static void finish(struct run *r)
{
    loop_run(r->loop);
    ck_assert_int_eq(r->exits, 1);
    loop_free(r->loop);
    base_buf_deinit(&r->out);
}

START_TEST(what_goes_in_comes_out_and_the_status_is_told)
{
    struct run r = {0};
    const char *argv[] = {"sh", "-c", "cat; exit 7", NULL};
    struct loop_process_options o = options_of(&r, argv);
    o.input = true;
    ck_assert_int_eq(loop_process_spawn(r.loop, &o, &r.process), BASE_OK);
    ck_assert_int_eq(loop_process_write(r.process, base_bytes_str("abc")), BASE_OK);
    ck_assert_int_eq(loop_process_write(r.process, base_bytes_str("def")), BASE_OK);
    loop_process_end_input(r.process);
    loop_run(r.loop);
    ck_assert_str_eq(base_buf_cstr(&r.out), "abcdef");
    ck_assert_int_eq(r.exit.status, 7);
    ck_assert_int_eq(r.exit.cause, LOOP_PROCESS_EXITED);
    finish(&r);
}
END_TEST

START_TEST(inherited_descriptors_start_at_three)
{
    struct run r = {0};
    int p[2];
    ck_assert_int_eq(pipe(p), 0);
    const char *argv[] = {"sh", "-c", "echo hello >&3", NULL};
    struct loop_process_options o = options_of(&r, argv);
    o.fds = &p[1];
    o.fd_count = 1;
    ck_assert_int_eq(loop_process_spawn(r.loop, &o, &r.process), BASE_OK);
    finish(&r);
    char text[16] = {0};
    ck_assert_int_eq(read(p[0], text, sizeof text), 6);
    ck_assert_str_eq(text, "hello\n");
    close(p[0]);
    close(p[1]);
}
END_TEST

START_TEST(a_process_that_takes_too_long_is_killed)
{
    struct run r = {0};
    const char *argv[] = {"sh", "-c", "sleep 3 & exec sleep 1000", NULL};
    struct loop_process_options o = options_of(&r, argv);
    o.timeout_ms = 20;
    ck_assert_int_eq(loop_process_spawn(r.loop, &o, &r.process), BASE_OK);
    loop_run(r.loop);
    ck_assert_int_eq(r.exit.cause, LOOP_PROCESS_TIMEOUT);
    ck_assert_int_eq(r.exit.signum, SIGKILL);
    finish(&r);
}
END_TEST

START_TEST(a_process_that_prints_too_much_is_killed)
{
    struct run r = {0};
    const char *argv[] = {"sh", "-c", "while :; do echo xxxxxxxxxxxxxxxxxxxx; done", NULL};
    struct loop_process_options o = options_of(&r, argv);
    o.output_max = 100000;
    ck_assert_int_eq(loop_process_spawn(r.loop, &o, &r.process), BASE_OK);
    loop_run(r.loop);
    ck_assert_int_eq(r.exit.cause, LOOP_PROCESS_OUTPUT);
    ck_assert_uint_le(r.out.n, 100000);
    finish(&r);
}
END_TEST

START_TEST(input_to_a_process_that_does_not_read_is_no_harm)
{
    struct run r = {0};
    static const char big[1 << 20];
    const char *argv[] = {"true", NULL};
    struct loop_process_options o = options_of(&r, argv);
    o.input = true;
    ck_assert_int_eq(loop_process_spawn(r.loop, &o, &r.process), BASE_OK);
    ck_assert_int_eq(loop_process_write(r.process, base_bytes_of(big, sizeof big)), BASE_OK);
    loop_process_end_input(r.process);
    loop_run(r.loop);
    ck_assert_int_eq(r.exit.status, 0);
    finish(&r);
}
END_TEST

START_TEST(a_program_that_does_not_exist_is_an_error_without_callbacks)
{
    struct run r = {0};
    const char *argv[] = {"/nonexistent/program", NULL};
    struct loop_process_options o = options_of(&r, argv);
    o.input = true;
    ck_assert_int_eq(loop_process_spawn(r.loop, &o, &r.process), BASE_ENOTFOUND);
    loop_run(r.loop);
    ck_assert_int_eq(r.exits, 0);
    loop_free(r.loop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("loop_process");
    TCase *tc = tcase_create("loop_process");
    tcase_add_test(tc, what_goes_in_comes_out_and_the_status_is_told);
    tcase_add_test(tc, inherited_descriptors_start_at_three);
    tcase_add_test(tc, a_process_that_takes_too_long_is_killed);
    tcase_add_test(tc, a_process_that_prints_too_much_is_killed);
    tcase_add_test(tc, input_to_a_process_that_does_not_read_is_no_harm);
    tcase_add_test(tc, a_program_that_does_not_exist_is_an_error_without_callbacks);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
