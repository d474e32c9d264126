#include "ingest/ingest_store_scp.h"

#include "ingest/ingest_object.h"
#include "ingest/ingest_priv.h"

#include <assert.h>
#include <stdlib.h>

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

void ingest_store_begin(struct api_scp_call *call, void *arg)
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

void ingest_store_data(struct api_scp_call *call, void *arg, struct base_bytes bytes, bool last)
{
    struct incoming *in = api_scp_get(call);
    (void)arg;
    assert(in->object);
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

size_t ingest_store_space(struct api_scp_call *call, void *arg, uint8_t **to)
{
    struct incoming *in = api_scp_get(call);
    (void)arg;
    assert(in->object);
    return ingest_object_space(in->object, to);
}

void ingest_store_gone(struct api_scp_call *call, void *arg)
{
    struct incoming *in = api_scp_get(call);
    (void)arg;
    in->call = NULL;
    /* What is whole is committed all the same; the device will send it again. */
    if (in->object) {
        ingest_object_abort(in->object);
        free(in);
    }
}
