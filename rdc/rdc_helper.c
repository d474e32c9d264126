#include "rdc/rdc_helper.h"

#include "base/log.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

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

void rdc_helper_limit_cpu(uint64_t seconds)
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
    rdc_helper_limit_cpu(cpu_seconds);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}
