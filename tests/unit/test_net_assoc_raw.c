/* The acceptor against what is not, or not quite, DICOM: bytes on a socket. */
#include "assoc_fixture.h"

#include <sys/resource.h>

static void raw_setup(void)
{
    setup();
    raw_in = (struct base_buf){0};
}

static void raw_teardown(void)
{
    teardown();
    base_buf_deinit(&raw_in);
}

/* ---- turns of the loop ---- */

static struct loop_call call;
static int turns;

static void on_turn(void *arg)
{
    (void)arg;
    if (--turns)
        loop_post(loop, &call, on_turn, NULL);
    else
        loop_stop(loop);
}

static bool no_turns(void)
{
    return turns == 0;
}

/* Lets the loop read what was sent: the second turn ends after the first's poll. */
static void two_turns(void)
{
    turns = 2;
    loop_post(loop, &call, on_turn, NULL);
    run_until(no_turns);
}

/* ---- strangers ---- */

/* Sends the bytes; expects A-ABORT and the close at once, ARTIM being long. */
static void expect_stranger(struct base_bytes bytes, enum net_assoc_cause cause, const char *hint)
{
    serve(usual_config());
    int fd = raw_connect();
    raw_send(fd, bytes);
    raw_expect_pdu(fd, DICOM_PDU_ABORT, 0, DICOM_ABORT_USER, 0);
    raw_expect(fd, 1);
    ck_assert(raw_eof);
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, cause);
    ck_assert_ptr_nonnull(strstr(stranger_text, hint));
    ck_assert_int_eq(acceptor.requests, 0);
    close(fd);
}

START_TEST(a_tls_hello_is_told_from_garbage)
{
    static const uint8_t hello[] = {0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3};
    expect_stranger(base_bytes_of(hello, sizeof hello), NET_ASSOC_TLS_ON_PLAIN, "TLS");
}
END_TEST

START_TEST(a_single_byte_of_a_tls_hello_is_enough)
{
    expect_stranger(base_bytes_of("\x16", 1), NET_ASSOC_TLS_ON_PLAIN, "TLS");
}
END_TEST

START_TEST(an_http_request_is_told_where_to_go)
{
    expect_stranger(base_bytes_str("GET / HTTP/1.1\r\nHost: rdc\r\n\r\n"), NET_ASSOC_NOT_DICOM,
                    "HTTP");
}
END_TEST

START_TEST(noise_is_closed)
{
    expect_stranger(base_bytes_of("\x00\xff\x80", 3), NET_ASSOC_NOT_DICOM, "not DICOM");
}
END_TEST

START_TEST(a_silent_peer_is_closed_when_artim_expires)
{
    struct net_assoc_config config = usual_config();
    config.artim_ms = 20;
    serve(config);
    int fd = raw_connect();
    raw_expect(fd, 1);
    ck_assert(raw_eof);
    ck_assert_uint_eq(raw_in.n, 0);
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_TIMED_OUT);
    close(fd);
}
END_TEST

START_TEST(half_a_request_is_closed_when_artim_expires)
{
    struct net_assoc_config config = usual_config();
    config.artim_ms = 20;
    serve(config);
    int fd = raw_connect();
    raw_send(fd, base_bytes_of("\x01\x00\x00\x00\x00\xc8\x00\x01", 8));
    raw_expect(fd, 1);
    ck_assert(raw_eof);
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_TIMED_OUT);
    ck_assert_ptr_nonnull(strstr(stranger_text, "whole"));
    close(fd);
}
END_TEST

START_TEST(a_peer_that_hangs_up_at_once_is_a_stranger)
{
    serve(usual_config());
    close(raw_connect());
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_PEER_CLOSED);
}
END_TEST

/* PS3.8 9.3.8: an A-ABORT, in the place of the request. */
START_TEST(a_peer_that_aborts_at_once_is_a_stranger)
{
    serve(usual_config());
    int fd = raw_connect();
    raw_send(fd, base_bytes_of("\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00", 10));
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_PEER_ABORTED);
    close(fd);
}
END_TEST

enum { CLIENTS = 8 };

static bool all_strangers_seen(void)
{
    return strangers == CLIENTS;
}

START_TEST(accepting_goes_on_after_descriptors_ran_out)
{
    struct rlimit old;
    int fds[CLIENTS];
    serve(usual_config());
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = raw_connect();
        raw_send(fds[i], base_bytes_str("GET / HTTP/1.0\r\n\r\n"));
    }
    getrlimit(RLIMIT_NOFILE, &old);
    struct rlimit tight = {.rlim_cur = (rlim_t)fds[CLIENTS - 1] + 1, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &tight);
    two_turns();
    two_turns();
    ck_assert_int_eq(strangers, 0);
    setrlimit(RLIMIT_NOFILE, &old);
    run_until(all_strangers_seen);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
}
END_TEST

/* ---- requests that the upper layer refuses ---- */

static void send_request(int fd, size_t at, uint8_t value)
{
    struct base_buf b = {0};
    add_request(&b);
    if (at)
        b.p[at] = value;
    raw_send(fd, base_buf_bytes(&b));
    base_buf_deinit(&b);
}

START_TEST(an_unknown_protocol_version_is_rejected)
{
    serve(usual_config());
    int fd = raw_connect();
    send_request(fd, 7, 2);
    raw_expect_pdu(fd, DICOM_PDU_ASSOCIATE_RJ, 1, 2, 2);
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_REJECTED);
    close(fd);
}
END_TEST

static int rejected_peer(void)
{
    int fd = raw_connect();
    send_request(fd, 7, 2);
    raw_expect_pdu(fd, DICOM_PDU_ASSOCIATE_RJ, 1, 2, 2);
    return fd;
}

static bool is_closed(void)
{
    return send(raw_fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN;
}

START_TEST(a_rejected_peer_that_goes_on_sending_is_closed_when_artim_expires)
{
    struct net_assoc_config config = usual_config();
    config.artim_ms = 50;
    serve(config);
    int fd = rejected_peer();
    run_until(is_closed);
    close(fd);
}
END_TEST

START_TEST(one_more_that_waits_for_the_close_is_closed_at_once)
{
    struct net_assoc_config config = usual_config();
    config.max_associations = 1;
    serve(config);
    int first = rejected_peer();
    int second = rejected_peer();
    raw_expect(second, 1);
    ck_assert(raw_eof);
    raw_fd = first;
    raw_eof = false;
    raw_arrived();
    ck_assert(!raw_eof);
    /* A place that is left can be had again. */
    close(first);
    two_turns();
    int third = rejected_peer();
    two_turns();
    raw_arrived();
    ck_assert(!raw_eof);
    close(second);
    close(third);
}
END_TEST

START_TEST(of_those_that_send_no_request_the_oldest_is_closed)
{
    struct net_assoc_config config = usual_config();
    config.max_awaited = 2;
    serve(config);
    int associated = raw_associate();
    int silent[3];
    for (int i = 0; i < 3; i++) {
        silent[i] = raw_connect();
        two_turns();
    }
    raw_expect(silent[0], 1);
    ck_assert(raw_eof);
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_TOO_MANY);
    ck_assert_int_eq(strangers, 1);
    send_request(silent[1], 0, 0);
    raw_expect(silent[1], 6);
    ck_assert_uint_eq(raw_in.p[0], DICOM_PDU_ASSOCIATE_AC);
    close(associated); /* the oldest of all */
    run_until(acceptor_closed);
    /* A place that is left can be had again. */
    close(silent[0]);
    silent[0] = raw_connect();
    two_turns();
    ck_assert_int_eq(strangers, 1);
    int fourth = raw_connect();
    base_buf_reset(&raw_in);
    raw_expect(silent[2], 1);
    ck_assert(raw_eof);
    close(fourth);
    for (int i = 0; i < 3; i++)
        close(silent[i]);
}
END_TEST

START_TEST(an_unknown_application_context_is_rejected)
{
    serve(usual_config());
    int fd = raw_connect();
    send_request(fd, 6 + 68 + 4, '2');
    raw_expect_pdu(fd, DICOM_PDU_ASSOCIATE_RJ, 1, 1, 2);
    run_until(stranger_seen);
    close(fd);
}
END_TEST

START_TEST(a_malformed_request_is_aborted)
{
    serve(usual_config());
    int fd = raw_connect();
    send_request(fd, 6 + 68 + 2, 0xff); /* the first item is longer than the PDU */
    raw_expect_pdu(fd, DICOM_PDU_ABORT, 0, DICOM_ABORT_USER, 0);
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_PROTOCOL_ERROR);
    close(fd);
}
END_TEST

START_TEST(data_before_a_request_is_aborted)
{
    serve(usual_config());
    int fd = raw_connect();
    raw_send(fd, base_bytes_of("\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00", 10));
    raw_expect_pdu(fd, DICOM_PDU_ABORT, 0, DICOM_ABORT_USER, 0);
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_PROTOCOL_ERROR);
    close(fd);
}
END_TEST

/* ---- an open association, and what breaks it ---- */

/* Sends the bytes on an open association; expects A-ABORT from the provider. */
static void expect_abort(struct base_buf *b, uint8_t reason, enum net_assoc_cause cause)
{
    serve(usual_config());
    int fd = raw_associate();
    raw_send(fd, base_buf_bytes(b));
    base_buf_deinit(b);
    raw_expect_pdu(fd, DICOM_PDU_ABORT, 0, DICOM_ABORT_PROVIDER, reason);
    run_until(acceptor_closed);
    ck_assert_int_eq(acceptor.cause, cause);
    ck_assert_str_ne(acceptor.text, "");
    close(fd);
}

START_TEST(a_second_request_is_unexpected)
{
    struct base_buf b = {0};
    add_request(&b);
    expect_abort(&b, DICOM_ABORT_UNEXPECTED_PDU, NET_ASSOC_PROTOCOL_ERROR);
}
END_TEST

START_TEST(an_unknown_pdu_type_is_unrecognized)
{
    struct base_buf b = {0};
    base_buf_add(&b, "\x0a\x00\x00\x00\x00\x00", 6);
    expect_abort(&b, DICOM_ABORT_UNRECOGNIZED_PDU, NET_ASSOC_PROTOCOL_ERROR);
}
END_TEST

START_TEST(a_pdu_over_our_limit_is_invalid)
{
    struct base_buf b = {0};
    base_buf_add(&b, "\x04\x00\x00\x01\x00\x00", 6);
    expect_abort(&b, DICOM_ABORT_INVALID_PARAMETER, NET_ASSOC_PDU_TOO_LARGE);
}
END_TEST

START_TEST(data_in_a_refused_context_is_invalid)
{
    struct base_buf b = {0};
    struct dicom_dimse rq = echo_request();
    add_command(&b, 5, &rq);
    expect_abort(&b, DICOM_ABORT_INVALID_PARAMETER, NET_ASSOC_PROTOCOL_ERROR);
}
END_TEST

START_TEST(a_data_set_without_a_command_is_refused)
{
    struct base_buf b = {0};
    add_data(&b, 3, false, true, base_bytes_of("1234", 4));
    expect_abort(&b, DICOM_ABORT_NOT_SPECIFIED, NET_ASSOC_PROTOCOL_ERROR);
}
END_TEST

START_TEST(a_command_set_without_end_is_limited)
{
    struct base_buf b = {0};
    static const uint8_t zeros[8192];
    for (int i = 0; i < 9; i++)
        add_data(&b, 3, true, false, base_bytes_of(zeros, sizeof zeros));
    expect_abort(&b, DICOM_ABORT_NOT_SPECIFIED, NET_ASSOC_LIMIT);
}
END_TEST

START_TEST(pdus_after_an_abort_are_ignored_until_the_peer_closes)
{
    struct base_buf b = {0};
    struct dicom_dimse rq = echo_request();
    add_request(&b);
    for (int i = 0; i < 3; i++)
        add_command(&b, 1, &rq);
    serve(usual_config());
    int fd = raw_associate();
    raw_send(fd, base_buf_bytes(&b));
    base_buf_deinit(&b);
    raw_expect_pdu(fd, DICOM_PDU_ABORT, 0, DICOM_ABORT_PROVIDER, DICOM_ABORT_UNEXPECTED_PDU);
    run_until(acceptor_closed);
    ck_assert_int_eq(acceptor.commands, 0);
    ck_assert_uint_eq(raw_in.n, 0);
    close(fd);
}
END_TEST

START_TEST(a_peer_that_vanishes_within_a_data_set_is_told)
{
    struct base_buf b = {0};
    struct dicom_dimse rq = store_request();
    rq.has_dataset = true;
    static const uint8_t part[1000];
    add_command(&b, 3, &rq);
    add_data(&b, 3, false, false, base_bytes_of(part, sizeof part));
    b.n -= 100;
    serve(usual_config());
    int fd = raw_associate();
    raw_send(fd, base_buf_bytes(&b));
    base_buf_deinit(&b);
    close(fd);
    run_until(acceptor_closed);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_PEER_CLOSED);
    ck_assert_int_eq(acceptor.commands, 1);
    ck_assert_uint_eq(acceptor.data.n, 900);
    ck_assert(!acceptor.data_ended);
}
END_TEST

/* ---- acknowledgement ---- */

static size_t data_awaited;

static bool data_came(void)
{
    return acceptor.data.n == data_awaited;
}

static void send_and_await(int fd, struct base_bytes bytes, size_t data)
{
    raw_send(fd, bytes);
    data_awaited += data;
    run_until(data_came);
}

/* A peer with Nagle's algorithm sends the rest of its PDU when the first piece is acknowledged. */
START_TEST(a_piece_that_fills_its_buffer_is_acknowledged_at_once)
{
    enum { FRAGMENT = 16000, FIRST = 100 };
    static const uint8_t zeros[FRAGMENT];
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    struct base_buf b = {0};
    struct dicom_dimse rq = store_request();
    rq.has_dataset = true;
    serve(usual_config());
    acceptor.space_n = 4 * FRAGMENT;
    acceptor.space = malloc(acceptor.space_n);
    data_awaited = 0;
    int fd = raw_associate();
    add_command(&b, 3, &rq);
    size_t command = b.n;
    add_data(&b, 3, false, true, base_bytes_of(zeros, FRAGMENT));
    size_t first = command + DICOM_DATA_HEADER + FIRST;
    send_and_await(fd, base_bytes_of(b.p, first), FIRST);
    send_and_await(fd, base_bytes_of(b.p + first, b.n - first), FRAGMENT - FIRST);
    ck_assert_uint_gt(acceptor.straight, 0);
    raw_expect(fd, 12); /* what we answer has the kernel put acknowledgements off again */
    b.n = command;
    add_data(&b, 3, false, false, base_bytes_of(zeros, FRAGMENT));
    send_and_await(fd, base_buf_bytes(&b), FRAGMENT);
    two_turns();
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    ck_assert_uint_eq(info.tcpi_unacked, 0);
    close(fd);
    run_until(acceptor_closed);
    base_buf_deinit(&b);
    base_buf_deinit(&acceptor.data);
    free(acceptor.space);
}
END_TEST

/* Of small ones more come with one read than a call for each would be worth. */
START_TEST(small_fragments_behind_a_large_one_are_not_read_one_by_one)
{
    enum { LARGE = 16000, SMALL = 1000, BORNE = 4, TURNS = 7 };
    static const uint8_t zeros[LARGE];
    struct base_buf b = {0};
    struct dicom_dimse rq = store_request();
    rq.has_dataset = true;
    serve(usual_config());
    acceptor.space_n = 4 * LARGE;
    acceptor.space = malloc(acceptor.space_n);
    data_awaited = 0;
    int fd = raw_associate();
    add_command(&b, 3, &rq);
    raw_send(fd, base_buf_bytes(&b));
    for (int i = 0; i < TURNS; i++) {
        size_t before = acceptor.straight;
        size_t n = i == TURNS - 1 ? LARGE : SMALL;
        b.n = 0;
        if (i == 0)
            add_data(&b, 3, false, false, base_bytes_of(zeros, LARGE));
        add_data(&b, 3, false, false, base_bytes_of(zeros, n));
        send_and_await(fd, base_bytes_of(b.p, b.n - 10), n - 10 + (i ? 0 : LARGE));
        send_and_await(fd, base_bytes_of(b.p + b.n - 10, 10), 10);
        if (i >= BORNE)
            ck_assert_int_eq(acceptor.straight > before, i == TURNS - 1);
    }
    close(fd);
    run_until(acceptor_closed);
    base_buf_deinit(&b);
    free(acceptor.space);
}
END_TEST

static void hold_answer(struct side *s)
{
    (void)s;
}

static bool was_asked(void)
{
    return acceptor.requests > 0;
}

START_TEST(a_peer_that_vanishes_before_our_answer_is_told)
{
    serve(usual_config());
    acceptor.on_request = hold_answer;
    int fd = raw_connect();
    send_request(fd, 0, 0);
    run_until(was_asked);
    close(fd);
    run_until(acceptor_closed);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_PEER_CLOSED);
}
END_TEST

/* ---- any split ---- */

/* Echo, C-STORE in several fragments, and release. */
static void add_session(struct base_buf *b)
{
    struct dicom_dimse echo = echo_request();
    struct dicom_dimse store = store_request();
    store.has_dataset = true;
    add_request(b);
    add_command(b, 1, &echo);
    add_command(b, 3, &store);
    add_data(b, 3, false, false, base_bytes_str("abcdefgh"));
    add_data(b, 3, false, false, base_bytes_of("", 0));
    add_data(b, 3, false, true, base_bytes_str("ijkl"));
    dicom_release_encode(DICOM_PDU_RELEASE_RQ, b);
}

static bool released(void)
{
    static const uint8_t rp[10] = {DICOM_PDU_RELEASE_RP, 0, 0, 0, 0, 4};
    raw_arrived();
    return raw_in.n >= 10 && memcmp(raw_in.p + raw_in.n - 10, rp, 10) == 0;
}

/* Sends n bytes at a time, each read on its own; what comes back is in raw_in. */
static void run_session(size_t n, bool pausing)
{
    struct base_buf b = {0};
    add_session(&b);
    acceptor.closed = 0;
    base_buf_reset(&raw_in);
    int fd = raw_connect();
    for (size_t at = 0; at < b.n; at += n) {
        bool paused = pausing && acceptor.a;
        if (paused)
            net_assoc_pause(acceptor.a);
        raw_send(fd, base_bytes_of(b.p + at, n < b.n - at ? n : b.n - at));
        two_turns();
        if (paused)
            net_assoc_resume(acceptor.a);
    }
    raw_fd = fd;
    run_until(released);
    close(fd);
    run_until(acceptor_closed);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_RELEASED);
    ck_assert_int_eq(acceptor.commands, 2);
    ck_assert_str_eq(base_buf_cstr(&acceptor.data), "abcdefghijkl");
    ck_assert(acceptor.data_ended);
    base_buf_deinit(&b);
}

START_TEST(any_split_of_the_bytes_gives_the_same_answers)
{
    static const size_t sizes[] = {1, 2, 3, 5, 7, 11, 64, 100};
    serve(usual_config());
    run_session(SIZE_MAX / 2, false);
    struct base_buf golden = {0};
    base_buf_add(&golden, raw_in.p, raw_in.n);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        run_session(sizes[i], false);
        ck_assert(base_bytes_equal(base_buf_bytes(&raw_in), base_buf_bytes(&golden)));
        run_session(sizes[i], true);
        ck_assert(base_bytes_equal(base_buf_bytes(&raw_in), base_buf_bytes(&golden)));
    }
    base_buf_deinit(&golden);
}
END_TEST

static void pause_reading_once(struct side *s)
{
    if (s->commands == 1)
        net_assoc_pause_reading(s->a);
}

START_TEST(what_was_read_still_comes_when_only_reading_is_paused)
{
    struct base_buf b = {0};
    serve(usual_config());
    acceptor.on_command = pause_reading_once;
    add_session(&b);
    base_buf_reset(&raw_in);
    acceptor.closed = 0;
    raw_fd = raw_connect();
    size_t release = b.n - 10;
    raw_send(raw_fd, base_bytes_of(b.p, release));
    two_turns();
    two_turns();
    ck_assert_str_eq(base_buf_cstr(&acceptor.data), "abcdefghijkl");
    raw_send(raw_fd, base_bytes_of(b.p + release, 10));
    two_turns();
    two_turns();
    ck_assert(!released());
    net_assoc_resume_reading(acceptor.a);
    run_until(released);
    close(raw_fd);
    run_until(acceptor_closed);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_RELEASED);
    base_buf_deinit(&b);
}
END_TEST

/* ---- a peer that does not read ---- */

static size_t fed;

static void feed_block(struct net_assoc *a, void *arg)
{
    static const uint8_t block[65536];
    (void)arg;
    OK(net_assoc_feed(a, base_bytes_of(block, sizeof block), false));
    fed += sizeof block;
}

static void stream_back(struct side *s)
{
    struct dicom_dimse rq = store_request();
    OK(net_assoc_send_stream(s->a, 3, &rq, feed_block));
}

START_TEST(a_peer_that_does_not_read_stops_the_stream)
{
    struct net_assoc_config config = usual_config();
    config.idle_ms = 200;
    serve(config);
    acceptor.on_command = stream_back;
    int fd = raw_associate();
    struct base_buf b = {0};
    struct dicom_dimse rq = echo_request();
    add_command(&b, 1, &rq);
    raw_send(fd, base_buf_bytes(&b));
    base_buf_deinit(&b);
    run_until(acceptor_closed);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_TIMED_OUT);
    /* What the kernel buffers, and not much more. */
    ck_assert_uint_ge(fed, 256 * 1024);
    ck_assert_uint_lt(fed, 64 * 1024 * 1024);
    close(fd);
}
END_TEST

/* ---- a peer that sends and says nothing ---- */

static struct loop_timer *flood;
static struct base_buf flood_of; /* sent at each tick */

static void on_flood(void *arg)
{
    (void)arg;
    (void)send(raw_fd, flood_of.p, flood_of.n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* It sends more bytes than the trickle, over and over; expects that silence ends it. */
static void expect_flood_to_end(void)
{
    struct net_assoc_config config = usual_config();
    config.idle_ms = 100;
    serve(config);
    OK(loop_timer_new(loop, on_flood, NULL, &flood));
    raw_fd = raw_associate();
    struct base_buf b = {0};
    struct dicom_dimse rq = store_request();
    rq.has_dataset = true;
    add_command(&b, 3, &rq);
    raw_send(raw_fd, base_buf_bytes(&b));
    base_buf_deinit(&b);
    loop_timer_start(flood, 1, 1);
    run_until(acceptor_closed);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_TIMED_OUT);
    ck_assert_uint_eq(acceptor.data.n, 0);
    loop_timer_free(flood);
    base_buf_deinit(&flood_of);
    close(raw_fd);
}

START_TEST(empty_fragments_are_silence)
{
    for (int i = 0; i < 200; i++)
        add_data(&flood_of, 3, false, false, base_bytes_of(NULL, 0));
    expect_flood_to_end();
}
END_TEST

START_TEST(empty_pdus_are_silence)
{
    for (int i = 0; i < 400; i++)
        base_buf_add(&flood_of, "\x04\0\0\0\0\0", 6);
    expect_flood_to_end();
}
END_TEST

START_TEST(a_peer_that_takes_next_to_nothing_is_rejected)
{
    struct base_buf b = {0};
    serve(usual_config());
    int fd = raw_connect();
    add_request_of(&b, 127);
    raw_send(fd, base_buf_bytes(&b));
    raw_expect_pdu(fd, DICOM_PDU_ASSOCIATE_RJ, DICOM_RJ_PERMANENT, DICOM_RJ_USER,
                   DICOM_RJ_USER_NO_REASON);
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_REJECTED);
    ck_assert_ptr_nonnull(strstr(stranger_text, "127"));
    ck_assert_int_eq(acceptor.requests, 0);
    close(fd);
    base_buf_reset(&b);
    fd = raw_connect();
    add_request_of(&b, 128);
    raw_send(fd, base_buf_bytes(&b));
    raw_expect(fd, 6);
    ck_assert_uint_eq(raw_in.p[0], DICOM_PDU_ASSOCIATE_AC);
    close(fd);
    base_buf_deinit(&b);
    run_until(acceptor_closed);
}
END_TEST

static void answer_with_little(struct side *s)
{
    struct dicom_associate ac;
    OK(dicom_negotiate(net_assoc_request(s->a), storage_offers, STORAGE_OFFERS, 8,
                       net_assoc_arena(s->a), &ac, NULL));
    OK(net_assoc_accept(s->a, &ac));
}

START_TEST(an_acceptor_that_takes_next_to_nothing_is_aborted)
{
    struct net_assoc_config config = usual_config();
    config.max_pdu = 8;
    serve(config);
    acceptor.on_request = answer_with_little;
    dial();
    run_until(both_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_ABORTED);
    ck_assert_ptr_nonnull(strstr(requestor.text, "PDU length is 8"));
    ck_assert_int_eq(requestor.established, 0);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_PEER_ABORTED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_assoc_raw");
    TCase *t = tcase_create("peers");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, raw_setup, raw_teardown);
    tcase_add_test(t, a_tls_hello_is_told_from_garbage);
    tcase_add_test(t, a_single_byte_of_a_tls_hello_is_enough);
    tcase_add_test(t, an_http_request_is_told_where_to_go);
    tcase_add_test(t, noise_is_closed);
    tcase_add_test(t, a_silent_peer_is_closed_when_artim_expires);
    tcase_add_test(t, half_a_request_is_closed_when_artim_expires);
    tcase_add_test(t, a_peer_that_hangs_up_at_once_is_a_stranger);
    tcase_add_test(t, a_peer_that_aborts_at_once_is_a_stranger);
    tcase_add_test(t, accepting_goes_on_after_descriptors_ran_out);
    tcase_add_test(t, an_unknown_protocol_version_is_rejected);
    tcase_add_test(t, a_rejected_peer_that_goes_on_sending_is_closed_when_artim_expires);
    tcase_add_test(t, one_more_that_waits_for_the_close_is_closed_at_once);
    tcase_add_test(t, of_those_that_send_no_request_the_oldest_is_closed);
    tcase_add_test(t, an_unknown_application_context_is_rejected);
    tcase_add_test(t, a_piece_that_fills_its_buffer_is_acknowledged_at_once);
    tcase_add_test(t, small_fragments_behind_a_large_one_are_not_read_one_by_one);
    tcase_add_test(t, a_malformed_request_is_aborted);
    tcase_add_test(t, data_before_a_request_is_aborted);
    tcase_add_test(t, a_second_request_is_unexpected);
    tcase_add_test(t, an_unknown_pdu_type_is_unrecognized);
    tcase_add_test(t, a_pdu_over_our_limit_is_invalid);
    tcase_add_test(t, data_in_a_refused_context_is_invalid);
    tcase_add_test(t, a_data_set_without_a_command_is_refused);
    tcase_add_test(t, a_command_set_without_end_is_limited);
    tcase_add_test(t, pdus_after_an_abort_are_ignored_until_the_peer_closes);
    tcase_add_test(t, a_peer_that_vanishes_within_a_data_set_is_told);
    tcase_add_test(t, a_peer_that_vanishes_before_our_answer_is_told);
    tcase_add_test(t, any_split_of_the_bytes_gives_the_same_answers);
    tcase_add_test(t, what_was_read_still_comes_when_only_reading_is_paused);
    tcase_add_test(t, a_peer_that_does_not_read_stops_the_stream);
    tcase_add_test(t, empty_fragments_are_silence);
    tcase_add_test(t, empty_pdus_are_silence);
    tcase_add_test(t, a_peer_that_takes_next_to_nothing_is_rejected);
    tcase_add_test(t, an_acceptor_that_takes_next_to_nothing_is_aborted);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
