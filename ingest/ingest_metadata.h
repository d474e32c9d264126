/*
 * The job that follows an acknowledged object whose metadata could not be read
 * on its way in (dicom/dicom_json.h): they are made as DICOM JSON through DCMTK,
 * on the CPU pool, and put into the index.
 */
#ifndef INGEST_METADATA_H
#define INGEST_METADATA_H

#include "model/model_jobs.h"

struct ingest;

/* For g->metadata; free with model_jobs_free. */
enum base_err ingest_metadata_start(struct ingest *g, struct model_jobs **out) BASE_MUST_CHECK;

#endif
