#include "ingest/ingest_check.h"

#include "base/log.h"
#include "loop/loop_process.h"

#include <stdlib.h>

enum { PARALLEL = 2, LEASE_SECONDS = 300, POLL_MS = 500, TIMEOUT_MS = 90000 };

struct work {
    const struct ingest_config *config;
    struct model_job *job;
    struct base_buf path;  /* of the object */
    struct base_buf other; /* of the one that came first */
};

static void work_free(struct work *w)
{
    base_buf_deinit(&w->path);
    base_buf_deinit(&w->other);
    free(w);
}

static void give_up(struct work *w, const char *error)
{
    model_job_failed(w->job, error);
    work_free(w);
}

static void on_noted(void *arg, const struct db_outcome *outcome)
{
    struct work *w = arg;
    if (outcome->err) {
        model_job_excuse(w->job, outcome->err);
        give_up(w, base_err_text(outcome->err));
        return;
    }
    model_job_done(w->job);
    work_free(w);
}

static const char *location(const struct model_job *job, const char *name)
{
    return json_string_value(json_object_get(job->input, name));
}

static void note(struct work *w, bool same)
{
    struct db_param params[] = {db_int(w->job->id), db_int(w->job->subject), db_bool(same)};
    enum base_err err = db_call(w->config->db, DB_Q_CHECK_DONE, params, 3, on_noted, w);
    if (err) {
        model_job_excuse(w->job, err);
        give_up(w, base_err_text(err));
    }
}

static void on_compared(void *arg, const struct loop_process_exit *exit)
{
    struct work *w = arg;
    bool told = exit->signum == 0 &&
                (exit->status == INGEST_CHECK_SAME || exit->status == INGEST_CHECK_DIFFERENT);
    if (!told)
        BASE_LOG(WARN, "objects_not_compared", LOG_I("instance", w->job->subject),
                 LOG_I("status", exit->status), LOG_I("signal", exit->signum));
    /* If they could not be compared it stays a conflict, for a person to look at. */
    note(w, told && exit->status == INGEST_CHECK_SAME);
}

static void compare(struct work *w)
{
    const char *argv[] = {"/proc/self/exe", "same", base_buf_cstr(&w->other),
                          base_buf_cstr(&w->path), NULL};
    struct loop_process_options options = {
        .argv = argv, .timeout_ms = TIMEOUT_MS, .on_exit = on_compared, .arg = w};
    struct loop_process *process;
    enum base_err err = loop_process_spawn(w->config->loop, &options, &process);
    if (err)
        give_up(w, base_err_text(err));
}

static void run(void *arg, struct model_job *job)
{
    const struct ingest_config *config = arg;
    struct work *w = calloc(1, sizeof *w);
    if (!w) {
        model_job_failed(job, "out of memory");
        return;
    }
    w->config = config;
    w->job = job;
    const char *other = location(job, "other");
    if (other && (store_path(config->store, location(job, "location"), &w->path) ||
                  store_path(config->store, other, &w->other)))
        give_up(w, "an object is not in the store");
    else if (other)
        compare(w);
    else
        note(w, false);
}

enum base_err ingest_check_start(const struct ingest_config *config, struct model_jobs **out)
{
    struct model_jobs_config jobs = {
        .loop = config->loop,
        .db = config->db,
        .counters = config->counters,
        .kind = "check",
        .parallel = PARALLEL,
        .lease_seconds = LEASE_SECONDS,
        .poll_ms = POLL_MS,
        .run = run,
        .arg = (void *)(uintptr_t)config,
    };
    return model_jobs_start(&jobs, out);
}
