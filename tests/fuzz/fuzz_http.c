/*
 * The HTTP request parser. The first byte chooses how the rest is cut into
 * pieces; the events must be the same as for the whole at once.
 */
#include "net/net_http_parse.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    uint64_t body;
    unsigned requests;
    int status;
};

static struct outcome run(const uint8_t *data, size_t size, size_t piece)
{
    struct net_http_parser p;
    struct outcome o = {0};
    enum net_http_event event = NET_HTTP_MORE;
    net_http_parser_init(&p);
    for (size_t at = 0; at < size && event != NET_HTTP_REFUSED;) {
        size_t n = piece < size - at ? piece : size - at;
        do {
            struct base_bytes body = {0};
            size_t used = net_http_parse(&p, base_bytes_of(data + at, n), &event, &body);
            assert(used <= n);
            at += used;
            n -= used;
            if (event == NET_HTTP_HEAD) {
                p.body_max = 1 << 20;
                assert(p.head.method && p.head.target);
            } else if (event == NET_HTTP_DATA) {
                o.body += body.n;
            } else if (event == NET_HTTP_END) {
                o.requests++;
                net_http_parser_next(&p);
            }
        } while (event != NET_HTTP_MORE && event != NET_HTTP_REFUSED);
    }
    o.status = event == NET_HTTP_REFUSED ? p.status : 0;
    net_http_parser_deinit(&p);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct outcome whole = run(data + 1, size - 1, SIZE_MAX);
    struct outcome cut = run(data + 1, size - 1, 1 + data[0] % 16);
    if (whole.requests != cut.requests || whole.status != cut.status || whole.body != cut.body)
        abort();
    return 0;
}
