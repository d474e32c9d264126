/*
 * rdc org|line|device|user|contract|destination|hl7|delivery|order VERB …
 *
 * One table says for each noun and verb which arguments it takes and which
 * named query they are the parameters of, in this order.
 */
#include "rdc/rdc_command.h"

#include "api/api_device.h"
#include "base/buf.h"
#include "base/json.h"
#include "db/db_sync.h"
#include "rdc/rdc_folder.h"
#include "rdc/rdc_noun.h"
#include "rdc/rdc_table.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME(n)                                                                                    \
    {                                                                                              \
        RDC_ARG_NAME, true, n, n                                                                   \
    }
#define NEED(f, h)                                                                                 \
    {                                                                                              \
        RDC_ARG_TEXT, true, f, h                                                                   \
    }
#define MAY(f, h)                                                                                  \
    {                                                                                              \
        RDC_ARG_TEXT, false, f, h                                                                  \
    }
#define NUMBER(f, h)                                                                               \
    {                                                                                              \
        RDC_ARG_INT, false, f, h                                                                   \
    }
#define LIMIT(f, h)                                                                                \
    {                                                                                              \
        RDC_ARG_LIMIT, false, f, h "|default"                                                      \
    }
#define DISABLE                                                                                    \
    {                                                                                              \
        RDC_ARG_TRUE, false, "", ""                                                                \
    }
#define ENABLE                                                                                     \
    {                                                                                              \
        RDC_ARG_FALSE, false, "", ""                                                               \
    }
#define PINYIN                                                                                     \
    {                                                                                              \
        RDC_ARG_PINYIN, false, "", ""                                                              \
    }
#define TWO_STEP                                                                                   \
    {                                                                                              \
        RDC_ARG_STEPS, false, "--two-step", NULL                                                   \
    }
#define TLS                                                                                        \
    {                                                                                              \
        RDC_ARG_TLS, false, "--tls", NULL                                                          \
    }
#define CERTIFICATE                                                                                \
    {                                                                                              \
        RDC_ARG_PRINT, false, "--certificate", "SHA256|FILE|none"                                  \
    }
#define WATCH                                                                                      \
    {                                                                                              \
        RDC_ARG_WATCH, false, "--watch", "DIR|none"                                                \
    }
#define LIMITS                                                                                     \
    LIMIT("--max-associations", "N"), LIMIT("--max-rate", "N"),                                    \
        LIMIT("--max-bytes-in-flight", "SIZE")
#define THIS_DEVICE   NAME("AET"), MAY("--address", "IP[/LEN]"), MAY("--called", "AET")
#define THIS_CONTRACT NEED("--centre", "CODE"), NEED("--hospital", "CODE"), NEED("--line", "CODE")
#define PEER(need)                                                                                 \
    {                                                                                              \
        RDC_ARG_PEER, need, "--dicom", "AET@HOST:PORT"                                             \
    }
#define CALLBACK                                                                                   \
    {                                                                                              \
        RDC_ARG_HOSTPORT, false, "--callback", "HOST:PORT"                                         \
    }
#define PASSWORD(need)                                                                             \
    {                                                                                              \
        RDC_ARG_PASSWORD, need, "--password-stdin", NULL                                           \
    }

static const struct rdc_noun_verb verbs[] = {
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

/* The form of the path is left to the database, which says what it wants. */
static bool check_watch(const struct rdc_noun_call *c, const char *data)
{
    char why[1024];
    const char *folder = rdc_noun_value(c, "--watch");
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

static int print_result(const struct rdc_noun_call *c, const struct db_rows *rows)
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

static const struct rdc_noun_verb *find_verb(const char *noun, const char *name)
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
            rdc_noun_usage(to, &verbs[i]);
    return status;
}

/* Waits until the change is in force everywhere, since workers cache devices. */
static void await_workers(const struct rdc_noun_verb *v)
{
    if (v->query == DB_Q_DEVICE_CHANGE || v->query == DB_Q_DEVICE_DISABLE)
        usleep(API_DEVICE_MS * 1000);
}

/* Replaces the message by that of the rule that the value breaks, where the rule has one. */
static void say_form(struct db_sync *db, struct base_error *err)
{
    static const char no_address[] = "invalid input syntax for type inet: ";
    if (strncmp(err->msg, no_address, sizeof no_address - 1) == 0) {
        char value[128];
        snprintf(value, sizeof value, "%s", err->msg + sizeof no_address - 1);
        snprintf(err->msg, sizeof err->msg,
                 "--address takes an IP address or a network, as 192.0.2.7 or 192.0.2.0/24, not %s",
                 value);
        return;
    }
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

static int refused(struct db_sync *db, const struct rdc_noun_verb *v, struct base_error *err)
{
    say_form(db, err);
    if (err->code == BASE_EEXISTS)
        fprintf(stderr, "rdc %s %s: it exists already; see: rdc %s list\n", v->noun, v->verb,
                v->noun);
    else
        fprintf(stderr, "rdc %s %s: %s\n", v->noun, v->verb, err->msg);
    /* A value that the database does not take. */
    if (err->code == BASE_EINVAL) {
        fputs("usage: ", stderr);
        rdc_noun_usage(stderr, v);
    }
    return 1;
}

static int run(struct db_sync *db, const struct rdc_noun_call *c)
{
    const struct db_rows *rows = NULL;
    struct base_error err = {0};
    if (db_sync_exec(db, c->verb->query, c->params, c->n, &rows, &err))
        return refused(db, c->verb, &err);
    int status = print_result(c, rows);
    await_workers(c->verb);
    return status;
}

int rdc_cmd_noun(struct rdc_context *ctx, int argc, char **argv)
{
    const char *noun = argv[0];
    if (rdc_wants_help(argc, argv))
        return print_noun_help(stdout, noun, 0);
    struct rdc_noun_call c = {.verb = argc > 1 ? find_verb(noun, argv[1]) : NULL};
    if (!c.verb) {
        if (argc > 1)
            fprintf(stderr, "rdc %s: no verb %s; it is called so:\n", noun, argv[1]);
        return print_noun_help(stderr, noun, 2);
    }
    /* A "help" may be a code here. */
    if (argc > 2 && argv[2][0] == '-' && rdc_wants_help(argc - 1, argv + 1)) {
        rdc_noun_usage(stdout, c.verb);
        return 0;
    }
    int status = rdc_noun_read(&c, argc - 2, argv + 2);
    if (status)
        return status;
    if (!check_watch(&c, ctx->conf.data))
        return 1;
    struct db_sync *db = rdc_open_database(ctx);
    if (!db)
        return 1;
    status = run(db, &c);
    db_sync_close(db);
    return status;
}
