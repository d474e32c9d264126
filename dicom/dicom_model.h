/*
 * Data sets from the metadata of a web client: the DICOM JSON Model (PS3.18 Annex
 * F) and the Native DICOM Model in XML (PS3.19 A.1). The result is an Explicit
 * VR Little Endian data set with gaps, where the caller inserts the bulk data that the
 * metadata only point at.
 *
 * Pure and bounded: no allocation goes beyond a fixed multiple of the text, no
 * network, no entities, no recursion deeper than DICOM_MODEL_DEPTH sequences.
 *
 * Checks every VR against the dictionary, and the values against the VR. Sorts the
 * elements by tag; sequences get undefined length, and Specific Character Set is ISO_IR
 * 192, as the text is UTF-8. Omits the meta group (but keeps its transfer syntax), group
 * lengths and trailing padding.
 */
#ifndef DICOM_MODEL_H
#define DICOM_MODEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "dicom/dicom_uid.h"

enum {
    DICOM_MODEL_DEPTH = 30,          /* sequences in each other */
    DICOM_MODEL_TEXT_MAX = 8 << 20,  /* of the metadata of one data set */
    DICOM_MODEL_DATA_MAX = 64 << 20, /* of what is made of it */
    DICOM_MODEL_BULK_MAX = 100000,   /* values elsewhere, of one data set */
};

/* A value that is elsewhere. */
struct dicom_model_bulk {
    size_t at; /* in data: where its element belongs */
    uint32_t tag;
    enum dicom_vr vr;
    bool nested; /* in a sequence */
    const char *uri;
};

struct dicom_model {
    struct base_buf data;
    struct base_arena arena; /* of the URIs */
    struct dicom_model_bulk *bulks;
    size_t n_bulks;                 /* by rising `at` */
    char sop_class[DICOM_UID_SIZE]; /* "" when absent */
    char sop_instance[DICOM_UID_SIZE];
    char transfer_syntax[DICOM_UID_SIZE]; /* (0002,0010) */
    /* Of the pixel data, when it is not compressed: what rows, columns, samples, bits
     * and frames come to; 0 = some of them are not there. */
    uint64_t pixel_bytes;
    uint64_t frames; /* Number of Frames, else 1 */
};

/*
 * One data set from its JSON object or its XML document. BASE_EFORMAT: error->msg
 * says what is wrong, with the attribute, in at most 64 characters where it can;
 * pos is a byte (JSON) or a line (XML), or none. BASE_ELIMIT, BASE_ENOMEM. Whatever
 * is returned, out must be deinitialised; after an error it has the UIDs that
 * could be read.
 */
enum base_err dicom_model_read_json(struct base_bytes json, struct dicom_model *out,
                                    struct base_error *error) BASE_MUST_CHECK;
enum base_err dicom_model_read_xml(struct base_bytes xml, struct dicom_model *out,
                                   struct base_error *error) BASE_MUST_CHECK;
void dicom_model_deinit(struct dicom_model *m);

/*
 * The objects of a JSON array, one by one, so that a broken one does not spoil the
 * others. A lone object counts as an array of one.
 */
struct dicom_model_list {
    struct base_bytes text;
    size_t at;
    bool begun;
    bool array;
    bool ended;
};
/* BASE_ENOTFOUND: there are no more. BASE_EFORMAT: neither array nor object, or
 * incomplete; final. object is borrowed from the text. */
enum base_err dicom_model_next(struct dicom_model_list *list, struct base_bytes *object,
                               struct base_error *error) BASE_MUST_CHECK;

#endif
