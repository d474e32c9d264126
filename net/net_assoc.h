/*
 * DICOM associations on libuv (PS3.8), both roles. One loop serves any number
 * of them; an idle one costs a socket, a timer and little memory.
 *
 * The upper-layer state machine is the table of dicom/dicom_dul.h; this is its
 * socket, its timers and its callbacks. Everything runs on the loop thread.
 * Callbacks may call any function here, even net_assoc_abort on their own
 * association. on_closed runs exactly once for every association that a handler
 * was given; the association is freed after it returns. No callback runs inside
 * a call to a function here: each comes from the loop. After the end (abort,
 * rejection, release) on_closed is the only callback still to come.
 */
#ifndef NET_ASSOC_H
#define NET_ASSOC_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/counters.h"
#include "base/err.h"
#include "dicom/dicom_dimse.h"
#include "loop/loop.h"
#include "net/net_tls.h"

#include <stdbool.h>

struct net_assoc;
struct net_assoc_server;

/* Why an association, or an attempt at one, ended. */
enum net_assoc_cause {
    NET_ASSOC_RELEASED,       /* in order, by either side */
    NET_ASSOC_REJECTED,       /* requestor: the peer refused; acceptor: we did */
    NET_ASSOC_PEER_ABORTED,   /* A-ABORT from the peer */
    NET_ASSOC_ABORTED,        /* net_assoc_abort */
    NET_ASSOC_PEER_CLOSED,    /* connection closed or reset without A-ABORT */
    NET_ASSOC_CONNECT_FAILED, /* no TCP connection */
    NET_ASSOC_TIMED_OUT,      /* ARTIM, idle, or no answer */
    NET_ASSOC_TLS_ON_PLAIN,   /* first byte 0x16: a TLS hello on the plain port */
    NET_ASSOC_NOT_DICOM,      /* first bytes are no PDU at all (HTTP, noise) */
    NET_ASSOC_PROTOCOL_ERROR, /* malformed or unexpected PDU, PDV or command */
    NET_ASSOC_PLAIN_ON_TLS,   /* first byte is not TLS: a plain peer on the TLS port */
    NET_ASSOC_TLS_FAILED,     /* handshake or record refused; net_assoc_tls has the cause */
    NET_ASSOC_PDU_TOO_LARGE,  /* a P-DATA-TF longer than we said that we take */
    NET_ASSOC_LIMIT,          /* what else the peer sent is larger than a limit */
    NET_ASSOC_TOO_MANY,       /* associations, or connections without a request */
    NET_ASSOC_MEMORY,         /* ours is used up */
    NET_ASSOC_STOPPED         /* the server or loop is ending */
};
const char *net_assoc_cause_text(enum net_assoc_cause cause); /* English, for a technician */

/* All callbacks get the arg given to net_assoc_listen or net_assoc_connect, or the
 * last one set by net_assoc_set_arg. A callback may be NULL where this says so. */
struct net_assoc_handlers {
    /* Acceptor: an A-ASSOCIATE-RQ came. Answer now or later with
     * net_assoc_accept or net_assoc_reject; until then only on_closed can come
     * (the peer aborts or vanishes). rq is borrowed until on_closed returns. */
    void (*on_request)(struct net_assoc *a, void *arg, const struct dicom_associate *rq);
    /* Requestor: accepted. Find contexts with net_assoc_context. */
    void (*on_established)(struct net_assoc *a, void *arg);
    /* A whole command set. The data set, if there is one
     * (cmd->has_dataset), follows through on_data. cmd is borrowed for
     * the call. */
    void (*on_command)(struct net_assoc *a, void *arg, uint8_t context,
                       const struct dicom_dimse *cmd);
    /* Bytes of the data set as they arrive, in order; last marks its end (bytes
     * may be empty then). Borrowed for the call. */
    void (*on_data)(struct net_assoc *a, void *arg, struct base_bytes bytes, bool last);
    /* The association is over; also after a failed connect. text adds detail in
     * English ("" when none), without patient data. May be NULL. */
    void (*on_closed)(struct net_assoc *a, void *arg, enum net_assoc_cause cause, const char *text);
    /* Sets *to to where the next bytes of the data set should be read, so that on_data gets them
     * in place and need not copy; returns how many bytes fit there, 0 = no such place. Valid until
     * the next callback, which need not be on_data. May be NULL. */
    size_t (*on_space)(struct net_assoc *a, void *arg, uint8_t **to);
};

struct net_assoc_config {
    struct net_tls_context *tls; /* borrowed for the server's life; NULL: without TLS */
    uint32_t max_pdu;            /* largest P-DATA-TF that we accept, in bytes; sent to the peer */
    unsigned artim_ms;           /* waiting for A-ASSOCIATE-RQ, and for the close */
    unsigned idle_ms;            /* how long the peer may go without progress on an open
                                  * association: a KiB of data sets, or a request that we answer.
                                  * Not counted while paused or while the peer waits for our
                                  * answer. 0 = no limit */
    unsigned max_associations;   /* of this server; more are refused as "local limit" (2/3/2).
                                  * As many again may wait for the peer's close; beyond that
                                  * we close at once. */
    unsigned max_awaited;        /* connections without a request yet; beyond it the oldest goes */
    struct base_counters *counters; /* may be NULL */
    /* A connection that ended before its request could be given to on_request
     * (TLS hello, noise, silence, a request that is malformed or not acceptable). rq: NULL when
     * none came; only its AE titles are for use. May be NULL. */
    void (*on_stranger)(void *arg, const char *address, const struct dicom_associate *rq,
                        enum net_assoc_cause cause, const char *text);
};

/* ---- acceptor ---- */

/* Serves a listening, non-blocking socket through a duplicate of fd, which stays the caller's.
 * Copies config and handlers. */
enum base_err net_assoc_listen(struct loop *loop, int fd, const struct net_assoc_config *config,
                               const struct net_assoc_handlers *handlers, void *arg,
                               struct net_assoc_server **out) BASE_MUST_CHECK;
/* Stops accepting connections; associations go on. */
void net_assoc_server_stop(struct net_assoc_server *s);
/* Open associations; for tests, which check that none is left over. */
unsigned net_assoc_server_count(const struct net_assoc_server *s);
/* Aborts the open associations (cause NET_ASSOC_STOPPED) and frees the server once
 * the loop has closed them all; then runs done (may be NULL). s may be NULL: then done
 * does not run. */
void net_assoc_server_close(struct net_assoc_server *s, void (*done)(void *arg), void *arg);

/* Memory that lives as long as the association. */
struct base_arena *net_assoc_arena(struct net_assoc *a);
/* Answers the request. answer comes from dicom_negotiate() with
 * net_assoc_arena(); otherwise its arrays must stay valid until on_closed. Its
 * AE titles and max_length are filled in here. BASE_ECONFLICT when no request is
 * waiting (any more), BASE_ENOMEM. */
enum base_err net_assoc_accept(struct net_assoc *a,
                               const struct dicom_associate *answer) BASE_MUST_CHECK;
/* PS3.8 9.3.4; on_closed follows with NET_ASSOC_REJECTED. Does nothing when no
 * request is waiting any more. */
void net_assoc_reject(struct net_assoc *a, struct dicom_reject rj);

/* ---- requestor ---- */

struct net_assoc_target {
    struct net_tls_context *tls; /* a client's; NULL: without TLS. Borrowed during the call. */
    const char *host;            /* name or address */
    uint16_t port;
    const char *calling; /* our AE title */
    const char *called;
    const struct dicom_context *contexts; /* abstract and transfer syntaxes; ids are given here */
    unsigned n_contexts;                  /* 1 to DICOM_CONTEXTS_MAX */
    const struct dicom_role *roles;       /* role selection; usually none */
    unsigned n_roles;
    unsigned connect_ms;  /* for TCP and for the answer to the request, each; 0 = no limit */
    unsigned total_ms;    /* for the whole association, whatever the peer does; 0 = no limit */
    unsigned response_ms; /* without a response, or progress in our sending, on the open
                           * association; 0 = no limit */
    uint32_t max_pdu;
};

/* Copies all it needs. If it fails no callback runs; later failures come as
 * on_closed. */
enum base_err net_assoc_connect(struct loop *loop, const struct net_assoc_target *target,
                                const struct net_assoc_handlers *handlers, void *arg,
                                struct net_assoc **out) BASE_MUST_CHECK;
/* The id of the accepted context for this abstract and transfer syntax (NULL = any);
 * 0 when there is none. *syntax (may be NULL) is set to the accepted transfer syntax. */
uint8_t net_assoc_context(const struct net_assoc *a, const char *abstract_syntax,
                          const char *transfer_syntax, const char **syntax);
/* A-RELEASE once everything queued has been sent and a stream under way has ended.
 * Aborts an association that is not established yet. */
void net_assoc_release(struct net_assoc *a);

/* ---- both ---- */

void net_assoc_set_arg(struct net_assoc *a, void *arg);
/* Abstract and transfer syntax of an accepted context; NULL for any other id. */
const char *net_assoc_abstract_syntax(const struct net_assoc *a, uint8_t context);
const char *net_assoc_transfer_syntax(const struct net_assoc *a, uint8_t context);
/* The peer's numeric address, borrowed; *port (may be NULL) is set too. */
const char *net_assoc_peer(const struct net_assoc *a, uint16_t *port);
/* The A-ASSOCIATE-RQ, received or sent. */
const struct dicom_associate *net_assoc_request(const struct net_assoc *a);
/* NULL without TLS. */
const struct net_tls *net_assoc_tls(const struct net_assoc *a);
uint64_t net_assoc_id(const struct net_assoc *a); /* unique in this process, for the log */

/* One message: command and data set (may be empty = none) leave in one write
 * where they fit. cmd->has_dataset is set here. Copies. BASE_ECLOSED when the
 * association is over or not yet there, BASE_EINVAL for a context that was not
 * accepted, BASE_ECONFLICT while a stream is being sent, BASE_ENOMEM. */
enum base_err net_assoc_send(struct net_assoc *a, uint8_t context, const struct dicom_dimse *cmd,
                             struct base_bytes data) BASE_MUST_CHECK;
/* A message whose data set is pulled: pull is called from the loop whenever
 * there is room, and answers through net_assoc_feed, now or later. It is not
 * called again before that, and not after the end was fed. Errors as above. */
enum base_err net_assoc_send_stream(struct net_assoc *a, uint8_t context,
                                    const struct dicom_dimse *cmd,
                                    void (*pull)(struct net_assoc *a, void *arg)) BASE_MUST_CHECK;
/* The next bytes of the stream (copied), best 64 KiB at a time; last ends the data
 * set. BASE_ECLOSED, BASE_ECONFLICT without a stream, BASE_ENOMEM (then the
 * association is aborted). */
enum base_err net_assoc_feed(struct net_assoc *a, struct base_bytes bytes,
                             bool last) BASE_MUST_CHECK;

/* Back-pressure: no on_data and on_command until resumed. The socket is not read;
 * bytes read already, at most one read buffer, are kept. Counted: two pauses need
 * two resumes. */
void net_assoc_pause(struct net_assoc *a);
void net_assoc_resume(struct net_assoc *a);
/* Pauses the socket alone: bytes read already, at most one read buffer, are still
 * delivered. For callers with room for them; saves a copy. Counted as well. */
void net_assoc_pause_reading(struct net_assoc *a);
void net_assoc_resume_reading(struct net_assoc *a);

/* A-ABORT (source 0), then on_closed with NET_ASSOC_ABORTED. Does nothing once
 * the association is over. */
void net_assoc_abort(struct net_assoc *a);
/* The same with NET_ASSOC_PROTOCOL_ERROR: the peer did what it must not, as text says. */
void net_assoc_abort_protocol(struct net_assoc *a, const char *text);

#endif
