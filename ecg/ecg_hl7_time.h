/* Times as HL7 writes them (data type TS), which carts also use in XML of their own. Private to
 * ecg/. */
#ifndef ECG_HL7_TIME_H
#define ECG_HL7_TIME_H

#include "ecg/ecg_record.h"

/* YYYYMMDD[HH[MM[SS[.F]]]][+ZZZZ], also as ISO 8601 has it, "YYYY-MM-DDTHH:MM:SS+ZZ:ZZ". False when
 * it is none, or no day. */
bool ecg_hl7_time_parse(const char *s, struct ecg_time *out);
/* Seconds since 1970 of what the time says, its zone ignored; NAN without a date. */
double ecg_time_seconds(const struct ecg_time *t);

#endif
