/* A peer's bytes: PDUs in arbitrary splits, associations, negotiation, and messages
 * assembled from the fragments. The first byte seeds the splits. */
#include "dicom/dicom_dimse.h"
#include "tests/unit/storage_offers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_associate(const struct dicom_pdu *pdu)
{
    struct base_arena arena;
    struct dicom_associate a;
    struct dicom_associate ac;
    struct base_error error;
    struct base_buf out = {0};
    bool accept = pdu->type == DICOM_PDU_ASSOCIATE_AC;
    base_arena_init(&arena, 1 << 20);
    if (dicom_associate_decode(pdu->body, accept, &arena, &a, &error) == BASE_OK) {
        dicom_associate_encode(&a, accept, &out);
        if (!accept &&
            dicom_negotiate(&a, storage_offers, STORAGE_OFFERS, 0, &arena, &ac, NULL) == BASE_OK)
            dicom_associate_encode(&ac, true, &out);
    }
    base_buf_deinit(&out);
    base_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dicom_pdu_decoder d;
    struct dicom_assembler a;
    struct dicom_message m;
    struct dicom_pdu pdu;
    struct base_error error;
    uint32_t seed = size ? data[0] : 0;
    enum dicom_pdu_step step = DICOM_PDU_MORE;
    enum base_err err = BASE_OK;
    dicom_pdu_decoder_init(&d, 16384);
    dicom_assembler_init(&a);
    for (size_t at = 0; at < size && step != DICOM_PDU_INVALID && !err;) {
        seed = seed * 1664525 + 1013904223;
        size_t n = 1 + (seed >> 16) % 97;
        struct base_bytes in = {data + at, n < size - at ? n : size - at};
        at += in.n;
        while (!err && (step = dicom_pdu_decode(&d, &in, &pdu)) != DICOM_PDU_MORE &&
               step != DICOM_PDU_INVALID) {
            if (step == DICOM_PDU_FRAGMENT)
                err = dicom_assembler_take(&a, &pdu, &m, &error);
            else if (pdu.type <= DICOM_PDU_ASSOCIATE_AC)
                take_associate(&pdu);
        }
    }
    dicom_assembler_deinit(&a);
    dicom_pdu_decoder_deinit(&d);
    return 0;
}
