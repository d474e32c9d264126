/*
 * The limits of api/api_limits.h on HTTP: who asks is known by the session's token,
 * or without one by its address; its organisation from its first answer on.
 */
#ifndef API_LIMITS_HTTP_H
#define API_LIMITS_HTTP_H

#include "api/api_limits.h"
#include "net/net_http.h"

/* For the options of a server (on_admit, on_body, on_result), with l in reach. */
unsigned api_limits_http_admit(struct api_limits *l, struct net_http_request *req);
bool api_limits_http_body(struct api_limits *l, struct net_http_request *req, size_t n);
/* ticket of the result; takes NULL. */
void api_limits_http_end(struct api_limits *l, void *ticket);

/* The session of this request was found to be one of this organisation. */
void api_limits_http_owner(const struct net_http_request *req, int64_t organisation);

#endif
