/*
 * Orders by FHIR R4 (http.html): ServiceRequest alone, and in transactions and
 * batches. hl7/ reads the resources; the rules are in db/migrations/005_orders.sql and
 * 013_fhir.sql. Every error is an OperationOutcome.
 */
#include "worklist/worklist_priv.h"

#include "base/log.h"
#include "hl7/hl7_fhir.h"
#include "model/model_answer.h"

#include <stdlib.h>
#include <string.h>

#define FHIR_JSON "application/fhir+json"
#define FORM      "application/x-www-form-urlencoded"

/* One request under way, in the arena of the HTTP request. */
struct fhir {
    struct net_http_request *req;
    bool bundle;
    bool atomic;
    const char *version; /* the one asked for; NULL = any */
};

/* ---- answers ---- */

/* Takes resource; NULL: out of memory. */
static void reply(struct net_http_request *req, int status, json_t *resource)
{
    char *text = resource ? json_dumps(resource, JSON_COMPACT) : NULL;
    json_decref(resource);
    if (text)
        net_http_reply(req, status, FHIR_JSON, base_bytes_str(text));
    else
        api_problem_err(req, BASE_ENOMEM);
    free(text);
}

static void reply_issue(struct net_http_request *req, const struct hl7_fhir_issue *issue)
{
    reply(req, issue->status, hl7_fhir_write_outcome("error", issue));
}

static void refuse(struct net_http_request *req, int status, const char *code, const char *text)
{
    struct hl7_fhir_issue issue = {.status = status, .code = code};
    snprintf(issue.text, sizeof issue.text, "%s", text);
    reply_issue(req, &issue);
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

static void reply_failure(const struct fhir *f, const struct db_outcome *outcome)
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
    reply_issue(f->req, &issue);
}

/* True: answered already. */
static bool has_failed(const struct fhir *f, const struct db_outcome *outcome)
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

/* R4 http.html 3.1.0.2: ETag; Location where the order was made or found. */
static void reply_order(struct net_http_request *req, int status, const json_t *order,
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

/* ---- what is asked ---- */

/* False: answered already. */
static bool has_token(struct net_http_request *req)
{
    uint8_t hash[BASE_SHA256];
    if (api_token(req, hash))
        return true;
    refuse(req, 401, "login",
           "log in with POST /api/v1/session and send the token as Authorization: Bearer");
    return false;
}

/* False: answered already. */
static bool is_welcome_as(struct net_http_request *req, const char *known, const char *why)
{
    const char *type = net_http_header(req, "Content-Type");
    const char *accept = net_http_header(req, "Accept");
    const char *format = net_http_query(req, "_format");
    if (!has_token(req))
        return false;
    if (type && !strstr(type, known))
        refuse(req, 415, "not-supported", why);
    else if ((format && !strstr(format, "json")) ||
             (!format && accept && !strstr(accept, "json") && !strstr(accept, "*/*")))
        refuse(req, 406, "not-supported", "only JSON is written: Accept: " FHIR_JSON);
    else
        return true;
    return false;
}

static bool is_welcome(struct net_http_request *req)
{
    return is_welcome_as(req, "json", "only JSON is read: Content-Type: " FHIR_JSON);
}

/* The body as a JSON object; NULL: answered already. */
static json_t *body_of(struct net_http_request *req)
{
    char detail[API_JSON_TEXT];
    char text[sizeof detail + 64];
    if (!is_welcome(req))
        return NULL;
    json_t *v = api_json(net_http_body(req), detail);
    if (v)
        return v;
    snprintf(text, sizeof text, "the body is not the JSON expected: %s", detail);
    refuse(req, 400, "structure", text);
    return NULL;
}

static struct fhir *fhir_new(struct net_http_request *req)
{
    struct fhir *f = base_arena_alloc(net_http_arena(req), sizeof *f);
    if (!f) {
        api_problem_err(req, BASE_ENOMEM);
        return NULL;
    }
    *f = (struct fhir){.req = req};
    return f;
}

/* Takes tx, which may be NULL: answered already. */
static void submit(struct fhir *f, struct db_tx *tx, db_done_fn *done)
{
    if (tx && db_tx_submit(tx, done, f))
        refuse(f->req, 503, "transient", "the server is busy; try again in a few seconds");
}

static void ask(const struct api *api, struct fhir *f, enum db_query query,
                const struct db_param *params, size_t n, db_done_fn *done)
{
    struct db_tx *tx = api_begin(api, f->req);
    if (tx)
        db_tx_add(tx, query, params, n);
    submit(f, tx, done);
}

static void on_sender_known(void *arg, const struct db_outcome *outcome)
{
    const struct fhir *f = arg;
    if (!has_failed(f, outcome))
        net_http_collect(f->req);
}

void worklist_fhir_collect(const struct api *api, struct net_http_request *req)
{
    struct fhir *f = has_token(req) ? fhir_new(req) : NULL;
    if (f)
        submit(f, api_begin(api, req), on_sender_known);
}

/* ---- writing orders ---- */

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

static void reply_bundle(const struct fhir *f, const json_t *results)
{
    json_t *entries = json_array();
    size_t i;
    const json_t *result;
    json_array_foreach(results, i, result)
        json_array_append_new(entries, response_entry(result, i));
    json_t *bundle = json_pack("{s:s, s:s}", "resourceType", "Bundle", "type",
                               f->atomic ? "transaction-response" : "batch-response");
    /* R4 json.html: no empty arrays. */
    if (json_array_size(entries))
        json_object_set(bundle, "entry", entries);
    json_decref(entries);
    reply(f->req, 200, bundle);
}

static void on_put(void *arg, const struct db_outcome *outcome)
{
    const struct fhir *f = arg;
    if (has_failed(f, outcome))
        return;
    json_t *results = model_answer(outcome, 1);
    const json_t *one = json_array_get(results, 0);
    if (!results)
        api_problem_err(f->req, BASE_ENOMEM);
    else if (f->bundle)
        reply_bundle(f, results);
    else
        reply_order(f->req, (int)json_integer_value(json_object_get(one, "status")),
                    json_object_get(one, "order"), true);
    json_decref(results);
}

/* Takes requests. */
static void put(const struct api *api, struct fhir *f, json_t *requests)
{
    size_t i;
    const json_t *request;
    enum base_err err = BASE_OK;
    json_array_foreach(requests, i, request)
    {
        json_t *order = json_object_get(request, "order");
        if (order && !err)
            err = worklist_order_pinyin(order);
    }
    char *text = err ? NULL : json_dumps(requests, JSON_COMPACT);
    json_decref(requests);
    if (text)
        ask(api, f, DB_Q_FHIR_PUT, (struct db_param[]){db_text(text), db_bool(f->atomic)}, 2,
            on_put);
    else
        api_problem_err(f->req, BASE_ENOMEM);
    free(text);
}

void worklist_fhir_bundle(struct net_http_request *req, void *arg)
{
    struct hl7_fhir_issue issue = {.status = 422};
    json_t *requests = NULL;
    json_t *body = body_of(req);
    struct fhir *f = body ? fhir_new(req) : NULL;
    if (f) {
        f->bundle = true;
        enum base_err err = hl7_fhir_read_bundle(body, &f->atomic, &requests, &issue);
        if (!err)
            put(arg, f, requests);
        else if (err == BASE_EFORMAT)
            reply_issue(req, &issue);
        else
            api_problem_err(req, err);
    }
    json_decref(body);
}

/* R4 http.html 3.1.0.5: if the id in the resource differs from the one in the URL, two orders
 * were mixed up. */
static bool is_id_same(struct net_http_request *req, const json_t *body, const char *id)
{
    const json_t *said = json_object_get(body, "id");
    if (!said || (json_is_string(said) && strcmp(json_string_value(said), id) == 0))
        return true;
    refuse(req, 400, "invalid", "the id in the resource is another than that in the address");
    return false;
}

/* The order in the body as a request with this method, for the order with this id (NULL: not
 * known). NULL: answered already. */
static json_t *request_of(struct net_http_request *req, const char *method, const char *id)
{
    struct hl7_fhir_issue issue = {.status = 422};
    json_t *request = NULL;
    json_t *body = body_of(req);
    if (!body || (id && !is_id_same(req, body, id))) {
        json_decref(body);
        return NULL;
    }
    enum base_err err = hl7_fhir_read_order(body, &request, &issue);
    if (err == BASE_EFORMAT)
        reply_issue(req, &issue);
    else if (err || json_object_set_new(request, "method", json_string(method)))
        api_problem_err(req, BASE_ENOMEM);
    else {
        json_decref(body);
        return request;
    }
    json_decref(request);
    json_decref(body);
    return NULL;
}

/* If-Match (R4 http.html 3.1.0.5.1). False: answered already. */
static bool add_version(struct net_http_request *req, json_t *request)
{
    const char *etag = net_http_header(req, "If-Match");
    long long version;
    if (!etag)
        return true;
    if (sscanf(etag, "W/\"%18lld\"", &version) != 1 && sscanf(etag, "\"%18lld\"", &version) != 1) {
        refuse(req, 400, "value", "If-Match must be the ETag of the order, such as W/\"1\"");
        return false;
    }
    json_object_set_new(request, "version", json_integer(version));
    return true;
}

/* Takes request and match; match NULL: a search that we do not support. */
static void put_matching(struct net_http_request *req, const struct api *api, json_t *request,
                         json_t *match)
{
    struct fhir *f = match && add_version(req, request) ? fhir_new(req) : NULL;
    if (!match)
        refuse(req, 400, "not-supported",
               "orders are found by one identifier only: identifier=SYSTEM|VALUE");
    if (!f) {
        json_decref(request);
        json_decref(match);
        return;
    }
    f->atomic = true;
    json_object_set_new(request, "identifier", match);
    put(api, f, json_pack("[o]", request));
}

static void put_plain(struct net_http_request *req, const struct api *api, json_t *request)
{
    struct fhir *f = add_version(req, request) ? fhir_new(req) : NULL;
    if (!f) {
        json_decref(request);
        return;
    }
    f->atomic = true;
    put(api, f, json_pack("[o]", request));
}

void worklist_fhir_create(struct net_http_request *req, void *arg)
{
    json_t *request = request_of(req, "POST", NULL);
    if (!request) /* and so no req */
        return;
    const char *none = net_http_header(req, "If-None-Exist");
    if (none)
        put_matching(req, arg, request, hl7_fhir_read_match(none));
    else
        put_plain(req, arg, request);
}

/* R4 search.html 3.1.1.1: parameters about the form of the answer, not the orders found. */
static bool is_about_answer(const char *parameter)
{
    static const char *const known[] = {"_format",   "_pretty",     "_count",        "_sort",
                                        "_include",  "_revinclude", "_summary",      "_total",
                                        "_elements", "_contained",  "_containedType"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(parameter, known[i]) == 0)
            return true;
    return false;
}

/* The one identifier of the query. NULL: there are other criteria; ignoring one could find, and
 * change, an order that was not meant. */
static json_t *match_of(const struct net_http_request *req)
{
    const char *name;
    const char *value;
    const char *identifier = NULL;
    for (size_t i = 0; net_http_query_at(req, i, &name, &value); i++) {
        if (is_about_answer(name))
            continue;
        if (identifier || strcmp(name, "identifier") != 0)
            return NULL;
        identifier = value;
    }
    return identifier ? hl7_fhir_read_token(identifier) : NULL;
}

void worklist_fhir_update_found(struct net_http_request *req, void *arg)
{
    json_t *request = request_of(req, "PUT", NULL);
    if (request)
        put_matching(req, arg, request, match_of(req));
}

/* The id of the path. False: answered already. */
static bool id_of(struct net_http_request *req, const char **id)
{
    *id = net_http_param(req, "id");
    size_t n = strlen(*id);
    if (n <= 18 && strspn(*id, "0123456789") == n)
        return true;
    refuse(req, 404, "not-found", "there is no such order; an id is a number");
    return false;
}

void worklist_fhir_update(struct net_http_request *req, void *arg)
{
    const char *id;
    json_t *request = id_of(req, &id) ? request_of(req, "PUT", id) : NULL;
    if (!request)
        return;
    json_object_set_new(request, "id", json_string(id));
    put_plain(req, arg, request);
}

/* ---- reading orders ---- */

static void on_read(void *arg, const struct db_outcome *outcome)
{
    const struct fhir *f = arg;
    if (has_failed(f, outcome))
        return;
    json_t *order = model_answer(outcome, 1);
    char version[24];
    snprintf(version, sizeof version, "%lld",
             (long long)json_integer_value(json_object_get(order, "version")));
    if (!order)
        api_problem_err(f->req, BASE_ENOMEM);
    else if (f->version && strcmp(f->version, version) != 0)
        refuse(f->req, 404, "not-found", "only the newest version of an order is kept to read");
    else
        reply_order(f->req, 200, order, false);
    json_decref(order);
}

void worklist_fhir_read(struct net_http_request *req, void *arg)
{
    const char *id;
    struct fhir *f = is_welcome(req) && id_of(req, &id) ? fhir_new(req) : NULL;
    if (!f)
        return;
    f->version = net_http_param(req, "version");
    ask(arg, f, DB_Q_ORDER_GET, (struct db_param[]){db_int(strtoll(id, NULL, 10))}, 1, on_read);
}

static void on_found(void *arg, const struct db_outcome *outcome)
{
    const struct fhir *f = arg;
    if (has_failed(f, outcome))
        return;
    json_t *orders = model_answer(outcome, 1);
    json_t *bundle = json_pack("{s:s, s:s, s:i}", "resourceType", "Bundle", "type", "searchset",
                               "total", (int)json_array_size(orders));
    json_t *entries = json_array();
    size_t i;
    const json_t *order;
    json_array_foreach(orders, i, order) json_array_append_new(
        entries, json_pack("{s:o, s:{s:s}}", "resource", hl7_fhir_write_order(order), "search",
                           "mode", "match"));
    /* R4 json.html: no empty arrays. */
    if (json_array_size(entries))
        json_object_set(bundle, "entry", entries);
    json_decref(entries);
    json_decref(orders);
    reply(f->req, 200, bundle);
}

static void search(struct net_http_request *req, void *arg)
{
    json_t *match = match_of(req);
    struct fhir *f = match ? fhir_new(req) : NULL;
    if (f)
        ask(arg, f, DB_Q_FHIR_FIND,
            (struct db_param[]){db_text(json_string_value(json_object_get(match, "system"))),
                                db_text(json_string_value(json_object_get(match, "value")))},
            2, on_found);
    else if (!match)
        refuse(req, 400, "not-supported",
               "orders are found by one identifier only: ?identifier=SYSTEM|VALUE");
    json_decref(match);
}

void worklist_fhir_search(struct net_http_request *req, void *arg)
{
    if (is_welcome(req))
        search(req, arg);
}

/* R4 http.html 3.1.0.14: the same, so that no identifier stands in an address. */
void worklist_fhir_search_form(struct net_http_request *req, void *arg)
{
    if (!is_welcome_as(req, FORM, "a search is a form: Content-Type: " FORM))
        return;
    if (net_http_query_add_form(req))
        refuse(req, 400, "structure", "the form is not percent-encoded UTF-8, or too long");
    else
        search(req, arg);
}

/* ---- the rest ---- */

void worklist_fhir_metadata(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_reply(req, 200, FHIR_JSON, base_bytes_str(hl7_fhir_capability));
}

void worklist_fhir_other(struct net_http_request *req, void *arg)
{
    const char *method = net_http_method(req);
    (void)arg;
    /* R4 http.html 3.1.0.7: 404 would say that the order is gone. */
    if (strcmp(method, "DELETE") == 0 || strcmp(method, "PATCH") == 0) {
        net_http_reply_header(req, "Allow", "GET, HEAD, POST, PUT");
        refuse(
            req, 405, "not-supported",
            "nothing is deleted or patched here: PUT the order, with status revoked to cancel it");
        return;
    }
    refuse(req, 404, "not-supported", "GET /fhir/metadata says what is served here");
}
