/*
 * rdc measure PATH LIMITS: the process in which an ECG of the store is analysed, with limits of
 * its own (ingest/ingest_check.c starts it). Prints JSON.
 */
#include "rdc/rdc_command.h"

#include "rdc/rdc_ecg_analysis.h"
#include "rdc/rdc_ecg_files.h"
#include "store/store_tree.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { MEMORY_MIB = 2048, CPU_SECONDS = 60 };

static enum base_err measure(const char *path, const char *limits, struct base_buf *out,
                             struct base_error *e)
{
    struct rdc_ecg_files files = {0};
    struct ecg_record *record = NULL;
    enum base_err err = rdc_ecg_open(path, NULL, &files, &record, e);
    struct rdc_ecg_analysis a = {.record = record, .limits = limits};
    if (!err)
        err = rdc_ecg_measure_write(&a, true, out, e);
    ecg_record_free(record);
    rdc_ecg_files_free(&files);
    return err ? err : out->err;
}

int rdc_cmd_measure(struct rdc_context *ctx, int argc, char **argv)
{
    struct rlimit memory = {(rlim_t)MEMORY_MIB << 20, (rlim_t)MEMORY_MIB << 20};
    struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS + 1};
    struct rlimit core = {0, 0};
    struct base_error e = {0};
    struct base_buf out = {0};
    struct store_plain plain = {.fd = -1};
    (void)ctx;
    if (argc != 3) {
        fputs("usage: rdc measure PATH LIMITS\n", stderr);
        return 2;
    }
#ifndef __SANITIZE_ADDRESS__ /* which maps more address space than any limit */
    setrlimit(RLIMIT_AS, &memory);
#else
    (void)memory;
#endif
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &core);    /* a core would hold a patient's recording */
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a worker that was killed leaves no helpers behind */
    enum base_err err = store_plain_open(argv[1], &plain);
    if (err)
        base_fail(&e, err, BASE_NOPOS, "%s", base_err_text(err));
    else
        err = measure(plain.path, argv[2], &out, &e);
    if (err)
        fprintf(stderr, "rdc measure: %s\n", e.msg);
    else if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0)
        err = BASE_EIO;
    base_buf_deinit(&out);
    store_plain_close(&plain);
    return err ? 1 : 0;
}
