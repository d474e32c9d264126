#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <unistd.h>

enum { VALUE_MAX = 512 };

static enum base_log_level log_least = BASE_LOG_INFO;
static bool log_json;
static char log_component[32];

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void base_log_setup(enum base_log_level least, int json, const char *component)
{
    log_least = least;
    log_json = json != 0;
    size_t n = component ? strnlen(component, sizeof log_component - 1) : 0;
    if (n)
        memcpy(log_component, component, n);
    log_component[n] = 0;
}

static bool is_bare(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return false;
    }
    return n > 0;
}

static void add_text(struct base_buf *b, const char *s)
{
    size_t n = s ? strnlen(s, VALUE_MAX) : 0;
    if (!log_json && is_bare(s, n))
        base_buf_add(b, s, n);
    else
        base_json_add_string(b, s, n);
}

static void add_key(struct base_buf *b, const char *key)
{
    if (b->n > 1)
        base_buf_add_byte(b, log_json ? ',' : ' ');
    base_buf_printf(b, log_json ? "\"%s\":" : "%s=", key);
}

static void add_pair(struct base_buf *b, const char *key, const char *value)
{
    add_key(b, key);
    add_text(b, value);
}

static void add_field(struct base_buf *b, const struct base_log_field *f)
{
    add_key(b, f->key);
    switch (f->kind) {
    case BASE_LOG_STR:
        add_text(b, f->s);
        break;
    case BASE_LOG_INT:
        base_buf_printf(b, "%" PRId64, f->i);
        break;
    case BASE_LOG_UINT:
        base_buf_printf(b, "%" PRIu64, f->u);
        break;
    }
}

void base_log_write(enum base_log_level level, const char *event,
                    const struct base_log_field *fields, size_t n)
{
    if (level < log_least)
        return;
    struct base_buf b = {.cap = 64 * 1024};
    char ts[BASE_CLOCK_TEXT];
    base_clock_text(base_clock_wall_us(), ts);
    if (log_json)
        base_buf_add_byte(&b, '{');
    add_pair(&b, "ts", ts);
    add_pair(&b, "level", level_names[level]);
    if (log_component[0])
        add_pair(&b, "from", log_component);
    add_pair(&b, "event", event);
    for (size_t i = 0; i < n; i++)
        add_field(&b, &fields[i]);
    base_buf_add_str(&b, log_json ? "}\n" : "\n");
    /* One write, so that lines of several processes do not mix. A log that
     * cannot be written is no reason to stop serving. */
    if (!b.err && write(STDERR_FILENO, b.p, b.n) < 0) {
    }
    base_buf_deinit(&b);
}
