/* What a handler can ask of a request, and how a request ends. */
#include "net/net_http_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct net_http_request *net_http_request_new(struct net_http_conn *c)
{
    struct net_http_request *req = calloc(1, sizeof *req);
    if (!req)
        return NULL;
    base_arena_init(&req->arena, 0);
    req->conn = c;
    req->server = c->server;
    req->server->refs++;
    req->started_ms = base_clock_mono_ms();
    req->head = c->parser.head;
    c->parser.head.bytes = (struct base_buf){0};
    req->no_content = strcmp(req->head.method, "HEAD") == 0;
    snprintf(req->peer, sizeof req->peer, "%s", net_stream_peer(c->stream));
    req->secure = net_stream_tls(c->stream) != NULL;
    req->loopback = net_stream_peer_is_loopback(c->stream);
    return req;
}

void net_http_request_free(struct net_http_request *req)
{
    if (req->turn_posted) {
        req->freed = true;
        return;
    }
    base_buf_deinit(&req->head.bytes);
    assert(req->server->collected >= req->body.n);
    req->server->collected -= req->body.n;
    base_buf_deinit(&req->body);
    base_buf_deinit(&req->fields);
    base_arena_deinit(&req->arena);
    net_http_server_release(req->server);
    free(req);
}

static void end_unanswered(struct net_http_request *req)
{
    req->status = 499;
    net_http_request_log(req);
    net_http_request_free(req);
}

void net_http_request_detach(struct net_http_request *req)
{
    void (*fn)(void *) = req->on_abort;
    req->conn = NULL;
    req->on_abort = NULL;
    if (!req->handed)
        end_unanswered(req);
    else if (fn)
        fn(req->abort_arg); /* may answer, which frees req */
}

/* For an on_abort that was set after the client had left. */
static void tell_abort(struct net_http_request *req)
{
    void (*fn)(void *) = req->on_abort;
    req->on_abort = NULL;
    if (fn)
        fn(req->abort_arg);
}

static void on_turn(void *arg)
{
    struct net_http_request *req = arg;
    req->turn_posted = false;
    if (req->freed)
        net_http_request_free(req);
    else if (!req->conn)
        tell_abort(req);
    else if (req->conn->broken)
        net_http_conn_drop(req->conn);
    else
        net_http_conn_run(req->conn);
}

static void post_turn(struct net_http_request *req)
{
    if (req->turn_posted)
        return;
    req->turn_posted = true;
    loop_post(req->server->o.loop, &req->turn, on_turn, req);
}

/* Resumes the body in a later turn of the loop. */
static void go_on_later(struct net_http_request *req)
{
    if (req->conn)
        post_turn(req);
}

void net_http_request_log(struct net_http_request *req)
{
    uint64_t ms = (uint64_t)(base_clock_mono_ms() - req->started_ms);
    const struct net_http_options *o = &req->server->o;
    bool quiet = req->route && req->route->flags & NET_HTTP_QUIET;
    /* The query is left out, and the path unless it is one of ours: either may
     * hold a patient's name. */
    const struct base_log_field fields[] = {
        LOG_S("method", req->head.method), LOG_S("path", req->route ? req->path : "-"),
        LOG_I("status", req->status),      LOG_U("received", req->received),
        LOG_U("sent", req->sent),          LOG_U("ms", ms),
        LOG_S("peer", req->peer),
    };
    base_log_write(quiet ? BASE_LOG_DEBUG : BASE_LOG_INFO, "http_request", fields,
                   sizeof fields / sizeof fields[0]);
    if (o->on_result) {
        struct net_http_result result = {.route = req->route ? req->route->path : NULL,
                                         .method = req->head.method,
                                         .status = req->status,
                                         .received = req->received,
                                         .sent = req->sent,
                                         .ms = ms,
                                         .ticket = req->ticket};
        req->ticket = NULL;
        o->on_result(o->arg, &result);
    }
}

/* ---- accessors ---- */

const char *net_http_method(const struct net_http_request *req)
{
    return req->head.method;
}

const char *net_http_route_path(const struct net_http_request *req)
{
    return req->route->path;
}

const char *net_http_param(const struct net_http_request *req, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < req->param_count; i++) {
        const struct net_http_pair *p = &req->params[i];
        if (p->name_n == n && memcmp(p->name, name, n) == 0)
            return p->value;
    }
    return NULL;
}

const char *net_http_query(const struct net_http_request *req, const char *name)
{
    for (size_t i = 0; i < req->query_count; i++) {
        if (strcmp(req->query[i].name, name) == 0)
            return req->query[i].value;
    }
    return NULL;
}

bool net_http_query_at(const struct net_http_request *req, size_t i, const char **name,
                       const char **value)
{
    if (i >= req->query_count)
        return false;
    *name = req->query[i].name;
    *value = req->query[i].value;
    return true;
}

enum base_err net_http_query_add_form(struct net_http_request *req)
{
    const char *query = strchr(req->head.target, '?');
    size_t n = query ? strlen(++query) : 0;
    char *text = base_arena_alloc(&req->arena, n + 1 + req->body.n + 1);
    req->query_count = 0;
    if (!text)
        return BASE_ENOMEM;
    if (req->body.n && memchr(req->body.p, 0, req->body.n))
        return BASE_EFORMAT;
    snprintf(text, n + 1 + req->body.n + 1, "%s&%.*s", query ? query : "", (int)req->body.n,
             req->body.n ? (const char *)req->body.p : "");
    enum base_err err = net_http_query_parse(req, text);
    if (err)
        req->query_count = 0;
    return err;
}

const char *net_http_header(const struct net_http_request *req, const char *name)
{
    return net_http_head_field(&req->head, name);
}

const char *net_http_cookie(struct net_http_request *req, const char *name)
{
    const char *s = net_http_header(req, "Cookie");
    size_t n = strlen(name);
    while (s && *s) { /* RFC 6265 4.2.1: name=value; name=value */
        s += strspn(s, "; \t");
        size_t len = strcspn(s, ";");
        if (len > n && s[n] == '=' && memcmp(s, name, n) == 0) {
            len -= n + 1;
            s += n + 1;
            while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
                len--;
            return base_arena_strdup(&req->arena, s, len);
        }
        s += len;
    }
    return NULL;
}

const char *net_http_bearer(const struct net_http_request *req)
{
    const char *s = net_http_header(req, "Authorization");
    if (!s || strncasecmp(s, "Bearer ", 7) != 0)
        return NULL;
    s += 7;
    s += strspn(s, " ");
    return *s ? s : NULL;
}

const char *net_http_peer(const struct net_http_request *req)
{
    return req->peer;
}

bool net_http_peer_is_loopback(const struct net_http_request *req)
{
    return req->loopback;
}

/* RFC 3986 3.2.2, 3.2.3, without the characters that an address of ours never has. */
static bool is_host(const char *s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-.:[]_";
    size_t n = strspn(s, allowed);
    return n > 0 && n <= 255 && !s[n];
}

const char *net_http_origin(struct net_http_request *req)
{
    const char *host = net_http_header(req, "Host");
    const char *scheme = net_http_header(req, "X-Forwarded-Proto");
    if (!host || !is_host(host))
        return "";
    if (!scheme || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        scheme = req->secure ? "https" : "http";
    size_t n = strlen(scheme) + strlen("://") + strlen(host);
    char *out = base_arena_alloc(&req->arena, n + 1);
    if (!out)
        return "";
    snprintf(out, n + 1, "%s://%s", scheme, host);
    return out;
}

struct base_arena *net_http_arena(struct net_http_request *req)
{
    return &req->arena;
}

bool net_http_is_gone(const struct net_http_request *req)
{
    return !req->conn || req->conn->broken;
}

void net_http_on_abort(struct net_http_request *req, void (*fn)(void *arg), void *arg)
{
    req->on_abort = fn;
    req->abort_arg = arg;
    if (fn && !req->conn)
        post_turn(req);
}

void net_http_set_ticket(struct net_http_request *req, void *ticket)
{
    req->ticket = ticket;
}

void *net_http_ticket(const struct net_http_request *req)
{
    return req->ticket;
}

void net_http_collect(struct net_http_request *req)
{
    req->handed = false;
    if (req->conn)
        net_http_go_on(req);
    else
        end_unanswered(req);
}

void net_http_go_on(struct net_http_request *req)
{
    req->held = false;
    go_on_later(req);
}

/* ---- bodies ---- */

struct base_bytes net_http_body(const struct net_http_request *req)
{
    return base_buf_bytes(&req->body);
}

bool net_http_body_length(const struct net_http_request *req, uint64_t *length)
{
    if (req->head.chunked)
        return false;
    *length = req->head.length;
    return true;
}

void net_http_body_start(struct net_http_request *req, const struct net_http_sink *sink, void *arg)
{
    assert(req->route->body == NET_HTTP_BODY_STREAMED && !req->sink);
    req->sink = sink;
    req->sink_arg = arg;
    go_on_later(req);
}

void net_http_body_pause(struct net_http_request *req)
{
    req->sink_paused = true;
}

void net_http_body_resume(struct net_http_request *req)
{
    req->sink_paused = false;
    go_on_later(req);
}
