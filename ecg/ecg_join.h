/*
 * Leads that a file stores in several pieces, one after the other: the sets and series of an aECG,
 * the multiplex groups of a DICOM object. They become one lead each, with missing samples between.
 * Private to ecg/.
 */
#ifndef ECG_JOIN_H
#define ECG_JOIN_H

#include "ecg/ecg_record.h"

/* Joins those of r->leads that are the same standard lead in the same unit at the same rate, and of
 * which no two lie at one time. A gap takes memory without having bytes: pieces further apart than
 * 16 times what there is of them (and 65,536 samples) stay leads of their own, as do those for
 * which the limit of samples has no room. Every lead keeps the place of its first piece.
 * BASE_ENOMEM: nothing has changed but what was joined before. */
enum base_err ecg_join_settle(struct ecg_record *r) BASE_MUST_CHECK;

#endif
