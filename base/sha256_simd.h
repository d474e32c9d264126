/*
 * SHA-256 (FIPS 180-4) of two streams at once. The SHA instructions take four cycles
 * each, but a new one can start every two: a second stream fills the gaps, so both
 * take little longer than one. Only for digest.c.
 */
#ifndef BASE_SHA256_SIMD_H
#define BASE_SHA256_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does this processor have the instructions? */
bool base_sha256_pair_can(void);
/* Adds `blocks` blocks of 64 bytes of each stream to its chaining value. Only after
 * base_sha256_pair_can() said yes. */
void base_sha256_pair(uint32_t h0[8], const uint8_t *p0, uint32_t h1[8], const uint8_t *p1,
                      size_t blocks);

#endif
