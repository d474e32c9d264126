#include "api/api_scp_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static void end_call(struct api_scp_call *call)
{
    struct api_scp_assoc *as = call->assoc;
    assert(as->call == call);
    bool paused = call->complete && !(call->service && call->service->cancellable);
    bool waiting = api_flight_end(api_scp_limits(as), &call->flight);
    as->call = NULL;
    free(call);
    api_scp_rest_after_request(as);
    if (paused && as->a)
        net_assoc_resume(as->a);
    if (waiting && as->a)
        net_assoc_resume(as->a);
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
    struct api_contact_peer peer = api_scp_peer(call->assoc);
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

void api_scp_end_ask(struct api_scp_assoc *as, const struct dicom_dimse *response)
{
    api_scp_answer_fn *answer = as->answer;
    as->answer = NULL;
    if (answer)
        answer(as->answer_arg, response);
}

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
    assert(hold->assoc->holds > 0);
    hold->assoc->holds--;
    api_scp_free_assoc(hold->assoc);
    free(hold);
}

enum base_err api_scp_ask(struct api_scp_hold *hold, const struct dicom_dimse *request,
                          struct base_bytes data, api_scp_answer_fn *fn, void *arg)
{
    struct api_scp_assoc *as = hold->assoc;
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
