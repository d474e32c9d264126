#include "worklist/worklist_priv.h"

#include "model/model_cause.h"

#include <string.h>

enum { LIST_MAX = 500 };

static void get_worklist(struct net_http_request *req, void *arg)
{
    api_run(arg, req, DB_Q_EXAM_WORKLIST, (struct db_param[]){db_int(LIST_MAX)}, 1);
}

static void get_exams(struct net_http_request *req, void *arg)
{
    struct db_param params[] = {db_text(net_http_query(req, "state")),
                                db_text(net_http_query(req, "since")),
                                db_int(worklist_limit(req, LIST_MAX))};
    api_run(arg, req, DB_Q_EXAM_LIST, params, 3);
}

static void get_exam(struct net_http_request *req, void *arg)
{
    int64_t id;
    if (api_path_id(req, "id", &id))
        api_run(arg, req, DB_Q_EXAM_GET, (struct db_param[]){db_int(id)}, 1);
}

static int lease_seconds(const struct api *api)
{
    return (int)api->conf->lease_seconds;
}

static void post_claim(struct net_http_request *req, void *arg)
{
    int64_t id;
    if (api_path_id(req, "id", &id))
        api_run(arg, req, DB_Q_EXAM_CLAIM,
                (struct db_param[]){db_int(id), db_int(lease_seconds(arg))}, 2);
}

static void post_recall(struct net_http_request *req, void *arg)
{
    int64_t id;
    if (api_path_id(req, "id", &id))
        api_run(arg, req, DB_Q_EXAM_RECALL,
                (struct db_param[]){db_int(id), db_int(lease_seconds(arg))}, 2);
}

static void post_heartbeat(struct net_http_request *req, void *arg)
{
    int64_t id;
    int64_t lease = 0;
    json_t *body = api_path_id(req, "id", &id) ? api_body(req, false) : NULL;
    if (body && api_body_int(req, body, "lease", true, &lease))
        api_run(arg, req, DB_Q_EXAM_HEARTBEAT,
                (struct db_param[]){db_int(id), db_int(lease), db_int(lease_seconds(arg))}, 3);
    json_decref(body);
}

static void put_draft(struct net_http_request *req, void *arg)
{
    int64_t id;
    int64_t lease = 0;
    json_t *body = api_path_id(req, "id", &id) ? api_body(req, false) : NULL;
    if (body && api_body_int(req, body, "lease", true, &lease)) {
        char *report = json_dumps(json_object_get(body, "report"), JSON_COMPACT);
        if (report)
            api_run(arg, req, DB_Q_EXAM_DRAFT,
                    (struct db_param[]){db_int(id), db_int(lease), db_text(report),
                                        db_int(lease_seconds(arg))},
                    4);
        else
            net_http_problem(req, 422, "report is missing",
                             "{\"lease\": 1, \"report\": {\"findings\": \"…\", \"impression\": "
                             "\"…\"}}");
        free(report);
    }
    json_decref(body);
}

/* Submit and sign: with the report, and the digest of the objects that were shown. */
static void finish_writing(struct net_http_request *req, void *arg, enum db_query query)
{
    int64_t id;
    int64_t lease = 0;
    const char *digest = NULL;
    json_t *body = api_path_id(req, "id", &id) ? api_body(req, false) : NULL;
    if (body && api_body_int(req, body, "lease", true, &lease) &&
        api_body_text(req, body, "objects_digest", false, &digest))
        api_run(arg, req, query, (struct db_param[]){db_int(id), db_int(lease), db_text(digest)},
                3);
    json_decref(body);
}

static void post_submit(struct net_http_request *req, void *arg)
{
    finish_writing(req, arg, DB_Q_EXAM_SUBMIT);
}

static void post_sign(struct net_http_request *req, void *arg)
{
    finish_writing(req, arg, DB_Q_EXAM_SIGN);
}

static void post_priority(struct net_http_request *req, void *arg)
{
    int64_t id;
    const char *priority = NULL;
    const char *reason = NULL;
    json_t *body = api_path_id(req, "id", &id) ? api_body(req, false) : NULL;
    if (body && api_body_text(req, body, "priority", true, &priority) &&
        api_body_text(req, body, "reason", false, &reason))
        api_run(arg, req, DB_Q_EXAM_SET_PRIORITY,
                (struct db_param[]){db_int(id), db_text(priority), db_text(reason)}, 3);
    json_decref(body);
}

/* The other verbs differ in who may use them; the table of transitions knows
 * the rest. */
static bool is_verb_of_reader(const char *verb)
{
    static const char *const verbs[] = {"release", "reject", "return",
                                        "forward", "amend",  "retract"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verb, verbs[i]) == 0)
            return true;
    return false;
}

static bool is_verb_of_centre(const char *verb)
{
    return strcmp(verb, "withdraw") == 0 || strcmp(verb, "restore") == 0 ||
           strcmp(verb, "cannot") == 0;
}

static void post_verb(struct net_http_request *req, void *arg)
{
    const char *verb = net_http_param(req, "verb");
    int64_t id;
    int64_t lease = 0;
    const char *reason = NULL;
    const char *hospital = NULL;
    json_t *body = api_path_id(req, "id", &id) ? api_body(req, true) : NULL;
    if (!body || !api_body_int(req, body, "lease", false, &lease) ||
        !api_body_text(req, body, "reason", false, &reason) ||
        !api_body_text(req, body, "hospital", false, &hospital)) {
        json_decref(body);
        return;
    }
    if (is_verb_of_reader(verb))
        api_run(arg, req, DB_Q_EXAM_READER_ACT,
                (struct db_param[]){db_int(id), db_text(verb), db_int(lease), db_text(reason),
                                    db_text(hospital)},
                5);
    else if (is_verb_of_centre(verb))
        api_run(arg, req, DB_Q_EXAM_CENTRE_ACT,
                (struct db_param[]){db_int(id), db_text(verb), db_text(reason)}, 3);
    else
        net_http_problem(req, 404, "no such verb", "see docs/openapi.yaml");
    json_decref(body);
}

static void get_device_doctor(struct net_http_request *req, void *arg)
{
    struct base_buf causes = {0};
    model_cause_json(&causes);
    struct db_param params[] = {db_text(net_http_param(req, "aet")), db_buf(&causes)};
    api_run(arg, req, DB_Q_DEVICE_DOCTOR, params, 2);
    base_buf_deinit(&causes);
}

enum { REPORT_BODY_MAX = 512 * 1024 };

#define NO_BODY    NET_HTTP_BODY_NONE, 0, 0
#define SMALL_BODY NET_HTTP_BODY_COLLECTED, 16 * 1024, 0
/* Others share the address, which is what a request without a session is counted by. */
#define LOGIN_BODY NET_HTTP_BODY_COLLECTED, 16 * 1024, NET_HTTP_UNCOUNTED
#define FHIR_BODY  NET_HTTP_BODY_COLLECTED, 512 * 1024, 0

static const struct net_http_route routes[] = {
    {"POST", "/api/v1/session", "", worklist_post_session, LOGIN_BODY},
    {"DELETE", "/api/v1/session", "", worklist_delete_session, NO_BODY},
    {"GET", "/api/v1/worklist", "", get_worklist, NO_BODY},
    {"GET", "/api/v1/exams", "limit, since, state", get_exams, NO_BODY},
    {"GET", "/api/v1/exams/{id}", "", get_exam, NO_BODY},
    {"POST", "/api/v1/exams/{id}/claim", "", post_claim, SMALL_BODY},
    {"POST", "/api/v1/exams/{id}/heartbeat", "", post_heartbeat, SMALL_BODY},
    {"PUT", "/api/v1/exams/{id}/draft", "", put_draft, NET_HTTP_BODY_COLLECTED, REPORT_BODY_MAX, 0},
    {"POST", "/api/v1/exams/{id}/submit", "", post_submit, SMALL_BODY},
    {"POST", "/api/v1/exams/{id}/recall", "", post_recall, SMALL_BODY},
    {"POST", "/api/v1/exams/{id}/sign", "", post_sign, SMALL_BODY},
    {"POST", "/api/v1/exams/{id}/resolve", "", worklist_resolve_exam, SMALL_BODY},
    {"POST", "/api/v1/exams/{id}/priority", "", post_priority, SMALL_BODY},
    {"POST", "/api/v1/exams/{id}/{verb}", "", post_verb, SMALL_BODY},
    {"GET", "/api/v1/devices/{aet}/doctor", "", get_device_doctor, NO_BODY},
    {"POST", "/api/v1/orders", "", worklist_post_order, SMALL_BODY},
    {"GET", "/api/v1/orders", "accession, limit, patient, state", worklist_get_orders, NO_BODY},
    {"GET", "/api/v1/orders/{id}", "", worklist_get_order, NO_BODY},
    {"PATCH", "/api/v1/orders/{id}", "", worklist_patch_order, SMALL_BODY},
    {"POST", "/api/v1/orders/{id}/cancel", "", worklist_cancel_order, SMALL_BODY},
    {"GET", "/fhir/metadata", NULL, worklist_fhir_metadata, NO_BODY},
    {"POST", "/fhir", NULL, worklist_fhir_bundle, FHIR_BODY},
    {"POST", "/fhir/", NULL, worklist_fhir_bundle, FHIR_BODY}, /* as some clients write it */
    {"POST", "/fhir/ServiceRequest", NULL, worklist_fhir_create, FHIR_BODY},
    {"PUT", "/fhir/ServiceRequest", NULL, worklist_fhir_update_found, FHIR_BODY},
    {"PUT", "/fhir/ServiceRequest/{id}", NULL, worklist_fhir_update, FHIR_BODY},
    {"GET", "/fhir/ServiceRequest", NULL, worklist_fhir_search, NO_BODY},
    {"POST", "/fhir/ServiceRequest/_search", NULL, worklist_fhir_search_form, SMALL_BODY},
    {"GET", "/fhir/ServiceRequest/{id}", NULL, worklist_fhir_read, NO_BODY},
    {"GET", "/fhir/ServiceRequest/{id}/_history/{version}", NULL, worklist_fhir_read, NO_BODY},
    {"GET", "/fhir/{rest*}", NULL, worklist_fhir_other, NO_BODY},
    {"POST", "/fhir/{rest*}", NULL, worklist_fhir_other, FHIR_BODY},
    {"PUT", "/fhir/{rest*}", NULL, worklist_fhir_other, FHIR_BODY},
    {"PATCH", "/fhir/{rest*}", NULL, worklist_fhir_other, FHIR_BODY},
    {"DELETE", "/fhir/{rest*}", NULL, worklist_fhir_other, FHIR_BODY},
};

struct net_http_table worklist_http(struct api *api)
{
    return (struct net_http_table){routes, sizeof routes / sizeof routes[0], api};
}
