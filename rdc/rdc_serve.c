/*
 * rdc serve: the supervisor. It opens one listening socket per port and worker
 * slot and keeps them, so that a worker that dies is replaced without dropping
 * a connection that waits in its queue; it forks the workers, starts them anew
 * with back-off, and ends them in order. It serves nothing itself.
 */
#include "rdc/rdc_command.h"

#include "base/clock.h"
#include "base/log.h"
#include "rdc/rdc_listen.h"
#include "rdc/rdc_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 10000,
    STEADY_MS = 5000, /* a worker that lived so long is started anew at once */
};

struct slot {
    pid_t pid; /* 0 = none */
    int http_fd;
    int dicom_fd;
    int64_t started;
    int64_t start_at; /* when to start anew */
    int64_t backoff;
};

struct supervisor {
    const struct base_conf *conf;
    struct base_conf_addr http; /* with the port that the system chose, where it was 0 */
    struct base_conf_addr dicom;
    struct rdc_shm *shm;
    struct slot slots[RDC_WORKERS_MAX];
    unsigned workers;
    unsigned running;
    int signals;
    int ready_read;
    int ready_write;
    bool announced;
    bool stopping;
};

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGCHLD);
    sigprocmask(SIG_BLOCK, set, NULL);
}

static int open_sockets(struct supervisor *s)
{
    struct base_error err;
    s->http = s->conf->http_address;
    s->dicom = s->conf->dicom_address;
    if (rdc_listen_check(&s->http, "http.address", &err) ||
        rdc_listen_check(&s->dicom, "dicom.address", &err)) {
        fprintf(stderr, "rdc serve: %s\n", err.msg);
        return -1;
    }
    for (unsigned i = 0; i < s->workers; i++) {
        if (rdc_listen_open(&s->http, &s->slots[i].http_fd, &err) ||
            rdc_listen_open(&s->dicom, &s->slots[i].dicom_fd, &err)) {
            fprintf(stderr, "rdc serve: %s\n", err.msg);
            return -1;
        }
    }
    return 0;
}

static int worker_process(const struct supervisor *s, unsigned i, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A worker ends with its supervisor, also when that is killed. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        return 1;
    close(s->signals);
    close(s->ready_read);
    for (unsigned k = 0; k < s->workers; k++) {
        if (k != i) {
            close(s->slots[k].http_fd);
            close(s->slots[k].dicom_fd);
        }
    }
    return rdc_worker_run(&(struct rdc_worker_config){
        .conf = s->conf,
        .shm = s->shm,
        .slot = i,
        .http_fd = s->slots[i].http_fd,
        .dicom_fd = s->slots[i].dicom_fd,
        .ready_fd = s->ready_write,
    });
}

static void start_worker(struct supervisor *s, unsigned i)
{
    struct slot *slot = &s->slots[i];
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        exit(worker_process(s, i, parent));
    slot->started = base_clock_mono_ms();
    if (pid < 0) {
        BASE_LOG(ERROR, "worker_fork_failed", LOG_U("slot", i), LOG_S("error", strerror(errno)));
        slot->start_at = slot->started + BACKOFF_MAX_MS;
        return;
    }
    slot->pid = pid;
    s->running++;
    BASE_LOG(INFO, "worker_started", LOG_U("slot", i), LOG_I("pid", pid));
}

static void worker_ended(struct supervisor *s, pid_t pid, int status)
{
    for (unsigned i = 0; i < s->workers; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->pid != pid)
            continue;
        int64_t now = base_clock_mono_ms();
        slot->pid = 0;
        s->running--;
        atomic_store(&s->shm->slots[i].ready, 0);
        slot->backoff = now - slot->started >= STEADY_MS ? 0
                        : slot->backoff == 0             ? BACKOFF_MIN_MS
                                                         : 2 * slot->backoff;
        if (slot->backoff > BACKOFF_MAX_MS)
            slot->backoff = BACKOFF_MAX_MS;
        slot->start_at = now + slot->backoff;
        if (!s->stopping)
            BASE_LOG(ERROR, "worker_ended", LOG_U("slot", i), LOG_I("pid", pid),
                     LOG_I("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
                     LOG_I("status", WIFEXITED(status) ? WEXITSTATUS(status) : 0),
                     LOG_I("again_in_ms", slot->backoff));
    }
}

static void reap(struct supervisor *s)
{
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        worker_ended(s, pid, status);
}

/* The line that scripts wait for: once, when every worker serves. */
static void announce(struct supervisor *s)
{
    char drained[64];
    ssize_t n = read(s->ready_read, drained, sizeof drained);
    if (n <= 0 || s->announced)
        return;
    for (unsigned i = 0; i < s->workers; i++)
        if (!atomic_load(&s->shm->slots[i].ready))
            return;
    s->announced = true;
    char http[RDC_LISTEN_TEXT];
    char dicom[RDC_LISTEN_TEXT];
    rdc_listen_text(&s->http, http);
    rdc_listen_text(&s->dicom, dicom);
    printf("rdc ready: http=http://%s dicom=%s@%s data=%s\n", http, s->conf->dicom_aet, dicom,
           s->conf->data);
    fflush(stdout);
}

static void signal_all(const struct supervisor *s, int signum)
{
    for (unsigned i = 0; i < s->workers; i++)
        if (s->slots[i].pid)
            kill(s->slots[i].pid, signum);
}

/* Milliseconds until a slot must be started anew, and starts those due. */
static int start_due(struct supervisor *s)
{
    int64_t now = base_clock_mono_ms();
    int64_t wait = 60000;
    for (unsigned i = 0; i < s->workers; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->pid == 0 && slot->start_at <= now)
            start_worker(s, i);
        if (slot->pid == 0 && slot->start_at - now < wait)
            wait = slot->start_at - now;
    }
    return wait < 0 ? 0 : (int)wait;
}

static void take_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGCHLD)
        reap(s);
    else
        s->stopping = true;
}

static void supervise(struct supervisor *s)
{
    while (!s->stopping) {
        int wait = start_due(s);
        struct pollfd fds[] = {{.fd = s->signals, .events = POLLIN},
                               {.fd = s->ready_read, .events = POLLIN}};
        if (poll(fds, 2, wait) < 0 && errno != EINTR)
            break;
        if (fds[0].revents)
            take_signal(s);
        if (fds[1].revents)
            announce(s);
    }
}

static void stop_workers(struct supervisor *s)
{
    int64_t until = base_clock_mono_ms() + (int64_t)s->conf->stop_timeout;
    BASE_LOG(INFO, "stopping", LOG_U("workers", s->running));
    signal_all(s, SIGTERM);
    while (s->running > 0) {
        int64_t left = until - base_clock_mono_ms();
        struct pollfd fd = {.fd = s->signals, .events = POLLIN};
        if (left <= 0) {
            BASE_LOG(WARN, "workers_killed", LOG_U("workers", s->running));
            signal_all(s, SIGKILL);
            left = 1000;
        }
        if (poll(&fd, 1, (int)left) > 0)
            take_signal(s);
        reap(s);
    }
}

int rdc_cmd_serve(struct rdc_context *ctx, int argc, char **argv)
{
    struct base_error err;
    int used = 0;
    if (base_conf_load_flags(&ctx->conf, argc - 1, argv + 1, &used, &err)) {
        fprintf(stderr, "rdc serve: %s\n", err.msg);
        return 2;
    }
    if (used < argc - 1) {
        fprintf(stderr, "rdc serve: does not take %s; see: rdc config\n", argv[used + 1]);
        return 2;
    }
    static struct supervisor s;
    s.conf = &ctx->conf;
    s.workers = (unsigned)ctx->conf.workers;
    sigset_t set;
    int ready[2];
    block_signals(&set);
    rdc_log_setup(&ctx->conf, "supervisor");
    s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s.signals < 0 || pipe2(ready, O_CLOEXEC | O_NONBLOCK) || rdc_shm_open(s.workers, &s.shm)) {
        fprintf(stderr, "rdc serve: %s\n", strerror(errno));
        return 1;
    }
    s.ready_read = ready[0];
    s.ready_write = ready[1];
    if (open_sockets(&s))
        return 1;
    supervise(&s);
    stop_workers(&s);
    return 0;
}
