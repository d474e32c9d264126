#include "net/net_assoc.h"

#include "base/log.h"
#include "net/net_assoc_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

const char *net_assoc_cause_text(enum net_assoc_cause cause)
{
    switch (cause) {
    case NET_ASSOC_RELEASED:
        return "released";
    case NET_ASSOC_REJECTED:
        return "rejected";
    case NET_ASSOC_PEER_ABORTED:
        return "aborted by the peer";
    case NET_ASSOC_ABORTED:
        return "aborted by rdc";
    case NET_ASSOC_PEER_CLOSED:
        return "connection closed by the peer";
    case NET_ASSOC_CONNECT_FAILED:
        return "no connection";
    case NET_ASSOC_TIMED_OUT:
        return "timed out";
    case NET_ASSOC_TLS_ON_PLAIN:
        return "TLS on the plain port";
    case NET_ASSOC_NOT_DICOM:
        return "not DICOM";
    case NET_ASSOC_PROTOCOL_ERROR:
        return "protocol error";
    case NET_ASSOC_PLAIN_ON_TLS:
        return "no TLS on the TLS port";
    case NET_ASSOC_TLS_FAILED:
        return "TLS failed";
    case NET_ASSOC_PDU_TOO_LARGE:
        return "PDU too large";
    case NET_ASSOC_LIMIT:
        return "over a limit";
    case NET_ASSOC_TOO_MANY:
        return "too many";
    case NET_ASSOC_MEMORY:
        return "out of memory";
    case NET_ASSOC_STOPPED:
        return "rdc is stopping";
    default:
        return "unknown";
    }
}

/* ---- life cycle ---- */

struct net_assoc *net_assoc_new(struct loop *loop, const struct net_assoc_handlers *handlers,
                                void *arg)
{
    struct net_assoc *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->loop = loop;
    a->state = DUL_STA1;
    a->handlers = *handlers;
    a->arg = arg;
    a->id = uv_hrtime(); /* two are never made in one nanosecond of one thread */
    base_arena_init(&a->arena, NET_ASSOC_ARENA_LIMIT);
    base_buf_init(&a->held, 0);
    base_buf_init(&a->out, 0);
    base_buf_init(&a->writing, 0);
    dicom_assembler_init(&a->messages);
    dicom_pdu_decoder_init(&a->decoder, 0);
    uv_timer_init(loop_uv(loop), &a->timer);
    a->timer.data = a;
    a->refs = 1; /* the timer */
    return a;
}

void net_assoc_ref(struct net_assoc *a)
{
    a->refs++;
}

void net_assoc_unref(struct net_assoc *a)
{
    assert(a->refs > 0);
    if (--a->refs)
        return;
    dicom_assembler_deinit(&a->messages);
    dicom_pdu_decoder_deinit(&a->decoder);
    base_buf_deinit(&a->held);
    base_buf_deinit(&a->out);
    base_buf_deinit(&a->writing);
    base_arena_deinit(&a->arena);
    net_tls_free(a->tls);
    net_assoc_dial_free(a->dial);
    if (a->server)
        net_assoc_server_leave(a);
    free(a);
}

void net_assoc_on_handle_closed(uv_handle_t *h)
{
    net_assoc_unref(h->data);
}

static void close_handles(struct net_assoc *a)
{
    if (a->dial)
        net_assoc_dial_cancel(a);
    if (a->tls)
        net_assoc_say_bye(a);
    if (a->tcp_open && !uv_is_closing((uv_handle_t *)&a->tcp))
        uv_close((uv_handle_t *)&a->tcp, net_assoc_on_handle_closed);
    uv_close((uv_handle_t *)&a->timer, net_assoc_on_handle_closed);
}

/* ---- the end, and calls in a later turn ---- */

static void uncount(struct net_assoc *a)
{
    if (!a->counted)
        return;
    a->counted = false;
    a->server->open--;
    if (a->server->config.counters && a->ac)
        base_count(&a->server->config.counters->associations_open, -1);
}

void net_assoc_end(struct net_assoc *a, enum net_assoc_cause cause, const char *text)
{
    if (a->ended)
        return;
    a->ended = true;
    a->cause = cause;
    snprintf(a->text, sizeof a->text, "%s", text);
    a->pull = NULL;
    uncount(a);
    net_assoc_wake(a);
}

static void notify(struct net_assoc *a)
{
    a->notified = true;
    if (a->given) {
        if (a->handlers.on_closed)
            a->handlers.on_closed(a, a->arg, a->cause, a->text);
    } else if (a->server && a->server->config.on_stranger) {
        a->server->config.on_stranger(a->server->arg, a->peer.text, a->rq, a->cause, a->text);
    }
}

static void on_wake(void *arg)
{
    struct net_assoc *a = arg;
    a->posted = false;
    if (a->ended) {
        if (!a->notified)
            notify(a);
    } else {
        net_assoc_take_held(a);
        net_assoc_pump(a);
    }
    net_assoc_unref(a);
}

void net_assoc_wake(struct net_assoc *a)
{
    if (a->posted)
        return;
    a->posted = true;
    net_assoc_ref(a);
    loop_post(a->loop, &a->call, on_wake, a);
}

/* ---- actions, PS3.8 Tables 9-6 to 9-9 ---- */

static void do_nothing(struct net_assoc *a)
{
    (void)a;
}

static void send_request(struct net_assoc *a)
{
    net_assoc_update_reading(a);
    dicom_associate_encode(a->rq, false, &a->out);
    if (a->out.err) {
        net_assoc_give_up(a, NET_ASSOC_MEMORY, "the association request cannot be encoded");
        return;
    }
    net_assoc_flush(a);
}

static void confirm_association(struct net_assoc *a)
{
    if (a->handlers.on_established)
        a->handlers.on_established(a, a->arg);
}

static void send_reject(struct net_assoc *a)
{
    if (a->server->config.counters)
        base_count(&a->server->config.counters->associations_refused_total, 1);
    net_assoc_end(a, NET_ASSOC_REJECTED, dicom_reject_text(a->reject));
    dicom_reject_encode(a->reject, &a->out);
    net_assoc_flush(a);
}

static void confirm_rejection(struct net_assoc *a)
{
    char text[128];
    const struct dicom_reject *r = &a->pdu->reject;
    snprintf(text, sizeof text, "%s (%u/%u/%u)", dicom_reject_text(*r), r->result, r->source,
             r->reason);
    net_assoc_end(a, NET_ASSOC_REJECTED, text);
}

static void indicate_or_reject(struct net_assoc *a)
{
    if (a->state != DUL_STA3) {
        send_reject(a);
        return;
    }
    a->given = true;
    a->counted = true;
    a->server->open++;
    a->handlers.on_request(a, a->arg, a->rq);
}

static void send_accept(struct net_assoc *a)
{
    if (a->server->config.counters) {
        base_count(&a->server->config.counters->associations_total, 1);
        base_count(&a->server->config.counters->associations_open, 1);
    }
    net_assoc_flush(a); /* net_assoc_accept encoded it */
}

static void send_data(struct net_assoc *a)
{
    a->active = uv_now(loop_uv(a->loop)); /* from now on it is the peer's turn */
    net_assoc_flush(a);
}

static void send_release_request(struct net_assoc *a)
{
    dicom_release_encode(DICOM_PDU_RELEASE_RQ, &a->out);
    net_assoc_flush(a);
}

static void send_release_response(struct net_assoc *a)
{
    dicom_release_encode(DICOM_PDU_RELEASE_RP, &a->out);
    net_assoc_flush(a);
}

static void send_last_release_response(struct net_assoc *a)
{
    net_assoc_end(a, NET_ASSOC_RELEASED, "");
    send_release_response(a);
}

static void confirm_release(struct net_assoc *a)
{
    net_assoc_end(a, NET_ASSOC_RELEASED, "");
}

/* The peer's release is never refused, so its indication is its response. */
static void answer_release(struct net_assoc *a)
{
    net_assoc_event(a, DUL_EVT14, false);
}

static void answer_collision(struct net_assoc *a)
{
    if (!a->server)
        net_assoc_event(a, DUL_EVT14, false);
}

static void deliver(struct net_assoc *a)
{
    net_assoc_deliver(a, a->pdu);
}

static void send_abort(struct net_assoc *a, struct dicom_abort abort)
{
    dicom_abort_encode(abort, &a->out);
    net_assoc_flush(a);
}

static void abort_as_user(struct net_assoc *a)
{
    net_assoc_end(a, NET_ASSOC_PROTOCOL_ERROR, "unexpected PDU instead of an association request");
    send_abort(a, (struct dicom_abort){.source = DICOM_ABORT_USER});
}

static void abort_again(struct net_assoc *a)
{
    if (net_assoc_queued(a) == 0) /* else the peer does not read, and one more would not help */
        send_abort(a, a->abort);
}

static void abort_as_provider(struct net_assoc *a)
{
    char text[64] = "protocol error";
    if (a->pdu)
        snprintf(text, sizeof text, "unexpected PDU of type %d", (int)a->pdu->type);
    net_assoc_end(a, NET_ASSOC_PROTOCOL_ERROR, text);
    send_abort(a, a->abort);
}

static void indicate_abort(struct net_assoc *a)
{
    net_assoc_end(a, NET_ASSOC_PEER_ABORTED, dicom_abort_text(a->pdu->abort));
}

static void indicate_close(struct net_assoc *a)
{
    net_assoc_end(a, NET_ASSOC_PEER_CLOSED, "");
}

/* Why is known already, but where an A-ABORT came in the place of the request. */
static void close_transport(struct net_assoc *a)
{
    if (a->pdu)
        indicate_abort(a);
}

static void (*const perform[DUL_ACTION_COUNT])(struct net_assoc *a) = {
    [DUL_AE_1] = net_assoc_dial_start,
    [DUL_AE_2] = send_request,
    [DUL_AE_3] = confirm_association,
    [DUL_AE_4] = confirm_rejection,
    [DUL_AE_5] = net_assoc_update_reading,
    [DUL_AE_6] = indicate_or_reject,
    [DUL_AE_7] = send_accept,
    [DUL_AE_8] = send_reject,
    [DUL_DT_1] = send_data,
    [DUL_DT_2] = deliver,
    [DUL_AR_1] = send_release_request,
    [DUL_AR_2] = answer_release,
    [DUL_AR_3] = confirm_release,
    [DUL_AR_4] = send_last_release_response,
    [DUL_AR_5] = do_nothing,
    [DUL_AR_6] = deliver,
    [DUL_AR_7] = send_data,
    [DUL_AR_8] = answer_collision,
    [DUL_AR_9] = send_release_response,
    [DUL_AR_10] = answer_release,
    [DUL_AA_1] = abort_as_user,
    [DUL_AA_2] = close_transport,
    [DUL_AA_3] = indicate_abort,
    [DUL_AA_4] = indicate_close,
    [DUL_AA_5] = indicate_close,
    [DUL_AA_6] = do_nothing,
    [DUL_AA_7] = abort_again,
    [DUL_AA_8] = abort_as_provider,
};

/* Counts what strangers can hold open; adopt() and net_assoc_event() limit it. */
static void count_state(struct net_assoc *a, unsigned n)
{
    if (a->server && a->state == DUL_STA2)
        a->server->awaited += n;
    else if (a->server && a->state == DUL_STA13)
        a->server->closing += n;
}

static void set_state(struct net_assoc *a, enum dicom_dul_state next)
{
    if (next == a->state)
        return;
    count_state(a, -1U);
    a->state = next;
    count_state(a, 1);
    if (next == DUL_STA1)
        close_handles(a);
    else
        net_assoc_arm(a);
}

/* After an action; its handler may have caused further events. */
static void assert_state(const struct net_assoc *a)
{
    switch (a->state) {
    case DUL_STA1:
    case DUL_STA13:
        assert(a->ended);
        break;
    case DUL_STA2:
    case DUL_STA3:
    case DUL_STA10:
    case DUL_STA12:
        assert(a->server);
        break;
    case DUL_STA4:
    case DUL_STA5:
    case DUL_STA9:
    case DUL_STA11:
        assert(!a->server);
        break;
    case DUL_STA6:
    case DUL_STA7:
    case DUL_STA8:
        assert(a->rq && a->ac);
        break;
    case DUL_STA_END:
    default:
        assert(false);
    }
    assert(a->tcp_open || a->state == DUL_STA1 || a->state == DUL_STA4);
    assert(a->given || !a->counted);
}

void net_assoc_event(struct net_assoc *a, enum dicom_dul_event event, bool alternative)
{
    enum dicom_dul_action action = dicom_dul_action(event, a->state);
    if (action == DUL_NONE) {
        BASE_LOG(ERROR, "association_event_refused", LOG_U("association", a->id),
                 LOG_I("event", event), LOG_I("state", a->state));
        assert(action != DUL_NONE);
        return;
    }
    const struct dicom_dul_action_info *info = &dicom_dul_actions[action];
    set_state(a, alternative ? info->alternative : info->next);
    /* After the state, since an action may run a handler that causes the next event. */
    perform[action](a);
    assert_state(a);
    if (a->state != DUL_STA13)
        return;
    if (a->server && a->server->closing > a->server->config.max_associations)
        net_assoc_event(a, DUL_EVT17, false); /* no room to wait for the peer's close */
    else
        net_assoc_update_reading(a); /* a pause is over, the peer's close must be seen */
}

/* ---- what users call ---- */

void net_assoc_give_up(struct net_assoc *a, enum net_assoc_cause cause, const char *text)
{
    if (a->ended)
        return;
    net_assoc_end(a, cause, text);
    /* Table 9-10 has no A-ABORT before a request came: just close */
    net_assoc_event(a, a->state == DUL_STA2 ? DUL_EVT17 : DUL_EVT15, false);
}

void net_assoc_abort(struct net_assoc *a)
{
    net_assoc_give_up(a, NET_ASSOC_ABORTED, "");
}

void net_assoc_abort_protocol(struct net_assoc *a, const char *text)
{
    net_assoc_give_up(a, NET_ASSOC_PROTOCOL_ERROR, text);
}

enum base_err net_assoc_accept(struct net_assoc *a, const struct dicom_associate *answer)
{
    if (a->state != DUL_STA3 || a->ended)
        return BASE_ECONFLICT;
    struct dicom_associate *ac = base_arena_alloc(&a->arena, sizeof *ac);
    if (!ac)
        return BASE_ENOMEM;
    *ac = *answer;
    /* PS3.8 9.3.3: the titles are those of the request. */
    memcpy(ac->called, a->rq->called, sizeof ac->called);
    memcpy(ac->calling, a->rq->calling, sizeof ac->calling);
    ac->max_length = a->max_pdu;
    dicom_associate_encode(ac, true, &a->out);
    if (a->out.err) {
        enum base_err err = a->out.err;
        base_buf_reset(&a->out);
        return err;
    }
    a->ac = ac;
    net_assoc_agree(a);
    net_assoc_event(a, DUL_EVT7, false);
    return BASE_OK;
}

void net_assoc_reject(struct net_assoc *a, struct dicom_reject rj)
{
    if (a->state != DUL_STA3 || a->ended)
        return;
    a->reject = rj;
    net_assoc_event(a, DUL_EVT8, false);
}

void net_assoc_release(struct net_assoc *a)
{
    if (a->ended || a->state == DUL_STA7)
        return;
    if (a->state != DUL_STA6)
        net_assoc_abort(a);
    else if (a->pull)
        a->release_wanted = true;
    else
        net_assoc_event(a, DUL_EVT11, false);
}

void net_assoc_set_arg(struct net_assoc *a, void *arg)
{
    a->arg = arg;
}

struct base_arena *net_assoc_arena(struct net_assoc *a)
{
    return &a->arena;
}

const struct dicom_associate *net_assoc_request(const struct net_assoc *a)
{
    return a->rq;
}

uint64_t net_assoc_id(const struct net_assoc *a)
{
    return a->id;
}

const struct net_tls *net_assoc_tls(const struct net_assoc *a)
{
    return a->tls;
}

const char *net_assoc_peer(const struct net_assoc *a, uint16_t *port)
{
    if (port)
        *port = a->peer.port;
    return a->peer.text;
}
