/*
 * What the processes share in which files that came from outside are decoded: `rdc render`,
 * `rdc same`, `rdc measure`.
 */
#ifndef RDC_HELPER_H
#define RDC_HELPER_H

#include <stdint.h>

/* Address space and processor time end at these limits, or at lower ones that are set already;
 * no core, which would hold a patient's image; ends with the worker that started it. */
void rdc_helper_limit(uint64_t memory_mib, uint64_t cpu_seconds);
/* So much processor time from now, for a process that serves many requests. */
void rdc_helper_limit_cpu(uint64_t seconds);

#endif
