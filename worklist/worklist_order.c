/*
 * Orders by HTTP: what a centre enters, changes and cancels. The rules are in
 * db/migrations/005_orders.sql.
 */
#include "worklist/worklist_priv.h"

#include "model/model_pinyin.h"
#include "model/model_answer.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 500 };

/* The patient's name in pinyin goes along: the database has no tables for it. */
enum base_err worklist_order_pinyin(json_t *order)
{
    const json_t *name = json_object_get(order, "patient_name");
    struct base_buf pinyin = {0};
    json_object_del(order, "patient_pinyin");
    if (!json_is_string(name))
        name = json_object_get(json_object_get(order, "patient"), "name");
    if (!json_is_string(name))
        return BASE_OK;
    enum base_err err =
        model_pinyin_name(json_string_value(name), json_string_length(name), &pinyin);
    if (!err && json_object_set_new(order, "patient_pinyin", json_string(base_buf_cstr(&pinyin))))
        err = BASE_ENOMEM;
    base_buf_deinit(&pinyin);
    return err;
}

static void on_put(void *arg, const struct db_outcome *outcome)
{
    struct net_http_request *req = arg;
    if (outcome->err) {
        api_problem(req, outcome);
        return;
    }
    api_note_session(req, outcome);
    json_t *order = model_answer(outcome, 1);
    const char *done = json_string_value(json_object_get(order, "outcome"));
    int status = 200;
    if (done && strcmp(done, "created") == 0) {
        char location[64];
        snprintf(location, sizeof location, "/api/v1/orders/%lld",
                 (long long)json_integer_value(json_object_get(order, "id")));
        net_http_reply_header(req, "Location", location);
        status = 201;
    }
    net_http_reply(req, status, "application/json",
                   db_rows_view(db_outcome_rows(outcome, 1), 0, 0));
    json_decref(order);
}

/* Takes the order. */
static void put(const struct api *api, struct net_http_request *req, json_t *order,
                const char *control)
{
    /* The session decides whose order it is. */
    json_object_del(order, "centre_id");
    bool ok = json_object_set_new(order, "control", json_string(control)) == 0 &&
              worklist_order_pinyin(order) == BASE_OK;
    char *text = ok ? json_dumps(order, JSON_COMPACT) : NULL;
    json_decref(order);
    if (!text) {
        api_problem_err(req, BASE_ENOMEM);
        return;
    }
    struct db_tx *tx = api_begin(api, req);
    if (tx) {
        db_tx_add(tx, DB_Q_ORDER_PUT, (struct db_param[]){db_text(text)}, 1);
        enum base_err err = db_tx_submit(tx, on_put, req);
        if (err)
            api_problem_err(req, err);
    }
    free(text);
}

void worklist_post_order(struct net_http_request *req, void *arg)
{
    json_t *order = api_body(req, false);
    if (!order)
        return;
    json_object_del(order, "id");
    put(arg, req, order, "new");
}

static void put_by_id(struct net_http_request *req, const struct api *api, bool may_be_empty,
                      const char *control)
{
    int64_t id;
    json_t *order = api_path_id(req, "id", &id) ? api_body(req, may_be_empty) : NULL;
    if (!order)
        return;
    if (json_object_set_new(order, "id", json_integer(id))) {
        json_decref(order);
        api_problem_err(req, BASE_ENOMEM);
        return;
    }
    put(api, req, order, control);
}

void worklist_patch_order(struct net_http_request *req, void *arg)
{
    put_by_id(req, arg, false, "change");
}

void worklist_cancel_order(struct net_http_request *req, void *arg)
{
    put_by_id(req, arg, true, "cancel");
}

int64_t worklist_limit(struct net_http_request *req, int64_t most)
{
    const char *text = net_http_query(req, "limit");
    int64_t limit = text ? strtoll(text, NULL, 10) : most;
    return limit >= 1 && limit <= most ? limit : most;
}

void worklist_get_orders(struct net_http_request *req, void *arg)
{
    struct db_param params[] = {
        db_text(net_http_query(req, "state")), db_text(net_http_query(req, "accession")),
        db_text(net_http_query(req, "patient")), db_int(worklist_limit(req, LIST_MAX))};
    api_run(arg, req, DB_Q_ORDER_LIST, params, 4);
}

void worklist_get_order(struct net_http_request *req, void *arg)
{
    int64_t id;
    if (api_path_id(req, "id", &id))
        api_run(arg, req, DB_Q_ORDER_GET, (struct db_param[]){db_int(id)}, 1);
}

/* Whose study a quarantined exam is: the order's patient, or the objects'. Or which of the objects
 * under one UID is shown. */
void worklist_resolve_exam(struct net_http_request *req, void *arg)
{
    int64_t id;
    const char *patient = NULL;
    const char *object = NULL;
    const char *reason = NULL;
    json_t *body = api_path_id(req, "id", &id) ? api_body(req, false) : NULL;
    if (body && api_body_text(req, body, "object", false, &object) &&
        api_body_text(req, body, "patient", !object, &patient) &&
        api_body_text(req, body, "reason", true, &reason)) {
        if (object && patient)
            net_http_problem(req, 422, "a request decides about the patient or about an object",
                             "send one of patient and object");
        else
            api_run(arg, req, object ? DB_Q_EXAM_RESOLVE_OBJECT : DB_Q_EXAM_RESOLVE,
                    (struct db_param[]){db_int(id), db_text(object ? object : patient),
                                        db_text(reason)},
                    3);
    }
    json_decref(body);
}
