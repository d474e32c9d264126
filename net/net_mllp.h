/*
 * MLLP (HL7 v2 transport specification, release 1): framing of messages over a
 * connection, <VT> message <FS><CR>, each answered before the next is taken.
 */
#ifndef NET_MLLP_H
#define NET_MLLP_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"
#include "loop/loop.h"
#include "net/net_tls.h"

#include <stdbool.h>

/* ---- framing, pure ---- */

enum net_mllp_step {
    NET_MLLP_MORE,     /* all input was taken */
    NET_MLLP_MESSAGE,  /* d->message is whole; reset it with net_mllp_next */
    NET_MLLP_NOISE,    /* bytes outside a frame: the peer speaks something else */
    NET_MLLP_TOO_LONG, /* as NET_MLLP_MESSAGE, but d->message is only its beginning */
    NET_MLLP_ENDLESS   /* too long, and no end in sight: close the connection */
};

struct net_mllp_decoder {
    enum { NET_MLLP_OUTSIDE, NET_MLLP_INSIDE, NET_MLLP_AT_END } at;
    struct base_buf message; /* its cap is the longest message */
    uint64_t passed;         /* bytes of it dropped beyond that */
};

/* Consumes from *in what belongs to the next step. Skips CR, LF and NUL between frames, and
 * accepts a <FS> without its <CR>. Public for the fuzzer. */
enum net_mllp_step net_mllp_decode(struct net_mllp_decoder *d, struct base_bytes *in);
void net_mllp_next(struct net_mllp_decoder *d);

/* ---- server ---- */

struct net_mllp_server;
struct net_mllp_conn;

struct net_mllp_options {
    struct loop *loop;
    int fd;                      /* bound; the server listens on a duplicate */
    struct net_tls_context *tls; /* borrowed for the server's life; NULL = plain */
    size_t max_message;          /* bytes */
    unsigned max_connections;
    /* Of those; 0 = no limit. Of more, the oldest between messages is closed. */
    unsigned max_per_address;
    uint64_t idle_timeout_ms; /* between messages, and for each KiB of one */
    /* A message came; borrowed until net_mllp_done, now or later. Nothing more is read
     * before that. */
    void (*on_message)(void *arg, struct net_mllp_conn *c, struct base_bytes message);
    /* The same with the beginning of a message of more than max_message. NULL: its connection
     * ends. */
    void (*on_too_long)(void *arg, struct net_mllp_conn *c, struct base_bytes beginning);
    /* The connection ended because of what the peer sent; text for the log. word names what it
     * spoke instead, or why TLS failed, as the causes of `rdc device doctor` do; "" else. */
    void (*on_fault)(void *arg, const char *peer, const char *word, const char *text);
    void *arg;
};

enum base_err net_mllp_listen(const struct net_mllp_options *o,
                              struct net_mllp_server **out) BASE_MUST_CHECK;
/* Stops accepting; connections that wait for an answer get it and are closed. */
void net_mllp_stop(struct net_mllp_server *s);
/* Open connections; for tests. */
unsigned net_mllp_connections(const struct net_mllp_server *s);
/* Closes what is left. Takes NULL. */
void net_mllp_free(struct net_mllp_server *s);

const char *net_mllp_peer(const struct net_mllp_conn *c);
/* SHA-256 of the certificate that the peer showed; false when it showed none. */
bool net_mllp_fingerprint(const struct net_mllp_conn *c, uint8_t out[BASE_SHA256]);
/* Frames and sends an answer: none, one, or two (commit and application
 * acknowledgement). */
void net_mllp_send(struct net_mllp_conn *c, struct base_bytes message);
/* The message has been answered, the next may come. c and the message stay
 * valid from on_message to this call, also when the peer is gone. */
void net_mllp_done(struct net_mllp_conn *c);

#endif
