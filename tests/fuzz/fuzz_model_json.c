/* Metadata of STOW-RS as JSON. What is taken must be a data set that our cursor reads
 * to its end. */
#include "dicom/dicom_dataset.h"
#include "dicom/dicom_model.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct dicom_cursor *c)
{
    struct dicom_element e;
    while (dicom_cursor_next(c, &e) == DICOM_ELEMENT)
        if (dicom_cursor_can_enter(c)) {
            dicom_cursor_enter(c);
            walk(c);
            dicom_cursor_leave(c);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dicom_model_list list = {.text = base_bytes_of(data, size)};
    struct base_bytes object;
    struct base_error error;
    while (dicom_model_next(&list, &object, &error) == BASE_OK) {
        struct dicom_model m;
        if (dicom_model_read_json(object, &m, &error) == BASE_OK) {
            struct dicom_cursor c;
            dicom_cursor_init(&c, base_buf_bytes(&m.data), DICOM_EXPLICIT_LE, true);
            walk(&c);
            if (dicom_cursor_state(&c) == DICOM_BAD || m.data.n % 2)
                abort();
        }
        dicom_model_deinit(&m);
    }
    return 0;
}
