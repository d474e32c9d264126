/*
 * What the JSON routes of all flow folders have in common: the session token of
 * the caller; one transaction per request, as rdc_api, that begins with
 * session_enter; and its one JSON result, or its error as application/problem+json
 * (RFC 9457), as the response.
 */
#ifndef API_H
#define API_H

#include "base/conf.h"
#include "base/digest.h"
#include "db/db.h"
#include "net/net_http.h"

#include <jansson.h>

struct api {
    struct loop *loop;
    struct db *db; /* as rdc_api */
    const struct base_conf *conf;
    struct api_limits *limits;
};

/* The SHA-256 of the request's token: Authorization: Bearer, else the cookie
 * rdc_session. False when there is none. */
bool api_token(struct net_http_request *req, uint8_t hash[BASE_SHA256]);

/* A transaction that has entered the session of this request. NULL: answered
 * already (401, 500). */
struct db_tx *api_begin(const struct api *api, struct net_http_request *req);
/* Runs one statement as the caller. The first column of its result is JSON and answers the
 * request with 200; an error answers it with a problem. */
void api_run(const struct api *api, struct net_http_request *req, enum db_query query,
             const struct db_param *params, size_t n);
/* Counts the request for the organisation of the session that the first statement
 * entered. api_run does this; for callers that submit a tx themselves. */
void api_note_session(struct net_http_request *req, const struct db_outcome *outcome);
/* For a server's on_collect: the body is collected once the session is found to be one. */
void api_collect(const struct api *api, struct net_http_request *req);
/* Answers with the problem of a failed transaction. */
void api_problem(struct net_http_request *req, const struct db_outcome *outcome);
/* The same for a submit that failed at once. */
void api_problem_err(struct net_http_request *req, enum base_err err);

/* Path parameter as a row id. False: answered already (404). */
bool api_path_id(struct net_http_request *req, const char *name, int64_t *id);

enum { API_JSON_TEXT = 256 };

/* The body as a JSON object, after a byte order mark (RFC 8259 8.1). NULL: text says what is wrong
 * with it. The caller owns it. */
json_t *api_json(struct base_bytes body, char text[API_JSON_TEXT]);
/* The body as a JSON object. An empty body is {} where allowed. NULL: answered
 * already (400). The caller owns it. */
json_t *api_body(struct net_http_request *req, bool may_be_empty);
/* Members of a body; *out keeps its value when absent. False: answered already
 * (422: wrong type, or required and absent). */
bool api_body_int(struct net_http_request *req, const json_t *body, const char *name, bool required,
                  int64_t *out);
bool api_body_text(struct net_http_request *req, const json_t *body, const char *name,
                   bool required, const char **out);

#endif
