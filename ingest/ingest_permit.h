/* Who sends by HTTP: the staff of a centre, by their session. */
#ifndef INGEST_PERMIT_H
#define INGEST_PERMIT_H

#include "ingest/ingest_arrival.h"
#include "net/net_http.h"

struct ingest_permit {
    int64_t centre_id;
    char centre_code[INGEST_CENTRE_CODE];
};

/* permit is borrowed for the call; NULL: not allowed, and answered already. */
typedef void ingest_permit_fn(void *arg, const struct ingest_permit *permit);

/* fn runs once, perhaps inside this call. */
void ingest_permit_ask(struct ingest *g, struct net_http_request *req, ingest_permit_fn *fn,
                       void *arg);

#endif
