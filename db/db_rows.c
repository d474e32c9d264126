/* Rows, and what an SQLSTATE means to us. */
#include "db/db_priv.h"

#include <stdlib.h>
#include <string.h>

size_t db_rows_count(const struct db_rows *r)
{
    return r ? (size_t)PQntuples(r->res) : 0;
}

size_t db_rows_columns(const struct db_rows *r)
{
    return r ? (size_t)PQnfields(r->res) : 0;
}

const char *db_rows_name(const struct db_rows *r, size_t col)
{
    return col < db_rows_columns(r) ? PQfname(r->res, (int)col) : "";
}

bool db_rows_null(const struct db_rows *r, size_t row, size_t col)
{
    return row >= db_rows_count(r) || col >= db_rows_columns(r) ||
           PQgetisnull(r->res, (int)row, (int)col);
}

const char *db_rows_text(const struct db_rows *r, size_t row, size_t col)
{
    return db_rows_null(r, row, col) ? "" : PQgetvalue(r->res, (int)row, (int)col);
}

struct base_bytes db_rows_view(const struct db_rows *r, size_t row, size_t col)
{
    if (db_rows_null(r, row, col))
        return base_bytes_of("", 0);
    return base_bytes_of(PQgetvalue(r->res, (int)row, (int)col),
                         (size_t)PQgetlength(r->res, (int)row, (int)col));
}

int64_t db_rows_int(const struct db_rows *r, size_t row, size_t col)
{
    return strtoll(db_rows_text(r, row, col), NULL, 10);
}

bool db_rows_bool(const struct db_rows *r, size_t row, size_t col)
{
    return db_rows_text(r, row, col)[0] == 't';
}

/* First prefix that fits wins. Codes: PostgreSQL 15 Appendix A; RDnnn are ours,
 * raised by the functions in db/migrations with an HTTP status. */
static const struct {
    const char *prefix;
    enum base_err err;
    bool loggable;
} sqlstates[] = {
    {"RD400", BASE_EINVAL, false},       {"RD401", BASE_EDENIED, false},
    {"RD403", BASE_EDENIED, false},      {"RD404", BASE_ENOTFOUND, false},
    {"RD409", BASE_ECONFLICT, false},    {"RD422", BASE_EINVAL, false},
    {"RD503", BASE_EUNAVAILABLE, false}, {"08", BASE_EUNAVAILABLE, true}, /* connection exception */
    {"22", BASE_EINVAL, false},                                           /* data exception */
    {"23505", BASE_EEXISTS, false},                                       /* unique violation */
    {"23503", BASE_ECONFLICT, false},   /* foreign key violation */
    {"23P01", BASE_ECONFLICT, false},   /* exclusion violation */
    {"23", BASE_EINVAL, false},         /* check and not-null violation */
    {"40", BASE_EUNAVAILABLE, true},    /* serialization failure, deadlock */
    {"42501", BASE_EDENIED, true},      /* insufficient privilege, row-level security */
    {"42", BASE_EINTERNAL, true},       /* our statement is wrong */
    {"53100", BASE_ENOSPC, true},       /* disk full */
    {"53", BASE_EUNAVAILABLE, true},    /* insufficient resources */
    {"55P03", BASE_EUNAVAILABLE, true}, /* lock not available */
    {"57014", BASE_ETIMEOUT, true},     /* statement timeout */
    {"57", BASE_EUNAVAILABLE, true},    /* server stops, starts, or dropped us */
    {"58", BASE_EUNAVAILABLE, true},    /* system error */
    {"25006", BASE_EUNAVAILABLE, true}, /* read-only for now */
    {"25P03", BASE_EUNAVAILABLE, true}, /* idle in transaction for too long */
    {"XX", BASE_EINTERNAL, true},
};

static size_t sqlstate_row(const char *sqlstate)
{
    size_t i = 0;
    while (i < sizeof sqlstates / sizeof *sqlstates &&
           strncmp(sqlstate, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) != 0)
        i++;
    return i;
}

enum base_err db_err_of_sqlstate(const char *sqlstate)
{
    size_t i = sqlstate_row(sqlstate);
    return i < sizeof sqlstates / sizeof *sqlstates ? sqlstates[i].err : BASE_EINTERNAL;
}

bool db_sqlstate_loggable(const char *sqlstate)
{
    size_t i = sqlstate_row(sqlstate);
    return i < sizeof sqlstates / sizeof *sqlstates && sqlstates[i].loggable;
}

int db_http_status_err(enum base_err err)
{
    switch ((int)err) {
    case BASE_OK:
        return 200;
    case BASE_EINVAL:
    case BASE_EFORMAT:
        return 422;
    case BASE_EDENIED:
        return 403;
    case BASE_ENOTFOUND:
        return 404;
    case BASE_EEXISTS:
    case BASE_ECONFLICT:
        return 409;
    case BASE_ELIMIT:
    case BASE_EUNAVAILABLE:
    case BASE_ETIMEOUT:
    case BASE_ECANCELED:
    case BASE_EUNKNOWN:
        return 503;
    case BASE_ENOSPC:
        return 507;
    default:
        return 500;
    }
}

int db_http_status(const struct db_outcome *o)
{
    if (strncmp(o->sqlstate, "RD", 2) == 0) {
        long status = strtol(o->sqlstate + 2, NULL, 10);
        if (status >= 400 && status <= 599)
            return (int)status;
    }
    return db_http_status_err(o->err);
}
