/* EDF, EDF+ and BDF files. */
#include "ecg_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_ecg_file(ECG_FORMAT_EDF, data, size);
}
