#include "ingest/ingest_commitment_report.h"

#include "dicom/dicom_dataset.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONNECT_MS = 10000, RESPONSE_MS = 30000, MAX_PDU = 16 * 1024 };

struct report {
    const json_t *row;
    struct net_assoc *a;
    char error[200]; /* "" = answered */
    ingest_reported_fn *fn;
    void *arg;
};

static const char *text_of(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text ? text : "";
}

/* PS3.4 Table J.3-2. Every requested object is in exactly one of the two sequences. */
static unsigned write_items(struct dicom_writer *w, uint32_t tag, const json_t *items, bool failed)
{
    unsigned n = 0;
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const json_t *failure = json_object_get(item, "failure");
        if (json_is_integer(failure) != failed)
            continue;
        if (n++ == 0)
            dicom_write_seq_open(w, tag);
        dicom_write_item_open(w);
        dicom_write_text(w, DICOM_TAG_ReferencedSOPClassUID, text_of(item, "sop_class"));
        dicom_write_text(w, DICOM_TAG_ReferencedSOPInstanceUID, text_of(item, "sop_uid"));
        if (failed)
            dicom_write_int(w, DICOM_TAG_FailureReason, json_integer_value(failure));
        dicom_write_item_close(w);
    }
    if (n)
        dicom_write_seq_close(w);
    return n;
}

void ingest_commitment_encode(const json_t *report, enum dicom_encoding encoding,
                              struct base_buf *out, uint16_t *event)
{
    const json_t *items = json_object_get(report, "items");
    struct dicom_writer w;
    dicom_writer_init(&w, out, encoding);
    dicom_write_text(&w, DICOM_TAG_TransactionUID, text_of(report, "transaction"));
    *event = write_items(&w, DICOM_TAG_FailedSOPSequence, items, true) ? 2 : 1;
    write_items(&w, DICOM_TAG_ReferencedSOPSequence, items, false);
}

static struct dicom_dimse request_of(uint16_t event)
{
    struct dicom_dimse rq = {
        .command = DIMSE_N_EVENT_REPORT_RQ, .event_type = event, .has_dataset = true};
    snprintf(rq.sop_class, sizeof rq.sop_class, "%s", DICOM_UID_STORAGE_COMMITMENT);
    snprintf(rq.sop_instance, sizeof rq.sop_instance, "%s", DICOM_UID_COMMITMENT_INSTANCE);
    return rq;
}

/* Why a response is a failure; "" = it is not. */
static void judge(const struct dicom_dimse *rsp, char *error, size_t n)
{
    error[0] = 0;
    if (rsp->command != DIMSE_N_EVENT_REPORT_RSP)
        snprintf(error, n, "the device answered something else than N-EVENT-REPORT-RSP");
    else if (rsp->status != DIMSE_SUCCESS &&
             strcmp(dicom_dimse_status_class(rsp->status), "warning"))
        snprintf(error, n, "the device answered status %04X%s%s", (unsigned)rsp->status,
                 rsp->error_comment[0] ? ": " : "", rsp->error_comment);
}

static struct report *report_new(const json_t *row, ingest_reported_fn *fn, void *arg)
{
    struct report *r = calloc(1, sizeof *r);
    if (!r) {
        fn(arg, "out of memory");
        return NULL;
    }
    r->row = row;
    r->fn = fn;
    r->arg = arg;
    snprintf(r->error, sizeof r->error, "no answer");
    return r;
}

static void finish(struct report *r)
{
    r->fn(r->arg, r->error[0] ? r->error : NULL);
    free(r);
}

/* ---- on the association that asked ---- */

static void on_answer(void *arg, const struct dicom_dimse *response)
{
    struct report *r = arg;
    if (response)
        judge(response, r->error, sizeof r->error);
    else
        snprintf(r->error, sizeof r->error, "the association ended before the answer");
    finish(r);
}

void ingest_commitment_tell(struct api_scp_hold *hold, const json_t *row, ingest_reported_fn *fn,
                            void *arg)
{
    const struct dicom_syntax *syntax = dicom_syntax_find(api_scp_hold_syntax(hold));
    struct report *r = report_new(row, fn, arg);
    struct base_buf data = {0};
    uint16_t event = 0;
    if (!r || !syntax) {
        api_scp_let_go(hold);
        if (r)
            finish(r);
        return;
    }
    ingest_commitment_encode(row, syntax->encoding, &data, &event);
    struct dicom_dimse rq = request_of(event);
    enum base_err err = data.err;
    if (err)
        api_scp_let_go(hold);
    else
        err = api_scp_ask(hold, &rq, base_buf_bytes(&data), on_answer, r);
    base_buf_deinit(&data);
    if (err) {
        snprintf(r->error, sizeof r->error, "%s",
                 err == BASE_ENOMEM ? base_err_text(err)
                                    : "the association that asked is not open and idle");
        finish(r);
    }
}

/* ---- on a new one ---- */

static void on_established(struct net_assoc *a, void *arg)
{
    struct report *r = arg;
    const char *uid = NULL;
    uint8_t context = net_assoc_context(a, DICOM_UID_STORAGE_COMMITMENT, NULL, &uid);
    const struct dicom_syntax *syntax = context ? dicom_syntax_find(uid) : NULL;
    struct base_buf data = {0};
    uint16_t event = 0;
    if (!syntax) {
        snprintf(r->error, sizeof r->error, "the device does not accept storage commitment");
        net_assoc_release(a);
        return;
    }
    ingest_commitment_encode(r->row, syntax->encoding, &data, &event);
    struct dicom_dimse rq = request_of(event);
    rq.message_id = 1;
    if (data.err || net_assoc_send(a, context, &rq, base_buf_bytes(&data)))
        net_assoc_abort(a);
    base_buf_deinit(&data);
}

static void on_command(struct net_assoc *a, void *arg, uint8_t context,
                       const struct dicom_dimse *cmd)
{
    struct report *r = arg;
    (void)context;
    judge(cmd, r->error, sizeof r->error);
    net_assoc_release(a);
}

static void on_data(struct net_assoc *a, void *arg, struct base_bytes bytes, bool last)
{
    (void)a;
    (void)arg;
    (void)bytes;
    (void)last;
}

static void on_closed(struct net_assoc *a, void *arg, enum net_assoc_cause cause, const char *text)
{
    struct report *r = arg;
    (void)a;
    /* Once answered, the way the association ends changes nothing. */
    if (strcmp(r->error, "no answer") == 0)
        snprintf(r->error, sizeof r->error, "%s%s%s", net_assoc_cause_text(cause),
                 text[0] ? ": " : "", text);
    finish(r);
}

void ingest_commitment_call(const struct ingest_config *config, const json_t *row,
                            ingest_reported_fn *fn, void *arg)
{
    static const struct net_assoc_handlers handlers = {.on_established = on_established,
                                                       .on_command = on_command,
                                                       .on_data = on_data,
                                                       .on_closed = on_closed};
    static const char *const syntaxes[] = {DICOM_UID_EXPLICIT_LE, DICOM_UID_IMPLICIT_LE};
    static const struct dicom_context context = {
        .abstract = DICOM_UID_STORAGE_COMMITMENT, .syntaxes = syntaxes, .n_syntaxes = 2};
    /* PS3.4 J.3.3: we ask for the association, and are SCP all the same. */
    static const struct dicom_role role = {DICOM_UID_STORAGE_COMMITMENT, false, true};
    const char *title = text_of(row, "called");
    struct report *r = report_new(row, fn, arg);
    if (!r)
        return;
    struct net_assoc_target target = {
        .host = text_of(row, "host"),
        .port = (uint16_t)json_integer_value(json_object_get(row, "port")),
        /* The title that the device knows us by. */
        .calling = title[0] ? title : config->conf->dicom_aet,
        .called = text_of(row, "aet"),
        .contexts = &context,
        .n_contexts = 1,
        .roles = &role,
        .n_roles = 1,
        .connect_ms = CONNECT_MS,
        .response_ms = RESPONSE_MS,
        .total_ms = INGEST_COMMITMENT_CALL_SECONDS * 1000,
        .max_pdu = MAX_PDU,
    };
    enum base_err err = net_assoc_connect(config->loop, &target, &handlers, r, &r->a);
    if (err) {
        snprintf(r->error, sizeof r->error, "%s", base_err_text(err));
        finish(r);
    }
}
