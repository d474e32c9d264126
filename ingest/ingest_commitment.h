/*
 * Storage commitment (PS3.4 J), from the N-ACTION on: the objects of a request are
 * read back from the store and their digests compared with the index. The result
 * goes out on the association that asked, once that is idle and if it is still open;
 * else on a new one to the device's callback address, again until the device answers.
 *
 *   N-ACTION ─► rows, job ─► check ─► N-EVENT-REPORT ─► answered, or once more
 */
#ifndef INGEST_COMMITMENT_H
#define INGEST_COMMITMENT_H

#include "api/api_scp.h"
#include "ingest/ingest.h"

#include <jansson.h>

struct ingest_commitment;

/* Starts with the checks and reports that are due. */
enum base_err ingest_commitment_start(const struct ingest_config *config,
                                      struct ingest_commitment **out) BASE_MUST_CHECK;
/* A request was just recorded; job is the check that commitment_request() returned
 * (borrowed). Takes hold, which may be NULL. */
void ingest_commitment_begin(struct ingest_commitment *c, json_t *job, struct api_scp_hold *hold);
void ingest_commitment_drain(struct ingest_commitment *c);
/* See model_jobs_let_go. */
void ingest_commitment_let_go(struct ingest_commitment *c);
/* Checks and reports under way. */
unsigned ingest_commitment_busy(const struct ingest_commitment *c);
/* When nothing is under way any more. Takes NULL. */
void ingest_commitment_free(struct ingest_commitment *c);

#endif
