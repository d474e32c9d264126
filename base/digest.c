#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

struct base_sha256 {
    EVP_MD_CTX *ctx;
};

struct base_sha256 *base_sha256_new(void)
{
    struct base_sha256 *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
        base_sha256_free(h);
        return NULL;
    }
    return h;
}

void base_sha256_free(struct base_sha256 *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

/* These can only fail when the context was not initialised; a wrong digest
 * must never pass silently, so that ends the process. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

void base_sha256_add(struct base_sha256 *h, const void *p, size_t n)
{
    must(EVP_DigestUpdate(h->ctx, p, n));
}

void base_sha256_end(struct base_sha256 *h, uint8_t out[BASE_SHA256])
{
    unsigned n = 0;
    must(EVP_DigestFinal_ex(h->ctx, out, &n));
    must(EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL));
}

void base_sha256_once(const void *p, size_t n, uint8_t out[BASE_SHA256])
{
    must(EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL));
}

void base_hex(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = 0;
}

void base_random(void *p, size_t n)
{
    if (n > INT32_MAX)
        abort();
    must(RAND_bytes(p, (int)n));
}

/* PS3.5 B.2: the UUID as one unsigned 128-bit decimal number without leading zeros. */
static void uid_from_uuid(const uint8_t uuid[16], char out[BASE_UID])
{
    uint8_t n[16];
    char digits[40];
    size_t count = 0;
    memcpy(n, uuid, sizeof n);
    for (;;) {
        unsigned rest = 0;
        int more = 0;
        for (size_t i = 0; i < sizeof n; i++) {
            unsigned v = rest << 8 | n[i];
            n[i] = (uint8_t)(v / 10);
            rest = v % 10;
            more |= n[i];
        }
        digits[count++] = (char)('0' + rest);
        if (!more)
            break;
    }
    memcpy(out, "2.25.", 5);
    for (size_t i = 0; i < count; i++)
        out[5 + i] = digits[count - 1 - i];
    out[5 + count] = 0;
}

static void set_version(uint8_t uuid[16], unsigned version)
{
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | version << 4);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

void base_uid_new(char out[BASE_UID])
{
    uint8_t uuid[16];
    base_random(uuid, sizeof uuid);
    set_version(uuid, 4);
    uid_from_uuid(uuid, out);
}

void base_uid_derive(struct base_bytes seed, char out[BASE_UID])
{
    uint8_t sha[BASE_SHA256];
    base_sha256_once(seed.p, seed.n, sha);
    set_version(sha, 8);
    uid_from_uuid(sha, out);
}
