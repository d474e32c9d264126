/* The DIMSE services of ingest/. */
#include "ingest/ingest_priv.h"
#include "ingest/ingest_request.h"
#include "ingest/ingest_store_scp.h"

static const struct api_scp_service services[] = {
    {.command = DIMSE_C_STORE_RQ,
     .sop_class = NULL, /* every storage class */
     .begin = ingest_store_begin,
     .data = ingest_store_data,
     .space = ingest_store_space,
     .gone = ingest_store_gone},
    {.command = DIMSE_N_CREATE_RQ,
     .sop_class = DICOM_UID_MPPS,
     .begin = ingest_request_begin,
     .data = ingest_request_data,
     .gone = ingest_request_gone},
    {.command = DIMSE_N_SET_RQ,
     .sop_class = DICOM_UID_MPPS,
     .begin = ingest_request_begin,
     .data = ingest_request_data,
     .gone = ingest_request_gone},
    {.command = DIMSE_N_ACTION_RQ,
     .sop_class = DICOM_UID_STORAGE_COMMITMENT,
     .begin = ingest_request_begin,
     .data = ingest_request_data,
     .gone = ingest_request_gone},
};

struct api_scp_table ingest_scp(struct ingest *g)
{
    return (struct api_scp_table){services, sizeof services / sizeof services[0], g};
}
