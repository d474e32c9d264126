/*
 * A worker: one loop with its own database connections and store folder, which
 * serves the sockets of its slot. Forked by the supervisor.
 */
#ifndef RDC_WORKER_H
#define RDC_WORKER_H

#include "base/conf.h"
#include "rdc/rdc_shm.h"

/* The ports that rdc serves; those without an address have the descriptor -1. */
enum rdc_port {
    RDC_PORT_HTTP,
    RDC_PORT_DICOM,
    RDC_PORT_HTTPS,
    RDC_PORT_DICOM_TLS,
    RDC_PORT_HL7,
    RDC_PORT_HL7_TLS,
    RDC_PORTS
};

struct rdc_worker_config {
    const struct base_conf *conf;
    struct rdc_shm *shm;
    unsigned slot;
    const char *name; /* of this worker alone: RUN/SLOT/NUMBER */
    const int *fds;   /* of enum rdc_port: bound and listening; stay the supervisor's too */
    int ready_fd;     /* one byte is written here when the worker has the store */
};

/* How many descriptors one worker needs for as many associations and HTTP connections as the
 * configuration allows. */
uint64_t rdc_worker_descriptors(const struct base_conf *conf);
/* Runs until SIGTERM; returns the exit status of the process. */
int rdc_worker_run(const struct rdc_worker_config *config);

#endif
