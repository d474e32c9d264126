/* One ECG file of any format, measured and drawn. */
#include "ecg_entry.h"
#include "ecg_follow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ecg_limits limits = fuzz_ecg_limits(size);
    limits.samples = 1 << 16;
    struct ecg_input input = {.name = "", .bytes = base_bytes_of(data, size)};
    struct ecg_record *r = NULL;
    struct base_error err;
    if (ecg_open(&input, 1, &limits, NULL, &r, &err) != BASE_OK)
        return 0;
    if (ecg_record_fault(r))
        abort();
    if (ecg_follow_measure(r) || ecg_follow_analyse(r) || ecg_follow_draw(r))
        abort();
    ecg_record_free(r);
    return 0;
}
