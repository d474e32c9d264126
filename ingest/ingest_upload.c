/*
 * POST /api/v1/uploads: one file, recognised by its content. DICOM streams to
 * the store; an ECG file of another format is read whole, kept as it is, and
 * becomes a DICOM ECG object beside it.
 */
#include "ingest/ingest_ecg.h"
#include "ingest/ingest_priv.h"

#include "base/json.h"
#include "ecg/ecg_open.h"
#include "ingest/ingest_object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SNIFF_BYTES = 4096,      /* enough to recognise nearly any file */
    SNIFF_MAX = 256 * 1024,  /* a meta group may be that long */
    ECG_FILE_MAX = 64 << 20, /* of a file that is read whole */
};

struct upload {
    struct ingest *g;
    struct net_http_request *req; /* its query parameters live until the answer */
    struct ingest_source source;
    char centre_code[40];
    struct base_buf head;         /* until recognised; of an ECG file: all of it */
    struct ingest_object *object; /* DICOM, from when it was recognised to finish */
    bool is_ecg;
    bool ended; /* the body is complete */
};

static void upload_free(struct upload *u)
{
    base_buf_deinit(&u->head);
    free(u);
}

static void refuse(struct upload *u, int status, const char *title, const char *detail)
{
    struct net_http_request *req = u->req;
    ingest_object_abort(u->object);
    upload_free(u);
    net_http_problem(req, status, title, detail);
}

static void refuse_unknown(struct upload *u)
{
    refuse(u, 415, "the file is neither DICOM nor an ECG format that rdc reads",
           "send a DICOM file or an SCP-ECG file, as the device exported it");
}

/* ---- the answer ---- */

static int http_status(enum base_err err)
{
    switch ((int)err) {
    case BASE_EFORMAT:
    case BASE_EINVAL:
        return 422;
    case BASE_EUNSUPPORTED:
        return 415;
    case BASE_ELIMIT:
        return 413;
    case BASE_ENOSPC:
        return 507;
    default:
        return 503;
    }
}

static void on_result(void *arg, const struct ingest_result *r)
{
    static const char *const outcomes[] = {[INGEST_STORED] = "stored",
                                           [INGEST_DUPLICATE] = "duplicate",
                                           [INGEST_CONFLICT] = "conflict"};
    struct upload *u = arg;
    struct base_buf out = {0};
    struct base_json j;
    if (r->err) {
        refuse(u, http_status(r->err), "the file was not taken", r->message);
        return;
    }
    base_json_init(&j, &out);
    base_json_open_object(&j);
    base_json_key(&j, "study_uid");
    base_json_string(&j, r->stored.study_uid);
    base_json_key(&j, "exam");
    base_json_int(&j, r->stored.exam);
    base_json_key(&j, "outcome");
    base_json_string(&j, outcomes[r->stored.outcome]);
    base_json_close_object(&j);
    net_http_reply_buf(u->req, 201, "application/json", &out);
    upload_free(u);
}

static void on_ecg_result(void *arg, enum base_err err, const struct ingest_result *r,
                          const char *message)
{
    struct upload *u = arg;
    if (err)
        refuse(u, http_status(err), "the file was not taken", message);
    else
        on_result(u, r);
}

/* ---- the body ---- */

static void on_room(void *arg)
{
    struct upload *u = arg;
    if (!u->ended)
        net_http_body_resume(u->req);
}

/* The data set of a DICOM file goes on to the store. */
static bool begin_dicom(struct upload *u, bool complete)
{
    struct dicom_part10 file;
    struct base_error error;
    struct base_bytes head = base_buf_bytes(&u->head);
    if (dicom_part10_read(head, complete, &file, &error) != DICOM_SCAN_DONE)
        return false;
    u->source.syntax = file.syntax;
    if (ingest_object_new(u->g, &u->source, &u->object))
        return false;
    ingest_object_on_room(u->object, on_room, u);
    ingest_object_write(u->object, base_bytes_of(head.p + file.dataset, head.n - file.dataset));
    base_buf_deinit(&u->head);
    return true;
}

static bool is_part10(struct base_bytes b)
{
    return b.n >= 132 && memcmp(b.p + 128, "DICM", 4) == 0;
}

/* By the first bytes of the file, or all of them. */
static bool recognise(struct upload *u, bool complete)
{
    struct base_bytes head = base_buf_bytes(&u->head);
    if (!is_part10(head) && ecg_detect(head) == ECG_FORMAT_SCP)
        u->is_ecg = true;
    return u->is_ecg || begin_dicom(u, complete);
}

static void on_data(void *arg, struct base_bytes bytes)
{
    struct upload *u = arg;
    if (u->object) {
        ingest_object_write(u->object, bytes);
        if (!ingest_object_room(u->object))
            net_http_body_pause(u->req);
        return;
    }
    base_buf_add(&u->head, bytes.p, bytes.n);
    if (u->head.err)
        refuse(u, 413, "the file is too large", "an ECG file may have 64 MiB");
    else if (!u->is_ecg && u->head.n >= SNIFF_BYTES && !recognise(u, false) &&
             u->head.n >= SNIFF_MAX)
        refuse_unknown(u);
}

static void on_end(void *arg)
{
    struct upload *u = arg;
    if (u->head.n == 0 && !u->object) {
        refuse(u, 422, "the body is empty", "send the file as the body of the request");
        return;
    }
    if (!u->object && !u->is_ecg && !recognise(u, true)) {
        refuse_unknown(u);
        return;
    }
    u->ended = true;
    net_http_on_abort(u->req, NULL, NULL);
    if (u->is_ecg) {
        ingest_ecg_take(u->g, &u->source, u->centre_code, &u->head, on_ecg_result, u);
        return;
    }
    struct ingest_object *o = u->object;
    u->object = NULL;
    ingest_object_finish(o, on_result, u);
}

static void on_client_left(void *arg)
{
    refuse(arg, 400, "the body is incomplete", "send it again");
}

/* ---- who sends ---- */

static void on_permit(void *arg, const struct db_outcome *outcome)
{
    static const struct net_http_sink sink = {.on_data = on_data, .on_end = on_end};
    struct upload *u = arg;
    if (outcome->err) {
        struct net_http_request *req = u->req;
        upload_free(u);
        api_problem(req, outcome);
        return;
    }
    json_t *permit = json_loads(db_rows_text(db_outcome_rows(outcome, 1), 0, 0), 0, NULL);
    const char *code = json_string_value(json_object_get(permit, "code"));
    u->source.centre_id = json_integer_value(json_object_get(permit, "centre_id"));
    snprintf(u->centre_code, sizeof u->centre_code, "%s", code ? code : "");
    u->source.centre_code = u->centre_code;
    json_decref(permit);
    net_http_on_abort(u->req, on_client_left, u);
    net_http_body_start(u->req, &sink, u);
}

static bool is_priority(const char *s)
{
    return strcmp(s, "stat") == 0 || strcmp(s, "urgent") == 0 || strcmp(s, "routine") == 0;
}

/* A parameter without a value is none. */
static const char *query(struct net_http_request *req, const char *name)
{
    const char *value = net_http_query(req, name);
    return value && value[0] ? value : NULL;
}

static void post_upload(struct net_http_request *req, void *arg)
{
    const char *priority = query(req, "priority");
    if (priority && !is_priority(priority)) {
        net_http_problem(req, 422, "priority is unknown", "stat, urgent or routine");
        return;
    }
    struct ingest *g = arg;
    struct db_tx *tx = api_begin(g->config->api, req);
    if (!tx)
        return;
    struct upload *u = calloc(1, sizeof *u);
    if (!u) {
        db_tx_free(tx);
        net_http_problem(req, 503, NULL, "out of memory; try again");
        return;
    }
    u->g = g;
    u->req = req;
    base_buf_init(&u->head, ECG_FILE_MAX);
    u->source = (struct ingest_source){
        .priority = priority,
        .single = true,
        .patient_id = query(req, "patient_id"),
        .patient_name = query(req, "patient_name"),
        .accession = query(req, "accession"),
    };
    db_tx_add(tx, DB_Q_UPLOAD_PERMIT, NULL, 0);
    enum base_err err = db_tx_submit(tx, on_permit, u);
    if (err) {
        upload_free(u);
        api_problem_err(req, err);
    }
}

static const struct net_http_route routes[] = {
    /* Its real limit is upload.max-bytes, which ingest_object knows. */
    {"POST", "/api/v1/uploads", post_upload, NET_HTTP_BODY_STREAMED, UINT64_MAX, 0},
};

struct net_http_table ingest_http(struct ingest *g)
{
    return (struct net_http_table){routes, sizeof routes / sizeof routes[0], g};
}
