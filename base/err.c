#include "base/err.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const texts[BASE_ERR_COUNT] = {
#define BASE_ERR_TEXT(name, text) [BASE_##name] = text,
    BASE_ERR_MAP(BASE_ERR_TEXT)
#undef BASE_ERR_TEXT
};

const char *base_err_text(enum base_err err)
{
    return (unsigned)err < BASE_ERR_COUNT ? texts[err] : "unknown error";
}

enum base_err base_fail(struct base_error *e, enum base_err code, uint64_t pos, const char *fmt,
                        ...)
{
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        e->code = code;
        e->pos = pos;
        vsnprintf(e->msg, sizeof e->msg, fmt, ap);
        va_end(ap);
        base_utf8_clean(e->msg); /* it may quote what came from outside */
    }
    return code;
}

enum base_err base_err_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return BASE_OK;
    case ENOMEM:
        return BASE_ENOMEM;
    case ENOSPC:
    case EDQUOT:
        return BASE_ENOSPC;
    case ENOENT:
        return BASE_ENOTFOUND;
    case EEXIST:
        return BASE_EEXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return BASE_EDENIED;
    case ETIMEDOUT:
        return BASE_ETIMEOUT;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return BASE_EUNAVAILABLE;
    case ECONNRESET:
    case EPIPE:
        return BASE_ECLOSED;
    case ECANCELED:
        return BASE_ECANCELED;
    default:
        return BASE_EIO;
    }
}
