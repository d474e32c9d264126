/* Answers: heads, content, problems. */
#include "net/net_http_priv.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* RFC 9110 15.6.4: a 503 is temporary; this is when to come back unless the handler says. */
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
                     size_t length)
{
    add_status_line(b, req->status);
    if (!req->own_cache_control)
        base_buf_add_str(b, "Cache-Control: no-store\r\n");
    if (type)
        base_buf_printf(b, "Content-Type: %s\r\n", type);
    if (has_content(req->status))
        base_buf_printf(b, "Content-Length: %zu\r\n", length);
    req->closing = must_close(req);
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
    add_head(req, &head, type, content->n);
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
    assert(req->handed && !req->freed);
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
    /* RFC 9110 15.5.16: the content codings we accept. Only here: a 415 of a handler is about the
     * media type. */
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
