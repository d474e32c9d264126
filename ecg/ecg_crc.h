/* CRC-CCITT of SCP-ECG and ISHNE: polynomial 0x1021, initial value 0xFFFF,
 * most significant bit first, no final inversion. */
#ifndef ECG_CRC_H
#define ECG_CRC_H

#include "base/bytes.h"

uint16_t ecg_crc_ccitt(struct base_bytes b);

#endif
