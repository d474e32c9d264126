/*
 * SHA-256 (FIPS 180-4) of several streams at once. Only for digest.c, with streams of whole blocks
 * of 64 bytes; a state is the chaining value, to which these are added.
 *
 * Pairs: the SHA instructions take four cycles each, but a new one can start after two or three;
 * a second stream fills the gaps. Lanes: without those instructions, a word of each of sixteen
 * streams in a register of AVX-512. Fewer streams take as long as sixteen.
 */
#ifndef BASE_SHA256_SIMD_H
#define BASE_SHA256_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BASE_SHA256_LANES = 16,
    BASE_SHA256_LANES_FROM = 9, /* streams: fewer are quicker in pairs */
};

/* FIPS 180-4 4.2.2 */
extern const uint32_t base_sha256_constants[64];

/* Does this processor have the instructions? The calls below only after yes. */
bool base_sha256_pair_can(void);
bool base_sha256_lanes_can(void);

void base_sha256_pair(uint32_t *const *state, const uint8_t *const *bytes, size_t blocks);
/* Of n streams, 1 to BASE_SHA256_LANES. */
void base_sha256_lanes(uint32_t *const *state, const uint8_t *const *bytes, size_t n,
                       size_t blocks);

#endif
