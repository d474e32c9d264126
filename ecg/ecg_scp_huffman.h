/*
 * The entropy coding of SCP-ECG sections 5 and 6 (EN 1064 5.5 and annex C):
 * prefix codes from section 2, or the default table. Private to ecg/.
 */
#ifndef ECG_SCP_HUFFMAN_H
#define ECG_SCP_HUFFMAN_H

#include "base/bytes.h"
#include "base/err.h"

struct ecg_scp_huffman;

/* The table that 19999 in section 2 stands for. NULL when out of memory. */
struct ecg_scp_huffman *ecg_scp_huffman_default(void);
/* Tables from the body of section 2, which stands at byte pos of the file. */
enum base_err ecg_scp_huffman_read(struct base_bytes body, size_t pos, struct ecg_scp_huffman **out,
                                   struct base_error *err) BASE_MUST_CHECK;
void ecg_scp_huffman_free(struct ecg_scp_huffman *h);

/* Decodes up to n values, starting with the first table. Returns how many there
 * were: fewer when the bytes end or hold a code that is in no table. */
size_t ecg_scp_huffman_decode(const struct ecg_scp_huffman *h, struct base_bytes bytes,
                              int32_t *out, size_t n);

#endif
