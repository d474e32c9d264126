/*
 * A connection: feeds the parser, hands requests to their handlers one after
 * the other, and watches the clock.
 */
#include "net/net_http_priv.h"

#include "base/log.h"
#include "dicom/dicom_pdu.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLDEST = 256 /* connections that are looked at for one to close */ };

/* ---- life ---- */

static void conn_free(struct net_http_conn *c)
{
    if (c->running) {
        c->dead = true;
        return;
    }
    net_http_parser_deinit(&c->parser);
    base_buf_deinit(&c->pending);
    free(c);
}

/* Leaves the server's list and its request. */
static void leave(struct net_http_conn *c)
{
    struct net_http_request *req = c->req;
    c->req = NULL;
    c->stream = NULL;
    net_http_server_remove(c->server, c);
    conn_free(c);
    if (req)
        net_http_request_detach(req);
}

void net_http_conn_finish(struct net_http_conn *c)
{
    struct net_stream *s = c->stream;
    uint64_t ms = c->server->o.body_timeout_ms;
    if (c->broken) {
        net_http_conn_drop(c);
        return;
    }
    leave(c);
    net_stream_finish(s, ms);
}

void net_http_conn_drop(struct net_http_conn *c)
{
    struct net_stream *s = c->stream;
    leave(c);
    net_stream_close(s);
}

/* ---- requests ---- */

static void hand_over(struct net_http_conn *c)
{
    struct net_http_request *req = c->req;
    assert(!req->handed);
    req->handed = true;
    req->route->handler(req, req->route_arg);
}

static uint64_t body_max(const struct net_http_request *req)
{
    const struct net_http_options *o = &req->server->o;
    if (req->route->body == NET_HTTP_BODY_NONE)
        return 0;
    if (req->route->body_max)
        return req->route->body_max;
    return req->route->body == NET_HTTP_BODY_STREAMED ? o->max_stream : o->max_body;
}

enum { CAUSE_SIZE = 160 };

/* Why a body is refused with 413, before or while it comes. */
static const char *too_long(const struct net_http_request *req, char out[CAUSE_SIZE])
{
    snprintf(out, CAUSE_SIZE, "the body is longer than the %llu bytes that this address accepts%s",
             (unsigned long long)body_max(req),
             req->route->body == NET_HTTP_BODY_STREAMED ? "; send its files in several requests"
                                                        : "");
    return out;
}

/* A request that no handler gets: answered here, with the connection kept. */
static void answer_self(struct net_http_conn *c, int status, const char *detail,
                        const struct base_buf *allow)
{
    struct net_http_request *req = c->req;
    req->handed = true;
    req->body_complete = !req->head.chunked && req->head.length == 0;
    if (req->body_complete) { /* the parser has to come to its end, too */
        enum net_http_event event;
        struct base_bytes none;
        net_http_parse(&c->parser, base_bytes_of(NULL, 0), &event, &none);
    }
    if (allow)
        net_http_reply_header(req, "Allow", base_buf_cstr(allow));
    if (status == 204)
        net_http_reply(req, status, NULL, base_bytes_of(NULL, 0));
    else
        net_http_problem(req, status, NULL, detail);
}

/* False: answered already. */
static bool knows_query(struct net_http_conn *c)
{
    bool again;
    const char *wrong = net_http_query_wrong(c->req, &again);
    const char *known = c->req->route->query;
    struct base_buf detail = {0};
    if (!wrong)
        return true;
    if (again)
        base_buf_printf(&detail, "the query parameter \"%s\" may stand once", wrong);
    else
        base_buf_printf(&detail, "there is no query parameter \"%s\" here, %s%s", wrong,
                        known[0] ? "but " : "nor any other", known);
    answer_self(c, 400, base_buf_cstr(&detail), NULL);
    base_buf_deinit(&detail);
    return false;
}

/* Devices make an address of a base that ends with a slash and a path that begins with one. */
static const char *not_found_text(const char *path)
{
    size_t n = strlen(path);
    if (strstr(path, "//") || (n > 1 && path[n - 1] == '/'))
        return "nothing is at this address; it has a slash twice, or one at its end: leave that "
               "out";
    return "nothing is at this address";
}

/* Finds the route and reads what the target holds. False: answered already. */
static bool route(struct net_http_conn *c)
{
    struct net_http_request *req = c->req;
    const char *query = strchr(req->head.target, '?');
    size_t n = query ? (size_t)(query - req->head.target) : strlen(req->head.target);
    req->path = base_arena_strdup(&req->arena, req->head.target, n);
    struct base_buf allow = {0};
    if (req->path)
        req->route = net_http_route_find(&c->server->o, req->head.method, req->path,
                                         &req->route_arg, &allow);
    enum base_err err = req->path ? allow.err : BASE_ENOMEM;
    bool found = req->route != NULL;
    if (!err && found)
        err = net_http_route_params(req);
    if (!err && found && query)
        err = net_http_query_parse(req, query + 1);
    if (err == BASE_EFORMAT || err == BASE_ELIMIT)
        answer_self(c, 400, "the address is not percent-encoded UTF-8, or has too many parts",
                    NULL);
    else if (err)
        answer_self(c, 503, "out of memory", NULL);
    else if (!found && strcmp(req->head.method, "OPTIONS") == 0) {
        if (strcmp(req->path, "*") == 0)
            base_buf_add_str(&allow, "GET, HEAD, POST, PUT, PATCH, DELETE");
        answer_self(c, allow.n ? 204 : 404, "nothing is at this address", allow.n ? &allow : NULL);
    } else if (!found && allow.n) {
        char detail[160];
        snprintf(detail, sizeof detail, "%.20s is not possible at this address, but %.80s is",
                 req->head.method, base_buf_cstr(&allow));
        answer_self(c, 405, detail, &allow);
    } else if (!found)
        answer_self(c, 404, not_found_text(req->path), NULL);
    base_buf_deinit(&allow);
    return !err && found && knows_query(c);
}

/* RFC 9110 10.1.1: only when the body is wanted, and none of it is here yet. */
static void send_continue(struct net_http_conn *c)
{
    struct net_http_request *req = c->req;
    bool expected = req->head.expect_continue;
    req->head.expect_continue = false;
    if (!expected || c->in.n > 0 || (req->head.length == 0 && !req->head.chunked))
        return;
    if (net_stream_write(c->stream, base_bytes_str("HTTP/1.1 100 Continue\r\n\r\n"), NULL))
        c->broken = true;
}

/* RFC 6585 4: too many requests. False: answered already. */
static bool admit(struct net_http_conn *c)
{
    struct net_http_request *req = c->req;
    const struct net_http_options *o = &c->server->o;
    char seconds[16];
    if (!o->on_admit || req->route->flags & (NET_HTTP_QUIET | NET_HTTP_UNCOUNTED))
        return true;
    unsigned wait = o->on_admit(o->arg, req);
    if (wait == 0)
        return true;
    snprintf(seconds, sizeof seconds, "%u", wait);
    net_http_reply_header(req, "Retry-After", seconds);
    answer_self(c, 429, "more requests than are allowed in a second; wait as Retry-After says",
                NULL);
    return false;
}

/* Of a body that is collected so much will be kept: who sends it is asked first, once. */
static void check_sender(struct net_http_conn *c, uint64_t n)
{
    struct net_http_request *req = c->req;
    const struct net_http_options *o = &c->server->o;
    if (req->sender_asked || n <= NET_HTTP_BODY_LITTLE || !o->on_collect)
        return;
    req->sender_asked = req->handed = req->held = true;
    o->on_collect(o->arg, req);
}

static void on_head(struct net_http_conn *c)
{
    struct net_http_request *req = net_http_request_new(c);
    if (!req) {
        net_http_refuse(c, 503, "out of memory");
        return;
    }
    c->req = req;
    if (!route(c))
        return;
    if (!admit(c))
        return;
    uint64_t most = body_max(req);
    c->parser.body_max = most;
    if (req->head.length > most || (most == 0 && req->head.chunked)) {
        char cause[CAUSE_SIZE];
        answer_self(c, 413, most ? too_long(req, cause) : "this address accepts no body", NULL);
        return;
    }
    base_buf_init(&req->body, (size_t)most);
    if (req->route->body == NET_HTTP_BODY_STREAMED)
        hand_over(c);
    else
        check_sender(c, req->head.length);
}

static void on_data(struct net_http_conn *c, struct base_bytes data)
{
    struct net_http_request *req = c->req;
    const struct net_http_options *o = &c->server->o;
    req->received += data.n;
    if (req->route->body == NET_HTTP_BODY_STREAMED || req->sender_asked)
        req->held = o->on_body && !o->on_body(o->arg, req, data.n);
    if (req->route->body == NET_HTTP_BODY_STREAMED) {
        req->sink->on_data(req->sink_arg, data);
        return;
    }
    struct net_http_server *s = c->server;
    size_t before = req->body.n;
    base_buf_add(&req->body, data.p, data.n);
    s->collected += req->body.n - before;
    if (req->body.err)
        net_http_refuse(c, 503, "out of memory");
    else if (s->collected > s->o.max_collected && req->body.n > NET_HTTP_BODY_LITTLE)
        net_http_refuse(c, 503, "too many bodies are on their way; try again");
    else
        check_sender(c, req->body.n);
}

static void on_end(struct net_http_conn *c)
{
    struct net_http_request *req = c->req;
    req->body_complete = true;
    if (req->route->body == NET_HTTP_BODY_STREAMED)
        req->sink->on_end(req->sink_arg);
    else
        hand_over(c);
}

/* ---- parsing ---- */

/* May more of the input be taken now? */
static bool wants_input(const struct net_http_conn *c)
{
    const struct net_http_request *req = c->req;
    if (!req) /* back-pressure: the last answer has to leave first */
        return net_stream_queued(c->stream) == 0;
    if (req->body_complete || req->held)
        return false;
    return req->route->body != NET_HTTP_BODY_STREAMED || (req->sink && !req->sink_paused);
}

static void on_refused(struct net_http_conn *c)
{
    const struct net_http_parser *p = &c->parser;
    char cause[CAUSE_SIZE];
    net_http_refuse(c, p->status, c->req && p->status == 413 ? too_long(c->req, cause) : p->cause);
}

/* One event. False when there is nothing to do for now. */
static bool step(struct net_http_conn *c)
{
    enum net_http_event event;
    struct base_bytes data = {0};
    if (!wants_input(c))
        return false;
    if (c->req)
        send_continue(c);
    size_t used = net_http_parse(&c->parser, c->in, &event, &data);
    c->in = base_bytes_of(c->in.p + used, c->in.n - used);
    switch (event) {
    case NET_HTTP_MORE:
        return false;
    case NET_HTTP_HEAD:
        on_head(c);
        break;
    case NET_HTTP_DATA:
        on_data(c, data);
        break;
    case NET_HTTP_END:
        on_end(c);
        break;
    case NET_HTTP_REFUSED:
        on_refused(c);
        break;
    }
    return !c->dead;
}

/* ---- the clock ---- */

/* Sets the time-out by what the connection waits for. */
static void set_phase(struct net_http_conn *c)
{
    const struct net_http_options *o = &c->server->o;
    uint64_t ms = 0;
    int before = (int)c->phase;
    if (net_stream_queued(c->stream) > 0) {
        c->phase = NET_HTTP_WRITING;
        ms = o->body_timeout_ms;
    } else if (!c->req) {
        bool begun = net_http_parser_begun(&c->parser);
        c->phase = begun ? NET_HTTP_READING_HEAD : NET_HTTP_IDLE;
        ms = begun ? o->header_timeout_ms : o->idle_timeout_ms;
    } else if (wants_input(c)) {
        c->phase = NET_HTTP_READING_BODY;
        ms = o->body_timeout_ms;
    } else {
        c->phase = NET_HTTP_AWAITING_ANSWER;
    }
    /* The body's clock restarts only when enough of it came, so that a trickle cannot
     * hold a connection for ever; the other clocks never restart. */
    bool more =
        c->phase == NET_HTTP_READING_BODY && c->req->received >= c->body_mark + NET_HTTP_TRICKLE;
    if ((int)c->phase != before || more) {
        c->body_mark = c->req ? c->req->received : 0;
        c->queued_mark = net_stream_queued(c->stream);
        net_stream_timeout(c->stream, ms);
    }
}

static void on_timeout(void *arg)
{
    struct net_http_conn *c = arg;
    switch (c->phase) {
    case NET_HTTP_READING_HEAD:
        if (net_http_parser_begun(&c->parser))
            net_http_refuse(c, 408, "the head of the request took too long");
        else
            net_http_conn_drop(c);
        break;
    case NET_HTTP_READING_BODY:
        net_http_refuse(c, 408, "the body of the request stood still for too long");
        break;
    case NET_HTTP_WRITING:
        if (net_stream_queued(c->stream) < c->queued_mark) {
            c->queued_mark = net_stream_queued(c->stream);
            net_stream_timeout(c->stream, c->server->o.body_timeout_ms);
            break;
        }
        BASE_LOG(INFO, "http_client_stalled", LOG_S("peer", net_stream_peer(c->stream)));
        net_http_conn_drop(c);
        break;
    case NET_HTTP_IDLE:
    case NET_HTTP_AWAITING_ANSWER:
        net_http_conn_drop(c);
        break;
    }
}

/* ---- running ---- */

/* What follows from the end of the client's data. True: c is gone. */
static bool ends(struct net_http_conn *c)
{
    const struct net_http_request *req = c->req;
    if (c->broken) {
        net_http_conn_drop(c);
        return true;
    }
    if (!req && c->server->stopping && !net_http_parser_begun(&c->parser)) {
        net_http_conn_finish(c);
        return true;
    }
    if (!c->eof || c->in.n > 0)
        return false;
    if (!req && net_stream_queued(c->stream) == 0) {
        net_http_conn_finish(c);
        return true;
    }
    if (req && wants_input(c)) {
        net_http_conn_drop(c); /* the rest of the body will never come */
        return true;
    }
    return false;
}

/* Keeps in pending what was not parsed. False: out of memory. */
static bool keep_rest(struct net_http_conn *c)
{
    size_t rest = c->in.n;
    assert(c->pending.n == 0 || rest <= c->pending.n); /* a view of its end */
    if (c->pending.n > 0)
        base_buf_consume(&c->pending, c->pending.n - rest);
    else if (rest > 0)
        base_buf_add(&c->pending, c->in.p, rest);
    bool kept = c->pending.err == BASE_OK;
    if (c->pending.n == 0) /* idle connections own no buffer */
        base_buf_deinit(&c->pending);
    c->in = base_buf_bytes(&c->pending);
    return kept;
}

void net_http_conn_run(struct net_http_conn *c)
{
    if (c->running)
        return;
    c->running = true;
    while (!c->dead && !c->broken && step(c)) {
    }
    c->running = false;
    if (c->dead) {
        conn_free(c);
        return;
    }
    if (!keep_rest(c))
        c->broken = true;
    if (ends(c))
        return;
    /* While a handler works the next read is taken in, too, so that a client
     * that resets the connection is noticed; the one after waits. */
    if (c->pending.n == 0 && !c->eof)
        net_stream_resume(c->stream);
    else
        net_stream_pause(c->stream);
    set_phase(c);
}

void net_http_conn_next(struct net_http_conn *c, bool close)
{
    c->req = NULL;
    if (close || c->broken) {
        net_http_conn_finish(c);
        return;
    }
    net_http_parser_next(&c->parser);
    net_http_conn_run(c);
}

/* ---- events of the stream ---- */

static void tell_stranger(const struct net_http_conn *c, const char *cause, const char *detail,
                          const char *remedy)
{
    const struct net_http_options *o = &c->server->o;
    char text[512];
    snprintf(text, sizeof text, "%s: %s; %s", cause, detail, remedy);
    if (o->on_stranger)
        o->on_stranger(o->arg, net_stream_peer(c->stream), text);
    BASE_LOG(WARN, "http_stranger", LOG_S("address", net_stream_peer(c->stream)),
             LOG_S("cause", cause), LOG_S("detail", detail), LOG_S("remedy", remedy));
}

static void on_read(void *arg, struct base_bytes bytes)
{
    struct net_http_conn *c = arg;
    assert(c->pending.n == 0);
    if (c->fresh && bytes.p[0] == 0x16 && !net_stream_tls(c->stream))
        tell_stranger(c, "tls_on_plain_port", "TLS hello on the HTTP port, which is without TLS",
                      "use http:// on this port, or the port of https.address");
    else if (c->fresh && bytes.p[0] == DICOM_PDU_ASSOCIATE_RQ)
        tell_stranger(c, "dicom_on_http_port", "association request on the HTTP port",
                      "use the port of dicom.address");
    else if (c->fresh && bytes.p[0] == 0x0B)
        tell_stranger(c, "hl7_on_http_port", "HL7 message on the HTTP port",
                      "use the port of hl7.address");
    c->fresh = false;
    c->in = bytes;
    net_http_conn_run(c);
}

static void on_eof(void *arg)
{
    struct net_http_conn *c = arg;
    c->eof = true;
    net_http_conn_run(c);
}

static void on_drain(void *arg)
{
    struct net_http_conn *c = arg;
    net_http_conn_run(c);
}

static void on_error(void *arg, enum base_err err)
{
    struct net_http_conn *c = arg;
    const struct net_tls *tls = net_stream_tls(c->stream);
    enum net_tls_cause cause = tls ? net_tls_failure(tls) : NET_TLS_NONE;
    (void)err; /* a client that leaves is no event of its own: 499 is logged */
    if (cause == NET_TLS_PLAIN) {
        tell_stranger(c, net_tls_cause_word(cause), "no TLS on the HTTPS port",
                      "use https:// on this port, or the port of http.address");
        net_stream_unsecure(c->stream);
        net_http_refuse(c, 400,
                        "a plain HTTP request, and this port speaks HTTPS: write https:// in "
                        "place of http://");
        return;
    }
    if (cause)
        tell_stranger(c, net_tls_cause_word(cause), net_tls_failure_text(tls),
                      net_tls_cause_remedy(cause));
    net_http_conn_drop(c);
}

static const struct net_stream_events events = {
    .on_read = on_read,
    .on_eof = on_eof,
    .on_drain = on_drain,
    .on_timeout = on_timeout,
    .on_error = on_error,
};

/* RFC 9112 9.5: a connection without a request may be closed at any time. The oldest of them makes
 * room, so that one client which opens more and more keeps nobody else out. Where even the oldest
 * connections have requests, looking at all would cost a flood less than us. */
static bool make_room(struct net_http_server *s)
{
    struct net_http_conn *c = s->last;
    for (int i = 0; c && i < OLDEST; i++, c = c->prev)
        if (!c->req && !net_http_parser_begun(&c->parser) && net_stream_queued(c->stream) == 0) {
            net_http_conn_drop(c);
            return true;
        }
    return false;
}

void net_http_conn_open(struct net_http_server *s, struct net_stream *stream)
{
    struct net_http_conn *c = calloc(1, sizeof *c);
    if (!c) {
        net_stream_close(stream);
        return;
    }
    c->server = s;
    c->stream = stream;
    c->fresh = true;
    net_http_parser_init(&c->parser);
    bool full = s->conn_count >= s->o.max_connections && !make_room(s);
    net_http_server_add(s, c);
    net_stream_start(stream, &events, c);
    if (full) {
        net_http_refuse(c, 503, "too many connections");
        return;
    }
    /* A new connection must send something soon, as if a head had begun. */
    c->phase = NET_HTTP_READING_HEAD;
    net_stream_timeout(stream, s->o.header_timeout_ms);
}
