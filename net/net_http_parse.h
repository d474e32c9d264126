/*
 * HTTP/1.1 requests from bytes (RFC 9112). Pure: no socket, no clock.
 *
 * The caller hands in bytes and takes one event per call. The head of a request
 * is collected whole, checked byte by byte, and read by llhttp; bodies are
 * handed out as views of the input and never held. Where the RFC lets a server
 * choose between repairing and refusing, we refuse: two parsers that repair
 * differently are how requests are smuggled.
 */
#ifndef NET_HTTP_PARSE_H
#define NET_HTTP_PARSE_H

#include "base/buf.h"
#include "base/bytes.h"

#include <stdbool.h>

enum {
    NET_HTTP_HEAD_MAX = 16 * 1024, /* bytes of request line and fields */
    NET_HTTP_FIELDS_MAX = 64,
    NET_HTTP_TARGET_MAX = 4096,
    NET_HTTP_CHUNK_LINE_MAX = 256, /* size and extensions */
    NET_HTTP_TRAILER_MAX = 4096
};

struct net_http_field {
    const char *name; /* as sent; compare without case */
    const char *value;
};

/* All strings end with NUL, lead into bytes, and contain no control character. */
struct net_http_head {
    struct base_buf bytes;
    const char *method;
    const char *target; /* origin form; the authority of an absolute form is cut off */
    struct net_http_field fields[NET_HTTP_FIELDS_MAX];
    size_t field_count;
    bool http10;
    bool keep_alive;
    bool chunked;
    bool expect_continue;
    uint64_t length; /* of the body, 0 when chunked */
};

enum net_http_event {
    NET_HTTP_MORE, /* the input is used up */
    NET_HTTP_HEAD, /* head is complete; set body_max now */
    NET_HTTP_DATA, /* a piece of the body, borrowed from the input */
    NET_HTTP_END,  /* the request is complete */
    NET_HTTP_REFUSED
};

struct net_http_parser {
    struct net_http_head head; /* may be moved out after NET_HTTP_HEAD */
    uint64_t body_max;         /* bytes; more is refused with 413 */
    uint64_t body_n;           /* received */
    int status;                /* after NET_HTTP_REFUSED: the status to answer */
    const char *cause;         /* … and why, for a person */

    int state;
    size_t scanned;       /* of head.bytes */
    size_t line;          /* where the line being scanned starts */
    unsigned empty_lines; /* before the request */
    uint64_t left;        /* of the body or chunk */
    size_t framing;       /* bytes of the chunk line or of the trailer so far */
    unsigned digits;      /* of the chunk size so far */
    bool line_has_bytes;  /* of the trailer */
};

void net_http_parser_init(struct net_http_parser *p);
void net_http_parser_deinit(struct net_http_parser *p);
/* Ready for the next request of the connection, after NET_HTTP_END. */
void net_http_parser_next(struct net_http_parser *p);
/* True when part of a request has arrived, but not all of it. */
bool net_http_parser_begun(const struct net_http_parser *p);

/* Uses up to in.n bytes and returns how many; *event says why it stopped, and
 * with NET_HTTP_DATA *data is the piece. Call again with what is left (it may
 * be empty) until NET_HTTP_MORE. After NET_HTTP_END and NET_HTTP_REFUSED it
 * must not be called, except after net_http_parser_next following END. */
size_t net_http_parse(struct net_http_parser *p, struct base_bytes in, enum net_http_event *event,
                      struct base_bytes *data);

/* The first field of this name; NULL when there is none. */
const char *net_http_head_field(const struct net_http_head *h, const char *name);
/* Is the word in the comma-separated list, ignoring case? */
bool net_http_list_has(const char *list, const char *word);
/* Decodes %XX (and + as space where plus) of n characters into out, which has
 * room for n + 1. False: a broken escape, NUL, or not UTF-8. */
bool net_http_percent_decode(const char *s, size_t n, bool plus, char *out);

#endif
