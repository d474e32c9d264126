/* Base64 (RFC 4648 4). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

#include <stdbool.h>

/* Appends the decoded bytes. White space is skipped. False for any other character
 * outside the alphabet, missing padding, or bits left over after the last byte; what
 * was appended stays. */
bool base_base64_decode(const char *s, size_t n, struct base_buf *out);

#endif
