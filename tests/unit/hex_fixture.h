/* Reads testdata/NAME, hexadecimal with spaces and # comments, into a buffer. */
#ifndef TESTS_HEX_FIXTURE_H
#define TESTS_HEX_FIXTURE_H

#include "base/buf.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>

static inline int hex_digit(int c)
{
    return isdigit(c) ? c - '0' : toupper(c) - 'A' + 10;
}

static inline void hex_fixture(const char *name, struct base_buf *out)
{
    char path[512];
    snprintf(path, sizeof path, RDC_SOURCE_DIR "/testdata/%s", name);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s", path);
    int high = -1;
    bool comment = false;
    for (int c; (c = fgetc(f)) != EOF;) {
        if (c == '#' || c == '\n')
            comment = c == '#';
        if (comment || !isxdigit(c))
            continue;
        if (high >= 0)
            base_buf_add_byte(out, (uint8_t)(high * 16 + hex_digit(c)));
        high = high >= 0 ? -1 : hex_digit(c);
    }
    fclose(f);
    ck_assert_int_eq(high, -1);
}

#endif
