#include "api/api.h"

#include "api/api_limits_http.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

bool api_token(struct net_http_request *req, uint8_t hash[BASE_SHA256])
{
    const char *token = net_http_bearer(req);
    if (!token)
        token = net_http_cookie(req, "rdc_session");
    if (!token)
        return false;
    base_sha256_once(token, strlen(token), hash);
    return true;
}

struct db_tx *api_begin(const struct api *api, struct net_http_request *req)
{
    uint8_t hash[BASE_SHA256];
    if (!api_token(req, hash)) {
        net_http_problem(req, 401, "no session",
                         "log in with POST /api/v1/session and send the token as Authorization: "
                         "Bearer");
        return NULL;
    }
    struct db_tx *tx = db_tx_new(api->db, LOOP_ORDINARY);
    if (!tx)
        api_problem_err(req, BASE_ENOMEM);
    db_tx_add(tx, DB_Q_SESSION_ENTER, (struct db_param[]){db_bytes(hash, sizeof hash)}, 1);
    return tx;
}

void api_problem(struct net_http_request *req, const struct db_outcome *outcome)
{
    int status = db_http_status(outcome);
    if (status < 500) {
        net_http_problem(req, status, outcome->message, outcome->hint);
        return;
    }
    /* What the database says may quote a patient's name: it goes neither to
     * the log nor to the person. */
    BASE_LOG(ERROR, "request_failed", LOG_S("sqlstate", outcome->sqlstate),
             LOG_S("error", base_err_text(outcome->err)), LOG_S("constraint", outcome->constraint));
    api_problem_err(req, outcome->err);
}

void api_problem_err(struct net_http_request *req, enum base_err err)
{
    int status = db_http_status_err(err);
    bool reads =
        strcmp(net_http_method(req), "GET") == 0 || strcmp(net_http_method(req), "HEAD") == 0;
    if (err == BASE_EUNKNOWN && !reads)
        net_http_problem(req, status, "the database went away before it answered",
                         "it is not known whether the change was made: look before you try again");
    else if (status == 503)
        net_http_problem(req, status, "the database cannot be reached now",
                         "nothing was changed; try again in a few seconds");
    else
        net_http_problem(req, status, base_err_text(err), "");
}

void api_note_session(struct net_http_request *req, const struct db_outcome *outcome)
{
    api_limits_http_owner(req, db_rows_int(db_outcome_rows(outcome, 0), 0, 0));
}

static void on_done(void *arg, const struct db_outcome *outcome)
{
    struct net_http_request *req = arg;
    if (outcome->err) {
        api_problem(req, outcome);
        return;
    }
    api_note_session(req, outcome);
    const struct db_rows *rows = db_outcome_rows(outcome, 1); /* 0 entered the session */
    net_http_reply(req, 200, "application/json", db_rows_view(rows, 0, 0));
}

void api_run(const struct api *api, struct net_http_request *req, enum db_query query,
             const struct db_param *params, size_t n)
{
    struct db_tx *tx = api_begin(api, req);
    if (!tx)
        return;
    db_tx_add(tx, query, params, n);
    enum base_err err = db_tx_submit(tx, on_done, req);
    if (err)
        api_problem_err(req, err);
}

static void on_sender_known(void *arg, const struct db_outcome *outcome)
{
    struct net_http_request *req = arg;
    if (outcome->err) {
        api_problem(req, outcome);
        return;
    }
    api_note_session(req, outcome);
    net_http_collect(req);
}

void api_collect(const struct api *api, struct net_http_request *req)
{
    struct db_tx *tx = api_begin(api, req);
    if (!tx)
        return;
    enum base_err err = db_tx_submit(tx, on_sender_known, req);
    if (err)
        api_problem_err(req, err);
}

bool api_path_id(struct net_http_request *req, const char *name, int64_t *id)
{
    const char *text = net_http_param(req, name);
    char *end = NULL;
    size_t n = text ? strlen(text) : 0;
    if (n > 0 && n <= 18 && strspn(text, "0123456789") == n) {
        *id = strtoll(text, &end, 10);
        return true;
    }
    net_http_problem(req, 404, "no such exam", "an exam's id is a number");
    return false;
}

json_t *api_json(struct base_bytes body, char text[API_JSON_TEXT])
{
    json_error_t e;
    if (body.n >= 3 && memcmp(body.p, "\xEF\xBB\xBF", 3) == 0)
        body = base_bytes_of(body.p + 3, body.n - 3);
    json_t *root = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &e);
    if (json_is_object(root))
        return root;
    if (root)
        snprintf(text, API_JSON_TEXT, "it must be an object");
    else if (body.n == 0)
        snprintf(text, API_JSON_TEXT, "it is empty");
    else
        snprintf(text, API_JSON_TEXT, "line %d, column %d: %s", e.line, e.column, e.text);
    json_decref(root);
    return NULL;
}

json_t *api_body(struct net_http_request *req, bool may_be_empty)
{
    struct base_bytes body = net_http_body(req);
    char detail[API_JSON_TEXT];
    if (body.n == 0 && may_be_empty)
        return json_object();
    json_t *root = api_json(body, detail);
    if (root)
        return root;
    net_http_problem(req, 400, "the body is not the JSON expected", detail);
    return NULL;
}

static bool wrong_member(struct net_http_request *req, const char *name, const char *what)
{
    char title[128];
    snprintf(title, sizeof title, "%s %s", name, what);
    net_http_problem(req, 422, title, "see docs/openapi.yaml");
    return false;
}

bool api_body_int(struct net_http_request *req, const json_t *body, const char *name, bool required,
                  int64_t *out)
{
    const json_t *v = json_object_get(body, name);
    if (!v || json_is_null(v))
        return required ? wrong_member(req, name, "is missing") : true;
    if (!json_is_integer(v))
        return wrong_member(req, name, "must be an integer");
    *out = json_integer_value(v);
    return true;
}

bool api_body_text(struct net_http_request *req, const json_t *body, const char *name,
                   bool required, const char **out)
{
    const json_t *v = json_object_get(body, name);
    if (!v || json_is_null(v))
        return required ? wrong_member(req, name, "is missing") : true;
    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
        return wrong_member(req, name, "must be a text");
    *out = json_string_value(v);
    return true;
}
