/*
 * One request of `rdc send` by HTTP, and a file that goes in pieces. Only for
 * rdc_send_*.c.
 */
#ifndef RDC_SEND_REQUEST_H
#define RDC_SEND_REQUEST_H

#include "base/buf.h"
#include "rdc/rdc_send.h"

#include <curl/curl.h>

struct rdc_send_request {
    struct rdc_send *s;
    FILE *file;      /* its body, from where it stands … */
    uint64_t size;   /* … of so many bytes */
    uint64_t before; /* bytes of the file that the server has already */
    uint64_t sent;
    const char *lost;       /* why the file could not be read as expected; NULL: it could */
    struct base_buf answer; /* the caller's to deinit */
    char error[CURL_ERROR_SIZE];
};

/* The caller frees it; NULL: out of memory. */
char *rdc_send_request_url(const char *to, const char *path, const char *query);
/* Sets curl up for a POST without a body, and drops its earlier settings. */
void rdc_send_request_prepare(CURL *curl, struct rdc_send_request *r, const char *url,
                              struct curl_slist *fields);
void rdc_send_request_body(CURL *curl, struct rdc_send_request *r);
/* The status, 0 when there was no whole answer; cause is what went wrong, for a person. */
long rdc_send_request_perform(CURL *curl, struct rdc_send_request *r, char *cause, size_t size);
/* Is this a failure that may pass, so that a later try makes sense? */
bool rdc_send_request_is_passing(long status);
/* Waits before try i (from 1), longer each time. Ends early on Ctrl-C. */
void rdc_send_request_wait(const struct rdc_send *s, unsigned i, const char *cause);

/* ---- in pieces: POST with Upload-Length, then PATCH until all is there ---- */

/* For smaller files, sending again costs less than two more requests and a second copy on the
 * server's disk. */
#define RDC_SEND_PIECES_FROM (UINT64_C(8) << 20)

struct rdc_send_pieces {
    struct rdc_send *s;
    struct rdc_send_file *file;
    char *location; /* of the upload on the server; NULL: not begun. The caller frees it */
    uint64_t offset;
    bool moved; /* the last try made progress */
    bool anew;  /* restarted once already, because what arrived was not the file */
};

/* Sends what the server does not have yet. Returns a status as for a whole file by POST; after a
 * passing failure the next try continues. */
long rdc_send_pieces_try(CURL *curl, struct rdc_send_pieces *p, const char *url,
                         struct curl_slist *fields, char *cause, size_t size);

#endif
