/*
 * A throw-away PostgreSQL cluster for one test program: made in a folder of
 * its own below /tmp (socket paths are short), stopped and removed by
 * pg_cluster_stop. fsync is off, so connections must say unsafe.
 *
 * It knows the superuser postgres and the role rdc, owner of the database rdc.
 */
#ifndef PG_CLUSTER_H
#define PG_CLUSTER_H

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct pg_cluster {
    char dir[64];
    char bin[64];
    char rdc[128];      /* conninfo of the role rdc */
    char postgres[128]; /* conninfo of the superuser */
    pid_t pid;
};

static inline void pg_cluster_die(const char *what)
{
    fprintf(stderr, "pg_cluster: %s failed\n", what);
    exit(1);
}

/* Starts argv as postgres where we are root, which PostgreSQL refuses to be.
 * The server ends with us, also when we are killed. */
static inline pid_t pg_cluster_spawn(const struct pg_cluster *c, const char *const *argv)
{
    const char *all[32] = {"setpriv", "--pdeathsig=INT"};
    size_t n = 2;
    if (getuid() == 0) {
        all[n++] = "--reuid=postgres";
        all[n++] = "--regid=postgres";
        all[n++] = "--clear-groups";
    }
    while (*argv && n < 31)
        all[n++] = *argv++;
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char log[96];
    snprintf(log, sizeof log, "%s/log", c->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir("/") != 0)
        _exit(126);
    execvp(all[0], (char *const *)(uintptr_t)all);
    _exit(127);
}

static inline void pg_cluster_wait(pid_t pid, const char *what)
{
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        pg_cluster_die(what);
}

static inline bool pg_cluster_psql(const struct pg_cluster *c, const char *db, const char *sql)
{
    char psql[96];
    snprintf(psql, sizeof psql, "%s/psql", c->bin);
    pid_t pid = pg_cluster_spawn(c, (const char *[]){psql, "-X", "-q", "-h", c->dir, "-U",
                                                     "postgres", "-d", db, "-c", sql, NULL});
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Asked of its pid file, which a server that crashed leaves behind: to ask with psql costs more
 * than most tests. */
static inline bool pg_cluster_ready(const struct pg_cluster *c)
{
    enum { STATUS_LINE = 8 }; /* LOCK_FILE_LINE_PM_STATUS */
    char path[96];
    char line[256];
    bool ready = false;
    snprintf(path, sizeof path, "%s/data/postmaster.pid", c->dir);
    FILE *f = fopen(path, "r");
    for (int i = 1; f && fgets(line, sizeof line, f); i++) {
        if (i == 1 && strtol(line, NULL, 10) != (long)c->pid)
            break;
        ready = i == STATUS_LINE && strncmp(line, "ready", 5) == 0;
    }
    if (f)
        fclose(f);
    return ready;
}

static inline void pg_cluster_launch(struct pg_cluster *c)
{
    char postgres[96];
    char data[96];
    char sockets[128];
    snprintf(postgres, sizeof postgres, "%s/postgres", c->bin);
    snprintf(data, sizeof data, "%s/data", c->dir);
    snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", c->dir);
    c->pid = pg_cluster_spawn(c, (const char *[]){postgres, "-D", data, "-c", sockets, "-c",
                                                  "listen_addresses=", "-c", "fsync=off", "-c",
                                                  "max_connections=50", "-c", "shared_buffers=16MB",
                                                  NULL});
    for (int i = 0; i < 1500; i++) {
        if (pg_cluster_ready(c))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    pg_cluster_die("starting the server");
}

/* Ends the sessions at once, in order (fast shutdown) or as a crash would. */
static inline void pg_cluster_halt(struct pg_cluster *c, int signum)
{
    if (c->pid > 0) {
        kill(c->pid, signum);
        waitpid(c->pid, NULL, 0);
    }
    c->pid = 0;
}

static inline void pg_cluster_start(struct pg_cluster *c)
{
    memset(c, 0, sizeof *c);
    snprintf(c->dir, sizeof c->dir, "/tmp/rdc-pg-XXXXXX");
    snprintf(c->bin, sizeof c->bin, "/usr/lib/postgresql/15/bin");
    if (!mkdtemp(c->dir))
        pg_cluster_die("mkdtemp");
    struct passwd *pw = getuid() == 0 ? getpwnam("postgres") : NULL;
    if (pw && chown(c->dir, pw->pw_uid, pw->pw_gid) != 0)
        pg_cluster_die("chown");
    char initdb[96];
    char data[96];
    snprintf(initdb, sizeof initdb, "%s/initdb", c->bin);
    snprintf(data, sizeof data, "%s/data", c->dir);
    pg_cluster_wait(
        pg_cluster_spawn(c, (const char *[]){initdb, "-D", data, "-U", "postgres", "-A", "trust",
                                             "-E", "UTF8", "-N", "--locale=C.UTF-8", NULL}),
        "initdb");
    pg_cluster_launch(c);
    if (!pg_cluster_psql(c, "postgres", "create role rdc login nosuperuser createrole") ||
        !pg_cluster_psql(c, "postgres", "create database rdc owner rdc"))
        pg_cluster_die("creating the database");
    snprintf(c->rdc, sizeof c->rdc, "host=%s user=rdc dbname=rdc", c->dir);
    snprintf(c->postgres, sizeof c->postgres, "host=%s user=postgres dbname=rdc", c->dir);
}

static inline void pg_cluster_stop(struct pg_cluster *c)
{
    pg_cluster_halt(c, SIGINT);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", c->dir, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

#endif
