#include "ingest/ingest_stow.h"

#include "base/json.h"
#include "ingest/ingest_parts.h"
#include "ingest/ingest_permit.h"
#include "ingest/ingest_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stow {
    struct ingest *g;
    struct net_http_request *req;
    const char *content_type;
    const char *study; /* of the address; NULL = any */
    struct ingest_many *many;
    struct ingest_parts parts;
    bool single; /* the body is one instance, not multipart */
};

static void refuse(struct stow *s, int status, const char *title, const char *detail)
{
    struct net_http_request *req = s->req;
    ingest_many_abort(s->many);
    free(s);
    net_http_problem(req, status, title, detail);
}

/* ---- the answer: PS3.18 10.5.3, Table I.2-1 ---- */

static void write_uid(struct base_json *j, const char *tag, const char *vr, const char *uid)
{
    base_json_key(j, tag);
    base_json_open_object(j);
    base_json_key(j, "vr");
    base_json_string(j, vr);
    if (uid[0]) {
        base_json_key(j, "Value");
        base_json_open_array(j);
        base_json_string(j, uid);
        base_json_close_array(j);
    }
    base_json_close_object(j);
}

/* PS3.18 Table I.2-2 */
static int64_t failure_reason(enum base_err err)
{
    switch ((int)err) {
    case BASE_EINVAL:
        return 0xA900;
    case BASE_EFORMAT:
        return 0xC000;
    case BASE_EUNSUPPORTED:
        return 0xC122;
    default:
        return 0xA700;
    }
}

static void write_item(struct base_json *j, const struct ingest_many_item *item)
{
    base_json_open_object(j);
    if (item->sop_instance[0]) {
        write_uid(j, "00081150", "UI", item->sop_class);
        write_uid(j, "00081155", "UI", item->sop_instance);
    }
    if (item->err) {
        base_json_key(j, "00081197");
        base_json_open_object(j);
        base_json_key(j, "vr");
        base_json_string(j, "US");
        base_json_key(j, "Value");
        base_json_open_array(j);
        base_json_int(j, failure_reason(item->err));
        base_json_close_array(j);
        base_json_close_object(j);
    }
    base_json_close_object(j);
}

enum kind { REFERENCED, FAILED, OTHER_FAILURE, KINDS };

static enum kind kind_of(const struct ingest_many_item *item)
{
    if (!item->err)
        return REFERENCED;
    return item->sop_instance[0] ? FAILED : OTHER_FAILURE;
}

static void write_sequence(struct base_json *j, const char *tag, enum kind kind,
                           struct ingest_many_item *const *items, size_t n)
{
    base_json_key(j, tag);
    base_json_open_object(j);
    base_json_key(j, "vr");
    base_json_string(j, "SQ");
    base_json_key(j, "Value");
    base_json_open_array(j);
    for (size_t i = 0; i < n; i++)
        if (kind_of(items[i]) == kind)
            write_item(j, items[i]);
    base_json_close_array(j);
    base_json_close_object(j);
}

/* The study of all that was stored; NULL when there are several. */
static const char *common_study(struct ingest_many_item *const *items, size_t n)
{
    const char *study = NULL;
    for (size_t i = 0; i < n; i++) {
        if (items[i]->err)
            continue;
        if (study && strcmp(study, items[i]->stored.study_uid) != 0)
            return NULL;
        study = items[i]->stored.study_uid;
    }
    return study;
}

static void write_answer(struct base_buf *out, struct ingest_many_item *const *items, size_t n,
                         const size_t counts[KINDS])
{
    static const char *const tags[KINDS] = {
        [REFERENCED] = "00081199", [FAILED] = "00081198", [OTHER_FAILURE] = "0008119A"};
    struct base_json j;
    const char *study = common_study(items, n);
    base_json_init(&j, out);
    base_json_open_object(&j);
    if (study) {
        char url[DICOM_UID_SIZE + 32];
        snprintf(url, sizeof url, "/dicom-web/studies/%s", study);
        write_uid(&j, "00081190", "UR", url);
    }
    for (int kind = 0; kind < KINDS; kind++)
        if (counts[kind])
            write_sequence(&j, tags[kind], (enum kind)kind, items, n);
    base_json_close_object(&j);
}

/* PS3.18 Table 10.5.3-1 */
static int status_of(struct ingest_many_item *const *items, size_t n, const size_t counts[KINDS])
{
    if (counts[REFERENCED] == n)
        return 200;
    if (counts[REFERENCED])
        return 202;
    for (size_t i = 0; i < n; i++)
        if (failure_reason(items[i]->err) != 0xA700)
            return 409;
    return 503;
}

static void on_done(void *arg, struct ingest_many_item *const *items, size_t n)
{
    struct stow *s = arg;
    struct base_buf out = {0};
    size_t counts[KINDS] = {0};
    for (size_t i = 0; i < n; i++)
        counts[kind_of(items[i])]++;
    write_answer(&out, items, n, counts);
    net_http_reply_buf(s->req, status_of(items, n, counts), "application/dicom+json", &out);
    free(s);
}

/* ---- the body ---- */

static void on_room(void *arg)
{
    struct stow *s = arg;
    net_http_body_resume(s->req);
}

static void on_data(void *arg, struct base_bytes bytes)
{
    struct stow *s = arg;
    const char *cause;
    if (s->single) {
        ingest_many_write(s->many, bytes);
    } else {
        enum base_err err = ingest_parts_write(&s->parts, bytes, &cause);
        if (err) {
            refuse(s, err == BASE_EFORMAT ? 400 : ingest_http_status(err), NULL, cause);
            return;
        }
    }
    if (!ingest_many_room(s->many))
        net_http_body_pause(s->req);
}

static void on_end(void *arg)
{
    struct stow *s = arg;
    const char *cause;
    if (s->single) {
        ingest_many_end(s->many);
    } else if (ingest_parts_end(&s->parts, &cause)) {
        refuse(s, 400, NULL, cause);
        return;
    }
    net_http_on_abort(s->req, NULL, NULL);
    ingest_many_finish(s->many, on_done, s);
}

static void on_client_left(void *arg)
{
    refuse(arg, 400, NULL, "the body is incomplete");
}

static enum base_err begin(struct stow *s, const struct ingest_permit *permit)
{
    struct ingest_arrival_options options = {
        .source = {.centre_id = permit->centre_id,
                   .centre_code = permit->centre_code,
                   .study_uid = s->study},
        .dicom_only = true,
    };
    enum base_err err = ingest_many_new(s->g, &options, &s->many);
    if (err)
        return err;
    ingest_many_on_room(s->many, on_room, s);
    return s->single ? ingest_many_begin(s->many, "")
                     : ingest_parts_init(&s->parts, s->content_type, false, s->many);
}

static void on_permit(void *arg, const struct ingest_permit *permit)
{
    static const struct net_http_sink sink = {.on_data = on_data, .on_end = on_end};
    struct stow *s = arg;
    if (!permit) {
        free(s);
        return;
    }
    enum base_err err = begin(s, permit);
    if (err) {
        refuse(s, err == BASE_EINVAL ? 400 : 503, NULL,
               err == BASE_EINVAL ? "the parameter boundary of Content-Type is missing or invalid"
                                  : "out of memory; try again");
        return;
    }
    net_http_on_abort(s->req, on_client_left, s);
    net_http_body_start(s->req, &sink, s);
}

/* The media types of PS3.18 10.5.1.2 that are taken. */
static bool is_supported(const char *content_type, bool *single)
{
    char type[64];
    *single = net_mime_is(content_type, "application/dicom");
    if (*single)
        return true;
    return net_mime_is(content_type, "multipart/related") &&
           (!net_mime_param(content_type, "type", type, sizeof type) ||
            net_mime_is(type, "application/dicom"));
}

/* The answer is JSON only. */
static bool accepts_json(const char *accept)
{
    return !accept || strstr(accept, "json") || strstr(accept, "*/*") ||
           strstr(accept, "application/*");
}

void ingest_stow_post(struct net_http_request *req, void *arg)
{
    struct stow *s = calloc(1, sizeof *s);
    if (!s) {
        net_http_problem(req, 503, NULL, "out of memory; try again");
        return;
    }
    s->g = arg;
    s->req = req;
    s->content_type = net_http_header(req, "Content-Type");
    s->study = net_http_param(req, "study");
    if (!is_supported(s->content_type, &s->single))
        refuse(s, 415, NULL, "send multipart/related; type=\"application/dicom\"; boundary=…");
    else if (!accepts_json(net_http_header(req, "Accept")))
        refuse(s, 406, NULL, "the answer is application/dicom+json");
    else
        ingest_permit_ask(s->g, req, on_permit, s);
}
