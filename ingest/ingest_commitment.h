/*
 * Storage commitment (PS3.4 J) behind its N-ACTION: the objects of a request are
 * read back from the store and their digests compared with the index; the result
 * is told on the association that asked, as soon as that is idle, if it is still open then,
 * else on a new one to the device's callback address, until the device has answered.
 *
 *   N-ACTION ─► rows, job ─► check ─► N-EVENT-REPORT ─► answered, or once more
 */
#ifndef INGEST_COMMITMENT_H
#define INGEST_COMMITMENT_H

#include "api/api_scp.h"
#include "ingest/ingest.h"

#include <jansson.h>

struct ingest_commitment;

/* Begins with the checks and reports that are due. */
enum base_err ingest_commitment_start(const struct ingest_config *config,
                                      struct ingest_commitment **out) BASE_MUST_CHECK;
/* A request was just kept; job is what commitment_request() says of its check
 * (borrowed). Takes hold, which may be NULL. */
void ingest_commitment_begin(struct ingest_commitment *c, json_t *job, struct api_scp_hold *hold);
void ingest_commitment_drain(struct ingest_commitment *c);
/* Checks and reports under way. */
/* See model_jobs_let_go. */
void ingest_commitment_let_go(struct ingest_commitment *c);
unsigned ingest_commitment_busy(const struct ingest_commitment *c);
/* When nothing is under way any more. Takes NULL. */
void ingest_commitment_free(struct ingest_commitment *c);

#endif
