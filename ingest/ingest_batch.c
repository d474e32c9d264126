#include "ingest/ingest_batch.h"

#include "base/clock.h"
#include "base/log.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MAX = 128,     /* objects */
    RETRY_MS = 300,      /* between two tries at the same batch */
    PATIENCE_MS = 30000, /* what a device waits for, before it hears A700 */
    TRIES = 4,           /* at a batch that the database answers, but refuses */
};

struct entry {
    struct entry *next;
    struct base_buf record;
    int64_t since;
    bool stat;
    ingest_stored_fn *fn;
    void *arg;
};

struct ingest_batch {
    struct loop *loop;
    struct db *db;
    struct loop_timer *timer; /* for the next try */
    struct entry *waiting;    /* those to go alone, then STAT, then the others; oldest first */
    struct entry **tail;
    struct entry *flying; /* the batch under way, or to be tried again */
    unsigned count;
    unsigned alone;   /* so many of those that wait go one by one */
    unsigned refused; /* so often was the batch in flight */
    bool in_database;
    bool unknown; /* a try of the batch in flight ended without a known outcome */
};

static void send(struct ingest_batch *b);

static void on_timer(void *arg)
{
    send(arg);
}

enum base_err ingest_batch_new(struct loop *loop, struct db *db, struct ingest_batch **out)
{
    struct ingest_batch *b = calloc(1, sizeof *b);
    if (!b)
        return BASE_ENOMEM;
    b->loop = loop;
    b->db = db;
    b->tail = &b->waiting;
    enum base_err err = loop_timer_new(loop, on_timer, b, &b->timer);
    if (err) {
        free(b);
        return err;
    }
    *out = b;
    return BASE_OK;
}

static void finish(struct ingest_batch *b, struct entry *e, enum base_err err,
                   const struct ingest_stored *stored)
{
    b->count--;
    e->fn(e->arg, err, stored);
    base_buf_deinit(&e->record);
    free(e);
}

static void fail_all(struct ingest_batch *b, struct entry **list, enum base_err err)
{
    struct entry *e = *list;
    *list = NULL;
    while (e) {
        struct entry *next = e->next;
        finish(b, e, err, NULL);
        e = next;
    }
}

void ingest_batch_free(struct ingest_batch *b)
{
    if (!b)
        return;
    fail_all(b, &b->flying, b->unknown ? BASE_EUNKNOWN : BASE_ECANCELED);
    fail_all(b, &b->waiting, BASE_ECANCELED);
    loop_timer_free(b->timer);
    free(b);
}

unsigned ingest_batch_waiting(const struct ingest_batch *b)
{
    return b->count;
}

static void read_result(const json_t *row, struct ingest_stored *out)
{
    static const char *const names[] = {"stored", "duplicate", "conflict", "error"};
    const char *outcome = json_string_value(json_object_get(row, "outcome"));
    *out = (struct ingest_stored){.outcome = INGEST_REFUSED, .message = "no answer from the index"};
    for (size_t i = 0; outcome && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(outcome, names[i]) == 0)
            out->outcome = (enum ingest_outcome)i;
    out->exam = json_integer_value(json_object_get(row, "exam"));
    out->study_uid = json_string_value(json_object_get(row, "study_uid"));
    out->message = json_string_value(json_object_get(row, "message"));
}

static void deliver(struct ingest_batch *b, const char *text)
{
    struct entry *e = b->flying;
    json_t *rows = json_loads(text, 0, NULL);
    b->flying = NULL;
    for (size_t i = 0; e; i++) {
        struct entry *next = e->next;
        struct ingest_stored stored;
        read_result(json_array_get(rows, i), &stored);
        finish(b, e, BASE_OK, &stored);
        e = next;
    }
    json_decref(rows);
}

static bool is_passing(enum base_err err)
{
    return err == BASE_EUNAVAILABLE || err == BASE_EUNKNOWN || err == BASE_ETIMEOUT ||
           err == BASE_ELIMIT;
}

/* Refused for a reason that should pass, such as a deadlock or a lock that is held:
 * by what is in the batch, not for the state of the server, which would
 * concern the next one too. */
static bool is_contended(const char *sqlstate)
{
    return strncmp(sqlstate, "40", 2) == 0 || strcmp(sqlstate, "55P03") == 0 ||
           strcmp(sqlstate, "RD503") == 0;
}

/* One of them cannot be stored, and the database does not say which: they go
 * back to the front of the queue and are tried one by one. */
static void part(struct ingest_batch *b)
{
    struct entry *last = b->flying;
    for (b->alone = 1; last->next; b->alone++)
        last = last->next;
    last->next = b->waiting;
    if (!b->waiting)
        b->tail = &last->next;
    b->waiting = b->flying;
    b->flying = NULL;
}

/* The batch did not come about: once more, or give up. */
static void failed(struct ingest_batch *b, enum base_err err, const char *sqlstate)
{
    bool patient = base_clock_mono_ms() - b->flying->since < PATIENCE_MS;
    b->unknown |= err == BASE_EUNKNOWN;
    b->refused += is_contended(sqlstate);
    /* What stays contended must not hold up the others that share its batch or
     * wait behind it. */
    if (b->refused >= TRIES && !b->unknown) {
        if (b->flying->next)
            part(b);
        else
            fail_all(b, &b->flying, err);
        send(b);
        return;
    }
    if (is_passing(err) && patient) {
        loop_timer_start(b->timer, RETRY_MS, 0);
        return;
    }
    if (!is_passing(err) && err != BASE_ENOSPC && !b->unknown && b->flying->next)
        part(b);
    else
        fail_all(b, &b->flying, b->unknown ? BASE_EUNKNOWN : err);
    send(b);
}

static void on_done(void *arg, const struct db_outcome *outcome)
{
    struct ingest_batch *b = arg;
    b->in_database = false;
    if (outcome->err) {
        BASE_LOG(WARN, "ingest_batch_failed", LOG_S("sqlstate", outcome->sqlstate),
                 LOG_S("error", base_err_text(outcome->err)));
        failed(b, outcome->err, outcome->sqlstate);
        return;
    }
    deliver(b, db_rows_text(db_outcome_rows(outcome, 0), 0, 0));
    send(b);
}

static void take_waiting(struct ingest_batch *b)
{
    struct entry **end = &b->waiting;
    unsigned most = b->alone ? 1 : BATCH_MAX;
    for (unsigned n = 0; n < most && *end; n++)
        end = &(*end)->next;
    b->alone -= b->alone > 0;
    b->flying = b->waiting;
    b->waiting = *end;
    *end = NULL;
    if (!b->waiting)
        b->tail = &b->waiting;
    b->unknown = false;
    b->refused = 0;
}

static void send(struct ingest_batch *b)
{
    if (b->in_database)
        return;
    if (!b->flying)
        take_waiting(b);
    if (!b->flying)
        return;
    struct base_buf all = {0};
    base_buf_add_byte(&all, '[');
    for (struct entry *e = b->flying; e; e = e->next) {
        base_buf_add(&all, e->record.p, e->record.n);
        base_buf_add_byte(&all, e->next ? ',' : ']');
    }
    enum base_err err = all.err;
    if (!err)
        err = db_call(b->db, DB_Q_INGEST_STORE,
                      (struct db_param[]){db_text_n((const char *)all.p, all.n)}, 1, on_done, b);
    base_buf_deinit(&all);
    b->in_database = !err;
    if (err)
        loop_timer_start(b->timer, RETRY_MS, 0);
    if (err && !is_passing(err))
        fail_all(b, &b->flying, err);
}

/* STAT overtakes what waits, but not what goes alone or was STAT before. */
static void queue(struct ingest_batch *b, struct entry *e)
{
    struct entry **at = b->tail;
    if (e->stat) {
        at = &b->waiting;
        for (unsigned n = 0; *at && (n < b->alone || (*at)->stat); n++)
            at = &(*at)->next;
    }
    e->next = *at;
    *at = e;
    if (!e->next)
        b->tail = &e->next;
    b->count++;
}

enum base_err ingest_batch_add(struct ingest_batch *b, const struct ingest_record *record,
                               ingest_stored_fn *fn, void *arg)
{
    struct entry *e = calloc(1, sizeof *e);
    if (!e)
        return BASE_ENOMEM;
    ingest_record_write(record, &e->record);
    if (e->record.err) {
        base_buf_deinit(&e->record);
        free(e);
        return BASE_ENOMEM;
    }
    e->since = base_clock_mono_ms();
    e->fn = fn;
    e->arg = arg;
    e->stat = record->priority && strcmp(record->priority, "stat") == 0;
    queue(b, e);
    /* Not at once: the objects of a round of syncs come one after another. */
    if (!b->flying)
        loop_timer_start(b->timer, 0, 0);
    return BASE_OK;
}
