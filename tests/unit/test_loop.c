#include "loop/loop.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static struct loop *make_loop(unsigned disk, unsigned cpu)
{
    struct loop *l = NULL;
    struct loop_options o = {.disk_threads = disk, .cpu_threads = cpu};
    ck_assert_int_eq(loop_new(&o, &l), BASE_OK);
    return l;
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void count_done(void *arg, bool cancelled)
{
    *(int *)arg += cancelled ? 100 : 1;
}

START_TEST(a_loop_without_anything_to_do_returns)
{
    struct loop *l = make_loop(1, 1);
    loop_run(l);
    loop_free(l);
    loop_free(NULL);
}
END_TEST

struct ticks {
    struct loop_timer *timer;
    int n;
};

static void tick(void *arg)
{
    struct ticks *t = arg;
    if (++t->n == 3) {
        loop_timer_free(t->timer);
        t->timer = NULL;
    }
}

START_TEST(a_repeating_timer_can_free_itself)
{
    struct loop *l = make_loop(0, 0);
    struct ticks t = {0};
    ck_assert_int_eq(loop_timer_new(l, tick, &t, &t.timer), BASE_OK);
    loop_timer_start(t.timer, 0, 1);
    loop_run(l);
    ck_assert_int_eq(t.n, 3);
    loop_free(l);
}
END_TEST

START_TEST(a_stopped_timer_does_not_fire)
{
    struct loop *l = make_loop(0, 0);
    struct loop_timer *t = NULL;
    int n = 0;
    ck_assert_int_eq(loop_timer_new(l, count, &n, &t), BASE_OK);
    loop_timer_start(t, 0, 0);
    loop_timer_stop(t);
    loop_run(l);
    ck_assert_int_eq(n, 0);
    loop_timer_free(t);
    loop_timer_free(NULL);
    loop_free(l);
}
END_TEST

static void stop_on_signal(void *arg, int signum)
{
    ck_assert_int_eq(signum, SIGUSR1);
    loop_stop(arg);
}

static void raise_signal(void *arg)
{
    (void)arg;
    kill(getpid(), SIGUSR1);
}

START_TEST(a_signal_reaches_its_watcher)
{
    struct loop *l = make_loop(1, 1);
    struct loop_signal *s = NULL;
    struct loop_timer *t = NULL;
    int n = 0;
    ck_assert_int_eq(loop_signal_new(l, SIGUSR1, stop_on_signal, l, &s), BASE_OK);
    ck_assert_int_eq(loop_timer_new(l, raise_signal, &n, &t), BASE_OK);
    loop_timer_start(t, 0, 60000); /* keeps the loop going until the signal */
    loop_run(l);
    loop_timer_free(t);
    loop_signal_free(s);
    loop_free(l);
}
END_TEST

enum { JOBS = 1000 };

struct job {
    struct loop_job job;
    pthread_t ran_on;
    int value;
    int *left;
};

static void square(void *arg)
{
    struct job *j = arg;
    j->ran_on = pthread_self();
    j->value *= j->value;
}

static void squared(void *arg, bool cancelled)
{
    struct job *j = arg;
    ck_assert(!cancelled);
    ck_assert(!pthread_equal(j->ran_on, pthread_self()));
    --*j->left;
}

START_TEST(every_job_runs_on_a_pool_and_completes_on_the_loop)
{
    struct loop *l = make_loop(4, 2);
    static struct job jobs[JOBS];
    int left = JOBS;
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.value = i, .left = &left};
        loop_work(l, &jobs[i].job, i % 2 ? LOOP_DISK : LOOP_CPU, i % 3 ? LOOP_ORDINARY : LOOP_STAT,
                  square, squared, &jobs[i]);
    }
    loop_run(l);
    ck_assert_int_eq(left, 0);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(jobs[i].value, i * i);
    loop_free(l);
}
END_TEST

/* A gate that holds the only pool thread until opened. */
struct gate {
    struct loop_job job;
    pthread_mutex_t lock;
};

static void wait_gate(void *arg)
{
    struct gate *g = arg;
    pthread_mutex_lock(&g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void nothing_done(void *arg, bool cancelled)
{
    (void)arg;
    (void)cancelled;
}

static void no_work(void *arg)
{
    (void)arg;
}

struct order {
    char seen[64];
    atomic_size_t n;
};

struct letter {
    struct loop_job job;
    struct order *order;
    char c;
};

static void write_letter(void *arg)
{
    struct letter *t = arg;
    t->order->seen[atomic_fetch_add(&t->order->n, 1)] = t->c;
}

START_TEST(stat_goes_first_but_does_not_starve_the_rest)
{
    struct loop *l = make_loop(0, 1);
    struct gate g = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct order order = {{0}, 0};
    static struct letter letters[22];
    pthread_mutex_lock(&g.lock);
    loop_work(l, &g.job, LOOP_CPU, LOOP_STAT, wait_gate, nothing_done, &g);
    for (int i = 0; i < 22; i++) {
        bool stat = i >= 2;
        letters[i] = (struct letter){.order = &order, .c = stat ? 's' : 'o'};
        loop_work(l, &letters[i].job, LOOP_CPU, stat ? LOOP_STAT : LOOP_ORDINARY, write_letter,
                  nothing_done, &letters[i]);
    }
    pthread_mutex_unlock(&g.lock);
    loop_run(l);
    /* The gate was taken before or after the rest was queued: 14 or 15 more. */
    ck_assert_int_eq(order.seen[0], 's');
    ck_assert(order.seen[14] == 'o' || order.seen[15] == 'o');
    ck_assert_int_eq(order.seen[21], 'o');
    loop_free(l);
}
END_TEST

START_TEST(freeing_the_loop_cancels_what_waits)
{
    struct loop *l = make_loop(1, 0);
    struct gate g = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct loop_job waiting[3];
    int n = 0;
    loop_work(l, &g.job, LOOP_DISK, LOOP_STAT, wait_gate, nothing_done, &g);
    for (int i = 0; i < 3; i++)
        loop_work(l, &waiting[i], LOOP_DISK, LOOP_ORDINARY, no_work, count_done, &n);
    loop_free(l);
    ck_assert_int_ge(n, 3); /* each told once, done or cancelled */
}
END_TEST

struct posted {
    struct loop *loop;
    struct loop_call calls[100];
    int n;
    pthread_t loop_thread;
};

static void on_call(void *arg)
{
    struct posted *p = arg;
    ck_assert(pthread_equal(p->loop_thread, pthread_self()));
    if (++p->n == 100)
        loop_stop(p->loop);
}

static void *post_many(void *arg)
{
    struct posted *p = arg;
    for (int i = 0; i < 100; i++)
        loop_post(p->loop, &p->calls[i], on_call, p);
    return NULL;
}

START_TEST(calls_from_another_thread_run_on_the_loop)
{
    struct loop *l = make_loop(0, 0);
    static struct posted p;
    struct loop_timer *keep = NULL;
    int unused = 0;
    pthread_t t;
    p.loop = l;
    p.loop_thread = pthread_self();
    ck_assert_int_eq(loop_timer_new(l, count, &unused, &keep), BASE_OK);
    loop_timer_start(keep, 60000, 0);
    ck_assert_int_eq(pthread_create(&t, NULL, post_many, &p), 0);
    loop_run(l);
    pthread_join(t, NULL);
    ck_assert_int_eq(p.n, 100);
    loop_timer_free(keep);
    loop_free(l);
}
END_TEST

struct turn {
    struct loop *l;
    struct loop_job job;
    int done;
    int done_before;
    int done_after;
};

static void one_long_turn(void *arg)
{
    struct turn *t = arg;
    loop_work(t->l, &t->job, LOOP_DISK, LOOP_ORDINARY, no_work, count_done, &t->done);
    while (!loop_is_awaited(t->l))
        usleep(100);
    t->done_before = t->done;
    loop_catch_up(t->l);
    t->done_after = t->done;
    ck_assert(!loop_is_awaited(t->l));
}

START_TEST(what_a_job_has_done_is_caught_up_with_within_a_turn)
{
    struct turn t = {.l = make_loop(1, 0)};
    struct loop_call call;
    ck_assert(!loop_is_awaited(t.l));
    loop_post(t.l, &call, one_long_turn, &t);
    loop_run(t.l);
    ck_assert_int_eq(t.done_before, 0);
    ck_assert_int_eq(t.done_after, 1);
    ck_assert_int_eq(t.done, 1);
    loop_free(t.l);
}
END_TEST

START_TEST(a_call_posted_on_the_loop_keeps_it_going_until_it_ran)
{
    struct loop *l = make_loop(0, 0);
    struct loop_call call;
    int n = 0;
    loop_post(l, &call, count, &n);
    ck_assert_int_eq(n, 0);
    loop_run(l);
    ck_assert_int_eq(n, 1);
    loop_free(l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("loop");
    TCase *tc = tcase_create("loop");
    tcase_add_test(tc, a_loop_without_anything_to_do_returns);
    tcase_add_test(tc, a_repeating_timer_can_free_itself);
    tcase_add_test(tc, a_stopped_timer_does_not_fire);
    tcase_add_test(tc, a_signal_reaches_its_watcher);
    tcase_add_test(tc, every_job_runs_on_a_pool_and_completes_on_the_loop);
    tcase_add_test(tc, stat_goes_first_but_does_not_starve_the_rest);
    tcase_add_test(tc, freeing_the_loop_cancels_what_waits);
    tcase_add_test(tc, calls_from_another_thread_run_on_the_loop);
    tcase_add_test(tc, what_a_job_has_done_is_caught_up_with_within_a_turn);
    tcase_add_test(tc, a_call_posted_on_the_loop_keeps_it_going_until_it_ran);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
