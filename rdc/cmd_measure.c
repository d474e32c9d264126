/*
 * rdc measure: the process in which the ECGs of the store are analysed
 * (ingest/ingest_measure.h starts it and says what it reads and prints).
 */
#include "rdc/rdc_command.h"

#include "rdc/rdc_ecg_analysis.h"
#include "rdc/rdc_ecg_files.h"
#include "rdc/rdc_helper.h"
#include "store/store_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMORY_MIB = 2048, CPU_SECONDS = 60, BEHIND = 10 /* ingest goes first */ };

static enum base_err analyse(const char *path, const char *limits, struct base_buf *out,
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

static enum base_err measure(const char *path, const char *limits, struct base_buf *out,
                             struct base_error *e)
{
    struct store_plain plain = {.fd = -1};
    enum base_err err = store_plain_open(path, &plain);
    if (err)
        base_fail(e, err, BASE_NOPOS, "%s", base_err_text(err));
    else
        err = analyse(plain.path, limits, out, e);
    store_plain_close(&plain);
    return err;
}

/* line: LIMITS, tab, path, without its end. False when nobody listens any more. */
static bool answer(char *line, struct base_buf *out)
{
    struct base_error e = {0};
    char *tab = strchr(line, '\t');
    base_buf_reset(out);
    if (tab)
        *tab = 0;
    enum base_err err = tab ? measure(tab + 1, line, out, &e)
                            : base_fail(&e, BASE_EINVAL, BASE_NOPOS, "no tab in the request");
    if (err) {
        base_buf_reset(out);
        base_buf_printf(out, "!%s\n", e.msg);
    }
    return !out->err && fwrite(out->p, 1, out->n, stdout) == out->n && fflush(stdout) == 0;
}

int rdc_cmd_measure(struct rdc_context *ctx, int argc, char **argv)
{
    struct base_buf out = {0};
    char *line = NULL;
    size_t room = 0;
    bool heard = true;
    (void)ctx;
    (void)argv;
    if (argc != 1) {
        fputs("usage: rdc measure, with lines LIMITS<tab>PATH as its input\n", stderr);
        return 2;
    }
    rdc_helper_limit(MEMORY_MIB, CPU_SECONDS);
    if (nice(BEHIND) < 0)
        perror("rdc measure: nice"); /* it goes on, beside ingest instead of behind it */
    for (ssize_t n; heard && (n = getline(&line, &room, stdin)) > 0;) {
        line[n - 1] = 0; /* its '\n' */
        rdc_helper_limit_cpu(CPU_SECONDS);
        heard = answer(line, &out);
    }
    free(line);
    base_buf_deinit(&out);
    return heard ? 0 : 1;
}
