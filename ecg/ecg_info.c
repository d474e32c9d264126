#include "ecg/ecg_info.h"

#include "ecg/ecg_locale.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void ecg_info_time(const struct ecg_time *t, char out[ECG_INFO_TIME])
{
    char clock[16] = "";
    char zone[12] = "";
    out[0] = '\0';
    if (t->date.year == 0)
        return;
    if (t->has_time)
        snprintf(clock, sizeof clock, "T%02u:%02u:%02u", (unsigned)t->hour % 100,
                 (unsigned)t->minute % 100, (unsigned)t->second % 100);
    if (t->has_time && t->has_zone)
        snprintf(zone, sizeof zone, "%c%02u:%02u", t->zone_min < 0 ? '-' : '+',
                 (unsigned)abs(t->zone_min) / 60 % 100, (unsigned)abs(t->zone_min) % 60);
    snprintf(out, ECG_INFO_TIME, "%04d-%02d-%02d%s%s", t->date.year, t->date.month, t->date.day,
             clock, zone);
}

const char *ecg_info_confirmed(enum ecg_confirmed confirmed)
{
    switch (confirmed) {
    case ECG_CONFIRMED_NO:
        return "original";
    case ECG_CONFIRMED_YES:
        return "confirmed";
    case ECG_CONFIRMED_OVERREAD:
        return "overread";
    case ECG_CONFIRMED_UNSTATED:
    default:
        return "unstated";
    }
}

static void add_text(struct base_json *j, const char *key, const char *s)
{
    base_json_member_string(j, key, s[0] ? s : NULL);
}

static void add_number(struct base_json *j, const char *key, double v)
{
    base_json_key(j, key);
    if (v > 0)
        base_json_double(j, v);
    else
        base_json_null(j);
}

static void add_patient(struct base_json *j, const struct ecg_patient *p)
{
    char birth[ECG_INFO_TIME];
    char age[24] = "";
    const char sex[2] = {p->sex, '\0'};
    ecg_info_time(&(struct ecg_time){.date = p->birth}, birth);
    if (p->age)
        snprintf(age, sizeof age, "%d%c", p->age, p->age_unit);
    base_json_member_object(j, "patient");
    add_text(j, "name", p->name.utf8);
    add_text(j, "id", p->id.utf8);
    add_text(j, "sex", sex);
    add_text(j, "birth", birth);
    add_text(j, "age", age);
    base_json_member_bool(j, "text_guessed", p->name.guessed || p->id.guessed);
    base_json_close_object(j);
}

static void add_device(struct base_json *j, const struct ecg_record *r)
{
    base_json_member_object(j, "device");
    add_text(j, "manufacturer", r->device.manufacturer);
    add_text(j, "model", r->device.model);
    add_text(j, "serial", r->device.serial);
    add_text(j, "software", r->device.software);
    base_json_close_object(j);
    base_json_member_object(j, "filters");
    add_number(j, "high_pass_hz", r->filters.high_pass_hz);
    add_number(j, "low_pass_hz", r->filters.low_pass_hz);
    add_number(j, "notch_hz", r->filters.notch_hz);
    base_json_close_object(j);
}

static void add_leads(struct base_json *j, const char *key, const struct ecg_lead *leads, size_t n)
{
    base_json_member_array(j, key);
    for (size_t i = 0; i < n; i++) {
        base_json_open_object(j);
        base_json_member_string(j, "name", leads[i].name);
        add_text(j, "unit", leads[i].unit[0] ? leads[i].unit : "uV");
        base_json_member_int(j, "samples", (int64_t)leads[i].samples);
        base_json_member_double(j, "rate_hz", leads[i].rate_hz);
        base_json_member_double(j, "uv_per_count", leads[i].uv_per_count);
        base_json_member_double(j, "offset_uv", leads[i].offset_uv);
        base_json_member_double(j, "start_s", leads[i].start_s);
        base_json_close_object(j);
    }
    base_json_close_array(j);
}

static void add_findings(struct base_json *j, const struct ecg_record *r)
{
    base_json_member_array(j, "measurements");
    for (size_t i = 0; i < r->nmeasurements; i++) {
        const struct ecg_measurement *m = &r->measurements[i];
        base_json_open_object(j);
        base_json_member_string(j, "name", m->name);
        base_json_member_string(j, "lead", ecg_lead_name(m->lead_id));
        base_json_member_double(j, "value", m->value);
        add_text(j, "unit", m->unit);
        base_json_close_object(j);
    }
    base_json_close_array(j);
    base_json_member_array(j, "statements");
    for (size_t i = 0; i < r->nstatements; i++)
        base_json_string(j, r->statements[i].text);
    base_json_close_array(j);
    base_json_member_int(j, "marks", (int64_t)r->nmarks);
}

void ecg_info_notes(const struct ecg_record *r, size_t most, struct base_json *j)
{
    base_json_member_array(j, "notes");
    for (size_t i = 0; i < r->nnotes && i < most; i++) {
        base_json_open_object(j);
        base_json_key(j, "position");
        if (r->notes[i].pos == BASE_NOPOS)
            base_json_null(j);
        else
            base_json_int(j, (int64_t)r->notes[i].pos);
        base_json_member_string(j, "text", r->notes[i].text);
        base_json_member_bool(j, "damage", r->notes[i].is_damage);
        base_json_close_object(j);
    }
    base_json_close_array(j);
}

void ecg_info_note(const struct ecg_note *note, struct base_buf *out)
{
    if (note->pos != BASE_NOPOS)
        base_buf_printf(out, "byte %" PRIu64 ": ", note->pos);
    base_buf_add_str(out, note->text);
}

void ecg_info_json(const struct ecg_record *r, struct base_json *j)
{
    char start[ECG_INFO_TIME];
    locale_t callers = ecg_locale_enter();
    ecg_info_time(&r->start, start);
    base_json_open_object(j);
    add_text(j, "format", r->format);
    add_text(j, "version", r->version);
    add_text(j, "start", start);
    base_json_member_double(j, "seconds", ecg_record_seconds(r));
    add_text(j, "confirmed", ecg_info_confirmed(r->confirmed));
    add_patient(j, &r->patient);
    add_device(j, r);
    add_leads(j, "leads", r->leads, r->nleads);
    add_leads(j, "others", r->others, r->nothers);
    add_leads(j, "medians", r->medians, r->nmedians);
    add_findings(j, r);
    ecg_info_notes(r, r->nnotes, j);
    base_json_close_object(j);
    ecg_locale_leave(callers);
}
