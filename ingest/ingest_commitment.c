#include "ingest/ingest_commitment.h"

#include "base/log.h"
#include "ingest/ingest_commitment_check.h"
#include "ingest/ingest_commitment_report.h"
#include "model/model_jobs.h"
#include "model/model_answer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CHECKS = 4,
    CHECK_MOST_SECONDS = 600,
    REPORTS = 8,             /* devices that this worker reports to at a time */
    TELL_LEASE_SECONDS = 15, /* of a report on the association that asked */
    POLL_MS = 1000
};

/* A result that is due, but whose association was busy. */
struct later {
    struct later *next;
    struct ingest_commitment *c;
    int64_t id;
    struct api_scp_hold *hold;
};

struct ingest_commitment {
    const struct ingest_config *config;
    struct model_jobs *jobs;
    struct loop_timer *timer;
    struct api_scp_hold *begun; /* for the check that is being started right now */
    struct later *later;
    unsigned calling; /* reports under way on new associations */
    unsigned telling; /* on the associations that asked; their devices may be silent for long */
    unsigned asking;  /* database calls under way for later ones */
    bool claiming;
    bool draining;
};

/* A check under way. */
struct checking {
    struct ingest_commitment *c;
    struct model_job *job;
    struct api_scp_hold *hold;
};

/* A report under way: the row's id and the lease that entitles us to end it. */
struct reporting {
    struct ingest_commitment *c;
    json_t *row;
    int64_t id;
    int64_t lease;
    bool told; /* on the association that asked: after a failure the next try is due at once */
};

static void claim(struct ingest_commitment *c);

/* ---- reports ---- */

static void reporting_free(struct reporting *r)
{
    struct ingest_commitment *c = r->c;
    assert(r->told ? c->telling > 0 : c->calling > 0);
    if (r->told)
        c->telling--;
    else
        c->calling--;
    json_decref(r->row);
    free(r);
    claim(c);
}

static void on_noted(void *arg, const struct db_outcome *outcome)
{
    struct reporting *r = arg;
    /* If this could not be noted, the lease runs out and the report is sent again. */
    if (outcome->err)
        BASE_LOG(WARN, "commitment_not_noted", LOG_I("commitment", r->id),
                 LOG_S("error", base_err_text(outcome->err)));
    reporting_free(r);
}

static void on_reported(void *arg, const char *error)
{
    struct reporting *r = arg;
    const struct base_conf *conf = r->c->config->conf;
    if (error)
        BASE_LOG(WARN, "commitment_not_reported", LOG_I("commitment", r->id),
                 LOG_S("cause", error));
    else
        BASE_LOG(INFO, "commitment_reported", LOG_I("commitment", r->id));
    struct db_param params[] = {db_int(r->id), db_int(r->lease), db_text(error),
                                db_int(r->told ? 0 : conf->delivery_retry_min_seconds),
                                db_int(conf->delivery_retry_max_seconds)};
    if (db_call(r->c->config->db, DB_Q_COMMITMENT_DONE, params, 5, on_noted, r))
        reporting_free(r);
}

/* Takes row. NULL when out of memory: its lease runs out. */
static struct reporting *reporting_new(struct ingest_commitment *c, json_t *row, bool told)
{
    struct reporting *r = calloc(1, sizeof *r);
    if (!r) {
        json_decref(row);
        return NULL;
    }
    r->c = c;
    r->row = row;
    r->id = json_integer_value(json_object_get(row, "id"));
    r->lease = json_integer_value(json_object_get(row, "lease"));
    r->told = told;
    if (told)
        c->telling++;
    else
        c->calling++;
    return r;
}

static void on_claimed(void *arg, const struct db_outcome *outcome)
{
    struct ingest_commitment *c = arg;
    assert(c->claiming);
    c->claiming = false;
    if (outcome->err) {
        if (outcome->err != BASE_ECANCELED)
            BASE_LOG(WARN, "commitment_claim_failed", LOG_S("sqlstate", outcome->sqlstate),
                     LOG_S("error", base_err_text(outcome->err)));
        return;
    }
    json_t *rows = model_answer(outcome, 0);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        struct reporting *r = reporting_new(c, json_incref(json_array_get(rows, i)), false);
        if (r)
            ingest_commitment_call(c->config, r->row, on_reported, r);
    }
    json_decref(rows);
}

static void claim(struct ingest_commitment *c)
{
    if (c->draining || c->claiming || c->calling >= REPORTS)
        return;
    struct db_param params[] = {db_int(REPORTS - c->calling),
                                db_int(INGEST_COMMITMENT_LEASE_SECONDS)};
    c->claiming =
        db_call(c->config->db, DB_Q_COMMITMENT_CLAIM, params, 2, on_claimed, c) == BASE_OK;
}

/* ---- reports that wait for their association ---- */

static void later_free(struct later *l)
{
    api_scp_let_go(l->hold);
    free(l);
}

/* Takes hold, which may be NULL. */
static void add_later(struct ingest_commitment *c, int64_t id, struct api_scp_hold *hold)
{
    struct later *l = hold && api_scp_hold_open(hold) && !c->draining ? calloc(1, sizeof *l) : NULL;
    if (!l) {
        api_scp_let_go(hold);
        return;
    }
    *l = (struct later){.next = c->later, .c = c, .id = id, .hold = hold};
    c->later = l;
}

static void on_asked(void *arg, const struct db_outcome *outcome)
{
    struct later *l = arg;
    struct ingest_commitment *c = l->c;
    json_t *row = model_answer(outcome, 0);
    struct reporting *r = json_is_object(row) ? reporting_new(c, json_incref(row), true) : NULL;
    json_decref(row);
    assert(c->asking > 0);
    c->asking--;
    if (r) {
        ingest_commitment_tell(l->hold, r->row, on_reported, r);
        l->hold = NULL;
    }
    later_free(l);
}

/* True: l has left the list. */
static bool tell_later(struct ingest_commitment *c, struct later *l)
{
    struct db_param params[] = {db_int(l->id), db_int(TELL_LEASE_SECONDS)};
    if (!api_scp_hold_open(l->hold) || c->draining) {
        later_free(l);
        return true;
    }
    if (!api_scp_hold_idle(l->hold) ||
        db_call(c->config->db, DB_Q_COMMITMENT_TELL, params, 2, on_asked, l))
        return false;
    c->asking++;
    return true;
}

static void tell_those_who_wait(struct ingest_commitment *c)
{
    struct later *l = c->later;
    c->later = NULL;
    while (l) {
        struct later *next = l->next;
        if (!tell_later(c, l)) {
            l->next = c->later;
            c->later = l;
        }
        l = next;
    }
}

static void on_tick(void *arg)
{
    tell_those_who_wait(arg);
    claim(arg);
}

/* ---- checks ---- */

static void give_up(struct checking *k, const char *error)
{
    struct model_job *job = k->job;
    api_scp_let_go(k->hold);
    free(k);
    model_job_failed(job, error);
}

static void look(struct checking *k);

static void log_damaged(const struct checking *k)
{
    const json_t *item;
    size_t i;
    json_array_foreach(k->job->input, i, item)
    {
        if (json_integer_value(json_object_get(item, "failure")) == INGEST_FAILURE_PROCESSING)
            BASE_LOG(ERROR, "object_damaged",
                     LOG_S("location", json_string_value(json_object_get(item, "location"))),
                     LOG_S("remedy", "rdc fsck"));
    }
}

static void on_noted_check(void *arg, const struct db_outcome *outcome)
{
    struct checking *k = arg;
    struct ingest_commitment *c = k->c;
    struct api_scp_hold *hold = k->hold;
    if (outcome->err) {
        model_job_excuse(k->job, outcome->err);
        give_up(k, base_err_text(outcome->err));
        return;
    }
    json_t *row = model_answer(outcome, 0);
    json_t *again = json_object_get(row, "again");
    int64_t id = k->job->subject;
    if (again) {
        json_decref(k->job->input);
        k->job->input = json_incref(again);
        json_decref(row);
        look(k);
        return;
    }
    log_damaged(k);
    model_job_done(k->job);
    free(k);
    struct reporting *r = row ? reporting_new(c, row, true) : NULL;
    if (r && api_scp_hold_idle(hold)) {
        ingest_commitment_tell(hold, r->row, on_reported, r);
        return;
    }
    const char *why = hold && api_scp_hold_open(hold)
                          ? "the association that asked has begun something else"
                          : "the association that asked has ended";
    add_later(c, id, hold);
    if (r) {
        on_reported(r, why);
    } else {
        claim(c);
    }
}

/* Writes the results, with the locations that were read, to the database. */
static enum base_err note_check(struct checking *k, const uint16_t *failures, size_t n)
{
    struct base_buf list = {0};
    struct base_buf scratch = {0};
    const char **places = calloc(n ? n : 1, sizeof *places);
    if (!places)
        return BASE_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        base_buf_add_byte(&list, i ? ',' : '{');
        if (failures[i])
            base_buf_printf(&list, "%u", (unsigned)failures[i]);
        else
            base_buf_add_str(&list, "null");
        json_t *item = json_array_get(k->job->input, i);
        if (json_object_set_new(item, "failure", json_integer(failures[i])))
            list.err = BASE_ENOMEM;
        places[i] = json_string_value(json_object_get(item, "location"));
        places[i] = places[i] ? places[i] : "";
    }
    base_buf_add_byte(&list, '}');
    bool open = k->hold && api_scp_hold_idle(k->hold);
    struct db_param params[] = {db_int(k->job->id), db_int(k->job->subject),
                                db_text(base_buf_cstr(&list)), db_text_array(&scratch, places, n),
                                open ? db_int(TELL_LEASE_SECONDS) : db_null()};
    enum base_err err =
        list.err ? list.err
                 : db_call(k->c->config->db, DB_Q_COMMITMENT_CHECKED, params, 5, on_noted_check, k);
    base_buf_deinit(&list);
    base_buf_deinit(&scratch);
    free(places);
    return err;
}

static void on_checked(void *arg, const uint16_t *failures, size_t n)
{
    struct checking *k = arg;
    enum base_err err = failures ? note_check(k, failures, n) : BASE_ECANCELED;
    if (err) {
        model_job_excuse(k->job, err);
        give_up(k, failures ? base_err_text(err) : "stopped");
    }
}

static void look(struct checking *k)
{
    if (ingest_commitment_check(k->c->config, k->job->input, LOOP_ORDINARY, on_checked, k))
        give_up(k, "out of memory");
}

/* The list is read here and not with the job, since the N-ACTION is answered before that. */
static void on_begun(void *arg, const struct db_outcome *outcome)
{
    struct checking *k = arg;
    if (outcome->err) {
        model_job_excuse(k->job, outcome->err);
        give_up(k, base_err_text(outcome->err));
        return;
    }
    json_decref(k->job->input);
    k->job->input = model_answer(outcome, 0);
    if (json_is_array(k->job->input)) {
        look(k);
        return;
    }
    /* Another worker has checked it meanwhile, which reports it. */
    api_scp_let_go(k->hold);
    model_job_done(k->job);
    free(k);
}

static void run(void *arg, struct model_job *job)
{
    struct ingest_commitment *c = arg;
    struct checking *k = calloc(1, sizeof *k);
    if (!k) {
        model_job_failed(job, "out of memory");
        return;
    }
    k->c = c;
    k->job = job;
    k->hold = c->begun;
    c->begun = NULL;
    struct db_param params[] = {db_int(job->subject)};
    enum base_err err = db_call(c->config->db, DB_Q_COMMITMENT_BEGIN, params, 1, on_begun, k);
    if (err) {
        model_job_excuse(job, err);
        give_up(k, base_err_text(err));
    }
}

void ingest_commitment_begin(struct ingest_commitment *c, json_t *job, struct api_scp_hold *hold)
{
    assert(!c->begun); /* run takes it inside of model_jobs_take, or nobody does */
    c->begun = hold;
    model_jobs_take(c->jobs, job);
    api_scp_let_go(c->begun);
    c->begun = NULL;
}

enum base_err ingest_commitment_start(const struct ingest_config *config,
                                      struct ingest_commitment **out)
{
    struct ingest_commitment *c = calloc(1, sizeof *c);
    if (!c)
        return BASE_ENOMEM;
    c->config = config;
    struct model_jobs_config jobs = {
        .loop = config->loop,
        .db = config->db,
        .counters = config->counters,
        .kind = "commitment",
        .parallel = CHECKS,
        .most_seconds = CHECK_MOST_SECONDS,
        .poll_ms = POLL_MS,
        .run = run,
        .arg = c,
    };
    enum base_err err = loop_timer_new(config->loop, on_tick, c, &c->timer);
    if (!err)
        err = model_jobs_start(&jobs, &c->jobs);
    if (err) {
        ingest_commitment_free(c);
        return err;
    }
    loop_timer_start(c->timer, 1, POLL_MS);
    *out = c;
    return BASE_OK;
}

void ingest_commitment_drain(struct ingest_commitment *c)
{
    c->draining = true;
    loop_timer_stop(c->timer);
    model_jobs_stop(c->jobs);
    tell_those_who_wait(c); /* lets them go */
}

void ingest_commitment_let_go(struct ingest_commitment *c)
{
    model_jobs_let_go(c->jobs);
}

unsigned ingest_commitment_busy(const struct ingest_commitment *c)
{
    return c->calling + c->telling + c->claiming + c->asking + model_jobs_running(c->jobs);
}

void ingest_commitment_free(struct ingest_commitment *c)
{
    if (!c)
        return;
    assert(!c->later && !c->calling && !c->telling && !c->claiming && !c->asking);
    loop_timer_free(c->timer);
    model_jobs_free(c->jobs);
    free(c);
}
