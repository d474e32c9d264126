/*
 * Names of the SNOMED CT concepts by which the PhysioNet challenges of 2020 and 2021 state
 * diagnoses in headers of records, as bare numbers.
 */
#ifndef ECG_SNOMED_H
#define ECG_SNOMED_H

/* "atrial fibrillation" of "164889003"; NULL of a number that is not in the table. */
const char *ecg_snomed_name(const char *number);

#endif
