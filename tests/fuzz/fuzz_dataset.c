/* A data set from outside: the cursor over every element in each encoding, the
 * values, the header scan of whole and cut data, and Part 10 files. The first
 * byte chooses the transfer syntax. */
#include "dicom/dicom_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct dicom_cursor *c)
{
    struct dicom_element e;
    struct base_bytes part;
    int64_t i;
    double d;
    while (dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
        (void)dicom_value_part(e.value, 1, &part);
        (void)dicom_value_int(&e, dicom_value_count(&e) / 2, &i);
        (void)dicom_value_double(&e, 0, &d);
        if (dicom_cursor_can_enter(c)) {
            dicom_cursor_enter(c);
            walk(c);
            dicom_cursor_leave(c);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dicom_cursor c;
    struct dicom_header h;
    struct dicom_part10 file;
    struct base_error error;
    struct base_bytes bytes = base_bytes_of(data, size);
    size_t n;
    const struct dicom_syntax *all = dicom_syntax_all(&n);
    for (int encoding = DICOM_IMPLICIT_LE; encoding <= DICOM_EXPLICIT_BE; encoding++) {
        dicom_cursor_init(&c, bytes, (enum dicom_encoding)encoding, size % 2);
        walk(&c);
    }
    (void)dicom_header_scan(bytes, size % 2, dicom_syntax_find(DICOM_UID_IMPLICIT_LE), &h, &error);
    if (dicom_part10_read(bytes, true, &file, &error) == DICOM_SCAN_DONE)
        (void)dicom_header_scan(base_bytes_of(data + file.dataset, size - file.dataset), true,
                                file.syntax, &h, &error);
    if (size)
        (void)dicom_header_scan(base_bytes_of(data + 1, size - 1), true, &all[data[0] % n], &h,
                                &error);
    return 0;
}
