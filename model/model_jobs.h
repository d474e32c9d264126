/*
 * Runs the jobs of one kind (table job): claims some, hands each to its
 * function, and claims more as they end. Any number of workers do the same; the
 * table decides who gets which. A job that has failed three times, or was under way at five ends
 * of its worker, is set aside. One that the database broke off is put back, uncounted, for
 * longer each time. The worker's name (db_config.worker) tells whose job it was.
 *
 * A job is leased for a minute, and the lease renewed while the job is under way: what a machine
 * took with it that is gone with all its workers is tried by others soon, however long it may take.
 *
 * Everything runs on the loop thread.
 */
#ifndef MODEL_JOBS_H
#define MODEL_JOBS_H

#include "base/counters.h"
#include "base/err.h"
#include "db/db.h"

#include <jansson.h>

struct model_jobs;

struct model_job {
    int64_t id;
    int64_t subject;       /* row id of what it is about */
    int64_t attempt;       /* 1, 2, 3; for the log */
    enum loop_class class; /* LOOP_STAT for what belongs to a STAT exam */
    json_t *input;         /* what job_claim says of the subject; null when it is gone */
    struct model_jobs *owner;
    struct model_job *next; /* under way */
    int64_t begun_ms;       /* monotonic */
    bool excused;           /* it failed, but not by itself */
    char error[120];        /* why, then */
    bool waiting;           /* to be put back */
};

struct model_jobs_config {
    struct loop *loop;
    struct db *db; /* as rdc_ingest */
    struct base_counters *counters;
    const char *kind;       /* of table job */
    unsigned parallel;      /* most jobs at the same time */
    unsigned most_seconds;  /* that one may take; after that another worker may try it */
    unsigned lease_seconds; /* renewed in thirds; 0: a minute */
    unsigned poll_ms;       /* how often the table is asked when nothing is known to be there */
    /* Must end with exactly one model_job_failed, or model_job_done after it
     * removed the row itself (metadata_done, report_rendered). */
    void (*run)(void *arg, struct model_job *job);
    /* Whether something is under way that goes first: then jobs are claimed only every
     * poll_ms. May be NULL. */
    bool (*busy)(void *arg);
    void *arg;
};

/* Copies the configuration (strings are borrowed) and starts. */
enum base_err model_jobs_start(const struct model_jobs_config *config,
                               struct model_jobs **out) BASE_MUST_CHECK;
/* Claims no more; jobs under way go on. */
void model_jobs_stop(struct model_jobs *j);
/* Of a worker that ends without waiting longer: what is under way is put back, and its functions
 * may end later or never. When the statements are through it is done. */
void model_jobs_let_go(struct model_jobs *j);
/* Only when none is under way (model_jobs_running is 0). Takes NULL. */
void model_jobs_free(struct model_jobs *j);
unsigned model_jobs_running(const struct model_jobs *j);
/* Runs a job that its maker claimed in the same transaction (an element of what job_claim
 * returns), so that it begins here and now. */
void model_jobs_take(struct model_jobs *j, json_t *row);
/* There is something to do; begins now, unless it is not STAT and something is under way that
 * goes first. */
void model_jobs_poke(struct model_jobs *j, enum loop_class class);
/* What goes first may be over: what was poked meanwhile begins. */
void model_jobs_resume(struct model_jobs *j);

/* Both free the job. */
void model_job_done(struct model_job *job);
/* error has no patient's name in it. */
void model_job_failed(struct model_job *job, const char *error);
/* Before model_job_failed: the database said err. If that should pass, the attempt does not count.
 */
void model_job_excuse(struct model_job *job, enum base_err err);

#endif
