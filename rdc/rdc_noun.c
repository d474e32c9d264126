#include "rdc/rdc_noun.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/digest.h"
#include "model/model_pinyin.h"
#include "net/net_tls.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void rdc_noun_usage(FILE *to, const struct rdc_noun_verb *v)
{
    fprintf(to, "rdc %s %s", v->noun, v->verb);
    for (const struct rdc_noun_arg *a = v->args;
         a < v->args + RDC_NOUN_ARGS && a->kind != RDC_ARG_END; a++) {
        if (a->kind == RDC_ARG_NAME)
            fprintf(to, " %s", a->name);
        else if (a->kind == RDC_ARG_STEPS)
            fprintf(to, " [--two-step|--one-step]");
        else if (a->kind == RDC_ARG_TLS)
            fprintf(to, " [--tls|--no-tls]");
        else if (a->hint && a->hint[0])
            fprintf(to, a->required ? " %s %s" : " [%s %s]", a->name, a->hint);
        else if (a->kind == RDC_ARG_PASSWORD)
            fprintf(to, a->required ? " %s" : " [%s]", a->name);
    }
    fputc('\n', to);
}

static int usage_error(const struct rdc_noun_verb *v, const char *what, const char *which)
{
    fprintf(stderr, "rdc %s %s: %s%s%s\nusage: ", v->noun, v->verb, what, which[0] ? " " : "",
            which);
    rdc_noun_usage(stderr, v);
    return 2;
}

static const struct rdc_noun_arg *find_flag(const struct rdc_noun_verb *v, const char *flag)
{
    for (const struct rdc_noun_arg *a = v->args;
         a < v->args + RDC_NOUN_ARGS && a->kind != RDC_ARG_END; a++)
        if (a->kind != RDC_ARG_NAME && a->name[0] && strcmp(a->name, flag) == 0)
            return a;
    return NULL;
}

static const struct rdc_noun_arg *next_positional(const struct rdc_noun_call *c)
{
    for (const struct rdc_noun_arg *a = c->verb->args; a < c->verb->args + RDC_NOUN_ARGS; a++)
        if (a->kind == RDC_ARG_NAME && !c->values[a - c->verb->args])
            return a;
    return NULL;
}

/* The flag of which this one says the opposite; NULL: none. */
static const struct rdc_noun_arg *find_opposite(const struct rdc_noun_verb *v, const char *flag)
{
    if (strcmp(flag, "--one-step") == 0)
        return find_flag(v, "--two-step");
    return strcmp(flag, "--no-tls") == 0 ? find_flag(v, "--tls") : NULL;
}

/* Flags as --flag VALUE or --flag=VALUE, in any order. */
static int parse_args(struct rdc_noun_call *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        char flag[64];
        const char *equals = strchr(argv[i], '=');
        snprintf(flag, sizeof flag, "%.*s",
                 (int)(equals ? equals - argv[i] : (long)strlen(argv[i])), argv[i]);
        if (strcmp(flag, "--json") == 0) {
            c->json = true;
            continue;
        }
        const struct rdc_noun_arg *a = find_opposite(c->verb, flag);
        if (a) {
            c->values[a - c->verb->args] = "false";
            continue;
        }
        a = argv[i][0] == '-' && argv[i][1] == '-' ? find_flag(c->verb, flag) : next_positional(c);
        if (!a)
            return usage_error(c->verb, "does not take", argv[i]);
        const char *value = a->kind == RDC_ARG_NAME ? argv[i] : equals ? equals + 1 : NULL;
        if (a->kind == RDC_ARG_STEPS || a->kind == RDC_ARG_TLS || a->kind == RDC_ARG_PASSWORD)
            value = "true";
        else if (!value && i + 1 < argc)
            value = argv[++i];
        if (!value || !value[0])
            return usage_error(c->verb, "needs a value for", flag);
        c->values[a - c->verb->args] = value;
    }
    for (const struct rdc_noun_arg *a = c->verb->args; a < c->verb->args + RDC_NOUN_ARGS; a++)
        if (a->required && !c->values[a - c->verb->args])
            return usage_error(c->verb, "needs", a->name);
    return 0;
}

static void add_param(struct rdc_noun_call *c, struct db_param p)
{
    assert(c->n < RDC_NOUN_PARAMS);
    c->params[c->n++] = p;
}

/* Keeps a part of a composite value and makes it the next parameter. */
static void add_part(struct rdc_noun_call *c, const char *s, size_t n)
{
    assert(c->n < RDC_NOUN_PARAMS);
    snprintf(c->split[c->n], sizeof c->split[c->n], "%.*s", (int)n, s);
    add_param(c, db_text(c->split[c->n]));
}

static bool add_host_port(struct rdc_noun_call *c, const char *value)
{
    const char *colon = value ? strrchr(value, ':') : NULL;
    if (!value) {
        add_param(c, db_null());
        add_param(c, db_null());
        return true;
    }
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || colon == value || *end || port < 1 || port > 65535)
        return false;
    add_part(c, value, (size_t)(colon - value));
    add_param(c, db_int(port));
    return true;
}

static bool add_peer(struct rdc_noun_call *c, const char *value)
{
    const char *at = value ? strchr(value, '@') : NULL;
    if (value && (!at || at == value || at - value > 16))
        return false;
    if (value)
        add_part(c, value, (size_t)(at - value));
    else
        add_param(c, db_null());
    return add_host_port(c, value ? at + 1 : NULL);
}

static bool add_password(struct rdc_noun_call *c, const char *value)
{
    char line[MODEL_PASSWORD_MAX + 3];
    if (!value) {
        add_param(c, db_null());
        return true;
    }
    if (!fgets(line, sizeof line, stdin))
        return false;
    line[strcspn(line, "\r\n")] = 0;
    bool ok = model_password_hash(line, c->hash) == BASE_OK;
    explicit_bzero(line, sizeof line);
    add_param(c, db_text(c->hash));
    return ok;
}

static bool add_pinyin(struct rdc_noun_call *c)
{
    const char *name = rdc_noun_value(c, "--patient-name");
    struct base_buf pinyin = {0};
    if (!name)
        add_param(c, db_null());
    bool ok = !name || model_pinyin_name(name, strlen(name), &pinyin) == BASE_OK;
    if (name && ok)
        add_part(c, base_buf_cstr(&pinyin), pinyin.n);
    base_buf_deinit(&pinyin);
    return ok;
}

static bool add_number(struct rdc_noun_call *c, const char *value)
{
    char *end = NULL;
    errno = 0;
    long n = value ? strtol(value, &end, 10) : 0;
    if (value && (*end || errno))
        return false;
    add_param(c, value ? db_int(n) : db_null());
    return true;
}

static bool add_limit(struct rdc_noun_call *c, const char *value)
{
    uint64_t n = 0;
    char text[24];
    if (!value || strcmp(value, "default") == 0) {
        add_param(c, value ? db_text(value) : db_null());
        return true;
    }
    if (!base_conf_read_size(value, &n))
        return false;
    add_part(c, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, n));
    return true;
}

/* 64 hex digits, with or without colons as openssl prints them, or a file. */
static bool add_fingerprint(struct rdc_noun_call *c, const char *value)
{
    char hex[BASE_SHA256_HEX];
    uint8_t print[BASE_SHA256];
    size_t n = 0;
    if (!value || strcmp(value, "none") == 0) {
        add_param(c, value ? db_text(value) : db_null());
        return true;
    }
    const char *p = value;
    for (; *p && n < 64 && (isxdigit((unsigned char)*p) || *p == ':'); p++)
        if (*p != ':')
            hex[n++] = (char)tolower((unsigned char)*p);
    hex[n] = 0;
    if (n < 64 || *p) {
        enum base_err err = net_tls_file_fingerprint(value, print);
        if (err) {
            fprintf(stderr, "%s: %s; want a certificate (PEM or DER) or its SHA-256\n", value,
                    base_err_text(err));
            return false;
        }
        base_hex(print, sizeof print, hex);
    }
    add_part(c, hex, 64);
    return true;
}

static bool add_arg(struct rdc_noun_call *c, const struct rdc_noun_arg *a, const char *value)
{
    switch (a->kind) {
    case RDC_ARG_NAME:
    case RDC_ARG_TEXT:
    case RDC_ARG_WATCH:
        add_param(c, db_text(value));
        return true;
    case RDC_ARG_INT:
        return add_number(c, value);
    case RDC_ARG_HOSTPORT:
        return add_host_port(c, value);
    case RDC_ARG_PEER:
        return add_peer(c, value);
    case RDC_ARG_LIMIT:
        return add_limit(c, value);
    case RDC_ARG_PRINT:
        return add_fingerprint(c, value);
    case RDC_ARG_STEPS:
    case RDC_ARG_TLS:
        add_param(c, value ? db_bool(value[0] == 't') : db_null());
        return true;
    case RDC_ARG_PASSWORD:
        return add_password(c, value);
    case RDC_ARG_PINYIN:
        return add_pinyin(c);
    case RDC_ARG_TRUE:
    case RDC_ARG_FALSE:
        add_param(c, db_bool(a->kind == RDC_ARG_TRUE));
        return true;
    case RDC_ARG_END:
        break;
    }
    return false;
}

static int bind_params(struct rdc_noun_call *c)
{
    for (size_t i = 0; i < RDC_NOUN_ARGS && c->verb->args[i].kind != RDC_ARG_END; i++) {
        const struct rdc_noun_arg *a = &c->verb->args[i];
        if (add_arg(c, a, c->values[i]))
            continue;
        if (a->kind == RDC_ARG_PASSWORD)
            return usage_error(
                c->verb, "the password on standard input must have 8 to 256 characters:", a->name);
        return usage_error(c->verb, "cannot take this value for", a->name);
    }
    return 0;
}

int rdc_noun_read(struct rdc_noun_call *c, int argc, char **argv)
{
    int status = parse_args(c, argc, argv);
    return status ? status : bind_params(c);
}

const char *rdc_noun_value(const struct rdc_noun_call *c, const char *flag)
{
    const struct rdc_noun_arg *a = find_flag(c->verb, flag);
    return a ? c->values[a - c->verb->args] : NULL;
}
