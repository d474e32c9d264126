/* What each session begins with, asynchronous or not: settings and checks. */
#include "base/log.h"
#include "db/db_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ISO dates, UTC and hex bytea are what db_rows_* and the JSON of the queries
 * rely on. */
/* Compiling a plan pays where a query reads much; ours read little, and with large
 * tables the estimates alone would start it. */
static const char settings[] = " -c jit=off -c timezone=UTC -c datestyle=ISO -c bytea_output=hex"
                               " -c client_min_messages=warning";

static const char by_index[] =
    " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c enable_material=off";

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
    if (config->by_index)
        base_buf_add_str(&b, by_index);
    if (config->worker) {
        base_buf_add_str(&b, " -c rdc.worker=");
        add_escaped(&b, config->worker);
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

static bool is_given(const PQconninfoOption *o, const char *keyword)
{
    while (o->keyword && strcmp(o->keyword, keyword) != 0)
        o++;
    return o->keyword && o->val;
}

static enum base_err fill(const struct db_config *config, const PQconninfoOption *o,
                          char **keywords, char **values)
{
    /* A server whose machine vanished is given up after about half a minute, by who blocks and
     * waits for a connection earlier. */
    static const char *const defaults[][2] = {
        {"application_name", "rdc"},  {"connect_timeout", "10"}, {"keepalives_idle", "10"},
        {"keepalives_interval", "5"}, {"keepalives_count", "3"}, {"tcp_user_timeout", "30000"}};
    const PQconninfoOption *first = o;
    const char *given = NULL;
    size_t n = 0;
    bool ok = true;
    for (; o->keyword; o++) {
        if (!o->val || strcmp(o->keyword, "client_encoding") == 0)
            continue;
        if (strcmp(o->keyword, "options") == 0) {
            given = o->val;
            continue;
        }
        ok &= put(keywords, values, &n, o->keyword, o->val);
    }
    char *options = options_of(config, given);
    ok &= put(keywords, values, &n, "options", options);
    free(options);
    ok &= put(keywords, values, &n, "client_encoding", "UTF8");
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (!is_given(first, defaults[i][0]))
            ok &= put(keywords, values, &n, defaults[i][0], defaults[i][1]);
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
    size_t n = 9; /* eight of ours and the end */
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

unsigned db_session_hosts(char **keywords, char **values)
{
    unsigned most = 1;
    for (size_t i = 0; keywords[i]; i++) {
        unsigned n = 1;
        for (const char *p = values[i]; strncmp(keywords[i], "host", 4) == 0 && *p; p++)
            n += *p == ',';
        most = n > most ? n : most;
    }
    return most;
}

bool db_session_rotate(char **keywords, char **values)
{
    bool many = false;
    for (size_t i = 0; keywords[i]; i++) {
        const char *k = keywords[i];
        char *comma = strchr(values[i], ',');
        if (!comma ||
            (strcmp(k, "host") != 0 && strcmp(k, "hostaddr") != 0 && strcmp(k, "port") != 0))
            continue;
        char *first = strndup(values[i], (size_t)(comma - values[i]));
        if (!first)
            return false;
        size_t rest = strlen(comma + 1);
        memmove(values[i], comma + 1, rest);
        values[i][rest] = ',';
        memcpy(values[i] + rest + 1, first, strlen(first));
        free(first);
        many = true;
    }
    return many;
}

const char db_session_left_behind[] =
    "this server was left behind: another one of its cluster has been promoted since. Make it a "
    "standby of that one (pg_rewind) or keep it stopped; where it is meant to serve nevertheless, "
    "remove the file 'timeline' in rdc's data folder";

const char *db_session_unsafe(const PGresult *res, struct db_server *server)
{
    static const char *const reasons[] = {
        ("the database login is a superuser or may bypass row-level security; "
         "use a role with NOSUPERUSER NOBYPASSRLS"),
        "PostgreSQL runs with fsync = off: a power cut would lose acknowledged studies",
        "PostgreSQL runs with full_page_writes = off: a power cut would corrupt the database",
        "PostgreSQL runs with synchronous_commit = off: a crash would lose acknowledged studies",
        ("the server only reads (a standby, or default_transaction_read_only): name all servers in "
         "the connection string, with target_session_attrs=read-write"),
        ("PostgreSQL names synchronous standbys, but synchronous_commit = local or remote_write "
         "does not wait until they have it on disk: a failover would lose acknowledged studies; "
         "set "
         "it to on, or empty synchronous_standby_names"),
    };
    *server = (struct db_server){0};
    int n = (int)(sizeof reasons / sizeof *reasons);
    if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1 || PQnfields(res) != n + 2)
        return "the database settings cannot be read";
    server->system = strtoull(PQgetvalue(res, 0, n), NULL, 10);
    server->timeline = (uint32_t)strtoul(PQgetvalue(res, 0, n + 1), NULL, 16);
    for (int i = 0; i < n; i++) {
        if (PQgetvalue(res, 0, i)[0] != 'f')
            return reasons[i];
    }
    return NULL;
}

static void on_notice(void *arg, const PGresult *res)
{
    bool *warned = arg;
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    *warned |= severity && strcmp(severity, "WARNING") == 0;
    BASE_LOG(DEBUG, "db_notice", LOG_S("sqlstate", sqlstate ? sqlstate : ""));
}

void db_session_quiet(PGconn *pg, bool *warned)
{
    PQsetNoticeReceiver(pg, on_notice, warned);
}
