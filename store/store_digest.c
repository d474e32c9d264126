/*
 * The digests of data on its way to the disk. Data that puts gather in one turn of the loop is
 * digested in the next, all together: two digests at once take little longer than one
 * (base_sha256_add_all), and the bytes are still in the processor's cache. What a put streams
 * is digested by the thread that wrote it.
 */
#include "store/store_priv.h"

enum { PARTS = 64 };

/* The part of a chunk to digest next, without the header of the file. */
static struct base_sha256_part part_of(struct store_put *p, struct store_chunk *c)
{
    size_t n = c->n - c->digested;
    size_t skip = p->header < n ? (size_t)p->header : n;
    struct base_sha256_part part = {p->sha, base_bytes_of(c->data + c->digested + skip, n - skip)};
    p->header -= skip;
    p->object.digested += n - skip;
    c->digested = c->n;
    return part;
}

void store_digest_chunk(struct store_put *put, struct store_chunk *c)
{
    struct base_sha256_part part = part_of(put, c);
    base_sha256_add(part.h, part.bytes.p, part.bytes.n);
}

static struct store_chunk *undigested_of(const struct store_put *p)
{
    struct store_chunk *c = p->first;
    while (c && c->digested == c->n)
        c = c->next;
    return c || !p->open || p->open->digested == p->open->n ? c : p->open;
}

/* Takes one part of each put at a time, until there are no more. */
void store_digest_now(struct store *s)
{
    struct base_sha256_part parts[PARTS];
    while (s->undigested) {
        size_t n = 0;
        for (struct store_put **at = &s->undigested; *at && n < PARTS;) {
            struct store_put *p = *at;
            struct store_chunk *c = undigested_of(p);
            if (c) {
                parts[n++] = part_of(p, c);
                at = &p->undigested_next;
            } else {
                p->undigested = false;
                *at = p->undigested_next;
            }
        }
        if (n)
            base_sha256_add_all(parts, n);
    }
}

static void on_turn(void *arg)
{
    struct store *s = arg;
    s->digest_due = false;
    store_digest_now(s);
    store_release(s);
}

void store_digest_later(struct store_put *p)
{
    struct store *s = p->store;
    if (p->undigested)
        return;
    p->undigested = true;
    p->undigested_next = s->undigested;
    s->undigested = p;
    if (s->digest_due)
        return;
    s->digest_due = true;
    store_retain(s);
    loop_post(s->loop, &s->digest_call, on_turn, s);
}
