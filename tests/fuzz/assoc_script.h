/*
 * An association over a real socket whose peer follows a script: the fuzzer's
 * bytes. The first byte chooses what our side does; then records follow, each
 * a kind, a length and that many bytes of content. After each record the loop
 * turns, so that PDUs meet every state of the upper layer, whole or in pieces.
 *
 * Checked in every run: each association that was given to the handlers ends
 * exactly once, nothing is called after its end, and what our side sends is
 * itself well formed.
 */
#ifndef ASSOC_SCRIPT_H
#define ASSOC_SCRIPT_H

#include "fuzz_socket.h"
#include "net/net_assoc.h"
#include "tests/unit/storage_offers.h"

#include <sched.h>
#include <string.h>
#include <time.h>

enum {
    SCRIPT_LATE = 1 << 0,      /* requests are answered in a later turn */
    SCRIPT_REJECT = 1 << 1,    /* the association is rejected */
    SCRIPT_PAUSE = 1 << 2,     /* each command pauses, until the next record */
    SCRIPT_PENDING = 1 << 3,   /* a pending answer with a data set before the last */
    SCRIPT_STREAM = 1 << 4,    /* that one is streamed, in odd pieces */
    SCRIPT_ABORT = 1 << 5,     /* aborts in the middle of a data set */
    SCRIPT_IMPATIENT = 1 << 6, /* with clocks of a millisecond */
    SCRIPT_TURNS = 12          /* of the loop, after which everything must have ended */
};

static struct {
    struct loop *loop;
    struct loop_call call;
    struct base_bytes rest;
    uint8_t mode;
    int fd;                           /* the peer's end */
    int listener;                     /* where the peer is the acceptor, else -1 */
    struct net_assoc *a;              /* between the first callback and the last */
    const struct dicom_associate *rq; /* waits for its answer */
    struct dicom_dimse owed;
    uint8_t owed_context;
    bool owing;
    unsigned paused;
    unsigned given;
    unsigned ended;
    unsigned fed;
    unsigned turns;
    bool waited;
    bool deaf; /* the peer does not read */
    struct dicom_pdu_decoder heard;
} script;

/* ---- our side ---- */

static void script_answer_request(void)
{
    struct dicom_associate answer;
    const struct dicom_associate *rq = script.rq;
    script.rq = NULL;
    if (script.mode & SCRIPT_REJECT)
        net_assoc_reject(script.a, (struct dicom_reject){1, 1, 3});
    else if (dicom_negotiate(rq, storage_offers, STORAGE_OFFERS, 16384, net_assoc_arena(script.a),
                             &answer, NULL) == BASE_OK)
        (void)!net_assoc_accept(script.a, &answer);
}

static void script_pull(struct net_assoc *a, void *arg)
{
    static const uint8_t bytes[300001];
    /* More than the socket holds where the peer does not read. */
    size_t n = script.fed++ ? 333 : script.deaf ? sizeof bytes : 1001;
    (void)arg;
    (void)!net_assoc_feed(a, base_bytes_of(bytes, n), script.fed % 3 == 0);
}

static void script_answer_command(void)
{
    struct dicom_dimse rsp = dicom_dimse_response(&script.owed, DIMSE_PENDING);
    script.owing = false;
    if (script.owed.command != DIMSE_C_FIND_RQ)
        ; /* no data set in the answer */
    else if (script.mode & SCRIPT_STREAM)
        (void)!net_assoc_send_stream(script.a, script.owed_context, &rsp, script_pull);
    else if (script.mode & SCRIPT_PENDING)
        (void)!net_assoc_send(script.a, script.owed_context, &rsp, base_bytes_str("\0\0\0\0"));
    rsp = dicom_dimse_response(&script.owed, DIMSE_SUCCESS);
    (void)!net_assoc_send(script.a, script.owed_context, &rsp, base_bytes_str(""));
}

static void script_on_request(struct net_assoc *a, void *arg, const struct dicom_associate *rq)
{
    (void)arg;
    script.a = a;
    script.rq = rq;
    script.given++;
    if (!(script.mode & SCRIPT_LATE))
        script_answer_request();
}

static void script_check(const struct net_assoc *a)
{
    if (a != script.a)
        abort();
}

static void script_owe(struct net_assoc *a, uint8_t context, const struct dicom_dimse *cmd)
{
    /* A response, and a cancel, are not answered. */
    if ((cmd->command & DIMSE_RESPONSE_BIT) || cmd->command == DIMSE_C_CANCEL_RQ)
        return;
    if (!net_assoc_abstract_syntax(a, context) || !net_assoc_transfer_syntax(a, context))
        abort();
    script.owed = *cmd;
    script.owed_context = context;
    script.owing = true;
    if (!cmd->has_dataset && !(script.mode & SCRIPT_LATE))
        script_answer_command();
}

static void script_on_command(struct net_assoc *a, void *arg, uint8_t context,
                              const struct dicom_dimse *cmd)
{
    (void)arg;
    script_check(a);
    if (script.mode & SCRIPT_PAUSE && !script.turns) { /* at the end nothing waits any more */
        net_assoc_pause(a);
        script.paused++;
    }
    script_owe(a, context, cmd);
}

static void script_on_data(struct net_assoc *a, void *arg, struct base_bytes bytes, bool last)
{
    static volatile uint8_t sum;
    (void)arg;
    script_check(a);
    for (size_t i = 0; i < bytes.n; i++)
        sum = (uint8_t)(sum + bytes.p[i]);
    if (script.mode & SCRIPT_ABORT)
        net_assoc_abort(a);
    else if (last && script.owing && !(script.mode & SCRIPT_LATE))
        script_answer_command();
}

static void script_on_established(struct net_assoc *a, void *arg)
{
    struct dicom_dimse echo = {
        .command = DIMSE_C_ECHO_RQ, .message_id = 1, .sop_class = DICOM_UID_VERIFICATION};
    uint8_t context = net_assoc_context(a, DICOM_UID_VERIFICATION, NULL, NULL);
    (void)arg;
    script_check(a);
    if (context)
        (void)!net_assoc_send(a, context, &echo, base_bytes_str(""));
}

static void script_on_closed(struct net_assoc *a, void *arg, enum net_assoc_cause cause,
                             const char *text)
{
    (void)arg;
    script_check(a);
    if (script.ended++ || !*net_assoc_cause_text(cause) || !text)
        abort();
    script.a = NULL;
    script.rq = NULL;
    script.owing = false;
}

/* Of all sizes, none included. */
static size_t script_on_space(struct net_assoc *a, void *arg, uint8_t **to)
{
    static uint8_t space[4096];
    static size_t n;
    (void)a;
    (void)arg;
    *to = space;
    return n = (n * 7 + 3) % sizeof space;
}

static const struct net_assoc_handlers script_handlers = {
    .on_request = script_on_request,
    .on_established = script_on_established,
    .on_command = script_on_command,
    .on_data = script_on_data,
    .on_closed = script_on_closed,
    .on_space = script_on_space,
};

/* What was put off: answers and resumes. */
static void script_catch_up(void)
{
    for (; script.a && script.paused; script.paused--)
        net_assoc_resume(script.a);
    if (script.a && script.rq)
        script_answer_request();
    if (script.a && script.owing && script.owed.command)
        script_answer_command();
}

static void script_call(uint8_t what)
{
    if (!script.a)
        return;
    if (what % 4 == 0)
        net_assoc_release(script.a);
    else if (what % 4 == 1)
        net_assoc_abort(script.a);
    else if (what % 4 == 2)
        script_on_established(script.a, NULL);
    else if (script.owed.command)
        script_answer_command();
}

/* ---- the peer ---- */

static void script_send(struct base_bytes bytes)
{
    fuzz_socket_send(script.fd, bytes);
}

static void script_hear(void)
{
    static uint8_t bytes[65536];
    ssize_t n;
    while (script.fd >= 0 && !script.deaf &&
           (n = recv(script.fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        struct base_bytes in = base_bytes_of(bytes, (size_t)n);
        struct dicom_pdu pdu;
        while (in.n) {
            enum dicom_pdu_step step = dicom_pdu_decode(&script.heard, &in, &pdu);
            if (step == DICOM_PDU_INVALID)
                abort();
        }
    }
}

static void script_send_associate(bool accept, uint8_t bits)
{
    static const char *const syntaxes[] = {DICOM_UID_EXPLICIT_LE, DICOM_UID_IMPLICIT_LE};
    /* PS3.8 9.3.3.2: an answer names one transfer syntax. */
    const uint16_t n = accept ? 1 : 2;
    const struct dicom_context contexts[] = {
        {.id = 1, .abstract = DICOM_UID_VERIFICATION, .syntaxes = syntaxes, .n_syntaxes = n},
        {.id = 3, .abstract = DICOM_UID_CT_IMAGE, .syntaxes = syntaxes, .n_syntaxes = n},
    };
    struct base_buf pdu = {0};
    struct dicom_associate a = {.version = 1,
                                .called = "RDC",
                                .calling = "FUZZ",
                                .application_context = DICOM_UID_APPLICATION_CONTEXT,
                                .contexts = contexts,
                                .n_contexts = bits & 1 ? 2 : 1,
                                .max_length = bits & 2 ? 16384 : (uint32_t)bits,
                                .implementation_class = "1.2.3",
                                .implementation_version = ""};
    dicom_associate_encode(&a, accept, &pdu);
    script_send(base_buf_bytes(&pdu));
    base_buf_deinit(&pdu);
}

static void script_send_fragment(struct base_bytes bytes, bool command, bool last)
{
    uint8_t head[DICOM_DATA_HEADER];
    uint8_t context = bytes.n ? bytes.p[0] : 1;
    bytes = bytes.n ? base_bytes_of(bytes.p + 1, bytes.n - 1) : bytes;
    dicom_data_header(context, command, last, (uint32_t)bytes.n, head);
    script_send(base_bytes_of(head, sizeof head));
    script_send(bytes);
}

/* A whole command of the peer, or its response; content: command, context. */
static void script_send_command(struct base_bytes content)
{
    static const uint16_t commands[] = {DIMSE_C_ECHO_RQ,  DIMSE_C_STORE_RQ,  DIMSE_C_FIND_RQ,
                                        DIMSE_C_ECHO_RSP, DIMSE_C_CANCEL_RQ, DIMSE_N_ACTION_RQ};
    uint8_t which = content.n ? content.p[0] : 0;
    uint8_t context = content.n > 1 ? content.p[1] : 1;
    uint8_t head[DICOM_DATA_HEADER];
    struct base_buf set = {0};
    struct dicom_dimse cmd = {.command = commands[which % 6],
                              .message_id = which,
                              .responded_id = 1,
                              .has_dataset = which % 6 == 1 || which % 6 == 2,
                              .sop_class = DICOM_UID_CT_IMAGE,
                              .sop_instance = "1.2.3.4"};
    dicom_dimse_encode(&cmd, &set);
    dicom_data_header(context, true, true, (uint32_t)set.n, head);
    script_send(base_bytes_of(head, sizeof head));
    script_send(base_buf_bytes(&set));
    base_buf_deinit(&set);
}

static void script_hang_up(void)
{
    if (script.fd >= 0)
        close(script.fd);
    script.fd = -1;
}

static void script_send_short(uint8_t kind)
{
    struct base_buf pdu = {0};
    if (kind == 6)
        dicom_release_encode(DICOM_PDU_RELEASE_RQ, &pdu);
    else if (kind == 7)
        dicom_release_encode(DICOM_PDU_RELEASE_RP, &pdu);
    else if (kind == 8)
        dicom_abort_encode((struct dicom_abort){2, 0}, &pdu);
    else
        dicom_reject_encode((struct dicom_reject){1, 1, 1}, &pdu);
    script_send(base_buf_bytes(&pdu));
    base_buf_deinit(&pdu);
}

static void script_record(uint8_t kind, struct base_bytes content)
{
    uint8_t first = content.n ? content.p[0] : 0;
    if (kind == 0)
        script_send(content);
    else if (kind <= 2)
        script_send_associate(kind == 2, first);
    else if (kind == 3)
        script_send_command(content);
    else if (kind <= 5)
        script_send_fragment(content, first & 0x80, kind == 5);
    else if (kind <= 9)
        script_send_short(kind);
    else if (kind == 10)
        script_call(first);
    else if (kind == 11)
        script_catch_up();
    else if (kind == 12 && script.fd >= 0)
        shutdown(script.fd, SHUT_WR);
    else if (kind == 13 && !script.waited && script.mode & SCRIPT_IMPATIENT) {
        script.waited = true; /* once, it is slow */
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    } else if (kind == 14)
        script.deaf = !script.deaf;
}

/* One record and one turn of the loop, then the end. */
static void script_step(void *arg)
{
    (void)arg;
    if (script.fd < 0 && script.listener >= 0 && !script.turns)
        script.fd = accept4(script.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    bool dialling = script.fd < 0 && script.listener >= 0 && !script.turns && script.a;
    script_hear();
    if (dialling) {
        sched_yield();
    } else if (script.fd >= 0 && script.rest.n >= 2) {
        uint8_t kind = script.rest.p[0] % 15;
        size_t n = script.rest.p[1];
        if (kind == 0 && n >= 0xf0) /* long pieces of bytes as they are */
            n = (n & 15) * 256;
        n = n < script.rest.n - 2 ? n : script.rest.n - 2;
        struct base_bytes content = base_bytes_of(script.rest.p + 2, n);
        script.rest = base_bytes_of(content.p + n, script.rest.n - 2 - n);
        script_record(kind, content);
    } else if (script.fd >= 0 || script.a) {
        script_catch_up();
        if (script.turns++ == 2)
            script_hang_up();
    } else {
        script.turns++;
    }
    if (script.turns < SCRIPT_TURNS)
        loop_post(script.loop, &script.call, script_step, NULL);
    else
        loop_stop(script.loop);
}

/* Runs the script with the peer at fd, or with the one that connects to listener. */
static void script_run(struct base_bytes bytes, int fd, int listener)
{
    script.mode = bytes.p[0];
    script.rest = base_bytes_of(bytes.p + 1, bytes.n - 1);
    script.fd = fd;
    script.listener = listener;
    script.owed.command = 0;
    script.owing = script.waited = script.deaf = false;
    script.paused = script.fed = script.turns = 0;
    dicom_pdu_decoder_init(&script.heard, 0);
    for (int old = 0; listener >= 0 && old >= 0;) { /* left by a run that timed out */
        old = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (old >= 0)
            close(old);
    }
    loop_post(script.loop, &script.call, script_step, NULL);
    loop_run(script.loop);
    script_hang_up();
    dicom_pdu_decoder_deinit(&script.heard);
    if (script.ended != script.given || script.a)
        abort();
}

#endif
