#include "worklist/worklist_query.h"

#include "base/utf8.h"
#include "model/model_pinyin.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { NESTING_MAX = 4 };

#define STEP DICOM_TAG_ScheduledProcedureStepSequence
#define PROC DICOM_TAG_RequestedProcedureCodeSequence
#define PROT DICOM_TAG_ScheduledProtocolCodeSequence

/* The attributes of PS3.4 Table K.6-1 that we have values for: each with its sequence
 * and its name in worklist_find(). Ascending at each level. */
static const struct attribute {
    uint32_t parent;
    uint32_t tag;
    const char *name; /* NULL: a sequence */
} attributes[] = {
    {0, DICOM_TAG_AccessionNumber, "accession"},
    {0, DICOM_TAG_InstitutionName, "institution"},
    {0, DICOM_TAG_ReferringPhysicianName, "referrer"},
    {0, DICOM_TAG_PatientName, "patient_name"},
    {0, DICOM_TAG_PatientID, "patient_id"},
    {0, DICOM_TAG_IssuerOfPatientID, "issuer"},
    {0, DICOM_TAG_PatientBirthDate, "birth_date"},
    {0, DICOM_TAG_PatientSex, "sex"},
    {0, DICOM_TAG_StudyInstanceUID, "study_uid"},
    {0, DICOM_TAG_RequestingPhysician, "requester"},
    {0, DICOM_TAG_RequestedProcedureDescription, "description"},
    {0, PROC, NULL},
    {0, DICOM_TAG_AdmissionID, "admission_id"},
    {0, STEP, NULL},
    {0, DICOM_TAG_RequestedProcedureID, "procedure_id"},
    {0, DICOM_TAG_ReasonForTheRequestedProcedure, "reason"},
    {0, DICOM_TAG_RequestedProcedurePriority, "priority"},
    {0, DICOM_TAG_PlacerOrderNumberImagingServiceRequest, "placer_number"},
    {0, DICOM_TAG_FillerOrderNumberImagingServiceRequest, "filler_number"},
    {STEP, DICOM_TAG_Modality, "modality"},
    {STEP, DICOM_TAG_ScheduledStationAETitle, "station"},
    {STEP, DICOM_TAG_ScheduledProcedureStepStartDate, "date"},
    {STEP, DICOM_TAG_ScheduledProcedureStepStartTime, "time"},
    {STEP, DICOM_TAG_ScheduledPerformingPhysicianName, "performer"},
    {STEP, DICOM_TAG_ScheduledProcedureStepDescription, "description"},
    {STEP, PROT, NULL},
    {STEP, DICOM_TAG_ScheduledProcedureStepID, "step_id"},
    {STEP, DICOM_TAG_ScheduledStationName, "station_name"},
    {STEP, DICOM_TAG_ScheduledProcedureStepLocation, "location"},
    {STEP, DICOM_TAG_ScheduledProcedureStepStatus, "status"},
    {PROC, DICOM_TAG_CodeValue, "procedure_code"},
    {PROC, DICOM_TAG_CodingSchemeDesignator, "procedure_scheme"},
    {PROC, DICOM_TAG_CodeMeaning, "description"},
    {PROT, DICOM_TAG_CodeValue, "procedure_code"},
    {PROT, DICOM_TAG_CodingSchemeDesignator, "procedure_scheme"},
    {PROT, DICOM_TAG_CodeMeaning, "description"},
};

static const struct attribute *find_attribute(uint32_t parent, uint32_t tag)
{
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
        if (attributes[i].parent == parent && attributes[i].tag == tag)
            return &attributes[i];
    return NULL;
}

/* ---- reading ---- */

/* The number of the key, 0 when there is no room. A key that comes twice (in a second
 * item) counts once. */
static size_t add_key(struct worklist_query *q, size_t parent, uint32_t tag, enum dicom_vr vr)
{
    assert(parent < q->n && q->n <= WORKLIST_KEYS_MAX && WORKLIST_KEYS_MAX <= UINT8_MAX);
    for (size_t i = 1; i < q->n; i++)
        if (q->keys[i].parent == parent && q->keys[i].tag == tag)
            return i;
    if (q->n == WORKLIST_KEYS_MAX)
        return 0;
    const struct dicom_tag_entry *known = dicom_tag_find(tag);
    if (known)
        vr = known->vr;
    q->keys[q->n] = (struct worklist_key){
        .parent = (uint8_t)parent, .vr = vr == DICOM_VR_NONE ? DICOM_VR_UN : vr, .tag = tag};
    return q->n++;
}

/* Of several attributes with one value (a description, a code) the later ones are "NAME 2" … to
 * worklist_find(), since each has to match. */
static void match_name(const struct attribute *known, char out[32])
{
    unsigned nth = 1;
    for (const struct attribute *a = attributes; a < known; a++)
        nth += a->name && strcmp(a->name, known->name) == 0;
    snprintf(out, 32, nth > 1 ? "%s %u" : "%s", known->name, nth);
}

/* BASE_ECONFLICT: another item of the sequence has asked for something else. */
static enum base_err set_match(struct worklist_query *q, const struct attribute *known,
                               const char *value)
{
    char name[32];
    match_name(known, name);
    const char *before = json_string_value(json_object_get(q->match, name));
    if (before && strcmp(before, value) != 0)
        return BASE_ECONFLICT;
    return json_object_set_new(q->match, name, json_string(value)) ? BASE_ENOMEM : BASE_OK;
}

/* PS3.4 C.2.2.2.3, C.2.2.2.4: no value, or only wildcards, matches everything. A name of
 * delimiters alone has no value (PS3.5 6.2.1). */
static bool is_universal(const char *s, enum dicom_vr vr)
{
    return s[strspn(s, vr == DICOM_VR_PN ? "*^= " : "*")] == 0;
}

/* PS3.5 6.2: blanks around a value mean nothing, also where there are several. */
static void trim_values(struct base_buf *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->n; i++) {
        uint8_t c = text->p[i];
        while (c == '\\' && n && text->p[n - 1] == ' ')
            n--;
        if (c != ' ' || n == 0 || text->p[n - 1] != '\\')
            text->p[n++] = c;
    }
    if (n < text->n)
        text->p[n] = 0;
    text->n = n;
}

static enum base_err add_match(struct worklist_query *q, const struct attribute *known,
                               const struct dicom_element *e)
{
    struct base_buf text = {0};
    enum base_err err;
    bool guessed = false;
    struct base_bytes value = dicom_value_text(e->value);
    if (dicom_vr_has_charset(e->vr)) {
        err = dicom_charset_to_utf8(&q->requested, value, &text, &guessed);
        q->gbk |= guessed && dicom_charset_is_gbk(value);
    } else {
        base_buf_add(&text, value.p, value.n);
        err = text.err;
    }
    trim_values(&text);
    const char *s = base_buf_cstr(&text);
    if (!err && !is_universal(s, e->vr)) {
        if (!known || !known->name)
            q->unmatched = true;
        else if (!base_utf8_valid(s, strlen(s)))
            err = BASE_EFORMAT;
        else
            err = set_match(q, known, s);
    }
    base_buf_deinit(&text);
    return err;
}

static enum base_err read_level(struct worklist_query *q, struct dicom_cursor *c, size_t parent,
                                unsigned depth);

/* PS3.4 C.2.2.2.6: a sequence of keys has one item. The keys of others are taken too, unless they
 * contradict each other. */
static enum base_err read_sequence(struct worklist_query *q, struct dicom_cursor *c, size_t key,
                                   unsigned depth)
{
    struct dicom_element item;
    enum base_err err = BASE_OK;
    dicom_cursor_enter(c);
    while (!err && dicom_cursor_next(c, &item) == DICOM_ELEMENT) {
        dicom_cursor_enter(c);
        err = read_level(q, c, key, depth + 1);
        dicom_cursor_leave(c);
    }
    dicom_cursor_leave(c);
    return err;
}

static enum base_err read_level(struct worklist_query *q, struct dicom_cursor *c, size_t parent,
                                unsigned depth)
{
    struct dicom_element e;
    enum base_err err = BASE_OK;
    while (!err && dicom_cursor_next(c, &e) == DICOM_ELEMENT) {
        /* Group lengths, private keys, and keys that do not belong in an answer. */
        if (DICOM_ELEMENT_NUMBER(e.tag) == 0 || DICOM_GROUP(e.tag) % 2 != 0 ||
            e.tag == DICOM_TAG_QueryRetrieveLevel)
            continue;
        if (e.tag == DICOM_TAG_SpecificCharacterSet) {
            if (parent == 0)
                dicom_charset_parse(&q->requested, e.value);
            continue;
        }
        bool sequence = e.vr == DICOM_VR_SQ || dicom_cursor_can_enter(c);
        size_t key = add_key(q, parent, e.tag, e.vr);
        if (key == 0)
            err = BASE_ELIMIT;
        else if (sequence && dicom_cursor_can_enter(c) && depth < NESTING_MAX)
            err = read_sequence(q, c, key, depth);
        else if (!sequence)
            err = add_match(q, find_attribute(q->keys[parent].tag, e.tag), &e);
    }
    return err;
}

/* PS3.4 C.2.2.2.6: a sequence without keys of its own asks for all there is. */
static enum base_err fill_sequences(struct worklist_query *q)
{
    for (size_t i = 1; i < q->n; i++) {
        assert(q->keys[i].parent < i); /* so what is written level by level ends */
        if (q->keys[i].vr != DICOM_VR_SQ)
            continue;
        bool empty = true;
        for (size_t k = 1; k < q->n; k++)
            empty = empty && q->keys[k].parent != i;
        for (size_t a = 0; empty && a < sizeof attributes / sizeof attributes[0]; a++)
            if (attributes[a].parent == q->keys[i].tag &&
                add_key(q, i, attributes[a].tag, dicom_tag_vr(attributes[a].tag)) == 0)
                return BASE_ELIMIT;
    }
    return BASE_OK;
}

enum base_err worklist_query_parse(struct base_bytes identifier, enum dicom_encoding encoding,
                                   struct worklist_query *out, struct base_error *error)
{
    struct dicom_cursor c;
    *out = (struct worklist_query){.n = 1, .match = json_object()};
    dicom_cursor_init(&c, identifier, encoding, true);
    enum base_err err = out->match ? read_level(out, &c, 0, 0) : BASE_ENOMEM;
    if (!err && c.state == DICOM_BAD) {
        err = BASE_EFORMAT;
        snprintf(error->msg, sizeof error->msg, "%s", c.error.msg);
    } else if (err == BASE_EFORMAT) {
        snprintf(error->msg, sizeof error->msg, "a key is not text in its character set");
    }
    /* Given even to a device that did not ask: images under a UID of its own would not
     * find their order. */
    if (!err && add_key(out, 0, DICOM_TAG_StudyInstanceUID, DICOM_VR_UI) == 0)
        err = BASE_ELIMIT;
    if (!err)
        err = fill_sequences(out);
    if (err == BASE_ECONFLICT)
        snprintf(error->msg, sizeof error->msg,
                 "a key has two values: a sequence of keys has one item");
    if (err == BASE_ELIMIT)
        snprintf(error->msg, sizeof error->msg, "more than %d keys", WORKLIST_KEYS_MAX);
    if (err) {
        worklist_query_deinit(out);
        error->code = err;
    }
    return err;
}

void worklist_query_deinit(struct worklist_query *q)
{
    json_decref(q->match);
    q->match = NULL;
}

void worklist_query_station(const struct worklist_query *q, const char *calling, char out[17])
{
    const char *s = json_string_value(json_object_get(q->match, "station"));
    bool asked = false;
    snprintf(out, 17, "%s", calling);
    for (size_t n; s && *s; s += s[n] ? n + 1 : n) {
        n = strcspn(s, "\\");
        if (n == strlen(calling) && memcmp(s, calling, n) == 0) {
            snprintf(out, 17, "%s", calling);
            return;
        }
        if (!asked && n > 0 && n <= 16 && strcspn(s, "*?") >= n) {
            snprintf(out, 17, "%.*s", (int)n, s);
            asked = true;
        }
    }
}

/* ---- the character set ---- */

static const struct {
    const char *name;
    const char *term; /* NULL: ASCII */
} charsets[] = {
    {"ISO_IR 192", "ISO_IR 192"},
    {"GB18030", "GB18030"},
    {"GBK", "GBK"},
    {"ISO 2022 IR 58", "\\ISO 2022 IR 58"},
    {"\\ISO 2022 IR 58", "\\ISO 2022 IR 58"},
    {"UTF-8", "ISO_IR 192"},
    {"ASCII", NULL},
};

static void set_charset(struct worklist_charset *out, const char *term)
{
    *out = (struct worklist_charset){.term = term};
    if (term)
        dicom_charset_parse(&out->set, base_bytes_of(term, strlen(term)));
}

void worklist_charset_choose(const char *configured, const struct worklist_query *q,
                             struct worklist_charset *out)
{
    for (size_t i = 0; i < sizeof charsets / sizeof charsets[0]; i++) {
        if (strcasecmp(configured, charsets[i].name) == 0) {
            set_charset(out, charsets[i].term);
            return;
        }
    }
    for (size_t i = 0; i < sizeof charsets / sizeof charsets[0]; i++) {
        if (!charsets[i].term)
            continue;
        set_charset(out, charsets[i].term);
        assert(out->set.n > 0); /* each of these terms names a set */
        /* Whatever stands beside it, or before it as it should. */
        if (memchr(q->requested.set, out->set.set[out->set.n - 1], q->requested.n))
            return;
    }
    set_charset(out, q->gbk ? "GBK" : "ISO_IR 192");
}

/* ---- answering ---- */

struct answer {
    const struct worklist_query *q;
    const json_t *row;
    const struct worklist_charset *charset;
    struct dicom_writer w;
};

/* PS3.5 6.2: characters of a value; see name_cut for a PN. */
static size_t longest(enum dicom_vr vr)
{
    switch ((int)vr) {
    case DICOM_VR_SH:
    case DICOM_VR_AE:
    case DICOM_VR_CS:
        return 16;
    case DICOM_VR_LO:
        return 64;
    default:
        return 1024;
    }
}

/* Bytes of the first `most` characters. */
static size_t cut(const char *s, size_t n, size_t most)
{
    size_t at = 0;
    for (; most > 0 && at < n; most--) {
        size_t length = base_utf8_sequence(s + at, n - at);
        at += length ? length : 1;
    }
    return at < n ? at : n;
}

/* PS3.5 6.2: up to three groups of 64 characters each. */
static void name_cut(const char *s, struct base_buf *out)
{
    for (int group = 0; group < 3 && s; group++) {
        size_t n = strcspn(s, "=");
        if (group)
            base_buf_add_byte(out, '=');
        base_buf_add(out, s, cut(s, n, 64));
        s = s[n] ? s + n + 1 : NULL;
    }
}

/* Text in the device's character set, or in pinyin if it cannot express it. */
static enum base_err encode(const struct answer *a, enum dicom_vr vr, const char *s,
                            struct base_buf *out)
{
    struct base_buf name = {0};
    enum base_err err = BASE_EUNSUPPORTED;
    if (vr == DICOM_VR_PN) {
        name_cut(s, &name);
        s = base_buf_cstr(&name);
    }
    size_t n = vr == DICOM_VR_PN ? name.n : cut(s, strlen(s), longest(vr));
    if (name.err)
        err = name.err;
    else if (a->charset->term)
        err = dicom_charset_from_utf8(&a->charset->set, s, n, out);
    if (err != BASE_EUNSUPPORTED) {
        base_buf_deinit(&name);
        return err;
    }
    err = vr == DICOM_VR_PN ? model_pinyin_name(s, n, out) : model_pinyin_text(s, n, out);
    base_buf_deinit(&name);
    size_t most = vr == DICOM_VR_PN ? 64 : longest(vr);
    if (out->n > most)
        out->n = most;
    return err;
}

static enum base_err write_text(struct answer *a, const struct worklist_key *key, const char *s)
{
    struct base_buf value = {0};
    enum dicom_vr vr = dicom_tag_vr(key->tag);
    enum base_err err = BASE_OK;
    if (s && dicom_vr_has_charset(vr))
        err = encode(a, vr, s, &value);
    else if (s)
        base_buf_add(&value, s, cut(s, strlen(s), longest(vr)));
    if (!err)
        err = value.err;
    if (!err)
        dicom_write(&a->w, key->tag, vr, value.p, value.n);
    base_buf_deinit(&value);
    return err;
}

static enum base_err write_level(struct answer *a, size_t parent);

/* A code sequence has an item if there is a code, the step sequence always; others are
 * empty. */
static enum base_err write_sequence(struct answer *a, size_t key)
{
    uint32_t tag = a->q->keys[key].tag;
    bool code = json_is_string(json_object_get(a->row, "procedure_code"));
    enum base_err err = BASE_OK;
    dicom_write_seq_open(&a->w, tag);
    if (tag == STEP || ((tag == PROC || tag == PROT) && code)) {
        dicom_write_item_open(&a->w);
        err = write_level(a, key);
        dicom_write_item_close(&a->w);
    }
    dicom_write_seq_close(&a->w);
    return err;
}

static enum base_err write_key(struct answer *a, size_t key)
{
    const struct worklist_key *k = &a->q->keys[key];
    const struct attribute *known = find_attribute(a->q->keys[k->parent].tag, k->tag);
    if (k->vr == DICOM_VR_SQ) /* unknown sequences are left out */
        return dicom_tag_find(k->tag) ? write_sequence(a, key) : BASE_OK;
    if (!known || !known->name) {
        dicom_write(&a->w, k->tag, k->vr, NULL, 0);
        return BASE_OK;
    }
    return write_text(a, k, json_string_value(json_object_get(a->row, known->name)));
}

/* The keys of a level, in the order of their tags. */
static enum base_err write_level(struct answer *a, size_t parent)
{
    enum base_err err = BASE_OK;
    uint64_t least = 0;
    while (!err) {
        size_t next = 0;
        for (size_t i = 1; i < a->q->n; i++) {
            const struct worklist_key *k = &a->q->keys[i];
            if (k->parent == parent && k->tag >= least &&
                (next == 0 || k->tag < a->q->keys[next].tag))
                next = i;
        }
        if (parent == 0 && least == 0 && a->charset->term) {
            /* Before all keys: no key of a worklist has a lower tag. */
            dicom_write_text(&a->w, DICOM_TAG_SpecificCharacterSet, a->charset->term);
            least = DICOM_TAG_SpecificCharacterSet + 1;
            continue;
        }
        if (next == 0)
            return BASE_OK;
        err = write_key(a, next);
        least = (uint64_t)a->q->keys[next].tag + 1;
    }
    return err;
}

enum base_err worklist_query_answer(const struct worklist_query *q, const json_t *row,
                                    const struct worklist_charset *charset,
                                    enum dicom_encoding encoding, struct base_buf *out)
{
    struct answer a = {.q = q, .row = row, .charset = charset};
    if (!json_is_object(row))
        return BASE_EINVAL;
    dicom_writer_init(&a.w, out, encoding);
    enum base_err err = write_level(&a, 0);
    return err ? err : out->err;
}
