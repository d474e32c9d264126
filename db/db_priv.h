/* What db_*.c share. */
#ifndef DB_PRIV_H
#define DB_PRIV_H

#include "base/arena.h"
#include "db/db.h"
#include "db/db_fence.h"

#include <libpq-fe.h>

struct db_query_text {
    const char *name;
    unsigned params;
    const char *sql;
};
extern const struct db_query_text db_queries[DB_Q_COUNT];

struct db_rows {
    PGresult *res;
};

/* A statement with its parameters as libpq wants them, in the arena of its
 * transaction. */
struct db_stmt {
    enum db_query query;
    int n;
    const char **values;
    int *lengths;
    int *formats;
    struct db_rows rows;
};

/*
 *  BUILDING ─submit─► WAITING ─a connection is free─► RUNNING ──► OVER
 *                        └──────timeout, close──────────────────────┘
 * Only a held transaction is OVER for longer than it takes to call back: until
 * the caller commits or rolls back.
 */
enum db_tx_state { DB_TX_BUILDING, DB_TX_WAITING, DB_TX_RUNNING, DB_TX_OVER, DB_TX_STATES };
/* What the caller of a held transaction wants. An ordinary one wants COMMIT
 * from the start. */
enum db_tx_wish { DB_TX_HOLD, DB_TX_COMMIT, DB_TX_ROLLBACK };

struct db_tx {
    struct db *db;
    struct db_tx *next; /* in the queue */
    struct db_conn *conn;
    struct base_arena arena;
    struct db_stmt *stmts;
    size_t n;
    size_t size;
    size_t answered; /* statements whose result has come */
    enum loop_class class;
    enum db_tx_state state;
    enum db_tx_wish wish;
    enum base_err build_err;
    int64_t deadline; /* base_clock_mono_ms */
    db_done_fn *ready;
    void *ready_arg;
    db_done_fn *done;
    void *done_arg;
    /* The failure: first one wins. */
    enum base_err err;
    char sqlstate[6];
    char message[256];
    PGresult *error; /* of the server, NULL when it was not the server */
    size_t failed;
    struct loop_call call;
};

/* The identity of a server, from DB_Q_DB_SAFETY. */
struct db_server {
    uint64_t system;
    uint32_t timeline;
};

/*
 * A connection of the pool:
 *
 *   DOWN ─timer─► CONNECTING ─► CHECKING ─► IDLE ⇄ BUSY
 *    ▲─────────────────┴────────────┴─────────┴─────┘ lost
 *
 * Invariants: pg exists in all but DOWN; tx exists only in BUSY, and steps are
 * queued only in BUSY.
 */
enum db_conn_state {
    DB_CONN_DOWN,
    DB_CONN_CONNECTING,
    DB_CONN_CHECKING,
    DB_CONN_IDLE,
    DB_CONN_BUSY,
    DB_CONN_STATES
};

/* What the next result of the pipeline answers. */
enum db_step_kind {
    DB_STEP_PREPARE,
    DB_STEP_PREPARED, /* the sync after the prepares */
    DB_STEP_BEGIN,
    DB_STEP_STMT,
    DB_STEP_COMMIT,
    DB_STEP_ROLLBACK,
    DB_STEP_SYNC,
};
struct db_step {
    enum db_step_kind kind;
    enum db_query query;
};

struct db_conn {
    struct db *db;
    unsigned no;
    enum db_conn_state state;
    PGconn *pg;
    struct db_poll *poll;
    struct loop_timer *timer; /* to connect again, or to give up */
    const char *unsafe;       /* why we do not serve on it, NULL = we do */
    struct db_server server;
    unsigned rotation; /* of the list of hosts when it began to connect */
    bool warned;       /* by the server, since the last answer */
    unsigned backoff_ms;
    int64_t deadline; /* of connecting or of the transaction */
    struct db_tx *tx;
    bool begun;
    bool commit_sent;
    bool committed;
    bool synced; /* the last sync of the transaction was sent */
    struct db_step *steps;
    size_t steps_head;
    size_t steps_n;
    size_t steps_size;
    bool prepared[DB_Q_COUNT];
};

struct db_queue {
    struct db_tx *first;
    struct db_tx *last;
};

struct db {
    struct loop *loop;
    struct db_config config;
    /* Keywords and values for PQconnectStartParams, NULL-terminated. */
    char **keywords;
    char **values;
    unsigned rotation; /* how often the list of hosts was turned */
    bool many_hosts;
    struct db_fence fence;
    struct db_conn *conns;
    struct loop_timer *tick;
    struct db_queue queue[LOOP_CLASS_COUNT];
    struct db_stats stats;
    size_t refs; /* transactions that exist, and 1 while open */
    bool closed;
    struct loop_call free_call;
};

/* ---- db_conn.c ---- */

enum base_err db_conn_init(struct db_conn *c, struct db *db, unsigned no) BASE_MUST_CHECK;
void db_conn_deinit(struct db_conn *c);
/* Drops the connection for good and ends its transaction. */
void db_conn_shut(struct db_conn *c);
void db_conn_start(struct db_conn *c);
/* Puts a transaction on an idle connection. */
void db_conn_run(struct db_conn *c, struct db_tx *tx);
/* The wish of the held transaction on it changed. */
void db_conn_wish(struct db_conn *c);
/* Breaks a connection whose deadline has passed, or whose server was left behind. */
void db_conn_tick(struct db_conn *c, int64_t now);

/* ---- db_result.c: the answers of a pipeline ---- */

enum db_answer {
    DB_ANSWER_MORE,    /* more will come, or the caller of a held one must act */
    DB_ANSWER_READY,   /* the statements of a held one have run */
    DB_ANSWER_ABORTED, /* a held one failed: send its sync */
    DB_ANSWER_UNDO,    /* failed: send a rollback */
    DB_ANSWER_OVER,    /* the transaction is over, the connection free */
    DB_ANSWER_BROKEN,  /* not what was asked: drop the connection */
};
/* Takes one result, the answer to the next step. */
enum db_answer db_conn_answer(struct db_conn *c, PGresult *res) BASE_MUST_CHECK;

/* ---- db.c ---- */

/* A connection became idle. */
void db_dispatch(struct db *db);
/* A transaction has ended with tx->err. Calls back; tx may be gone after. */
void db_tx_over(struct db_tx *tx);
/* A held transaction's statements have run. */
void db_tx_is_ready(struct db_tx *tx);
/* Notes a failure unless there is one. res (may be NULL) is taken over. */
void db_tx_fail(struct db_tx *tx, enum base_err err, PGresult *res, const char *message);

/* ---- db_param.c ---- */

/* Copies parameters into the arena. */
enum base_err db_stmt_fill(struct db_stmt *s, struct base_arena *arena, enum db_query query,
                           const struct db_param *params, size_t n) BASE_MUST_CHECK;

/* ---- db_rows.c ---- */

enum base_err db_err_of_sqlstate(const char *sqlstate);
/* True for classes of error whose message holds no values of ours. */
bool db_sqlstate_loggable(const char *sqlstate);

/* ---- db_sync.c ---- */

struct db_sync;
/* Several statements without parameters, as a migration has them. */
enum base_err db_sync_script(struct db_sync *s, const char *sql,
                             struct base_error *error) BASE_MUST_CHECK;
/* A transaction is open and has not failed. */
bool db_sync_in_transaction(const struct db_sync *s);

/* ---- db_session.c: what each session of ours begins with ---- */

/* Connection keywords and values (two NULL-terminated arrays) of a
 * configuration, to be freed with db_session_free. */
enum base_err db_session_params(const struct db_config *config, char ***keywords, char ***values,
                                struct base_error *error) BASE_MUST_CHECK;
void db_session_free(char **keywords, char **values);
/* How many hosts the connection string names. */
unsigned db_session_hosts(char **keywords, char **values);
/* Rotates the lists of hosts and ports by one: libpq tries them in order, and waits for
 * ever for one that accepts the connection and then says nothing. False when there is
 * only one host. */
bool db_session_rotate(char **keywords, char **values);
/* Judges the row of DB_Q_DB_SAFETY: NULL, or why rdc refuses to serve. server
 * is zero where the row cannot be read. */
const char *db_session_unsafe(const PGresult *res, struct db_server *server);
/* Why a server that does not pass the fence is not used. */
extern const char db_session_left_behind[];
/* Notices go to the log, without their text. A warning sets *warned. */
void db_session_quiet(PGconn *pg, bool *warned);

#endif
