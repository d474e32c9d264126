/*
 * Append-only JSON output (RFC 8259) into a base_buf. Reading JSON is
 * jansson's part. Invalid UTF-8 becomes U+FFFD, so the output is always valid.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#include <stdbool.h>

/* A quoted, escaped string. */
void base_json_add_string(struct base_buf *b, const char *s, size_t n);

/* A writer that places the commas. Nesting up to 63 levels. */
struct base_json {
    struct base_buf *out;
    uint64_t filled; /* a bit per level: the next value there needs a comma */
    unsigned depth;
    bool after_key;
};

void base_json_init(struct base_json *j, struct base_buf *out);
void base_json_open_object(struct base_json *j);
void base_json_close_object(struct base_json *j);
void base_json_open_array(struct base_json *j);
void base_json_close_array(struct base_json *j);
void base_json_key(struct base_json *j, const char *key);
/* A NULL string is written as null. */
void base_json_string(struct base_json *j, const char *s);
void base_json_string_n(struct base_json *j, const char *s, size_t n);
void base_json_int(struct base_json *j, int64_t v);
/* Shortest form with up to 9 digits; not finite is written as null. */
void base_json_double(struct base_json *j, double v);
void base_json_null(struct base_json *j);
/* Text that is JSON already. */
void base_json_raw(struct base_json *j, const char *json, size_t n);

/* A key and its value; an object and an array are opened. */
void base_json_member_string(struct base_json *j, const char *key, const char *s);
/* Nothing where s is NULL or "". */
void base_json_member_filled(struct base_json *j, const char *key, const char *s);
void base_json_member_int(struct base_json *j, const char *key, int64_t v);
void base_json_member_double(struct base_json *j, const char *key, double v);
void base_json_member_bool(struct base_json *j, const char *key, bool v);
void base_json_member_object(struct base_json *j, const char *key);
void base_json_member_array(struct base_json *j, const char *key);

#endif
