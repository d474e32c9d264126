/*
 * Orders as FHIR R4 (4.0.1) JSON: a ServiceRequest with its Patient, alone or in
 * a Bundle, becomes the JSON that fhir_put() of the database takes; an order becomes
 * a ServiceRequest again. Pure.
 */
#ifndef HL7_FHIR_H
#define HL7_FHIR_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

/* One OperationOutcome.issue, and the HTTP status that goes with it. */
struct hl7_fhir_issue {
    int status;
    const char *code;     /* http://hl7.org/fhir/issue-type */
    char expression[192]; /* FHIRPath of the bad element; "" = the whole resource */
    char text[320];       /* for a person: what is wrong, what to do */
};

/*
 * Reads one ServiceRequest. *out = {"order": …}, for order_upsert(): control ("",
 * "cancel", "complete"), hold, and those members of an order that it has.
 * BASE_EFORMAT with the issue; BASE_ENOMEM.
 */
enum base_err hl7_fhir_read_order(const json_t *resource, json_t **out,
                                  struct hl7_fhir_issue *issue) BASE_MUST_CHECK;

/*
 * Reads a Bundle of type transaction or batch. *out is an array with an object
 * per entry: {} for what only belongs to an order (Patient, Practitioner …); else
 * method (POST, PUT), id, version and identifier (as hl7_fhir_read_match) where
 * the entry says them, and order; or, in a batch only, {"issue": OperationOutcome,
 * "status": n} for an entry that is wrong. In a transaction that is BASE_EFORMAT.
 */
enum base_err hl7_fhir_read_bundle(const json_t *bundle, bool *atomic, json_t **out,
                                   struct hl7_fhir_issue *issue) BASE_MUST_CHECK;

/* SYSTEM|VALUE as {"system", "value"}; without "|" system is absent, and any system
 * matches. NULL: there is no value, or several, or out of memory. */
json_t *hl7_fhir_read_token(const char *token);
/* The same from "identifier=SYSTEM|VALUE", percent-encoded, as in a URL or in
 * If-None-Exist. NULL also for any other search. */
json_t *hl7_fhir_read_match(const char *query);

/* A row of order_row() as ServiceRequest. NULL: out of memory. */
json_t *hl7_fhir_write_order(const json_t *row);
/* severity: fatal, error, warning, information. NULL: out of memory. */
json_t *hl7_fhir_write_outcome(const char *severity, const struct hl7_fhir_issue *issue);
/* The CapabilityStatement for GET /metadata; its date is that of its last change. */
extern const char hl7_fhir_capability[];

#endif
