/*
 * A record in words and numbers: JSON for programs, and CSV of its samples.
 */
#ifndef ECG_INFO_H
#define ECG_INFO_H

#include "base/json.h"
#include "ecg/ecg_record.h"

/*
 * One object: format, version, start, seconds, confirmed, patient {name, id, sex,
 * birth, age}, device {manufacturer, model}, filters {high_pass_hz, …},
 * leads [{name, samples, rate_hz, uv_per_count, start_s}], medians (the same),
 * measurements [{name, lead, value, unit}], statements [text], marks (a count),
 * notes [{position, text}]. What is not stated is null.
 */
void ecg_info_json(const struct ecg_record *r, struct base_json *j);

/* "time_s,I,II,…" and one line per sample with values in µV; a missing sample is
 * an empty field. BASE_EUNSUPPORTED when the leads have different rates. Other
 * errors are sticky in out, and returned. */
enum base_err ecg_info_csv(const struct ecg_record *r, struct base_buf *out,
                           struct base_error *err) BASE_MUST_CHECK;

/* "2026-01-31T08:00:00+08:00" as far as it is known; "" without a date. */
enum { ECG_INFO_TIME = 48 };
void ecg_info_time(const struct ecg_time *t, char out[ECG_INFO_TIME]);
const char *ecg_info_confirmed(enum ecg_confirmed confirmed);

#endif
