/*
 * Who a message is about: PID (HL7 v2.5.1 3.4.2) as the members of an order's patient. Pure.
 */
#ifndef HL7_PATIENT_H
#define HL7_PATIENT_H

#include "base/json.h"
#include "hl7/hl7_message.h"

/* XPN and XCN to PN (PS3.5 6.2.1), appended to name: family^given^middle^prefix^suffix; `from` is
 * the component of the family name. */
void hl7_person_name(const struct hl7_message *m, size_t segment, unsigned field,
                     unsigned repetition, unsigned from, struct base_buf *name);

/* The member of that name, where it is not empty, and drops it. One that is not whole for lack of
 * memory is an error of j's buffer; one that is too long is cut. */
void hl7_person_write(struct base_json *j, const char *key, struct base_buf *name);

/* Writes patient_id, resident_id, patient_name, birth_date and sex, those that segment pid has.
 * False when it has no Patient ID. */
bool hl7_patient_write(const struct hl7_message *m, size_t pid, struct base_json *j);

#endif
