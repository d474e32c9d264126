/*
 * The body of an upload in any of its forms: one file, several as multipart/form-data,
 * or a ZIP archive; and the answer of /api/v1/uploads to it.
 *
 *   new ─► write* ─► finish ─► callback        abort at any time before finish
 */
#ifndef INGEST_INTAKE_H
#define INGEST_INTAKE_H

#include "ingest/ingest_arrival.h"
#include "net/net_http.h"

struct ingest_intake;

struct ingest_answer {
    int status;
    struct base_buf json; /* of a 2xx; may be moved out */
    const char *title;    /* otherwise; borrowed for the call */
    const char *detail;
    bool again;   /* a 202 in which some files failed for a passing reason of ours: the whole body
                   * may be sent again */
    bool damaged; /* of a 2xx: its "damage" says what could not be read */
};

typedef void ingest_intake_fn(void *arg, struct ingest_answer *answer);

/* Strings of the source are borrowed until the callback. content_type of the body, NULL = by its
 * content. options->source.single is set here. BASE_EINVAL: a multipart type without a boundary. */
enum base_err ingest_intake_new(struct ingest *g, const struct ingest_arrival_options *options,
                                const char *content_type,
                                struct ingest_intake **out) BASE_MUST_CHECK;
/* What the sender says of its studies (see ingest_manifest.h), checked; or "this": the files of
 * this body are all there are. Borrowed until the callback. Before the first write. */
void ingest_intake_manifest(struct ingest_intake *in, const char *manifest);
/* Is this such a text? *cause is a literal. */
bool ingest_intake_is_manifest(const char *manifest, const char **cause);
void ingest_intake_write(struct ingest_intake *in, struct base_bytes bytes);
/* The body is refused whatever else comes of it; finish tells why. */
bool ingest_intake_is_refused(const struct ingest_intake *in);
/* As ingest_object_room and ingest_object_on_room. */
bool ingest_intake_room(struct ingest_intake *in);
void ingest_intake_on_room(struct ingest_intake *in, void (*fn)(void *arg), void *arg);
/* fn runs once, perhaps inside this call; in is gone then. */
void ingest_intake_finish(struct ingest_intake *in, ingest_intake_fn *fn, void *arg);
/* Only before finish. Files that are complete are still stored. Takes NULL. */
void ingest_intake_abort(struct ingest_intake *in);

/* Sends it as the answer to a request. */
void ingest_answer_send(struct net_http_request *req, struct ingest_answer *answer);

#endif
