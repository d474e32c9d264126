/* The acceptor: a device's connection from its first byte to its end. */
#include "assoc_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sockaddr_un names[2];
static struct net_assoc_server *servers[2];

static void serve(unsigned i, unsigned clock_ms)
{
    struct net_assoc_config config = {.max_pdu = 16384,
                                      .artim_ms = clock_ms,
                                      .idle_ms = clock_ms,
                                      .max_associations = 4,
                                      .max_awaited = 4};
    int fd = fuzz_socket_listen(&names[i]);
    if (net_assoc_listen(script.loop, fd, &config, &script_handlers, NULL, &servers[i]))
        abort();
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (!script.loop) {
        if (loop_new(&(struct loop_options){0}, &script.loop))
            abort();
        serve(0, 600000);
        serve(1, 1);
    }
    unsigned i = data[0] & SCRIPT_IMPATIENT ? 1 : 0;
    script.given = script.ended = 0;
    script_run(base_bytes_of(data, size), fuzz_socket_connect(&names[i]), -1);
    if (net_assoc_server_count(servers[i]))
        abort();
    return 0;
}
