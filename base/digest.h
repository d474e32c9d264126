/* SHA-256, random bytes and hex text (OpenSSL underneath). */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/bytes.h"
#include "base/err.h"

enum { BASE_SHA256 = 32, BASE_SHA256_HEX = 65 };

struct base_sha256;
/* NULL when out of memory. */
struct base_sha256 *base_sha256_new(void);
void base_sha256_free(struct base_sha256 *h);
void base_sha256_add(struct base_sha256 *h, const void *p, size_t n);
/* A digest and its next bytes. */
struct base_sha256_part {
    struct base_sha256 *h;
    struct base_bytes bytes;
};
/* base_sha256_add for n different digests, as many at a time as the processor can: two in 1.2
 * to 1.8 times the time of one, or sixteen in the time of seven to nine. */
void base_sha256_add_all(const struct base_sha256_part *parts, size_t n);
/* How many that is. */
size_t base_sha256_at_once(void);
/* Ends the digest; h starts anew for the next one. */
void base_sha256_end(struct base_sha256 *h, uint8_t out[BASE_SHA256]);
void base_sha256_once(const void *p, size_t n, uint8_t out[BASE_SHA256]);

/* Lower case; out holds 2 n + 1 characters. */
void base_hex(const uint8_t *p, size_t n, char *out);
/* Cryptographic random bytes; aborts the process if the system has none. */
void base_random(void *p, size_t n);

/* PS3.5 B.2: "2.25." and a UUID as a decimal number. */
enum { BASE_UID = 65 };
void base_uid_new(char out[BASE_UID]);
/* The same UID for the same seed: the name-based form, UUID version 8. */
void base_uid_derive(struct base_bytes seed, char out[BASE_UID]);

#endif
