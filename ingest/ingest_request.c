#include "ingest/ingest_request.h"

#include "base/log.h"
#include "ingest/ingest_commitment.h"
#include "ingest/ingest_dataset.h"
#include "ingest/ingest_priv.h"
#include "model/model_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* A list of 10,000 objects has 2 MB. */
enum { DATASET_MAX = 8 * 1024 * 1024, TAGS_MAX = 16 };

struct operation {
    uint16_t command;
    const char *name;
    enum db_query query;
    uint16_t malformed; /* the status of a data set that cannot be read */
};

static const struct operation operations[] = {
    {DIMSE_N_CREATE_RQ, "mpps_create", DB_Q_MPPS_CREATE, DIMSE_PROCESSING_FAILURE},
    {DIMSE_N_SET_RQ, "mpps_set", DB_Q_MPPS_SET, DIMSE_PROCESSING_FAILURE},
    {DIMSE_N_ACTION_RQ, "commitment_request", DB_Q_COMMITMENT_REQUEST, DIMSE_INVALID_ARGUMENT},
};

struct request {
    struct ingest *g;
    struct api_scp_call *call; /* NULL once the association is gone */
    const struct operation *op;
    bool asked; /* given to the database */
    struct base_buf dataset;
};

static const struct operation *operation_of(const struct dicom_dimse *rq)
{
    size_t i = sizeof operations / sizeof operations[0] - 1;
    while (i > 0 && operations[i].command != rq->command)
        i--;
    return &operations[i];
}

static void request_free(struct request *r)
{
    base_buf_deinit(&r->dataset);
    free(r);
}

/* The attributes that a reply is about, encoded as (0000,1005) wants them. */
static struct base_bytes tags_of(const json_t *reply, uint8_t out[4 * TAGS_MAX])
{
    const json_t *tags = json_object_get(reply, "tags");
    size_t n = json_array_size(tags) < TAGS_MAX ? json_array_size(tags) : TAGS_MAX;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(tags, i));
        uint32_t tag = text ? (uint32_t)strtoul(text, NULL, 16) : 0;
        base_store_le16(out + 4 * i, DICOM_GROUP(tag));
        base_store_le16(out + 4 * i + 2, DICOM_ELEMENT_NUMBER(tag));
    }
    return base_bytes_of(out, 4 * n);
}

/* Responds with the reply of the database. */
static void answer(struct request *r, const json_t *reply)
{
    uint8_t tags[4 * TAGS_MAX];
    const char *comment = json_string_value(json_object_get(reply, "comment"));
    const char *uid = json_string_value(json_object_get(reply, "uid"));
    uint16_t status = (uint16_t)json_integer_value(json_object_get(reply, "status"));
    struct dicom_dimse rsp = dicom_dimse_response(api_scp_request(r->call), status);
    rsp.error_id = (uint16_t)json_integer_value(json_object_get(reply, "error_id"));
    rsp.attributes = tags_of(reply, tags);
    if (comment)
        snprintf(rsp.error_comment, sizeof rsp.error_comment, "%s", comment);
    if (uid)
        snprintf(rsp.sop_instance, sizeof rsp.sop_instance, "%s", uid);
    BASE_LOG(INFO, r->op->name, LOG_I("device", api_scp_device(r->call)->id),
             LOG_S("uid", rsp.sop_instance), LOG_U("status", status),
             LOG_S("cause", comment ? comment : ""));
    api_scp_finish_with(r->call, &rsp, base_bytes_of(NULL, 0));
}

static void on_done(void *arg, const struct db_outcome *outcome)
{
    struct request *r = arg;
    json_t *reply = NULL;
    if (outcome->err == BASE_OK)
        reply = model_answer(outcome, 0);
    else
        BASE_LOG(WARN, "request_failed", LOG_S("request", r->op->name),
                 LOG_S("sqlstate", outcome->sqlstate), LOG_S("error", base_err_text(outcome->err)));
    json_t *job = json_object_get(reply, "job");
    struct api_scp_hold *hold = r->call && job ? api_scp_hold(r->call) : NULL;
    if (r->call && reply)
        answer(r, reply);
    else if (r->call)
        api_scp_finish(r->call, DIMSE_RESOURCE_LIMITATION, "the database does not answer");
    if (job)
        ingest_commitment_begin(r->g->commitment, job, hold);
    json_decref(reply);
    request_free(r);
}

static void refuse(struct request *r, uint16_t status, const char *comment)
{
    BASE_LOG(WARN, r->op->name, LOG_I("device", api_scp_device(r->call)->id),
             LOG_U("status", status), LOG_S("cause", comment));
    api_scp_finish(r->call, status, comment);
    request_free(r);
}

static enum base_err submit(struct request *r, const struct base_buf *json)
{
    const struct api_scp_device *device = api_scp_device(r->call);
    const struct dicom_dimse *rq = api_scp_request(r->call);
    struct db_param params[] = {db_int(device->centre_id), db_int(device->id),
                                db_text(rq->sop_instance), db_buf(json)};
    enum base_err err = db_call(r->g->config->db, r->op->query, params, 4, on_done, r);
    r->asked = !err;
    return err;
}

static void run(struct request *r)
{
    const struct dicom_syntax *syntax = dicom_syntax_find(api_scp_transfer_syntax(r->call));
    struct base_error error = {.msg = "the data set is too long"};
    struct base_buf json = {0};
    enum base_err err = r->dataset.err;
    if (r->op->command == DIMSE_N_ACTION_RQ && api_scp_request(r->call)->action_type != 1) {
        refuse(r, DIMSE_NO_SUCH_ACTION, "the only Action Type ID is 1");
        return;
    }
    if (!err)
        err = ingest_dataset_json(base_buf_bytes(&r->dataset), syntax->encoding, &json, &error);
    base_buf_deinit(&r->dataset);
    if (err) {
        refuse(r, r->op->malformed, error.msg);
    } else {
        err = submit(r, &json);
        if (err)
            refuse(r, DIMSE_RESOURCE_LIMITATION, "the server is busy");
    }
    base_buf_deinit(&json);
}

void ingest_request_begin(struct api_scp_call *call, void *arg)
{
    struct request *r = calloc(1, sizeof *r);
    const struct dicom_dimse *rq = api_scp_request(call);
    if (!r) {
        api_scp_abort(call);
        return;
    }
    r->g = arg;
    r->call = call;
    r->op = operation_of(rq);
    base_buf_init(&r->dataset, DATASET_MAX);
    api_scp_set(call, r);
    if (!rq->has_dataset)
        run(r);
}

void ingest_request_data(struct api_scp_call *call, void *arg, struct base_bytes bytes, bool last)
{
    struct request *r = api_scp_get(call);
    (void)arg;
    base_buf_add(&r->dataset, bytes.p, bytes.n);
    if (last)
        run(r);
}

void ingest_request_gone(struct api_scp_call *call, void *arg)
{
    struct request *r = api_scp_get(call);
    (void)arg;
    r->call = NULL;
    /* A request given to the database is carried out all the same. */
    if (!r->asked)
        request_free(r);
}
