/* ISHNE: a byte, n; n times 8 bytes are the file of beats, the rest is the recording. */
#include "ecg_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Small limits: the fuzzer is after bugs, not memory. */
    static const struct ecg_limits limits = {
        .bytes = 1 << 20, .leads = 256, .samples = 1 << 20, .text = 1 << 16, .items = 2000};
    size_t n = size ? data[0] * (size_t)8 : 0;
    n = n < size ? n : size;
    const struct ecg_input inputs[] = {
        {"x.ecg", base_bytes_of(data + n, size - n)},
        {"x.ann", base_bytes_of(data + (size > 0), n ? n - 1 : 0)},
    };
    struct ecg_needs needs;
    struct ecg_record *r = NULL;
    struct base_error err;
    if (ecg_detect(inputs[0].bytes) != ECG_FORMAT_ISHNE)
        return 0;
    if (ecg_open(inputs, 2, &limits, &needs, &r, &err) == BASE_OK) {
        if (ecg_record_fault(r))
            abort();
        ecg_record_free(r);
    }
    return 0;
}
