/* One connection of the pool: connecting, sending a pipeline, the socket. */
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "db/db_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    CONNECT_MS = 10000,
    CONNECT_ONE_MS = 5000, /* where there are others to try */
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
    /* The server's statement_timeout should speak first. */
    RUN_GRACE_MS = 2000,
};

/* The watcher of a socket; lives until libuv has closed it. */
struct db_poll {
    uv_poll_t uv;
    struct db_conn *conn; /* NULL once closing */
};

static void on_poll(uv_poll_t *h, int status, int events);

/* The only place where the state changes. */
static void set_state(struct db_conn *c, enum db_conn_state state)
{
    static const bool allowed[DB_CONN_STATES][DB_CONN_STATES] = {
        [DB_CONN_DOWN] = {[DB_CONN_CONNECTING] = true},
        [DB_CONN_CONNECTING] = {[DB_CONN_DOWN] = true, [DB_CONN_CHECKING] = true},
        [DB_CONN_CHECKING] = {[DB_CONN_DOWN] = true, [DB_CONN_IDLE] = true},
        [DB_CONN_IDLE] = {[DB_CONN_DOWN] = true, [DB_CONN_BUSY] = true},
        [DB_CONN_BUSY] = {[DB_CONN_DOWN] = true, [DB_CONN_IDLE] = true},
    };
    assert(allowed[c->state][state]);
    bool was_up = c->state >= DB_CONN_IDLE;
    bool is_up = state >= DB_CONN_IDLE;
    if (was_up && !is_up) {
        c->db->stats.connections--;
        c->db->stats.reconnects++;
    } else if (!was_up && is_up) {
        c->db->stats.connections++;
    }
    assert(!c->pg == (state == DB_CONN_DOWN || c->state == DB_CONN_DOWN));
    assert(!c->tx);
    if (c->state == DB_CONN_BUSY)
        c->db->stats.running--;
    if (state == DB_CONN_BUSY)
        c->db->stats.running++;
    c->state = state;
}

/* ---- the socket ---- */

static void on_poll_closed(uv_handle_t *h)
{
    free(h->data);
}

static void poll_drop(struct db_conn *c)
{
    if (!c->poll)
        return;
    uv_poll_stop(&c->poll->uv);
    c->poll->conn = NULL;
    uv_close((uv_handle_t *)&c->poll->uv, on_poll_closed);
    c->poll = NULL;
}

static bool poll_make(struct db_conn *c)
{
    poll_drop(c);
    struct db_poll *p = calloc(1, sizeof *p);
    if (!p)
        return false;
    if (uv_poll_init(loop_uv(c->db->loop), &p->uv, PQsocket(c->pg)) != 0) {
        free(p);
        return false;
    }
    p->uv.data = p;
    p->conn = c;
    c->poll = p;
    return true;
}

static bool poll_for(struct db_conn *c, int events)
{
    return c->poll && uv_poll_start(&c->poll->uv, events, on_poll) == 0;
}

/* ---- down and up ---- */

/* Frees what the connection holds; its transaction, if any, is the caller's. */
static void drop(struct db_conn *c)
{
    poll_drop(c);
    PQfinish(c->pg);
    c->pg = NULL;
    c->steps_head = 0;
    c->steps_n = 0;
    memset(c->prepared, 0, sizeof c->prepared);
}

static void retry_later(struct db_conn *c)
{
    uint16_t jitter;
    base_random(&jitter, sizeof jitter);
    unsigned ms = c->backoff_ms + jitter % (c->backoff_ms / 2);
    c->backoff_ms = c->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms * 2;
    loop_timer_start(c->timer, ms, 0);
}

/* The connection is of no more use. What its transaction is told depends on
 * how far COMMIT got. */
static void lost(struct db_conn *c, const char *why)
{
    struct db_tx *tx = c->tx;
    if (!c->db->closed)
        BASE_LOG(WARN, "db_connection_lost", LOG_U("connection", c->no), LOG_S("cause", why));
    if (tx && !c->committed) {
        bool unknown = c->commit_sent && !tx->err;
        db_tx_fail(tx, unknown ? BASE_EUNKNOWN : BASE_EUNAVAILABLE, NULL,
                   unknown ? "the database connection broke during the commit"
                           : "the database connection broke");
    }
    drop(c);
    c->tx = NULL;
    set_state(c, DB_CONN_DOWN);
    if (!c->db->closed)
        retry_later(c);
    if (tx)
        db_tx_over(tx);
}

static void lost_pg(struct db_conn *c)
{
    char why[200];
    snprintf(why, sizeof why, "%s", c->pg ? PQerrorMessage(c->pg) : "out of memory");
    why[strcspn(why, "\n")] = 0;
    lost(c, why);
}

static void on_timer(void *arg)
{
    struct db_conn *c = arg;
    if (c->state == DB_CONN_DOWN)
        db_conn_start(c);
    else
        lost(c, "a statement could not be sent");
}

/* Callers of db_tx_submit and the like expect no callback inside the call: the
 * connection is given up in the next turn of the loop. */
static void lost_later(struct db_conn *c)
{
    poll_drop(c); /* libpq may have closed the socket */
    loop_timer_start(c->timer, 0, 0);
}

enum base_err db_conn_init(struct db_conn *c, struct db *db, unsigned no)
{
    c->db = db;
    c->no = no;
    c->backoff_ms = BACKOFF_MIN_MS;
    return loop_timer_new(db->loop, on_timer, c, &c->timer);
}

void db_conn_deinit(struct db_conn *c)
{
    drop(c);
    loop_timer_free(c->timer);
    free(c->steps);
}

void db_conn_shut(struct db_conn *c)
{
    loop_timer_stop(c->timer);
    if (c->state == DB_CONN_DOWN)
        return;
    if (c->tx && !c->committed && !c->commit_sent)
        db_tx_fail(c->tx, BASE_ECANCELED, NULL, "the program is stopping");
    lost(c, "closed by us");
}

/* ---- connecting ---- */

void db_conn_start(struct db_conn *c)
{
    struct db *db = c->db;
    set_state(c, DB_CONN_CONNECTING);
    c->deadline = base_clock_mono_ms() + (db->many_hosts ? CONNECT_ONE_MS : CONNECT_MS);
    c->rotation = db->rotation;
    c->warned = false;
    c->pg =
        PQconnectStartParams((const char *const *)db->keywords, (const char *const *)db->values, 0);
    if (!c->pg || PQstatus(c->pg) == CONNECTION_BAD) {
        lost_pg(c);
        return;
    }
    db_session_quiet(c->pg, &c->warned);
    if (!poll_make(c) || !poll_for(c, UV_WRITABLE))
        lost(c, "no watcher for the socket");
}

/* The next attempt begins with another host. Connections that failed together
 * turn the list once. */
static void try_another(struct db_conn *c)
{
    struct db *db = c->db;
    if (c->rotation == db->rotation && db_session_rotate(db->keywords, db->values))
        db->rotation++;
}

static void send_check(struct db_conn *c)
{
    set_state(c, DB_CONN_CHECKING);
    c->unsafe = "the database settings cannot be read";
    if (PQsetnonblocking(c->pg, 1) != 0 || !PQsendQuery(c->pg, db_queries[DB_Q_DB_SAFETY].sql) ||
        PQflush(c->pg) < 0 || !poll_for(c, UV_READABLE))
        lost_pg(c);
}

static void go_on_connecting(struct db_conn *c)
{
    int socket = PQsocket(c->pg);
    PostgresPollingStatusType s = PQconnectPoll(c->pg);
    if (s == PGRES_POLLING_FAILED) {
        lost_pg(c);
        return;
    }
    /* libpq takes a new socket when it tries the next address. The kernel may
     * give it the same number, so the watcher is made anew while writing is
     * awaited, which is where that happens. */
    bool fresh = PQsocket(c->pg) != socket || s == PGRES_POLLING_WRITING;
    bool ok = !fresh || poll_make(c);
    if (ok && s == PGRES_POLLING_OK)
        send_check(c);
    else if (!ok || !poll_for(c, s == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE))
        lost(c, "no watcher for the socket");
}

static void on_checked(struct db_conn *c)
{
    if (c->unsafe && !c->db->config.unsafe) {
        c->backoff_ms = c->db->many_hosts ? BACKOFF_MIN_MS : BACKOFF_MAX_MS;
        try_another(c);
        lost(c, c->unsafe);
        return;
    }
    if (!db_fence_pass(&c->db->fence, c->server.system, c->server.timeline, true)) {
        try_another(c);
        lost(c, db_session_left_behind);
        return;
    }
    if (!PQenterPipelineMode(c->pg)) {
        lost_pg(c);
        return;
    }
    c->backoff_ms = BACKOFF_MIN_MS;
    BASE_LOG(DEBUG, "db_connected", LOG_U("connection", c->no));
    set_state(c, DB_CONN_IDLE);
    db_dispatch(c->db);
}

static void go_on_checking(struct db_conn *c)
{
    if (!PQconsumeInput(c->pg)) {
        lost_pg(c);
        return;
    }
    while (!PQisBusy(c->pg)) {
        PGresult *res = PQgetResult(c->pg);
        if (!res) {
            on_checked(c);
            return;
        }
        c->unsafe = db_session_unsafe(res, &c->server);
        PQclear(res);
    }
}

/* ---- sending ---- */

static bool push_step(struct db_conn *c, enum db_step_kind kind, enum db_query query)
{
    if (c->steps_n == c->steps_size) {
        size_t size = c->steps_size ? c->steps_size * 2 : 32;
        struct db_step *steps = realloc(c->steps, size * sizeof *steps);
        if (!steps)
            return false;
        c->steps = steps;
        c->steps_size = size;
    }
    c->steps[c->steps_n++] = (struct db_step){kind, query};
    return true;
}

static bool send_prepare(struct db_conn *c, enum db_query q, size_t *sent)
{
    if (c->prepared[q])
        return true;
    /* Marked when it is known; sending one twice is avoided by looking back. */
    for (size_t i = 0; i < c->steps_n; i++) {
        if (c->steps[i].kind == DB_STEP_PREPARE && c->steps[i].query == q)
            return true;
    }
    ++*sent;
    return push_step(c, DB_STEP_PREPARE, q) &&
           PQsendPrepare(c->pg, db_queries[q].name, db_queries[q].sql, 0, NULL);
}

/* The prepares have a sync of their own, so that a statement that fails does
 * not undo the preparation of those after it. */
static bool send_prepares(struct db_conn *c, const struct db_tx *tx)
{
    size_t sent = 0;
    bool ok = send_prepare(c, DB_Q_TX_BEGIN, &sent) && send_prepare(c, DB_Q_TX_COMMIT, &sent) &&
              send_prepare(c, DB_Q_TX_ROLLBACK, &sent);
    for (size_t i = 0; ok && i < tx->n; i++)
        ok = send_prepare(c, tx->stmts[i].query, &sent);
    if (ok && sent)
        ok = push_step(c, DB_STEP_PREPARED, DB_Q_COUNT) && PQpipelineSync(c->pg);
    return ok;
}

static bool send_bare(struct db_conn *c, enum db_step_kind kind, enum db_query q)
{
    return push_step(c, kind, q) &&
           PQsendQueryPrepared(c->pg, db_queries[q].name, 0, NULL, NULL, NULL, 0);
}

static bool send_sync(struct db_conn *c)
{
    c->synced = true;
    return push_step(c, DB_STEP_SYNC, DB_Q_COUNT) && PQpipelineSync(c->pg);
}

static bool send_end(struct db_conn *c, enum db_tx_wish wish)
{
    if (wish == DB_TX_COMMIT) {
        c->commit_sent = true;
        return send_bare(c, DB_STEP_COMMIT, DB_Q_TX_COMMIT) && send_sync(c);
    }
    return send_bare(c, DB_STEP_ROLLBACK, DB_Q_TX_ROLLBACK) && send_sync(c);
}

static bool send_tx(struct db_conn *c, const struct db_tx *tx)
{
    bool ok = send_prepares(c, tx) && send_bare(c, DB_STEP_BEGIN, DB_Q_TX_BEGIN);
    for (size_t i = 0; ok && i < tx->n; i++) {
        const struct db_stmt *s = &tx->stmts[i];
        ok = push_step(c, DB_STEP_STMT, s->query) &&
             PQsendQueryPrepared(c->pg, db_queries[s->query].name, s->n, s->values, s->lengths,
                                 s->formats, 0);
    }
    /* Without a sync the server would keep the answers in its buffer. */
    if (ok && tx->wish == DB_TX_HOLD)
        return PQsendFlushRequest(c->pg);
    return ok && send_end(c, tx->wish);
}

static bool flush(struct db_conn *c)
{
    int r = PQflush(c->pg);
    return r >= 0 && poll_for(c, r ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

void db_conn_run(struct db_conn *c, struct db_tx *tx)
{
    assert(c->state == DB_CONN_IDLE && !c->tx && c->steps_head == c->steps_n);
    set_state(c, DB_CONN_BUSY);
    c->tx = tx;
    c->steps_head = 0;
    c->steps_n = 0;
    c->begun = false;
    c->commit_sent = false;
    c->committed = false;
    c->synced = false;
    c->deadline = base_clock_mono_ms() + c->db->config.run_ms + RUN_GRACE_MS;
    if (!send_tx(c, tx) || !flush(c))
        lost_later(c);
}

void db_conn_wish(struct db_conn *c)
{
    /* After a failure the end is under way already. */
    if (c->tx->err || c->synced)
        return;
    if (!send_end(c, c->tx->wish) || !flush(c))
        lost_later(c);
}

/* ---- receiving ---- */

static void finish(struct db_conn *c)
{
    struct db_tx *tx = c->tx;
    c->tx = NULL;
    set_state(c, DB_CONN_IDLE);
    db_tx_over(tx);
    if (!c->db->closed)
        db_dispatch(c->db);
}

/* False when the connection must be dropped. */
static bool take_answer(struct db_conn *c, PGresult *res)
{
    switch (db_conn_answer(c, res)) {
    case DB_ANSWER_MORE:
        return true;
    case DB_ANSWER_READY:
        db_tx_is_ready(c->tx);
        return true;
    case DB_ANSWER_ABORTED:
        return send_sync(c);
    case DB_ANSWER_UNDO:
        return send_end(c, DB_TX_ROLLBACK);
    case DB_ANSWER_OVER:
        finish(c);
        return true;
    case DB_ANSWER_BROKEN:
    default:
        return false;
    }
}

/* A NULL result ends each statement; it also says that there is nothing more,
 * so two of them in a row do. */
static bool take_answers(struct db_conn *c)
{
    unsigned nulls = 0;
    while (nulls < 2 && c->state == DB_CONN_BUSY && !PQisBusy(c->pg)) {
        PGresult *res = PQgetResult(c->pg);
        nulls = res ? 0 : nulls + 1;
        if (res && !take_answer(c, res))
            return false;
    }
    return true;
}

static void on_traffic(struct db_conn *c, int events)
{
    struct db *db = c->db;
    bool alive = !(events & UV_READABLE) || PQconsumeInput(c->pg);
    /* libpq has closed the socket: its number must not be watched when a
     * callback opens another. */
    if (!alive)
        poll_drop(c);
    /* What came before the end still counts: it may be the commit. */
    bool ok = take_answers(c);
    if (db->closed || c->state < DB_CONN_IDLE)
        return;
    if (!ok && alive)
        lost(c, "an answer that was not expected");
    else if (!alive || PQstatus(c->pg) == CONNECTION_BAD || !flush(c))
        lost_pg(c);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct db_poll *p = h->data;
    struct db_conn *c = p->conn;
    if (!c)
        return;
    /* An error on the socket: libpq finds out which, and where it was connecting
     * goes on with the next host. */
    if (status < 0)
        events = UV_READABLE;
    if (c->state == DB_CONN_CONNECTING)
        go_on_connecting(c);
    else if (c->state == DB_CONN_CHECKING)
        go_on_checking(c);
    else
        on_traffic(c, events);
}

void db_conn_tick(struct db_conn *c, int64_t now)
{
    if (c->state >= DB_CONN_IDLE &&
        !db_fence_holds(&c->db->fence, c->server.system, c->server.timeline)) {
        lost(c, db_session_left_behind);
        return;
    }
    if (c->state == DB_CONN_DOWN || c->state == DB_CONN_IDLE || now < c->deadline)
        return;
    if (c->state < DB_CONN_IDLE)
        try_another(c);
    if (c->tx && !c->commit_sent)
        db_tx_fail(c->tx, BASE_ETIMEOUT, NULL, "the transaction ran for too long");
    lost(c, "no answer in time");
}
