/*
 * Huffman codes in runs: what the next SCP_RUN_BITS bits of a lead stand for, as far as it is
 * whole codes, is looked up at once. The loop over them is compiled for each kind of processor,
 * which differ in how fast they shift; the files that do so define, before they include this,
 *
 *     scp_run_store(run, out)   writes SCP_RUN_SIZE places, the values of the run first
 *
 * or leave it as it is here. Private to ecg_scp_huffman*.c.
 */
#ifndef ECG_SCP_RUN_H
#define ECG_SCP_RUN_H

#include "base/bytes.h"
#include "ecg/ecg_simd.h"

#include <stdbool.h>

enum {
    SCP_RUN_BITS = 10, /* as the longest prefix of the default table */
    SCP_RUN_MAX = 6,   /* values of a run */
    SCP_RUN_SIZE = 8,  /* places that are written for it */
    SCP_RUN_STEPS = 2  /* runs between two looks at the bytes */
};

/* A run: six values of 8 bits, the first lowest; 4 bits how many there are; 4 bits the bits of
 * their prefixes; 8 bits the bits that they take, more where the last is a literal, whose
 * value stands behind its prefix. 0 = there is none. */
static inline unsigned scp_run_n(uint64_t run)
{
    return run >> 48 & 15;
}

static inline uint64_t scp_run_make(int8_t value, unsigned prefix, unsigned bits)
{
    return (uint8_t)value | UINT64_C(1) << 48 | (uint64_t)prefix << 52 | (uint64_t)bits << 56;
}

/* A run of one value before another, which has less than SCP_RUN_MAX. */
static inline uint64_t scp_run_put_before(uint64_t one, uint64_t run)
{
    const uint64_t values = (UINT64_C(1) << 48) - 1;
    return one + ((run << 8) & values) + (run & ~values);
}

/* Bits most significant first, at least 56 valid ones after a refill, zeros after the end; and
 * where the values go. */
struct scp_bits {
    const uint8_t *p;
    const uint8_t *end;
    uint64_t bits; /* left-aligned */
    unsigned n;    /* valid bits */
    int32_t *out;
    int32_t *out_end;
};

static inline bool scp_has_word(const struct scp_bits *r)
{
    return r->end - r->p >= 8;
}

static inline void scp_refill_word(struct scp_bits *r)
{
    uint64_t next = (uint64_t)base_load_be32(r->p) << 32 | base_load_be32(r->p + 4);
    r->bits |= next >> r->n;
    r->p += (63 - r->n) >> 3;
    r->n |= 56;
}

/* There are bytes, and room, for the runs up to the next look. */
static inline bool scp_is_ready(const struct scp_bits *r)
{
    return scp_has_word(r) && r->out_end - r->out >= SCP_RUN_STEPS * SCP_RUN_SIZE;
}

#ifndef scp_run_store
static inline void scp_run_store(uint64_t run, int32_t *out)
{
    for (unsigned k = 0; k < SCP_RUN_MAX; k++)
        out[k] = (int8_t)(run >> (8 * k));
}
#endif

/* Writes all places, whatever the run has: quicker than a loop; what is too much is overwritten
 * by the next. Returns how many values came. */
static inline unsigned scp_take_run(struct scp_bits *r, const uint64_t *runs)
{
    uint64_t run = runs[r->bits >> (64 - SCP_RUN_BITS)];
    unsigned n = scp_run_n(run);
    unsigned prefix = run >> 52 & 15;
    unsigned bits = (unsigned)(run >> 56);
    scp_run_store(run, r->out);
    /* Without a literal this is nothing, and goes behind the run. */
    r->out[n - (bits > prefix)] = (int32_t)((int64_t)(r->bits << prefix) >> ((prefix - bits) & 63));
    r->out += n;
    r->bits <<= bits;
    r->n -= bits;
    return n;
}

/* As long as whole runs come. Two streams at once: what one waits for, the place of its next
 * code, the other does not. b may be NULL. */
static inline void scp_take_runs(struct scp_bits *first, const uint64_t *first_runs,
                                 struct scp_bits *second, const uint64_t *second_runs)
{
    struct scp_bits a = *first;
    unsigned n = 1, m = 1;
    if (!second) {
        while (scp_is_ready(&a) && n) {
            scp_refill_word(&a);
            for (int k = 0; k < SCP_RUN_STEPS; k++)
                n = scp_take_run(&a, first_runs);
        }
        *first = a;
        return;
    }
    struct scp_bits b = *second;
    while (scp_is_ready(&a) && scp_is_ready(&b) && n && m) {
        scp_refill_word(&a);
        scp_refill_word(&b);
        for (int k = 0; k < SCP_RUN_STEPS; k++) {
            n = scp_take_run(&a, first_runs);
            m = scp_take_run(&b, second_runs);
        }
    }
    *first = a;
    *second = b;
}

#if ECG_SIMD_X86
/* That loop, on one or two streams with their tables. */
void ecg_scp_runs_avx2(struct scp_bits *a, const uint64_t *a_runs, struct scp_bits *b,
                       const uint64_t *b_runs);
#endif

#endif
