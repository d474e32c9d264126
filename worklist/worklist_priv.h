/* Handlers that stand in files of their own. */
#ifndef WORKLIST_PRIV_H
#define WORKLIST_PRIV_H

#include "worklist/worklist.h"

void worklist_post_session(struct net_http_request *req, void *arg);
void worklist_delete_session(struct net_http_request *req, void *arg);

#endif
