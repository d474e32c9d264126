/* One ECG file of one format. */
#ifndef ECG_ENTRY_H
#define ECG_ENTRY_H

#include "ecg/ecg_open.h"
#include "tests/unit/ecg_sound.h"

#include <stdlib.h>

/* Small limits: the fuzzer is after bugs, not memory. Every second input has its samples in arrays
 * that others had before, as `rdc measure` has; the rest in arrays of their own, of which a
 * sanitizer knows the ends. */
static inline struct ecg_limits fuzz_ecg_limits(size_t size)
{
    static struct base_pages pages = {.most = 8 << 20, .grain = 64};
    return (struct ecg_limits){.bytes = 1 << 20,
                               .leads = 256,
                               .samples = 1 << 20,
                               .text = 1 << 16,
                               .items = 2000,
                               .pages = size % 2 ? &pages : NULL};
}

/* What other parsers would take is not looked at: they have targets of their own, and this one
 * would never run dry. */
static inline int fuzz_ecg_file(enum ecg_format format, const uint8_t *data, size_t size)
{
    const struct ecg_limits limits = fuzz_ecg_limits(size);
    struct ecg_input input = {.name = "", .bytes = base_bytes_of(data, size)};
    struct ecg_record *r = NULL;
    struct base_error err;
    if (ecg_detect(input.bytes) != format)
        return 0;
    if (ecg_open(&input, 1, &limits, NULL, &r, &err) == BASE_OK) {
        if (ecg_record_fault(r))
            abort();
        ecg_record_free(r);
    }
    return 0;
}

#endif
