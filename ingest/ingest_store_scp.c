/*
 * C-STORE as SCP (PS3.4 Annex B): the data set streams into an ingest_object,
 * and is answered when that is acknowledged.
 */
#include "ingest/ingest_priv.h"

#include "ingest/ingest_object.h"
#include "ingest/ingest_request.h"

#include <stdlib.h>
#include <string.h>

struct incoming {
    struct api_scp_call *call;    /* NULL once the association is gone */
    struct ingest_object *object; /* until its last byte */
    bool paused;                  /* until the store has room */
};

/* PS3.4 Table B.2-1 */
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
    struct incoming *in = arg;
    if (in->call)
        api_scp_finish(in->call, status_of(result->err), result->err ? result->message : NULL);
    free(in);
}

static void on_room(void *arg)
{
    struct incoming *in = arg;
    if (in->paused && in->call) {
        in->paused = false;
        api_scp_resume(in->call);
    }
}

static void begin(struct api_scp_call *call, void *arg)
{
    struct ingest *g = arg;
    const struct dicom_dimse *rq = api_scp_request(call);
    const struct api_scp_device *device = api_scp_device(call);
    struct ingest_source source = {
        .centre_id = device->centre_id,
        .centre_code = device->centre,
        .device_id = device->id,
        .quiet_seconds = device->quiet_seconds,
        .aet = device->aet,
        .syntax = dicom_syntax_find(api_scp_transfer_syntax(call)),
        .sop_class = rq->sop_class,
        .sop_instance = rq->sop_instance,
    };
    /* PS3.7 9.1.1.1.3: the class is that of the presentation context. Without
     * an object the data set is heard out and refused. */
    if (strcmp(rq->sop_class, api_scp_abstract_syntax(call)) != 0)
        return;
    struct incoming *in = calloc(1, sizeof *in);
    if (!in || ingest_object_new(g, &source, &in->object)) {
        free(in);
        api_scp_abort(call);
        return;
    }
    in->call = call;
    api_scp_set(call, in);
    ingest_object_on_room(in->object, on_room, in);
}

static void data(struct api_scp_call *call, void *arg, struct base_bytes bytes, bool last)
{
    struct incoming *in = api_scp_get(call);
    (void)arg;
    if (!in) {
        if (last)
            api_scp_finish(call, DIMSE_SOP_CLASS_NOT_SUPPORTED,
                           "the class is not that of the presentation context");
        return;
    }
    ingest_object_write(in->object, bytes);
    if (ingest_object_class(in->object) == LOOP_STAT)
        api_scp_hurry(call);
    if (last) {
        struct ingest_object *o = in->object;
        in->object = NULL;
        if (in->paused)
            api_scp_resume(call);
        in->paused = false;
        ingest_object_finish(o, on_stored, in);
    } else if (!ingest_object_room(in->object) && !in->paused) {
        in->paused = true;
        api_scp_pause(call);
    }
}

static size_t space(struct api_scp_call *call, void *arg, uint8_t **to)
{
    struct incoming *in = api_scp_get(call);
    (void)arg;
    return in && in->object ? ingest_object_space(in->object, to) : 0;
}

static void gone(struct api_scp_call *call, void *arg)
{
    struct incoming *in = api_scp_get(call);
    (void)arg;
    if (!in)
        return;
    in->call = NULL;
    /* What is whole is committed all the same; the device will send it again. */
    if (in->object) {
        ingest_object_abort(in->object);
        free(in);
    }
}

static const struct api_scp_service services[] = {
    {.command = DIMSE_C_STORE_RQ,
     .sop_class = NULL,
     .begin = begin,
     .data = data,
     .space = space,
     .gone = gone},
    {.command = DIMSE_N_CREATE_RQ,
     .sop_class = DICOM_UID_MPPS,
     .begin = ingest_request_begin,
     .data = ingest_request_data,
     .gone = ingest_request_gone},
    {.command = DIMSE_N_SET_RQ,
     .sop_class = DICOM_UID_MPPS,
     .begin = ingest_request_begin,
     .data = ingest_request_data,
     .gone = ingest_request_gone},
    {.command = DIMSE_N_ACTION_RQ,
     .sop_class = DICOM_UID_STORAGE_COMMITMENT,
     .begin = ingest_request_begin,
     .data = ingest_request_data,
     .gone = ingest_request_gone},
};

struct api_scp_table ingest_scp(struct ingest *g)
{
    return (struct api_scp_table){services, sizeof services / sizeof services[0], g};
}
