/* The address of a peer as people write it, and as devices and senders are registered. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

struct net_address {
    char text[46]; /* numeric; "" for a family other than IPv4 and IPv6 */
    uint16_t port;
    bool loopback;
};

/* An IPv4-mapped IPv6 address is given as IPv4. */
struct net_address net_address_of(const struct sockaddr *a);

#endif
