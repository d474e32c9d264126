/*
 * TLS for connections of any protocol: bytes of the wire on one side, plain
 * bytes on the other, no socket. net_stream and net_assoc sit on top.
 *
 * The profile is that of BCP 195 (RFC 9325) as PS3.15 B.12 takes it over: TLS
 * 1.2 and 1.3, ephemeral ECDH with AEAD suites only, no renegotiation, no
 * compression. Everything runs on one thread and never waits.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"

#include <stdbool.h>

/* ---- certificates, for many connections ---- */

/* What we ask of the peer's certificate. */
enum net_tls_peer {
    NET_TLS_PEER_ANONYMOUS, /* none is asked for */
    NET_TLS_PEER_ASKED,     /* one may be shown; its dates are checked, its issuer is not. What
                             * the peer may do then depends on the fingerprint. */
    NET_TLS_PEER_REQUIRED   /* one must be shown, valid, and signed by ca */
};

struct net_tls_config {
    bool client;             /* we are the one who connects */
    const char *certificate; /* files, PEM; "" or NULL: none, which only a client may have */
    const char *key;
    const char *ca; /* for NET_TLS_PEER_REQUIRED; "" or NULL: those of the system */
    enum net_tls_peer peer;
    bool peer_name; /* client: the certificate must name the host we connect to */
};

struct net_tls_context;

/* Copies config and reads the files. The error says which file and why:
 * BASE_EINVAL, BASE_EIO, BASE_ENOMEM. */
enum base_err net_tls_context_new(const struct net_tls_config *config, struct net_tls_context **out,
                                  struct base_error *error) BASE_MUST_CHECK;
/* Reads the files anew, for connections made from then on. If it fails nothing
 * changes. Errors as above. */
enum base_err net_tls_context_reload(struct net_tls_context *c,
                                     struct base_error *error) BASE_MUST_CHECK;
/* Connections keep what they need. Takes NULL. */
void net_tls_context_free(struct net_tls_context *c);
/* When our certificate expires, in seconds since 1970; 0 when there is none. */
int64_t net_tls_context_expires(const struct net_tls_context *c);

/* SHA-256 of the first certificate of a PEM or DER file: BASE_EFORMAT when it
 * holds none, or what opening it gave. */
enum base_err net_tls_file_fingerprint(const char *path, uint8_t out[BASE_SHA256]) BASE_MUST_CHECK;

/* ---- one connection ---- */

/* Why a connection failed. X(name, word for the log, remedy) */
#define NET_TLS_CAUSE_MAP(X)                                                                       \
    X(NONE, "none", "")                                                                            \
    X(PLAIN, "plain_on_tls_port",                                                                  \
      "this port speaks TLS only: switch TLS on in the peer, or use the port without TLS")         \
    X(NO_CERTIFICATE, "certificate_missing",                                                       \
      "the peer showed no certificate: install one that is signed by a CA of tls.client-ca")       \
    X(EXPIRED, "certificate_expired",                                                              \
      "the certificate of the peer is past its end: renew it there (or correct the clock)")        \
    X(NOT_YET_VALID, "certificate_not_yet_valid",                                                  \
      "the certificate of the peer begins later: correct the clock of the peer or ours")           \
    X(UNKNOWN_ISSUER, "certificate_unknown",                                                       \
      "no CA that we trust signed the certificate of the peer: add its CA to tls.client-ca "       \
      "(devices) or tls.peer-ca (destinations), or renew the certificate")                         \
    X(WRONG_NAME, "certificate_of_another_host",                                                   \
      "the certificate of the peer carries another host name or address: renew it, or set "        \
      "tls.peer-name = no")                                                                        \
    X(BAD_CERTIFICATE, "certificate_bad", "the certificate of the peer is not usable: renew it")   \
    X(OLD_VERSION, "tls_version",                                                                  \
      "the peer speaks only TLS 1.1 or older: it needs TLS 1.2 or 1.3")                            \
    X(NO_CIPHER, "tls_cipher",                                                                     \
      "the peer offers no suite that we accept: it needs ECDHE with AES-GCM or ChaCha20")          \
    X(REFUSED, "refused_by_peer",                                                                  \
      "the peer broke the TLS handshake off: it may not trust our certificate (tls.certificate) "  \
      "or want one; see its log")                                                                  \
    X(BROKEN, "tls_error", "the peer did not keep to the TLS protocol")

#define NET_TLS_CAUSE_ENUM(name, word, remedy) NET_TLS_##name,
enum net_tls_cause { NET_TLS_CAUSE_MAP(NET_TLS_CAUSE_ENUM) NET_TLS_CAUSE_COUNT };
#undef NET_TLS_CAUSE_ENUM

const char *net_tls_cause_word(enum net_tls_cause cause);
const char *net_tls_cause_remedy(enum net_tls_cause cause);

struct net_tls;

/* host: what a client wants to reach (name or numeric address); NULL else. */
enum base_err net_tls_new(struct net_tls_context *c, const char *host,
                          struct net_tls **out) BASE_MUST_CHECK;
/* Takes NULL. */
void net_tls_free(struct net_tls *t);

/* Client: puts the ClientHello into the output. */
enum base_err net_tls_start(struct net_tls *t) BASE_MUST_CHECK;
/* Takes all of in and appends what it decrypts to plain. BASE_OK: go on;
 * BASE_ECLOSED: the peer ended the connection in order; BASE_EFORMAT: it
 * failed, and net_tls_failure tells why; BASE_ENOMEM. After every call there
 * may be output. */
enum base_err net_tls_read(struct net_tls *t, struct base_bytes in,
                           struct base_buf *plain) BASE_MUST_CHECK;
/* Encrypts bytes into the output. BASE_ECONFLICT before the handshake is done
 * and after the end, BASE_ENOMEM. */
enum base_err net_tls_write(struct net_tls *t, struct base_bytes bytes) BASE_MUST_CHECK;
/* Puts close_notify into the output: we send no more. */
void net_tls_shut(struct net_tls *t);
/* Bytes for the peer: the caller takes them out or empties the buffer. */
struct base_buf *net_tls_output(struct net_tls *t);

/* The handshake is done. */
bool net_tls_is_open(const struct net_tls *t);
enum net_tls_cause net_tls_failure(const struct net_tls *t);
/* English, with the subject of the certificate; "" before a failure. */
const char *net_tls_failure_text(const struct net_tls *t);
/* SHA-256 of the peer's certificate; false when it showed none. */
bool net_tls_fingerprint(const struct net_tls *t, uint8_t out[BASE_SHA256]);
/* "TLSv1.3". */
const char *net_tls_version(const struct net_tls *t);

#endif
