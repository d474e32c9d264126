#include "viewer-export/viewer.h"

#include "viewer-export/viewer_priv.h"

#include <stdlib.h>

static const struct net_http_route routes[] = {
    {"GET", "/api/v1/instances/{uid}/rendered",
     "cabrera, device_beats, dpi, format, frame, from, gain, lead, marks, max_side, number, page, "
     "seconds, speed, type, window",
     viewer_get_rendered, NET_HTTP_BODY_NONE, 0, 0},
    {"GET", "/api/v1/exams/{id}/report.pdf", "version", viewer_get_report, NET_HTTP_BODY_NONE, 0,
     0},
};

enum base_err viewer_start(const struct viewer_config *config, struct viewer **out)
{
    struct viewer *v = calloc(1, sizeof *v);
    if (!v)
        return BASE_ENOMEM;
    v->config = *config;
    const struct viewer_helper_config helper = {
        .loop = config->loop,
        .parallel = (unsigned)config->conf->cpu_threads,
        .timeout_ms = (uint64_t)config->conf->render_timeout_seconds * 1000,
        .memory_mib = config->conf->render_memory >> 20,
    };
    enum base_err err = viewer_helper_new(&helper, &v->helper);
    if (err) {
        free(v);
        return err;
    }
    *out = v;
    return BASE_OK;
}

unsigned viewer_busy(const struct viewer *v)
{
    return viewer_helper_running(v->helper) + viewer_helper_waiting(v->helper) + v->reading;
}

void viewer_reading(struct viewer *v)
{
    v->reading++;
}

void viewer_read_done(struct viewer *v)
{
    if (--v->reading == 0 && v->closing)
        free(v);
}

void viewer_free(struct viewer *v)
{
    if (!v)
        return;
    viewer_helper_free(v->helper);
    v->closing = true;
    if (v->reading == 0)
        free(v);
}

struct net_http_table viewer_http(struct viewer *v)
{
    return (struct net_http_table){routes, sizeof routes / sizeof routes[0], v};
}
