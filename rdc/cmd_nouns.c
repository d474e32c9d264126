/*
 * rdc org|line|device|user|contract|destination|delivery|order VERB …
 *
 * One table says for each noun and verb which arguments it takes and which
 * named query they are the parameters of, in this order.
 */
#include "rdc/rdc_command.h"

#include "api/api_device.h"
#include "base/conf.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/json.h"
#include "db/db_sync.h"
#include "model/model_password.h"
#include "model/model_pinyin.h"
#include "net/net_tls.h"
#include "rdc/rdc_folder.h"
#include "rdc/rdc_table.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum arg_kind {
    ARG_END,
    ARG_NAME,     /* positional, required */
    ARG_TEXT,     /* --flag VALUE */
    ARG_INT,      /* --flag NUMBER */
    ARG_LIMIT,    /* --flag NUMBER, also with K, M, G; "default" */
    ARG_HOSTPORT, /* --flag HOST:PORT, two parameters */
    ARG_PEER,     /* --flag AET@HOST:PORT, three parameters */
    ARG_STEPS,    /* --two-step or --one-step */
    ARG_TLS,      /* --tls or --no-tls */
    ARG_WATCH,    /* --flag DIR: a folder that rdc serve can use; "none" */
    ARG_PRINT,    /* --flag SHA256|FILE: of a certificate; "none" */
    ARG_PASSWORD, /* --password-stdin: the first line of standard input, hashed */
    ARG_PINYIN,   /* no argument: --patient-name in pinyin */
    ARG_TRUE,     /* no argument: the parameter true */
    ARG_FALSE,
};

struct arg {
    enum arg_kind kind;
    bool required;
    const char *name; /* flag with its dashes, or the name of the positional */
    const char *hint; /* what stands for the value in the help */
};

enum { ARGS_MAX = 20, PARAMS_MAX = 20 };

struct verb {
    const char *noun;
    const char *verb;
    enum db_query query;
    struct arg args[ARGS_MAX];
};

#define NAME(n)                                                                                    \
    {                                                                                              \
        ARG_NAME, true, n, n                                                                       \
    }
#define NEED(f, h)                                                                                 \
    {                                                                                              \
        ARG_TEXT, true, f, h                                                                       \
    }
#define MAY(f, h)                                                                                  \
    {                                                                                              \
        ARG_TEXT, false, f, h                                                                      \
    }
#define NUMBER(f, h)                                                                               \
    {                                                                                              \
        ARG_INT, false, f, h                                                                       \
    }
#define LIMIT(f, h)                                                                                \
    {                                                                                              \
        ARG_LIMIT, false, f, h "|default"                                                          \
    }
#define DISABLE                                                                                    \
    {                                                                                              \
        ARG_TRUE, false, "", ""                                                                    \
    }
#define ENABLE                                                                                     \
    {                                                                                              \
        ARG_FALSE, false, "", ""                                                                   \
    }
#define PINYIN                                                                                     \
    {                                                                                              \
        ARG_PINYIN, false, "", ""                                                                  \
    }
#define TWO_STEP                                                                                   \
    {                                                                                              \
        ARG_STEPS, false, "--two-step", NULL                                                       \
    }
#define TLS                                                                                        \
    {                                                                                              \
        ARG_TLS, false, "--tls", NULL                                                              \
    }
#define CERTIFICATE                                                                                \
    {                                                                                              \
        ARG_PRINT, false, "--certificate", "SHA256|FILE|none"                                      \
    }
#define WATCH                                                                                      \
    {                                                                                              \
        ARG_WATCH, false, "--watch", "DIR|none"                                                    \
    }
#define LIMITS                                                                                     \
    LIMIT("--max-associations", "N"), LIMIT("--max-rate", "N"),                                    \
        LIMIT("--max-bytes-in-flight", "SIZE")
#define THIS_DEVICE   NAME("AET"), MAY("--address", "IP[/LEN]"), MAY("--called", "AET")
#define THIS_CONTRACT NEED("--centre", "CODE"), NEED("--hospital", "CODE"), NEED("--line", "CODE")
#define PEER(need)                                                                                 \
    {                                                                                              \
        ARG_PEER, need, "--dicom", "AET@HOST:PORT"                                                 \
    }
#define CALLBACK                                                                                   \
    {                                                                                              \
        ARG_HOSTPORT, false, "--callback", "HOST:PORT"                                             \
    }
#define PASSWORD(need)                                                                             \
    {                                                                                              \
        ARG_PASSWORD, need, "--password-stdin", NULL                                               \
    }

static const struct verb verbs[] = {
    {"org",
     "add",
     DB_Q_ORG_ADD,
     {NAME("CODE"), NEED("--name", "NAME"), NEED("--kind", "centre|hospital")}},
    {"org", "list", DB_Q_ORG_LIST, {{0}}},
    {"org",
     "change",
     DB_Q_ORG_CHANGE,
     {NAME("CODE"), MAY("--name", "NAME"), MAY("--timezone", "ZONE")}},
    {"org", "disable", DB_Q_ORG_DISABLE, {NAME("CODE"), DISABLE}},
    {"org", "enable", DB_Q_ORG_DISABLE, {NAME("CODE"), ENABLE}},
    {"line",
     "add",
     DB_Q_LINE_ADD,
     {NAME("CODE"), NEED("--name", "NAME"), NEED("--modality", "M[,M…]"), TWO_STEP}},
    {"line", "list", DB_Q_LINE_LIST, {{0}}},
    {"line",
     "change",
     DB_Q_LINE_CHANGE,
     {NAME("CODE"), MAY("--name", "NAME"), MAY("--modality", "M[,M…]"), TWO_STEP}},
    {"line", "disable", DB_Q_LINE_DISABLE, {NAME("CODE"), DISABLE}},
    {"line", "enable", DB_Q_LINE_DISABLE, {NAME("CODE"), ENABLE}},
    {"device",
     "add",
     DB_Q_DEVICE_ADD,
     {NAME("AET"), NEED("--org", "CODE"), MAY("--address", "IP[/LEN]"), MAY("--called", "AET"),
      CALLBACK, MAY("--charset", "SET|none"), NUMBER("--quiet", "SECONDS"),
      NUMBER("--limit", "SECONDS"), CERTIFICATE, WATCH, LIMITS}},
    {"device", "list", DB_Q_DEVICE_LIST, {{0}}},
    {"device",
     "change",
     DB_Q_DEVICE_CHANGE,
     {THIS_DEVICE, CALLBACK, MAY("--charset", "SET|none"), NUMBER("--quiet", "SECONDS"),
      NUMBER("--limit", "SECONDS"), CERTIFICATE, WATCH, LIMITS}},
    {"device", "disable", DB_Q_DEVICE_DISABLE, {THIS_DEVICE, DISABLE}},
    {"device", "enable", DB_Q_DEVICE_DISABLE, {THIS_DEVICE, ENABLE}},
    {"user",
     "add",
     DB_Q_USER_ADD,
     {NAME("LOGIN"), NEED("--org", "CODE"), NEED("--role", "technician|doctor|reader|admin"),
      MAY("--name", "NAME"), PASSWORD(true)}},
    {"user", "list", DB_Q_USER_LIST, {{0}}},
    {"user",
     "change",
     DB_Q_USER_CHANGE,
     {NAME("LOGIN"), MAY("--role", "technician|doctor|reader|admin"), MAY("--name", "NAME"),
      PASSWORD(false)}},
    {"user", "disable", DB_Q_USER_DISABLE, {NAME("LOGIN"), DISABLE}},
    {"user", "enable", DB_Q_USER_DISABLE, {NAME("LOGIN"), ENABLE}},
    {"contract",
     "add",
     DB_Q_CONTRACT_ADD,
     {THIS_CONTRACT, NUMBER("--within", "MINUTES"), TWO_STEP}},
    {"contract", "list", DB_Q_CONTRACT_LIST, {{0}}},
    {"contract",
     "change",
     DB_Q_CONTRACT_CHANGE,
     {THIS_CONTRACT, NUMBER("--within", "MINUTES"), TWO_STEP}},
    {"contract", "disable", DB_Q_CONTRACT_DISABLE, {THIS_CONTRACT, DISABLE}},
    {"contract", "enable", DB_Q_CONTRACT_DISABLE, {THIS_CONTRACT, ENABLE}},
    {"destination",
     "add",
     DB_Q_DESTINATION_ADD,
     {NAME("NAME"), NEED("--org", "CODE"), PEER(true), TLS}},
    {"destination", "list", DB_Q_DESTINATION_LIST, {{0}}},
    {"destination", "change", DB_Q_DESTINATION_CHANGE, {NAME("NAME"), PEER(false), TLS}},
    {"destination", "disable", DB_Q_DESTINATION_DISABLE, {NAME("NAME"), DISABLE}},
    {"destination", "enable", DB_Q_DESTINATION_DISABLE, {NAME("NAME"), ENABLE}},
    {"hl7",
     "add",
     DB_Q_HL7_ADD,
     {NAME("APP^FACILITY"), NEED("--org", "CODE"), MAY("--address", "IP[/LEN]"),
      MAY("--charset", "SET"), CERTIFICATE}},
    {"hl7", "list", DB_Q_HL7_LIST, {{0}}},
    {"hl7",
     "change",
     DB_Q_HL7_CHANGE,
     {NAME("APP^FACILITY"), MAY("--charset", "SET"), MAY("--address", "IP[/LEN]"), CERTIFICATE}},
    {"hl7", "disable", DB_Q_HL7_DISABLE, {NAME("APP^FACILITY"), DISABLE}},
    {"hl7", "enable", DB_Q_HL7_DISABLE, {NAME("APP^FACILITY"), ENABLE}},
    {"hl7",
     "map",
     DB_Q_HL7_MAP,
     {NAME("APP^FACILITY"), NEED("--code", "CODE"), MAY("--modality", "M"),
      MAY("--description", "TEXT")}},
    {"hl7", "codes", DB_Q_HL7_CODES, {{0}}},
    {"hl7", "unmap", DB_Q_HL7_UNMAP, {NAME("APP^FACILITY"), NEED("--code", "CODE")}},
    {"delivery", "list", DB_Q_DELIVERY_LIST, {{0}}},
    {"delivery", "retry", DB_Q_DELIVERY_RETRY, {NAME("ID")}},
    {"order",
     "add",
     DB_Q_ORDER_ADD,
     {NEED("--org", "CODE"), MAY("--patient-id", "ID"), NEED("--patient-name", "NAME"), PINYIN,
      MAY("--birth", "YYYYMMDD"), MAY("--sex", "M|F|O"), MAY("--resident-id", "NUMBER"),
      MAY("--accession", "NUMBER"), NEED("--modality", "M"), MAY("--description", "TEXT"),
      MAY("--at", "TIME"), MAY("--priority", "stat|urgent|routine"), MAY("--station", "AET"),
      MAY("--study-uid", "UID"), MAY("--procedure-code", "CODE"),
      MAY("--procedure-scheme", "SCHEME"), MAY("--placer", "NUMBER"), MAY("--requester", "NAME"),
      MAY("--referrer", "NAME")}},
    {"order", "list", DB_Q_ORDER_TABLE, {{0}}},
    {"order",
     "change",
     DB_Q_ORDER_CHANGE,
     {NAME("ACCESSION"), NEED("--org", "CODE"), MAY("--patient-name", "NAME"), PINYIN,
      MAY("--birth", "YYYYMMDD"), MAY("--sex", "M|F|O"), MAY("--description", "TEXT"),
      MAY("--at", "TIME"), MAY("--priority", "stat|urgent|routine"), MAY("--station", "AET")}},
    {"order",
     "cancel",
     DB_Q_ORDER_CANCEL,
     {NAME("ACCESSION"), NEED("--org", "CODE"), MAY("--reason", "TEXT")}},
};

/* The values of one call, in the order of the verb's arguments. */
struct call {
    const struct verb *verb;
    const char *values[ARGS_MAX]; /* NULL = not given */
    bool json;
    struct db_param params[PARAMS_MAX];
    size_t n;
    char split[PARAMS_MAX][256]; /* parts of HOST:PORT and AET@HOST:PORT */
    char hash[MODEL_PASSWORD_HASH];
};

static void print_usage(FILE *to, const struct verb *v)
{
    fprintf(to, "rdc %s %s", v->noun, v->verb);
    for (const struct arg *a = v->args; a < v->args + ARGS_MAX && a->kind != ARG_END; a++) {
        if (a->kind == ARG_NAME)
            fprintf(to, " %s", a->name);
        else if (a->kind == ARG_STEPS)
            fprintf(to, " [--two-step|--one-step]");
        else if (a->kind == ARG_TLS)
            fprintf(to, " [--tls|--no-tls]");
        else if (a->hint && a->hint[0])
            fprintf(to, a->required ? " %s %s" : " [%s %s]", a->name, a->hint);
        else if (a->kind == ARG_PASSWORD)
            fprintf(to, a->required ? " %s" : " [%s]", a->name);
    }
    fputc('\n', to);
}

static int usage_error(const struct verb *v, const char *what, const char *which)
{
    fprintf(stderr, "rdc %s %s: %s%s%s\nusage: ", v->noun, v->verb, what, which[0] ? " " : "",
            which);
    print_usage(stderr, v);
    return 2;
}

static const struct arg *find_flag(const struct verb *v, const char *flag)
{
    for (const struct arg *a = v->args; a < v->args + ARGS_MAX && a->kind != ARG_END; a++)
        if (a->kind != ARG_NAME && a->name[0] && strcmp(a->name, flag) == 0)
            return a;
    return NULL;
}

static const struct arg *next_positional(const struct call *c)
{
    for (const struct arg *a = c->verb->args; a < c->verb->args + ARGS_MAX; a++)
        if (a->kind == ARG_NAME && !c->values[a - c->verb->args])
            return a;
    return NULL;
}

/* Flags as --flag VALUE or --flag=VALUE, in any order. */
static int parse_args(struct call *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        char flag[64];
        const char *equals = strchr(argv[i], '=');
        snprintf(flag, sizeof flag, "%.*s",
                 (int)(equals ? equals - argv[i] : (long)strlen(argv[i])), argv[i]);
        const struct arg *a;
        if (strcmp(flag, "--json") == 0) {
            c->json = true;
            continue;
        }
        if (strcmp(flag, "--one-step") == 0 && find_flag(c->verb, "--two-step")) {
            c->values[find_flag(c->verb, "--two-step") - c->verb->args] = "false";
            continue;
        }
        if (strcmp(flag, "--no-tls") == 0 && find_flag(c->verb, "--tls")) {
            c->values[find_flag(c->verb, "--tls") - c->verb->args] = "false";
            continue;
        }
        a = argv[i][0] == '-' && argv[i][1] == '-' ? find_flag(c->verb, flag) : next_positional(c);
        if (!a)
            return usage_error(c->verb, "does not take", argv[i]);
        const char *value = a->kind == ARG_NAME ? argv[i] : equals ? equals + 1 : NULL;
        if (a->kind == ARG_STEPS || a->kind == ARG_TLS || a->kind == ARG_PASSWORD)
            value = "true";
        else if (!value && i + 1 < argc)
            value = argv[++i];
        if (!value || !value[0])
            return usage_error(c->verb, "needs a value for", flag);
        c->values[a - c->verb->args] = value;
    }
    for (const struct arg *a = c->verb->args; a < c->verb->args + ARGS_MAX; a++)
        if (a->required && !c->values[a - c->verb->args])
            return usage_error(c->verb, "needs", a->name);
    return 0;
}

static void add_param(struct call *c, struct db_param p)
{
    assert(c->n < PARAMS_MAX);
    c->params[c->n++] = p;
}

/* Keeps a part of a composite value and makes it the next parameter. */
static void add_part(struct call *c, const char *s, size_t n)
{
    snprintf(c->split[c->n], sizeof c->split[c->n], "%.*s", (int)n, s);
    add_param(c, db_text(c->split[c->n]));
}

static bool add_host_port(struct call *c, const char *value)
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

static bool add_peer(struct call *c, const char *value)
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

static bool add_password(struct call *c, const char *value)
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

static bool add_pinyin(struct call *c)
{
    const struct arg *a = find_flag(c->verb, "--patient-name");
    const char *name = a ? c->values[a - c->verb->args] : NULL;
    struct base_buf pinyin = {0};
    if (!name)
        add_param(c, db_null());
    bool ok = !name || model_pinyin_name(name, strlen(name), &pinyin) == BASE_OK;
    if (name && ok)
        add_part(c, base_buf_cstr(&pinyin), pinyin.n);
    base_buf_deinit(&pinyin);
    return ok;
}

static bool add_number(struct call *c, const char *value)
{
    char *end = NULL;
    errno = 0;
    long n = value ? strtol(value, &end, 10) : 0;
    if (value && (*end || errno))
        return false;
    add_param(c, value ? db_int(n) : db_null());
    return true;
}

static bool add_limit(struct call *c, const char *value)
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
static bool add_fingerprint(struct call *c, const char *value)
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

static bool add_arg(struct call *c, const struct arg *a, const char *value)
{
    switch (a->kind) {
    case ARG_NAME:
    case ARG_TEXT:
    case ARG_WATCH:
        add_param(c, db_text(value));
        return true;
    case ARG_INT:
        return add_number(c, value);
    case ARG_HOSTPORT:
        return add_host_port(c, value);
    case ARG_PEER:
        return add_peer(c, value);
    case ARG_LIMIT:
        return add_limit(c, value);
    case ARG_PRINT:
        return add_fingerprint(c, value);
    case ARG_STEPS:
    case ARG_TLS:
        add_param(c, value ? db_bool(value[0] == 't') : db_null());
        return true;
    case ARG_PASSWORD:
        return add_password(c, value);
    case ARG_PINYIN:
        return add_pinyin(c);
    case ARG_TRUE:
    case ARG_FALSE:
        add_param(c, db_bool(a->kind == ARG_TRUE));
        return true;
    case ARG_END:
        break;
    }
    return false;
}

static int bind_params(struct call *c)
{
    for (size_t i = 0; i < ARGS_MAX && c->verb->args[i].kind != ARG_END; i++) {
        const struct arg *a = &c->verb->args[i];
        if (add_arg(c, a, c->values[i]))
            continue;
        if (a->kind == ARG_PASSWORD)
            return usage_error(
                c->verb, "the password on standard input must have 8 to 256 characters:", a->name);
        return usage_error(c->verb, "cannot take this value for", a->name);
    }
    return 0;
}

/* The form of the path is left to the database, which says what it wants. */
static bool check_watch(const struct call *c, const char *data)
{
    char why[1024];
    const struct arg *a = find_flag(c->verb, "--watch");
    const char *folder = a ? c->values[a - c->verb->args] : NULL;
    if (!folder || folder[0] != '/' || rdc_folder_usable(folder, data, why, sizeof why))
        return true;
    fprintf(stderr, "rdc %s %s: %s\n", c->verb->noun, c->verb->verb, why);
    return false;
}

static void print_json(const struct db_rows *rows, struct base_buf *out)
{
    struct base_json j;
    base_json_init(&j, out);
    base_json_open_array(&j);
    for (size_t r = 0; r < db_rows_count(rows); r++) {
        base_json_open_object(&j);
        for (size_t k = 0; k < db_rows_columns(rows); k++) {
            base_json_member_string(&j, db_rows_name(rows, k),
                                    db_rows_null(rows, r, k) ? NULL : db_rows_text(rows, r, k));
        }
        base_json_close_object(&j);
    }
    base_json_close_array(&j);
    base_buf_add_byte(out, '\n');
}

static void print_table(const struct db_rows *rows, struct base_buf *out)
{
    const char *headers[32];
    size_t columns = db_rows_columns(rows);
    assert(columns <= sizeof headers / sizeof headers[0]);
    for (size_t k = 0; k < columns; k++)
        headers[k] = db_rows_name(rows, k);
    struct rdc_table *t = rdc_table_new(headers, columns);
    if (!t)
        return;
    for (size_t r = 0; r < db_rows_count(rows); r++)
        for (size_t k = 0; k < columns; k++)
            rdc_table_add(t, db_rows_text(rows, r, k));
    rdc_table_print(t, out);
    rdc_table_free(t);
}

static int print_result(const struct call *c, const struct db_rows *rows)
{
    struct base_buf out = {0};
    bool is_list = strcmp(c->verb->verb, "list") == 0 || c->verb->query == DB_Q_HL7_CODES;
    if (!is_list && (db_rows_count(rows) == 0 || db_rows_null(rows, 0, 0))) {
        bool code = c->verb->query == DB_Q_HL7_UNMAP;
        fprintf(stderr, "rdc %s %s: no such %s; see: rdc %s %s\n", c->verb->noun, c->verb->verb,
                code ? "code" : c->verb->noun, c->verb->noun, code ? "codes" : "list");
        return 1;
    }
    if (c->json)
        print_json(rows, &out);
    else if (is_list)
        print_table(rows, &out);
    else
        base_buf_printf(&out, "%s %s: %s\n", c->verb->noun, db_rows_text(rows, 0, 0),
                        c->verb->verb);
    fwrite(base_buf_cstr(&out), 1, out.n, stdout);
    base_buf_deinit(&out);
    size_t last = db_rows_columns(rows) - 1;
    if (!is_list && strcmp(db_rows_name(rows, last), "note") == 0 && !db_rows_null(rows, 0, last))
        fprintf(stderr, "rdc %s %s: note: %s\n", c->verb->noun, c->verb->verb,
                db_rows_text(rows, 0, last));
    return 0;
}

static const struct verb *find_verb(const char *noun, const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].noun, noun) == 0 && (!name || strcmp(verbs[i].verb, name) == 0))
            return &verbs[i];
    return NULL;
}

static int print_noun_help(FILE *to, const char *noun, int status)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].noun, noun) == 0)
            print_usage(to, &verbs[i]);
    return status;
}

/* Waits until the change is in force everywhere, since workers cache devices. */
static void await_workers(const struct verb *v)
{
    if (v->query == DB_Q_DEVICE_CHANGE || v->query == DB_Q_DEVICE_DISABLE)
        usleep(API_DEVICE_MS * 1000);
}

/* Replaces the message by that of the rule that the value breaks, where the rule has one. */
static void say_form(struct db_sync *db, struct base_error *err)
{
    const struct db_rows *rows;
    struct base_error other;
    char constraint[64];
    snprintf(constraint, sizeof constraint, "%s", db_sync_constraint(db));
    if (constraint[0] && err->code == BASE_EINVAL &&
        !db_sync_exec(db, DB_Q_CONSTRAINT_TEXT, (struct db_param[]){db_text(constraint)}, 1, &rows,
                      &other) &&
        !db_rows_null(rows, 0, 0))
        snprintf(err->msg, sizeof err->msg, "%s", db_rows_text(rows, 0, 0));
}

int rdc_cmd_noun(struct rdc_context *ctx, int argc, char **argv)
{
    const char *noun = argv[0];
    if (rdc_wants_help(argc, argv))
        return print_noun_help(stdout, noun, 0);
    struct call c = {.verb = argc > 1 ? find_verb(noun, argv[1]) : NULL};
    if (!c.verb)
        return print_noun_help(stderr, noun, 2);
    /* A "help" may be a code here. */
    if (argc > 2 && argv[2][0] == '-' && rdc_wants_help(argc - 1, argv + 1)) {
        print_usage(stdout, c.verb);
        return 0;
    }
    int status = parse_args(&c, argc - 2, argv + 2);
    if (status == 0)
        status = bind_params(&c);
    if (status)
        return status;
    if (!check_watch(&c, ctx->conf.data))
        return 1;
    struct db_sync *db = rdc_open_database(ctx);
    if (!db)
        return 1;
    const struct db_rows *rows = NULL;
    struct base_error err = {0};
    if (db_sync_exec(db, c.verb->query, c.params, c.n, &rows, &err)) {
        say_form(db, &err);
        if (err.code == BASE_EEXISTS)
            fprintf(stderr, "rdc %s %s: it exists already; see: rdc %s list\n", noun, argv[1],
                    noun);
        else
            fprintf(stderr, "rdc %s %s: %s\n", noun, argv[1], err.msg);
        /* A value that the database does not take. */
        if (err.code == BASE_EINVAL) {
            fputs("usage: ", stderr);
            print_usage(stderr, c.verb);
        }
        status = 1;
    } else {
        status = print_result(&c, rows);
        await_workers(c.verb);
    }
    db_sync_close(db);
    return status;
}
