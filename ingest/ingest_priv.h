/* What the files of ingest/ share. */
#ifndef INGEST_PRIV_H
#define INGEST_PRIV_H

#include "ingest/ingest.h"
#include "ingest/ingest_batch.h"
#include "model/model_jobs.h"
#include "net/net_assoc.h"

struct ingest {
    const struct ingest_config *config;
    struct ingest_batch *batch;
    struct model_jobs *metadata;
    struct net_assoc_server *server;
    unsigned objects; /* on their way */
    void (*on_stopped)(void *arg);
    void *on_stopped_arg;
};

/* The DICOM side: what the association server calls. */
extern const struct net_assoc_handlers ingest_scp_handlers;
void ingest_scp_stranger(void *arg, const char *address, enum net_assoc_cause cause,
                         const char *text);

#endif
