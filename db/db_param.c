/* Parameters: builders, and copies in the form that libpq takes. */
#include "db/db_priv.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct db_param db_null(void)
{
    return (struct db_param){.kind = DB_NULL};
}

struct db_param db_text(const char *s)
{
    return s ? db_text_n(s, strlen(s)) : db_null();
}

struct db_param db_text_n(const char *s, size_t n)
{
    return (struct db_param){.kind = DB_TEXT, .p = s, .n = n};
}

struct db_param db_int(int64_t v)
{
    struct db_param p = {.kind = DB_NUMBER};
    snprintf(p.number, sizeof p.number, "%lld", (long long)v);
    return p;
}

struct db_param db_bool(bool v)
{
    return db_text(v ? "t" : "f");
}

struct db_param db_bytes(const void *p, size_t n)
{
    return (struct db_param){.kind = DB_BYTES, .p = p, .n = n};
}

struct db_param db_buf(const struct base_buf *b)
{
    /* One that failed is found by db_stmt_fill. */
    if (b->err)
        return (struct db_param){.kind = DB_TEXT, .p = NULL, .n = SIZE_MAX};
    return db_text_n((const char *)b->p, b->n);
}

struct db_param db_text_array(struct base_buf *scratch, const char *const *items, size_t n)
{
    base_buf_add_byte(scratch, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            base_buf_add_byte(scratch, ',');
        if (!items[i]) {
            base_buf_add_str(scratch, "null");
            continue;
        }
        base_buf_add_byte(scratch, '"');
        for (const char *s = items[i]; *s;) {
            size_t plain = strcspn(s, "\"\\");
            base_buf_add(scratch, s, plain);
            s += plain;
            if (*s) {
                base_buf_add_byte(scratch, '\\');
                base_buf_add_byte(scratch, (uint8_t)*s++);
            }
        }
        base_buf_add_byte(scratch, '"');
    }
    base_buf_add_byte(scratch, '}');
    return db_buf(scratch);
}

struct db_param db_int_array(struct base_buf *scratch, const int64_t *items, size_t n)
{
    base_buf_add_byte(scratch, '{');
    for (size_t i = 0; i < n; i++)
        base_buf_printf(scratch, "%s%lld", i ? "," : "", (long long)items[i]);
    base_buf_add_byte(scratch, '}');
    return db_buf(scratch);
}

/* As array_recv() of PostgreSQL reads it: dimensions, whether there are nulls, the type of the
 * elements, length and lower bound; of each element its length, -1 of a null, and its bytes. */
struct db_param db_json_array(struct base_buf *scratch, const struct base_bytes *items, size_t n)
{
    enum { JSONOID = 114 };
    base_buf_add_be32(scratch, 1);
    base_buf_add_be32(scratch, 1);
    base_buf_add_be32(scratch, JSONOID);
    base_buf_add_be32(scratch, (uint32_t)n);
    base_buf_add_be32(scratch, 1);
    for (size_t i = 0; i < n; i++) {
        base_buf_add_be32(scratch, items[i].n ? (uint32_t)items[i].n : UINT32_MAX);
        base_buf_add(scratch, items[i].p, items[i].n);
    }
    struct db_param p = db_buf(scratch);
    p.kind = DB_BYTES;
    return p;
}

static enum base_err copy_param(struct db_stmt *s, size_t i, struct base_arena *arena,
                                const struct db_param *p)
{
    const void *from = p->kind == DB_NUMBER ? p->number : p->p;
    size_t n = p->kind == DB_NUMBER ? strlen(p->number) : p->n;
    if (p->kind == DB_NULL)
        return BASE_OK;
    if (n == SIZE_MAX)
        return BASE_ENOMEM;
    if (n > INT_MAX)
        return BASE_ELIMIT;
    /* PostgreSQL text has no NUL, and libpq would cut it there unnoticed. */
    if (p->kind == DB_TEXT && n && memchr(from, 0, n))
        return BASE_EINVAL;
    char *copy = base_arena_strdup(arena, n ? from : "", n);
    if (!copy)
        return BASE_ENOMEM;
    s->values[i] = copy;
    s->lengths[i] = (int)n;
    s->formats[i] = p->kind == DB_BYTES;
    return BASE_OK;
}

enum base_err db_stmt_fill(struct db_stmt *s, struct base_arena *arena, enum db_query query,
                           const struct db_param *params, size_t n)
{
    if (query >= DB_Q_COUNT || n != db_queries[query].params)
        return BASE_EINVAL;
    *s = (struct db_stmt){.query = query, .n = (int)n};
    if (n == 0)
        return BASE_OK;
    s->values = base_arena_alloc(arena, n * sizeof *s->values);
    s->lengths = base_arena_alloc(arena, n * sizeof *s->lengths);
    s->formats = base_arena_alloc(arena, n * sizeof *s->formats);
    if (!s->values || !s->lengths || !s->formats)
        return BASE_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        enum base_err err = copy_param(s, i, arena, &params[i]);
        if (err)
            return err;
    }
    return BASE_OK;
}
