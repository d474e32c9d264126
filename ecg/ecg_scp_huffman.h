/*
 * The entropy coding of SCP-ECG sections 5 and 6 (EN 1064 5.5 and annex C):
 * prefix codes from section 2, or the default table. Private to ecg/.
 */
#ifndef ECG_SCP_HUFFMAN_H
#define ECG_SCP_HUFFMAN_H

#include "base/bytes.h"
#include "base/err.h"
#include "ecg/ecg_simd.h"

struct ecg_scp_huffman;

/* Tables from the body of section 2, which stands at byte pos of the file. */
enum base_err ecg_scp_huffman_read(struct base_bytes body, size_t pos, struct ecg_scp_huffman **out,
                                   struct base_error *err) BASE_MUST_CHECK;
void ecg_scp_huffman_free(struct ecg_scp_huffman *h);

/* A lead's codes, and room for n values. */
struct ecg_scp_stream {
    struct base_bytes bytes;
    int32_t *out;
    size_t n;
};

/* Decodes each stream, starting with the first table; several together are quicker than one by
 * one. n becomes how many values there were: fewer when the bytes end or hold a code that is in
 * no table. */
void ecg_scp_huffman_decode(const struct ecg_scp_huffman *h, enum ecg_simd level,
                            struct ecg_scp_stream *s, size_t count);

#endif
