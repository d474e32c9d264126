/* Inside TLS; only for net_tls*.c. */
#ifndef NET_TLS_PRIV_H
#define NET_TLS_PRIV_H

#include "net/net_tls.h"

#include <openssl/ssl.h>

/* Freed when the last connection and its owner are gone. */
struct net_tls_context {
    SSL_CTX *ctx; /* replaced by a reload; connections hold their own reference */
    BIO_METHOD *bio;
    unsigned refs;
    int64_t expires;
    struct net_tls_config config; /* its strings are ours */
};

void net_tls_context_release(struct net_tls_context *c);
/* Verification callback: remembers whose certificate it was that failed. */
int net_tls_note_verify(int ok, X509_STORE_CTX *store);
/* The functions of BIO for the two sides of struct net_tls; NULL without memory. */
BIO_METHOD *net_tls_bio_method(void);

#endif
