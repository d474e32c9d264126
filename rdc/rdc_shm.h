/*
 * The memory that the supervisor shares with its workers: whether the store is the right one,
 * the counters of each slot, which workers are ready, and how much they hold together of each
 * limited resource.
 */
#ifndef RDC_SHM_H
#define RDC_SHM_H

#include "base/quota.h"
#include "base/buf.h"
#include "base/counters.h"

enum { RDC_WORKERS_MAX = BASE_QUOTA_SLOTS };

struct rdc_shm_slot {
    struct base_counters counters;
    _Atomic int reloads; /* the worker of this slot takes SIGHUP */
    _Atomic int ready;   /* it serves, and has the store */
};

struct rdc_shm {
    unsigned workers;
    _Atomic int store_found; /* the store is the one that the database knows */
    struct rdc_shm_slot slots[RDC_WORKERS_MAX];
    struct base_quota quota;
};

/* Zeroed memory, shared with the children forked from now on. */
enum base_err rdc_shm_open(unsigned workers, struct rdc_shm **out) BASE_MUST_CHECK;
/* A worker begins. */
void rdc_shm_begin(struct rdc_shm *shm, unsigned slot);
/* The process of a worker has ended, however: zeroes its gauges and gives back what it
 * held. */
void rdc_shm_end(struct rdc_shm *shm, unsigned slot);
/* Prometheus text format, summed over the slots. */
void rdc_shm_print(const struct rdc_shm *shm, struct base_buf *out);

#endif
