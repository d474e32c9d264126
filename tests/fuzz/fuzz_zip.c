/*
 * The ZIP reader. The first byte chooses how the rest is cut into pieces; the
 * entries and their content must be the same as for the whole at once.
 */
#include "ingest/ingest_zip.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    uint64_t bytes;
    unsigned entries, good, bad;
    bool refused, complete;
};

static struct outcome run(const uint8_t *data, size_t size, size_t piece)
{
    struct ingest_zip *z;
    struct outcome o = {0};
    enum ingest_zip_event event = INGEST_ZIP_MORE;
    if (ingest_zip_new(1 << 20, &z))
        abort();
    for (size_t at = 0; at < size && event != INGEST_ZIP_REFUSED;) {
        size_t n = piece < size - at ? piece : size - at;
        do {
            struct base_bytes part;
            size_t used = ingest_zip_parse(z, base_bytes_of(data + at, n), &event, &part);
            assert(used <= n);
            at += used;
            n -= used;
            o.bytes += event == INGEST_ZIP_DATA ? part.n : 0;
            o.entries += event == INGEST_ZIP_ENTRY;
            o.good += event == INGEST_ZIP_ENTRY_END;
            o.bad += event == INGEST_ZIP_ENTRY_BAD;
        } while (event != INGEST_ZIP_MORE && event != INGEST_ZIP_REFUSED);
    }
    o.refused = event == INGEST_ZIP_REFUSED;
    o.complete = ingest_zip_complete(z);
    ingest_zip_free(z);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct outcome whole = run(data + 1, size - 1, SIZE_MAX);
    struct outcome cut = run(data + 1, size - 1, 1 + data[0] % 16);
    /* Of a damaged deflate stream zlib may give more or less before it says so. */
    if (whole.refused != cut.refused || whole.complete != cut.complete ||
        whole.entries != cut.entries || whole.good != cut.good || whole.bad != cut.bad ||
        (!whole.refused && whole.bytes != cut.bytes))
        abort();
    return 0;
}
