/*
 * Accepted TCP connections on the loop, with TLS where wanted: reading with
 * back-pressure, writing that owns what cannot be sent at once, and one time-out
 * each.
 *
 * A stream belongs to whoever started it, until net_stream_close or
 * net_stream_finish; after either no callback comes. TCP_NODELAY is always on.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "loop/loop.h"
#include "net/net_tls.h"

#include <stdbool.h>

struct net_stream;
struct net_listener;

/* Any but on_read and on_error may be NULL. Each may close the stream. */
struct net_stream_events {
    /* Borrowed during the call. At most 64 KiB; with TLS, 96 KiB. */
    void (*on_read)(void *arg, struct base_bytes bytes);
    /* The peer has sent its last byte; it may still read. NULL: on_error with
     * BASE_ECLOSED comes instead. */
    void (*on_eof)(void *arg);
    /* All that was queued has been handed to the system. */
    void (*on_drain)(void *arg);
    void (*on_timeout)(void *arg);
    /* The connection is broken; nothing more can be read or written. */
    void (*on_error)(void *arg, enum base_err err);
};

/* s must be started or closed by the callee. */
typedef void net_accept_fn(void *arg, struct net_stream *s);

/* How long to go on reading a peer that still sends after our FIN. */
struct net_linger {
    size_t max;       /* streams between net_stream_finish and their close; more close at once */
    uint64_t ms;      /* in all; 0 = 30 s */
    uint64_t idle_ms; /* between two reads; 0 = 5 s */
};

/* Accepts on a bound socket, through a duplicate of fd, which stays the caller's. */
enum base_err net_listener_new(struct loop *l, int fd, const struct net_linger *linger,
                               net_accept_fn *fn, void *arg,
                               struct net_listener **out) BASE_MUST_CHECK;
/* Connections accepted earlier are not touched. Takes NULL. */
void net_listener_free(struct net_listener *l);

/* Sets the callbacks of an accepted stream and begins to read. events must
 * outlive the stream. */
void net_stream_start(struct net_stream *s, const struct net_stream_events *events, void *arg);

/* Adds TLS, before net_stream_start. If the handshake fails, on_error comes with
 * BASE_EFORMAT, and net_stream_tls tells why. Writing before it is done is an
 * error. */
enum base_err net_stream_secure(struct net_stream *s, struct net_tls_context *tls) BASE_MUST_CHECK;
/* Inside on_error, for a peer that speaks no TLS (NET_TLS_PLAIN): removes TLS again,
 * so that the peer can be told in plain text before the end. */
void net_stream_unsecure(struct net_stream *s);
/* NULL without TLS. Lives as long as s. */
const struct net_tls *net_stream_tls(const struct net_stream *s);

/* Pausing takes effect at once, even inside on_read. */
void net_stream_pause(struct net_stream *s);
void net_stream_resume(struct net_stream *s);

/* Sends head and then body, in one system call where both fit. What cannot be
 * sent at once is queued: head is copied, body (may be NULL) is moved and is
 * empty afterwards in any case. BASE_ENOMEM, or the connection's error, for which
 * on_error does not run. */
enum base_err net_stream_write(struct net_stream *s, struct base_bytes head,
                               struct base_buf *body) BASE_MUST_CHECK;
/* Bytes that wait to be sent. */
size_t net_stream_queued(const struct net_stream *s);

/* Once, after ms; 0 = none. Each call replaces the one before. */
void net_stream_timeout(struct net_stream *s, uint64_t ms);

/* Closes at once; queued bytes are lost. Takes NULL. */
void net_stream_close(struct net_stream *s);
/* Sends what is queued (giving up after flush_ms without progress), says FIN,
 * and drops what the peer still sends, as struct net_linger says: closing a socket
 * with unread bytes would reset the connection and could destroy our last answer. */
void net_stream_finish(struct net_stream *s, uint64_t flush_ms);

/* Numeric address of the peer, "" when unknown; lives as long as s. */
const char *net_stream_peer(const struct net_stream *s);
bool net_stream_peer_is_loopback(const struct net_stream *s);

#endif
