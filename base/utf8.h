/* UTF-8 checking (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length 1–4 of the valid sequence at s, 0 when the bytes are not valid UTF-8. */
size_t base_utf8_sequence(const char *s, size_t n);
bool base_utf8_valid(const char *s, size_t n);
/* How many of the n bytes of s to keep, at most `most`, without cutting a character in two. */
size_t base_utf8_cut(const char *s, size_t n, size_t most);

#endif
