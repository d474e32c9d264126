#include "ingest/ingest_dataset.h"

#include "base/json.h"
#include "dicom/dicom_charset.h"

#include <stdio.h>

enum { NUMBERS_MAX = 256 };

struct converter {
    struct dicom_cursor cursor;
    struct base_json json;
    struct base_buf text; /* the value under way, as UTF-8 */
    enum base_err err;
};

static struct base_bytes trim(struct base_bytes s)
{
    while (s.n && s.p[0] == ' ') {
        s.p++;
        s.n--;
    }
    while (s.n && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* Up to the next of this delimiter; *rest is what follows it. */
static struct base_bytes cut(struct base_bytes *rest, char delimiter)
{
    struct base_bytes part = *rest;
    const uint8_t *at = rest->n ? memchr(rest->p, delimiter, rest->n) : NULL;
    if (at) {
        part.n = (size_t)(at - rest->p);
        *rest = base_bytes_of(at + 1, rest->n - part.n - 1);
    } else {
        *rest = base_bytes_of(NULL, 0);
    }
    return part;
}

/* PS3.18 F.2.2 */
static void write_name(struct base_json *j, struct base_bytes name)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
    base_json_open_object(j);
    for (size_t i = 0; i < 3 && name.p; i++) {
        struct base_bytes group = trim(cut(&name, '='));
        if (group.n) {
            base_json_key(j, groups[i]);
            base_json_string_n(j, (const char *)group.p, group.n);
        }
    }
    base_json_close_object(j);
}

static bool is_one_text(enum dicom_vr vr)
{
    return vr == DICOM_VR_LT || vr == DICOM_VR_ST || vr == DICOM_VR_UT || vr == DICOM_VR_UR;
}

static void write_text(struct converter *k, const struct dicom_element *e,
                       const struct dicom_charset *charset)
{
    static const struct dicom_charset ascii;
    bool guessed = false;
    base_buf_reset(&k->text);
    enum base_err err = dicom_charset_to_utf8(dicom_vr_has_charset(e->vr) ? charset : &ascii,
                                              e->value, &k->text, &guessed);
    if (err) {
        k->err = err;
        return;
    }
    struct base_bytes rest = base_buf_bytes(&k->text);
    if (trim(rest).n == 0)
        return;
    base_json_member_array(&k->json, "Value");
    while (rest.p) {
        struct base_bytes part = rest;
        if (is_one_text(e->vr))
            rest.p = NULL;
        else
            part = trim(cut(&rest, '\\'));
        if (e->vr == DICOM_VR_PN)
            write_name(&k->json, part);
        else
            base_json_string_n(&k->json, (const char *)part.p, part.n);
    }
    base_json_close_array(&k->json);
}

static void write_number(struct base_json *j, const struct dicom_element *e, unsigned i)
{
    int64_t v = 0;
    double d = 0;
    char tag[9];
    if (!dicom_value_int(e, i, &v)) {
        if (dicom_value_double(e, i, &d))
            base_json_double(j, d);
        else
            base_json_null(j);
    } else if (e->vr == DICOM_VR_AT) {
        snprintf(tag, sizeof tag, "%08X", (unsigned)v);
        base_json_string(j, tag);
    } else {
        base_json_int(j, v);
    }
}

static void write_numbers(struct converter *k, const struct dicom_element *e)
{
    uint32_t n = dicom_value_count(e);
    if (n == 0 || n > NUMBERS_MAX)
        return;
    base_json_member_array(&k->json, "Value");
    for (unsigned i = 0; i < n; i++)
        write_number(&k->json, e, i);
    base_json_close_array(&k->json);
}

static bool is_number(enum dicom_vr vr)
{
    static const enum dicom_vr all[] = {DICOM_VR_US, DICOM_VR_UL, DICOM_VR_SS,
                                        DICOM_VR_SL, DICOM_VR_UV, DICOM_VR_SV,
                                        DICOM_VR_FL, DICOM_VR_FD, DICOM_VR_AT};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] == vr)
            return true;
    return false;
}

static void write_level(struct converter *k, struct dicom_charset charset, unsigned depth);

static void write_sequence(struct converter *k, const struct dicom_charset *charset, unsigned depth)
{
    struct dicom_element item;
    bool any = false;
    if (depth == INGEST_DATASET_DEPTH) {
        k->err = BASE_ELIMIT;
        return;
    }
    dicom_cursor_enter(&k->cursor);
    while (!k->err && dicom_cursor_next(&k->cursor, &item) == DICOM_ELEMENT) {
        if (!any)
            base_json_member_array(&k->json, "Value");
        any = true;
        dicom_cursor_enter(&k->cursor);
        write_level(k, *charset, depth + 1);
        dicom_cursor_leave(&k->cursor);
    }
    if (any)
        base_json_close_array(&k->json);
    dicom_cursor_leave(&k->cursor);
}

static void write_element(struct converter *k, const struct dicom_element *e,
                          const struct dicom_charset *charset, unsigned depth)
{
    char key[9];
    snprintf(key, sizeof key, "%08X", (unsigned)e->tag);
    base_json_member_object(&k->json, key);
    base_json_member_string(&k->json, "vr", dicom_vr_text(e->vr));
    if (e->vr == DICOM_VR_SQ && dicom_cursor_can_enter(&k->cursor))
        write_sequence(k, charset, depth);
    else if (dicom_vr_is_text(e->vr))
        write_text(k, e, charset);
    else if (is_number(e->vr))
        write_numbers(k, e);
    base_json_close_object(&k->json);
}

/* The elements of a data set or item. An item inherits the character set (PS3.3
 * C.12.1.1.2). */
static void write_level(struct converter *k, struct dicom_charset charset, unsigned depth)
{
    struct dicom_element e;
    base_json_open_object(&k->json);
    while (!k->err && dicom_cursor_next(&k->cursor, &e) == DICOM_ELEMENT) {
        if (e.tag == DICOM_TAG_SpecificCharacterSet)
            dicom_charset_parse(&charset, e.value);
        /* Group lengths (PS3.5 7.2) say nothing. */
        if (DICOM_ELEMENT_NUMBER(e.tag) != 0)
            write_element(k, &e, &charset, depth);
    }
    base_json_close_object(&k->json);
}

enum base_err ingest_dataset_json(struct base_bytes dataset, enum dicom_encoding encoding,
                                  struct base_buf *out, struct base_error *error)
{
    struct converter k = {.err = BASE_OK};
    static const struct dicom_charset ascii;
    base_json_init(&k.json, out);
    dicom_cursor_init(&k.cursor, dataset, encoding, true);
    write_level(&k, ascii, 0);
    base_buf_deinit(&k.text);
    enum dicom_step step = dicom_cursor_state(&k.cursor);
    if (k.err)
        return base_fail(error, k.err, k.cursor.pos, "data set: %s", base_err_text(k.err));
    if (step == DICOM_BAD)
        return base_fail(error, k.cursor.error.code, k.cursor.error.pos, "data set: %s",
                         k.cursor.error.msg);
    if (step == DICOM_MORE)
        return base_fail(error, BASE_EFORMAT, k.cursor.pos, "data set: it ends too early");
    return out->err;
}
