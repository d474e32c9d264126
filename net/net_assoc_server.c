/* Accepting associations on a listening socket. */
#include "base/log.h"
#include "net/net_assoc_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPT_BATCH = 64, /* per turn of the loop, so that open associations get theirs */
    ACCEPT_RETRY_MS = 100
};

static void on_listener(uv_poll_t *poll, int status, int events);

static void release_server(struct net_assoc_server *s)
{
    assert(s->refs > 0);
    if (--s->refs)
        return;
    void (*done)(void *) = s->done;
    void *arg = s->done_arg;
    free(s->read_buffer);
    base_buf_deinit(&s->plain);
    free(s);
    if (done)
        done(arg);
}

void net_assoc_server_leave(struct net_assoc *a)
{
    struct net_assoc_server *s = a->server;
    if (a->prev)
        a->prev->next = a->next;
    else
        s->first = a->next;
    if (a->next)
        a->next->prev = a->prev;
    else
        s->last = a->prev;
    release_server(s);
}

/* ---- accepting ---- */

static void join(struct net_assoc_server *s, struct net_assoc *a)
{
    a->server = s;
    a->next = s->first;
    if (s->first)
        s->first->prev = a;
    else
        s->last = a;
    s->first = a;
    s->refs++;
    a->artim_ms = s->config.artim_ms;
    a->idle_ms = s->config.idle_ms;
    a->max_pdu = s->config.max_pdu;
    a->decoder.max_length = a->max_pdu;
}

/* The one that has waited longest is the least likely to send a request after all. */
static void drop_oldest_awaited(struct net_assoc_server *s)
{
    struct net_assoc *a = s->last;
    while (a->state != DUL_STA2)
        a = a->prev;
    net_assoc_give_up(a, NET_ASSOC_TOO_MANY, "too many connections wait for their request");
}

/* Takes fd over. */
static void adopt(struct net_assoc_server *s, int fd, const struct sockaddr *address)
{
    struct net_assoc *a = net_assoc_new(s->loop, &s->handlers, s->arg);
    if (!a) {
        close(fd);
        return;
    }
    join(s, a);
    a->peer = net_address_of(address);
    uv_tcp_init(loop_uv(s->loop), &a->tcp);
    a->tcp.data = a;
    a->tcp_open = true;
    net_assoc_ref(a);
    if ((s->config.tls && net_tls_new(s->config.tls, NULL, &a->tls)) || uv_tcp_open(&a->tcp, fd)) {
        close(fd);
        uv_close((uv_handle_t *)&a->tcp, net_assoc_on_handle_closed);
        uv_close((uv_handle_t *)&a->timer, net_assoc_on_handle_closed);
        return;
    }
    net_assoc_event(a, DUL_EVT5, false);
    if (s->awaited > s->config.max_awaited)
        drop_oldest_awaited(s);
}

static void on_retry(uv_timer_t *t)
{
    struct net_assoc_server *s = t->data;
    if (!s->stopped)
        uv_poll_start(&s->poll, UV_READABLE, on_listener);
}

/* Without descriptors or memory the connections wait in the kernel's queue; a
 * listener that stays readable would make the loop spin. */
static void back_off(struct net_assoc_server *s, int errnum)
{
    if (!s->starved) /* logged once */
        BASE_LOG(WARN, "association_accept_failed", LOG_S("error", strerror(errnum)),
                 LOG_U("retry_ms", ACCEPT_RETRY_MS));
    s->starved = true;
    uv_poll_stop(&s->poll);
    uv_timer_start(&s->retry, on_retry, ACCEPT_RETRY_MS, 0);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct net_assoc_server *s = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage address = {0};
        socklen_t n = sizeof address;
        int fd = accept4(s->fd, (struct sockaddr *)&address, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            s->starved = false;
            adopt(s, fd, (struct sockaddr *)&address);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            back_off(s, errno);
            return;
        }
        /* accept(2): the error is of this one connection, which is gone; try the next */
    }
}

/* ---- life cycle ---- */

enum base_err net_assoc_listen(struct loop *loop, int fd, const struct net_assoc_config *config,
                               const struct net_assoc_handlers *handlers, void *arg,
                               struct net_assoc_server **out)
{
    assert(handlers->on_request && handlers->on_command);
    struct net_assoc_server *s = calloc(1, sizeof *s);
    uint8_t *buffer = malloc(NET_ASSOC_READ_SIZE);
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int r = own < 0 ? -errno : UV_ENOMEM;
    if (s && buffer && own >= 0)
        r = uv_poll_init(loop_uv(loop), &s->poll, own);
    if (r) {
        free(s);
        free(buffer);
        if (own >= 0)
            close(own);
        return base_err_from_errno(-r);
    }
    s->fd = own;
    s->loop = loop;
    s->config = *config;
    if (s->config.artim_ms == 0)
        s->config.artim_ms = NET_ASSOC_ARTIM_DEFAULT_MS;
    s->handlers = *handlers;
    s->arg = arg;
    s->read_buffer = buffer;
    uv_timer_init(loop_uv(loop), &s->retry);
    s->poll.data = s;
    s->retry.data = s;
    s->refs = 2; /* its handles */
    uv_poll_start(&s->poll, UV_READABLE, on_listener);
    *out = s;
    return BASE_OK;
}

void net_assoc_server_stop(struct net_assoc_server *s)
{
    s->stopped = true;
    uv_poll_stop(&s->poll);
    uv_timer_stop(&s->retry);
}

unsigned net_assoc_server_count(const struct net_assoc_server *s)
{
    return s->open;
}

static void on_poll_closed(uv_handle_t *h)
{
    struct net_assoc_server *s = h->data;
    close(s->fd);
    release_server(s);
}

static void on_retry_closed(uv_handle_t *h)
{
    release_server(h->data);
}

static void stop_association(struct net_assoc *a)
{
    if (a->state != DUL_STA1)
        net_assoc_give_up(a, NET_ASSOC_STOPPED, "");
    if (a->state != DUL_STA1)
        net_assoc_event(a, DUL_EVT17, false); /* no time to wait for the peer's close */
}

void net_assoc_server_close(struct net_assoc_server *s, void (*done)(void *arg), void *arg)
{
    if (!s)
        return;
    net_assoc_server_stop(s);
    s->done = done;
    s->done_arg = arg;
    for (struct net_assoc *a = s->first; a; a = a->next)
        stop_association(a);
    uv_close((uv_handle_t *)&s->poll, on_poll_closed);
    uv_close((uv_handle_t *)&s->retry, on_retry_closed);
}
