/*
 * rdc serve: the supervisor. It opens one listening socket per port and worker
 * slot and keeps them, so that a worker that dies is replaced without dropping
 * a connection that waits in its queue; it forks the workers, restarts them with
 * back-off, and ends them in order. It serves nothing itself.
 */
#include "rdc/rdc_command.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "db/db_sync.h"
#include "ingest/ingest_fsck.h"
#include "rdc/rdc_listen.h"
#include "rdc/rdc_tls.h"
#include "rdc/rdc_worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 10000,
    STORE_AGAIN_MS = 1000,
    STEADY_MS = 5000, /* a worker that lived this long is restarted at once */
};

struct slot {
    pid_t pid;          /* 0 = none */
    unsigned started_n; /* workers started in this slot so far */
    int fds[RDC_PORTS];
    int64_t started;
    int64_t start_at; /* when to restart */
    int64_t backoff;
};

struct supervisor {
    const struct base_conf *conf;
    /* With the port that the system chose, where it was 0; host "" = not served. */
    struct base_conf_addr addresses[RDC_PORTS];
    struct rdc_shm *shm;
    struct slot slots[RDC_WORKERS_MAX];
    unsigned workers;
    unsigned running;
    char run[17]; /* tells this supervisor from all others */
    int signals;
    int ready_read;
    int ready_write;
    int64_t look_at;  /* when to look for the store again */
    pid_t look_pid;   /* the process that looks, 0 = none */
    bool look_failed; /* the last time */
    bool store_lost;
    bool announced;
    bool stopping;
};

/* As configured, or one per two cores: PostgreSQL and the pool threads need the other, and
 * with fewer workers more objects share each sync and commit. */
static unsigned worker_count(const struct base_conf *conf)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (conf->workers)
        return (unsigned)conf->workers;
    return cores < 4 ? 1 : cores / 2 < RDC_WORKERS_MAX ? (unsigned)cores / 2 : RDC_WORKERS_MAX;
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGCHLD);
    sigprocmask(SIG_BLOCK, set, NULL);
}

static const char *const port_keys[RDC_PORTS] = {
    [RDC_PORT_HTTP] = "http.address",   [RDC_PORT_DICOM] = "dicom.address",
    [RDC_PORT_HTTPS] = "https.address", [RDC_PORT_DICOM_TLS] = "dicom-tls.address",
    [RDC_PORT_HL7] = "hl7.address",     [RDC_PORT_HL7_TLS] = "hl7-tls.address",
};

static enum base_err open_port(struct supervisor *s, enum rdc_port port, struct base_error *err)
{
    struct base_conf_addr *address = &s->addresses[port];
    bool wanted = address->host[0] != 0;
    enum base_err e = wanted ? rdc_listen_check(address, port_keys[port], err) : BASE_OK;
    for (unsigned i = 0; i < s->workers && !e; i++) {
        s->slots[i].fds[port] = -1;
        if (wanted)
            e = rdc_listen_open(address, &s->slots[i].fds[port], err);
    }
    return e;
}

static int open_sockets(struct supervisor *s)
{
    struct base_error err;
    s->addresses[RDC_PORT_HTTP] = s->conf->http_address;
    s->addresses[RDC_PORT_DICOM] = s->conf->dicom_address;
    s->addresses[RDC_PORT_HTTPS] = s->conf->https_address;
    s->addresses[RDC_PORT_DICOM_TLS] = s->conf->dicom_tls_address;
    s->addresses[RDC_PORT_HL7] = s->conf->hl7_address;
    s->addresses[RDC_PORT_HL7_TLS] = s->conf->hl7_tls_address;
    for (int port = 0; port < RDC_PORTS; port++) {
        if (open_port(s, (enum rdc_port)port, &err)) {
            fprintf(stderr, "rdc serve: %s\n", err.msg);
            return -1;
        }
    }
    return 0;
}

/* Reports unreadable certificates here, rather than by workers that die. */
static int check_certificates(const struct base_conf *conf)
{
    struct base_error err;
    struct rdc_tls tls;
    if (rdc_tls_open(conf, &tls, &err)) {
        fprintf(stderr, "rdc serve: %s\n", err.msg);
        return -1;
    }
    rdc_tls_close(&tls);
    return 0;
}

/* False: the supervisor is gone. */
static bool begin_child(pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* It ends with its supervisor, also when that is killed. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return getppid() == parent;
}

static int worker_process(const struct supervisor *s, unsigned i, pid_t parent)
{
    if (!begin_child(parent))
        return 1;
    close(s->signals);
    close(s->ready_read);
    for (unsigned k = 0; k < s->workers; k++) {
        for (int port = 0; port < RDC_PORTS && k != i; port++)
            if (s->slots[k].fds[port] >= 0)
                close(s->slots[k].fds[port]);
    }
    char name[48];
    snprintf(name, sizeof name, "%s/%u/%u", s->run, i, s->slots[i].started_n);
    return rdc_worker_run(&(struct rdc_worker_config){
        .conf = s->conf,
        .name = name,
        .shm = s->shm,
        .slot = i,
        .fds = s->slots[i].fds,
        .ready_fd = s->ready_write,
    });
}

static void start_worker(struct supervisor *s, unsigned i)
{
    struct slot *slot = &s->slots[i];
    pid_t parent = getpid();
    fflush(NULL);
    slot->started_n++;
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
        assert(s->running > 0);
        slot->pid = 0;
        s->running--;
        rdc_shm_end(s->shm, i);
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

enum { STORE_FOUND, STORE_LOST, STORE_UNKNOWN }; /* exit statuses of look_process */

static void look_ended(struct supervisor *s, int status)
{
    int outcome = WIFEXITED(status) ? WEXITSTATUS(status) : STORE_UNKNOWN;
    atomic_store(&s->shm->store_found, outcome == STORE_FOUND);
    s->store_lost = outcome == STORE_LOST;
    s->look_failed = true;
    s->look_pid = 0;
    s->look_at = base_clock_mono_ms() + STORE_AGAIN_MS;
}

static void reap(struct supervisor *s)
{
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == s->look_pid)
            look_ended(s, status);
        else
            worker_ended(s, pid, status);
    }
}

/* Prints the line that scripts wait for, once, when every worker serves. */
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
    char text[RDC_PORTS][RDC_LISTEN_TEXT];
    for (int port = 0; port < RDC_PORTS; port++)
        rdc_listen_text(&s->addresses[port], text[port]);
    printf("rdc ready: http=http://%s dicom=%s@%s data=%s", text[RDC_PORT_HTTP], s->conf->dicom_aet,
           text[RDC_PORT_DICOM], s->conf->data);
    if (s->addresses[RDC_PORT_DICOM_TLS].host[0])
        printf(" dicom-tls=%s@%s", s->conf->dicom_aet, text[RDC_PORT_DICOM_TLS]);
    if (s->addresses[RDC_PORT_HTTPS].host[0])
        printf(" https=https://%s", text[RDC_PORT_HTTPS]);
    if (s->addresses[RDC_PORT_HL7].host[0])
        printf(" hl7=%s", text[RDC_PORT_HL7]);
    printf("\n");
    fflush(stdout);
}

static void signal_all(const struct supervisor *s, int signum)
{
    for (unsigned i = 0; i < s->workers; i++)
        if (s->slots[i].pid)
            kill(s->slots[i].pid, signum);
}

/* Starts the slots that are due; returns the milliseconds until the next one is. */
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

/* Tells workers to read their certificates again. One that is just starting reads the new
 * files anyway. */
static void reload(const struct supervisor *s)
{
    BASE_LOG(INFO, "reloading", LOG_U("workers", s->running));
    for (unsigned i = 0; i < s->workers; i++)
        if (s->slots[i].pid && atomic_load(&s->shm->slots[i].reloads))
            kill(s->slots[i].pid, SIGHUP);
}

static void take_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGCHLD)
        reap(s);
    else if (info.ssi_signo == SIGHUP)
        reload(s);
    else
        s->stopping = true;
}

/* Is it the store that the database knows? BASE_ENOTFOUND, BASE_EIO: no. */
static enum base_err compare_store(const struct base_conf *conf, struct base_error *error)
{
    struct db_sync *db;
    struct db_config config = {.conninfo = conf->database, .role = "rdc_ingest"};
    enum base_err err = db_sync_open(&config, &db, error);
    if (err)
        return err == BASE_ENOTFOUND || err == BASE_EIO ? BASE_EUNAVAILABLE : err;
    err = ingest_fsck_store(db, conf->data, error);
    db_sync_close(db);
    return err;
}

/* Is it the store? The exit status. */
static int look_process(const struct supervisor *s)
{
    struct base_error error = {.msg = ""};
    enum base_err err = compare_store(s->conf, &error);
    if (err == BASE_ENOTFOUND || err == BASE_EIO) {
        fprintf(stderr, "rdc serve: %s\n  if the store is lost for good: rdc fsck --store-lost\n",
                error.msg);
        return STORE_LOST;
    }
    if (err && !s->look_failed)
        BASE_LOG(WARN, "database_awaited", LOG_S("error", error.msg),
                 LOG_S("remedy", err == BASE_EUNAVAILABLE
                                     ? "start the database; until it answers nothing is taken"
                                     : "mend what it says; until then nothing is taken"));
    return err ? STORE_UNKNOWN : STORE_FOUND;
}

/* Checks that the store is the one of the database: if its file system is not mounted yet, workers
 * would start a second store below the mount point. Until the database has answered, they touch
 * nothing, and answer as they do whenever it is away. A process of its own asks, since the answer
 * may take as long as a connection, and the supervisor must be able to end meanwhile. Returns the
 * milliseconds until it has to be asked again, at most `most`. */
static int look_for_store(struct supervisor *s, int most)
{
    int64_t left = s->look_at - base_clock_mono_ms();
    pid_t parent = getpid();
    if (atomic_load(&s->shm->store_found) || s->look_pid)
        return most;
    if (left <= 0) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(begin_child(parent) ? look_process(s) : STORE_UNKNOWN);
        s->look_pid = pid > 0 ? pid : 0;
        left = STORE_AGAIN_MS;
        s->look_at = base_clock_mono_ms() + left;
    }
    return left < most ? (int)left : most;
}

/* Returns the exit status: the service manager restarts rdc when it is not 0. */
static int supervise(struct supervisor *s)
{
    while (!s->stopping && !s->store_lost) {
        int wait = look_for_store(s, start_due(s));
        struct pollfd fds[] = {{.fd = s->signals, .events = POLLIN},
                               {.fd = s->ready_read, .events = POLLIN}};
        if (poll(fds, 2, wait) < 0 && errno != EINTR) {
            BASE_LOG(ERROR, "supervisor_failed", LOG_S("error", strerror(errno)));
            return 1;
        }
        if (fds[0].revents)
            take_signal(s);
        if (fds[1].revents)
            announce(s);
    }
    return s->store_lost;
}

static void stop_workers(struct supervisor *s)
{
    int64_t until = base_clock_mono_ms() + (int64_t)s->conf->stop_timeout;
    BASE_LOG(INFO, "stopping", LOG_U("workers", s->running));
    signal_all(s, SIGTERM);
    if (s->look_pid)
        kill(s->look_pid, SIGKILL);
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

/* Each association is a descriptor; the soft limit is often 1024. */
static void allow_descriptors(const struct base_conf *conf)
{
    uint64_t wanted = rdc_worker_descriptors(conf);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        BASE_LOG(WARN, "descriptors_limited", LOG_S("error", strerror(errno)));
    if (files.rlim_max < wanted)
        BASE_LOG(WARN, "descriptors_few", LOG_U("limit", files.rlim_max), LOG_U("wanted", wanted),
                 LOG_S("remedy", "raise the hard limit on open files (LimitNOFILE, ulimit -Hn), or "
                                 "lower dicom.max-associations and http.max-connections"));
}

int rdc_cmd_serve(struct rdc_context *ctx, int argc, char **argv)
{
    struct base_error err;
    int used = 0;
    if (rdc_wants_help(argc, argv)) {
        puts("usage: rdc serve [--KEY VALUE]…   with the keys of `rdc config`");
        return 0;
    }
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
    s.workers = worker_count(&ctx->conf);
    sigset_t set;
    int ready[2];
    uint8_t random[8];
    base_random(random, sizeof random);
    base_hex(random, sizeof random, s.run);
    block_signals(&set);
    rdc_log_setup(&ctx->conf, "supervisor");
    allow_descriptors(s.conf);
    s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s.signals < 0 || pipe2(ready, O_CLOEXEC | O_NONBLOCK) || rdc_shm_open(s.workers, &s.shm)) {
        fprintf(stderr, "rdc serve: %s\n", strerror(errno));
        return 1;
    }
    s.ready_read = ready[0];
    s.ready_write = ready[1];
    if (check_certificates(s.conf) || open_sockets(&s))
        return 1;
    int status = supervise(&s);
    stop_workers(&s);
    return status;
}
