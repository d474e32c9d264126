/*
 * HL7 batches (v2.5.1 2.10.3): FHS, BHS and their trailers BTS, FTS around messages, and the
 * batch that answers one. Pure; the bytes are not decoded, since each message in a batch names
 * its own character set.
 */
#ifndef HL7_BATCH_H
#define HL7_BATCH_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>

enum { HL7_BATCH_MESSAGES_MAX = 2000 };

/* A walk through a batch. */
struct hl7_batch {
    struct base_bytes rest;  /* borrowed: what was not walked yet */
    struct base_bytes file;  /* FHS; empty: none */
    struct base_bytes batch; /* BHS of the batch that is open; empty: none */
    unsigned answers;        /* in the answer to that batch; the caller counts them */
    unsigned batches;        /* answered */
};

/* Does it begin with FHS or BHS? */
bool hl7_is_batch(struct base_bytes text);

/* Checks the whole of it before anything is done: the order of its segments, and the counts in
 * BTS-1 and FTS-1 where they are valued, since a batch of which a part was lost must not be taken
 * for a smaller one. *messages is how many there are. BASE_EFORMAT; BASE_ELIMIT: more than
 * HL7_BATCH_MESSAGES_MAX. */
enum base_err hl7_batch_check(struct base_bytes text, unsigned *messages,
                              struct base_error *error) BASE_MUST_CHECK;
/* Does the first header name another batch (FHS-12, BHS-12), so that it may be its answer? */
bool hl7_batch_refers(struct base_bytes text);

/* The next message of a batch that was checked, and, appended to answer, what stands between the
 * answer to the one before and to this one: headers that name the batch (FHS-12, BHS-12) and
 * trailers. False at the end, when the answer is complete. */
bool hl7_batch_next(struct hl7_batch *b, struct base_bytes *message, struct base_buf *answer);
/* For the answer to a batch that is refused as a whole: begins one to its first header. Nothing
 * is left for hl7_batch_next but to end it. */
void hl7_batch_refuse(struct hl7_batch *b, struct base_buf *answer);

#endif
