/* What the parts of bench_ecg_speed share. */
#ifndef ECG_SPEED_H
#define ECG_SPEED_H

#include <stddef.h>
#include <stdint.h>

/* What one pass over a file found: samples that stood decoded in memory and were summed. */
struct ecg_speed_sum {
    uint64_t samples;
    double sum; /* so that nobody leaves out the work */
};

/* Each reads one recording and adds to *sum. Returns 0, or -1 where it cannot be read. */
typedef int ecg_speed_reader(const char *path, struct ecg_speed_sum *sum);

/* NULL where libbiosig was absent when this was built. */
ecg_speed_reader *ecg_speed_biosig(void);

#endif
