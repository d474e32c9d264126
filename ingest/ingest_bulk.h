/*
 * The bulk data of one request (PS3.18 8.7.3.3), kept in an unnamed file until the
 * objects they belong to are assembled.
 *
 *   new ─► callback ─► (begin ─► write* ─► end)* ─► flush ─► callback ─► find* ─► free
 */
#ifndef INGEST_BULK_H
#define INGEST_BULK_H

#include "dicom/dicom_jpeg.h"
#include "ingest/ingest.h"

struct ingest_bulk;

struct ingest_bulk_part {
    const char *location; /* Content-Location */
    const char *type;     /* Content-Type with its parameters; "" */
    size_t order;         /* of arrival */
    uint64_t offset;      /* in the file */
    uint64_t size;
    struct dicom_jpeg jpeg;
    bool used; /* some object refers to it */
};

typedef void ingest_bulk_fn(void *arg, enum base_err err);

/* fn runs unless this fails; with an error nothing more but free may be called. */
enum base_err ingest_bulk_new(struct ingest *g, ingest_bulk_fn *fn, void *arg,
                              struct ingest_bulk **out) BASE_MUST_CHECK;
/* Not between new or flush and their callbacks. Takes NULL. */
void ingest_bulk_free(struct ingest_bulk *b);

/* BASE_ELIMIT: too many parts, or a location too long; BASE_ENOMEM. */
enum base_err ingest_bulk_begin(struct ingest_bulk *b, const char *location,
                                const char *type) BASE_MUST_CHECK;
/* Copies. An error shows at flush. */
void ingest_bulk_write(struct ingest_bulk *b, struct base_bytes bytes);
void ingest_bulk_end(struct ingest_bulk *b);
bool ingest_bulk_room(const struct ingest_bulk *b);
void ingest_bulk_on_room(struct ingest_bulk *b, void (*fn)(void *arg), void *arg);

/* fn when everything can be read. No part may follow. */
void ingest_bulk_flush(struct ingest_bulk *b, ingest_bulk_fn *fn, void *arg);
/* The parts at this location in the order of arrival, or the first one of each of
 * location/frames/1, 2, … up to `frames`. Borrowed until the next call. BASE_ENOTFOUND: none;
 * BASE_ELIMIT: too many parts are referred to more than once. */
enum base_err ingest_bulk_find(struct ingest_bulk *b, const char *location, uint64_t frames,
                               struct ingest_bulk_part *const **parts, size_t *n) BASE_MUST_CHECK;
/* A part that no object refers to; NULL when there are no more. */
struct ingest_bulk_part *ingest_bulk_unused(struct ingest_bulk *b);
int ingest_bulk_fd(const struct ingest_bulk *b);

#endif
