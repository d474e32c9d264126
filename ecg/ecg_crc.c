#include "ecg/ecg_crc.h"

uint16_t ecg_crc_ccitt(struct base_bytes b)
{
    /* Remainders of the sixteen values of a nibble. */
    static const uint16_t nibble[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    };
    uint16_t crc = 0xffff;
    for (size_t i = 0; i < b.n; i++) {
        crc = (uint16_t)(crc << 4 ^ nibble[crc >> 12 ^ b.p[i] >> 4]);
        crc = (uint16_t)(crc << 4 ^ nibble[crc >> 12 ^ (b.p[i] & 15)]);
    }
    return crc;
}
