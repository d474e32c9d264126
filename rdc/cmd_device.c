/*
 * rdc device doctor [AET] [--contexts] [--json]: what went wrong with a device, or
 * with strangers, and what to do about it. The other verbs are those of cmd_nouns.c.
 */
#include "rdc/rdc_command.h"

#include "db/db_sync.h"
#include "model/model_cause.h"
#include "rdc/rdc_table.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char usage[] = "rdc device doctor [AET] [--contexts] [--json]\n";

/* The JSON text that the query returns; NULL: failed, and said why. */
static json_t *ask(struct rdc_context *ctx, const char *aet)
{
    struct db_sync *db = rdc_open_database(ctx);
    const struct db_rows *rows = NULL;
    struct base_error err = {0};
    struct base_buf causes = {0};
    json_t *answer = NULL;
    if (!db)
        return NULL;
    model_cause_json(&causes);
    struct db_param params[] = {db_text(aet), db_buf(&causes)};
    enum base_err e = aet ? db_sync_exec(db, DB_Q_DEVICE_DOCTOR, params, 2, &rows, &err)
                          : db_sync_exec(db, DB_Q_STRANGER_DOCTOR, params + 1, 1, &rows, &err);
    if (e)
        fprintf(stderr, "rdc device doctor: %s\n", err.msg);
    else
        answer = json_loads(db_rows_text(rows, 0, 0), 0, NULL);
    base_buf_deinit(&causes);
    db_sync_close(db);
    return answer;
}

static const char *text_of(const json_t *row, const char *name)
{
    const char *s = json_string_value(json_object_get(row, name));
    return s ? s : "";
}

static void print_cause(const json_t *c)
{
    printf("\n%s  %" JSON_INTEGER_FORMAT " times, last %s, from %s", text_of(c, "code"),
           json_integer_value(json_object_get(c, "count")), text_of(c, "last_at"),
           text_of(c, "address"));
    const char *calling = text_of(c, "calling");
    const char *called = text_of(c, "called");
    if (calling[0] || called[0])
        printf(" as %s to %s", calling[0] ? calling : "\"\"", called[0] ? called : "\"\"");
    printf("\n  %s\n  %s\n", text_of(c, "text_zh"), text_of(c, "text_en"));
    if (text_of(c, "remedy_zh")[0])
        printf("  → %s\n  → %s\n", text_of(c, "remedy_zh"), text_of(c, "remedy_en"));
    if (text_of(c, "detail")[0]) /* as the peer had it */
        rdc_print_line(stdout, "  %s", text_of(c, "detail"));
}

static void print_causes(const json_t *causes)
{
    size_t i;
    const json_t *c;
    json_array_foreach((json_t *)(uintptr_t)causes, i, c) print_cause(c);
}

static void join(const json_t *texts, char *out, size_t size)
{
    size_t i;
    const json_t *text;
    size_t n = 0;
    out[0] = 0;
    json_array_foreach((json_t *)(uintptr_t)texts, i, text)
    {
        int more = snprintf(out + n, size - n, "%s%s", n ? " " : "", json_string_value(text));
        n += (size_t)more < size - n ? (size_t)more : size - n - 1;
    }
}

/* Why a context was refused, in both languages. */
static void reason_of(const json_t *c, char *out, size_t size)
{
    const char *zh = text_of(c, "text_zh");
    snprintf(out, size, "%s%s%s", zh, zh[0] ? ", " : "", text_of(c, "text_en"));
}

/* One line for all contexts of the list that were refused for one SOP class and reason. */
struct refused {
    size_t contexts;
    size_t accepted; /* others of this SOP class */
    json_t *requested;
};

static bool is_refused(const json_t *c)
{
    return text_of(c, "refused")[0];
}

static bool same_text(const json_t *a, const json_t *b, const char *name)
{
    return strcmp(text_of(a, name), text_of(b, name)) == 0;
}

/* Gathers the contexts refused for the same SOP class and reason as c, which is the one at
 * `at`; false: an earlier one of them has done so. Release r->requested in both cases. */
static bool fold_refused(const json_t *contexts, size_t at, const json_t *c, struct refused *r)
{
    size_t i;
    const json_t *other;
    *r = (struct refused){.requested = json_array()};
    json_array_foreach((json_t *)(uintptr_t)contexts, i, other)
    {
        if (!same_text(other, c, "sop_class"))
            continue;
        if (!is_refused(other)) {
            r->accepted++;
            continue;
        }
        if (!same_text(other, c, "refused"))
            continue;
        if (i < at)
            break;
        r->contexts++;
        json_array_extend(r->requested, json_object_get(other, "requested"));
    }
    return r->contexts > 0;
}

static void add_refused(struct rdc_table *t, const json_t *c, const struct refused *r)
{
    char why[512];
    char requested[1200];
    char number[32];
    snprintf(number, sizeof number, "%zu of %zu", r->accepted, r->accepted + r->contexts);
    reason_of(c, why, sizeof why);
    join(r->requested, requested, sizeof requested);
    rdc_table_add(t, text_of(c, "name"));
    rdc_table_add(t, number);
    rdc_table_add(t, why);
    rdc_table_add(t, requested);
}

/* The presentation contexts of the last association, in short: modalities ask for up to
 * 128 (PS3.8 9.3.2), which would push the causes out of sight. */
static void summarise_contexts(const json_t *contexts, const char *aet)
{
    enum { SHOWN = 12 };
    static const char *const headers[] = {"sop class refused", "of it accepted", "because",
                                          "requested"};
    struct base_buf out = {0};
    struct rdc_table *t = rdc_table_new(headers, sizeof headers / sizeof headers[0]);
    size_t refused = 0;
    size_t rows = 0;
    size_t i;
    const json_t *c;
    size_t total = json_array_size(contexts);
    if (!t || total == 0) {
        rdc_table_free(t);
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)contexts, i, c)
    {
        struct refused r = {0};
        if (!is_refused(c))
            continue;
        refused++;
        if (fold_refused(contexts, i, c, &r) && rows++ < SHOWN)
            add_refused(t, c, &r);
        json_decref(r.requested);
    }
    printf("\ncontexts      %zu asked for, %zu accepted, %zu refused\n", total, total - refused,
           refused);
    if (rows > 0) {
        rdc_table_print(t, &out);
        printf("%s", base_buf_cstr(&out));
    }
    if (rows > SHOWN)
        printf("and %zu more like these\n", rows - SHOWN);
    printf("              all of them: rdc device doctor %s --contexts\n", aet);
    rdc_table_free(t);
    base_buf_deinit(&out);
}

/* The presentation contexts of the last association, one by one. */
static void print_contexts(const json_t *contexts)
{
    static const char *const headers[] = {"sop class", "accepted", "refused because", "requested"};
    struct base_buf out = {0};
    struct rdc_table *t = rdc_table_new(headers, sizeof headers / sizeof headers[0]);
    char why[512];
    char requested[1200]; /* as many UIDs as the record keeps */
    size_t i;
    const json_t *c;
    if (!t || json_array_size(contexts) == 0) {
        rdc_table_free(t);
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)contexts, i, c)
    {
        rdc_table_add(t, text_of(c, "name"));
        rdc_table_add(t, text_of(c, "accepted"));
        reason_of(c, why, sizeof why);
        rdc_table_add(t, why);
        join(json_object_get(c, "requested"), requested, sizeof requested);
        rdc_table_add(t, requested);
    }
    rdc_table_print(t, &out);
    printf("\n%s", base_buf_cstr(&out));
    rdc_table_free(t);
    base_buf_deinit(&out);
}

/* What its images could have done better, in the last quarter. */
static void print_advice(const json_t *advice)
{
    size_t i;
    const json_t *a;
    json_array_foreach((json_t *)(uintptr_t)advice, i, a)
    {
        printf("\n%s  %" JSON_INTEGER_FORMAT " times in 13 weeks, last %s\n  %s\n  %s\n",
               text_of(a, "code"), json_integer_value(json_object_get(a, "count")),
               text_of(a, "last_at"), text_of(a, "text_zh"), text_of(a, "text_en"));
    }
}

static void print_commitments(const json_t *c, const char *aet)
{
    int waiting = (int)json_integer_value(json_object_get(c, "waiting"));
    if (waiting == 0)
        return;
    printf("\ncommitments   %d not reported yet, the oldest of %s\n", waiting, text_of(c, "since"));
    if (json_is_true(json_object_get(c, "callback")))
        printf("  设备尚未收到存储确认的结果\n"
               "  the device does not have the results of its storage commitments yet\n"
               "  → 请检查设备是否在其回叫地址上接收,及网络\n"
               "  → check that the device listens at its callback address, and the network\n");
    else
        printf("  设备尚未收到存储确认的结果,且未登记其回叫地址\n"
               "  the device does not have the results of its storage commitments, and no address "
               "for them\n"
               "  → 请登记:rdc device change %s --callback HOST:PORT\n"
               "  → register it: rdc device change %s --callback HOST:PORT\n",
               aet, aet);
    if (text_of(c, "last_error")[0])
        printf("  %s\n", text_of(c, "last_error"));
}

static void print_device(const json_t *answer, bool all_contexts)
{
    size_t i;
    const json_t *d;
    json_array_foreach(json_object_get(answer, "devices"), i, d)
    {
        printf("device        %s of %s, address %s, called %s%s\n", text_of(answer, "aet"),
               text_of(d, "org"), text_of(d, "address")[0] ? text_of(d, "address") : "any",
               text_of(d, "called")[0] ? text_of(d, "called") : "ours",
               text_of(d, "disabled_at")[0] ? ", disabled" : "");
    }
    const char *last = text_of(answer, "last_contact_at");
    const char *ok = text_of(answer, "last_ok_at");
    printf("last contact  %s\nlast in order %s\n", last[0] ? last : "never", ok[0] ? ok : "never");
    print_causes(json_object_get(answer, "causes"));
    print_commitments(json_object_get(answer, "commitments"), text_of(answer, "aet"));
    print_advice(json_object_get(answer, "advice"));
    if (all_contexts)
        print_contexts(json_object_get(answer, "contexts"));
    else
        summarise_contexts(json_object_get(answer, "contexts"), text_of(answer, "aet"));
}

static int doctor(struct rdc_context *ctx, int argc, char **argv)
{
    if (rdc_wants_help(argc, argv)) {
        printf("usage: %s", usage);
        return 0;
    }
    const char *aet = NULL;
    bool json = false;
    bool contexts = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--contexts") == 0) {
            contexts = true;
        } else if (!aet && argv[i][0] != '-') {
            aet = argv[i];
        } else {
            fprintf(stderr, "rdc device doctor: does not take %s\nusage: %s", argv[i], usage);
            return 2;
        }
    }
    json_t *answer = ask(ctx, aet);
    if (!answer)
        return 1;
    if (json) {
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
    } else if (aet) {
        print_device(answer, contexts);
    } else {
        const json_t *strangers = json_object_get(answer, "strangers");
        printf("%zu strangers\n", json_array_size(strangers));
        print_causes(strangers);
    }
    json_decref(answer);
    return 0;
}

int rdc_cmd_device(struct rdc_context *ctx, int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "doctor") == 0)
        return doctor(ctx, argc - 1, argv + 1);
    int status = rdc_cmd_noun(ctx, argc, argv);
    if (rdc_wants_help(argc, argv))
        fputs(usage, stdout);
    return status;
}
