#include "hl7/hl7_fhir.h"

#include "hl7/hl7_fhir_priv.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 200, ID_MAX = 64 };

static void begin(struct hl7_fhir_reader *r, const json_t *bundle, const json_t *resource,
                  const char *path, struct hl7_fhir_issue *issue)
{
    *r = (struct hl7_fhir_reader){
        .bundle = bundle, .self = {.v = resource, .entry = SIZE_MAX}, .issue = issue};
    snprintf(r->self.path, sizeof r->self.path, "%s", path);
    r->order = json_object();
    r->no_memory = !r->order;
}

/* The order of the resource; NULL with the issue, or r->no_memory. */
static json_t *finish(struct hl7_fhir_reader *r)
{
    bool ok = !r->no_memory && hl7_fhir_read_service_request(r) && !r->no_memory;
    if (!ok)
        json_decref(r->order);
    return ok ? r->order : NULL;
}

enum base_err hl7_fhir_read_order(const json_t *resource, json_t **out,
                                  struct hl7_fhir_issue *issue)
{
    struct hl7_fhir_reader r;
    begin(&r, NULL, resource, "ServiceRequest", issue);
    json_t *order = finish(&r);
    json_t *request = order ? json_pack("{s:o}", "order", order) : NULL;
    if (!request)
        return r.no_memory || order ? BASE_ENOMEM : BASE_EFORMAT;
    *out = request;
    return BASE_OK;
}

/* ---- search ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* Percent-decodes s; false when it is malformed or too long. */
static bool decode(const char *s, char out[512])
{
    size_t n = 0;
    for (; *s; s++) {
        char c = *s == '+' ? ' ' : *s;
        if (*s == '%') {
            if (hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
                return false;
            c = (char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
            s += 2;
        }
        if (n == 511 || !c)
            return false;
        out[n++] = c;
    }
    out[n] = 0;
    return true;
}

json_t *hl7_fhir_read_token(const char *token)
{
    char text[512];
    size_t n = 0;
    size_t value = 0; /* where it begins, behind the bar */
    for (; *token && n + 1 < sizeof text; token++) {
        /* R4 search.html 3.1.1.4.0.1 */
        if (*token == ',')
            return NULL;
        if (*token == '|' && !value)
            value = n + 1;
        if (*token == '\\' && token[1] && strchr("\\|,$", token[1]))
            token++;
        text[n++] = *token;
    }
    text[n] = 0;
    if (*token || !text[value])
        return NULL;
    return value ? json_pack("{s:s%, s:s}", "system", text, value - 1, "value", text + value)
                 : json_pack("{s:s}", "value", text);
}

json_t *hl7_fhir_read_match(const char *query)
{
    static const char parameter[] = "identifier=";
    char value[512];
    if (query[0] == '?')
        query++;
    if (strncmp(query, parameter, sizeof parameter - 1) != 0 || strchr(query, '&') ||
        !decode(query + sizeof parameter - 1, value))
        return NULL;
    return hl7_fhir_read_token(value);
}

/* ---- bundles ---- */

/* Resources that an order may point to. */
static bool is_companion(const char *type)
{
    static const char *const known[] = {"Patient",  "Practitioner", "PractitionerRole",
                                        "Location", "Organization", "Device",
                                        "Encounter"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(type, known[i]) == 0)
            return true;
    return false;
}

static bool set_match(struct hl7_fhir_reader *r, json_t *out, const char *query, const char *path,
                      const char *member)
{
    json_t *match = hl7_fhir_read_match(query);
    if (!match)
        return hl7_fhir_fail(r, "not-supported", path, member,
                             "orders are found by one identifier only: identifier=SYSTEM|VALUE");
    if (json_object_set_new(out, "identifier", match))
        r->no_memory = true;
    return !r->no_memory;
}

/* W/"3" as 3. */
static bool set_version(struct hl7_fhir_reader *r, json_t *out, const char *etag, const char *path)
{
    char *end;
    const char *s = strncmp(etag, "W/", 2) == 0 ? etag + 2 : etag;
    long version = s[0] == '"' ? strtol(s + 1, &end, 10) : 0;
    if (version <= 0 || strcmp(end, "\"") != 0)
        return hl7_fhir_fail(r, "value", path, "ifMatch", "it is the ETag, such as W/\"1\"");
    if (json_object_set_new(out, "version", json_integer(version)))
        r->no_memory = true;
    return !r->no_memory;
}

/* entry.request (R4 http.html, transaction): what is to be done with the order. */
static bool read_request(struct hl7_fhir_reader *r, const json_t *request, const char *path,
                         json_t *out)
{
    const char *method;
    const char *url;
    const char *etag;
    const char *none;
    if (!hl7_fhir_text(r, request, path, "method", ID_MAX, &method) ||
        !hl7_fhir_text(r, request, path, "url", 600, &url) ||
        !hl7_fhir_text(r, request, path, "ifMatch", ID_MAX, &etag) ||
        !hl7_fhir_text(r, request, path, "ifNoneExist", 600, &none))
        return false;
    bool post = method && strcmp(method, "POST") == 0;
    bool put = method && strcmp(method, "PUT") == 0;
    if (!post && !put)
        return hl7_fhir_fail(r, method ? "not-supported" : "required", path, "method",
                             "orders are taken by POST and PUT");
    if (json_object_set_new(out, "method", json_string(method)))
        r->no_memory = true;
    static const char type[] = "ServiceRequest";
    size_t n = sizeof type - 1;
    const char *rest = url && strncmp(url, type, n) == 0 ? url + n : NULL;
    if (post)
        return rest && !*rest
                   ? !none || set_match(r, out, none, path, "ifNoneExist")
                   : hl7_fhir_fail(r, "value", path, "url", "with POST it is ServiceRequest");
    if (etag && !set_version(r, out, etag, path))
        return false;
    if (rest && rest[0] == '?')
        return set_match(r, out, rest, path, "url");
    if (!rest || rest[0] != '/' || !rest[1] || strspn(rest + 1, "0123456789") != strlen(rest + 1) ||
        strlen(rest) > 19)
        return hl7_fhir_fail(r, "value", path, "url",
                             "with PUT it is ServiceRequest/ID, or ServiceRequest?identifier=…");
    const char *id = json_string_value(json_object_get(r->self.v, "id"));
    if (id && strcmp(id, rest + 1) != 0)
        return hl7_fhir_fail(r, "invalid", r->self.path, "id",
                             "it is another id than that of request.url");
    if (json_object_set_new(out, "id", json_string(rest + 1)))
        r->no_memory = true;
    return !r->no_memory;
}

static bool read_entry(struct hl7_fhir_reader *r, const json_t *entry, size_t i, json_t *out)
{
    char at[HL7_FHIR_PATH];
    const json_t *resource;
    const json_t *request;
    const char *type;
    snprintf(at, sizeof at, "Bundle.entry[%zu]", i);
    if (!json_is_object(entry))
        return hl7_fhir_fail(r, "structure", at, NULL, "an entry is an object");
    if (!hl7_fhir_object(r, entry, at, "resource", &resource) ||
        !hl7_fhir_object(r, entry, at, "request", &request))
        return false;
    if (!resource || !request)
        return hl7_fhir_fail(r, "required", at, resource ? "request" : "resource",
                             "each entry needs a resource and a request");
    snprintf(at, sizeof at, "Bundle.entry[%zu].resource", i);
    if (!hl7_fhir_text(r, resource, at, "resourceType", ID_MAX, &type))
        return false;
    if (type && is_companion(type))
        return true;
    r->self.v = resource;
    snprintf(r->self.path, sizeof r->self.path, "%s", at);
    snprintf(at, sizeof at, "Bundle.entry[%zu].request", i);
    if (!hl7_fhir_read_service_request(r) || !read_request(r, request, at, out))
        return false;
    if (json_object_set(out, "order", r->order))
        r->no_memory = true;
    return !r->no_memory;
}

static enum base_err add_entry(const json_t *bundle, const json_t *entry, size_t i, bool atomic,
                               json_t *list, struct hl7_fhir_issue *issue)
{
    struct hl7_fhir_reader r;
    /* R4 http.html, batch: its entries do not know each other. */
    begin(&r, atomic ? bundle : NULL, NULL, "", issue);
    json_t *out = json_object();
    bool ok = out && !r.no_memory && read_entry(&r, entry, i, out);
    enum base_err err = r.no_memory || !out ? BASE_ENOMEM : ok ? BASE_OK : BASE_EFORMAT;
    json_decref(r.order);
    if (err == BASE_EFORMAT && !atomic) {
        json_object_clear(out);
        json_object_set_new(out, "issue", hl7_fhir_write_outcome("error", issue));
        json_object_set_new(out, "status", json_integer(issue->status));
        err = BASE_OK;
    }
    if (!err && json_array_append(list, out))
        err = BASE_ENOMEM;
    json_decref(out);
    return err;
}

enum base_err hl7_fhir_read_bundle(const json_t *bundle, bool *atomic, json_t **out,
                                   struct hl7_fhir_issue *issue)
{
    struct hl7_fhir_reader r;
    const json_t *entries;
    const json_t *entry;
    const char *type;
    size_t i;
    begin(&r, bundle, bundle, "Bundle", issue);
    json_decref(r.order);
    const char *resource = json_string_value(json_object_get(bundle, "resourceType"));
    if (!resource || strcmp(resource, "Bundle") != 0) {
        hl7_fhir_fail(&r, "value", "Bundle", "resourceType",
                      "here a Bundle is taken; a ServiceRequest goes to /fhir/ServiceRequest");
        return BASE_EFORMAT;
    }
    if (!hl7_fhir_text(&r, bundle, "Bundle", "type", ID_MAX, &type) ||
        !hl7_fhir_array(&r, bundle, "Bundle", "entry", &entries) ||
        !hl7_fhir_read_modifiers(&r, bundle, "Bundle"))
        return BASE_EFORMAT;
    bool transaction = type && strcmp(type, "transaction") == 0;
    if (!transaction && (!type || strcmp(type, "batch") != 0)) {
        hl7_fhir_fail(&r, "code-invalid", "Bundle", "type", "known are transaction and batch");
        return BASE_EFORMAT;
    }
    if (json_array_size(entries) > ENTRIES_MAX) {
        hl7_fhir_fail(&r, "too-costly", "Bundle", "entry", "at most %d entries; send several",
                      ENTRIES_MAX);
        return BASE_EFORMAT;
    }
    json_t *list = json_array();
    enum base_err err = list ? BASE_OK : BASE_ENOMEM;
    json_array_foreach(entries, i, entry) err =
        err ? err : add_entry(bundle, entry, i, transaction, list, issue);
    if (err) {
        json_decref(list);
        return err;
    }
    *atomic = transaction;
    *out = list;
    return BASE_OK;
}
