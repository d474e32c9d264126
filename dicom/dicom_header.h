/*
 * The attributes of an object that the index needs, from the first kilobytes of its
 * data set: text as UTF-8, everything in bounded fields. Reads nothing behind the last
 * wanted attribute, so pixel and waveform data need not have arrived.
 */
#ifndef DICOM_HEADER_H
#define DICOM_HEADER_H

#include "dicom/dicom_part10.h"

enum { DICOM_NO_NUMBER = INT32_MIN };

/*
 * Text is UTF-8, NUL-terminated, "" when absent or empty; `cut` is set when one was
 * longer than its field, and cut between characters. Sizes: 64 characters of
 * up to 4 bytes for LO, 16 for SH, three groups of 64 for PN. Dates and times
 * are as in the object (DA, TM, DT), UIDs are not yet checked.
 */
struct dicom_header {
    /* patient */
    char patient_id[257];
    char issuer_of_patient_id[257];
    char patient_name[773];
    char patient_birth_date[17];
    char patient_sex[17];
    char patient_age[17];
    /* study */
    char study_uid[DICOM_UID_SIZE];
    char study_date[17];
    char study_time[17];
    char study_id[65];
    char accession_number[65];
    char study_description[257];
    char referring_physician[773];
    /* series */
    char series_uid[DICOM_UID_SIZE];
    char modality[17];
    int32_t series_number; /* DICOM_NO_NUMBER when absent or no number */
    char series_description[257];
    char series_date[17];
    char series_time[17];
    char body_part[17];
    char laterality[17];
    char protocol_name[257];
    /* equipment */
    char institution[257];
    char station[65];
    char manufacturer[257];
    char model[257];
    char device_serial[257];
    char timezone[17]; /* (0008,0201), "+0800" */
    /* instance */
    char sop_class[DICOM_UID_SIZE];
    char sop_instance[DICOM_UID_SIZE];
    int32_t instance_number;
    char acquisition_datetime[33]; /* (0008,002A) */
    char acquisition_date[17];
    char acquisition_time[17];
    char content_date[17];
    char content_time[17];
    int32_t rows;
    int32_t columns;
    int32_t frames;
    int32_t bits_allocated;
    /* first items of (0008,1111) and (0040,0275) */
    char pps_uid[DICOM_UID_SIZE]; /* Referenced SOP Instance UID of the MPPS */
    char requested_procedure_id[65];
    char requested_priority[17]; /* (0040,1003), there or of its own: "STAT" … */
    char sps_id[65];
    /* as received: (0008,0005), and the name's bytes without padding */
    char charset[129];
    uint8_t patient_name_raw[256];
    uint16_t patient_name_raw_n;

    bool guessed; /* the character set of some text had to be guessed */
    bool cut;     /* some text was longer than its field */
    bool damaged; /* malformed behind the required attributes; damage says how */
    char damage[160];
};

/*
 * Reads the prefix (complete: it is the whole data set) in the syntax.
 *
 * DONE: everything wanted was read and the required UIDs are valid.
 * MORE: the prefix ends before the last wanted attribute; error->msg says at
 *       which. h holds what was found; a caller that has no more calls
 *       dicom_header_check and goes on with that.
 * BAD:  BASE_EFORMAT: malformed, or a required UID is missing or invalid (error->msg
 *       names it); BASE_ENOMEM.
 *
 * h is overwritten in every case. A deflated prefix is inflated up to 1 MiB.
 */
enum dicom_scan dicom_header_scan(struct base_bytes prefix, bool complete,
                                  const struct dicom_syntax *syntax, struct dicom_header *h,
                                  struct base_error *error);

/* Study, series, SOP class and SOP instance UID present and valid? BASE_EFORMAT
 * with the attribute's name and value if not. */
BASE_MUST_CHECK enum base_err dicom_header_check(const struct dicom_header *h,
                                                 struct base_error *error);

#endif
