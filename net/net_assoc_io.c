/* Bytes of an association: reading with pauses, decoding, writing. */
#include "net/net_assoc_priv.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    REQUESTOR_READ_SIZE = 16 * 1024,
    STRAIGHT_MIN = 8 * 1024,   /* fragments from here on cost more to copy than a read() each */
    SMALL_BORNE = 4,           /* small fragments in a row, after which one read takes many again */
    HEAD_READ_SIZE = 4 * 1024, /* the first read of a message with large fragments */
};

/* ---- PDUs to events ---- */

static enum net_assoc_cause cause_of(const struct net_assoc *a, enum base_err err)
{
    if (err != BASE_ELIMIT)
        return NET_ASSOC_PROTOCOL_ERROR;
    return a->decoder.type == DICOM_PDU_DATA ? NET_ASSOC_PDU_TOO_LARGE : NET_ASSOC_LIMIT;
}

static void on_invalid(struct net_assoc *a, enum dicom_abort_reason reason,
                       const struct base_error *error)
{
    a->deaf = true;
    a->abort = (struct dicom_abort){DICOM_ABORT_PROVIDER, (uint8_t)reason};
    net_assoc_end(a, cause_of(a, error->code), error->msg);
    net_assoc_event(a, DUL_EVT19, false);
}

static enum base_err decode_associate(struct net_assoc *a, bool accept,
                                      struct dicom_associate **out, struct base_error *error)
{
    struct dicom_associate *x = base_arena_alloc(&a->arena, sizeof *x);
    if (!x)
        return base_fail(error, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    *x = (struct dicom_associate){0};
    enum base_err err = dicom_associate_decode(a->pdu->body, accept, &a->arena, x, error);
    if (err && !accept && dicom_associate_titles(a->pdu->body, x->called, x->calling))
        *out = x;                      /* who it was, for on_stranger */
    base_buf_deinit(&a->decoder.body); /* an idle association keeps no buffer */
    if (!err)
        *out = x;
    return err;
}

/* Does the upper layer itself refuse the request? If not, the handler decides. */
static bool refused(struct net_assoc *a)
{
    const struct net_assoc_server *s = a->server;
    if (!(a->rq->version & 1)) /* PS3.8 9.3.2: only bit 0 is tested */
        a->reject = (struct dicom_reject){DICOM_RJ_PERMANENT, DICOM_RJ_ACSE,
                                          DICOM_RJ_ACSE_PROTOCOL_VERSION};
    else if (strcmp(a->rq->application_context, DICOM_UID_APPLICATION_CONTEXT) != 0)
        a->reject = (struct dicom_reject){DICOM_RJ_PERMANENT, DICOM_RJ_USER,
                                          DICOM_RJ_USER_APPLICATION_CONTEXT};
    else if (s->open >= s->config.max_associations)
        a->reject = (struct dicom_reject){DICOM_RJ_TRANSIENT, DICOM_RJ_PRESENTATION,
                                          DICOM_RJ_PRESENTATION_LIMIT};
    else
        return false;
    return true;
}

/* A smaller maximum is a mistake of the peer: each fragment would carry a few bytes or none.
 * PS3.8 D.1.1 sets no least value, and 0 means no limit. */
static bool takes_too_little(const struct dicom_associate *peer, char text[NET_ASSOC_TEXT_SIZE])
{
    if (peer->max_length == 0 || peer->max_length >= NET_ASSOC_PDU_MIN)
        return false;
    snprintf(text, NET_ASSOC_TEXT_SIZE,
             "its maximum PDU length is %lu, less than the least of %d: set it to 16384, or 0 for "
             "no limit",
             (unsigned long)peer->max_length, NET_ASSOC_PDU_MIN);
    return true;
}

static void on_associate_rq(struct net_assoc *a)
{
    if (a->state != DUL_STA2) {
        net_assoc_event(a, DUL_EVT6, false);
        return;
    }
    char text[NET_ASSOC_TEXT_SIZE];
    struct base_error error;
    if (decode_associate(a, false, &a->rq, &error)) {
        on_invalid(a, DICOM_ABORT_INVALID_PARAMETER, &error);
        return;
    }
    bool no = refused(a);
    if (no && a->reject.source == DICOM_RJ_PRESENTATION)
        net_assoc_end(a, NET_ASSOC_TOO_MANY, "as many associations are open as are allowed");
    if (!no && takes_too_little(a->rq, text)) {
        net_assoc_end(a, NET_ASSOC_REJECTED, text);
        a->reject =
            (struct dicom_reject){DICOM_RJ_PERMANENT, DICOM_RJ_USER, DICOM_RJ_USER_NO_REASON};
        no = true;
    }
    net_assoc_event(a, DUL_EVT6, no);
}

static void on_associate_ac(struct net_assoc *a)
{
    if (a->state == DUL_STA5) {
        char text[NET_ASSOC_TEXT_SIZE];
        struct base_error error;
        if (decode_associate(a, true, &a->ac, &error)) {
            on_invalid(a, DICOM_ABORT_INVALID_PARAMETER, &error);
            return;
        }
        if (takes_too_little(a->ac, text)) {
            net_assoc_give_up(a, NET_ASSOC_ABORTED, text);
            return;
        }
        net_assoc_agree(a);
    }
    net_assoc_event(a, DUL_EVT3, false);
}

static void on_pdu(struct net_assoc *a, const struct dicom_pdu *pdu)
{
    a->pdu = pdu;
    a->abort = (struct dicom_abort){DICOM_ABORT_PROVIDER, DICOM_ABORT_UNEXPECTED_PDU};
    switch (pdu->type) {
    case DICOM_PDU_ASSOCIATE_RQ:
        on_associate_rq(a);
        break;
    case DICOM_PDU_ASSOCIATE_AC:
        on_associate_ac(a);
        break;
    case DICOM_PDU_ASSOCIATE_RJ:
        net_assoc_event(a, DUL_EVT4, false);
        break;
    case DICOM_PDU_DATA:
        /* The last fragment of a message is short and says nothing about the next. */
        if (a->decoder.pdv_length >= STRAIGHT_MIN)
            a->straight = SMALL_BORNE;
        else if (a->straight && pdu->ends && !pdu->last)
            a->straight--;
        net_assoc_event(a, DUL_EVT10, false);
        break;
    case DICOM_PDU_RELEASE_RQ:
        net_assoc_event(a, DUL_EVT12, a->server != NULL);
        break;
    case DICOM_PDU_RELEASE_RP:
        net_assoc_event(a, DUL_EVT13, false);
        break;
    case DICOM_PDU_ABORT:
        net_assoc_event(a, DUL_EVT16, false);
        break;
    default:
        break;
    }
    a->pdu = NULL;
}

/* True when the first bytes are no PDU. DEVIATION from AA-1 in PS3.8 9.2.3: closed
 * at once, not after ARTIM, since such a peer does not know that it should close. */
static bool is_stranger(struct net_assoc *a, struct base_bytes in)
{
    if (a->state != DUL_STA2 || a->decoder.taken)
        return false;
    enum dicom_stranger who = dicom_stranger_of(in);
    if (who == DICOM_STRANGER_NONE)
        return false;
    a->deaf = true;
    a->hangup = true;
    net_assoc_end(a, who == DICOM_STRANGER_TLS ? NET_ASSOC_TLS_ON_PLAIN : NET_ASSOC_NOT_DICOM,
                  dicom_stranger_text(who));
    net_assoc_event(a, DUL_EVT19, false);
    return true;
}

/* Decodes until the input is used up, a pause, or the close. */
static void take(struct net_assoc *a, struct base_bytes *in)
{
    assert(!a->taking);
    a->taking = true;
    while (a->state != DUL_STA1 && (a->ended || !a->paused)) {
        struct dicom_pdu pdu;
        if (a->deaf || is_stranger(a, *in)) {
            in->n = 0;
            break;
        }
        enum dicom_pdu_step step = dicom_pdu_decode(&a->decoder, in, &pdu);
        if (step == DICOM_PDU_MORE)
            break;
        if (step == DICOM_PDU_INVALID)
            on_invalid(a, a->decoder.abort_reason, &a->decoder.error);
        else
            on_pdu(a, &pdu);
    }
    a->taking = false;
}

static void drop_held(struct net_assoc *a)
{
    base_buf_deinit(&a->held);
    a->held_at = 0;
}

void net_assoc_take_held(struct net_assoc *a)
{
    if (a->paused && !a->ended)
        return;
    struct base_bytes in = base_bytes_str("");
    if (a->held.n)
        in = base_bytes_of(a->held.p + a->held_at, a->held.n - a->held_at);
    take(a, &in);
    assert(in.n <= a->held.n);
    if (in.n)
        a->held_at = a->held.n - in.n;
    else
        drop_held(a);
    net_assoc_update_reading(a);
}

/* ---- reading ---- */

/* Large fragments are read to their final place; so before each, only the headers in front of it
 * are read. */
static uv_buf_t buffer_of(struct net_assoc *a)
{
    const struct dicom_pdu_decoder *d = &a->decoder;
    uint8_t *to = NULL;
    size_t space = 0;
    size_t n = NET_ASSOC_READ_SIZE;
    if (!a->tls && !a->deaf && a->handlers.on_space && a->state == DUL_STA6)
        space = a->handlers.on_space(a, a->arg, &to);
    bool within = d->at == DICOM_AT_FRAGMENT;
    if (space && within && a->straight)
        return uv_buf_init((char *)to, (unsigned)(space < d->pdv_left ? space : d->pdv_left));
    if (a->straight && !within && !a->tls)
        n = space ? DICOM_DATA_HEADER - d->head_n : HEAD_READ_SIZE;
    return uv_buf_init((char *)a->server->read_buffer, (unsigned)n);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct net_assoc *a = h->data;
    (void)suggested;
    if (a->server) {
        *buf = buffer_of(a);
        return;
    }
    char *p = malloc(REQUESTOR_READ_SIZE);
    *buf = uv_buf_init(p, p ? REQUESTOR_READ_SIZE : 0);
}

/* Many devices and DCMTK's tools write a PDU in two pieces with Nagle's algorithm
 * on: the second leaves when the first is acknowledged, which the kernel would
 * put off for 40 ms. The option does not last, so it is set after each read. */
static void acknowledge_now(struct net_assoc *a)
{
    uv_os_fd_t fd;
    int one = 1;
    if (uv_fileno((uv_handle_t *)&a->tcp, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
}

/* Takes plain bytes; holds those that a pause leaves over. */
static void take_read(struct net_assoc *a, struct base_bytes in)
{
    take(a, &in);
    if (in.n && a->state != DUL_STA1) {
        base_buf_add(&a->held, in.p, in.n);
        if (a->held.err)
            net_assoc_give_up(a, NET_ASSOC_MEMORY, "out of memory");
    }
}

static void on_hangup(struct net_assoc *a, const char *text)
{
    uv_read_stop((uv_stream_t *)&a->tcp);
    if (a->tls && !a->server && a->state == DUL_STA4)
        net_assoc_end(a, NET_ASSOC_TLS_FAILED,
                      "the peer closed the connection during the TLS handshake: does it speak TLS "
                      "on this port?");
    else if (text)
        net_assoc_end(a, NET_ASSOC_PEER_CLOSED, text);
    net_assoc_event(a, DUL_EVT17, false);
}

/* ---- TLS ---- */

/* A peer without TLS is answered without it, so that it understands the
 * A-ABORT; one with TLS gets the alert, which is in the output already. */
static void on_tls_failed(struct net_assoc *a)
{
    char text[NET_ASSOC_TEXT_SIZE];
    enum net_tls_cause cause = net_tls_failure(a->tls);
    bool plain = cause == NET_TLS_PLAIN;
    snprintf(text, sizeof text, "%s: %s; %s", net_tls_cause_word(cause),
             net_tls_failure_text(a->tls), net_tls_cause_remedy(cause));
    net_assoc_flush(a);
    if (plain) {
        net_tls_free(a->tls);
        a->tls = NULL;
    }
    a->deaf = true;
    a->hangup = true;
    a->abort = (struct dicom_abort){DICOM_ABORT_PROVIDER, DICOM_ABORT_NOT_SPECIFIED};
    net_assoc_end(a, plain ? NET_ASSOC_PLAIN_ON_TLS : NET_ASSOC_TLS_FAILED, text);
    net_assoc_event(a, a->state == DUL_STA4 ? DUL_EVT17 : DUL_EVT19, false);
}

static void take_cipher(struct net_assoc *a, struct base_bytes in)
{
    struct base_buf own = {0};
    struct base_buf *plain = a->server ? &a->server->plain : &own;
    base_buf_reset(plain);
    enum base_err err = net_tls_read(a->tls, in, plain);
    net_assoc_flush(a);
    if (a->state == DUL_STA4 && net_tls_is_open(a->tls))
        net_assoc_event(a, DUL_EVT2, false);
    if (plain->n && a->state != DUL_STA1)
        take_read(a, base_buf_bytes(plain));
    base_buf_deinit(&own);
    if (a->state == DUL_STA1)
        return;
    if (err == BASE_ECLOSED)
        on_hangup(a, NULL);
    else if (err == BASE_ENOMEM)
        net_assoc_give_up(a, NET_ASSOC_MEMORY, "out of memory");
    else if (err && !a->deaf)
        on_tls_failed(a);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct net_assoc *a = stream->data;
    struct loop *l = a->loop;
    if (n == UV_ENOBUFS) {
        net_assoc_give_up(a, NET_ASSOC_MEMORY, "out of memory");
    } else if (n < 0) {
        on_hangup(a, n == UV_EOF ? NULL : uv_strerror((int)n));
    } else if (n > 0) {
        if (a->tls)
            take_cipher(a, base_bytes_of(buf->base, (size_t)n));
        else
            take_read(a, base_bytes_of(buf->base, (size_t)n));
        if (a->state != DUL_STA1 && (size_t)n < buf->len)
            acknowledge_now(a);
        net_assoc_update_reading(a);
    } else {
        acknowledge_now(a); /* the read before filled its buffer exactly */
    }
    if (!a->server)
        free(buf->base);
    loop_catch_up(l);
}

void net_assoc_update_reading(struct net_assoc *a)
{
    if (!a->tcp_open || a->state == DUL_STA1 || uv_is_closing((uv_handle_t *)&a->tcp))
        return;
    if (a->ended && !a->taking)
        drop_held(a);
    if (!a->ended && (a->paused || a->unread || a->held.n)) {
        uv_read_stop((uv_stream_t *)&a->tcp);
        return;
    }
    uv_read_start((uv_stream_t *)&a->tcp, on_alloc, on_read);
}

void net_assoc_pause(struct net_assoc *a)
{
    a->paused++;
    if (!a->taking)
        net_assoc_update_reading(a);
}

void net_assoc_resume(struct net_assoc *a)
{
    assert(a->paused > 0);
    /* From the loop, also when nothing is held: the decoder may be in the middle. */
    if (--a->paused == 0 && !a->ended) {
        a->active = uv_now(loop_uv(a->loop));
        net_assoc_wake(a);
    }
}

void net_assoc_pause_reading(struct net_assoc *a)
{
    a->unread++;
    if (!a->taking)
        net_assoc_update_reading(a);
}

void net_assoc_resume_reading(struct net_assoc *a)
{
    assert(a->unread > 0);
    if (--a->unread == 0 && !a->ended) {
        a->active = uv_now(loop_uv(a->loop));
        net_assoc_wake(a);
    }
}

/* ---- writing ---- */

size_t net_assoc_queued(const struct net_assoc *a)
{
    return a->out.n + (a->in_flight ? a->writing.n : 0);
}

static void on_written(uv_write_t *req, int status)
{
    struct net_assoc *a = req->data;
    a->in_flight = false;
    base_buf_deinit(&a->writing);
    if (a->state == DUL_STA1)
        return;
    if (status < 0)
        a->broken = true;
    else
        a->active = uv_now(loop_uv(a->loop));
    net_assoc_flush(a);
    net_assoc_pump(a);
}

/* Writes what the socket takes at once; true when the rest has to wait. */
static bool write_now(struct net_assoc *a)
{
    uv_buf_t buf = uv_buf_init((char *)a->out.p, (unsigned)a->out.n);
    int n = uv_try_write((uv_stream_t *)&a->tcp, &buf, 1);
    if (n < 0 && n != UV_EAGAIN) {
        a->broken = true;
        return false;
    }
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent == a->out.n)
        return false;
    a->writing = a->out;
    base_buf_init(&a->out, 0);
    buf = uv_buf_init((char *)a->writing.p + sent, (unsigned)(a->writing.n - sent));
    a->write.data = a;
    a->in_flight = uv_write(&a->write, (uv_stream_t *)&a->tcp, &buf, 1, on_written) == 0;
    if (!a->in_flight) {
        base_buf_deinit(&a->writing);
        a->broken = true;
        return false;
    }
    return true;
}

/* Encrypts what is to be sent, and adds TLS's own records. */
static void encrypt(struct net_assoc *a)
{
    struct base_buf *cipher = net_tls_output(a->tls);
    if (a->out.n == 0 && cipher->n == 0)
        return;
    enum base_err err = net_tls_write(a->tls, base_buf_bytes(&a->out));
    /* Before the handshake is done, or after it failed, there is no way to say it. */
    if ((err && err != BASE_ECONFLICT) || cipher->err)
        a->broken = true;
    base_buf_deinit(&a->out);
    a->out = *cipher;
    base_buf_init(cipher, 0);
}

void net_assoc_say_bye(struct net_assoc *a)
{
    if (!a->tcp_open || a->broken || a->in_flight || uv_is_closing((uv_handle_t *)&a->tcp))
        return;
    net_tls_shut(a->tls);
    struct base_buf *out = net_tls_output(a->tls);
    uv_buf_t buf = uv_buf_init((char *)out->p, (unsigned)out->n);
    if (out->n)
        (void)uv_try_write((uv_stream_t *)&a->tcp, &buf, 1);
    base_buf_deinit(out);
}

void net_assoc_flush(struct net_assoc *a)
{
    if (a->in_flight || a->state == DUL_STA1)
        return;
    if (a->tls)
        encrypt(a);
    if (a->out.n && !a->broken && write_now(a))
        return;
    if (a->pull) /* more comes: keep the memory */
        base_buf_reset(&a->out);
    else
        base_buf_deinit(&a->out);
    if (a->hangup && a->state == DUL_STA13)
        net_assoc_event(a, DUL_EVT17, false);
}
