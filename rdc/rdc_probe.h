/* GET /healthz and GET /metrics: is this worker well, and what has the host done. */
#ifndef RDC_PROBE_H
#define RDC_PROBE_H

#include "base/conf.h"
#include "db/db.h"
#include "net/net_http.h"
#include "rdc/rdc_shm.h"

struct rdc_probe {
    struct db *db; /* as rdc_ingest */
    const struct rdc_shm *shm;
    const struct base_conf *conf;
};

/* The routes. */
struct net_http_table rdc_probe_http(struct rdc_probe *probe);

#endif
