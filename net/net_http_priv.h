/* Inside the HTTP server; only for net/net_http_*.c. */
#ifndef NET_HTTP_PRIV_H
#define NET_HTTP_PRIV_H

#include "net/net_http.h"
#include "net/net_http_parse.h"
#include "net/net_stream.h"

enum { NET_HTTP_TRICKLE = 1024 };          /* bytes of a body that count as progress */
enum { NET_HTTP_BODY_LITTLE = 16 * 1024 }; /* collected even beyond max_collected */
enum { NET_HTTP_PARAMS_MAX = 8, NET_HTTP_QUERY_MAX = 64, NET_HTTP_PEER = 46 };

struct net_http_pair {
    const char *name;
    size_t name_n;
    const char *value;
};

/*
 * A request. conn is NULL once the client has left or the answer is given. Freed when it is
 * answered, but never while its turn is posted.
 */
struct net_http_request {
    struct net_http_conn *conn;
    struct net_http_server *server; /* counted */
    struct base_arena arena;
    struct net_http_head head;
    const struct net_http_route *route;
    void *route_arg;
    const char *path;
    struct net_http_pair params[NET_HTTP_PARAMS_MAX];
    size_t param_count;
    struct net_http_pair *query;
    size_t query_count;
    char peer[NET_HTTP_PEER];
    bool loopback;
    bool secure; /* over TLS */
    int64_t started_ms;

    bool handed; /* the handler has it */
    struct base_buf body;
    uint64_t received;
    bool body_complete;
    const struct net_http_sink *sink;
    void *sink_arg;
    bool sink_paused;
    bool held; /* by on_body or on_collect */
    bool sender_asked;
    void *ticket;
    void (*on_abort)(void *arg);
    void *abort_arg;

    struct base_buf fields; /* "Name: value\r\n" … */
    bool own_cache_control;
    bool own_retry_after;
    int status;
    uint64_t sent;
    bool no_content;       /* HEAD: the head of the answer is all */
    bool closing;          /* the answer said Connection: close */
    struct loop_call turn; /* goes on in a later turn of the loop */
    bool turn_posted;
    bool freed; /* to be freed by the posted turn */
};

struct net_http_conn {
    struct net_http_server *server;
    struct net_http_conn *prev;
    struct net_http_conn *next;
    struct net_stream *stream;
    bool fresh; /* nothing was read yet */
    struct net_http_parser parser;
    struct base_bytes in;    /* input not yet parsed, in the read buffer or in pending */
    struct base_buf pending; /* input kept while a request is under way */
    struct net_http_request *req;
    enum {
        NET_HTTP_IDLE,
        NET_HTTP_READING_HEAD,
        NET_HTTP_READING_BODY,
        NET_HTTP_AWAITING_ANSWER,
        NET_HTTP_WRITING
    } phase; /* what the time-out is for */
    size_t queued_mark;
    uint64_t body_mark; /* of the body, received when its clock was started */
    bool eof;
    bool broken; /* a write failed: to be closed once nothing uses it */
    bool running;
    bool dead; /* to be freed at the end of run */
};

struct net_http_server {
    struct net_http_options o;
    struct net_listener *listener;
    struct net_http_conn *conns; /* newest first */
    struct net_http_conn *last;
    size_t conn_count;
    size_t refs;        /* itself and its requests */
    uint64_t collected; /* bytes of their bodies */
    bool stopping;
    void (*on_stopped)(void *arg);
    void *stopped_arg;
    struct loop_call stopped;
    bool stopped_posted;
    bool freed;
};

/* ---- net_http_route.c ---- */

/* Finds the route of method and path. Several may have the path: *allow lists
 * their methods ("" when none has it) for 405 and OPTIONS. */
const struct net_http_route *net_http_route_find(const struct net_http_options *o,
                                                 const char *method, const char *path, void **arg,
                                                 struct base_buf *allow);
/* Fills params from the path. BASE_EFORMAT: a bad escape, not UTF-8. */
enum base_err net_http_route_params(struct net_http_request *req) BASE_MUST_CHECK;
/* Decodes the query part of the target. BASE_EFORMAT, BASE_ELIMIT, BASE_ENOMEM. */
enum base_err net_http_query_parse(struct net_http_request *req, const char *query) BASE_MUST_CHECK;
/* The name of the first parameter that the route does not have or that is repeated (*again);
 * NULL when there is none. */
const char *net_http_query_wrong(const struct net_http_request *req, bool *again);

/* ---- net_http_request.c ---- */

/* Takes the head out of the connection's parser. NULL when out of memory. */
struct net_http_request *net_http_request_new(struct net_http_conn *c);
void net_http_request_free(struct net_http_request *req);
/* The client has left: tells whoever works on the request, which may be freed by it. */
void net_http_request_detach(struct net_http_request *req);
/* Log line and counters; once per request. */
void net_http_request_log(struct net_http_request *req);

/* ---- net_http_reply.c ---- */

/* Answers without a handler, then closes: what the parser or a limit refused. */
void net_http_refuse(struct net_http_conn *c, int status, const char *detail);

/* ---- net_http_conn.c ---- */

void net_http_conn_open(struct net_http_server *s, struct net_stream *stream);
/* The answer is complete; goes on with the next request or closes. */
void net_http_conn_next(struct net_http_conn *c, bool close);
/* Parses what can be parsed, and sets reading and the time-out. */
void net_http_conn_run(struct net_http_conn *c);
/* Says goodbye after what is queued; c is gone. */
void net_http_conn_finish(struct net_http_conn *c);
/* Closes at once; c is gone. */
void net_http_conn_drop(struct net_http_conn *c);

/* ---- net_http_server.c ---- */

void net_http_server_add(struct net_http_server *s, struct net_http_conn *c);
void net_http_server_remove(struct net_http_server *s, struct net_http_conn *c);
void net_http_server_release(struct net_http_server *s);

#endif
