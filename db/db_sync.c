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
    bool warned; /* by the server, in the last statement */
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

static enum base_err check(struct db_sync *s, const struct db_config *config,
                           struct base_error *error)
{
    struct db_server server;
    struct db_fence fence;
    enum base_err err = db_sync_script(s, db_queries[DB_Q_DB_SAFETY].sql, error);
    if (err)
        return err;
    const char *unsafe = db_session_unsafe(s->rows.res, &server);
    if (unsafe && !config->unsafe)
        return base_fail(error, BASE_EDENIED, BASE_NOPOS, "%s", unsafe);
    err = db_fence_init(&fence, config->fence);
    if (!err && !db_fence_pass(&fence, server.system, server.timeline, false))
        err = base_fail(error, BASE_EDENIED, BASE_NOPOS, "%s", db_session_left_behind);
    db_fence_deinit(&fence);
    return err;
}

static enum base_err connect_once(struct db_sync *s, const struct db_config *config,
                                  char **keywords, char **values, struct base_error *error)
{
    PQfinish(s->pg);
    s->pg = PQconnectdbParams((const char *const *)keywords, (const char *const *)values, 0);
    if (!s->pg)
        return base_fail(error, BASE_ENOMEM, BASE_NOPOS, "%s", base_err_text(BASE_ENOMEM));
    if (PQstatus(s->pg) != CONNECTION_OK)
        return failed(s, error);
    db_session_quiet(s->pg, &s->warned);
    return check(s, config, error);
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
    err = s ? connect_once(s, config, keywords, values, error)
            : base_fail(error, BASE_ENOMEM, BASE_NOPOS, "%s", base_err_text(BASE_ENOMEM));
    /* A host that is refused may not be the only one. */
    for (unsigned n = db_session_hosts(keywords, values); err == BASE_EDENIED && --n > 0;) {
        if (db_session_rotate(keywords, values))
            err = connect_once(s, config, keywords, values, error);
    }
    db_session_free(keywords, values);
    if (err) {
        db_sync_close(s);
        return err;
    }
    *out = s;
    return BASE_OK;
}

const char *db_sync_constraint(const struct db_sync *s)
{
    const char *name =
        s->rows.res ? PQresultErrorField(s->rows.res, PG_DIAG_CONSTRAINT_NAME) : NULL;
    return name ? name : "";
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
    s->warned = false;
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
    if (!err && s->warned)
        return base_fail(error, BASE_EUNKNOWN, BASE_NOPOS,
                         "the commit has not been seen on the standby");
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
