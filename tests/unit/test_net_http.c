/* The server over loopback: it runs in this thread, a client of blocking
 * sockets in another. */
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

static void hello(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_reply(req, 200, "text/plain", base_bytes_str("hello"));
}

static void item(struct net_http_request *req, void *arg)
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

static void special(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_reply(req, 200, "text/plain", base_bytes_str("special"));
}

static void rest(struct net_http_request *req, void *arg)
{
    (void)arg;
    const char *name = net_http_param(req, "name");
    net_http_reply(req, 200, "text/plain", base_bytes_str(name));
}

static void echo(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_reply(req, 201, "application/octet-stream", net_http_body(req));
}

static void fail_with_problem(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_problem(req, 409, NULL, "held by \"another\"");
}

static void no_content(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_reply(req, 204, NULL, base_bytes_of(NULL, 0));
}

static void on_held_abort(void *arg)
{
    struct fixture *x = arg;
    x->aborted++;
    ck_assert(net_http_is_gone(x->held));
    net_http_reply(x->held, 200, NULL, base_bytes_of(NULL, 0));
    x->held = NULL;
    loop_stop(x->loop);
}

static void hold(struct net_http_request *req, void *arg)
{
    (void)arg;
    f->held = req;
    net_http_on_abort(req, on_held_abort, f);
    atomic_store(&f->holding, true);
}

static void answer_held(void *arg)
{
    struct fixture *x = arg;
    struct net_http_request *req = x->held;
    x->held = NULL;
    net_http_reply(req, 200, "text/plain", base_bytes_str("later"));
}

static void later(struct net_http_request *req, void *arg)
{
    (void)arg;
    f->held = req;
    loop_post(f->loop, &f->resume, answer_held, f);
}

static void resume_sink(void *arg)
{
    net_http_body_resume(((struct fixture *)arg)->req);
}

static void on_sink_data(void *arg, struct base_bytes bytes)
{
    struct fixture *x = arg;
    x->streamed += bytes.n;
    x->pieces++;
    net_http_body_pause(x->req);
    loop_post(x->loop, &x->resume, resume_sink, x);
}

static void on_sink_end(void *arg)
{
    struct fixture *x = arg;
    struct base_buf b = {0};
    base_buf_printf(&b, "%llu", (unsigned long long)x->streamed);
    net_http_reply_buf(x->req, 201, "text/plain", &b);
}

static void on_sink_abort(void *arg)
{
    struct fixture *x = arg;
    x->aborted++;
    net_http_problem(x->req, 500, NULL, "dropped");
    if (!x->client)
        loop_stop(x->loop);
}

static const struct net_http_sink sink = {on_sink_data, on_sink_end};

static void stream_in(struct net_http_request *req, void *arg)
{
    (void)arg;
    f->req = req;
    f->streamed = 0;
    net_http_on_abort(req, on_sink_abort, f);
    net_http_body_start(req, &sink, f);
}

static void refuse_early(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_problem(req, 401, NULL, "log in first");
}

static void big(struct net_http_request *req, void *arg)
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

/* ---- fixture ---- */

static void on_result(void *arg, const struct net_http_result *r)
{
    (void)arg;
    f->results[r->status]++;
}

static void setup(void)
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

static void start(void)
{
    ck_assert_int_eq(net_http_server_new(&f->options, &f->server), BASE_OK);
}

static void teardown(void)
{
    net_http_server_free(f->server);
    loop_free(f->loop);
    close(f->listen_fd);
    free(f);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static void *client_main(void *arg)
{
    struct fixture *x = arg;
    x->client(x);
    loop_post(x->loop, &x->finished, stop_loop, x->loop);
    return NULL;
}

/* Runs the loop until the client has ended. */
static void run(void (*client)(struct fixture *))
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

static int dial(void)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(s, (struct sockaddr *)&a, sizeof a), 0);
    return s;
}

static void put(int s, const char *text)
{
    size_t n = strlen(text);
    ck_assert_int_eq(send(s, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* Reads until end has come (NULL = until the server closes). */
static struct base_buf get(int s, const char *end)
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
static struct base_buf exchange(const char *text)
{
    int s = dial();
    put(s, text);
    struct base_buf b = get(s, NULL);
    close(s);
    return b;
}

static void expect(const char *request, const char *const *parts)
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

/* ---- tests ---- */

static void simple_client(struct fixture *x)
{
    (void)x;
    expect("GET /hello HTTP/1.1\r\n" CLOSE,
           PARTS("HTTP/1.1 200 OK\r\n", "Date: ", "Content-Type: text/plain\r\n",
                 "Content-Length: 5\r\n", "X-Content-Type-Options: nosniff\r\n",
                 "Cache-Control: no-store\r\n", "Connection: close\r\n", "\r\n\r\nhello"));
    expect("GET /items/a%20b%2F?q=%E7%8E%8B&r&s=1+2&&t== HTTP/1.1\r\nCookie: x=1; rdc=abc ; "
           "y=2\r\nAuthorization: bearer  T0k\r\n" CLOSE,
           PARTS("GET id=a b/ q=\xe7\x8e\x8b r= s=1 2 t== cookie=abc bearer=T0k "
                 "peer=127.0.0.1 local=1",
                 "X-Seen: yes\r\n", "cache-control: max-age=60\r\n"));
    expect("GET /items/special HTTP/1.1\r\n" CLOSE, PARTS("\r\n\r\nspecial"));
    expect("GET /files HTTP/1.1\r\n" CLOSE, PARTS(" 200 ", "Content-Length: 0\r\n"));
    expect("GET /files/a/b.js HTTP/1.1\r\n" CLOSE, PARTS("\r\n\r\na/b.js"));
    expect("GET /problem HTTP/1.1\r\n" CLOSE,
           PARTS("HTTP/1.1 409 Conflict\r\n", "Content-Type: application/problem+json\r\n",
                 "{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,\"detail\":"
                 "\"held by \\\"another\\\"\"}\n"));
    expect("DELETE /items/1 HTTP/1.1\r\n" CLOSE, PARTS("HTTP/1.1 204 No Content\r\n"));
    expect("GET /later HTTP/1.1\r\n" CLOSE, PARTS("\r\n\r\nlater"));
    struct base_buf b = exchange("HEAD /hello HTTP/1.1\r\n" CLOSE);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "Content-Length: 5\r\n"));
    ck_assert_str_eq(strstr(base_buf_cstr(&b), "\r\n\r\n"), "\r\n\r\n");
    base_buf_deinit(&b);
    b = exchange("GET /items/1 HTTP/1.1\r\n" CLOSE);
    ck_assert_ptr_null(strstr(base_buf_cstr(&b), "X-Bad"));
    ck_assert_ptr_null(strstr(base_buf_cstr(&b), "no-store"));
    base_buf_deinit(&b);
}

START_TEST(handlers_answer_what_was_asked)
{
    run(simple_client);
    ck_assert_int_eq(f->results[200], 8);
    ck_assert_int_eq(f->results[204], 1);
}
END_TEST

static void refusal_client(struct fixture *x)
{
    (void)x;
    expect("GET /none HTTP/1.1\r\n" CLOSE, PARTS(" 404 Not Found\r\n", "problem+json"));
    expect("GET /items/ HTTP/1.1\r\n" CLOSE, PARTS(" 404 "));
    expect("GET /items/1/ HTTP/1.1\r\n" CLOSE, PARTS(" 404 "));
    expect("PUT /items/1 HTTP/1.1\r\n" CLOSE,
           PARTS(" 405 Method Not Allowed\r\n", "Allow: GET, HEAD, DELETE\r\n",
                 "PUT is not possible at this address, but GET, HEAD, DELETE is"));
    expect("OPTIONS /items/1 HTTP/1.1\r\n" CLOSE, PARTS(" 204 ", "Allow: GET, HEAD, DELETE\r\n"));
    expect("OPTIONS * HTTP/1.1\r\n" CLOSE, PARTS(" 204 ", "Allow: GET, "));
    expect("OPTIONS /none HTTP/1.1\r\n" CLOSE, PARTS(" 404 "));
    expect("GET /items/%ff HTTP/1.1\r\n" CLOSE, PARTS(" 400 ", "percent-encoded"));
    expect("GET /items/%0a HTTP/1.1\r\n" CLOSE, PARTS(" 400 "));
    expect("GET /hello?x=%zz HTTP/1.1\r\n" CLOSE, PARTS(" 400 "));
    expect("POST /echo?state=a&Limit=1 HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "abc",
           PARTS(" 400 ", "no query parameter \\\"Limit\\\" here, but limit, state"));
    expect("POST /echo?stat=a HTTP/1.1\r\n" CLOSE, PARTS(" 400 ", "\\\"stat\\\""));
    expect("POST /echo?state=a&limit=1&state=a HTTP/1.1\r\n" CLOSE,
           PARTS(" 400 ", "\\\"state\\\" may stand once"));
    expect("GET /hold?x%c3 HTTP/1.1\r\n" CLOSE, PARTS(" 400 "));
    expect("GET /hold?x HTTP/1.1\r\n" CLOSE, PARTS(" 400 ", "\\\"x\\\" here, nor any other"));
    expect("GET /hello HTTP/1.1\r\n\r\n", PARTS(" 400 ", "Host"));
    expect("GET /hello HTTP/1.1\rX\r\n" CLOSE, PARTS(" 400 ", "carriage return", "close"));
    expect("GET /hello HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "abc",
           PARTS(" 413 ", "accepts no body"));
    expect("GET /hello HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE "0\r\n\r\n",
           PARTS(" 413 "));
    expect("POST /echo HTTP/1.1\r\nContent-Length: 100001\r\n" CLOSE,
           PARTS(" 413 ", "longer than the 100000 bytes"));
    expect("POST /echo HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n" CLOSE "1234",
           PARTS(" 415 ", "Accept-Encoding: identity\r\n"));
    expect("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" KEEP "186A1\r\n",
           PARTS(" 408 ", "stood still"));
    expect("GET /hel", PARTS(" 408 ", "too long"));
    expect("PUT /locked HTTP/1.1\r\nContent-Length: 5\r\n" KEEP "ab",
           PARTS(" 401 ", "Connection: close"));
    expect("\x16\x03\x01\x02", PARTS(" 400 ", "TLS"));
}

START_TEST(what_cannot_be_served_is_refused_with_a_reason)
{
    f->options.header_timeout_ms = 50;
    f->options.body_timeout_ms = 50;
    run(refusal_client);
    ck_assert_int_eq(f->results[405], 1);
}
END_TEST

static void chunk_limit_client(struct fixture *x)
{
    (void)x;
    struct base_buf b = {0};
    base_buf_add_str(&b, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" KEEP "186A1\r\n");
    base_buf_add_fill(&b, 'x', 100001);
    expect(base_buf_cstr(&b), PARTS(" 413 ", "longer than the 100000 bytes"));
    base_buf_deinit(&b);
}

START_TEST(a_chunked_body_over_the_limit_is_refused_while_it_comes)
{
    run(chunk_limit_client);
}
END_TEST

/* The handler has some of it, or nothing at all where the length was announced. */
static void stream_limit_client(struct fixture *x)
{
    (void)x;
    expect("PUT /bounded HTTP/1.1\r\nContent-Length: 1001\r\n" CLOSE,
           PARTS(" 413 ", "longer than the 1000 bytes", "in several requests"));
    struct base_buf b = {0};
    base_buf_add_str(&b, "PUT /bounded HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE "3e8\r\n");
    base_buf_add_fill(&b, 'x', 1000);
    base_buf_add_str(&b, "\r\n1\r\nx\r\n0\r\n\r\n");
    expect(base_buf_cstr(&b), PARTS(" 413 ", "longer than the 1000 bytes", "in several requests"));
    base_buf_deinit(&b);
}

START_TEST(a_streamed_body_may_have_what_the_server_allows)
{
    f->options.max_stream = 1000;
    run(stream_limit_client);
    ck_assert_uint_eq(f->streamed, 1000);
    ck_assert_int_eq(f->aborted, 1);
}
END_TEST

static void body_client(struct fixture *x)
{
    (void)x;
    expect("POST /echo HTTP/1.1\r\nContent-Length: 3\r\n" CLOSE "abc",
           PARTS(" 201 Created\r\n", "\r\n\r\nabc"));
    expect("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE
           "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
           PARTS("\r\n\r\nabcde"));
    expect("POST /echo HTTP/1.1\r\n" CLOSE, PARTS(" 201 ", "Content-Length: 0\r\n"));
    int s = dial();
    put(s, "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" CLOSE);
    struct base_buf b = get(s, "\r\n\r\n");
    ck_assert_str_eq(base_buf_cstr(&b), "HTTP/1.1 100 Continue\r\n\r\n");
    base_buf_deinit(&b);
    put(s, "hi");
    b = get(s, NULL);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\n\r\nhi"));
    base_buf_deinit(&b);
    close(s);
}

START_TEST(bodies_are_collected_from_lengths_and_chunks)
{
    run(body_client);
}
END_TEST

static void split_client(struct fixture *x)
{
    (void)x;
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n\r\nGET /later HTTP/1.1\r\n" CLOSE;
    for (size_t i = 1; i < sizeof text - 1; i++) {
        int s = dial();
        ck_assert_int_eq(send(s, text, i, 0), (ssize_t)i);
        sched_yield();
        put(s, text + i);
        struct base_buf b = get(s, NULL);
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\n\r\nabcHTTP/1.1 200"));
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "\r\n\r\nlater"));
        base_buf_deinit(&b);
        close(s);
    }
}

START_TEST(requests_may_arrive_split_at_every_byte)
{
    run(split_client);
}
END_TEST

static void pipeline_client(struct fixture *x)
{
    (void)x;
    struct base_buf b = {0};
    for (int i = 0; i < 1000; i++)
        base_buf_printf(&b, "GET /%s HTTP/1.1\r\n" KEEP, i % 3 ? "hello" : "later");
    base_buf_add_str(&b, "GET /problem HTTP/1.1\r\n" CLOSE "GET /hello HTTP/1.1\r\n" KEEP);
    struct base_buf out = exchange(base_buf_cstr(&b));
    size_t n = 0;
    for (const char *s = base_buf_cstr(&out); (s = strstr(s, "HTTP/1.1 ")); s += 9, n++) {
        const char *want = n == 1000 ? "409" : "200";
        ck_assert(memcmp(s + 9, want, 3) == 0);
        const char *body = strstr(s, "\r\n\r\n") + 4;
        if (n < 1000)
            ck_assert(memcmp(body, n % 3 ? "hello" : "later", 5) == 0);
    }
    ck_assert_uint_eq(n, 1001);
    base_buf_deinit(&b);
    base_buf_deinit(&out);
}

START_TEST(pipelined_requests_are_answered_in_order)
{
    run(pipeline_client);
}
END_TEST

static void upload_client(struct fixture *x)
{
    (void)x;
    static uint8_t block[65536];
    for (int chunked = 0; chunked < 2; chunked++) {
        int s = dial();
        char head[200];
        snprintf(head, sizeof head, "PUT /in HTTP/1.1\r\n%s%s%.0d\r\n" KEEP,
                 chunked ? "Transfer-Encoding: chunked" : "Content-Length: ",
                 chunked ? "" : "8388608", chunked ? 0 : 0);
        put(s, head);
        for (size_t n = 0; n < BIG; n += sizeof block) {
            if (chunked)
                put(s, "10000\r\n");
            ck_assert_int_eq(send(s, block, sizeof block, 0), sizeof block);
            if (chunked)
                put(s, "\r\n");
        }
        if (chunked)
            put(s, "0\r\n\r\n");
        struct base_buf b = get(s, "8388608");
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), " 201 "));
        base_buf_deinit(&b);
        put(s, "GET /hello HTTP/1.1\r\n" CLOSE); /* the connection is still good */
        b = get(s, NULL);
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "hello"));
        base_buf_deinit(&b);
        close(s);
    }
}

START_TEST(a_streamed_body_comes_in_pieces_with_back_pressure)
{
    run(upload_client);
    ck_assert_uint_eq(f->streamed, BIG);
    ck_assert_uint_gt(f->pieces, 2 * BIG / 65536 - 1);
}
END_TEST

static void download_client(struct fixture *x)
{
    (void)x;
    struct base_buf b = exchange("GET /big?n=8388608 HTTP/1.1\r\n" CLOSE);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "Content-Length: 8388608\r\n"));
    size_t head = (size_t)(strstr(base_buf_cstr(&b), "\r\n\r\n") + 4 - base_buf_cstr(&b));
    ck_assert_uint_eq(b.n - head, BIG);
    base_buf_deinit(&b);
}

START_TEST(a_large_answer_arrives_whole)
{
    run(download_client);
}
END_TEST

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

static void leave_while_held(struct fixture *x)
{
    int s = dial();
    put(s, "GET /hold HTTP/1.1\r\n" KEEP);
    while (!atomic_load(&x->holding))
        sched_yield();
    reset(s);
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

static void crowd_client(struct fixture *x)
{
    (void)x;
    int a = dial();
    int b = dial();
    put(a, "GET /hello HTTP/1.1\r\n" KEEP);
    put(b, "GET /hello HTTP/1.1\r\n" KEEP);
    struct base_buf one = get(a, "hello");
    struct base_buf two = get(b, "hello");
    int c = dial();
    struct base_buf three = get(c, NULL);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&three), " 503 "));
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&three), "\r\nRetry-After: 5\r\n"));
    base_buf_deinit(&one);
    base_buf_deinit(&two);
    base_buf_deinit(&three);
    close(a);
    close(b);
    close(c);
}

START_TEST(a_connection_too_many_is_told_so)
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
    (void)x;
    int held = dial();
    put(held, "GET /hello HTTP/1.1\r\n" KEEP);
    struct base_buf b = get(held, "hello");
    base_buf_deinit(&b);
    int refused[2];
    for (int i = 0; i < 2; i++) {
        refused[i] = dial();
        b = get(refused[i], NULL);
        ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), " 503 "));
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
    int busy = dial();
    put(idle, "GET /hello HTTP/1.1\r\n" KEEP);
    struct base_buf b = get(idle, "hello");
    base_buf_deinit(&b);
    put(busy, "GET /hold HTTP/1.1\r\n" KEEP);
    while (!atomic_load(&x->holding))
        sched_yield();
    loop_post(x->loop, &x->stop_call, begin_stop, x);
    b = get(busy, NULL);
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "Connection: close\r\n"));
    ck_assert_ptr_nonnull(strstr(base_buf_cstr(&b), "later"));
    base_buf_deinit(&b);
    b = get(idle, NULL);
    ck_assert_uint_eq(b.n, 0);
    base_buf_deinit(&b);
    close(idle);
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

int main(void)
{
    Suite *s = suite_create("net_http");
    TCase *tc = tcase_create("http");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, handlers_answer_what_was_asked);
    tcase_add_test(tc, what_cannot_be_served_is_refused_with_a_reason);
    tcase_add_test(tc, a_chunked_body_over_the_limit_is_refused_while_it_comes);
    tcase_add_test(tc, a_streamed_body_may_have_what_the_server_allows);
    tcase_add_test(tc, bodies_are_collected_from_lengths_and_chunks);
    tcase_add_test(tc, requests_may_arrive_split_at_every_byte);
    tcase_add_test(tc, pipelined_requests_are_answered_in_order);
    tcase_add_test(tc, a_streamed_body_comes_in_pieces_with_back_pressure);
    tcase_add_test(tc, a_large_answer_arrives_whole);
    tcase_add_test(tc, a_client_that_leaves_during_an_upload_is_noticed);
    tcase_add_test(tc, a_client_that_resets_before_the_answer_is_noticed);
    tcase_add_test(tc, a_client_that_does_not_read_is_given_up);
    tcase_add_test(tc, silent_connections_are_closed);
    tcase_add_test(tc, a_connection_too_many_is_told_so);
    tcase_add_test(tc, as_many_refused_connections_are_read_on_as_may_be_open);
    tcase_add_test(tc, bodies_that_are_collected_are_bounded_together);
    tcase_add_test(tc, who_sends_much_to_be_collected_is_asked_who_it_is);
    tcase_add_test(tc, who_left_while_asked_is_gone_afterwards);
    tcase_add_test(tc, a_client_that_has_said_all_still_gets_its_answers);
    tcase_add_test(tc, stopping_lets_requests_under_way_end);
    tcase_add_test(tc, who_asks_when_the_client_has_left_already_is_told);
    tcase_add_test(tc, a_request_outlives_the_server);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
