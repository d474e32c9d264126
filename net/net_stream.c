#include "net/net_stream.h"

#include "base/log.h"
#include "net/net_address.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { BACKLOG = 1024, ACCEPT_AGAIN_MS = 100, READ_SIZE = 64 * 1024, FLUSH_MS = 2000 };

/* Long enough for a client that sends all of a large body before it reads our answer. */
enum { LINGER_MS = 30000, LINGER_IDLE_MS = 5000 };

/*
 *   OPEN ─► FINISHING ─► CLOSED
 *
 * Any state goes to CLOSED. Freed by the last callback.
 */
enum state { OPEN, FINISHING, CLOSED };

struct net_stream {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_shutdown_t shutdown;
    enum state state;
    unsigned pending;              /* handles and requests that will still call back */
    struct net_listener *listener; /* counted */
    bool reading;
    bool broken;         /* on_error was called or write failed */
    struct net_tls *tls; /* NULL: none */
    const struct net_stream_events *events;
    void *arg;
    uint64_t linger_until; /* of the loop's clock; 0: our end is not sent yet */
    size_t queued_before;  /* at the last check for progress */
    uint64_t flush_ms;
    struct net_address peer;
};

struct net_listener {
    uv_tcp_t tcp;
    struct loop_timer *again;
    net_accept_fn *fn;
    void *arg;
    struct net_linger linger;
    size_t finishing; /* of its streams */
    size_t refs;      /* itself and its streams */
};

struct write {
    uv_write_t req;
    struct base_buf body;
    uint8_t head[];
};

static enum base_err from_uv(int r)
{
    if (r == UV_EOF || r == UV_ECONNRESET || r == UV_EPIPE || r == UV_ECONNABORTED)
        return BASE_ECLOSED;
    if (r == UV_ETIMEDOUT)
        return BASE_ETIMEOUT;
    return base_err_from_errno(-r);
}

/* ---- life ---- */

static void release_listener(struct net_listener *l)
{
    assert(l->refs > 0);
    if (--l->refs == 0)
        free(l);
}

static void release(struct net_stream *s)
{
    assert(s->pending > 0);
    if (--s->pending)
        return;
    assert(s->state == CLOSED);
    net_tls_free(s->tls);
    if (s->listener)
        release_listener(s->listener);
    free(s);
}

static void on_closed(uv_handle_t *h)
{
    release(h->data);
}

static struct net_stream *stream_new(uv_loop_t *uv)
{
    struct net_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    /* Without an address family no socket is made, so neither can fail. */
    uv_tcp_init(uv, &s->tcp);
    uv_timer_init(uv, &s->timer);
    s->tcp.data = s;
    s->timer.data = s;
    s->pending = 2;
    s->state = OPEN;
    return s;
}

static void close_now(struct net_stream *s)
{
    if (s->state == CLOSED)
        return;
    assert(s->state != FINISHING || s->listener->finishing > 0);
    if (s->state == FINISHING)
        s->listener->finishing--;
    s->state = CLOSED;
    uv_close((uv_handle_t *)&s->tcp, on_closed);
    uv_close((uv_handle_t *)&s->timer, on_closed);
}

void net_stream_close(struct net_stream *s)
{
    if (s)
        close_now(s);
}

static enum base_err send_tls(struct net_stream *s);

static void fail(struct net_stream *s, enum base_err err)
{
    if (s->state == FINISHING) {
        close_now(s);
        return;
    }
    if (s->state == CLOSED || s->broken)
        return;
    s->broken = true;
    net_stream_pause(s);
    uv_timer_stop(&s->timer);
    s->events->on_error(s->arg, err);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    (void)h;
    (void)suggested;
    /* One buffer per read, not per connection: idle connections own none. */
    char *p = malloc(READ_SIZE);
    *buf = uv_buf_init(p, p ? READ_SIZE : 0);
}

static void on_eof(struct net_stream *s)
{
    net_stream_pause(s);
    if (s->events->on_eof)
        s->events->on_eof(s->arg);
    else
        fail(s, BASE_ECLOSED);
}

static void on_flush_timer(uv_timer_t *t);

static void linger(struct net_stream *s, ssize_t n)
{
    bool over = s->linger_until && s->linger_until <= uv_now(s->tcp.loop);
    if (n > 0 && s->linger_until)
        uv_timer_start(&s->timer, on_flush_timer, s->listener->linger.idle_ms, 0);
    if (n < 0 || over) {
        /* With a FIN still to be sent, the shutdown's callback closes. */
        if (n == UV_EOF && uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp) > 0)
            net_stream_pause(s);
        else
            close_now(s);
    }
}

/* Takes encrypted bytes. TLS's output to them leaves before the callbacks run, each
 * of which may close the stream. */
static void on_cipher(struct net_stream *s, struct base_bytes in)
{
    struct base_buf plain = {0};
    enum base_err err = net_tls_read(s->tls, in, &plain);
    enum base_err sent = send_tls(s);
    if (!err)
        err = sent;
    if (plain.n && s->state == OPEN && !s->broken)
        s->events->on_read(s->arg, base_buf_bytes(&plain));
    base_buf_deinit(&plain);
    if (s->state != OPEN)
        return;
    if (err == BASE_ECLOSED)
        on_eof(s);
    else if (err)
        fail(s, err);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
    struct net_stream *s = h->data;
    if (s->state == FINISHING)
        linger(s, n);
    else if (n > 0 && s->state == OPEN && s->reading && s->tls)
        on_cipher(s, base_bytes_of(buf->base, (size_t)n));
    else if (n > 0 && s->state == OPEN && s->reading)
        s->events->on_read(s->arg, base_bytes_of(buf->base, (size_t)n));
    else if (n == UV_EOF)
        on_eof(s);
    else if (n < 0)
        fail(s, n == UV_ENOBUFS ? BASE_ENOMEM : from_uv((int)n));
    free(buf->base);
}

void net_stream_pause(struct net_stream *s)
{
    if (s->reading && s->state != CLOSED)
        uv_read_stop((uv_stream_t *)&s->tcp);
    s->reading = false;
}

void net_stream_resume(struct net_stream *s)
{
    if (s->reading || s->broken || (s->state != OPEN && s->state != FINISHING))
        return;
    s->reading = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read) == 0;
}

/* ---- writing ---- */

static void on_written(uv_write_t *req, int status)
{
    struct write *w = req->data;
    struct net_stream *s = req->handle->data;
    base_buf_deinit(&w->body);
    free(w);
    if (s->state == CLOSED)
        return;
    if (status < 0)
        fail(s, from_uv(status));
    else if (s->state == OPEN && !s->broken && net_stream_queued(s) == 0 && s->events->on_drain)
        s->events->on_drain(s->arg);
}

/* Queues the rest: head from sent on, then body. */
static enum base_err queue_rest(struct net_stream *s, struct base_bytes head, struct base_buf *body,
                                size_t sent)
{
    size_t head_n = sent < head.n ? head.n - sent : 0;
    size_t body_at = sent < head.n ? 0 : sent - head.n;
    struct write *w = malloc(sizeof *w + head_n);
    if (!w)
        return BASE_ENOMEM;
    if (head_n)
        memcpy(w->head, head.p + sent, head_n);
    w->body = (struct base_buf){0};
    if (body) {
        w->body = *body;
        *body = (struct base_buf){.cap = body->cap};
    }
    w->req.data = w;
    uv_buf_t bufs[2];
    unsigned n = 0;
    if (head_n)
        bufs[n++] = uv_buf_init((char *)w->head, (unsigned)head_n);
    if (body_at < w->body.n)
        bufs[n++] = uv_buf_init((char *)w->body.p + body_at, (unsigned)(w->body.n - body_at));
    int r = uv_write(&w->req, (uv_stream_t *)&s->tcp, bufs, n, on_written);
    if (r != 0) {
        base_buf_deinit(&w->body);
        free(w);
        return from_uv(r);
    }
    return BASE_OK;
}

static enum base_err write_raw(struct net_stream *s, struct base_bytes head, struct base_buf *body)
{
    size_t body_n = body ? body->n : 0;
    enum base_err err = s->state == OPEN && !s->broken ? BASE_OK : BASE_ECLOSED;
    size_t sent = 0;
    if (!err && net_stream_queued(s) == 0 && head.n + body_n) {
        /* uv_try_write takes no const. */
        uv_buf_t bufs[2] = {uv_buf_init((char *)(uintptr_t)head.p, (unsigned)head.n),
                            uv_buf_init(body_n ? (char *)body->p : NULL, (unsigned)body_n)};
        unsigned skip = head.n ? 0 : 1;
        unsigned n = body_n ? 2 - skip : 1;
        int r = uv_try_write((uv_stream_t *)&s->tcp, bufs + skip, n);
        if (r >= 0)
            sent = (size_t)r;
        else if (r != UV_EAGAIN)
            err = from_uv(r);
    }
    if (!err && sent < head.n + body_n)
        err = queue_rest(s, head, body, sent);
    if (body)
        base_buf_deinit(body);
    return err;
}

/* Sends what TLS has put out so far. */
static enum base_err send_tls(struct net_stream *s)
{
    struct base_buf *out = net_tls_output(s->tls);
    if (!out->n && !out->err)
        return BASE_OK;
    enum base_err err = out->err;
    if (!err)
        err = write_raw(s, base_bytes_of(NULL, 0), out);
    base_buf_deinit(out);
    return err;
}

enum base_err net_stream_write(struct net_stream *s, struct base_bytes head, struct base_buf *body)
{
    if (!s->tls)
        return write_raw(s, head, body);
    enum base_err err = net_tls_write(s->tls, head);
    if (!err && body)
        err = net_tls_write(s->tls, base_buf_bytes(body));
    if (body)
        base_buf_deinit(body);
    enum base_err sent = send_tls(s);
    return err ? err : sent;
}

size_t net_stream_queued(const struct net_stream *s)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp);
}

/* ---- time-out and end ---- */

static void on_timer(uv_timer_t *t)
{
    struct net_stream *s = t->data;
    if (s->events->on_timeout)
        s->events->on_timeout(s->arg);
}

void net_stream_timeout(struct net_stream *s, uint64_t ms)
{
    if (s->state != OPEN || s->broken)
        return;
    if (ms)
        uv_timer_start(&s->timer, on_timer, ms, 0);
    else
        uv_timer_stop(&s->timer);
}

static void on_flush_timer(uv_timer_t *t)
{
    struct net_stream *s = t->data;
    size_t queued = net_stream_queued(s);
    if (queued == 0 || queued >= s->queued_before) {
        close_now(s);
        return;
    }
    s->queued_before = queued;
    uv_timer_start(&s->timer, on_flush_timer, s->flush_ms, 0);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct net_stream *s = req->data;
    if (s->state == FINISHING) {
        s->linger_until = uv_now(s->tcp.loop) + s->listener->linger.ms;
        if (status < 0 || !s->reading)
            close_now(s);
        else
            uv_timer_start(&s->timer, on_flush_timer, s->listener->linger.idle_ms, 0);
    }
    release(s);
}

void net_stream_finish(struct net_stream *s, uint64_t flush_ms)
{
    if (s->state == OPEN && !s->broken && s->tls) {
        net_tls_shut(s->tls);
        if (send_tls(s))
            s->broken = true;
    }
    struct net_listener *l = s->listener;
    if (s->state != OPEN || s->broken || l->finishing >= l->linger.max) {
        close_now(s);
        return;
    }
    s->state = FINISHING;
    l->finishing++;
    s->shutdown.data = s;
    if (uv_shutdown(&s->shutdown, (uv_stream_t *)&s->tcp, on_shutdown) != 0) {
        close_now(s);
        return;
    }
    s->pending++;
    s->flush_ms = flush_ms;
    s->queued_before = net_stream_queued(s) + 1;
    net_stream_resume(s);
    uv_timer_start(&s->timer, on_flush_timer, flush_ms ? flush_ms : FLUSH_MS, 0);
}

/* ---- TLS ---- */

enum base_err net_stream_secure(struct net_stream *s, struct net_tls_context *tls)
{
    assert(!s->tls && !s->reading);
    return net_tls_new(tls, NULL, &s->tls);
}

void net_stream_unsecure(struct net_stream *s)
{
    assert(s->tls && s->broken && s->state == OPEN);
    net_tls_free(s->tls);
    s->tls = NULL;
    s->broken = false;
}

const struct net_tls *net_stream_tls(const struct net_stream *s)
{
    return s->tls;
}

/* ---- peers ---- */

static void note_peer(struct net_stream *s)
{
    struct sockaddr_storage a;
    int n = sizeof a;
    if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&a, &n) == 0)
        s->peer = net_address_of((const struct sockaddr *)&a);
}

const char *net_stream_peer(const struct net_stream *s)
{
    return s->peer.text;
}

bool net_stream_peer_is_loopback(const struct net_stream *s)
{
    return s->peer.loopback;
}

/* ---- accepting ---- */

static void on_listener_closed(uv_handle_t *h)
{
    release_listener(h->data);
}

/* libuv keeps a connection that is not taken, and accepts no other until it is. */
static void take_connection(void *arg)
{
    struct net_listener *l = arg;
    struct net_stream *s = stream_new(l->tcp.loop);
    if (!s) {
        BASE_LOG(WARN, "accept_failed", LOG_S("cause", base_err_text(BASE_ENOMEM)));
        loop_timer_start(l->again, ACCEPT_AGAIN_MS, 0);
        return;
    }
    if (uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&s->tcp) != 0) {
        close_now(s);
        return;
    }
    s->listener = l;
    l->refs++;
    uv_tcp_nodelay(&s->tcp, 1);
    note_peer(s);
    l->fn(l->arg, s);
}

static void on_connection(uv_stream_t *h, int status)
{
    if (status < 0)
        BASE_LOG(WARN, "accept_failed", LOG_S("cause", uv_strerror(status)));
    else
        take_connection(h->data);
}

static enum base_err listen_on(struct net_listener *l, int fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return BASE_EIO;
    int r = uv_tcp_open(&l->tcp, own);
    if (r != 0) {
        close(own);
        return from_uv(r);
    }
    return from_uv(uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection));
}

enum base_err net_listener_new(struct loop *loop, int fd, const struct net_linger *linger,
                               net_accept_fn *fn, void *arg, struct net_listener **out)
{
    struct net_listener *l = calloc(1, sizeof *l);
    if (!l || loop_timer_new(loop, take_connection, l, &l->again)) {
        free(l);
        return BASE_ENOMEM;
    }
    uv_tcp_init(loop_uv(loop), &l->tcp);
    l->tcp.data = l;
    l->fn = fn;
    l->arg = arg;
    l->linger = *linger;
    if (!l->linger.ms)
        l->linger.ms = LINGER_MS;
    if (!l->linger.idle_ms)
        l->linger.idle_ms = LINGER_IDLE_MS;
    l->refs = 1;
    enum base_err err = listen_on(l, fd);
    if (err) {
        net_listener_free(l);
        return err;
    }
    *out = l;
    return BASE_OK;
}

void net_listener_free(struct net_listener *l)
{
    if (!l)
        return;
    loop_timer_free(l->again);
    uv_close((uv_handle_t *)&l->tcp, on_listener_closed);
}

void net_stream_start(struct net_stream *s, const struct net_stream_events *events, void *arg)
{
    assert(events->on_read && events->on_error);
    s->events = events;
    s->arg = arg;
    net_stream_resume(s);
}
