#include "ingest/ingest_permit.h"

#include "ingest/ingest_priv.h"
#include "model/model_answer.h"

#include <stdio.h>

struct asking {
    struct net_http_request *req;
    ingest_permit_fn *fn;
    void *arg;
};

/* Lives in the request's arena, so it is read before the answer. */
static void on_permit(void *arg, const struct db_outcome *outcome)
{
    struct asking a = *(struct asking *)arg;
    if (outcome->err) {
        if (outcome->err == BASE_EUNKNOWN) /* it only asks */
            api_problem_err(a.req, BASE_EUNAVAILABLE);
        else
            api_problem(a.req, outcome);
        a.fn(a.arg, NULL);
        return;
    }
    api_note_session(a.req, outcome);
    json_t *row = model_answer(outcome, 1);
    const char *code = json_string_value(json_object_get(row, "code"));
    struct ingest_permit permit = {
        .centre_id = json_integer_value(json_object_get(row, "centre_id")),
    };
    snprintf(permit.centre_code, sizeof permit.centre_code, "%s", code ? code : "");
    json_decref(row);
    a.fn(a.arg, &permit);
}

void ingest_permit_ask(struct ingest *g, struct net_http_request *req, ingest_permit_fn *fn,
                       void *arg)
{
    struct db_tx *tx = api_begin(g->config->api, req);
    if (!tx) {
        fn(arg, NULL);
        return;
    }
    struct asking *a = base_arena_alloc(net_http_arena(req), sizeof *a);
    if (!a) {
        db_tx_free(tx);
        api_problem_err(req, BASE_ENOMEM);
        fn(arg, NULL);
        return;
    }
    *a = (struct asking){.req = req, .fn = fn, .arg = arg};
    db_tx_add(tx, DB_Q_UPLOAD_PERMIT, NULL, 0);
    enum base_err err = db_tx_submit(tx, on_permit, a);
    if (err) {
        api_problem_err(req, err);
        fn(arg, NULL);
    }
}
