#include "ingest/ingest_batch.h"

#include "base/clock.h"
#include "base/log.h"
#include "ingest/ingest_group.h"
#include "model/model_answer.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MAX = 128,     /* objects */
    RETRY_MS = 300,      /* between two tries at the same batch */
    PATIENCE_MS = 30000, /* what a device waits for, before it hears A700 */
    TRIES = 4,           /* at a batch that the database answers, but refuses */
};

struct ingest_entry {
    struct ingest_batch *batch;
    struct ingest_entry *next;
    struct ingest_record record;
    int64_t since;
    bool stat;
    bool settled;      /* durable, or known not to be */
    bool over;         /* its end is known and waits for that */
    enum base_err err; /* why it is not durable, or how it ended */
    ingest_stored_fn *fn;
    void *arg;
};

/*
 * The batch in flight:
 *
 *   none ─► sent, open ─all durable─► committing ─► none
 *    ▲          │ one is not               │ failed
 *    └──────────┘                to be tried again ─► sent, open
 *
 *                       flying   open   in_database
 *   none                  -       -         -
 *   to be tried again    set      -         -
 *   sent, open           set     set       set
 *   committing           set      -        set
 */
struct ingest_batch {
    struct loop *loop;
    struct db *db;
    struct store *store;
    struct loop_timer *timer;     /* for the next try */
    struct ingest_entry *waiting; /* STAT, then the others; oldest first */
    struct ingest_entry **tail;
    struct ingest_entry *flying; /* the batch in flight; at most BATCH_MAX */
    unsigned count;
    unsigned alone;     /* the first so many of those that wait go one by one */
    unsigned refused;   /* so often was the batch in flight */
    struct db_tx *open; /* of the batch in flight: to be committed when all of it is durable */
    bool in_database;
    bool unknown; /* a try of the batch in flight ended without a known outcome */
};

static void send(struct ingest_batch *b);

static void assert_batch(const struct ingest_batch *b)
{
    assert(!b->open || b->in_database);
    assert(!b->in_database || b->flying);
    assert(!*b->tail);
    assert(!b->flying || b->count > 0);
    (void)b;
}

static void on_timer(void *arg)
{
    send(arg);
}

const char *ingest_outcome_text(const struct ingest_stored *stored)
{
    static const char *const outcomes[] = {[INGEST_STORED] = "stored",
                                           [INGEST_DUPLICATE] = "duplicate",
                                           [INGEST_CONFLICT] = "conflict",
                                           [INGEST_REFUSED] = "refused"};
    return outcomes[stored->outcome];
}

enum base_err ingest_batch_new(struct loop *loop, struct db *db, struct store *store,
                               struct ingest_batch **out)
{
    struct ingest_batch *b = calloc(1, sizeof *b);
    if (!b)
        return BASE_ENOMEM;
    b->loop = loop;
    b->db = db;
    b->store = store;
    b->tail = &b->waiting;
    enum base_err err = loop_timer_new(loop, on_timer, b, &b->timer);
    if (err) {
        free(b);
        return err;
    }
    *out = b;
    return BASE_OK;
}

static void tell(struct ingest_entry *e, enum base_err err, const struct ingest_stored *stored)
{
    e->fn(e->arg, err, stored);
    free(e);
}

/* Whose object is still being synced hears it after that. */
static void finish(struct ingest_batch *b, struct ingest_entry *e, enum base_err err,
                   const struct ingest_stored *stored)
{
    assert(b->count > 0 && !e->over);
    b->count--;
    e->over = true;
    if (e->settled) {
        tell(e, err, stored);
    } else {
        assert(err);
        e->err = err;
    }
}

static void fail_all(struct ingest_batch *b, struct ingest_entry **list, enum base_err err)
{
    struct ingest_entry *e = *list;
    *list = NULL;
    while (e) {
        struct ingest_entry *next = e->next;
        finish(b, e, err, NULL);
        e = next;
    }
}

void ingest_batch_free(struct ingest_batch *b)
{
    if (!b)
        return;
    assert_batch(b);
    assert(b->open || !b->in_database);
    if (b->open)
        db_tx_rollback(b->open);
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
    static const char *const names[] = {[INGEST_STORED] = "stored",
                                        [INGEST_DUPLICATE] = "duplicate",
                                        [INGEST_CONFLICT] = "conflict",
                                        [INGEST_REFUSED] = "error"};
    const char *outcome = json_string_value(json_object_get(row, "outcome"));
    *out = (struct ingest_stored){.outcome = INGEST_REFUSED, .message = "no answer from the index"};
    for (size_t i = 0; outcome && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(outcome, names[i]) == 0)
            out->outcome = (enum ingest_outcome)i;
    out->exam = json_integer_value(json_object_get(row, "exam"));
    out->study_uid = json_string_value(json_object_get(row, "study_uid"));
    out->message = json_string_value(json_object_get(row, "message"));
    out->job = json_string_value(json_object_get(row, "job"));
    out->have = json_object_get(row, "have");
    for (size_t i = 0; i < 2; i++)
        out->replaced[i] = json_string_value(json_array_get(json_object_get(row, "replaced"), i));
}

static void deliver(struct ingest_batch *b, struct ingest_entry *e,
                    const struct db_outcome *outcome)
{
    json_t *rows = model_answer(outcome, 0);
    for (size_t i = 0; e; i++) {
        struct ingest_entry *next = e->next;
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

static void find_tail(struct ingest_batch *b)
{
    for (b->tail = &b->waiting; *b->tail;)
        b->tail = &(*b->tail)->next;
}

/* The batch in flight goes back to the front of the queue, but not before STAT objects that
 * came meanwhile. Gives how many of the queue reach to its last. */
static unsigned take_back(struct ingest_batch *b)
{
    assert(!b->in_database); /* or its outcome would be told of others */
    struct ingest_entry *lists[] = {b->flying, b->waiting};
    struct ingest_entry *others = NULL;
    struct ingest_entry **stat = &b->waiting;
    struct ingest_entry **other = &others;
    unsigned n = 0;
    for (unsigned i = 0; i < 2; i++) {
        for (struct ingest_entry *e = lists[i]; e; e = e->next) {
            struct ingest_entry ***to = e->stat ? &stat : &other;
            **to = e;
            *to = &e->next;
            n += i == 0 || e->stat;
        }
    }
    *other = NULL;
    *stat = others;
    b->flying = NULL;
    find_tail(b);
    return n;
}

/* One of them cannot be stored, and the database does not say which: they are tried one
 * by one. */
static void part(struct ingest_batch *b)
{
    b->alone = take_back(b);
}

/* None of the batch in flight has waited too long. */
static bool is_patient(const struct ingest_batch *b)
{
    int64_t late = base_clock_mono_ms() - PATIENCE_MS;
    for (const struct ingest_entry *e = b->flying; e; e = e->next)
        if (e->since <= late)
            return false;
    return true;
}

/* The batch did not come about: once more, or give up. */
static void failed(struct ingest_batch *b, enum base_err err, const char *sqlstate)
{
    assert(b->flying && !b->in_database);
    bool patient = is_patient(b);
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
    assert(b->in_database && !b->open);
    b->in_database = false;
    store_resume(b->store);
    if (outcome->err) {
        BASE_LOG(WARN, "ingest_batch_failed", LOG_S("sqlstate", outcome->sqlstate),
                 LOG_S("error", base_err_text(outcome->err)));
        failed(b, outcome->err, outcome->sqlstate);
        return;
    }
    /* The database works on the next batch while the answers go out. */
    struct ingest_entry *stored = b->flying;
    b->flying = NULL;
    send(b);
    deliver(b, stored, outcome);
}

static bool is_urgent(const struct ingest_entry *e)
{
    return e->stat && e->settled;
}

/* The STAT objects that are durable, which wait for no sync of others. */
static void take_urgent(struct ingest_batch *b)
{
    struct ingest_entry **to = &b->flying;
    struct ingest_entry **at = &b->waiting;
    for (unsigned n = 0; *at && n < BATCH_MAX;) {
        struct ingest_entry *e = *at;
        if (!is_urgent(e)) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        e->next = NULL;
        *to = e;
        to = &e->next;
        n++;
    }
    find_tail(b);
}

static int compare(const void *a, const void *b)
{
    const struct ingest_entry *const *x = a;
    const struct ingest_entry *const *y = b;
    return ingest_group_compare(&(*x)->record, &(*y)->record);
}

/* The batch in flight in the order in which all workers lock its rows. */
static void sort(struct ingest_batch *b)
{
    struct ingest_entry *all[BATCH_MAX];
    size_t n = 0;
    for (struct ingest_entry *e = b->flying; e; e = e->next) {
        assert(n < BATCH_MAX);
        all[n++] = e;
    }
    qsort(all, n, sizeof(struct ingest_entry *), compare);
    struct ingest_entry **to = &b->flying;
    for (size_t i = 0; i < n; i++) {
        *to = all[i];
        to = &all[i]->next;
    }
    *to = NULL;
}

static void take_waiting(struct ingest_batch *b)
{
    assert(!b->flying && !b->in_database);
    b->unknown = false;
    b->refused = 0;
    if (!b->alone)
        take_urgent(b);
    if (b->flying) {
        sort(b);
        return;
    }
    struct ingest_entry **end = &b->waiting;
    unsigned most = b->alone ? 1 : BATCH_MAX;
    for (unsigned n = 0; n < most && *end; n++)
        end = &(*end)->next;
    b->alone -= b->alone > 0;
    b->flying = b->waiting;
    b->waiting = *end;
    *end = NULL;
    if (!b->waiting)
        b->tail = &b->waiting;
    sort(b);
}

/* Takes those out of the queue that will not be durable, and ends them. */
static void drop_failed(struct ingest_batch *b)
{
    struct ingest_entry *failed = NULL;
    struct ingest_entry **at = &b->waiting;
    unsigned stay = 0;
    while (*at) {
        struct ingest_entry *e = *at;
        if (e->settled && e->err) {
            *at = e->next;
            e->next = failed;
            failed = e;
            b->alone -= stay < b->alone;
        } else {
            at = &e->next;
            stay++;
        }
    }
    assert(b->alone <= stay);
    find_tail(b); /* before the callbacks, which may add */
    while (failed) {
        struct ingest_entry *e = failed;
        failed = e->next;
        finish(b, e, e->err, NULL);
    }
}

/* What is open comes again, without those that will not be durable and after a STAT object
 * that is. */
static void undo(struct ingest_batch *b)
{
    db_tx_rollback(b->open);
    b->open = NULL;
    b->in_database = false;
    (void)take_back(b);
    drop_failed(b);
    send(b);
}

/* Commits the batch in flight when all of it is durable; undoes it when one is not. A durable
 * STAT object (urgent) does not wait for the others. */
static void conclude(struct ingest_batch *b, bool urgent)
{
    bool failed = false;
    assert(b->open);
    for (const struct ingest_entry *e = b->flying; e; e = e->next) {
        if (!e->settled) {
            if (urgent && !b->alone)
                undo(b);
            return;
        }
        failed |= e->err != BASE_OK;
    }
    if (failed) {
        undo(b);
        return;
    }
    struct db_tx *tx = b->open;
    b->open = NULL;
    store_pause(b->store);
    db_tx_commit(tx, on_done, b);
}

/* The statement with the batch in flight. */
static void add_statement(const struct ingest_batch *b, struct db_tx *tx)
{
    const struct ingest_record *all[BATCH_MAX];
    struct base_bytes metadata[BATCH_MAX];
    struct ingest_place places[BATCH_MAX];
    struct base_buf records = {0};
    struct base_buf scratch = {0};
    struct base_json j;
    size_t n = 0;
    for (const struct ingest_entry *e = b->flying; e; e = e->next, n++) {
        assert(n < BATCH_MAX);
        all[n] = &e->record;
        metadata[n] = e->record.metadata;
    }
    assert(n);
    ingest_group(all, n, places);
    base_json_init(&j, &records);
    base_json_open_array(&j);
    for (size_t i = 0; i < n; i++) {
        base_json_open_object(&j);
        ingest_place_write(&places[i], i, &j);
        ingest_record_write(all[i], &j);
        base_json_close_object(&j);
    }
    base_json_close_array(&j);
    db_tx_add(tx, DB_Q_INGEST_STORE,
              (struct db_param[]){db_buf(&records), db_json_array(&scratch, metadata, n)}, 2);
    base_buf_deinit(&records);
    base_buf_deinit(&scratch);
}

static void send(struct ingest_batch *b)
{
    assert_batch(b);
    if (b->in_database)
        return;
    if (!b->flying)
        take_waiting(b);
    if (!b->flying)
        return;
    struct db_tx *tx = db_tx_new(b->db, LOOP_ORDINARY);
    add_statement(b, tx);
    enum base_err err = db_tx_submit_held(tx, NULL, NULL);
    b->in_database = !err;
    if (!err) {
        b->open = tx;
        conclude(b, false);
        return;
    }
    loop_timer_start(b->timer, RETRY_MS, 0);
    if (!is_passing(err) || !is_patient(b))
        fail_all(b, &b->flying, b->unknown ? BASE_EUNKNOWN : err);
}

void ingest_batch_settle(struct ingest_entry *e, enum base_err err)
{
    struct ingest_batch *b = e->batch;
    assert(!e->settled);
    e->settled = true;
    if (e->over) {
        tell(e, e->err, NULL); /* and b may be gone */
        return;
    }
    e->err = err;
    bool urgent = e->stat && !err;
    if (err)
        drop_failed(b); /* perhaps e */
    if (b->open)
        conclude(b, urgent);
    assert_batch(b);
}

/* STAT overtakes what waits, but not what was STAT before. */
static void queue(struct ingest_batch *b, struct ingest_entry *e)
{
    struct ingest_entry **at = b->tail;
    if (e->stat) {
        unsigned n = 0;
        for (at = &b->waiting; *at && (*at)->stat; at = &(*at)->next)
            n++;
        b->alone += n < b->alone; /* among those, it goes alone itself */
    }
    e->next = *at;
    *at = e;
    if (!e->next)
        b->tail = &e->next;
    b->count++;
}

enum base_err ingest_batch_add(struct ingest_batch *b, const struct ingest_record *record,
                               ingest_stored_fn *fn, void *arg, struct ingest_entry **out)
{
    struct ingest_entry *e = calloc(1, sizeof *e);
    if (!e)
        return BASE_ENOMEM;
    e->record = *record;
    e->batch = b;
    e->since = base_clock_mono_ms();
    e->fn = fn;
    e->arg = arg;
    e->stat = record->priority && strcmp(record->priority, "stat") == 0;
    queue(b, e);
    assert_batch(b);
    /* Not at once: the objects of a round of syncs come one after another. */
    if (!b->flying)
        loop_timer_start(b->timer, 0, 0);
    *out = e;
    return BASE_OK;
}
