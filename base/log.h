/*
 * The log: one line per event on standard error, logfmt or JSON.
 *
 *   BASE_LOG(INFO, "association_rejected", LOG_S("aet", aet), LOG_U("bytes", n));
 *   → ts=2026-01-31T08:00:00.000Z level=info event=association_rejected aet=CT1 bytes=12
 *
 * Events are snake_case. Patient names and birth dates never enter a line:
 * use our own row ids. Values from outside are escaped and cut at 512 bytes.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum base_log_level { BASE_LOG_DEBUG, BASE_LOG_INFO, BASE_LOG_WARN, BASE_LOG_ERROR };

struct base_log_field {
    const char *key;
    enum { BASE_LOG_STR, BASE_LOG_INT, BASE_LOG_UINT } kind;
    const char *s;
    int64_t i;
    uint64_t u;
};

#define LOG_S(k, v) ((struct base_log_field){.key = (k), .kind = BASE_LOG_STR, .s = (v)})
#define LOG_I(k, v) ((struct base_log_field){.key = (k), .kind = BASE_LOG_INT, .i = (v)})
#define LOG_U(k, v) ((struct base_log_field){.key = (k), .kind = BASE_LOG_UINT, .u = (v)})

/* Set once at start, before threads. component names the process ("worker 1"). */
void base_log_setup(enum base_log_level least, int json, const char *component);
void base_log_write(enum base_log_level level, const char *event,
                    const struct base_log_field *fields, size_t n);

#define BASE_LOG(level, event, ...)                                                                \
    base_log_write(BASE_LOG_##level, event, (const struct base_log_field[]){__VA_ARGS__},          \
                   sizeof((const struct base_log_field[]){__VA_ARGS__}) /                          \
                       sizeof(struct base_log_field))

#endif
