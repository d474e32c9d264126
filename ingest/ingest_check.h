/*
 * The job (kind "check") that looks at an object once it is acknowledged and its
 * metadata is known: advice while the patient is still there, and whether an object
 * that came again under the same UID is the same but for its encoding. The comparison
 * decodes pixels, so it runs in a process of its own, `rdc same`.
 */
#ifndef INGEST_CHECK_H
#define INGEST_CHECK_H

#include "ingest/ingest.h"
#include "model/model_jobs.h"

/* Exit statuses of `rdc same`; any other: could not be compared. */
enum { INGEST_CHECK_SAME = 0, INGEST_CHECK_DIFFERENT = 10 };

/* Free with model_jobs_free. */
enum base_err ingest_check_start(const struct ingest_config *config,
                                 struct model_jobs **out) BASE_MUST_CHECK;

#endif
