/*
 * What readers look at, over HTTP: rendered instances, and reports as PDF. The
 * database decides who may see it (row-level security), in the transaction that
 * finds the object and writes the access to the audit, before anything is shown.
 *
 * Everything runs on the loop thread.
 */
#ifndef VIEWER_H
#define VIEWER_H

#include "api/api.h"
#include "base/conf.h"
#include "store/store.h"

struct viewer;

struct viewer_config {
    struct loop *loop;
    const struct api *api;
    struct store *store;
    const struct base_conf *conf; /* render.* */
    /* How long the request for a report waits for its rendering; then 503. */
    unsigned report_wait_ms;
};

/* Borrows what config points to. */
enum base_err viewer_start(const struct viewer_config *config, struct viewer **out) BASE_MUST_CHECK;
/* Requests that wait for a helper process or a file. */
unsigned viewer_busy(const struct viewer *v);
/* Kills the helpers; after the database is closed and before the loop ends.
 * Takes NULL. */
void viewer_free(struct viewer *v);

/* The routes. */
struct net_http_table viewer_http(struct viewer *v);

#endif
