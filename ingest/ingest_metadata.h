/*
 * The job that follows an acknowledged object whose metadata could not be read
 * on its way in (dicom/dicom_json.h): they are made as DICOM JSON through DCMTK,
 * on the CPU pool, and put into the index.
 */
#ifndef INGEST_METADATA_H
#define INGEST_METADATA_H

#include "ingest/ingest.h"
#include "model/model_jobs.h"

/* Free with model_jobs_free. */
enum base_err ingest_metadata_start(const struct ingest_config *config,
                                    struct model_jobs **out) BASE_MUST_CHECK;

#endif
