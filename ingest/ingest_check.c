#include "ingest/ingest_check.h"

#include "base/log.h"
#include "ingest/ingest_notes.h"
#include "ingest/ingest_priv.h"
#include "loop/loop_process.h"

#include <stdlib.h>

enum {
    PARALLEL = 32,
    POLL_MS = 250,
    TIMEOUT_MS = 90000,
    COMPARED_MAX = 2, /* at once; of what is claimed at once all may have to be compared: */
    LEASE_SECONDS = PARALLEL / COMPARED_MAX * (TIMEOUT_MS / 1000) + 60
};

struct work {
    struct ingest_note note; /* first; also its place among those that wait */
    struct ingest_check *check;
    bool same;
    struct base_buf path;  /* of the object */
    struct base_buf other; /* of the one that came first */
};

struct ingest_check {
    const struct ingest *g;
    struct model_jobs *jobs;
    struct ingest_note_list waiting[LOOP_CLASS_COUNT]; /* to be compared */
    unsigned comparing;
    struct ingest_notes checked;
};

static struct work *work_of(struct ingest_note *note)
{
    return (struct work *)(void *)note;
}

/* Ends a work and its job; the next job may start inside this call. */
static void end(void *arg, struct ingest_note *note, const char *error)
{
    struct model_job *job = note->job;
    struct work *w = work_of(note);
    (void)arg;
    base_buf_deinit(&w->path);
    base_buf_deinit(&w->other);
    free(w);
    if (error)
        model_job_failed(job, error);
    else
        model_job_done(job);
}

static enum base_err send(void *arg, struct ingest_note *list, db_done_fn *fn, void *fn_arg)
{
    const struct ingest_check *c = arg;
    int64_t jobs[PARALLEL];
    int64_t instances[PARALLEL];
    int64_t same[PARALLEL];
    size_t n = 0;
    size_t n_same = 0;
    for (struct ingest_note *note = list; note && n < PARALLEL; note = note->next) {
        jobs[n] = note->job->id;
        instances[n++] = note->job->subject;
        if (work_of(note)->same)
            same[n_same++] = note->job->subject;
    }
    struct base_buf scratch[3] = {0};
    struct db_param params[] = {db_int_array(&scratch[0], jobs, n),
                                db_int_array(&scratch[1], instances, n),
                                db_int_array(&scratch[2], same, n_same)};
    enum base_err err = db_call(c->g->config->db, DB_Q_CHECK_DONE, params, 3, fn, fn_arg);
    for (size_t i = 0; i < 3; i++)
        base_buf_deinit(&scratch[i]);
    return err;
}

/* ---- the same but for its encoding? ---- */

static void compare_next(struct ingest_check *c);

static void on_compared(void *arg, const struct loop_process_exit *exit)
{
    struct work *w = arg;
    struct ingest_check *c = w->check;
    bool told = exit->signum == 0 &&
                (exit->status == INGEST_CHECK_SAME || exit->status == INGEST_CHECK_DIFFERENT);
    if (!told)
        BASE_LOG(WARN, "objects_not_compared", LOG_I("instance", w->note.job->subject),
                 LOG_I("status", exit->status), LOG_I("signal", exit->signum));
    /* If they could not be compared it stays a conflict, for a person to look at. */
    w->same = told && exit->status == INGEST_CHECK_SAME;
    c->comparing--;
    ingest_notes_add(&c->checked, &w->note);
    compare_next(c);
}

static void compare_next(struct ingest_check *c)
{
    struct ingest_note *note;
    while (c->comparing < COMPARED_MAX && ((note = ingest_note_take(&c->waiting[LOOP_STAT])) ||
                                           (note = ingest_note_take(&c->waiting[LOOP_ORDINARY])))) {
        struct work *w = work_of(note);
        const char *argv[] = {"/proc/self/exe", "same", base_buf_cstr(&w->other),
                              base_buf_cstr(&w->path), NULL};
        struct loop_process_options options = {
            .argv = argv, .timeout_ms = TIMEOUT_MS, .on_exit = on_compared, .arg = w};
        struct loop_process *process;
        enum base_err err = loop_process_spawn(c->g->config->loop, &options, &process);
        c->comparing += !err;
        if (err)
            end(c, note, base_err_text(err));
    }
}

/* ---- the jobs ---- */

static const char *location(const struct model_job *job, const char *name)
{
    return json_string_value(json_object_get(job->input, name));
}

static void run(void *arg, struct model_job *job)
{
    struct ingest_check *c = arg;
    const struct store *store = c->g->config->store;
    struct work *w = calloc(1, sizeof *w);
    if (!w) {
        model_job_failed(job, "out of memory");
        return;
    }
    w->check = c;
    w->note.job = job;
    const char *other = location(job, "other");
    if (!other) {
        ingest_notes_add(&c->checked, &w->note);
    } else if (store_path(store, location(job, "location"), &w->path) ||
               store_path(store, other, &w->other)) {
        end(c, &w->note, "an object is not in the store");
    } else {
        ingest_note_add(&c->waiting[job->class], &w->note);
        compare_next(c);
    }
}

static bool is_ingesting(void *arg)
{
    const struct ingest_check *c = arg;
    return c->g->objects > 0;
}

enum base_err ingest_check_start(const struct ingest *g, struct ingest_check **out)
{
    struct ingest_check *c = calloc(1, sizeof *c);
    if (!c)
        return BASE_ENOMEM;
    c->g = g;
    c->checked = (struct ingest_notes){.loop = g->config->loop, .send = send, .end = end, .arg = c};
    struct model_jobs_config jobs = {
        .loop = g->config->loop,
        .db = g->config->db,
        .counters = g->config->counters,
        .kind = "check",
        .parallel = PARALLEL,
        .lease_seconds = LEASE_SECONDS,
        .poll_ms = POLL_MS,
        .run = run,
        .busy = is_ingesting,
        .arg = c,
    };
    enum base_err err = model_jobs_start(&jobs, &c->jobs);
    if (err) {
        free(c);
        return err;
    }
    *out = c;
    return BASE_OK;
}

struct model_jobs *ingest_check_jobs(const struct ingest_check *c)
{
    return c->jobs;
}

void ingest_check_free(struct ingest_check *c)
{
    if (!c)
        return;
    model_jobs_free(c->jobs);
    free(c);
}
