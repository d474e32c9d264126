#include "api/api_contact.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "dicom/dicom_pdu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES_MAX = 512, FLUSH_MS = 1000, DETAIL_SIZE = 200, SYNTAXES_SHOWN = 16 };

/* A row for the table: one peer and one cause. */
struct note {
    int64_t device_id;
    char address[46];
    char calling[DICOM_AET_SIZE];
    char called[DICOM_AET_SIZE];
    enum model_cause cause;
    char detail[DETAIL_SIZE];
    struct base_buf contexts; /* JSON; empty = nothing new */
    int64_t contexts_at;
    unsigned count;
    unsigned sent; /* of these, in the write under way */
    int64_t at;    /* monotonic ms of the last one */
};

struct api_contact {
    struct db *db;
    struct loop_timer *timer;
    struct note *notes; /* in no order */
    unsigned n;
    unsigned left_out;
    bool writing;
};

/* ---- writing ---- */

static void drop(struct api_contact *c, unsigned i)
{
    base_buf_deinit(&c->notes[i].contexts);
    c->notes[i] = c->notes[--c->n];
}

static void on_written(void *arg, const struct db_outcome *outcome)
{
    struct api_contact *c = arg;
    c->writing = false;
    for (unsigned i = c->n; i-- > 0;) {
        struct note *n = &c->notes[i];
        if (!outcome->err)
            n->count -= n->sent;
        n->sent = 0;
        if (n->count == 0)
            drop(c, i);
    }
    /* While the database is away they are kept, and counting goes on. */
    if (outcome->err && outcome->err != BASE_EUNAVAILABLE && outcome->err != BASE_ECANCELED)
        BASE_LOG(WARN, "contacts_not_written", LOG_S("sqlstate", outcome->sqlstate),
                 LOG_S("error", base_err_text(outcome->err)));
}

static void write_note(struct base_json *j, const struct note *n)
{
    base_json_open_object(j);
    base_json_key(j, "device");
    if (n->device_id)
        base_json_int(j, n->device_id);
    else
        base_json_null(j);
    base_json_member_string(j, "address", n->address);
    base_json_member_string(j, "calling", n->calling);
    base_json_member_string(j, "called", n->called);
    base_json_member_string(j, "cause", model_cause_code(n->cause));
    base_json_member_int(j, "count", n->count);
    base_json_member_int(j, "age_ms", base_clock_mono_ms() - n->at);
    base_json_member_string(j, "detail", n->detail[0] ? n->detail : NULL);
    base_json_key(j, "contexts");
    if (n->contexts.n)
        base_json_raw(j, (const char *)n->contexts.p, n->contexts.n);
    else
        base_json_null(j);
    base_json_member_int(j, "contexts_age_ms", base_clock_mono_ms() - n->contexts_at);
    base_json_close_object(j);
}

void api_contact_flush(struct api_contact *c)
{
    struct base_buf json = {0};
    struct base_json j;
    if (c->writing || c->n == 0)
        return;
    base_json_init(&j, &json);
    base_json_open_array(&j);
    for (unsigned i = 0; i < c->n; i++)
        write_note(&j, &c->notes[i]);
    base_json_close_array(&j);
    struct db_param param = db_buf(&json);
    c->writing =
        !json.err && db_call(c->db, DB_Q_CONTACT_NOTE, &param, 1, on_written, c) == BASE_OK;
    for (unsigned i = 0; i < c->n && c->writing; i++)
        c->notes[i].sent = c->notes[i].count;
    base_buf_deinit(&json);
    if (c->left_out)
        BASE_LOG(WARN, "contacts_left_out", LOG_U("count", c->left_out));
    c->left_out = 0;
}

static void on_tick(void *arg)
{
    api_contact_flush(arg);
}

/* ---- noting ---- */

static bool is_same(const struct note *n, const struct api_contact_peer *peer,
                    enum model_cause cause)
{
    return n->cause == cause && n->device_id == peer->device_id &&
           strcmp(n->address, peer->address) == 0 && strcmp(n->calling, peer->calling) == 0 &&
           strcmp(n->called, peer->called) == 0;
}

/* The note of this peer and cause, new or existing. NULL: no room. */
static struct note *take(struct api_contact *c, const struct api_contact_peer *peer,
                         enum model_cause cause)
{
    struct note *n = NULL;
    for (unsigned i = 0; i < c->n && !n; i++)
        if (is_same(&c->notes[i], peer, cause))
            n = &c->notes[i];
    if (!n && c->n == NOTES_MAX) {
        c->left_out++;
        return NULL;
    }
    if (!n) {
        n = &c->notes[c->n++];
        *n = (struct note){.device_id = peer->device_id, .cause = cause};
        snprintf(n->address, sizeof n->address, "%s", peer->address);
        snprintf(n->calling, sizeof n->calling, "%s", peer->calling);
        snprintf(n->called, sizeof n->called, "%s", peer->called);
    }
    n->count++;
    n->at = base_clock_mono_ms();
    return n;
}

void api_contact_note(struct api_contact *c, const struct api_contact_peer *peer,
                      enum model_cause cause, const char *detail)
{
    struct note *n = take(c, peer, cause);
    if (n)
        snprintf(n->detail, sizeof n->detail, "%s", detail);
}

static enum model_cause cause_of_context(uint8_t result)
{
    switch (result) {
    case DICOM_CONTEXT_ACCEPTED:
        return MODEL_CAUSE_NONE;
    case DICOM_CONTEXT_TRANSFER_SYNTAXES:
        return MODEL_CAUSE_TRANSFER_SYNTAX;
    default:
        return MODEL_CAUSE_SOP_CLASS;
    }
}

/* A proposed context and its result. */
static void write_context(struct base_json *j, const struct dicom_context *rq,
                          const struct dicom_context *ac)
{
    enum model_cause cause = cause_of_context(ac->result);
    base_json_open_object(j);
    base_json_member_string(j, "sop_class", rq->abstract);
    base_json_member_string(j, "name", dicom_uid_name(rq->abstract));
    base_json_member_array(j, "requested");
    for (unsigned i = 0; i < rq->n_syntaxes && i < SYNTAXES_SHOWN; i++)
        base_json_string(j, rq->syntaxes[i]);
    base_json_close_array(j);
    base_json_member_string(j, "accepted", cause == MODEL_CAUSE_NONE ? ac->syntaxes[0] : NULL);
    if (cause != MODEL_CAUSE_NONE) {
        base_json_member_string(j, "refused", model_cause_code(cause));
        base_json_member_string(j, "text_en", model_cause_text(cause)->en);
        base_json_member_string(j, "text_zh", model_cause_text(cause)->zh);
    }
    base_json_close_object(j);
}

static void write_contexts(struct base_buf *out, const struct dicom_associate *rq,
                           const struct dicom_associate *ac)
{
    struct base_json j;
    base_json_init(&j, out);
    base_json_open_array(&j);
    for (unsigned i = 0; i < rq->n_contexts; i++)
        write_context(&j, &rq->contexts[i], &ac->contexts[i]);
    base_json_close_array(&j);
    if (out->err)
        base_buf_reset(out);
}

void api_contact_note_answer(struct api_contact *c, const struct api_contact_peer *peer,
                             const struct dicom_associate *rq, const struct dicom_associate *ac)
{
    unsigned refused = 0;
    const struct dicom_context *first = NULL;
    for (unsigned i = 0; i < rq->n_contexts; i++) {
        if (ac->contexts[i].result != DICOM_CONTEXT_ACCEPTED)
            first = refused++ ? first : &rq->contexts[i];
    }
    enum model_cause cause = refused == rq->n_contexts ? MODEL_CAUSE_NO_CONTEXT
                             : refused == 0            ? MODEL_CAUSE_NONE
                                                       : MODEL_CAUSE_CONTEXT_REFUSED;
    struct note *n = take(c, peer, cause);
    if (!n)
        return;
    if (first)
        snprintf(n->detail, sizeof n->detail, "%u of %u refused, the first is %s", refused,
                 rq->n_contexts, dicom_uid_name(first->abstract));
    else if (cause == MODEL_CAUSE_NO_CONTEXT)
        snprintf(n->detail, sizeof n->detail, "the request proposes none");
    n->contexts_at = n->at;
    base_buf_reset(&n->contexts);
    write_contexts(&n->contexts, rq, ac);
}

void api_contact_note_status(struct api_contact *c, const struct api_contact_peer *peer,
                             const struct dicom_dimse *response)
{
    char detail[DETAIL_SIZE];
    uint16_t status = response->status;
    /* PS3.4 Table B.2-1; the same numbers mean other things to a query. */
    bool store = response->command == DIMSE_C_STORE_RSP;
    enum model_cause cause = MODEL_CAUSE_SERVICE_REFUSED;
    if (strcmp(dicom_dimse_status_class(status), "failure") != 0)
        return;
    if (status == DIMSE_MISTYPED_ARGUMENT)
        cause = MODEL_CAUSE_PROTOCOL_ERROR;
    else if (store && (status & 0xFF00) == DIMSE_STORE_OUT_OF_RESOURCES)
        cause = MODEL_CAUSE_NO_ROOM;
    else if (store && status >= DIMSE_STORE_WRONG_SOP_CLASS && status <= 0xCFFF)
        cause = MODEL_CAUSE_BAD_OBJECT;
    snprintf(detail, sizeof detail, "%04X %s", status, response->error_comment);
    api_contact_note(c, peer, cause, detail);
}

static bool is_text(const char *text, enum dicom_stranger who)
{
    return strcmp(text, dicom_stranger_text(who)) == 0;
}

/* Most words have a cause of that code. */
enum model_cause api_contact_cause_of_tls(const char *text)
{
    char word[40];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(text, ":"), text);
    enum model_cause cause = model_cause_find(word);
    if (strcmp(word, net_tls_cause_word(NET_TLS_NOT_YET_VALID)) == 0)
        return MODEL_CAUSE_CERTIFICATE_EXPIRED;
    return cause == MODEL_CAUSE_SERVICE_REFUSED ? MODEL_CAUSE_TLS_FAILED : cause;
}

enum model_cause api_contact_cause(enum net_assoc_cause cause, const char *text)
{
    switch (cause) {
    case NET_ASSOC_RELEASED:
        return MODEL_CAUSE_NONE;
    case NET_ASSOC_PEER_ABORTED:
        return MODEL_CAUSE_PEER_ABORTED;
    case NET_ASSOC_PEER_CLOSED:
    case NET_ASSOC_CONNECT_FAILED:
        return MODEL_CAUSE_PEER_CLOSED;
    case NET_ASSOC_TIMED_OUT:
        return MODEL_CAUSE_SILENT;
    case NET_ASSOC_TLS_ON_PLAIN:
        return MODEL_CAUSE_TLS_ON_PLAIN;
    case NET_ASSOC_PLAIN_ON_TLS:
        return MODEL_CAUSE_PLAIN_ON_TLS;
    case NET_ASSOC_TLS_FAILED:
        return api_contact_cause_of_tls(text);
    case NET_ASSOC_NOT_DICOM:
        return is_text(text, DICOM_STRANGER_HTTP)   ? MODEL_CAUSE_HTTP
               : is_text(text, DICOM_STRANGER_MLLP) ? MODEL_CAUSE_MLLP
               : is_text(text, DICOM_STRANGER_SSH)  ? MODEL_CAUSE_SSH
                                                    : MODEL_CAUSE_NOT_DICOM;
    case NET_ASSOC_REJECTED: /* by the upper layer itself, before the handler was asked */
        return MODEL_CAUSE_NOT_ACCEPTABLE;
    case NET_ASSOC_PDU_TOO_LARGE:
        return MODEL_CAUSE_PDU_TOO_LARGE;
    case NET_ASSOC_TOO_MANY:
        return MODEL_CAUSE_TOO_MANY;
    case NET_ASSOC_MEMORY:
        return MODEL_CAUSE_BUSY;
    case NET_ASSOC_LIMIT:
    case NET_ASSOC_PROTOCOL_ERROR:
        return MODEL_CAUSE_PROTOCOL_ERROR;
    case NET_ASSOC_ABORTED:
    case NET_ASSOC_STOPPED:
    default:
        return MODEL_CAUSE_ABORTED;
    }
}

/* ---- life ---- */

enum base_err api_contact_new(struct loop *loop, struct db *db, struct api_contact **out)
{
    struct api_contact *c = calloc(1, sizeof *c);
    struct note *notes = calloc(NOTES_MAX, sizeof *notes);
    enum base_err err = c && notes ? loop_timer_new(loop, on_tick, c, &c->timer) : BASE_ENOMEM;
    if (err) {
        free(c);
        free(notes);
        return err;
    }
    c->db = db;
    c->notes = notes;
    loop_timer_start(c->timer, FLUSH_MS, FLUSH_MS);
    *out = c;
    return BASE_OK;
}

void api_contact_free(struct api_contact *c)
{
    if (!c)
        return;
    loop_timer_free(c->timer);
    while (c->n)
        drop(c, c->n - 1);
    free(c->notes);
    free(c);
}
