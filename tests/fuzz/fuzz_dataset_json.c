/* The data set of an N-CREATE, N-SET or N-ACTION from outside, as JSON. What comes
 * out must be JSON that PostgreSQL takes. */
#include "ingest/ingest_dataset.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_buf out = {0};
    struct base_error error;
    if (size == 0)
        return 0;
    enum dicom_encoding encoding = (enum dicom_encoding)(data[0] % 3);
    if (ingest_dataset_json(base_bytes_of(data + 1, size - 1), encoding, &out, &error) == BASE_OK) {
        json_t *json = json_loadb((const char *)out.p, out.n, 0, NULL);
        if (!json_is_object(json))
            abort();
        json_decref(json);
    }
    base_buf_deinit(&out);
    return 0;
}
