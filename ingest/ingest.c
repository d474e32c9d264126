#include "ingest/ingest.h"

#include "ingest/ingest_metadata.h"
#include "ingest/ingest_priv.h"
#include "ingest/ingest_sweep.h"

#include <stdlib.h>

static enum base_err listen_dicom(struct ingest *g)
{
    const struct base_conf *conf = g->config->conf;
    struct net_assoc_config config = {
        .max_pdu = (uint32_t)conf->dicom_max_pdu,
        .artim_ms = (unsigned)conf->dicom_artim_seconds * 1000,
        .idle_ms = (unsigned)conf->dicom_idle_seconds * 1000,
        .max_associations = (unsigned)conf->dicom_max_associations,
        .counters = g->config->counters,
        .on_stranger = ingest_scp_stranger,
    };
    return net_assoc_listen(g->config->loop, g->config->dicom_fd, &config, &ingest_scp_handlers, g,
                            &g->server);
}

enum base_err ingest_start(const struct ingest_config *config, struct ingest **out)
{
    struct ingest *g = calloc(1, sizeof *g);
    if (!g)
        return BASE_ENOMEM;
    g->config = config;
    enum base_err err = ingest_batch_new(config->loop, config->db, &g->batch);
    if (!err)
        err = ingest_metadata_start(config, &g->metadata);
    if (!err)
        err = ingest_sweep_start(config->store, config->db);
    if (!err)
        err = listen_dicom(g);
    if (err) {
        ingest_free(g);
        return err;
    }
    *out = g;
    return BASE_OK;
}

void ingest_drain(struct ingest *g)
{
    net_assoc_server_stop(g->server);
    model_jobs_stop(g->metadata);
}

unsigned ingest_busy(const struct ingest *g)
{
    return g->objects + model_jobs_running(g->metadata);
}

void ingest_stop(struct ingest *g, void (*done)(void *arg), void *arg)
{
    net_assoc_server_close(g->server, done, arg);
    g->server = NULL;
}

void ingest_free(struct ingest *g)
{
    if (!g)
        return;
    model_jobs_free(g->metadata);
    ingest_batch_free(g->batch);
    free(g);
}
