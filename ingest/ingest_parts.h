/* The files in a multipart body, each part given to an ingest_many. */
#ifndef INGEST_PARTS_H
#define INGEST_PARTS_H

#include "ingest/ingest_many.h"
#include "net/net_multipart.h"

struct ingest_parts {
    struct net_multipart parser;
    struct ingest_many *many; /* borrowed */
    /* multipart/form-data: parts without a file name are fields, and passed over.
     * Otherwise: every part must be of type application/dicom. */
    bool form;
    size_t files;
    bool in_manifest;         /* the part under way is that field */
    struct base_buf manifest; /* the field of this name of a form; empty = none; the caller's */
};

/* content_type of the request. BASE_EINVAL: it has no usable boundary. */
enum base_err ingest_parts_init(struct ingest_parts *p, const char *content_type, bool form,
                                struct ingest_many *many) BASE_MUST_CHECK;
/* BASE_EFORMAT: broken framing; BASE_ELIMIT: too many parts; BASE_ENOMEM.
 * *cause says it to the sender. Nothing may follow. */
enum base_err ingest_parts_write(struct ingest_parts *p, struct base_bytes bytes,
                                 const char **cause) BASE_MUST_CHECK;
/* The body is complete. BASE_EFORMAT: its end, or any file, is missing. */
enum base_err ingest_parts_end(const struct ingest_parts *p, const char **cause) BASE_MUST_CHECK;

/* A file that only indexes others: DICOMDIR (PS3.10 8.6), resource forks. */
bool ingest_parts_is_index(const char *name);

#endif
