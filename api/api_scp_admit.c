#include "api/api_scp_priv.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LIST_SIZE = 500 /* as much as a log line holds */, DETAIL_SIZE = 100 };

static void refuse(struct api_scp_assoc *as, enum model_cause cause, struct dicom_reject reject,
                   const char *detail)
{
    struct api_contact_peer peer = api_scp_peer(as);
    BASE_LOG(WARN, "association_refused", LOG_U("association", net_assoc_id(as->a)),
             LOG_S("address", peer.address), LOG_S("calling", peer.calling),
             LOG_S("called", peer.called), LOG_S("certificate", as->certificate),
             LOG_S("cause", model_cause_code(cause)), LOG_S("detail", model_cause_text(cause)->en),
             LOG_S("remedy", model_cause_text(cause)->remedy_en));
    base_count(&as->s->config->counters->associations_refused_total, 1);
    api_contact_note(as->s->contact, &peer, cause, detail[0] ? detail : dicom_reject_text(reject));
    net_assoc_reject(as->a, reject);
}

static void refuse_busy(struct api_scp_assoc *as, enum model_cause cause)
{
    refuse(as, cause,
           (struct dicom_reject){DICOM_RJ_TRANSIENT, DICOM_RJ_PRESENTATION,
                                 DICOM_RJ_PRESENTATION_CONGESTION},
           "");
}

/* PS3.8 Table 9-21: "local-limit-exceeded", and the device tries again. */
static void refuse_limit(struct api_scp_assoc *as, enum model_cause cause)
{
    refuse(as, cause,
           (struct dicom_reject){DICOM_RJ_TRANSIENT, DICOM_RJ_PRESENTATION,
                                 DICOM_RJ_PRESENTATION_LIMIT},
           "");
}

/* What a technician overlooks on the screen of the device. */
static void explain_title(const char *title, const char *ours, char text[DETAIL_SIZE])
{
    if (!title[0])
        snprintf(text, DETAIL_SIZE, "the title is empty");
    else if (strchr(title, '?')) /* dicom_associate_decode puts it there */
        snprintf(text, DETAIL_SIZE, "characters that are not ASCII are shown as ?");
    else if (ours[0] && strcasecmp(title, ours) == 0)
        snprintf(text, DETAIL_SIZE, "%s is known: only upper and lower case differ", ours);
}

/* PS3.8 9.3.4 has a reason for a wrong calling and for a wrong called title. ours: the right
 * title, "" when it is not known. */
static void refuse_unknown(struct api_scp_assoc *as, enum model_cause cause, const char *ours)
{
    const struct dicom_associate *rq = net_assoc_request(as->a);
    bool called = cause == MODEL_CAUSE_WRONG_CALLED;
    char text[DETAIL_SIZE] = "";
    if (called || cause == MODEL_CAUSE_UNKNOWN_AET)
        explain_title(called ? rq->called : rq->calling, ours, text);
    refuse(as, cause,
           (struct dicom_reject){DICOM_RJ_PERMANENT, DICOM_RJ_USER,
                                 called ? DICOM_RJ_USER_CALLED_AET : DICOM_RJ_USER_CALLING_AET},
           text);
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

/* Logs every refused context, for the technician who wonders why one kind of image
 * does not arrive. */
static void log_refused(const struct api_scp_assoc *as, const struct dicom_associate *ac)
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

/* Lists "SOP class=transfer syntax" of the accepted contexts, as far as a log line holds
 * them; `rdc device doctor` has them all. */
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

static int64_t own_or(const json_t *row, const char *name, int64_t configured)
{
    const json_t *own = json_object_get(row, name);
    return json_is_integer(own) ? json_integer_value(own) : configured;
}

/* An association counts as its first request, so that devices that open one for each
 * object are slowed down as well. Returns the milliseconds it has to wait; -1: refused. */
static int64_t take_place(struct api_scp_assoc *as)
{
    const struct base_conf *conf = as->s->config->conf;
    as->share = (struct api_share){
        .associations = own_or(as->row, "max_associations", conf->dicom_device_max_associations),
        .rate = own_or(as->row, "max_rate", conf->dicom_device_max_rate),
        .bytes = own_or(as->row, "max_bytes_in_flight", (int64_t)conf->dicom_device_max_bytes),
    };
    as->quota = api_limits_join(api_scp_limits(as), BASE_QUOTA_DEVICE, as->device.id);
    as->device_seated = api_limits_seat(api_scp_limits(as), as->quota, &as->share);
    if (!as->device_seated) {
        refuse_limit(as, MODEL_CAUSE_DEVICE_TOO_MANY);
        return -1;
    }
    int64_t wait_ms = api_limits_dimse(api_scp_limits(as), as->quota, &as->share);
    if (wait_ms < 0)
        refuse_limit(as, MODEL_CAUSE_TOO_FAST);
    as->prepaid = true;
    return wait_ms;
}

static void accept(struct api_scp_assoc *as)
{
    int64_t wait_ms = take_place(as);
    if (wait_ms < 0)
        return;
    const struct api_scp_config *config = as->s->config;
    const struct dicom_associate *rq = net_assoc_request(as->a);
    struct dicom_associate ac;
    enum base_err err =
        dicom_negotiate(rq, as->s->offers, as->s->n_offers, (uint32_t)config->conf->dicom_max_pdu,
                        net_assoc_arena(as->a), &ac, &as->contexts);
    if (!err) {
        log_refused(as, &ac);
        err = net_assoc_accept(as->a, &ac);
    }
    if (err) {
        net_assoc_abort(as->a);
        return;
    }
    as->accepted = true;
    struct api_contact_peer peer = api_scp_peer(as);
    api_contact_note_answer(as->s->contact, &peer, rq, &ac);
    const struct net_tls *tls = net_assoc_tls(as->a);
    char list[LIST_SIZE];
    list_accepted(rq, &ac, list);
    base_count(&config->counters->associations_total, 1);
    base_count(&config->counters->associations_open, 1);
    BASE_LOG(INFO, "association_accepted", LOG_U("association", net_assoc_id(as->a)),
             LOG_S("address", net_assoc_peer(as->a, NULL)), LOG_S("calling", rq->calling),
             LOG_I("device", as->device.id), LOG_S("tls", tls ? net_tls_version(tls) : "none"),
             LOG_U("contexts", rq->n_contexts), LOG_U("accepted", as->contexts),
             LOG_S("list", list));
    api_scp_rest(as, wait_ms);
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

static void take_device(struct api_scp_assoc *as, json_t *row)
{
    const char *own = text_of(row, "called");
    const char *called = own[0] ? own : as->s->config->conf->dicom_aet;
    const struct dicom_associate *rq = net_assoc_request(as->a);
    if (!row) {
        refuse_busy(as, MODEL_CAUSE_DATABASE);
    } else if (text_of(row, "cause")[0]) {
        refuse_unknown(as, model_cause_find(text_of(row, "cause")), text_of(row, "near"));
    } else if (strcmp(rq->called, called) != 0) {
        refuse_unknown(as, MODEL_CAUSE_WRONG_CALLED, called);
    } else {
        as->row = json_incref(row);
        as->device = (struct api_scp_device){
            .id = number_of(row, "id"),
            .centre_id = number_of(row, "centre_id"),
            .quiet_seconds = number_of(row, "quiet"),
            .aet = rq->calling,
            .centre = text_of(row, "centre"),
            .charset = text_of(row, "charset"),
        };
        accept(as);
    }
}

static void on_device(void *arg, json_t *row)
{
    struct api_scp_assoc *as = arg;
    as->asking = false;
    if (as->a)
        take_device(as, row);
    else
        api_scp_free_assoc(as);
}

/* Uses the cached row, if there is one. */
static void find_device(struct api_scp_assoc *as, const struct dicom_associate *rq)
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

void api_scp_admit(struct api_scp_assoc *as, const struct dicom_associate *rq)
{
    uint8_t print[BASE_SHA256];
    const struct net_tls *tls = net_assoc_tls(as->a);
    if (tls && net_tls_fingerprint(tls, print))
        base_hex(print, sizeof print, as->certificate);
    as->seated = api_limits_seat_total(api_scp_limits(as));
    if (!as->seated) {
        refuse_limit(as, MODEL_CAUSE_TOO_MANY);
        return;
    }
    find_device(as, rq);
}
