/*
 * One file on its way in, recognised by its content: a DICOM file streams into an
 * ingest_object; an ECG file of another format is read whole, kept as it is, and
 * becomes a DICOM ECG object beside it.
 *
 *   new ─► write* ─► finish ─► callback        abort at any time before finish
 */
#ifndef INGEST_ARRIVAL_H
#define INGEST_ARRIVAL_H

#include "ingest/ingest_object.h"

struct ingest_arrival;

enum { INGEST_CENTRE_CODE = 40 };

struct ingest_arrival_options {
    struct ingest_source source; /* syntax and SOP UIDs are found in the file; strings are
                                  * borrowed until the callback of finish, but centre_code is
                                  * copied */
    bool dicom_only;             /* other files are refused with BASE_EUNSUPPORTED */
    bool parts; /* the file may be one of several of an ECG: see ingest_arrival_part */
};

enum base_err ingest_arrival_new(struct ingest *g, const struct ingest_arrival_options *options,
                                 struct ingest_arrival **out) BASE_MUST_CHECK;
void ingest_arrival_write(struct ingest_arrival *f, struct base_bytes bytes);
/* The file is refused whatever else comes of it; finish tells why. */
bool ingest_arrival_is_refused(const struct ingest_arrival *f);
/* As ingest_object_room and ingest_object_on_room. */
bool ingest_arrival_room(struct ingest_arrival *f);
void ingest_arrival_on_room(struct ingest_arrival *f, void (*fn)(void *arg), void *arg);
/* The file has ended, but before finish: true when it may be one of several files of a
 * recording, or is of no known format. Then *out takes its bytes, and f is gone. */
bool ingest_arrival_part(struct ingest_arrival *f, struct base_buf *out);
/* fn runs once, perhaps inside this call; f is gone then. BASE_EUNSUPPORTED: not
 * recognised. */
void ingest_arrival_finish(struct ingest_arrival *f, ingest_object_fn *fn, void *arg);
/* Only before finish. Takes NULL. */
void ingest_arrival_abort(struct ingest_arrival *f);

/* The HTTP status of a result's error. */
int ingest_http_status(enum base_err err);

#endif
