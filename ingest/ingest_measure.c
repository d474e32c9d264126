#include "ingest/ingest_measure.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "ingest/ingest_notes.h"
#include "ingest/ingest_priv.h"
#include "loop/loop_process.h"
#include "model/model_jobs.h"
#include "store/store.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

enum {
    PARALLEL_MAX = 16,
    MOST_SECONDS = 600,
    TIMEOUT_MS = 90000,
    IDLE_MS = 10000,
    QUIET_MS = 1000,
    FORK_MS = 2000,       /* before the next try, where no process could be made */
    FIGURES_MAX = 1 << 18 /* bytes that are printed about one object */
};

struct work {
    struct ingest_note note; /* first; also its place among those that wait */
    int64_t earlier;         /* ECG that it is compared with (instance); 0 = none */
    struct base_buf request;
    struct base_buf figures; /* as the process printed them: JSON, or "!" and why there is none */
};

/* name: of the jobs, and of the process's command. parallel: claimed, and noted, together; every
 * poll_ms also while ingest goes first. An image takes more from ingest than an ECG does, and does
 * not raise an exam to STAT. */
static const struct kind {
    const char *name;
    unsigned parallel;
    unsigned poll_ms;
} kinds[] = {[INGEST_MEASURE_ECG] = {"measure", PARALLEL_MAX, 500},
             [INGEST_MEASURE_PIXELS] = {"pixels", 4, 2000}};

struct ingest_measure {
    const struct ingest *g;
    const struct kind *kind;
    struct model_jobs *jobs;
    struct loop_process *process;
    struct loop_timer *idle;
    bool ending; /* the process was told that no more will come */
    bool draining;
    struct ingest_note_list waiting;
    struct work *current; /* being measured by the process */
    struct ingest_notes measured;
};

/* Ends a work and its job; the next job may start inside this call. */
static void end(struct work *w, const char *error)
{
    struct model_job *job = w->note.job;
    base_buf_deinit(&w->request);
    base_buf_deinit(&w->figures);
    free(w);
    if (error)
        model_job_failed(job, error);
    else
        model_job_done(job);
}

/* ---- what was measured, to the database ---- */

static struct work *work_of(struct ingest_note *note)
{
    return (struct work *)(void *)note;
}

static void end_note(void *arg, struct ingest_note *note, const char *error)
{
    (void)arg;
    end(work_of(note), error);
}

static enum base_err send(void *arg, struct ingest_note *list, db_done_fn *fn, void *fn_arg)
{
    const struct ingest_measure *m = arg;
    int64_t jobs[PARALLEL_MAX];
    int64_t instances[PARALLEL_MAX];
    const char *figures[PARALLEL_MAX];
    int64_t earlier[PARALLEL_MAX];
    size_t n = 0;
    for (struct ingest_note *note = list; note; note = note->next) {
        struct work *w = work_of(note);
        assert(n < m->kind->parallel); /* or a job would be done whose figures nobody wrote */
        jobs[n] = note->job->id;
        instances[n] = note->job->subject;
        earlier[n] = w->earlier;
        figures[n++] = base_buf_cstr(&w->figures);
    }
    struct base_buf scratch[4] = {0};
    struct db_param params[] = {
        db_int_array(&scratch[0], jobs, n), db_int_array(&scratch[1], instances, n),
        db_text_array(&scratch[2], figures, n), db_int_array(&scratch[3], earlier, n)};
    enum base_err err = db_call(m->g->config->db, DB_Q_MEASURE_DONE, params, 4, fn, fn_arg);
    for (size_t i = 0; i < 4; i++)
        base_buf_deinit(&scratch[i]);
    return err;
}

/* ---- the process ---- */

static void next(struct ingest_measure *m);

static void measured(struct ingest_measure *m)
{
    assert(m->current);
    struct ingest_note *note = &m->current->note;
    m->current = NULL;
    ingest_notes_add(&m->measured, note);
}

static void not_measured(struct ingest_measure *m, const char *cause)
{
    BASE_LOG(WARN, "object_not_looked_at", LOG_S("kind", m->kind->name),
             LOG_I("instance", m->current->note.job->subject), LOG_S("cause", cause));
    base_buf_deinit(&m->current->figures);
    base_buf_printf(&m->current->figures, "!%s", cause);
    measured(m);
}

static void on_output(void *arg, struct base_bytes bytes)
{
    struct ingest_measure *m = arg;
    if (!m->current) { /* output without a request: not to be trusted any more */
        loop_process_kill(m->process, SIGKILL);
        return;
    }
    struct base_buf *line = &m->current->figures;
    base_buf_add(line, bytes.p, bytes.n);
    if (!line->err && (line->n == 0 || line->p[line->n - 1] != '\n'))
        return;
    loop_process_rearm(m->process, 0, 0);
    if (line->err)
        not_measured(m, base_err_text(line->err));
    else if (line->p[0] == '!')
        not_measured(m, "it cannot be read");
    else
        measured(m);
    next(m);
}

static const char *why_it_ended(const struct loop_process_exit *exit)
{
    switch (exit->cause) {
    case LOOP_PROCESS_TIMEOUT:
        return "it took too long";
    case LOOP_PROCESS_OUTPUT:
        return "there was too much to say";
    case LOOP_PROCESS_EXITED:
        break;
    }
    return exit->signum ? "the process crashed" : "the process ended";
}

static void on_ended(void *arg, const struct loop_process_exit *exit)
{
    struct ingest_measure *m = arg;
    m->process = NULL;
    m->ending = false;
    if (m->current)
        not_measured(m, why_it_ended(exit));
    next(m);
}

static enum base_err start(struct ingest_measure *m)
{
    const char *argv[] = {"/proc/self/exe", m->kind->name, NULL};
    struct loop_process_options options = {
        .argv = argv, .input = true, .on_output = on_output, .on_exit = on_ended, .arg = m};
    return loop_process_spawn(m->g->config->loop, &options, &m->process);
}

static void end_process(struct ingest_measure *m)
{
    if (m->process && !m->ending) {
        m->ending = true;
        loop_process_end_input(m->process);
    }
}

static void on_idle(void *arg)
{
    struct ingest_measure *m = arg;
    if (m->waiting.first)
        next(m);
    else if (!m->current)
        end_process(m);
}

/* Gives the process the next work, unless it is busy or ending. */
static void next(struct ingest_measure *m)
{
    struct ingest_note *note = m->current || m->ending ? NULL : ingest_note_take(&m->waiting);
    struct work *w = note ? work_of(note) : NULL;
    if (!w && !m->current && !m->ending) {
        if (m->draining)
            end_process(m);
        else
            loop_timer_start(m->idle, IDLE_MS, 0);
    }
    if (!w)
        return;
    enum base_err err = m->process ? BASE_OK : start(m);
    if (!err) {
        loop_process_rearm(m->process, TIMEOUT_MS, FIGURES_MAX);
        err = loop_process_write(m->process, base_buf_bytes(&w->request));
    }
    if (!err) {
        assert(!m->current && m->process);
        m->current = w;
        return;
    }
    loop_timer_start(m->idle, FORK_MS, 0); /* those that wait */
    end(w, base_err_text(err));
}

/* ---- the jobs ---- */

/* The path of the ECG to compare with; one that cannot be had is none. */
static void add_earlier(struct ingest_measure *m, struct work *w)
{
    json_t *earlier = json_object_get(w->note.job->input, "earlier");
    const char *location = json_string_value(json_object_get(earlier, "location"));
    size_t before = w->request.n;
    if (!location)
        return;
    if (store_path(m->g->config->store, location, &w->request))
        w->request.n = before;
    else
        w->earlier = json_integer_value(json_object_get(earlier, "instance"));
}

static void run(void *arg, struct model_job *job)
{
    struct ingest_measure *m = arg;
    const char *location = json_string_value(json_object_get(job->input, "location"));
    const char *limits = json_string_value(json_object_get(job->input, "limits"));
    struct work *w = calloc(1, sizeof *w);
    if (!w) {
        model_job_failed(job, "out of memory");
        return;
    }
    w->note.job = job;
    base_buf_printf(&w->request, "%s\t", limits ? limits : "");
    if (!location || store_path(m->g->config->store, location, &w->request)) {
        end(w, "the object is not in the store");
        return;
    }
    base_buf_add_byte(&w->request, '\t');
    add_earlier(m, w);
    base_buf_add_byte(&w->request, '\n');
    if (w->request.err) {
        end(w, base_err_text(w->request.err));
        return;
    }
    ingest_note_add(&m->waiting, &w->note); /* the claim comes with STAT first */
    next(m);
}

static bool is_ingesting(void *arg)
{
    const struct ingest_measure *m = arg;
    if (m->kind == &kinds[INGEST_MEASURE_ECG])
        return ingest_batch_waiting(m->g->batch) > 0;
    return m->g->objects > 0 || base_clock_mono_ms() - m->g->object_at < QUIET_MS;
}

enum base_err ingest_measure_start(const struct ingest *g, enum ingest_measure_kind kind,
                                   struct ingest_measure **out)
{
    const struct ingest_config *config = g->config;
    struct ingest_measure *m = calloc(1, sizeof *m);
    if (!m)
        return BASE_ENOMEM;
    m->g = g;
    m->kind = &kinds[kind];
    m->measured =
        (struct ingest_notes){.loop = config->loop, .send = send, .end = end_note, .arg = m};
    struct model_jobs_config jobs = {
        .loop = config->loop,
        .db = config->db,
        .counters = config->counters,
        .kind = m->kind->name,
        .parallel = m->kind->parallel,
        .most_seconds = MOST_SECONDS,
        .poll_ms = m->kind->poll_ms,
        .run = run,
        .busy = is_ingesting,
        .arg = m,
    };
    enum base_err err = loop_timer_new(config->loop, on_idle, m, &m->idle);
    if (!err)
        err = model_jobs_start(&jobs, &m->jobs);
    if (err) {
        ingest_measure_free(m);
        return err;
    }
    loop_timer_unref(m->idle);
    *out = m;
    return BASE_OK;
}

void ingest_measure_poke(struct ingest_measure *m, enum loop_class class)
{
    model_jobs_poke(m->jobs, class);
}

void ingest_measure_drain(struct ingest_measure *m)
{
    m->draining = true;
    model_jobs_stop(m->jobs);
    next(m);
}

void ingest_measure_let_go(struct ingest_measure *m)
{
    model_jobs_let_go(m->jobs);
}

unsigned ingest_measure_busy(const struct ingest_measure *m)
{
    return model_jobs_running(m->jobs) + (m->process != NULL);
}

void ingest_measure_free(struct ingest_measure *m)
{
    if (!m)
        return;
    model_jobs_free(m->jobs);
    loop_timer_free(m->idle);
    if (m->process) /* the worker waits no longer, but it may still call */
        loop_process_kill(m->process, SIGKILL);
    else
        free(m);
}
