/* What ingest_models*.c share. */
#ifndef INGEST_MODELS_PRIV_H
#define INGEST_MODELS_PRIV_H

#include "dicom/dicom_model.h"
#include "ingest/ingest_bulk.h"

/* An instance from its metadata; err is set when they could not be read. */
struct ingest_model {
    struct ingest_model *next;
    struct dicom_model model;
    enum base_err err;
    char message[160];
};

/* The metadata of one part, and what becomes of them; n and data_n go on from the parts
 * before. Touched by one thread at a time. */
struct ingest_models_parse {
    struct base_buf text;
    bool xml;
    struct ingest_model *first;
    size_t n;      /* instances of the request */
    size_t data_n; /* bytes of their data sets */
};
/* Reads the text. What is wrong stands in the instances. */
void ingest_models_parse(struct ingest_models_parse *p);
void ingest_models_parse_deinit(struct ingest_models_parse *p);
/* Takes NULL. */
void ingest_model_free(struct ingest_model *m);

/* The file of an instance: bytes in memory, or of the file of the bulk data. */
struct ingest_model_piece {
    const uint8_t *p; /* NULL: from the file */
    uint64_t offset;
    uint64_t n;
};
struct ingest_model_plan {
    struct ingest_model_piece *pieces;
    size_t n;
    size_t room;
    struct base_buf head;    /* preamble and meta group */
    struct base_arena arena; /* headers of elements and fragments */
    bool begun;
};
/* BASE_EFORMAT: bulk data are missing or not what the metadata say; BASE_EUNSUPPORTED:
 * their media type, or transfer syntax; BASE_ELIMIT: of ingest_bulk_find(); BASE_ENOMEM. error->msg
 * says which. The plan borrows from the model. It must be deinitialised. */
enum base_err ingest_model_plan(const struct dicom_model *model, struct ingest_bulk *bulk,
                                struct ingest_model_plan *out,
                                struct base_error *error) BASE_MUST_CHECK;
void ingest_model_plan_deinit(struct ingest_model_plan *plan);

#endif
