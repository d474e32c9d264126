#include "hl7/hl7_fhir_priv.h"

#include "hl7/hl7_order.h"

#include <stdio.h>
#include <string.h>

/* Characters that a device can be given (PS3.5 6.2): SH, LO and a PN; others are our own. */
enum { SH = 16, LO = 64, PN = 194, ISSUER = 255, TEXT = 2000, CODE_MAX = 64 };

#define SELF (r->self.v)
#define PATH (r->self.path)

/* For people to read: cut to `most` characters, as an order by HL7 is. */
static bool set_shown(struct hl7_fhir_reader *r, const char *key, const char *value, size_t most)
{
    char text[HL7_FHIR_NAME];
    if (!value)
        return true;
    snprintf(text, sizeof text, "%s", value);
    hl7_order_shown(text, most);
    return hl7_fhir_set(r, key, text);
}

/* ---- what it is ---- */

static bool read_modifiers(struct hl7_fhir_reader *r)
{
    const json_t *negated = json_object_get(SELF, "doNotPerform");
    if (!hl7_fhir_read_modifiers(r, SELF, PATH))
        return false;
    if (negated && !json_is_boolean(negated))
        return hl7_fhir_fail(r, "structure", PATH, "doNotPerform", "it must be true or false");
    return !json_is_true(negated) ||
           hl7_fhir_fail(r, "not-supported", PATH, "doNotPerform",
                         "an order not to do something cannot be kept; revoke the order instead");
}

static bool read_status(struct hl7_fhir_reader *r)
{
    static const struct {
        const char *status;
        const char *control; /* of order_upsert */
        const char *hold;
    } known[] = {{"active", "", "false"},
                 {"draft", "", "true"},
                 {"on-hold", "", "true"},
                 {"revoked", "cancel", NULL},
                 {"entered-in-error", "cancel", NULL},
                 {"completed", "complete", NULL}};
    const char *status;
    if (!hl7_fhir_text(r, SELF, PATH, "status", CODE_MAX, &status))
        return false;
    if (!status)
        return hl7_fhir_fail(r, "required", PATH, "status", "an order needs a status: active");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(status, known[i].status) != 0)
            continue;
        bool cancel = strcmp(known[i].control, "cancel") == 0;
        return hl7_fhir_set(r, "control", known[i].control) &&
               hl7_fhir_set(r, "hold", known[i].hold) &&
               (!cancel || hl7_fhir_set(r, "reason", status));
    }
    return hl7_fhir_fail(r, "code-invalid", PATH, "status",
                         "known are active, draft, on-hold, revoked, completed, entered-in-error");
}

static bool read_intent(struct hl7_fhir_reader *r)
{
    static const char *const orders[] = {"order", "original-order", "reflex-order", "filler-order",
                                         "instance-order"};
    const char *intent;
    if (!hl7_fhir_text(r, SELF, PATH, "intent", CODE_MAX, &intent))
        return false;
    for (size_t i = 0; intent && i < sizeof orders / sizeof orders[0]; i++)
        if (strcmp(intent, orders[i]) == 0)
            return true;
    return hl7_fhir_fail(r, intent ? "code-invalid" : "required", PATH, "intent",
                         "the intent must be order (or another kind of order, no plan)");
}

static bool read_priority(struct hl7_fhir_reader *r)
{
    static const char *const known[][2] = {
        {"routine", "routine"}, {"urgent", "urgent"}, {"asap", "urgent"}, {"stat", "stat"}};
    const char *priority;
    if (!hl7_fhir_text(r, SELF, PATH, "priority", CODE_MAX, &priority))
        return false;
    for (size_t i = 0; priority && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(priority, known[i][0]) == 0)
            return hl7_fhir_set(r, "priority", known[i][1]);
    /* The default of the resource: without it a PUT would not undo an earlier one. */
    return priority ? hl7_fhir_fail(r, "code-invalid", PATH, "priority",
                                    "known are routine, urgent, asap, stat")
                    : hl7_fhir_set(r, "priority", "routine");
}

/* ---- its numbers ---- */

/* PS3.5 9.1: digits and dots, no component with a leading zero. */
static bool is_uid(const char *s)
{
    size_t n = strlen(s);
    bool begin = true;
    for (size_t i = 0; i < n; i++) {
        bool digit = s[i] >= '0' && s[i] <= '9';
        if (!digit && (s[i] != '.' || begin))
            return false;
        if (begin && s[i] == '0' && s[i + 1] && s[i + 1] != '.')
            return false;
        begin = !digit;
    }
    return n && n <= 64 && !begin;
}

static bool read_study_uid(struct hl7_fhir_reader *r, const char *value, const char *path)
{
    bool oid = strncmp(value, "urn:oid:", 8) == 0;
    if (!oid || !is_uid(value + 8))
        return hl7_fhir_fail(r, "value", path, "value",
                             "a Study Instance UID is written urn:oid: and the UID, such as "
                             "urn:oid:2.25.1");
    return hl7_fhir_set(r, "study_uid", value + 8);
}

/* Table 0203: ACSN accession, PLAC placer's number, FILL filler's; the first
 * without such a type is the placer's too. */
static bool read_identifier(struct hl7_fhir_reader *r, const json_t *identifier, const char *path)
{
    const char *type = hl7_fhir_identifier_type(identifier);
    const char *system;
    const char *value;
    if (!hl7_fhir_text(r, identifier, path, "system", ISSUER, &system) ||
        !hl7_fhir_text(r, identifier, path, "value", LO + 8, &value))
        return false;
    if (!value || !hl7_fhir_is_current(identifier))
        return true;
    if (system && strcmp(system, HL7_FHIR_DICOM_UID) == 0)
        return read_study_uid(r, value, path);
    if (type && strcmp(type, "ACSN") == 0)
        return hl7_fhir_text(r, identifier, path, "value", SH, &value) &&
               hl7_fhir_set(r, "accession", value);
    if (!hl7_fhir_text(r, identifier, path, "value", LO, &value))
        return false;
    if (type && strcmp(type, "FILL") == 0)
        return hl7_fhir_set(r, "filler_number", value);
    bool placer = type && strcmp(type, "PLAC") == 0;
    if (!placer && json_object_get(r->order, "placer_number"))
        return true;
    const char *assigner =
        json_string_value(json_object_get(json_object_get(identifier, "assigner"), "display"));
    return hl7_fhir_set(r, "placer_number", value) && hl7_fhir_set(r, "placer_issuer",
                                                                   system     ? system
                                                                   : assigner ? assigner
                                                                              : "");
}

/* Those with a type first, so that a typed one is never taken by an untyped. */
static bool read_identifiers(struct hl7_fhir_reader *r)
{
    const json_t *list;
    size_t i;
    const json_t *identifier;
    if (!hl7_fhir_array(r, SELF, PATH, "identifier", &list))
        return false;
    for (int typed = 1; typed >= 0; typed--) {
        json_array_foreach(list, i, identifier)
        {
            char at[HL7_FHIR_PATH];
            snprintf(at, sizeof at, "%.120s.identifier[%zu]", PATH, i);
            if ((hl7_fhir_identifier_type(identifier) != NULL) == typed &&
                !read_identifier(r, identifier, at))
                return false;
        }
    }
    return true;
}

/* ---- what is to be done ---- */

/* Coding systems that have a designator in DICOM (PS3.16 8). */
static const char *const schemes[][2] = {{"http://loinc.org", "LN"},
                                         {"http://snomed.info/sct", "SCT"},
                                         {HL7_FHIR_DCM, "DCM"},
                                         {"urn:oid:2.16.840.1.113883.6.1", "LN"},
                                         {"http://www.radlex.org", "RADLEX"},
                                         {"urn:oid:2.16.840.1.113883.6.96", "SCT"}};
enum { SCHEMES = sizeof schemes / sizeof schemes[0] };

/* The first that has a code, else the first. */
static size_t coding_of(const json_t *list)
{
    size_t i;
    const json_t *coding;
    json_array_foreach(list, i, coding) if (json_object_get(coding, "code")) return i;
    return 0;
}

static bool read_code(struct hl7_fhir_reader *r)
{
    const json_t *concept;
    const json_t *list;
    const char *text;
    const char *code = NULL;
    const char *display = NULL;
    char at[HL7_FHIR_PATH];
    if (!hl7_fhir_object(r, SELF, PATH, "code", &concept))
        return false;
    snprintf(at, sizeof at, "%.120s.code", PATH);
    if (!hl7_fhir_text(r, concept, at, "text", TEXT, &text) ||
        !hl7_fhir_array(r, concept, at, "coding", &list))
        return false;
    if (!text && json_array_size(list) == 0)
        return hl7_fhir_fail(r, "required", PATH, "code",
                             "an order needs to say what is to be done: code.coding or code.text");
    const json_t *coding = json_array_get(list, coding_of(list));
    snprintf(at, sizeof at, "%.110s.code.coding[%zu]", PATH, coding_of(list));
    if (!hl7_fhir_text(r, coding, at, "code", SH, &code) ||
        !hl7_fhir_text(r, coding, at, "display", TEXT, &display))
        return false;
    const char *system = json_string_value(json_object_get(coding, "system"));
    for (size_t i = 0; code && system && i < SCHEMES; i++)
        if (strcmp(system, schemes[i][0]) == 0 &&
            !hl7_fhir_set(r, "procedure_scheme", schemes[i][1]))
            return false;
    return hl7_fhir_set(r, "procedure_code", code) &&
           set_shown(r, "description", text ? text : display, LO);
}

/* The modality: a code of CID 29 or of table 0074 in orderDetail or category.
 * Without one the site's own code map may know it from the procedure. */
static bool read_modality(struct hl7_fhir_reader *r)
{
    static const char *const members[] = {"orderDetail", "category"};
    static const char *const systems[] = {HL7_FHIR_DCM,
                                          "http://terminology.hl7.org/CodeSystem/v2-0074"};
    for (size_t m = 0; m < 2; m++) {
        const json_t *list;
        size_t i;
        const json_t *concept;
        if (!hl7_fhir_array(r, SELF, PATH, members[m], &list))
            return false;
        json_array_foreach(list, i, concept) for (size_t s = 0; s < 2; s++)
        {
            const char *code = hl7_fhir_code(concept, systems[s]);
            const char *modality = code ? hl7_order_modality(code) : NULL;
            if (modality)
                return hl7_fhir_set(r, "modality", modality);
        }
    }
    return true;
}

/* ---- when, where, by whom ---- */

/* R4 datatypes.html, dateTime, from the day on. */
static bool is_moment(const char *s)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    size_t n = 0;
    for (; n < sizeof shape - 1 && s[n]; n++)
        if (shape[n] == 'd' ? s[n] < '0' || s[n] > '9' : s[n] != shape[n])
            break;
    if (n == 10 && !s[n])
        return true;
    if (n != sizeof shape - 1)
        return false;
    if (s[n] == '.')
        n += 1 + strspn(s + n + 1, "0123456789");
    if (strcmp(s + n, "Z") == 0)
        return true;
    static const char zone[] = "dd:dd";
    if ((s[n] != '+' && s[n] != '-') || strlen(s + n) != sizeof zone)
        return false;
    for (size_t i = 0; i < sizeof zone - 1; i++)
        if (zone[i] == 'd' ? s[n + 1 + i] < '0' || s[n + 1 + i] > '9' : s[n + 1 + i] != zone[i])
            return false;
    return true;
}

static bool read_occurrence(struct hl7_fhir_reader *r)
{
    const json_t *period;
    const char *at;
    char path[HL7_FHIR_PATH];
    if (json_object_get(SELF, "occurrenceTiming"))
        return hl7_fhir_fail(r, "not-supported", PATH, "occurrenceTiming",
                             "an order is for one time: send occurrenceDateTime, one order each");
    if (!hl7_fhir_text(r, SELF, PATH, "occurrenceDateTime", CODE_MAX, &at) ||
        !hl7_fhir_object(r, SELF, PATH, "occurrencePeriod", &period))
        return false;
    const char *member = period ? "start" : "occurrenceDateTime";
    snprintf(path, sizeof path, "%.120s%s", PATH, period ? ".occurrencePeriod" : "");
    if (period && !hl7_fhir_text(r, period, path, "start", CODE_MAX, &at))
        return false;
    if (at && !is_moment(at))
        return hl7_fhir_fail(r, "value", path, member,
                             "a time is written 2026-01-31T08:30:00+08:00, or 2026-01-31 for a "
                             "day");
    return hl7_fhir_set(r, "scheduled_at", at);
}

/* Who or what a Reference means, as text: display, else the name of the resource. */
static bool read_party(struct hl7_fhir_reader *r, const json_t *reference, const char *path,
                       size_t most, const char *key)
{
    struct hl7_fhir_node node;
    char name[HL7_FHIR_NAME];
    const char *text;
    if (!hl7_fhir_text(r, reference, path, "display", TEXT, &text))
        return false;
    hl7_fhir_resolve(r, &r->self, reference, &node);
    const json_t *role = json_object_get(node.v, "practitioner");
    if (role) { /* PractitionerRole */
        /* What is contained has no contents of its own (R4 references.html). */
        const struct hl7_fhir_node container = node.entry == SIZE_MAX ? r->self : node;
        if (!text && !hl7_fhir_text(r, role, node.path, "display", TEXT, &text))
            return false;
        hl7_fhir_resolve(r, &container, role, &node);
    }
    const json_t *names = json_object_get(node.v, "name");
    if (json_is_array(names)) {
        if (!hl7_fhir_read_names(r, names, node.path, name))
            return false;
        if (name[0])
            return hl7_fhir_set(r, key, name);
    } else if (names && !text && !hl7_fhir_text(r, node.v, node.path, "name", TEXT, &text)) {
        return false;
    }
    return set_shown(r, key, text, most);
}

/* Is this performer a Device? Then its identifier is the AE title. */
static bool is_device(const struct hl7_fhir_reader *r, const json_t *reference,
                      const json_t **identifier)
{
    struct hl7_fhir_node node;
    hl7_fhir_resolve(r, &r->self, reference, &node);
    const char *type = json_string_value(json_object_get(node.v, "resourceType"));
    if (!type)
        type = json_string_value(json_object_get(reference, "type"));
    *identifier = node.v ? json_array_get(json_object_get(node.v, "identifier"), 0)
                         : json_object_get(reference, "identifier");
    return type && strcmp(type, "Device") == 0;
}

static bool read_performers(struct hl7_fhir_reader *r)
{
    const json_t *list;
    const json_t *identifier;
    const char *aet;
    size_t i;
    const json_t *reference;
    if (!hl7_fhir_array(r, SELF, PATH, "performer", &list))
        return false;
    json_array_foreach(list, i, reference)
    {
        char at[HL7_FHIR_PATH];
        snprintf(at, sizeof at, "%.120s.performer[%zu]", PATH, i);
        if (is_device(r, reference, &identifier)) {
            strcat(at, ".identifier");
            if (!hl7_fhir_text(r, identifier, at, "value", SH, &aet) ||
                !hl7_fhir_set(r, "station", aet))
                return false;
        } else if (!json_object_get(r->order, "performer") &&
                   !read_party(r, reference, at, PN, "performer")) {
            return false;
        }
    }
    return true;
}

static bool read_places(struct hl7_fhir_reader *r)
{
    const json_t *list;
    const json_t *requester;
    const json_t *encounter;
    const char *admission;
    char at[HL7_FHIR_PATH];
    snprintf(at, sizeof at, "%.120s.locationReference[0]", PATH);
    if (!hl7_fhir_array(r, SELF, PATH, "locationReference", &list) ||
        (json_array_size(list) && !read_party(r, json_array_get(list, 0), at, SH, "location")))
        return false;
    snprintf(at, sizeof at, "%.120s.requester", PATH);
    if (!hl7_fhir_object(r, SELF, PATH, "requester", &requester) ||
        (requester && !read_party(r, requester, at, PN, "requester")))
        return false;
    snprintf(at, sizeof at, "%.120s.encounter.identifier", PATH);
    if (!hl7_fhir_object(r, SELF, PATH, "encounter", &encounter) ||
        !hl7_fhir_text(r, json_object_get(encounter, "identifier"), at, "value", LO, &admission))
        return false;
    return hl7_fhir_set(r, "admission_id", admission) && read_performers(r);
}

static bool read_reason(struct hl7_fhir_reader *r)
{
    const json_t *list;
    char at[HL7_FHIR_PATH];
    const char *text;
    snprintf(at, sizeof at, "%.120s.reasonCode[0]", PATH);
    if (!hl7_fhir_array(r, SELF, PATH, "reasonCode", &list))
        return false;
    const json_t *concept = json_array_get(list, 0);
    const json_t *coding = json_array_get(json_object_get(concept, "coding"), 0);
    if (!hl7_fhir_text(r, concept, at, "text", TEXT, &text) ||
        (!text && !hl7_fhir_text(r, coding, at, "display", TEXT, &text)))
        return false;
    return hl7_fhir_set(r, "reason", text ? text : hl7_fhir_code(concept, NULL));
}

bool hl7_fhir_read_service_request(struct hl7_fhir_reader *r)
{
    const char *type;
    if (!hl7_fhir_text(r, SELF, PATH, "resourceType", CODE_MAX, &type))
        return false;
    if (!type || strcmp(type, "ServiceRequest") != 0)
        return hl7_fhir_fail(r, "value", PATH, "resourceType",
                             "the resource must be a ServiceRequest");
    return read_modifiers(r) && read_status(r) && read_intent(r) && read_priority(r) &&
           read_identifiers(r) && read_code(r) && read_modality(r) && hl7_fhir_read_subject(r) &&
           read_occurrence(r) && read_places(r) && read_reason(r);
}

const char *hl7_fhir_scheme_system(const char *scheme)
{
    for (size_t i = 0; scheme && i < SCHEMES; i++)
        if (strcmp(scheme, schemes[i][1]) == 0)
            return schemes[i][0];
    return NULL;
}
