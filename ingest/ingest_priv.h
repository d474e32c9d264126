/* What the files of ingest/ share. */
#ifndef INGEST_PRIV_H
#define INGEST_PRIV_H

#include "ingest/ingest.h"
#include "ingest/ingest_batch.h"
#include "ingest/ingest_check.h"
#include "ingest/ingest_urgent.h"
#include "model/model_jobs.h"

struct ingest {
    const struct ingest_config *config;
    struct ingest_batch *batch;
    struct ingest_urgent *urgent;
    struct model_jobs *metadata;
    struct ingest_commitment *commitment;
    struct ingest_check *check;
    struct ingest_measure *measure;
    struct ingest_sweep *sweep;
    struct ingest_watch *watch;
    struct loop_timer *expiry; /* of unfinished uploads */
    unsigned objects;          /* and files of uploads, on their way */
};

#define INGEST_MUCH_HELD "many ECG recordings come at once; send it again later"

#endif
