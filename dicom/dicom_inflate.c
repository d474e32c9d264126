#include "dicom/dicom_dataset.h"

#include <zlib.h>

/* zlib counts input in unsigned int. */
enum { FEED_MAX = 1 << 30 };

enum base_err dicom_inflate(struct base_bytes in, size_t cap, struct base_buf *out, bool *ended)
{
    z_stream z = {0};
    uint8_t chunk[16384];
    /* Negative window bits: raw deflate without a zlib header (PS3.5 A.5). */
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return BASE_ENOMEM;
    int rc = Z_OK;
    size_t taken = 0;
    do {
        if (z.avail_in == 0 && taken < in.n) {
            size_t n = in.n - taken < FEED_MAX ? in.n - taken : FEED_MAX;
            z.next_in = (z_const Bytef *)(uintptr_t)(in.p + taken);
            z.avail_in = (uInt)n;
            taken += n;
        }
        z.next_out = chunk;
        z.avail_out = (uInt)(cap < sizeof chunk ? cap : sizeof chunk);
        uInt room = z.avail_out;
        rc = inflate(&z, Z_NO_FLUSH); /* Z_BUF_ERROR: nothing left to do with this input */
        base_buf_add(out, chunk, room - z.avail_out);
        cap -= room - z.avail_out;
    } while (rc == Z_OK && cap > 0 && !out->err);
    inflateEnd(&z);
    if (out->err)
        return out->err;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return BASE_EFORMAT;
    *ended = rc == Z_STREAM_END;
    return BASE_OK;
}
