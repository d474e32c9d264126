#include "rdc/rdc_probe.h"

#include <string.h>

static void on_alive(void *arg, const struct db_outcome *outcome)
{
    struct net_http_request *req = arg;
    if (outcome->err)
        net_http_problem(req, 503, "the database does not answer", base_err_text(outcome->err));
    else
        net_http_reply(req, 200, "application/json", base_bytes_str("{\"status\":\"ok\"}"));
}

static void get_healthz(struct net_http_request *req, void *arg)
{
    struct rdc_probe *p = arg;
    enum base_err err = db_call(p->db, DB_Q_PING, NULL, 0, on_alive, req);
    if (err)
        net_http_problem(req, 503, "the database does not answer", base_err_text(err));
}

/* Compares in constant time. */
static bool is_token(const char *given, const char *token)
{
    size_t n = strlen(token);
    unsigned char differ = 0;
    if (!given || n == 0 || strlen(given) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        differ |= (unsigned char)(given[i] ^ token[i]);
    return differ == 0;
}

static void get_metrics(struct net_http_request *req, void *arg)
{
    struct rdc_probe *p = arg;
    if (!net_http_peer_is_loopback(req) &&
        !is_token(net_http_bearer(req), p->conf->metrics_token)) {
        net_http_problem(req, 403, "metrics are for this machine",
                         "or send metrics.token as Authorization: Bearer");
        return;
    }
    struct base_buf out = {0};
    rdc_shm_print(p->shm, &out);
    net_http_reply_buf(req, 200, "text/plain; version=0.0.4", &out);
}

static const struct net_http_route routes[] = {
    {"GET", "/healthz", NULL, get_healthz, NET_HTTP_BODY_NONE, 0, NET_HTTP_QUIET},
    {"GET", "/metrics", NULL, get_metrics, NET_HTTP_BODY_NONE, 0, NET_HTTP_QUIET},
};

struct net_http_table rdc_probe_http(struct rdc_probe *probe)
{
    return (struct net_http_table){routes, sizeof routes / sizeof routes[0], probe};
}
