/*
 * What a channel holds, by its label. Recorders of sleep, monitors and databases store
 * electroencephalograms, breath and pressure beside the ECG, often in volts: such a
 * channel is read and listed, but it is none of the leads. A label that says nothing is
 * taken for an ECG lead, as most recorders' are. Private to ecg/.
 */
#ifndef ECG_KIND_H
#define ECG_KIND_H

#include "ecg/ecg_record.h"

enum ecg_kind {
    ECG_KIND_UNKNOWN,
    ECG_KIND_ECG,  /* says so, whatever else it says */
    ECG_KIND_HEAD, /* "C3", "A2": of the head where other channels are, else of the chest */
    ECG_KIND_EEG,
    ECG_KIND_OTHER
};

/* Of a label in UTF-8 or any extension of ASCII, in any case, with blanks around or not;
 * for tests. */
enum ecg_kind ecg_kind_of(const char *label, size_t n);
/* Moves the leads that are none by their name from leads to others. On BASE_ENOMEM
 * nothing has moved. */
enum base_err ecg_kind_settle(struct ecg_record *r) BASE_MUST_CHECK;

#endif
