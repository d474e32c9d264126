#include "ecg/ecg_scp_expand.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* in = NULL: only counts. */
struct expander {
    const int32_t *in;
    size_t have;
    size_t used;
    int32_t *out;
    size_t room; /* of out */
    size_t made;
    size_t factor;
    bool ended; /* the input did */
};

static void copy(struct expander *x, size_t n)
{
    if (x->in && n > x->have - x->used) {
        n = x->have - x->used;
        x->ended = true;
    }
    assert(!x->in || n <= x->room - x->made);
    if (x->in)
        memcpy(x->out + x->made, x->in + x->used, n * sizeof *x->out);
    x->made += n;
    x->used += n;
}

static void repeat(struct expander *x, int32_t value, size_t n)
{
    assert(n <= x->room - x->made);
    for (size_t i = 0; i < n; i++)
        x->out[x->made++] = value;
}

/* n / factor stored samples: the first stands for the first half step, straight
 * lines join them, the last stands for the rest; n % factor samples follow as
 * they are. */
static void widen(struct expander *x, size_t n)
{
    size_t stored = n / x->factor;
    size_t half = x->factor / 2;
    if (!x->in) {
        x->used += stored;
        x->made += stored * x->factor;
    } else if (stored) {
        if (stored > x->have - x->used) {
            stored = x->have - x->used;
            x->ended = true;
        }
        const int32_t *v = x->in + x->used;
        if (stored)
            repeat(x, v[0], half);
        assert(x->made <= x->room && stored * x->factor <= x->room - x->made + half);
        for (size_t k = 0; k + 1 < stored; k++)
            for (size_t j = 0; j < x->factor; j++)
                x->out[x->made++] =
                    (int32_t)(v[k] + ((int64_t)v[k + 1] - v[k]) * (int64_t)j / (int64_t)x->factor);
        if (stored)
            repeat(x, v[stored - 1], x->factor - half);
        x->used += stored;
    }
    if (!x->ended)
        copy(x, n % x->factor);
}

static void run(struct expander *x, const struct scp_zone *zones, size_t nzones, uint32_t start,
                size_t n)
{
    uint64_t at = start;
    const uint64_t end = at + n; /* exclusive */
    for (size_t i = 0; i < nzones && at < end && !x->ended; i++) {
        uint64_t from = zones[i].from > at ? zones[i].from : at;
        uint64_t to = (uint64_t)zones[i].to + 1;
        if (to <= from || from >= end)
            continue;
        to = to < end ? to : end;
        widen(x, (size_t)(from - at));
        if (!x->ended)
            copy(x, (size_t)(to - from));
        at = to;
    }
    if (at < end && !x->ended)
        widen(x, (size_t)(end - at));
}

size_t ecg_scp_expand_stored(const struct scp_zone *zones, size_t nzones, size_t factor,
                             uint32_t start, size_t n)
{
    struct expander x = {.factor = factor};
    assert(factor > 0);
    run(&x, zones, nzones, start, n);
    return x.used;
}

size_t ecg_scp_expand(const struct scp_zone *zones, size_t nzones, size_t factor, uint32_t start,
                      const int32_t *in, size_t have, int32_t *out, size_t n)
{
    struct expander x = {.in = in, .have = have, .out = out, .room = n, .factor = factor};
    assert(factor > 0 && in && out);
    run(&x, zones, nzones, start, n);
    assert(x.made <= n && x.used <= have);
    return x.made;
}
