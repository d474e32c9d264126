/*
 * Modality worklist SCP (PS3.4 K): C-FIND over the open orders of the calling
 * device's centre.
 */
#include "worklist/worklist_priv.h"

#include "base/log.h"
#include "worklist/worklist_query.h"
#include "model/model_answer.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWERS_PER_TURN = 16,          /* of the loop: then others get theirs, and C-CANCEL is seen */
    FIND_OUT_OF_RESOURCES = 0xA700, /* PS3.4 Table K.4-1 */
    FIND_BAD_IDENTIFIER = 0xA900,
    FIND_UNABLE = 0xC001
};

/* One C-FIND. It lives until it is answered, or its association is gone and
 * the database has answered. */
struct find {
    const struct worklist_scp_config *config;
    struct api_scp_call *call; /* NULL: gone */
    struct base_buf identifier;
    struct worklist_query query;
    struct worklist_charset charset;
    enum dicom_encoding encoding;
    json_t *rows;
    size_t answered;
    struct loop_timer *timer;
    bool asking;
};

static void find_free(struct find *f)
{
    assert(!f->asking);
    base_buf_deinit(&f->identifier);
    worklist_query_deinit(&f->query);
    json_decref(f->rows);
    if (f->timer)
        loop_timer_free(f->timer);
    free(f);
}

static void finish(struct find *f, uint16_t status, const char *comment)
{
    const struct api_scp_device *device = api_scp_device(f->call);
    BASE_LOG(INFO, "worklist_query", LOG_I("device", device->id), LOG_U("answers", f->answered),
             LOG_S("charset", f->charset.term ? f->charset.term : "ASCII"), LOG_U("status", status),
             LOG_S("comment", comment));
    api_scp_finish(f->call, status, comment);
    find_free(f);
}

static bool answer_one(struct find *f, const json_t *row)
{
    struct base_buf data = {0};
    enum base_err err = worklist_query_answer(&f->query, row, &f->charset, f->encoding, &data);
    if (!err) {
        /* PS3.4 K.4.1.1.4: FF01 where an optional key was not matched on. */
        struct dicom_dimse rsp = dicom_dimse_response(
            api_scp_request(f->call), f->query.unmatched ? DIMSE_PENDING_WARNING : DIMSE_PENDING);
        rsp.has_dataset = true;
        err = api_scp_respond(f->call, &rsp, base_bytes_of(data.p, data.n));
    }
    base_buf_deinit(&data);
    return err == BASE_OK;
}

static void on_turn(void *arg)
{
    struct find *f = arg;
    assert(f->call && f->rows && !f->asking); /* its end ends the timer */
    size_t total = json_array_size(f->rows);
    size_t most = (size_t)f->config->conf->worklist_max_answers;
    for (int i = 0; i < ANSWERS_PER_TURN && f->answered < total && f->answered < most; i++) {
        if (api_scp_cancelled(f->call))
            break;
        if (!answer_one(f, json_array_get(f->rows, f->answered))) {
            finish(f, FIND_UNABLE, "an entry could not be written");
            return;
        }
        f->answered++;
    }
    if (api_scp_cancelled(f->call))
        finish(f, DIMSE_CANCEL, NULL);
    else if (f->answered == most && total > most)
        finish(f, FIND_OUT_OF_RESOURCES, "there are more entries: narrow the query");
    else if (f->answered == total)
        finish(f, DIMSE_SUCCESS, NULL);
    else
        loop_timer_start(f->timer, 0, 0);
}

static void on_found(void *arg, const struct db_outcome *outcome)
{
    struct find *f = arg;
    assert(f->asking && !f->rows);
    f->asking = false;
    if (!f->call) {
        find_free(f);
        return;
    }
    if (outcome->err) {
        bool theirs = db_http_status(outcome) == 422;
        bool ours = strcmp(outcome->sqlstate, "RD422") == 0; /* in our own words */
        if (!theirs)
            BASE_LOG(ERROR, "worklist_query_failed", LOG_S("sqlstate", outcome->sqlstate),
                     LOG_S("error", base_err_text(outcome->err)));
        finish(f, theirs ? FIND_BAD_IDENTIFIER : FIND_UNABLE,
               ours     ? outcome->message
               : theirs ? "a key is malformed"
                        : "the database cannot be reached now");
        return;
    }
    f->rows = model_answer(outcome, 0);
    if (!f->rows || loop_timer_new(f->config->loop, on_turn, f, &f->timer)) {
        finish(f, FIND_OUT_OF_RESOURCES, "out of memory");
        return;
    }
    on_turn(f);
}

static void ask(struct find *f)
{
    const struct api_scp_device *device = api_scp_device(f->call);
    char *match = json_dumps(f->query.match, JSON_COMPACT);
    char station[17];
    worklist_query_station(&f->query, device->aet, station);
    struct db_param params[] = {db_int(device->centre_id), db_text(station), db_text(match),
                                db_int(f->config->conf->worklist_expire_hours),
                                /* One more than we send, to know whether there are more. */
                                db_int(f->config->conf->worklist_max_answers + 1)};
    enum base_err err =
        match ? db_call(f->config->db, DB_Q_WORKLIST_FIND, params, 5, on_found, f) : BASE_ENOMEM;
    free(match);
    f->asking = err == BASE_OK;
    if (err)
        finish(f, FIND_OUT_OF_RESOURCES, "the server is busy");
}

static void begin(struct api_scp_call *call, void *arg)
{
    if (!api_scp_request(call)->has_dataset) {
        api_scp_finish(call, FIND_BAD_IDENTIFIER, "C-FIND without an identifier");
        return;
    }
    struct find *f = calloc(1, sizeof *f);
    const struct dicom_syntax *syntax = dicom_syntax_find(api_scp_transfer_syntax(call));
    if (!f || !syntax) {
        free(f);
        api_scp_abort(call);
        return;
    }
    f->config = arg;
    f->call = call;
    f->encoding = syntax->encoding;
    f->identifier.cap = WORKLIST_IDENTIFIER_MAX;
    api_scp_set(call, f);
}

static void data(struct api_scp_call *call, void *arg, struct base_bytes bytes, bool last)
{
    struct find *f = api_scp_get(call);
    struct base_error error = {0};
    (void)arg;
    base_buf_add(&f->identifier, bytes.p, bytes.n);
    if (!last)
        return;
    if (f->identifier.err) {
        finish(f, FIND_BAD_IDENTIFIER, "the identifier is too long");
    } else if (worklist_query_parse(base_bytes_of(f->identifier.p, f->identifier.n), f->encoding,
                                    &f->query, &error)) {
        finish(f, FIND_BAD_IDENTIFIER, error.msg);
    } else {
        worklist_charset_choose(api_scp_device(call)->charset, &f->query, &f->charset);
        ask(f);
    }
}

static void gone(struct api_scp_call *call, void *arg)
{
    struct find *f = api_scp_get(call);
    (void)arg;
    if (!f)
        return;
    f->call = NULL;
    if (!f->asking)
        find_free(f);
}

static const struct api_scp_service services[] = {
    {.command = DIMSE_C_FIND_RQ,
     .sop_class = DICOM_UID_WORKLIST_FIND,
     .cancellable = true,
     .begin = begin,
     .data = data,
     .gone = gone},
};

struct api_scp_table worklist_scp(struct worklist_scp_config *config)
{
    return (struct api_scp_table){services, sizeof services / sizeof services[0], config};
}
