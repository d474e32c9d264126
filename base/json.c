#include "base/json.h"

#include "base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

static void add_escaped(struct base_buf *b, unsigned char c)
{
    static const char shorts[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c == '"' || c == '\\')
        base_buf_printf(b, "\\%c", c);
    else if (shorts[c])
        base_buf_printf(b, "\\%c", shorts[c]);
    else
        base_buf_printf(b, "\\u%04x", c);
}

void base_json_add_string(struct base_buf *b, const char *s, size_t n)
{
    base_buf_add_byte(b, '"');
    while (n) {
        /* Runs of plain characters are copied at once. */
        size_t run = 0;
        size_t k = 0;
        while (run < n) {
            unsigned char c = (unsigned char)s[run];
            k = base_utf8_sequence(s + run, n - run);
            if (k == 0 || c < 0x20 || c == '"' || c == '\\')
                break;
            run += k;
        }
        base_buf_add(b, s, run);
        s += run;
        n -= run;
        if (n == 0)
            break;
        if (k == 0)
            base_buf_add(b, "\xef\xbf\xbd", 3);
        else
            add_escaped(b, (unsigned char)*s);
        s++;
        n--;
    }
    base_buf_add_byte(b, '"');
}

void base_json_init(struct base_json *j, struct base_buf *out)
{
    *j = (struct base_json){.out = out};
}

static void before_value(struct base_json *j)
{
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (j->filled >> j->depth & 1)
        base_buf_add_byte(j->out, ',');
    j->filled |= UINT64_C(1) << j->depth;
}

static void open_level(struct base_json *j, uint8_t c)
{
    before_value(j);
    base_buf_add_byte(j->out, c);
    j->depth++;
    assert(j->depth < 64);
    j->filled &= ~(UINT64_C(1) << j->depth);
}

static void close_level(struct base_json *j, uint8_t c)
{
    assert(j->depth > 0);
    j->depth--;
    base_buf_add_byte(j->out, c);
}

void base_json_open_object(struct base_json *j)
{
    open_level(j, '{');
}

void base_json_close_object(struct base_json *j)
{
    close_level(j, '}');
}

void base_json_open_array(struct base_json *j)
{
    open_level(j, '[');
}

void base_json_close_array(struct base_json *j)
{
    close_level(j, ']');
}

void base_json_key(struct base_json *j, const char *key)
{
    base_json_string(j, key);
    base_buf_add_byte(j->out, ':');
    j->after_key = true;
}

void base_json_string_n(struct base_json *j, const char *s, size_t n)
{
    before_value(j);
    base_json_add_string(j->out, s, n);
}

void base_json_string(struct base_json *j, const char *s)
{
    if (s)
        base_json_string_n(j, s, strlen(s));
    else
        base_json_null(j);
}

void base_json_int(struct base_json *j, int64_t v)
{
    before_value(j);
    base_buf_printf(j->out, "%" PRId64, v);
}

void base_json_double(struct base_json *j, double v)
{
    before_value(j);
    if (isfinite(v))
        base_buf_printf(j->out, "%.9g", v);
    else
        base_buf_add_str(j->out, "null");
}

void base_json_null(struct base_json *j)
{
    before_value(j);
    base_buf_add_str(j->out, "null");
}

void base_json_raw(struct base_json *j, const char *json, size_t n)
{
    before_value(j);
    base_buf_add(j->out, json, n);
}

void base_json_member_string(struct base_json *j, const char *key, const char *s)
{
    base_json_key(j, key);
    base_json_string(j, s);
}

void base_json_member_filled(struct base_json *j, const char *key, const char *s)
{
    if (s && s[0])
        base_json_member_string(j, key, s);
}

void base_json_member_int(struct base_json *j, const char *key, int64_t v)
{
    base_json_key(j, key);
    base_json_int(j, v);
}

void base_json_member_double(struct base_json *j, const char *key, double v)
{
    base_json_key(j, key);
    base_json_double(j, v);
}

void base_json_member_bool(struct base_json *j, const char *key, bool v)
{
    base_json_key(j, key);
    before_value(j);
    base_buf_add_str(j->out, v ? "true" : "false");
}

void base_json_member_object(struct base_json *j, const char *key)
{
    base_json_key(j, key);
    base_json_open_object(j);
}

void base_json_member_array(struct base_json *j, const char *key)
{
    base_json_key(j, key);
    base_json_open_array(j);
}
