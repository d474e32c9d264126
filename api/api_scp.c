#include "api/api_scp.h"

#include "api/api_scp_priv.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct api_contact_peer api_scp_peer(const struct api_scp_assoc *as)
{
    const struct dicom_associate *rq = net_assoc_request(as->a);
    return (struct api_contact_peer){.device_id = as->device.id,
                                     .address = net_assoc_peer(as->a, NULL),
                                     .calling = rq->calling,
                                     .called = rq->called};
}

void api_scp_free_assoc(struct api_scp_assoc *as)
{
    if (as->a || as->asking || as->holds)
        return;
    json_decref(as->row);
    free(as);
}

struct api_limits *api_scp_limits(const struct api_scp_assoc *as)
{
    return as->s->config->limits;
}

/* Gives back what the limits counted. */
static void unseat(struct api_scp_assoc *as)
{
    api_rest_end(&as->rest);
    if (as->device_seated)
        api_limits_unseat(api_scp_limits(as), as->quota);
    if (as->seated)
        api_limits_unseat_total(api_scp_limits(as));
    api_limits_leave(api_scp_limits(as), as->quota);
    as->seated = false;
    as->device_seated = false;
    as->quota = NULL;
}

static void on_rested(void *arg)
{
    const struct api_scp_assoc *as = arg;
    assert(as->a); /* its end ends the rest */
    net_assoc_resume(as->a);
}

void api_scp_rest(struct api_scp_assoc *as, int64_t ms)
{
    if (ms <= 0 || !as->a)
        return;
    net_assoc_pause(as->a);
    api_rest_begin(api_scp_limits(as), &as->rest, ms, on_rested, as);
}

/* A request came. It is served; the next ones wait, if they must, after it is answered,
 * since a peer whose bytes we do not read cannot be answered either. */
static void count_request(struct api_scp_assoc *as)
{
    as->wait_ms = 0;
    if (!as->prepaid)
        as->wait_ms = api_limits_dimse(api_scp_limits(as), as->quota, &as->share);
    if (as->wait_ms < 0)
        as->wait_ms = API_LIMITS_PATIENCE_MS;
    as->prepaid = false;
}

void api_scp_rest_after_request(struct api_scp_assoc *as)
{
    int64_t ms = as->wait_ms;
    as->wait_ms = 0;
    api_scp_rest(as, ms);
}

/* ---- requests ---- */

static void on_request(struct net_assoc *a, void *arg, const struct dicom_associate *rq)
{
    struct api_scp *s = arg;
    struct api_scp_assoc *as = calloc(1, sizeof *as);
    net_assoc_set_arg(a, as);
    if (!as) {
        net_assoc_reject(a, (struct dicom_reject){DICOM_RJ_TRANSIENT, DICOM_RJ_PRESENTATION,
                                                  DICOM_RJ_PRESENTATION_LIMIT});
        return;
    }
    as->s = s;
    as->a = a;
    api_scp_admit(as, rq);
}

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

/* The request is whole: do not read the next one before this is answered. */
static void completed(struct api_scp_call *call)
{
    assert(!call->complete);
    call->complete = true;
    if (!(call->service && call->service->cancellable))
        net_assoc_pause(call->assoc->a);
}

static void on_echo(struct api_scp_assoc *as, uint8_t context, const struct dicom_dimse *cmd)
{
    struct dicom_dimse response = dicom_dimse_response(cmd, DIMSE_SUCCESS);
    if (net_assoc_send(as->a, context, &response, base_bytes_of(NULL, 0)))
        net_assoc_abort(as->a);
    api_scp_rest_after_request(as);
}

static void on_flight(void *arg)
{
    const struct api_scp_call *call = arg;
    assert(call->assoc->a); /* its end ends the flight */
    net_assoc_resume(call->assoc->a);
}

/* No service takes the request. */
static void refuse_call(struct api_scp_call *call)
{
    struct dicom_dimse wrong = dicom_dimse_response(&call->request, call->request.fault);
    if (wrong.status) {
        wrong.offending = call->request.offending;
        memcpy(wrong.error_comment, call->request.error_comment, sizeof wrong.error_comment);
        api_scp_finish_with(call, &wrong, base_bytes_of(NULL, 0));
    } else if (!call->wrong_class) {
        api_scp_finish(call, DIMSE_UNRECOGNIZED_OPERATION, "this service is not offered here");
    } else {
        /* PS3.7 9.1.1.1.9 and 9.1.2.1.6 have another status for it than 10.1 */
        uint16_t command = call->request.command;
        bool c_service = command == DIMSE_C_STORE_RQ || command == DIMSE_C_FIND_RQ;
        api_scp_finish(call, c_service ? DIMSE_SOP_CLASS_NOT_SUPPORTED : DIMSE_NO_SUCH_SOP_CLASS,
                       "the class is not that of the presentation context");
    }
}

static void begin_call(struct api_scp_assoc *as, uint8_t context, const struct dicom_dimse *cmd)
{
    struct api_scp_call *call = calloc(1, sizeof *call);
    assert(!as->call);
    if (!call) {
        net_assoc_abort(as->a);
        return;
    }
    call->assoc = as;
    call->context_id = context;
    call->request = *cmd;
    as->call = call;
    const char *abstract = net_assoc_abstract_syntax(as->a, context);
    if (!cmd->fault)
        find_service(call, abstract);
    /* PS3.7 9.1.1.1.3, 9.1.2.1.2, 10.1: the class is that of the presentation context. */
    if (call->service && strcmp(abstract, cmd->sop_class) != 0) {
        call->service = NULL;
        call->wrong_class = true;
    }
    if (cmd->has_dataset)
        api_flight_begin(api_scp_limits(as), &call->flight, as->quota, &as->share, on_flight, call);
    else
        completed(call);
    if (call->service)
        call->service->begin(call, call->arg);
    else if (!cmd->has_dataset)
        refuse_call(call);
}

/* DEVIATION (PS3.7 10.3.1): a device may answer our request under another Message ID. No other is
 * under way, and the association may be in the midst of its objects: it is taken as the answer. */
static void on_response(struct api_scp_assoc *as, const struct dicom_dimse *cmd)
{
    if (!as->answer) {
        net_assoc_abort_protocol(as->a, "a response to no request");
        return;
    }
    if (cmd->responded_id != as->message_id)
        BASE_LOG(WARN, "answered_under_another_id", LOG_I("device", as->device.id),
                 LOG_U("message", as->message_id), LOG_U("answered", cmd->responded_id));
    api_scp_end_ask(as, cmd);
}

static void on_command(struct net_assoc *a, void *arg, uint8_t context,
                       const struct dicom_dimse *cmd)
{
    struct api_scp_assoc *as = arg;
    if (cmd->command == DIMSE_C_CANCEL_RQ) {
        /* Too late for a call that has ended: PS3.7 9.3.2.3 lets it pass. */
        if (as->call && as->call->request.message_id == cmd->responded_id)
            as->call->cancelled = true;
    } else if (cmd->command & DIMSE_RESPONSE_BIT) {
        on_response(as, cmd);
    } else if (as->call) {
        net_assoc_abort_protocol(
            a, "a request before the answer to the last one; no asynchronous window was agreed");
    } else if (cmd->command == DIMSE_C_ECHO_RQ && !cmd->fault) {
        count_request(as);
        on_echo(as, context, cmd);
    } else {
        count_request(as);
        begin_call(as, context, cmd);
    }
}

static void on_data(struct net_assoc *a, void *arg, struct base_bytes bytes, bool last)
{
    struct api_scp_assoc *as = arg;
    struct api_scp_call *call = as->call;
    (void)a;
    /* A call that was finished early is gone; its data set is skipped. */
    if (!call || call->complete)
        return;
    bool go_on = api_flight_add(api_scp_limits(as), &call->flight, bytes.n);
    if (last)
        completed(call);
    if (!go_on)
        net_assoc_pause(as->a);
    if (call->service && call->service->data)
        call->service->data(call, call->arg, bytes, last);
    else if (last && !call->service)
        refuse_call(call);
}

static size_t on_space(struct net_assoc *a, void *arg, uint8_t **to)
{
    struct api_scp_assoc *as = arg;
    struct api_scp_call *call = as->call;
    (void)a;
    if (!call || call->complete || !call->service || !call->service->space)
        return 0;
    return call->service->space(call, call->arg, to);
}

static void on_closed(struct net_assoc *a, void *arg, enum net_assoc_cause cause, const char *text)
{
    struct api_scp_assoc *as = arg;
    if (!as)
        return;
    /* Who was granted no context was told about already: how it goes away, without a release or
     * with a request all the same, has no cause of its own. */
    bool told = as->accepted && as->contexts == 0 && cause != NET_ASSOC_RELEASED;
    if (!told && cause != NET_ASSOC_STOPPED && cause != NET_ASSOC_REJECTED) {
        struct api_contact_peer peer = api_scp_peer(as);
        api_contact_note(as->s->contact, &peer, api_contact_cause(cause, text), text);
    }
    as->a = NULL;
    if (as->call) {
        if (as->call->service && as->call->service->gone)
            as->call->service->gone(as->call, as->call->arg);
        api_flight_end(api_scp_limits(as), &as->call->flight);
        free(as->call);
        as->call = NULL;
    }
    api_scp_end_ask(as, NULL);
    unseat(as);
    if (as->accepted)
        base_count(&as->s->config->counters->associations_open, -1);
    BASE_LOG(INFO, "association_closed", LOG_U("association", net_assoc_id(a)),
             LOG_I("device", as->device.id), LOG_S("cause", net_assoc_cause_text(cause)),
             LOG_S("detail", text));
    api_scp_free_assoc(as);
}

static void on_stranger(void *arg, const char *address, const struct dicom_associate *rq,
                        enum net_assoc_cause cause, const char *text)
{
    struct api_scp *s = arg;
    struct api_contact_peer peer = {
        .address = address, .calling = rq ? rq->calling : "", .called = rq ? rq->called : ""};
    api_contact_note(s->contact, &peer, api_contact_cause(cause, text), text);
    base_count(&s->config->counters->associations_refused_total, 1);
    BASE_LOG(WARN, "stranger", LOG_S("address", address), LOG_S("calling", peer.calling),
             LOG_S("called", peer.called), LOG_S("cause", net_assoc_cause_text(cause)),
             LOG_S("remedy", text));
}

void api_scp_note_stranger(struct api_scp *s, const char *address, const char *text)
{
    struct api_contact_peer peer = {.address = address, .calling = "", .called = ""};
    api_contact_note(s->contact, &peer, api_contact_cause_of_tls(text), text);
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
    if (s->n_offers == API_SCP_OFFERS_MAX)
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

/* Even with few associations allowed, many peers at once can still be told that. */
enum { AWAITED_LEAST = 1000 };

enum base_err api_scp_start(const struct api_scp_config *config, struct api_scp **out)
{
    static const struct net_assoc_handlers handlers = {.on_request = on_request,
                                                       .on_command = on_command,
                                                       .on_data = on_data,
                                                       .on_space = on_space,
                                                       .on_closed = on_closed};
    const struct base_conf *conf = config->conf;
    struct net_assoc_config net = {
        .max_pdu = (uint32_t)conf->dicom_max_pdu,
        .artim_ms = (unsigned)conf->dicom_artim_seconds * 1000,
        .idle_ms = (unsigned)conf->dicom_idle_seconds * 1000,
        /* One more, so that our own limit for the whole machine is met first. */
        .max_associations = (unsigned)conf->dicom_max_associations + 1,
        .max_awaited = conf->dicom_max_associations < AWAITED_LEAST
                           ? AWAITED_LEAST
                           : (unsigned)conf->dicom_max_associations,
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
