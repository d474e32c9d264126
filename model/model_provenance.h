/*
 * Where a stored DICOM object comes from: what its data set does not say, but
 * the index knows. It is written into the file beside the object (the private
 * information of its meta group), so that the store alone can rebuild the index.
 */
#ifndef MODEL_PROVENANCE_H
#define MODEL_PROVENANCE_H

#include "base/buf.h"

#include <stdbool.h>

struct model_provenance {
    const char *centre;  /* code of the organisation; always given */
    const char *device;  /* calling AE title; NULL */
    int64_t received_us; /* microseconds since 1970 UTC */
    int64_t quiet_seconds;
    const char *priority; /* NULL = routine */
    bool single;          /* the exam was complete with it */
    bool own;             /* rdc made it: a report */
    bool charset_guessed; /* of a name or ID in the file it was made of */
    /* What the sender said of the patient beside the object; NULL */
    const char *patient_id;
    const char *patient_name;
    const char *accession;
    /* The file it was made of; original_location NULL = none */
    const char *original_location;
    const char *original_sha256; /* hex */
    const char *original_media;
    int64_t original_size;
};

/* Appends it as JSON. */
void model_provenance_write(const struct model_provenance *p, struct base_buf *out);

struct model_provenance_text; /* what a read one borrows its strings from */
/* BASE_EFORMAT when it is not what model_provenance_write wrote; BASE_ENOMEM.
 * Free with model_provenance_free. */
enum base_err model_provenance_read(struct base_bytes json, struct model_provenance *out,
                                    struct model_provenance_text **text) BASE_MUST_CHECK;
/* Takes NULL. */
void model_provenance_free(struct model_provenance_text *text);

#endif
