/* Accepted streams on a loop in this thread; the client has blocking sockets in another. */
#include "net/net_stream.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BIG = 16 << 20, NEVER_MS = 3600 * 1000 }; /* more than a pair of sockets takes at once */

static struct {
    struct net_stream *stream;
    struct base_buf got;
    int drained;
    int eof;
    int timeouts;
    int held; /* reads of a stream that is paused at the first */
    enum base_err error;
    bool hold;
} server;

static struct loop *loop;
static struct net_listener *listener;
static int listen_fd;
static uint16_t port;
static void (*accepted)(void);
static bool listens_on; /* after the first connection */
static struct net_linger linger;
static struct base_buf got; /* by the client */

static bool no_memory; /* for the next one who asks */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
    bool none = no_memory;
    no_memory = false;
    return none ? NULL : __real_calloc(n, size);
}

static void on_read(void *arg, struct base_bytes bytes)
{
    (void)arg;
    base_buf_add(&server.got, bytes.p, bytes.n);
    server.held += server.hold;
    if (server.hold)
        net_stream_pause(server.stream);
}

static void on_eof(void *arg)
{
    (void)arg;
    server.eof++;
    net_stream_close(server.stream);
}

static void on_drain(void *arg)
{
    (void)arg;
    server.drained++;
    net_stream_finish(server.stream, 1000);
}

static void on_timeout(void *arg)
{
    (void)arg;
    server.timeouts++;
    server.hold = false;
    net_stream_resume(server.stream);
}

static void on_error(void *arg, enum base_err err)
{
    (void)arg;
    server.error = err;
    net_stream_close(server.stream);
}

static const struct net_stream_events events = {on_read, on_eof, on_drain, on_timeout, on_error};

static void stop_listening(void *arg)
{
    (void)arg;
    net_listener_free(listener);
    listener = NULL;
}

static void on_accept(void *arg, struct net_stream *s)
{
    server.stream = s;
    net_stream_start(s, &events, NULL);
    if (!listens_on) /* one connection, so that the loop can end */
        stop_listening(arg);
    accepted();
}

static void setup(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    struct loop_options lo = {0};
    memset(&server, 0, sizeof server);
    got = (struct base_buf){0};
    listens_on = false;
    linger = (struct net_linger){.max = 8};
    ck_assert_int_eq(loop_new(&lo, &loop), BASE_OK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(getsockname(listen_fd, (struct sockaddr *)&a, &n), 0);
    port = ntohs(a.sin_port);
}

static void teardown(void)
{
    net_listener_free(listener);
    loop_free(loop);
    close(listen_fd);
    base_buf_deinit(&got);
    base_buf_deinit(&server.got);
}

static void *client_main(void *arg)
{
    (*(void (**)(void))arg)();
    return NULL;
}

/* Runs the loop until the server's streams have ended. */
static void run(void (*when_accepted)(void), void (*client)(void))
{
    pthread_t t;
    accepted = when_accepted;
    ck_assert_int_eq(net_listener_new(loop, listen_fd, &linger, on_accept, NULL, &listener),
                     BASE_OK);
    ck_assert_int_eq(pthread_create(&t, NULL, client_main, &client), 0);
    loop_run(loop);
    pthread_join(t, NULL);
}

/* ---- the client; ck_assert is for one thread ---- */

static int dial(void)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a))
        abort();
    return fd;
}

/* Connects, and reads up to the server's end. */
static int dial_and_read(void)
{
    int fd = dial();
    uint8_t bytes[65536];
    base_buf_reset(&got);
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;)
        base_buf_add(&got, bytes, (size_t)n);
    return fd;
}

static void read_and_close(void)
{
    close(dial_and_read());
}

/* Is all of it read on the other side? */
static bool is_read(int fd)
{
    static const uint8_t bytes[65536];
    for (size_t n = 0; n < BIG; n += sizeof bytes)
        if (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) != sizeof bytes)
            return false;
    return true;
}

/* ---- reading and writing ---- */

static void send_big(void)
{
    struct base_buf body = {0};
    base_buf_add_fill(&body, 'x', BIG);
    ck_assert_int_eq(net_stream_write(server.stream, base_bytes_str("head"), &body), BASE_OK);
    ck_assert_uint_eq(body.n, 0);
    ck_assert_uint_gt(net_stream_queued(server.stream), 0);
}

START_TEST(what_was_queued_arrives_before_the_end)
{
    run(send_big, read_and_close);
    ck_assert_uint_eq(got.n, BIG + 4);
    ck_assert_int_eq(memcmp(got.p, "headxxxx", 8), 0);
    ck_assert_int_eq(server.drained, 1);
}
END_TEST

static void hold(void)
{
    server.hold = true;
    net_stream_timeout(server.stream, 20);
}

static void write_and_close(void)
{
    int fd = dial();
    (void)is_read(fd);
    close(fd);
}

START_TEST(a_paused_stream_reads_nothing_until_its_time_out_resumes_it)
{
    run(hold, write_and_close);
    ck_assert_int_eq(server.timeouts, 1);
    ck_assert_int_le(server.held, 1);
    ck_assert_uint_eq(server.got.n, BIG);
    ck_assert_int_eq(server.eof, 1);
}
END_TEST

static void say_hello(void)
{
    ck_assert_str_eq(net_stream_peer(server.stream), "127.0.0.1");
    ck_assert(net_stream_peer_is_loopback(server.stream));
    ck_assert_int_eq(net_stream_write(server.stream, base_bytes_str("hello"), NULL), BASE_OK);
    net_stream_finish(server.stream, 1000);
}

START_TEST(a_short_message_and_the_end_arrive)
{
    run(say_hello, read_and_close);
    ck_assert_str_eq(base_buf_cstr(&got), "hello");
}
END_TEST

static void close_at_once(void)
{
    net_stream_close(NULL);
    net_stream_close(server.stream);
}

START_TEST(a_stream_can_be_closed_at_once)
{
    run(close_at_once, read_and_close);
    ck_assert_uint_eq(got.n, 0);
    ck_assert_int_eq(server.eof + (int)server.error, 0);
}
END_TEST

static void read_without_memory(void)
{
    no_memory = true;
    read_and_close();
}

START_TEST(without_memory_for_a_connection_it_is_accepted_later)
{
    run(say_hello, read_without_memory);
    ck_assert(!no_memory);
    ck_assert_str_eq(base_buf_cstr(&got), "hello");
}
END_TEST

/* ---- a peer that goes on behind our end ---- */

static int left_open;

static void write_on(void)
{
    int fd = dial_and_read();
    while (is_read(fd)) {
    }
    close(fd);
}

static void say_no_more(void)
{
    left_open = dial_and_read();
}

START_TEST(a_peer_that_goes_on_sending_is_closed_after_its_time)
{
    linger.ms = 300;
    linger.idle_ms = NEVER_MS;
    run(say_hello, write_on);
    ck_assert_str_eq(base_buf_cstr(&got), "hello");
}
END_TEST

START_TEST(a_peer_that_is_silent_behind_our_end_is_closed)
{
    linger.ms = NEVER_MS;
    linger.idle_ms = 20;
    run(say_hello, say_no_more);
    ck_assert_str_eq(base_buf_cstr(&got), "hello");
    close(left_open);
}
END_TEST

static bool was_read[3];

static void crowd(void)
{
    static struct loop_call stop;
    int first = dial_and_read();
    int second = dial_and_read();
    int third = dial_and_read();
    was_read[1] = is_read(second);
    was_read[2] = is_read(third);
    was_read[0] = is_read(first);
    close(first);
    close(second);
    close(third);
    /* A place that is left can be had again, once the server has seen that. */
    for (bool again = false; !again;) {
        int fd = dial_and_read();
        again = is_read(fd);
        close(fd);
    }
    loop_post(loop, &stop, stop_listening, NULL);
}

START_TEST(one_more_than_may_linger_is_closed_at_once)
{
    listens_on = true;
    linger = (struct net_linger){.max = 1, .ms = NEVER_MS, .idle_ms = NEVER_MS};
    run(say_hello, crowd);
    ck_assert_str_eq(base_buf_cstr(&got), "hello");
    ck_assert(was_read[0] && !was_read[1] && !was_read[2]);
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
    tcase_add_test(tc, a_stream_can_be_closed_at_once);
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
