/*
 * Error codes shared by all folders.
 *
 * A fallible function returns enum base_err, BASE_OK = 0, and leaves its
 * results untouched unless it returns BASE_OK. Where the reader of the message
 * is a person (a parser, a command), the function also fills a struct
 * base_error: what was wrong, where, and what was expected.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdint.h>

#define BASE_MUST_CHECK        __attribute__((warn_unused_result))
#define BASE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* X(name, text) */
#define BASE_ERR_MAP(X)                                                                            \
    X(OK, "ok")                                                                                    \
    X(ENOMEM, "out of memory")                                                                     \
    X(EINVAL, "invalid argument")                                                                  \
    X(EFORMAT, "malformed input")                                                                  \
    X(ELIMIT, "over a limit")                                                                      \
    X(EUNSUPPORTED, "not supported")                                                               \
    X(ENOTFOUND, "not found")                                                                      \
    X(EEXISTS, "exists already")                                                                   \
    X(ECONFLICT, "conflicts with the present state")                                               \
    X(EDENIED, "not permitted")                                                                    \
    X(EIO, "input/output error")                                                                   \
    X(ENOSPC, "no space left")                                                                     \
    X(EUNAVAILABLE, "not available now")                                                           \
    X(ETIMEOUT, "timed out")                                                                       \
    X(ECANCELED, "cancelled")                                                                      \
    X(ECLOSED, "closed by the peer")                                                               \
    X(EUNKNOWN, "outcome unknown")                                                                 \
    X(EINTERNAL, "internal error")

#define BASE_ERR_ENUM(name, text) BASE_##name,
enum base_err { BASE_ERR_MAP(BASE_ERR_ENUM) BASE_ERR_COUNT };
#undef BASE_ERR_ENUM

/* Detail for a person. pos is a byte or line position, BASE_NOPOS if none. */
#define BASE_NOPOS UINT64_MAX
struct base_error {
    enum base_err code;
    uint64_t pos;
    char msg[256];
};

/* Short text of a code, never NULL. */
const char *base_err_text(enum base_err err);

/* Fills *e (which may be NULL) and returns code, so that a parser can write
 * `return base_fail(e, BASE_EFORMAT, off, "...", ...)`. */
enum base_err base_fail(struct base_error *e, enum base_err code, uint64_t pos, const char *fmt,
                        ...) BASE_PRINTF(4, 5);

/* Maps an errno value (positive) to a code. */
enum base_err base_err_from_errno(int errnum);

#endif
