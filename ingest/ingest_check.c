#include "ingest/ingest_check.h"

#include "base/json.h"
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
    MOST_SECONDS = PARALLEL / COMPARED_MAX * (TIMEOUT_MS / 1000) + 60
};

struct work {
    struct ingest_note note; /* first; also its place among those that wait */
    struct ingest_check *check;
    const char *verdict;   /* as check_done() has it; NULL: nothing was compared */
    struct base_buf why;   /* it is damaged */
    struct base_buf path;  /* of the object */
    struct base_buf other; /* of the one that is shown */
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
    base_buf_deinit(&w->why);
    base_buf_deinit(&w->path);
    base_buf_deinit(&w->other);
    free(w);
    if (error)
        model_job_failed(job, error);
    else
        model_job_done(job);
}

static const char *location(const struct model_job *job, const char *name)
{
    return json_string_value(json_object_get(job->input, name));
}

static void write_outcome(struct base_json *j, const struct work *w)
{
    const struct model_job *job = w->note.job;
    base_json_open_object(j);
    base_json_member_int(j, "job", job->id);
    base_json_member_int(j, "instance", job->subject);
    base_json_member_string(j, "other", location(job, "other"));
    base_json_member_string(j, "verdict", w->verdict);
    base_json_key(j, "why");
    if (w->why.n)
        base_json_string_n(j, (const char *)w->why.p, w->why.n);
    else
        base_json_null(j);
    base_json_close_object(j);
}

static enum base_err send(void *arg, struct ingest_note *list, db_done_fn *fn, void *fn_arg)
{
    const struct ingest_check *c = arg;
    struct base_buf json = {0};
    struct base_json j;
    base_json_init(&j, &json);
    base_json_open_array(&j);
    for (struct ingest_note *note = list; note; note = note->next)
        write_outcome(&j, work_of(note));
    base_json_close_array(&j);
    struct db_param param = db_buf(&json);
    enum base_err err =
        json.err ? json.err : db_call(c->g->config->db, DB_Q_CHECK_DONE, &param, 1, fn, fn_arg);
    base_buf_deinit(&json);
    return err;
}

/* ---- the same but for its encoding? ---- */

static void compare_next(struct ingest_check *c);

static const char *verdict_of(const struct loop_process_exit *exit)
{
    if (exit->signum)
        return NULL;
    switch (exit->status) {
    case INGEST_CHECK_SAME:
        return "same";
    case INGEST_CHECK_DIFFERENT:
        return "different";
    case INGEST_CHECK_FIRST_DAMAGED:
        return "shown_damaged";
    case INGEST_CHECK_SECOND_DAMAGED:
        return "damaged";
    case INGEST_CHECK_BOTH_DAMAGED:
        return "both_damaged";
    default:
        return NULL;
    }
}

static void on_output(void *arg, struct base_bytes bytes)
{
    struct work *w = arg;
    base_buf_add(&w->why, bytes.p, bytes.n);
}

static void on_compared(void *arg, const struct loop_process_exit *exit)
{
    struct work *w = arg;
    struct ingest_check *c = w->check;
    /* If they could not be compared it stays a conflict, for a person to look at. */
    w->verdict = verdict_of(exit);
    if (!w->verdict)
        BASE_LOG(WARN, "objects_not_compared", LOG_I("instance", w->note.job->subject),
                 LOG_I("status", exit->status), LOG_I("signal", exit->signum));
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
            .argv = argv,
            .on_output = on_output,
            .output_max = INGEST_CHECK_WHY,
            .timeout_ms = TIMEOUT_MS,
            .on_exit = on_compared,
            .arg = w,
        };
        struct loop_process *process;
        enum base_err err = loop_process_spawn(c->g->config->loop, &options, &process);
        c->comparing += !err;
        if (err)
            end(c, note, base_err_text(err));
    }
}

/* ---- the jobs ---- */

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
        .most_seconds = MOST_SECONDS,
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
