/* TLS on sockets: associations of both roles, and streams. */
#include "assoc_fixture.h"
#include "net/net_stream.h"
#include "tls_fixture.h"

#include <pthread.h>

static struct net_tls_context *server_tls;
static struct net_tls_context *client_tls;

static void setup_tls(void)
{
    tls_files_make();
    setup();
    server_tls = tls_server("server", "ca", NET_TLS_PEER_REQUIRED);
}

static void teardown_tls(void)
{
    teardown();
    net_tls_context_free(server_tls);
    net_tls_context_free(client_tls);
    server_tls = client_tls = NULL;
    tls_files_remove();
}

static void serve_tls(void)
{
    struct net_assoc_config config = usual_config();
    config.tls = server_tls;
    serve(config);
}

static void dial_tls(const char *certificate, const char *ca)
{
    struct net_assoc_target target = usual_target();
    client_tls = tls_client(certificate, ca);
    target.tls = client_tls;
    OK(net_assoc_connect(loop, &target, &handlers, &requestor, &requestor.a));
}

static void look_at_tls(struct side *s)
{
    uint8_t seen[BASE_SHA256];
    uint8_t file[BASE_SHA256];
    OK(net_tls_file_fingerprint(tls_cert("device"), file));
    ck_assert(net_tls_fingerprint(net_assoc_tls(s->a), seen));
    ck_assert_mem_eq(seen, file, BASE_SHA256);
    answer_usual(s);
}

static void send_echo(struct side *s)
{
    struct dicom_dimse rq = echo_request();
    OK(net_assoc_send(s->a, 1, &rq, base_bytes_of(NULL, 0)));
}

static void release_on_command(struct side *s)
{
    net_assoc_release(s->a);
}

START_TEST(an_echo_is_answered_and_the_certificate_known)
{
    serve_tls();
    acceptor.on_request = look_at_tls;
    requestor.on_established = send_echo;
    requestor.on_command = release_on_command;
    dial_tls("device", "ca");
    run_until(both_closed);
    ck_assert_int_eq(requestor.cmd.status, DIMSE_SUCCESS);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_RELEASED);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_RELEASED);
}
END_TEST

/* ---- 5 MiB ---- */

enum { STREAM_SIZE = 5 * 1024 * 1024 };
static uint8_t *stream;
static size_t stream_at;
static struct loop_timer *unpause;
static int pauses;

static void pull(struct net_assoc *a, void *arg)
{
    size_t n = STREAM_SIZE - stream_at < 65536 ? STREAM_SIZE - stream_at : 65536;
    (void)arg;
    stream_at += n;
    OK(net_assoc_feed(a, base_bytes_of(stream + stream_at - n, n), stream_at == STREAM_SIZE));
}

static void send_stream(struct side *s)
{
    struct dicom_dimse rq = store_request();
    OK(net_assoc_send_stream(s->a, 3, &rq, pull));
}

static void on_unpause(void *arg)
{
    (void)arg;
    net_assoc_resume(acceptor.a);
}

static void pause_often(struct side *s, bool last)
{
    if (last) {
        respond(s, DIMSE_SUCCESS);
    } else if (pauses < 100) {
        pauses++;
        net_assoc_pause(s->a);
        loop_timer_start(unpause, 0, 0);
    }
}

START_TEST(a_stream_of_5_mib_arrives_whole_under_pauses)
{
    stream = malloc(STREAM_SIZE);
    for (size_t i = 0; i < STREAM_SIZE; i++)
        stream[i] = (uint8_t)(i * 2654435761u >> 13);
    OK(loop_timer_new(loop, on_unpause, NULL, &unpause));
    serve_tls();
    acceptor.on_data = pause_often;
    requestor.on_established = send_stream;
    requestor.on_command = release_on_command;
    dial_tls("device", "ca");
    run_until(both_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_RELEASED);
    ck_assert_int_eq(requestor.cmd.command, DIMSE_C_STORE_RSP);
    ck_assert_int_eq(pauses, 100);
    ck_assert_uint_eq(acceptor.data.n, STREAM_SIZE);
    ck_assert_int_eq(memcmp(acceptor.data.p, stream, STREAM_SIZE), 0);
    loop_timer_free(unpause);
    free(stream);
}
END_TEST

/* ---- refusals ---- */

static bool both_told(void)
{
    return requestor.closed && strangers;
}

static const struct {
    const char *certificate;
    const char *word;
} refused[] = {
    {"", "certificate_missing: "},
    {"expired", "certificate_expired: certificate has expired (certificate of expired); "},
    {"alien", "certificate_unknown: "},
};

START_TEST(a_device_without_a_good_certificate_is_refused_with_the_cause)
{
    serve_tls();
    dial_tls(refused[_i].certificate, "ca");
    run_until(both_told);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_TLS_FAILED);
    ck_assert_ptr_eq(strstr(stranger_text, refused[_i].word), stranger_text);
    ck_assert_int_eq(acceptor.requests, 0);
    ck_assert_int_eq(requestor.established, 0);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_TLS_FAILED);
    ck_assert_ptr_eq(strstr(requestor.text, "refused_by_peer"), requestor.text);
}
END_TEST

START_TEST(a_server_of_an_unknown_issuer_is_refused)
{
    serve_tls();
    dial_tls("device", "other-ca");
    run_until(both_told);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_TLS_FAILED);
    ck_assert_ptr_eq(strstr(requestor.text, "certificate_unknown: "), requestor.text);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_TLS_FAILED);
}
END_TEST

static size_t receive_all(int fd, uint8_t *to, size_t size)
{
    size_t n = 0;
    for (ssize_t got; n < size && (got = recv(fd, to + n, size - n, 0)) > 0;)
        n += (size_t)got;
    return n;
}

START_TEST(a_plain_request_on_the_tls_port_is_aborted_in_plain)
{
    static const uint8_t abort_pdu[] = {7, 0, 0, 0, 0, 4, 0, 0, 0, 0};
    uint8_t answer[64];
    struct base_buf rq = {0};
    serve_tls();
    int fd = raw_connect();
    add_request(&rq);
    raw_send(fd, base_buf_bytes(&rq));
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_PLAIN_ON_TLS);
    ck_assert_ptr_nonnull(strstr(stranger_text, "switch TLS on"));
    ck_assert_uint_eq(receive_all(fd, answer, sizeof answer), sizeof abort_pdu);
    ck_assert_mem_eq(answer, abort_pdu, sizeof abort_pdu);
    close(fd);
    base_buf_deinit(&rq);
}
END_TEST

START_TEST(tls_to_a_port_without_it_is_told_to_both)
{
    serve(usual_config());
    dial_tls("device", "ca");
    run_until(both_told);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_TLS_ON_PLAIN);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_PLAIN_ON_TLS);
}
END_TEST

START_TEST(a_handshake_that_stops_ends_with_the_time)
{
    static const uint8_t hello[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    struct net_assoc_config config = usual_config();
    config.tls = server_tls;
    config.artim_ms = 30;
    serve(config);
    int fd = raw_connect();
    raw_send(fd, base_bytes_of(hello, sizeof hello));
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_TIMED_OUT);
    ck_assert_str_eq(stranger_text, "the TLS handshake did not come to its end");
    close(fd);
}
END_TEST

static int hanging_fd;
static int hanging_peer = -1;

/* Takes the connection and the hello, and closes. */
static bool hung_up(void)
{
    uint8_t hello[2000];
    if (hanging_peer < 0)
        hanging_peer = accept(hanging_fd, NULL, NULL);
    else if (recv(hanging_peer, hello, sizeof hello, MSG_DONTWAIT) > 0)
        close(hanging_peer);
    return requestor.closed > 0;
}

START_TEST(a_peer_that_hangs_up_in_the_handshake_is_told)
{
    hanging_fd = listen_any(&port);
    dial_tls("device", "ca");
    run_until(hung_up);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_TLS_FAILED);
    ck_assert_ptr_nonnull(strstr(requestor.text, "does it speak TLS"));
    close(hanging_fd);
}
END_TEST

/* ---- streams ---- */

enum { BIG = 4 << 20 };

static struct {
    struct net_stream *s;
    struct base_buf got;
    bool hold;
    bool ended;
    enum base_err error;
    enum net_tls_cause cause;
} far;

static struct base_buf near_got;
static struct net_listener *listener;
static struct loop_call resume_call;

static void resume_far(void *arg)
{
    (void)arg;
    far.hold = false;
    if (!far.ended)
        net_stream_resume(far.s);
}

static void stream_read(void *arg, struct base_bytes bytes)
{
    (void)arg;
    ck_assert(!far.hold);
    base_buf_add(&far.got, bytes.p, bytes.n);
    if (far.got.n % 3 == 0) {
        far.hold = true;
        net_stream_pause(far.s);
        loop_post(loop, &resume_call, resume_far, NULL);
    }
    if (far.got.n == BIG + 4) {
        OK(net_stream_write(far.s, base_bytes_str("thanks"), NULL));
        net_stream_finish(far.s, 1000);
        far.ended = true;
    }
}

static void stream_eof(void *arg)
{
    (void)arg;
    far.ended = true;
    net_stream_close(far.s);
}

static void stream_error(void *arg, enum base_err err)
{
    far.error = err;
    far.cause = net_tls_failure(net_stream_tls(far.s));
    stream_eof(arg);
}

static const struct net_stream_events stream_events = {
    .on_read = stream_read, .on_eof = stream_eof, .on_error = stream_error};

static void stream_accepted(void *arg, struct net_stream *s)
{
    (void)arg;
    far.s = s;
    OK(net_stream_secure(s, server_tls));
    net_stream_start(s, &stream_events, NULL);
}

static bool far_ended(void)
{
    return far.ended;
}

static bool send_output(int fd, struct net_tls *t)
{
    struct base_buf *out = net_tls_output(t);
    ssize_t sent = send(fd, out->p, out->n, MSG_NOSIGNAL);
    bool ok = sent == (ssize_t)out->n;
    base_buf_deinit(out);
    return ok;
}

/* The client: a blocking socket in a thread of its own, which ck_assert is not for. */
static void *near_main(void *arg)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static uint8_t in[65536];
    struct base_buf big = {0};
    struct net_tls *t;
    ssize_t n;
    base_buf_add_str(&big, "head");
    base_buf_add_fill(&big, 'x', BIG);
    if (net_tls_new(client_tls, "localhost", &t) || net_tls_start(t) ||
        connect(fd, (struct sockaddr *)&a, sizeof a))
        abort();
    while (send_output(fd, t) && (n = recv(fd, in, sizeof in, 0)) > 0 &&
           net_tls_read(t, base_bytes_of(in, (size_t)n), &near_got) == BASE_OK)
        if (big.n && net_tls_is_open(t) && net_tls_write(t, base_buf_bytes(&big)) == BASE_OK)
            base_buf_deinit(&big);
    (void)send_output(fd, t);
    close(fd);
    base_buf_deinit(&big);
    net_tls_free(t);
    return arg;
}

static void run_streams(const char *certificate)
{
    pthread_t t;
    int fd = listen_any(&port);
    memset(&far, 0, sizeof far);
    near_got = (struct base_buf){0};
    client_tls = tls_client(certificate, "ca");
    OK(net_listener_new(loop, fd, &(struct net_linger){.max = 1}, stream_accepted, NULL,
                        &listener));
    close(fd);
    ck_assert_int_eq(pthread_create(&t, NULL, near_main, NULL), 0);
    run_until(far_ended);
    pthread_join(t, NULL);
    net_listener_free(listener);
}

START_TEST(a_stream_carries_4_mib_and_an_answer)
{
    run_streams("device");
    ck_assert_uint_eq(near_got.n, 6);
    ck_assert_mem_eq(near_got.p, "thanks", 6);
    ck_assert_uint_eq(far.got.n, BIG + 4);
    ck_assert_int_eq(memcmp(far.got.p, "headxxx", 7), 0);
    base_buf_deinit(&far.got);
    base_buf_deinit(&near_got);
}
END_TEST

START_TEST(a_stream_tells_why_it_failed)
{
    run_streams("alien");
    ck_assert_int_eq(far.error, BASE_EFORMAT);
    ck_assert_int_eq(far.cause, NET_TLS_UNKNOWN_ISSUER);
    base_buf_deinit(&far.got);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_tls_wire");
    TCase *t = tcase_create("sockets");
    tcase_add_checked_fixture(t, setup_tls, teardown_tls);
    tcase_add_test(t, an_echo_is_answered_and_the_certificate_known);
    tcase_add_test(t, a_stream_of_5_mib_arrives_whole_under_pauses);
    tcase_add_loop_test(t, a_device_without_a_good_certificate_is_refused_with_the_cause, 0, 3);
    tcase_add_test(t, a_server_of_an_unknown_issuer_is_refused);
    tcase_add_test(t, a_plain_request_on_the_tls_port_is_aborted_in_plain);
    tcase_add_test(t, tls_to_a_port_without_it_is_told_to_both);
    tcase_add_test(t, a_handshake_that_stops_ends_with_the_time);
    tcase_add_test(t, a_peer_that_hangs_up_in_the_handshake_is_told);
    tcase_add_test(t, a_stream_carries_4_mib_and_an_answer);
    tcase_add_test(t, a_stream_tells_why_it_failed);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
