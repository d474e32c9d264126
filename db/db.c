/* The pool: transactions, their queue, and how they end. */
#include "db/db.h"

#include "base/clock.h"
#include "db/db_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_CONNECTIONS = 4,
    DEFAULT_WAITING = 1000,
    DEFAULT_WAIT_MS = 10000,
    DEFAULT_RUN_MS = 60000,
    TICK_MS = 250,
    TX_BYTES_MAX = 64 << 20, /* parameters of one transaction */
};

/* The only place where the state changes. */
static void set_state(struct db_tx *tx, enum db_tx_state state)
{
    static const bool allowed[DB_TX_STATES][DB_TX_STATES] = {
        [DB_TX_BUILDING] = {[DB_TX_WAITING] = true},
        [DB_TX_WAITING] = {[DB_TX_RUNNING] = true, [DB_TX_OVER] = true},
        [DB_TX_RUNNING] = {[DB_TX_OVER] = true},
    };
    assert(allowed[tx->state][state]);
    tx->state = state;
}

/* ---- the queue ---- */

static void queue_add(struct db *db, struct db_tx *tx)
{
    struct db_queue *q = &db->queue[tx->class];
    assert(tx->state == DB_TX_WAITING);
    tx->next = NULL;
    if (q->last)
        q->last->next = tx;
    else
        q->first = tx;
    q->last = tx;
    db->stats.waiting++;
}

static void queue_remove(struct db *db, struct db_tx *tx)
{
    struct db_queue *q = &db->queue[tx->class];
    struct db_tx *before = NULL;
    struct db_tx *at = q->first;
    while (at != tx) {
        assert(at);
        before = at;
        at = at->next;
    }
    if (before)
        before->next = tx->next;
    else
        q->first = tx->next;
    if (q->last == tx)
        q->last = before;
    db->stats.waiting--;
}

static struct db_tx *queue_first(const struct db *db)
{
    struct db_tx *stat = db->queue[LOOP_STAT].first;
    return stat ? stat : db->queue[LOOP_ORDINARY].first;
}

void db_dispatch(struct db *db)
{
    for (unsigned i = 0; i < db->config.connections; i++) {
        struct db_tx *tx = queue_first(db);
        if (!tx)
            return;
        if (db->conns[i].state != DB_CONN_IDLE)
            continue;
        queue_remove(db, tx);
        set_state(tx, DB_TX_RUNNING);
        tx->conn = &db->conns[i];
        db_conn_run(tx->conn, tx);
    }
}

/* ---- the end of a transaction ---- */

static void on_free(void *arg)
{
    struct db *db = arg;
    for (unsigned i = 0; i < db->config.connections; i++)
        db_conn_deinit(&db->conns[i]);
    loop_timer_free(db->tick);
    db_session_free(db->keywords, db->values);
    db_fence_deinit(&db->fence);
    free(db->conns);
    free(db);
}

/* Never frees at once: callers up the stack may still look at it. */
static void unref(struct db *db)
{
    assert(db->refs > 0);
    if (--db->refs == 0)
        loop_post(db->loop, &db->free_call, on_free, db);
}

static void tx_delete(struct db_tx *tx)
{
    for (size_t i = 0; i < tx->n; i++)
        PQclear(tx->stmts[i].rows.res);
    PQclear(tx->error);
    free(tx->stmts);
    base_arena_deinit(&tx->arena);
    unref(tx->db);
    free(tx);
}

static const char *field(const PGresult *res, int code)
{
    const char *s = res ? PQresultErrorField(res, code) : NULL;
    return s ? s : "";
}

static void call(const struct db_tx *tx, db_done_fn *fn, void *arg)
{
    struct db_outcome o = {
        .err = tx->err,
        .message = tx->error ? field(tx->error, PG_DIAG_MESSAGE_PRIMARY) : tx->message,
        .detail = field(tx->error, PG_DIAG_MESSAGE_DETAIL),
        .hint = field(tx->error, PG_DIAG_MESSAGE_HINT),
        .constraint = field(tx->error, PG_DIAG_CONSTRAINT_NAME),
        .failed = tx->failed,
        .tx = tx,
    };
    snprintf(o.sqlstate, sizeof o.sqlstate, "%s", field(tx->error, PG_DIAG_SQLSTATE));
    if (fn)
        fn(arg, &o);
}

const struct db_rows *db_outcome_rows(const struct db_outcome *o, size_t n)
{
    return o->err == BASE_OK && n < o->tx->n ? &o->tx->stmts[n].rows : NULL;
}

void db_tx_fail(struct db_tx *tx, enum base_err err, PGresult *res, const char *message)
{
    if (tx->err) {
        PQclear(res);
        return;
    }
    tx->err = err;
    tx->error = res;
    snprintf(tx->message, sizeof tx->message, "%s", message ? message : base_err_text(err));
}

static void call_ready(struct db_tx *tx)
{
    db_done_fn *ready = tx->ready;
    tx->ready = NULL;
    call(tx, ready, tx->ready_arg);
}

void db_tx_is_ready(struct db_tx *tx)
{
    if (tx->wish == DB_TX_HOLD)
        call_ready(tx);
}

void db_tx_over(struct db_tx *tx)
{
    if (tx->err || tx->wish != DB_TX_COMMIT)
        tx->db->stats.failed++;
    else
        tx->db->stats.done++;
    set_state(tx, DB_TX_OVER);
    tx->conn = NULL;
    if (tx->wish == DB_TX_HOLD) {
        call_ready(tx); /* the caller may end it in there, or later */
        return;
    }
    if (tx->wish == DB_TX_COMMIT)
        call(tx, tx->done, tx->done_arg);
    tx_delete(tx);
}

/* ---- transactions ---- */

struct db_tx *db_tx_new(struct db *db, enum loop_class class)
{
    struct db_tx *tx = calloc(1, sizeof *tx);
    if (!tx)
        return NULL;
    tx->db = db;
    tx->class = class;
    tx->failed = SIZE_MAX;
    base_arena_init(&tx->arena, TX_BYTES_MAX);
    db->refs++;
    return tx;
}

void db_tx_free(struct db_tx *tx)
{
    if (!tx)
        return;
    assert(tx->state == DB_TX_BUILDING);
    tx_delete(tx);
}

void db_tx_add(struct db_tx *tx, enum db_query query, const struct db_param *params, size_t n)
{
    if (!tx || tx->build_err)
        return;
    assert(tx->state == DB_TX_BUILDING);
    if (tx->n == tx->size) {
        size_t size = tx->size ? tx->size * 2 : 4;
        struct db_stmt *stmts = realloc(tx->stmts, size * sizeof *stmts);
        if (!stmts) {
            tx->build_err = BASE_ENOMEM;
            return;
        }
        tx->stmts = stmts;
        tx->size = size;
    }
    tx->build_err = db_stmt_fill(&tx->stmts[tx->n], &tx->arena, query, params, n);
    if (!tx->build_err)
        tx->n++;
}

static enum base_err submit(struct db_tx *tx)
{
    struct db *db = tx->db;
    enum base_err err = tx->build_err;
    if (!err && tx->n == 0)
        err = BASE_EINVAL;
    if (!err && db->closed)
        err = BASE_ECANCELED;
    if (!err && db->stats.waiting >= db->config.waiting)
        err = BASE_ELIMIT;
    if (err) {
        tx_delete(tx);
        return err;
    }
    set_state(tx, DB_TX_WAITING);
    tx->deadline = base_clock_mono_ms() + db->config.wait_ms;
    queue_add(db, tx);
    db_dispatch(db);
    return BASE_OK;
}

enum base_err db_tx_submit(struct db_tx *tx, db_done_fn *done, void *arg)
{
    if (!tx)
        return BASE_ENOMEM;
    tx->wish = DB_TX_COMMIT;
    tx->done = done;
    tx->done_arg = arg;
    return submit(tx);
}

enum base_err db_call(struct db *db, enum db_query query, const struct db_param *params, size_t n,
                      db_done_fn *done, void *arg)
{
    struct db_tx *tx = db_tx_new(db, LOOP_ORDINARY);
    db_tx_add(tx, query, params, n);
    return db_tx_submit(tx, done, arg);
}

enum base_err db_tx_submit_held(struct db_tx *tx, db_done_fn *ready, void *arg)
{
    if (!tx)
        return BASE_ENOMEM;
    tx->wish = DB_TX_HOLD;
    tx->ready = ready;
    tx->ready_arg = arg;
    return submit(tx);
}

/* The end of a held transaction that was over before the caller knew. */
static void on_late_end(void *arg)
{
    struct db_tx *tx = arg;
    if (tx->wish == DB_TX_COMMIT)
        call(tx, tx->done, tx->done_arg);
    tx_delete(tx);
}

void db_tx_commit(struct db_tx *tx, db_done_fn *done, void *arg)
{
    assert(tx->wish == DB_TX_HOLD && tx->state != DB_TX_BUILDING);
    tx->wish = DB_TX_COMMIT;
    tx->done = done;
    tx->done_arg = arg;
    if (tx->state == DB_TX_RUNNING)
        db_conn_wish(tx->conn);
    else if (tx->state == DB_TX_OVER)
        loop_post(tx->db->loop, &tx->call, on_late_end, tx);
}

void db_tx_rollback(struct db_tx *tx)
{
    assert(tx->wish == DB_TX_HOLD && tx->state != DB_TX_BUILDING);
    tx->wish = DB_TX_ROLLBACK;
    if (tx->state == DB_TX_RUNNING) {
        db_conn_wish(tx->conn);
    } else if (tx->state == DB_TX_OVER) {
        loop_post(tx->db->loop, &tx->call, on_late_end, tx);
    } else {
        queue_remove(tx->db, tx);
        tx_delete(tx);
    }
}

/* ---- the pool ---- */

static void on_tick(void *arg)
{
    struct db *db = arg;
    int64_t now = base_clock_mono_ms();
    for (int i = 0; i < LOOP_CLASS_COUNT; i++) {
        struct db_tx *tx;
        while ((tx = db->queue[i].first) && now >= tx->deadline) {
            queue_remove(db, tx);
            db_tx_fail(tx, BASE_ETIMEOUT, NULL, "no database connection was free in time");
            db_tx_over(tx);
        }
    }
    (void)db_fence_look(&db->fence);
    for (unsigned i = 0; !db->closed && i < db->config.connections; i++)
        db_conn_tick(&db->conns[i], now);
}

static enum base_err start(struct db *db)
{
    struct db_config *c = &db->config;
    enum base_err err = db_session_params(c, &db->keywords, &db->values, NULL);
    if (!err)
        err = db_fence_init(&db->fence, c->fence);
    if (err)
        return err;
    db->many_hosts = db_session_hosts(db->keywords, db->values) > 1;
    db->conns = calloc(c->connections, sizeof *db->conns);
    if (!db->conns)
        return BASE_ENOMEM;
    err = loop_timer_new(db->loop, on_tick, db, &db->tick);
    for (unsigned i = 0; !err && i < c->connections; i++)
        err = db_conn_init(&db->conns[i], db, i);
    if (err)
        return err;
    loop_timer_start(db->tick, TICK_MS, TICK_MS);
    loop_timer_unref(db->tick);
    if (!c->held)
        db_release(db);
    return BASE_OK;
}

void db_release(struct db *db)
{
    for (unsigned i = 0; i < db->config.connections; i++)
        db_conn_start(&db->conns[i]);
}

static unsigned or_default(unsigned v, unsigned d)
{
    return v ? v : d;
}

enum base_err db_open(struct loop *loop, const struct db_config *config, struct db **out)
{
    struct db *db = calloc(1, sizeof *db);
    if (!db)
        return BASE_ENOMEM;
    db->loop = loop;
    db->refs = 1;
    db->config = *config;
    db->config.connections = or_default(config->connections, DEFAULT_CONNECTIONS);
    db->config.waiting = or_default(config->waiting, DEFAULT_WAITING);
    db->config.wait_ms = or_default(config->wait_ms, DEFAULT_WAIT_MS);
    db->config.run_ms = or_default(config->run_ms, DEFAULT_RUN_MS);
    enum base_err err = start(db);
    /* The strings are in keywords, values and fence now. */
    db->config.conninfo = NULL;
    db->config.role = NULL;
    db->config.worker = NULL;
    db->config.fence = NULL;
    if (err) {
        if (!db->conns)
            db->config.connections = 0;
        on_free(db);
        return err;
    }
    *out = db;
    return BASE_OK;
}

void db_close(struct db *db)
{
    if (!db || db->closed)
        return;
    db->closed = true;
    loop_timer_stop(db->tick);
    struct db_tx *tx;
    while ((tx = queue_first(db))) {
        queue_remove(db, tx);
        db_tx_fail(tx, BASE_ECANCELED, NULL, "the program is stopping");
        db_tx_over(tx);
    }
    for (unsigned i = 0; i < db->config.connections; i++)
        db_conn_shut(&db->conns[i]);
    unref(db);
}

void db_stats(const struct db *db, struct db_stats *out)
{
    *out = db->stats;
}
