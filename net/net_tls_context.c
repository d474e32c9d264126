/* Certificates and the profile of BCP 195. */
#include "net/net_tls_priv.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 9325 4.2: ECDHE with AEAD; 4.4: curves of 224 bits and more. The suites
 * of TLS 1.3 are OpenSSL's own, all of which qualify. */
static const char suites[] = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK";
static const unsigned char session_context[] = "rdc";

static bool given(const char *path)
{
    return path && path[0];
}

static enum base_err fail(struct base_error *error, const char *what, const char *path)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_GET_LIB(code) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(code))
                                                          : ERR_reason_error_string(code);
    enum base_err err = base_fail(error, BASE_EINVAL, BASE_NOPOS, "%s %.120s: %.80s", what, path,
                                  reason ? reason : "not usable");
    ERR_clear_error();
    return err;
}

/* ---- one SSL_CTX ---- */

static enum base_err set_profile(SSL_CTX *ctx)
{
    char curves[] = "X25519:P-256:P-384:P-521";         /* OpenSSL's macro takes no const */
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION); /* RFC 9325 3.1.1 */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* Idle connections own no buffers. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    if (!SSL_CTX_set_cipher_list(ctx, suites) || !SSL_CTX_set1_groups_list(ctx, curves))
        return BASE_EINTERNAL;
    return BASE_OK;
}

static enum base_err load_own(SSL_CTX *ctx, const struct net_tls_config *config,
                              struct base_error *error)
{
    if (!given(config->certificate)) {
        if (config->client)
            return BASE_OK;
        return base_fail(error, BASE_EINVAL, BASE_NOPOS, "tls.certificate is not set");
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, config->certificate) != 1)
        return fail(error, "certificate", config->certificate);
    const char *key = given(config->key) ? config->key : config->certificate;
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return fail(error, "private key", key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return fail(error, "private key", key);
    return BASE_OK;
}

static bool is_date(int code)
{
    return code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID ||
           code == X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD ||
           code == X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD;
}

/* NET_TLS_PEER_ASKED: a certificate that is pinned by its fingerprint needs no
 * issuer, but its dates count. */
static int verify_dates_only(int ok, X509_STORE_CTX *store)
{
    if (ok || is_date(X509_STORE_CTX_get_error(store)))
        return net_tls_note_verify(ok, store);
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static enum base_err load_peers(SSL_CTX *ctx, const struct net_tls_config *config,
                                struct base_error *error)
{
    switch (config->peer) {
    case NET_TLS_PEER_ANONYMOUS:
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        return BASE_OK;
    case NET_TLS_PEER_ASKED:
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, verify_dates_only);
        break;
    case NET_TLS_PEER_REQUIRED:
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           net_tls_note_verify);
        if (!given(config->ca)) {
            SSL_CTX_set_default_verify_paths(ctx);
        } else {
            if (SSL_CTX_load_verify_file(ctx, config->ca) != 1)
                return fail(error, "CA certificates", config->ca);
            if (!config->client) /* tells the peer which of its certificates to show */
                SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(config->ca));
        }
        break;
    }
    /* Resuming a session would skip the check of its certificate. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 0);
    return BASE_OK;
}

static int64_t expiry_of(const SSL_CTX *ctx)
{
    struct tm tm;
    const X509 *x = SSL_CTX_get0_certificate(ctx);
    if (!x || ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm);
}

static enum base_err load(struct net_tls_context *c, struct base_error *error)
{
    SSL_CTX *ctx = SSL_CTX_new(c->config.client ? TLS_client_method() : TLS_server_method());
    if (!ctx)
        return base_fail(error, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    ERR_clear_error();
    enum base_err err = set_profile(ctx);
    if (err)
        base_fail(error, err, BASE_NOPOS, "OpenSSL does not offer the suites of BCP 195");
    if (!err)
        err = load_own(ctx, &c->config, error);
    if (!err)
        err = load_peers(ctx, &c->config, error);
    SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
    if (err) {
        SSL_CTX_free(ctx);
        return err;
    }
    SSL_CTX_free(c->ctx);
    c->ctx = ctx;
    c->expires = expiry_of(ctx);
    return BASE_OK;
}

/* ---- life ---- */

void net_tls_context_release(struct net_tls_context *c)
{
    if (--c->refs)
        return;
    SSL_CTX_free(c->ctx);
    BIO_meth_free(c->bio);
    free((void *)(uintptr_t)c->config.certificate);
    free((void *)(uintptr_t)c->config.key);
    free((void *)(uintptr_t)c->config.ca);
    free(c);
}

enum base_err net_tls_context_new(const struct net_tls_config *config, struct net_tls_context **out,
                                  struct base_error *error)
{
    struct net_tls_context *c = calloc(1, sizeof *c);
    if (!c)
        return base_fail(error, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    c->refs = 1;
    c->config = *config;
    c->config.certificate = strdup(config->certificate ? config->certificate : "");
    c->config.key = strdup(config->key ? config->key : "");
    c->config.ca = strdup(config->ca ? config->ca : "");
    c->bio = net_tls_bio_method();
    enum base_err err = BASE_OK;
    if (!c->config.certificate || !c->config.key || !c->config.ca || !c->bio)
        err = base_fail(error, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    if (!err)
        err = load(c, error);
    if (err) {
        net_tls_context_release(c);
        return err;
    }
    *out = c;
    return BASE_OK;
}

enum base_err net_tls_context_reload(struct net_tls_context *c, struct base_error *error)
{
    return load(c, error);
}

void net_tls_context_free(struct net_tls_context *c)
{
    if (c)
        net_tls_context_release(c);
}

int64_t net_tls_context_expires(const struct net_tls_context *c)
{
    return c->expires;
}

/* ---- files ---- */

enum base_err net_tls_file_fingerprint(const char *path, uint8_t out[BASE_SHA256])
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        return base_err_from_errno(errno);
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    if (!x) {
        rewind(f);
        x = d2i_X509_fp(f, NULL);
    }
    fclose(f);
    ERR_clear_error();
    bool ok = x && X509_digest(x, EVP_sha256(), out, NULL) == 1;
    X509_free(x);
    return ok ? BASE_OK : BASE_EFORMAT;
}
