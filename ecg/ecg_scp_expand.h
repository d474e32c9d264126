/*
 * Undoes the decimation of SCP-ECG rhythm data (EN 1064 5.9, annex C):
 * outside the protected zones around the QRS complexes only one sample in
 * `factor` was stored. Private to ecg/.
 */
#ifndef ECG_SCP_EXPAND_H
#define ECG_SCP_EXPAND_H

#include <stddef.h>
#include <stdint.h>

/* 1-based sample numbers at the full rate, inclusive; ascending. */
struct scp_zone {
    uint32_t from;
    uint32_t to;
};

/* Samples stored for a lead of n full-rate samples that starts at number start. */
size_t ecg_scp_expand_stored(const struct scp_zone *zones, size_t nzones, size_t factor,
                             uint32_t start, size_t n);
/* Expands in[0..have) to out[0..n); returns how many samples could be made. */
size_t ecg_scp_expand(const struct scp_zone *zones, size_t nzones, size_t factor, uint32_t start,
                      const int32_t *in, size_t have, int32_t *out, size_t n);

#endif
