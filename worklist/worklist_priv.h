/* HTTP handlers, and what they share. */
#ifndef WORKLIST_PRIV_H
#define WORKLIST_PRIV_H

#include "worklist/worklist.h"

void worklist_post_session(struct net_http_request *req, void *arg);
void worklist_delete_session(struct net_http_request *req, void *arg);

void worklist_post_order(struct net_http_request *req, void *arg);
void worklist_patch_order(struct net_http_request *req, void *arg);
void worklist_cancel_order(struct net_http_request *req, void *arg);
void worklist_get_orders(struct net_http_request *req, void *arg);
void worklist_get_order(struct net_http_request *req, void *arg);
void worklist_resolve_exam(struct net_http_request *req, void *arg);
/* ?limit=N of a list: how many of the newest to give; `most` when absent or out of range. */
int64_t worklist_limit(struct net_http_request *req, int64_t most);

/* Orders by FHIR R4 (worklist_fhir.c). */
void worklist_fhir_metadata(struct net_http_request *req, void *arg);
void worklist_fhir_bundle(struct net_http_request *req, void *arg);
void worklist_fhir_create(struct net_http_request *req, void *arg);
void worklist_fhir_update(struct net_http_request *req, void *arg);
void worklist_fhir_update_found(struct net_http_request *req, void *arg);
void worklist_fhir_read(struct net_http_request *req, void *arg);
void worklist_fhir_search(struct net_http_request *req, void *arg);
void worklist_fhir_search_form(struct net_http_request *req, void *arg);
void worklist_fhir_other(struct net_http_request *req, void *arg);

/* Sets patient_pinyin of an order (for order_upsert) from its patient's name.
 * BASE_EINVAL when that is not UTF-8, BASE_ENOMEM. */
BASE_MUST_CHECK enum base_err worklist_order_pinyin(json_t *order);

#endif
