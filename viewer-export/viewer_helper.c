#include "viewer-export/viewer_helper.h"

#include "base/buf.h"
#include "base/log.h"
#include "loop/loop_process.h"

#include <assert.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARALLEL = 2,
    WAITING = 64,
    TIMEOUT_MS = 30000,
    MEMORY_MIB = 2048,
    OUTPUT_MAX = 256 << 20,
    PREFIX_ARGS = 6, /* program render --memory N --cpu N */
};

/* One request: in a list while it waits or runs, freed after its callback. */
struct run {
    struct viewer_helper *h;
    struct run *next;
    viewer_helper_fn *fn;
    void *arg;
    struct loop_process *process;
    struct loop_call later; /* when it could not be started */
    enum base_err spawn_err;
    struct base_buf out;
    const char *argv[PREFIX_ARGS + VIEWER_HELPER_ARGS + 1];
    char text[]; /* the arguments, each NUL-terminated */
};

struct queue {
    struct run *first;
    struct run **last;
};

struct viewer_helper {
    struct viewer_helper_config config;
    struct queue queues[LOOP_CLASS_COUNT];
    struct run *running_list;
    unsigned running, waiting;
    bool closing;
    char memory[24], cpu[24];
};

static void start_next(struct viewer_helper *h);

static void run_free(struct run *r)
{
    base_buf_deinit(&r->out);
    free(r);
}

static void free_if_idle(struct viewer_helper *h)
{
    if (h->closing && h->running == 0)
        free(h);
}

/* The message in the line of JSON of a helper that refused. */
static void helper_message(const struct run *r, enum base_err err, char *out, size_t size)
{
    json_t *line = json_loadb((const char *)r->out.p, r->out.n, 0, NULL);
    const char *said = json_string_value(json_object_get(line, "message"));
    snprintf(out, size, "%s", said ? said : base_err_text(err));
    json_decref(line);
}

static enum base_err judge(const struct run *r, const struct loop_process_exit *exit, char *message,
                           size_t size)
{
    const struct viewer_helper_config *c = &r->h->config;
    if (r->h->closing) {
        snprintf(message, size, "the server is stopping");
        return BASE_ECANCELED;
    }
    if (exit->cause == LOOP_PROCESS_TIMEOUT || exit->signum == SIGXCPU) {
        snprintf(message, size, "it took longer than %llu ms", (unsigned long long)c->timeout_ms);
        return BASE_ETIMEOUT;
    }
    if (exit->cause == LOOP_PROCESS_OUTPUT || r->out.err) {
        snprintf(message, size, "the result is over %llu bytes", (unsigned long long)c->output_max);
        return BASE_ELIMIT;
    }
    if (exit->signum == 0 && exit->status == 0)
        return BASE_OK;
    int code = exit->status - VIEWER_HELPER_FAILED;
    if (exit->signum == 0 && code > BASE_OK && code < BASE_ERR_COUNT) {
        helper_message(r, (enum base_err)code, message, size);
        return (enum base_err)code;
    }
    BASE_LOG(ERROR, "helper_failed", LOG_I("signal", exit->signum), LOG_I("status", exit->status));
    snprintf(message, size, "the helper process failed");
    return BASE_EINTERNAL;
}

static void leave(struct run *r)
{
    struct viewer_helper *h = r->h;
    struct run **at = &h->running_list;
    while (*at != r) {
        assert(*at);
        at = &(*at)->next;
    }
    *at = r->next;
    h->running--;
}

static void finish(struct run *r, enum base_err err, const char *message)
{
    struct viewer_helper *h = r->h;
    struct base_bytes result = err ? base_bytes_of(NULL, 0) : base_buf_bytes(&r->out);
    leave(r);
    r->fn(r->arg, err, message, result);
    run_free(r);
    if (!h->closing)
        start_next(h);
    free_if_idle(h);
}

static void on_output(void *arg, struct base_bytes bytes)
{
    struct run *r = arg;
    base_buf_add(&r->out, bytes.p, bytes.n);
}

static void on_exit_of(void *arg, const struct loop_process_exit *exit)
{
    struct run *r = arg;
    char message[256] = "";
    enum base_err err = judge(r, exit, message, sizeof message);
    finish(r, err, message);
}

static void on_not_started(void *arg)
{
    struct run *r = arg;
    BASE_LOG(ERROR, "helper_not_started", LOG_S("error", base_err_text(r->spawn_err)));
    finish(r, r->h->closing ? BASE_ECANCELED : r->spawn_err, "the helper cannot be started");
}

static void start(struct viewer_helper *h, struct run *r)
{
    struct loop_process_options o = {
        .argv = r->argv,
        .on_output = on_output,
        .output_max = h->config.output_max,
        .timeout_ms = h->config.timeout_ms,
        .on_exit = on_exit_of,
        .arg = r,
    };
    r->next = h->running_list;
    h->running_list = r;
    h->running++;
    r->spawn_err = loop_process_spawn(h->config.loop, &o, &r->process);
    if (r->spawn_err)
        loop_post(h->config.loop, &r->later, on_not_started, r);
}

static struct run *take(struct viewer_helper *h)
{
    for (size_t i = 0; i < LOOP_CLASS_COUNT; i++) {
        struct queue *q = &h->queues[i];
        struct run *r = q->first;
        if (!r)
            continue;
        q->first = r->next;
        if (!q->first)
            q->last = &q->first;
        assert(h->waiting > 0);
        h->waiting--;
        return r;
    }
    return NULL;
}

static void start_next(struct viewer_helper *h)
{
    struct run *r;
    while (h->running < h->config.parallel && (r = take(h)) != NULL)
        start(h, r);
}

enum base_err viewer_helper_new(const struct viewer_helper_config *config,
                                struct viewer_helper **out)
{
    struct viewer_helper *h = calloc(1, sizeof *h);
    if (!h)
        return BASE_ENOMEM;
    h->config = *config;
    struct viewer_helper_config *c = &h->config;
    c->program = c->program ? c->program : "/proc/self/exe";
    c->parallel = c->parallel ? c->parallel : PARALLEL;
    c->waiting = c->waiting ? c->waiting : WAITING;
    c->timeout_ms = c->timeout_ms ? c->timeout_ms : TIMEOUT_MS;
    c->memory_mib = c->memory_mib ? c->memory_mib : MEMORY_MIB;
    c->output_max = c->output_max ? c->output_max : OUTPUT_MAX;
    for (size_t i = 0; i < LOOP_CLASS_COUNT; i++)
        h->queues[i].last = &h->queues[i].first;
    snprintf(h->memory, sizeof h->memory, "%llu", (unsigned long long)c->memory_mib);
    snprintf(h->cpu, sizeof h->cpu, "%llu", (unsigned long long)(c->timeout_ms + 999) / 1000);
    *out = h;
    return BASE_OK;
}

void viewer_helper_free(struct viewer_helper *h)
{
    if (!h)
        return;
    h->closing = true;
    for (struct run *r = take(h); r; r = take(h)) {
        r->fn(r->arg, BASE_ECANCELED, "the server is stopping", base_bytes_of(NULL, 0));
        run_free(r);
    }
    for (struct run *r = h->running_list; r; r = r->next)
        if (!r->spawn_err)
            loop_process_kill(r->process, SIGKILL);
    free_if_idle(h);
}

/* Copies the arguments behind the request. */
static struct run *run_new(struct viewer_helper *h, const char *const *args, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(args[i]) + 1;
    struct run *r = calloc(1, sizeof *r + bytes);
    if (!r)
        return NULL;
    const char *prefix[PREFIX_ARGS] = {h->config.program, "render", "--memory",
                                       h->memory,         "--cpu",  h->cpu};
    memcpy(r->argv, prefix, sizeof prefix);
    char *to = r->text;
    for (size_t i = 0; i < n; i++) {
        size_t k = strlen(args[i]) + 1;
        memcpy(to, args[i], k);
        r->argv[PREFIX_ARGS + i] = to;
        to += k;
    }
    r->h = h;
    return r;
}

enum base_err viewer_helper_run(struct viewer_helper *h, enum loop_class class,
                                const char *const *args, viewer_helper_fn *fn, void *arg)
{
    size_t n = 0;
    while (args[n])
        n++;
    if (n > VIEWER_HELPER_ARGS)
        return BASE_ELIMIT;
    if (h->closing || h->waiting >= h->config.waiting)
        return BASE_EUNAVAILABLE;
    struct run *r = run_new(h, args, n);
    if (!r)
        return BASE_ENOMEM;
    r->fn = fn;
    r->arg = arg;
    *h->queues[class].last = r;
    h->queues[class].last = &r->next;
    h->waiting++;
    start_next(h);
    return BASE_OK;
}

unsigned viewer_helper_running(const struct viewer_helper *h)
{
    return h->running;
}

unsigned viewer_helper_waiting(const struct viewer_helper *h)
{
    return h->waiting;
}
