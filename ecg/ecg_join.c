#include "ecg/ecg_join.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAP_RATIO = 16, GAP_FREE = 1 << 16 };

/* A piece of a lead, and the sample of the whole that its first one is. */
struct piece {
    size_t lead;
    size_t at;
};

static bool is_same(const struct ecg_lead *a, const struct ecg_lead *b)
{
    return a->id == b->id && a->rate_hz == b->rate_hz && a->uv_per_count == b->uv_per_count &&
           a->offset_uv == b->offset_uv && strcmp(a->name, b->name) == 0;
}

/* Nearly all records have each lead once: that is seen at a glance. */
static bool has_one_twice(const struct ecg_record *r)
{
    enum { IDS = 512, BITS = 64 };
    uint64_t seen[IDS / BITS] = {0};
    for (size_t i = 0; i < r->nleads; i++) {
        int id = r->leads[i].id;
        if (id <= 0 || id >= IDS || r->leads[i].samples == 0)
            continue;
        if (seen[id / BITS] >> id % BITS & 1)
            return true;
        seen[id / BITS] |= (uint64_t)1 << id % BITS;
    }
    return false;
}

/* In the order of their times. How many. */
static size_t find_pieces(const struct ecg_record *r, size_t first, struct piece *out)
{
    const struct ecg_lead *lead = r->leads;
    size_t n = 0;
    for (size_t i = first; i < r->nleads; i++) {
        if (lead[i].samples == 0 || !is_same(&lead[first], &lead[i]))
            continue;
        size_t k = n++;
        for (; k > 0 && lead[out[k - 1].lead].start_s > lead[i].start_s; k--)
            out[k] = out[k - 1];
        out[k].lead = i;
    }
    return n;
}

/* Gives each its place. How many samples the whole has; 0 = they are no pieces of one. */
static size_t place(const struct ecg_record *r, struct piece *piece, size_t n)
{
    double start_s = r->leads[piece[0].lead].start_s;
    size_t next = 0, there = 0;
    for (size_t i = 0; i < n; i++) {
        const struct ecg_lead *lead = &r->leads[piece[i].lead];
        double at = round((lead->start_s - start_s) * lead->rate_hz);
        bool is_near = at - (double)next <= (double)there * GAP_RATIO + GAP_FREE;
        bool is_later = i == 0 || at > (double)piece[i - 1].at;
        /* Half a sample early may be round-off, but not all of a piece of one sample. */
        if (!(at + 1 >= (double)next) || !is_later || !is_near)
            return 0;
        piece[i].at = at > (double)next ? (size_t)at : next;
        next = piece[i].at + lead->samples;
        there += lead->samples;
    }
    return next;
}

static void copy(const struct ecg_record *r, const struct piece *piece, size_t n,
                 struct ecg_lead *to)
{
    size_t next = 0;
    for (size_t i = 0; i < n; i++) {
        const struct ecg_lead *from = &r->leads[piece[i].lead];
        assert(next <= piece[i].at && from->samples <= to->samples - piece[i].at);
        ecg_lead_miss(to, next, piece[i].at);
        if (to->i16)
            memcpy(to->i16 + piece[i].at, from->i16, from->samples * sizeof *to->i16);
        else
            ecg_lead_read(from, 0, from->samples, to->i32 + piece[i].at);
        next = piece[i].at + from->samples;
    }
}

static enum base_err join(struct ecg_record *r, const struct piece *piece, size_t n, size_t total)
{
    struct ecg_lead whole = r->leads[piece[0].lead];
    size_t there = 0;
    bool is_narrow = true;
    for (size_t i = 0; i < n; i++) {
        there += r->leads[piece[i].lead].samples;
        is_narrow = is_narrow && r->leads[piece[i].lead].i16;
    }
    whole.i16 = NULL;
    whole.i32 = NULL;
    whole.tally = (struct ecg_tally){0};
    assert(r->samples_used >= there);
    r->samples_used -= there;
    enum base_err e =
        is_narrow ? ecg_record_set_i16(r, &whole, total) : ecg_record_set_i32(r, &whole, total);
    if (e) {
        r->samples_used += there;
        return e;
    }
    copy(r, piece, n, &whole);
    size_t first = piece[0].lead;
    for (size_t i = 0; i < n; i++) {
        struct ecg_lead *lead = &r->leads[piece[i].lead];
        first = piece[i].lead < first ? piece[i].lead : first;
        ecg_record_free_samples(r, lead);
        lead->samples = 0;
        lead->id = ECG_LEAD_NONE;
        lead->name = NULL; /* to be taken out */
    }
    r->leads[first] = whole;
    return BASE_OK;
}

enum base_err ecg_join_settle(struct ecg_record *r)
{
    enum base_err e = BASE_OK;
    size_t kept = 0;
    if (!has_one_twice(r))
        return BASE_OK;
    struct piece *piece = calloc(r->nleads, sizeof *piece);
    if (!piece)
        return BASE_ENOMEM;
    for (size_t i = 0; i < r->nleads && e != BASE_ENOMEM; i++) {
        size_t n = r->leads[i].id ? find_pieces(r, i, piece) : 0;
        size_t total = n > 1 ? place(r, piece, n) : 0;
        e = total ? join(r, piece, n, total) : BASE_OK; /* BASE_ELIMIT: they stay apart */
    }
    free(piece);
    for (size_t i = 0; i < r->nleads; i++)
        if (r->leads[i].name)
            r->leads[kept++] = r->leads[i];
    r->nleads = kept;
    return e == BASE_ENOMEM ? e : BASE_OK;
}
