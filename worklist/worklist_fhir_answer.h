/*
 * Answers to requests by FHIR R4 (http.html): orders as ServiceRequest, alone or in a
 * Bundle, and every error as an OperationOutcome.
 */
#ifndef WORKLIST_FHIR_ANSWER_H
#define WORKLIST_FHIR_ANSWER_H

#include "db/db.h"
#include "hl7/hl7_fhir.h"
#include "net/net_http.h"

#define WORKLIST_FHIR_JSON "application/fhir+json"

/* One request under way, in the arena of the HTTP request. */
struct worklist_fhir {
    struct net_http_request *req;
    bool bundle;
    bool atomic;
    const char *version; /* the one asked for; NULL = any */
};

/* code: of http://hl7.org/fhir/issue-type. */
void worklist_fhir_refuse(struct net_http_request *req, int status, const char *code,
                          const char *text);
void worklist_fhir_reply_issue(struct net_http_request *req, const struct hl7_fhir_issue *issue);
/* True: answered already, with what the database said. */
bool worklist_fhir_has_failed(const struct worklist_fhir *f, const struct db_outcome *outcome);

/* An order as the database returns it, with its ETag; location: it was made or found (R4
 * http.html 3.1.0.2). */
void worklist_fhir_reply_order(struct net_http_request *req, int status, const json_t *order,
                               bool location);
/* What became of each entry of a transaction or batch. */
void worklist_fhir_reply_bundle(const struct worklist_fhir *f, const json_t *results);
/* A search set. */
void worklist_fhir_reply_found(struct net_http_request *req, const json_t *orders);

#endif
