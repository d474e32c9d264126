#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

/* The one exception to "no mutable file-level state": a test sets the time of
 * the whole process. */
static _Atomic int fixed;
static _Atomic int64_t fixed_wall;
static _Atomic int64_t fixed_mono;

static int64_t read_clock(clockid_t id, int64_t per_second)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * per_second + ts.tv_nsec / (1000000000 / per_second);
}

int64_t base_clock_wall_us(void)
{
    return atomic_load(&fixed) ? atomic_load(&fixed_wall) : read_clock(CLOCK_REALTIME, 1000000);
}

int64_t base_clock_mono_ms(void)
{
    return atomic_load(&fixed) ? atomic_load(&fixed_mono) : read_clock(CLOCK_MONOTONIC, 1000);
}

void base_clock_set(int64_t wall_us, int64_t mono_ms)
{
    atomic_store(&fixed_wall, wall_us);
    atomic_store(&fixed_mono, mono_ms);
    atomic_store(&fixed, 1);
}

void base_clock_reset(void)
{
    atomic_store(&fixed, 0);
}

void base_clock_text(int64_t wall_us, char out[BASE_CLOCK_TEXT])
{
    time_t s = (time_t)(wall_us / 1000000);
    int ms = (int)(wall_us % 1000000 / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    size_t n = strftime(out, BASE_CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, BASE_CLOCK_TEXT - n, ".%03dZ", ms);
}
