/* A command set; what decodes must encode, and decode to the same command. */
#include "dicom/dicom_dimse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dicom_dimse cmd;
    struct dicom_dimse again;
    struct base_error error;
    struct base_buf out = {0};
    if (dicom_dimse_decode(base_bytes_of(data, size), &cmd, &error) == BASE_OK && cmd.fault) {
        cmd = dicom_dimse_response(&cmd, cmd.fault);
        dicom_dimse_encode(&cmd, &out);
        if (out.err || dicom_dimse_decode(base_buf_bytes(&out), &again, &error) != BASE_OK ||
            again.status != cmd.status || again.responded_id != cmd.responded_id)
            abort();
    } else if (dicom_dimse_decode(base_bytes_of(data, size), &cmd, &error) == BASE_OK) {
        dicom_dimse_encode(&cmd, &out);
        if (out.err || dicom_dimse_decode(base_buf_bytes(&out), &again, &error) != BASE_OK ||
            again.command != cmd.command || again.has_dataset != cmd.has_dataset)
            abort();
    }
    base_buf_deinit(&out);
    return 0;
}
