/*
 * Delivery: each signed report goes to the destinations of its centre, by
 * C-STORE, until it is acknowledged. The outbox is the table delivery, filled
 * by the signature; any worker may claim from it.
 *
 *   delivery_claim ─► association ─► C-STORE SR, C-STORE PDF ─► delivery_done
 *
 * A passing failure is tried again with back-off, the same objects with the
 * same SOP Instance UIDs. One destination that hangs holds up nobody else's.
 */
#ifndef DELIVERY_H
#define DELIVERY_H

#include "base/conf.h"
#include "base/counters.h"
#include "db/db.h"
#include "net/net_tls.h"
#include "store/store.h"

struct delivery;

struct delivery_config {
    struct loop *loop;
    struct db *db; /* as rdc_ingest */
    struct store *store;
    const struct base_conf *conf;
    struct base_counters *counters;
    struct net_tls_context *tls; /* for destinations over TLS */
};

/* Borrows config. */
enum base_err delivery_start(const struct delivery_config *config,
                             struct delivery **out) BASE_MUST_CHECK;
/* Claims no more; what is under way goes on. */
void delivery_drain(struct delivery *d);
unsigned delivery_busy(const struct delivery *d);
/* Only when nothing is under way or the loop has ended. Takes NULL. */
void delivery_free(struct delivery *d);

#endif
