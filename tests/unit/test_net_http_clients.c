/* Clients that leave, stay silent, are too many, or bring too much; and the end of the server. */
#include "http_fixture.h"

static void reset(int s)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};
    setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    close(s);
}

static void leave_while_uploading(struct fixture *x)
{
    (void)x;
    int s = dial();
    put(s, "PUT /in HTTP/1.1\r\nContent-Length: 10\r\n" KEEP "abc");
    close(s);
}

/* A connection whose request is under way. */
static int hold_one(struct fixture *x)
{
    int s = dial();
    put(s, "GET /hold HTTP/1.1\r\n" KEEP);
    while (!atomic_load(&x->holding))
        sched_yield();
    return s;
}

static void leave_while_held(struct fixture *x)
{
    reset(hold_one(x));
}

static void *leaving_client(void *arg)
{
    ((void (*)(struct fixture *))arg)(f);
    return NULL;
}

/* The loop ends when the handler has been told. */
static void run_leaving(void (*client)(struct fixture *))
{
    pthread_t t;
    start();
    pthread_create(&t, NULL, leaving_client, (void *)client);
    while (!f->aborted)
        loop_run(f->loop);
    pthread_join(t, NULL);
}

START_TEST(a_client_that_leaves_during_an_upload_is_noticed)
{
    run_leaving(leave_while_uploading);
    ck_assert_int_eq(f->aborted, 1);
    ck_assert_int_eq(f->results[499], 1);
}
END_TEST

START_TEST(a_client_that_resets_before_the_answer_is_noticed)
{
    run_leaving(leave_while_held);
    ck_assert_int_eq(f->aborted, 1);
    ck_assert_int_eq(f->results[499], 1);
}
END_TEST

static void stalled_client(struct fixture *x)
{
    (void)x;
    int s = dial();
    int small = 4096;
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    put(s, "GET /big?n=100000000 HTTP/1.1\r\n" KEEP);
    /* Reads nothing; the server has to give up. The end of the connection is
     * seen after what the buffers hold. */
    struct base_buf wait = {0};
    int t = dial();
    put(t, "GET /hold HTTP/1.1\r\n" KEEP);
    wait = get(t, "later");
    base_buf_deinit(&wait);
    close(t);
    close(s);
}

static void answer_when_stalled(void *arg)
{
    struct fixture *x = arg;
    if (x->held && net_http_server_connections(x->server) == 1)
        answer_held(x);
}

START_TEST(a_client_that_does_not_read_is_given_up)
{
    struct loop_timer *t = NULL;
    f->options.body_timeout_ms = 30;
    ck_assert_int_eq(loop_timer_new(f->loop, answer_when_stalled, f, &t), BASE_OK);
    loop_timer_start(t, 5, 5);
    run(stalled_client);
    loop_timer_free(t);
}
END_TEST

static void idle_client(struct fixture *x)
{
    (void)x;
    int s = dial();
    struct base_buf b = get(s, NULL); /* says nothing */
    ck_assert_uint_eq(b.n, 0);
    base_buf_deinit(&b);
    close(s);
    s = dial();
    put(s, "GET /hello HTTP/1.1\r\n" KEEP);
    b = get(s, NULL); /* keeps the connection, says nothing more */
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\n\r\nhello"));
    ck_assert_ptr_null(strstr(base_buf_cstr(&b), "Connection: close"));
    base_buf_deinit(&b);
    close(s);
}

START_TEST(silent_connections_are_closed)
{
    f->options.header_timeout_ms = 20;
    f->options.idle_timeout_ms = 20;
    run(idle_client);
    ck_assert_uint_eq(net_http_server_connections(f->server), 0);
}
END_TEST

static void get_hello(int s)
{
    put(s, "GET /hello HTTP/1.1\r\n" KEEP);
    struct base_buf b = get(s, "hello");
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\n\r\nhello"));
    base_buf_deinit(&b);
}

static bool is_closed(int s)
{
    struct base_buf b = get(s, NULL);
    bool closed = b.n == 0;
    base_buf_deinit(&b);
    close(s);
    return closed;
}

static void crowd_client(struct fixture *x)
{
    int busy = hold_one(x);
    int idle = dial();
    get_hello(idle);
    int next = dial();
    get_hello(next);
    ck_assert(is_closed(idle));
    int last = dial();
    get_hello(last);
    ck_assert(is_closed(next));
    close(last);
    close(busy);
}

START_TEST(one_connection_too_many_takes_the_place_of_one_without_a_request)
{
    f->options.max_connections = 2;
    run(crowd_client);
}
END_TEST

/* Sends until the server has closed, or has read as much as no pair of sockets takes. */
static bool sends_on(int s)
{
    static char zeros[65536];
    for (size_t n = 0; n < BIG; n += sizeof zeros)
        if (send(s, zeros, sizeof zeros, MSG_NOSIGNAL) < 0)
            return false;
    return true;
}

static void post_part(int s, size_t length, size_t n)
{
    static const char zeros[90000];
    char head[100];
    snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nContent-Length: %zu\r\n", length);
    put(s, head);
    put(s, KEEP);
    (void)send(s, zeros, n, MSG_NOSIGNAL);
}

static bool echoes(size_t n)
{
    int s = dial();
    post_part(s, n, n);
    struct base_buf b = get(s, "\r\n");
    bool taken = strncmp(base_buf_cstr(&b), "HTTP/1.1 201 ", 13) == 0;
    ck_assert_msg(taken || strncmp(base_buf_cstr(&b), "HTTP/1.1 503 ", 13) == 0, "%s",
                  base_buf_cstr(&b));
    base_buf_deinit(&b);
    close(s);
    return taken;
}

static void collecting_client(struct fixture *x)
{
    (void)x;
    ck_assert(echoes(90000));
    int held = dial();
    post_part(held, 90000, 60000);
    /* Until the server has them. */
    while (echoes(90000)) {
    }
    ck_assert(echoes(10000));
    close(held);
    while (!echoes(90000)) {
    }
}

START_TEST(bodies_that_are_collected_are_bounded_together)
{
    f->options.max_collected = 120000;
    run(collecting_client);
}
END_TEST

static void collect_asked(void *arg)
{
    struct fixture *x = arg;
    net_http_collect(x->held);
}

/* Takes the body of who has a token, in a later turn of the loop. */
static void ask_for_token(void *arg, struct net_http_request *req)
{
    struct fixture *x = arg;
    if (!net_http_bearer(req)) {
        net_http_problem(req, 401, NULL, "log in first");
        return;
    }
    x->held = req;
    loop_post(x->loop, &x->resume, collect_asked, x);
}

/* Says it is asked, and leaves the answer to others. */
static void ask_for_long(void *arg, struct net_http_request *req)
{
    struct fixture *x = arg;
    x->held = req;
    atomic_store(&x->holding, true);
}

#define TOKEN "Authorization: Bearer mine\r\n"

static void asked_client(struct fixture *x)
{
    (void)x;
    ck_assert(echoes(16384)); /* without a word who it is */
    /* The head is enough. */
    expect("POST /echo HTTP/1.1\r\nContent-Length: 16385\r\nExpect: 100-continue\r\n" KEEP,
           PARTS("HTTP/1.1 401 ", "\r\nConnection: close\r\n"));
    int s = dial();
    put(s, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" KEEP "15f90\r\n");
    char *body = calloc(1, 90001);
    memset(body, 'x', 90000);
    put(s, body); /* of which no end comes */
    struct base_buf b = get(s, NULL);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "HTTP/1.1 401 "));
    base_buf_deinit(&b);
    close(s);
    s = dial();
    put(s, "POST /echo HTTP/1.1\r\n" TOKEN "Transfer-Encoding: chunked\r\n" KEEP "15f90\r\n");
    put(s, body);
    put(s, "\r\n0\r\n\r\nPOST /echo HTTP/1.1\r\n" TOKEN "Content-Length: 90000\r\n" CLOSE);
    put(s, body);
    b = get(s, NULL);
    ck_assert_uint_gt(b.n, 180000);
    ck_assert_int_eq(strncmp(base_buf_cstr(&b), "HTTP/1.1 201 ", 13), 0);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "xHTTP/1.1 201 "));
    base_buf_deinit(&b);
    free(body);
    close(s);
}

START_TEST(who_sends_much_to_be_collected_is_asked_who_it_is)
{
    f->options.on_collect = ask_for_token;
    f->options.arg = f;
    run(asked_client);
}
END_TEST

static void unheard_client(struct fixture *x)
{
    const struct linger reset = {.l_onoff = 1};
    int s = dial();
    post_part(s, 90000, 0);
    while (!atomic_load(&x->holding)) {
    }
    setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(s);
    while (!echoes(10)) {
    }
}

START_TEST(who_left_while_asked_is_gone_afterwards)
{
    f->options.on_collect = ask_for_long;
    f->options.arg = f;
    run(unheard_client);
    ck_assert(net_http_is_gone(f->held));
    net_http_collect(f->held);
    ck_assert_int_eq(f->results[499], 1);
}
END_TEST

static void refused_client(struct fixture *x)
{
    int held = hold_one(x);
    int refused[2];
    for (int i = 0; i < 2; i++) {
        refused[i] = dial();
        struct base_buf b = get(refused[i], NULL);
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), " 503 "));
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\nRetry-After: 5\r\n"));
        base_buf_deinit(&b);
    }
    ck_assert(sends_on(refused[0]));
    ck_assert(!sends_on(refused[1]));
    close(held);
    close(refused[0]);
    close(refused[1]);
}

START_TEST(as_many_refused_connections_are_read_on_as_may_be_open)
{
    f->options.max_connections = 1;
    run(refused_client);
}
END_TEST

static void half_close_client(struct fixture *x)
{
    (void)x;
    int s = dial();
    put(s, "GET /later HTTP/1.1\r\n" KEEP "GET /hello HTTP/1.1\r\n" KEEP);
    shutdown(s, SHUT_WR);
    struct base_buf b = get(s, NULL);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\n\r\nlater"));
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\n\r\nhello"));
    base_buf_deinit(&b);
    close(s);
}

START_TEST(a_client_that_has_said_all_still_gets_its_answers)
{
    run(half_close_client);
}
END_TEST

static void begin_stop(void *arg)
{
    struct fixture *x = arg;
    net_http_server_stop(x->server, stop_loop, x->loop);
    if (x->held)
        answer_held(x);
}

static void stopping_client(struct fixture *x)
{
    int idle = dial();
    get_hello(idle);
    int busy = hold_one(x);
    loop_post(x->loop, &x->stop_call, begin_stop, x);
    struct base_buf b = get(busy, NULL);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "Connection: close\r\n"));
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "later"));
    base_buf_deinit(&b);
    ck_assert(is_closed(idle));
    close(busy);
}

START_TEST(stopping_lets_requests_under_way_end)
{
    pthread_t t;
    start();
    pthread_create(&t, NULL, leaving_client, (void *)stopping_client);
    loop_run(f->loop);
    ck_assert_uint_eq(net_http_server_connections(f->server), 0);
    /* Goodbyes are still being said. */
    loop_run(f->loop);
    pthread_join(t, NULL);
}
END_TEST

static void run_until(bool (*is_so)(void))
{
    struct loop_timer *t = NULL;
    ck_assert_int_eq(loop_timer_new(f->loop, stop_loop, f->loop, &t), BASE_OK);
    loop_timer_start(t, 1, 1);
    while (!is_so())
        loop_run(f->loop);
    loop_timer_free(t);
}

static bool is_held(void)
{
    return f->held != NULL;
}

static bool is_left(void)
{
    return net_http_is_gone(f->held);
}

static bool is_told(void)
{
    return f->aborted > 0;
}

/* As an upload does, which asks the database first who sends. */
START_TEST(who_asks_when_the_client_has_left_already_is_told)
{
    start();
    int s = dial();
    put(s, "GET /hold HTTP/1.1\r\n" KEEP);
    run_until(is_held);
    net_http_on_abort(f->held, NULL, NULL);
    reset(s);
    run_until(is_left);
    net_http_on_abort(f->held, on_held_abort, f);
    ck_assert_int_eq(f->aborted, 0);
    run_until(is_told);
    ck_assert_int_eq(f->aborted, 1);
    ck_assert_int_eq(f->results[499], 1);
}
END_TEST

static bool stopped;

static void note_stopped(void *arg)
{
    (void)arg;
    stopped = true;
}

static bool is_stopped(void)
{
    return stopped;
}

static bool has_turned(void)
{
    static unsigned turns;
    return ++turns > 5;
}

/* What its handler still waits for may need what is closed after the server. */
START_TEST(stopping_waits_for_the_answer_to_a_client_that_has_left)
{
    start();
    int s = dial();
    put(s, "GET /hold HTTP/1.1\r\n" KEEP);
    run_until(is_held);
    net_http_on_abort(f->held, NULL, NULL);
    reset(s);
    run_until(is_left);
    net_http_server_stop(f->server, note_stopped, NULL);
    run_until(has_turned);
    ck_assert(!stopped);
    answer_held(f);
    run_until(is_stopped);
}
END_TEST

START_TEST(a_request_outlives_the_server)
{
    int s;
    start();
    s = dial();
    put(s, "GET /hold HTTP/1.1\r\n" KEEP);
    run_until(is_held);
    net_http_on_abort(f->held, NULL, NULL);
    net_http_server_free(f->server);
    f->server = NULL;
    ck_assert(net_http_is_gone(f->held));
    net_http_reply(f->held, 200, NULL, base_bytes_of(NULL, 0));
    ck_assert_int_eq(f->results[499], 1);
    close(s);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, a_client_that_leaves_during_an_upload_is_noticed);
    tcase_add_test(tc, a_client_that_resets_before_the_answer_is_noticed);
    tcase_add_test(tc, a_client_that_does_not_read_is_given_up);
    tcase_add_test(tc, silent_connections_are_closed);
    tcase_add_test(tc, one_connection_too_many_takes_the_place_of_one_without_a_request);
    tcase_add_test(tc, as_many_refused_connections_are_read_on_as_may_be_open);
    tcase_add_test(tc, bodies_that_are_collected_are_bounded_together);
    tcase_add_test(tc, who_sends_much_to_be_collected_is_asked_who_it_is);
    tcase_add_test(tc, who_left_while_asked_is_gone_afterwards);
    tcase_add_test(tc, a_client_that_has_said_all_still_gets_its_answers);
    tcase_add_test(tc, stopping_lets_requests_under_way_end);
    tcase_add_test(tc, stopping_waits_for_the_answer_to_a_client_that_has_left);
    tcase_add_test(tc, who_asks_when_the_client_has_left_already_is_told);
    tcase_add_test(tc, a_request_outlives_the_server);
}

int main(void)
{
    return run_http_tests("net_http_clients", add);
}
