/*
 * Orders out of ORM^O01, OMI^O23 and OMG^O19 (HL7 v2.5.1 chapter 4), as the JSON that
 * order_upsert() of the database takes, and what ADT^A08 and A31 (chapter 3) say of a patient, as
 * patient_update() does. Pure.
 */
#ifndef HL7_ORDER_H
#define HL7_ORDER_H

#include "base/json.h"
#include "hl7/hl7_message.h"

/* What was wrong with a message, as ERR says it (table 0357). */
struct hl7_problem {
    const char *code;  /* "101" */
    const char *name;  /* "Required field missing" */
    char location[32]; /* "PID^1^5" */
    char text[160];
};

/*
 * Writes an array with one object per order (each OBR with its ORC; earlier results, PR in ORC-1,
 * are passed over) to j: control
 * ("", "change", "cancel", "complete"), hold, placer_number, placer_issuer, filler_number,
 * accession, study_uid, modality, procedure_code, procedure_scheme, description, station,
 * station_name, location, scheduled_at (as in the message), priority, requester,
 * referrer, reason, admission_id, patient_id, resident_id, patient_name (DICOM
 * PN), birth_date, sex. Members that the message does not have are left out. Of ADT: one object,
 * with control "patient" and what is the patient's.
 * BASE_EUNSUPPORTED: another message type (problem 200, 201), or an order control
 * that we do not support (103). BASE_EFORMAT: a required segment or field is missing.
 */
enum base_err hl7_orders_write(const struct hl7_message *m, struct base_json *j,
                               struct hl7_problem *problem) BASE_MUST_CHECK;

/* The modality (PS3.16 CID 29) of a code for a diagnostic section (table 0074) or a
 * modality; NULL when it stands for several (RAD), or none. */
const char *hl7_order_modality(const char *code);

/* Makes a text for people (description, place) fit for a device: keeps the first `most` characters
 * (PS3.5 6.2), and replaces those that a value cannot have by blanks. */
void hl7_order_shown(char *text, size_t most);

#endif
