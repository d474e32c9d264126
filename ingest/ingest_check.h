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

struct ingest_check;

/* Claimed at once when no object is on its way; else together, every quarter of a second. */
enum base_err ingest_check_start(const struct ingest *g, struct ingest_check **out) BASE_MUST_CHECK;
struct model_jobs *ingest_check_jobs(const struct ingest_check *c);
/* Only when none of its jobs is under way. Takes NULL. */
void ingest_check_free(struct ingest_check *c);

#endif
