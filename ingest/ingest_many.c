#include "ingest/ingest_many.h"

#include "ingest/ingest_ecg.h"
#include "ingest/ingest_priv.h"
#include "ingest/ingest_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { IN_FLIGHT_MAX = 32 /* files that wait for their commit, of one request */ };

struct ingest_many {
    struct ingest *g;
    struct ingest_arrival_options options;
    struct base_arena arena;
    struct ingest_many_item **items;
    size_t n;
    size_t size;
    size_t in_flight;
    struct ingest_arrival *file; /* that was begun */
    struct ingest_set set;       /* files that may be of one ECG: taken at the end */
    size_t held;                 /* of it */
    void (*on_room)(void *arg);
    void *on_room_arg;
    bool ended;    /* finished or aborted */
    bool on_stack; /* inside a callback, which may end it: do not free */
    ingest_many_fn *fn;
    void *arg;
};

struct pending {
    struct ingest_many *m;
    struct ingest_many_item *item;
};

static const char *keep(struct ingest_many *m, const char *s)
{
    const char *copy = s ? base_arena_strdup(&m->arena, s, strlen(s)) : NULL;
    return copy ? copy : "";
}

static void many_free(struct ingest_many *m)
{
    ingest_set_deinit(&m->set);
    api_limits_unhold(m->g->config->limits, &m->held);
    base_arena_deinit(&m->arena);
    free(m->items);
    free(m);
}

enum base_err ingest_many_new(struct ingest *g, const struct ingest_arrival_options *options,
                              struct ingest_many **out)
{
    struct ingest_many *m = calloc(1, sizeof *m);
    if (!m)
        return BASE_ENOMEM;
    base_arena_init(&m->arena, 0);
    m->g = g;
    m->options = *options;
    m->options.parts = !options->dicom_only;
    /* Files outlive the request when that is aborted. */
    const char **fields[] = {&m->options.source.centre_code,  &m->options.source.aet,
                             &m->options.source.priority,     &m->options.source.patient_id,
                             &m->options.source.patient_name, &m->options.source.accession,
                             &m->options.source.study_uid};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const char *before = *fields[i];
        if (before)
            *fields[i] = base_arena_strdup(&m->arena, before, strlen(before));
        if (before && !*fields[i]) {
            many_free(m);
            return BASE_ENOMEM;
        }
    }
    *out = m;
    return BASE_OK;
}

static struct ingest_many_item *add_item(struct ingest_many *m, const char *name)
{
    if (m->n == m->size) {
        size_t size = m->size ? 2 * m->size : 16;
        struct ingest_many_item **items = realloc(m->items, size * sizeof *items);
        if (!items)
            return NULL;
        m->items = items;
        m->size = size;
    }
    struct ingest_many_item *item = base_arena_alloc(&m->arena, sizeof *item);
    if (!item)
        return NULL;
    item->name = keep(m, name);
    item->message = item->sop_class = item->sop_instance = item->series = item->damage = "";
    m->items[m->n++] = item;
    return item;
}

static void try_end(struct ingest_many *m)
{
    if (!m->ended || m->in_flight || m->on_stack)
        return;
    if (m->fn)
        m->fn(m->arg, m->items, m->n);
    many_free(m);
}

static void set_error(struct ingest_many *m, struct ingest_many_item *item, enum base_err err,
                      const char *message)
{
    item->err = err;
    item->message = keep(m, message);
}

static void on_room(void *arg)
{
    struct ingest_many *m = arg;
    if (!m->ended && m->on_room && ingest_many_room(m))
        m->on_room(m->on_room_arg);
}

static void on_result(void *arg, const struct ingest_result *result)
{
    struct pending *p = arg;
    struct ingest_many *m = p->m;
    struct ingest_many_item *item = p->item;
    free(p);
    item->sop_class = keep(m, result->sop_class);
    item->sop_instance = keep(m, result->sop_instance);
    item->series = keep(m, result->series);
    item->damage = keep(m, result->damage);
    assert(m->in_flight > 0);
    if (result->err) {
        set_error(m, item, result->err, result->message);
    } else {
        item->stored = result->stored;
        item->stored.study_uid = keep(m, result->stored.study_uid);
        item->stored.message = "";
    }
    m->in_flight--;
    bool outermost = !m->on_stack;
    m->on_stack = true;
    on_room(m);
    m->on_stack = !outermost;
    try_end(m);
}

enum base_err ingest_many_begin(struct ingest_many *m, const char *name)
{
    assert(!m->file && !m->ended);
    if (m->n >= INGEST_MANY_MAX)
        return BASE_ELIMIT;
    struct ingest_arrival *file = NULL;
    if (ingest_arrival_new(m->g, &m->options, &file))
        return BASE_ENOMEM;
    if (!add_item(m, name)) {
        ingest_arrival_abort(file);
        return BASE_ENOMEM;
    }
    ingest_arrival_on_room(file, on_room, m);
    m->file = file;
    return BASE_OK;
}

void ingest_many_write(struct ingest_many *m, struct base_bytes bytes)
{
    assert(!m->ended);
    if (m->file)
        ingest_arrival_write(m->file, bytes);
}

void ingest_many_end(struct ingest_many *m)
{
    struct ingest_arrival *file = m->file;
    struct ingest_many_item *item = m->n ? m->items[m->n - 1] : NULL;
    struct base_buf part;
    m->file = NULL;
    if (!file)
        return;
    assert(item); /* each file that was begun has one, the last */
    if (ingest_arrival_part(file, &part)) {
        if (!api_limits_hold(m->g->config->limits, &m->held, m->set.bytes + part.n)) {
            base_buf_deinit(&part);
            set_error(m, item, BASE_EUNAVAILABLE, INGEST_MUCH_HELD);
        } else if (ingest_set_add(&m->set, item->name, &part, item))
            set_error(m, item, BASE_ELIMIT,
                      "the files of ECG recordings in one request may have 64 MiB together");
        return;
    }
    struct pending *p = malloc(sizeof *p);
    if (!p) {
        ingest_arrival_abort(file);
        set_error(m, item, BASE_ENOMEM, "the server is out of memory; send it again later");
        return;
    }
    *p = (struct pending){.m = m, .item = item};
    m->in_flight++;
    ingest_arrival_finish(file, on_result, p);
}

void ingest_many_refuse(struct ingest_many *m, const char *name, enum base_err err,
                        const char *message)
{
    struct ingest_many_item *item = m->file ? m->items[m->n - 1] : add_item(m, name);
    ingest_arrival_abort(m->file);
    m->file = NULL;
    if (item)
        set_error(m, item, err, message);
}

void ingest_many_refuse_object(struct ingest_many *m, const char *sop_class,
                               const char *sop_instance, enum base_err err, const char *message)
{
    size_t before = m->n;
    ingest_many_refuse(m, "", err, message);
    if (m->n == before)
        return;
    m->items[before]->sop_class = keep(m, sop_class);
    m->items[before]->sop_instance = keep(m, sop_instance);
}

bool ingest_many_is_refused(const struct ingest_many *m)
{
    return m->file && ingest_arrival_is_refused(m->file);
}

bool ingest_many_room(struct ingest_many *m)
{
    return m->in_flight < IN_FLIGHT_MAX && (!m->file || ingest_arrival_room(m->file));
}

void ingest_many_on_room(struct ingest_many *m, void (*fn)(void *arg), void *arg)
{
    m->on_room = fn;
    m->on_room_arg = arg;
}

/* The files of one recording: all share its outcome, the first has its object. */
struct recording {
    struct ingest_many *m;
    size_t n;
    struct ingest_many_item *items[];
};

static void on_recording(void *arg, enum base_err err, const struct ingest_result *result,
                         const char *message)
{
    struct recording *rec = arg;
    struct ingest_many *m = rec->m;
    enum base_err e = err ? err : result->err;
    assert(m->in_flight > 0);
    for (size_t i = 0; i < rec->n; i++) {
        struct ingest_many_item *item = rec->items[i];
        if (e) {
            set_error(m, item, e, err ? message : result->message);
            continue;
        }
        item->stored = result->stored;
        item->stored.study_uid = keep(m, result->stored.study_uid);
        item->stored.message = "";
        item->sop_class = i ? "" : keep(m, result->sop_class);
        item->sop_instance = i ? "" : keep(m, result->sop_instance);
        item->damage = keep(m, result->damage);
    }
    free(rec);
    m->in_flight--;
    try_end(m);
}

static void take_recording(struct ingest_many *m, const size_t *chosen, size_t n)
{
    struct recording *rec = calloc(1, sizeof *rec + n * sizeof *rec->items);
    struct ingest_ecg_part *parts = calloc(n, sizeof *parts);
    for (size_t i = 0; i < n; i++) {
        struct ingest_set_file *f = &m->set.files[chosen[i]];
        if (!rec || !parts) {
            set_error(m, f->item, BASE_ENOMEM, "the server is out of memory; send it again later");
            continue;
        }
        rec->items[i] = f->item;
        parts[i] = (struct ingest_ecg_part){ingest_set_name(f), f->bytes};
        f->bytes = (struct base_buf){0};
    }
    if (rec && parts) {
        rec->m = m;
        rec->n = n;
        m->in_flight++;
        ingest_ecg_take_set(m->g, &m->options.source, m->options.source.centre_code, parts, n,
                            on_recording, rec);
    } else {
        free(rec);
    }
    free(parts);
}

/* A file that belongs to no recording is refused with the message it would get by itself. */
static void take_alone(struct ingest_many *m, struct ingest_set_file *f)
{
    struct ingest_arrival_options options = m->options;
    struct ingest_arrival *file = NULL;
    struct pending *p = malloc(sizeof *p);
    options.parts = false;
    if (!p || ingest_arrival_new(m->g, &options, &file)) {
        free(p);
        set_error(m, f->item, BASE_ENOMEM, "the server is out of memory; send it again later");
        return;
    }
    *p = (struct pending){.m = m, .item = f->item};
    m->in_flight++;
    ingest_arrival_write(file, base_buf_bytes(&f->bytes));
    ingest_arrival_finish(file, on_result, p);
}

static void take_sets(struct ingest_many *m)
{
    size_t *chosen = calloc(m->set.n + 1, sizeof *chosen);
    size_t n;
    while (chosen && (n = ingest_set_next(&m->set, chosen)) > 0)
        take_recording(m, chosen, n);
    free(chosen);
    for (size_t i = 0; i < m->set.n; i++)
        if (!m->set.files[i].used)
            take_alone(m, &m->set.files[i]);
}

void ingest_many_finish(struct ingest_many *m, ingest_many_fn *fn, void *arg)
{
    if (m->file)
        ingest_many_refuse(m, "", BASE_EFORMAT, "it is incomplete");
    assert(!m->ended);
    take_sets(m);
    m->ended = true;
    m->fn = fn;
    m->arg = arg;
    try_end(m);
}

void ingest_many_abort(struct ingest_many *m)
{
    if (!m)
        return;
    assert(!m->ended);
    ingest_arrival_abort(m->file);
    m->file = NULL;
    m->ended = true;
    try_end(m);
}
