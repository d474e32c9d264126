/* The answers of a pipeline, matched with what was sent. */
#include "base/log.h"
#include "db/db_priv.h"

#include <string.h>

/* Whether the server itself refused, and the session goes on or ends knowing
 * it. Without an SQLSTATE it was libpq: the connection broke. */
static bool server_said(const PGresult *res)
{
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    return PQresultStatus(res) == PGRES_FATAL_ERROR && sqlstate && *sqlstate;
}

static bool is_fatal(const PGresult *res)
{
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

/* A result that is no success. */
static enum db_answer answer_failure(struct db_conn *c, const struct db_step *step, PGresult *res)
{
    struct db_tx *tx = c->tx;
    if (PQresultStatus(res) == PGRES_PIPELINE_ABORTED) {
        PQclear(res);
        return DB_ANSWER_MORE;
    }
    /* A session that ends during COMMIT may have committed before. */
    if (!server_said(res) || (step->kind == DB_STEP_COMMIT && is_fatal(res))) {
        PQclear(res);
        return PQstatus(c->pg) == CONNECTION_BAD || step->kind == DB_STEP_COMMIT ? DB_ANSWER_MORE
                                                                                 : DB_ANSWER_BROKEN;
    }
    if (step->kind == DB_STEP_ROLLBACK) {
        PQclear(res);
        return DB_ANSWER_BROKEN;
    }
    if (step->kind == DB_STEP_COMMIT)
        c->begun = false; /* a commit that fails has rolled back */
    if (step->kind == DB_STEP_STMT && !tx->err)
        tx->failed = tx->answered;
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *query = step->query < DB_Q_COUNT ? db_queries[step->query].name : "sync";
    if (db_sqlstate_loggable(sqlstate))
        BASE_LOG(WARN, "db_statement_failed", LOG_S("step", query), LOG_S("sqlstate", sqlstate),
                 LOG_S("message", message));
    db_tx_fail(tx, db_err_of_sqlstate(sqlstate), res, NULL);
    return c->synced || step->kind == DB_STEP_PREPARE ? DB_ANSWER_MORE : DB_ANSWER_ABORTED;
}

static enum db_answer answer_stmt(struct db_conn *c, PGresult *res)
{
    struct db_tx *tx = c->tx;
    tx->stmts[tx->answered++].rows.res = res;
    return tx->answered == tx->n && tx->wish == DB_TX_HOLD ? DB_ANSWER_READY : DB_ANSWER_MORE;
}

static enum db_answer answer_commit(struct db_conn *c, PGresult *res)
{
    c->begun = false;
    /* A server that is told to stop waiting for its synchronous standby (by
     * pg_cancel_backend or statement_timeout) says COMMIT all the same, after a
     * warning: the transaction is on this server's disk only, and a failover
     * would lose it. A commit warns of nothing else. */
    if (c->warned)
        db_tx_fail(c->tx, BASE_EUNKNOWN, NULL, "the commit has not been seen on the standby");
    /* COMMIT of a failed transaction answers ROLLBACK. */
    else if (strcmp(PQcmdStatus(res), "COMMIT") == 0)
        c->committed = true;
    else
        db_tx_fail(c->tx, BASE_EINTERNAL, NULL, "the server rolled back instead of committing");
    PQclear(res);
    return DB_ANSWER_MORE;
}

static enum db_answer answer_sync(struct db_conn *c, const struct db_step *step, PGresult *res)
{
    bool ok = PQresultStatus(res) == PGRES_PIPELINE_SYNC;
    PQclear(res);
    if (!ok)
        return PQstatus(c->pg) == CONNECTION_BAD ? DB_ANSWER_MORE : DB_ANSWER_BROKEN;
    if (step->kind == DB_STEP_PREPARED)
        return DB_ANSWER_MORE;
    return c->begun ? DB_ANSWER_UNDO : DB_ANSWER_OVER;
}

enum db_answer db_conn_answer(struct db_conn *c, PGresult *res)
{
    if (c->steps_head == c->steps_n) {
        PQclear(res);
        return DB_ANSWER_BROKEN;
    }
    struct db_step step = c->steps[c->steps_head++];
    if (step.kind != DB_STEP_COMMIT)
        c->warned = false;
    ExecStatusType status = PQresultStatus(res);
    if (step.kind == DB_STEP_SYNC || step.kind == DB_STEP_PREPARED)
        return answer_sync(c, &step, res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return answer_failure(c, &step, res);
    if (step.kind == DB_STEP_STMT)
        return answer_stmt(c, res);
    if (step.kind == DB_STEP_COMMIT)
        return answer_commit(c, res);
    if (step.kind == DB_STEP_PREPARE)
        c->prepared[step.query] = true;
    else
        c->begun = step.kind == DB_STEP_BEGIN;
    PQclear(res);
    return DB_ANSWER_MORE;
}
