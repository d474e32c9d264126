/* The identifier of a modality worklist query, and an answer to it. The first
 * byte chooses the encoding. */
#include "worklist/worklist_query.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const enum dicom_encoding encodings[] = {DICOM_IMPLICIT_LE, DICOM_EXPLICIT_LE,
                                                    DICOM_EXPLICIT_BE};
    struct worklist_query q;
    struct worklist_charset charset;
    struct base_error error = {0};
    if (n == 0)
        return 0;
    enum dicom_encoding encoding = encodings[p[0] % 3];
    if (worklist_query_parse(base_bytes_of(p + 1, n - 1), encoding, &q, &error))
        return 0;
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s}", "patient_name", "Ceshi^Yi", "study_uid",
                            "1.2.3", "procedure_code", "A", "description", "B", "date", "20300131");
    worklist_charset_choose("", &q, &charset);
    struct base_buf out = {0};
    if (row && worklist_query_answer(&q, row, &charset, encoding, &out) == BASE_OK) {
        /* What we answer, we can read; and it asks for the same. */
        struct worklist_query again;
        if (worklist_query_parse(base_bytes_of(out.p, out.n), encoding, &again, &error))
            abort();
        worklist_query_deinit(&again);
    }
    base_buf_deinit(&out);
    json_decref(row);
    worklist_query_deinit(&q);
    return 0;
}
