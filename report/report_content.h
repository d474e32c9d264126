/*
 * What a report says, as plain values: the input of every rendering (PDF, SR,
 * and later HL7, FHIR). No database here; the caller fills it from one version
 * of a report. All strings are UTF-8, borrowed for the call; NULL = unknown.
 */
#ifndef REPORT_CONTENT_H
#define REPORT_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum report_status {
    REPORT_DRAFT,       /* 草稿 */
    REPORT_PRELIMINARY, /* 未审核 */
    REPORT_FINAL,       /* 已审核 */
    REPORT_AMENDED,     /* 修订后已审核 */
    REPORT_RETRACTED,   /* 已撤销 */
};

struct report_content {
    const char *hospital_name; /* who reads; the letterhead */
    const char *centre_name;   /* who sent the study */
    const char *line; /* "ecg", "radiology", "ultrasound", "wound", …: chooses the title */

    const char *patient_id;
    const char *patient_name;
    const char *patient_sex;        /* M, F, O */
    const char *patient_birth_date; /* YYYYMMDD */
    const char *patient_age; /* DICOM AS ("066Y") or text; NULL = from birth and study date */

    const char *study_uid;
    const char *study_id;
    const char *accession;
    const char *study_description;
    const char *modality;
    const char *study_date; /* YYYYMMDD */
    const char *study_time; /* HHMMSS… */
    const char *referring_physician;
    int64_t exam_id; /* ours, printed as report number */

    const char *findings;
    const char *impression;
    bool critical; /* 危急值 */
    bool damaged;  /* something of the recording or the images was lost before it came */

    uint32_t version; /* from 1 */
    enum report_status status;
    const char *author_name; /* 报告医师 */
    const char *signer_name; /* 审核医师; NULL while unsigned */
    int64_t signed_at_us;    /* µs since 1970 UTC; 0 while unsigned */
    int utc_offset_minutes;  /* zone in which times are printed */
    const char *sha256_hex;  /* of the canonical content; NULL while unsigned */
};

#endif
