/* A loop, an acceptor on a free loopback port, and raw clients for it. */
#ifndef TESTS_ASSOC_FIXTURE_H
#define TESTS_ASSOC_FIXTURE_H

#include "net/net_assoc.h"
#include "storage_offers.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define OK(call) ck_assert_int_eq((call), BASE_OK)

enum { MAX_PDU = 16384 };

/* What one end of an association saw, and how it behaves. */
struct side {
    struct net_assoc *a; /* NULL before and after */
    int requests;
    int established;
    int commands;
    int closed;
    enum net_assoc_cause cause;
    char text[256];
    struct dicom_dimse cmd; /* the last one */
    uint8_t context;
    struct base_buf data;
    bool data_ended;
    uint8_t *space; /* where data sets may be read to; NULL: nowhere */
    size_t space_n;
    size_t straight; /* bytes that came there */
    /* behaviour; NULL = the usual */
    void (*on_request)(struct side *s);
    void (*on_established)(struct side *s);
    void (*on_command)(struct side *s);
    void (*on_data)(struct side *s, bool last);
};

static struct loop *loop;
static struct loop_timer *tick;
static struct net_assoc_server *server;
static uint16_t port;
static struct side acceptor;  /* of the newest association */
static struct side requestor; /* of the newest association */
static int open_total;        /* acceptors: requests minus ends */
static int strangers;
static enum net_assoc_cause stranger_cause;
static char stranger_text[256];
static struct base_counters counters;

/* ---- running ---- */

static bool (*until)(void);

static inline void on_tick(void *arg)
{
    (void)arg;
    if (until())
        loop_stop(loop);
}

/* The test's own time-out ends a wait for what never comes. */
static inline void run_until(bool (*done)(void))
{
    until = done;
    loop_timer_start(tick, 0, 1);
    while (!done())
        loop_run(loop);
    loop_timer_stop(tick);
}

static inline bool both_closed(void)
{
    return acceptor.closed && requestor.closed;
}

static inline bool acceptor_closed(void)
{
    return acceptor.closed > 0;
}

static inline bool requestor_closed(void)
{
    return requestor.closed > 0;
}

static inline bool stranger_seen(void)
{
    return strangers > 0;
}

/* ---- handlers of both ends ---- */

static inline void answer_usual(struct side *s)
{
    struct dicom_associate ac;
    OK(dicom_negotiate(net_assoc_request(s->a), storage_offers, STORAGE_OFFERS, MAX_PDU,
                       net_assoc_arena(s->a), &ac, NULL));
    OK(net_assoc_accept(s->a, &ac));
}

static inline void respond(struct side *s, uint16_t status)
{
    struct dicom_dimse rsp = dicom_dimse_response(&s->cmd, status);
    OK(net_assoc_send(s->a, s->context, &rsp, base_bytes_of(NULL, 0)));
}

static inline void on_request(struct net_assoc *a, void *arg, const struct dicom_associate *rq)
{
    struct side *s = arg;
    base_buf_deinit(&s->data);
    void (*keep_request)(struct side *) = s->on_request;
    void (*keep_command)(struct side *) = s->on_command;
    void (*keep_data)(struct side *, bool) = s->on_data;
    *s = (struct side){.a = a,
                       .requests = 1,
                       .space = s->space,
                       .space_n = s->space_n,
                       .on_request = keep_request,
                       .on_command = keep_command,
                       .on_data = keep_data};
    ck_assert_ptr_eq(rq, net_assoc_request(a));
    open_total++;
    if (s->on_request)
        s->on_request(s);
    else
        answer_usual(s);
}

static inline void on_established(struct net_assoc *a, void *arg)
{
    struct side *s = arg;
    (void)a;
    s->established++;
    if (s->on_established)
        s->on_established(s);
}

static inline void on_command(struct net_assoc *a, void *arg, uint8_t context,
                              const struct dicom_dimse *cmd)
{
    struct side *s = arg;
    (void)a;
    s->commands++;
    s->cmd = *cmd;
    s->context = context;
    s->data_ended = !cmd->has_dataset;
    if (s->on_command)
        s->on_command(s);
    else if (s == &acceptor && !cmd->has_dataset)
        respond(s, DIMSE_SUCCESS);
}

static inline void on_data(struct net_assoc *a, void *arg, struct base_bytes bytes, bool last)
{
    struct side *s = arg;
    (void)a;
    ck_assert(!s->data_ended);
    s->straight += s->space && bytes.p == s->space ? bytes.n : 0;
    base_buf_add(&s->data, bytes.p, bytes.n);
    s->data_ended = last;
    if (s->on_data)
        s->on_data(s, last);
    else if (last)
        respond(s, DIMSE_SUCCESS);
}

static inline size_t on_space(struct net_assoc *a, void *arg, uint8_t **to)
{
    struct side *s = arg;
    (void)a;
    *to = s->space;
    return s->data_ended ? 0 : s->space_n;
}

static inline void on_closed(struct net_assoc *a, void *arg, enum net_assoc_cause cause,
                             const char *text)
{
    struct side *s = arg;
    (void)a;
    s->closed++;
    s->cause = cause;
    snprintf(s->text, sizeof s->text, "%s", text);
    s->a = NULL;
    if (s == &acceptor)
        open_total--;
}

static inline void on_stranger(void *arg, const char *address, const struct dicom_associate *rq,
                               enum net_assoc_cause cause, const char *text)
{
    (void)rq;
    ck_assert_ptr_eq(arg, &acceptor);
    ck_assert_str_eq(address, "127.0.0.1");
    strangers++;
    stranger_cause = cause;
    snprintf(stranger_text, sizeof stranger_text, "%s", text);
}

static const struct net_assoc_handlers handlers = {on_request, on_established, on_command,
                                                   on_data,    on_closed,      on_space};

/* ---- set-up ---- */

static inline int listen_any(uint16_t *out)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    ck_assert_int_eq(listen(fd, 1024), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &n), 0);
    *out = ntohs(in.sin_port);
    return fd;
}

static inline struct net_assoc_config usual_config(void)
{
    return (struct net_assoc_config){.max_pdu = MAX_PDU,
                                     .artim_ms = 20000,
                                     .max_associations = 1000,
                                     .max_awaited = 1000,
                                     .counters = &counters,
                                     .on_stranger = on_stranger};
}

static inline void serve(struct net_assoc_config config)
{
    int fd = listen_any(&port);
    OK(net_assoc_listen(loop, fd, &config, &handlers, &acceptor, &server));
    close(fd);
}

static inline void setup(void)
{
    OK(loop_new(&(struct loop_options){0}, &loop));
    OK(loop_timer_new(loop, on_tick, NULL, &tick));
    memset(&acceptor, 0, sizeof acceptor);
    memset(&requestor, 0, sizeof requestor);
    memset(&counters, 0, sizeof counters);
    strangers = 0;
    open_total = 0;
}

static bool server_done;

static inline void on_server_done(void *arg)
{
    (void)arg;
    server_done = true;
}

static inline bool is_server_done(void)
{
    return server_done;
}

static inline void teardown(void)
{
    server_done = server == NULL;
    net_assoc_server_close(server, on_server_done, NULL);
    server = NULL;
    run_until(is_server_done);
    base_buf_deinit(&acceptor.data);
    base_buf_deinit(&requestor.data);
    ck_assert_int_eq(open_total, 0);
    ck_assert_int_eq(counters.associations_open, 0);
    loop_timer_free(tick);
    loop_free(loop);
}

/* ---- ends that we play ---- */

static const char *const two_syntaxes[] = {DICOM_UID_EXPLICIT_LE, DICOM_UID_IMPLICIT_LE};
static const struct dicom_context proposed_contexts[] = {
    {.id = 1, .abstract = DICOM_UID_VERIFICATION, .n_syntaxes = 2, .syntaxes = two_syntaxes},
    {.id = 3, .abstract = DICOM_UID_CT_IMAGE, .n_syntaxes = 2, .syntaxes = two_syntaxes},
    {.id = 5, .abstract = DICOM_UID_MPPS, .n_syntaxes = 1, .syntaxes = two_syntaxes},
};

static inline struct net_assoc_target usual_target(void)
{
    return (struct net_assoc_target){.host = "127.0.0.1",
                                     .port = port,
                                     .calling = "TEST",
                                     .called = "RDC",
                                     .contexts = proposed_contexts,
                                     .n_contexts = 3,
                                     .connect_ms = 20000,
                                     .max_pdu = MAX_PDU};
}

static inline void dial(void)
{
    struct net_assoc_target target = usual_target();
    OK(net_assoc_connect(loop, &target, &handlers, &requestor, &requestor.a));
}

static inline struct dicom_dimse echo_request(void)
{
    return (struct dicom_dimse){
        .command = DIMSE_C_ECHO_RQ, .message_id = 7, .sop_class = DICOM_UID_VERIFICATION};
}

static inline struct dicom_dimse store_request(void)
{
    return (struct dicom_dimse){.command = DIMSE_C_STORE_RQ,
                                .message_id = 8,
                                .sop_class = DICOM_UID_CT_IMAGE,
                                .sop_instance = "1.2.3.4"};
}

/* Blocking; the kernel completes it without the loop. */
static inline int raw_connect(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int one = 1;
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static inline void raw_send(int fd, struct base_bytes b)
{
    ck_assert_int_eq(send(fd, b.p, b.n, MSG_NOSIGNAL), (ssize_t)b.n);
}

/* ---- what raw clients send and expect ---- */

static inline void add_request_of(struct base_buf *b, uint32_t max_pdu)
{
    struct dicom_associate rq = {.version = 1,
                                 .called = "RDC",
                                 .calling = "RAW",
                                 .application_context = DICOM_UID_APPLICATION_CONTEXT,
                                 .contexts = proposed_contexts,
                                 .n_contexts = 3,
                                 .max_length = max_pdu,
                                 .implementation_class = "1.2.3",
                                 .implementation_version = ""};
    dicom_associate_encode(&rq, false, b);
}

static inline void add_request(struct base_buf *b)
{
    add_request_of(b, MAX_PDU);
}

static inline void add_data(struct base_buf *b, uint8_t context, bool command, bool last,
                            struct base_bytes bytes)
{
    uint8_t head[DICOM_DATA_HEADER];
    dicom_data_header(context, command, last, (uint32_t)bytes.n, head);
    base_buf_add(b, head, sizeof head);
    base_buf_add(b, bytes.p, bytes.n);
}

static inline void add_command(struct base_buf *b, uint8_t context, const struct dicom_dimse *cmd)
{
    struct base_buf set = {0};
    dicom_dimse_encode(cmd, &set);
    add_data(b, context, true, true, base_buf_bytes(&set));
    base_buf_deinit(&set);
}

static int raw_fd;
static struct base_buf raw_in;
static size_t raw_want;
static bool raw_eof;

static inline bool raw_arrived(void)
{
    uint8_t p[65536];
    ssize_t n;
    while ((n = recv(raw_fd, p, sizeof p, MSG_DONTWAIT)) > 0)
        base_buf_add(&raw_in, p, (size_t)n);
    raw_eof |= n == 0 || (n < 0 && errno != EAGAIN);
    return raw_eof || raw_in.n >= raw_want;
}

/* Runs the loop until n bytes are in raw_in, or the end. */
static inline void raw_expect(int fd, size_t n)
{
    raw_fd = fd;
    raw_want = n;
    raw_eof = false;
    run_until(raw_arrived);
}

/* The acceptor's next PDU other than P-DATA: its type, and body[1] to body[3]. */
static inline void raw_expect_pdu(int fd, unsigned type, uint8_t b1, uint8_t b2, uint8_t b3)
{
    raw_expect(fd, 10);
    ck_assert_uint_eq(raw_in.n, 10);
    ck_assert_uint_eq(raw_in.p[0], type);
    ck_assert_uint_eq(raw_in.p[7], b1);
    ck_assert_uint_eq(raw_in.p[8], b2);
    ck_assert_uint_eq(raw_in.p[9], b3);
    base_buf_consume(&raw_in, 10);
}

/* Opens an association and swallows the A-ASSOCIATE-AC. */
static inline int raw_associate(void)
{
    struct base_buf b = {0};
    int fd = raw_connect();
    add_request(&b);
    raw_send(fd, base_buf_bytes(&b));
    base_buf_deinit(&b);
    raw_expect(fd, 6);
    ck_assert_uint_eq(raw_in.p[0], DICOM_PDU_ASSOCIATE_AC);
    size_t n = 6 + base_load_be32(raw_in.p + 2);
    raw_expect(fd, n);
    base_buf_consume(&raw_in, n);
    return fd;
}

#endif
