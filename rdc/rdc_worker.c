#include "rdc/rdc_worker.h"

#include "api/api_limits_http.h"
#include "base/clock.h"
#include "base/log.h"
#include "delivery/delivery.h"
#include "dicom/shim/shim.h"
#include "ingest/ingest.h"
#include "rdc/rdc_command.h"
#include "rdc/rdc_probe.h"
#include "rdc/rdc_tls.h"
#include "report/report_job.h"
#include "viewer-export/viewer.h"
#include "worklist/worklist.h"
#include "worklist/worklist_hl7.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    IDLE_CHECK_MS = 50,
    STORE_CHECK_MS = 100,
    REPORT_WAIT_MS = 8000,
    TABLES = 4,
    SERVICE_TABLES = 2,
    FOLDER_THREADS = 2,
};

/* The parts of a worker, in the order in which they are made. Until the store is known to be the
 * one of the database, both are held: the ports answer as they do while the database is away, and
 * nothing in the data folder is touched. */
struct worker {
    const struct rdc_worker_config *config;
    const struct base_conf *conf;
    struct base_counters *counters;
    struct loop *loop;
    struct db *api_db;
    struct db *queue_db;
    struct store *store;
    struct api api;
    struct api_limits *limits;
    struct rdc_probe probe;
    struct ingest_config ingest_config;
    struct ingest *ingest;
    struct report_job_config report_config;
    struct model_jobs *report;
    struct delivery_config delivery_config;
    struct delivery *delivery;
    struct viewer_config viewer_config;
    struct viewer *viewer;
    struct worklist_clock *clock;
    struct worklist_hl7 *hl7; /* NULL: not served */
    struct worklist_scp_config worklist_config;
    struct api_scp_table services[SERVICE_TABLES];
    struct api_scp_config scp_config;
    struct api_scp *scp;
    struct net_http_table tables[TABLES];
    struct net_http_server *http;
    struct net_http_server *https; /* NULL: not served */
    struct rdc_tls tls;
    struct loop_signal *sighup;
    struct loop_signal *sigterm;
    struct loop_signal *sigint;
    struct loop_timer *idle;
    struct loop_timer *store_found;
    int64_t stop_by;
    int64_t exit_by; /* what was let go is noted by then */
    bool let_go;
    bool stopping;
    bool failed;
    unsigned http_serving; /* servers that have not stopped */
};

static enum base_err open_databases(struct worker *w)
{
    char fence[PATH_MAX];
    snprintf(fence, sizeof fence, "%s/timeline", w->conf->data);
    struct db_config config = {
        .conninfo = w->conf->database,
        .role = "rdc_api",
        .connections = (unsigned)w->conf->database_connections,
        .fence = fence,
        .held = true,
        .worker = w->config->name,
    };
    enum base_err err = db_open(w->loop, &config, &w->api_db);
    if (err)
        return err;
    config.role = "rdc_ingest";
    config.by_index = true;
    return db_open(w->loop, &config, &w->queue_db);
}

static enum base_err open_limits(struct worker *w)
{
    struct api_limits_config config = {
        .loop = w->loop,
        .conf = w->conf,
        .counters = w->counters,
        .quota = &w->config->shm->quota,
        .slot = w->config->slot,
    };
    return api_limits_new(&config, &w->limits);
}

static enum base_err open_store(struct worker *w)
{
    struct store_config config = {
        .reserve = w->conf->disk_reserve,
        .segment = w->conf->store_segment,
        .buffered = w->conf->store_buffered,
        .held = true,
    };
    return store_open(w->loop, w->conf->data, w->config->slot, &config, &w->store);
}

static enum base_err start_flows(struct worker *w)
{
    w->api = (struct api){.loop = w->loop, .db = w->api_db, .conf = w->conf, .limits = w->limits};
    w->ingest_config = (struct ingest_config){
        .loop = w->loop,
        .db = w->queue_db,
        .api = &w->api,
        .store = w->store,
        .limits = w->limits,
        .conf = w->conf,
        .counters = w->counters,
    };
    w->report_config = (struct report_job_config){
        .loop = w->loop, .db = w->queue_db, .store = w->store, .counters = w->counters};
    w->delivery_config = (struct delivery_config){
        .loop = w->loop,
        .db = w->queue_db,
        .store = w->store,
        .conf = w->conf,
        .counters = w->counters,
        .tls = w->tls.peers,
    };
    w->viewer_config = (struct viewer_config){
        .loop = w->loop,
        .api = &w->api,
        .store = w->store,
        .conf = w->conf,
        .report_wait_ms = REPORT_WAIT_MS,
    };
    enum base_err err = ingest_start(&w->ingest_config, &w->ingest);
    if (!err)
        err = report_job_start(&w->report_config, &w->report);
    if (!err)
        err = delivery_start(&w->delivery_config, &w->delivery);
    if (!err)
        err = viewer_start(&w->viewer_config, &w->viewer);
    if (!err)
        err = worklist_clock_start(w->loop, w->queue_db, &w->clock);
    return err;
}

static void on_stranger(void *arg, const char *address, const char *text)
{
    const struct worker *w = arg;
    api_scp_note_stranger(w->scp, address, text);
}

static enum base_err start_hl7(struct worker *w)
{
    struct worklist_hl7_config config = {
        .loop = w->loop,
        .db = w->queue_db,
        .fd = w->config->fds[RDC_PORT_HL7],
        .tls_fd = w->config->fds[RDC_PORT_HL7_TLS],
        .tls = w->tls.hl7_tls,
        .on_stranger = on_stranger,
        .arg = w,
    };
    return config.fd < 0 && config.tls_fd < 0 ? BASE_OK : worklist_hl7_start(&config, &w->hl7);
}

static enum base_err start_dicom(struct worker *w)
{
    w->worklist_config =
        (struct worklist_scp_config){.loop = w->loop, .db = w->queue_db, .conf = w->conf};
    w->services[0] = ingest_scp(w->ingest);
    w->services[1] = worklist_scp(&w->worklist_config);
    w->scp_config = (struct api_scp_config){
        .loop = w->loop,
        .db = w->queue_db,
        .conf = w->conf,
        .counters = w->counters,
        .limits = w->limits,
        .fd = w->config->fds[RDC_PORT_DICOM],
        .tls_fd = w->config->fds[RDC_PORT_DICOM_TLS],
        .tls = w->tls.dicom_tls,
        .tables = w->services,
        .table_count = SERVICE_TABLES,
    };
    return api_scp_start(&w->scp_config, &w->scp);
}

static void on_http_result(void *arg, const struct net_http_result *r)
{
    struct worker *w = arg;
    api_limits_http_end(w->limits, r->ticket);
    base_count(&w->counters->http_requests_total, 1);
    if (r->status == 429)
        base_count(&w->counters->http_limited_total, 1);
    if (r->status >= 500)
        base_count(&w->counters->http_failures_total, 1);
}

static unsigned on_http_admit(void *arg, struct net_http_request *req)
{
    const struct worker *w = arg;
    return api_limits_http_admit(w->limits, req);
}

static void on_http_collect(void *arg, struct net_http_request *req)
{
    const struct worker *w = arg;
    if (strncmp(net_http_route_path(req), "/fhir", 5) == 0)
        worklist_fhir_collect(&w->api, req);
    else
        api_collect(&w->api, req);
}

static bool on_http_body(void *arg, struct net_http_request *req, size_t n)
{
    const struct worker *w = arg;
    return api_limits_http_body(w->limits, req, n);
}

static uint64_t max_upload(const struct base_conf *conf)
{
    uint64_t object = conf->upload_max_bytes;
    if (conf->upload_max_body)
        return conf->upload_max_body;
    return object > INT64_MAX / 4 ? INT64_MAX : 4 * object;
}

static enum base_err start_http(struct worker *w)
{
    w->probe = (struct rdc_probe){.db = w->queue_db, .shm = w->config->shm, .conf = w->conf};
    w->tables[0] = worklist_http(&w->api);
    w->tables[1] = ingest_http(w->ingest);
    w->tables[2] = viewer_http(w->viewer);
    w->tables[3] = rdc_probe_http(&w->probe);
    struct net_http_options options = {
        .loop = w->loop,
        .fd = w->config->fds[RDC_PORT_HTTP],
        .tables = w->tables,
        .table_count = TABLES,
        .max_connections = (size_t)w->conf->http_max_connections,
        .max_body = w->conf->http_max_body,
        .max_stream = max_upload(w->conf),
        .header_timeout_ms = w->conf->http_header_timeout,
        .body_timeout_ms = w->conf->http_body_timeout,
        .idle_timeout_ms = w->conf->http_idle_timeout,
        .on_result = on_http_result,
        .on_admit = on_http_admit,
        .on_collect = on_http_collect,
        .on_body = on_http_body,
        .on_stranger = on_stranger,
        .arg = w,
    };
    enum base_err err = net_http_server_new(&options, &w->http);
    w->http_serving = 1;
    if (!err && w->tls.https) {
        options.fd = w->config->fds[RDC_PORT_HTTPS];
        options.tls = w->tls.https;
        err = net_http_server_new(&options, &w->https);
        w->http_serving = 2;
    }
    return err;
}

/* ---- the begin ---- */

static enum base_err serve(struct worker *w)
{
    const struct rdc_worker_config *config = w->config;
    enum base_err err = store_begin(w->store);
    if (!err)
        err = ingest_begin(w->ingest);
    if (err)
        return err;
    db_release(w->api_db);
    db_release(w->queue_db);
    atomic_store(&config->shm->slots[config->slot].ready, 1);
    if (write(config->ready_fd, "r", 1) < 0)
        BASE_LOG(WARN, "supervisor_gone", LOG_U("slot", config->slot));
    return BASE_OK;
}

static void start_failed(const char *step, enum base_err err)
{
    BASE_LOG(ERROR, "worker_start_failed", LOG_S("step", step), LOG_S("error", base_err_text(err)));
}

static void on_store_check(void *arg)
{
    struct worker *w = arg;
    if (!atomic_load(&w->config->shm->store_found))
        return;
    loop_timer_stop(w->store_found);
    enum base_err err = serve(w);
    w->failed = err != BASE_OK;
    if (err) {
        start_failed("store", err);
        loop_stop(w->loop);
    }
}

/* ---- the end, in order: no new work, then what is under way, then the rest ---- */

static unsigned busy(const struct worker *w)
{
    struct db_stats queue;
    struct db_stats api;
    db_stats(w->queue_db, &queue);
    db_stats(w->api_db, &api);
    return (w->hl7 ? worklist_hl7_busy(w->hl7) : 0) + w->http_serving + ingest_busy(w->ingest) +
           model_jobs_running(w->report) + delivery_busy(w->delivery) + viewer_busy(w->viewer) +
           queue.running + queue.waiting + api.running + api.waiting;
}

static void on_scp_stopped(void *arg)
{
    struct worker *w = arg;
    loop_stop(w->loop);
}

static void on_idle_check(void *arg)
{
    struct worker *w = arg;
    int64_t now = base_clock_mono_ms();
    bool is_busy = busy(w) > 0;
    if (is_busy && now < w->stop_by)
        return;
    if (is_busy && !w->let_go) {
        w->let_go = true;
        ingest_let_go(w->ingest);
        model_jobs_let_go(w->report);
    }
    struct db_stats queue;
    db_stats(w->queue_db, &queue);
    if (is_busy && queue.running + queue.waiting && now < w->exit_by)
        return;
    loop_timer_stop(w->idle);
    api_scp_stop(w->scp, on_scp_stopped, w);
}

static void on_http_stopped(void *arg)
{
    struct worker *w = arg;
    w->http_serving--;
}

static void on_signal(void *arg, int signum)
{
    struct worker *w = arg;
    (void)signum;
    if (w->stopping)
        return;
    w->stopping = true;
    loop_timer_stop(w->store_found);
    /* The supervisor waits for all of stop.timeout before it kills. Before the store is known
     * nothing was taken that could be lost. */
    int64_t patience =
        atomic_load(&w->config->shm->store_found) ? (int64_t)w->conf->stop_timeout : 0;
    w->stop_by = base_clock_mono_ms() + patience * 8 / 10;
    w->exit_by = w->stop_by + patience / 10;
    api_scp_drain(w->scp);
    ingest_drain(w->ingest);
    model_jobs_stop(w->report);
    delivery_drain(w->delivery);
    worklist_clock_stop(w->clock);
    if (w->hl7)
        worklist_hl7_drain(w->hl7);
    net_http_server_stop(w->http, on_http_stopped, w);
    if (w->https)
        net_http_server_stop(w->https, on_http_stopped, w);
    loop_timer_start(w->idle, IDLE_CHECK_MS, IDLE_CHECK_MS);
}

static void on_hangup(void *arg, int signum)
{
    struct worker *w = arg;
    (void)signum;
    rdc_tls_reload(&w->tls);
}

static enum base_err watch_signals(struct worker *w)
{
    enum base_err err = loop_signal_new(w->loop, SIGTERM, on_signal, w, &w->sigterm);
    if (!err)
        err = loop_signal_new(w->loop, SIGHUP, on_hangup, w, &w->sighup);
    if (!err)
        err = loop_signal_new(w->loop, SIGINT, on_signal, w, &w->sigint);
    if (!err)
        err = loop_timer_new(w->loop, on_idle_check, w, &w->idle);
    if (!err)
        err = loop_timer_new(w->loop, on_store_check, w, &w->store_found);
    if (!err)
        atomic_store(&w->config->shm->slots[w->config->slot].reloads, 1);
    return err;
}

/* Only when nothing is under way: no callback may find what is freed here. */
static void close_all(struct worker *w)
{
    net_http_server_free(w->http);
    net_http_server_free(w->https);
    db_close(w->api_db);
    db_close(w->queue_db);
    viewer_free(w->viewer);
    store_close(w->store);
    loop_timer_free(w->idle);
    loop_timer_free(w->store_found);
    loop_signal_free(w->sighup);
    loop_signal_free(w->sigterm);
    loop_signal_free(w->sigint);
    delivery_free(w->delivery);
    model_jobs_free(w->report);
    worklist_hl7_free(w->hl7);
    ingest_free(w->ingest);
    api_scp_free(w->scp);
    api_limits_free(w->limits);
    loop_free(w->loop);
    rdc_tls_close(&w->tls);
}

struct step {
    const char *name;
    enum base_err (*run)(struct worker *w);
};

static enum base_err open_loop(struct worker *w)
{
    struct loop_options options = {.disk_threads = (unsigned)w->conf->disk_threads,
                                   .cpu_threads = (unsigned)w->conf->cpu_threads,
                                   .folder_threads = FOLDER_THREADS,
                                   .login_threads = 1};
    return loop_new(&options, &w->loop);
}

static enum base_err load_certificates(struct worker *w)
{
    struct base_error error = {.msg = ""};
    enum base_err err = rdc_tls_open(w->conf, &w->tls, &error);
    if (err)
        BASE_LOG(ERROR, "certificates_not_loaded", LOG_S("detail", error.msg));
    return err;
}

static enum base_err load_dictionary(struct worker *w)
{
    struct base_error error = {.msg = ""};
    enum base_err err = shim_init(&error);
    (void)w;
    if (err)
        BASE_LOG(ERROR, "dictionary_missing", LOG_S("detail", error.msg));
    return err;
}

static enum base_err start(struct worker *w)
{
    static const struct step steps[] = {
        {"dictionary", load_dictionary},
        {"certificates", load_certificates},
        {"loop", open_loop},
        {"signals", watch_signals},
        {"database", open_databases},
        {"store", open_store},
        {"limits", open_limits},
        {"flows", start_flows},
        {"dicom", start_dicom},
        {"hl7", start_hl7},
        {"http", start_http},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        enum base_err err = steps[i].run(w);
        if (err) {
            start_failed(steps[i].name, err);
            return err;
        }
    }
    return BASE_OK;
}

uint64_t rdc_worker_descriptors(const struct base_conf *conf)
{
    enum { OTHERS = 256 };
    return (uint64_t)conf->dicom_max_associations + (uint64_t)conf->http_max_connections + OTHERS;
}

/* The kernel's table of descriptors doubles when it is full, and in a process with threads that
 * waits for all processors: the loop stood still for 9 to 23 ms each time, up to 2000 associations
 * five times. Before the threads it costs nothing. */
static void reserve_descriptors(const struct base_conf *conf)
{
    struct rlimit most;
    rlim_t wanted = rdc_worker_descriptors(conf);
    if (getrlimit(RLIMIT_NOFILE, &most))
        return;
    int last = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC,
                     (int)(wanted < most.rlim_cur ? wanted : most.rlim_cur) - 1);
    if (last >= 0)
        close(last);
}

int rdc_worker_run(const struct rdc_worker_config *config)
{
    struct worker w = {
        .config = config,
        .conf = config->conf,
        .counters = &config->shm->slots[config->slot].counters,
    };
    char name[32];
    snprintf(name, sizeof name, "worker %u", config->slot);
    rdc_log_setup(config->conf, name);
    prctl(PR_SET_NAME, name);
    rdc_shm_begin(config->shm, config->slot);
    reserve_descriptors(config->conf);
    if (start(&w))
        return 1;
    /* The servers listen on duplicates. Without these a worker that outlives
     * its supervisor for a moment gives the ports up when it begins to drain. */
    for (int port = 0; port < RDC_PORTS; port++)
        if (config->fds[port] >= 0)
            close(config->fds[port]);
    loop_timer_start(w.store_found, 1, STORE_CHECK_MS);
    loop_run(w.loop);
    /* Where something is under way it holds what close_all would free: the process ends as it is.
     */
    if (w.failed)
        _exit(1);
    if (busy(&w)) {
        /* stop.timeout is over: what is not acknowledged will be sent again. */
        BASE_LOG(WARN, "stopped_while_busy", LOG_U("under_way", busy(&w)));
        _exit(0);
    }
    close_all(&w);
    return 0;
}
