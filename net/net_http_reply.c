/* Answers: heads, simple and streamed content, problems. */
#include "net/net_http_priv.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* RFC 9110 15.6.4: what is answered with 503 passes; who says nothing else asks for some seconds.
 */
static const char retry_after[] = "Retry-After: 5\r\n";

/* RFC 9110 15. */
static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},           /* RFC 6585 */
    {429, "Too Many Requests"},               /* RFC 6585 */
    {431, "Request Header Fields Too Large"}, /* RFC 6585 */
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"}, /* RFC 4918 */
};

const char *net_http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "";
}

/* ---- heads ---- */

static void add_status_line(struct base_buf *b, int status)
{
    time_t now = (time_t)(base_clock_wall_us() / 1000000);
    struct tm tm;
    char date[40];
    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm); /* RFC 9110 5.6.7 */
    base_buf_printf(b, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, net_http_reason(status), date);
    base_buf_add_str(b, "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n");
}

static bool has_content(int status)
{
    return status >= 200 && status != 204 && status != 304; /* RFC 9110 6.4.1 */
}

/* A connection whose request body was not read to its end cannot be used again. */
static bool must_close(const struct net_http_request *req)
{
    return !req->head.keep_alive || !req->body_complete || req->server->stopping;
}

static void add_head(struct net_http_request *req, struct base_buf *b, const char *type,
                     int64_t length)
{
    add_status_line(b, req->status);
    if (!req->own_cache_control)
        base_buf_add_str(b, "Cache-Control: no-store\r\n");
    if (type)
        base_buf_printf(b, "Content-Type: %s\r\n", type);
    if (req->chunked)
        base_buf_add_str(b, "Transfer-Encoding: chunked\r\n");
    else if (length >= 0 && has_content(req->status))
        base_buf_printf(b, "Content-Length: %" PRId64 "\r\n", length);
    req->closing = must_close(req) || (length < 0 && !req->chunked);
    if (req->closing)
        base_buf_add_str(b, "Connection: close\r\n");
    else if (req->head.http10)
        base_buf_add_str(b, "Connection: keep-alive\r\n");
    if (req->status == 503 && !req->own_retry_after)
        base_buf_add_str(b, retry_after);
    base_buf_add(b, req->fields.p, req->fields.n);
    base_buf_add_str(b, "\r\n");
}

static bool is_field_text(const char *s)
{
    for (; *s; s++) {
        if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
            return false;
    }
    return true;
}

void net_http_reply_header(struct net_http_request *req, const char *name, const char *value)
{
    if (!*name || strpbrk(name, ": \t") || !is_field_text(name) || !is_field_text(value)) {
        BASE_LOG(ERROR, "http_reply_header_dropped", LOG_S("name", name));
        return;
    }
    if (strcasecmp(name, "Cache-Control") == 0)
        req->own_cache_control = true;
    if (strcasecmp(name, "Retry-After") == 0)
        req->own_retry_after = true;
    base_buf_printf(&req->fields, "%s: %s\r\n", name, value);
}

/* ---- simple answers ---- */

/* The answer is given; req is freed. */
static void answered(struct net_http_request *req)
{
    struct net_http_conn *c = req->conn;
    bool closing = req->closing;
    req->answer = NET_HTTP_ANSWERED;
    net_http_request_log(req);
    req->conn = NULL;
    net_http_request_free(req);
    if (c)
        net_http_conn_next(c, closing);
}

static void make_problem(struct base_buf *b, int status, const char *title, const char *detail)
{
    struct base_json j;
    base_json_init(&j, b);
    base_json_open_object(&j);
    base_json_member_string(&j, "type", "about:blank"); /* RFC 9457 4.2.1: title is the reason */
    base_json_member_string(&j, "title", title ? title : net_http_reason(status));
    base_json_member_int(&j, "status", status);
    base_json_member_filled(&j, "detail", detail);
    base_json_close_object(&j);
    base_buf_add_byte(b, '\n');
}

static void send_answer(struct net_http_request *req, const char *type, struct base_buf *content)
{
    struct base_buf head = {0};
    add_head(req, &head, type, (int64_t)content->n);
    if (req->no_content || !has_content(req->status))
        base_buf_deinit(content);
    req->sent = content->n;
    enum base_err err = head.err ? head.err : req->fields.err;
    if (!err)
        err = net_stream_write(req->conn->stream, base_buf_bytes(&head), content);
    if (err)
        req->conn->broken = true;
    base_buf_deinit(&head);
}

void net_http_reply_buf(struct net_http_request *req, int status, const char *type,
                        struct base_buf *content)
{
    assert(req->handed && req->answer == NET_HTTP_WAITING);
    if (content->err) {
        BASE_LOG(ERROR, "http_reply_failed", LOG_S("cause", base_err_text(content->err)));
        base_buf_deinit(content);
        content->err = BASE_OK;
        net_http_problem(req, 500, NULL, "the answer could not be built");
        return;
    }
    req->status = req->conn ? status : 499;
    if (req->conn)
        send_answer(req, type, content);
    base_buf_deinit(content);
    answered(req);
}

void net_http_reply(struct net_http_request *req, int status, const char *type,
                    struct base_bytes content)
{
    struct base_buf copy = {0};
    base_buf_add(&copy, content.p, content.n);
    net_http_reply_buf(req, status, type, &copy);
}

void net_http_problem(struct net_http_request *req, int status, const char *title,
                      const char *detail)
{
    struct base_buf b = {0};
    make_problem(&b, status, title, detail);
    if (b.err)
        base_buf_reset(&b);
    net_http_reply_buf(req, status, "application/problem+json", &b);
}

void net_http_refuse(struct net_http_conn *c, int status, const char *detail)
{
    struct base_buf head = {0};
    struct base_buf content = {0};
    make_problem(&content, status, NULL, detail);
    add_status_line(&head, status);
    base_buf_printf(&head,
                    "Cache-Control: no-store\r\nContent-Type: application/problem+json\r\n"
                    "Content-Length: %zu\r\nConnection: close\r\n",
                    content.n);
    /* RFC 9110 15.5.16: which content codings would have been taken. A 415 of a handler is about
     * the media type, and says nothing of them. */
    if (status == 415)
        base_buf_add_str(&head, "Accept-Encoding: identity\r\n");
    if (status == 503)
        base_buf_add_str(&head, retry_after);
    base_buf_add_str(&head, "\r\n");
    BASE_LOG(INFO, "http_refused", LOG_I("status", status), LOG_S("cause", detail),
             LOG_S("peer", net_stream_peer(c->stream)));
    if (c->server->o.on_result && !c->req) { /* a request is counted when it ends */
        struct net_http_result r = {.method = "-", .status = status, .sent = content.n};
        c->server->o.on_result(c->server->o.arg, &r);
    }
    if (head.err || content.err ||
        net_stream_write(c->stream, base_buf_bytes(&head), &content) != BASE_OK)
        c->broken = true;
    base_buf_deinit(&head);
    base_buf_deinit(&content);
    net_http_conn_finish(c);
}

/* ---- streamed answers ---- */

void net_http_reply_start(struct net_http_request *req, int status, const char *type,
                          int64_t length, const struct net_http_source *source, void *arg)
{
    assert(req->handed && req->answer == NET_HTTP_WAITING && source->on_pull && source->on_done);
    req->answer = NET_HTTP_STREAMING;
    req->source = source;
    req->source_arg = arg;
    req->status = status;
    req->left = length >= 0 ? (uint64_t)length : UINT64_MAX;
    if (req->conn) {
        struct base_buf head = {0};
        /* RFC 9112 6.1: no chunks for HTTP/1.0, which reads to the end instead. */
        req->chunked = length < 0 && !req->head.http10;
        add_head(req, &head, type, length);
        enum base_err err = head.err ? head.err : req->fields.err;
        if (!err)
            err = net_stream_write(req->conn->stream, base_buf_bytes(&head), NULL);
        if (err)
            req->conn->broken = true;
        base_buf_deinit(&head);
    }
    net_http_request_later(req);
    if (req->conn)
        net_http_conn_set_phase(req->conn);
}

/* Tells the source; the request is gone. */
static void source_done(struct net_http_request *req, bool complete)
{
    const struct net_http_source *source = req->source;
    req->answer = NET_HTTP_ANSWERED;
    req->closing = req->closing || !complete;
    if (!complete)
        req->status = req->conn && !req->conn->broken ? req->status : 499;
    if (req->conn && !complete)
        req->conn->broken = true;
    source->on_done(req->source_arg, complete);
    answered(req);
}

void net_http_reply_pull(struct net_http_request *req)
{
    if (!req->conn || req->conn->broken)
        source_done(req, false);
    else if (req->no_content)
        source_done(req, true);
    else if (net_stream_queued(req->conn->stream) == 0)
        req->source->on_pull(req->source_arg);
}

/* One chunk: RFC 9112 7.1. */
static enum base_err write_chunk(struct net_stream *s, struct base_bytes bytes)
{
    char size[20];
    int n = snprintf(size, sizeof size, "%zx\r\n", bytes.n);
    struct base_buf rest = {0};
    base_buf_reserve(&rest, bytes.n + 2);
    base_buf_add(&rest, bytes.p, bytes.n);
    base_buf_add_str(&rest, "\r\n");
    enum base_err err = rest.err;
    if (!err)
        err = net_stream_write(s, base_bytes_of(size, (size_t)n), &rest);
    base_buf_deinit(&rest);
    return err;
}

void net_http_reply_push(struct net_http_request *req, struct base_bytes bytes)
{
    struct net_http_conn *c = req->conn;
    assert(req->answer == NET_HTTP_STREAMING);
    if (!c || c->broken || req->no_content || bytes.n == 0)
        return;
    enum base_err err = bytes.n > req->left ? BASE_EINTERNAL : BASE_OK;
    if (!err)
        err =
            req->chunked ? write_chunk(c->stream, bytes) : net_stream_write(c->stream, bytes, NULL);
    if (err) {
        if (err == BASE_EINTERNAL)
            BASE_LOG(ERROR, "http_reply_too_long", LOG_S("path", req->route->path));
        c->broken = true;
    }
    req->sent += bytes.n;
    req->left -= err ? 0 : bytes.n;
    if (c->broken || net_stream_queued(c->stream) == 0)
        net_http_request_later(req);
    net_http_conn_set_phase(c);
}

void net_http_reply_end(struct net_http_request *req)
{
    struct net_http_conn *c = req->conn;
    assert(req->answer == NET_HTTP_STREAMING);
    bool complete = c && !c->broken;
    if (complete && req->chunked && !req->no_content)
        complete = net_stream_write(c->stream, base_bytes_str("0\r\n\r\n"), NULL) == BASE_OK;
    else if (complete && !req->no_content && req->left != 0 && req->left <= INT64_MAX)
        complete = false; /* shorter than announced */
    source_done(req, complete);
}

void net_http_reply_abort(struct net_http_request *req)
{
    assert(req->answer == NET_HTTP_STREAMING);
    source_done(req, false);
}
