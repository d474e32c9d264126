/*
 * The DICOM side of ingest: who may associate, C-ECHO and C-STORE (PS3.4 A, B).
 */
#include "ingest/ingest_priv.h"

#include "base/log.h"
#include "ingest/ingest_object.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One association. It lives until it is closed and nothing refers to it. */
struct scp {
    struct ingest *g;
    struct net_assoc *a; /* NULL once closed */
    int64_t device_id;
    int64_t centre_id;
    int64_t quiet_seconds;
    bool asking;    /* the device is being looked up */
    bool answering; /* an object is being committed; reading is paused */
    bool accepted;
    struct ingest_object *object; /* arriving now */
    bool paused;                  /* until the store has room */
    uint8_t context;              /* of the request under way */
    struct dicom_dimse request;
};

static void free_when_unused(struct scp *s)
{
    if (!s->a && !s->asking && !s->answering)
        free(s);
}

/* ---- who may associate ---- */

static void log_refusal(const struct scp *s, const char *cause, const char *remedy)
{
    const struct dicom_associate *rq = net_assoc_request(s->a);
    BASE_LOG(WARN, "association_refused", LOG_U("association", net_assoc_id(s->a)),
             LOG_S("address", net_assoc_peer(s->a, NULL)), LOG_S("calling", rq->calling),
             LOG_S("called", rq->called), LOG_S("cause", cause), LOG_S("remedy", remedy));
}

static void refuse(struct scp *s, const char *cause, const char *remedy, uint8_t result,
                   uint8_t source, uint8_t reason)
{
    log_refusal(s, cause, remedy);
    base_count(&s->g->config->counters->associations_refused_total, 1);
    net_assoc_reject(s->a, (struct dicom_reject){result, source, reason});
}

static void refuse_unknown(struct scp *s, const char *cause)
{
    static const struct {
        const char *cause;
        const char *remedy;
        uint8_t reason;
    } known[] = {
        {"unknown_aet", "no device has this calling AE title: rdc device add AET --org CODE",
         DICOM_RJ_USER_CALLING_AET},
        {"disabled", "the device or its centre is disabled: rdc device enable AET",
         DICOM_RJ_USER_CALLING_AET},
        {"wrong_address", "the device calls from another address than it is registered with",
         DICOM_RJ_USER_CALLING_AET},
        {"wrong_called",
         "the device calls us by another AE title than it is registered with, or "
         "than dicom.aet",
         DICOM_RJ_USER_CALLED_AET},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(cause, known[i].cause) == 0) {
            refuse(s, cause, known[i].remedy, DICOM_RJ_PERMANENT, DICOM_RJ_USER, known[i].reason);
            return;
        }
    }
    refuse(s, cause, "", DICOM_RJ_PERMANENT, DICOM_RJ_USER, DICOM_RJ_USER_NO_REASON);
}

/* Every context that was refused is told in the log, for the technician who
 * wonders why one kind of image does not arrive. */
static void log_contexts(const struct scp *s, const struct dicom_associate *ac)
{
    const struct dicom_associate *rq = net_assoc_request(s->a);
    for (unsigned i = 0; i < rq->n_contexts; i++) {
        uint8_t result = ac->contexts[i].result;
        if (result != DICOM_CONTEXT_ACCEPTED)
            BASE_LOG(WARN, "context_refused", LOG_U("association", net_assoc_id(s->a)),
                     LOG_S("calling", rq->calling), LOG_S("sop_class", rq->contexts[i].abstract),
                     LOG_S("cause", dicom_context_result_text(result)));
    }
}

static void accept(struct scp *s)
{
    const struct dicom_associate *rq = net_assoc_request(s->a);
    struct dicom_associate ac;
    unsigned accepted = 0;
    enum base_err err = dicom_negotiate(rq, dicom_offers_storage, dicom_offers_storage_n,
                                        (uint32_t)s->g->config->conf->dicom_max_pdu,
                                        net_assoc_arena(s->a), &ac, &accepted);
    if (!err) {
        log_contexts(s, &ac);
        err = net_assoc_accept(s->a, &ac);
    }
    if (err) {
        net_assoc_abort(s->a);
        return;
    }
    s->accepted = true;
    base_count(&s->g->config->counters->associations_total, 1);
    base_count(&s->g->config->counters->associations_open, 1);
    BASE_LOG(INFO, "association_accepted", LOG_U("association", net_assoc_id(s->a)),
             LOG_S("address", net_assoc_peer(s->a, NULL)), LOG_S("calling", rq->calling),
             LOG_I("device", s->device_id), LOG_U("contexts", rq->n_contexts),
             LOG_U("accepted", accepted));
}

static void accept_device(struct scp *s, const json_t *device)
{
    const struct dicom_associate *rq = net_assoc_request(s->a);
    const char *called = json_string_value(json_object_get(device, "called"));
    if (strcmp(rq->called, called ? called : s->g->config->conf->dicom_aet) != 0) {
        refuse_unknown(s, "wrong_called");
        return;
    }
    s->device_id = json_integer_value(json_object_get(device, "id"));
    s->centre_id = json_integer_value(json_object_get(device, "centre_id"));
    s->quiet_seconds = json_integer_value(json_object_get(device, "quiet"));
    accept(s);
}

static void on_device(void *arg, const struct db_outcome *outcome)
{
    struct scp *s = arg;
    s->asking = false;
    if (!s->a) {
        free_when_unused(s);
    } else if (outcome->err) {
        refuse(s, "database_unavailable", "the database of the server does not answer",
               DICOM_RJ_TRANSIENT, DICOM_RJ_PRESENTATION, DICOM_RJ_PRESENTATION_CONGESTION);
    } else {
        json_t *device = json_loads(db_rows_text(db_outcome_rows(outcome, 0), 0, 0), 0, NULL);
        const char *cause = json_string_value(json_object_get(device, "cause"));
        if (cause || !device)
            refuse_unknown(s, cause ? cause : "no_answer");
        else
            accept_device(s, device);
        json_decref(device);
    }
}

static void on_request(struct net_assoc *a, void *arg, const struct dicom_associate *rq)
{
    struct ingest *g = arg;
    struct scp *s = calloc(1, sizeof *s);
    if (!s) {
        net_assoc_set_arg(a, NULL);
        net_assoc_reject(a, (struct dicom_reject){DICOM_RJ_TRANSIENT, DICOM_RJ_PRESENTATION,
                                                  DICOM_RJ_PRESENTATION_LIMIT});
        return;
    }
    s->g = g;
    s->a = a;
    net_assoc_set_arg(a, s);
    struct db_param params[] = {db_text(rq->calling), db_text(net_assoc_peer(a, NULL)),
                                db_text(rq->called)};
    s->asking = db_call(g->config->db, DB_Q_DEVICE_FIND, params, 3, on_device, s) == BASE_OK;
    if (!s->asking)
        refuse(s, "busy", "the server is busy", DICOM_RJ_TRANSIENT, DICOM_RJ_PRESENTATION,
               DICOM_RJ_PRESENTATION_CONGESTION);
}

/* ---- requests ---- */

static void respond(struct scp *s, uint16_t status, const char *comment)
{
    struct dicom_dimse response = dicom_dimse_response(&s->request, status);
    if (comment)
        snprintf(response.error_comment, sizeof response.error_comment, "%s", comment);
    if (net_assoc_send(s->a, s->context, &response, base_bytes_of(NULL, 0)))
        net_assoc_abort(s->a);
}

static uint16_t status_of(enum base_err err)
{
    switch ((int)err) {
    case BASE_OK:
        return DIMSE_SUCCESS;
    case BASE_EINVAL:
        return DIMSE_STORE_WRONG_SOP_CLASS;
    case BASE_EFORMAT:
    case BASE_ELIMIT:
        return DIMSE_STORE_CANNOT_UNDERSTAND;
    default:
        return DIMSE_STORE_OUT_OF_RESOURCES;
    }
}

static void on_stored(void *arg, const struct ingest_result *result)
{
    struct scp *s = arg;
    s->answering = false;
    if (!s->a) {
        free_when_unused(s);
        return;
    }
    respond(s, status_of(result->err), result->err ? result->message : NULL);
    if (s->a)
        net_assoc_resume(s->a);
}

static void on_room(void *arg)
{
    struct scp *s = arg;
    if (s->paused && s->a) {
        s->paused = false;
        net_assoc_resume(s->a);
    }
}

static void begin_store(struct scp *s)
{
    const struct dicom_syntax *syntax =
        dicom_syntax_find(net_assoc_transfer_syntax(s->a, s->context));
    struct ingest_source source = {
        .centre_id = s->centre_id,
        .device_id = s->device_id,
        .quiet_seconds = s->quiet_seconds,
        .aet = net_assoc_request(s->a)->calling,
        .syntax = syntax,
        .sop_class = s->request.sop_class,
        .sop_instance = s->request.sop_instance,
    };
    if (ingest_object_new(s->g, &source, &s->object)) {
        net_assoc_abort(s->a);
        return;
    }
    ingest_object_on_room(s->object, on_room, s);
}

static void on_command(struct net_assoc *a, void *arg, uint8_t context,
                       const struct dicom_dimse *cmd)
{
    struct scp *s = arg;
    const char *abstract = net_assoc_abstract_syntax(a, context);
    s->context = context;
    s->request = *cmd;
    if (cmd->command == DIMSE_C_STORE_RQ && cmd->has_dataset) {
        /* PS3.7 9.1.1.1.3: the class is that of the presentation context. */
        if (strcmp(cmd->sop_class, abstract) == 0)
            begin_store(s);
    } else if (cmd->command == DIMSE_C_ECHO_RQ) {
        respond(s, DIMSE_SUCCESS, NULL);
    } else if (cmd->command == DIMSE_C_STORE_RQ) {
        respond(s, DIMSE_STORE_CANNOT_UNDERSTAND, "C-STORE without a data set");
    } else if (cmd->command & DIMSE_RESPONSE_BIT) {
        net_assoc_abort(a);
    } else if (!cmd->has_dataset) {
        respond(s, DIMSE_UNRECOGNIZED_OPERATION, "this service is not offered here");
    }
}

static void on_data(struct net_assoc *a, void *arg, struct base_bytes bytes, bool last)
{
    struct scp *s = arg;
    if (!s->object) {
        /* What is not stored is heard out and refused. */
        if (last)
            respond(s,
                    s->request.command == DIMSE_C_STORE_RQ ? DIMSE_SOP_CLASS_NOT_SUPPORTED
                                                           : DIMSE_UNRECOGNIZED_OPERATION,
                    "not offered in this presentation context");
        return;
    }
    ingest_object_write(s->object, bytes);
    if (last) {
        struct ingest_object *o = s->object;
        s->object = NULL;
        s->answering = true;
        /* One request at a time: the next is not read before this is answered. */
        net_assoc_pause(a);
        ingest_object_finish(o, on_stored, s);
    } else if (!ingest_object_room(s->object) && !s->paused) {
        s->paused = true;
        net_assoc_pause(a);
    }
}

/* ---- the end ---- */

static void on_closed(struct net_assoc *a, void *arg, enum net_assoc_cause cause, const char *text)
{
    struct scp *s = arg;
    if (!s)
        return;
    s->a = NULL;
    ingest_object_abort(s->object);
    s->object = NULL;
    if (s->accepted)
        base_count(&s->g->config->counters->associations_open, -1);
    BASE_LOG(INFO, "association_closed", LOG_U("association", net_assoc_id(a)),
             LOG_I("device", s->device_id), LOG_S("cause", net_assoc_cause_text(cause)),
             LOG_S("detail", text));
    free_when_unused(s);
}

void ingest_scp_stranger(void *arg, const char *address, enum net_assoc_cause cause,
                         const char *text)
{
    struct ingest *g = arg;
    base_count(&g->config->counters->associations_refused_total, 1);
    BASE_LOG(WARN, "stranger", LOG_S("address", address),
             LOG_S("cause", net_assoc_cause_text(cause)), LOG_S("remedy", text));
}

const struct net_assoc_handlers ingest_scp_handlers = {
    .on_request = on_request,
    .on_command = on_command,
    .on_data = on_data,
    .on_closed = on_closed,
};
