/* A server of MLLP and who keeps it waiting. */
#include "net/net_mllp.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IDLE_MS = 100, PATIENT_MS = 60000, MESSAGE_MAX = 1 << 16 };

static struct loop *loop;
static struct loop_timer *tick;
static struct net_mllp_server *server;
static struct sockaddr_in address;
static int messages;
static char cause[128];
static int fd;
static const char *said; /* at each tick */
static size_t said_n;
static bool ended;

static void on_message(void *arg, struct net_mllp_conn *c, struct base_bytes message)
{
    (void)arg;
    (void)message;
    messages++;
    net_mllp_send(c, base_bytes_str("MSA|AA|1\r"));
    net_mllp_done(c);
}

static void on_fault(void *arg, const char *peer, const char *word, const char *text)
{
    (void)arg;
    (void)word;
    ck_assert_str_eq(peer, "127.0.0.1");
    snprintf(cause, sizeof cause, "%s", text);
}

static int dial(const char *from)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, from, &own.sin_addr);
    ck_assert_int_eq(bind(s, (struct sockaddr *)&own, sizeof own), 0);
    ck_assert_int_eq(connect(s, (struct sockaddr *)&address, sizeof address), 0);
    return s;
}

static void set_up(unsigned idle_ms)
{
    socklen_t n = sizeof address;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(bind(s, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(s, (struct sockaddr *)&address, &n), 0);
    ck_assert_int_eq(loop_new(&(struct loop_options){0}, &loop), BASE_OK);
    struct net_mllp_options o = {.loop = loop,
                                 .fd = s,
                                 .max_message = MESSAGE_MAX,
                                 .max_connections = 8,
                                 .max_per_address = 3,
                                 .idle_timeout_ms = idle_ms,
                                 .on_message = on_message,
                                 .on_fault = on_fault};
    ck_assert_int_eq(net_mllp_listen(&o, &server), BASE_OK);
    close(s);
    messages = 0;
    cause[0] = 0;
    ended = false;
}

static void set_up_hasty(void)
{
    set_up(IDLE_MS);
}

/* For what must not end by time, however slow the machine is. */
static void set_up_patient(void)
{
    set_up(PATIENT_MS);
}

static void tear_down(void)
{
    net_mllp_free(server);
    loop_timer_free(tick);
    tick = NULL;
    loop_free(loop);
}

static void on_tick(void *arg)
{
    char bytes[256];
    (void)arg;
    (void)send(fd, said, said_n, MSG_NOSIGNAL | MSG_DONTWAIT);
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
    }
    ended |= n == 0;
    if (ended || messages >= 200)
        loop_stop(loop);
}

/* Says it over and over, each time well within the idle time, until the server ends it. */
static void say(const char *text, size_t n)
{
    said = text;
    said_n = n;
    ck_assert_int_eq(loop_timer_new(loop, on_tick, NULL, &tick), BASE_OK);
    loop_timer_start(tick, 5, 5);
    loop_run(loop);
}

START_TEST(a_message_that_trickles_ends_its_connection)
{
    fd = dial("127.0.0.1");
    ck_assert_int_eq(send(fd, "\x0bMSH", 4, 0), 4);
    say("a", 1);
    ck_assert(ended);
    ck_assert_str_eq(cause, "the message stopped in the middle");
    close(fd);
}
END_TEST

START_TEST(what_comes_between_messages_keeps_no_connection)
{
    fd = dial("127.0.0.1");
    say("\r\n", 2);
    ck_assert(ended);
    ck_assert_str_eq(cause, "");
    close(fd);
}
END_TEST

START_TEST(small_messages_keep_theirs)
{
    fd = dial("127.0.0.1");
    say("\x0bMSH\x1c\r", 6);
    ck_assert(!ended);
    ck_assert_int_ge(messages, 200);
    close(fd);
}
END_TEST

static void stop(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static void turn(void)
{
    loop_timer_start(tick, 20, 0);
    loop_run(loop);
}

static bool is_closed(int s)
{
    char byte;
    return recv(s, &byte, 1, MSG_DONTWAIT) == 0;
}

START_TEST(one_address_does_not_take_the_places_of_all)
{
    int fds[5];
    ck_assert_int_eq(loop_timer_new(loop, stop, NULL, &tick), BASE_OK);
    for (int i = 0; i < 3; i++) {
        fds[i] = dial("127.0.0.1");
        ck_assert_int_eq(send(fds[i], "\x0bMSH", 4, 0), 4);
    }
    turn();
    ck_assert_uint_eq(net_mllp_connections(server), 3);
    fds[3] = dial("127.0.0.1");
    turn();
    ck_assert_uint_eq(net_mllp_connections(server), 3);
    ck_assert_ptr_nonnull(strstr(cause, "of this address"));
    fds[4] = dial("127.0.0.2");
    turn();
    ck_assert_uint_eq(net_mllp_connections(server), 4);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}
END_TEST

START_TEST(who_forgets_connections_gets_the_place_of_the_oldest)
{
    int fds[5];
    ck_assert_int_eq(loop_timer_new(loop, stop, NULL, &tick), BASE_OK);
    fds[0] = dial("127.0.0.1");
    ck_assert_int_eq(send(fds[0], "\x0bMSH", 4, 0), 4); /* in the middle of a message */
    turn();
    for (int i = 1; i < 5; i++)
        fds[i] = dial("127.0.0.1");
    turn();
    ck_assert_uint_eq(net_mllp_connections(server), 3);
    ck_assert_str_eq(cause, "");
    ck_assert(is_closed(fds[1]) && is_closed(fds[2]));
    ck_assert(!is_closed(fds[0]) && !is_closed(fds[3]) && !is_closed(fds[4]));
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}
END_TEST

/* Sends what is no message, and on; true when the server has closed by then. */
static bool refused_at_once(int s)
{
    for (int i = 0; i < 3; i++) {
        if (send(s, "noise", 5, MSG_NOSIGNAL) < 0)
            return true;
        turn();
    }
    return false;
}

START_TEST(as_many_refused_connections_are_read_on_as_may_be_open)
{
    int fds[9];
    ck_assert_int_eq(loop_timer_new(loop, stop, NULL, &tick), BASE_OK);
    for (int i = 0; i < 9; i++) {
        fds[i] = dial("127.0.0.1");
        ck_assert(refused_at_once(fds[i]) == (i == 8));
    }
    ck_assert_uint_eq(net_mllp_connections(server), 0);
    for (int i = 0; i < 9; i++)
        close(fds[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_mllp");
    TCase *t = tcase_create("server");
    tcase_set_timeout(t, 20);
    tcase_add_checked_fixture(t, set_up_hasty, tear_down);
    tcase_add_test(t, a_message_that_trickles_ends_its_connection);
    tcase_add_test(t, what_comes_between_messages_keeps_no_connection);
    tcase_add_test(t, small_messages_keep_theirs);
    suite_add_tcase(suite, t);
    t = tcase_create("places");
    tcase_set_timeout(t, 20);
    tcase_add_checked_fixture(t, set_up_patient, tear_down);
    tcase_add_test(t, one_address_does_not_take_the_places_of_all);
    tcase_add_test(t, who_forgets_connections_gets_the_place_of_the_oldest);
    tcase_add_test(t, as_many_refused_connections_are_read_on_as_may_be_open);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
