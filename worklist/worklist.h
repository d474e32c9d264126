/*
 * The reading worklist: sessions, and the exam's way from waiting to signed
 * (docs/openapi.yaml). The rules stand in db/migrations/002_work.sql; here a
 * request becomes the statement that applies them.
 */
#ifndef WORKLIST_H
#define WORKLIST_H

#include "api/api.h"

/* The routes. */
struct net_http_table worklist_http(struct api *api);

/* The clock of the worklist: exams that are complete after their device's quiet
 * time, leases that ran out, new contracts for unrouted exams. */
struct worklist_clock;
enum base_err worklist_clock_start(struct loop *loop, struct db *db,
                                   struct worklist_clock **out) BASE_MUST_CHECK;
/* Takes NULL. */
void worklist_clock_stop(struct worklist_clock *c);

#endif
