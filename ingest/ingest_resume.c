#include "ingest/ingest_resume.h"

#include "base/base64.h"
#include "base/log.h"
#include "ingest/ingest_resume_priv.h"
#include "ingest/ingest_upload.h"
#include "model/model_answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    OPEN_MAX = 20,              /* unfinished uploads of one person … */
    OPEN_BYTES = 4,             /* … and times upload.max-bytes together */
    EXPIRE_SECONDS = 24 * 3600, /* without a sign of life */
};

/* ---- what a request says ---- */

bool ingest_resume_number(struct net_http_request *req, const char *name, uint64_t *out)
{
    const char *text = net_http_header(req, name);
    size_t n = text ? strspn(text, "0123456789") : 0;
    if (n == 0 || n > 19 || text[n])
        return false;
    *out = strtoull(text, NULL, 10);
    return true;
}

/* 32 bytes are 43 digits and one "=" (RFC 4648 4). BASE_EFORMAT, BASE_ENOMEM. */
static enum base_err read_base64(const char *s, uint8_t sha256[BASE_SHA256])
{
    struct base_buf out = {0};
    bool read = strnlen(s, 44) == 44 && base_base64_decode(s, 44, &out) && out.n == BASE_SHA256;
    enum base_err err = out.err ? out.err : read ? BASE_OK : BASE_EFORMAT;
    if (!err)
        memcpy(sha256, out.p, BASE_SHA256);
    base_buf_deinit(&out);
    return err;
}

/* BASE_EFORMAT. */
static enum base_err read_hex(const char *s, uint8_t sha256[BASE_SHA256])
{
    if (strspn(s, "0123456789abcdefABCDEF") != 2 * BASE_SHA256 || s[2 * BASE_SHA256])
        return BASE_EFORMAT;
    for (size_t i = 0; i < BASE_SHA256; i++) {
        char pair[3] = {s[2 * i], s[2 * i + 1], '\0'};
        sha256[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return BASE_OK;
}

int ingest_resume_digest(struct net_http_request *req, uint8_t sha256[BASE_SHA256])
{
    const char *hex = ingest_upload_query(req, "sha256");
    const char *field = net_http_header(req, "Repr-Digest");
    if (!field)
        field = net_http_header(req, "Digest");
    const char *at = field ? strcasestr(field, "sha-256=") : NULL;
    if (!hex && !at)
        return 0;
    enum base_err err = hex ? read_hex(hex, sha256) : read_base64(at + 8 + (at[8] == ':'), sha256);
    if (!err)
        return 1;
    if (err == BASE_ENOMEM)
        net_http_problem(req, 503, NULL, "out of memory; try again");
    else
        net_http_problem(req, 400, "the digest cannot be read",
                         "Repr-Digest: sha-256=:BASE64:, or ?sha256= with 64 hexadecimal digits");
    return -1;
}

/* ---- begin ---- */

struct beginning {
    struct ingest *g;
    struct net_http_request *req;
    char id[INGEST_SPOOL_ID];
    uint64_t length;
};

/* Cleaning up after a failed beginning; without it the upload would expire. */
static void on_row_dropped(void *arg, const struct db_outcome *outcome)
{
    (void)arg;
    if (outcome->err)
        BASE_LOG(WARN, "upload_not_dropped", LOG_S("error", base_err_text(outcome->err)));
}

static void drop_row(struct ingest *g, const char *id)
{
    if (db_call(g->config->db, DB_Q_UPLOAD_DROP, (struct db_param[]){db_text(id)}, 1,
                on_row_dropped, NULL))
        BASE_LOG(WARN, "upload_not_dropped", LOG_S("upload", id));
}

static void on_created(void *arg, enum base_err err, struct ingest_spool *spool, uint64_t size)
{
    struct beginning *b = arg;
    char text[64];
    struct base_buf out = {0};
    (void)spool;
    (void)size;
    if (err) {
        drop_row(b->g, b->id);
        net_http_problem(b->req, err == BASE_ENOSPC ? 507 : 503, NULL,
                         err == BASE_ENOSPC ? "the disk of the server is full; tell its operator"
                                            : "the server cannot write to its store");
        return;
    }
    snprintf(text, sizeof text, "/api/v1/uploads/%s", b->id);
    net_http_reply_header(b->req, "Location", text);
    net_http_reply_header(b->req, "Upload-Offset", "0");
    base_buf_printf(&out, "{\"id\":\"%s\",\"offset\":0,\"length\":%llu}", b->id,
                    (unsigned long long)b->length);
    net_http_reply_buf(b->req, 201, "application/json", &out);
}

static void on_begun(void *arg, const struct db_outcome *outcome)
{
    struct beginning *b = arg;
    if (outcome->err) {
        api_problem(b->req, outcome);
        return;
    }
    api_note_session(b->req, outcome);
    if (ingest_spool_create(b->g, b->id, b->length, on_created, b)) {
        drop_row(b->g, b->id);
        api_problem_err(b->req, BASE_ENOMEM);
    }
}

/* What the completion will need from this request, as JSON. NULL: answered already. */
static char *params_of(struct net_http_request *req)
{
    static const char *const names[] = {"patient_id", "patient_name", "accession", "priority",
                                        "manifest"};
    uint8_t sha256[BASE_SHA256];
    char hex[BASE_SHA256_HEX];
    const char *priority;
    const char *manifest;
    if (!ingest_upload_priority(req, &priority) || !ingest_upload_manifest(req, &manifest))
        return NULL;
    int digest = ingest_resume_digest(req, sha256);
    if (digest < 0)
        return NULL;
    json_t *params = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (ingest_upload_query(req, names[i]))
            json_object_set_new(params, names[i], json_string(ingest_upload_query(req, names[i])));
    if (net_http_header(req, "Content-Type"))
        json_object_set_new(params, "type", json_string(net_http_header(req, "Content-Type")));
    if (digest) {
        base_hex(sha256, sizeof sha256, hex);
        json_object_set_new(params, "sha256", json_string(hex));
    }
    char *text = json_dumps(params, JSON_COMPACT);
    json_decref(params);
    if (!text)
        api_problem_err(req, BASE_ENOMEM);
    return text;
}

static void begin(struct beginning *b, const char *params)
{
    uint64_t max = b->g->config->conf->upload_max_bytes;
    struct db_tx *tx = api_begin(b->g->config->api, b->req);
    if (!tx)
        return;
    int64_t bytes = max > INT64_MAX / OPEN_BYTES ? INT64_MAX : (int64_t)(OPEN_BYTES * max);
    ingest_spool_new_id(b->id);
    db_tx_add(tx, DB_Q_UPLOAD_BEGIN,
              (struct db_param[]){db_text(b->id), db_int((int64_t)b->length), db_text(params),
                                  db_int(OPEN_MAX), db_int(bytes)},
              5);
    enum base_err err = db_tx_submit(tx, on_begun, b);
    if (err)
        api_problem_err(b->req, err);
}

void ingest_resume_begin(struct net_http_request *req, void *arg)
{
    struct ingest *g = arg;
    struct beginning *b = base_arena_alloc(net_http_arena(req), sizeof *b);
    uint64_t length;
    if (!b)
        api_problem_err(req, BASE_ENOMEM);
    else if (!net_http_body_length(req, &length) || length > 0)
        net_http_problem(req, 400, "Upload-Length with a body",
                         "send no body, and then the pieces by PATCH");
    else if (!ingest_resume_number(req, "Upload-Length", &length) || length == 0)
        net_http_problem(req, 400, "Upload-Length is no size in bytes", NULL);
    else if (length > g->config->conf->upload_max_bytes)
        net_http_problem(req, 413, NULL, "Upload-Length is more than upload.max-bytes");
    else {
        b->g = g;
        b->req = req;
        b->length = length;
        char *params = params_of(req);
        if (params)
            begin(b, params);
        free(params);
    }
}

/* ---- look up ---- */

void ingest_resume_close(struct ingest_resume *r)
{
    json_decref(r->row);
    r->row = NULL;
    ingest_spool_close(r->spool);
    r->spool = NULL;
}

void ingest_resume_refuse(struct ingest_resume *r, int status, const char *title,
                          const char *detail)
{
    ingest_resume_close(r);
    net_http_problem(r->req, status, title, detail);
}

static void on_found(void *arg, const struct db_outcome *outcome)
{
    struct ingest_resume *r = arg;
    if (outcome->err) {
        api_problem(r->req, outcome);
        return;
    }
    api_note_session(r->req, outcome);
    r->row = model_answer(outcome, 1);
    r->length = (uint64_t)json_integer_value(json_object_get(r->row, "length"));
    r->next(r);
}

static void look_up(struct ingest_resume *r)
{
    struct db_tx *tx = api_begin(r->g->config->api, r->req);
    if (!tx)
        return;
    db_tx_add(tx, DB_Q_UPLOAD_FIND, (struct db_param[]){db_text(r->id)}, 1);
    enum base_err err = db_tx_submit(tx, on_found, r);
    if (err)
        api_problem_err(r->req, err);
}

void ingest_resume_find(struct net_http_request *req, struct ingest *g,
                        void (*next)(struct ingest_resume *r))
{
    const char *id = net_http_param(req, "id");
    struct ingest_resume *r = base_arena_alloc(net_http_arena(req), sizeof *r);
    if (!ingest_spool_is_id(id)) {
        net_http_problem(req, 404, "no such upload", NULL);
    } else if (!r) {
        api_problem_err(req, BASE_ENOMEM);
    } else {
        r->g = g;
        r->req = req;
        r->id = id;
        r->next = next;
        look_up(r);
    }
}

/* Who settles an upload, perhaps another worker, writes its row before it removes the file. */
void ingest_resume_no_file(struct ingest_resume *r)
{
    if (r->again) {
        ingest_resume_refuse(r, 410, NULL, "its bytes are no longer here; begin anew");
        return;
    }
    r->again = true;
    ingest_resume_close(r);
    look_up(r);
}

/* ---- how far it is ---- */

static void answer_get(struct ingest_resume *r, uint64_t offset)
{
    char text[32];
    json_t *out = json_object();
    json_object_set(out, "id", json_object_get(r->row, "id"));
    json_object_set_new(out, "offset", json_integer((json_int_t)offset));
    json_object_set_new(out, "length", json_integer((json_int_t)r->length));
    json_object_set(out, "answer", json_object_get(r->row, "answer"));
    char *json = json_dumps(out, JSON_COMPACT);
    json_decref(out);
    snprintf(text, sizeof text, "%llu", (unsigned long long)offset);
    net_http_reply_header(r->req, "Upload-Offset", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)r->length);
    net_http_reply_header(r->req, "Upload-Length", text);
    ingest_resume_close(r);
    net_http_reply(r->req, 200, "application/json", base_bytes_str(json ? json : "{}"));
    free(json);
}

static void on_stat(void *arg, enum base_err err, struct ingest_spool *spool, uint64_t size)
{
    struct ingest_resume *r = arg;
    (void)spool;
    if (err == BASE_ENOTFOUND)
        ingest_resume_no_file(r);
    else if (err)
        ingest_resume_refuse(r, 503, NULL, "try again");
    else
        answer_get(r, size);
}

static void get_found(struct ingest_resume *r)
{
    if (!json_is_null(json_object_get(r->row, "answer")))
        answer_get(r, r->length);
    else if (ingest_spool_stat(r->g, r->id, on_stat, r))
        ingest_resume_refuse(r, 503, NULL, "out of memory; try again");
}

void ingest_resume_get(struct net_http_request *req, void *arg)
{
    ingest_resume_find(req, arg, get_found);
}

/* ---- give it up ---- */

/* Only now, so that a piece which ends after this answer finds that its file is gone. What could
 * not be removed is debris of the next sweep. */
static void on_removed(void *arg, enum base_err err, struct ingest_spool *spool, uint64_t size)
{
    struct ingest_resume *r = arg;
    (void)spool;
    (void)size;
    if (err && err != BASE_ENOTFOUND)
        BASE_LOG(WARN, "upload_not_removed", LOG_S("upload", r->id),
                 LOG_S("error", base_err_text(err)));
    net_http_reply(r->req, 204, NULL, base_bytes_of(NULL, 0));
}

static void on_dropped(void *arg, const struct db_outcome *outcome)
{
    struct ingest_resume *r = arg;
    ingest_resume_close(r);
    if (outcome->err)
        api_problem(r->req, outcome);
    else if (ingest_spool_remove(r->g, r->id, on_removed, r))
        on_removed(r, BASE_ENOMEM, NULL, 0);
}

static void delete_found(struct ingest_resume *r)
{
    if (db_call(r->g->config->db, DB_Q_UPLOAD_DROP, (struct db_param[]){db_text(r->id)}, 1,
                on_dropped, r))
        ingest_resume_refuse(r, 503, NULL, "the server is busy; try again");
}

void ingest_resume_delete(struct net_http_request *req, void *arg)
{
    ingest_resume_find(req, arg, delete_found);
}

/* ---- time ---- */

static void on_expired(void *arg, const struct db_outcome *outcome)
{
    struct ingest *g = arg;
    json_t *id;
    size_t i;
    if (outcome->err)
        return;
    json_t *ids = model_answer(outcome, 0);
    json_array_foreach(ids, i, id)
    {
        BASE_LOG(INFO, "upload_expired", LOG_S("upload", json_string_value(id)));
        if (ingest_spool_remove(g, json_string_value(id), NULL, NULL))
            break; /* the next sweep removes it */
    }
    json_decref(ids);
}

void ingest_resume_sweep(struct ingest *g)
{
    if (db_call(g->config->db, DB_Q_UPLOAD_EXPIRE, (struct db_param[]){db_int(EXPIRE_SECONDS)}, 1,
                on_expired, g) ||
        ingest_spool_sweep(g, 2 * EXPIRE_SECONDS))
        BASE_LOG(WARN, "upload_sweep_failed", LOG_S("cause", "out of memory, or database busy"));
}
