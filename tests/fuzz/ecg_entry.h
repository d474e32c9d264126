/* One ECG file of any format: the corpus decides which parser is reached. */
#ifndef ECG_ENTRY_H
#define ECG_ENTRY_H

#include "ecg/ecg_open.h"

static inline int fuzz_ecg_file(const uint8_t *data, size_t size)
{
    /* Small limits: the fuzzer is after bugs, not memory. */
    static const struct ecg_limits limits = {
        .bytes = 1 << 20, .leads = 256, .samples = 1 << 20, .text = 1 << 16, .items = 2000};
    struct ecg_input input = {.name = "", .bytes = base_bytes_of(data, size)};
    struct ecg_record *r = NULL;
    struct base_error err;
    if (ecg_open(&input, 1, &limits, NULL, &r, &err) == BASE_OK)
        ecg_record_free(r);
    return 0;
}

#endif
