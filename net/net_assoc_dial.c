/* Connecting to a peer: its addresses one after the other, until one answers. */
#include "net/net_assoc_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct net_assoc_dial {
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    bool resolving;
    struct addrinfo *addresses;
    struct addrinfo *next;
    char *host; /* in the arena */
    char service[8];
};

static void try_next(struct net_assoc *a);

static void fail(struct net_assoc *a, int status)
{
    char text[160];
    const struct net_assoc_dial *d = a->dial;
    snprintf(text, sizeof text, "%.80s:%s: %s", d->host, d->service, uv_strerror(status));
    net_assoc_end(a, NET_ASSOC_CONNECT_FAILED, text);
    net_assoc_event(a, DUL_EVT17, false);
}

static void on_failed_closed(uv_handle_t *h)
{
    struct net_assoc *a = h->data;
    a->tcp_open = false;
    if (a->state == DUL_STA4)
        try_next(a);
    net_assoc_unref(a);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct net_assoc *a = req->data;
    if (a->state != DUL_STA4 || uv_is_closing((uv_handle_t *)&a->tcp))
        return; /* given up meanwhile */
    if (status < 0 && a->dial->next) {
        uv_close((uv_handle_t *)&a->tcp, on_failed_closed);
        return;
    }
    if (status < 0) {
        fail(a, status);
        return;
    }
    uv_tcp_nodelay(&a->tcp, 1);
    if (!a->tls) {
        net_assoc_event(a, DUL_EVT2, false);
        return;
    }
    /* EVT2 comes when the handshake is done. */
    if (net_tls_start(a->tls)) {
        net_assoc_give_up(a, NET_ASSOC_MEMORY, "out of memory");
        return;
    }
    net_assoc_flush(a);
    net_assoc_update_reading(a);
}

static void try_next(struct net_assoc *a)
{
    struct net_assoc_dial *d = a->dial;
    struct addrinfo *address = d->next;
    d->next = address->ai_next;
    a->peer = net_address_of(address->ai_addr);
    uv_tcp_init(loop_uv(a->loop), &a->tcp);
    a->tcp.data = a;
    a->tcp_open = true;
    net_assoc_ref(a);
    d->connect.data = a;
    int r = uv_tcp_connect(&d->connect, &a->tcp, address->ai_addr, on_connect);
    if (r == 0)
        return;
    if (d->next)
        uv_close((uv_handle_t *)&a->tcp, on_failed_closed);
    else
        fail(a, r);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *addresses)
{
    struct net_assoc *a = req->data;
    struct net_assoc_dial *d = a->dial;
    d->resolving = false;
    d->addresses = addresses;
    d->next = addresses;
    if (a->state == DUL_STA4) {
        if (status < 0 || !addresses)
            fail(a, status < 0 ? status : UV_EAI_NONAME);
        else
            try_next(a);
    }
    net_assoc_unref(a);
}

/* net_assoc_connect has started the look-up already, since that can fail. */
void net_assoc_dial_start(struct net_assoc *a)
{
    a->dial->resolving = true;
    net_assoc_ref(a);
}

void net_assoc_dial_cancel(struct net_assoc *a)
{
    if (a->dial->resolving)
        uv_cancel((uv_req_t *)&a->dial->resolve); /* if it runs already, on_resolved comes later */
}

void net_assoc_dial_free(struct net_assoc_dial *d)
{
    if (!d)
        return;
    uv_freeaddrinfo(d->addresses);
    free(d);
}

/* ---- the request ---- */

static char *copy(struct net_assoc *a, const char *s)
{
    return base_arena_strdup(&a->arena, s, strlen(s));
}

static const char *const *copy_syntaxes(struct net_assoc *a, const struct dicom_context *from)
{
    const char **syntaxes = base_arena_alloc(&a->arena, from->n_syntaxes * sizeof *syntaxes);
    for (unsigned i = 0; syntaxes && i < from->n_syntaxes; i++) {
        syntaxes[i] = copy(a, from->syntaxes[i]);
        if (!syntaxes[i])
            return NULL;
    }
    return syntaxes;
}

static enum base_err copy_contexts(struct net_assoc *a, const struct net_assoc_target *t)
{
    struct dicom_context *contexts = base_arena_alloc(&a->arena, t->n_contexts * sizeof *contexts);
    for (unsigned i = 0; contexts && i < t->n_contexts; i++) {
        contexts[i] = (struct dicom_context){
            .id = (uint8_t)(2 * i + 1), /* PS3.8 9.3.2.2: odd, 1 to 255 */
            .n_syntaxes = t->contexts[i].n_syntaxes,
            .abstract = copy(a, t->contexts[i].abstract),
            .syntaxes = copy_syntaxes(a, &t->contexts[i]),
        };
        if (!contexts[i].abstract || !contexts[i].syntaxes)
            return BASE_ENOMEM;
    }
    a->rq->contexts = contexts;
    a->rq->n_contexts = t->n_contexts;
    return contexts ? BASE_OK : BASE_ENOMEM;
}

static enum base_err copy_roles(struct net_assoc *a, const struct net_assoc_target *t)
{
    if (t->n_roles == 0)
        return BASE_OK;
    struct dicom_role *roles = base_arena_alloc(&a->arena, t->n_roles * sizeof *roles);
    for (unsigned i = 0; roles && i < t->n_roles; i++) {
        roles[i] = t->roles[i];
        roles[i].sop_class = copy(a, t->roles[i].sop_class);
        if (!roles[i].sop_class)
            return BASE_ENOMEM;
    }
    a->rq->roles = roles;
    a->rq->n_roles = t->n_roles;
    return roles ? BASE_OK : BASE_ENOMEM;
}

/* An IPv6 address stands in brackets where a port follows it (RFC 3986 3.2.2). */
static char *copy_host(struct net_assoc *a, const char *s)
{
    size_t n = strlen(s);
    bool in_brackets = n > 2 && s[0] == '[' && s[n - 1] == ']';
    return in_brackets ? base_arena_strdup(&a->arena, s + 1, n - 2) : copy(a, s);
}

static enum base_err fill_request(struct net_assoc *a, const struct net_assoc_target *t)
{
    a->rq = base_arena_alloc(&a->arena, sizeof *a->rq);
    a->dial->host = copy_host(a, t->host);
    if (!a->rq || !a->dial->host)
        return BASE_ENOMEM;
    *a->rq = (struct dicom_associate){
        .version = 1,
        .application_context = DICOM_UID_APPLICATION_CONTEXT,
        .max_length = t->max_pdu,
        .implementation_class = DICOM_IMPLEMENTATION_UID,
        .implementation_version = DICOM_IMPLEMENTATION_VERSION,
    };
    memcpy(a->rq->called, t->called, strlen(t->called) + 1);
    memcpy(a->rq->calling, t->calling, strlen(t->calling) + 1);
    enum base_err err = copy_contexts(a, t);
    return err ? err : copy_roles(a, t);
}

static bool title_ok(const char *title)
{
    size_t n = strlen(title);
    return n >= 1 && n < DICOM_AET_SIZE;
}

enum base_err net_assoc_connect(struct loop *loop, const struct net_assoc_target *target,
                                const struct net_assoc_handlers *handlers, void *arg,
                                struct net_assoc **out)
{
    assert(handlers->on_command);
    if (!title_ok(target->calling) || !title_ok(target->called) || target->n_contexts == 0 ||
        target->n_contexts > DICOM_CONTEXTS_MAX || target->port == 0)
        return BASE_EINVAL;
    struct net_assoc *a = net_assoc_new(loop, handlers, arg);
    if (!a)
        return BASE_ENOMEM;
    a->connect_ms = target->connect_ms;
    a->artim_ms = target->connect_ms ? target->connect_ms : NET_ASSOC_ARTIM_DEFAULT_MS;
    a->idle_ms = target->response_ms;
    a->ends = target->total_ms ? uv_now(loop_uv(loop)) + target->total_ms : 0;
    a->max_pdu = target->max_pdu;
    a->decoder.max_length = target->max_pdu;
    a->given = true;
    a->dial = calloc(1, sizeof *a->dial);
    enum base_err err = a->dial ? fill_request(a, target) : BASE_ENOMEM;
    if (!err && target->tls)
        err = net_tls_new(target->tls, a->dial->host, &a->tls);
    if (!err) {
        struct net_assoc_dial *d = a->dial;
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
        snprintf(d->service, sizeof d->service, "%u", target->port);
        d->resolve.data = a;
        int r =
            uv_getaddrinfo(loop_uv(loop), &d->resolve, on_resolved, d->host, d->service, &hints);
        err = r ? base_err_from_errno(-r) : BASE_OK;
    }
    if (err) {
        uv_close((uv_handle_t *)&a->timer, net_assoc_on_handle_closed); /* frees it */
        return err;
    }
    net_assoc_event(a, DUL_EVT1, false);
    *out = a;
    return BASE_OK;
}
