#include "ecg/ecg_crc.h"

static uint16_t add(uint16_t crc, const uint8_t *p, size_t n)
{
    /* Remainders of the sixteen values of a nibble. */
    static const uint16_t nibble[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    };
    for (size_t i = 0; i < n; i++) {
        crc = (uint16_t)(crc << 4 ^ nibble[crc >> 12 ^ p[i] >> 4]);
        crc = (uint16_t)(crc << 4 ^ nibble[crc >> 12 ^ (p[i] & 15)]);
    }
    return crc;
}

uint16_t ecg_crc_ccitt_at(enum ecg_simd level, struct base_bytes b)
{
#if ECG_SIMD_X86
    if (level >= ECG_SIMD_AVX2 && b.n >= 64) {
        uint8_t folded[16];
        size_t done = ecg_crc_fold_avx2(b.p, b.n, folded);
        return add(add(0, folded, sizeof folded), b.p + done, b.n - done);
    }
#else
    (void)level;
#endif
    return add(0xffff, b.p, b.n);
}

uint16_t ecg_crc_ccitt(struct base_bytes b)
{
    return ecg_crc_ccitt_at(ecg_simd_level(), b);
}
