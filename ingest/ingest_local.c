#include "ingest/ingest_local.h"

#include "ingest/ingest_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 256 * 1024 };

struct taking {
    struct ingest *g;
    struct ingest_local local;
    struct ingest_intake *intake;
    struct loop_job job;
    off_t at;
    ssize_t got;       /* by the job; -1 = it failed */
    bool same;         /* the digest is the expected one */
    bool waits;        /* for room */
    bool changed;      /* while it was read */
    struct stat first; /* as it was then */
    ingest_intake_fn *fn;
    void *arg;
    uint8_t piece[PIECE];
};

static void end(struct taking *t, struct ingest_answer *answer)
{
    ingest_intake_fn *fn = t->fn;
    void *arg = t->arg;
    t->g->objects--;
    free(t);
    fn(arg, answer);
}

static void end_with(struct taking *t, int status, const char *title, const char *detail)
{
    struct ingest_answer answer = {.status = status, .title = title, .detail = detail};
    ingest_intake_abort(t->intake);
    end(t, &answer);
}

static void on_answer(void *arg, struct ingest_answer *answer)
{
    end(arg, answer);
}

static ssize_t read_piece(struct taking *t)
{
    ssize_t n;
    do
        n = pread(t->local.fd, t->piece, PIECE, t->at);
    while (n < 0 && errno == EINTR);
    return n;
}

/* ---- the digest ---- */

static void hash_work(void *arg)
{
    struct taking *t = arg;
    uint8_t sha256[BASE_SHA256];
    struct base_sha256 *h = base_sha256_new();
    t->got = h ? 1 : -1;
    while (t->got > 0) {
        t->got = read_piece(t);
        if (t->got > 0)
            base_sha256_add(h, t->piece, (size_t)t->got);
        t->at += t->got > 0 ? t->got : 0;
    }
    if (h)
        base_sha256_end(h, sha256);
    t->same = t->got == 0 && memcmp(sha256, t->local.sha256, sizeof sha256) == 0;
    base_sha256_free(h);
}

static void read_next(struct taking *t);

static void on_hashed(void *arg, bool cancelled)
{
    struct taking *t = arg;
    t->at = 0;
    if (cancelled || t->got < 0)
        end_with(t, 503, NULL, "the file could not be read back; try again");
    else if (!t->same)
        end_with(t, 422, "the digest is another",
                 "what arrived does not have the SHA-256 that was announced; send it anew");
    else
        read_next(t);
}

/* ---- the content ---- */

static void read_work(void *arg)
{
    struct taking *t = arg;
    struct stat now;
    if (t->at == 0 && fstat(t->local.fd, &t->first)) {
        t->got = -1;
        return;
    }
    t->got = read_piece(t);
    if (t->got == 0)
        t->changed = fstat(t->local.fd, &now) || now.st_size != t->at ||
                     now.st_mtim.tv_sec != t->first.st_mtim.tv_sec ||
                     now.st_mtim.tv_nsec != t->first.st_mtim.tv_nsec;
}

static void on_read(void *arg, bool cancelled)
{
    struct taking *t = arg;
    if (cancelled || t->got < 0) {
        end_with(t, 503, NULL, "the file could not be read back; try again");
        return;
    }
    if (t->changed) {
        end_with(t, 503, NULL, "the file changed while it was read; it is read again");
        return;
    }
    assert(!t->waits); /* nothing is read until there is room */
    t->at += t->got;
    ingest_intake_write(t->intake, base_bytes_of(t->piece, (size_t)t->got));
    if (t->got == 0 || ingest_intake_is_refused(t->intake))
        ingest_intake_finish(t->intake, on_answer, t);
    else if (ingest_intake_room(t->intake))
        read_next(t);
    else
        t->waits = true;
}

static void read_next(struct taking *t)
{
    t->waits = false;
    loop_work(t->g->config->loop, &t->job, t->local.pool, LOOP_ORDINARY, read_work, on_read, t);
}

static void on_room(void *arg)
{
    struct taking *t = arg;
    if (t->waits)
        read_next(t);
}

void ingest_local_take(struct ingest *g, const struct ingest_local *local, ingest_intake_fn *fn,
                       void *arg)
{
    struct ingest_answer failed = {.status = 503, .detail = "out of memory; try again"};
    struct taking *t = malloc(sizeof *t);
    if (!t) {
        fn(arg, &failed);
        return;
    }
    /* piece needs no zeros */
    memset(t, 0, offsetof(struct taking, piece));
    t->g = g;
    t->local = *local;
    t->fn = fn;
    t->arg = arg;
    g->objects++;
    enum base_err err = ingest_intake_new(g, &local->options, local->content_type, &t->intake);
    if (err) {
        end_with(t, err == BASE_EINVAL ? 400 : 503, NULL,
                 err == BASE_EINVAL ? "Content-Type has no usable parameter boundary"
                                    : "out of memory; try again");
        return;
    }
    ingest_intake_manifest(t->intake, local->manifest);
    ingest_intake_on_room(t->intake, on_room, t);
    if (local->has_sha256)
        loop_work(g->config->loop, &t->job, local->pool, LOOP_ORDINARY, hash_work, on_hashed, t);
    else
        read_next(t);
}
