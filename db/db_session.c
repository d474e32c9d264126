/* What each session begins with, asynchronous or not: settings and checks. */
#include "base/log.h"
#include "db/db_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ISO dates, UTC and hex bytea are what db_rows_* and the JSON of the queries
 * rely on. */
static const char settings[] = " -c timezone=UTC -c datestyle=ISO -c bytea_output=hex"
                               " -c client_min_messages=warning";

/* In the options of the startup packet a backslash protects a blank. */
static void add_escaped(struct base_buf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == ' ' || *s == '\\')
            base_buf_add_byte(b, '\\');
        base_buf_add_byte(b, (uint8_t)*s);
    }
}

static char *options_of(const struct db_config *config, const char *given)
{
    struct base_buf b;
    base_buf_init(&b, 0);
    base_buf_add_str(&b, given ? given : "");
    base_buf_add_str(&b, settings);
    if (config->run_ms)
        base_buf_printf(&b, " -c statement_timeout=%u", config->run_ms);
    if (config->role) {
        base_buf_add_str(&b, " -c role=");
        add_escaped(&b, config->role);
    }
    char *s = b.err ? NULL : strdup(base_buf_cstr(&b));
    base_buf_deinit(&b);
    return s;
}

void db_session_free(char **keywords, char **values)
{
    for (size_t i = 0; keywords && values && keywords[i]; i++) {
        free(keywords[i]);
        free(values[i]);
    }
    free(keywords);
    free(values);
}

static bool put(char **keywords, char **values, size_t *n, const char *keyword, const char *value)
{
    char *k = strdup(keyword);
    char *v = value ? strdup(value) : NULL;
    if (!k || !v) {
        free(k);
        free(v);
        return false;
    }
    keywords[*n] = k;
    values[(*n)++] = v;
    return true;
}

static enum base_err fill(const struct db_config *config, const PQconninfoOption *o,
                          char **keywords, char **values)
{
    const char *given = NULL;
    size_t n = 0;
    bool ok = true;
    bool named = false;
    for (; o->keyword; o++) {
        if (!o->val || strcmp(o->keyword, "client_encoding") == 0)
            continue;
        if (strcmp(o->keyword, "options") == 0) {
            given = o->val;
            continue;
        }
        named |= strcmp(o->keyword, "application_name") == 0;
        ok &= put(keywords, values, &n, o->keyword, o->val);
    }
    char *options = options_of(config, given);
    ok &= put(keywords, values, &n, "options", options);
    free(options);
    ok &= put(keywords, values, &n, "client_encoding", "UTF8");
    if (!named)
        ok &= put(keywords, values, &n, "application_name", "rdc");
    return ok ? BASE_OK : BASE_ENOMEM;
}

enum base_err db_session_params(const struct db_config *config, char ***keywords, char ***values,
                                struct base_error *error)
{
    char *message = NULL;
    PQconninfoOption *o = PQconninfoParse(config->conninfo, &message);
    if (!o) {
        base_fail(error, BASE_EINVAL, BASE_NOPOS, "database connection string: %s",
                  message ? message : "out of memory");
        PQfreemem(message);
        return BASE_EINVAL;
    }
    size_t n = 4; /* three of ours and the end */
    for (const PQconninfoOption *i = o; i->keyword; i++)
        n++;
    char **k = calloc(n, sizeof *k);
    char **v = calloc(n, sizeof *v);
    enum base_err err = k && v ? fill(config, o, k, v) : BASE_ENOMEM;
    PQconninfoFree(o);
    if (err) {
        db_session_free(k, v);
        return base_fail(error, err, BASE_NOPOS, "%s", base_err_text(err));
    }
    *keywords = k;
    *values = v;
    return BASE_OK;
}

const char *db_session_unsafe(const PGresult *res)
{
    static const char *const reasons[] = {
        ("the database login is a superuser or may bypass row-level security; "
         "use a role with NOSUPERUSER NOBYPASSRLS"),
        "PostgreSQL runs with fsync = off: a power cut would lose acknowledged studies",
        "PostgreSQL runs with full_page_writes = off: a power cut would corrupt the database",
        "PostgreSQL runs with synchronous_commit = off: a crash would lose acknowledged studies",
    };
    int n = (int)(sizeof reasons / sizeof *reasons);
    if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1 || PQnfields(res) != n)
        return "the database settings cannot be read";
    for (int i = 0; i < n; i++) {
        if (PQgetvalue(res, 0, i)[0] != 'f')
            return reasons[i];
    }
    return NULL;
}

static void on_notice(void *arg, const PGresult *res)
{
    (void)arg;
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    BASE_LOG(DEBUG, "db_notice", LOG_S("sqlstate", sqlstate ? sqlstate : ""));
}

void db_session_quiet(PGconn *pg)
{
    PQsetNoticeReceiver(pg, on_notice, NULL);
}
