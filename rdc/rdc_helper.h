/*
 * The processes that decode files from outside: `rdc render`, `rdc same`, `rdc measure`,
 * `rdc pixels`. Their limits, and the requests of those that serve many.
 */
#ifndef RDC_HELPER_H
#define RDC_HELPER_H

#include "base/buf.h"

#include <stdint.h>

/* Limits address space and processor time, unless lower limits are set already; forbids core dumps,
 * which would hold a patient's image; makes the process end with the worker that started it. */
void rdc_helper_limit(uint64_t memory_mib, uint64_t cpu_seconds);

/* Answers the lines of standard input, each with a time of its own. behind: how far ingest goes
 * first, as nice(2) has it. fn has one request (ingest/ingest_measure.h) and writes a line of JSON,
 * with its newline, to out; an error is told in its place. Returns the exit status: 0 at the end of
 * the input, 1 when nobody reads the answers any more. */
int rdc_helper_serve(int behind, uint64_t memory_mib, uint64_t cpu_seconds,
                     enum base_err (*fn)(void *arg, const char *limits, const char *path,
                                         const char *earlier, struct base_buf *out,
                                         struct base_error *e),
                     void *arg);

#endif
