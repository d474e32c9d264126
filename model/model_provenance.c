#include "model/model_provenance.h"

#include "base/json.h"

#include <jansson.h>

static void add_flag(struct base_json *j, const char *key, bool value)
{
    if (value)
        base_json_member_bool(j, key, true);
}

void model_provenance_write(const struct model_provenance *p, struct base_buf *out)
{
    struct base_json j;
    base_json_init(&j, out);
    base_json_open_object(&j);
    base_json_member_filled(&j, "centre", p->centre);
    base_json_member_filled(&j, "device", p->device);
    base_json_member_int(&j, "received_us", p->received_us);
    base_json_member_int(&j, "quiet", p->quiet_seconds);
    base_json_member_filled(&j, "priority", p->priority);
    add_flag(&j, "single", p->single);
    add_flag(&j, "own", p->own);
    add_flag(&j, "charset_guessed", p->charset_guessed);
    base_json_member_filled(&j, "patient_id", p->patient_id);
    base_json_member_filled(&j, "patient_name", p->patient_name);
    base_json_member_filled(&j, "accession", p->accession);
    if (p->original_location) {
        base_json_member_object(&j, "original");
        base_json_member_filled(&j, "location", p->original_location);
        base_json_member_filled(&j, "sha256", p->original_sha256);
        base_json_member_filled(&j, "media", p->original_media);
        base_json_member_int(&j, "size", p->original_size);
        base_json_close_object(&j);
    }
    base_json_close_object(&j);
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static int64_t int_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

enum base_err model_provenance_read(struct base_bytes json, struct model_provenance *out,
                                    struct model_provenance_text **text)
{
    /* The value was padded with a NUL to an even length. */
    while (json.n && json.p[json.n - 1] == 0)
        json.n--;
    json_t *root = json_loadb((const char *)json.p, json.n, 0, NULL);
    const json_t *original = json_object_get(root, "original");
    const char *centre = text_of(root, "centre");
    if (!centre || (original && !text_of(original, "location"))) {
        json_decref(root);
        return BASE_EFORMAT;
    }
    *out = (struct model_provenance){
        .centre = centre,
        .device = text_of(root, "device"),
        .received_us = int_of(root, "received_us"),
        .quiet_seconds = int_of(root, "quiet"),
        .priority = text_of(root, "priority"),
        .single = json_is_true(json_object_get(root, "single")),
        .own = json_is_true(json_object_get(root, "own")),
        .charset_guessed = json_is_true(json_object_get(root, "charset_guessed")),
        .patient_id = text_of(root, "patient_id"),
        .patient_name = text_of(root, "patient_name"),
        .accession = text_of(root, "accession"),
        .original_location = text_of(original, "location"),
        .original_sha256 = text_of(original, "sha256"),
        .original_media = text_of(original, "media"),
        .original_size = int_of(original, "size"),
    };
    *text = (struct model_provenance_text *)root;
    return BASE_OK;
}

void model_provenance_free(struct model_provenance_text *text)
{
    json_decref((json_t *)text);
}
