#include "api/api_scp.h"

#include "api/api_contact.h"
#include "api/api_device.h"
#include "base/digest.h"
#include "base/log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OFFERS_MAX = 32, LIST_SIZE = 500 /* as much as a log line holds */ };

struct api_scp {
    const struct api_scp_config *config;
    struct net_assoc_server *server;
    struct api_contact *contact;
    struct api_devices *devices;
    struct net_assoc_server *tls_server; /* NULL: not served */
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct dicom_offer offers[OFFERS_MAX];
    unsigned n_offers;
};

struct api_scp_call {
    struct scp_assoc *assoc;
    const struct api_scp_service *service; /* NULL: nobody serves it, it is heard out */
    void *arg;
    void *context;
    uint8_t context_id;
    bool complete; /* the request is whole, and unless cancellable reading is paused */
    bool cancelled;
    bool wrong_class;         /* service is NULL because the request names another class */
    struct api_flight flight; /* of its data set; where it waits, the association is paused */
    struct dicom_dimse request;
};

/* One association. It lives until it is closed and its device was looked up. */
struct scp_assoc {
    struct api_scp *s;
    struct net_assoc *a; /* NULL once closed */
    bool asking;         /* the device is being looked up */
    bool accepted;
    char certificate[BASE_SHA256_HEX]; /* what was shown over TLS; "" */
    json_t *row;                       /* of the device, which borrows its texts */
    struct api_scp_device device;
    bool seated;                  /* counts in the machine's associations */
    bool device_seated;           /* and in those of its device */
    struct base_quota_row *quota; /* of its device; NULL = not known yet */
    struct api_share share;
    bool prepaid;              /* the next request was counted by the limits of rate already */
    int64_t wait_ms;           /* what the one under way costs its followers */
    struct api_rest rest;      /* while it rests, the association is paused */
    struct api_scp_call *call; /* under way */
    unsigned holds;
    uint16_t message_id;       /* of our last request */
    api_scp_answer_fn *answer; /* to our request under way; NULL = none is */
    void *answer_arg;
};

struct api_scp_hold {
    struct scp_assoc *assoc;
    uint8_t context_id;
};

/* While its connection is there. */
static struct api_contact_peer peer_of(const struct scp_assoc *as)
{
    const struct dicom_associate *rq = net_assoc_request(as->a);
    return (struct api_contact_peer){.device_id = as->device.id,
                                     .address = net_assoc_peer(as->a, NULL),
                                     .calling = rq->calling,
                                     .called = rq->called};
}

static void free_when_unused(struct scp_assoc *as)
{
    if (as->a || as->asking || as->holds)
        return;
    json_decref(as->row);
    free(as);
}

static struct api_limits *limits_of(const struct scp_assoc *as)
{
    return as->s->config->limits;
}

/* Gives back what the limits counted. */
static void unseat(struct scp_assoc *as)
{
    api_rest_end(&as->rest);
    if (as->device_seated)
        api_limits_unseat(limits_of(as), as->quota);
    if (as->seated)
        api_limits_unseat_total(limits_of(as));
    api_limits_leave(limits_of(as), as->quota);
    as->seated = false;
    as->device_seated = false;
    as->quota = NULL;
}

static void note(const struct scp_assoc *as, enum model_cause cause, const char *detail)
{
    struct api_contact_peer peer = peer_of(as);
    api_contact_note(as->s->contact, &peer, cause, detail);
}

/* ---- who may associate ---- */

static void refuse(struct scp_assoc *as, enum model_cause cause, struct dicom_reject reject)
{
    struct api_contact_peer peer = peer_of(as);
    BASE_LOG(WARN, "association_refused", LOG_U("association", net_assoc_id(as->a)),
             LOG_S("address", peer.address), LOG_S("calling", peer.calling),
             LOG_S("called", peer.called), LOG_S("certificate", as->certificate),
             LOG_S("cause", model_cause_code(cause)), LOG_S("detail", model_cause_text(cause)->en),
             LOG_S("remedy", model_cause_text(cause)->remedy_en));
    base_count(&as->s->config->counters->associations_refused_total, 1);
    note(as, cause, dicom_reject_text(reject));
    net_assoc_reject(as->a, reject);
}

static void refuse_busy(struct scp_assoc *as, enum model_cause cause)
{
    refuse(as, cause,
           (struct dicom_reject){DICOM_RJ_TRANSIENT, DICOM_RJ_PRESENTATION,
                                 DICOM_RJ_PRESENTATION_CONGESTION});
}

/* PS3.8 Table 9-21: "local-limit-exceeded", and the device tries again. */
static void refuse_limit(struct scp_assoc *as, enum model_cause cause)
{
    refuse(as, cause,
           (struct dicom_reject){DICOM_RJ_TRANSIENT, DICOM_RJ_PRESENTATION,
                                 DICOM_RJ_PRESENTATION_LIMIT});
}

/* PS3.8 9.3.4 has a reason for a wrong calling and for a wrong called title. */
static void refuse_unknown(struct scp_assoc *as, enum model_cause cause)
{
    uint8_t reason =
        cause == MODEL_CAUSE_WRONG_CALLED ? DICOM_RJ_USER_CALLED_AET : DICOM_RJ_USER_CALLING_AET;
    refuse(as, cause, (struct dicom_reject){DICOM_RJ_PERMANENT, DICOM_RJ_USER, reason});
}

/* Appends " text" where it fits; else the list ends with an ellipsis. */
static void list_add(char *list, size_t size, const char *text)
{
    size_t n = strlen(list);
    if (n + strlen(text) + sizeof " ..." < size)
        snprintf(list + n, size - n, "%s%s", n ? " " : "", text);
    else if (n < 3 || strcmp(list + n - 3, "...") != 0)
        snprintf(list + n, size - n, " ...");
}

/* Every context that was refused is told in the log, for the technician who
 * wonders why one kind of image does not arrive. */
static void log_refused(const struct scp_assoc *as, const struct dicom_associate *ac)
{
    const struct dicom_associate *rq = net_assoc_request(as->a);
    for (unsigned i = 0; i < rq->n_contexts; i++) {
        const struct dicom_context *c = &rq->contexts[i];
        uint8_t result = ac->contexts[i].result;
        char requested[LIST_SIZE] = "";
        if (result == DICOM_CONTEXT_ACCEPTED)
            continue;
        for (unsigned k = 0; k < c->n_syntaxes; k++)
            list_add(requested, sizeof requested, c->syntaxes[k]);
        BASE_LOG(WARN, "context_refused", LOG_U("association", net_assoc_id(as->a)),
                 LOG_S("calling", rq->calling), LOG_S("sop_class", c->abstract),
                 LOG_S("requested", requested), LOG_S("cause", dicom_context_result_text(result)));
    }
}

/* "SOP class=transfer syntax" of what was accepted, as far as a log line holds it;
 * the doctor has all of it. */
static void list_accepted(const struct dicom_associate *rq, const struct dicom_associate *ac,
                          char list[LIST_SIZE])
{
    list[0] = 0;
    for (unsigned i = 0; i < rq->n_contexts; i++) {
        char pair[2 * DICOM_UID_SIZE];
        if (ac->contexts[i].result != DICOM_CONTEXT_ACCEPTED)
            continue;
        snprintf(pair, sizeof pair, "%s=%s", rq->contexts[i].abstract, ac->contexts[i].syntaxes[0]);
        list_add(list, LIST_SIZE, pair);
    }
}

/* ---- limits ---- */

static int64_t own_or(const json_t *row, const char *name, int64_t configured)
{
    const json_t *own = json_object_get(row, name);
    return json_is_integer(own) ? json_integer_value(own) : configured;
}

static void on_rested(void *arg)
{
    const struct scp_assoc *as = arg;
    net_assoc_resume(as->a);
}

/* Nothing more is read for so long. */
static void rest(struct scp_assoc *as, int64_t ms)
{
    if (ms <= 0 || !as->a)
        return;
    net_assoc_pause(as->a);
    api_rest_begin(limits_of(as), &as->rest, ms, on_rested, as);
}

/* A request is there. It is served; how long its followers have to wait is seen
 * to when it is answered, since a peer that is not read cannot be told anything. */
static void count_request(struct scp_assoc *as)
{
    as->wait_ms = 0;
    if (!as->prepaid)
        as->wait_ms = api_limits_dimse(limits_of(as), as->quota, &as->share);
    if (as->wait_ms < 0)
        as->wait_ms = API_LIMITS_PATIENCE_MS;
    as->prepaid = false;
}

static void rest_after_request(struct scp_assoc *as)
{
    int64_t ms = as->wait_ms;
    as->wait_ms = 0;
    rest(as, ms);
}

/* An association counts as its first request, so that those who open one for
 * each object are slowed, too. Milliseconds that it has to wait; -1: refused. */
static int64_t take_place(struct scp_assoc *as)
{
    const struct base_conf *conf = as->s->config->conf;
    as->share = (struct api_share){
        .associations = own_or(as->row, "max_associations", conf->dicom_device_max_associations),
        .rate = own_or(as->row, "max_rate", conf->dicom_device_max_rate),
        .bytes = own_or(as->row, "max_bytes_in_flight", (int64_t)conf->dicom_device_max_bytes),
    };
    as->quota = api_limits_join(limits_of(as), BASE_QUOTA_DEVICE, as->device.id);
    as->device_seated = api_limits_seat(limits_of(as), as->quota, &as->share);
    if (!as->device_seated) {
        refuse_limit(as, MODEL_CAUSE_DEVICE_TOO_MANY);
        return -1;
    }
    int64_t wait_ms = api_limits_dimse(limits_of(as), as->quota, &as->share);
    if (wait_ms < 0)
        refuse_limit(as, MODEL_CAUSE_TOO_FAST);
    as->prepaid = true;
    return wait_ms;
}

static void accept(struct scp_assoc *as)
{
    int64_t wait_ms = take_place(as);
    if (wait_ms < 0)
        return;
    const struct api_scp_config *config = as->s->config;
    const struct dicom_associate *rq = net_assoc_request(as->a);
    struct dicom_associate ac;
    unsigned accepted = 0;
    enum base_err err =
        dicom_negotiate(rq, as->s->offers, as->s->n_offers, (uint32_t)config->conf->dicom_max_pdu,
                        net_assoc_arena(as->a), &ac, &accepted);
    if (!err) {
        log_refused(as, &ac);
        err = net_assoc_accept(as->a, &ac);
    }
    if (err) {
        net_assoc_abort(as->a);
        return;
    }
    as->accepted = true;
    struct api_contact_peer peer = peer_of(as);
    api_contact_note_answer(as->s->contact, &peer, rq, &ac);
    const struct net_tls *tls = net_assoc_tls(as->a);
    char list[LIST_SIZE];
    list_accepted(rq, &ac, list);
    base_count(&config->counters->associations_total, 1);
    base_count(&config->counters->associations_open, 1);
    BASE_LOG(INFO, "association_accepted", LOG_U("association", net_assoc_id(as->a)),
             LOG_S("address", net_assoc_peer(as->a, NULL)), LOG_S("calling", rq->calling),
             LOG_I("device", as->device.id), LOG_S("tls", tls ? net_tls_version(tls) : "none"),
             LOG_U("contexts", rq->n_contexts), LOG_U("accepted", accepted), LOG_S("list", list));
    rest(as, wait_ms);
}

static const char *text_of(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text ? text : "";
}

static int64_t number_of(const json_t *row, const char *name)
{
    return json_integer_value(json_object_get(row, name));
}

static void take_device(struct scp_assoc *as, json_t *row)
{
    const char *called = text_of(row, "called");
    const struct dicom_associate *rq = net_assoc_request(as->a);
    if (!row) {
        refuse_busy(as, MODEL_CAUSE_DATABASE);
    } else if (text_of(row, "cause")[0]) {
        refuse_unknown(as, model_cause_find(text_of(row, "cause")));
    } else if (strcmp(rq->called, called[0] ? called : as->s->config->conf->dicom_aet) != 0) {
        refuse_unknown(as, MODEL_CAUSE_WRONG_CALLED);
    } else {
        as->row = json_incref(row);
        as->device = (struct api_scp_device){
            .id = number_of(row, "id"),
            .centre_id = number_of(row, "centre_id"),
            .quiet_seconds = number_of(row, "quiet"),
            .aet = rq->calling,
            .centre = text_of(row, "centre"),
            .charset = text_of(row, "charset"),
            .callback_host = text_of(row, "callback_host"),
            .callback_port = (uint16_t)number_of(row, "callback_port"),
        };
        accept(as);
    }
}

static void on_device(void *arg, json_t *row)
{
    struct scp_assoc *as = arg;
    as->asking = false;
    if (as->a)
        take_device(as, row);
    else
        free_when_unused(as);
}

/* One that was found a moment ago is not asked for again. */
static void find_device(struct scp_assoc *as, const struct dicom_associate *rq)
{
    struct api_device_key key;
    snprintf(key.calling, sizeof key.calling, "%s", rq->calling);
    snprintf(key.called, sizeof key.called, "%s", rq->called);
    snprintf(key.address, sizeof key.address, "%s", net_assoc_peer(as->a, NULL));
    snprintf(key.certificate, sizeof key.certificate, "%s", as->certificate);
    json_t *known = api_devices_known(as->s->devices, &key);
    if (known) {
        take_device(as, known);
        return;
    }
    as->asking = api_devices_ask(as->s->devices, &key, on_device, as) == BASE_OK;
    if (!as->asking)
        refuse_busy(as, MODEL_CAUSE_BUSY);
}

static void on_request(struct net_assoc *a, void *arg, const struct dicom_associate *rq)
{
    struct api_scp *s = arg;
    struct scp_assoc *as = calloc(1, sizeof *as);
    net_assoc_set_arg(a, as);
    if (!as) {
        net_assoc_reject(a, (struct dicom_reject){DICOM_RJ_TRANSIENT, DICOM_RJ_PRESENTATION,
                                                  DICOM_RJ_PRESENTATION_LIMIT});
        return;
    }
    as->s = s;
    as->a = a;
    uint8_t print[BASE_SHA256];
    const struct net_tls *tls = net_assoc_tls(a);
    if (tls && net_tls_fingerprint(tls, print))
        base_hex(print, sizeof print, as->certificate);
    as->seated = api_limits_seat_total(s->config->limits);
    if (!as->seated) {
        refuse_limit(as, MODEL_CAUSE_TOO_MANY);
        return;
    }
    find_device(as, rq);
}

/* ---- requests ---- */

static unsigned storage_flags(const struct base_conf *conf)
{
    return DICOM_SOP_STORAGE | (conf->dicom_private_classes ? DICOM_SOP_PRIVATE : 0);
}

static void find_service(struct api_scp_call *call, const char *abstract)
{
    const struct api_scp_config *config = call->assoc->s->config;
    for (size_t t = 0; t < config->table_count; t++) {
        const struct api_scp_table *table = &config->tables[t];
        for (size_t i = 0; i < table->n; i++) {
            const struct api_scp_service *service = &table->services[i];
            if (service->command == call->request.command &&
                (service->sop_class ? strcmp(service->sop_class, abstract) == 0
                                    : dicom_sop_flags_of(abstract) & storage_flags(config->conf))) {
                call->service = service;
                call->arg = table->arg;
                return;
            }
        }
    }
}

static void end_call(struct api_scp_call *call)
{
    struct scp_assoc *as = call->assoc;
    bool paused = call->complete && !(call->service && call->service->cancellable);
    bool waiting = api_flight_end(limits_of(as), &call->flight);
    as->call = NULL;
    free(call);
    rest_after_request(as);
    if (paused && as->a)
        net_assoc_resume(as->a);
    if (waiting && as->a)
        net_assoc_resume(as->a);
}

/* The request is whole: the next one is not read before this is answered. */
static void completed(struct api_scp_call *call)
{
    call->complete = true;
    if (!(call->service && call->service->cancellable))
        net_assoc_pause(call->assoc->a);
}

static void on_echo(struct scp_assoc *as, uint8_t context, const struct dicom_dimse *cmd)
{
    struct dicom_dimse response = dicom_dimse_response(cmd, DIMSE_SUCCESS);
    if (net_assoc_send(as->a, context, &response, base_bytes_of(NULL, 0)))
        net_assoc_abort(as->a);
    rest_after_request(as);
}

static void on_flight(void *arg)
{
    const struct api_scp_call *call = arg;
    net_assoc_resume(call->assoc->a);
}

/* There is no service for it. */
static void refuse_call(struct api_scp_call *call)
{
    if (!call->wrong_class)
        api_scp_finish(call, DIMSE_UNRECOGNIZED_OPERATION, "this service is not offered here");
    else if (call->request.command == DIMSE_C_FIND_RQ)
        api_scp_finish(call, DIMSE_SOP_CLASS_NOT_SUPPORTED,
                       "the class is not that of the presentation context");
    else
        api_scp_finish(call, DIMSE_NO_SUCH_SOP_CLASS,
                       "the class is not that of the presentation context");
}

static void begin_call(struct scp_assoc *as, uint8_t context, const struct dicom_dimse *cmd)
{
    struct api_scp_call *call = calloc(1, sizeof *call);
    if (!call) {
        net_assoc_abort(as->a);
        return;
    }
    call->assoc = as;
    call->context_id = context;
    call->request = *cmd;
    as->call = call;
    find_service(call, net_assoc_abstract_syntax(as->a, context));
    /* PS3.7 9.1.2.1.2, 10.1: the class is that of the presentation context; C-STORE says so
     * for itself, since its data set may be long. */
    if (call->service && call->service->sop_class &&
        strcmp(call->service->sop_class, cmd->sop_class) != 0) {
        call->service = NULL;
        call->wrong_class = true;
    }
    if (cmd->has_dataset)
        api_flight_begin(limits_of(as), &call->flight, as->quota, &as->share, on_flight, call);
    else
        completed(call);
    if (call->service)
        call->service->begin(call, call->arg);
    else if (!cmd->has_dataset)
        refuse_call(call);
}

static void end_ask(struct scp_assoc *as, const struct dicom_dimse *response)
{
    api_scp_answer_fn *answer = as->answer;
    as->answer = NULL;
    if (answer)
        answer(as->answer_arg, response);
}

static void on_response(struct scp_assoc *as, const struct dicom_dimse *cmd)
{
    if (as->answer && cmd->responded_id == as->message_id)
        end_ask(as, cmd);
    else
        net_assoc_abort(as->a);
}

static void on_command(struct net_assoc *a, void *arg, uint8_t context,
                       const struct dicom_dimse *cmd)
{
    struct scp_assoc *as = arg;
    if (cmd->command == DIMSE_C_CANCEL_RQ) {
        /* Too late for a call that has ended: PS3.7 9.3.2.3 lets it pass. */
        if (as->call && as->call->request.message_id == cmd->responded_id)
            as->call->cancelled = true;
    } else if (cmd->command & DIMSE_RESPONSE_BIT) {
        on_response(as, cmd);
    } else if (as->call) {
        net_assoc_abort(a);
    } else if (cmd->command == DIMSE_C_ECHO_RQ) {
        count_request(as);
        on_echo(as, context, cmd);
    } else {
        count_request(as);
        begin_call(as, context, cmd);
    }
}

static void on_data(struct net_assoc *a, void *arg, struct base_bytes bytes, bool last)
{
    struct scp_assoc *as = arg;
    struct api_scp_call *call = as->call;
    (void)a;
    /* A call that was finished early is gone; its data set is passed over. */
    if (!call || call->complete)
        return;
    bool go_on = api_flight_add(limits_of(as), &call->flight, bytes.n);
    if (last)
        completed(call);
    if (!go_on)
        net_assoc_pause(as->a);
    if (call->service && call->service->data)
        call->service->data(call, call->arg, bytes, last);
    else if (last && !call->service)
        refuse_call(call);
}

static void on_closed(struct net_assoc *a, void *arg, enum net_assoc_cause cause, const char *text)
{
    struct scp_assoc *as = arg;
    if (!as)
        return;
    if (cause != NET_ASSOC_STOPPED && cause != NET_ASSOC_REJECTED)
        note(as, api_contact_cause(cause, text), text);
    as->a = NULL;
    if (as->call) {
        if (as->call->service && as->call->service->gone)
            as->call->service->gone(as->call, as->call->arg);
        api_flight_end(limits_of(as), &as->call->flight);
        free(as->call);
        as->call = NULL;
    }
    end_ask(as, NULL);
    unseat(as);
    if (as->accepted)
        base_count(&as->s->config->counters->associations_open, -1);
    BASE_LOG(INFO, "association_closed", LOG_U("association", net_assoc_id(a)),
             LOG_I("device", as->device.id), LOG_S("cause", net_assoc_cause_text(cause)),
             LOG_S("detail", text));
    free_when_unused(as);
}

static void on_stranger(void *arg, const char *address, enum net_assoc_cause cause,
                        const char *text)
{
    struct api_scp *s = arg;
    struct api_contact_peer peer = {.address = address, .calling = "", .called = ""};
    api_contact_note(s->contact, &peer, api_contact_cause(cause, text), text);
    base_count(&s->config->counters->associations_refused_total, 1);
    BASE_LOG(WARN, "stranger", LOG_S("address", address),
             LOG_S("cause", net_assoc_cause_text(cause)), LOG_S("remedy", text));
}

void api_scp_note_stranger(struct api_scp *s, const char *address, const char *text)
{
    struct api_contact_peer peer = {.address = address, .calling = "", .called = ""};
    api_contact_note(s->contact, &peer, api_contact_cause_of_tls(text), text);
}

/* ---- what a service calls ---- */

const struct api_scp_device *api_scp_device(const struct api_scp_call *call)
{
    return &call->assoc->device;
}

const struct dicom_dimse *api_scp_request(const struct api_scp_call *call)
{
    return &call->request;
}

const char *api_scp_abstract_syntax(const struct api_scp_call *call)
{
    return net_assoc_abstract_syntax(call->assoc->a, call->context_id);
}

const char *api_scp_transfer_syntax(const struct api_scp_call *call)
{
    return net_assoc_transfer_syntax(call->assoc->a, call->context_id);
}

void api_scp_set(struct api_scp_call *call, void *context)
{
    call->context = context;
}

void *api_scp_get(const struct api_scp_call *call)
{
    return call->context;
}

void api_scp_pause(struct api_scp_call *call)
{
    net_assoc_pause_reading(call->assoc->a);
}

void api_scp_resume(struct api_scp_call *call)
{
    net_assoc_resume_reading(call->assoc->a);
}

void api_scp_hurry(struct api_scp_call *call)
{
    call->flight.urgent = true;
}

bool api_scp_cancelled(const struct api_scp_call *call)
{
    return call->cancelled;
}

enum base_err api_scp_respond(struct api_scp_call *call, const struct dicom_dimse *response,
                              struct base_bytes data)
{
    return net_assoc_send(call->assoc->a, call->context_id, response, data);
}

void api_scp_finish_with(struct api_scp_call *call, const struct dicom_dimse *response,
                         struct base_bytes data)
{
    struct api_contact_peer peer = peer_of(call->assoc);
    api_contact_note_status(call->assoc->s->contact, &peer, response);
    if (net_assoc_send(call->assoc->a, call->context_id, response, data))
        net_assoc_abort(call->assoc->a);
    end_call(call);
}

void api_scp_finish(struct api_scp_call *call, uint16_t status, const char *comment)
{
    struct dicom_dimse response = dicom_dimse_response(&call->request, status);
    if (comment)
        snprintf(response.error_comment, sizeof response.error_comment, "%s", comment);
    api_scp_finish_with(call, &response, base_bytes_of(NULL, 0));
}

void api_scp_abort(struct api_scp_call *call)
{
    net_assoc_abort(call->assoc->a);
    end_call(call);
}

/* ---- requests of our own ---- */

struct api_scp_hold *api_scp_hold(struct api_scp_call *call)
{
    struct api_scp_hold *hold = calloc(1, sizeof *hold);
    if (!hold)
        return NULL;
    hold->assoc = call->assoc;
    hold->context_id = call->context_id;
    call->assoc->holds++;
    return hold;
}

const char *api_scp_hold_syntax(const struct api_scp_hold *hold)
{
    return hold->assoc->a ? net_assoc_transfer_syntax(hold->assoc->a, hold->context_id) : "";
}

bool api_scp_hold_open(const struct api_scp_hold *hold)
{
    return hold->assoc->a;
}

bool api_scp_hold_idle(const struct api_scp_hold *hold)
{
    return hold->assoc->a && !hold->assoc->call && !hold->assoc->answer;
}

void api_scp_let_go(struct api_scp_hold *hold)
{
    if (!hold)
        return;
    hold->assoc->holds--;
    free_when_unused(hold->assoc);
    free(hold);
}

enum base_err api_scp_ask(struct api_scp_hold *hold, const struct dicom_dimse *request,
                          struct base_bytes data, api_scp_answer_fn *fn, void *arg)
{
    struct scp_assoc *as = hold->assoc;
    struct dicom_dimse rq = *request;
    enum base_err err = BASE_ECLOSED;
    rq.message_id = (uint16_t)(as->message_id + 1);
    if (as->a)
        err = api_scp_hold_idle(hold) ? net_assoc_send(as->a, hold->context_id, &rq, data)
                                      : BASE_ECONFLICT;
    if (!err) {
        as->message_id = rq.message_id;
        as->answer = fn;
        as->answer_arg = arg;
    }
    api_scp_let_go(hold);
    return err;
}

/* ---- the server ---- */

static bool is_offered(const struct api_scp *s, const char *sop_class)
{
    for (unsigned i = 0; i < s->n_offers; i++) {
        const char *have = s->offers[i].sop_class;
        if (have && sop_class ? strcmp(have, sop_class) == 0 : have == sop_class)
            return true;
    }
    return false;
}

static enum base_err add_offer(struct api_scp *s, const char *sop_class)
{
    if (is_offered(s, sop_class))
        return BASE_OK;
    if (s->n_offers == OFFERS_MAX)
        return BASE_ELIMIT;
    s->offers[s->n_offers++] = (struct dicom_offer){
        .sop_class = sop_class,
        .flags = sop_class ? 0 : storage_flags(s->config->conf),
        .syntaxes = sop_class ? DICOM_OFFER_UNCOMPRESSED : DICOM_OFFER_STORED,
        .requestor_scu = true,
    };
    return BASE_OK;
}

static enum base_err collect_offers(struct api_scp *s)
{
    enum base_err err = add_offer(s, DICOM_UID_VERIFICATION);
    for (size_t t = 0; t < s->config->table_count; t++)
        for (size_t i = 0; i < s->config->tables[t].n && !err; i++)
            err = add_offer(s, s->config->tables[t].services[i].sop_class);
    return err;
}

enum base_err api_scp_start(const struct api_scp_config *config, struct api_scp **out)
{
    static const struct net_assoc_handlers handlers = {.on_request = on_request,
                                                       .on_command = on_command,
                                                       .on_data = on_data,
                                                       .on_closed = on_closed};
    const struct base_conf *conf = config->conf;
    struct net_assoc_config net = {
        .max_pdu = (uint32_t)conf->dicom_max_pdu,
        .artim_ms = (unsigned)conf->dicom_artim_seconds * 1000,
        .idle_ms = (unsigned)conf->dicom_idle_seconds * 1000,
        /* The limit of the machine, which we keep, comes first. */
        .max_associations = (unsigned)conf->dicom_max_associations + 1,
        .on_stranger = on_stranger,
    };
    struct api_scp *s = calloc(1, sizeof *s);
    if (!s)
        return BASE_ENOMEM;
    s->config = config;
    enum base_err err = collect_offers(s);
    if (!err)
        err = api_contact_new(config->loop, config->db, &s->contact);
    if (!err)
        err = api_devices_new(config->db, &s->devices);
    if (!err)
        err = net_assoc_listen(config->loop, config->fd, &net, &handlers, s, &s->server);
    net.tls = config->tls;
    if (!err && config->tls)
        err = net_assoc_listen(config->loop, config->tls_fd, &net, &handlers, s, &s->tls_server);
    if (err) {
        net_assoc_server_close(s->server, NULL, NULL);
        api_scp_free(s);
        return err;
    }
    *out = s;
    return BASE_OK;
}

void api_scp_drain(struct api_scp *s)
{
    net_assoc_server_stop(s->server);
    if (s->tls_server)
        net_assoc_server_stop(s->tls_server);
    api_contact_flush(s->contact);
}

/* One after the other, so that done comes after both. */
static void on_plain_closed(void *arg)
{
    struct api_scp *s = arg;
    struct net_assoc_server *server = s->tls_server;
    s->tls_server = NULL;
    if (server)
        net_assoc_server_close(server, s->stopped, s->stopped_arg);
    else
        s->stopped(s->stopped_arg);
}

void api_scp_stop(struct api_scp *s, void (*done)(void *arg), void *arg)
{
    s->stopped = done;
    s->stopped_arg = arg;
    net_assoc_server_close(s->server, on_plain_closed, s);
    s->server = NULL;
}

void api_scp_free(struct api_scp *s)
{
    if (!s)
        return;
    api_contact_free(s->contact);
    api_devices_free(s->devices);
    free(s);
}
