#include "ingest/ingest_models.h"

#include "ingest/ingest_bulk.h"
#include "ingest/ingest_models_priv.h"
#include "ingest/ingest_priv.h"
#include "net/net_multipart.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 256 * 1024 };

/*
 *  READING ─metadata part ends─► PARSING ─► READING
 *     └─ the body ends ─► FLUSHING ─► BUILDING ─► gone
 *
 * Input during PARSING is held: it is at most one piece of the body.
 */
enum state { OPENING, READING, PARSING, FLUSHING, BUILDING };

struct ingest_models {
    struct ingest *g;
    struct ingest_many *many;
    enum state state;
    struct net_multipart parser;
    bool alone; /* the body is metadata and nothing else */
    bool ended; /* the body is complete */
    bool aborted;
    bool working;                 /* a job of ours runs */
    bool building;                /* build() is on the stack */
    enum ingest_models_kind kind; /* of the part under way; NONE: bulk data */
    size_t parts;
    size_t text_n; /* bytes of metadata so far */
    struct base_buf held;
    struct ingest_models_parse parse;
    struct ingest_model *first; /* instances, in the order of their metadata */
    struct ingest_model **last;
    size_t n;
    size_t data_n;
    struct ingest_bulk *bulk;
    struct ingest_model_plan plan; /* of the instance being built */
    size_t piece;
    uint64_t at; /* in the piece */
    struct loop_job job;
    ssize_t got;
    enum base_err err;
    const char *cause;
    void (*ready)(void *arg, enum base_err err);
    void (*on_room)(void *arg);
    void *on_room_arg;
    void (*fn)(void *arg, enum base_err err, const char *cause);
    void *arg;
    uint8_t buffer[PIECE];
};

enum ingest_models_kind ingest_models_kind_of(const char *content_type)
{
    if (net_mime_is(content_type, "application/dicom+json"))
        return INGEST_MODELS_JSON;
    return net_mime_is(content_type, "application/dicom+xml") ? INGEST_MODELS_XML
                                                              : INGEST_MODELS_NONE;
}

static void models_free(struct ingest_models *m)
{
    while (m->first) {
        struct ingest_model *next = m->first->next;
        ingest_model_free(m->first);
        m->first = next;
    }
    ingest_model_plan_deinit(&m->plan);
    ingest_models_parse_deinit(&m->parse);
    ingest_bulk_free(m->bulk);
    base_buf_deinit(&m->held);
    m->g->objects--;
    free(m);
}

/* ---- begin ---- */

static void on_bulk(void *arg, enum base_err err)
{
    struct ingest_models *m = arg;
    m->state = READING;
    m->working = false;
    if (m->aborted) {
        models_free(m);
        return;
    }
    m->ready(m->arg, err);
}

enum base_err ingest_models_new(struct ingest *g, const char *content_type,
                                struct ingest_many *many,
                                void (*ready)(void *arg, enum base_err err), void *arg,
                                struct ingest_models **out)
{
    char boundary[NET_MULTIPART_BOUNDARY_MAX + 1];
    enum ingest_models_kind kind = ingest_models_kind_of(content_type);
    struct ingest_models *m = malloc(sizeof *m);
    if (!m)
        return BASE_ENOMEM;
    memset(m, 0, offsetof(struct ingest_models, buffer)); /* which needs no zeros */
    m->g = g;
    m->many = many;
    m->ready = ready;
    m->arg = arg;
    m->last = &m->first;
    m->alone = kind != INGEST_MODELS_NONE;
    enum base_err err = BASE_OK;
    if (!m->alone)
        err = net_mime_param(content_type, "boundary", boundary, sizeof boundary)
                  ? net_multipart_init(&m->parser, boundary)
                  : BASE_EINVAL;
    if (!err)
        err = ingest_bulk_new(g, on_bulk, m, &m->bulk);
    if (err) {
        free(m);
        return err;
    }
    m->kind = kind;
    base_buf_init(&m->parse.text, INGEST_MODELS_TEXT_MAX);
    m->working = true;
    g->objects++;
    *out = m;
    return BASE_OK;
}

/* ---- the metadata ---- */

static void parse_work(void *arg)
{
    struct ingest_models *m = arg;
    ingest_models_parse(&m->parse);
}

static void go_on(struct ingest_models *m);

static void take_parsed(struct ingest_models *m)
{
    *m->last = m->parse.first;
    while (*m->last)
        m->last = &(*m->last)->next;
    m->parse.first = NULL;
    m->n = m->parse.n;
    m->data_n = m->parse.data_n;
    base_buf_init(&m->parse.text, INGEST_MODELS_TEXT_MAX);
}

static void on_parsed(void *arg, bool cancelled)
{
    struct ingest_models *m = arg;
    m->working = false;
    if (m->aborted) {
        models_free(m);
        return;
    }
    if (cancelled && !m->err) {
        m->err = BASE_ECANCELED;
        m->cause = "the server is stopping; send it again";
    }
    base_buf_deinit(&m->parse.text);
    take_parsed(m);
    m->state = READING;
    go_on(m);
}

static void parse(struct ingest_models *m)
{
    assert(m->state == READING && !m->working);
    m->state = PARSING;
    m->working = true;
    m->text_n += m->parse.text.n;
    m->parse.xml = m->kind == INGEST_MODELS_XML;
    m->parse.n = m->n;
    m->parse.data_n = m->data_n;
    loop_work(m->g->config->loop, &m->job, LOOP_CPU, LOOP_ORDINARY, parse_work, on_parsed, m);
}

/* ---- the body ---- */

static void refuse(struct ingest_models *m, enum base_err err, const char *cause)
{
    if (m->err)
        return;
    m->err = err;
    m->cause = cause;
}

static void begin_part(struct ingest_models *m)
{
    const struct net_multipart *part = &m->parser;
    m->parts++;
    m->kind = ingest_models_kind_of(part->type);
    if (m->kind != INGEST_MODELS_NONE)
        return;
    enum base_err err = ingest_bulk_begin(m->bulk, part->location, part->type);
    if (err)
        refuse(m, err,
               err == BASE_ELIMIT
                   ? "too many parts, or a Content-Location of more than 510 characters"
                   : "the server is out of memory; send it again later");
}

static void write_text(struct ingest_models *m, struct base_bytes bytes)
{
    assert(m->state == READING && m->text_n + m->parse.text.n <= INGEST_MODELS_TEXT_MAX);
    if (bytes.n > INGEST_MODELS_TEXT_MAX - m->text_n - m->parse.text.n) {
        refuse(m, BASE_ELIMIT, "the metadata of a request may have 32 MiB");
        return;
    }
    base_buf_add(&m->parse.text, bytes.p, bytes.n);
    if (m->parse.text.err)
        refuse(m, m->parse.text.err, "the server is out of memory; send it again later");
}

/* Stops where metadata must be read first. Returns what it used. */
static size_t take(struct ingest_models *m, struct base_bytes bytes)
{
    enum net_multipart_event event = NET_MULTIPART_MORE;
    size_t at = 0;
    do {
        struct base_bytes data;
        at += net_multipart_parse(&m->parser, base_bytes_of(bytes.p + at, bytes.n - at), &event,
                                  &data);
        if (event == NET_MULTIPART_PART)
            begin_part(m);
        else if (event == NET_MULTIPART_DATA && m->kind != INGEST_MODELS_NONE)
            write_text(m, data);
        else if (event == NET_MULTIPART_DATA)
            ingest_bulk_write(m->bulk, data);
        else if (event == NET_MULTIPART_PART_END && m->kind != INGEST_MODELS_NONE)
            parse(m);
        else if (event == NET_MULTIPART_PART_END)
            ingest_bulk_end(m->bulk);
        else if (event == NET_MULTIPART_REFUSED)
            refuse(m, BASE_EFORMAT, m->parser.cause);
    } while (event != NET_MULTIPART_MORE && !m->err && m->state == READING);
    return at;
}

enum base_err ingest_models_write(struct ingest_models *m, struct base_bytes bytes,
                                  const char **cause)
{
    size_t used = bytes.n;
    if (m->alone)
        write_text(m, bytes);
    else if (!m->err)
        used = m->state == READING ? take(m, bytes) : 0;
    base_buf_add(&m->held, bytes.p + used, bytes.n - used);
    if (m->held.err)
        refuse(m, BASE_ENOMEM, "the server is out of memory; send it again later");
    *cause = m->cause;
    return m->err;
}

bool ingest_models_room(const struct ingest_models *m)
{
    return m->state == READING && ingest_bulk_room(m->bulk);
}

static void on_bulk_room(void *arg)
{
    struct ingest_models *m = arg;
    if (m->on_room && !m->ended && ingest_models_room(m))
        m->on_room(m->on_room_arg);
}

void ingest_models_on_room(struct ingest_models *m, void (*fn)(void *arg), void *arg)
{
    m->on_room = fn;
    m->on_room_arg = arg;
    ingest_bulk_on_room(m->bulk, on_bulk_room, m);
}

/* ---- the instances ---- */

static void end(struct ingest_models *m)
{
    void (*fn)(void *arg, enum base_err err, const char *cause) = m->fn;
    void *arg = m->arg;
    enum base_err err = m->err;
    const char *cause = m->cause;
    ingest_many_on_room(m->many, NULL, NULL);
    models_free(m);
    fn(arg, err, cause);
}

static void build(struct ingest_models *m);

static void read_work(void *arg)
{
    struct ingest_models *m = arg;
    const struct ingest_model_piece *p = &m->plan.pieces[m->piece];
    assert(m->at < p->n);
    size_t n = p->n - m->at < PIECE ? (size_t)(p->n - m->at) : PIECE;
    do
        m->got = pread(ingest_bulk_fd(m->bulk), m->buffer, n, (off_t)(p->offset + m->at));
    while (m->got < 0 && errno == EINTR);
}

static void on_read(void *arg, bool cancelled)
{
    struct ingest_models *m = arg;
    m->working = false;
    if (m->aborted) {
        models_free(m);
        return;
    }
    if (cancelled || m->got <= 0) {
        ingest_many_refuse_object(m->many, m->first->model.sop_class, m->first->model.sop_instance,
                                  BASE_EIO, "the bulk data could not be read back; send it again");
        m->plan.n = 0;
    } else {
        ingest_many_write(m->many, base_bytes_of(m->buffer, (size_t)m->got));
        m->at += (uint64_t)m->got;
    }
    build(m);
}

/* The next piece of the instance; false when it must be waited for. */
static bool add_piece(struct ingest_models *m)
{
    const struct ingest_model_piece *p = &m->plan.pieces[m->piece];
    if (!p->p && m->at < p->n) {
        m->working = true;
        loop_work(m->g->config->loop, &m->job, LOOP_DISK, LOOP_ORDINARY, read_work, on_read, m);
        return false;
    }
    if (p->p)
        ingest_many_write(m->many, base_bytes_of(p->p, (size_t)p->n));
    m->piece++;
    m->at = 0;
    return true;
}

static void refuse_first(struct ingest_models *m, enum base_err err, const char *message)
{
    const struct dicom_model *model = &m->first->model;
    ingest_many_refuse_object(m->many, model->sop_class, model->sop_instance, err, message);
}

/* False: it was refused, and its plan is empty. */
static bool begin_instance(struct ingest_models *m)
{
    struct base_error error = {0};
    enum base_err err = m->first->err;
    m->piece = 0;
    m->at = 0;
    ingest_model_plan_deinit(&m->plan);
    if (err) {
        refuse_first(m, err, m->first->message);
        return false;
    }
    err = ingest_model_plan(&m->first->model, m->bulk, &m->plan, &error);
    if (!err) {
        err = ingest_many_begin(m->many, "");
        snprintf(error.msg, sizeof error.msg, "the server is out of memory; send it again later");
    }
    if (err) {
        refuse_first(m, err, error.msg);
        m->plan.n = 0;
    }
    return !err;
}

static void end_instance(struct ingest_models *m)
{
    struct ingest_model *done = m->first;
    assert(m->piece >= m->plan.n || ingest_many_is_refused(m->many));
    ingest_many_end(m->many);
    m->first = done->next;
    ingest_model_free(done);
    m->plan.begun = false;
    m->plan.n = 0;
}

static void refuse_unused(struct ingest_models *m)
{
    while (ingest_bulk_unused(m->bulk))
        ingest_many_refuse(m->many, "", BASE_EFORMAT,
                           "bulk data that no metadata refer to by BulkDataURI");
}

/* Builds as far as possible; true when no instance is left. */
static bool build_some(struct ingest_models *m)
{
    while (m->first) {
        if (!m->plan.begun)
            m->plan.begun = begin_instance(m);
        while (m->piece < m->plan.n && !ingest_many_is_refused(m->many))
            if (!ingest_many_room(m->many) || !add_piece(m))
                return false;
        end_instance(m);
    }
    return true;
}

static void build(struct ingest_models *m)
{
    assert(m->state == BUILDING && !m->building && !m->working);
    m->building = true;
    bool done = build_some(m);
    m->building = false;
    if (!done)
        return;
    refuse_unused(m);
    end(m);
}

static void on_many_room(void *arg)
{
    struct ingest_models *m = arg;
    if (!m->building && !m->working)
        build(m);
}

static void on_flushed(void *arg, enum base_err err)
{
    struct ingest_models *m = arg;
    m->working = false;
    if (m->aborted) {
        models_free(m);
        return;
    }
    if (err)
        refuse(m, err,
               err == BASE_ENOSPC ? "the server's disk is full; tell its operator, send again later"
                                  : "the bulk data could not be kept; send them again");
    if (m->err) {
        end(m);
        return;
    }
    m->state = BUILDING;
    ingest_many_on_room(m->many, on_many_room, m);
    build(m);
}

/* The end of the body was told. */
static void end_of_body(struct ingest_models *m)
{
    if (m->alone && m->parse.text.n && !m->err) {
        m->alone = false;
        parse(m);
        return;
    }
    if (m->text_n == 0)
        refuse(m, BASE_EFORMAT, m->parts ? "no part has metadata" : "there are no metadata");
    else if (m->parts && !net_multipart_complete(&m->parser))
        refuse(m, BASE_EFORMAT, net_multipart_lack(&m->parser));
    if (m->err) {
        end(m);
        return;
    }
    m->state = FLUSHING;
    m->working = true;
    ingest_bulk_flush(m->bulk, on_flushed, m);
}

/* After metadata were read: what was held, then more, or the end. */
static void go_on(struct ingest_models *m)
{
    struct base_buf held = m->held;
    m->held = (struct base_buf){0};
    if (!m->err && held.n) {
        size_t used = take(m, base_buf_bytes(&held));
        base_buf_add(&m->held, held.p + used, held.n - used);
    }
    base_buf_deinit(&held);
    if (m->state != READING)
        return;
    if (m->ended)
        end_of_body(m);
    else if (m->on_room && ingest_bulk_room(m->bulk))
        m->on_room(m->on_room_arg);
}

void ingest_models_finish(struct ingest_models *m,
                          void (*fn)(void *arg, enum base_err err, const char *cause), void *arg)
{
    m->fn = fn;
    m->arg = arg;
    m->ended = true;
    m->on_room = NULL;
    if (m->state == READING)
        end_of_body(m);
}

void ingest_models_abort(struct ingest_models *m)
{
    if (!m)
        return;
    m->aborted = true;
    if (!m->working)
        models_free(m);
}
