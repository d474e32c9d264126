/*
 * The limits of api/api_limits.h for HTTP. A client is its session's token, or without
 * one its address; its organisation is known from its first answer on.
 */
#ifndef API_LIMITS_HTTP_H
#define API_LIMITS_HTTP_H

#include "api/api_limits.h"
#include "net/net_http.h"

/* What on_admit and on_body of struct net_http_options call. */
unsigned api_limits_http_admit(struct api_limits *l, struct net_http_request *req);
bool api_limits_http_body(struct api_limits *l, struct net_http_request *req, size_t n);
/* For on_result; ticket is the result's, and may be NULL. */
void api_limits_http_end(struct api_limits *l, void *ticket);

/* The address of the client as an id: of IPv6 the network of 64 bits, of which one host may have
 * all addresses. */
int64_t api_limits_http_address(const struct net_http_request *req);

/* The session of this request turned out to belong to this organisation. */
void api_limits_http_owner(const struct net_http_request *req, int64_t organisation);

#endif
