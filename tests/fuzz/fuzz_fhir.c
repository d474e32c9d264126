/* FHIR orders, alone and in a Bundle. What is read is written as an order again. */
#include "hl7/hl7_fhir.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_back(const json_t *request)
{
    json_t *order = json_object_get(request, "order");
    json_t *written = order ? hl7_fhir_write_order(order) : NULL;
    char *text = written ? json_dumps(written, JSON_COMPACT) : NULL;
    if (order && !text)
        abort();
    free(text);
    json_decref(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hl7_fhir_issue issue = {.text = ""};
    json_t *v = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    json_t *out = NULL;
    bool atomic;
    enum base_err err = BASE_EFORMAT;
    if (!json_is_object(v)) {
        json_decref(v);
        return 0;
    }
    if (json_object_get(v, "entry"))
        err = hl7_fhir_read_bundle(v, &atomic, &out, &issue);
    else
        err = hl7_fhir_read_order(v, &out, &issue);
    size_t i;
    const json_t *request;
    json_array_foreach(out, i, request) write_back(request);
    if (!err && !json_is_array(out))
        write_back(out);
    if (err == BASE_EFORMAT) {
        json_t *outcome = hl7_fhir_write_outcome("error", &issue);
        if (!outcome)
            abort();
        json_decref(outcome);
    }
    json_decref(out);
    json_decref(v);
    return 0;
}
