/* Pairs need the chaining value, which only OpenSSL's deprecated calls expose. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include "base/sha256_simd.h"

#include <assert.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct base_sha256 {
    SHA256_CTX ctx;
};

/* A wrong digest must never pass silently: abort. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

struct base_sha256 *base_sha256_new(void)
{
    struct base_sha256 *h = malloc(sizeof *h);
    if (h)
        must(SHA256_Init(&h->ctx));
    return h;
}

void base_sha256_free(struct base_sha256 *h)
{
    free(h);
}

void base_sha256_add(struct base_sha256 *h, const void *p, size_t n)
{
    must(SHA256_Update(&h->ctx, p, n));
}

/* Adds the first n bytes, or as many as there are. */
static void add_first(struct base_sha256_part *part, size_t n)
{
    struct base_bytes *rest = &part->bytes;
    size_t taken = rest->n < n ? rest->n : n;
    if (!taken)
        return;
    base_sha256_add(part->h, rest->p, taken);
    *rest = base_bytes_of(rest->p + taken, rest->n - taken);
}

/* Counts bytes that did not go through SHA256_Update. */
static void count(SHA256_CTX *ctx, uint64_t n)
{
    uint64_t bits = ((uint64_t)ctx->Nh << 32 | ctx->Nl) + 8 * n;
    ctx->Nl = (SHA_LONG)bits;
    ctx->Nh = (SHA_LONG)(bits >> 32);
}

/* Digests under way, each with a whole block or more left. */
struct lanes {
    struct base_sha256_part part[BASE_SHA256_LANES];
    size_t n;
};

/* Adds whole blocks of each of the first n, until one has no more. */
static void add_blocks(struct lanes *l, size_t n)
{
    uint32_t *state[BASE_SHA256_LANES] = {NULL};
    const uint8_t *bytes[BASE_SHA256_LANES] = {NULL};
    size_t blocks = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        assert(l->part[i].h->ctx.num == 0);
        state[i] = l->part[i].h->ctx.h;
        bytes[i] = l->part[i].bytes.p;
        size_t own = l->part[i].bytes.n / SHA256_CBLOCK;
        blocks = own < blocks ? own : blocks;
    }
    if (n > 2)
        base_sha256_lanes(state, bytes, n, blocks);
    else
        base_sha256_pair(state, bytes, blocks);
    for (size_t i = 0; i < n; i++) {
        struct base_bytes *rest = &l->part[i].bytes;
        *rest = base_bytes_of(rest->p + blocks * SHA256_CBLOCK, rest->n - blocks * SHA256_CBLOCK);
        count(&l->part[i].h->ctx, blocks * SHA256_CBLOCK);
    }
}

/* Those that have less than a block left are ended, and leave. */
static void drop_short(struct lanes *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (l->part[i].bytes.n < SHA256_CBLOCK)
            add_first(&l->part[i], l->part[i].bytes.n);
        else
            l->part[kept++] = l->part[i];
    }
    l->n = kept;
}

void base_sha256_add_all(const struct base_sha256_part *parts, size_t n)
{
    struct lanes l = {.n = 0};
    bool pairs = base_sha256_pair_can();
    bool many = base_sha256_lanes_can();
    for (size_t next = 0; next < n || l.n;) {
        for (; next < n && l.n < BASE_SHA256_LANES; next++) {
            struct base_sha256_part *part = &l.part[l.n++];
            *part = parts[next];
            add_first(part, (SHA256_CBLOCK - part->h->ctx.num) % SHA256_CBLOCK);
        }
        drop_short(&l);
        if (many && l.n >= BASE_SHA256_LANES_FROM)
            add_blocks(&l, l.n);
        else if (pairs && l.n >= 2)
            add_blocks(&l, 2);
        else if (l.n)
            add_first(&l.part[0], l.part[0].bytes.n);
        drop_short(&l);
    }
}

size_t base_sha256_at_once(void)
{
    return base_sha256_lanes_can() ? BASE_SHA256_LANES : base_sha256_pair_can() ? 2 : 1;
}

void base_sha256_end(struct base_sha256 *h, uint8_t out[BASE_SHA256])
{
    must(SHA256_Final(out, &h->ctx));
    must(SHA256_Init(&h->ctx));
}

void base_sha256_once(const void *p, size_t n, uint8_t out[BASE_SHA256])
{
    SHA256_CTX ctx;
    must(SHA256_Init(&ctx));
    must(SHA256_Update(&ctx, p, n));
    must(SHA256_Final(out, &ctx));
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
