#include "ingest/ingest_sweep.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* More than the longest transaction of a dead worker may still take. */
enum { GRACE_SECONDS = 120 };

struct sweep {
    struct db *db;
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
    struct sweep *s = arg;
    const struct db_rows *rows = db_outcome_rows(outcome, 0);
    bool keep[STORE_SWEEP_BATCH] = {false};
    const char *known[STORE_SWEEP_BATCH];
    size_t n = outcome->err ? 0 : db_rows_count(rows);
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
    struct sweep *s = arg;
    struct base_buf scratch = {0};
    s->under_way = under_way;
    s->locations = locations;
    s->n = n;
    struct db_param params[] = {db_text_array(&scratch, locations, n)};
    if (db_call(s->db, DB_Q_OBJECT_KNOWN, params, 1, on_known, s))
        store_sweep_answer(under_way, NULL);
    base_buf_deinit(&scratch);
}

static void on_end(void *arg, enum base_err err, const struct store_sweep_result *r)
{
    BASE_LOG(INFO, "store_swept", LOG_U("folders", r->folders), LOG_U("kept", r->kept),
             LOG_U("young", r->young), LOG_U("lost", r->lost),
             LOG_S("error", err ? base_err_text(err) : ""));
    free(arg);
}

enum base_err ingest_sweep_start(struct store *store, struct db *db)
{
    struct sweep *s = calloc(1, sizeof *s);
    if (!s)
        return BASE_ENOMEM;
    s->db = db;
    struct store_sweep_ops ops = {
        .check = check, .done = on_end, .arg = s, .grace_s = GRACE_SECONDS};
    enum base_err err = store_sweep(store, &ops);
    if (err)
        free(s);
    return err;
}
