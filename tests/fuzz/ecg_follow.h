/* What follows when a recording has been read, whatever was in it. Each gives NULL, or what is
 * wrong in words that stay until the next call. */
#ifndef ECG_FOLLOW_H
#define ECG_FOLLOW_H

#include "ecg/ecg_write.h"
#include "rdc/rdc_ecg_analysis.h"
#include "rdc/rdc_ecg_plot.h"
#include "tests/unit/ecg_order.h"
#include "tests/unit/ecg_sound.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* As tests/lsan.supp, which only tests under a runner have: what fontconfig and pango keep. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig\nleak:libpango";
}
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}

/* What is measured is JSON: text in UTF-8, and no figure that is none. */
static inline const char *ecg_follow_measure(const struct ecg_record *r)
{
    static struct base_error err;
    static json_error_t why;
    const struct rdc_ecg_analysis a = {.record = r};
    struct base_buf out;
    base_buf_init(&out, (size_t)64 << 20);
    enum base_err e = rdc_ecg_measure_write(&a, true, &out, &err);
    json_t *json = e ? NULL : json_loadb((const char *)out.p, out.n, 0, &why);
    const char *wrong = e == BASE_EUNSUPPORTED || json ? NULL : e ? err.msg : why.text;
    json_decref(json);
    base_buf_deinit(&out);
    return wrong;
}

/* What is found in it is in order. */
static inline const char *ecg_follow_analyse(const struct ecg_record *r)
{
    static struct base_error err;
    const struct rdc_ecg_analysis a = {.record = r};
    struct rdc_ecg_result *x = NULL;
    enum base_err e = rdc_ecg_analyse(&a, &x, &err);
    if (e)
        return e == BASE_EUNSUPPORTED ? NULL : err.msg;
    bool in_order = ecg_points_in_order(&x->f.waves.all);
    for (size_t k = 0; k < x->f.mean.nleads; k++)
        in_order &= ecg_points_in_order(&x->f.waves.lead[k]);
    size_t n = x->beats.n;
    struct ecg_waves *w = calloc(n + 1, sizeof *w);
    e = w ? ecg_waves_find(r, &x->beats, NULL, w, &err) : BASE_ENOMEM;
    in_order &= e || ecg_out_of_order(w, n) == n;
    free(w);
    rdc_ecg_result_free(x);
    return in_order ? NULL : "waves out of order";
}

static inline const char *ecg_follow_draw(const struct ecg_record *r)
{
    static struct base_error err;
    const struct ecg_draw_options options = {.kind = ECG_DRAW_SVG};
    struct base_buf out;
    base_buf_init(&out, (size_t)64 << 20);
    enum base_err e = rdc_ecg_plot(r, NULL, &options, &out, &err);
    base_buf_deinit(&out);
    return e && e != BASE_EUNSUPPORTED ? err.msg : NULL;
}

static inline const char *ecg_follow_damage(const struct ecg_record *r)
{
    for (size_t i = 0; i < r->nnotes; i++)
        if (r->notes[i].is_damage)
            return r->notes[i].text;
    return NULL;
}

/* What is written in a format is a recording with leads, and none that is damaged if this is not.
 * NULL as well where the format does not hold it. */
static inline const char *ecg_follow_write(const struct ecg_record *r, enum ecg_format format)
{
    static const struct ecg_write_options options = {.stem = "out", .seed = "1"};
    struct ecg_outputs out;
    struct ecg_input file[ECG_OUTPUTS_MAX];
    struct base_error err;
    static char wrong[sizeof err.msg + 32];
    struct ecg_record *again = NULL;
    if (ecg_write(r, format, &options, &out, &err))
        return NULL;
    for (size_t i = 0; i < out.n; i++)
        file[i] = (struct ecg_input){out.file[i].name,
                                     base_bytes_of(out.file[i].bytes.p, out.file[i].bytes.n)};
    const char *fault = ecg_open_all(file, out.n, NULL, &again, &err) ? err.msg : NULL;
    if (again)
        fault = ecg_record_fault(again);
    if (again && !fault && !ecg_follow_damage(r))
        fault = ecg_follow_damage(again);
    if (again && !fault && ecg_record_has_leads(r) && !ecg_record_has_leads(again))
        fault = "without leads";
    snprintf(wrong, sizeof wrong, "as %s: %s", ecg_format_name(format), fault ? fault : "");
    ecg_record_free(again);
    ecg_outputs_deinit(&out);
    return fault ? wrong : NULL;
}

#endif
