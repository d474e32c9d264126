/* Sockets of a fuzz target that plays a peer: named by the kernel in no folder,
 * which is faster than TCP and leaves no port waiting. */
#ifndef FUZZ_SOCKET_H
#define FUZZ_SOCKET_H

#include "base/bytes.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* unix(7): binding the family alone gives a NUL and five bytes. */
enum { FUZZ_SOCKET_NAME = offsetof(struct sockaddr_un, sun_path) + 6 };

static inline int fuzz_socket_listen(struct sockaddr_un *name)
{
    socklen_t n = sizeof *name;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    name->sun_family = AF_UNIX;
    if (fd < 0 || bind(fd, (void *)name, sizeof(sa_family_t)) || listen(fd, 16) ||
        getsockname(fd, (void *)name, &n) || n != FUZZ_SOCKET_NAME)
        abort();
    return fd;
}

static inline int fuzz_socket_connect(const struct sockaddr_un *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const void *)name, FUZZ_SOCKET_NAME))
        abort();
    return fd;
}

/* What the socket does not take at once is lost. */
static inline void fuzz_socket_send(int fd, struct base_bytes bytes)
{
    while (fd >= 0 && bytes.n) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            break;
        bytes = base_bytes_of(bytes.p + n, bytes.n - (size_t)n);
    }
}

#endif
