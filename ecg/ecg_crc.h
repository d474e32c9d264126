/* CRC-CCITT of SCP-ECG and ISHNE: polynomial 0x1021, initial value 0xFFFF,
 * most significant bit first, no final inversion. */
#ifndef ECG_CRC_H
#define ECG_CRC_H

#include "base/bytes.h"
#include "ecg/ecg_simd.h"

uint16_t ecg_crc_ccitt(struct base_bytes b);
/* The form of this level, for tests; from AVX2 on with carry-less multiplication. */
uint16_t ecg_crc_ccitt_at(enum ecg_simd level, struct base_bytes b);

#if ECG_SIMD_X86
/* Folds the first 64 bytes and as many whole blocks of 64 as follow to 16 bytes with the
 * same remainder, the initial value included. n >= 64; returns how many bytes were taken. */
size_t ecg_crc_fold_avx2(const uint8_t *p, size_t n, uint8_t out[16]);
#endif

#endif
