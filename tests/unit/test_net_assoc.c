/* Both roles against each other, over loopback. */
#include "assoc_fixture.h"

/* ---- echo, context, counters ---- */

static void send_echo(struct side *s)
{
    struct dicom_dimse rq = echo_request();
    uint8_t context = net_assoc_context(s->a, DICOM_UID_VERIFICATION, NULL, NULL);
    OK(net_assoc_send(s->a, context, &rq, base_bytes_of(NULL, 0)));
}

static void release_on_command(struct side *s)
{
    net_assoc_release(s->a);
}

START_TEST(an_echo_is_answered_and_released)
{
    serve(usual_config());
    requestor.on_established = send_echo;
    requestor.on_command = release_on_command;
    dial();
    run_until(both_closed);
    ck_assert_int_eq(requestor.cmd.command, DIMSE_C_ECHO_RSP);
    ck_assert_int_eq(requestor.cmd.responded_id, 7);
    ck_assert_int_eq(requestor.cmd.status, DIMSE_SUCCESS);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_RELEASED);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_RELEASED);
    ck_assert_int_eq(counters.associations_total, 1);
    ck_assert_int_eq(counters.associations_refused_total, 0);
}
END_TEST

static void look_at_contexts(struct side *s)
{
    const char *syntax = NULL;
    ck_assert_int_eq(net_assoc_context(s->a, DICOM_UID_CT_IMAGE, NULL, &syntax), 3);
    ck_assert_str_eq(syntax, DICOM_UID_EXPLICIT_LE);
    ck_assert_int_eq(net_assoc_context(s->a, DICOM_UID_CT_IMAGE, DICOM_UID_IMPLICIT_LE, NULL), 0);
    ck_assert_int_eq(net_assoc_context(s->a, DICOM_UID_MPPS, NULL, NULL), 0);
    ck_assert_str_eq(net_assoc_abstract_syntax(s->a, 3), DICOM_UID_CT_IMAGE);
    ck_assert_str_eq(net_assoc_transfer_syntax(s->a, 3), DICOM_UID_EXPLICIT_LE);
    ck_assert_ptr_null(net_assoc_transfer_syntax(s->a, 5));
    ck_assert_ptr_null(net_assoc_transfer_syntax(s->a, 2));
    ck_assert_str_eq(net_assoc_request(s->a)->calling, "TEST");
    uint16_t p;
    ck_assert_str_eq(net_assoc_peer(s->a, &p), "127.0.0.1");
    ck_assert_int_eq(p, port);
    struct dicom_dimse rq = echo_request();
    ck_assert_int_eq(net_assoc_send(s->a, 5, &rq, base_bytes_of(NULL, 0)), BASE_EINVAL);
    net_assoc_release(s->a);
    ck_assert_int_eq(net_assoc_send(s->a, 1, &rq, base_bytes_of(NULL, 0)), BASE_ECLOSED);
}

START_TEST(contexts_are_found_by_syntax)
{
    serve(usual_config());
    requestor.on_established = look_at_contexts;
    dial();
    run_until(both_closed);
    ck_assert_int_eq(requestor.established, 1);
}
END_TEST

/* ---- a stream with pauses ---- */

enum { STREAM_SIZE = 5 * 1024 * 1024 };
static uint8_t *stream;
static size_t stream_at;
static unsigned chunk;
static struct loop_timer *later;

static void feed_chunk(struct net_assoc *a)
{
    static const size_t sizes[] = {1, 65536, 2, 4095, 16384, 3, 70001, 0};
    size_t n = sizes[chunk++ % 8];
    if (n > STREAM_SIZE - stream_at)
        n = STREAM_SIZE - stream_at;
    struct base_bytes bytes = {stream + stream_at, n};
    stream_at += n;
    OK(net_assoc_feed(a, bytes, stream_at == STREAM_SIZE));
}

static void feed_later(void *arg)
{
    (void)arg;
    feed_chunk(requestor.a);
}

/* At once, or from a later turn of the loop. */
static void pull(struct net_assoc *a, void *arg)
{
    ck_assert_ptr_eq(arg, &requestor);
    if (chunk % 3)
        feed_chunk(a);
    else
        loop_timer_start(later, 0, 0);
}

static void send_stream(struct side *s)
{
    struct dicom_dimse rq = store_request();
    OK(net_assoc_send_stream(s->a, 3, &rq, pull));
    ck_assert_int_eq(net_assoc_send(s->a, 3, &rq, base_bytes_of(NULL, 0)), BASE_ECONFLICT);
}

static struct loop_timer *unpause;
static int pauses;
static bool is_paused;

static void on_unpause(void *arg)
{
    (void)arg;
    is_paused = false;
    net_assoc_resume(acceptor.a);
    net_assoc_resume(acceptor.a);
}

static void pause_often(struct side *s, bool last)
{
    ck_assert(!is_paused);
    if (last) {
        respond(s, DIMSE_SUCCESS);
    } else if (pauses < 200) {
        pauses++;
        is_paused = true;
        net_assoc_pause(s->a);
        net_assoc_pause(s->a);
        loop_timer_start(unpause, 0, 0);
    } else if (pauses < 300) {
        pauses++;
        net_assoc_pause(s->a);
        net_assoc_resume(s->a);
    }
}

/* Large fragments are read to where they stay, also when that is smaller than they are. */
START_TEST(a_stream_of_5_mib_arrives_whole_under_pauses)
{
    static uint8_t space[50000];
    static const struct {
        uint32_t max_pdu;
        bool space;
    } cases[] = {{MAX_PDU, false}, {MAX_PDU, true}, {128 * 1024, false}, {128 * 1024, true}};
    struct net_assoc_config config = usual_config();
    config.max_pdu = cases[_i].max_pdu;
    acceptor.space = cases[_i].space ? space : NULL;
    acceptor.space_n = cases[_i].space ? sizeof space : 0;
    stream = malloc(STREAM_SIZE);
    for (size_t i = 0; i < STREAM_SIZE; i++)
        stream[i] = (uint8_t)(i * 2654435761u >> 13);
    stream_at = 0;
    OK(loop_timer_new(loop, feed_later, NULL, &later));
    OK(loop_timer_new(loop, on_unpause, NULL, &unpause));
    serve(config);
    acceptor.on_data = pause_often;
    requestor.on_established = send_stream;
    requestor.on_command = release_on_command;
    dial();
    run_until(both_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_RELEASED);
    ck_assert_int_eq(requestor.cmd.command, DIMSE_C_STORE_RSP);
    ck_assert_int_gt(pauses, 200);
    ck_assert_uint_eq(acceptor.data.n, STREAM_SIZE);
    ck_assert_int_eq(memcmp(acceptor.data.p, stream, STREAM_SIZE), 0);
    if (acceptor.space)
        ck_assert_uint_gt(acceptor.straight, STREAM_SIZE / 2);
    else
        ck_assert_uint_eq(acceptor.straight, 0);
    loop_timer_free(later);
    loop_timer_free(unpause);
    free(stream);
}
END_TEST

static void send_whole(struct side *s)
{
    struct dicom_dimse rq = store_request();
    OK(net_assoc_send(s->a, 3, &rq, base_bytes_of(stream, STREAM_SIZE)));
    net_assoc_release(s->a);
}

START_TEST(a_whole_message_may_be_longer_than_the_queue)
{
    stream = calloc(1, STREAM_SIZE);
    serve(usual_config());
    requestor.on_established = send_whole;
    dial();
    run_until(both_closed);
    ck_assert_uint_eq(acceptor.data.n, STREAM_SIZE);
    free(stream);
}
END_TEST

/* ---- ends ---- */

static void abort_side(struct side *s)
{
    net_assoc_abort(s->a);
    net_assoc_abort(s->a);
    ck_assert_ptr_nonnull(s->a); /* told from the loop */
}

START_TEST(the_requestor_aborts)
{
    serve(usual_config());
    requestor.on_established = abort_side;
    dial();
    run_until(both_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_ABORTED);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_PEER_ABORTED);
}
END_TEST

static void abort_on_data(struct side *s, bool last)
{
    ck_assert(!s->closed);
    (void)last;
    ck_assert_int_eq(s->commands, 1);
    s->commands = 100; /* a second call fails */
    net_assoc_pause(s->a);
    net_assoc_abort(s->a);
}

START_TEST(an_abort_inside_on_data_is_the_last_call_but_on_closed)
{
    stream = calloc(1, STREAM_SIZE);
    serve(usual_config());
    acceptor.on_data = abort_on_data;
    requestor.on_established = send_whole;
    dial();
    run_until(both_closed);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_ABORTED);
    ck_assert(requestor.cause == NET_ASSOC_PEER_ABORTED ||
              requestor.cause == NET_ASSOC_PEER_CLOSED);
    free(stream);
}
END_TEST

static void reject_title(struct side *s)
{
    net_assoc_reject(
        s->a, (struct dicom_reject){DICOM_RJ_PERMANENT, DICOM_RJ_USER, DICOM_RJ_USER_CALLING_AET});
}

START_TEST(a_rejection_arrives_with_its_reason)
{
    serve(usual_config());
    acceptor.on_request = reject_title;
    dial();
    run_until(both_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_REJECTED);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_REJECTED);
    ck_assert_str_eq(requestor.text, "calling AE title not recognized (1/1/3)");
    ck_assert_int_eq(counters.associations_refused_total, 1);
}
END_TEST

static bool both_open(void)
{
    return requestor.established && acceptor.a;
}

START_TEST(releases_that_cross_end_in_order)
{
    serve(usual_config());
    dial();
    run_until(both_open);
    net_assoc_release(acceptor.a);
    net_assoc_release(requestor.a);
    run_until(both_closed);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_RELEASED);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_RELEASED);
}
END_TEST

START_TEST(the_acceptor_may_release)
{
    serve(usual_config());
    dial();
    run_until(both_open);
    net_assoc_release(acceptor.a);
    run_until(both_closed);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_RELEASED);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_RELEASED);
}
END_TEST

START_TEST(a_closed_port_is_a_failed_connect)
{
    int fd = listen_any(&port);
    close(fd);
    dial();
    run_until(requestor_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_CONNECT_FAILED);
    ck_assert_ptr_nonnull(strstr(requestor.text, "connection refused"));
}
END_TEST

START_TEST(an_attempt_can_be_aborted_at_once)
{
    serve(usual_config());
    dial();
    net_assoc_abort(requestor.a);
    run_until(requestor_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_ABORTED);
}
END_TEST

START_TEST(a_peer_that_never_answers_times_out)
{
    int fd = listen_any(&port); /* nobody accepts */
    struct net_assoc_target target = usual_target();
    target.connect_ms = 30;
    OK(net_assoc_connect(loop, &target, &handlers, &requestor, &requestor.a));
    run_until(requestor_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_TIMED_OUT);
    close(fd);
}
END_TEST

START_TEST(bad_targets_are_refused)
{
    struct net_assoc_target target = usual_target();
    struct net_assoc *a;
    target.port = 1;
    target.called = "SEVENTEEN_LETTERS";
    ck_assert_int_eq(net_assoc_connect(loop, &target, &handlers, NULL, &a), BASE_EINVAL);
    target.called = "";
    ck_assert_int_eq(net_assoc_connect(loop, &target, &handlers, NULL, &a), BASE_EINVAL);
    target.called = "RDC";
    target.n_contexts = 0;
    ck_assert_int_eq(net_assoc_connect(loop, &target, &handlers, NULL, &a), BASE_EINVAL);
}
END_TEST

/* ---- limits and times ---- */

static bool requestor_done(void)
{
    return requestor.established || requestor.closed;
}

START_TEST(over_the_limit_is_refused_until_there_is_room)
{
    struct net_assoc_config config = usual_config();
    config.max_associations = 1;
    serve(config);
    dial();
    run_until(requestor_done);
    ck_assert_int_eq(requestor.established, 1);
    struct net_assoc *first = requestor.a;
    memset(&requestor, 0, sizeof requestor);
    dial();
    run_until(requestor_done);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_REJECTED);
    ck_assert_str_eq(requestor.text, "local limit exceeded (2/3/2)");
    run_until(stranger_seen);
    ck_assert_int_eq(stranger_cause, NET_ASSOC_TOO_MANY);
    net_assoc_release(first);
    run_until(acceptor_closed);
    memset(&requestor, 0, sizeof requestor);
    dial();
    run_until(requestor_done);
    ck_assert_int_eq(requestor.established, 1);
    net_assoc_release(requestor.a);
    run_until(both_closed);
}
END_TEST

static void accept_now(void *arg)
{
    answer_usual(arg);
}

static void accept_later(struct side *s)
{
    (void)s;
    loop_timer_start(later, 5, 0);
}

START_TEST(the_answer_may_come_later)
{
    OK(loop_timer_new(loop, accept_now, &acceptor, &later));
    serve(usual_config());
    acceptor.on_request = accept_later;
    requestor.on_established = send_echo;
    requestor.on_command = release_on_command;
    dial();
    run_until(both_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_RELEASED);
    loop_timer_free(later);
}
END_TEST

START_TEST(silence_ends_an_association)
{
    struct net_assoc_config config = usual_config();
    config.idle_ms = 20;
    serve(config);
    dial();
    run_until(both_closed);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_TIMED_OUT);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_PEER_ABORTED);
}
END_TEST

static void respond_now(void *arg)
{
    respond(arg, DIMSE_SUCCESS);
}

static void respond_later(struct side *s)
{
    (void)s;
    loop_timer_start(later, 100, 0);
}

START_TEST(our_own_slowness_is_no_silence_of_the_peer)
{
    struct net_assoc_config config = usual_config();
    config.idle_ms = 20;
    OK(loop_timer_new(loop, respond_now, &acceptor, &later));
    serve(config);
    acceptor.on_command = respond_later;
    requestor.on_established = send_echo;
    requestor.on_command = release_on_command;
    dial();
    run_until(both_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_RELEASED);
    loop_timer_free(later);
}
END_TEST

static void keep_silent(struct side *s)
{
    (void)s;
}

START_TEST(a_response_that_does_not_come_ends_the_requestor)
{
    serve(usual_config());
    acceptor.on_command = keep_silent;
    requestor.on_established = send_echo;
    struct net_assoc_target target = usual_target();
    target.response_ms = 20;
    OK(net_assoc_connect(loop, &target, &handlers, &requestor, &requestor.a));
    run_until(both_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_TIMED_OUT);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_PEER_ABORTED);
}
END_TEST

static void send_echo_again(struct side *s)
{
    send_echo(s);
}

START_TEST(an_association_lasts_no_longer_than_its_requestor_allows)
{
    serve(usual_config());
    requestor.on_established = send_echo;
    requestor.on_command = send_echo_again; /* for ever, with answers at once */
    struct net_assoc_target target = usual_target();
    target.response_ms = 20000;
    target.total_ms = 50;
    OK(net_assoc_connect(loop, &target, &handlers, &requestor, &requestor.a));
    run_until(both_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_TIMED_OUT);
    ck_assert_int_ge(requestor.commands, 1);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_PEER_ABORTED);
}
END_TEST

START_TEST(closing_the_server_ends_what_is_open)
{
    serve(usual_config());
    dial();
    run_until(both_open);
    net_assoc_pause(acceptor.a);
    int silent = raw_connect();
    net_assoc_server_stop(server);
    server_done = false;
    net_assoc_server_close(server, on_server_done, NULL);
    server = NULL;
    run_until(is_server_done);
    ck_assert_int_eq(acceptor.cause, NET_ASSOC_STOPPED);
    run_until(requestor_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_PEER_ABORTED);
    close(silent);
}
END_TEST

/* ---- many ---- */

enum { MANY = 500 };
static struct side many[MANY];

static bool many_open(void)
{
    for (int i = 0; i < MANY; i++)
        if (!many[i].established)
            return false;
    return true;
}

static bool many_closed(void)
{
    for (int i = 0; i < MANY; i++)
        if (!many[i].closed)
            return false;
    return open_total == 0;
}

START_TEST(five_hundred_idle_associations_open_and_close)
{
    serve(usual_config());
    struct net_assoc_target target = usual_target();
    for (int i = 0; i < MANY; i++)
        OK(net_assoc_connect(loop, &target, &handlers, &many[i], &many[i].a));
    run_until(many_open);
    ck_assert_uint_eq(net_assoc_server_count(server), MANY);
    ck_assert_int_eq(counters.associations_open, MANY);
    requestor.on_established = send_echo;
    requestor.on_command = release_on_command;
    dial();
    run_until(requestor_closed);
    ck_assert_int_eq(requestor.cause, NET_ASSOC_RELEASED);
    for (int i = 0; i < MANY; i++) {
        if (i % 2)
            net_assoc_release(many[i].a);
        else
            net_assoc_abort(many[i].a);
    }
    run_until(many_closed);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(many[i].cause, i % 2 ? NET_ASSOC_RELEASED : NET_ASSOC_ABORTED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_assoc");
    TCase *t = tcase_create("associations");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_echo_is_answered_and_released);
    tcase_add_test(t, contexts_are_found_by_syntax);
    tcase_add_loop_test(t, a_stream_of_5_mib_arrives_whole_under_pauses, 0, 4);
    tcase_add_test(t, a_whole_message_may_be_longer_than_the_queue);
    tcase_add_test(t, the_requestor_aborts);
    tcase_add_test(t, an_abort_inside_on_data_is_the_last_call_but_on_closed);
    tcase_add_test(t, a_rejection_arrives_with_its_reason);
    tcase_add_test(t, releases_that_cross_end_in_order);
    tcase_add_test(t, the_acceptor_may_release);
    tcase_add_test(t, a_closed_port_is_a_failed_connect);
    tcase_add_test(t, an_attempt_can_be_aborted_at_once);
    tcase_add_test(t, a_peer_that_never_answers_times_out);
    tcase_add_test(t, bad_targets_are_refused);
    tcase_add_test(t, over_the_limit_is_refused_until_there_is_room);
    tcase_add_test(t, the_answer_may_come_later);
    tcase_add_test(t, silence_ends_an_association);
    tcase_add_test(t, our_own_slowness_is_no_silence_of_the_peer);
    tcase_add_test(t, a_response_that_does_not_come_ends_the_requestor);
    tcase_add_test(t, an_association_lasts_no_longer_than_its_requestor_allows);
    tcase_add_test(t, closing_the_server_ends_what_is_open);
    tcase_add_test(t, five_hundred_idle_associations_open_and_close);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
