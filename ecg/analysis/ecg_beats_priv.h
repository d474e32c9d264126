/* What the search for beats and that in sections share. Private to ecg_beats*.c. */
#ifndef ECG_BEATS_PRIV_H
#define ECG_BEATS_PRIV_H

#include "ecg/analysis/ecg_beats.h"
#include "ecg/analysis/ecg_section.h"

/* As ecg_beats_find, of leads that are there together. is_section: of a section, whose beats lie
 * where those in other leads do, and not at the largest deflection of its own. */
enum base_err ecg_beats_find_in(const struct ecg_record *r, const struct ecg_lead *only,
                                bool is_section, struct ecg_beats *out,
                                struct base_error *err) BASE_MUST_CHECK;
/* Those of n sections, n at least 1. */
enum base_err ecg_beats_find_in_sections(const struct ecg_record *r, const struct ecg_section *s,
                                         size_t n, struct ecg_beats *out,
                                         struct base_error *err) BASE_MUST_CHECK;
/* The first beat within reach after a spike of a pacemaker becomes a paced one. */
void ecg_beats_mark_after(struct ecg_beats *b, double spike_s);
/* Of doubles, for qsort. */
int ecg_beats_by_length(const void *a, const void *b);

#endif
