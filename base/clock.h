/*
 * Time. Wall clock in microseconds since 1970 UTC, monotonic clock in
 * milliseconds. A test can set both. Nothing else may read a clock, but for the time-outs of
 * net/, which are libuv's.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t base_clock_wall_us(void);
int64_t base_clock_mono_ms(void);
/* Fixes both clocks for a test; base_clock_reset goes back to the real ones. */
void base_clock_set(int64_t wall_us, int64_t mono_ms);
void base_clock_reset(void);

/* RFC 3339 in UTC with milliseconds, "2026-01-31T08:00:00.000Z". */
enum { BASE_CLOCK_TEXT = 32 };
void base_clock_text(int64_t wall_us, char out[BASE_CLOCK_TEXT]);

#endif
