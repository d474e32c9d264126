/*
 * rdc same PATH PATH: the process in which two DICOM files are decoded and
 * compared, with limits of its own (ingest/ingest_check.c starts it).
 */
#include "rdc/rdc_command.h"

#include "dicom/shim/shim.h"
#include "ingest/ingest_check.h"
#include "rdc/rdc_helper.h"
#include "store/store_tree.h"

#include <stdio.h>

enum { MEMORY_MIB = 3072, CPU_SECONDS = 60 };

static enum base_err compare(const char *a, const char *b, bool *same, struct base_error *e)
{
    struct store_plain first = {.fd = -1};
    struct store_plain second = {.fd = -1};
    enum base_err err = store_plain_open(a, &first);
    if (!err)
        err = store_plain_open(b, &second);
    if (err)
        base_fail(e, err, BASE_NOPOS, "%s", base_err_text(err));
    if (!err)
        err = shim_init(e);
    if (!err)
        err = shim_same_object(first.path, second.path, same, e);
    store_plain_close(&first);
    store_plain_close(&second);
    return err;
}

int rdc_cmd_same(struct rdc_context *ctx, int argc, char **argv)
{
    struct base_error e = {0};
    bool same = false;
    (void)ctx;
    if (argc != 3) {
        fputs("usage: rdc same PATH PATH\n", stderr);
        return 2;
    }
    rdc_helper_limit(MEMORY_MIB, CPU_SECONDS);
    if (compare(argv[1], argv[2], &same, &e)) {
        fprintf(stderr, "rdc same: %s\n", e.msg);
        return 1;
    }
    return same ? INGEST_CHECK_SAME : INGEST_CHECK_DIFFERENT;
}
