/* Blocking libpq. */
#include "db/db_sync.h"

#include "db/db_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAM_BYTES_MAX = 64 << 20 };

struct db_sync {
    PGconn *pg;
    struct db_rows rows;
    char sqlstate[6];
};

/* Says why the last result was a failure. */
static enum base_err failed(struct db_sync *s, struct base_error *error)
{
    const PGresult *res = s->rows.res;
    const char *sqlstate = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    if (!sqlstate) {
        char why[200];
        snprintf(why, sizeof why, "%s", PQerrorMessage(s->pg));
        why[strcspn(why, "\n")] = 0;
        return base_fail(error, BASE_EUNAVAILABLE, BASE_NOPOS, "database: %s", why);
    }
    snprintf(s->sqlstate, sizeof s->sqlstate, "%s", sqlstate);
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
    bool has_hint = hint && hint[0];
    return base_fail(error, db_err_of_sqlstate(sqlstate), BASE_NOPOS, "%s%s%s%s%s",
                     message ? message : sqlstate, detail ? ": " : "", detail ? detail : "",
                     has_hint ? "; " : "", has_hint ? hint : "");
}

static enum base_err take(struct db_sync *s, PGresult *res, struct base_error *error)
{
    PQclear(s->rows.res);
    s->rows.res = res;
    s->sqlstate[0] = 0;
    ExecStatusType status = PQresultStatus(res);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return BASE_OK;
    return failed(s, error);
}

enum base_err db_sync_script(struct db_sync *s, const char *sql, struct base_error *error)
{
    return take(s, PQexec(s->pg, sql), error);
}

bool db_sync_in_transaction(const struct db_sync *s)
{
    return PQtransactionStatus(s->pg) == PQTRANS_INTRANS;
}

static enum base_err check(struct db_sync *s, struct base_error *error)
{
    enum base_err err = db_sync_script(s, db_queries[DB_Q_DB_SAFETY].sql, error);
    if (err)
        return err;
    const char *unsafe = db_session_unsafe(s->rows.res);
    return unsafe ? base_fail(error, BASE_EDENIED, BASE_NOPOS, "%s", unsafe) : BASE_OK;
}

enum base_err db_sync_open(const struct db_config *config, struct db_sync **out,
                           struct base_error *error)
{
    char **keywords;
    char **values;
    enum base_err err = db_session_params(config, &keywords, &values, error);
    if (err)
        return err;
    struct db_sync *s = calloc(1, sizeof *s);
    if (s)
        s->pg = PQconnectdbParams((const char *const *)keywords, (const char *const *)values, 0);
    db_session_free(keywords, values);
    if (!s || !s->pg) {
        free(s);
        return base_fail(error, BASE_ENOMEM, BASE_NOPOS, "%s", base_err_text(BASE_ENOMEM));
    }
    if (PQstatus(s->pg) != CONNECTION_OK) {
        err = failed(s, error);
    } else {
        db_session_quiet(s->pg);
        err = config->unsafe ? BASE_OK : check(s, error);
    }
    if (err) {
        db_sync_close(s);
        return err;
    }
    *out = s;
    return BASE_OK;
}

void db_sync_close(struct db_sync *s)
{
    if (!s)
        return;
    PQclear(s->rows.res);
    PQfinish(s->pg);
    free(s);
}

enum base_err db_sync_exec(struct db_sync *s, enum db_query query, const struct db_param *params,
                           size_t n, const struct db_rows **rows, struct base_error *error)
{
    struct base_arena arena;
    struct db_stmt stmt;
    base_arena_init(&arena, PARAM_BYTES_MAX);
    s->sqlstate[0] = 0;
    enum base_err err = db_stmt_fill(&stmt, &arena, query, params, n);
    if (err)
        base_fail(error, err, BASE_NOPOS, "parameters of a query: %s", base_err_text(err));
    else
        err = take(s,
                   PQexecParams(s->pg, db_queries[query].sql, stmt.n, NULL, stmt.values,
                                stmt.lengths, stmt.formats, 0),
                   error);
    base_arena_deinit(&arena);
    if (!err && rows)
        *rows = &s->rows;
    return err;
}

const char *db_sync_sqlstate(const struct db_sync *s)
{
    return s->sqlstate;
}

enum base_err db_sync_begin(struct db_sync *s, struct base_error *error)
{
    return db_sync_exec(s, DB_Q_TX_BEGIN, NULL, 0, NULL, error);
}

enum base_err db_sync_commit(struct db_sync *s, struct base_error *error)
{
    enum base_err err = db_sync_exec(s, DB_Q_TX_COMMIT, NULL, 0, NULL, error);
    if (err == BASE_EUNAVAILABLE && !s->sqlstate[0])
        return base_fail(error, BASE_EUNKNOWN, BASE_NOPOS,
                         "the database connection broke during the commit");
    /* COMMIT of a failed transaction answers ROLLBACK. */
    if (!err && strcmp(PQcmdStatus(s->rows.res), "COMMIT") != 0)
        return base_fail(error, BASE_ECONFLICT, BASE_NOPOS, "the transaction was rolled back");
    return err;
}

void db_sync_rollback(struct db_sync *s)
{
    if (PQtransactionStatus(s->pg) == PQTRANS_IDLE)
        return;
    enum base_err err = db_sync_exec(s, DB_Q_TX_ROLLBACK, NULL, 0, NULL, NULL);
    (void)err; /* a broken connection has rolled back as well */
}
