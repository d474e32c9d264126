#include "hl7/hl7_fhir_priv.h"

#include <stdio.h>
#include <string.h>

enum { ID_MAX = 64 };

/* Table 0203: the national number is the resident ID; the record number of the
 * centre goes before any other as the Patient ID. */
static bool is_resident(const char *type)
{
    return type && (strcmp(type, "NNCHN") == 0 || strcmp(type, "NI") == 0);
}

static bool is_record(const char *type)
{
    return type && (strcmp(type, "MR") == 0 || strcmp(type, "PI") == 0);
}

static bool read_identifiers(struct hl7_fhir_reader *r, const json_t *list, const char *path)
{
    const char *id = NULL;
    const char *resident = NULL;
    bool record = false;
    size_t i;
    const json_t *identifier;
    json_array_foreach(list, i, identifier)
    {
        char at[HL7_FHIR_PATH];
        const char *value;
        const char *type = hl7_fhir_identifier_type(identifier);
        snprintf(at, sizeof at, "%.130s[%zu]", path, i);
        if (!hl7_fhir_text(r, identifier, at, "value", ID_MAX, &value))
            return false;
        if (!value || !hl7_fhir_is_current(identifier))
            continue;
        if (is_resident(type)) {
            resident = resident ? resident : value;
        } else if (!id || (is_record(type) && !record)) {
            id = value;
            record = is_record(type);
        }
    }
    return hl7_fhir_set(r, "patient_id", id) && hl7_fhir_set(r, "resident_id", resident);
}

/* A whole date; the standard also allows 1980 and 1980-01, which are none. */
static bool read_birth(struct hl7_fhir_reader *r, const json_t *patient, const char *path)
{
    const char *date;
    if (!hl7_fhir_text(r, patient, path, "birthDate", 10, &date))
        return false;
    if (!date)
        return true;
    size_t n = strlen(date);
    for (size_t i = 0; i < n; i++)
        if (i == 4 || i == 7 ? date[i] != '-' : date[i] < '0' || date[i] > '9')
            n = 0;
    if (n != 4 && n != 7 && n != 10)
        return hl7_fhir_fail(r, "value", path, "birthDate", "a date is written YYYY-MM-DD");
    return n < 10 || hl7_fhir_set(r, "birth_date", date);
}

static bool read_gender(struct hl7_fhir_reader *r, const json_t *patient, const char *path)
{
    static const struct {
        const char *gender;
        const char *sex;
    } known[] = {{"male", "M"}, {"female", "F"}, {"other", "O"}, {"unknown", NULL}};
    const char *gender;
    if (!hl7_fhir_text(r, patient, path, "gender", 20, &gender))
        return false;
    for (size_t i = 0; gender && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(gender, known[i].gender) == 0)
            return hl7_fhir_set(r, "sex", known[i].sex);
    return !gender || hl7_fhir_fail(r, "code-invalid", path, "gender",
                                    "known are male, female, other, unknown");
}

static bool read_patient(struct hl7_fhir_reader *r, const struct hl7_fhir_node *patient)
{
    const json_t *identifiers;
    const json_t *names;
    char at[HL7_FHIR_PATH];
    char name[HL7_FHIR_NAME];
    if (!hl7_fhir_read_modifiers(r, patient->v, patient->path) ||
        !hl7_fhir_array(r, patient->v, patient->path, "identifier", &identifiers) ||
        !hl7_fhir_array(r, patient->v, patient->path, "name", &names))
        return false;
    snprintf(at, sizeof at, "%.130s.identifier", patient->path);
    if (!read_identifiers(r, identifiers, at))
        return false;
    snprintf(at, sizeof at, "%.130s.name", patient->path);
    if (!hl7_fhir_read_names(r, names, at, name))
        return false;
    if (!name[0])
        return hl7_fhir_fail(r, "required", patient->path, "name", "a patient needs a name");
    return hl7_fhir_set(r, "patient_name", name) && read_birth(r, patient->v, patient->path) &&
           read_gender(r, patient->v, patient->path);
}

/* subject.identifier and subject.display, of a patient whom the sender keeps. */
static bool read_logical(struct hl7_fhir_reader *r, const json_t *subject, const char *path)
{
    const char *display;
    json_t *list = json_pack("[O]", json_object_get(subject, "identifier"));
    char at[HL7_FHIR_PATH];
    snprintf(at, sizeof at, "%.130s.identifier", path);
    bool ok = list && read_identifiers(r, list, at) &&
              hl7_fhir_text(r, subject, path, "display", ID_MAX, &display);
    json_decref(list);
    if (!list)
        r->no_memory = true;
    if (!ok)
        return false;
    return display ? hl7_fhir_set(r, "patient_name", display)
                   : hl7_fhir_fail(r, "required", path, "display",
                                   "a subject without a Patient needs the patient's name as "
                                   "display");
}

bool hl7_fhir_read_subject(struct hl7_fhir_reader *r)
{
    struct hl7_fhir_node patient;
    const json_t *subject;
    char at[HL7_FHIR_PATH];
    if (!hl7_fhir_object(r, r->self.v, r->self.path, "subject", &subject))
        return false;
    if (!subject)
        return hl7_fhir_fail(r, "required", r->self.path, "subject",
                             "an order needs a subject: a contained Patient, or one in the same "
                             "transaction");
    hl7_fhir_resolve(r, &r->self, subject, &patient);
    snprintf(at, sizeof at, "%.130s.subject", r->self.path);
    if (!patient.v && json_is_object(json_object_get(subject, "identifier")))
        return read_logical(r, subject, at);
    if (!patient.v)
        return hl7_fhir_fail(r, "not-found", at, "reference",
                             "the Patient is not here: contain it (#id), or send it in the same "
                             "transaction with its fullUrl as the reference");
    const char *type = json_string_value(json_object_get(patient.v, "resourceType"));
    if (!type || strcmp(type, "Patient") != 0)
        return hl7_fhir_fail(r, "value", at, "reference", "the subject must be a Patient");
    /* Who sends the Patient as an update says that it is right now. */
    const json_t *entry = json_array_get(json_object_get(r->bundle, "entry"), patient.entry);
    const char *method =
        json_string_value(json_object_get(json_object_get(entry, "request"), "method"));
    if (method && strcmp(method, "PUT") == 0 &&
        json_object_set_new(r->order, "correct_patient", json_true()))
        r->no_memory = true;
    return !r->no_memory && read_patient(r, &patient);
}
