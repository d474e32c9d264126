#include "net/net_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static struct net_address of_v4(const struct in_addr *in, in_port_t port)
{
    struct net_address out = {.port = ntohs(port), .loopback = ntohl(in->s_addr) >> 24 == 127};
    (void)inet_ntop(AF_INET, in, out.text, sizeof out.text);
    return out;
}

struct net_address net_address_of(const struct sockaddr *a)
{
    struct net_address out = {.text = ""};
    const struct sockaddr_in6 *in6 = (const void *)a;
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;
        return of_v4(&in->sin_addr, in->sin_port);
    }
    if (a->sa_family != AF_INET6)
        return out;
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        struct in_addr in;
        memcpy(&in, in6->sin6_addr.s6_addr + 12, sizeof in);
        return of_v4(&in, in6->sin6_port);
    }
    out.port = ntohs(in6->sin6_port);
    out.loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) != 0;
    (void)inet_ntop(AF_INET6, &in6->sin6_addr, out.text, sizeof out.text);
    return out;
}
