/*
 * Ingest: objects come in by C-STORE and by HTTP, and are acknowledged when
 * they are synced and their rows are committed. What follows (metadata) is a
 * queue.
 *
 *   association, upload ─► store (file, digest, sync) ─► batch (rows, commit) ─► answer
 */
#ifndef INGEST_H
#define INGEST_H

#include "api/api.h"
#include "api/api_limits.h"
#include "api/api_scp.h"
#include "base/conf.h"
#include "base/counters.h"
#include "db/db.h"
#include "store/store.h"

struct ingest;

struct ingest_config {
    struct loop *loop;
    struct db *db;         /* as rdc_ingest */
    const struct api *api; /* for uploads: who asks */
    struct store *store;
    struct api_limits *limits;
    const struct base_conf *conf;
    struct base_counters *counters;
};

/* Borrows what config points to. While db is held nothing in the data folder is touched. */
enum base_err ingest_start(const struct ingest_config *config, struct ingest **out) BASE_MUST_CHECK;
/* Once the store is known to be the one of db: starts the sweeps of what dead workers and
 * uploads left. */
enum base_err ingest_begin(struct ingest *g) BASE_MUST_CHECK;
/* Claims no more jobs; what is under way goes on. */
void ingest_drain(struct ingest *g);
/* The worker ends without waiting for its jobs: see model_jobs_let_go. */
void ingest_let_go(struct ingest *g);
/* Objects and jobs under way. */
unsigned ingest_busy(const struct ingest *g);
/* When nothing is under way any more. Takes NULL. */
void ingest_free(struct ingest *g);

/* The routes. */
struct net_http_table ingest_http(struct ingest *g);
/* The DIMSE services. */
struct api_scp_table ingest_scp(struct ingest *g);

#endif
