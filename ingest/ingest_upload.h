/* POST /api/v1/uploads with the files in its body. */
#ifndef INGEST_UPLOAD_H
#define INGEST_UPLOAD_H

#include "net/net_http.h"

/* A handler of routes; arg is the struct ingest. */
void ingest_upload_post(struct net_http_request *req, void *arg);

/* A query parameter; NULL when absent or empty. */
const char *ingest_upload_query(const struct net_http_request *req, const char *name);
/* The parameter priority, NULL when absent. False: answered already (422). */
bool ingest_upload_priority(struct net_http_request *req, const char **priority);

/* The parameter `manifest`, NULL = none. False: answered already (422). */
bool ingest_upload_manifest(struct net_http_request *req, const char **manifest);

#endif
