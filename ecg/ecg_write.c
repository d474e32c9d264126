#include "ecg/ecg_write.h"

#include "ecg/ecg_format.h"
#include "ecg/ecg_locale.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What no format can hold, and what would grow out of all measure: a lead that begins
 * late is preceded by missing samples. */
static enum base_err check(const struct ecg_record *r, struct base_error *err)
{
    const struct ecg_lead *groups[] = {r->leads, r->others, r->medians};
    const size_t counts[] = {r->nleads, r->nothers, r->nmedians};
    const double latest_s = 1e6;
    double total = 0;
    for (size_t g = 0; g < 3; g++)
        for (size_t i = 0; i < counts[g]; i++) {
            const struct ecg_lead *lead = &groups[g][i];
            if (lead->samples == 0)
                continue;
            if (!isfinite(lead->uv_per_count) || !isfinite(lead->offset_uv) ||
                !(lead->rate_hz > 0) || !isfinite(lead->rate_hz) ||
                !(fabs(lead->start_s) < latest_s))
                return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                                 "lead %.60s has %g Hz, steps of %g and starts at %g s", lead->name,
                                 lead->rate_hz, lead->uv_per_count, lead->start_s);
            total += fmax(0, lead->start_s * lead->rate_hz) + (double)lead->samples;
        }
    if (total > (double)ecg_limits_default.samples)
        return base_fail(
            err, BASE_ELIMIT, BASE_NOPOS,
            "with the gaps before its leads the recording has %.0f samples; %zu can be "
            "written",
            total, ecg_limits_default.samples);
    return BASE_OK;
}

/* These begin with sample 0. */
static void lose_what_is_before(const struct ecg_record *r, enum ecg_format format,
                                struct ecg_outputs *out)
{
    if (format == ECG_FORMAT_SCP || format == ECG_FORMAT_AECG)
        return;
    for (size_t i = 0; i < r->nleads; i++)
        if (r->leads[i].samples && ecg_write_first(&r->leads[i]) < 0)
            ecg_outputs_lose(out, "lead %s: what lies up to %g s before the start",
                             r->leads[i].name, -r->leads[i].start_s);
}

/* Whoever reads the output instead of the record should know what it no longer says. */
static void lose_fields(const struct ecg_record *r, enum ecg_format format, struct ecg_outputs *out)
{
    enum {
        D = 1 << ECG_FORMAT_DICOM,
        S = 1 << ECG_FORMAT_SCP,
        A = 1 << ECG_FORMAT_AECG,
        E = 1 << ECG_FORMAT_EDF,
        W = 1 << ECG_FORMAT_WFDB
    };
    const struct ecg_device *d = &r->device;
    const struct ecg_patient *p = &r->patient;
    const struct ecg_filters *f = &r->filters;
    const struct {
        const char *what;
        bool is_there;
        unsigned holds;
    } rows[] = {
        {"the device's maker", d->manufacturer[0], D | S | A},
        {"the device's model", d->model[0], D | S | A | E},
        {"its serial number", d->serial[0], D | S | A},
        {"its software", d->software[0], D | S | A},
        {"the institution", d->institution[0], D | S},
        {"the department", d->department[0], D | S},
        {"the technician", d->technician[0], D | S | A | E},
        {"the referring physician", d->referring[0], D | S},
        {"the order number", r->accession[0], D | E},
        {"the comment", r->comment[0], S | A},
        {"the patient's history", p->history[0], S},
        {"height", p->height_cm > 0, D | S},
        {"weight", p->weight_kg > 0, D | S},
        {"sex", p->sex != 0, D | S | A | E | W},
        {"birth date", p->birth.year > 0, D | S | A | E},
        {"age", p->age > 0, D | S | A | W},
        {"the high-pass filter", f->high_pass_hz > 0, D | S | A | E},
        {"the low-pass filter", f->low_pass_hz > 0, D | S | A | E},
        {"the notch filter", f->notch_hz > 0, D | S | A | E},
        {"that it was confirmed", r->confirmed == ECG_CONFIRMED_YES && r->nstatements, S},
    };
    bool any = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].is_there && !(rows[i].holds & 1U << format)) {
            base_buf_printf(&out->lost, "%s%s", any ? ", " : "", rows[i].what);
            any = true;
        }
    if (any)
        base_buf_add_byte(&out->lost, '\n');
}

static enum base_err write_files(const struct ecg_record *r, enum ecg_format format,
                                 const struct ecg_write_options *options, struct ecg_outputs *out,
                                 struct base_error *err)
{
    const struct ecg_format_row *row = ecg_format_row(format);
    *out = (struct ecg_outputs){0};
    if (!row->write)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS, "%s is not written by rdc", row->name);
    enum base_err e = check(r, err);
    if (e)
        return e;
    bool holds_others = format == ECG_FORMAT_EDF || format == ECG_FORMAT_WFDB;
    if (r->nothers && !holds_others && !ecg_record_has_leads(r))
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                         "none of the channels is an ECG lead: %s holds nothing else", row->name);
    e = row->write(r, options, out, err);
    if (!e) {
        lose_what_is_before(r, format, out);
        lose_fields(r, format, out);
    }
    enum base_err sticky = out->lost.err;
    for (size_t i = 0; i < out->n && !sticky; i++)
        sticky = out->file[i].bytes.err;
    if (!e && sticky)
        e = base_fail(err, sticky, BASE_NOPOS, "%s cannot be written: %s", row->name,
                      base_err_text(sticky));
    if (e)
        ecg_outputs_deinit(out);
    return e;
}

enum base_err ecg_write(const struct ecg_record *r, enum ecg_format format,
                        const struct ecg_write_options *options, struct ecg_outputs *out,
                        struct base_error *err)
{
    locale_t callers = ecg_locale_enter();
    enum base_err e = write_files(r, format, options, out, err);
    ecg_locale_leave(callers);
    return e;
}

void ecg_outputs_deinit(struct ecg_outputs *out)
{
    for (size_t i = 0; i < out->n; i++)
        base_buf_deinit(&out->file[i].bytes);
    base_buf_deinit(&out->lost);
    out->n = 0;
}

struct base_buf *ecg_outputs_add(struct ecg_outputs *out, const struct ecg_write_options *options,
                                 const char *extension)
{
    assert(out->n < ECG_OUTPUTS_MAX);
    struct ecg_output *file = &out->file[out->n++];
    snprintf(file->name, sizeof file->name, "%.200s.%s", options->stem, extension);
    return &file->bytes;
}

const struct ecg_lead **ecg_write_channels(const struct ecg_record *r, size_t *n)
{
    size_t all = r->nleads + r->nothers;
    const struct ecg_lead **list = calloc(all ? all : 1, sizeof *list);
    *n = 0;
    for (size_t i = 0; list && i < all; i++) {
        const struct ecg_lead *lead = i < r->nleads ? &r->leads[i] : &r->others[i - r->nleads];
        if (lead->samples && lead->rate_hz > 0)
            list[(*n)++] = lead;
    }
    return list;
}

void ecg_write_clean(struct base_buf *out, const char *text)
{
    for (; *text; text++)
        base_buf_add_byte(out, (uint8_t)((uint8_t)*text < ' ' ? ' ' : *text));
}

void ecg_outputs_lose(struct ecg_outputs *out, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    base_buf_printf(&out->lost, "%s\n", line);
}

void ecg_outputs_lose_all_but(struct ecg_outputs *out, const struct ecg_record *r, unsigned holds)
{
    const struct {
        unsigned bit;
        size_t n;
        const char *what;
    } rows[] = {
        {ECG_HOLDS_MEDIANS, r->nmedians, "leads of the median beat"},
        {ECG_HOLDS_MEASUREMENTS, r->nmeasurements, "measurements of the device"},
        {ECG_HOLDS_STATEMENTS, r->nstatements, "statements of the device"},
        {ECG_HOLDS_MARKS, r->nmarks, "annotations"},
        {ECG_HOLDS_OTHERS, r->nothers, "channels that are no ECG leads"},
        {ECG_HOLDS_PATIENT, r->patient.name.utf8[0] || r->patient.id.utf8[0],
         "patient (name and id)"},
        {ECG_HOLDS_TIME, r->start.date.year > 0 || r->start.has_time, "time of the start"},
        {ECG_HOLDS_ZONE, (holds & ECG_HOLDS_TIME) && r->start.has_zone, "time zone of the start"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].n && !(holds & rows[i].bit))
            ecg_outputs_lose(out, "%zu %s", rows[i].n, rows[i].what);
}
