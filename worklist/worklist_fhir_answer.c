#include "worklist/worklist_fhir_answer.h"

#include "base/log.h"
#include "worklist/worklist_priv.h"

#include <stdlib.h>
#include <string.h>

/* Takes resource; NULL: out of memory. */
static void reply(struct net_http_request *req, int status, json_t *resource)
{
    char *text = resource ? json_dumps(resource, JSON_COMPACT) : NULL;
    json_decref(resource);
    if (text)
        net_http_reply(req, status, WORKLIST_FHIR_JSON, base_bytes_str(text));
    else
        api_problem_err(req, BASE_ENOMEM);
    free(text);
}

void worklist_fhir_reply_issue(struct net_http_request *req, const struct hl7_fhir_issue *issue)
{
    reply(req, issue->status, hl7_fhir_write_outcome("error", issue));
}

void worklist_fhir_refuse(struct net_http_request *req, int status, const char *code,
                          const char *text)
{
    struct hl7_fhir_issue issue = {.status = status, .code = code};
    snprintf(issue.text, sizeof issue.text, "%s", text);
    worklist_fhir_reply_issue(req, &issue);
}

/* http://hl7.org/fhir/issue-type of a status. */
static const char *code_of(int status)
{
    static const struct {
        int status;
        const char *code;
    } known[] = {{401, "login"},         {403, "forbidden"}, {404, "not-found"},
                 {405, "not-supported"}, {409, "conflict"},  {412, "conflict"},
                 {422, "business-rule"}, {503, "transient"}, {507, "no-store"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status)
            return known[i].code;
    return "exception";
}

/* The element whose value a constraint of exam_order and patient refused. */
static const char *element_of(const char *constraint)
{
    static const char *const known[][2] = {
        {"exam_order_accession", "identifier"}, {"exam_order_placer", "identifier"},
        {"exam_order_filler", "identifier"},    {"exam_order_study", "identifier"},
        {"exam_order_procedure", "code"},       {"exam_order_description", "code"},
        {"exam_order_modality", "orderDetail"}, {"exam_order_station", "performer"},
        {"exam_order_performer", "performer"},  {"exam_order_location", "locationReference"},
        {"exam_order_requester", "requester"},  {"exam_order_admission", "encounter"},
        {"exam_order_reason", "reasonCode"},    {"patient_", "subject"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(constraint, known[i][0], strlen(known[i][0])) == 0)
            return known[i][1];
    return NULL;
}

/* The issue for the database's error about the order at `path`. */
static void issue_of(int status, const char *message, const char *hint, const char *constraint,
                     const char *path, struct hl7_fhir_issue *issue)
{
    const char *element = element_of(constraint);
    *issue = (struct hl7_fhir_issue){.status = status, .code = code_of(status)};
    if (path[0])
        snprintf(issue->expression, sizeof issue->expression, "%s%s%s", path, element ? "." : "",
                 element ? element : "");
    if (status >= 500)
        snprintf(issue->text, sizeof issue->text, "%s",
                 status == 500
                     ? "the server failed; its log says more"
                     : "the server cannot do it now: try again in a few seconds, with the "
                       "same identifiers, since the change may have been made");
    else if (constraint[0] && status == 409)
        snprintf(issue->text, sizeof issue->text,
                 "another order of this centre has this identifier already");
    else
        snprintf(issue->text, sizeof issue->text, "%s%s%s", message, hint[0] ? ": " : "", hint);
    if (status == 409 && constraint[0])
        issue->code = "duplicate";
}

static void reply_failure(const struct worklist_fhir *f, const struct db_outcome *outcome)
{
    struct hl7_fhir_issue issue;
    int status = db_http_status(outcome);
    char path[64] = "";
    if (f->bundle && status < 500 && outcome->detail[0])
        snprintf(path, sizeof path, "Bundle.entry[%.9s].resource", outcome->detail);
    else if (status == 409 || status == 422)
        snprintf(path, sizeof path, "ServiceRequest");
    issue_of(status, outcome->message, outcome->hint, outcome->constraint, path, &issue);
    if (status >= 500)
        BASE_LOG(ERROR, "request_failed", LOG_S("sqlstate", outcome->sqlstate),
                 LOG_S("error", base_err_text(outcome->err)),
                 LOG_S("constraint", outcome->constraint));
    worklist_fhir_reply_issue(f->req, &issue);
}

bool worklist_fhir_has_failed(const struct worklist_fhir *f, const struct db_outcome *outcome)
{
    if (outcome->err)
        reply_failure(f, outcome);
    else
        api_note_session(f->req, outcome);
    return outcome->err != BASE_OK;
}

static void etag_of(const json_t *order, char out[32])
{
    snprintf(out, 32, "W/\"%lld\"",
             (long long)json_integer_value(json_object_get(order, "version")));
}

static void location_of(const json_t *order, const char *base, char out[96])
{
    snprintf(out, 96, "%sServiceRequest/%lld/_history/%lld", base,
             (long long)json_integer_value(json_object_get(order, "id")),
             (long long)json_integer_value(json_object_get(order, "version")));
}

void worklist_fhir_reply_order(struct net_http_request *req, int status, const json_t *order,
                               bool location)
{
    char text[96];
    const char *prefer = net_http_header(req, "Prefer");
    etag_of(order, text);
    net_http_reply_header(req, "ETag", text);
    location_of(order, "/fhir/", text);
    if (location)
        net_http_reply_header(req, "Location", text);
    if (prefer && strstr(prefer, "return=minimal"))
        net_http_reply(req, status, NULL, base_bytes_of(NULL, 0));
    else
        reply(req, status, hl7_fhir_write_order(order));
}

/* An entry of the answer for one that the database refused (batch). */
static json_t *failed_entry(const json_t *result, size_t i)
{
    struct hl7_fhir_issue issue;
    char path[64];
    char status[64];
    const char *sqlstate = json_string_value(json_object_get(result, "sqlstate"));
    const char *message = json_string_value(json_object_get(result, "message"));
    const char *hint = json_string_value(json_object_get(result, "hint"));
    const char *constraint = json_string_value(json_object_get(result, "constraint"));
    int number = strncmp(sqlstate, "RD", 2) == 0  ? atoi(sqlstate + 2)
                 : strcmp(sqlstate, "23505") == 0 ? 409
                                                  : 422;
    snprintf(path, sizeof path, "Bundle.entry[%zu].resource", i);
    issue_of(number, message ? message : "", hint ? hint : "", constraint ? constraint : "", path,
             &issue);
    snprintf(status, sizeof status, "%d %s", number, net_http_reason(number));
    return json_pack("{s:{s:s, s:o}}", "response", "status", status, "outcome",
                     hl7_fhir_write_outcome("error", &issue));
}

static json_t *response_entry(const json_t *result, size_t i)
{
    const json_t *order = json_object_get(result, "order");
    const json_t *issue = json_object_get(result, "issue");
    char status[64];
    char etag[32];
    char location[96];
    int number = (int)json_integer_value(json_object_get(result, "status"));
    if (json_object_get(result, "sqlstate"))
        return failed_entry(result, i);
    snprintf(status, sizeof status, "%d %s", number, net_http_reason(number));
    if (issue)
        return json_pack("{s:{s:s, s:O}}", "response", "status", status, "outcome", issue);
    if (!order) {
        struct hl7_fhir_issue note = {.code = "informational"};
        snprintf(note.text, sizeof note.text,
                 "read for the orders that refer to it; it is no resource of its own here");
        return json_pack("{s:{s:s, s:o}}", "response", "status", "200 OK", "outcome",
                         hl7_fhir_write_outcome("information", &note));
    }
    etag_of(order, etag);
    location_of(order, "", location);
    return json_pack("{s:o, s:{s:s, s:s, s:s, s:O}}", "resource", hl7_fhir_write_order(order),
                     "response", "status", status, "location", location, "etag", etag,
                     "lastModified", json_object_get(order, "changed_at"));
}

/* Takes both. R4 json.html: no empty arrays. */
static void reply_entries(struct net_http_request *req, json_t *bundle, json_t *entries)
{
    if (json_array_size(entries))
        json_object_set(bundle, "entry", entries);
    json_decref(entries);
    reply(req, 200, bundle);
}

void worklist_fhir_reply_bundle(const struct worklist_fhir *f, const json_t *results)
{
    json_t *entries = json_array();
    size_t i;
    const json_t *result;
    json_array_foreach(results, i, result)
        json_array_append_new(entries, response_entry(result, i));
    json_t *bundle = json_pack("{s:s, s:s}", "resourceType", "Bundle", "type",
                               f->atomic ? "transaction-response" : "batch-response");
    reply_entries(f->req, bundle, entries);
}

void worklist_fhir_reply_found(struct net_http_request *req, const json_t *orders)
{
    json_t *bundle = json_pack("{s:s, s:s, s:i}", "resourceType", "Bundle", "type", "searchset",
                               "total", (int)json_array_size(orders));
    json_t *entries = json_array();
    size_t i;
    const json_t *order;
    json_array_foreach(orders, i, order) json_array_append_new(
        entries, json_pack("{s:o, s:{s:s}}", "resource", hl7_fhir_write_order(order), "search",
                           "mode", "match"));
    reply_entries(req, bundle, entries);
}
