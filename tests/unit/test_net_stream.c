#include "net/net_stream.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BIG = 16 << 20 }; /* more than a pair of sockets takes at once */

struct end {
    struct net_stream *stream;
    struct base_buf got;
    int connected;
    int drained;
    int eof;
    int timeouts;
    enum base_err error;
    bool hold; /* pause at the first read */
};

static struct loop *loop;
static struct net_listener *listener;
static struct end client;
static struct end server;
static int listen_fd;
static uint16_t port;
static void (*accepted)(struct end *e);
static bool listens_on; /* after the first connection */
static struct net_linger linger;

static bool no_memory; /* for the next one who asks */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
    bool none = no_memory;
    no_memory = false;
    return none ? NULL : __real_calloc(n, size);
}

static void on_connect(void *arg)
{
    ((struct end *)arg)->connected++;
}

static void on_read(void *arg, struct base_bytes bytes)
{
    struct end *e = arg;
    base_buf_add(&e->got, bytes.p, bytes.n);
    if (e->hold)
        net_stream_pause(e->stream);
}

static void on_eof(void *arg)
{
    struct end *e = arg;
    e->eof++;
    net_stream_close(e->stream);
    e->stream = NULL;
}

static void on_drain(void *arg)
{
    struct end *e = arg;
    e->drained++;
    net_stream_finish(e->stream, 1000);
    e->stream = NULL;
}

static void on_timeout(void *arg)
{
    struct end *e = arg;
    e->timeouts++;
    e->hold = false;
    net_stream_resume(e->stream);
}

static void on_error(void *arg, enum base_err err)
{
    struct end *e = arg;
    e->error = err;
    net_stream_close(e->stream);
    e->stream = NULL;
}

static void on_client_connect(void *arg)
{
    on_connect(arg);
    net_stream_timeout(client.stream, 20);
}

static const struct net_stream_events events = {
    on_client_connect, on_read, on_eof, on_drain, on_timeout, on_error,
};

static void on_accept(void *arg, struct net_stream *s)
{
    (void)arg;
    server.stream = s;
    net_stream_start(s, &events, &server);
    if (!listens_on) { /* one connection, so that the loop can end */
        net_listener_free(listener);
        listener = NULL;
    }
    if (accepted)
        accepted(&server);
}

static void setup(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    struct loop_options lo = {0};
    client = server = (struct end){0};
    accepted = NULL;
    listens_on = false;
    linger = (struct net_linger){.max = 8};
    ck_assert_int_eq(loop_new(&lo, &loop), BASE_OK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(getsockname(listen_fd, (struct sockaddr *)&a, &n), 0);
    port = ntohs(a.sin_port);
}

static void start(void)
{
    ck_assert_int_eq(net_listener_new(loop, listen_fd, &linger, on_accept, NULL, &listener),
                     BASE_OK);
}

static void dial(void)
{
    ck_assert_int_eq(
        net_stream_connect(loop, "127.0.0.1", port, 10000, &events, &client, &client.stream),
        BASE_OK);
}

static void teardown(void)
{
    net_listener_free(listener);
    loop_free(loop);
    close(listen_fd);
    base_buf_deinit(&client.got);
    base_buf_deinit(&server.got);
}

static void send_big_and_finish(struct end *e)
{
    struct base_buf body = {0};
    base_buf_add_fill(&body, 'x', BIG);
    ck_assert_int_eq(net_stream_write(e->stream, base_bytes_str("head"), &body), BASE_OK);
    ck_assert_uint_eq(body.n, 0);
    ck_assert_uint_gt(net_stream_queued(e->stream), 0);
}

START_TEST(what_was_queued_arrives_before_the_end)
{
    start();
    accepted = send_big_and_finish;
    dial();
    loop_run(loop);
    ck_assert_int_eq(client.connected, 1);
    ck_assert_uint_eq(client.got.n, BIG + 4);
    ck_assert_int_eq(memcmp(client.got.p, "headxxxx", 8), 0);
    ck_assert_int_eq(client.eof, 1);
    ck_assert_int_eq(server.drained, 1);
}
END_TEST

START_TEST(a_paused_stream_reads_nothing_until_its_time_out_resumes_it)
{
    start();
    accepted = send_big_and_finish;
    client.hold = true;
    dial();
    loop_run(loop);
    ck_assert_int_eq(client.timeouts, 1);
    ck_assert_uint_eq(client.got.n, BIG + 4);
}
END_TEST

static void say_hello(struct end *e)
{
    ck_assert_str_eq(net_stream_peer(e->stream), "127.0.0.1");
    ck_assert(net_stream_peer_is_loopback(e->stream));
    ck_assert_int_eq(net_stream_write(e->stream, base_bytes_str("hello"), NULL), BASE_OK);
    net_stream_finish(e->stream, 1000);
}

START_TEST(a_short_message_and_the_end_arrive)
{
    start();
    accepted = say_hello;
    dial();
    loop_run(loop);
    ck_assert_str_eq(base_buf_cstr(&client.got), "hello");
    ck_assert_int_eq(client.eof, 1);
}
END_TEST

START_TEST(a_port_where_nobody_listens_is_unavailable)
{
    dial(); /* bound, but not listening */
    loop_run(loop);
    ck_assert_int_eq(client.error, BASE_EUNAVAILABLE);
    ck_assert_int_eq(client.connected, 0);
}
END_TEST

START_TEST(a_name_that_does_not_exist_is_not_found)
{
    ck_assert_int_eq(net_stream_connect(loop, "no such host.invalid", 1, 10000, &events, &client,
                                        &client.stream),
                     BASE_OK);
    loop_run(loop);
    ck_assert_int_eq(client.error, BASE_ENOTFOUND);
}
END_TEST

START_TEST(a_stream_can_be_closed_while_it_connects)
{
    start();
    dial();
    net_stream_close(client.stream);
    net_stream_close(NULL);
    net_listener_free(listener);
    listener = NULL;
    loop_run(loop);
    ck_assert_int_eq(client.connected, 0);
    ck_assert_int_eq(client.error, BASE_OK);
}
END_TEST

static void close_at_once(struct end *e)
{
    net_stream_close(e->stream);
}

START_TEST(the_end_of_the_peer_is_told)
{
    start();
    accepted = close_at_once;
    dial();
    loop_run(loop);
    ck_assert_int_eq(client.eof + (client.error == BASE_ECLOSED), 1);
}
END_TEST

START_TEST(without_memory_for_a_connection_it_is_accepted_later)
{
    start();
    accepted = say_hello;
    dial();
    no_memory = true;
    loop_run(loop);
    ck_assert(!no_memory);
    ck_assert_str_eq(base_buf_cstr(&client.got), "hello");
}
END_TEST

/* ---- a peer that goes on behind our end ---- */

enum { NEVER_MS = 3600 * 1000 };

static struct loop_timer *ticker;
static void (*on_tick)(void);
static int files; /* that were open when our end came */

static int open_files(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void tick(void *arg)
{
    (void)arg;
    on_tick();
}

static void leave_client(void)
{
    loop_timer_free(ticker);
    net_stream_close(client.stream);
}

static void push(void)
{
    if (net_stream_write(client.stream, base_bytes_str("x"), NULL))
        leave_client();
}

static void look(void)
{
    if (open_files() < files)
        leave_client();
}

static void begin_ticks(void *arg)
{
    (void)arg;
    files = open_files();
    loop_timer_start(ticker, 1, 1);
}

static void ignore(void *arg)
{
    (void)arg;
}

static void ignore_error(void *arg, enum base_err err)
{
    (void)arg;
    (void)err;
}

static const struct net_stream_events deaf_events = {
    ignore, on_read, begin_ticks, ignore, ignore, ignore_error,
};

/* The loop ends when the client has seen that the server closed. */
static void go_on_until_closed(void (*fn)(void))
{
    start();
    accepted = say_hello;
    on_tick = fn;
    ck_assert_int_eq(loop_timer_new(loop, tick, NULL, &ticker), BASE_OK);
    ck_assert_int_eq(
        net_stream_connect(loop, "127.0.0.1", port, 10000, &deaf_events, &client, &client.stream),
        BASE_OK);
    loop_run(loop);
    ck_assert_str_eq(base_buf_cstr(&client.got), "hello");
}

START_TEST(a_peer_that_goes_on_sending_is_closed_after_its_time)
{
    linger.ms = 300;
    linger.idle_ms = NEVER_MS;
    go_on_until_closed(push);
}
END_TEST

START_TEST(a_peer_that_is_silent_behind_our_end_is_closed)
{
    linger.ms = NEVER_MS;
    linger.idle_ms = 20;
    go_on_until_closed(look);
}
END_TEST

static struct end peers[3];
static size_t peer; /* that goes on */

static void on_pushed(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static void on_pushed_error(void *arg, enum base_err err)
{
    ((struct end *)arg)->error = err;
    loop_stop(loop);
}

static const struct net_stream_events push_events = {
    on_connect, on_read, on_pushed, on_pushed, ignore, on_pushed_error,
};

/* The next peer connects, and sees our end. */
static struct end *next_peer(void)
{
    struct end *e = &peers[peer++];
    ck_assert_int_eq(
        net_stream_connect(loop, "127.0.0.1", port, 10000, &push_events, e, &e->stream), BASE_OK);
    loop_run(loop);
    ck_assert_str_eq(base_buf_cstr(&e->got), "hello");
    return e;
}

/* Is what it sends behind our end still read? */
static bool is_read(struct end *e)
{
    struct base_buf body = {0};
    base_buf_add_fill(&body, 'x', BIG);
    e->error = net_stream_write(e->stream, base_bytes_str("head"), &body);
    if (!e->error)
        loop_run(loop);
    return !e->error;
}

START_TEST(one_more_than_may_linger_is_closed_at_once)
{
    memset(peers, 0, sizeof peers);
    peer = 0;
    listens_on = true;
    linger = (struct net_linger){.max = 1, .ms = NEVER_MS, .idle_ms = NEVER_MS};
    start();
    accepted = say_hello;
    struct end *first = next_peer();
    struct end *second = next_peer();
    ck_assert(!is_read(second));
    ck_assert(is_read(first));
    /* A place that is left can be had again. */
    net_stream_close(first->stream);
    ck_assert(loop_timer_new(loop, on_pushed, NULL, &ticker) == BASE_OK);
    loop_timer_start(ticker, 50, 0);
    loop_run(loop);
    ck_assert(is_read(next_peer()));
    loop_timer_free(ticker);
    for (size_t i = 1; i < 3; i++)
        net_stream_close(peers[i].stream);
    for (size_t i = 0; i < 3; i++)
        base_buf_deinit(&peers[i].got);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_stream");
    TCase *tc = tcase_create("stream");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, what_was_queued_arrives_before_the_end);
    tcase_add_test(tc, a_paused_stream_reads_nothing_until_its_time_out_resumes_it);
    tcase_add_test(tc, a_short_message_and_the_end_arrive);
    tcase_add_test(tc, a_port_where_nobody_listens_is_unavailable);
    tcase_add_test(tc, a_name_that_does_not_exist_is_not_found);
    tcase_add_test(tc, a_stream_can_be_closed_while_it_connects);
    tcase_add_test(tc, the_end_of_the_peer_is_told);
    tcase_add_test(tc, without_memory_for_a_connection_it_is_accepted_later);
    tcase_add_test(tc, a_peer_that_goes_on_sending_is_closed_after_its_time);
    tcase_add_test(tc, a_peer_that_is_silent_behind_our_end_is_closed);
    tcase_add_test(tc, one_more_than_may_linger_is_closed_at_once);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
