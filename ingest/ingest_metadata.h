/*
 * The job (kind "metadata") for an acknowledged object whose metadata could not be
 * read as it came in (dicom/dicom_json.h): DCMTK makes them, as DICOM JSON, on the
 * CPU pool, and they are put into the index.
 */
#ifndef INGEST_METADATA_H
#define INGEST_METADATA_H

#include "model/model_jobs.h"

struct ingest;

/* For g->metadata; free with model_jobs_free. */
enum base_err ingest_metadata_start(struct ingest *g, struct model_jobs **out) BASE_MUST_CHECK;

#endif
