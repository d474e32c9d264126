/*
 * POST /api/v1/uploads in one shot: the body goes to an intake as it arrives.
 */
#include "ingest/ingest_upload.h"

#include "ingest/ingest_intake.h"
#include "ingest/ingest_permit.h"
#include "ingest/ingest_priv.h"
#include "ingest/ingest_resume.h"

#include <stdlib.h>
#include <string.h>

struct upload {
    struct ingest *g;
    struct net_http_request *req; /* its query parameters live until the answer */
    const char *priority;
    const char *manifest;
    struct ingest_intake *intake; /* until finish */
};

static void upload_refuse(struct upload *u, int status, const char *detail)
{
    struct net_http_request *req = u->req;
    ingest_intake_abort(u->intake);
    free(u);
    net_http_problem(req, status, NULL, detail);
}

static void on_answer(void *arg, struct ingest_answer *answer)
{
    struct upload *u = arg;
    ingest_answer_send(u->req, answer);
    free(u);
}

static void finish(struct upload *u)
{
    struct ingest_intake *in = u->intake;
    u->intake = NULL;
    net_http_on_abort(u->req, NULL, NULL);
    ingest_intake_finish(in, on_answer, u);
}

static void on_room(void *arg)
{
    struct upload *u = arg;
    net_http_body_resume(u->req);
}

static void on_data(void *arg, struct base_bytes bytes)
{
    struct upload *u = arg;
    ingest_intake_write(u->intake, bytes);
    if (ingest_intake_is_refused(u->intake)) {
        /* The answer may have to wait for files that are complete already. */
        net_http_body_pause(u->req);
        finish(u);
    } else if (!ingest_intake_room(u->intake)) {
        net_http_body_pause(u->req);
    }
}

static void on_end(void *arg)
{
    finish(arg);
}

static void on_client_left(void *arg)
{
    upload_refuse(arg, 400, "the body is incomplete; send it again");
}

static void on_permit(void *arg, const struct ingest_permit *permit)
{
    static const struct net_http_sink sink = {.on_data = on_data, .on_end = on_end};
    struct upload *u = arg;
    if (!permit) {
        free(u);
        return;
    }
    struct ingest_arrival_options options = {
        .source = {.centre_id = permit->centre_id,
                   .centre_code = permit->centre_code,
                   .single = true,
                   .priority = u->priority,
                   .patient_id = ingest_upload_query(u->req, "patient_id"),
                   .patient_name = ingest_upload_query(u->req, "patient_name"),
                   .accession = ingest_upload_query(u->req, "accession")},
    };
    enum base_err err =
        ingest_intake_new(u->g, &options, net_http_header(u->req, "Content-Type"), &u->intake);
    if (err) {
        upload_refuse(u, err == BASE_EINVAL ? 400 : 503,
                      err == BASE_EINVAL ? "Content-Type has no usable parameter boundary"
                                         : "out of memory; try again");
        return;
    }
    ingest_intake_manifest(u->intake, u->manifest);
    ingest_intake_on_room(u->intake, on_room, u);
    net_http_on_abort(u->req, on_client_left, u);
    net_http_body_start(u->req, &sink, u);
}

const char *ingest_upload_query(const struct net_http_request *req, const char *name)
{
    const char *value = net_http_query(req, name);
    return value && value[0] ? value : NULL;
}

bool ingest_upload_priority(struct net_http_request *req, const char **priority)
{
    const char *s = ingest_upload_query(req, "priority");
    if (s && strcmp(s, "stat") != 0 && strcmp(s, "urgent") != 0 && strcmp(s, "routine") != 0) {
        net_http_problem(req, 422, "priority is unknown", "stat, urgent or routine");
        return false;
    }
    *priority = s;
    return true;
}

bool ingest_upload_manifest(struct net_http_request *req, const char **manifest)
{
    const char *s = ingest_upload_query(req, "manifest");
    const char *cause;
    if (s && !ingest_intake_is_manifest(s, &cause)) {
        net_http_problem(req, 422, "the manifest was not taken", cause);
        return false;
    }
    *manifest = s;
    return true;
}

void ingest_upload_post(struct net_http_request *req, void *arg)
{
    const char *priority;
    const char *manifest;
    if (net_http_header(req, "Upload-Length")) {
        ingest_resume_begin(req, arg);
        return;
    }
    if (!ingest_upload_priority(req, &priority) || !ingest_upload_manifest(req, &manifest))
        return;
    struct upload *u = calloc(1, sizeof *u);
    if (!u) {
        net_http_problem(req, 503, NULL, "out of memory; try again");
        return;
    }
    u->g = arg;
    u->req = req;
    u->priority = priority;
    u->manifest = manifest;
    ingest_permit_ask(u->g, req, on_permit, u);
}
