/* What hl7_fhir*.c share. */
#ifndef HL7_FHIR_PRIV_H
#define HL7_FHIR_PRIV_H

#include "hl7/hl7_fhir.h"

#include <stddef.h>

enum { HL7_FHIR_PATH = 160, HL7_FHIR_NAME = 1024 };

#define HL7_FHIR_EN_REPRESENTATION                                                                 \
    "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
#define HL7_FHIR_DCM       "http://dicom.nema.org/resources/ontology/DCM"
#define HL7_FHIR_V2_0203   "http://terminology.hl7.org/CodeSystem/v2-0203"
#define HL7_FHIR_DICOM_UID "urn:dicom:uid"

/* A resource and its place. */
struct hl7_fhir_node {
    const json_t *v; /* NULL: there is none */
    char path[HL7_FHIR_PATH];
    size_t entry; /* of the Bundle; SIZE_MAX when not in one */
};

struct hl7_fhir_reader {
    const json_t *bundle; /* NULL: one resource alone */
    struct hl7_fhir_node self;
    json_t *order; /* owned by the caller of the reader */
    struct hl7_fhir_issue *issue;
    bool no_memory;
};

/* Sets the issue and returns false. member (may be NULL) is appended to path. */
bool hl7_fhir_fail(struct hl7_fhir_reader *r, const char *code, const char *path,
                   const char *member, const char *fmt, ...) BASE_PRINTF(5, 6);
/* A member that is a text of at most `most` characters, without control
 * characters; *out is NULL when it is absent. */
bool hl7_fhir_text(struct hl7_fhir_reader *r, const json_t *object, const char *path,
                   const char *member, size_t most, const char **out);
/* A member that is an object, or an array: *out is NULL when it is absent. */
bool hl7_fhir_object(struct hl7_fhir_reader *r, const json_t *object, const char *path,
                     const char *member, const json_t **out);
bool hl7_fhir_array(struct hl7_fhir_reader *r, const json_t *object, const char *path,
                    const char *member, const json_t **out);
bool hl7_fhir_set(struct hl7_fhir_reader *r, const char *key, const char *value);
/* The resource that a Reference points to: contained, or an entry of the Bundle. */
void hl7_fhir_resolve(const struct hl7_fhir_reader *r, const struct hl7_fhir_node *container,
                      const json_t *reference, struct hl7_fhir_node *out);
/* The code of the first coding of this system; NULL system: of any. */
const char *hl7_fhir_code(const json_t *concept, const char *system);
/* Identifier.type by table 0203, else the site's own; NULL: none. */
const char *hl7_fhir_identifier_type(const json_t *identifier);
/* Is the identifier in use (R4 valueset-identifier-use.html)? */
bool hl7_fhir_is_current(const json_t *identifier);
/* Fails on any modifier: R4 extensibility.html, resource.html forbid to act on a resource
 * with a modifier that is not understood. */
bool hl7_fhir_read_modifiers(struct hl7_fhir_reader *r, const json_t *v, const char *path);

/* HumanName.* as PN (PS3.5 6.2.1): alphabetic=ideographic=phonetic. */
bool hl7_fhir_read_names(struct hl7_fhir_reader *r, const json_t *names, const char *path,
                         char out[HL7_FHIR_NAME]);
/* Reads the Patient that ServiceRequest.subject refers to. */
bool hl7_fhir_read_subject(struct hl7_fhir_reader *r);

/* Reads the resource of r into the members of r->order. */
bool hl7_fhir_read_service_request(struct hl7_fhir_reader *r);
/* The system of a coding scheme designator; NULL when it has none. */
const char *hl7_fhir_scheme_system(const char *scheme);

/* A PN as an array of HumanName, with the pinyin where it has no Latin group. */
json_t *hl7_fhir_write_names(const char *pn, const char *pinyin);

#endif
