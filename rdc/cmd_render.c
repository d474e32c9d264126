/*
 * rdc render: the helper process that decodes one object and draws it. It runs
 * apart from the workers because pixels come from outside and decoders are old: a
 * crash, an endless loop or running out of memory ends only this process.
 *
 *   rdc render --kind image|ecg --file PATH [--frame N] [--max-side N]
 *              [--window CENTER,WIDTH] [--memory MIB] [--cpu SECONDS]
 *              [--type png|pdf|svg] [OPTION of rdc ecg plot]...
 *
 * Writes the picture to standard output and ends with 0; else one line of JSON,
 * {"error": …, "message": …}, and the status VIEWER_HELPER_FAILED + enum base_err.
 */
#include "rdc/rdc_command.h"

#include "base/json.h"
#include "dicom/shim/shim.h"
#include "ecg/ecg_open.h"
#include "rdc/rdc_ecg_plot.h"
#include "rdc/rdc_helper.h"
#include "store/store_tree.h"
#include "viewer-export/viewer_helper.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    bool ecg;
    const char *path;
    const char *earlier; /* an ECG to compare with; NULL = none */
    struct shim_render how;
    struct ecg_draw_options sheet;
    struct base_error wrong; /* the value of one of its options */
    uint64_t memory_mib, cpu_seconds;
};

enum { MEMORY_MIB = 2048, CPU_SECONDS = 30, SHEET_PX_PER_MM = 8 /* 203 dpi */ };

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9')
        return false;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end || v < least || v > most)
        return false;
    *out = v;
    return true;
}

static bool window(const char *text, struct shim_render *how)
{
    int used = 0;
    how->windowed = true;
    return sscanf(text, "%lf,%lf%n", &how->window_center, &how->window_width, &used) == 2 &&
           text[used] == 0;
}

static bool type(const char *value, enum ecg_draw_kind *out)
{
    *out = strcmp(value, "pdf") == 0   ? ECG_DRAW_PDF
           : strcmp(value, "svg") == 0 ? ECG_DRAW_SVG
                                       : ECG_DRAW_PNG;
    return *out != ECG_DRAW_PNG || strcmp(value, "png") == 0;
}

/* Options of the sheet may come from outside: a wrong value becomes the answer. */
static bool sheet_option(struct request *r, const char *name, const char *value)
{
    struct base_error e = {0};
    enum base_err err = rdc_ecg_plot_option(&r->sheet, name, value, &e);
    if (err == BASE_EINVAL && !r->wrong.code)
        r->wrong = e;
    return err == BASE_OK || err == BASE_EINVAL;
}

static bool option(struct request *r, const char *name, const char *value)
{
    uint64_t n = 0;
    bool ok = false;
    if (strcmp(name, "--kind") == 0) {
        r->ecg = strcmp(value, "ecg") == 0;
        return r->ecg || strcmp(value, "image") == 0;
    }
    if (strcmp(name, "--file") == 0) {
        r->path = value;
        return true;
    }
    if (strcmp(name, "--earlier") == 0) {
        r->earlier = value;
        return true;
    }
    if (strcmp(name, "--window") == 0)
        return window(value, &r->how);
    if (strcmp(name, "--type") == 0)
        return type(value, &r->sheet.kind);
    if (strcmp(name, "--memory") == 0)
        return number(value, 64, 1 << 20, &r->memory_mib);
    if (strcmp(name, "--cpu") == 0)
        return number(value, 1, 3600, &r->cpu_seconds);
    if (strcmp(name, "--frame") == 0) {
        ok = number(value, 1, INT32_MAX, &n);
        r->how.frame = (uint32_t)n;
    } else if (strcmp(name, "--max-side") == 0) {
        ok = number(value, 1, 65535, &n);
        r->how.max_width = r->how.max_height = (uint32_t)n;
    } else {
        ok = sheet_option(r, name, value);
    }
    return ok;
}

static bool parse(int argc, char **argv, struct request *r)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 >= argc || !option(r, argv[i], argv[i + 1])) {
            fprintf(stderr, "rdc render: cannot use %s %s\n", argv[i],
                    i + 1 < argc ? argv[i + 1] : "without a value");
            return false;
        }
    }
    if (!r->path)
        fputs("rdc render: --file is missing\n", stderr);
    return r->path != NULL;
}

static bool write_all(const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        ssize_t k = write(STDOUT_FILENO, at, n);
        if (k <= 0)
            return false;
        at += k;
        n -= (size_t)k;
    }
    return true;
}

static int fail(const struct base_error *e)
{
    struct base_buf line = {0};
    struct base_json json;
    base_json_init(&json, &line);
    base_json_open_object(&json);
    base_json_member_string(&json, "error", base_err_text(e->code));
    base_json_member_string(&json, "message", e->msg);
    base_json_close_object(&json);
    base_buf_add_byte(&line, '\n');
    write_all(line.p, line.n);
    base_buf_deinit(&line);
    return VIEWER_HELPER_FAILED + (int)e->code;
}

static enum base_err read_file(const char *path, struct base_buf *out, struct base_error *e)
{
    enum { PIECE = 1 << 16 };
    FILE *f = fopen(path, "rb");
    if (!f)
        return base_fail(e, BASE_EIO, BASE_NOPOS, "cannot open the file: %s", strerror(errno));
    base_buf_init(out, ecg_limits_default.bytes);
    for (size_t n = 1; n > 0;) {
        uint8_t *to = base_buf_reserve(out, PIECE);
        n = to ? fread(to, 1, PIECE, f) : 0;
        out->n += n;
    }
    enum base_err err = ferror(f) ? BASE_EIO : out->err;
    fclose(f);
    return err ? base_fail(e, err, BASE_NOPOS, "%s", base_err_text(err)) : BASE_OK;
}

static enum base_err open_ecg(const char *path, struct ecg_record **out, struct base_error *e)
{
    struct base_buf bytes = {0};
    enum base_err err = read_file(path, &bytes, e);
    struct ecg_input input = {.name = "", .bytes = base_buf_bytes(&bytes)};
    if (!err)
        err = ecg_open(&input, 1, NULL, NULL, out, e);
    base_buf_deinit(&bytes);
    return err;
}

/* NULL also when it cannot be read: the sheet has no comparison then. */
static struct ecg_record *open_earlier(const char *path)
{
    struct store_plain plain;
    struct ecg_record *record = NULL;
    struct base_error ignored;
    if (!path || store_plain_open(path, &plain))
        return NULL;
    if (open_ecg(plain.path, &record, &ignored))
        record = NULL;
    store_plain_close(&plain);
    return record;
}

/* The sheet is A4 landscape in true size: the longest side chooses its scale. */
static enum base_err draw_ecg(const struct request *r, struct base_buf *out, struct base_error *e)
{
    const double sheet_mm = 297;
    struct ecg_record *record = NULL;
    struct ecg_draw_options options = r->sheet;
    if (r->how.max_width && options.dpi == 0)
        options.dpi = fmin(fmax(r->how.max_width / sheet_mm, 1), SHEET_PX_PER_MM) * 25.4;
    enum base_err err = open_ecg(r->path, &record, e);
    struct ecg_record *earlier = err ? NULL : open_earlier(r->earlier);
    if (!err)
        err = rdc_ecg_plot(record, earlier, &options, out, e);
    ecg_record_free(record);
    ecg_record_free(earlier);
    return err;
}

static enum base_err draw_file(const struct request *r, struct base_buf *png, struct base_error *e)
{
    if (access(r->path, R_OK))
        return base_fail(e, BASE_EIO, BASE_NOPOS, "cannot open the file: %s", strerror(errno));
    if (r->ecg)
        return draw_ecg(r, png, e);
    enum base_err err = shim_init(e);
    return err ? err : shim_render_png(r->path, &r->how, png, e);
}

static enum base_err draw(struct request *r, struct base_buf *png, struct base_error *e)
{
    struct store_plain plain;
    if (r->wrong.code) {
        *e = r->wrong;
        return e->code;
    }
    enum base_err err = store_plain_open(r->path, &plain);
    /* "Not found" means a frame; a missing file is an internal error. */
    if (err)
        return base_fail(e, BASE_EIO, BASE_NOPOS, "cannot open the file: %s", base_err_text(err));
    r->path = plain.path;
    err = draw_file(r, png, e);
    store_plain_close(&plain);
    return err;
}

int rdc_cmd_render(struct rdc_context *ctx, int argc, char **argv)
{
    struct request r = {.memory_mib = MEMORY_MIB, .cpu_seconds = CPU_SECONDS};
    struct base_buf png = {0};
    struct base_error e = {0};
    (void)ctx;
    if (!parse(argc, argv, &r))
        return 2;
    rdc_helper_limit(r.memory_mib, r.cpu_seconds);
    enum base_err err = draw(&r, &png, &e);
    int status = 0;
    if (err)
        status = fail(&e);
    else if (!write_all(png.p, png.n))
        status = 1;
    base_buf_deinit(&png);
    return status;
}
