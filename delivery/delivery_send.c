#include "delivery/delivery_send.h"

#include "dicom/dicom_part10.h"
#include "net/net_assoc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OBJECTS_MAX = 16,
    CONNECT_MS = 10000,
    RESPONSE_MS = 60000,
    SEND_SECONDS = 270,
    MAX_PDU = 128 * 1024
};

/* One delivery under way. Freed by the association or the store, whichever ends last. */
struct sending {
    const struct delivery_config *config;
    const json_t *objects; /* of the claimed row */
    size_t n;
    size_t at; /* the object being sent */
    struct net_assoc *a;
    struct store_read *read;
    bool header; /* the file meta group of this object has been read */
    uint16_t message_id;
    enum delivery_outcome outcome;
    char message[256];
    char warnings[256]; /* of the objects that were taken */
    delivery_sent_fn *fn;
    void *arg;
};

static const char *field(const struct sending *s, const char *name)
{
    const char *text = json_string_value(json_object_get(json_array_get(s->objects, s->at), name));
    return text ? text : "";
}

static void set_outcome(struct sending *s, enum delivery_outcome outcome, const char *message)
{
    s->outcome = outcome;
    snprintf(s->message, sizeof s->message, "%s", message);
}

static void abort_with(struct sending *s, enum delivery_outcome outcome, const char *message)
{
    set_outcome(s, outcome, message);
    net_assoc_abort(s->a);
}

/* ---- one object ---- */

static void on_piece(void *arg, enum base_err err, struct base_bytes data, bool end)
{
    struct sending *s = arg;
    if (err) {
        abort_with(s, DELIVERY_RETRY, "the object cannot be read from the store");
        return;
    }
    if (!s->header) {
        struct dicom_part10 file;
        struct base_error error;
        if (dicom_part10_read(data, end, &file, &error) != DICOM_SCAN_DONE) {
            abort_with(s, DELIVERY_RETRY, "the object in the store is damaged");
            return;
        }
        data = base_bytes_of(data.p + file.dataset, data.n - file.dataset);
        s->header = true;
    }
    if (net_assoc_feed(s->a, data, end)) {
        abort_with(s, DELIVERY_RETRY, "out of memory");
        return;
    }
    if (end) {
        store_read_close(s->read);
        s->read = NULL;
    }
}

static void on_pull(struct net_assoc *a, void *arg)
{
    struct sending *s = arg;
    (void)a;
    if (s->read)
        store_read_next(s->read, on_piece, s);
}

static void send_object(struct sending *s)
{
    uint8_t context =
        net_assoc_context(s->a, field(s, "sop_class"), field(s, "transfer_syntax"), NULL);
    if (!context) {
        abort_with(s, DELIVERY_RETRY,
                   "the destination does not accept this kind of object (SOP Class or transfer "
                   "syntax); enable it there");
        return;
    }
    struct dicom_dimse rq = {
        .command = DIMSE_C_STORE_RQ, .message_id = ++s->message_id, .has_dataset = true};
    snprintf(rq.sop_class, sizeof rq.sop_class, "%s", field(s, "sop_class"));
    snprintf(rq.sop_instance, sizeof rq.sop_instance, "%s", field(s, "sop_uid"));
    s->header = false;
    if (store_read_open(s->config->store, field(s, "location"), 0, LOOP_STAT, &s->read) ||
        net_assoc_send_stream(s->a, context, &rq, on_pull))
        abort_with(s, DELIVERY_RETRY, "the object cannot be read from the store");
}

/* ---- the association ---- */

static void on_established(struct net_assoc *a, void *arg)
{
    (void)a;
    send_object(arg);
}

/* PS3.4 B.2.3. A duplicate is success: the peer has the object. */
static enum delivery_outcome outcome_of(uint16_t status)
{
    if (status == DIMSE_SUCCESS || (status & 0xF000) == 0xB000 ||
        status == DIMSE_DUPLICATE_INSTANCE)
        return DELIVERY_OK;
    if ((status & 0xFF00) == DIMSE_STORE_OUT_OF_RESOURCES || status == DIMSE_PROCESSING_FAILURE ||
        status == DIMSE_NOT_AUTHORIZED)
        return DELIVERY_RETRY;
    return DELIVERY_PERMANENT;
}

/* PS3.4 Table B.2-1. */
static const char *warning_text(uint16_t status)
{
    return status == 0xB000   ? " (it changed values)"
           : status == 0xB006 ? " (it left values out)"
           : status == 0xB007 ? " (the object does not match its SOP class)"
                              : "";
}

/* Appends a warning, cut off where there is no more room. */
static void add_warning(struct sending *s, const struct dicom_dimse *cmd)
{
    size_t n = strlen(s->warnings);
    snprintf(s->warnings + n, sizeof s->warnings - n, "%sstatus %04X%s to %s%s%s", n ? "; " : "",
             (unsigned)cmd->status, warning_text(cmd->status), field(s, "sop_uid"),
             cmd->error_comment[0] ? ": " : "", cmd->error_comment);
}

static void on_command(struct net_assoc *a, void *arg, uint8_t context,
                       const struct dicom_dimse *cmd)
{
    struct sending *s = arg;
    (void)context;
    if (cmd->command != DIMSE_C_STORE_RSP || s->read) {
        abort_with(s, DELIVERY_RETRY, "the destination answered something else than C-STORE-RSP");
        return;
    }
    /* Of which object it would be the receipt is not certain (PS3.7 9.3.1.2). */
    if (cmd->responded_id != s->message_id) {
        char message[120];
        snprintf(message, sizeof message,
                 "the destination answered message %u, but %u was sent: its Message ID Being "
                 "Responded To is wrong",
                 (unsigned)cmd->responded_id, (unsigned)s->message_id);
        abort_with(s, DELIVERY_RETRY, message);
        return;
    }
    enum delivery_outcome outcome = outcome_of(cmd->status);
    if ((cmd->status & 0xF000) == 0xB000)
        add_warning(s, cmd);
    if (outcome != DELIVERY_OK) {
        char message[200];
        snprintf(message, sizeof message, "the destination answered status %04X%s%s",
                 (unsigned)cmd->status, cmd->error_comment[0] ? ": " : "", cmd->error_comment);
        set_outcome(s, outcome, message);
    } else if (++s->at < s->n) {
        send_object(s);
        return;
    } else {
        set_outcome(s, DELIVERY_OK, s->warnings);
    }
    net_assoc_release(a);
}

static void on_closed(struct net_assoc *a, void *arg, enum net_assoc_cause cause, const char *text)
{
    struct sending *s = arg;
    (void)a;
    store_read_close(s->read);
    /* Once answered, the way the association ends changes nothing. */
    if (s->outcome == DELIVERY_RETRY && !s->message[0])
        snprintf(s->message, sizeof s->message, "%s%s%s", net_assoc_cause_text(cause),
                 text[0] ? ": " : "", text);
    s->fn(s->arg, s->outcome, s->message);
    free(s);
}

static const struct net_assoc_handlers handlers = {
    .on_established = on_established,
    .on_command = on_command,
    .on_closed = on_closed,
};

static enum base_err connect_to(struct sending *s, const json_t *row)
{
    struct dicom_context contexts[OBJECTS_MAX];
    const char *syntaxes[OBJECTS_MAX];
    for (s->at = 0; s->at < s->n; s->at++) {
        syntaxes[s->at] = field(s, "transfer_syntax");
        contexts[s->at] = (struct dicom_context){
            .abstract = field(s, "sop_class"), .syntaxes = &syntaxes[s->at], .n_syntaxes = 1};
    }
    s->at = 0;
    struct net_assoc_target target = {
        .tls = json_is_true(json_object_get(row, "tls")) ? s->config->tls : NULL,
        .host = json_string_value(json_object_get(row, "host")),
        .port = (uint16_t)json_integer_value(json_object_get(row, "port")),
        .calling = s->config->conf->dicom_aet,
        .called = json_string_value(json_object_get(row, "aet")),
        .contexts = contexts,
        .n_contexts = (unsigned)s->n,
        .connect_ms = CONNECT_MS,
        .response_ms = RESPONSE_MS,
        .total_ms = SEND_SECONDS * 1000,
        .max_pdu = MAX_PDU,
    };
    return net_assoc_connect(s->config->loop, &target, &handlers, s, &s->a);
}

void delivery_send(const struct delivery_config *config, const json_t *row, delivery_sent_fn *fn,
                   void *arg)
{
    const json_t *objects = json_object_get(row, "objects");
    size_t n = json_array_size(objects);
    struct sending *s = calloc(1, sizeof *s);
    if (!s || n == 0 || n > OBJECTS_MAX) {
        fn(arg, DELIVERY_RETRY, s ? "the report has no objects to send" : "out of memory");
        free(s);
        return;
    }
    s->config = config;
    s->objects = objects;
    s->n = n;
    s->outcome = DELIVERY_RETRY;
    s->fn = fn;
    s->arg = arg;
    enum base_err err = connect_to(s, row);
    if (err) {
        fn(arg, DELIVERY_RETRY, base_err_text(err));
        free(s);
    }
}
