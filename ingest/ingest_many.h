/*
 * Several files in one request: each is stored by itself while the next is already
 * being read, so that they share syncs and commits. The results are kept until all
 * are there.
 *
 *   new ─► (begin ─► write* ─► end)* ─► finish ─► callback     abort before finish
 */
#ifndef INGEST_MANY_H
#define INGEST_MANY_H

#include "ingest/ingest_arrival.h"

enum { INGEST_MANY_MAX = 10000 /* files of one request */ };

struct ingest_many;

/* The result of one file; strings are never NULL. */
struct ingest_many_item {
    const char *name; /* as the sender calls it */
    enum base_err err;
    struct ingest_stored stored; /* when BASE_OK */
    const char *message;         /* otherwise */
    const char *sop_class;       /* "" when not known */
    const char *sop_instance;
    const char *series;
    const char *damage; /* as in ingest_result */
};

/* In the order of arrival; borrowed for the call. */
typedef void ingest_many_fn(void *arg, struct ingest_many_item *const *items, size_t n);

/* Copies options and its strings, but not source.original. */
enum base_err ingest_many_new(struct ingest *g, const struct ingest_arrival_options *options,
                              struct ingest_many **out) BASE_MUST_CHECK;
/* BASE_ELIMIT: too many files; BASE_ENOMEM. Then the request should be ended. */
enum base_err ingest_many_begin(struct ingest_many *m, const char *name) BASE_MUST_CHECK;
void ingest_many_write(struct ingest_many *m, struct base_bytes bytes);
void ingest_many_end(struct ingest_many *m);
/* Ends the file that was begun, or a new one of this name, as refused. */
void ingest_many_refuse(struct ingest_many *m, const char *name, enum base_err err,
                        const char *message);
/* The same of an object whose UIDs are known. */
void ingest_many_refuse_object(struct ingest_many *m, const char *sop_class,
                               const char *sop_instance, enum base_err err, const char *message);
/* The file that was begun is refused whatever else comes of it. */
bool ingest_many_is_refused(const struct ingest_many *m);
/* Whether more should come now; otherwise the callback runs when there is room. */
bool ingest_many_room(struct ingest_many *m);
void ingest_many_on_room(struct ingest_many *m, void (*fn)(void *arg), void *arg);
/* fn runs once, perhaps inside this call; m is gone then. A file that was begun
 * and not ended is dropped. */
void ingest_many_finish(struct ingest_many *m, ingest_many_fn *fn, void *arg);
/* Files that ended are still stored. Takes NULL. */
void ingest_many_abort(struct ingest_many *m);

#endif
