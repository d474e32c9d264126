/*
 * The job that follows a signature: the report's files (SR, PDF, the PDF as a
 * DICOM object) are rendered once per version, stored, and noted in the index.
 * Only then do its deliveries leave.
 */
#ifndef REPORT_JOB_H
#define REPORT_JOB_H

#include "base/counters.h"
#include "model/model_jobs.h"
#include "store/store.h"

struct report_job_config {
    struct loop *loop;
    struct db *db; /* as rdc_ingest */
    struct store *store;
    struct base_counters *counters;
};

/* Borrows config. Free with model_jobs_free. */
enum base_err report_job_start(const struct report_job_config *config,
                               struct model_jobs **out) BASE_MUST_CHECK;

#endif
