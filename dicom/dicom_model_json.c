#include "dicom/dicom_model_priv.h"

#include <string.h>

/* ---- the objects of an array ---- */

static void skip_space(struct dicom_model_list *l)
{
    while (l->at < l->text.n && memchr(" \t\r\n", l->text.p[l->at], 4))
        l->at++;
}

/* Behind the object that begins at `at`; 0 when it does not end. Brackets are
 * only counted: whether they match is what its reader sees. */
static size_t end_of_object(struct base_bytes text, size_t at)
{
    size_t depth = 0;
    bool quoted = false;
    for (; at < text.n; at++) {
        uint8_t c = text.p[at];
        if (quoted && c == '\\')
            at++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && --depth == 0)
            return at + 1;
    }
    return 0;
}

static enum base_err fail(struct dicom_model_list *l, struct base_error *error, const char *cause)
{
    l->ended = true;
    return base_fail(error, BASE_EFORMAT, l->at, "%s", cause);
}

static enum base_err take_object(struct dicom_model_list *l, struct base_bytes *object,
                                 struct base_error *error)
{
    if (l->at == l->text.n || l->text.p[l->at] != '{')
        return fail(l, error, "the metadata are no array of JSON objects");
    size_t end = end_of_object(l->text, l->at);
    if (!end)
        return fail(l, error, "the metadata end in the middle of an object");
    *object = base_bytes_of(l->text.p + l->at, end - l->at);
    l->at = end;
    return BASE_OK;
}

static enum base_err begin(struct dicom_model_list *l, struct base_bytes *object,
                           struct base_error *error)
{
    l->begun = true;
    if (l->text.n >= 3 && memcmp(l->text.p, "\xEF\xBB\xBF", 3) == 0)
        l->at = 3;
    skip_space(l);
    l->array = l->at < l->text.n && l->text.p[l->at] == '[';
    l->at += l->array;
    skip_space(l);
    if (l->array && l->at < l->text.n && l->text.p[l->at] == ']')
        return fail(l, error, "the metadata list no instance");
    return take_object(l, object, error);
}

enum base_err dicom_model_next(struct dicom_model_list *l, struct base_bytes *object,
                               struct base_error *error)
{
    if (l->ended)
        return BASE_ENOTFOUND;
    if (!l->begun)
        return begin(l, object, error);
    skip_space(l);
    uint8_t c = l->at < l->text.n ? l->text.p[l->at] : 0;
    if (l->array && c == ',') {
        l->at++;
        skip_space(l);
        return take_object(l, object, error);
    }
    if (l->array && c != ']')
        return fail(l, error, "the array of the metadata is not closed");
    l->at += l->array;
    skip_space(l);
    if (l->at < l->text.n)
        return fail(l, error, "something follows behind the metadata");
    l->ended = true;
    return BASE_ENOTFOUND;
}

/* ---- one object ---- */

enum base_err dicom_model_read_json(struct base_bytes json, struct dicom_model *out,
                                    struct base_error *error)
{
    json_error_t where;
    memset(out, 0, sizeof *out);
    if (json.n > DICOM_MODEL_TEXT_MAX)
        return base_fail(error, BASE_ELIMIT, BASE_NOPOS,
                         "the metadata of an instance may have %d MiB", DICOM_MODEL_TEXT_MAX >> 20);
    json_t *dataset = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, &where);
    if (!dataset)
        /* jansson's text quotes what it met, which may be a name */
        return base_fail(error, BASE_EFORMAT, where.position < 0 ? 0 : (uint64_t)where.position,
                         "no JSON at byte %d: %s", where.position,
                         json_error_code(&where) == json_error_duplicate_key ? "a key stands twice"
                         : json_error_code(&where) == json_error_numeric_overflow
                             ? "a number is too large"
                             : "it is malformed there");
    enum base_err err = json_is_object(dataset)
                            ? dicom_model_build(dataset, out, error)
                            : base_fail(error, BASE_EFORMAT, 0, "an instance is no JSON object");
    json_decref(dataset);
    return err;
}
