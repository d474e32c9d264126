/*
 * A worker: one loop with its own database connections and store folder, which
 * serves the sockets of its slot. Forked by the supervisor.
 */
#ifndef RDC_WORKER_H
#define RDC_WORKER_H

#include "base/base_conf.h"
#include "rdc/rdc_shm.h"

struct rdc_worker_config {
    const struct base_conf *conf;
    struct rdc_shm *shm;
    unsigned slot;
    int http_fd; /* bound and listening; stays the supervisor's too */
    int dicom_fd;
    int ready_fd; /* one byte is written here when the worker serves */
};

/* Runs until SIGTERM; returns the exit status of the process. */
int rdc_worker_run(const struct rdc_worker_config *config);

#endif
