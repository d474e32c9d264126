/* One ECG file of any format, written in every format, and read again. */
#include "ecg_entry.h"
#include "ecg_follow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ecg_limits limits = fuzz_ecg_limits(size);
    limits.leads = 64;
    limits.samples = 1 << 16;
    limits.items = 500;
    struct ecg_input input = {.name = "", .bytes = base_bytes_of(data, size)};
    struct ecg_record *r = NULL;
    struct base_error err;
    if (ecg_open(&input, 1, &limits, NULL, &r, &err) != BASE_OK)
        return 0;
    if (ecg_record_fault(r))
        abort();
    double longest = 0;
    for (size_t i = 0; i < r->nleads; i++)
        longest = r->leads[i].start_s * r->leads[i].rate_hz > longest
                      ? r->leads[i].start_s * r->leads[i].rate_hz
                      : longest;
    /* Gaps before the first sample only cost time. */
    for (unsigned f = ECG_FORMAT_UNKNOWN; f < ECG_FORMAT_COUNT && longest < 1 << 16; f++)
        if (ecg_follow_write(r, (enum ecg_format)f))
            abort();
    ecg_record_free(r);
    return 0;
}
