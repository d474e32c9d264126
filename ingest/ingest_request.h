/*
 * N-CREATE and N-SET of performed procedure steps (MPPS, PS3.4 F.7), and N-ACTION of
 * storage commitment (PS3.4 J.3.2): the data set goes to the database as JSON, whose
 * function knows the rules and says what to answer.
 */
#ifndef INGEST_REQUEST_H
#define INGEST_REQUEST_H

#include "api/api_scp.h"

/* For the table of services; arg is the struct ingest. */
void ingest_request_begin(struct api_scp_call *call, void *arg);
void ingest_request_data(struct api_scp_call *call, void *arg, struct base_bytes bytes, bool last);
void ingest_request_gone(struct api_scp_call *call, void *arg);

#endif
