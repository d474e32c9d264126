/* WFDB: a header, after a 0 byte that of a segment, after another the bytes of all
 * other files. */
#include "ecg_entry.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct base_bytes take(const uint8_t **data, size_t *size)
{
    const uint8_t *end = *size ? memchr(*data, 0, *size) : NULL;
    struct base_bytes b = base_bytes_of(*data, end ? (size_t)(end - *data) : *size);
    size_t used = b.n + (end != NULL);
    *data += used;
    *size -= used;
    return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ecg_limits limits = fuzz_ecg_limits(size);
    struct base_bytes header = take(&data, &size);
    struct base_bytes segment = take(&data, &size);
    struct base_bytes half = base_bytes_of(data, size / 2);
    struct base_bytes rest = base_bytes_of(data + half.n, size - half.n);
    const struct ecg_input inputs[] = {
        {"r.hea", header}, {"r.dat", rest}, {"s.hea", segment}, {"r.atr", half}, {"s.dat", half}};
    struct ecg_needs needs;
    struct ecg_record *r = NULL;
    struct base_error err;
    if (ecg_detect(header) != ECG_FORMAT_WFDB)
        return 0;
    if (ecg_open(inputs, sizeof inputs / sizeof *inputs, &limits, &needs, &r, &err) == BASE_OK) {
        if (ecg_record_fault(r))
            abort();
        ecg_record_free(r);
    }
    return 0;
}
