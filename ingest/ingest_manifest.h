/*
 * What a sender says its studies hold, so that an exam is complete when the last of
 * its objects is there, and not before:
 *
 *   {"studies": [{"study_uid": UID, "instances": [UID, …]} or {"study_uid": UID, "count": n}]}
 *
 * By POST /api/v1/manifests, or with an upload; lists of the same study add up.
 */
#ifndef INGEST_MANIFEST_H
#define INGEST_MANIFEST_H

#include "ingest/ingest_many.h"
#include "net/net_http.h"

enum {
    INGEST_MANIFEST_BYTES = 4 << 20,
    INGEST_MANIFEST_STUDIES = 1000,
    INGEST_MANIFEST_INSTANCES = 50000, /* of all studies together */
};

/* Handler of the route; arg is the struct ingest. */
void ingest_manifest_post(struct net_http_request *req, void *arg);

/* Whether the text is one, so that nothing can be wrong with it later. *cause is a literal. */
bool ingest_manifest_check(struct base_bytes json, const char **cause);
/* "The files of this request are all there are": of the studies of what was taken. What was
 * refused counts where it can only belong to the one study. Appends nothing when none was taken. */
void ingest_manifest_of(struct ingest_many_item *const *items, size_t n, struct base_buf *out);
/* Notes a checked one. fn runs once, perhaps inside this call; a failure is logged: quiet time
 * decides then. */
void ingest_manifest_take(struct ingest *g, int64_t centre_id, struct base_bytes json,
                          void (*fn)(void *arg), void *arg);

#endif
