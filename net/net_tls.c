#include "net/net_tls.h"

#include "net/net_tls_priv.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_MAX = 16 * 1024, /* RFC 8446 5.1: plain bytes in a record */
    TYPE_HANDSHAKE = 0x16,  /* the first byte of a ClientHello's record */
    TYPE_ALERT = 0x15,
    /* Bytes on the wire of records without data (KeyUpdate, empty ones, warnings) since the last
     * data: a thousand times what any peer needs. */
    BARREN_MAX = 64 * 1024
};

/* HANDSHAKE ─► OPEN ─► ENDED, and from any to FAILED. ENDED: the peer sends no more,
 * but we may. */
enum state { HANDSHAKE, OPEN, ENDED, FAILED };

struct net_tls {
    struct net_tls_context *context;
    SSL *ssl;
    enum state state;
    struct base_bytes in; /* what OpenSSL may still read, during a call */
    struct base_buf out;
    bool begun; /* the first byte was looked at */
    bool shut;
    size_t barren; /* bytes since those of data */
    enum net_tls_cause cause;
    char subject[65]; /* of a certificate that was refused: its common name */
    char text[240];
};

#define ROW(name, word, remedy) {word, remedy},
static const struct {
    const char *word;
    const char *remedy;
} causes[] = {NET_TLS_CAUSE_MAP(ROW)};
#undef ROW

const char *net_tls_cause_word(enum net_tls_cause cause)
{
    return causes[cause].word;
}

const char *net_tls_cause_remedy(enum net_tls_cause cause)
{
    return causes[cause].remedy;
}

/* ---- what OpenSSL reads and writes ---- */

static int bio_read(BIO *b, char *to, size_t n, size_t *got)
{
    struct net_tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (t->in.n == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    *got = n < t->in.n ? n : t->in.n;
    memcpy(to, t->in.p, *got);
    t->in = base_bytes_of(t->in.p + *got, t->in.n - *got);
    return 1;
}

static int bio_write(BIO *b, const char *from, size_t n, size_t *put)
{
    struct net_tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    base_buf_add(&t->out, from, n);
    *put = n;
    return t->out.err == BASE_OK;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

BIO_METHOD *net_tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "rdc");
    if (!m)
        return NULL;
    BIO_meth_set_read_ex(m, bio_read);
    BIO_meth_set_write_ex(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
}

/* ---- life ---- */

/* RFC 6066 3: SNI carries only names, no addresses. */
static bool set_host(SSL *ssl, const char *host, bool verify)
{
    unsigned char address[sizeof(struct in6_addr)];
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return !verify || X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    char name[256]; /* a copy, since OpenSSL's macro takes no const */
    if (snprintf(name, sizeof name, "%s", host) >= (int)sizeof name)
        return false;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, name) == 1 &&
           (!verify || X509_VERIFY_PARAM_set1_host(param, host, 0) == 1);
}

enum base_err net_tls_new(struct net_tls_context *c, const char *host, struct net_tls **out)
{
    struct net_tls *t = calloc(1, sizeof *t);
    if (!t)
        return BASE_ENOMEM;
    t->ssl = SSL_new(c->ctx);
    BIO *bio = BIO_new(c->bio);
    if (!t->ssl || !bio ||
        (c->config.client && host && !set_host(t->ssl, host, c->config.peer_name))) {
        ERR_clear_error();
        BIO_free(bio);
        SSL_free(t->ssl);
        free(t);
        return BASE_ENOMEM;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    if (c->config.client)
        SSL_set_connect_state(t->ssl);
    else
        SSL_set_accept_state(t->ssl);
    t->context = c;
    c->refs++;
    *out = t;
    return BASE_OK;
}

void net_tls_free(struct net_tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    base_buf_deinit(&t->out);
    net_tls_context_release(t->context);
    free(t);
}

/* ---- why it failed ---- */

static enum net_tls_cause cause_of_verify(long result)
{
    switch (result) {
    case X509_V_OK:
        return NET_TLS_NONE;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return NET_TLS_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return NET_TLS_NOT_YET_VALID;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return NET_TLS_UNKNOWN_ISSUER;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return NET_TLS_WRONG_NAME;
    default:
        return NET_TLS_BAD_CERTIFICATE;
    }
}

static enum net_tls_cause cause_of_reason(int reason)
{
    switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return NET_TLS_NO_CERTIFICATE;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return NET_TLS_OLD_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
        return NET_TLS_NO_CIPHER;
    default:
        /* OpenSSL numbers an alert from the peer as 1000 + its description. */
        return reason >= SSL_AD_REASON_OFFSET ? NET_TLS_REFUSED : NET_TLS_BROKEN;
    }
}

int net_tls_note_verify(int ok, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct net_tls *t = SSL_get_app_data(ssl);
    const X509 *cert = X509_STORE_CTX_get_current_cert(store);
    if (!ok && cert)
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, t->subject,
                                  sizeof t->subject);
    return ok;
}

static void describe(struct net_tls *t, const char *what)
{
    bool named = t->subject[0] && t->cause != NET_TLS_REFUSED;
    snprintf(t->text, sizeof t->text, "%s%s%s%s", what, named ? " (certificate of " : "",
             named ? t->subject : "", named ? ")" : "");
}

static enum base_err failed(struct net_tls *t)
{
    unsigned long code = ERR_peek_error();
    long verify = SSL_get_verify_result(t->ssl);
    const char *reason = ERR_reason_error_string(code);
    t->state = FAILED;
    t->cause = cause_of_reason(ERR_GET_REASON(code));
    if (t->cause == NET_TLS_BROKEN && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        t->cause = cause_of_verify(verify);
        reason = X509_verify_cert_error_string(verify);
    }
    describe(t, reason ? reason : "TLS protocol error");
    ERR_clear_error();
    return t->out.err ? t->out.err : BASE_EFORMAT;
}

/* No alert: a peer without TLS would not understand it. */
static enum base_err refuse_plain(struct net_tls *t)
{
    t->state = FAILED;
    t->cause = NET_TLS_PLAIN;
    snprintf(t->text, sizeof t->text, "no TLS on the TLS port");
    return BASE_EFORMAT;
}

/* Each costs us keys and an answer, and keeps the connection alive. */
static enum base_err refuse_barren(struct net_tls *t)
{
    t->state = FAILED;
    t->cause = NET_TLS_BROKEN;
    snprintf(t->text, sizeof t->text, "TLS records without data, over and over");
    return BASE_EFORMAT;
}

/* ---- bytes ---- */

static enum base_err shake(struct net_tls *t)
{
    ERR_clear_error();
    int r = SSL_do_handshake(t->ssl);
    if (r == 1)
        t->state = OPEN;
    else if (SSL_get_error(t->ssl, r) != SSL_ERROR_WANT_READ)
        return failed(t);
    return BASE_OK;
}

enum base_err net_tls_start(struct net_tls *t)
{
    assert(t->context->config.client);
    return shake(t);
}

static enum base_err decrypt(struct net_tls *t, struct base_buf *plain)
{
    for (;;) {
        size_t n = 0;
        uint8_t *to = base_buf_reserve(plain, RECORD_MAX);
        if (!to)
            return plain->err;
        ERR_clear_error();
        if (SSL_read_ex(t->ssl, to, RECORD_MAX, &n) == 1) {
            plain->n += n;
            continue;
        }
        switch (SSL_get_error(t->ssl, 0)) {
        case SSL_ERROR_WANT_READ:
            return BASE_OK;
        case SSL_ERROR_ZERO_RETURN:
            t->state = ENDED;
            return BASE_ECLOSED;
        default:
            return failed(t);
        }
    }
}

enum base_err net_tls_read(struct net_tls *t, struct base_bytes in, struct base_buf *plain)
{
    enum base_err err = BASE_OK;
    if (t->state == FAILED || t->state == ENDED)
        return t->state == ENDED ? BASE_ECLOSED : BASE_EFORMAT;
    if (!t->begun && in.n) {
        t->begun = true;
        if (in.p[0] != TYPE_HANDSHAKE && in.p[0] != TYPE_ALERT)
            return refuse_plain(t);
    }
    size_t before = plain->n;
    t->in = in;
    if (t->state == HANDSHAKE)
        err = shake(t);
    if (!err && t->state == OPEN)
        err = decrypt(t, plain);
    t->in = (struct base_bytes){0};
    t->barren = plain->n > before ? 0 : t->barren + in.n;
    if (!err && t->state == OPEN && t->barren > BARREN_MAX)
        err = refuse_barren(t);
    return err;
}

enum base_err net_tls_write(struct net_tls *t, struct base_bytes bytes)
{
    size_t n = 0;
    if ((t->state != OPEN && t->state != ENDED) || t->shut)
        return BASE_ECONFLICT;
    if (bytes.n == 0)
        return BASE_OK;
    ERR_clear_error();
    if (SSL_write_ex(t->ssl, bytes.p, bytes.n, &n) == 1 && n == bytes.n)
        return BASE_OK;
    return failed(t);
}

void net_tls_shut(struct net_tls *t)
{
    if ((t->state != OPEN && t->state != ENDED) || t->shut)
        return;
    t->shut = true;
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    ERR_clear_error();
}

struct base_buf *net_tls_output(struct net_tls *t)
{
    return &t->out;
}

bool net_tls_is_open(const struct net_tls *t)
{
    return t->state == OPEN || t->state == ENDED;
}

enum net_tls_cause net_tls_failure(const struct net_tls *t)
{
    return t->cause;
}

const char *net_tls_failure_text(const struct net_tls *t)
{
    return t->text;
}

bool net_tls_fingerprint(const struct net_tls *t, uint8_t out[BASE_SHA256])
{
    const X509 *peer = SSL_get0_peer_certificate(t->ssl);
    return peer && X509_digest(peer, EVP_sha256(), out, NULL) == 1;
}

const char *net_tls_version(const struct net_tls *t)
{
    return SSL_get_version(t->ssl);
}
