/* N-EVENT-REPORT of storage commitment (PS3.4 J.3.3), as SCP of the class in
 * either role of the association. */
#ifndef INGEST_COMMITMENT_REPORT_H
#define INGEST_COMMITMENT_REPORT_H

#include "api/api_scp.h"
#include "ingest/ingest.h"

#include <jansson.h>

/* The lease outlasts the call, so that no other worker begins before its end is noted. */
enum { INGEST_COMMITMENT_LEASE_SECONDS = 90, INGEST_COMMITMENT_CALL_SECONDS = 75 };

/* error NULL: the device has answered with success or a warning. Borrowed. */
typedef void ingest_reported_fn(void *arg, const char *error);

/* Appends the data set of a report as returned by commitment_report(); *event is its Event
 * Type ID: 1, all are committed, or 2, failures exist. Public for tests. */
void ingest_commitment_encode(const json_t *report, enum dicom_encoding encoding,
                              struct base_buf *out, uint16_t *event);

/* On the association that asked. Takes hold. fn runs exactly once, perhaps inside this call. */
void ingest_commitment_tell(struct api_scp_hold *hold, const json_t *report, ingest_reported_fn *fn,
                            void *arg);
/* On a new association. report must stay until fn, which runs exactly once, perhaps
 * inside this call. */
void ingest_commitment_call(const struct ingest_config *config, const json_t *report,
                            ingest_reported_fn *fn, void *arg);

#endif
