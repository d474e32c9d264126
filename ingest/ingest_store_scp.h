/*
 * C-STORE as SCP (PS3.4 Annex B): the data set streams into an ingest_object,
 * and is answered when that is acknowledged.
 */
#ifndef INGEST_STORE_SCP_H
#define INGEST_STORE_SCP_H

#include "api/api_scp.h"

/* For the table of services; arg is the struct ingest. */
void ingest_store_begin(struct api_scp_call *call, void *arg);
void ingest_store_data(struct api_scp_call *call, void *arg, struct base_bytes bytes, bool last);
size_t ingest_store_space(struct api_scp_call *call, void *arg, uint8_t **to);
void ingest_store_gone(struct api_scp_call *call, void *arg);

#endif
