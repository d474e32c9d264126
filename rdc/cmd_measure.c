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

/* Kept for the next recording: a day of three leads. */
static const size_t PAGES_KEPT = (size_t)128 << 20;

/* A recording of the store, opened. */
struct source {
    struct store_plain plain;
    struct rdc_ecg_files files;
    struct ecg_record *record;
};

static enum base_err source_open(const char *path, struct base_pages *pages, struct source *s,
                                 struct base_error *e)
{
    *s = (struct source){.plain = {.fd = -1}, .files = {.pages = pages}};
    enum base_err err = store_plain_open(path, &s->plain);
    if (err)
        return base_fail(e, err, BASE_NOPOS, "%s", base_err_text(err));
    return rdc_ecg_open(s->plain.path, NULL, &s->files, &s->record, e);
}

static void source_close(struct source *s)
{
    ecg_record_free(s->record);
    rdc_ecg_files_free(&s->files);
    store_plain_close(&s->plain);
}

/* Measures the recording, and compares it with the earlier one; if that cannot be read, the
 * measurements are printed alone. Of a file that cannot be measured it is printed why. */
static enum base_err measure(const char *path, const char *earlier, const char *limits,
                             struct base_pages *pages, struct base_buf *out, struct base_error *e)
{
    struct source now, before = {.plain = {.fd = -1}};
    struct base_error ignored = {0};
    bool compares = earlier[0] && !source_open(earlier, pages, &before, &ignored);
    enum base_err err = source_open(path, pages, &now, e);
    struct rdc_ecg_analysis a = {
        .record = now.record, .limits = limits, .earlier = compares ? before.record : NULL};
    if (!err && compares && rdc_ecg_measure_write(&a, true, out, &ignored)) {
        base_buf_reset(out);
        compares = false;
    }
    a.earlier = NULL;
    if (!err && !compares)
        err = rdc_ecg_measure_write(&a, true, out, e);
    if (err == BASE_EFORMAT || err == BASE_EUNSUPPORTED || err == BASE_ELIMIT) {
        base_buf_reset(out);
        rdc_ecg_unmeasured_write(now.record, e, out);
        err = BASE_OK;
    }
    source_close(&before);
    source_close(&now);
    return err ? err : out->err;
}

/* line: LIMITS, tab, path, tab, path of the earlier recording or nothing; without its newline.
 * False when nobody reads the answers any more. */
static bool answer(char *line, struct base_pages *pages, struct base_buf *out)
{
    struct base_error e = {0};
    char *path = strchr(line, '\t');
    char *earlier = path ? strchr(path + 1, '\t') : NULL;
    base_buf_reset(out);
    if (earlier)
        *path++ = *earlier++ = 0;
    enum base_err err = earlier
                            ? measure(path, earlier, line, pages, out, &e)
                            : base_fail(&e, BASE_EINVAL, BASE_NOPOS, "no two tabs in the request");
    if (err) {
        base_buf_reset(out);
        base_buf_printf(out, "!%s\n", e.msg);
    }
    return !out->err && fwrite(out->p, 1, out->n, stdout) == out->n && fflush(stdout) == 0;
}

int rdc_cmd_measure(struct rdc_context *ctx, int argc, char **argv)
{
    struct base_buf out = {0};
    struct base_pages pages = {.most = PAGES_KEPT};
    char *line = NULL;
    size_t room = 0;
    bool heard = true;
    (void)ctx;
    (void)argv;
    if (argc != 1) {
        fputs("usage: rdc measure, with lines LIMITS<tab>PATH<tab>[EARLIER] as its input\n",
              stderr);
        return 2;
    }
    rdc_helper_limit(MEMORY_MIB, CPU_SECONDS);
    if (nice(BEHIND) < 0)
        perror("rdc measure: nice"); /* go on, but in competition with ingest */
    for (ssize_t n; heard && (n = getline(&line, &room, stdin)) > 0;) {
        line[n - 1] = 0; /* its '\n' */
        rdc_helper_limit_cpu(CPU_SECONDS);
        heard = answer(line, &pages, &out);
    }
    free(line);
    base_buf_deinit(&out);
    base_pages_drop(&pages);
    return heard ? 0 : 1;
}
