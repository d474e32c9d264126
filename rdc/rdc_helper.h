/*
 * Limits of the processes that decode files from outside: `rdc render`, `rdc same`,
 * `rdc measure`.
 */
#ifndef RDC_HELPER_H
#define RDC_HELPER_H

#include <stdint.h>

/* Limits address space and processor time, unless lower limits are set already; forbids core dumps,
 * which would hold a patient's image; makes the process end with the worker that started it. */
void rdc_helper_limit(uint64_t memory_mib, uint64_t cpu_seconds);
/* Limits processor time from now on, for a process that serves many requests. */
void rdc_helper_limit_cpu(uint64_t seconds);

#endif
