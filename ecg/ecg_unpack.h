/*
 * Kernels that turn packed or interleaved samples into planar 16-bit ones. The
 * formats are numbered as in WFDB's signal(5), which defines them; 16 is what
 * most other formats have too. A sample that is the most negative value of its
 * format is missing: ECG_SAMPLE_NONE16. Those that have a tally add to its sum and missing,
 * as the samples are at hand. Private to ecg/.
 */
#ifndef ECG_UNPACK_H
#define ECG_UNPACK_H

#include "ecg/ecg_record.h"
#include "ecg/ecg_simd.h"

struct ecg_unpack {
    /* n samples, in whole groups, from p: 2 samples in 3 bytes, 3 in 4 bytes. */
    void (*u212)(const uint8_t *p, size_t n, int16_t *out);
    void (*u310)(const uint8_t *p, size_t n, int16_t *out);
    void (*u311)(const uint8_t *p, size_t n, int16_t *out);
    /* n samples: of one byte offset by 128; of two, big-endian, or offset by 32768. */
    void (*u80)(const uint8_t *p, size_t n, int16_t *out);
    void (*u61)(const uint8_t *p, size_t n, int16_t *out);
    void (*u160)(const uint8_t *p, size_t n, int16_t *out);
    /* n samples of three bytes, little-endian; none is missing. Sets *wide when one has no place
     * among 16-bit ones. */
    void (*u24)(const uint8_t *p, size_t n, int32_t *out, struct ecg_tally *t, bool *wide);
    /* Format 212 of two signals, n samples of each; t for each. */
    void (*u212_2)(const uint8_t *p, size_t n, int16_t *a, int16_t *b, struct ecg_tally *t);
    /* The same of three; after an odd number of frames half of a byte is left over. */
    void (*u212_3)(const uint8_t *p, size_t n, int16_t *const *out, struct ecg_tally *t);
    /* n frames of `channels` little-endian words to an array for each, and t for each. */
    void (*split16)(const uint8_t *p, size_t n, size_t channels, int16_t *const *out,
                    struct ecg_tally *t);
    /* n samples that are decoded already. */
    void (*sum16)(const int16_t *p, size_t n, struct ecg_tally *t);
    /* n little-endian words. */
    void (*copy16)(const uint8_t *p, size_t n, int16_t *out, struct ecg_tally *t);
    /* Whether all of n samples are missing, or have a place among 16-bit ones. */
    bool (*fits16)(const int32_t *p, size_t n);
    /* Samples that fit to 16 bits; out may be p. */
    void (*narrow)(const int32_t *p, size_t n, int16_t *out);
    /* Times uv, plus zero, as doubles; NAN where one is missing. */
    void (*scale16)(const int16_t *p, size_t n, double uv, double zero, float *out);
    /* Undoes first or second differences (order 1 or 2) in place, modulo 2^32. */
    void (*integrate)(int32_t *p, size_t n, unsigned order);
};

/* The kernels of this level; where it has none of a kind, of the next lower. */
void ecg_unpack_choose(enum ecg_simd level, struct ecg_unpack *out);

#if ECG_SIMD_X86
extern const struct ecg_unpack ecg_unpack_sse41;
extern const struct ecg_unpack ecg_unpack_avx2;
extern const struct ecg_unpack ecg_unpack_avx512;
#endif
/* The definition of them all. */
extern const struct ecg_unpack ecg_unpack_scalar;

#endif
