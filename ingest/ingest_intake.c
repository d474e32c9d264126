#include "ingest/ingest_intake.h"

#include "base/json.h"
#include "ingest/ingest_manifest.h"
#include "ingest/ingest_parts.h"
#include "ingest/ingest_priv.h"
#include "ingest/ingest_zip.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ingest_intake {
    struct ingest *g;
    struct ingest_arrival_options options;
    char centre_code[INGEST_CENTRE_CODE];
    bool single;
    enum { UNDECIDED, ONE_FILE, FORM, ARCHIVE } kind;
    uint8_t head[4]; /* while undecided */
    size_t head_n;
    struct ingest_arrival *file;
    struct ingest_many *many;
    struct ingest_parts parts;
    struct ingest_zip *zip;
    bool urlencoded;             /* as curl -d sends a file: without an end of a line */
    const char *said;            /* the manifest; NULL = none */
    struct base_buf manifest;    /* to be noted before the answer */
    struct ingest_answer answer; /* meanwhile */
    bool closed;                 /* the rest of the archive is refused */
    enum base_err err;           /* the whole body is refused */
    const char *cause;
    void (*on_room)(void *arg);
    void *on_room_arg;
    ingest_intake_fn *fn;
    void *arg;
};

static void intake_free(struct ingest_intake *in)
{
    ingest_zip_free(in->zip);
    base_buf_deinit(&in->manifest);
    base_buf_deinit(&in->parts.manifest);
    free(in);
}

static void refuse(struct ingest_intake *in, enum base_err err, const char *cause)
{
    in->err = err;
    in->cause = cause;
}

/* ---- the answer ---- */

void ingest_answer_send(struct net_http_request *req, struct ingest_answer *answer)
{
    if (answer->status < 300)
        net_http_reply_buf(req, answer->status, "application/json", &answer->json);
    else
        net_http_problem(req, answer->status, answer->title, answer->detail);
}

static void end(struct ingest_intake *in, struct ingest_answer *answer)
{
    in->fn(in->arg, answer);
    base_buf_deinit(&answer->json);
    intake_free(in);
}

static void on_noted(void *arg)
{
    struct ingest_intake *in = arg;
    struct ingest_answer answer = in->answer;
    end(in, &answer);
}

/* At least one file was stored: records the manifest before the answer. items NULL: a single
 * file, which is complete by itself. */
static void end_taken(struct ingest_intake *in, struct ingest_answer *answer,
                      struct ingest_many_item *const *items, size_t n)
{
    const char *cause;
    struct base_bytes field = base_buf_bytes(&in->parts.manifest);
    bool from_field = field.n && ingest_manifest_check(field, &cause);
    bool this = in->said && strcmp(in->said, "this") == 0;
    if (!this && in->said)
        base_buf_add_str(&in->manifest, in->said);
    else if (from_field)
        base_buf_add(&in->manifest, field.p, field.n);
    else if (this || base_bytes_equal(field, base_bytes_str("this")))
        ingest_manifest_of(items, items ? n : 0, &in->manifest);
    if (in->manifest.err || !in->manifest.n) {
        end(in, answer);
        return;
    }
    in->answer = *answer;
    ingest_manifest_take(in->g, in->options.source.centre_id, base_buf_bytes(&in->manifest),
                         on_noted, in);
}

static void end_refused(struct ingest_intake *in, enum base_err err, const char *detail)
{
    char text[512];
    struct ingest_answer answer = {
        .status = ingest_http_status(err), .title = "the file was not taken", .detail = detail};
    if (in->urlencoded && (err == BASE_EFORMAT || err == BASE_EUNSUPPORTED)) {
        snprintf(
            text, sizeof text,
            "%s; as application/x-www-form-urlencoded curl -d sends a file without some of its "
            "bytes: use --data-binary, or -X POST -T",
            detail);
        answer.detail = text;
    }
    end(in, &answer);
}

static void write_stored(struct base_json *j, const struct ingest_stored *stored,
                         const char *damage)
{
    base_json_member_string(j, "study_uid", stored->study_uid);
    base_json_member_int(j, "exam", stored->exam);
    base_json_member_string(j, "outcome", ingest_outcome_text(stored));
    if (!damage || !damage[0])
        return;
    base_json_member_array(j, "damage");
    for (const char *line = damage; *line;) {
        size_t n = strcspn(line, "\n");
        base_json_string_n(j, line, n);
        line += n + (line[n] != '\0');
    }
    base_json_close_array(j);
}

static void on_file(void *arg, const struct ingest_result *r)
{
    struct ingest_intake *in = arg;
    struct ingest_answer answer = {.status = 201};
    struct base_json j;
    if (r->err) {
        end_refused(in, r->err, r->message);
        return;
    }
    base_json_init(&j, &answer.json);
    answer.damaged = r->damage;
    base_json_open_object(&j);
    write_stored(&j, &r->stored, r->damage);
    base_json_close_object(&j);
    end_taken(in, &answer, NULL, 0);
}

static void write_item(struct base_json *j, const struct ingest_many_item *item)
{
    base_json_open_object(j);
    base_json_member_string(j, "name", item->name);
    if (item->err) {
        base_json_member_string(j, "outcome", "refused");
        base_json_member_string(j, "cause", item->message);
    } else {
        write_stored(j, &item->stored, item->damage);
    }
    base_json_close_object(j);
}

/* Study and exam of the first stored file come first, as in the answer to a single
 * file. 202: some were refused. */
static void on_files(void *arg, struct ingest_many_item *const *items, size_t n)
{
    struct ingest_intake *in = arg;
    struct ingest_answer answer = {0};
    struct base_json j;
    const struct ingest_many_item *first = NULL;
    int64_t refused = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i]->err) {
            refused++;
            answer.again |= ingest_http_status(items[i]->err) >= 500;
        } else {
            answer.damaged |= items[i]->damage[0] != '\0';
            first = first ? first : items[i];
        }
    }
    if (!first) {
        end_refused(in, n ? items[0]->err : BASE_EFORMAT,
                    n ? items[0]->message : "there is no file in it");
        return;
    }
    answer.status = refused ? 202 : 201;
    base_json_init(&j, &answer.json);
    base_json_open_object(&j);
    write_stored(&j, &first->stored, first->damage);
    if (refused)
        base_json_member_int(&j, "refused", refused);
    base_json_member_array(&j, "files");
    for (size_t i = 0; i < n; i++)
        write_item(&j, items[i]);
    base_json_close_array(&j);
    base_json_close_object(&j);
    end_taken(in, &answer, items, n);
}

/* ---- the body ---- */

static void on_room(void *arg)
{
    struct ingest_intake *in = arg;
    if (in->on_room)
        in->on_room(in->on_room_arg);
}

static enum base_err begin_many(struct ingest_intake *in)
{
    enum base_err err = ingest_many_new(in->g, &in->options, &in->many);
    if (!err)
        ingest_many_on_room(in->many, on_room, in);
    return err;
}

enum base_err ingest_intake_new(struct ingest *g, const struct ingest_arrival_options *options,
                                const char *content_type, struct ingest_intake **out)
{
    struct ingest_intake *in = calloc(1, sizeof *in);
    enum base_err err = BASE_OK;
    if (!in)
        return BASE_ENOMEM;
    in->g = g;
    in->options = *options;
    in->single = options->source.single;
    in->options.source.single = false;
    snprintf(in->centre_code, sizeof in->centre_code, "%s", options->source.centre_code);
    in->options.source.centre_code = in->centre_code;
    in->urlencoded = net_mime_is(content_type, "application/x-www-form-urlencoded");
    if (net_mime_is(content_type, "multipart/form-data")) {
        in->kind = FORM;
        err = begin_many(in);
        if (!err)
            err = ingest_parts_init(&in->parts, content_type, true, in->many);
    }
    if (err) {
        ingest_intake_abort(in);
        return err;
    }
    *out = in;
    return BASE_OK;
}

bool ingest_intake_is_manifest(const char *manifest, const char **cause)
{
    return strcmp(manifest, "this") == 0 || ingest_manifest_check(base_bytes_str(manifest), cause);
}

void ingest_intake_manifest(struct ingest_intake *in, const char *manifest)
{
    in->said = manifest;
    if (manifest && strcmp(manifest, "this") != 0)
        in->single = false;
}

static void begin_file(struct ingest_intake *in)
{
    in->kind = ONE_FILE;
    in->options.source.single = in->single;
    if (ingest_arrival_new(in->g, &in->options, &in->file)) {
        refuse(in, BASE_ENOMEM, "the server is out of memory; send it again later");
        return;
    }
    ingest_arrival_on_room(in->file, on_room, in);
}

/* Reports an error of the archive itself as its last file. */
static void refuse_archive(struct ingest_intake *in, enum base_err err, const char *cause)
{
    assert(!in->closed);
    ingest_many_refuse(in->many, ingest_zip_name(in->zip), err, cause);
    in->closed = true;
}

static void begin_entry(struct ingest_intake *in)
{
    const char *name = ingest_zip_name(in->zip);
    enum base_err err = ingest_parts_is_index(name) ? BASE_OK : ingest_many_begin(in->many, name);
    if (err)
        refuse_archive(in, err,
                       err == BASE_ELIMIT ? "an archive may have 10000 files"
                                          : "the server is out of memory; send it again later");
}

static void write_archive(struct ingest_intake *in, struct base_bytes bytes)
{
    enum ingest_zip_event event = INGEST_ZIP_MORE;
    do {
        struct base_bytes data;
        const char *cause;
        size_t used = ingest_zip_parse(in->zip, bytes, &event, &data);
        bytes = base_bytes_of(bytes.p + used, bytes.n - used);
        if (event == INGEST_ZIP_ENTRY) {
            begin_entry(in);
        } else if (event == INGEST_ZIP_DATA) {
            ingest_many_write(in->many, data);
        } else if (event == INGEST_ZIP_ENTRY_END) {
            ingest_many_end(in->many);
        } else if (event == INGEST_ZIP_ENTRY_BAD &&
                   !ingest_parts_is_index(ingest_zip_name(in->zip))) {
            ingest_many_refuse(in->many, ingest_zip_name(in->zip), BASE_EFORMAT,
                               "it is damaged in the archive: its CRC is wrong");
        } else if (event == INGEST_ZIP_REFUSED) {
            enum base_err err = ingest_zip_error(in->zip, &cause);
            refuse_archive(in, err, cause);
        }
    } while (event != INGEST_ZIP_MORE && !in->closed);
}

static void begin_archive(struct ingest_intake *in)
{
    in->kind = ARCHIVE;
    if (begin_many(in) || ingest_zip_new(in->g->config->conf->upload_max_bytes, &in->zip))
        refuse(in, BASE_ENOMEM, "the server is out of memory; send it again later");
}

static void write_on(struct ingest_intake *in, struct base_bytes bytes)
{
    enum base_err err = BASE_OK;
    const char *cause = "";
    if (in->err || in->closed || bytes.n == 0)
        return;
    assert(in->kind != UNDECIDED);
    if (in->kind == FORM)
        err = ingest_parts_write(&in->parts, bytes, &cause);
    else if (in->kind == ARCHIVE)
        write_archive(in, bytes);
    else
        ingest_arrival_write(in->file, bytes);
    if (err)
        refuse(in, err, cause);
}

/* Tells an archive from a single file by the first bytes, and passes them on. */
static void decide(struct ingest_intake *in)
{
    if (ingest_zip_is(base_bytes_of(in->head, in->head_n)))
        begin_archive(in);
    else
        begin_file(in);
    write_on(in, base_bytes_of(in->head, in->head_n));
}

void ingest_intake_write(struct ingest_intake *in, struct base_bytes bytes)
{
    if (in->urlencoded && bytes.n &&
        (memchr(bytes.p, '\n', bytes.n) || memchr(bytes.p, '\r', bytes.n)))
        in->urlencoded = false;
    while (in->kind == UNDECIDED && bytes.n) {
        in->head[in->head_n++] = bytes.p[0];
        bytes = base_bytes_of(bytes.p + 1, bytes.n - 1);
        if (in->head_n == sizeof in->head)
            decide(in);
    }
    write_on(in, bytes);
}

bool ingest_intake_is_refused(const struct ingest_intake *in)
{
    return in->err || in->closed || (in->file && ingest_arrival_is_refused(in->file));
}

bool ingest_intake_room(struct ingest_intake *in)
{
    return in->err || in->closed ||
           (in->file   ? ingest_arrival_room(in->file)
            : in->many ? ingest_many_room(in->many)
                       : true);
}

void ingest_intake_on_room(struct ingest_intake *in, void (*fn)(void *arg), void *arg)
{
    in->on_room = fn;
    in->on_room_arg = arg;
}

static void end_of_body(struct ingest_intake *in)
{
    const char *cause = "";
    if (in->kind == UNDECIDED && in->head_n)
        decide(in);
    if (in->err)
        return;
    if (in->kind == UNDECIDED)
        refuse(in, BASE_EFORMAT,
               in->options.source.device_id /* a watched folder */
                   ? "it is empty"
                   : "the body is empty; send the file as the body of the request");
    else if (in->kind == FORM && ingest_parts_end(&in->parts, &cause))
        refuse(in, BASE_EFORMAT, cause);
    else if (in->kind == FORM && in->parts.manifest.n &&
             !base_bytes_equal(base_buf_bytes(&in->parts.manifest), base_bytes_str("this")) &&
             !ingest_manifest_check(base_buf_bytes(&in->parts.manifest), &cause))
        refuse(in, BASE_EFORMAT, cause);
    else if (in->kind == ARCHIVE && !in->closed && !ingest_zip_complete(in->zip))
        refuse_archive(in, BASE_EFORMAT, "the archive is incomplete");
}

void ingest_intake_finish(struct ingest_intake *in, ingest_intake_fn *fn, void *arg)
{
    assert(!in->fn);
    in->fn = fn;
    in->arg = arg;
    in->on_room = NULL;
    end_of_body(in);
    assert(in->err || !in->file != !in->many);
    if (in->err) {
        ingest_arrival_abort(in->file);
        ingest_many_abort(in->many);
        end_refused(in, in->err, in->cause);
    } else if (in->many) {
        ingest_many_finish(in->many, on_files, in);
    } else {
        ingest_arrival_finish(in->file, on_file, in);
    }
}

void ingest_intake_abort(struct ingest_intake *in)
{
    if (!in)
        return;
    assert(!in->fn);
    ingest_arrival_abort(in->file);
    ingest_many_abort(in->many);
    intake_free(in);
}
