/*
 * Log-in and log-out. The password is checked on the CPU pool, because argon2id
 * takes tens of milliseconds on purpose.
 */
#include "worklist/worklist_priv.h"

#include "model/model_password.h"

#include <stdlib.h>
#include <string.h>

enum { SESSION_MINUTES = 12 * 60, TOKEN_BYTES = 32 };

struct login {
    const struct api *api;
    struct net_http_request *req;
    struct loop_job job;
    int64_t person; /* 0 = no such login */
    char hash[MODEL_PASSWORD_HASH];
    char password[MODEL_PASSWORD_MAX + 1];
    bool matches;
    char token[2 * TOKEN_BYTES + 1];
};

static void login_free(struct login *l)
{
    explicit_bzero(l, sizeof *l);
    free(l);
}

static void refuse(struct login *l)
{
    net_http_problem(l->req, 401, "login or password is wrong",
                     "after ten failures in a row the account is closed for five minutes");
    login_free(l);
}

static void on_opened(void *arg, const struct db_outcome *outcome)
{
    struct login *l = arg;
    if (outcome->err) {
        api_problem(l->req, outcome);
        login_free(l);
        return;
    }
    json_t *reply = json_loads(db_rows_text(db_outcome_rows(outcome, 0), 0, 0), 0, NULL);
    json_object_set_new(reply, "token", json_string(l->token));
    char *text = json_dumps(reply, JSON_COMPACT);
    char cookie[160];
    snprintf(cookie, sizeof cookie, "rdc_session=%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%d",
             l->token, SESSION_MINUTES * 60);
    net_http_reply_header(l->req, "Set-Cookie", cookie);
    net_http_reply(l->req, 200, "application/json", base_bytes_str(text ? text : "{}"));
    free(text);
    json_decref(reply);
    login_free(l);
}

static void on_failure_noted(void *arg, const struct db_outcome *outcome)
{
    (void)outcome;
    refuse(arg);
}

static void open_session(struct login *l)
{
    uint8_t token[TOKEN_BYTES];
    uint8_t hash[BASE_SHA256];
    base_random(token, sizeof token);
    base_hex(token, sizeof token, l->token);
    base_sha256_once(l->token, 2 * sizeof token, hash);
    struct db_param params[] = {db_int(l->person), db_bytes(hash, sizeof hash),
                                db_int(SESSION_MINUTES)};
    enum base_err err = db_call(l->api->db, DB_Q_SESSION_OPEN, params, 3, on_opened, l);
    if (err) {
        api_problem_err(l->req, err);
        login_free(l);
    }
}

static void check_password(void *arg)
{
    struct login *l = arg;
    l->matches = model_password_matches(l->person ? l->hash : NULL, l->password);
}

static void on_checked(void *arg, bool cancelled)
{
    struct login *l = arg;
    if (cancelled) {
        net_http_problem(l->req, 503, "rdc is stopping", "try again");
        login_free(l);
    } else if (l->matches) {
        open_session(l);
    } else if (!l->person ||
               db_call(l->api->db, DB_Q_SESSION_FAILED, (struct db_param[]){db_int(l->person)}, 1,
                       on_failure_noted, l)) {
        refuse(l);
    }
}

static void on_person(void *arg, const struct db_outcome *outcome)
{
    struct login *l = arg;
    if (outcome->err) {
        api_problem(l->req, outcome);
        login_free(l);
        return;
    }
    const struct db_rows *rows = db_outcome_rows(outcome, 0);
    l->person = db_rows_int(rows, 0, 0);
    snprintf(l->hash, sizeof l->hash, "%s", db_rows_text(rows, 0, 1));
    loop_work(l->api->loop, &l->job, LOOP_LOGIN, LOOP_ORDINARY, check_password, on_checked, l);
}

void worklist_post_session(struct net_http_request *req, void *arg)
{
    const struct api *api = arg;
    const char *login = NULL;
    const char *password = NULL;
    json_t *body = api_body(req, false);
    if (!body)
        return;
    if (api_body_text(req, body, "login", true, &login) &&
        api_body_text(req, body, "password", true, &password)) {
        struct login *l = calloc(1, sizeof *l);
        if (!l || strlen(password) >= sizeof l->password) {
            net_http_problem(req, 401, "login or password is wrong", "");
            free(l);
        } else {
            l->api = api;
            l->req = req;
            memcpy(l->password, password, strlen(password) + 1);
            enum base_err err = db_call(api->db, DB_Q_SESSION_LOGIN,
                                        (struct db_param[]){db_text(login)}, 1, on_person, l);
            if (err) {
                api_problem_err(req, err);
                login_free(l);
            }
        }
    }
    json_decref(body);
}

static void on_closed(void *arg, const struct db_outcome *outcome)
{
    struct net_http_request *req = arg;
    if (outcome->err) {
        api_problem(req, outcome);
        return;
    }
    net_http_reply_header(req, "Set-Cookie",
                          "rdc_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    net_http_reply(req, 204, NULL, base_bytes_of(NULL, 0));
}

void worklist_delete_session(struct net_http_request *req, void *arg)
{
    const struct api *api = arg;
    uint8_t hash[BASE_SHA256];
    struct db_tx *tx = api_begin(api, req);
    if (!tx)
        return;
    if (api_token(req, hash))
        db_tx_add(tx, DB_Q_SESSION_CLOSE, (struct db_param[]){db_bytes(hash, sizeof hash)}, 1);
    enum base_err err = db_tx_submit(tx, on_closed, req);
    if (err)
        api_problem_err(req, err);
}
