/*
 * The page that the supervisor shares with its workers: the counters of each
 * slot, and which workers are ready.
 */
#ifndef RDC_SHM_H
#define RDC_SHM_H

#include "base/buf.h"
#include "base/counters.h"

enum { RDC_WORKERS_MAX = 64 };

struct rdc_shm_slot {
    struct base_counters counters;
    _Atomic int ready; /* the worker of this slot serves */
};

struct rdc_shm {
    unsigned workers;
    struct rdc_shm_slot slots[RDC_WORKERS_MAX];
};

/* Zeroed memory, shared with the children forked from now on. */
enum base_err rdc_shm_open(unsigned workers, struct rdc_shm **out) BASE_MUST_CHECK;
/* A worker begins: its gauges start from nothing. */
void rdc_shm_begin(struct rdc_shm *shm, unsigned slot);
/* Prometheus text format, summed over the slots. */
void rdc_shm_print(const struct rdc_shm *shm, struct base_buf *out);

#endif
