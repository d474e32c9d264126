/* What the files of resumable uploads share. */
#ifndef INGEST_RESUME_PRIV_H
#define INGEST_RESUME_PRIV_H

#include "ingest/ingest_intake.h"
#include "ingest/ingest_priv.h"
#include "ingest/ingest_spool.h"

#include <jansson.h>

/* A request for one upload; in the request's arena. */
struct ingest_resume {
    struct ingest *g;
    struct net_http_request *req;
    const char *id;
    void (*next)(struct ingest_resume *r); /* once row is there */
    bool again;                            /* row was read a second time */
    json_t *row;     /* upload_find(): centre_id, code, length, params, answer */
    uint64_t length; /* of the whole */
    struct ingest_spool *spool;
    uint64_t offset;   /* where the piece begins */
    uint64_t received; /* of it */
    uint8_t last;      /* byte of the whole; written when the body has ended there */
    bool too_long;
    bool gone; /* the client left */
    uint8_t sha256[BASE_SHA256];
    bool has_sha256;
    struct ingest_answer answer; /* to the whole, while its row is being written */
};

/* Looks the upload up for the person who asks, then calls next; otherwise the
 * request is answered. */
void ingest_resume_find(struct net_http_request *req, struct ingest *g,
                        void (*next)(struct ingest_resume *r));
/* Its file is not there. Looks it up once more and calls next again, unless that was done
 * already: then the request is answered. */
void ingest_resume_no_file(struct ingest_resume *r);
/* Drops what belongs to it; before the request is answered. */
void ingest_resume_close(struct ingest_resume *r);
void ingest_resume_refuse(struct ingest_resume *r, int status, const char *title,
                          const char *detail);
/* A non-negative number in a header field. False: absent or none. */
bool ingest_resume_number(struct net_http_request *req, const char *name, uint64_t *out);
/* The SHA-256 that Repr-Digest (RFC 9530), Digest (RFC 3230) or the parameter
 * sha256 announces. 0: none; -1: answered already (400). */
int ingest_resume_digest(struct net_http_request *req, uint8_t sha256[BASE_SHA256]);

#endif
