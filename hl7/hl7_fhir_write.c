#include "hl7/hl7_fhir_priv.h"

#include <stdio.h>
#include <string.h>

/* R4 capabilitystatement.html: what worklist_fhir.c serves. */
const char hl7_fhir_capability[] =
    "{\"resourceType\":\"CapabilityStatement\",\"status\":\"active\",\"date\":\"2026-11-28\","
    "\"kind\":\"instance\",\"software\":{\"name\":\"rdc\",\"version\":\"" RDC_VERSION "\"},"
    "\"implementation\":{\"description\":\"Orders of a remote diagnostic centre\"},"
    "\"fhirVersion\":\"4.0.1\",\"format\":[\"application/fhir+json\",\"json\"],"
    "\"rest\":[{\"mode\":\"server\","
    "\"security\":{\"description\":\"The session of the JSON API: POST /api/v1/session, then "
    "Authorization: Bearer. Orders are taken from the staff of a centre.\"},"
    "\"resource\":[{\"type\":\"ServiceRequest\","
    "\"interaction\":[{\"code\":\"read\"},{\"code\":\"vread\",\"documentation\":\"of the newest "
    "version\"},{\"code\":\"create\"},{\"code\":\"update\"},{\"code\":\"search-type\"}],"
    "\"versioning\":\"versioned\",\"readHistory\":false,\"updateCreate\":false,"
    "\"conditionalCreate\":true,\"conditionalUpdate\":true,"
    "\"referencePolicy\":[\"local\",\"logical\"],"
    "\"searchParam\":[{\"name\":\"identifier\",\"type\":\"token\"}]}],"
    "\"interaction\":[{\"code\":\"transaction\"},{\"code\":\"batch\"}]}]}";

/* Adds a new value; NULL (nothing to say, or no memory) is left out. */
static void put(json_t *object, const char *key, json_t *value)
{
    if (value)
        json_object_set_new(object, key, value);
}

static const char *text(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static void put_text(json_t *object, const char *key, const char *value)
{
    if (value)
        put(object, key, json_string(value));
}

/* [{"display": value}], or {"display": value} */
static void put_party(json_t *object, const char *key, const char *value, bool list)
{
    if (value)
        put(object, key, json_pack(list ? "[{s:s}]" : "{s:s}", "display", value));
}

static json_t *typed_identifier(const char *type, const char *value)
{
    return json_pack("{s:{s:[{s:s, s:s}]}, s:s}", "type", "coding", "system", HL7_FHIR_V2_0203,
                     "code", type, "value", value);
}

static void add_identifier(json_t *list, const char *type, const char *value)
{
    if (value)
        json_array_append_new(list, typed_identifier(type, value));
}

static json_t *write_identifiers(const json_t *row)
{
    json_t *list = json_array();
    const char *placer = text(row, "placer_number");
    const char *issuer = text(row, "placer_issuer");
    const char *uid = text(row, "study_uid");
    if (placer) {
        json_t *identifier = typed_identifier("PLAC", placer);
        /* A namespace of HL7 v2 is no URI. */
        if (issuer && strchr(issuer, ':'))
            put_text(identifier, "system", issuer);
        else if (issuer)
            put_party(identifier, "assigner", issuer, false);
        json_array_append_new(list, identifier);
    }
    add_identifier(list, "FILL", text(row, "filler_number"));
    add_identifier(list, "ACSN", text(row, "accession"));
    if (uid) {
        char oid[8 + 64 + 1];
        snprintf(oid, sizeof oid, "urn:oid:%s", uid);
        json_array_append_new(list,
                              json_pack("{s:s, s:s}", "system", HL7_FHIR_DICOM_UID, "value", oid));
    }
    return list;
}

static json_t *write_patient(const json_t *row)
{
    const json_t *p = json_object_get(row, "patient");
    const char *sex = text(p, "sex");
    json_t *patient = json_pack("{s:s, s:s}", "resourceType", "Patient", "id", "patient");
    json_t *identifiers = json_array();
    json_t *names = hl7_fhir_write_names(text(p, "name"), text(p, "pinyin"));
    add_identifier(identifiers, "MR", text(p, "id"));
    add_identifier(identifiers, "NNCHN", text(p, "resident_id"));
    /* R4 json.html: no empty arrays. */
    if (json_array_size(identifiers))
        put(patient, "identifier", json_incref(identifiers));
    if (json_array_size(names))
        put(patient, "name", json_incref(names));
    json_decref(identifiers);
    json_decref(names);
    if (sex)
        put_text(patient, "gender", sex[0] == 'M' ? "male" : sex[0] == 'F' ? "female" : "other");
    put_text(patient, "birthDate", text(p, "birth_date"));
    return patient;
}

static const char *status_of(const char *state)
{
    static const char *const known[][2] = {
        {"held", "on-hold"}, {"done", "completed"}, {"cancelled", "revoked"}};
    for (size_t i = 0; state && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(state, known[i][0]) == 0)
            return known[i][1];
    return "active";
}

static json_t *write_code(const json_t *row)
{
    const char *code = text(row, "procedure_code");
    json_t *concept = json_object();
    if (code) {
        json_t *coding = json_pack("{s:s}", "code", code);
        put_text(coding, "system", hl7_fhir_scheme_system(text(row, "procedure_scheme")));
        put(concept, "coding", json_pack("[o]", coding));
    }
    const char *description = text(row, "description");
    put_text(concept, "text", description || code ? description : text(row, "modality"));
    return concept;
}

static void put_rest(json_t *out, const json_t *row)
{
    const char *station = text(row, "station");
    const char *admission = text(row, "admission_id");
    json_t *performers = json_array();
    put_party(out, "requester", text(row, "requester"), false);
    if (text(row, "performer"))
        json_array_append_new(performers, json_pack("{s:s}", "display", text(row, "performer")));
    if (station)
        json_array_append_new(performers, json_pack("{s:s, s:{s:s}}", "type", "Device",
                                                    "identifier", "value", station));
    if (json_array_size(performers))
        put(out, "performer", json_incref(performers));
    json_decref(performers);
    put_party(out, "locationReference", text(row, "location"), true);
    if (text(row, "reason"))
        put(out, "reasonCode", json_pack("[{s:s}]", "text", text(row, "reason")));
    if (admission)
        put(out, "encounter", json_pack("{s:{s:s}}", "identifier", "value", admission));
}

json_t *hl7_fhir_write_order(const json_t *row)
{
    char id[24];
    char version[24];
    const char *priority = text(row, "priority");
    json_t *out = json_object();
    snprintf(id, sizeof id, "%lld", (long long)json_integer_value(json_object_get(row, "id")));
    snprintf(version, sizeof version, "%lld",
             (long long)json_integer_value(json_object_get(row, "version")));
    put_text(out, "resourceType", "ServiceRequest");
    put_text(out, "id", id);
    json_t *meta = json_pack("{s:s}", "versionId", version);
    put_text(meta, "lastUpdated", text(row, "changed_at"));
    put(out, "meta", meta);
    put(out, "contained", json_pack("[o]", write_patient(row)));
    put(out, "identifier", write_identifiers(row));
    put_text(out, "status", status_of(text(row, "state")));
    put_text(out, "intent", "order");
    put_text(out, "priority", priority);
    put(out, "code", write_code(row));
    if (text(row, "modality"))
        put(out, "orderDetail",
            json_pack("[{s:[{s:s, s:s}]}]", "coding", "system", HL7_FHIR_DCM, "code",
                      text(row, "modality")));
    put(out, "subject", json_pack("{s:s}", "reference", "#patient"));
    put_text(out, "occurrenceDateTime", text(row, "scheduled_at"));
    put_text(out, "authoredOn", text(row, "created_at"));
    put_rest(out, row);
    return out;
}

json_t *hl7_fhir_write_outcome(const char *severity, const struct hl7_fhir_issue *issue)
{
    json_t *one = json_pack("{s:s, s:s, s:s}", "severity", severity, "code", issue->code,
                            "diagnostics", issue->text);
    if (issue->expression[0])
        put(one, "expression", json_pack("[s]", issue->expression));
    return json_pack("{s:s, s:[o]}", "resourceType", "OperationOutcome", "issue", one);
}
