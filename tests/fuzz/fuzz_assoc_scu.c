/* The requestor: what a peer answers that we have connected to. */
#include "assoc_script.h"

#include <netinet/in.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int listener = -1;
static struct sockaddr_in address = {.sin_family = AF_INET};

static void listen_once(void)
{
    socklen_t n = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (loop_new(&(struct loop_options){0}, &script.loop) || listener < 0 ||
        bind(listener, (void *)&address, sizeof address) || listen(listener, 16) ||
        getsockname(listener, (void *)&address, &n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const syntaxes[] = {DICOM_UID_EXPLICIT_LE, DICOM_UID_IMPLICIT_LE};
    static const struct dicom_context contexts[] = {
        {.abstract = DICOM_UID_VERIFICATION, .syntaxes = syntaxes, .n_syntaxes = 2},
        {.abstract = DICOM_UID_CT_IMAGE, .syntaxes = syntaxes, .n_syntaxes = 2},
    };
    if (size == 0)
        return 0;
    if (listener < 0)
        listen_once();
    unsigned clock_ms = data[0] & SCRIPT_IMPATIENT ? 1 : 600000;
    struct net_assoc_target target = {.host = "127.0.0.1",
                                      .port = ntohs(address.sin_port),
                                      .calling = "RDC",
                                      .called = "FUZZ",
                                      .contexts = contexts,
                                      .n_contexts = 2,
                                      .connect_ms = clock_ms,
                                      .response_ms = clock_ms,
                                      .max_pdu = 16384};
    script.given = 1;
    script.ended = 0;
    if (net_assoc_connect(script.loop, &target, &script_handlers, NULL, &script.a))
        abort();
    script_run(base_bytes_of(data, size), -1, listener);
    return 0;
}
