/* What the files of ingest/ share. */
#ifndef INGEST_PRIV_H
#define INGEST_PRIV_H

#include "ingest/ingest.h"
#include "ingest/ingest_batch.h"
#include "ingest/ingest_urgent.h"
#include "model/model_jobs.h"

struct ingest {
    const struct ingest_config *config;
    struct ingest_batch *batch;
    struct ingest_urgent *urgent;
    struct model_jobs *metadata;
    struct ingest_commitment *commitment;
    struct model_jobs *check;
    struct ingest_measure *measure;
    struct ingest_sweep *sweep;
    struct ingest_watch *watch;
    struct loop_timer *expiry; /* of unfinished uploads */
    unsigned objects;          /* and files of uploads, on their way */
    size_t held;               /* bytes of files that are kept whole in memory: ingest_hold */
};

#define INGEST_MUCH_HELD "many ECG recordings come at once; send it again later"

/* Files that are no DICOM are kept whole, and those of an archive may be a thousand times what came
 * over the line. *held is what its owner holds, n what it would. False: that is too much for this
 * worker now. Little is always allowed, and anything to who is alone. */
bool ingest_hold(struct ingest *g, size_t *held, size_t n) BASE_MUST_CHECK;
void ingest_unhold(struct ingest *g, size_t *held);

#endif
