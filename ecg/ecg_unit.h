/* Units of voltage as recorders write them. Private to ecg/. */
#ifndef ECG_UNIT_H
#define ECG_UNIT_H

#include "base/bytes.h"

/* How many µV "mV" has; 0 when it is no unit of voltage. */
double ecg_unit_uv(struct base_bytes unit);

#endif
