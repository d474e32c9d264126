/* A connection of HL7 over MLLP, from a real socket: frames whole, in pieces and
 * several at once, answered at once or later, while the peer sends on, ends its
 * side or goes. The first byte says how answers come. */
#include "fuzz_socket.h"
#include "net/net_mllp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LATE = 1, TURNS = 6 };

static struct loop *loop;
static struct loop_call call;
static struct sockaddr_un name;
static struct net_mllp_server *server;
static struct base_bytes rest;
static uint8_t mode;
static int peer = -1;
static unsigned turns;
static struct net_mllp_conn *waiting; /* for its answer */

static void answer(void)
{
    struct net_mllp_conn *c = waiting;
    waiting = NULL;
    if (c) {
        net_mllp_send(c, base_bytes_str("MSA|AA|1\r"));
        net_mllp_done(c);
    }
}

static void on_message(void *arg, struct net_mllp_conn *c, struct base_bytes message)
{
    (void)arg;
    /* The next one comes after this one's answer, and a frame holds no FS. */
    if (waiting || (message.n && memchr(message.p, 0x1c, message.n)) || message.n > 8192)
        abort();
    waiting = c;
    if (!(mode & LATE))
        answer();
}

static void record(uint8_t kind, struct base_bytes content)
{
    if (kind == 1)
        answer();
    else if (kind == 2)
        shutdown(peer, SHUT_WR);
    else if (kind == 3) { /* a whole frame */
        fuzz_socket_send(peer, base_bytes_str("\x0b"));
        fuzz_socket_send(peer, content);
        fuzz_socket_send(peer, base_bytes_str("\x1c\r"));
    } else
        fuzz_socket_send(peer, content);
}

static void step(void *arg)
{
    (void)arg;
    if (rest.n >= 2 && peer >= 0) {
        size_t n = rest.p[1] < rest.n - 2 ? rest.p[1] : rest.n - 2;
        struct base_bytes content = base_bytes_of(rest.p + 2, n);
        uint8_t kind = rest.p[0] % 5;
        rest = base_bytes_of(content.p + n, rest.n - 2 - n);
        record(kind, content);
    } else {
        if (turns++ == 1 && peer >= 0) {
            close(peer);
            peer = -1;
        }
        answer();
    }
    if (turns < TURNS)
        loop_post(loop, &call, step, NULL);
    else
        loop_stop(loop);
}

static void start(void)
{
    int fd = fuzz_socket_listen(&name);
    struct net_mllp_options o = {.fd = fd,
                                 .max_message = 8192,
                                 .max_connections = 2,
                                 .idle_timeout_ms = 600000,
                                 .on_message = on_message,
                                 .on_too_long = on_message};
    if (loop_new(&(struct loop_options){0}, &loop))
        abort();
    o.loop = loop;
    if (net_mllp_listen(&o, &server))
        abort();
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (!loop)
        start();
    mode = data[0];
    rest = base_bytes_of(data + 1, size - 1);
    turns = 0;
    peer = fuzz_socket_connect(&name);
    loop_post(loop, &call, step, NULL);
    loop_run(loop);
    if (waiting || net_mllp_connections(server)) /* every connection has ended */
        abort();
    return 0;
}
