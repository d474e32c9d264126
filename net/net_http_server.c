/* The server: listening, the list of connections, stopping. */
#include "net/net_http_priv.h"

#include <stdlib.h>

static void stopped_if_empty(struct net_http_server *s);

void net_http_server_release(struct net_http_server *s)
{
    if (--s->refs == 0)
        free(s);
    else
        stopped_if_empty(s);
}

void net_http_server_add(struct net_http_server *s, struct net_http_conn *c)
{
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    else
        s->last = c;
    s->conns = c;
    s->conn_count++;
}

static void on_stopped(void *arg)
{
    struct net_http_server *s = arg;
    if (!s->freed && s->on_stopped)
        s->on_stopped(s->stopped_arg);
    net_http_server_release(s);
}

/* A request whose client has left is still under way: what its handler waits for may need what
 * the owner closes when the server has stopped. */
static void stopped_if_empty(struct net_http_server *s)
{
    if (!s->stopping || s->freed || s->stopped_posted || s->conns || s->refs > 1)
        return;
    s->stopped_posted = true;
    s->refs++;
    loop_post(s->o.loop, &s->stopped, on_stopped, s);
}

void net_http_server_remove(struct net_http_server *s, struct net_http_conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        s->last = c->prev;
    s->conn_count--;
    stopped_if_empty(s);
}

static void on_accept(void *arg, struct net_stream *stream)
{
    const struct net_http_server *s = arg;
    if (s->o.tls && net_stream_secure(stream, s->o.tls)) {
        net_stream_close(stream);
        return;
    }
    net_http_conn_open(arg, stream);
}

enum base_err net_http_server_new(const struct net_http_options *o, struct net_http_server **out)
{
    struct net_http_server *s = calloc(1, sizeof *s);
    if (!s)
        return BASE_ENOMEM;
    s->o = *o;
    s->refs = 1;
    if (!s->o.max_connections)
        s->o.max_connections = 10000;
    if (!s->o.max_body)
        s->o.max_body = 1 << 20;
    if (!s->o.max_collected)
        s->o.max_collected = 256 << 20;
    if (!s->o.max_stream)
        s->o.max_stream = UINT64_MAX;
    if (!s->o.header_timeout_ms)
        s->o.header_timeout_ms = 10000;
    if (!s->o.body_timeout_ms)
        s->o.body_timeout_ms = 30000;
    if (!s->o.idle_timeout_ms)
        s->o.idle_timeout_ms = 60000;
    const struct net_linger linger = {.max = s->o.max_connections};
    enum base_err err = net_listener_new(o->loop, o->fd, &linger, on_accept, s, &s->listener);
    if (err) {
        free(s);
        return err;
    }
    *out = s;
    return BASE_OK;
}

void net_http_server_stop(struct net_http_server *s, void (*fn)(void *arg), void *arg)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->on_stopped = fn;
    s->stopped_arg = arg;
    net_listener_free(s->listener);
    s->listener = NULL;
    struct net_http_conn *next;
    for (struct net_http_conn *c = s->conns; c; c = next) {
        next = c->next;
        if (!c->req && !net_http_parser_begun(&c->parser))
            net_http_conn_finish(c);
    }
    stopped_if_empty(s);
}

void net_http_server_free(struct net_http_server *s)
{
    if (!s)
        return;
    s->freed = true;
    s->stopping = true;
    net_listener_free(s->listener);
    while (s->conns)
        net_http_conn_drop(s->conns);
    net_http_server_release(s);
}

size_t net_http_server_connections(const struct net_http_server *s)
{
    return s->conn_count;
}
