/*
 * What the index is told of one stored object: the record that ingest_store()
 * in db/migrations/003_queues.sql takes.
 */
#ifndef INGEST_RECORD_H
#define INGEST_RECORD_H

#include "base/json.h"
#include "dicom/dicom_header.h"
#include "store/store.h"

struct ingest_record {
    int64_t centre_id;
    int64_t device_id; /* 0 = not from a device */
    int64_t quiet_seconds;
    const char *priority; /* NULL = routine */
    bool single;          /* the exam is complete with this object */
    const char *transfer_syntax;
    const struct dicom_header *header;
    const struct store_object *object;
    const struct store_object *original; /* the file it was made of; NULL = none */
    const char *original_media;          /* its MIME type */
    struct base_bytes metadata;          /* as DICOM JSON; empty: a job makes it */
};

/* Writes the members of the record, without the metadata, which are a parameter of their own. */
void ingest_record_write(const struct ingest_record *r, struct base_json *j);

#endif
