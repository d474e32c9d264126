/*
 * rdc worklist [--json], rdc status [--json]: what an operator sees.
 */
#include "rdc/rdc_command.h"

#include "db/db_sync.h"
#include "rdc/rdc_table.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int print_usage(const char *command)
{
    printf("usage: rdc %s [--json]\n", command);
    return 0;
}

static bool parse_json_flag(const char *command, int argc, char **argv, bool *json)
{
    *json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") != 0) {
            fprintf(stderr, "rdc %s: does not take %s\nusage: rdc %s [--json]\n", command, argv[i],
                    command);
            return false;
        }
        *json = true;
    }
    return true;
}

/* The one JSON text that a query returns. */
static json_t *ask(struct rdc_context *ctx, const char *command, enum db_query query)
{
    struct db_sync *db = rdc_open_database(ctx);
    const struct db_rows *rows = NULL;
    struct base_error err = {0};
    json_t *answer = NULL;
    if (!db)
        return NULL;
    if (db_sync_exec(db, query, NULL, 0, &rows, &err))
        fprintf(stderr, "rdc %s: %s\n", command, err.msg);
    else
        answer = json_loads(db_rows_text(rows, 0, 0), 0, NULL);
    db_sync_close(db);
    return answer;
}

static const char *text_of(const json_t *row, const char *name)
{
    const char *s = json_string_value(json_object_get(row, name));
    return s ? s : "";
}

static void add_number(struct rdc_table *t, const json_t *v)
{
    char number[32];
    snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    rdc_table_add(t, number);
}

static int print_worklist(const json_t *exams)
{
    static const char *const headers[] = {"exam",    "state", "priority", "line",    "centre",
                                          "patient", "name",  "objects",  "held by", "study uid"};
    struct base_buf out = {0};
    struct rdc_table *t = rdc_table_new(headers, sizeof headers / sizeof headers[0]);
    if (!t)
        return 1;
    size_t i;
    const json_t *e;
    json_array_foreach((json_t *)(uintptr_t)exams, i, e)
    {
        const json_t *patient = json_object_get(e, "patient");
        add_number(t, json_object_get(e, "id"));
        rdc_table_add(t, text_of(e, "state"));
        rdc_table_add(t, text_of(e, "priority"));
        rdc_table_add(t, text_of(e, "line"));
        rdc_table_add(t, text_of(e, "centre"));
        rdc_table_add(t, text_of(patient, "id"));
        rdc_table_add(t, text_of(patient, "name"));
        add_number(t, json_object_get(e, "objects"));
        rdc_table_add(t, text_of(e, "held_by"));
        rdc_table_add(t, text_of(e, "study_uid"));
    }
    rdc_table_print(t, &out);
    fwrite(base_buf_cstr(&out), 1, out.n, stdout);
    rdc_table_free(t);
    base_buf_deinit(&out);
    return 0;
}

int rdc_cmd_worklist(struct rdc_context *ctx, int argc, char **argv)
{
    bool json;
    if (rdc_wants_help(argc, argv))
        return print_usage("worklist");
    if (!parse_json_flag("worklist", argc, argv, &json))
        return 2;
    json_t *answer = ask(ctx, "worklist", DB_Q_OPERATOR_WORKLIST);
    if (!answer)
        return 1;
    int status = 0;
    if (json)
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    else
        status = print_worklist(json_object_get(answer, "exams"));
    if (json)
        putchar('\n');
    json_decref(answer);
    return status;
}

static void print_counts(const json_t *status, const char *name)
{
    const char *key;
    json_t *value;
    printf("%-11s", name);
    json_object_foreach(json_object_get(status, name), key, value)
        printf(" %s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
    putchar('\n');
}

int rdc_cmd_status(struct rdc_context *ctx, int argc, char **argv)
{
    bool json;
    if (rdc_wants_help(argc, argv))
        return print_usage("status");
    if (!parse_json_flag("status", argc, argv, &json))
        return 2;
    json_t *answer = ask(ctx, "status", DB_Q_STATUS_REPORT);
    if (!answer)
        return 1;
    if (json) {
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
    } else {
        print_counts(answer, "exams");
        print_counts(answer, "deliveries");
        print_counts(answer, "jobs");
        printf("%-11s %" JSON_INTEGER_FORMAT "\n", "objects",
               json_integer_value(json_object_get(answer, "objects")));
        size_t i;
        json_t *warning;
        json_array_foreach(json_object_get(answer, "warnings"), i, warning)
            printf("warning: %s\n", json_string_value(warning));
    }
    json_decref(answer);
    return 0;
}
