/*
 * The counters of one worker. They live in memory that the supervisor shares
 * with all workers of the host, so that any of them can print the sum.
 */
#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/* X(name, kind, help): a counter only rises, a gauge is zeroed when its worker
 * is gone. */
#define BASE_COUNTERS(X)                                                                           \
    X(associations_total, counter, "DICOM associations accepted")                                  \
    X(associations_refused_total, counter, "DICOM associations refused")                           \
    X(associations_open, gauge, "DICOM associations open now")                                     \
    X(requests_delayed_total, counter, "DIMSE requests that waited for their device's rate")       \
    X(bodies_paused_total, counter, "Times that an object waited for a limit on bytes in flight")  \
    X(stat_orders_known, gauge, "STAT orders whose objects go first, summed over the workers")     \
    X(objects_stored_total, counter, "Objects acknowledged and new")                               \
    X(objects_duplicate_total, counter, "Objects acknowledged that were here already")             \
    X(objects_refused_total, counter, "Objects answered with a failure")                           \
    X(watched_files_total, counter, "Files and recordings taken up from watched folders")          \
    X(watched_rounds_total, counter, "Looks into watched folders after which some were")           \
    X(object_bytes_total, counter, "Bytes of acknowledged objects")                                \
    X(http_requests_total, counter, "HTTP requests answered")                                      \
    X(http_failures_total, counter, "HTTP requests answered with 5xx")                             \
    X(http_limited_total, counter, "HTTP requests answered with 429")                              \
    X(jobs_done_total, counter, "Jobs that follow an acknowledgement, done")                       \
    X(jobs_failed_total, counter, "Jobs that follow an acknowledgement, failed")                   \
    X(deliveries_total, counter, "Reports acknowledged by their destinations")                     \
    X(delivery_failures_total, counter, "Attempts at delivery that failed")                        \
    X(worker_starts_total, counter, "Starts of workers")

struct base_counters {
#define BASE_COUNTERS_FIELD(name, kind, help) _Atomic int64_t name;
    BASE_COUNTERS(BASE_COUNTERS_FIELD)
#undef BASE_COUNTERS_FIELD
};

static inline void base_count(_Atomic int64_t *counter, int64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

#endif
