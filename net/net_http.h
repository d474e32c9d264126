/*
 * HTTP/1.1 server (RFC 9110, 9112) on the loop.
 *
 * A flow folder exports a const table of routes; rdc/ joins the tables. The
 * handler of the route gets a request and must answer it exactly once, now or
 * later, on the loop thread, with net_http_reply or one of its relatives. The
 * request is valid until then, even when its client is long gone; then the answer
 * is dropped. What a handler allocates from the request's arena lives as long.
 *
 * The requests of one connection are served one after the other; while one is
 * under way only its body is read from the connection.
 *
 * Everything has a limit: the head (net_http_parse.h), the body (per route),
 * connections, and the time that each phase may take.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "loop/loop.h"
#include "net/net_tls.h"

#include <stdbool.h>

struct net_http_request;
struct net_http_server;

/* ---- routes ---- */

enum net_http_body {
    NET_HTTP_BODY_NONE,      /* a request with a body is refused with 413 */
    NET_HTTP_BODY_COLLECTED, /* the handler runs when the whole body is there */
    NET_HTTP_BODY_STREAMED   /* the handler runs first and takes the pieces */
};

enum net_http_flags {
    NET_HTTP_QUIET = 1,     /* logged at level debug: probes */
    NET_HTTP_UNCOUNTED = 2, /* not asked about with on_admit; its handler has a limit of its own */
};

/* arg is that of the table. */
typedef void net_http_handler_fn(struct net_http_request *req, void *arg);

struct net_http_route {
    const char *method; /* "GET" answers HEAD too; OPTIONS needs no route */
    /* "/api/v1/exams/{id}/claim": {id} matches one segment that is not empty.
     * A last segment {rest*} matches whatever remains, perhaps nothing. Where
     * several routes match, the one with a literal segment earliest wins. */
    const char *path;
    /* The names of its query parameters: "limit, state"; "" = it has none. Unknown and repeated
     * ones are refused with 400 rather than silently ignored. NULL = the handler looks at them
     * itself. */
    const char *query;
    net_http_handler_fn *handler;
    enum net_http_body body;
    uint64_t body_max; /* bytes; 0 = the server's max_body, of a streamed one max_stream */
    unsigned flags;
};

struct net_http_table {
    const struct net_http_route *routes;
    size_t n;
    void *arg;
};

/* ---- the server ---- */

/* What became of a request, for counters. */
struct net_http_result {
    const char *route; /* the path of the table; NULL when none matched */
    const char *method;
    int status;        /* 499: the client left before the answer */
    uint64_t received; /* bytes of the body */
    uint64_t sent;     /* bytes of the content, whether or not they arrived */
    uint64_t ms;
    void *ticket; /* as net_http_set_ticket left it; it ends here */
};

struct net_http_options {
    struct loop *loop;
    int fd;                              /* bound; the server listens on a duplicate */
    struct net_tls_context *tls;         /* borrowed for the server's life; NULL = plain */
    const struct net_http_table *tables; /* borrowed for the server's life */
    size_t table_count;
    size_t max_connections;     /* 0 = 10000; of more, the oldest without a request is closed */
    uint64_t max_body;          /* 0 = 1 MiB */
    uint64_t max_stream;        /* of a streamed body; 0 = no limit */
    uint64_t max_collected;     /* bytes of all collected bodies together; 0 = 256 MiB. Beyond it
                                 * bodies over 16 KiB are refused with 503. */
    uint64_t header_timeout_ms; /* 0 = 10 s, for a whole head */
    uint64_t body_timeout_ms;   /* 0 = 30 s, for each KiB, either way */
    uint64_t idle_timeout_ms;   /* 0 = 60 s, between requests */
    void (*on_result)(void *arg, const struct net_http_result *result); /* or NULL */
    /* A request that has a route (and is no probe), before its body is read: 0 = admitted;
     * else it is answered with 429 and this Retry-After, in seconds. May be NULL. */
    unsigned (*on_admit)(void *arg, struct net_http_request *req);
    /* More than 16 KiB of a collected body is about to be kept: no more is read until
     * net_http_collect, unless the request is answered instead. May be NULL. */
    void (*on_collect)(void *arg, struct net_http_request *req);
    /* n bytes of a streamed body arrived, before the handler sees them, or of a collected body
     * after net_http_collect. False: no more is read until net_http_go_on. May be NULL. */
    bool (*on_body)(void *arg, struct net_http_request *req, size_t n);
    /* A client that does not get as far as a request: TLS on the plain port, no TLS on the
     * TLS port, or a failed handshake. text: "word: what is wrong; what to do", where the
     * word is one of net_tls_cause_word. May be NULL. */
    void (*on_stranger)(void *arg, const char *address, const char *text);
    void *arg;
};

enum base_err net_http_server_new(const struct net_http_options *o,
                                  struct net_http_server **out) BASE_MUST_CHECK;
/* Stops accepting, closes idle connections, and lets requests under way end.
 * on_stopped (may be NULL) comes when the last connection is gone and the last
 * request is answered, also those whose clients have left; never before this
 * returns. */
void net_http_server_stop(struct net_http_server *s, void (*on_stopped)(void *arg), void *arg);
/* Closes what is left. Requests not yet answered stay valid. Takes NULL. */
void net_http_server_free(struct net_http_server *s);
/* Open connections; for tests. */
size_t net_http_server_connections(const struct net_http_server *s);

/* ---- the request ---- */

/* Strings are borrowed from the request. */
const char *net_http_method(const struct net_http_request *req);
/* As its route has it: with {name}s. */
const char *net_http_route_path(const struct net_http_request *req);
/* A {name} of the route, decoded, valid UTF-8 without control characters. NULL
 * when the route has no such name. */
const char *net_http_param(const struct net_http_request *req, const char *name);
/* The first query parameter of this name, decoded; NULL when there is none. Always
 * valid UTF-8, since other requests are refused with 400. */
const char *net_http_query(const struct net_http_request *req, const char *name);
/* All query parameters in order; false when i is past the last. */
bool net_http_query_at(const struct net_http_request *req, size_t i, const char **name,
                       const char **value);
/* Adds the fields of a collected application/x-www-form-urlencoded body to the query parameters.
 * BASE_EFORMAT, BASE_ELIMIT, BASE_ENOMEM: then the query has none. */
enum base_err net_http_query_add_form(struct net_http_request *req) BASE_MUST_CHECK;
/* The first header field of this name, or NULL. */
const char *net_http_header(const struct net_http_request *req, const char *name);
/* From the arena; NULL when there is none. */
const char *net_http_cookie(struct net_http_request *req, const char *name);
/* The token of "Authorization: Bearer …", or NULL. */
const char *net_http_bearer(const struct net_http_request *req);
/* Numeric address of the client. */
const char *net_http_peer(const struct net_http_request *req);
bool net_http_peer_is_loopback(const struct net_http_request *req);
/* How the client addressed us: "http://host:port", from the arena. "" when Host is missing or
 * malformed (RFC 9110 7.2). Behind a proxy the scheme is that of X-Forwarded-Proto. Unverified:
 * only for links in the answer to this client. */
const char *net_http_origin(struct net_http_request *req);
struct base_arena *net_http_arena(struct net_http_request *req);
/* True when the client has left: an answer would be dropped. */
bool net_http_is_gone(const struct net_http_request *req);
/* fn is called once if the client leaves before the answer is complete, or has left
 * already, never inside this call; the request must be answered all the same. Replaces an
 * earlier fn; NULL = none. */
void net_http_on_abort(struct net_http_request *req, void (*fn)(void *arg), void *arg);

/* A pointer for on_admit to attach to the request, NULL at first. */
void net_http_set_ticket(struct net_http_request *req, void *ticket);
void *net_http_ticket(const struct net_http_request *req);
/* Resumes the reading that on_collect stopped. req is invalid afterwards if the client left. */
void net_http_collect(struct net_http_request *req);
/* Resumes the reading that on_body stopped. */
void net_http_go_on(struct net_http_request *req);

/* ---- bodies ---- */

/* The collected body. Empty for the other modes. */
struct base_bytes net_http_body(const struct net_http_request *req);
/* The announced length of a streamed body; false when it is chunked. */
bool net_http_body_length(const struct net_http_request *req, uint64_t *length);

struct net_http_sink {
    /* A piece, borrowed during the call. It may pause, or answer. */
    void (*on_data)(void *arg, struct base_bytes bytes);
    /* The body is complete. Neither callback runs once the request is answered, nor
     * after the client left: then on_abort does. */
    void (*on_end)(void *arg);
};
/* Starts reading a streamed body. The first piece never comes before this
 * returns. sink is borrowed until the answer. */
void net_http_body_start(struct net_http_request *req, const struct net_http_sink *sink, void *arg);
/* Back-pressure. No piece comes after a pause. */
void net_http_body_pause(struct net_http_request *req);
/* May be called inside on_data; pieces never come before this returns. */
void net_http_body_resume(struct net_http_request *req);

/* ---- the answer ---- */

/* A header field of the answer, copied. Overrides the default of the same name
 * (Cache-Control: no-store). A name or value with control characters is
 * dropped. */
void net_http_reply_header(struct net_http_request *req, const char *name, const char *value);

/* Each of the next three ends the request: req is invalid afterwards.
 * type NULL with empty content: none is sent. */
void net_http_reply(struct net_http_request *req, int status, const char *type,
                    struct base_bytes content);
/* Moves *content, which is empty afterwards. A buffer in error becomes a 500. */
void net_http_reply_buf(struct net_http_request *req, int status, const char *type,
                        struct base_buf *content);
/* application/problem+json (RFC 9457). title NULL = the reason phrase of the
 * status; detail may be NULL. detail says what was wrong and what is allowed. */
void net_http_problem(struct net_http_request *req, int status, const char *title,
                      const char *detail);

/* Reason phrase, "" for a status not in RFC 9110. */
const char *net_http_reason(int status);

#endif
