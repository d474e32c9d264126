#include "hl7/hl7_fhir_priv.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

bool hl7_fhir_fail(struct hl7_fhir_reader *r, const char *code, const char *path,
                   const char *member, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->issue->text, sizeof r->issue->text, fmt, ap);
    va_end(ap);
    snprintf(r->issue->expression, sizeof r->issue->expression, "%.150s%s%.30s", path,
             member ? "." : "", member ? member : "");
    r->issue->code = code;
    r->issue->status = 422;
    return false;
}

bool hl7_fhir_text(struct hl7_fhir_reader *r, const json_t *object, const char *path,
                   const char *member, size_t most, const char **out)
{
    const json_t *v = json_object_get(object, member);
    size_t characters = 0;
    *out = NULL;
    if (!v)
        return true;
    if (!json_is_string(v) || !json_string_length(v))
        return hl7_fhir_fail(r, "structure", path, member, "it must be a text that is not empty");
    for (const char *s = json_string_value(v); *s; s++) {
        if ((unsigned char)*s < ' ' && *s != '\n' && *s != '\t' && *s != '\r')
            return hl7_fhir_fail(r, "value", path, member,
                                 "it contains a control character; take it out");
        characters += ((unsigned char)*s & 0xC0) != 0x80;
    }
    if (characters > most)
        return hl7_fhir_fail(r, "too-long", path, member,
                             "it has %zu characters; at most %zu can go to a device", characters,
                             most);
    *out = json_string_value(v);
    return true;
}

bool hl7_fhir_object(struct hl7_fhir_reader *r, const json_t *object, const char *path,
                     const char *member, const json_t **out)
{
    *out = json_object_get(object, member);
    return !*out || json_is_object(*out) ||
           hl7_fhir_fail(r, "structure", path, member, "it must be an object");
}

bool hl7_fhir_array(struct hl7_fhir_reader *r, const json_t *object, const char *path,
                    const char *member, const json_t **out)
{
    *out = json_object_get(object, member);
    return !*out || json_is_array(*out) ||
           hl7_fhir_fail(r, "structure", path, member, "it must be an array");
}

bool hl7_fhir_set(struct hl7_fhir_reader *r, const char *key, const char *value)
{
    if (value && json_object_set_new(r->order, key, json_string(value)))
        r->no_memory = true;
    return !r->no_memory;
}

static bool is_same(const json_t *v, const char *s)
{
    return json_is_string(v) && strcmp(json_string_value(v), s) == 0;
}

/* Does an entry of the Bundle answer to this reference: by its fullUrl, or as
 * TYPE/ID (R4 bundle.html, Resolving references)? A version in it says no more. */
static bool is_meant(const json_t *entry, const char *reference)
{
    const json_t *resource = json_object_get(entry, "resource");
    const char *type = json_string_value(json_object_get(resource, "resourceType"));
    const char *id = json_string_value(json_object_get(resource, "id"));
    const char *url = json_string_value(json_object_get(entry, "fullUrl"));
    const char *version = strstr(reference, "/_history/");
    size_t length = version ? (size_t)(version - reference) : strlen(reference);
    if (url && strlen(url) == length && memcmp(url, reference, length) == 0)
        return true;
    size_t n = type ? strlen(type) : 0;
    return type && id && length == n + 1 + strlen(id) && memcmp(reference, type, n) == 0 &&
           reference[n] == '/' && memcmp(reference + n + 1, id, strlen(id)) == 0;
}

void hl7_fhir_resolve(const struct hl7_fhir_reader *r, const struct hl7_fhir_node *container,
                      const json_t *reference, struct hl7_fhir_node *out)
{
    const char *s = json_string_value(json_object_get(reference, "reference"));
    size_t i;
    const json_t *v;
    *out = (struct hl7_fhir_node){.entry = SIZE_MAX};
    if (s && s[0] == '#') {
        json_array_foreach(json_object_get(container->v, "contained"), i, v)
        {
            if (!is_same(json_object_get(v, "id"), s + 1))
                continue;
            out->v = v;
            snprintf(out->path, sizeof out->path, "%.120s.contained[%zu]", container->path, i);
            return;
        }
    } else if (s) {
        json_array_foreach(json_object_get(r->bundle, "entry"), i, v)
        {
            if (!is_meant(v, s))
                continue;
            out->v = json_object_get(v, "resource");
            out->entry = i;
            snprintf(out->path, sizeof out->path, "Bundle.entry[%zu].resource", i);
            return;
        }
    }
}

const char *hl7_fhir_code(const json_t *concept, const char *system)
{
    size_t i;
    const json_t *coding;
    json_array_foreach(json_object_get(concept, "coding"), i, coding)
    {
        const char *code = json_string_value(json_object_get(coding, "code"));
        if (code && (!system || is_same(json_object_get(coding, "system"), system)))
            return code;
    }
    return NULL;
}

const char *hl7_fhir_identifier_type(const json_t *identifier)
{
    const json_t *type = json_object_get(identifier, "type");
    const char *known = hl7_fhir_code(type, HL7_FHIR_V2_0203);
    return known ? known : hl7_fhir_code(type, NULL);
}

bool hl7_fhir_is_current(const json_t *identifier)
{
    return !is_same(json_object_get(identifier, "use"), "old");
}

bool hl7_fhir_read_modifiers(struct hl7_fhir_reader *r, const json_t *v, const char *path)
{
    if (json_array_size(json_object_get(v, "modifierExtension")))
        return hl7_fhir_fail(r, "extension", path, "modifierExtension",
                             "this modifier is not understood, so nothing was done; leave it out");
    return !json_object_get(v, "implicitRules") ||
           hl7_fhir_fail(r, "not-supported", path, "implicitRules",
                         "no implicit rules are known; leave it out");
}
