/* Listening sockets that the supervisor opens for its workers. */
#ifndef RDC_LISTEN_H
#define RDC_LISTEN_H

#include "base/conf.h"

/* Checks that the port is free; port 0 becomes a free one. The error names the key to change. (With
 * SO_REUSEPORT alone a second rdc would silently share the port.) */
enum base_err rdc_listen_check(struct base_conf_addr *addr, const char *key,
                               struct base_error *err) BASE_MUST_CHECK;
/* A socket bound with SO_REUSEPORT, listening, close-on-exec, non-blocking. What it accepts has
 * TCP_NODELAY and TCP's keepalive. */
enum base_err rdc_listen_open(const struct base_conf_addr *addr, int *fd,
                              struct base_error *err) BASE_MUST_CHECK;

/* "127.0.0.1:8080", "[::1]:8080" */
enum { RDC_LISTEN_TEXT = 64 };
void rdc_listen_text(const struct base_conf_addr *addr, char out[RDC_LISTEN_TEXT]);

#endif
