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
    uint64_t before; /* of the file, which the server has already */
    uint64_t sent;
    const char *lost;       /* why the file did not give what it should; NULL: it did */
    struct base_buf answer; /* the caller's to deinit */
    char error[CURL_ERROR_SIZE];
};

/* The caller frees it; NULL: out of memory. */
char *rdc_send_request_url(const char *to, const char *path, const char *query);
/* A POST without a body so far; whatever curl was set to before is gone. */
void rdc_send_request_prepare(CURL *curl, struct rdc_send_request *r, const char *url,
                              struct curl_slist *fields);
void rdc_send_request_body(CURL *curl, struct rdc_send_request *r);
/* The status, 0 when there was no whole answer; cause is what went wrong, for a person. */
long rdc_send_request_perform(CURL *curl, struct rdc_send_request *r, char *cause, size_t size);
/* It may be otherwise in a while. */
bool rdc_send_request_is_passing(long status);
/* Before try i, which was preceded by others. Ends early on Ctrl-C. */
void rdc_send_request_wait(const struct rdc_send *s, unsigned i, const char *cause);

/* ---- in pieces: POST with Upload-Length, then PATCH until all is there ---- */

/* Below it, sending anew costs less than the two requests more and the second copy on the
 * server's disk. */
#define RDC_SEND_PIECES_FROM (UINT64_C(8) << 20)

struct rdc_send_pieces {
    struct rdc_send *s;
    struct rdc_send_file *file;
    char *location; /* of the upload on the server; NULL: not begun. The caller frees it */
    uint64_t offset;
    bool moved; /* the server has more than before */
    bool anew;  /* begun once more after what arrived was not the file */
};

/* Sends what the server does not have yet. A status as of a whole file by POST; when it is
 * passing, the next try goes on. */
long rdc_send_pieces_try(CURL *curl, struct rdc_send_pieces *p, const char *url,
                         struct curl_slist *fields, char *cause, size_t size);

#endif
