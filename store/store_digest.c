/*
 * The digests of data on its way to the disk. Data that puts gather in one turn of the loop is
 * digested in the next, all together: several digests at once take little longer than one
 * (base_sha256_add_all), and the bytes are still in the processor's cache. What puts stream is
 * more than the loop should do: full chunks are digested by the pool, before they are written.
 * One job at a time, so that meanwhile others gather for the next.
 */
#include "store/store_priv.h"

#include <assert.h>

enum { PARTS = 64 };

/* The part of a chunk to digest next, without the header of the file. */
static struct base_sha256_part part_of(struct store_put *p, const struct store_chunk *c)
{
    assert(c->digested < c->n);
    size_t n = c->n - c->digested;
    size_t skip = p->header < n ? (size_t)p->header : n;
    struct base_sha256_part part = {p->sha, base_bytes_of(c->data + c->digested + skip, n - skip)};
    p->header -= skip;
    p->object.digested += n - skip;
    return part;
}

static struct store_chunk *undigested_of(const struct store_put *p)
{
    struct store_chunk *c = p->first;
    while (c && c->digested == c->n)
        c = c->next;
    return c || !p->open || p->open->digested == p->open->n ? c : p->open;
}

/* One part of each put, of at most so many puts. */
static void digest_parts(struct store *s, size_t most)
{
    struct base_sha256_part parts[PARTS];
    size_t n = 0;
    assert(most <= PARTS);
    for (struct store_put **at = &s->undigested; *at && n < most;) {
        struct store_put *p = *at;
        struct store_chunk *c = undigested_of(p);
        if (c) {
            parts[n++] = part_of(p, c);
            c->digested = c->n;
            at = &p->undigested_next;
        } else {
            p->undigested = false;
            *at = p->undigested_next;
        }
    }
    if (n)
        base_sha256_add_all(parts, n);
}

void store_digest_now(struct store *s)
{
    while (s->undigested)
        digest_parts(s, PARTS);
}

/* As many as go at once, and the rest in the next turn when the pools have finished something: the
 * disk has nothing to do until that is looked at. */
static void on_turn(void *arg)
{
    struct store *s = arg;
    do
        digest_parts(s, base_sha256_at_once());
    while (s->undigested && !loop_is_awaited(s->loop));
    if (s->undigested) {
        loop_post(s->loop, &s->digest_call, on_turn, s);
        return;
    }
    s->digest_due = false;
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

/* ---- what puts stream ---- */

static struct store_chunk *undigested_full(const struct store_put *p)
{
    struct store_chunk *c = p->first;
    while (c && c->digested == c->n)
        c = c->next;
    return c;
}

static void add_stream(struct store_put *p)
{
    if (p->digesting || p->err || p->aborted || !undigested_full(p))
        return;
    p->digesting = true;
    store_put_list_add(&p->store->streams[p->class], p);
}

static struct store_put *take_stream(struct store *s)
{
    struct store_put *p = store_put_list_take(&s->streams[LOOP_STAT]);
    return p ? p : store_put_list_take(&s->streams[LOOP_ORDINARY]);
}

static void leave(struct store_put *p)
{
    p->digesting = false;
    if (p->err || p->aborted)
        store_put_drop_chunks(p);
}

static void digest_work(void *arg)
{
    const struct store *s = arg;
    base_sha256_add_all(s->digest.parts, s->digest.n);
}

static void digest_done(void *arg, bool cancelled);

/* One part of each put: two parts are digested at once, which are not to be of one put. */
static void start(struct store *s)
{
    struct store_digest_job *job = &s->digest;
    struct store_put *p;
    if (job->n)
        return;
    while (job->n < STORE_DIGEST_PARTS && (p = take_stream(s))) {
        struct store_chunk *c = undigested_full(p);
        if (!c || p->err || p->aborted) {
            leave(p);
            store_put_advance(p);
            continue;
        }
        job->chunks[job->n] = c;
        job->parts[job->n] = part_of(p, c);
        job->puts[job->n++] = p;
    }
    if (!job->n)
        return;
    store_retain(s);
    loop_work(s->loop, &job->job, LOOP_CPU, job->puts[0]->class, digest_work, digest_done, s);
}

static void digest_done(void *arg, bool cancelled)
{
    struct store *s = arg;
    struct store_digest_job was = s->digest;
    s->digest.n = 0;
    for (size_t i = 0; i < was.n; i++) {
        struct store_put *p = was.puts[i];
        assert(p->digesting);
        was.chunks[i]->digested = was.chunks[i]->n;
        if (cancelled && !p->err)
            p->err = BASE_ECANCELED;
        leave(p);
        add_stream(p);
    }
    start(s); /* with all of them, before one of them asks for it */
    for (size_t i = 0; i < was.n; i++)
        store_put_advance(was.puts[i]);
    store_release(s);
}

void store_digest_stream(struct store_put *p)
{
    add_stream(p);
    start(p->store);
}
