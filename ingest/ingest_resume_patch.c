/* The pieces of a resumable upload, and its end. */
#include "base/log.h"
#include "ingest/ingest_local.h"
#include "ingest/ingest_resume.h"
#include "ingest/ingest_resume_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reply_offset(struct ingest_resume *r, int status, uint64_t offset, const char *detail)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)offset);
    net_http_reply_header(r->req, "Upload-Offset", text);
    ingest_resume_close(r);
    if (status == 204)
        net_http_reply(r->req, status, NULL, base_bytes_of(NULL, 0));
    else
        net_http_problem(r->req, status, NULL, detail);
}

/* ---- the whole is there ---- */

static const char *param(const struct ingest_resume *r, const char *name)
{
    return json_string_value(json_object_get(json_object_get(r->row, "params"), name));
}

static void send_answer(struct ingest_resume *r)
{
    if (r->answer.status < 300) {
        char text[32];
        snprintf(text, sizeof text, "%llu", (unsigned long long)r->length);
        net_http_reply_header(r->req, "Upload-Offset", text);
    }
    struct ingest_answer answer = r->answer;
    ingest_resume_close(r);
    ingest_answer_send(r->req, &answer);
    base_buf_deinit(&answer.json);
}

/* The object is durable whatever became of the row. If the row was not written, the file
 * stays: the upload expires, or is completed again as a duplicate. */
static void on_settled(void *arg, const struct db_outcome *outcome)
{
    struct ingest_resume *r = arg;
    if (outcome->err || ingest_spool_remove(r->g, r->id, NULL, NULL))
        BASE_LOG(WARN, "upload_not_settled", LOG_S("upload", r->id));
    send_answer(r);
}

static const char *keep(struct ingest_resume *r, const char *s)
{
    return s ? base_arena_strdup(net_http_arena(r->req), s, strlen(s)) : NULL;
}

/* If the whole was stored or refused for good, its file is no longer needed. Otherwise, even for a
 * part of it, the file stays for another try. */
static void on_answer(void *arg, struct ingest_answer *answer)
{
    struct ingest_resume *r = arg;
    struct db_param params[] = {db_text(r->id), db_buf(&answer->json)};
    bool taken = answer->status < 300;
    r->answer = *answer;
    r->answer.title = keep(r, answer->title);
    r->answer.detail = keep(r, answer->detail);
    answer->json = (struct base_buf){0};
    if (answer->status >= 500 || answer->again ||
        db_call(r->g->config->db, taken ? DB_Q_UPLOAD_DONE : DB_Q_UPLOAD_DROP, params,
                taken ? 2 : 1, on_settled, r))
        send_answer(r);
}

static void complete(struct ingest_resume *r)
{
    const char *code = json_string_value(json_object_get(r->row, "code"));
    const char *hex = param(r, "sha256");
    struct ingest_local local = {
        .fd = ingest_spool_fd(r->spool),
        .options = {.source = {.centre_id =
                                   json_integer_value(json_object_get(r->row, "centre_id")),
                               .centre_code = code ? code : "",
                               .single = true,
                               .priority = param(r, "priority"),
                               .patient_id = param(r, "patient_id"),
                               .patient_name = param(r, "patient_name"),
                               .accession = param(r, "accession")}},
        .content_type = param(r, "type"),
        .manifest = param(r, "manifest"),
        .has_sha256 = r->has_sha256 || hex,
    };
    memcpy(local.sha256, r->sha256, sizeof local.sha256);
    for (size_t i = 0; hex && !r->has_sha256 && i < BASE_SHA256; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        local.sha256[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    ingest_local_take(r->g, &local, on_answer, r);
}

/* ---- a piece ---- */

/* A file or a length is a wrong one. The part that fits, up to Upload-Length, would look like the
 * whole. */
static void refuse_length(struct ingest_resume *r, uint64_t size)
{
    reply_offset(
        r, 413, size,
        "the piece goes beyond Upload-Length, and nothing of it was kept: it is of another "
        "file, or the file has grown; begin anew with its right length");
}

static void on_synced(void *arg, enum base_err err, struct ingest_spool *spool, uint64_t size)
{
    struct ingest_resume *r = arg;
    (void)spool;
    if (err == BASE_ENOTFOUND)
        ingest_resume_refuse(r, 410, NULL, "the upload was deleted meanwhile; begin anew");
    else if (err)
        ingest_resume_refuse(r, err == BASE_ENOSPC ? 507 : 503, NULL,
                             "the piece could not be stored; ask for Upload-Offset and go on");
    else if (r->gone)
        ingest_resume_refuse(r, 400, NULL, "the piece is incomplete");
    else if (r->too_long)
        refuse_length(r, size);
    else if (size < r->length)
        reply_offset(r, 204, size, NULL);
    else
        complete(r);
}

static void on_room(void *arg)
{
    struct ingest_resume *r = arg;
    net_http_body_resume(r->req);
}

static void end_piece(struct ingest_resume *r)
{
    net_http_on_abort(r->req, NULL, NULL);
    ingest_spool_on_room(r->spool, NULL, NULL);
    ingest_spool_sync(r->spool, on_synced, r);
}

static void on_data(void *arg, struct base_bytes bytes)
{
    struct ingest_resume *r = arg;
    uint64_t left = r->length - r->offset - r->received;
    if (bytes.n > left) { /* do not wait for its end */
        r->too_long = true;
        ingest_spool_cut(r->spool, r->offset);
        net_http_body_pause(r->req);
        end_piece(r);
        return;
    }
    r->received += bytes.n;
    if (bytes.n == left && bytes.n)
        r->last = bytes.p[--bytes.n];
    ingest_spool_write(r->spool, bytes);
    if (!ingest_spool_room(r->spool)) {
        net_http_body_pause(r->req);
    }
}

static void on_end(void *arg)
{
    struct ingest_resume *r = arg;
    if (r->received && r->offset + r->received == r->length)
        ingest_spool_write(r->spool, base_bytes_of(&r->last, 1));
    end_piece(r);
}

/* Keeps what has come. */
static void on_client_left(void *arg)
{
    struct ingest_resume *r = arg;
    r->gone = true;
    end_piece(r);
}

static void on_open(void *arg, enum base_err err, struct ingest_spool *spool, uint64_t size)
{
    static const struct net_http_sink sink = {.on_data = on_data, .on_end = on_end};
    struct ingest_resume *r = arg;
    uint64_t announced;
    r->spool = spool;
    if (err == BASE_ECONFLICT) {
        net_http_reply_header(r->req, "Retry-After", "5");
        ingest_resume_refuse(r, 423, "another request is writing to this upload",
                             "wait for it, or close its connection");
    } else if (err == BASE_ENOTFOUND) {
        ingest_resume_no_file(r);
    } else if (err) {
        ingest_resume_refuse(r, 503, NULL, "try again");
    } else if (size > r->length) {
        ingest_resume_refuse(r, 410, "what is there of the upload is longer than Upload-Length",
                             "begin anew");
    } else if (r->offset != size) {
        reply_offset(r, 409, size, "Upload-Offset is not where the upload ends");
    } else if (net_http_body_length(r->req, &announced) && announced > r->length - size) {
        refuse_length(r, size);
    } else if (net_http_is_gone(r->req)) {
        ingest_resume_refuse(r, 400, NULL, "the client left");
    } else {
        ingest_spool_on_room(spool, on_room, r);
        net_http_on_abort(r->req, on_client_left, r);
        net_http_body_start(r->req, &sink, r);
    }
}

/* The answer was lost: gives it again. */
static void repeat_answer(struct ingest_resume *r)
{
    char *json = json_dumps(json_object_get(r->row, "answer"), JSON_COMPACT);
    int status = json_object_get(json_object_get(r->row, "answer"), "refused") ? 202 : 201;
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)r->length);
    net_http_reply_header(r->req, "Upload-Offset", text);
    ingest_resume_close(r);
    net_http_reply(r->req, status, "application/json", base_bytes_str(json ? json : "{}"));
    free(json);
}

static void patch_found(struct ingest_resume *r)
{
    if (!ingest_resume_number(r->req, "Upload-Offset", &r->offset)) {
        ingest_resume_refuse(r, 400, "Upload-Offset is missing",
                             "ask for it with HEAD; it is 0 at the beginning");
        return;
    }
    int digest = ingest_resume_digest(r->req, r->sha256);
    if (digest < 0) {
        ingest_resume_close(r);
        return;
    }
    r->has_sha256 = digest == 1;
    if (!json_is_null(json_object_get(r->row, "answer"))) {
        if (r->offset == r->length)
            repeat_answer(r);
        else
            reply_offset(r, 409, r->length, "the upload is complete");
    } else if (ingest_spool_open(r->g, r->id, on_open, r)) {
        ingest_resume_refuse(r, 503, NULL, "out of memory; try again");
    }
}

void ingest_resume_patch(struct net_http_request *req, void *arg)
{
    ingest_resume_find(req, arg, patch_found);
}
