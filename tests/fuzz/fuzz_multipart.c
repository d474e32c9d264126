/*
 * The multipart parser. The first byte chooses how the rest is cut into pieces;
 * parts and content must be the same as for the whole at once.
 */
#include "net/net_multipart.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    uint64_t bytes;
    unsigned parts, ends;
    bool refused, complete;
};

static struct outcome run(const uint8_t *data, size_t size, size_t piece)
{
    static struct net_multipart p;
    struct outcome o = {0};
    enum net_multipart_event event = NET_MULTIPART_MORE;
    if (net_multipart_init(&p, "bound"))
        abort();
    for (size_t at = 0; at < size && event != NET_MULTIPART_REFUSED;) {
        size_t n = piece < size - at ? piece : size - at;
        do {
            struct base_bytes part;
            size_t used = net_multipart_parse(&p, base_bytes_of(data + at, n), &event, &part);
            assert(used <= n);
            at += used;
            n -= used;
            o.bytes += event == NET_MULTIPART_DATA ? part.n : 0;
            o.parts += event == NET_MULTIPART_PART;
            o.ends += event == NET_MULTIPART_PART_END;
        } while (event != NET_MULTIPART_MORE && event != NET_MULTIPART_REFUSED);
    }
    o.refused = event == NET_MULTIPART_REFUSED;
    o.complete = net_multipart_complete(&p);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct outcome whole = run(data + 1, size - 1, SIZE_MAX);
    struct outcome cut = run(data + 1, size - 1, 1 + data[0] % 16);
    if (whole.parts != cut.parts || whole.ends != cut.ends || whole.bytes != cut.bytes ||
        whole.refused != cut.refused || whole.complete != cut.complete)
        abort();
    return 0;
}
