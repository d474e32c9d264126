#include "ingest/ingest_metadata.h"

#include "dicom/shim/shim.h"
#include "ingest/ingest_priv.h"
#include "store/store_tree.h"

#include <stdlib.h>

enum { PARALLEL = 4, MOST_SECONDS = 120, POLL_MS = 1000 };

struct work {
    struct ingest *g;
    struct model_job *job;
    struct loop_job pool;
    struct base_buf path;
    struct base_buf json;
    enum base_err err;
    struct base_error error;
    struct base_error pixels; /* msg: why there are fewer than the object states; "" = no */
};

static void work_free(struct work *w)
{
    base_buf_deinit(&w->path);
    base_buf_deinit(&w->json);
    free(w);
}

static void give_up(struct work *w, const char *error)
{
    struct model_job *job = w->job;
    model_job_failed(job, error);
    work_free(w);
}

static void read_metadata(void *arg)
{
    struct work *w = arg;
    struct store_plain plain;
    w->err = store_plain_open(base_buf_cstr(&w->path), &plain);
    if (w->err) {
        base_fail(&w->error, w->err, BASE_NOPOS, "%s", base_err_text(w->err));
        return;
    }
    struct shim_source source = {.path = plain.path};
    w->err = shim_metadata_json(&source, &w->json, NULL, &w->error);
    if (!w->err && shim_check_pixels(plain.path, false, &w->pixels) != BASE_EFORMAT)
        w->pixels.msg[0] = 0;
    store_plain_close(&plain);
}

static void on_noted(void *arg, const struct db_outcome *outcome)
{
    struct work *w = arg;
    if (outcome->err) {
        model_job_excuse(w->job, outcome->err);
        give_up(w, base_err_text(outcome->err));
        return;
    }
    if (db_rows_bool(db_outcome_rows(outcome, 0), 0, 0))
        model_jobs_poke(ingest_check_jobs(w->g->check), w->job->class);
    model_job_done(w->job);
    work_free(w);
}

static void on_told(void *arg, const struct db_outcome *outcome)
{
    struct work *w = arg;
    (void)outcome;
    give_up(w, w->error.msg);
}

static void on_read(void *arg, bool cancelled)
{
    struct work *w = arg;
    if (!cancelled && w->err == BASE_EFORMAT) {
        struct db_param params[] = {db_int(w->job->subject), db_text(w->error.msg)};
        if (!db_call(w->g->config->db, DB_Q_OBJECT_BROKEN, params, 2, on_told, w))
            return;
    }
    if (cancelled || w->err) {
        give_up(w, cancelled ? "stopped" : w->error.msg);
        return;
    }
    struct db_param params[] = {db_int(w->job->id), db_int(w->job->subject), db_buf(&w->json),
                                w->pixels.msg[0] ? db_text(w->pixels.msg) : db_null()};
    enum base_err err = db_call(w->g->config->db, DB_Q_METADATA_DONE, params, 4, on_noted, w);
    if (err) {
        model_job_excuse(w->job, err);
        give_up(w, base_err_text(err));
    }
}

static void run(void *arg, struct model_job *job)
{
    struct ingest *g = arg;
    const char *location = json_string_value(json_object_get(job->input, "location"));
    struct work *w = calloc(1, sizeof *w);
    if (!w) {
        model_job_failed(job, "out of memory");
        return;
    }
    w->g = g;
    w->job = job;
    if (!location || store_path(g->config->store, location, &w->path)) {
        give_up(w, "the object is not in the store");
        return;
    }
    loop_work(g->config->loop, &w->pool, LOOP_CPU, job->class, read_metadata, on_read, w);
}

enum base_err ingest_metadata_start(struct ingest *g, struct model_jobs **out)
{
    struct model_jobs_config jobs = {
        .loop = g->config->loop,
        .db = g->config->db,
        .counters = g->config->counters,
        .kind = "metadata",
        .parallel = PARALLEL,
        .most_seconds = MOST_SECONDS,
        .poll_ms = POLL_MS,
        .run = run,
        .arg = g,
    };
    return model_jobs_start(&jobs, out);
}
