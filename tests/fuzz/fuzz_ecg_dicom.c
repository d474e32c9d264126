/* DICOM waveform objects: read, and when that goes well written and read again. */
#include "ecg/ecg_dicom_write.h"
#include "ecg/ecg_open.h"
#include "tests/unit/ecg_sound.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ecg_limits limits = {
    .bytes = 1 << 20, .leads = 64, .samples = 1 << 18, .text = 1 << 16, .items = 2000};

static struct ecg_record *open_bytes(struct base_bytes bytes)
{
    struct ecg_input input = {.name = "", .bytes = bytes};
    struct ecg_record *r = NULL;
    struct base_error err;
    if (ecg_detect(bytes) != ECG_FORMAT_DICOM)
        return NULL;
    if (ecg_open(&input, 1, &limits, NULL, &r, &err))
        return NULL;
    if (ecg_record_fault(r))
        abort();
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ecg_dicom_options options = {.seed = "fuzz"};
    struct base_error err;
    struct base_buf out;
    struct ecg_record *r = open_bytes(base_bytes_of(data, size));
    base_buf_init(&out, 1 << 20);
    if (r && ecg_dicom_write(r, &options, &out, NULL, &err) == BASE_OK) {
        struct ecg_record *again = open_bytes(base_buf_bytes(&out));
        /* Our own object may be too large for these limits, but not malformed. */
        if (again && again->nleads != r->nleads)
            abort();
        ecg_record_free(again);
    }
    base_buf_deinit(&out);
    ecg_record_free(r);
    return 0;
}
