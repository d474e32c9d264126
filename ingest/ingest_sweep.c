#include "ingest/ingest_sweep.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    GRACE_SECONDS = 120, /* longer than a transaction of a dead worker can still run */
    EVERY_MS = 5 * 60 * 1000,
};

struct ingest_sweep {
    struct store *store;
    struct db *db;
    struct loop_timer *timer;
    bool running;
    bool stopped;
    struct store_sweep *under_way;
    const char *const *locations; /* of the batch that is being looked up */
    size_t n;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void on_known(void *arg, const struct db_outcome *outcome)
{
    struct ingest_sweep *s = arg;
    const struct db_rows *rows = db_outcome_rows(outcome, 0);
    bool keep[STORE_SWEEP_BATCH] = {false};
    const char *known[STORE_SWEEP_BATCH];
    size_t n = outcome->err ? 0 : db_rows_count(rows);
    if (outcome->err == BASE_ECONFLICT)
        BASE_LOG(WARN, "store_not_swept", LOG_S("cause", "the index is empty, the store is not"),
                 LOG_S("remedy", "stop rdc and run: rdc fsck --rebuild"));
    if (outcome->err || n > STORE_SWEEP_BATCH) {
        store_sweep_answer(s->under_way, NULL);
        return;
    }
    for (size_t i = 0; i < n; i++)
        known[i] = db_rows_text(rows, i, 0);
    qsort(known, n, sizeof known[0], compare);
    for (size_t i = 0; i < s->n; i++)
        keep[i] = bsearch(&s->locations[i], known, n, sizeof known[0], compare) != NULL;
    store_sweep_answer(s->under_way, keep);
}

static void check(void *arg, struct store_sweep *under_way, const char *const *locations, size_t n)
{
    struct ingest_sweep *s = arg;
    struct base_buf scratch = {0};
    assert(s->running && n <= STORE_SWEEP_BATCH); /* keep[] has no more */
    s->under_way = under_way;
    s->locations = locations;
    s->n = n;
    struct db_param params[] = {db_text_array(&scratch, locations, n)};
    if (db_call(s->db, DB_Q_OBJECT_KNOWN, params, 1, on_known, s))
        store_sweep_answer(under_way, NULL);
    base_buf_deinit(&scratch);
}

static void free_when_unused(struct ingest_sweep *s)
{
    if (s->stopped && !s->running)
        free(s);
}

static void on_end(void *arg, enum base_err err, const struct store_sweep_result *r)
{
    struct ingest_sweep *s = arg;
    assert(s->running);
    s->running = false;
    if (err || r->lost || r->young)
        BASE_LOG(INFO, "store_swept", LOG_U("folders", r->folders), LOG_U("kept", r->kept),
                 LOG_U("young", r->young), LOG_U("lost", r->lost),
                 LOG_S("error", err ? base_err_text(err) : ""));
    free_when_unused(s);
}

static void on_timer(void *arg)
{
    struct ingest_sweep *s = arg;
    struct store_sweep_ops ops = {
        .check = check, .done = on_end, .arg = s, .grace_s = GRACE_SECONDS};
    if (s->running)
        return;
    enum base_err err = store_sweep(s->store, &ops);
    s->running = !err;
    if (err)
        BASE_LOG(WARN, "store_sweep_failed", LOG_S("error", base_err_text(err)));
}

enum base_err ingest_sweep_start(struct loop *loop, struct store *store, struct db *db,
                                 struct ingest_sweep **out)
{
    struct ingest_sweep *s = calloc(1, sizeof *s);
    if (!s)
        return BASE_ENOMEM;
    s->store = store;
    s->db = db;
    enum base_err err = loop_timer_new(loop, on_timer, s, &s->timer);
    if (err) {
        free(s);
        return err;
    }
    loop_timer_start(s->timer, 1, EVERY_MS);
    *out = s;
    return BASE_OK;
}

void ingest_sweep_stop(struct ingest_sweep *s)
{
    if (!s)
        return;
    loop_timer_free(s->timer);
    s->timer = NULL;
    s->stopped = true;
    free_when_unused(s);
}
