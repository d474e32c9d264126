/*
 * Lead numbers and names. SCP-ECG (EN 1064 5.6), MFER and ISO/IEEE 11073-10101
 * number the leads alike, so one number serves for all: SCP-ECG lead id n is
 * the MDC code "2:n" and the old DICOM code "5.6.3-9-1-n" or "5.6.3-9-n".
 */
#ifndef ECG_LEAD_H
#define ECG_LEAD_H

#include "base/bytes.h"

/* The numbers that code refers to; the table in ecg_lead.c has them all. */
enum ecg_lead_id {
    ECG_LEAD_NONE = 0,
    ECG_LEAD_I = 1,
    ECG_LEAD_II = 2,
    ECG_LEAD_V1 = 3,
    ECG_LEAD_V2 = 4,
    ECG_LEAD_V3 = 5,
    ECG_LEAD_V4 = 6,
    ECG_LEAD_V5 = 7,
    ECG_LEAD_V6 = 8,
    ECG_LEAD_III = 61,
    ECG_LEAD_AVR = 62,
    ECG_LEAD_AVL = 63,
    ECG_LEAD_AVF = 64,
    ECG_LEAD_ML = 126 /* which recordings of a few leads call MLII */
};

/* III, aVR, aVL and aVF, whose numbers follow each other: sums of I and II (Einthoven, Goldberger;
 * ecg_derive.h). */
enum { ECG_LEAD_SUMS = ECG_LEAD_AVF - ECG_LEAD_III + 1 };
static inline bool ecg_lead_is_sum(int id)
{
    return id >= ECG_LEAD_III && id <= ECG_LEAD_AVF;
}

/* One of the twelve. */
static inline bool ecg_lead_is_standard(int id)
{
    return (id >= ECG_LEAD_I && id <= ECG_LEAD_V6) || ecg_lead_is_sum(id);
}

/* "I", "aVR", "V3R"; NULL for a number that is not in the table. */
const char *ecg_lead_name(int id);
/* The code meaning of DICOM CID 3001, "Lead V1"; NULL as above. */
const char *ecg_lead_meaning(int id);
/* Number of a lead from its name in any case ("avr", "Lead V1", "ECG lead V1", "LeadII", "DII",
 * "D2"), else 0. */
int ecg_lead_by_name(const char *name, size_t n);
/* What to call a lead that has this number by its label: as ecg_lead_name, but "MLII" where the
 * label is that, for which the codes have only ML. */
const char *ecg_lead_shown(int id, const char *label, size_t n);
/* The same from a code meaning as CID 3001 has them, or a name. */
int ecg_lead_by_meaning(const char *meaning);
/* Number from an MDC code "2:61" or "131133", or an SCPECG code "5.6.3-9-61" or
 * "5.6.3-9-1-61", else 0. */
int ecg_lead_by_code(struct base_bytes scheme, struct base_bytes code);

#endif
