#include "ecg/ecg_scp_huffman.h"

#include "ecg/ecg_scp_run.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LOOKUP_BITS = SCP_RUN_BITS,
    RUN_LITERAL = 16, /* bits of the longest literal that a run takes */
    FAST_MAX = 4,     /* tables with a lookup: the others, of which there are none, are slow */
    PREFIX_MAX = 32,  /* width of the base code in the file */
    EXTRA_MAX = 24,   /* of the literal after a prefix: 16 in the default table */
    TABLES_MAX = 256,
    CODE_SIZE = 9, /* bytes of one code in section 2 */
    SWITCH = 0xff  /* in extra: value is the number of the next table */
};
static_assert(SCP_RUN_STEPS * (SCP_RUN_BITS + RUN_LITERAL) <= 56, "what a refill gives");

struct code {
    uint32_t bits; /* the prefix, left-aligned in 32 bits */
    int16_t value;
    uint8_t prefix; /* length in bits; 0 = no code, in the lookup */
    uint8_t extra;  /* bits of a signed literal added to the value */
};

struct fast {
    struct code lookup[1 << LOOKUP_BITS]; /* by the next bits; prefix 0 = search */
    uint64_t run[2 << LOOKUP_BITS];       /* of b bits at (1 << b | bits): scp_run.h */
};

struct table {
    struct code *codes; /* sorted by their bits */
    size_t n;
    struct fast *fast; /* may be NULL */
};

struct ecg_scp_huffman {
    size_t n;
    struct table *tables[];
};

static uint32_t reverse32(uint32_t v)
{
    uint32_t r = 0;
    for (unsigned i = 0; i < 32; i++)
        r |= (v >> i & 1) << (31 - i);
    return r;
}

static struct table *table_new(size_t n)
{
    struct table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->codes = calloc(n ? n : 1, sizeof *t->codes);
    if (!t->codes) {
        free(t);
        return NULL;
    }
    t->n = n;
    return t;
}

static void fill_lookup(struct table *t)
{
    /* Backwards, so that the first of two equal codes wins. */
    for (size_t i = t->n; i-- > 0;) {
        const struct code *c = &t->codes[i];
        if (c->prefix > LOOKUP_BITS)
            continue;
        size_t first = c->bits >> (32 - LOOKUP_BITS);
        size_t count = (size_t)1 << (LOOKUP_BITS - c->prefix);
        for (size_t k = first; k < first + count && k < (size_t)1 << LOOKUP_BITS; k++)
            t->fast->lookup[k] = *c;
    }
}

/* Each is its first code, and the run of the bits behind that, which are fewer. */
static uint64_t run_of(const struct fast *f, unsigned b, uint32_t bits)
{
    const struct code *c = &f->lookup[bits << (LOOKUP_BITS - b)];
    unsigned prefix = c->prefix;
    if (!prefix || prefix > b)
        return 0;
    if (c->extra && c->extra <= RUN_LITERAL && c->value == 0)
        return scp_run_make(0, prefix, prefix + c->extra);
    if (c->extra || c->value != (int8_t)c->value)
        return 0;
    uint32_t left = UINT32_C(1) << (b - prefix);
    uint32_t rest = left | (bits & (left - 1));
    while (scp_run_n(f->run[rest]) == SCP_RUN_MAX) /* one bit less, until there is room for this */
        rest >>= 1;
    return scp_run_put_before(scp_run_make((int8_t)c->value, prefix, prefix), f->run[rest]);
}

static void fill_runs(struct fast *f)
{
    for (unsigned b = 1; b <= LOOKUP_BITS; b++)
        for (uint32_t bits = 0; bits < UINT32_C(1) << b; bits++)
            f->run[(UINT32_C(1) << b) | bits] = run_of(f, b, bits);
}

static int by_bits(const void *a, const void *b)
{
    const struct code *x = a;
    const struct code *y = b;
    return (x->bits > y->bits) - (x->bits < y->bits);
}

/* All codes are there: makes them quick to find. False: out of memory. */
static bool prepare(struct table *t, bool fast)
{
    if (fast) {
        t->fast = calloc(1, sizeof *t->fast);
        if (!t->fast)
            return false;
        fill_lookup(t);
        fill_runs(t->fast);
    }
    qsort(t->codes, t->n, sizeof *t->codes, by_bits);
    return true;
}

static struct ecg_scp_huffman *huffman_new(size_t n)
{
    struct ecg_scp_huffman *h = calloc(1, sizeof *h + n * sizeof *h->tables);
    if (h)
        h->n = n;
    return h;
}

void ecg_scp_huffman_free(struct ecg_scp_huffman *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++) {
        if (h->tables[i]) {
            free(h->tables[i]->codes);
            free(h->tables[i]->fast);
        }
        free(h->tables[i]);
    }
    free(h);
}

/* The table that 19999 in section 2 stands for. NULL when out of memory. */
static struct ecg_scp_huffman *default_table(void)
{
    struct ecg_scp_huffman *h = huffman_new(1);
    if (!h || !(h->tables[0] = table_new(19))) {
        ecg_scp_huffman_free(h);
        return NULL;
    }
    /* EN 1064 table 5: k ones, a zero and the sign stand for ±k, k up to 8;
     * ten bits that begin with nine ones announce a literal. */
    struct code *c = h->tables[0]->codes;
    *c++ = (struct code){.bits = 0, .value = 0, .prefix = 1};
    for (unsigned k = 1; k <= 8; k++) {
        uint32_t ones = ~(UINT32_MAX >> k);
        uint8_t prefix = (uint8_t)(k + 2);
        *c++ = (struct code){.bits = ones, .value = (int16_t)k, .prefix = prefix};
        *c++ = (struct code){
            .bits = ones | UINT32_C(1) << (30 - k), .value = (int16_t) - (int)k, .prefix = prefix};
    }
    *c++ = (struct code){.bits = UINT32_C(0x3fe) << 22, .prefix = 10, .extra = 8};
    *c = (struct code){.bits = UINT32_C(0x3ff) << 22, .prefix = 10, .extra = 16};
    if (!prepare(h->tables[0], true)) {
        ecg_scp_huffman_free(h);
        return NULL;
    }
    return h;
}

/* u8 prefix bits, u8 total bits, u8 mode (0 = switch table), i16 base value,
 * u32 base code whose first transmitted bit is the lowest. */
static enum base_err read_code(const uint8_t *p, size_t pos, size_t ntables, struct code *c,
                               struct base_error *err)
{
    unsigned prefix = p[0];
    unsigned total = p[1];
    c->value = (int16_t)base_load_le16(p + 3);
    c->prefix = (uint8_t)prefix;
    if (prefix == 0 || prefix > PREFIX_MAX || total < prefix || total - prefix > EXTRA_MAX)
        return base_fail(err, BASE_EFORMAT, pos,
                         "SCP-ECG section 2: a code of %u bits with a prefix of %u cannot be",
                         total, prefix);
    c->extra = (uint8_t)(total - prefix);
    if (p[2] == 0) {
        if (c->value < 1 || (size_t)c->value > ntables)
            return base_fail(err, BASE_EFORMAT, pos,
                             "SCP-ECG section 2: switch to table %d, but there are %zu", c->value,
                             ntables);
        c->extra = SWITCH;
    }
    uint32_t bits = reverse32(base_load_le32(p + 5));
    c->bits = prefix == 32 ? bits : bits & ~(UINT32_MAX >> prefix);
    return BASE_OK;
}

static enum base_err read_table(struct base_bytes body, size_t pos, size_t *at, size_t ntables,
                                bool fast, struct table **out, struct base_error *err)
{
    if (body.n - *at < 2)
        return base_fail(err, BASE_EFORMAT, pos + *at, "SCP-ECG section 2 ends before its tables");
    size_t n = base_load_le16(body.p + *at);
    *at += 2;
    if (n == 0 || n > (body.n - *at) / CODE_SIZE)
        return base_fail(err, BASE_EFORMAT, pos + *at - 2,
                         "SCP-ECG section 2: a table of %zu codes in %zu bytes", n, body.n - *at);
    struct table *t = table_new(n);
    if (!t)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    *out = t;
    for (size_t i = 0; i < n; i++, *at += CODE_SIZE) {
        enum base_err e = read_code(body.p + *at, pos + *at, ntables, &t->codes[i], err);
        if (e)
            return e;
    }
    return prepare(t, fast) ? BASE_OK : base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
}

enum base_err ecg_scp_huffman_read(struct base_bytes body, size_t pos, struct ecg_scp_huffman **out,
                                   struct base_error *err)
{
    if (body.n < 2)
        return base_fail(err, BASE_EFORMAT, pos, "SCP-ECG section 2 is empty");
    size_t n = base_load_le16(body.p);
    struct ecg_scp_huffman *h = NULL;
    if (n == 19999) {
        h = default_table();
    } else {
        if (n == 0 || n > TABLES_MAX)
            return base_fail(err, BASE_EFORMAT, pos, "SCP-ECG section 2: %zu tables", n);
        h = huffman_new(n);
    }
    if (!h)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    enum base_err e = BASE_OK;
    size_t at = 2;
    for (size_t i = 0; i < n && n != 19999 && !e; i++)
        e = read_table(body, pos, &at, n, i < FAST_MAX, &h->tables[i], err);
    if (e)
        ecg_scp_huffman_free(h);
    else
        *out = h;
    return e;
}

/* A stream while it is decoded. */
struct reader {
    struct scp_bits at;
    const struct table *t;
};

static void refill(struct scp_bits *r)
{
    if (scp_has_word(r)) {
        scp_refill_word(r);
        return;
    }
    while (r->n <= 56 && r->p < r->end) {
        r->bits |= (uint64_t)*r->p++ << (56 - r->n);
        r->n += 8;
    }
}

static const struct code *find_code(const struct table *t, uint64_t bits)
{
    uint32_t head = (uint32_t)(bits >> 32);
    const struct code *c = t->fast ? &t->fast->lookup[bits >> (64 - LOOKUP_BITS)] : NULL;
    if (c && c->prefix)
        return c;
    /* No code begins another one: it can only be the last that is not above. */
    size_t low = 0;
    for (size_t high = t->n; low < high;) {
        size_t middle = (low + high) / 2;
        if (t->codes[middle].bits <= head)
            low = middle + 1;
        else
            high = middle;
    }
    c = low ? &t->codes[low - 1] : NULL;
    return c && (head ^ c->bits) >> (32 - c->prefix) == 0 ? c : NULL;
}

static int32_t literal(uint64_t bits, unsigned n)
{
    return (int32_t)((int64_t)bits >> (64 - n));
}

/* One code of any kind. False: the bytes end here, or this is none. */
static bool take_code(const struct ecg_scp_huffman *h, struct reader *x)
{
    struct scp_bits *r = &x->at;
    refill(r);
    const struct code *c = find_code(x->t, r->bits);
    if (!c)
        return false;
    bool is_switch = c->extra == SWITCH;
    unsigned extra = is_switch ? 0 : c->extra;
    if (c->prefix + extra > r->n)
        return false;
    r->bits <<= c->prefix;
    r->n -= c->prefix;
    if (is_switch) {
        x->t = h->tables[c->value - 1];
        return true;
    }
    int32_t value = c->value;
    if (extra) {
        value += literal(r->bits, extra);
        r->bits <<= extra;
        r->n -= extra;
    }
    *r->out++ = value;
    return true;
}

static void take_rest(const struct ecg_scp_huffman *h, struct reader *x)
{
    while (x->at.out < x->at.out_end && take_code(h, x))
        continue;
}

static bool is_ready(const struct reader *x)
{
    return x->t->fast && scp_is_ready(&x->at);
}

/* The streams of which two are under way at a time. */
struct decoder {
    const struct ecg_scp_huffman *h;
    enum ecg_simd level;
    struct ecg_scp_stream *next;
    size_t left;
    struct reader reader[2];
    struct ecg_scp_stream *stream[2]; /* NULL: none is left */
};

static void finish(struct decoder *d, int k)
{
    d->stream[k]->n = (size_t)(d->reader[k].at.out - d->stream[k]->out);
    d->stream[k] = NULL;
}

/* The next stream in which there are runs to be had, if there is one. */
static void begin(struct decoder *d, int k)
{
    while (!d->stream[k] && d->left) {
        struct ecg_scp_stream *s = d->next++;
        d->left--;
        d->stream[k] = s;
        d->reader[k] = (struct reader){.at = {.p = s->bytes.p,
                                              .end = s->bytes.p + s->bytes.n,
                                              .out = s->out,
                                              .out_end = s->out + s->n},
                                       .t = d->h->tables[0]};
        if (is_ready(&d->reader[k]))
            return;
        take_rest(d->h, &d->reader[k]);
        finish(d, k);
    }
}

/* As long as whole runs come, of both that are under way. */
static void take_runs(struct decoder *d)
{
    struct scp_bits *at[2] = {NULL, NULL};
    const uint64_t *runs[2] = {NULL, NULL};
    size_t n = 0;
    for (int k = 0; k < 2; k++)
        if (d->stream[k]) {
            at[n] = &d->reader[k].at;
            runs[n++] = d->reader[k].t->fast->run + (1 << LOOKUP_BITS);
        }
#if ECG_SIMD_X86
    if (d->level >= ECG_SIMD_AVX2) {
        ecg_scp_runs_avx2(at[0], runs[0], at[1], runs[1]);
        return;
    }
#endif
    scp_take_runs(at[0], runs[0], at[1], runs[1]);
}

void ecg_scp_huffman_decode(const struct ecg_scp_huffman *h, enum ecg_simd level,
                            struct ecg_scp_stream *s, size_t count)
{
    struct decoder d = {.h = h, .level = level, .next = s, .left = count};
    begin(&d, 0);
    begin(&d, 1);
    while (d.stream[0] || d.stream[1]) {
        take_runs(&d);
        for (int k = 0; k < 2; k++) {
            if (!d.stream[k])
                continue;
            /* What stopped it is a code for itself, or the end. */
            bool ready = is_ready(&d.reader[k]);
            if (ready && take_code(h, &d.reader[k]) && is_ready(&d.reader[k]))
                continue;
            if (!ready || d.reader[k].at.out < d.reader[k].at.out_end)
                take_rest(h, &d.reader[k]);
            finish(&d, k);
            begin(&d, k);
        }
    }
}
