/* Base64 (RFC 4648 4). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

#include <stdbool.h>

/* Appends what the text says. White space is passed over; anything else that is
 * no digit, missing padding, and bits behind the last byte make it false (what was
 * appended stays). */
bool base_base64_decode(const char *s, size_t n, struct base_buf *out);

#endif
