/*
 * Recordings whose leads were stored one group after the other, as on paper: the parts of time in
 * which the same leads have samples, and the other leads but for strips none.
 */
#ifndef ECG_SECTION_H
#define ECG_SECTION_H

#include "ecg/analysis/ecg_window.h"

enum { ECG_SECTIONS_MAX = 8 };

struct ecg_section {
    double from_s; /* after the record's start */
    double to_s;
};

/* From the lead's first sample to its last, without what is missing or all the same for a second
 * and more at its ends. False: there is none, or more than a tenth of those between are missing. */
bool ecg_section_span(const struct ecg_lead *lead, struct ecg_section *out);
/* In order of time, and how many; 0: the leads are there together, or come and go otherwise.
 * *strips: leads that are there most of the time beside them, as the strip below such leads on
 * paper; they are of no section. */
size_t ecg_section_find(const struct ecg_record *r, struct ecg_section out[ECG_SECTIONS_MAX],
                        size_t *strips);
/* The record of one of them: its leads, which borrow their samples. */
void ecg_section_take(const struct ecg_record *r, const struct ecg_section *s,
                      struct ecg_part *out);
/* The record of the strips: the same for all of the time. */
void ecg_section_take_strips(const struct ecg_record *r, struct ecg_part *out);

#endif
