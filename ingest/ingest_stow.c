#include "ingest/ingest_stow.h"

#include "ingest/ingest_models.h"
#include "ingest/ingest_parts.h"
#include "ingest/ingest_permit.h"
#include "ingest/ingest_priv.h"
#include "ingest/ingest_stow_answer.h"

#include <stdlib.h>
#include <string.h>

struct stow {
    struct ingest *g;
    struct net_http_request *req;
    const char *content_type;
    const char *study; /* of the address; NULL = any */
    struct ingest_many *many;
    enum ingest_stow_form form; /* of the answer */
    /* How the body is taken: as one instance, as several of them, or as metadata */
    enum { STOW_ONE, STOW_PARTS, STOW_MODELS, STOW_UNKNOWN } way;
    struct ingest_parts parts;
    struct ingest_models *models; /* until finish */
};

static void refuse(struct stow *s, int status, const char *title, const char *detail)
{
    struct net_http_request *req = s->req;
    ingest_models_abort(s->models);
    ingest_many_abort(s->many);
    free(s);
    net_http_problem(req, status, title, detail);
}

static void on_done(void *arg, struct ingest_many_item *const *items, size_t n)
{
    struct stow *s = arg;
    struct base_buf out = {0};
    int status = ingest_stow_answer(s->form, net_http_origin(s->req), items, n, &out);
    net_http_reply_buf(s->req, status, ingest_stow_type(s->form), &out);
    free(s);
}

/* ---- the body ---- */

static void on_room(void *arg)
{
    struct stow *s = arg;
    net_http_body_resume(s->req);
}

static bool has_room(const struct stow *s)
{
    return s->way == STOW_MODELS ? ingest_models_room(s->models) : ingest_many_room(s->many);
}

static void refuse_err(struct stow *s, enum base_err err, const char *cause)
{
    refuse(s, err == BASE_EFORMAT ? 400 : ingest_http_status(err), NULL, cause);
}

static void on_data(void *arg, struct base_bytes bytes)
{
    struct stow *s = arg;
    const char *cause = NULL;
    enum base_err err = BASE_OK;
    if (s->way == STOW_ONE)
        ingest_many_write(s->many, bytes);
    else if (s->way == STOW_PARTS)
        err = ingest_parts_write(&s->parts, bytes, &cause);
    else
        err = ingest_models_write(s->models, bytes, &cause);
    if (err)
        refuse_err(s, err, cause);
    else if (!has_room(s))
        net_http_body_pause(s->req);
}

static void on_built(void *arg, enum base_err err, const char *cause)
{
    struct stow *s = arg;
    if (err)
        refuse_err(s, err, cause);
    else
        ingest_many_finish(s->many, on_done, s);
}

static void on_end(void *arg)
{
    struct stow *s = arg;
    const char *cause;
    net_http_on_abort(s->req, NULL, NULL);
    if (s->way == STOW_MODELS) {
        struct ingest_models *models = s->models;
        s->models = NULL;
        ingest_models_finish(models, on_built, s);
        return;
    }
    if (s->way == STOW_ONE) {
        ingest_many_end(s->many);
    } else if (ingest_parts_end(&s->parts, &cause)) {
        refuse(s, 400, NULL, cause);
        return;
    }
    ingest_many_finish(s->many, on_done, s);
}

static void on_client_left(void *arg)
{
    refuse(arg, 400, NULL, "the body is incomplete");
}

static void take_body(struct stow *s)
{
    static const struct net_http_sink sink = {.on_data = on_data, .on_end = on_end};
    net_http_on_abort(s->req, on_client_left, s);
    net_http_body_start(s->req, &sink, s);
}

static void on_ready(void *arg, enum base_err err)
{
    struct stow *s = arg;
    if (err) {
        refuse(s, ingest_http_status(err), NULL, "the server cannot write to its store");
        return;
    }
    ingest_models_on_room(s->models, on_room, s);
    take_body(s);
}

static enum base_err begin(struct stow *s, const struct ingest_permit *permit)
{
    struct ingest_arrival_options options = {
        .source = {.centre_id = permit->centre_id,
                   .centre_code = permit->centre_code,
                   .study_uid = s->study},
        .dicom_only = true,
    };
    enum base_err err = ingest_many_new(s->g, &options, &s->many);
    if (err)
        return err;
    if (s->way == STOW_MODELS)
        return ingest_models_new(s->g, s->content_type, s->many, on_ready, s, &s->models);
    ingest_many_on_room(s->many, on_room, s);
    return s->way == STOW_ONE ? ingest_many_begin(s->many, "")
                              : ingest_parts_init(&s->parts, s->content_type, false, s->many);
}

static void on_permit(void *arg, const struct ingest_permit *permit)
{
    struct stow *s = arg;
    if (!permit) {
        free(s);
        return;
    }
    enum base_err err = begin(s, permit);
    if (err)
        refuse(s, err == BASE_EINVAL ? 400 : 503, NULL,
               err == BASE_EINVAL ? "the parameter boundary of Content-Type is missing or invalid"
                                  : "out of memory; try again");
    else if (s->way != STOW_MODELS)
        take_body(s);
}

/* The media types of PS3.18 10.5.1.2. A multipart body without `type` is of files. */
static void read_type(struct stow *s)
{
    char type[64];
    s->way = STOW_UNKNOWN;
    if (net_mime_is(s->content_type, "application/dicom"))
        s->way = STOW_ONE;
    else if (ingest_models_kind_of(s->content_type))
        s->way = STOW_MODELS;
    else if (!net_mime_is(s->content_type, "multipart/related"))
        return;
    else if (!net_mime_param(s->content_type, "type", type, sizeof type) ||
             net_mime_is(type, "application/dicom"))
        s->way = STOW_PARTS;
    else if (ingest_models_kind_of(type))
        s->way = STOW_MODELS;
}

void ingest_stow_post(struct net_http_request *req, void *arg)
{
    const char *name;
    const char *value;
    struct stow *s = calloc(1, sizeof *s);
    if (!s) {
        net_http_problem(req, 503, NULL, "out of memory; try again");
        return;
    }
    s->g = arg;
    s->req = req;
    s->content_type = net_http_header(req, "Content-Type");
    s->study = net_http_param(req, "study");
    s->form = ingest_stow_form_of(net_http_header(req, "Accept"));
    read_type(s);
    /* PS3.18 8.3: what is not supported is ignored, perhaps with a warning. */
    if (net_http_query_at(req, 0, &name, &value))
        net_http_reply_header(req, "Warning",
                              "299 rdc \"STOW-RS has no query parameters; they were ignored\"");
    if (s->way == STOW_UNKNOWN)
        refuse(s, 415, NULL,
               "send multipart/related; boundary=…; type=\"application/dicom\", or "
               "application/dicom+json, or application/dicom+xml");
    else if (s->study && !dicom_uid_usable(s->study))
        refuse(s, 400, NULL, "the study in the address is no UID");
    else if (s->form == INGEST_STOW_NEITHER)
        refuse(s, 406, NULL, "the answer is application/dicom+json or application/dicom+xml");
    else
        ingest_permit_ask(s->g, req, on_permit, s);
}
