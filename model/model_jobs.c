#include "model/model_jobs.h"

#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"
#include "model/model_answer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_SECONDS = 10,
    PUT_BACK_MS = 1000,
    LEASE_SECONDS = 60,
};

struct model_jobs {
    struct model_jobs_config config;
    struct loop_timer *timer;
    struct loop_timer *putting; /* back, what could not be yet */
    struct loop_timer *renewing;
    struct model_job *under_way;
    unsigned running;
    bool claiming;
    bool known; /* a claim came through: what was of this worker's slot before is taken care of */
    unsigned asked; /* of the claim under way */
    bool more;      /* there may be: the last claim found some, or there was no place for one */
    bool again;     /* poked while a claim was under way, or what goes first */
    bool stat;      /* poked by STAT while there was no place */
    bool stopped;
};

static void claim(struct model_jobs *j);

static void claim_more(struct model_jobs *j)
{
    if (j->config.busy && j->config.busy(j->config.arg))
        j->again = true;
    else
        claim(j);
}

static void on_timer(void *arg)
{
    claim(arg);
}

static void free_job(struct model_job *job)
{
    json_decref(job->input);
    free(job);
}

static void start_job(struct model_jobs *j, json_t *row)
{
    struct model_job *job = calloc(1, sizeof *job);
    if (!job)
        return; /* its lease runs out, and it is tried again */
    job->id = json_integer_value(json_object_get(row, "id"));
    job->subject = json_integer_value(json_object_get(row, "subject"));
    job->attempt = json_integer_value(json_object_get(row, "attempt"));
    const char *priority = json_string_value(json_object_get(row, "priority"));
    job->class = priority && strcmp(priority, "stat") == 0 ? LOOP_STAT : LOOP_ORDINARY;
    job->input = json_incref(json_object_get(row, "input"));
    job->owner = j;
    job->begun_ms = base_clock_mono_ms();
    job->next = j->under_way;
    j->under_way = job;
    j->running++;
    j->config.run(j->config.arg, job);
}

static void on_claimed(void *arg, const struct db_outcome *outcome)
{
    struct model_jobs *j = arg;
    size_t claimed = 0;
    assert(j->claiming);
    if (outcome->err == BASE_OK) {
        j->known = true;
        json_t *rows = model_answer(outcome, 0);
        claimed = json_array_size(rows);
        for (size_t i = 0; i < claimed; i++)
            start_job(j, json_array_get(rows, i));
        json_decref(rows);
    } else if (outcome->err != BASE_ECANCELED) {
        BASE_LOG(WARN, "job_claim_failed", LOG_S("kind", j->config.kind),
                 LOG_S("sqlstate", outcome->sqlstate), LOG_S("error", base_err_text(outcome->err)));
    }
    /* Not before: one that ends at once makes room for the others of this claim. */
    j->claiming = false;
    j->more = claimed > 0;
    if (j->stat)
        claim(j);
    else if (j->again || claimed == j->asked)
        claim_more(j);
}

static void claim(struct model_jobs *j)
{
    if (j->stopped)
        return;
    if (j->running >= j->config.parallel) {
        j->more = true; /* for all that is known: when a place comes free */
        return;
    }
    if (j->claiming) {
        j->again = true;
        return;
    }
    j->stat = false;
    assert(!j->claiming && j->running < j->config.parallel);
    j->asked = j->config.parallel - j->running;
    struct db_param params[] = {db_text(j->config.kind), db_int(j->asked),
                                db_int(j->config.lease_seconds), db_bool(!j->known)};
    j->again = false;
    j->claiming = db_call(j->config.db, DB_Q_JOB_CLAIM, params, 4, on_claimed, j) == BASE_OK;
}

/* ---- leases ---- */

static void on_renewed(void *arg, const struct db_outcome *outcome)
{
    (void)arg;
    if (outcome->err && outcome->err != BASE_ECANCELED)
        BASE_LOG(WARN, "job_not_renewed", LOG_S("error", base_err_text(outcome->err)));
}

/* One that takes too long is left out: its lease runs out. */
static void on_renewing(void *arg)
{
    struct model_jobs *j = arg;
    int64_t since = base_clock_mono_ms() - (int64_t)j->config.most_seconds * 1000;
    int64_t *ids = j->running ? calloc(j->running, sizeof *ids) : NULL;
    if (!ids)
        return;
    size_t n = 0;
    for (const struct model_job *job = j->under_way; job; job = job->next)
        if (job->begun_ms > since)
            ids[n++] = job->id;
    assert(n <= j->running);
    struct base_buf scratch = {0};
    struct db_param params[] = {db_int_array(&scratch, ids, n), db_int(j->config.lease_seconds)};
    if (n > 0 && db_call(j->config.db, DB_Q_JOB_RENEW, params, 2, on_renewed, NULL))
        BASE_LOG(WARN, "job_not_renewed", LOG_S("kind", j->config.kind));
    base_buf_deinit(&scratch);
    free(ids);
}

static void on_putting(void *arg);

enum base_err model_jobs_start(const struct model_jobs_config *config, struct model_jobs **out)
{
    struct model_jobs *j = calloc(1, sizeof *j);
    if (!j)
        return BASE_ENOMEM;
    j->config = *config;
    if (!j->config.lease_seconds)
        j->config.lease_seconds = LEASE_SECONDS;
    enum base_err err = loop_timer_new(config->loop, on_timer, j, &j->timer);
    if (!err)
        err = loop_timer_new(config->loop, on_putting, j, &j->putting);
    if (!err)
        err = loop_timer_new(config->loop, on_renewing, j, &j->renewing);
    if (err) {
        model_jobs_free(j);
        return err;
    }
    loop_timer_start(j->timer, 1, config->poll_ms);
    uint64_t third_ms = (uint64_t)j->config.lease_seconds * 1000 / 3;
    loop_timer_start(j->renewing, third_ms, third_ms);
    *out = j;
    return BASE_OK;
}

void model_jobs_stop(struct model_jobs *j)
{
    j->stopped = true;
    loop_timer_stop(j->timer);
    loop_timer_start(j->putting, 0, 0);
}

void model_jobs_free(struct model_jobs *j)
{
    if (!j)
        return;
    assert(!j->under_way && !j->claiming);
    loop_timer_free(j->timer);
    loop_timer_free(j->putting);
    loop_timer_free(j->renewing);
    free(j);
}

unsigned model_jobs_running(const struct model_jobs *j)
{
    return j->running + j->claiming;
}

void model_jobs_take(struct model_jobs *j, json_t *row)
{
    start_job(j, row);
}

void model_jobs_poke(struct model_jobs *j, enum loop_class class)
{
    if (class == LOOP_STAT) {
        j->stat = true;
        claim(j);
    } else {
        claim_more(j);
    }
}

void model_jobs_resume(struct model_jobs *j)
{
    if (j->again)
        claim_more(j);
}

static void ended(struct model_job *job)
{
    struct model_jobs *j = job->owner;
    struct model_job **at = &j->under_way;
    while (*at != job) {
        assert(*at);
        at = &(*at)->next;
    }
    *at = job->next;
    assert(j->running > 0);
    j->running--;
    free_job(job);
    /* Half of them at a time: a claim costs as much as what is to be done in some. */
    if (j->stat)
        claim(j);
    else if (j->more && !j->claiming && j->running <= j->config.parallel / 2)
        claim_more(j);
}

void model_job_done(struct model_job *job)
{
    base_count(&job->owner->config.counters->jobs_done_total, 1);
    ended(job);
}

static void on_failed(void *arg, const struct db_outcome *outcome)
{
    if (outcome->err)
        BASE_LOG(WARN, "job_not_noted", LOG_S("error", base_err_text(outcome->err)));
    ended(arg);
}

/* ---- what ended for no reason of its own ---- */

static enum base_err put_back(const struct model_job *job, int seconds, db_done_fn *fn, void *arg)
{
    struct db_param params[] = {db_int(job->id), job->error[0] ? db_text(job->error) : db_null(),
                                db_int(seconds)};
    return db_call(job->owner->config.db, DB_Q_JOB_PUT_BACK, params, 3, fn, arg);
}

static void on_put_back(void *arg, const struct db_outcome *outcome)
{
    struct model_job *job = arg;
    if (!outcome->err || job->owner->stopped) {
        ended(job); /* or its lease runs out */
        return;
    }
    job->waiting = true;
    loop_timer_start(job->owner->putting, PUT_BACK_MS, 0);
}

static void try_put_back(struct model_job *job)
{
    struct model_jobs *j = job->owner;
    job->waiting = put_back(job, RETRY_SECONDS, on_put_back, job) != BASE_OK;
    if (job->waiting && j->stopped)
        ended(job);
    else if (job->waiting)
        loop_timer_start(j->putting, PUT_BACK_MS, 0);
}

static void on_putting(void *arg)
{
    struct model_jobs *j = arg;
    for (struct model_job *job = j->under_way, *next; job; job = next) {
        next = job->next;
        if (job->waiting)
            try_put_back(job);
    }
}

static void on_let_go(void *arg, const struct db_outcome *outcome)
{
    (void)arg;
    if (outcome->err)
        BASE_LOG(WARN, "job_not_put_back", LOG_S("error", base_err_text(outcome->err)));
}

void model_jobs_let_go(struct model_jobs *j)
{
    for (const struct model_job *job = j->under_way; job; job = job->next)
        if (put_back(job, 0, on_let_go, NULL))
            BASE_LOG(WARN, "job_not_put_back", LOG_S("kind", j->config.kind));
}

void model_job_excuse(struct model_job *job, enum base_err err)
{
    job->excused = err == BASE_EUNAVAILABLE || err == BASE_EUNKNOWN || err == BASE_ECANCELED ||
                   err == BASE_ELIMIT;
}

void model_job_failed(struct model_job *job, const char *error)
{
    struct model_jobs *j = job->owner;
    base_count(&j->config.counters->jobs_failed_total, 1);
    BASE_LOG(WARN, "job_failed", LOG_S("kind", j->config.kind), LOG_I("subject", job->subject),
             LOG_I("attempt", job->attempt), LOG_S("error", error));
    if (job->excused) {
        snprintf(job->error, sizeof job->error, "%s", error);
        try_put_back(job);
        return;
    }
    struct db_param params[] = {db_int(job->id), db_text(error), db_int(RETRY_SECONDS)};
    if (db_call(j->config.db, DB_Q_JOB_FAILED, params, 3, on_failed, job))
        ended(job); /* its lease runs out */
}
