/*
 * SHA-256 of two streams at once. The processor's instructions for it take four
 * cycles each and could begin one every two: a second stream fills the gaps, and
 * both take little longer than one. Only for digest.c; FIPS 180-4.
 */
#ifndef BASE_SHA256_SIMD_H
#define BASE_SHA256_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* This processor can. */
bool base_sha256_pair_can(void);
/* Takes blocks times 64 bytes of each into its chaining value. Only where it can. */
void base_sha256_pair(uint32_t h0[8], const uint8_t *p0, uint32_t h1[8], const uint8_t *p1,
                      size_t blocks);

#endif
