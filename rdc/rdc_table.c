#include "rdc/rdc_table.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct rdc_table {
    const char *const *headers;
    size_t columns;
    char **cells;
    size_t n;
    size_t size;
    bool failed;
};

static uint32_t code_point(const char *s, size_t n)
{
    static const uint8_t lead[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (uint8_t)s[0] & lead[n];
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((uint8_t)s[i] & 0x3f);
    return c;
}

/* Controls, line and paragraph separators, and direction controls (Unicode 16 23.2). */
static bool is_obeyed(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void rdc_shown(const char *text, struct base_buf *out)
{
    size_t left = strlen(text);
    while (left) {
        size_t n = base_utf8_sequence(text, left);
        bool plain = n && !is_obeyed(code_point(text, n));
        n = n ? n : 1;
        for (size_t i = 0; i < n && !plain; i++)
            base_buf_printf(out, "\\x%02x", (uint8_t)text[i]);
        if (plain)
            base_buf_add(out, text, n);
        text += n;
        left -= n;
    }
}

void rdc_print_line(FILE *to, const char *fmt, ...)
{
    char *line = NULL;
    struct base_buf out = {0};
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&line, fmt, ap) < 0)
        line = NULL;
    va_end(ap);
    rdc_shown(line ? line : "", &out);
    base_buf_add_byte(&out, '\n');
    fwrite(base_buf_cstr(&out), 1, out.n, to);
    base_buf_deinit(&out);
    free(line);
}

struct rdc_table *rdc_table_new(const char *const *headers, size_t columns)
{
    struct rdc_table *t = calloc(1, sizeof *t);
    if (t) {
        t->headers = headers;
        t->columns = columns;
    }
    return t;
}

void rdc_table_free(struct rdc_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
}

void rdc_table_add(struct rdc_table *t, const char *cell)
{
    if (t->n == t->size) {
        size_t size = t->size ? 2 * t->size : 64;
        char **cells = realloc(t->cells, size * sizeof *cells);
        if (!cells) {
            t->failed = true;
            return;
        }
        t->cells = cells;
        t->size = size;
    }
    struct base_buf shown = {0};
    rdc_shown(cell ? cell : "", &shown);
    t->cells[t->n] = shown.err ? NULL : strdup(base_buf_cstr(&shown));
    base_buf_deinit(&shown);
    if (t->cells[t->n])
        t->n++;
    else
        t->failed = true;
}

/* East Asian characters fill two cells of a terminal. wcwidth would need a
 * locale that the machine may not have. */
static bool is_wide(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
           (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
           (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x20000 && c <= 0x3fffd);
}

static size_t text_width(const char *s)
{
    size_t width = 0;
    size_t left = strlen(s);
    while (left) {
        size_t n = base_utf8_sequence(s, left);
        width += n && is_wide(code_point(s, n)) ? 2 : 1;
        n = n ? n : 1;
        s += n;
        left -= n;
    }
    return width;
}

static const char *cell_at(const struct rdc_table *t, size_t row, size_t col)
{
    return row == 0 ? t->headers[col] : t->cells[(row - 1) * t->columns + col];
}

static size_t column_width(const struct rdc_table *t, size_t rows, size_t col)
{
    size_t width = 0;
    for (size_t row = 0; row < rows; row++) {
        size_t w = text_width(cell_at(t, row, col));
        width = w > width ? w : width;
    }
    return width;
}

void rdc_table_print(const struct rdc_table *t, struct base_buf *out)
{
    enum { COLUMNS_MAX = 32 };
    size_t widths[COLUMNS_MAX];
    size_t rows = t->n / t->columns + 1;
    if (t->failed)
        out->err = BASE_ENOMEM;
    assert(t->columns <= COLUMNS_MAX);
    for (size_t col = 0; col < t->columns; col++)
        widths[col] = column_width(t, rows, col);
    for (size_t row = 0; row < rows; row++) {
        for (size_t col = 0; col < t->columns; col++) {
            const char *cell = cell_at(t, row, col);
            base_buf_add_str(out, cell);
            if (col + 1 < t->columns)
                base_buf_add_fill(out, ' ', widths[col] - text_width(cell) + 2);
        }
        base_buf_add_byte(out, '\n');
    }
}
