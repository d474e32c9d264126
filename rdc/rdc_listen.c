#include "rdc/rdc_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,   /* room for every device of a district to connect at once */
    KEEPALIVE_S = 60, /* finds peers that vanished where no idle time is set */
    KEEPALIVE_EACH_S = 1,
    KEEPALIVE_TRIES = 10,
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_of(const struct base_conf_addr *addr, union address *out)
{
    memset(out, 0, sizeof *out);
    if (addr->v6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(addr->port);
        inet_pton(AF_INET6, addr->host, &out->v6.sin6_addr);
        return sizeof out->v6;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(addr->port);
    inet_pton(AF_INET, addr->host, &out->v4.sin_addr);
    return sizeof out->v4;
}

void rdc_listen_text(const struct base_conf_addr *addr, char out[RDC_LISTEN_TEXT])
{
    snprintf(out, RDC_LISTEN_TEXT, addr->v6 ? "[%s]:%u" : "%s:%u", addr->host,
             (unsigned)addr->port);
}

static int open_bound(const struct base_conf_addr *addr, int option)
{
    union address a;
    socklen_t n = address_of(addr, &a);
    int on = 1;
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        (option && setsockopt(fd, SOL_SOCKET, option, &on, sizeof on)) || bind(fd, &a.any, n)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

enum base_err rdc_listen_check(struct base_conf_addr *addr, const char *key, struct base_error *err)
{
    /* Workers of an rdc that was killed need a moment to end. */
    int fd = open_bound(addr, 0);
    for (int tries = 0; fd < 0 && errno == EADDRINUSE && tries < 20; tries++) {
        usleep(100 * 1000);
        fd = open_bound(addr, 0);
    }
    char text[RDC_LISTEN_TEXT];
    rdc_listen_text(addr, text);
    if (fd < 0) {
        int e = errno;
        return base_fail(err, base_err_from_errno(e), BASE_NOPOS,
                         "cannot use %s for %s: %s; end what uses it, or give another %s", text,
                         key, strerror(e), key);
    }
    union address bound;
    socklen_t n = sizeof bound;
    if (addr->port == 0 && getsockname(fd, &bound.any, &n) == 0)
        addr->port = ntohs(addr->v6 ? bound.v6.sin6_port : bound.v4.sin_port);
    close(fd);
    return BASE_OK;
}

/* On Linux accepted connections inherit these, which saves calls. Set before the first can come. */
static int set_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
                   {SOL_SOCKET, SO_KEEPALIVE, 1},
                   {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S},
                   {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EACH_S},
                   {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TRIES}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int)))
            return -1;
    return 0;
}

enum base_err rdc_listen_open(const struct base_conf_addr *addr, int *fd, struct base_error *err)
{
    int s = open_bound(addr, SO_REUSEPORT);
    if (s < 0 || set_options(s) || listen(s, BACKLOG)) {
        char text[RDC_LISTEN_TEXT];
        int e = errno;
        rdc_listen_text(addr, text);
        if (s >= 0)
            close(s);
        return base_fail(err, base_err_from_errno(e), BASE_NOPOS, "cannot listen on %s: %s", text,
                         strerror(e));
    }
    *fd = s;
    return BASE_OK;
}
