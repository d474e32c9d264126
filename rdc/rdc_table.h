/*
 * Tables and lines for the terminal. Columns are as wide as their widest text, measured in
 * terminal cells, so that Chinese lines up. Text from outside (file names, servers' messages)
 * cannot control the terminal: control characters, invalid UTF-8, and characters that change
 * the direction of writing are shown as \xHH.
 */
#ifndef RDC_TABLE_H
#define RDC_TABLE_H

#include "base/buf.h"

#include <stdio.h>

/* Appends text, escaped as above. */
void rdc_shown(const char *text, struct base_buf *out);
/* Prints one line, escaped as above, with its newline. */
void rdc_print_line(FILE *to, const char *fmt, ...) BASE_PRINTF(2, 3);

struct rdc_table;
/* headers are borrowed for the life of the table. NULL when out of memory. */
struct rdc_table *rdc_table_new(const char *const *headers, size_t columns);
void rdc_table_free(struct rdc_table *t);
/* The next cell, row by row; copied; NULL is empty. */
void rdc_table_add(struct rdc_table *t, const char *cell);
/* Appends the table as text. */
void rdc_table_print(const struct rdc_table *t, struct base_buf *out);

#endif
