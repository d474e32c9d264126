/*
 * Writes a record as a DICOM ECG object: 12-Lead ECG Waveform Storage where
 * PS3.3 A.34.3.4 allows, else General ECG (A.34.4.4), else Ambulatory ECG Waveform
 * Storage (A.34.5.4), else General 32-bit ECG, which holds any rate, unless a later one holds
 * more of the leads. Leads of one rate are a multiplex group. The notes of the record are kept in
 * it, and read again with it. The result is a whole Part 10 file, Explicit VR Little Endian, text
 * in UTF-8.
 */
#ifndef ECG_DICOM_WRITE_H
#define ECG_DICOM_WRITE_H

#include "base/buf.h"
#include "ecg/ecg_record.h"

/* What the record does not know, or what the order overrides. NULL = from the
 * record, else what the field says. All borrowed during the call. UTF-8. */
struct ecg_dicom_options {
    const char *study_uid;    /* NULL: derived from seed */
    const char *series_uid;   /* NULL: derived from seed */
    const char *instance_uid; /* NULL: derived from seed */
    /* What UIDs are derived from, so that the same file gives the same object;
     * NULL and no UIDs: random ones. */
    const char *seed;
    const char *patient_id;
    const char *patient_name;  /* DICOM form, "family^given" */
    const char *patient_birth; /* YYYYMMDD */
    const char *patient_sex;   /* "M", "F", "O" */
    const char *issuer;        /* of the patient id */
    const char *accession;
    const char *study_id;
    const char *study_description;
    const char *institution;
    bool has_zone;  /* for the times of a record that has none */
    int zone_min;   /* minutes east of UTC */
    int64_t now_us; /* wall clock, for the creation date and where the record has no time */
    size_t samples; /* at most, of all leads, padded; 0 = as ecg_limits_default */
};

struct ecg_dicom_written {
    const char *sop_class; /* static */
    char study_uid[65];
    char series_uid[65];
    char instance_uid[65];
    size_t coarse;       /* leads of more than 16 bits: in larger steps than they have */
    size_t measurements; /* of the record's */
    bool medians;        /* the median beat has a place */
    char left_out[200];  /* "V7 (100 Hz), V8 (100 Hz)": leads that have none; may be cut */
    char shortened[200]; /* "InstitutionName, OperatorsName": of these the beginning is written */
    char too_long[64];   /* "PatientID": what identifies is not cut short, but left out */
};

/* Appends the file to out. BASE_EINVAL: an option is longer than DICOM allows or
 * is no UID. BASE_EUNSUPPORTED when no ECG object can hold any of
 * it: there is no lead with samples; BASE_ELIMIT, BASE_ENOMEM as in out; *err says which.
 * written may be NULL. Leads of different length are padded; values that do not fit 16 bits are
 * written in a coarser unit, unless the class has 32. */
enum base_err ecg_dicom_write(const struct ecg_record *r, const struct ecg_dicom_options *options,
                              struct base_buf *out, struct ecg_dicom_written *written,
                              struct base_error *err) BASE_MUST_CHECK;

#endif
