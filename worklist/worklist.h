/*
 * The reading worklist: sessions, and an exam's states from waiting to signed
 * (docs/openapi.yaml); orders, and the modality worklist that devices query. The
 * rules are in db/migrations/002_work.sql and 005_orders.sql; here a request becomes
 * the statement that applies them.
 */
#ifndef WORKLIST_H
#define WORKLIST_H

#include "api/api.h"
#include "api/api_scp.h"

/* The routes. */
struct net_http_table worklist_http(struct api *api);
/* api_collect for what begins with /fhir: refuses with an OperationOutcome. */
void worklist_fhir_collect(const struct api *api, struct net_http_request *req);

/* The modality worklist for devices. Borrows what it is given. */
struct worklist_scp_config {
    struct loop *loop;
    struct db *db; /* as rdc_ingest */
    const struct base_conf *conf;
};
struct api_scp_table worklist_scp(struct worklist_scp_config *config);

/* What happens by time alone: exams complete after their device's quiet time, leases
 * expire, unrouted exams find a new contract. */
struct worklist_clock;
enum base_err worklist_clock_start(struct loop *loop, struct db *db,
                                   struct worklist_clock **out) BASE_MUST_CHECK;
/* Takes NULL. */
void worklist_clock_stop(struct worklist_clock *c);

#endif
