/*
 * rdc pixels: the process in which the compressed images of the store are decoded, to see whether
 * they can be (ingest/ingest_measure.h starts it and says what it reads and prints). Of one that
 * cannot it prints why, as the member "damage".
 */
#include "rdc/rdc_command.h"

#include "base/json.h"
#include "dicom/shim/shim.h"
#include "rdc/rdc_helper.h"
#include "store/store_tree.h"

#include <stdio.h>

enum { BEHIND = 19, MEMORY_MIB = 3072, CPU_SECONDS = 60 };

/* A file that as a whole cannot be read is found where its metadata are. */
static enum base_err decode(void *arg, const char *limits, const char *path, const char *earlier,
                            struct base_buf *out, struct base_error *e)
{
    struct store_plain plain;
    struct base_json j;
    (void)arg;
    (void)limits;
    (void)earlier;
    enum base_err err = store_plain_open(path, &plain);
    if (err)
        return base_fail(e, err, BASE_NOPOS, "%s", base_err_text(err));
    err = shim_check_pixels(plain.path, true, e);
    store_plain_close(&plain);
    if (err && err != BASE_EFORMAT)
        return err;
    base_json_init(&j, out);
    base_json_open_object(&j);
    if (err)
        base_json_member_string(&j, "damage", e->msg);
    base_json_close_object(&j);
    base_buf_add_byte(out, '\n');
    return out->err;
}

int rdc_cmd_pixels(struct rdc_context *ctx, int argc, char **argv)
{
    struct base_error e = {0};
    (void)ctx;
    (void)argv;
    if (argc != 1) {
        fputs("usage: rdc pixels, with lines <tab>PATH<tab> as its input\n", stderr);
        return 2;
    }
    if (shim_init(&e)) {
        fprintf(stderr, "rdc pixels: %s\n", e.msg);
        return 1;
    }
    return rdc_helper_serve(BEHIND, MEMORY_MIB, CPU_SECONDS, decode, NULL);
}
