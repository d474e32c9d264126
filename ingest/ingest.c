#include "ingest/ingest.h"

#include "ingest/ingest_commitment.h"
#include "ingest/ingest_measure.h"
#include "ingest/ingest_metadata.h"
#include "ingest/ingest_priv.h"
#include "ingest/ingest_resume.h"
#include "ingest/ingest_sweep.h"
#include "ingest/ingest_watch.h"

#include <stdlib.h>

enum { EXPIRY_FIRST_MS = 60 * 1000, EXPIRY_MS = 600 * 1000 };

static void on_expiry(void *arg)
{
    ingest_resume_sweep(arg);
}

enum base_err ingest_start(const struct ingest_config *config, struct ingest **out)
{
    struct ingest *g = calloc(1, sizeof *g);
    if (!g)
        return BASE_ENOMEM;
    g->config = config;
    enum base_err err = ingest_batch_new(config->loop, config->db, config->store, &g->batch);
    if (!err)
        err = ingest_urgent_start(config->loop, config->db, config->counters, &g->urgent);
    if (!err)
        err = ingest_metadata_start(g, &g->metadata);
    if (!err)
        err = ingest_commitment_start(config, &g->commitment);
    if (!err)
        err = ingest_check_start(g, &g->check);
    if (!err)
        err = ingest_measure_start(g, INGEST_MEASURE_ECG, &g->measure);
    if (!err)
        err = ingest_measure_start(g, INGEST_MEASURE_PIXELS, &g->pixels);
    if (!err)
        err = loop_timer_new(config->loop, on_expiry, g, &g->expiry);
    if (!err)
        err = ingest_watch_start(g, &g->watch);
    if (err) {
        ingest_free(g);
        return err;
    }
    *out = g;
    return BASE_OK;
}

enum base_err ingest_begin(struct ingest *g)
{
    const struct ingest_config *config = g->config;
    loop_timer_start(g->expiry, EXPIRY_FIRST_MS, EXPIRY_MS);
    loop_timer_unref(g->expiry);
    return ingest_sweep_start(config->loop, config->store, config->db, &g->sweep);
}

void ingest_let_go(struct ingest *g)
{
    model_jobs_let_go(g->metadata);
    model_jobs_let_go(ingest_check_jobs(g->check));
    ingest_commitment_let_go(g->commitment);
    ingest_measure_let_go(g->measure);
    ingest_measure_let_go(g->pixels);
}

void ingest_drain(struct ingest *g)
{
    model_jobs_stop(g->metadata);
    ingest_commitment_drain(g->commitment);
    model_jobs_stop(ingest_check_jobs(g->check));
    ingest_measure_drain(g->measure);
    ingest_measure_drain(g->pixels);
    ingest_sweep_stop(g->sweep);
    g->sweep = NULL;
    loop_timer_stop(g->expiry);
    ingest_watch_stop(g->watch);
    ingest_urgent_stop(g->urgent);
}

unsigned ingest_busy(const struct ingest *g)
{
    return g->objects + model_jobs_running(g->metadata) +
           model_jobs_running(ingest_check_jobs(g->check)) + ingest_measure_busy(g->measure) +
           ingest_measure_busy(g->pixels) + ingest_commitment_busy(g->commitment);
}

void ingest_free(struct ingest *g)
{
    if (!g)
        return;
    ingest_sweep_stop(g->sweep);
    loop_timer_free(g->expiry);
    ingest_watch_free(g->watch);
    model_jobs_free(g->metadata);
    ingest_commitment_free(g->commitment);
    ingest_check_free(g->check);
    ingest_measure_free(g->measure);
    ingest_measure_free(g->pixels);
    ingest_urgent_free(g->urgent);
    ingest_batch_free(g->batch);
    free(g);
}
