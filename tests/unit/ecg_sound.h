/* Whether a record is what ecg_record.h says that every record is, and what a reader counted while
 * it decoded is so of the samples that stand in memory. */
#ifndef ECG_SOUND_H
#define ECG_SOUND_H

#include "base/utf8.h"
#include "ecg/ecg_record.h"

#include <math.h>

static inline bool ecg_is_text(const char *s)
{
    return s && base_utf8_valid(s, strlen(s));
}

static inline bool ecg_tally_holds(const struct ecg_lead *lead)
{
    int64_t sum = 0;
    size_t missing = 0;
    for (size_t k = 0; k < lead->samples; k++) {
        int32_t v = ecg_lead_sample(lead, k);
        missing += v == ECG_SAMPLE_NONE;
        sum += v == ECG_SAMPLE_NONE ? 0 : v;
    }
    return lead->tally.known && sum == lead->tally.sum && missing == lead->tally.missing;
}

static inline const char *ecg_lead_fault(const struct ecg_lead *lead)
{
    if (!ecg_is_text(lead->name) || !ecg_is_text(lead->unit))
        return "name or unit of a lead";
    if (lead->i16 && lead->i32)
        return "samples of two widths";
    if (lead->samples && !lead->i16 && !lead->i32)
        return "samples that are nowhere";
    if (lead->samples && !(lead->rate_hz > 0 && isfinite(lead->rate_hz)))
        return "rate of a lead";
    if (!isfinite(lead->uv_per_count) || !isfinite(lead->offset_uv) || !isfinite(lead->start_s))
        return "scale, offset or start of a lead";
    return ecg_tally_holds(lead) ? NULL : "tally of a lead";
}

static inline bool ecg_date_holds(struct ecg_date d)
{
    return (!d.year && !d.month && !d.day) || ecg_date_is_real(d.year, d.month, d.day);
}

static inline const char *ecg_head_fault(const struct ecg_record *r)
{
    const struct ecg_patient *p = &r->patient;
    const struct ecg_device *d = &r->device;
    const char *const texts[] = {r->format,       r->version,    r->accession,  r->study_uid,
                                 r->comment,      p->name.utf8,  p->id.utf8,    p->history,
                                 d->manufacturer, d->model,      d->serial,     d->software,
                                 d->institution,  d->department, d->technician, d->referring};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!ecg_is_text(texts[i]))
            return "a text";
    const struct ecg_time *t = &r->start;
    if (!ecg_date_holds(t->date) || !ecg_date_holds(p->birth))
        return "a date";
    if (t->has_time && !(t->hour >= 0 && t->hour < 24 && t->minute >= 0 && t->minute < 60 &&
                         t->second >= 0 && t->second < 60 && t->usec >= 0 && t->usec < 1000000))
        return "the time";
    if (t->has_zone && !(t->zone_min > -1440 && t->zone_min < 1440))
        return "the time zone";
    if ((p->sex && !strchr("MFO", p->sex)) || p->age < 0 ||
        (p->age && !strchr("YMWDH", p->age_unit)))
        return "sex or age";
    const double figures[] = {p->height_cm, p->weight_kg, r->filters.high_pass_hz,
                              r->filters.low_pass_hz, r->filters.notch_hz};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (!(figures[i] >= 0 && isfinite(figures[i])))
            return "height, weight or a filter";
    return isfinite(r->median_fiducial_s) ? NULL : "the median's fiducial point";
}

static inline const char *ecg_list_fault(const struct ecg_record *r)
{
    for (size_t i = 0; i < r->nstatements; i++)
        if (!ecg_is_text(r->statements[i].text) || !ecg_is_text(r->statements[i].code))
            return "a statement";
    for (size_t i = 0; i < r->nmeasurements; i++) {
        const struct ecg_measurement *m = &r->measurements[i];
        if (!ecg_is_text(m->name) || !ecg_is_text(m->unit) || !isfinite(m->value))
            return "a measurement";
    }
    for (size_t i = 0; i < r->nmarks; i++) {
        const struct ecg_mark *m = &r->marks[i];
        if (!ecg_is_text(m->text) || (unsigned)m->kind >= ECG_MARK_COUNT)
            return "text or kind of a mark";
        if (!isfinite(m->at_s) || !isfinite(m->from_s) || !isfinite(m->to_s) || m->from_s > m->to_s)
            return "times of a mark";
    }
    for (size_t i = 0; i < r->nnotes; i++)
        if (!ecg_is_text(r->notes[i].text) || !*r->notes[i].text)
            return "a note";
    return NULL;
}

/* What is wrong, or NULL. */
static inline const char *ecg_record_fault(const struct ecg_record *r)
{
    const struct ecg_lead *groups[] = {r->leads, r->others, r->medians};
    const size_t counts[] = {r->nleads, r->nothers, r->nmedians};
    const char *fault = ecg_head_fault(r);
    for (size_t g = 0; g < 3; g++)
        for (size_t i = 0; i < counts[g] && !fault; i++)
            fault = ecg_lead_fault(&groups[g][i]);
    return fault ? fault : ecg_list_fault(r);
}

#endif
