/*
 * Bodies of several parts (RFC 2046 5.1): multipart/related, multipart/form-data.
 * Pure: no socket. The caller hands in bytes as they come and takes one event per
 * call; the content of a part is handed out as views and never held, except for
 * bytes that may begin a delimiter.
 */
#ifndef NET_MULTIPART_H
#define NET_MULTIPART_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>

enum {
    /* RFC 2046 5.1.1 allows 70; Orthanc's DICOMweb client sends 73. */
    NET_MULTIPART_BOUNDARY_MAX = 200,
    NET_MULTIPART_HEAD_MAX = 8 * 1024,      /* bytes of a part's header fields */
    NET_MULTIPART_PREAMBLE_MAX = 64 * 1024, /* bytes before the first part */
};

enum net_multipart_event {
    NET_MULTIPART_MORE,     /* the input is used up */
    NET_MULTIPART_PART,     /* a part begins; its fields stand in the parser */
    NET_MULTIPART_DATA,     /* some of its content */
    NET_MULTIPART_PART_END, /* the part is complete */
    NET_MULTIPART_END,      /* the closing delimiter; what follows is passed over */
    NET_MULTIPART_REFUSED   /* cause says why */
};

struct net_multipart {
    /* Of the part that began last; "" when it has none. */
    char type[256];     /* Content-Type */
    char location[512]; /* Content-Location */
    char name[128];     /* name and filename of Content-Disposition */
    char filename[256];
    const char *cause; /* after NET_MULTIPART_REFUSED, for a person */

    char delimiter[4 + NET_MULTIPART_BOUNDARY_MAX + 1]; /* CR LF -- boundary */
    size_t delimiter_n;
    size_t matched;  /* of the delimiter */
    size_t unreal;   /* of these, not content if the match fails: the line end of the header */
    size_t preamble; /* bytes */
    int state;
    char head[NET_MULTIPART_HEAD_MAX + 1];
    size_t head_n;
};

/* boundary as net_mime_param gives it. BASE_EINVAL: not a boundary. */
enum base_err net_multipart_init(struct net_multipart *p, const char *boundary) BASE_MUST_CHECK;
/* Uses up to in.n bytes and returns how many; *event says why it stopped. Call
 * again with what is left (it may be empty) until NET_MULTIPART_MORE. *data is
 * borrowed from in, or from p until the next call. Not after REFUSED. */
size_t net_multipart_parse(struct net_multipart *p, struct base_bytes in,
                           enum net_multipart_event *event, struct base_bytes *data);
/* Has the closing delimiter been seen? */
bool net_multipart_complete(const struct net_multipart *p);
/* Why it has not, for a person. */
const char *net_multipart_lack(const struct net_multipart *p);

/* Does this Content-Type field have this media type ("multipart/related")? Ignores
 * case and parameters. value may be NULL. */
bool net_mime_is(const char *value, const char *type);
/* A parameter of a field value such as `form-data; name="a"`, unquoted. False when
 * there is none or it does not fit size; out is "" then. value may be NULL. */
bool net_mime_param(const char *value, const char *name, char *out, size_t size);

#endif
