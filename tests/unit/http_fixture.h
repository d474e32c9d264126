/* The HTTP server over loopback: it runs in this thread, a client of blocking
 * sockets in another. */
#ifndef HTTP_FIXTURE_H
#define HTTP_FIXTURE_H

#include "net/net_http.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BIG = 8 << 20 };

struct fixture {
    struct loop *loop;
    struct net_http_server *server;
    struct net_http_options options;
    int listen_fd;
    uint16_t port;
    void (*client)(struct fixture *f);
    struct loop_call finished;
    struct loop_call stop_call;
    /* what handlers saw */
    struct net_http_request *held;
    atomic_bool holding; /* for the client: held is set */
    int aborted;
    uint64_t streamed;
    unsigned pieces;
    struct net_http_request *req;
    struct loop_call resume;
    int results[600];
    struct loop_timer *guard;
};

static struct fixture *f;

/* ---- handlers ---- */

static inline void hello(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_reply(req, 200, "text/plain", base_bytes_str("hello"));
}

static inline void item(struct net_http_request *req, void *arg)
{
    struct base_buf b = {0};
    const char *name;
    const char *value;
    (void)arg;
    base_buf_printf(&b, "%s id=%s", net_http_method(req), net_http_param(req, "id"));
    for (size_t i = 0; net_http_query_at(req, i, &name, &value); i++)
        base_buf_printf(&b, " %s=%s", name, value);
    const char *cookie = net_http_cookie(req, "rdc");
    const char *bearer = net_http_bearer(req);
    base_buf_printf(&b, " cookie=%s bearer=%s peer=%s local=%d", cookie ? cookie : "-",
                    bearer ? bearer : "-", net_http_peer(req), net_http_peer_is_loopback(req));
    net_http_reply_header(req, "X-Seen", "yes");
    net_http_reply_header(req, "X-Bad", "a\r\nb");
    net_http_reply_header(req, "cache-control", "max-age=60");
    net_http_reply_buf(req, 200, "text/plain", &b);
}

static inline void special(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_reply(req, 200, "text/plain", base_bytes_str("special"));
}

static inline void rest(struct net_http_request *req, void *arg)
{
    (void)arg;
    const char *name = net_http_param(req, "name");
    net_http_reply(req, 200, "text/plain", base_bytes_str(name));
}

static inline void echo(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_reply(req, 201, "application/octet-stream", net_http_body(req));
}

static inline void fail_with_problem(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_problem(req, 409, NULL, "held by \"another\"");
}

static inline void no_content(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_reply(req, 204, NULL, base_bytes_of(NULL, 0));
}

static inline void on_held_abort(void *arg)
{
    struct fixture *x = arg;
    x->aborted++;
    ck_assert(net_http_is_gone(x->held));
    net_http_reply(x->held, 200, NULL, base_bytes_of(NULL, 0));
    x->held = NULL;
    loop_stop(x->loop);
}

static inline void hold(struct net_http_request *req, void *arg)
{
    (void)arg;
    f->held = req;
    net_http_on_abort(req, on_held_abort, f);
    atomic_store(&f->holding, true);
}

static inline void answer_held(void *arg)
{
    struct fixture *x = arg;
    struct net_http_request *req = x->held;
    x->held = NULL;
    net_http_reply(req, 200, "text/plain", base_bytes_str("later"));
}

static inline void later(struct net_http_request *req, void *arg)
{
    (void)arg;
    f->held = req;
    loop_post(f->loop, &f->resume, answer_held, f);
}

static inline void resume_sink(void *arg)
{
    net_http_body_resume(((struct fixture *)arg)->req);
}

static inline void on_sink_data(void *arg, struct base_bytes bytes)
{
    struct fixture *x = arg;
    x->streamed += bytes.n;
    x->pieces++;
    net_http_body_pause(x->req);
    loop_post(x->loop, &x->resume, resume_sink, x);
}

static inline void on_sink_end(void *arg)
{
    struct fixture *x = arg;
    struct base_buf b = {0};
    base_buf_printf(&b, "%llu", (unsigned long long)x->streamed);
    net_http_reply_buf(x->req, 201, "text/plain", &b);
}

static inline void on_sink_abort(void *arg)
{
    struct fixture *x = arg;
    x->aborted++;
    net_http_problem(x->req, 500, NULL, "dropped");
    if (!x->client)
        loop_stop(x->loop);
}

static const struct net_http_sink sink = {on_sink_data, on_sink_end};

static inline void stream_in(struct net_http_request *req, void *arg)
{
    (void)arg;
    f->req = req;
    f->streamed = 0;
    net_http_on_abort(req, on_sink_abort, f);
    net_http_body_start(req, &sink, f);
}

static inline void refuse_early(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_problem(req, 401, NULL, "log in first");
}

static inline void big(struct net_http_request *req, void *arg)
{
    struct base_buf b = {0};
    (void)arg;
    base_buf_add_fill(&b, 'x', strtoul(net_http_query(req, "n"), NULL, 10));
    net_http_reply_buf(req, 200, "application/octet-stream", &b);
}

static const struct net_http_route routes[] = {
    {"GET", "/hello", NULL, hello, NET_HTTP_BODY_NONE, 0, 0},
    {"GET", "/items/{id}", NULL, item, NET_HTTP_BODY_NONE, 0, 0},
    {"DELETE", "/items/{id}", NULL, no_content, NET_HTTP_BODY_NONE, 0, 0},
    {"GET", "/items/special", NULL, special, NET_HTTP_BODY_NONE, 0, 0},
    {"GET", "/files/{name*}", NULL, rest, NET_HTTP_BODY_NONE, 0, NET_HTTP_QUIET},
    {"POST", "/echo", "limit, state", echo, NET_HTTP_BODY_COLLECTED, 100000, 0},
    {"GET", "/problem", NULL, fail_with_problem, NET_HTTP_BODY_NONE, 0, 0},
    {"GET", "/hold", "", hold, NET_HTTP_BODY_NONE, 0, 0},
};
static const struct net_http_route more_routes[] = {
    {"GET", "/later", NULL, later, NET_HTTP_BODY_NONE, 0, 0},
    {"PUT", "/in", NULL, stream_in, NET_HTTP_BODY_STREAMED, 2 * BIG, 0},
    {"PUT", "/bounded", NULL, stream_in, NET_HTTP_BODY_STREAMED, 0, 0},
    {"PUT", "/locked", NULL, refuse_early, NET_HTTP_BODY_STREAMED, 2 * BIG, 0},
    {"GET", "/big", NULL, big, NET_HTTP_BODY_NONE, 0, 0},
};
static const struct net_http_table tables[] = {
    {routes, sizeof routes / sizeof routes[0], NULL},
    {more_routes, sizeof more_routes / sizeof more_routes[0], NULL},
};

/* ---- fixture ---- */

static inline void on_result(void *arg, const struct net_http_result *r)
{
    (void)arg;
    f->results[r->status]++;
}

static inline void setup(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    struct loop_options lo = {0};
    base_log_setup(BASE_LOG_ERROR + 1, 0, "test");
    f = calloc(1, sizeof *f);
    ck_assert_int_eq(loop_new(&lo, &f->loop), BASE_OK);
    f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(f->listen_fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(getsockname(f->listen_fd, (struct sockaddr *)&a, &n), 0);
    f->port = ntohs(a.sin_port);
    f->options = (struct net_http_options){.loop = f->loop,
                                           .fd = f->listen_fd,
                                           .tables = tables,
                                           .table_count = 2,
                                           .on_result = on_result};
}

static inline void start(void)
{
    ck_assert_int_eq(net_http_server_new(&f->options, &f->server), BASE_OK);
}

static inline void teardown(void)
{
    net_http_server_free(f->server);
    loop_free(f->loop);
    close(f->listen_fd);
    free(f);
}

static inline void stop_loop(void *arg)
{
    loop_stop(arg);
}

static inline void *client_main(void *arg)
{
    struct fixture *x = arg;
    x->client(x);
    loop_post(x->loop, &x->finished, stop_loop, x->loop);
    return NULL;
}

/* Runs the loop until the client has ended. */
static inline void run(void (*client)(struct fixture *))
{
    pthread_t t;
    if (!f->server)
        start();
    f->client = client;
    ck_assert_int_eq(pthread_create(&t, NULL, client_main, f), 0);
    loop_run(f->loop);
    pthread_join(t, NULL);
}

/* ---- the client ---- */

static inline int dial(void)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(s, (struct sockaddr *)&a, sizeof a), 0);
    return s;
}

static inline void put(int s, const char *text)
{
    size_t n = strlen(text);
    ck_assert_int_eq(send(s, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* Reads until end has come (NULL = until the server closes). */
static inline struct base_buf get(int s, const char *end)
{
    struct base_buf b = {0};
    ssize_t n;
    uint8_t *to;
    while ((!end || b.n == 0 || !strstr(base_buf_cstr(&b), end)) &&
           (to = base_buf_reserve(&b, 65536)) && (n = recv(s, to, end ? 1 : 65536, 0)) > 0) {
        b.n += (size_t)n;
        b.p[b.n] = 0;
    }
    return b;
}

/* Sends, reads until the server closes, closes. */
static inline struct base_buf exchange(const char *text)
{
    int s = dial();
    put(s, text);
    struct base_buf b = get(s, NULL);
    close(s);
    return b;
}

static inline void expect(const char *request, const char *const *parts)
{
    struct base_buf b = exchange(request);
    for (; *parts; parts++)
        ck_assert_msg(b.n && strstr(base_buf_cstr(&b), *parts), "%s: no \"%s\" in: %s", request,
                      *parts, base_buf_cstr(&b));
    base_buf_deinit(&b);
}

#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define CLOSE      "Host: a\r\nConnection: close\r\n\r\n"
#define KEEP       "Host: a\r\n\r\n"

/* Runs the tests that add adds; the exit status. */
static inline int run_http_tests(const char *name, void (*add)(TCase *tc))
{
    Suite *s = suite_create(name);
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    add(tc);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}

#endif
