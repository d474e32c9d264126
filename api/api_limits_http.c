#include "api/api_limits_http.h"

#include "api/api.h"

#include <arpa/inet.h>
#include <string.h>

/* In the request's arena. */
struct ticket {
    struct net_http_request *req;
    struct base_quota_row *row;
    struct api_share share;
    struct api_flight flight;
};

int64_t api_limits_http_address(const struct net_http_request *req)
{
    struct in6_addr a;
    uint8_t hash[BASE_SHA256];
    int64_t id;
    const char *peer = net_http_peer(req);
    if (inet_pton(AF_INET6, peer, &a) == 1)
        base_sha256_once(&a, sizeof a / 2, hash);
    else
        base_sha256_once(peer, strlen(peer), hash);
    memcpy(&id, hash, sizeof id);
    return id;
}

static int64_t identify(struct net_http_request *req)
{
    uint8_t hash[BASE_SHA256];
    int64_t id;
    if (!api_token(req, hash))
        return api_limits_http_address(req);
    memcpy(&id, hash, sizeof id);
    return id;
}

unsigned api_limits_http_admit(struct api_limits *l, struct net_http_request *req)
{
    struct ticket *t = base_arena_alloc(net_http_arena(req), sizeof *t);
    if (!t)
        return 1;
    *t = (struct ticket){
        .req = req,
        .row = api_limits_join(l, BASE_QUOTA_SESSION, identify(req)),
        .share = api_limits_session(l),
    };
    net_http_set_ticket(req, t);
    return (unsigned)api_limits_http(l, t->row, &t->share);
}

static void on_flight(void *arg)
{
    const struct ticket *t = arg;
    net_http_go_on(t->req);
}

/* /api/v1/uploads?priority=stat */
static void begin(struct api_limits *l, struct ticket *t)
{
    const char *priority = net_http_query(t->req, "priority");
    api_flight_begin(l, &t->flight, t->row, &t->share, on_flight, t);
    t->flight.urgent = priority && strcmp(priority, "stat") == 0;
}

bool api_limits_http_body(struct api_limits *l, struct net_http_request *req, size_t n)
{
    struct ticket *t = net_http_ticket(req);
    if (!t)
        return true;
    if (!t->flight.link)
        begin(l, t);
    return api_flight_add(l, &t->flight, n);
}

void api_limits_http_end(struct api_limits *l, void *ticket)
{
    struct ticket *t = ticket;
    if (!t)
        return;
    api_flight_end(l, &t->flight);
    api_limits_leave(l, t->row);
}

void api_limits_http_owner(const struct net_http_request *req, int64_t organisation)
{
    const struct ticket *t = net_http_ticket(req);
    if (t)
        atomic_store(&t->row->owner, organisation);
}
