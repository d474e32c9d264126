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

enum { BEHIND = 10, MEMORY_MIB = 2048, CPU_SECONDS = 60 };

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
static enum base_err measure(void *arg, const char *limits, const char *path, const char *earlier,
                             struct base_buf *out, struct base_error *e)
{
    struct base_pages *pages = arg;
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

int rdc_cmd_measure(struct rdc_context *ctx, int argc, char **argv)
{
    struct base_pages pages = {.most = PAGES_KEPT};
    (void)ctx;
    (void)argv;
    if (argc != 1) {
        fputs("usage: rdc measure, with lines LIMITS<tab>PATH<tab>[EARLIER] as its input\n",
              stderr);
        return 2;
    }
    int status = rdc_helper_serve(BEHIND, MEMORY_MIB, CPU_SECONDS, measure, &pages);
    base_pages_drop(&pages);
    return status;
}
