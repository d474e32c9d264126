/*
 * The job that follows each acknowledged object: its metadata as DICOM JSON,
 * through DCMTK on the CPU pool, into the index.
 */
#ifndef INGEST_METADATA_H
#define INGEST_METADATA_H

#include "ingest/ingest.h"
#include "model/model_jobs.h"

/* Free with model_jobs_free. */
enum base_err ingest_metadata_start(const struct ingest_config *config,
                                    struct model_jobs **out) BASE_MUST_CHECK;

#endif
