/*
 * Instances that come as metadata and bulk data (PS3.18 8.7.3.2): the metadata are
 * read into data sets on a pool thread, the bulk data are set aside, and once all has
 * come each instance is assembled, piece by piece, into a DICOM file for an
 * ingest_many.
 *
 *   new ─► ready ─► write* ─► finish ─► callback        abort at any time before finish
 */
#ifndef INGEST_MODELS_H
#define INGEST_MODELS_H

#include "ingest/ingest_many.h"

struct ingest_models;

enum ingest_models_kind { INGEST_MODELS_NONE, INGEST_MODELS_JSON, INGEST_MODELS_XML };

enum { INGEST_MODELS_TEXT_MAX = 32 << 20 /* of all metadata of a request */ };

/* The media type of metadata; NONE when it is none. */
enum ingest_models_kind ingest_models_kind_of(const char *content_type);

/* content_type of the request: multipart/related, or metadata alone. many is borrowed and
 * finished by its owner, after the callback of finish. `ready` runs once
 * (err: BASE_ENOSPC, BASE_EIO …, then only abort may follow), unless this fails:
 * BASE_EINVAL: no usable boundary; BASE_ENOMEM. */
enum base_err ingest_models_new(struct ingest *g, const char *content_type,
                                struct ingest_many *many,
                                void (*ready)(void *arg, enum base_err err), void *arg,
                                struct ingest_models **out) BASE_MUST_CHECK;
/* As of ingest_parts_write. */
enum base_err ingest_models_write(struct ingest_models *m, struct base_bytes bytes,
                                  const char **cause) BASE_MUST_CHECK;
bool ingest_models_room(const struct ingest_models *m);
void ingest_models_on_room(struct ingest_models *m, void (*fn)(void *arg), void *arg);
/* fn runs once: BASE_OK, and what became of each instance stands in many;
 * BASE_EFORMAT, BASE_ELIMIT, BASE_ENOSPC …: the body is refused, and cause says why.
 * m is gone then. */
void ingest_models_finish(struct ingest_models *m,
                          void (*fn)(void *arg, enum base_err err, const char *cause), void *arg);
/* Takes NULL. many may be aborted at once. */
void ingest_models_abort(struct ingest_models *m);

#endif
