/*
 * How long an association waits: one timer, started anew in each state.
 *
 *   Sta2, Sta13         ARTIM (PS3.8 9.1.5)
 *   Sta4, Sta5          for TCP and TLS, for the answer to our request
 *   Sta6, Sta8          how long the peer may go without progress
 *   Sta7, Sta9 to 12    ARTIM's time for the end of a release: the standard has no
 *                       timer there, but a silent peer would stay for ever
 *   Sta1, Sta3          none: not connected; our own handler's time
 *
 * Beside it a requestor may have a deadline for the whole association.
 */
#include "net/net_assoc_priv.h"

#include <stdio.h>

static void on_timer(uv_timer_t *t);

/* In milliseconds; 0 = none. */
static uint64_t time_limit(const struct net_assoc *a)
{
    switch (a->state) {
    case DUL_STA2:
    case DUL_STA13:
        return a->artim_ms;
    case DUL_STA4:
    case DUL_STA5:
        return a->connect_ms;
    case DUL_STA6:
    case DUL_STA8:
        return a->idle_ms;
    case DUL_STA7:
    case DUL_STA9:
    case DUL_STA10:
    case DUL_STA11:
    case DUL_STA12:
        return a->artim_ms;
    case DUL_STA1:
    case DUL_STA3:
    case DUL_STA_END:
    default:
        return 0;
    }
}

/* ms of 0: only the deadline of the whole association counts. */
static void start_timer(struct net_assoc *a, uint64_t ms)
{
    uint64_t now = uv_now(loop_uv(a->loop));
    uint64_t left = a->ends > now ? a->ends - now : 1;
    if (a->ends && !a->ended && (!ms || left < ms))
        ms = left;
    if (ms)
        uv_timer_start(&a->timer, on_timer, ms, 0);
    else
        uv_timer_stop(&a->timer);
}

void net_assoc_arm(struct net_assoc *a)
{
    a->active = uv_now(loop_uv(a->loop));
    start_timer(a, time_limit(a));
}

/* Are we waiting for the peer, rather than the peer for us? */
static bool peer_is_due(const struct net_assoc *a)
{
    if (net_assoc_queued(a))
        return true; /* it does not read */
    return !a->paused && !a->unread && !a->owing && !(a->pull && a->pulled);
}

static void on_idle(struct net_assoc *a)
{
    uint64_t now = uv_now(loop_uv(a->loop));
    if (!peer_is_due(a))
        a->active = now;
    uint64_t silent = now - a->active;
    if (silent < a->idle_ms) {
        start_timer(a, a->idle_ms - silent);
        return;
    }
    char text[64];
    snprintf(text, sizeof text, "the peer was silent for %u ms", a->idle_ms);
    net_assoc_give_up(a, NET_ASSOC_TIMED_OUT, text);
}

static const char *silence_text(const struct net_assoc *a)
{
    if (a->decoder.taken)
        return "association request did not arrive whole";
    if (a->tls && !net_tls_is_open(a->tls))
        return "the TLS handshake did not come to its end";
    return "connected but sent no association request";
}

static void on_timer(uv_timer_t *t)
{
    struct net_assoc *a = t->data;
    if (a->ends && !a->ended && uv_now(loop_uv(a->loop)) >= a->ends) {
        net_assoc_give_up(a, NET_ASSOC_TIMED_OUT, "it took longer than it may in all");
        return;
    }
    switch (a->state) {
    case DUL_STA2:
        net_assoc_end(a, NET_ASSOC_TIMED_OUT, silence_text(a));
        net_assoc_event(a, DUL_EVT18, false);
        break;
    case DUL_STA13:
        net_assoc_event(a, DUL_EVT18, false);
        break;
    case DUL_STA4:
        net_assoc_give_up(a, NET_ASSOC_TIMED_OUT,
                          a->tls ? "no TCP connection or TLS handshake in time"
                                 : "no TCP connection in time");
        break;
    case DUL_STA5:
        net_assoc_give_up(a, NET_ASSOC_TIMED_OUT, "no answer to the association request");
        break;
    case DUL_STA6:
    case DUL_STA8:
        on_idle(a);
        break;
    case DUL_STA7:
    case DUL_STA9:
    case DUL_STA10:
    case DUL_STA11:
    case DUL_STA12:
        net_assoc_give_up(a, NET_ASSOC_TIMED_OUT, "no answer to the release request");
        break;
    case DUL_STA1:
    case DUL_STA3:
    case DUL_STA_END:
    default:
        break;
    }
}
