/*
 * The job (kind "check") that looks at an object once it is acknowledged and its
 * metadata is known: advice while the patient is still there, and whether an object
 * that came again under the same UID is the same but for its encoding, or else which of the
 * two is damaged. The comparison decodes pixels, so it runs in a process of its own, `rdc same`.
 */
#ifndef INGEST_CHECK_H
#define INGEST_CHECK_H

#include "ingest/ingest.h"
#include "model/model_jobs.h"

/* Exit statuses of `rdc same FIRST SECOND`; any other: could not be compared. Of what is damaged it
 * prints why, up to INGEST_CHECK_WHY bytes; of both, that of the first. */
enum {
    INGEST_CHECK_SAME = 0,
    INGEST_CHECK_DIFFERENT = 10, /* and both are whole, as far as can be seen */
    INGEST_CHECK_FIRST_DAMAGED,
    INGEST_CHECK_SECOND_DAMAGED,
    INGEST_CHECK_BOTH_DAMAGED,
    INGEST_CHECK_WHY = 240
};

struct ingest_check;

/* Claimed at once when no object is on its way; else together, every quarter of a second. */
enum base_err ingest_check_start(const struct ingest *g, struct ingest_check **out) BASE_MUST_CHECK;
struct model_jobs *ingest_check_jobs(const struct ingest_check *c);
/* Only when none of its jobs is under way. Takes NULL. */
void ingest_check_free(struct ingest_check *c);

#endif
