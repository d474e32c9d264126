/* WFDB records: signals in format 212 where they fit, else 16, else 32. */
#include "ecg/ecg_wfdb_priv.h"
#include "ecg/ecg_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const struct ecg_record *r;
    const struct ecg_lead **leads;
    size_t n;
    double rate; /* frames per second */
    size_t frames;
    unsigned format;
    char stem[ECG_NAME_SIZE];
};

static size_t per_frame(const struct job *j, const struct ecg_lead *lead)
{
    return (size_t)llround(lead->rate_hz / j->rate);
}

/* A line has a name of its own only without blanks. */
static void choose_stem(struct job *j, const char *stem)
{
    snprintf(j->stem, sizeof j->stem, "%.240s", stem);
    for (char *p = j->stem; *p; p++)
        if (*p == ' ' || *p == '\t' || *p == '#' || *p == '/' || (uint8_t)*p < ' ')
            *p = '_';
}

static enum base_err choose_rate(struct job *j, struct base_error *err)
{
    j->rate = j->leads[0]->rate_hz;
    for (size_t i = 1; i < j->n; i++)
        j->rate = j->leads[i]->rate_hz < j->rate ? j->leads[i]->rate_hz : j->rate;
    for (size_t i = 0; i < j->n; i++) {
        const struct ecg_lead *lead = j->leads[i];
        double ratio = lead->rate_hz / j->rate;
        if (fabs(ratio - round(ratio)) > 1e-6 || ratio > WFDB_SPF_MAX ||
            !(fabs(lead->start_s) < 1e6))
            return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                             "signals of %g and %g Hz cannot be in one WFDB record: one must be a "
                             "multiple of the other",
                             j->rate, lead->rate_hz);
        size_t spf = per_frame(j, lead);
        int64_t end = ecg_write_first(lead) + (int64_t)lead->samples;
        size_t frames = end > 0 ? ((size_t)end + spf - 1) / spf : 0;
        j->frames = frames > j->frames ? frames : j->frames;
    }
    return BASE_OK;
}

static void choose_format(struct job *j)
{
    int64_t most = 0;
    for (size_t i = 0; i < j->n; i++)
        for (size_t k = 0; k < j->leads[i]->samples; k++) {
            int64_t v = ecg_lead_sample(j->leads[i], k);
            if (v != ECG_SAMPLE_NONE)
                most = llabs(v) > most ? llabs(v) : most;
        }
    /* The most negative value of each is a missing sample. */
    j->format = most <= 2047 ? 212 : most <= INT16_MAX ? 16 : 32;
}

static void add_sample(struct base_buf *out, unsigned format, int32_t v, size_t at)
{
    if (format == 32) {
        base_buf_add_le32(out, (uint32_t)v);
    } else if (format == 16) {
        base_buf_add_le16(out, (uint16_t)(v == ECG_SAMPLE_NONE ? INT16_MIN : v));
    } else {
        unsigned bits = (unsigned)(v == ECG_SAMPLE_NONE ? -2048 : v) & 0xfff;
        if (at % 2 == 0) {
            base_buf_add_le16(out, (uint16_t)bits);
        } else if (!out->err) {
            out->p[out->n - 1] |= (uint8_t)(bits >> 8 << 4);
            base_buf_add_byte(out, (uint8_t)bits);
        }
    }
}

static void write_samples(const struct job *j, uint16_t *sums, int32_t *firsts,
                          struct base_buf *out)
{
    size_t at = 0;
    for (size_t f = 0; f < j->frames && !out->err; f++)
        for (size_t i = 0; i < j->n; i++) {
            size_t spf = per_frame(j, j->leads[i]);
            for (size_t k = 0; k < spf; k++) {
                int32_t v = ecg_write_sample(j->leads[i], (int64_t)(f * spf + k));
                int32_t stored = v != ECG_SAMPLE_NONE ? v
                                 : j->format == 212   ? -2048
                                 : j->format == 16    ? INT16_MIN
                                                      : INT32_MIN;
                firsts[i] = f + k ? firsts[i] : stored;
                sums[i] = (uint16_t)(sums[i] + (uint32_t)stored);
                add_sample(out, j->format, v, at++);
            }
        }
}

static void write_record_line(const struct job *j, struct base_buf *out)
{
    const struct ecg_time *t = &j->r->start;
    base_buf_printf(out, "%s %zu %.15g %zu", j->stem, j->n, j->rate, j->frames);
    if (t->has_time)
        base_buf_printf(out, " %02u:%02u:%02u", (unsigned)t->hour % 24, (unsigned)t->minute % 60,
                        (unsigned)t->second % 60);
    if (t->has_time && t->usec % 1000)
        base_buf_printf(out, ".%06u", (unsigned)t->usec % 1000000);
    else if (t->has_time && t->usec)
        base_buf_printf(out, ".%03u", (unsigned)t->usec / 1000 % 1000);
    if (t->has_time && t->date.year)
        base_buf_printf(out, " %02u/%02u/%04u", (unsigned)t->date.day % 100,
                        (unsigned)t->date.month % 100, (unsigned)t->date.year % 10000);
    base_buf_add_byte(out, '\n');
}

static void write_signal_line(const struct job *j, size_t i, uint16_t sum, int32_t first,
                              struct ecg_outputs *o, struct base_buf *out)
{
    const struct ecg_lead *lead = j->leads[i];
    size_t spf = per_frame(j, lead);
    bool is_voltage = lead->unit[0] == '\0';
    double scale = lead->uv_per_count != 0 ? lead->uv_per_count : 1;
    double baseline = -lead->offset_uv / scale;
    if (fabs(baseline - round(baseline)) > 1e-6 || !(fabs(baseline) < INT32_MAX))
        ecg_outputs_lose(o, "lead %s: an offset of %g %s, which is no whole number of counts",
                         lead->name, lead->offset_uv, is_voltage ? "uV" : lead->unit);
    if (!(fabs(baseline) < INT32_MAX))
        baseline = 0;
    base_buf_printf(out, "%s.dat %u", j->stem, j->format);
    if (spf > 1)
        base_buf_printf(out, "x%zu", spf);
    base_buf_printf(out, " %.15g(%ld)/", (is_voltage ? 1000 : 1) / scale, lround(baseline));
    if (is_voltage)
        base_buf_add_str(out, "mV");
    for (const char *u = lead->unit; *u; u++)
        base_buf_add_byte(out, (uint8_t)((uint8_t)*u <= ' ' ? '_' : *u));
    base_buf_printf(out, " %u 0 %ld %d 0 ", j->format == 212 ? 12 : j->format, (long)first,
                    (int16_t)sum);
    ecg_write_clean(out, lead->name);
    base_buf_add_byte(out, '\n');
}

static void write_comments(const struct ecg_record *r, struct base_buf *out)
{
    const struct ecg_patient *p = &r->patient;
    if (p->age > 0 && p->age_unit == 'Y')
        base_buf_printf(out, "#<age>: %d\n", p->age);
    if (p->sex == 'M' || p->sex == 'F')
        base_buf_printf(out, "#<sex>: %c\n", p->sex);
    if (r->nstatements)
        base_buf_add_str(out, "#<diagnoses>:\n");
    for (size_t i = 0; i < r->nstatements; i++) {
        base_buf_add_byte(out, '#');
        ecg_write_clean(out, r->statements[i].text);
        base_buf_add_byte(out, '\n');
    }
}

static void lose_the_rest(const struct ecg_record *r, struct ecg_outputs *out)
{
    size_t on_median = 0;
    for (size_t i = 0; i < r->nmarks; i++)
        on_median += r->marks[i].on_median;
    if (on_median)
        ecg_outputs_lose(out, "%zu annotations of the median beat", on_median);
    /* header(5): the date stands behind the time. */
    if (r->start.date.year > 0 && !r->start.has_time)
        ecg_outputs_lose(out, "the date of the start, whose time is not known");
}

static enum base_err write_files(struct job *j, const struct ecg_write_options *options,
                                 struct ecg_outputs *out, struct base_error *err)
{
    uint16_t *sums = calloc(j->n, sizeof *sums);
    int32_t *firsts = calloc(j->n, sizeof *firsts);
    struct ecg_write_options o = *options;
    o.stem = j->stem;
    struct base_buf *header = ecg_outputs_add(out, &o, "hea");
    struct base_buf *signals = ecg_outputs_add(out, &o, "dat");
    enum base_err e = BASE_OK;
    if (sums && firsts) {
        write_samples(j, sums, firsts, signals);
        write_record_line(j, header);
        for (size_t i = 0; i < j->n; i++)
            write_signal_line(j, i, sums[i], firsts[i], out, header);
        write_comments(j->r, header);
        if (j->r->nmarks)
            ecg_wfdb_write_annotations(j->r->marks, j->r->nmarks, j->rate,
                                       ecg_outputs_add(out, &o, "atr"));
        ecg_outputs_lose_all_but(
            out, j->r, ECG_HOLDS_STATEMENTS | ECG_HOLDS_MARKS | ECG_HOLDS_OTHERS | ECG_HOLDS_TIME);
        lose_the_rest(j->r, out);
    } else {
        e = base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    }
    free(sums);
    free(firsts);
    return e;
}

enum base_err ecg_wfdb_write_row(const struct ecg_record *r,
                                 const struct ecg_write_options *options, struct ecg_outputs *out,
                                 struct base_error *err)
{
    struct job j = {.r = r};
    if (ecg_record_seconds(r) <= 0)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS, "the record has no samples");
    j.leads = ecg_write_channels(r, &j.n);
    if (!j.leads)
        return base_fail(err, BASE_ENOMEM, BASE_NOPOS, "out of memory");
    choose_stem(&j, options->stem);
    enum base_err e = choose_rate(&j, err);
    if (!e) {
        choose_format(&j);
        e = write_files(&j, options, out, err);
    }
    free(j.leads);
    return e;
}
