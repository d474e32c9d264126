/*
 * A sender's list of what its studies hold, so that an exam is complete exactly when
 * its last object has come:
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

/* Is the text a valid manifest? If not, *cause says why (a literal). */
bool ingest_manifest_check(struct base_bytes json, const char **cause);
/* Appends the manifest that says "the files of this request are all there are", for the studies
 * of those stored. Refused files count if they can only belong to the one study. Appends nothing
 * when none was stored. */
void ingest_manifest_of(struct ingest_many_item *const *items, size_t n, struct base_buf *out);
/* Records a valid manifest. fn runs once, perhaps inside this call. A failure is only logged: the
 * quiet time decides then. */
void ingest_manifest_take(struct ingest *g, int64_t centre_id, struct base_bytes json,
                          void (*fn)(void *arg), void *arg);

#endif
