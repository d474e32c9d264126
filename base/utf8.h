/* UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF), and UTF-16 (RFC 2781) to be
 * made it. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/bytes.h"

#include <stdbool.h>

/* Length 1–4 of the valid sequence at s, 0 when the bytes are not valid UTF-8. */
size_t base_utf8_sequence(const char *s, size_t n);
bool base_utf8_valid(const char *s, size_t n);
/* How many of the n bytes of s to keep, at most `most`, without cutting a character in two. */
size_t base_utf8_cut(const char *s, size_t n, size_t most);

/* Makes it valid: what is not becomes "?", byte by byte. */
void base_utf8_clean(char *s);

/* A character as 1 to 4 bytes, without a NUL behind them; how many. */
size_t base_utf8_put(uint32_t c, char out[4]);
/* The character at *at, which is moved behind it: two bytes must be there. U+FFFD for half of a
 * surrogate pair. */
uint32_t base_utf16_next(struct base_bytes b, bool big_endian, size_t *at);

#endif
