#include "rdc/rdc_helper.h"

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The soft limit only, so that the next request can have its own. */
static void limit(enum __rlimit_resource what, rlim_t most)
{
    struct rlimit now;
    if (getrlimit(what, &now) || (now.rlim_max != RLIM_INFINITY && now.rlim_max < most))
        return;
    now.rlim_cur = most;
    if (setrlimit(what, &now))
        BASE_LOG(WARN, "helper_without_limit", LOG_I("resource", what));
}

/* From now on. */
static void limit_cpu(uint64_t seconds)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    limit(RLIMIT_CPU, (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1) + seconds);
}

void rdc_helper_limit(uint64_t memory_mib, uint64_t cpu_seconds)
{
#ifndef __SANITIZE_ADDRESS__ /* which maps more address space than any limit */
    limit(RLIMIT_AS, (rlim_t)memory_mib << 20);
#else
    (void)memory_mib;
#endif
    limit(RLIMIT_CORE, 0);
    limit_cpu(cpu_seconds);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A line without its newline: LIMITS, tab, path, tab, earlier path or nothing. */
static bool split(char *line, char **path, char **earlier)
{
    *path = strchr(line, '\t');
    *earlier = *path ? strchr(*path + 1, '\t') : NULL;
    if (!*earlier)
        return false;
    *(*path)++ = *(*earlier)++ = 0;
    return true;
}

int rdc_helper_serve(int behind, uint64_t memory_mib, uint64_t cpu_seconds,
                     enum base_err (*fn)(void *arg, const char *limits, const char *path,
                                         const char *earlier, struct base_buf *out,
                                         struct base_error *e),
                     void *arg)
{
    struct base_buf out = {0};
    char *line = NULL;
    size_t room = 0;
    bool heard = true;
    rdc_helper_limit(memory_mib, cpu_seconds);
    if (nice(behind) < 0)
        perror("rdc: nice"); /* go on, but in competition with ingest */
    for (ssize_t n; heard && (n = getline(&line, &room, stdin)) > 0;) {
        struct base_error e = {0};
        char *path, *earlier;
        line[n - 1] = 0; /* its '\n' */
        limit_cpu(cpu_seconds);
        base_buf_reset(&out);
        enum base_err err = split(line, &path, &earlier)
                                ? fn(arg, line, path, earlier, &out, &e)
                                : base_fail(&e, BASE_EINVAL, BASE_NOPOS, "no two tabs in it");
        if (err) {
            base_buf_reset(&out);
            base_buf_printf(&out, "!%s\n", e.msg);
        }
        heard = !out.err && fwrite(out.p, 1, out.n, stdout) == out.n && fflush(stdout) == 0;
    }
    free(line);
    base_buf_deinit(&out);
    return heard ? 0 : 1;
}
