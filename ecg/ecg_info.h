/*
 * A record in words: JSON for programs.
 */
#ifndef ECG_INFO_H
#define ECG_INFO_H

#include "base/json.h"
#include "ecg/ecg_record.h"

/*
 * One object: format, version, start, seconds, confirmed, patient {name, id, sex,
 * birth, age}, device {manufacturer, model}, filters {high_pass_hz, …},
 * leads [{name, unit, samples, rate_hz, uv_per_count, offset_uv, start_s}], others (channels
 * that are no voltage: value and offset are in their unit), medians (the same),
 * measurements [{name, lead, value, unit}], statements [text], marks (a count),
 * notes [{position, text, damage}]. What is not stated is null.
 */
void ecg_info_json(const struct ecg_record *r, struct base_json *j);
/* Its member "notes" alone, of an object that is open; up to so many. */
void ecg_info_notes(const struct ecg_record *r, size_t most, struct base_json *j);
/* A note in one line, without its end: "byte 310: SCP-ECG: ...". */
void ecg_info_note(const struct ecg_note *note, struct base_buf *out);

/* "2026-01-31T08:00:00+08:00" as far as it is known; "" without a date. */
enum { ECG_INFO_TIME = 48 };
void ecg_info_time(const struct ecg_time *t, char out[ECG_INFO_TIME]);
const char *ecg_info_confirmed(enum ecg_confirmed confirmed);

#endif
