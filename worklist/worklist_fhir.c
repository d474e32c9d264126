/*
 * Orders by FHIR R4 (http.html): ServiceRequest alone, and in transactions and
 * batches. hl7/ reads the resources; the rules are in db/migrations/005_orders.sql and
 * 013_fhir.sql; worklist_fhir_answer.h answers.
 */
#include "worklist/worklist_priv.h"

#include "hl7/hl7_fhir.h"
#include "model/model_answer.h"
#include "worklist/worklist_fhir_answer.h"

#include <stdlib.h>
#include <string.h>

#define FORM "application/x-www-form-urlencoded"

/* ---- what is asked ---- */

/* False: answered already. */
static bool has_token(struct net_http_request *req)
{
    uint8_t hash[BASE_SHA256];
    if (api_token(req, hash))
        return true;
    worklist_fhir_refuse(
        req, 401, "login",
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
        worklist_fhir_refuse(req, 415, "not-supported", why);
    else if ((format && !strstr(format, "json")) ||
             (!format && accept && !strstr(accept, "json") && !strstr(accept, "*/*")))
        worklist_fhir_refuse(req, 406, "not-supported",
                             "only JSON is written: Accept: " WORKLIST_FHIR_JSON);
    else
        return true;
    return false;
}

static bool is_welcome(struct net_http_request *req)
{
    return is_welcome_as(req, "json", "only JSON is read: Content-Type: " WORKLIST_FHIR_JSON);
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
    worklist_fhir_refuse(req, 400, "structure", text);
    return NULL;
}

static struct worklist_fhir *fhir_new(struct net_http_request *req)
{
    struct worklist_fhir *f = base_arena_alloc(net_http_arena(req), sizeof *f);
    if (!f) {
        api_problem_err(req, BASE_ENOMEM);
        return NULL;
    }
    *f = (struct worklist_fhir){.req = req};
    return f;
}

/* Takes tx, which may be NULL: answered already. */
static void submit(struct worklist_fhir *f, struct db_tx *tx, db_done_fn *done)
{
    if (tx && db_tx_submit(tx, done, f))
        worklist_fhir_refuse(f->req, 503, "transient",
                             "the server is busy; try again in a few seconds");
}

static void ask(const struct api *api, struct worklist_fhir *f, enum db_query query,
                const struct db_param *params, size_t n, db_done_fn *done)
{
    struct db_tx *tx = api_begin(api, f->req);
    if (tx)
        db_tx_add(tx, query, params, n);
    submit(f, tx, done);
}

static void on_sender_known(void *arg, const struct db_outcome *outcome)
{
    const struct worklist_fhir *f = arg;
    if (!worklist_fhir_has_failed(f, outcome))
        net_http_collect(f->req);
}

void worklist_fhir_collect(const struct api *api, struct net_http_request *req)
{
    struct worklist_fhir *f = has_token(req) ? fhir_new(req) : NULL;
    if (f)
        submit(f, api_begin(api, req), on_sender_known);
}

/* ---- writing orders ---- */

static void on_put(void *arg, const struct db_outcome *outcome)
{
    const struct worklist_fhir *f = arg;
    if (worklist_fhir_has_failed(f, outcome))
        return;
    json_t *results = model_answer(outcome, 1);
    const json_t *one = json_array_get(results, 0);
    if (!results)
        api_problem_err(f->req, BASE_ENOMEM);
    else if (f->bundle)
        worklist_fhir_reply_bundle(f, results);
    else
        worklist_fhir_reply_order(f->req, (int)json_integer_value(json_object_get(one, "status")),
                                  json_object_get(one, "order"), true);
    json_decref(results);
}

/* Takes requests. */
static void put(const struct api *api, struct worklist_fhir *f, json_t *requests)
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
    struct worklist_fhir *f = body ? fhir_new(req) : NULL;
    if (f) {
        f->bundle = true;
        enum base_err err = hl7_fhir_read_bundle(body, &f->atomic, &requests, &issue);
        if (!err)
            put(arg, f, requests);
        else if (err == BASE_EFORMAT)
            worklist_fhir_reply_issue(req, &issue);
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
    worklist_fhir_refuse(req, 400, "invalid",
                         "the id in the resource is another than that in the address");
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
        worklist_fhir_reply_issue(req, &issue);
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
        worklist_fhir_refuse(req, 400, "value",
                             "If-Match must be the ETag of the order, such as W/\"1\"");
        return false;
    }
    json_object_set_new(request, "version", json_integer(version));
    return true;
}

/* Takes request and match; match NULL: a search that we do not support. */
static void put_matching(struct net_http_request *req, const struct api *api, json_t *request,
                         json_t *match)
{
    struct worklist_fhir *f = match && add_version(req, request) ? fhir_new(req) : NULL;
    if (!match)
        worklist_fhir_refuse(req, 400, "not-supported",
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
    struct worklist_fhir *f = add_version(req, request) ? fhir_new(req) : NULL;
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
    worklist_fhir_refuse(req, 404, "not-found", "there is no such order; an id is a number");
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
    const struct worklist_fhir *f = arg;
    if (worklist_fhir_has_failed(f, outcome))
        return;
    json_t *order = model_answer(outcome, 1);
    char version[24];
    snprintf(version, sizeof version, "%lld",
             (long long)json_integer_value(json_object_get(order, "version")));
    if (!order)
        api_problem_err(f->req, BASE_ENOMEM);
    else if (f->version && strcmp(f->version, version) != 0)
        worklist_fhir_refuse(f->req, 404, "not-found",
                             "only the newest version of an order is kept to read");
    else
        worklist_fhir_reply_order(f->req, 200, order, false);
    json_decref(order);
}

void worklist_fhir_read(struct net_http_request *req, void *arg)
{
    const char *id;
    struct worklist_fhir *f = is_welcome(req) && id_of(req, &id) ? fhir_new(req) : NULL;
    if (!f)
        return;
    f->version = net_http_param(req, "version");
    ask(arg, f, DB_Q_ORDER_GET, (struct db_param[]){db_int(strtoll(id, NULL, 10))}, 1, on_read);
}

static void on_found(void *arg, const struct db_outcome *outcome)
{
    const struct worklist_fhir *f = arg;
    if (worklist_fhir_has_failed(f, outcome))
        return;
    json_t *orders = model_answer(outcome, 1);
    worklist_fhir_reply_found(f->req, orders);
    json_decref(orders);
}

static void search(struct net_http_request *req, void *arg)
{
    json_t *match = match_of(req);
    struct worklist_fhir *f = match ? fhir_new(req) : NULL;
    if (f)
        ask(arg, f, DB_Q_FHIR_FIND,
            (struct db_param[]){db_text(json_string_value(json_object_get(match, "system"))),
                                db_text(json_string_value(json_object_get(match, "value")))},
            2, on_found);
    else if (!match)
        worklist_fhir_refuse(req, 400, "not-supported",
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
        worklist_fhir_refuse(req, 400, "structure",
                             "the form is not percent-encoded UTF-8, or too long");
    else
        search(req, arg);
}

/* ---- the rest ---- */

void worklist_fhir_metadata(struct net_http_request *req, void *arg)
{
    (void)arg;
    net_http_reply(req, 200, WORKLIST_FHIR_JSON, base_bytes_str(hl7_fhir_capability));
}

void worklist_fhir_other(struct net_http_request *req, void *arg)
{
    const char *method = net_http_method(req);
    (void)arg;
    /* R4 http.html 3.1.0.7: 404 would say that the order is gone. */
    if (strcmp(method, "DELETE") == 0 || strcmp(method, "PATCH") == 0) {
        net_http_reply_header(req, "Allow", "GET, HEAD, POST, PUT");
        worklist_fhir_refuse(
            req, 405, "not-supported",
            "nothing is deleted or patched here: PUT the order, with status revoked to cancel it");
        return;
    }
    worklist_fhir_refuse(req, 404, "not-supported", "GET /fhir/metadata says what is served here");
}
