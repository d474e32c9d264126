/*
 * Samples as CSV (RFC 4180): a header "sample (500 Hz),I,II,...", and a line per sample
 * with its number, from 0 at the record's start, and µV per lead. A missing sample is
 * an empty field.
 */
#include "ecg/ecg_format.h"
#include "ecg/ecg_number.h"

#include <math.h>

/* Names come from the file: quotes are doubled, as RFC 4180 has it. */
static void add_name(struct base_buf *out, const char *name)
{
    base_buf_add_str(out, ",\"");
    for (; *name; name++) {
        if (*name == '"')
            base_buf_add_byte(out, '"');
        base_buf_add_byte(out, (uint8_t)*name);
    }
    base_buf_add_byte(out, '"');
}

static void add_row(struct base_buf *out, const struct ecg_record *r, int64_t row)
{
    uint8_t *to = base_buf_reserve(out, (r->nleads + 1) * (ECG_NUMBER_TEXT + 1));
    if (!to)
        return;
    uint8_t *at = to + ecg_number_whole(row, to);
    for (size_t i = 0; i < r->nleads; i++) {
        const struct ecg_lead *lead = &r->leads[i];
        int32_t v = ecg_write_sample(lead, row);
        *at++ = ',';
        if (v != ECG_SAMPLE_NONE)
            at += ecg_number_decimal(v * lead->uv_per_count + lead->offset_uv, at);
    }
    *at++ = '\n';
    *at = 0;
    out->n += (size_t)(at - to);
}

static void add_header(struct base_buf *out, const struct ecg_record *r)
{
    base_buf_printf(out, "sample (%.15g Hz)", r->nleads ? r->leads[0].rate_hz : 0);
    for (size_t i = 0; i < r->nleads; i++)
        add_name(out, r->leads[i].name);
    base_buf_add_byte(out, '\n');
}

enum base_err ecg_csv_write_row(const struct ecg_record *r, const struct ecg_write_options *options,
                                struct ecg_outputs *out, struct base_error *err)
{
    int64_t rows = 0;
    for (size_t i = 0; i < r->nleads; i++) {
        const struct ecg_lead *lead = &r->leads[i];
        if (fabs(lead->rate_hz - r->leads[0].rate_hz) > 1e-6 || !(fabs(lead->start_s) < 1e6))
            return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS,
                             "leads of %g and %g Hz do not fit in one table", r->leads[0].rate_hz,
                             lead->rate_hz);
        int64_t end = ecg_write_first(lead) + (int64_t)lead->samples;
        rows = end > rows ? end : rows;
    }
    if (rows == 0)
        return base_fail(err, BASE_EUNSUPPORTED, BASE_NOPOS, "there is no lead with samples");
    struct base_buf *csv = ecg_outputs_add(out, options, "csv");
    add_header(csv, r);
    for (int64_t row = 0; row < rows && !csv->err; row++)
        add_row(csv, r, row);
    ecg_outputs_lose_all_but(out, r, 0);
    return BASE_OK;
}
