/*
 * Log-in and log-out. A password is checked on a thread for them alone, because argon2id
 * takes tens of milliseconds on purpose; so anyone could fill its queue. A right login must
 * get in beside such a crowd, even from the same address. So
 *
 * - logins of people who exist are checked first; their number is bounded, since an account
 *   has a share of the queue and is closed after ten failures;
 * - the others, and the answers to wrong passwords, wait behind; of those an address has a
 *   share. Beyond it they are put off: only what is wrong can be, so this refuses nobody;
 * - no rate of requests is asked for, since the address would be its only measure. Whoever is
 *   refused without a turn in the queue is put off, so a connection has no more of them.
 *
 * Whether a login exists must not show. So a wrong password of a person who exists has the turn
 * in the queue, the answers and, as far as the checks of others let it, the time of a login that
 * does not exist.
 */
#include "worklist/worklist_priv.h"

#include "api/api_limits_http.h"
#include "base/clock.h"
#include "model/model_password.h"
#include "model/model_answer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SESSION_MINUTES = 12 * 60,
    TOKEN_BYTES = 32,
    /* Longer than a check, so that it does not show whether there was one; and who does not heed
     * Retry-After gets no more than this from a connection. */
    PUT_OFF_MS = 1000
};

struct login {
    const struct api *api;
    struct net_http_request *req;
    struct loop_job job;
    struct api_rest rest;
    struct base_quota_row *address; /* a seat of each; NULL: none */
    struct base_quota_row *account;
    int64_t began_ms;
    int64_t person;   /* 0 = no such login */
    int64_t closed_s; /* so long the account stays closed */
    char hash[MODEL_PASSWORD_HASH];
    char password[MODEL_PASSWORD_MAX + 1];
    bool matches;
    char token[2 * TOKEN_BYTES + 1];
};

static void login_free(struct login *l)
{
    api_limits_login_end(l->api->limits, l->address);
    api_limits_login_end(l->api->limits, l->account);
    explicit_bzero(l, sizeof *l);
    free(l);
}

static const char closed_detail[] =
    "after ten failures in a row the account is closed for five minutes";

static void refuse(struct login *l)
{
    net_http_problem(l->req, 401, "login or password is wrong", closed_detail);
    login_free(l);
}

static void refuse_until(struct login *l, int64_t seconds, const char *title, const char *detail)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, seconds);
    net_http_reply_header(l->req, "Retry-After", text);
    net_http_problem(l->req, 429, title, detail);
    login_free(l);
}

/* ---- what is wrong waits ---- */

static void on_put_off(void *arg)
{
    struct login *l = arg;
    if (l->closed_s > 0) {
        refuse_until(l, l->closed_s, "too many failed logins", closed_detail);
        return;
    }
    refuse_until(l, 1, "too many logins from this address or of this account are waiting",
                 "from this address only wrong ones are refused, so look at login and password; "
                 "of one account any: try again as Retry-After says");
}

static void put_off(struct login *l)
{
    int64_t ms = l->began_ms + PUT_OFF_MS - base_clock_mono_ms();
    api_rest_begin(l->api->limits, &l->rest, ms > 0 ? ms : 0, on_put_off, l);
}

static void take_turn(void *arg)
{
    (void)arg; /* the password was checked before its turn */
}

static void on_turn(void *arg, bool cancelled)
{
    (void)cancelled;
    refuse(arg);
}

static void on_failure_noted(void *arg, const struct db_outcome *outcome)
{
    struct login *l = arg;
    (void)outcome;
    if (l->address)
        loop_work(l->api->loop, &l->job, LOOP_LOGIN, LOOP_ORDINARY, take_turn, on_turn, l);
    else
        put_off(l);
}

/* ---- what is right gets in ---- */

static void on_opened(void *arg, const struct db_outcome *outcome)
{
    struct login *l = arg;
    if (outcome->err) {
        api_problem(l->req, outcome);
        login_free(l);
        return;
    }
    json_t *reply = model_answer(outcome, 0);
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
        return;
    }
    api_limits_login_end(l->api->limits, l->account);
    l->account = NULL;
    if (l->matches)
        open_session(l);
    else if (!l->person || db_call(l->api->db, DB_Q_SESSION_FAILED,
                                   (struct db_param[]){db_int(l->person)}, 1, on_failure_noted, l))
        refuse(l);
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
    l->closed_s = db_rows_int(rows, 0, 2);
    if (l->person && l->closed_s <= 0)
        l->account = api_limits_login(l->api->limits, BASE_QUOTA_ACCOUNT, l->person);
    if (l->person ? !l->account : !l->address)
        put_off(l);
    else
        loop_work(l->api->loop, &l->job, LOOP_LOGIN, l->person ? LOOP_STAT : LOOP_ORDINARY,
                  check_password, on_checked, l);
}

static void find_person(const struct api *api, struct net_http_request *req, const char *login,
                        const char *password)
{
    if (strlen(password) > MODEL_PASSWORD_MAX) {
        net_http_problem(req, 401, "login or password is wrong", "");
        return;
    }
    struct login *l = calloc(1, sizeof *l);
    if (!l) {
        api_problem_err(req, BASE_ENOMEM);
        return;
    }
    l->api = api;
    l->req = req;
    l->began_ms = base_clock_mono_ms();
    l->address = api_limits_login(api->limits, BASE_QUOTA_ADDRESS, api_limits_http_address(req));
    memcpy(l->password, password, strlen(password) + 1);
    enum base_err err =
        db_call(api->db, DB_Q_SESSION_LOGIN, (struct db_param[]){db_text(login)}, 1, on_person, l);
    if (err) {
        api_problem_err(req, err);
        login_free(l);
    }
}

void worklist_post_session(struct net_http_request *req, void *arg)
{
    const char *login = NULL;
    const char *password = NULL;
    json_t *body = api_body(req, false);
    if (body && api_body_text(req, body, "login", true, &login) &&
        api_body_text(req, body, "password", true, &password))
        find_person(arg, req, login, password);
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
