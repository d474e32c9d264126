/* A folder with certificates made for this run: two CAs, a server, devices. */
#ifndef TESTS_TLS_FIXTURE_H
#define TESTS_TLS_FIXTURE_H

#include "net/net_tls.h"

#include <check.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TLS_DAY = 86400 };

struct tls_issuer {
    X509 *cert;
    EVP_PKEY *key;
};

static char tls_folder[64];
static const char *const tls_names[] = {"ca",      "other-ca", "server", "device",
                                        "expired", "future",   "alien",  "self"};
enum { TLS_NAMES = sizeof tls_names / sizeof tls_names[0] };
static char tls_cert_paths[TLS_NAMES][96];
static char tls_key_paths[TLS_NAMES][96];

static inline int tls_index(const char *name)
{
    for (int i = 0; i < TLS_NAMES; i++)
        if (strcmp(name, tls_names[i]) == 0)
            return i;
    ck_abort_msg("no certificate %s", name);
    return 0;
}

static inline const char *tls_cert(const char *name)
{
    return tls_cert_paths[tls_index(name)];
}

static inline const char *tls_key(const char *name)
{
    return tls_key_paths[tls_index(name)];
}

static inline void tls_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* Writes NAME.pem and NAME.key. issuer NULL: self-signed. */
static inline struct tls_issuer tls_make(const char *name, const struct tls_issuer *issuer, bool ca,
                                         long from, long to)
{
    static long serial = 1;
    struct tls_issuer made = {X509_new(), EVP_EC_gen("P-256")};
    X509 *x = made.cert;
    X509_NAME *subject = X509_get_subject_name(x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), to);
    X509_set_pubkey(x, made.key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer->cert) : subject);
    tls_extension(x, NID_basic_constraints, ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (!ca)
        tls_extension(x, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
    ck_assert_int_gt(X509_sign(x, issuer ? issuer->key : made.key, EVP_sha256()), 0);
    FILE *f = fopen(tls_cert(name), "we");
    ck_assert_int_eq(PEM_write_X509(f, x), 1);
    fclose(f);
    f = fopen(tls_key(name), "we");
    ck_assert_int_eq(PEM_write_PrivateKey(f, made.key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    return made;
}

static inline void tls_issuer_free(struct tls_issuer i)
{
    X509_free(i.cert);
    EVP_PKEY_free(i.key);
}

static inline void tls_files_make(void)
{
    snprintf(tls_folder, sizeof tls_folder, "/tmp/rdc-tls-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(tls_folder));
    for (int i = 0; i < TLS_NAMES; i++) {
        snprintf(tls_cert_paths[i], sizeof tls_cert_paths[i], "%s/%s.pem", tls_folder,
                 tls_names[i]);
        snprintf(tls_key_paths[i], sizeof tls_key_paths[i], "%s/%s.key", tls_folder, tls_names[i]);
    }
    struct tls_issuer ca = tls_make("ca", NULL, true, -TLS_DAY, TLS_DAY);
    struct tls_issuer other = tls_make("other-ca", NULL, true, -TLS_DAY, TLS_DAY);
    tls_issuer_free(tls_make("server", &ca, false, -TLS_DAY, TLS_DAY));
    tls_issuer_free(tls_make("device", &ca, false, -TLS_DAY, TLS_DAY));
    tls_issuer_free(tls_make("expired", &ca, false, -2L * TLS_DAY, -TLS_DAY));
    tls_issuer_free(tls_make("future", &ca, false, TLS_DAY, 2L * TLS_DAY));
    tls_issuer_free(tls_make("alien", &other, false, -TLS_DAY, TLS_DAY));
    tls_issuer_free(tls_make("self", NULL, false, -TLS_DAY, TLS_DAY));
    tls_issuer_free(ca);
    tls_issuer_free(other);
}

static inline void tls_files_remove(void)
{
    for (int i = 0; i < TLS_NAMES; i++) {
        unlink(tls_cert_paths[i]);
        unlink(tls_key_paths[i]);
    }
    rmdir(tls_folder);
}

static inline struct net_tls_context *tls_context(const struct net_tls_config *config)
{
    struct net_tls_context *c = NULL;
    struct base_error error = {.msg = ""};
    ck_assert_msg(net_tls_context_new(config, &c, &error) == BASE_OK, "%s", error.msg);
    return c;
}

/* ca "" = whoever signed it. */
static inline struct net_tls_context *tls_server(const char *name, const char *ca,
                                                 enum net_tls_peer peer)
{
    struct net_tls_config config = {.certificate = tls_cert(name),
                                    .key = tls_key(name),
                                    .ca = ca[0] ? tls_cert(ca) : "",
                                    .peer = peer};
    return tls_context(&config);
}

/* name "" = without a certificate. */
static inline struct net_tls_context *tls_client(const char *name, const char *ca)
{
    struct net_tls_config config = {.client = true,
                                    .certificate = name[0] ? tls_cert(name) : "",
                                    .key = name[0] ? tls_key(name) : "",
                                    .ca = tls_cert(ca),
                                    .peer = NET_TLS_PEER_REQUIRED,
                                    .peer_name = true};
    return tls_context(&config);
}

#endif
