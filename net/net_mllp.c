#include "net/net_mllp.h"

#include "dicom/dicom_pdu.h"
#include "net/net_stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VT = 0x0b, FS = 0x1c, CR = 0x0d, LF = 0x0a, FLUSH_MS = 5000 };
/* PASSED_MAX: how many times the longest message is read on and dropped, to find the end of one
 * that is too long and answer it. */
enum { PASSED_MAX = 64, TRICKLE = 1024 };

/* ---- framing ---- */

static enum net_mllp_step take_inside(struct net_mllp_decoder *d, struct base_bytes *in)
{
    const uint8_t *end = memchr(in->p, FS, in->n);
    size_t n = end ? (size_t)(end - in->p) : in->n;
    assert(d->message.n <= d->message.cap);
    size_t room = d->message.cap - d->message.n;
    size_t kept = n < room ? n : room;
    base_buf_add(&d->message, in->p, kept);
    d->passed += d->message.err ? n : n - kept;
    if (d->passed > (uint64_t)PASSED_MAX * d->message.cap)
        return NET_MLLP_ENDLESS;
    *in = base_bytes_of(in->p + n + (end != NULL), in->n - n - (end != NULL));
    if (!end)
        return NET_MLLP_MORE;
    d->at = NET_MLLP_AT_END;
    return d->passed ? NET_MLLP_TOO_LONG : NET_MLLP_MESSAGE;
}

enum net_mllp_step net_mllp_decode(struct net_mllp_decoder *d, struct base_bytes *in)
{
    while (in->n) {
        uint8_t c = in->p[0];
        if (d->at == NET_MLLP_INSIDE)
            return take_inside(d, in);
        *in = base_bytes_of(in->p + 1, in->n - 1);
        if (c == VT)
            d->at = NET_MLLP_INSIDE;
        else if (c != CR && c != LF && c != 0)
            return NET_MLLP_NOISE;
    }
    return NET_MLLP_MORE;
}

void net_mllp_next(struct net_mllp_decoder *d)
{
    base_buf_reset(&d->message);
    d->passed = 0;
    d->at = NET_MLLP_OUTSIDE;
}

/* ---- server ---- */

struct net_mllp_conn {
    struct net_mllp_server *server; /* NULL once that is gone */
    struct net_mllp_conn *prev;
    struct net_mllp_conn *next;
    struct net_stream *stream; /* NULL once closed */
    struct net_mllp_decoder decoder;
    struct base_buf rest; /* what came behind a message that is being answered */
    size_t trickled;      /* bytes of a message since the clock was set */
    bool fresh;           /* nothing has been read yet */
    bool waiting;         /* for net_mllp_done */
    bool handling;        /* inside on_message */
    bool broken;          /* the answer could not be sent, or was the last one */
};

struct net_mllp_server {
    struct net_mllp_options o;
    struct net_listener *listener;
    struct net_mllp_conn *conns;
    unsigned n;
    bool stopping;
};

static void conn_free(struct net_mllp_conn *c)
{
    base_buf_deinit(&c->decoder.message);
    base_buf_deinit(&c->rest);
    free(c);
}

/* Out of the list; freed now, or when its answer comes. */
static void conn_close(struct net_mllp_conn *c)
{
    struct net_mllp_server *s = c->server;
    if (c->stream)
        net_stream_finish(c->stream, FLUSH_MS);
    c->stream = NULL;
    if (s) {
        assert(s->n > 0 && (c->prev ? c->prev->next : s->conns) == c);
        assert(!c->next || c->next->prev == c);
        if (c->prev)
            c->prev->next = c->next;
        else
            s->conns = c->next;
        if (c->next)
            c->next->prev = c->prev;
        s->n--;
        c->server = NULL;
    }
    if (!c->waiting)
        conn_free(c);
}

static void fault_of(struct net_mllp_conn *c, const char *word, const char *text)
{
    struct net_mllp_server *s = c->server;
    if (s->o.on_fault)
        s->o.on_fault(s->o.arg, net_stream_peer(c->stream), word, text);
    conn_close(c);
}

static void fault(struct net_mllp_conn *c, const char *text)
{
    fault_of(c, "", text);
}

/* Hands the message out. True when it was answered at once, so that the next
 * one in `in` may follow; false when c must not be touched any more. */
static bool handle(struct net_mllp_conn *c, bool too_long, struct base_bytes in)
{
    const struct net_mllp_options *o = &c->server->o;
    assert(!c->waiting && c->decoder.at == NET_MLLP_AT_END);
    c->waiting = true;
    c->handling = true;
    net_stream_pause(c->stream);
    net_stream_timeout(c->stream, 0);
    (too_long ? o->on_too_long : o->on_message)(o->arg, c, base_buf_bytes(&c->decoder.message));
    c->handling = false;
    if (c->waiting) {
        base_buf_add(&c->rest, in.p, in.n);
        if (c->rest.err)
            fault(c, "the peer sends on without waiting for answers");
        return false;
    }
    if (c->broken) {
        conn_close(c);
        return false;
    }
    net_mllp_next(&c->decoder);
    net_stream_resume(c->stream);
    return true;
}

static void set_clock(struct net_mllp_conn *c)
{
    c->trickled = 0;
    net_stream_timeout(c->stream, c->server->o.idle_timeout_ms);
}

/* By the first bytes of a peer, or those behind a message. */
static void fault_noise(struct net_mllp_conn *c, struct base_bytes first)
{
    enum dicom_stranger stranger = c->fresh ? dicom_stranger_of(first) : DICOM_STRANGER_GARBAGE;
    if (stranger == DICOM_STRANGER_TLS && !net_stream_tls(c->stream))
        fault_of(c, "tls_on_plain_port",
                 "the peer speaks TLS: it must use the port of hl7-tls.address");
    else if (stranger == DICOM_STRANGER_HTTP)
        fault_of(c, "http_on_hl7_port",
                 "the peer speaks HTTP: it must use the port of http.address");
    else if (stranger == DICOM_STRANGER_NONE)
        fault_of(c, "dicom_on_hl7_port",
                 "the peer speaks DICOM: it must use the port of dicom.address");
    else if (c->fresh && first.n >= 3 && memcmp(first.p, "MSH", 3) == 0)
        fault_of(c, "not_hl7",
                 "a message without its frame: in MLLP the byte 0B stands before it, 1C 0D behind");
    else
        fault_of(c, "not_hl7", "the peer does not speak MLLP: a message begins with the byte 0B");
}

/* Takes bytes until a message waits for its answer. Frees c on a fault. */
static void take(struct net_mllp_conn *c, struct base_bytes in)
{
    const struct base_bytes first = in;
    const size_t n = in.n;
    bool answered = false;
    while (in.n) {
        switch (net_mllp_decode(&c->decoder, &in)) {
        case NET_MLLP_MORE:
            break;
        case NET_MLLP_NOISE:
            fault_noise(c, first);
            return;
        case NET_MLLP_ENDLESS:
            fault(c, "the message is too long, or its end (1C 0D) is missing");
            return;
        case NET_MLLP_TOO_LONG:
            if (!c->server->o.on_too_long) {
                fault(c, "the message is too long");
                return;
            }
            if (!handle(c, true, in))
                return;
            answered = true;
            break;
        case NET_MLLP_MESSAGE:
            if (!handle(c, false, in))
                return;
            answered = true;
            break;
        }
    }
    c->fresh = false;
    /* What comes between messages says nothing, and a trickle keeps no connection. */
    c->trickled += c->decoder.at == NET_MLLP_INSIDE ? n : 0;
    if (answered || c->trickled >= TRICKLE)
        set_clock(c);
}

static void on_read(void *arg, struct base_bytes bytes)
{
    take(arg, bytes);
}

static void on_timeout(void *arg)
{
    struct net_mllp_conn *c = arg;
    if (c->decoder.at == NET_MLLP_INSIDE)
        fault(c, "the message stopped in the middle");
    else
        conn_close(c);
}

static void on_error(void *arg, enum base_err err)
{
    struct net_mllp_conn *c = arg;
    const struct net_tls *tls = net_stream_tls(c->stream);
    enum net_tls_cause cause = tls ? net_tls_failure(tls) : NET_TLS_NONE;
    (void)err;
    if (cause && c->server && c->server->o.on_fault) {
        char text[512];
        snprintf(text, sizeof text, "%s; %s", net_tls_failure_text(tls),
                 net_tls_cause_remedy(cause));
        c->server->o.on_fault(c->server->o.arg, net_stream_peer(c->stream),
                              net_tls_cause_word(cause), text);
    }
    net_stream_close(c->stream);
    c->stream = NULL;
    conn_close(c);
}

static bool is_of(const struct net_mllp_conn *c, const char *peer)
{
    return strcmp(net_stream_peer(c->stream), peer) == 0;
}

/* Some senders open a connection for each message and forget it. Closes the oldest of this address
 * that is between messages. False: there is none. */
static bool make_room(struct net_mllp_server *s, const char *peer)
{
    struct net_mllp_conn *oldest = NULL;
    for (struct net_mllp_conn *c = s->conns; c; c = c->next)
        if (is_of(c, peer) && !c->waiting && c->decoder.at != NET_MLLP_INSIDE)
            oldest = c;
    if (oldest)
        conn_close(oldest);
    return oldest != NULL;
}

/* NULL: one more may be open. */
static const char *too_many(struct net_mllp_server *s, const char *peer)
{
    unsigned same = 0;
    for (const struct net_mllp_conn *c = s->conns; c; c = c->next)
        same += is_of(c, peer);
    if (s->o.max_per_address && same >= s->o.max_per_address)
        return make_room(s, peer) ? NULL
                                  : "as many connections of this address are open as are allowed";
    return s->n >= s->o.max_connections ? "as many connections are open as are allowed" : NULL;
}

static void on_accept(void *arg, struct net_stream *stream)
{
    static const struct net_stream_events events = {
        .on_read = on_read, .on_timeout = on_timeout, .on_error = on_error};
    struct net_mllp_server *s = arg;
    const char *many = too_many(s, net_stream_peer(stream));
    struct net_mllp_conn *c = many ? NULL : calloc(1, sizeof *c);
    if (!c) {
        if (s->o.on_fault)
            s->o.on_fault(s->o.arg, net_stream_peer(stream), "", many ? many : "out of memory");
        net_stream_close(stream);
        return;
    }
    if (s->o.tls && net_stream_secure(stream, s->o.tls)) {
        net_stream_close(stream);
        free(c);
        return;
    }
    c->fresh = true;
    c->server = s;
    c->stream = stream;
    c->decoder.message.cap = s->o.max_message;
    c->rest.cap = 64 * 1024;
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    s->n++;
    net_stream_start(stream, &events, c);
    set_clock(c);
}

enum base_err net_mllp_listen(const struct net_mllp_options *o, struct net_mllp_server **out)
{
    struct net_mllp_server *s = calloc(1, sizeof *s);
    if (!s)
        return BASE_ENOMEM;
    s->o = *o;
    const struct net_linger linger = {.max = s->o.max_connections};
    enum base_err err = net_listener_new(o->loop, o->fd, &linger, on_accept, s, &s->listener);
    if (err) {
        free(s);
        return err;
    }
    *out = s;
    return BASE_OK;
}

void net_mllp_stop(struct net_mllp_server *s)
{
    net_listener_free(s->listener);
    s->listener = NULL;
    s->stopping = true;
    for (struct net_mllp_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (!c->waiting)
            conn_close(c);
    }
}

unsigned net_mllp_connections(const struct net_mllp_server *s)
{
    return s->n;
}

void net_mllp_free(struct net_mllp_server *s)
{
    if (!s)
        return;
    net_listener_free(s->listener);
    while (s->conns)
        conn_close(s->conns);
    free(s);
}

const char *net_mllp_peer(const struct net_mllp_conn *c)
{
    return c->stream ? net_stream_peer(c->stream) : "";
}

bool net_mllp_fingerprint(const struct net_mllp_conn *c, uint8_t out[BASE_SHA256])
{
    const struct net_tls *tls = c->stream ? net_stream_tls(c->stream) : NULL;
    return tls && net_tls_fingerprint(tls, out);
}

void net_mllp_send(struct net_mllp_conn *c, struct base_bytes message)
{
    static const uint8_t tail[] = {FS, CR};
    struct base_buf frame = {0};
    if (!c->stream || c->broken)
        return;
    base_buf_add_byte(&frame, VT);
    base_buf_add(&frame, message.p, message.n);
    base_buf_add(&frame, tail, sizeof tail);
    c->broken = frame.err || net_stream_write(c->stream, base_buf_bytes(&frame), NULL);
    base_buf_deinit(&frame);
}

void net_mllp_done(struct net_mllp_conn *c)
{
    assert(c->waiting);
    c->waiting = false;
    if (!c->stream) {
        conn_free(c);
        return;
    }
    c->broken = c->broken || !c->server || c->server->stopping;
    if (c->handling)
        return;
    if (c->broken) {
        conn_close(c);
        return;
    }
    struct base_buf rest = c->rest;
    c->rest = (struct base_buf){.cap = rest.cap};
    net_mllp_next(&c->decoder);
    net_stream_resume(c->stream);
    set_clock(c);
    take(c, base_buf_bytes(&rest));
    base_buf_deinit(&rest);
}
